#include "head/shell/redis_link.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "head/shell/redis_loop.h"

enum { SOCKET_PATH_MAX = sizeof((struct sockaddr_un *)NULL)->sun_path - 1, WHY_MAX = 160 };

struct redis_link {
    redisAsyncContext *redis; /* NULL once hiredis has given it up */
    struct redis_link_handlers handlers;
    uv_timer_t silence;
    int64_t silence_ms;
    uint32_t n_owed;
    bool is_up;
    bool is_closed; /* by the owner: nobody is told */
    char why[WHY_MAX];
};

struct owed_reply {
    redis_reply_fn *on_reply;
    void *context;
};

static void on_timer_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

/* hiredis frees the context after the callback that calls this; this may come twice when the owner
 * closes a link that is being lost. */
static void link_lost(struct redis_link *link, const char *why)
{
    if (link->redis == NULL) {
        return;
    }
    link->redis = NULL;
    uv_close((uv_handle_t *)&link->silence, on_timer_closed);
    if (!link->is_closed) {
        link->is_closed = true;
        link->handlers.on_down(link->handlers.context, link->why[0] != '\0' ? link->why : why);
    }
}

static void silence_start(struct redis_link *link)
{
    (void)uv_timer_again(&link->silence);
}

static void on_silence(uv_timer_t *timer)
{
    struct redis_link *link = timer->data;
    (void)snprintf(link->why, sizeof link->why, "Redis said nothing for %" PRId64 " ms",
                   link->silence_ms);
    /* hiredis calls the disconnect callback only for what was connected. */
    bool was_up = link->is_up;
    redisAsyncFree(link->redis);
    if (!was_up) {
        link_lost(link, link->why);
    }
}

static void on_connect(const redisAsyncContext *redis, int status)
{
    struct redis_link *link = redis->data;
    if (status != REDIS_OK) {
        link_lost(link, redis->errstr[0] != '\0' ? redis->errstr : "cannot connect");
        return;
    }
    link->is_up = true;
    if (link->n_owed == 0) {
        (void)uv_timer_stop(&link->silence);
    }
}

static void on_disconnect(const redisAsyncContext *redis, int status)
{
    (void)status;
    link_lost(redis->data, redis->errstr != NULL && redis->errstr[0] != '\0'
                               ? redis->errstr
                               : "Redis closed the connection");
}

static void on_reply(redisAsyncContext *redis, void *reply, void *data)
{
    struct owed_reply *owed = data;
    struct redis_link *link = redis->data;
    if (reply != NULL) {
        link->n_owed--;
        if (link->n_owed == 0) {
            (void)uv_timer_stop(&link->silence);
        } else {
            silence_start(link);
        }
    }
    owed->on_reply(owed->context, reply);
    mem_free(owed);
}

/* A path that is too long for a socket address is reached through a descriptor of its folder;
 * connect() resolves the name before it returns, even when it does not wait for the answer. */
static redisAsyncContext *connect_unix(const char *path, struct report *report)
{
    if (strlen(path) <= SOCKET_PATH_MAX) {
        return redisAsyncConnectUnix(path);
    }
    char folder[PATH_MAX], name[PATH_MAX], near[SOCKET_PATH_MAX + 1];
    if (strlen(path) >= PATH_MAX) {
        ignore_error(report_fail(report, ERR_LIMIT, "path too long"), "the text is what counts");
        return NULL;
    }
    (void)strcpy(folder, path);
    (void)strcpy(name, path);
    int fd = open(dirname(folder), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        ignore_error(report_fail(report, ERR_UNREACHABLE, "%s: %s", path, strerror(errno)),
                     "the text is what counts");
        return NULL;
    }
    redisAsyncContext *redis = NULL;
    int size = snprintf(near, sizeof near, "/proc/self/fd/%d/%s", fd, basename(name));
    if (size > 0 && (size_t)size < sizeof near) {
        redis = redisAsyncConnectUnix(near);
    }
    (void)close(fd);
    return redis;
}

error_code redis_link_open(uv_loop_t *loop, const struct redis_target *target,
                           const struct redis_link_handlers *handlers, struct redis_link **ret_link,
                           struct report *report)
{
    redisAsyncContext *redis = target->unix_path != NULL
                                   ? connect_unix(target->unix_path, report)
                                   : redisAsyncConnect(target->host, target->port);
    if (redis == NULL) {
        return report != NULL && report->code != OK ? report->code : ERR_NO_MEMORY;
    }
    if (redis->err != 0) {
        error_code error = report_fail(report, ERR_UNREACHABLE, "%s", redis->errstr);
        redisAsyncFree(redis);
        return error;
    }
    struct redis_link *link = mem_zalloc(sizeof *link);
    error_code error = link == NULL ? ERR_NO_MEMORY : redis_loop_attach(redis, loop);
    if (error != OK) {
        mem_free(link);
        redisAsyncFree(redis);
        return report_fail(report, error, "cannot watch the connection to Redis");
    }
    link->redis = redis;
    link->handlers = *handlers;
    link->silence_ms = target->silence_ms;
    redis->data = link;
    (void)uv_timer_init(loop, &link->silence); /* cannot fail */
    link->silence.data = link;
    (void)redisAsyncSetDisconnectCallback(redis, on_disconnect);
    (void)redisAsyncSetConnectCallback(redis, on_connect);
    (void)uv_timer_start(&link->silence, on_silence, (uint64_t)target->silence_ms,
                         (uint64_t)target->silence_ms);
    *ret_link = link;
    return OK;
}

void redis_link_close(struct redis_link *link)
{
    if (link == NULL || link->redis == NULL) {
        return;
    }
    link->is_closed = true;
    bool was_up = link->is_up;
    redisAsyncFree(link->redis);
    if (!was_up) {
        link_lost(link, "closed");
    }
}

error_code redis_link_send(struct redis_link *link, const char *const *words, const size_t *lengths,
                           size_t n_words, redis_reply_fn *on_reply_given, void *context)
{
    assert(n_words > 0 && n_words <= INT_MAX);
    if (link->redis == NULL || link->is_closed) {
        return ERR_CLOSED;
    }
    struct owed_reply *owed = mem_alloc(sizeof *owed);
    if (owed == NULL) {
        return ERR_NO_MEMORY;
    }
    *owed = (struct owed_reply){on_reply_given, context};
    /* hiredis takes pointers to const words through a non-const array; it does not write there. */
    if (redisAsyncCommandArgv(link->redis, on_reply, owed, (int)n_words, (const char **)words,
                              lengths) != REDIS_OK) {
        mem_free(owed);
        return ERR_CLOSED;
    }
    if (link->n_owed++ == 0) {
        silence_start(link);
    }
    return OK;
}
