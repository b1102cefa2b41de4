/* tests/tools/redis_proxy.h -- stands between a client and a Redis on a Unix socket and breaks
 * things when told to. A thread of the test's process; all calls from the test's own thread.
 *
 * It counts chunks: what one read of a socket gave. A batch's reply is one chunk, its request one
 * or several. */
#ifndef MUSTER_TESTS_TOOLS_REDIS_PROXY_H
#define MUSTER_TESTS_TOOLS_REDIS_PROXY_H

#include <stdbool.h>
#include <stdint.h>

struct redis_proxy;

typedef enum {
    PROXY_NONE,
    PROXY_LOSE_REQUEST, /* the chunk never reaches Redis; both ends are closed */
    PROXY_TEAR_REQUEST, /* half of the chunk reaches Redis; both ends are closed */
    PROXY_LOSE_REPLY,   /* Redis has done it; the reply is lost; both ends are closed */
    PROXY_TEAR_REPLY,   /* half of the reply arrives; both ends are closed */
    PROXY_DELAY_REPLY,  /* the reply, and what follows on this connection, comes later */
    PROXY_HALF_OPEN,    /* the reply and all after it are lost; the connection stays open */
    PROXY_FAULTS,
} proxy_fault;

/* NULL: it cannot listen at `listen_path`. Connections to a Redis that is not there are closed. */
struct redis_proxy *redis_proxy_start(const char *listen_path, const char *redis_path);
void redis_proxy_stop(struct redis_proxy *proxy);

/* The fault strikes once, at the `after`-th chunk (1: the next) in its direction, over all
 * connections. Arming again replaces what has not struck. */
void redis_proxy_arm(struct redis_proxy *proxy, proxy_fault fault, uint32_t after,
                     uint32_t delay_ms);
/* How many faults have struck. */
uint32_t redis_proxy_struck(struct redis_proxy *proxy);
/* Everything is passed on one byte at a time. */
void redis_proxy_slice(struct redis_proxy *proxy, bool is_sliced);

#endif
