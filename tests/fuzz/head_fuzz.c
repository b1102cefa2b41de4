/* A head's day out of a fuzzer's bytes: frames of agents made by the messages' own tables, frames
 * that are just bytes, requests by the routes' own table, time, and a store that stalls. The core's
 * assertions hold after each turn. */
#include <stdio.h>

#include "head/core/arrays.h"
#include "head/core/state.h"
#include "head_ends.h"
#include "route_list.h"
#include "table_fill.h"
#include "word_list.h"

enum { STEPS_MAX = 60, BODY_MAX = 4096, PATH_MAX_BYTES = 256, HINT_ROWS_MAX = 16 };

/* Of all inputs together: result rows of arrays that counted, and that did not. */
static uint64_t rows_accepted, rows_dropped;

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

/* An array of which the node holds tasks; NULL: none. */
static const struct array_holder *hint_holder(uint32_t peer)
{
    struct core *core = ends_head()->core;
    const struct node *node = core_node_find(core, ends_peer_node(peer));
    for (const struct work *work = core->works; work != NULL && node != NULL;
         work = work->hh.next) {
        const struct array_holder *holder =
            work->array != NULL ? core_array_holder_find(work->array, node) : NULL;
        if (holder != NULL && holder->n_held > 0) {
            return holder;
        }
    }
    return NULL;
}

/* Rows of tasks that the node holds, from some position on; now and then one that may not be. */
static struct bytes hint_rows(struct fill *fill, const struct array_holder *holder)
{
    uint32_t n = 1 + fuzz_byte(fill->in) % HINT_ROWS_MAX, n_made = 0;
    uint32_t position = fuzz_byte(fill->in) / 16U;
    uint8_t *rows = arena_alloc(fill->arena, (size_t)n * RESULT_ROW_BYTES);
    while (rows != NULL && n_made < n && core_array_held_next(holder, position, &position)) {
        uint8_t pick = fuzz_byte(fill->in);
        const struct result_row row = {.id = array_id_at(holder->array->ids, position++),
                                       .attempt = pick == 255,
                                       .exit_code = pick == 254,
                                       .node = pick == 253 ? UINT32_MAX : 0,
                                       .started_at = 1,
                                       .duration_us = UINT64_C(1) << pick % 40};
        result_row_write(&row, rows + (size_t)n_made++ * RESULT_ROW_BYTES);
    }
    return (struct bytes){rows, (size_t)n_made * RESULT_ROW_BYTES};
}

/* Of an array: ends that went well, tasks handed back, or one task's start or end. */
static void hint_array(uint32_t peer, struct fill *fill, struct node_event *event)
{
    const struct array_holder *holder = hint_holder(peer);
    struct array_range *range = arena_alloc(fill->arena, sizeof *range);
    uint32_t position;
    if (holder == NULL || range == NULL || !core_array_held_next(holder, 0, &position)) {
        return;
    }
    event->job = holder->array->work->number;
    if (event->kind == EVENT_TASKS && event->array_rows.len < RESULT_ROW_BYTES) {
        event->array_rows = hint_rows(fill, holder);
    } else if (event->kind == EVENT_RETURNED && event->n_ranges == 0) {
        *range = (struct array_range){position, 1 + fuzz_byte(fill->in) % 8U};
        event->ranges = range;
        event->n_ranges = 1;
    } else if (event->kind == EVENT_STARTED || event->kind == EVENT_RESULT) {
        event->task = (task_id){event->job, array_id_at(holder->array->ids, position)};
        event->attempt = 0;
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
        event->kind = fuzz_byte(fill->in) % (EVENT_RETURNED + 1);
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
        if (event->kind >= EVENT_TASKS || (pick & 2) != 0) {
            hint_array(peer, fill, event);
        }
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

/* A task array, which no luck finds: numbers within numbers. */
static void body_array(struct fuzz_input *in, struct buf *body)
{
    struct json_out json = json_out_to(body);
    uint32_t first = 1 + fuzz_byte(in) % 4U, n = 1 + fuzz_byte(in), wide = fuzz_byte(in) / 32U;
    json_object_begin(&json, NULL);
    json_array_begin(&json, "words");
    json_str(&json, NULL, "true");
    json_array_end(&json);
    json_str(&json, "workdir", "/w");
    json_i64(&json, "cpus", AMOUNT_ONE / 4);
    json_i64(&json, "retries_max", fuzz_byte(in) % 3);
    json_i64(&json, "max_fails", fuzz_byte(in) % 3);
    json_object_begin(&json, "array");
    json_u64(&json, "first", first);
    json_u64(&json, "last", first + (uint64_t)n * (1 + wide * wide));
    json_u64(&json, "step", 1 + fuzz_byte(in) % 3U);
    json_object_end(&json);
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
    bool is_array = (who & 0x40) != 0 && strcmp(path, "/api/v1/jobs") == 0;
    if (route_list[route].method == HTTP_POST && is_array) {
        body_array(in, &body);
    } else if (route_list[route].method == HTTP_POST) {
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
    if (ends_head()->core != NULL) {
        rows_accepted += ends_head()->core->array_rows_total;
        rows_dropped += ends_head()->core->array_rows_dropped_total;
    }
    ends_close((how & 6) == 0);
    return 0;
}

bool fuzz_corpus_reached(void)
{
    printf("result rows of task arrays: %llu accepted, %llu dropped\n",
           (unsigned long long)rows_accepted, (unsigned long long)rows_dropped);
    return rows_accepted > 0 && rows_dropped > 0;
}
