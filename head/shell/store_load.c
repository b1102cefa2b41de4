/* Recovery: every table by HSCAN, then every sweep's log by LRANGE, in slices, so that nobody else
 * waits for a long answer. Nothing is written meanwhile -- the store is ours -- so HSCAN gives each
 * field once; the count is compared all the same. A connection that is lost starts it all again,
 * since the cursors of a restarted server mean something else. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/store_inside.h"
#include "sys/failpoints.h"

enum { LOAD_SWEEPS_MAX = 1 << 20 };

/* In the order in which a core can take them. */
static const char *const tables[] = {"meta", "sweeps", "jobs", "tasks", "chunks", "nodes", "users"};
enum { N_TABLES = sizeof tables / sizeof tables[0], TABLE_SWEEPS = 1 };

static void load_key(const struct store *store, char *ret_key, const char *name)
{
    (void)snprintf(ret_key, STORE_KEY_MAX, "%s:%s", store->prefix, name);
}

/* The key that is being read. */
static void asked_key(const struct store *store, char *ret_key)
{
    const struct store_loading *loading = &store->loading;
    char name[32];
    if (loading->table < N_TABLES) {
        load_key(store, ret_key, tables[loading->table]);
        return;
    }
    (void)snprintf(name, sizeof name, "log:%" PRIu32, loading->sweeps[loading->sweep]);
    load_key(store, ret_key, name);
}

/* As store_reply_ok(); of a key that is somebody else's it says which. */
static bool load_reply_ok(struct store *store, const redisReply *reply, int type,
                          store_step_fn *again)
{
    if (store->phase == PHASE_LOAD && reply != NULL && reply->type == REDIS_REPLY_ERROR &&
        strstr(reply->str, "WRONGTYPE ") != NULL) {
        char key[STORE_KEY_MAX];
        asked_key(store, key);
        store_fail_foreign(store, key, "value of another type");
        return false;
    }
    return store_reply_ok(store, reply, type, again);
}

/* ---- logs ---- */

static void log_ask(struct store *store);

static bool log_give(struct store *store, const redisReply *reply)
{
    struct store_loading *loading = &store->loading;
    for (size_t i = 0; i < reply->elements; i++) {
        struct report report = {.code = OK};
        uint32_t sweep = loading->sweeps[loading->sweep];
        error_code error = store->handlers.on_log(store->handlers.context, sweep, loading->index,
                                                  reply_bytes(reply->element[i]), &report);
        if (error != OK) {
            store_fail(store, error, "entry %" PRIu64 " of the log of sweep %" PRIu32 ": %s",
                       loading->index, sweep,
                       report.text[0] != '\0' ? report.text : error_word(error));
            return false;
        }
        loading->index++;
    }
    return true;
}

static void on_log_slice(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (!load_reply_ok(store, reply, REDIS_REPLY_ARRAY, log_ask) || !log_give(store, reply)) {
        return;
    }
    if (reply->elements < STORE_SLICE) {
        store->loading.sweep++;
        store->loading.index = 0;
    }
    log_ask(store);
}

static void log_ask(struct store *store)
{
    struct store_loading *loading = &store->loading;
    if (loading->sweep == loading->n_sweeps) {
        store_load_fini(store);
        store_ready(store);
        return;
    }
    char key[STORE_KEY_MAX], first[24], last[24];
    asked_key(store, key);
    (void)snprintf(first, sizeof first, "%" PRIu64, loading->index);
    (void)snprintf(last, sizeof last, "%" PRIu64, loading->index + STORE_SLICE - 1);
    store_ask(store, on_log_slice, (const char *const[]){"LRANGE", key, first, last, NULL});
}

/* ---- tables ---- */

static void table_ask(struct store *store);
static void slice_ask(struct store *store);

