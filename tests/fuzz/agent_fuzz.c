/* An agent's day out of a fuzzer's bytes: the head's messages made by their own tables or just
 * bytes, what the shell answers to the core's effects, trainers' requests, breaks of the link,
 * time. The agent's assertions hold after each call, and what it sends can be read. */
#include <stdio.h>

#include "table_fill.h"
#include "worker/core/outbox.h"
#include "worker/core/parts.h"
#include "worker/shell/trial_line.h"

enum { STEPS_MAX = 80, CONNECTIONS = 4, STARTS_MAX = 16, INCARNATION = 77 };

/* What the shell did about an AGENT_START. It reports each step once, and nothing else. */
struct start {
    struct attempt_ref ref;
    enum { START_ASKED, START_RUNS, START_OVER } state;
};

static struct day {
    struct agent *agent;
    struct agent_outbox out;
    time_ms now;
    struct start starts[STARTS_MAX]; /* that the core asked for, the last ones */
    uint32_t n_starts;
    struct agent_effect save; /* the last one that was asked for */
    struct snapshot_name copy;
    char blob[BLOB_HASH_TEXT_MAX + 1], tree[WORK_TREE_NAME_MAX + 1];
    uint64_t blob_bytes;
    uint64_t connections, open[CONNECTIONS]; /* the trainers' */
    bool is_over;
} day;

static const message_type types[] = {
#define X(name, value, type) name,
    MESSAGE_TYPES(X)
#undef X
};
enum { N_TYPES = sizeof types / sizeof types[0] };

/* ---- what the core wants ---- */

static void effect_check(const struct agent_effect *effect)
{
    struct arena arena;
    message_type type;
    void *message;
    switch (effect->kind) {
    case AGENT_SEND:
        arena_init(&arena, MSG_ARENA_MAX_BYTES);
        (void)fuzz_must(message_decode(effect->frame, &arena, &type, &message, NULL) == OK);
        arena_fini(&arena);
        break;
    case AGENT_START:
    case AGENT_LANE_START:
        assert(effect->kind == AGENT_LANE_START || effect->lease != NULL);
        day.starts[day.n_starts++ % STARTS_MAX] = (struct start){effect->ref, START_ASKED};
        break;
    case AGENT_ANSWER: {
        size_t len = strlen(effect->text);
        assert(len > 0 && effect->text[len - 1] == '\n');
        break;
    }
    case AGENT_BLOB_WRITE:
        snprintf(day.blob, sizeof day.blob, "%s", effect->text);
        day.blob_bytes = effect->offset + effect->frame.len;
        break;
    case AGENT_TREE_UNPACK:
    case AGENT_TREE_SETUP:
        snprintf(day.tree, sizeof day.tree, "%s", effect->text);
        break;
    case AGENT_EXIT:
        day.is_over = true;
        break;
    case AGENT_SAVE_BEGIN:
    case AGENT_SAVE_COMMIT:
    case AGENT_SNAPSHOT_PROVE:
        day.save = *effect;
        break;
    case AGENT_COPY:
        assert(effect->frame.len == PASS_BYTES);
        day.copy = effect->source->name;
        break;
    case AGENT_MEET:
        assert((effect->gang != NULL) != (effect->text != NULL));
        break;
    case AGENT_LEND:
    case AGENT_SAY:
    case AGENT_RECONNECT:
    case AGENT_SIGNAL:
    case AGENT_CLOSE:
    case AGENT_READ_STOP:
    case AGENT_READ_START:
    case AGENT_DROP:
    case AGENT_CLEAN:
    case AGENT_BLOB_DROP:
    case AGENT_TREE_SETUP_STOP:
    case AGENT_ARRAY:
    case AGENT_ARRAY_DROP:
    case AGENT_LOGS_DROP:
    case AGENT_LANE_OPEN:
    case AGENT_LANE_CLOSE:
    case AGENT_LANE_RECALL:
        break;
    }
}

static void turn(void)
{
    if (day.out.failed != OK) {
        assert(day.out.failed == ERR_NO_MEMORY && mem_has_failed());
        day.is_over = true;
        return;
    }
    for (uint32_t i = 0; i < day.out.n_effects; i++) {
        effect_check(&day.out.effects[i]);
    }
    agent_outbox_reset(&day.out);
    agent_check(day.agent);
}

/* ---- the head ---- */

