/* head/shell/redis_loop.h -- our own adapter of hiredis' asynchronous contexts to libuv. Head's one
 * thread. The adapter owns its watcher and frees it after hiredis lets go of the context.
 *
 * The adapter that comes with hiredis ignores a watcher's error (status < 0): when Redis dies with
 * bytes of ours unread, neither the replies' callbacks nor the disconnect callback would ever come.
 * Here an error is read like input, so that hiredis finds the broken socket itself. */
#ifndef MUSTER_HEAD_SHELL_REDIS_LOOP_H
#define MUSTER_HEAD_SHELL_REDIS_LOOP_H

#include <hiredis/async.h>
#include <uv.h>

#include "base/error.h"

/* Puts a context that has just been made (and is in no loop yet) into `loop` and sets FD_CLOEXEC on
 * its socket, which hiredis 0.14 leaves to children. On failure the context is still the caller's:
 * ERR_NO_MEMORY, or what the system said. Does not block. */
MUST_CHECK error_code redis_loop_attach(redisAsyncContext *redis, uv_loop_t *loop);

#endif
