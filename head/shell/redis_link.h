/* head/shell/redis_link.h -- one connection to Redis: opened, used, lost once. Head's one thread.
 *
 * A link never comes back: whoever needs Redis opens the next one. What was sent and not answered
 * when a link is lost has an unknown outcome. */
#ifndef MUSTER_HEAD_SHELL_REDIS_LINK_H
#define MUSTER_HEAD_SHELL_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/error.h"

struct redis_link;

/* `unix_path` or host and port. Borrowed for redis_link_open(). */
struct redis_target {
    const char *unix_path; /* of any length */
    const char *host;      /* a numeric address: names are resolved by blocking calls */
    uint16_t port;
    int64_t silence_ms; /* lost when nothing is heard for so long while an answer is owed */
};

struct redis_link_handlers {
    void *context;
    /* Once; the link frees itself. `why` is for people. Replies that are owed come as NULL just
     * before it, or just after it when the connection never came about. */
    void (*on_down)(void *context, const char *why);
};

/* The reply is borrowed for the call; NULL: the link was lost or closed, the outcome is unknown,
 * and nothing may be sent now. */
typedef void redis_reply_fn(void *context, const redisReply *reply);

/* Starts to connect; sending is allowed at once. ERR_UNREACHABLE: nobody listens there (now);
 * ERR_NO_MEMORY. */
MUST_CHECK error_code redis_link_open(uv_loop_t *loop, const struct redis_target *target,
                                      const struct redis_link_handlers *handlers,
                                      struct redis_link **ret_link, struct report *report);
/* on_down does not come; every reply that is owed comes now, as NULL. NULL is fine. */
void redis_link_close(struct redis_link *link);

/* Everything is copied. ERR_CLOSED: the link is being lost, on_down will come or has come;
 * `on_reply` is not called. Does not block. */
MUST_CHECK error_code redis_link_send(struct redis_link *link, const char *const *words,
                                      const size_t *lengths, size_t n_words,
                                      redis_reply_fn *on_reply, void *context);

#endif
