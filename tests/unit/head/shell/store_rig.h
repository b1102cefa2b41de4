/* A store, a real Redis, and the proxy between them, in the test's own loop. Included by the tests
 * of the store only. */
#ifndef MUSTER_TESTS_UNIT_HEAD_SHELL_STORE_RIG_H
#define MUSTER_TESTS_UNIT_HEAD_SHELL_STORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/random.h"
#include "head/shell/store.h"
#include "tests/tools/redis_proxy.h"
#include "tests/tools/redis_rig.h"

enum { RIG_DEADLINE_MS = 30000, RIG_TICK_MS = 5, RIG_OPS_MAX = 6000, RIG_TEXT_MAX = 24 };

struct rig;
typedef bool rig_condition(struct rig *rig);

struct rig {
    struct redis_rig *redis;
    struct redis_proxy *proxy; /* NULL: straight to Redis */
    char proxy_path[160];
    uv_loop_t loop;
    uv_timer_t tick, deadline;
    bool is_late;
    struct store *store; /* NULL: closed */
    /* seen */
    char state[16], why[512];
    char states[512]; /* all of them, each with a blank behind it */
    struct store_info info;
    uint32_t loads, loaded, records, logs;
    uint64_t record_sum, last_log; /* of the numbers in tasks; the last entry of a log */
    error_code refuse_record;
    uint64_t applied, batches;
    bool must_pause_on_batch;
    error_code failed;
    bool is_released, is_closed;
    /* the batch being built and sent */
    struct store_op ops[RIG_OPS_MAX];
    char texts[2 * RIG_OPS_MAX][RIG_TEXT_MAX];
    uint32_t n_texts;
    struct batch batch;
};

static inline void rig_on_state(void *context, const char *state, const char *why)
{
    struct rig *rig = context;
    (void)snprintf(rig->state, sizeof rig->state, "%s", state);
    (void)snprintf(rig->why, sizeof rig->why, "%s", why);
    size_t len = strlen(rig->states);
    (void)snprintf(rig->states + len, sizeof rig->states - len, "%s ", state);
}

static inline void rig_on_load(void *context, const struct store_info *info)
{
    struct rig *rig = context;
    rig->loads++;
    rig->info = *info;
    rig->records = rig->logs = 0;
    rig->record_sum = 0;
}

static inline uint64_t rig_number(struct bytes bytes)
{
    char text[RIG_TEXT_MAX] = "";
    memcpy(text, bytes.data, bytes.len < sizeof text ? bytes.len : sizeof text - 1);
    return strtoull(text, NULL, 10);
}

static inline error_code rig_on_record(void *context, const char *table, struct bytes field,
                                       struct bytes value, struct report *report)
{
    struct rig *rig = context;
    if (strcmp(table, "meta") == 0) {
        return OK;
    }
    if (rig->refuse_record != OK) {
        return report_fail(report, rig->refuse_record, "no such record");
    }
    rig->records++;
    rig->record_sum += rig_number(field);
    assert_int_equal(rig_number(field), rig_number(value));
    return OK;
}

static inline error_code rig_on_log(void *context, uint32_t sweep, uint64_t index,
                                    struct bytes value, struct report *report)
{
    struct rig *rig = context;
    (void)sweep;
    (void)report;
    rig->logs++;
    rig->last_log = rig_number(value);
    assert_int_equal(rig->last_log, index + 1); /* entries count from 1 */
    return OK;
}

static inline void rig_on_loaded(void *context)
{
    ((struct rig *)context)->loaded++;
}

static inline void rig_on_batch(void *context, uint64_t n)
{
    struct rig *rig = context;
    assert_int_equal(n, rig->batch.n);
    rig->applied = n;
    rig->batches++;
}

static inline void rig_on_failed(void *context, error_code code, const char *why)
{
    struct rig *rig = context;
    assert_int_equal(rig->failed, OK);
    rig->failed = code;
    (void)snprintf(rig->why, sizeof rig->why, "%s", why);
}

static inline void rig_on_released(void *context)
{
    ((struct rig *)context)->is_released = true;
}

static inline void rig_on_closed(void *context)
{
    struct rig *rig = context;
    rig->is_closed = true;
    rig->store = NULL;
}

static inline void rig_on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static inline void rig_on_deadline(uv_timer_t *timer)
{
    ((struct rig *)timer->data)->is_late = true;
}

/* Runs the loop until the condition holds; false after `limit_ms`. */
static inline bool rig_wait_for(struct rig *rig, rig_condition *condition, uint64_t limit_ms)
{
    rig->is_late = false;
    uv_update_time(&rig->loop);
    uv_timer_start(&rig->deadline, rig_on_deadline, limit_ms, 0);
    while (!condition(rig) && !rig->is_late) {
        uv_run(&rig->loop, UV_RUN_ONCE);
    }
    return condition(rig);
}

static inline void rig_wait(struct rig *rig, rig_condition *condition)
{
    if (!rig_wait_for(rig, condition, RIG_DEADLINE_MS)) {
        fail_msg("waited too long: state %s (%s), states %s, failed %d, applied %" PRIu64,
                 rig->state, rig->why, rig->states, rig->failed, rig->applied);
    }
}

static inline bool is_never(struct rig *rig)
{
    (void)rig;
    return false;
}
static inline bool is_loaded(struct rig *rig)
{
    return rig->loaded > 0;
}
static inline bool is_applied(struct rig *rig)
{
    return rig->applied == rig->batch.n;
}
static inline bool is_failed(struct rig *rig)
{
    return rig->failed != OK;
}
static inline bool is_settled(struct rig *rig)
{
    return is_applied(rig) || is_failed(rig);
}
static inline bool is_closed(struct rig *rig)
{
    return rig->is_closed;
}
static inline bool is_released(struct rig *rig)
{
    return rig->is_released;
}

