/* The store's life: connection, timers, state, failure, end. The steps are in files of their own;
 * each one ends by calling the next. */
#include "head/shell/store.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/store_inside.h"

enum { WHY_MAX = 512 };

void store_state_set(struct store *store, const char *state, const char *format, ...)
{
    if (strcmp(store->state, state) == 0) {
        return;
    }
    char why[WHY_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    (void)snprintf(store->state, sizeof store->state, "%s", state);
    store->handlers.on_state(store->handlers.context, state, why);
}

static void on_retry(uv_timer_t *timer)
{
    struct store *store = timer->data;
    store_step_fn *step = store->retry_step;
    store->retry_step = NULL;
    step(store);
}

void store_later(struct store *store, store_step_fn *step, int64_t delay_ms)
{
    store->retry_step = step;
    (void)uv_timer_start(&store->retry, on_retry, (uint64_t)delay_ms, 0);
}

static void store_quiet(struct store *store)
{
    struct redis_link *link = TAKE(store->link);
    (void)uv_timer_stop(&store->retry);
    (void)uv_timer_stop(&store->beat);
    redis_link_close(link);
}

void store_fail(struct store *store, error_code code, const char *format, ...)
{
    if (store->phase == PHASE_FAILED || store->phase == PHASE_CLOSED) {
        return;
    }
    char why[WHY_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    store->phase = PHASE_FAILED;
    store_reads_end(store, ERR_UNREACHABLE);
    if (store->phase == PHASE_CLOSED) {
        return; /* by a reader */
    }
    store_quiet(store);
    store_state_set(store, code == ERR_FENCED ? "fenced" : "failed", "%s", why);
    store->handlers.on_failed(store->handlers.context, code, why);
}

void store_ask(struct store *store, redis_reply_fn *on_reply, const char *const *words)
{
    enum { WORDS_MAX = 16 };
    size_t lengths[WORDS_MAX], n = 0;
    for (; words[n] != NULL; n++) {
        assert(n < WORDS_MAX);
        lengths[n] = strlen(words[n]);
    }
    if (store->link == NULL) {
        return;
    }
    error_code error = redis_link_send(store->link, words, lengths, n, on_reply, store);
    if (error == ERR_NO_MEMORY) {
        store_fail(store, error, "out of memory");
    }
}

static void on_beat_reply(void *context, const redisReply *reply)
{
    struct store *store = context;
    /* A server that cannot now gets the next beat. */
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements < 2) {
        store->heard_ms = uv_now(store->loop);
        return;
    }
    char who[128];
    reply_copy(reply->element[1], who, sizeof who);
    store_fail(store, ERR_FENCED, "another head took over the store: %s", who);
}

/* A head that has nothing to write says so too, before somebody brings it something. */
static void space_look(struct store *store)
{
    char why[WHY_MAX];
    bool is_full = strcmp(store->state, "full") == 0;
    bool has_room = store_space_ok(store, 0, why, sizeof why);
    if (!has_room && !is_full) {
        store_state_set(store, "full", "%s", why);
    } else if (has_room && is_full) {
        store_state_set(store, "ok", "there is room again");
    }
}

/* A batch that is applied moves n, which says as much; one that waits for room says nothing. */
static void on_beat(uv_timer_t *timer)
{
    struct store *store = timer->data;
    if (store->phase == PHASE_READY && store->batch == NULL) {
        space_look(store);
    }
    if (store->is_embedded) {
        return; /* no other head comes near it */
    }
    if (store->phase == PHASE_READY && store->n_beats++ % 2 == 0) {
        store_memory_ask(store);
    }
    if ((store->phase == PHASE_READY || store->phase == PHASE_LOAD) &&
        uv_now(store->loop) - store->heard_ms >= STORE_BEAT_MS) {
        store_ask(store, on_beat_reply,
                  (const char *const[]){"EVAL", store_script_beat, "1", store->meta, store->holder,
                                        NULL});
    }
}

void store_beat_start(struct store *store)
{
    (void)uv_timer_start(&store->beat, on_beat, STORE_BEAT_MS, STORE_BEAT_MS / 2);
}

void store_ready(struct store *store)
{
    store->phase = PHASE_READY;
    store->attempts = 0;
    store->heard_ms = uv_now(store->loop);
    store_beat_start(store);
    if (store->batch != NULL) {
        store_batch_send(store);
    } else {
        store_state_set(store, "ok", "connected");
    }
    if (!store->is_loaded) {
        store->is_loaded = true;
        store->handlers.on_loaded(store->handlers.context);
    }
}

static void on_batch_applied(struct store *store)
{
    store->handlers.on_batch(store->handlers.context, store->n);
}

void store_send(struct store *store, const struct batch *batch)
{
    assert(store->is_loaded && store->batch == NULL && batch->n == store->n + 1);
    store_batch_start(store, batch, on_batch_applied);
}

void store_facts_get(const struct store *store, struct store_facts *ret_facts)
{
    bool is_known = store->fsync[0] != '\0' && strcmp(store->fsync, "unknown") != 0;
    const char *loss = store->policy[0] == '\0' ? ""
                       : store->is_durable      ? "nothing"
                       : !store->is_aof         ? "everything since its last snapshot"
                       : !is_known              ? "unknown: it does not tell its policy"
                       : strcmp(store->fsync, "everysec") == 0 ? "up to 2 s of acknowledged writes"
                                                               : "some 30 s of acknowledged writes";
    *ret_facts = (struct store_facts){store->is_embedded, store->policy, loss, store->memory_bytes,
                                      store->memory_max_bytes};
}

bool store_is_sending(const struct store *store)
{
    return store->is_loaded && store->batch != NULL;
}

/* ---- leaving ---- */

static void release_done(struct store *store)
{
    void (*on_released)(void *) = TAKE(store->on_released);
    (void)uv_timer_stop(&store->retry);
    if (on_released != NULL) {
        on_released(store->release_context);
    }
}

static void on_release_reply(void *context, const redisReply *reply)
{
    (void)reply;
    release_done(context);
}

void store_release(struct store *store, void (*on_released)(void *context), void *context)
{
    assert(store->batch == NULL || !store->is_loaded);
    store->on_released = on_released;
    store->release_context = context;
    bool is_ours = store->phase == PHASE_READY && store->link != NULL;
    /* From here on the store only waits for this one answer. */
    if (store->phase != PHASE_FAILED) {
        (void)uv_timer_stop(&store->beat);
        store->phase = PHASE_CLOSED;
    }
    store_later(store, release_done, is_ours ? STORE_RELEASE_MS : 0);
    if (is_ours) {
        store_ask(store, on_release_reply,
                  (const char *const[]){"EVAL", store_script_release, "1", store->meta,
                                        store->holder, NULL});
    }
}

static void store_free(struct store *store)
{
    store_words_fini(&store->words);
    store_load_fini(store);
    mem_free(store->unix_path);
    mem_free(store->host);
    mem_free(store->user);
    if (store->password != NULL) {
        sodium_memzero(store->password, strlen(store->password));
    }
    mem_free(store->password);
    mem_free(store->name);
    mem_free(store->owner);
    mem_free(store->data_dir);
    mem_free(store);
}

void store_handle_closed(struct store *store)
{
    if (--store->open_handles > 0) {
        return;
    }
    void (*on_closed)(void *) = store->on_closed;
    void *context = store->close_context;
    store_free(store);
    if (on_closed != NULL) {
        on_closed(context);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    store_handle_closed(handle->data);
}

void store_close(struct store *store, void (*on_closed)(void *context), void *context)
{
    assert(!uv_is_closing((uv_handle_t *)&store->retry));
    store->phase = PHASE_CLOSED;
    store->on_closed = on_closed;
    store->close_context = context;
    store->on_released = NULL;
    store_reads_end(store, ERR_CLOSED);
    store_quiet(store);
    store_lookup_end(store);
    uv_close((uv_handle_t *)&store->retry, on_handle_closed);
    uv_close((uv_handle_t *)&store->beat, on_handle_closed);
}

/* ---- opening ---- */

static bool prefix_is_valid(const char *prefix)
{
    size_t len = strlen(prefix);
    return len > 0 && len <= STORE_PREFIX_MAX &&
           strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               len;
}

static bool text_copy(const char *text, char **ret_copy)
{
    *ret_copy = text != NULL ? mem_strdup(text) : NULL;
    return text == NULL || *ret_copy != NULL;
}

static error_code store_configure(struct store *store, const struct store_config *config)
{
    (void)snprintf(store->prefix, sizeof store->prefix, "%s",
                   config->prefix != NULL ? config->prefix : "m");
    (void)snprintf(store->meta, sizeof store->meta, "%s:meta", store->prefix);
    store->port = config->port;
    store->database = config->database;
    store->is_embedded = config->is_embedded;
    store->reserve_bytes = config->reserve_bytes;
    store->batch_timeout_ms =
        config->batch_timeout_ms > 0 ? config->batch_timeout_ms : STORE_BATCH_TIMEOUT_MS;
    store->takeover_silence_ms =
        config->takeover_silence_ms > 0 ? config->takeover_silence_ms : STORE_TAKEOVER_SILENCE_MS;
    uint8_t random[(STORE_HOLDER_TEXT_BYTES - 1) / 2];
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(store->holder, sizeof store->holder, random, sizeof random);
    bool is_whole =
        text_copy(config->unix_path, &store->unix_path) && text_copy(config->host, &store->host) &&
        text_copy(config->user, &store->user) && text_copy(config->password, &store->password) &&
        text_copy(config->name != NULL ? config->name : "a head", &store->name) &&
        text_copy(config->owner != NULL ? config->owner : "", &store->owner) &&
        text_copy(config->data_dir, &store->data_dir);
    return is_whole ? OK : ERR_NO_MEMORY;
}

error_code store_open(uv_loop_t *loop, const struct store_config *config,
                      const struct store_handlers *handlers, struct store **ret_store,
                      struct report *report)
{
    if (config->prefix != NULL && !prefix_is_valid(config->prefix)) {
        return report_fail(report, ERR_INVALID,
                           "the store's prefix must be 1 to %d letters, digits, _ or -, not '%s'",
                           STORE_PREFIX_MAX, config->prefix);
    }
    if (config->unix_path == NULL && (config->host == NULL || config->port == 0)) {
        return report_fail(report, ERR_INVALID,
                           "the store needs a socket path, or a host and port");
    }
    if (sodium_init() < 0) {
        return report_fail(report, ERR_SYSTEM, "the machine gives no random numbers");
    }
    struct store *store = mem_zalloc(sizeof *store);
    if (store == NULL) {
        return ERR_NO_MEMORY;
    }
    if (store_configure(store, config) != OK) {
        store_free(store);
        return ERR_NO_MEMORY;
    }
    store->loop = loop;
    store->handlers = *handlers;
    list_init(&store->reads);
    (void)uv_timer_init(loop, &store->retry); /* cannot fail */
    (void)uv_timer_init(loop, &store->beat);
    store->retry.data = store->beat.data = store;
    store->open_handles = 2;
    (void)snprintf(store->state, sizeof store->state, "connecting");
    /* From the loop: no handler is called before the caller has the store. */
    store_later(store, store_connect, 0);
    *ret_store = store;
    return OK;
}
