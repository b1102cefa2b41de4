#include "head/shell/redis_loop.h"

#include <errno.h>
#include <fcntl.h>

#include "base/mem.h"
#include "sys/loop.h"

struct redis_watch {
    uv_poll_t poll;
    redisAsyncContext *redis; /* NULL once hiredis has let go */
    int events;               /* what is being watched */
};

static void on_poll_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void on_events(struct redis_watch *watch, int status, int events)
{
    if (status < 0) {
        /* libuv has stopped the watcher. Reading finds EOF or the error and ends the context; if
         * there is input before it, hiredis asks to read again, which starts the watcher anew. */
        watch->events = 0;
        redisAsyncHandleRead(watch->redis);
        return;
    }
    if ((events & UV_READABLE) != 0) {
        redisAsyncHandleRead(watch->redis);
    }
    /* Reading may have ended the context. */
    if (watch->redis != NULL && (events & UV_WRITABLE) != 0) {
        redisAsyncHandleWrite(watch->redis);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct turn_clock *clock = loop_clock_of(poll->loop);
    turn_stage before = turn_enter(clock, TURN_STORE);
    on_events(poll->data, status, events);
    turn_back(clock, before);
}

static void watch_set(struct redis_watch *watch, int events)
{
    if (events == watch->events) {
        return;
    }
    watch->events = events;
    /* Both fail only on a closing handle, and this one closes with the context. */
    if (events == 0) {
        (void)uv_poll_stop(&watch->poll);
    } else {
        (void)uv_poll_start(&watch->poll, events, on_poll);
    }
}

static void on_add_read(void *data)
{
    struct redis_watch *watch = data;
    watch_set(watch, watch->events | UV_READABLE);
}

static void on_del_read(void *data)
{
    struct redis_watch *watch = data;
    watch_set(watch, watch->events & ~UV_READABLE);
}

static void on_add_write(void *data)
{
    struct redis_watch *watch = data;
    watch_set(watch, watch->events | UV_WRITABLE);
}

static void on_del_write(void *data)
{
    struct redis_watch *watch = data;
    watch_set(watch, watch->events & ~UV_WRITABLE);
}

/* hiredis closes the socket after this returns; the watcher must have left the loop by then. */
static void on_cleanup(void *data)
{
    struct redis_watch *watch = data;
    watch->redis = NULL;
    watch->events = 0;
    uv_close((uv_handle_t *)&watch->poll, on_poll_closed);
}

error_code redis_loop_attach(redisAsyncContext *redis, uv_loop_t *loop)
{
    if (fcntl(redis->c.fd, F_SETFD, FD_CLOEXEC) != 0) {
        return error_from_errno(errno);
    }
    struct redis_watch *watch = mem_zalloc(sizeof *watch);
    if (watch == NULL) {
        return ERR_NO_MEMORY;
    }
    int status = uv_poll_init(loop, &watch->poll, redis->c.fd);
    if (status != 0) {
        mem_free(watch);
        return error_from_errno(-status);
    }
    watch->poll.data = watch;
    watch->redis = redis;
    redis->ev.data = watch;
    redis->ev.addRead = on_add_read;
    redis->ev.delRead = on_del_read;
    redis->ev.addWrite = on_add_write;
    redis->ev.delWrite = on_del_write;
    redis->ev.cleanup = on_cleanup;
    return OK;
}