static void hint_lease(void *message)
{
    struct msg_lease *lease = message;
    static const char *const words[] = {"train", "${args}"};
    if (lease->n_words == 0) {
        lease->words = words;
        lease->n_words = 2;
    }
    lease->order.n = lease->order.n == 0 ? 1 : lease->order.n;
}

static void hint_blob(void *message)
{
    struct msg_blob *blob = message;
    static const char hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    blob->hash = hash;
}

static void hint_welcome(void *message)
{
    struct msg_welcome *welcome = message;
    welcome->epoch = 1000;
}

static void hint_ack(void *message)
{
    struct msg_ack *ack = message;
    ack->incarnation = INCARNATION;
}

/* What no luck finds; one bit says whether to help. */
static const struct {
    message_type type;
    void (*hint)(void *message);
} hints[] = {{MSG_LEASE, hint_lease},
             {MSG_BLOB, hint_blob},
             {MSG_WELCOME, hint_welcome},
             {MSG_ACK, hint_ack}};

static void message_give(struct bytes frame)
{
    struct arena arena;
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    if (message_decode(frame, &arena, &type, &message, NULL) == OK) {
        on_head_message(day.agent, day.now, type, message, &day.out);
    }
    turn(); /* a piece of a blob is borrowed until then */
    arena_fini(&arena);
}

static void step_message(struct fuzz_input *in)
{
    struct arena arena;
    struct buf frame;
    struct fill fill = {in, &arena};
    uint8_t pick = fuzz_byte(in);
    message_type type = pick < 100 ? MSG_LEASE : pick < 120 ? MSG_WELCOME : types[pick % N_TYPES];
    bool is_helped = (fuzz_byte(in) & 0x80) == 0;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    buf_init(&frame, MSG_MAX_BYTES);
    void *message = arena_alloc(&arena, message_schema(type)->size_bytes);
    if (message != NULL) {
        fill_object(&fill, message_schema(type), message, 0);
        for (size_t i = 0; is_helped && i < sizeof hints / sizeof hints[0]; i++) {
            if (hints[i].type == type) {
                hints[i].hint(message);
            }
        }
        if (message_encode(type, message, &frame) == OK) {
            message_give(buf_bytes(&frame));
        }
    }
    buf_fini(&frame);
    arena_fini(&arena);
}

static void step_bytes(struct fuzz_input *in)
{
    struct fuzz_input piece = fuzz_piece(in, 255);
    uint8_t frame[4 + 255] = {'m', 'u', PROTOCOL_VERSION, (uint8_t)types[fuzz_byte(in) % N_TYPES]};
    if (piece.left > 0) {
        memcpy(frame + 4, piece.at, piece.left);
    }
    message_give((struct bytes){frame, piece.left + 4});
}

static void step_link(struct fuzz_input *in)
{
    if ((fuzz_byte(in) & 1) != 0) {
        on_link_down(day.agent, day.now, &day.out);
    } else {
        on_link_up(day.agent, day.now, &day.out);
    }
    turn();
}

/* An attempt that runs, and its trainer has said hello. */
static void day_begin(void)
{
    static const char *const words[] = {"train", "${args}"};
    static const struct msg_welcome welcome = {.epoch = 1000, .heartbeat_ms = 1000};
    const struct msg_lease lease = {.task = {1, 1},
                                    .is_trial = true,
                                    .words = words,
                                    .n_words = 2,
                                    .workdir = "/w",
                                    .metric = "loss",
                                    .order = {.n = 1, .until = 3},
                                    .cpus = 10000,
                                    .timeout_grace_ms = 1000,
                                    .timeout_decision_ms = 1000,
                                    .checkpoints_on = 3};
    static const char hello[] = "{\"hello\":1,\"can\":[\"checkpoint\",\"pause\"]}";
    const struct attempt_ref ref = {{1, 1}, 0};
    struct trial_line line;
    day.open[0] = ++day.connections;
    on_head_message(day.agent, day.now, MSG_WELCOME, &welcome, &day.out);
    on_head_message(day.agent, day.now, MSG_LEASE, &lease, &day.out);
    turn();
    if (!day.is_over) {
        trial_line_decode((struct bytes){(const uint8_t *)hello, sizeof hello - 1}, &line);
        on_attempt_started(day.agent, day.now, ref, 100, &day.out);
        day.starts[0].state = START_RUNS;
        on_trainer_open(day.agent, day.now, day.open[0], ref, &day.out);
        on_trainer_request(day.agent, day.now, day.open[0], &line.request, &day.out);
        trial_line_fini(&line);
        turn();
    }
}

