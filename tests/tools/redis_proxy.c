#include "tests/tools/redis_proxy.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS_MAX = 64, CHUNK_BYTES = 1 << 20, POLL_MS = 20, SEND_TRY_MS = 100 };

struct pair {
    int client, redis; /* -1: free */
    bool is_half_open;
    char *held; /* a delayed reply; Redis is not read until it is gone */
    size_t held_len;
    int64_t release_ms;
};

struct redis_proxy {
    pthread_t thread;
    pthread_mutex_t lock; /* guards the next six */
    bool must_stop, is_sliced;
    proxy_fault fault;
    uint32_t after, delay_ms, struck;
    int listener;
    char listen_path[108], redis_path[108];
    struct pair pairs[PAIRS_MAX];
    char chunk[CHUNK_BYTES];
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int socket_open(const char *path, bool must_listen)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || strlen(path) >= sizeof address.sun_path) {
        abort();
    }
    strcpy(address.sun_path, path);
    const struct sockaddr *name = (const struct sockaddr *)&address;
    int status = must_listen ? bind(fd, name, sizeof address) : connect(fd, name, sizeof address);
    if (status != 0 || (must_listen && listen(fd, 64) != 0)) {
        close(fd);
        return -1;
    }
    /* A stopped Redis must not stop the proxy. */
    struct timeval patience = {.tv_usec = SEND_TRY_MS * 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

static bool must_stop(struct redis_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    bool is_over = proxy->must_stop;
    pthread_mutex_unlock(&proxy->lock);
    return is_over;
}

static void pair_close(struct pair *pair)
{
    close(pair->client);
    close(pair->redis);
    free(pair->held);
    *pair = (struct pair){.client = -1, .redis = -1};
}

static void pair_accept(struct redis_proxy *proxy)
{
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
        return;
    }
    int redis = socket_open(proxy->redis_path, false);
    for (uint32_t i = 0; i < PAIRS_MAX && redis >= 0; i++) {
        if (proxy->pairs[i].client < 0) {
            proxy->pairs[i] = (struct pair){.client = client, .redis = redis};
            return;
        }
    }
    close(client);
    if (redis >= 0) {
        close(redis);
    }
}

static bool is_of_request(proxy_fault fault)
{
    return fault == PROXY_LOSE_REQUEST || fault == PROXY_TEAR_REQUEST;
}

/* The fault that strikes this chunk, if any. */
static proxy_fault fault_take(struct redis_proxy *proxy, bool is_request, uint32_t *ret_delay_ms,
                              bool *ret_sliced)
{
    proxy_fault fault = PROXY_NONE;
    pthread_mutex_lock(&proxy->lock);
    if (proxy->fault != PROXY_NONE && is_of_request(proxy->fault) == is_request &&
        --proxy->after == 0) {
        fault = proxy->fault;
        proxy->fault = PROXY_NONE;
        proxy->struck++;
    }
    *ret_delay_ms = proxy->delay_ms;
    *ret_sliced = proxy->is_sliced;
    pthread_mutex_unlock(&proxy->lock);
    return fault;
}

