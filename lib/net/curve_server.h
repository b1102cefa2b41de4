/* net/curve_server.h -- a CURVE server for a thread that does nothing but answer: each frame that
 * comes gets at most one, to who sent it. Any CURVE key is let in; what a frame may ask for is its
 * reader's to judge.
 *
 * Opened and closed by its owner, used by one thread in between; curve_server_end() from any. */
#ifndef MUSTER_NET_CURVE_SERVER_H
#define MUSTER_NET_CURVE_SERVER_H

#include <stddef.h>

#include "base/buf.h"
#include "net/address.h"

struct curve_server;

struct curve_server_options {
    struct net_address address; /* numeric or ANY; port 0: any free one */
    int request_max_bytes;      /* a peer that sends more is cut off */
    int answers_max;            /* that wait for one peer; what is more is dropped */
    int io_threads;
};

/* Makes a key pair of its own and listens. ERR_BUSY, ERR_INVALID: the address is in use, or none of
 * this machine; with a text. */
MUST_CHECK error_code curve_server_open(const struct curve_server_options *options,
                                        struct curve_server **ret_server, struct report *report);
void curve_server_close(struct curve_server *server); /* NULL is fine */
/* tcp://HOST:PORT with the port that was taken, and the public key as Z85. */
const char *curve_server_endpoint(const struct curve_server *server);
const char *curve_server_key(const struct curve_server *server);

/* Waits for a frame; its bytes are valid until the next call. ERR_CLOSED: curve_server_end(). */
MUST_CHECK error_code curve_server_receive(struct curve_server *server, struct bytes *ret_frame);
/* To who sent the frame that was received last; the memory of `frame` is taken. Never waits: who is
 * gone or does not read gets nothing. */
void curve_server_answer(struct curve_server *server, struct buf *frame);
/* Every wait ends, now and later. */
void curve_server_end(struct curve_server *server);

#endif
