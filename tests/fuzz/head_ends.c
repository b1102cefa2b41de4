#include "head_ends.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "head/core/arrays.h"
#include "head/core/state.h"
#include "head/shell/access.h"
#include "head/shell/array_rows.h"
#include "head/shell/depot.h"
#include "head/shell/store.h"
#include "work/hash.h"

enum { STORE_MAX = 1 << 14, TURN_BATCHES_MAX = 64, STREAM_ROOM = 1 << 20, DONE_MAX = 64 };
#define ENDS_SECRET "secret-of-the-join-key"

struct stored {
    char *key;
    uint8_t *field, *value;
    size_t field_len, value_len;
    bool is_item; /* of a list */
};

static struct stored stored[STORE_MAX];

static struct ends {
    struct head head;
    struct head_options options;
    time_ms now;
    bool is_admitted[ENDS_PEERS];
    uint64_t in_flight; /* a batch that was not answered */
    uint32_t n_stored;
    const struct ends_pair *pairs;
    struct bytes given;
    struct buf last_answer;
    uint64_t last_request;
    bool is_answered[ENDS_REQUESTS_MAX], is_stream[ENDS_REQUESTS_MAX];
} ends;

static const char ends_sweep[] = "name: test\n"
                                 "command: [train, \"${args}\"]\n"
                                 "metric: {name: loss, goal: minimize}\n"
                                 "parameters:\n"
                                 "  lr: {min: 1e-4, max: 1e-1, log: true}\n"
                                 "  opt: {values: [sgd, adamw]}\n"
                                 "search: {method: random, seed: 3}\n"
                                 "schedule: {type: asha, min: 1, max: 9, eta: 3}\n"
                                 "stop: {trials: 3}\n"
                                 "retries: {max: 1, backoff: 1s}\n"
                                 "checkpoints: {on: [rung]}\n"
                                 "resources: {cpus: 1}\n";

struct head *ends_head(void)
{
    return &ends.head;
}

bool ends_has_failed(void)
{
    return ends.head.core == NULL || core_failed(ends.head.core) != OK;
}

const char *ends_peer_node(uint32_t peer)
{
    static const char *const names[ENDS_PEERS] = {"n1", "n2", "local", "n2"};
    return names[peer];
}

uint64_t ends_peer_incarnation(uint32_t peer)
{
    return 70 + peer;
}

uint64_t ends_peer_event(uint32_t peer)
{
    const struct node *node = core_node_find(ends.head.core, ends_peer_node(peer));
    return node != NULL ? node->r.applied + 1 : 1;
}

/* ---- the loop ---- */

time_ms loop_now(const struct loop *loop)
{
    (void)loop;
    return ends.now;
}

struct turn_clock *loop_clock(struct loop *loop)
{
    static struct turn_clock clock; /* shown by a route, counted by nobody */
    (void)loop;
    if (clock.totals.turns == 0 && clock.totals.ns == 0) {
        turn_clock_init(&clock);
    }
    return &clock;
}

void loop_again(struct loop *loop)
{
    (void)loop;
}

/* ---- the router: what leaves can be read by whom it is for ---- */

error_code router_send(struct router *router, uint64_t peer, struct bytes frame)
{
    struct arena arena;
    message_type type;
    void *message;
    (void)router;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    (void)fuzz_must(message_decode(frame, &arena, &type, &message, NULL) == OK);
    arena_fini(&arena);
    return peer % 2 == 0 ? OK : ERR_UNREACHABLE;
}

time_ms router_peer_told_at(const struct router *router, uint64_t peer)
{
    (void)router;
    (void)peer;
    return 0;
}

error_code router_peer_admit(struct router *router, uint64_t peer)
{
    (void)router;
    assert(peer >= 1 && peer <= ENDS_PEERS);
    ends.is_admitted[peer - 1] = true;
    return OK;
}

void router_peer_dismiss(struct router *router, uint64_t peer)
{
    (void)router;
    assert(peer >= 1 && peer <= ENDS_PEERS);
    ends.is_admitted[peer - 1] = false;
}

void router_peer_forget(struct router *router, uint64_t peer)
{
    router_peer_dismiss(router, peer);
}

