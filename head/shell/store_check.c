/* The first questions to a server: may we, what is it, does it keep what it is given. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/shell/store_inside.h"

enum { VERSION_MIN = 6 }; /* users and passwords of their own */

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

static void check_done(struct store *store)
{
    store->is_durable = store->is_aof && strcmp(store->fsync, "always") == 0;
    (void)snprintf(store->policy, sizeof store->policy, "appendonly %s, appendfsync %s",
                   store->is_aof ? "yes" : "no", store->fsync);
    if (store->is_loaded) {
        store->phase = PHASE_VERIFY;
        store_verify(store);
    } else {
        store->phase = PHASE_TAKE;
        store_take(store);
    }
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
    check_done(store);
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
    if (strtol(store->version, NULL, 10) < VERSION_MIN) {
        store_fail(store, ERR_UNSUPPORTED, "Redis %s is too old; muster needs %d.0 or newer",
                   store->version, VERSION_MIN);
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
    info_value(reply->str, "aof_enabled", value, sizeof value);
    store->is_aof = strcmp(value, "1") == 0;
    store_ask(store, on_fsync, (const char *const[]){"CONFIG", "GET", "appendfsync", NULL});
}

static void check_ask(struct store *store)
{
    store_ask(store, on_info, (const char *const[]){"INFO", NULL});
}

static void on_auth(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (store_reply_ok(store, reply, REDIS_REPLY_STATUS, store_check)) {
        check_ask(store);
    }
}

void store_check(struct store *store)
{
    if (store->password == NULL) {
        check_ask(store);
    } else if (store->user != NULL) {
        store_ask(store, on_auth,
                  (const char *const[]){"AUTH", store->user, store->password, NULL});
    } else {
        store_ask(store, on_auth, (const char *const[]){"AUTH", store->password, NULL});
    }
}
