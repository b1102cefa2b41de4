/* The one batch in flight: sent until it is answered. The script applies a number once, so sending
 * again is always right, whatever became of the last try. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/shell/store_inside.h"
#include "sys/failpoints.h"

enum { WORDS_KEPT_MAX = 1 << 16 }; /* an unusually large batch does not keep its memory */

static void batch_applied(struct store *store)
{
    store->n = store->batch->n;
    store->batch = NULL;
    store->heard_ms = uv_now(store->loop);
    FAILPOINT(STORE_APPLIED);
    if (store->words.cap > WORDS_KEPT_MAX) {
        store_words_fini(&store->words);
    }
    if (store->phase == PHASE_READY) {
        store_state_set(store, "ok", "batches are written");
    }
    store->on_applied(store); /* last: it may send the next one, or close the store */
}

static void batch_resend(struct store *store);
static void on_batch_reply(void *context, const redisReply *reply);

static void on_script_loaded(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (store_reply_ok(store, reply, REDIS_REPLY_STRING, batch_resend)) {
        reply_copy(reply, store->batch_sha, sizeof store->batch_sha);
        batch_resend(store);
    }
}

static void on_batch_reply(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR &&
        strncmp(reply->str, "NOSCRIPT", strlen("NOSCRIPT")) == 0) {
        store->batch_sha[0] = '\0'; /* the server was restarted, or its scripts were flushed */
        batch_resend(store);
        return;
    }
    if (!store_reply_ok(store, reply, REDIS_REPLY_ARRAY, batch_resend)) {
        return;
    }
    if (FAILPOINT_FAILS(STORE_REPLY)) {
        store_later(store, batch_resend, 0);
        return;
    }
    char word[16] = "", value[128] = "";
    if (reply->elements >= 1) {
        reply_copy(reply->element[0], word, sizeof word);
    }
    if (reply->elements >= 2) {
        reply_copy(reply->element[1], value, sizeof value);
    }
    if (strcmp(word, "OK") == 0) {
        batch_applied(store);
    } else if (strcmp(word, "FENCED") == 0) {
        store_fail(store, ERR_FENCED, "another head took over the store: %s",
                   value[0] != '\0' ? value : "it is empty or was released");
    } else if (strcmp(word, "GAP") == 0) {
        bool is_behind = strtoull(value, NULL, 10) < store->batch->n;
        store_fail(store, is_behind ? ERR_STALE : ERR_PROTOCOL,
                   "the store is at batch %s and refuses %" PRIu64 " (%s)", value, store->batch->n,
                   store->policy);
    } else if (strcmp(word, "TYPE") == 0 && reply->elements == 3) {
        char key[STORE_KEY_MAX];
        reply_copy(reply->element[1], key, sizeof key);
        reply_copy(reply->element[2], value, sizeof value);
        store_fail_foreign(store, key, value);
    } else {
        store_fail(store, ERR_PROTOCOL, "the batch script answered '%s'", word);
    }
}

static void batch_resend(struct store *store)
{
    assert(store->batch != NULL);
    if (store->batch_sha[0] == '\0') {
        store_ask(store, on_script_loaded,
                  (const char *const[]){"SCRIPT", "LOAD", store_script_batch, NULL});
        return;
    }
    char why[256];
    if (!store_space_ok(store, store->batch->size_bytes, why, sizeof why)) {
        store_state_set(store, "full", "%s", why);
        store_later(store, batch_resend, STORE_SPACE_MS);
        return;
    }
    store->words.words[1] = store->batch_sha;
    store->words.lengths[1] = strlen(store->batch_sha);
    if (store->link == NULL) {
        return;
    }
    FAILPOINT(STORE_SEND);
    error_code error = redis_link_send(store->link, store->words.words, store->words.lengths,
                                       store->words.n, on_batch_reply, store);
    if (error == ERR_NO_MEMORY) {
        store_fail(store, error, "out of memory");
    }
}

void store_batch_send(struct store *store)
{
    const struct batch *batch = store->batch;
    error_code error =
        store_words_set(&store->words, store->prefix, store->meta, store->holder, batch);
    if (error != OK) {
        store->batch = NULL;
        store_fail(store, error, "a batch of %" PRIu32 " operations cannot be sent: %s",
                   batch->n_ops, error_word(error));
        return;
    }
    batch_resend(store);
}

void store_batch_start(struct store *store, const struct batch *batch, store_step_fn *on_applied)
{
    assert(store->batch == NULL && batch->n == store->n + 1);
    if (store->phase == PHASE_FAILED || store->phase == PHASE_CLOSED) {
        return;
    }
    store->batch = batch;
    store->on_applied = on_applied;
    /* Away: store_ready() sends it. */
    if (store->phase == PHASE_READY || store->phase == PHASE_TEST) {
        store_batch_send(store);
    }
}