const struct router_counters *router_counters(struct router *router)
{
    static struct router_counters counters;
    (void)router;
    counters = (struct router_counters){0};
    for (int i = 0; i < ENDS_PEERS; i++) {
        counters.peers += ends.is_admitted[i] ? 1 : 0;
        counters.strangers += ends.is_admitted[i] ? 0 : 1;
    }
    return &counters;
}

const char *router_refusal_text(router_refusal refusal)
{
    (void)refusal;
    return "";
}

/* ---- the HTTP server: an answer each, and JSON is JSON ---- */

static void request_answered(uint64_t id)
{
    assert(id >= 1 && id <= ends.last_request);
    ends.is_answered[id % ENDS_REQUESTS_MAX] = true;
}

void http_answer(struct http *http, uint64_t id, uint32_t status, const char *content_type,
                 struct bytes body)
{
    (void)http;
    request_answered(id);
    assert(status >= 200 && status < 600);
    if (strcmp(content_type, "application/json") == 0) {
        buf_reset(&ends.last_answer);
        ignore_error(buf_append(&ends.last_answer, body.data, body.len), "sticky");
        json_error_t error;
        json_t *root = json_loadb((const char *)body.data, body.len, 0, &error);
        /* jansson has no integers past 2^63. */
        assert(root != NULL || strstr(error.text, "too big integer") != NULL || mem_has_failed());
        json_decref(root);
    }
}

struct bytes ends_last_answer(void)
{
    return buf_bytes(&ends.last_answer);
}

void http_answer_error(struct http *http, uint64_t id, uint32_t status, const char *code,
                       const char *text)
{
    (void)http;
    request_answered(id);
    assert(status >= 400 && status < 600 && code[0] != '\0' && text[0] != '\0');
}

const char *http_query(const struct http_request *request, const char *name)
{
    (void)request;
    for (const struct ends_pair *pair = ends.pairs; pair != NULL && pair->name != NULL; pair++) {
        if (strcmp(pair->name, name) == 0) {
            return pair->value;
        }
    }
    return NULL;
}

void http_query_each(const struct http_request *request,
                     bool (*visit)(void *context, const char *name, const char *value),
                     void *context)
{
    (void)request;
    for (const struct ends_pair *pair = ends.pairs; pair != NULL && pair->name != NULL; pair++) {
        if (!visit(context, pair->name, pair->value)) {
            return;
        }
    }
}

void http_body_resume(struct http *http, uint64_t id)
{
    (void)http;
    (void)id;
}

void http_identity_drop(struct http *http, const char *name)
{
    (void)http;
    (void)name;
}

error_code http_stream_open(struct http *http, uint64_t id, const char *content_type)
{
    (void)http;
    (void)content_type;
    request_answered(id);
    ends.is_stream[id % ENDS_REQUESTS_MAX] = true;
    return OK;
}

error_code http_stream_write(struct http *http, uint64_t id, struct bytes bytes)
{
    (void)http;
    (void)bytes;
    return ends.is_stream[id % ENDS_REQUESTS_MAX] ? OK : ERR_NOT_FOUND;
}

size_t http_stream_room(struct http *http, uint64_t id)
{
    (void)http;
    return ends.is_stream[id % ENDS_REQUESTS_MAX] ? STREAM_ROOM : 0;
}

void http_stream_end(struct http *http, uint64_t id)
{
    (void)http;
    ends.is_stream[id % ENDS_REQUESTS_MAX] = false;
}

/* ---- the depot holds nothing ---- */

bool depot_find(struct depot *depot, const char *hash, uint64_t *ret_bytes)
{
    (void)depot;
    *ret_bytes = 5;
    return work_hash_is_good(hash) && hash[0] == 'a';
}

error_code depot_upload_begin(struct depot *depot, uint64_t id, const char *hash, uint64_t bytes,
                              struct report *report)
{
    (void)depot;
    (void)id;
    (void)hash;
    (void)bytes;
    return report_fail(report, ERR_BUSY, "too many uploads");
}

size_t depot_upload_add(struct depot *depot, uint64_t id, struct bytes bytes)
{
    (void)depot;
    (void)id;
    return bytes.len;
}

