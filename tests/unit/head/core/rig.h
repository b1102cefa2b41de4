/* A core with a recording outbox, a store in memory, and agents played by the test. Every frame
 * that leaves is decoded again; every batch is applied to the store as Redis would, so that a
 * second core can be loaded from it. */
#ifndef TESTS_HEAD_CORE_RIG_H
#define TESTS_HEAD_CORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "head/core/core.h"
#include "head/core/state.h"

enum {
    RIG_SENT_MAX = 4096,
    RIG_STORE_MAX = 65536,
    RIG_LOG_MAX = 65536,
    RIG_PEER = 7,
    RIG_INCARNATION = 77
};

struct rig_sent {
    head_effect_kind kind;
    message_type type;
    uint64_t peer, request;
    uint32_t status;
    char *body; /* NUL terminated copy */
    size_t len;
};

struct rig_field {
    char *key, *field;
    uint8_t *value;
    size_t len;
};

struct rig {
    struct core *core;
    time_ms now;
    uint64_t event; /* last number that the played agent made */
    struct rig_sent sent[RIG_SENT_MAX];
    unsigned n_sent;
    struct rig_field store[RIG_STORE_MAX]; /* hashes; field NULL: an item of a list, in order */
    unsigned n_store;
    bool is_store_stalled; /* batches are taken and not answered */
    uint64_t in_flight;
    uint64_t last_n;
    unsigned n_chunks, n_chunks_same; /* records of chunks written, and those that change nothing */
};

static const char rig_sweep[] = "name: test\n"
                                "command: [train, \"${args}\"]\n"
                                "metric: {name: loss, goal: minimize}\n"
                                "parameters:\n"
                                "  lr: {min: 1e-4, max: 1e-1, log: true}\n"
                                "  layers: {min: 1, max: 4}\n"
                                "search: {method: random, seed: 3}\n"
                                "schedule: {type: asha, min: 1, max: 9, eta: 3}\n"
                                "stop: {trials: 6}\n"
                                "retries: {max: 1, backoff: 1s}\n"
                                "resources: {cpus: 1}\n";

/* From one failing allocation to the next. A sanitizer makes a day several times as long: there a
 * sample by a prime, and all with MUSTER_TEST_LONG. */
static inline uint64_t torture_step(void)
{
#ifdef __SANITIZE_ADDRESS__
    return getenv("MUSTER_TEST_LONG") != NULL ? 1 : 7;
#else
    return 1;
#endif
}

static inline void rig_store_delete(struct rig *r, const struct store_op *op)
{
    unsigned n = 0;
    for (unsigned k = 0; k < r->n_store; k++) {
        struct rig_field *f = &r->store[k];
        bool is_field =
            op->kind == OP_DEL || (f->field != NULL && strlen(f->field) == op->field.len &&
                                   memcmp(f->field, op->field.data, op->field.len) == 0);
        if (strcmp(f->key, op->key) == 0 && is_field) {
            free(f->key);
            free(f->field);
            free(f->value);
        } else {
            r->store[n++] = *f;
        }
    }
    r->n_store = n;
}

static inline void rig_store_apply(struct rig *r, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n_ops; i++) {
        const struct store_op *op = &batch->ops[i];
        if (op->kind == OP_HDEL || op->kind == OP_DEL) {
            rig_store_delete(r, op);
            continue;
        }
        char *field =
            op->kind == OP_RPUSH ? NULL : strndup((const char *)op->field.data, op->field.len);
        struct rig_field *slot = NULL;
        for (unsigned k = 0; op->kind != OP_RPUSH && k < r->n_store && slot == NULL; k++) {
            struct rig_field *f = &r->store[k];
            slot = f->field != NULL && strcmp(f->key, op->key) == 0 && strcmp(f->field, field) == 0
                       ? f
                       : NULL;
        }
        if (strcmp(op->key, "chunks") == 0) {
            r->n_chunks++;
            r->n_chunks_same += slot != NULL && slot->len == op->value.len &&
                                memcmp(slot->value, op->value.data, op->value.len) == 0;
        }
        if (slot == NULL) {
            assert_true(r->n_store < RIG_STORE_MAX);
            slot = &r->store[r->n_store++];
            *slot = (struct rig_field){.key = strdup(op->key), .field = field};
        } else {
            free(field);
            free(slot->value);
        }
        slot->len = op->value.len;
        slot->value = malloc(op->value.len + 1);
        memcpy(slot->value, op->value.data, op->value.len);
    }
}

