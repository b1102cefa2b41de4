/* A connection to Redis, and the next one when it is lost. A name is looked up each time, on
 * libuv's pool: a server that moved is found, and a name service that hangs stops nobody. */
#include <arpa/inet.h>
#include <netdb.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/store_inside.h"

/* An embedded Redis is up some 40 ms after its start: asking often is cheap and soon over. */
enum { RETRY_SHORT_MS = 10, RETRY_SHORT_COUNT = 100, RETRY_MAX_MS = 1000 };
/* Who waits for a store of theirs hears at once, and each half minute, what is wrong with it. */
enum { TELL_EVERY = 40 };

/* Heads that lost the same server do not come back in step. */
static int64_t retry_delay_ms(const struct store *store)
{
    if (store->attempts <= RETRY_SHORT_COUNT && store->is_embedded) {
        return RETRY_SHORT_MS;
    }
    uint32_t doublings = store->attempts < 7 ? store->attempts : 7;
    int64_t delay_ms = (int64_t)RETRY_SHORT_MS << doublings;
    delay_ms = delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS;
    return delay_ms / 2 + (int64_t)randombytes_uniform((uint32_t)delay_ms / 2 + 1);
}

static void on_link_down(void *context, const char *why)
{
    struct store *store = context;
    store->link = NULL;
    store_reconnect(store, why);
}

void store_reconnect(struct store *store, const char *why)
{
    if (store->phase == PHASE_FAILED || store->phase == PHASE_CLOSED) {
        return;
    }
    store->phase = PHASE_DOWN;
    store_reads_end(store, ERR_UNREACHABLE);
    if (store->phase == PHASE_CLOSED) {
        return; /* by a reader */
    }
    redis_link_close(TAKE(store->link));
    (void)uv_timer_stop(&store->beat);
    store->watching.since_ms = 0;
    store->attempts++;
    if (!store->is_loaded) {
        store->batch = NULL; /* of the self-test, which starts again */
    }
    if (strcmp(store->state, "waiting") != 0) {
        bool is_new = strcmp(store->state, "connecting") != 0;
        store_state_set(store, "connecting", "%s", why);
        if (!is_new && !store->is_embedded && store->attempts % TELL_EVERY == 1) {
            store->handlers.on_state(store->handlers.context, store->state, why);
        }
    }
    store_later(store, store_connect, retry_delay_ms(store));
}

static void link_open(struct store *store)
{
    struct redis_target target = {.unix_path = store->unix_path,
                                  .host = store->address,
                                  .port = store->port,
                                  .silence_ms = store->batch_timeout_ms};
    struct redis_link_handlers handlers = {.context = store, .on_down = on_link_down};
    struct report report = {.code = OK};
    error_code error = redis_link_open(store->loop, &target, &handlers, &store->link, &report);
    if (error == ERR_NO_MEMORY) {
        store_fail(store, error, "out of memory");
    } else if (error != OK) {
        store_reconnect(store, report.text);
    } else {
        store->phase = PHASE_CHECK;
        store_words_forget(&store->words);
        store_check(store);
    }
}

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct store *store = request->data;
    store->is_looking_up = false;
    if (store->phase == PHASE_CLOSED) {
        uv_freeaddrinfo(found);
        store_handle_closed(store);
        return;
    }
    store->open_handles--;
    const struct addrinfo *best = found;
    for (const struct addrinfo *row = found; row != NULL; row = row->ai_next) {
        if (row->ai_family == AF_INET) {
            best = row;
            break;
        }
    }
    if (status == 0 && best != NULL) {
        status = getnameinfo(best->ai_addr, best->ai_addrlen, store->address, sizeof store->address,
                             NULL, 0, NI_NUMERICHOST) == 0
                     ? 0
                     : UV_EAI_FAIL;
    }
    uv_freeaddrinfo(found);
    if (store->phase == PHASE_FAILED) {
        return;
    }
    if (status != 0) {
        char why[512];
        snprintf(why, sizeof why, "the store's host name '%.250s' cannot be resolved: %s",
                 store->host, uv_strerror(status));
        store_reconnect(store, why);
        return;
    }
    link_open(store);
}

void store_connect(struct store *store)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct in6_addr numeric;
    bool is_numeric = store->unix_path == NULL && (inet_pton(AF_INET, store->host, &numeric) == 1 ||
                                                   inet_pton(AF_INET6, store->host, &numeric) == 1);
    if (is_numeric) {
        snprintf(store->address, sizeof store->address, "%s", store->host);
    }
    if (store->unix_path != NULL || is_numeric) {
        link_open(store);
        return;
    }
    store->lookup.data = store;
    int rc = uv_getaddrinfo(store->loop, &store->lookup, on_looked_up, store->host, NULL, &hints);
    if (rc != 0) {
        store_reconnect(store, uv_strerror(rc));
        return;
    }
    store->is_looking_up = true;
    store->open_handles++;
}

void store_lookup_end(struct store *store)
{
    if (store->is_looking_up) {
        (void)uv_cancel((uv_req_t *)&store->lookup); /* else it ends by itself */
    }
}