bool depot_upload_end(struct depot *depot, uint64_t id)
{
    (void)depot;
    (void)id;
    return false;
}

void depot_upload_drop(struct depot *depot, uint64_t id)
{
    (void)depot;
    (void)id;
}

void depot_read(struct depot *depot, uint64_t peer, const char *hash, uint64_t offset,
                uint32_t size)
{
    (void)depot;
    (void)peer;
    (void)hash;
    (void)offset;
    assert(size > 0 && size <= BLOB_PIECE_MAX_BYTES);
}

error_code depot_new(struct loop *loop, const char *folder, uint64_t max_bytes,
                     const struct depot_callbacks *callbacks, struct depot **ret_depot,
                     struct report *report)
{
    (void)loop;
    (void)folder;
    (void)max_bytes;
    (void)callbacks;
    (void)ret_depot;
    return report_fail(report, ERR_UNSUPPORTED, "there is no depot here");
}

/* ---- the store: kept in memory ---- */

void ends_store_gives(struct bytes value)
{
    ends.given = value;
}

/* What it gives is what the input says, if it says something; else what was stored. */
error_code store_read_rows(struct store *store, const char *key, const struct store_reader *reader)
{
    (void)store;
    if (ends.given.len > 0) {
        static const uint8_t field[] = "0:1";
        reader->on_row(reader->context, (struct bytes){field, 3}, ends.given);
    }
    for (uint32_t i = 0; ends.given.len == 0 && i < ends.n_stored; i++) {
        const struct stored *s = &stored[i];
        if (strcmp(s->key, key) == 0 && !s->is_item) {
            reader->on_row(reader->context, (struct bytes){s->field, s->field_len},
                           (struct bytes){s->value, s->value_len});
        }
    }
    reader->on_end(reader->context, OK);
    return OK;
}

error_code store_read_field(struct store *store, const char *key, const char *field,
                            const struct store_reader *reader)
{
    (void)store;
    struct bytes name = {(const uint8_t *)field, strlen(field)};
    if (ends.given.len > 0) {
        reader->on_row(reader->context, name, ends.given);
    }
    for (uint32_t i = 0; ends.given.len == 0 && i < ends.n_stored; i++) {
        const struct stored *s = &stored[i];
        if (strcmp(s->key, key) == 0 && !s->is_item && s->field_len == name.len &&
            memcmp(s->field, field, name.len) == 0) {
            reader->on_row(reader->context, name, (struct bytes){s->value, s->value_len});
        }
    }
    reader->on_end(reader->context, OK);
    return OK;
}

error_code store_read_list(struct store *store, const char *key, const struct store_reader *reader)
{
    (void)store;
    const struct bytes none = {(const uint8_t *)"", 0};
    if (ends.given.len > 0) {
        reader->on_row(reader->context, none, ends.given);
    }
    for (uint32_t i = 0; ends.given.len == 0 && i < ends.n_stored; i++) {
        const struct stored *s = &stored[i];
        if (strcmp(s->key, key) == 0 && s->is_item) {
            reader->on_row(reader->context, none, (struct bytes){s->value, s->value_len});
        }
    }
    reader->on_end(reader->context, OK);
    return OK;
}

static uint8_t *bytes_copy(struct bytes bytes)
{
    uint8_t *copy = malloc(bytes.len + 1);
    assert(copy != NULL);
    memcpy(copy, bytes.len > 0 ? bytes.data : (const uint8_t *)"", bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

static void stored_free(struct stored *s)
{
    free(s->key);
    free(s->field);
    free(s->value);
}

static void store_delete(const struct store_op *op)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ends.n_stored; i++) {
        struct stored *s = &stored[i];
        bool is_field = !s->is_item && s->field_len == op->field.len &&
                        memcmp(s->field, op->field.data, op->field.len) == 0;
        if (strcmp(s->key, op->key) == 0 && (op->kind == OP_DEL || is_field)) {
            stored_free(s);
        } else {
            stored[n++] = *s;
        }
    }
    ends.n_stored = n;
}

