/* net/link.h -- one connection of a dealer: a CURVE DEALER socket and the monitor that tells what
 * becomes of it. Inside lib/net only; the loop's thread. libzmq's own reconnecting is off: a link
 * that is lost is closed. */
#ifndef MUSTER_NET_LINK_H
#define MUSTER_NET_LINK_H

#include <uv.h>

#include "net/keys.h"
#include "net/routing_id.h"

struct link {
    void *socket; /* NULL: closed */
    void *monitor;
    struct watch *socket_watch;
    struct watch *monitor_watch;
    bool is_refused; /* the handshake failed, not the connect */
};

typedef enum {
    LINK_NONE, /* nothing to tell now */
    LINK_UP,   /* the handshake succeeded: the other side has the secret of head_public */
    LINK_LOST, /* not connected, refused, or not any more; frames that came before it can still be
                  received */
} link_event;

struct link_options {
    void *zmq_context;
    uv_loop_t *uv;
    const char *endpoint;
    bool is_v6; /* names are looked up as IPv6 addresses, else as IPv4 ones */
    const char *head_public;
    const struct key_pair *keys;
    struct routing_id id;
};

/* Writes *link in any case; on failure it is closed. */
MUST_CHECK error_code dealer_link_open(struct link *link, const struct link_options *options,
                                       struct report *report);
void dealer_link_close(struct link *link); /* takes half-open and closed ones */
/* What was sent last has a moment to leave when it is closed. */
void dealer_link_linger(struct link *link);
link_event dealer_link_event_next(struct link *link);
bool dealer_link_can_read(struct link *link); /* frame or event, see socket_can_read() */

#endif