/* ---- the shell ---- */

static struct start *some_start(struct fuzz_input *in)
{
    static struct start other;
    uint8_t pick = fuzz_byte(in);
    uint32_t n = day.n_starts < STARTS_MAX ? day.n_starts : STARTS_MAX;
    if (n > 0 && pick < 224) {
        return &day.starts[pick % n];
    }
    other = (struct start){{{1 + pick % 3U, 1 + pick / 4 % 3U}, pick / 16 % 2U}, START_OVER};
    return &other;
}

/* How the start went, or how the attempt ended. */
static void start_report(struct start *start, uint8_t pick)
{
    struct attempt_result facts = {.cause = pick % 3 == 0   ? CAUSE_EXIT
                                            : pick % 3 == 1 ? CAUSE_SIGNAL
                                                            : CAUSE_OOM,
                                   .exit_code = pick % 4U,
                                   .reason = "it ended"};
    if (start->state == START_ASKED && (pick & 0x80) == 0) {
        on_attempt_started(day.agent, day.now, start->ref, 100, &day.out);
        start->state = START_RUNS;
    } else if (start->state == START_ASKED && (pick & 0x40) != 0) {
        on_attempt_recalled(day.agent, day.now, start->ref, &day.out);
    } else if (start->state == START_ASKED) {
        if ((pick & 4) != 0) {
            agent_nodes_fault(day.agent, start->ref);
        }
        if ((pick & 8) != 0) {
            agent_restore_lost(day.agent, start->ref);
        }
        on_attempt_not_started(day.agent, day.now, start->ref,
                               (pick & 1) != 0 ? CAUSE_CANNOT_START : CAUSE_REFUSED, "it did not",
                               &day.out);
        start->state = START_OVER;
    } else if (start->state == START_RUNS) {
        agent_task_duration(day.agent, start->ref, pick);
        on_attempt_exited(day.agent, day.now, start->ref, &facts, &day.out);
        start->state = START_OVER;
    }
}

static void step_shell(struct fuzz_input *in)
{
    struct start *start = some_start(in);
    struct attempt_ref ref = start->ref;
    uint8_t pick = fuzz_byte(in);
    uint64_t connection = day.open[fuzz_byte(in) % CONNECTIONS];
    struct snapshot_ref snapshot = {.ordinal = pick % 5U, .step = pick, .dir = "/s"};
    const char *error = (pick & 0x40) != 0 ? "no_space" : NULL;
    switch (fuzz_byte(in) % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
        start_report(start, pick);
        break;
    case 4:
        on_attempt_over_memory(day.agent, day.now, ref, "too much");
        break;
    case 5:
        on_attempt_activity(day.agent, day.now, ref);
        break;
    case 6:
        if ((pick & 0x80) == 0) {
            ref = day.save.ref;
            connection = day.save.connection;
        }
        on_save_begun(day.agent, day.now, ref, connection, "/s/1", error, error, &day.out);
        break;
    case 7:
        if ((pick & 0x80) == 0) {
            ref = day.save.ref;
            connection = day.save.connection;
            snapshot.ordinal = day.save.snapshot.ordinal;
            snapshot.step = day.save.snapshot.step;
        }
        on_save_committed(day.agent, day.now, ref, connection, &snapshot, error, error, &day.out);
        break;
    case 8:
        on_blob_written(day.agent, day.now, day.blob, day.blob_bytes, error, &day.out);
        break;
    case 9:
        on_tree_made(day.agent, day.now, day.tree, error, &day.out);
        break;
    case 10:
        agent_tree_lost(day.agent, day.tree);
        break;
    case 11:
        if ((pick & 0x80) == 0) {
            ref = day.save.ref;
            connection = day.save.connection;
        }
        on_exploit_proven(day.agent, day.now, ref, connection, "/s/1", error, &day.out);
        break;
    case 12:
        on_snapshot_copied(day.agent, day.now, day.copy, (copy_end)(pick >> 4 & 3), "no", &day.out);
        break;
    case 13:
        on_rank_ended(day.agent, day.now, ref, pick % 4U, (pick & 0x80) != 0, &day.out);
        break;
    case 14:
        on_attempt_prepared(day.agent, day.now, ref, "host", pick, "host:1", &day.out);
        break;
    default:
        on_load(day.agent, pick, pick);
        break;
    }
    turn();
}

/* ---- trainers: a line of theirs, through the decoder ---- */