/* `use_proxy`: through it. Waits for nothing. */
static inline struct rig *rig_new(struct redis_rig *redis, bool use_proxy)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->redis = redis;
    uv_loop_init(&rig->loop);
    uv_timer_init(&rig->loop, &rig->tick);
    uv_timer_init(&rig->loop, &rig->deadline);
    rig->deadline.data = rig;
    uv_timer_start(&rig->tick, rig_on_tick, RIG_TICK_MS, RIG_TICK_MS);
    if (use_proxy) {
        (void)snprintf(rig->proxy_path, sizeof rig->proxy_path, "%s/run/proxy.sock",
                       redis->state_dir);
        rig->proxy = redis_proxy_start(rig->proxy_path, redis->server.socket_path);
        assert_non_null(rig->proxy);
    }
    return rig;
}

/* What a head of this machine would say; the test may change it. */
static inline struct store_config rig_config(const struct rig *rig)
{
    return (struct store_config){
        .unix_path = rig->proxy != NULL ? rig->proxy_path : rig->redis->server.socket_path,
        .user = REDIS_SERVER_USER,
        .password = rig->redis->password,
        .name = "the test's head",
        .is_embedded = true,
        .batch_timeout_ms = 1000,
    };
}

static inline void rig_open(struct rig *rig, const struct store_config *config)
{
    const struct store_handlers handlers = {
        .context = rig,
        .on_state = rig_on_state,
        .on_load = rig_on_load,
        .on_record = rig_on_record,
        .on_log = rig_on_log,
        .on_loaded = rig_on_loaded,
        .on_batch = rig_on_batch,
        .on_failed = rig_on_failed,
    };
    struct report report = {.code = OK};
    rig->failed = OK;
    rig->loaded = 0;
    rig->is_closed = rig->is_released = false;
    assert_int_equal(store_open(&rig->loop, config, &handlers, &rig->store, &report), OK);
}

static inline void rig_close(struct rig *rig)
{
    if (rig->store != NULL) {
        store_close(rig->store, rig_on_closed, rig);
        rig_wait(rig, is_closed);
    }
}

static inline void rig_free(struct rig *rig)
{
    rig_close(rig);
    redis_proxy_stop(rig->proxy);
    uv_close((uv_handle_t *)&rig->tick, NULL);
    uv_close((uv_handle_t *)&rig->deadline, NULL);
    while (uv_run(&rig->loop, UV_RUN_DEFAULT) != 0) {
    }
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    free(rig);
}

/* Opened with the plain configuration and ready. */
static inline struct rig *rig_ready(struct redis_rig *redis, bool use_proxy)
{
    struct rig *rig = rig_new(redis, use_proxy);
    struct store_config config = rig_config(rig);
    rig_open(rig, &config);
    rig_wait(rig, is_loaded);
    rig->batch.n = rig->info.n;
    rig->applied = rig->info.n;
    return rig;
}

/* ---- batches ---- */

static inline void rig_batch_new(struct rig *rig)
{
    rig->batch = (struct batch){.n = rig->batch.n + 1, .ops = rig->ops};
    rig->n_texts = 0;
}

static inline struct bytes rig_text(struct rig *rig, uint64_t number)
{
    char *text = rig->texts[rig->n_texts++];
    int len = snprintf(text, RIG_TEXT_MAX, "%" PRIu64, number);
    return (struct bytes){(const uint8_t *)text, (size_t)len};
}

/* Field and value are the number. */
static inline void rig_op(struct rig *rig, store_op_kind kind, const char *key, uint64_t number)
{
    assert_true(rig->batch.n_ops < RIG_OPS_MAX);
    struct store_op *op = &rig->ops[rig->batch.n_ops++];
    *op = (struct store_op){.kind = kind, .key = key};
    if (kind != OP_DEL) {
        op->field = op->value = rig_text(rig, number);
    }
    rig->batch.size_bytes += op->field.len + op->value.len;
}

/* One batch: an entry in the log of sweep 1 and a task, both of this number. */
static inline void rig_send(struct rig *rig, uint64_t number)
{
    rig_batch_new(rig);
    rig_op(rig, OP_RPUSH, "log:1", number);
    rig_op(rig, OP_HSET, "tasks", number);
    store_send(rig->store, &rig->batch);
}

/* What is in Redis: the log of sweep 1 holds 1, 2, ... `count`, each once. */
static inline void rig_assert_log_is(struct rig *rig, uint64_t count)
{
    redisContext *redis = redis_rig_admin(rig->redis);
    redisReply *reply = redisCommand(redis, "LRANGE m:log:1 0 -1");
    assert_non_null(reply);
    assert_int_equal(reply->elements, count);
    for (size_t i = 0; i < reply->elements; i++) {
        assert_int_equal(strtoull(reply->element[i]->str, NULL, 10), i + 1);
    }
    freeReplyObject(reply);
    redisFree(redis);
}

/* Set-up and tear-down of a test: a Redis of its own, running. */
static inline int rig_setup(void **state)
{
    struct redis_rig *redis = malloc(sizeof *redis);
    assert_non_null(redis);
    redis_rig_open(redis, NULL);
    redis_rig_start(redis);
    *state = redis;
    return 0;
}

static inline int rig_teardown(void **state)
{
    redis_rig_close(*state);
    free(*state);
    return mem_live_count() == 0 ? 0 : -1;
}

#endif
