/* A head's day out of a fuzzer's bytes: frames of agents made by the messages' own tables, frames
 * that are just bytes, requests by the routes' own table, time, and a store that stalls. The core's
 * assertions hold after each turn. */
#include <stdio.h>

#include "head/core/state.h"
#include "head_ends.h"
#include "route_list.h"
#include "table_fill.h"
#include "word_list.h"

enum { STEPS_MAX = 60, BODY_MAX = 4096, PATH_MAX_BYTES = 256 };

/* ---- frames ---- */

static const message_type types[] = {
#define X(name, value, type) name,
    MESSAGE_TYPES(X)
#undef X
};

/* What no luck finds: who it is, and which event comes next. One byte says whether to help. */
static void hint_enrol(uint32_t peer, struct fill *fill, void *message)
{
    (void)fill;
    struct msg_enrol *msg = message;
    msg->protocol = PROTOCOL_VERSION;
    msg->schema_version = 1;
    msg->node = ends_peer_node(peer);
    msg->incarnation = ends_peer_incarnation(peer);
    msg->secret = ends_head()->join.secret;
}

/* Of a task that is this node's now, if there is one, by its attempt and its order. */
static void hint_task(uint32_t peer, uint8_t pick, struct node_event *event)
{
    static const task_id ids[] = {{1, 1}, {1, 2}, {1, 3}, {2, 1}};
    for (uint32_t i = 0; i < 4; i++) {
        task_id id = ids[(pick + i) % 4];
        const struct task *task = core_task_find(ends_head()->core, id);
        if (task != NULL && task->node != NULL && task->r.n_attempts > 0 &&
            strcmp(task->node->r.name, ends_peer_node(peer)) == 0) {
            event->task = id;
            event->attempt = task->r.attempt;
            event->reached = task->r.order.n;
            event->result.handed = (pick & 4) != 0 ? task->r.order.n : 0;
            return;
        }
    }
}

static void hint_events(uint32_t peer, struct fill *fill, void *message)
{
    static const double values[FILL_ITEMS_MAX] = {0.5, 0.25, 2, -1};
    static const char *const names[] = {"loss", "acc"};
    struct msg_events *msg = message;
    uint64_t number = ends_peer_event(peer);
    if (msg->n_events == 0) {
        struct node_event *event = arena_alloc(fill->arena, sizeof *event);
        if (event == NULL) {
            return;
        }
        event->kind = fuzz_byte(fill->in) % 7;
        msg->events = event;
        msg->n_events = 1;
    }
    msg->incarnation = ends_peer_incarnation(peer);
    for (uint32_t i = 0; i < msg->n_events; i++) {
        struct node_event *event = (struct node_event *)(uintptr_t)&msg->events[i];
        struct metric_row *row = arena_alloc(fill->arena, sizeof *row);
        uint8_t pick = fuzz_byte(fill->in);
        event->number = number + i;
        hint_task(peer, pick, event);
        if ((pick & 8) == 0 && row != NULL) {
            /* Every row has a value for each name. */
            *row = (struct metric_row){.seq = 1 + pick / 32U,
                                       .step = (int64_t[]){1, 3, 9, 2, 0, 5}[pick / 32 % 6],
                                       .time = 1,
                                       .values = &values[pick / 64 % 3],
                                       .n_values = 1 + pick / 16 % 2};
            event->rows = (struct metric_rows){names, row->n_values, row, 1};
        }
    }
}

static void hint_heartbeat(uint32_t peer, struct fill *fill, void *message)
{
    (void)fill;
    struct msg_heartbeat *msg = message;
    msg->incarnation = ends_peer_incarnation(peer);
}

static const struct {
    message_type type;
    void (*hint)(uint32_t peer, struct fill *fill, void *message);
} hints[] = {{MSG_ENROL, hint_enrol}, {MSG_EVENTS, hint_events}, {MSG_HEARTBEAT, hint_heartbeat}};

static void step_frame(struct fuzz_input *in)
{
    struct arena arena;
    struct buf frame;
    struct fill fill = {in, &arena};
    uint8_t who = fuzz_byte(in);
    uint32_t peer = who % ENDS_PEERS;
    /* Events are what most of it is about. */
    uint8_t pick = fuzz_byte(in);
    message_type type = pick < 128 ? MSG_EVENTS : types[pick % (sizeof types / sizeof types[0])];
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    buf_init(&frame, MSG_MAX_BYTES);
    const struct schema *schema = message_schema(type);
    void *message = arena_alloc(&arena, schema->size_bytes);
    if (message != NULL) {
        fill_object(&fill, schema, message, 0);
        for (size_t i = 0; (who & 0x80) == 0 && i < sizeof hints / sizeof hints[0]; i++) {
            if (hints[i].type == type) {
                hints[i].hint(peer, &fill, message);
            }
        }
        if (message_encode(type, message, &frame) == OK) {
            ends_frame(peer, buf_bytes(&frame));
        }
    }
    buf_fini(&frame);
    arena_fini(&arena);
}

static void step_bytes(struct fuzz_input *in)
{
    uint32_t peer = fuzz_byte(in) % ENDS_PEERS;
    struct fuzz_input piece = fuzz_piece(in, 255);
    uint8_t *frame = malloc(piece.left + 4);
    assert(frame != NULL);
    frame[0] = 'm';
    frame[1] = 'u';
    frame[2] = PROTOCOL_VERSION;
    frame[3] = (uint8_t)types[fuzz_byte(in) % (sizeof types / sizeof types[0])];
    if (piece.left > 0) {
        memcpy(frame + 4, piece.at, piece.left);
    }
    ends_frame(peer, (struct bytes){frame, piece.left + 4});
    free(frame);
}