static inline void rig_record(struct rig *r, const struct head_effect *effect)
{
    assert_true(r->n_sent < RIG_SENT_MAX);
    struct rig_sent *sent = &r->sent[r->n_sent++];
    *sent = (struct rig_sent){effect->kind,     effect->type,   effect->peer,
                              effect->request,  effect->status, malloc(effect->bytes.len + 1),
                              effect->bytes.len};
    if (effect->bytes.len > 0) {
        memcpy(sent->body, effect->bytes.data, effect->bytes.len);
    }
    sent->body[effect->bytes.len] = '\0';
    if (effect->kind == HEAD_SEND) {
        struct arena arena;
        message_type type;
        void *message;
        struct report report = {0};
        arena_init(&arena, MSG_ARENA_MAX_BYTES);
        assert_int_equal(message_decode(effect->bytes, &arena, &type, &message, &report), OK);
        assert_int_equal(type, effect->type);
        arena_fini(&arena);
    }
}

static inline void rig_batch_reply(struct rig *r)
{
    assert_true(r->in_flight != 0);
    uint64_t n = r->in_flight;
    r->in_flight = 0;
    r->last_n = n;
    on_batch_applied(r->core, r->now, n);
    const struct head_effect *effect;
    while ((effect = core_effect_next(r->core)) != NULL) {
        rig_record(r, effect);
    }
}

/* The end of a turn: batches go to the store until nothing is left (or one is stalled). */
static inline void rig_turn(struct rig *r)
{
    const struct batch *batch;
    const struct head_effect *effect;
    core_turn_end(r->core, r->now);
    assert_int_equal(core_failed(r->core), OK);
    core_check(r->core);
    while ((batch = core_batch(r->core)) != NULL) {
        assert_int_equal(r->in_flight, 0);
        r->in_flight = batch->n;
        rig_store_apply(r, batch);
        if (r->is_store_stalled) {
            return;
        }
        rig_batch_reply(r);
    }
    while ((effect = core_effect_next(r->core)) != NULL) {
        rig_record(r, effect);
    }
}

static inline void rig_core_new(struct rig *r)
{
    struct core_config config = {.version = "test",
                                 .cluster = "c",
                                 .state_dir = "/state",
                                 .epoch = 1000,
                                 .pid = 1,
                                 .seed = 5};
    assert_int_equal(core_new(&config, &r->core), OK);
}

static inline struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof *r);
    r->now = 1000000;
    rig_core_new(r);
    return r;
}

static inline void rig_sent_clear(struct rig *r)
{
    for (unsigned i = 0; i < r->n_sent; i++) {
        free(r->sent[i].body);
    }
    r->n_sent = 0;
}

static inline void rig_free(struct rig *r)
{
    rig_sent_clear(r);
    for (unsigned i = 0; i < r->n_store; i++) {
        free(r->store[i].key);
        free(r->store[i].field);
        free(r->store[i].value);
    }
    core_free(r->core);
    free(r);
    assert_int_equal(mem_live_count(), 0);
}

