/* The first questions to a server: may we, what is it, does it keep what it is given. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/shell/store_inside.h"

/* The oldest that is tested: users of their own, and scripts that replicate as their effects. */
enum { VERSION_MIN_MAJOR = 6, VERSION_MIN_MINOR = 2 };

/* The value of `name:` in INFO's text; "" if it is not there. */
static void info_value(const char *info, const char *name, char *ret_value, size_t size_bytes)
{
    size_t name_len = strlen(name);
    ret_value[0] = '\0';
    for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        if (strncmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *value = line + name_len + 1;
            (void)snprintf(ret_value, size_bytes, "%.*s", (int)strcspn(value, "\r\n"), value);
            return;
        }
    }
}

static uint64_t info_number(const char *info, const char *name)
{
    char value[32];
    info_value(info, name, value, sizeof value);
    return strtoull(value, NULL, 10);
}

static void facts_tell(struct store *store)
{
    if (store->handlers.on_facts != NULL) {
        store->handlers.on_facts(store->handlers.context);
    }
}

static void memory_take(struct store *store, const char *info)
{
    store->memory_bytes = info_number(info, "used_memory");
    store->memory_max_bytes = info_number(info, "maxmemory");
    facts_tell(store);
}

static void on_memory(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (reply != NULL && reply->type == REDIS_REPLY_STRING && store->phase >= PHASE_TAKE &&
        store->phase <= PHASE_READY) {
        memory_take(store, reply->str);
    }
}

void store_memory_ask(struct store *store)
{
    store_ask(store, on_memory, (const char *const[]){"INFO", "memory", NULL});
}

static bool version_is_good(const char *version)
{
    char *rest;
    long major = strtol(version, &rest, 10);
    long minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
    return major > VERSION_MIN_MAJOR || (major == VERSION_MIN_MAJOR && minor >= VERSION_MIN_MINOR);
}

static void types_ask(struct store *store);

static void check_done(struct store *store)
{
    store->is_durable = store->is_aof && strcmp(store->fsync, "always") == 0;
    (void)snprintf(store->policy, sizeof store->policy, "appendonly %s, appendfsync %s",
                   store->is_aof ? "yes" : "no", store->fsync);
    facts_tell(store);
    if (store->is_loaded) {
        store->phase = PHASE_VERIFY;
        store_verify(store);
    } else {
        store->phase = PHASE_TAKE;
        store_take(store);
    }
}

/* A prefix that somebody else uses would otherwise show as one strange error or another, later. */
static void on_types(void *context, const redisReply *reply)
{
    struct store *store = context;
    /* A user that may not ask for types finds it out later, from a stranger error. */
    bool is_unknown =
        reply != NULL && reply->type == REDIS_REPLY_ERROR &&
        (strstr(reply->str, "NOPERM") != NULL || strstr(reply->str, "can't run") != NULL);
    if (!is_unknown && !store_reply_ok(store, reply, REDIS_REPLY_ARRAY, types_ask)) {
        return;
    }
    if (!is_unknown && reply->elements == 2) {
        char key[STORE_KEY_MAX], type[32];
        reply_copy(reply->element[0], key, sizeof key);
        reply_copy(reply->element[1], type, sizeof type);
        store_fail_foreign(store, key, type);
        return;
    }
    check_done(store);
}

static void types_ask(struct store *store)
{
    if (store->is_embedded || store->is_loaded) {
        check_done(store);
        return;
    }
    store_ask(
        store, on_types,
        (const char *const[]){"EVAL", store_script_types, "1", store->meta, store->prefix, NULL});
}

/* Hosted servers hide CONFIG: then nobody knows, and the policy says so. */
static void on_fsync(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (reply == NULL || store->phase != PHASE_CHECK) {
        return;
    }
    (void)snprintf(store->fsync, sizeof store->fsync, "unknown");
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        reply_copy(reply->element[1], store->fsync, sizeof store->fsync);
    }
    types_ask(store);
}

static void check_ask(struct store *store);

static void on_info(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (!store_reply_ok(store, reply, REDIS_REPLY_STRING, check_ask)) {
        return;
    }
    char value[64];
    info_value(reply->str, "loading", value, sizeof value);
    if (strcmp(value, "1") == 0) {
        store_state_set(store, "loading", "Redis is reading its file");
        store_later(store, check_ask, STORE_RETRY_MS);
        return;
    }
    info_value(reply->str, "redis_version", store->version, sizeof store->version);
    if (!version_is_good(store->version)) {
        store_fail(store, ERR_UNSUPPORTED, "Redis %s is too old; muster needs %d.%d or newer",
                   store->version, VERSION_MIN_MAJOR, VERSION_MIN_MINOR);
        return;
    }
    info_value(reply->str, "role", value, sizeof value);
    if (store->is_loaded && strcmp(value, "slave") == 0) {
        store_reconnect(store, "this Redis became a replica"); /* its name may move to the master */
        return;
    }
    if (value[0] != '\0' && strcmp(value, "master") != 0) {
        char master[64];
        info_value(reply->str, "master_host", master, sizeof master);
        store_fail(store, ERR_UNSUPPORTED,
                   "this Redis is a replica (of %s) and takes no writes; name its master", master);
        return;
    }
    info_value(reply->str, "cluster_enabled", value, sizeof value);
    if (strcmp(value, "1") == 0) {
        store_fail(store, ERR_UNSUPPORTED,
                   "this Redis is one of a sharded cluster; muster needs a server of its own");
        return;
    }
    info_value(reply->str, "maxmemory_policy", value, sizeof value);
    if (value[0] != '\0' && strcmp(value, "noeviction") != 0) {
        store_fail(store, ERR_INVALID,
                   "this Redis drops records when memory is short (maxmemory-policy %s); set "
                   "maxmemory-policy noeviction",
                   value);
        return;
    }
    memory_take(store, reply->str);
    info_value(reply->str, "aof_enabled", value, sizeof value);
    store->is_aof = strcmp(value, "1") == 0;
    store_ask(store, on_fsync, (const char *const[]){"CONFIG", "GET", "appendfsync", NULL});
}

static void check_ask(struct store *store)
{
    store_ask(store, on_info, (const char *const[]){"INFO", NULL});
}

static void on_selected(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "range") != NULL) {
        store_fail(store, ERR_INVALID, "this Redis has no database %" PRIu32 ": %s",
                   store->database, reply->str);
    } else if (store_reply_ok(store, reply, REDIS_REPLY_STATUS, store_check)) {
        check_ask(store);
    }
}

static void select_ask(struct store *store)
{
    char number[16];
    if (store->database == 0) {
        check_ask(store);
        return;
    }
    (void)snprintf(number, sizeof number, "%" PRIu32, store->database);
    store_ask(store, on_selected, (const char *const[]){"SELECT", number, NULL});
}

static void on_auth(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (store_reply_ok(store, reply, REDIS_REPLY_STATUS, store_check)) {
        select_ask(store);
    }
}

void store_check(struct store *store)
{
    if (store->password == NULL) {
        select_ask(store);
    } else if (store->user != NULL) {
        store_ask(store, on_auth,
                  (const char *const[]){"AUTH", store->user, store->password, NULL});
    } else {
        store_ask(store, on_auth, (const char *const[]){"AUTH", store->password, NULL});
    }
}