static void store_put(const struct store_op *op)
{
    struct stored *slot = NULL;
    for (uint32_t i = 0; op->kind == OP_HSET && i < ends.n_stored && slot == NULL; i++) {
        struct stored *s = &stored[i];
        bool is_it = !s->is_item && strcmp(s->key, op->key) == 0 && s->field_len == op->field.len &&
                     memcmp(s->field, op->field.data, op->field.len) == 0;
        slot = is_it ? s : NULL;
    }
    if (slot == NULL) {
        assert(ends.n_stored < STORE_MAX);
        slot = &stored[ends.n_stored++];
        *slot = (struct stored){.key = strdup(op->key),
                                .field = bytes_copy(op->field),
                                .field_len = op->field.len,
                                .is_item = op->kind == OP_RPUSH};
    }
    free(slot->value);
    slot->value = bytes_copy(op->value);
    slot->value_len = op->value.len;
}

static void store_apply(const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n_ops; i++) {
        const struct store_op *op = &batch->ops[i];
        if (op->kind == OP_HSET || op->kind == OP_RPUSH) {
            store_put(op);
        } else {
            store_delete(op);
        }
    }
}

bool ends_stored(uint32_t i, const char **ret_key, struct bytes *ret_field, struct bytes *ret_value)
{
    if (i >= ends.n_stored) {
        return false;
    }
    *ret_key = stored[i].key;
    *ret_field = (struct bytes){stored[i].field, stored[i].field_len};
    *ret_value = (struct bytes){stored[i].value, stored[i].value_len};
    return true;
}

static error_code core_open(struct core **ret_core)
{
    const struct core_config config = {.version = "test",
                                       .cluster = "c",
                                       .state_dir = "/state",
                                       .epoch = 1000,
                                       .pid = 1,
                                       .orphan_timeout_ms = 60000,
                                       .seed = 5};
    return core_new(&config, ret_core);
}

static error_code load_table(struct core *core, const char *table, struct report *report)
{
    error_code error = OK;
    for (uint32_t i = 0; i < ends.n_stored && error == OK; i++) {
        const struct stored *s = &stored[i];
        if (strcmp(s->key, table) != 0) {
            continue;
        }
        error = strcmp(table, "meta") == 0
                    ? core_load_meta(core, (const char *)s->field, (const char *)s->value)
                    : core_load_record(core, table, (struct bytes){s->field, s->field_len},
                                       (struct bytes){s->value, s->value_len}, report);
    }
    return error;
}

/* As store_load.c reads them. */
static const char *const tables[] = {"meta", "sweeps", "jobs", "tasks", "chunks", "nodes", "users"};
enum { TABLES = sizeof tables / sizeof tables[0] };

/* What recovery does not read is read when somebody asks: rows, evidence, results. A key of another
 * name would be one that nobody reads. */
static bool key_is_known(const char *key)
{
    for (size_t i = 0; i < TABLES; i++) {
        if (strcmp(key, tables[i]) == 0) {
            return true;
        }
    }
    return strcmp(key, "attempts") == 0 || strncmp(key, "rows:", 5) == 0 ||
           strncmp(key, "log:", 4) == 0 || strncmp(key, "res:", 4) == 0;
}

/* A head that is started on what was stored takes all of it. */
static void store_check_loads(void)
{
    struct core *core = NULL;
    struct report report = {0};
    error_code error = core_open(&core);
    for (size_t i = 0; error == OK && i < TABLES; i++) {
        error = load_table(core, tables[i], &report);
    }
    for (uint32_t i = 0; error == OK && i < ends.n_stored; i++) {
        const struct stored *s = &stored[i];
        assert(key_is_known(s->key));
        if (strncmp(s->key, "log:", 4) == 0) {
            error = core_load_log(core, (uint32_t)strtoul(s->key + 4, NULL, 10),
                                  (struct bytes){s->value, s->value_len}, &report);
        }
    }
    if (error == OK) {
        error = core_load_done(core, ends.now, &report);
    }
    if (error == OK) {
        core_turn_end(core, ends.now);
        error = core_failed(core);
    }
    if (error == OK) {
        core_check(core);
    } else if (!mem_has_failed()) {
        fprintf(stderr, "what was stored does not load: %s (%s)\n", report.text, error_word(error));
        abort();
    }
    core_free(core);
}

