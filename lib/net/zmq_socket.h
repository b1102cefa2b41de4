/* net/zmq_socket.h -- what both endpoints need of libzmq: options from a table, errors mapped once,
 * the wake-up of the loop. Inside lib/net only; the loop's thread. */
#ifndef MUSTER_NET_ZMQ_SOCKET_H
#define MUSTER_NET_ZMQ_SOCKET_H

#include <uv.h>

#include "base/buf.h"
#include "base/error.h"

/* CURVE wraps a message into a command of 33 bytes more; MAXMSGSIZE counts what is on the wire. */
enum { NET_WIRE_EXTRA_BYTES = 64 };

struct socket_option {
    int option; /* ZMQ_* with an int value */
    int value;
};

/* The one place where an errno of libzmq becomes our code. */
error_code net_error(int zmq_errno);
/* "cannot <doing>: <text of zmq_errno()>" */
error_code net_fail(struct report *report, const char *doing);

/* All rows or the first refusal. */
MUST_CHECK error_code socket_options_set(void *socket, const struct socket_option *rows,
                                         size_t n_rows, struct report *report);
MUST_CHECK error_code socket_option_set_i64(void *socket, int option, int64_t value,
                                            struct report *report);
MUST_CHECK error_code socket_option_set_text(void *socket, int option, const char *text,
                                             struct report *report);
/* One part, copied, without waiting; `more` is ZMQ_SNDMORE or 0. False: zmq_errno() says why. */
bool socket_send(void *socket, const void *data, size_t size, int more);
/* ZMQ_EVENTS has ZMQ_POLLIN. To be asked after every call on a socket: each call may eat the edge
 * of its ZMQ_FD, after which nothing wakes the loop for what is there already. */
bool socket_can_read(void *socket);

/* Wakes the loop whenever the socket's ZMQ_FD becomes readable; does nothing else. Close it before
 * its socket. */
struct watch;
MUST_CHECK error_code watch_open(uv_loop_t *uv, void *socket, struct watch **ret_watch);
void watch_close(struct watch *watch); /* NULL is fine; its memory goes in the loop's next pass */

#endif
