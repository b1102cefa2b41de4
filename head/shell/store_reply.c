/* What an answer that is not the expected one means: a table, from the error's first words. */
#include <assert.h>
#include <string.h>

#include "head/shell/store_inside.h"

typedef enum { DO_WAIT, DO_RECONNECT, DO_FAIL } reply_action;

/* Searched for anywhere in the text: releases before 7 wrap what a command inside a script said. */
static const struct reply_kind {
    const char *text;
    reply_action action;
    const char *state; /* while waiting */
    error_code code;   /* of a failure */
    const char *why;
} reply_kinds[] = {
    {"LOADING ", DO_WAIT, "loading", OK, "Redis is reading its file"},
    {"OOM ", DO_WAIT, "full", OK, "Redis is at its maxmemory"},
    {"BUSY ", DO_WAIT, "waiting", OK, "Redis is busy with a script"},
    {"MISCONF ", DO_WAIT, "full", OK, "Redis cannot write its file"},
    {"NOREPLICAS ", DO_WAIT, "waiting", OK, "Redis misses its replicas"},
    {"TRYAGAIN ", DO_WAIT, "waiting", OK, "Redis says to try again"},
    {"CLUSTERDOWN ", DO_WAIT, "waiting", OK, "Redis' cluster is down"},
    {"max number of clients", DO_RECONNECT, "waiting", OK, "Redis has too many clients"},
    {"MASTERDOWN ", DO_RECONNECT, "waiting", OK, "this Redis is a replica without its master"},
    {"READONLY ", DO_RECONNECT, "waiting", OK, "this Redis is a replica"},
    {"UNBLOCKED ", DO_RECONNECT, "waiting", OK, "this Redis became a replica"},
    {"WRONGPASS ", DO_FAIL, NULL, ERR_NOT_ALLOWED, "Redis refuses the user or password"},
    {"NOAUTH ", DO_FAIL, NULL, ERR_NOT_ALLOWED, "Redis wants a user and a password"},
    {"NOPERM ", DO_FAIL, NULL, ERR_NOT_ALLOWED, "the Redis user lacks a right"},
    {"WRONGTYPE ", DO_FAIL, NULL, ERR_INVALID, "somebody else writes to muster's keys"},
    {"", DO_FAIL, NULL, ERR_PROTOCOL, "Redis answered with an error"},
};

static const struct reply_kind *reply_kind_find(const char *text)
{
    const struct reply_kind *kind = reply_kinds;
    while (strstr(text, kind->text) == NULL) {
        kind++; /* the last one fits everything */
    }
    return kind;
}

bool store_reply_ok(struct store *store, const redisReply *reply, int type, store_step_fn *again)
{
    if (reply == NULL || store->phase == PHASE_FAILED || store->phase == PHASE_CLOSED) {
        return false;
    }
    if (reply->type == type) {
        return true;
    }
    if (reply->type != REDIS_REPLY_ERROR) {
        store_fail(store, ERR_PROTOCOL, "Redis answered with a value of type %d where %d was due",
                   reply->type, type);
        return false;
    }
    const struct reply_kind *kind = reply_kind_find(reply->str);
    switch (kind->action) {
    case DO_WAIT:
        store_state_set(store, kind->state, "%s: %s", kind->why, reply->str);
        store_later(store, again, STORE_RETRY_MS);
        break;
    case DO_RECONNECT:
        store_state_set(store, kind->state, "%s: %s", kind->why, reply->str);
        store_reconnect(store, kind->why);
        break;
    case DO_FAIL:
        store_fail(store, kind->code, "%s: %s", kind->why, reply->str);
        break;
    }
    return false;
}

void store_fail_foreign(struct store *store, const char *key, const char *type)
{
    store_fail(
        store, ERR_INVALID,
        "the key %s of this Redis is a %s, which muster never makes: somebody else uses this "
        "prefix; give another --store-prefix or another database, or remove the key",
        key, type);
}

struct bytes reply_bytes(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS) {
        return (struct bytes){(const uint8_t *)"", 0};
    }
    return (struct bytes){(const uint8_t *)reply->str, (size_t)reply->len};
}

void reply_copy(const redisReply *reply, char *ret_text, size_t size_bytes)
{
    assert(size_bytes > 0);
    struct bytes bytes = reply_bytes(reply);
    size_t len = bytes.len < size_bytes ? bytes.len : size_bytes - 1;
    memcpy(ret_text, bytes.data, len);
    ret_text[len] = '\0';
}