/* A new core from what is stored. */
static inline error_code rig_load(struct rig *r, struct report *report)
{
    static const char *const tables[] = {"sweeps", "jobs", "tasks", "chunks", "nodes"};
    char n[32];
    snprintf(n, sizeof n, "%llu", (unsigned long long)r->last_n);
    error_code error = core_load_meta(r->core, "n", n);
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (unsigned i = 0; i < r->n_store && error == OK; i++) {
            struct rig_field *f = &r->store[i];
            if (f->field != NULL && strcmp(f->key, tables[t]) == 0) {
                struct bytes field = {(uint8_t *)f->field, strlen(f->field)},
                             value = {f->value, f->len};
                error = core_load_record(r->core, tables[t], field, value, report);
            }
        }
    }
    for (unsigned i = 0; i < r->n_store && error == OK; i++) {
        struct rig_field *f = &r->store[i];
        if (f->field == NULL && strncmp(f->key, "log:", 4) == 0) {
            struct bytes value = {f->value, f->len};
            error = core_load_log(r->core, (uint32_t)atoi(f->key + 4), value, report);
        }
        if (f->field != NULL && strcmp(f->key, "meta") == 0) {
            char text[64] = "";
            memcpy(text, f->value, f->len < 63 ? f->len : 63);
            error = core_load_meta(r->core, f->field, text);
        }
    }
    return error == OK ? core_load_done(r->core, r->now, report) : error;
}

/* A head that died and was started anew on the same store. */
static inline void rig_restart(struct rig *r)
{
    struct report report = {0};
    core_free(r->core);
    rig_core_new(r);
    if (rig_load(r, &report) != OK) {
        fail_msg("%s", report.text);
    }
    r->in_flight = 0;
    rig_sent_clear(r);
}

/* ---- the played agent ---- */

/* What every agent says of itself; the rest is for the test to say. */
#define RIG_AGENT                                                                                  \
    .protocol = PROTOCOL_VERSION, .schema_version = 1, .secret = "s", .host = "h", .pid = 9,       \
    .version = "test", .memory_bytes = 1 << 30

static inline void rig_enrol_as(struct rig *r, uint64_t incarnation, int64_t cpus,
                                const struct running_ref *running, uint32_t n)
{
    struct msg_enrol msg = {
        RIG_AGENT,          .node = "local", .incarnation = incarnation, .cpus = cpus * AMOUNT_ONE,
        .running = running, .n_running = n,  .first_event = r->event + 1};
    on_enrol(r->core, r->now, RIG_PEER, &msg);
    rig_turn(r);
}

static inline void rig_enrol(struct rig *r, int64_t cpus)
{
    rig_enrol_as(r, RIG_INCARNATION, cpus, NULL, 0);
}

static inline void rig_event(struct rig *r, struct node_event event)
{
    event.number = ++r->event;
    event.time = r->now;
    struct msg_events msg = {RIG_INCARNATION, &event, 1};
    on_events(r->core, r->now, RIG_PEER, &msg);
    rig_turn(r);
}

static inline task_id rig_id(uint32_t job, uint32_t index)
{
    return (task_id){job, index};
}

static inline void rig_started(struct rig *r, task_id id, uint32_t attempt)
{
    rig_event(
        r, (struct node_event){.kind = EVENT_STARTED, .task = id, .attempt = attempt, .pid = 100});
}

static inline void rig_report_event(struct rig *r, event_kind kind, task_id id, uint32_t attempt,
                                    int64_t step, double value, uint64_t reached)
{
    static const char *const names[] = {"loss"};
    struct metric_row row = {
        .seq = (uint64_t)step, .step = step, .time = r->now, .values = &value, .n_values = 1};
    rig_event(r, (struct node_event){.kind = kind,
                                     .task = id,
                                     .attempt = attempt,
                                     .reached = reached,
                                     .rows = {names, 1, &row, 1}});
}

static inline void rig_milestone(struct rig *r, task_id id, uint32_t attempt, int64_t step,
                                 double value, uint64_t reached)
{
    rig_report_event(r, EVENT_MILESTONE, id, attempt, step, value, reached);
}