/* ---- the turn ---- */

static void batch_answer(void)
{
    uint64_t n = ends.in_flight;
    ends.in_flight = 0;
    on_batch_applied(ends.head.core, ends.now, n);
}

static void effects_run(void)
{
    const struct head_effect *effect;
    while ((effect = core_effect_next(ends.head.core)) != NULL) {
        struct bytes body = effect->bytes;
        switch (effect->kind) {
        case HEAD_SEND:
            peers_send(&ends.head, effect->peer, body);
            break;
        case HEAD_ANSWER:
            if (effect->has_holes) {
                array_rows_answer(&ends.head, effect->request, body);
            } else {
                http_answer(NULL, effect->request, effect->status, "application/json", body);
            }
            break;
        case HEAD_NOTICE:
            notices_add(&ends.head, body);
            break;
        case HEAD_EXIT:
            break;
        }
    }
}

void ends_turn(bool is_stalled)
{
    struct core *core = ends.head.core;
    const struct batch *batch;
    core_turn_end(core, ends.now);
    if (ends.in_flight != 0 && !is_stalled) {
        batch_answer();
    }
    for (int i = 0; i < TURN_BATCHES_MAX && (batch = core_batch(core)) != NULL; i++) {
        ends.in_flight = batch->n;
        store_apply(batch);
        if (is_stalled) {
            break;
        }
        batch_answer();
    }
    if (core_failed(core) != OK) {
        assert(core_failed(core) == ERR_NO_MEMORY && mem_has_failed());
        return;
    }
    core_check(core);
    effects_run();
    follows_turn(&ends.head, ends.now);
}

void ends_wait(int64_t ms, bool is_gap)
{
    ends.now += ms;
    core_time(ends.head.core, ends.now, is_gap ? ms : 0, false);
    ends_turn(false);
}

void ends_frame(uint32_t peer, struct bytes frame)
{
    static const char *const keys[ENDS_PEERS] = {"k1", "k2", "k3", "k4"};
    struct router_peer from = {
        .number = peer + 1,
        .node = ends_peer_node(peer),
        .incarnation = ends_peer_incarnation(peer),
        .public_key = keys[peer],
        .connection = 1,
        .is_admitted = ends.is_admitted[peer],
    };
    (void)peers_on_frame(&ends.head, ends.now, &from, frame);
}

void ends_request(http_method method, const char *path, const struct ends_pair *pairs,
                  struct bytes body, const struct http_identity *identity, const char *key)
{
    bool is_open = strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0;
    if (ends.last_request + 1 >= ENDS_REQUESTS_MAX) {
        return;
    }
    struct http_request request = {
        .id = ++ends.last_request,
        .method = method,
        .access = is_open ? HTTP_OPEN : HTTP_TOKEN,
        .identity = identity,
        .peer = "127.0.0.1",
        .path = path,
        .idempotency_key = key,
        .body = body,
    };
    ends.pairs = pairs;
    access_on_request(&ends.head, &request);
    ends.pairs = NULL;
}

/* ---- open and close ---- */

static void node_enrol(uint32_t peer)
{
    struct msg_enrol msg = {.protocol = PROTOCOL_VERSION,
                            .schema_version = 1,
                            .secret = ENDS_SECRET,
                            .node = ends_peer_node(peer),
                            .incarnation = ends_peer_incarnation(peer),
                            .host = "h",
                            .pid = 9,
                            .version = "test",
                            .cpus = 2 * AMOUNT_ONE,
                            .memory_bytes = 1 << 30,
                            .first_event = 1};
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    if (message_encode(MSG_ENROL, &msg, &frame) == OK) {
        ends_frame(peer, buf_bytes(&frame));
    }
    buf_fini(&frame);
    ends_turn(false);
}

/* Whoever of the first two peers has tasks of it. */
static const struct array_holder *array_holder_at(uint32_t job, uint32_t *ret_peer)
{
    const struct work *work = core_work_find(ends.head.core, job);
    for (uint32_t peer = 0; work != NULL && work->array != NULL && peer < 2; peer++) {
        const struct node *node = core_node_find(ends.head.core, ends_peer_node(peer));
        const struct array_holder *holder =
            node != NULL ? core_array_holder_find(work->array, node) : NULL;
        if (holder != NULL && holder->n_held > 0) {
            *ret_peer = peer;
            return holder;
        }
    }
    return NULL;
}