static error_code sweep_note(struct store_loading *loading, struct bytes field)
{
    char text[16] = "";
    if (field.len == 0 || field.len >= sizeof text) {
        return ERR_FORMAT;
    }
    memcpy(text, field.data, field.len);
    char *end = NULL;
    unsigned long number = strtoul(text, &end, 10);
    if (*end != '\0' || number == 0 || number > UINT32_MAX) {
        return ERR_FORMAT;
    }
    if (loading->n_sweeps == loading->sweeps_cap) {
        uint32_t cap = loading->sweeps_cap == 0 ? 64 : loading->sweeps_cap * 2;
        if (cap > LOAD_SWEEPS_MAX) {
            return ERR_LIMIT;
        }
        uint32_t *more = mem_realloc(loading->sweeps, cap * sizeof *more);
        if (more == NULL) {
            return ERR_NO_MEMORY;
        }
        loading->sweeps = more;
        loading->sweeps_cap = cap;
    }
    loading->sweeps[loading->n_sweeps++] = (uint32_t)number;
    return OK;
}

static bool slice_give(struct store *store, const redisReply *fields)
{
    struct store_loading *loading = &store->loading;
    FAILPOINT(STORE_LOAD);
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        struct bytes field = reply_bytes(fields->element[i]);
        struct report report = {.code = OK};
        error_code error = loading->table == TABLE_SWEEPS ? sweep_note(loading, field) : OK;
        if (error == OK) {
            error = store->handlers.on_record(store->handlers.context, tables[loading->table],
                                              field, reply_bytes(fields->element[i + 1]), &report);
        }
        if (error != OK) {
            store_fail(store, error, "record %.*s of %s: %s", (int)field.len,
                       (const char *)field.data, tables[loading->table],
                       report.text[0] != '\0' ? report.text : error_word(error));
            return false;
        }
        loading->seen++;
    }
    return true;
}

static void on_slice(void *context, const redisReply *reply)
{
    struct store *store = context;
    struct store_loading *loading = &store->loading;
    if (!store_reply_ok(store, reply, REDIS_REPLY_ARRAY, slice_ask)) {
        return;
    }
    if (reply->elements != 2 || reply->element[1]->elements % 2 != 0) {
        store_fail(store, ERR_PROTOCOL, "HSCAN gave something else than a slice");
        return;
    }
    reply_copy(reply->element[0], loading->cursor, sizeof loading->cursor);
    bool is_last = strcmp(loading->cursor, "0") == 0;
    if (!is_last) {
        slice_ask(store); /* Redis reads the next one while this one is taken */
    }
    if (!slice_give(store, reply->element[1]) || !is_last) {
        return;
    }
    if (loading->seen != loading->expected) {
        store_fail(store, ERR_CONFLICT,
                   "%s has %" PRIu64 " records and %" PRIu64 " were read: who else writes here?",
                   tables[loading->table], loading->expected, loading->seen);
        return;
    }
    loading->table++;
    table_ask(store);
}

static void slice_ask(struct store *store)
{
    char key[STORE_KEY_MAX], count[16];
    asked_key(store, key);
    (void)snprintf(count, sizeof count, "%d", STORE_SLICE);
    store_ask(store, on_slice,
              (const char *const[]){"HSCAN", key, store->loading.cursor, "COUNT", count, NULL});
}

static void on_length(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (load_reply_ok(store, reply, REDIS_REPLY_INTEGER, table_ask)) {
        store->loading.expected = (uint64_t)reply->integer;
        slice_ask(store);
    }
}

static void table_ask(struct store *store)
{
    struct store_loading *loading = &store->loading;
    if (loading->table == N_TABLES) {
        log_ask(store);
        return;
    }
    (void)strcpy(loading->cursor, "0");
    loading->seen = 0;
    char key[STORE_KEY_MAX];
    asked_key(store, key);
    store_ask(store, on_length, (const char *const[]){"HLEN", key, NULL});
}

void store_load(struct store *store)
{
    store_load_fini(store);
    struct store_info info = {.epoch = store->epoch,
                              .n = store->n,
                              .server_version = store->version,
                              .is_durable = store->is_durable,
                              .policy = store->policy};
    store->handlers.on_load(store->handlers.context, &info);
    table_ask(store);
}

void store_load_fini(struct store *store)
{
    mem_free(store->loading.sweeps);
    store->loading = (struct store_loading){0};
}