static bool pass(struct redis_proxy *proxy, int to, const char *bytes, size_t len, bool is_sliced)
{
    while (len > 0) {
        ssize_t sent = send(to, bytes, is_sliced ? 1 : len, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR) && !must_stop(proxy)) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static void chunk_pass(struct redis_proxy *proxy, struct pair *pair, bool is_request)
{
    int from = is_request ? pair->client : pair->redis,
        to = is_request ? pair->redis : pair->client;
    ssize_t len = recv(from, proxy->chunk, CHUNK_BYTES, 0);
    if (len <= 0) {
        pair_close(pair);
        return;
    }
    if (pair->is_half_open) {
        return;
    }
    uint32_t delay_ms = 0;
    bool is_sliced = false;
    proxy_fault fault = fault_take(proxy, is_request, &delay_ms, &is_sliced);
    switch (fault) {
    case PROXY_LOSE_REQUEST:
    case PROXY_LOSE_REPLY:
        pair_close(pair);
        return;
    case PROXY_TEAR_REQUEST:
    case PROXY_TEAR_REPLY:
        (void)pass(proxy, to, proxy->chunk, (size_t)len / 2, is_sliced);
        pair_close(pair);
        return;
    case PROXY_HALF_OPEN:
        pair->is_half_open = true;
        return;
    case PROXY_DELAY_REPLY:
        pair->held = malloc((size_t)len);
        if (pair->held == NULL) {
            abort();
        }
        memcpy(pair->held, proxy->chunk, (size_t)len);
        pair->held_len = (size_t)len;
        pair->release_ms = now_ms() + delay_ms;
        return;
    case PROXY_NONE:
    case PROXY_FAULTS:
        break;
    }
    if (!pass(proxy, to, proxy->chunk, (size_t)len, is_sliced)) {
        pair_close(pair);
    }
}

static void held_release(struct redis_proxy *proxy, struct pair *pair)
{
    if (pair->held == NULL || now_ms() < pair->release_ms) {
        return;
    }
    bool is_passed = pass(proxy, pair->client, pair->held, pair->held_len, false);
    free(pair->held);
    pair->held = NULL;
    if (!is_passed) {
        pair_close(pair);
    }
}

static void *proxy_run(void *context)
{
    struct redis_proxy *proxy = context;
    while (!must_stop(proxy)) {
        /* The listener, then two of each pair. */
        struct pollfd watched[1 + 2 * PAIRS_MAX] = {{.fd = proxy->listener, .events = POLLIN}};
        for (uint32_t i = 0; i < PAIRS_MAX; i++) {
            struct pair *pair = &proxy->pairs[i];
            held_release(proxy, pair);
            watched[1 + 2 * i] = (struct pollfd){.fd = pair->client, .events = POLLIN};
            watched[2 + 2 * i] =
                (struct pollfd){.fd = pair->held == NULL ? pair->redis : -1, .events = POLLIN};
        }
        (void)poll(watched, 1 + 2 * PAIRS_MAX, POLL_MS);
        for (uint32_t i = 0; i < PAIRS_MAX; i++) {
            struct pair *pair = &proxy->pairs[i];
            if (watched[1 + 2 * i].revents != 0) {
                chunk_pass(proxy, pair, true);
            }
            /* The first may have closed the pair. */
            if (watched[2 + 2 * i].revents != 0 && pair->redis == watched[2 + 2 * i].fd) {
                chunk_pass(proxy, pair, false);
            }
        }
        if (watched[0].revents != 0) {
            pair_accept(proxy);
        }
    }
    return NULL;
}

struct redis_proxy *redis_proxy_start(const char *listen_path, const char *redis_path)
{
    struct redis_proxy *proxy = calloc(1, sizeof *proxy);
    if (proxy == NULL || strlen(listen_path) >= sizeof proxy->listen_path ||
        strlen(redis_path) >= sizeof proxy->redis_path) {
        abort();
    }
    strcpy(proxy->listen_path, listen_path);
    strcpy(proxy->redis_path, redis_path);
    for (uint32_t i = 0; i < PAIRS_MAX; i++) {
        proxy->pairs[i] = (struct pair){.client = -1, .redis = -1};
    }
    pthread_mutex_init(&proxy->lock, NULL);
    (void)unlink(listen_path);
    proxy->listener = socket_open(listen_path, true);
    if (proxy->listener < 0 || pthread_create(&proxy->thread, NULL, proxy_run, proxy) != 0) {
        free(proxy);
        return NULL;
    }
    return proxy;
}

void redis_proxy_stop(struct redis_proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    pthread_mutex_lock(&proxy->lock);
    proxy->must_stop = true;
    pthread_mutex_unlock(&proxy->lock);
    pthread_join(proxy->thread, NULL);
    for (uint32_t i = 0; i < PAIRS_MAX; i++) {
        if (proxy->pairs[i].client >= 0) {
            pair_close(&proxy->pairs[i]);
        }
    }
    close(proxy->listener);
    (void)unlink(proxy->listen_path);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

void redis_proxy_arm(struct redis_proxy *proxy, proxy_fault fault, uint32_t after,
                     uint32_t delay_ms)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->fault = fault;
    proxy->after = after;
    proxy->delay_ms = delay_ms;
    pthread_mutex_unlock(&proxy->lock);
}

uint32_t redis_proxy_struck(struct redis_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    uint32_t struck = proxy->struck;
    pthread_mutex_unlock(&proxy->lock);
    return struck;
}

void redis_proxy_slice(struct redis_proxy *proxy, bool is_sliced)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->is_sliced = is_sliced;
    pthread_mutex_unlock(&proxy->lock);
}