/* ---- requests ---- */

static const char *some_text(struct fuzz_input *in, char *text, size_t size_bytes)
{
    static const char *const known[] = {
        "2h",  "test", "loss", "running", "queued",        "n1",      "0",
        "1",   "-1",   "1.1",  "lr=0.1",  "opt=sgd",       "/w",      "id",
        "-id", "me",   "a",    "admin",   "stop.trials=3", "node==n1"};
    uint8_t pick = fuzz_byte(in);
    if (pick < 128) {
        return known[pick % (sizeof known / sizeof known[0])];
    }
    struct fuzz_input piece = fuzz_piece(in, size_bytes - 1);
    memcpy(text, piece.left > 0 ? piece.at : (const uint8_t *)"", piece.left);
    text[piece.left] = '\0';
    return text;
}

static void path_make(struct fuzz_input *in, const char *pattern, char *ret_path)
{
    size_t n = 0;
    char text[32];
    for (const char *c = pattern; *c != '\0' && n + 64 < PATH_MAX_BYTES; c++) {
        char *to = ret_path + n;
        if (*c == '#') {
            n += (size_t)snprintf(to, 16, "%u", fuzz_byte(in) % 6U);
        } else if (*c == '@') {
            uint8_t pick = fuzz_byte(in);
            n += (size_t)snprintf(to, 32, "%u.%u", pick % 4U, pick / 4 % 5U);
        } else if (*c == '$') {
            n += (size_t)snprintf(to, 32, "%s", some_text(in, text, sizeof text));
        } else {
            ret_path[n++] = *c;
        }
    }
    ret_path[n] = '\0';
}

static void body_value(struct fuzz_input *in, struct json_out *json, const char *key)
{
    char text[64];
    static const int64_t numbers[] = {0, 1, -1, 3, 100, INT64_MAX, INT64_MIN, 1LL << 32, 4000};
    switch (fuzz_byte(in) % 6) {
    case 0:
    case 1:
        json_str(json, key, some_text(in, text, sizeof text));
        break;
    case 2:
        json_i64(json, key, numbers[fuzz_byte(in) % (sizeof numbers / sizeof numbers[0])]);
        break;
    case 3:
        json_bool(json, key, (fuzz_byte(in) & 1) != 0);
        break;
    case 4:
        json_array_begin(json, key);
        for (uint32_t n = fuzz_byte(in) % 4; n > 0; n--) {
            json_str(json, NULL, some_text(in, text, sizeof text));
        }
        json_array_end(json);
        break;
    default:
        json_object_begin(json, key);
        json_str(json, some_text(in, text, sizeof text), "v");
        json_object_end(json);
        break;
    }
}

static void body_make(struct fuzz_input *in, struct buf *body)
{
    struct json_out json = json_out_to(body);
    bool is_used[WORD_LIST_COUNT] = {false};
    json_object_begin(&json, NULL);
    for (uint32_t n = fuzz_byte(in) % 8; n > 0; n--) {
        uint32_t word = fuzz_byte(in) % WORD_LIST_COUNT;
        if (!is_used[word]) {
            body_value(in, &json, word_list[word]);
        }
        is_used[word] = true;
    }
    json_object_end(&json);
}

static void step_request(struct fuzz_input *in)
{
    static const struct http_identity identities[] = {
        {"admin", ROLE_ADMIN, true}, {"me", ROLE_USER, false}, {"r", ROLE_READER, false}};
    uint32_t route = fuzz_byte(in) % ROUTE_LIST_COUNT;
    uint8_t who = fuzz_byte(in);
    char path[PATH_MAX_BYTES], texts[ENDS_PAIRS][32];
    struct ends_pair pairs[ENDS_PAIRS + 1] = {{NULL, NULL}};
    struct buf body;
    buf_init(&body, BODY_MAX);
    path_make(in, route_list[route].pattern, path);
    if (route_list[route].method == HTTP_POST) {
        body_make(in, &body);
    } else {
        for (uint32_t n = fuzz_byte(in) % ENDS_PAIRS, i = 0; i < n; i++) {
            pairs[i].name = word_list[fuzz_byte(in) % WORD_LIST_COUNT];
            pairs[i].value = some_text(in, texts[i], sizeof texts[i]);
        }
    }
    if (body.failed == OK) {
        ends_request(route_list[route].method, path, pairs, buf_bytes(&body), &identities[who % 3],
                     (who & 0x80) != 0 ? "key" : NULL);
    }
    buf_fini(&body);
}

/* ---- the day ---- */

static void step(struct fuzz_input *in)
{
    switch (fuzz_byte(in) % 8) {
    case 0:
    case 1:
    case 2:
        step_frame(in);
        break;
    case 3:
        step_bytes(in);
        break;
    case 4:
    case 5:
        step_request(in);
        break;
    case 6: {
        uint8_t how = fuzz_byte(in);
        ends_wait(INT64_C(1) << (how % 22), (how & 0x80) != 0);
        break;
    }
    default: {
        uint8_t how = fuzz_byte(in);
        if ((how & 2) != 0) {
            struct fuzz_input piece = fuzz_piece(in, 255);
            ends_store_gives((struct bytes){piece.at, piece.left});
        }
        ends_turn((how & 1) != 0);
        break;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input_of(data, size);
    uint8_t how = fuzz_byte(&in);
    ends_open((how & 1) == 0);
    for (int i = 0; i < STEPS_MAX && in.left > 0 && !ends_has_failed(); i++) {
        step(&in);
    }
    ends_close((how & 6) == 0);
    return 0;
}
