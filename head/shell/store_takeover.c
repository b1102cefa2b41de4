/* Whose store it is. Embedded: the state folder's lock is the proof that no other head lives, so
 * ours is written at once. External: an idle head beats and a busy one moves n, so a holder whose
 * beat and n stood still for long enough of our own clock is gone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "head/shell/store_inside.h"
#include "sys/failpoints.h"

static void on_taken(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (!store_reply_ok(store, reply, REDIS_REPLY_ARRAY, store_take)) {
        return;
    }
    char word[16] = "", value[128] = "", n[24] = "";
    if (reply->elements >= 2) {
        reply_copy(reply->element[0], word, sizeof word);
        reply_copy(reply->element[1], value, sizeof value);
    }
    if (strcmp(word, "LOST") == 0) {
        store_fail(store, ERR_STALE,
                   "Redis came back without what it had acknowledged (batch %s). Its default user "
                   "must keep every right, or it drops scripts' writes when it reads its file: "
                   "user default off resetpass ~* &* +@all",
                   value);
        return;
    }
    if (strcmp(word, "OK") != 0 || reply->elements < 3) {
        store_fail(store, ERR_BUSY, "another head is active: %s", value);
        return;
    }
    FAILPOINT(STORE_TAKEN);
    reply_copy(reply->element[2], n, sizeof n);
    store->epoch = strtoull(value, NULL, 10);
    store->n = strtoull(n, NULL, 10);
    store->heard_ms = uv_now(store->loop);
    store_beat_start(store);
    store->phase = PHASE_TEST;
    store->test_step = 0;
    store_test(store);
}

/* `holder` "": whatever stands there gives way. */
static void take_ask(struct store *store, const char *holder, const char *beat, const char *n)
{
    char seconds[24];
    FAILPOINT(STORE_TAKE);
    /* The epoch is the one value of a wall clock in here; it only has to grow. */
    (void)snprintf(seconds, sizeof seconds, "%" PRId64, (int64_t)time(NULL));
    store_ask(store, on_taken,
              (const char *const[]){"EVAL", store_script_take, "1", store->meta, store->holder,
                                    seconds, store->name, holder, beat, n, store->owner, NULL});
}

static bool watching_moved(const struct store_watching *was, const struct store_watching *is)
{
    return strcmp(was->holder, is->holder) != 0 || strcmp(was->beat, is->beat) != 0 ||
           strcmp(was->n, is->n) != 0;
}

static void on_watched(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (!store_reply_ok(store, reply, REDIS_REPLY_ARRAY, store_take)) {
        return;
    }
    if (reply->elements != 5) {
        store_fail(store, ERR_PROTOCOL, "Redis answered HMGET with %zu values", reply->elements);
        return;
    }
    char owner[256] = "";
    struct store_watching now = {.since_ms = uv_now(store->loop)};
    reply_copy(reply->element[0], now.holder, sizeof now.holder);
    reply_copy(reply->element[1], now.beat, sizeof now.beat);
    reply_copy(reply->element[2], now.n, sizeof now.n);
    reply_copy(reply->element[3], now.active, sizeof now.active);
    reply_copy(reply->element[4], owner, sizeof owner);
    /* The script takes a field that is not there for 0. */
    if (now.beat[0] == '\0') {
        (void)strcpy(now.beat, "0");
    }
    if (now.n[0] == '\0') {
        (void)strcpy(now.n, "0");
    }

    if (now.holder[0] == '\0') {
        take_ask(store, "-", "", ""); /* no holder is called so: one who comes first wins */
    } else if (strcmp(now.holder, store->holder) == 0) {
        take_ask(store, store->holder, now.beat, now.n); /* the first answer was lost */
    } else if (owner[0] != '\0' && strcmp(owner, store->owner) == 0) {
        take_ask(store, now.holder, now.beat, now.n); /* the start of this head before this one */
    } else if (store->watching.since_ms == 0) {
        store->watching = now;
        store_state_set(store, "waiting",
                        "another head held the store (%s); waiting %" PRId64 " s for a sign of it",
                        now.active, store->takeover_silence_ms / 1000);
        store_later(store, store_take, STORE_WATCH_MS);
    } else if (watching_moved(&store->watching, &now)) {
        store_fail(store, ERR_BUSY, "another head is active: %s", now.active);
    } else if (now.since_ms - store->watching.since_ms >= (uint64_t)store->takeover_silence_ms) {
        take_ask(store, now.holder, now.beat, now.n);
    } else {
        store_later(store, store_take, STORE_WATCH_MS);
    }
}

void store_take(struct store *store)
{
    if (store->is_embedded) {
        take_ask(store, "", "", "");
        return;
    }
    store_ask(store, on_watched,
              (const char *const[]){"HMGET", store->meta, "holder", "beat", "n", "active", "owner",
                                    NULL});
}

/* After a lost connection: still ours, and as far as it had said? A server that syncs lazily may
 * have come back without what it acknowledged; going on would leave holes nobody sees. */
static void on_verified(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (!store_reply_ok(store, reply, REDIS_REPLY_ARRAY, store_verify)) {
        return;
    }
    char holder[STORE_HOLDER_TEXT_BYTES] = "", n_text[24] = "", active[128] = "";
    if (reply->elements == 3) {
        reply_copy(reply->element[0], holder, sizeof holder);
        reply_copy(reply->element[1], n_text, sizeof n_text);
        reply_copy(reply->element[2], active, sizeof active);
    }
    uint64_t n = strtoull(n_text, NULL, 10);
    if (strcmp(holder, store->holder) != 0) {
        store_fail(store, ERR_FENCED, "another head took over the store: %s",
                   active[0] != '\0' ? active : "it is empty or was released");
    } else if (n < store->n) {
        store_fail(store, ERR_STALE,
                   "Redis lost what it had acknowledged: it came back at batch %" PRIu64
                   " after %" PRIu64 " (%s)",
                   n, store->n, store->policy);
    } else {
        store_ready(store);
    }
}

void store_verify(struct store *store)
{
    store_ask(store, on_verified,
              (const char *const[]){"HMGET", store->meta, "holder", "n", "active", NULL});
}