static inline void rig_result(struct rig *r, task_id id, uint32_t attempt, end_cause cause,
                              uint32_t exit_code, uint64_t handed)
{
    struct attempt_result result = {.has_started = cause != CAUSE_REFUSED,
                                    .cause = cause,
                                    .exit_code = exit_code,
                                    .handed = handed,
                                    .reason = ""};
    rig_event(r, (struct node_event){
                     .kind = EVENT_RESULT, .task = id, .attempt = attempt, .result = result});
}

static inline uint32_t rig_submit(struct rig *r, const char *file, const char *key)
{
    static uint64_t request = 100;
    char hash[32];
    snprintf(hash, sizeof hash, "%zu", strlen(file));
    struct submit_sweep submit = {.file = file,
                                  .file_name = "t.yaml",
                                  .workdir = "/w",
                                  .owner = "me",
                                  .key = key,
                                  .file_hash = hash};
    on_sweep_submit(r->core, r->now, ++request, &submit);
    rig_turn(r);
    for (unsigned i = r->n_sent; i-- > 0;) {
        if (r->sent[i].kind == HEAD_ANSWER && r->sent[i].request == request) {
            const char *id = strstr(r->sent[i].body, "\"id\":");
            return id != NULL && r->sent[i].status < 300 ? (uint32_t)atoi(id + 5) : 0;
        }
    }
    return 0;
}

/* ---- looking ---- */

static inline unsigned rig_sent_count(const struct rig *r, message_type type)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->n_sent; i++) {
        n += r->sent[i].kind == HEAD_SEND && r->sent[i].type == type;
    }
    return n;
}

/* The last message of a type, decoded into `arena`. */
static inline const void *rig_sent_last(const struct rig *r, message_type type, struct arena *arena)
{
    for (unsigned i = r->n_sent; i-- > 0;) {
        if (r->sent[i].kind == HEAD_SEND && r->sent[i].type == type) {
            message_type got;
            void *message;
            struct bytes frame = {(uint8_t *)r->sent[i].body, r->sent[i].len};
            assert_int_equal(message_decode(frame, arena, &got, &message, NULL), OK);
            return message;
        }
    }
    return NULL;
}

static inline const struct rig_sent *rig_answer(const struct rig *r, uint64_t request)
{
    for (unsigned i = r->n_sent; i-- > 0;) {
        if (r->sent[i].kind == HEAD_ANSWER && r->sent[i].request == request) {
            return &r->sent[i];
        }
    }
    return NULL;
}

static inline const struct task *rig_task(const struct rig *r, task_id id)
{
    const struct task *task = core_task_find(r->core, id);
    assert_non_null(task);
    return task;
}

/* Of the current attempt of trial 1.`trial`. */
static inline void rig_saved(struct rig *r, uint32_t trial, uint32_t ordinal, int64_t step,
                             uint64_t lineage)
{
    rig_event(r, (struct node_event){
                     .kind = EVENT_SNAPSHOT,
                     .task = rig_id(1, trial),
                     .attempt = rig_task(r, rig_id(1, trial))->r.attempt,
                     .snapshot = {.ordinal = ordinal, .step = step, .lineage = lineage},
                 });
}

static inline void rig_reached(struct rig *r, uint32_t trial, int64_t step, double value,
                               uint32_t can)
{
    const struct task *task = rig_task(r, rig_id(1, trial));
    const char *const names[] = {"loss"};
    const struct metric_row row = {
        .seq = task->r.last_seq + 1, .step = step, .time = r->now, .values = &value, .n_values = 1};
    rig_event(r, (struct node_event){
                     .kind = EVENT_MILESTONE,
                     .task = task->r.id,
                     .attempt = task->r.attempt,
                     .rows = {.names = names, .n_names = 1, .rows = &row, .n_rows = 1},
                     .reached = task->r.order.n,
                     .can = can,
                 });
}

static inline unsigned rig_store_count(const struct rig *r, const char *key)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->n_store; i++) {
        n += strcmp(r->store[i].key, key) == 0;
    }
    return n;
}

#endif
