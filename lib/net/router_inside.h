/* net/router_inside.h -- what the files of the router share. Inside lib/net only; the loop's
 * thread. */
#ifndef MUSTER_NET_ROUTER_INSIDE_H
#define MUSTER_NET_ROUTER_INSIDE_H

#include "net/outflow.h"
#include "net/peers.h"
#include "net/router.h"

struct router {
    struct loop *loop;
    void *zmq_context;
    void *socket;
    struct watch *watch;
    struct outflows outflows; /* its `wake` is freed by its closing */
    struct zap *zap;
    struct peers *peers;
    router_frame_fn *on_frame;
    router_notice_fn *on_notice;
    router_room_fn *on_room;
    void *context;
    uint32_t frames_per_turn;
    struct router_counters counters;
    bool is_sourced;
    bool is_reading; /* guards against router_free() in a callback */
};

/* ---- router_send.c: the wake-up for room ---- */
MUST_CHECK error_code router_room_open(struct router *router);
void router_room_close(struct router *router); /* after libzmq's context has ended */

#endif