static void step_trainer(struct fuzz_input *in)
{
    static const char *const lines[] = {
        "{\"hello\":1,\"can\":[\"checkpoint\",\"pause\"]}",
        "{\"report\":{\"step\":1,\"m\":{\"loss\":0.5}}}",
        "{\"report\":{\"step\":3,\"m\":{\"loss\":NaN,\"acc\":1}}}",
        "{\"report\":{\"step\":9,\"m\":{\"loss\":2}}}",
        "{\"save\":{\"step\":3}}",
        "{\"commit\":{\"step\":3}}",
        "{\"exploit\":{}}",
        "{\"bye\":\"done\"}",
        "{\"bye\":\"paused\",\"note\":\"x\"}",
        "no json",
        "{\"hello\":1,\"can\":[\"checkpoint\",\"exploit\"],\"rank\":0,\"world\":3}",
        "{\"hello\":1,\"can\":[\"checkpoint\",\"exploit\"],\"rank\":1,\"world\":3}",
        "{\"hello\":1,\"can\":[],\"rank\":2,\"world\":3}",
    };
    uint64_t connection = day.open[fuzz_byte(in) % CONNECTIONS];
    uint8_t pick = fuzz_byte(in);
    struct trial_line line;
    struct fuzz_input piece = {NULL, 0};
    const char *text = lines[pick % (sizeof lines / sizeof lines[0])];
    if (pick >= 224) {
        piece = fuzz_piece(in, 255);
        trial_line_decode((struct bytes){piece.at, piece.left}, &line);
    } else {
        trial_line_decode((struct bytes){(const uint8_t *)text, strlen(text)}, &line);
    }
    on_trainer_request(day.agent, day.now, connection, &line.request, &day.out);
    trial_line_fini(&line);
    turn();
}

static void step_connection(struct fuzz_input *in)
{
    uint8_t pick = fuzz_byte(in);
    uint64_t *open = &day.open[pick % CONNECTIONS];
    if (*open == 0) {
        *open = ++day.connections; /* never used twice */
        on_trainer_open(day.agent, day.now, *open, some_start(in)->ref, &day.out);
    } else if ((pick & 0x80) != 0) {
        on_trainer_close(day.agent, day.now, *open, &day.out);
        *open = 0;
    }
    turn();
}

/* ---- time ---- */

static void step_time(struct fuzz_input *in)
{
    uint8_t how = fuzz_byte(in);
    int64_t ms = INT64_C(1) << (how % 22);
    day.now += ms;
    if ((how & 0x80) != 0) {
        agent_gap(day.agent, ms);
    }
    if ((how & 0x60) == 0x60) {
        on_drain(day.agent, day.now, day.now + 10000, &day.out);
    }
    on_agent_tick(day.agent, day.now, &day.out);
    turn();
}

static void (*const steps[])(struct fuzz_input *in) = {
    step_message, step_message, step_message, step_bytes,   step_link,       step_shell,
    step_shell,   step_shell,   step_trainer, step_trainer, step_connection, step_time};

static bool day_open(void)
{
    static const char *const gpus[] = {"GPU-1"};
    const struct agent_config config = {.enrol = {.protocol = PROTOCOL_VERSION,
                                                  .schema_version = SCHEMA_VERSION,
                                                  .secret = "secret",
                                                  .node = "n1",
                                                  .incarnation = INCARNATION,
                                                  .host = "host",
                                                  .pid = 4711,
                                                  .version = "0.1.0",
                                                  .cpus = 20000,
                                                  .memory_bytes = 1 << 30,
                                                  .gpus = gpus,
                                                  .n_gpus = 1},
                                        .random_seed = 5,
                                        .snapshots_dir = "/state/snapshots"};
    memset(&day, 0, sizeof day);
    day.now = 1000000;
    agent_outbox_init(&day.out);
    return fuzz_must(agent_new(&config, &day.agent) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input_of(data, size);
    if (day_open()) {
        on_link_up(day.agent, day.now, &day.out);
        turn();
        if ((fuzz_byte(&in) & 1) == 0 && !day.is_over) {
            day_begin();
        }
        for (int i = 0; i < STEPS_MAX && in.left > 0 && !day.is_over; i++) {
            steps[fuzz_byte(&in) % (sizeof steps / sizeof steps[0])](&in);
        }
        struct buf text;
        buf_init(&text, 16 << 20);
        ignore_error(agent_dump(day.agent, &text), "sticky");
        buf_fini(&text);
    }
    agent_free(day.agent);
    agent_outbox_fini(&day.out);
    return 0;
}