uint32_t ends_array_done(uint32_t job, uint32_t n)
{
    uint32_t peer = 0;
    const struct array_holder *holder = array_holder_at(job, &peer);
    uint8_t rows[DONE_MAX * RESULT_ROW_BYTES];
    uint32_t n_rows = 0, position = 0;
    for (; holder != NULL && n_rows < n && n_rows < DONE_MAX &&
           core_array_held_next(holder, position, &position);
         position++, n_rows++) {
        const struct result_row row = {.id = array_id_at(holder->array->ids, position),
                                       .started_at = ends.now,
                                       .duration_us = 1000};
        result_row_write(&row, rows + (size_t)n_rows * RESULT_ROW_BYTES);
    }
    const struct node_event event = {.number = ends_peer_event(peer),
                                     .kind = EVENT_TASKS,
                                     .job = job,
                                     .array_rows = {rows, (size_t)n_rows * RESULT_ROW_BYTES}};
    const struct msg_events msg = {ends_peer_incarnation(peer), &event, 1};
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    if (n_rows > 0 && message_encode(MSG_EVENTS, &msg, &frame) == OK) {
        ends_frame(peer, buf_bytes(&frame));
    }
    buf_fini(&frame);
    ends_turn(false);
    return n_rows;
}

static void work_submit(void)
{
    static const char *const argv[] = {"muster"};
    static const char *const words[] = {"true"};
    struct submit_sweep submit = {.file = ends_sweep,
                                  .file_name = "t.yaml",
                                  .workdir = "/w",
                                  .owner = "me",
                                  .argv = argv,
                                  .n_argv = 1,
                                  .file_hash = "1"};
    struct record_job job = {.owner = "me", .words = words, .n_words = 1, .workdir = "/w"};
    on_sweep_submit(ends.head.core, ends.now, ++ends.last_request, &submit);
    ends_turn(false);
    if (!ends_has_failed()) {
        on_job_submit(ends.head.core, ends.now, ++ends.last_request, &job);
        ends_turn(false);
    }
}

void ends_open(bool is_busy)
{
    memset(&ends, 0, sizeof ends);
    ends.now = 1000000;
    buf_init(&ends.last_answer, CORE_ANSWER_MAX_BYTES);
    ends.options.state_dir = "/state";
    ends.head.options = &ends.options;
    ends.head.epoch = 1000;
    ends.head.is_ready = true;
    /* Never looked into: it stands for a server that is there. */
    ends.head.http = (struct http *)(void *)&ends;
    snprintf(ends.head.join.secret, sizeof ends.head.join.secret, "%s", ENDS_SECRET);
    if (core_open(&ends.head.core) != OK || notices_new(1000, &ends.head.notices) != OK ||
        follows_new(&ends.head.follows) != OK) {
        assert(mem_has_failed());
        core_free(ends.head.core);
        ends.head.core = NULL;
        return;
    }
    for (uint32_t peer = 0; is_busy && peer < 2 && !ends_has_failed(); peer++) {
        node_enrol(peer);
    }
    if (is_busy && !ends_has_failed()) {
        work_submit();
    }
}

static void requests_check(void)
{
    for (uint64_t id = 1; id <= ends.last_request; id++) {
        if (!ends.is_answered[id] && !mem_has_failed()) {
            fprintf(stderr, "request %" PRIu64 " of %" PRIu64 " was never answered\n", id,
                    ends.last_request);
            abort();
        }
    }
}

void ends_close(bool is_loaded_again)
{
    if (!ends_has_failed()) {
        ends_turn(false);
    }
    if (!ends_has_failed()) {
        requests_check();
    }
    if (is_loaded_again && !ends_has_failed()) {
        store_check_loads();
    }
    core_free(ends.head.core);
    notices_free(ends.head.notices);
    follows_free(ends.head.follows);
    buf_fini(&ends.last_answer);
    for (uint32_t i = 0; i < ends.n_stored; i++) {
        stored_free(&stored[i]);
    }
}
