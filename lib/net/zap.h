/* net/zap.h -- the door of a CURVE server: answers libzmq's authentication requests (ZeroMQ RFC 27,
 * ZAP 1.0) of one context. Inside lib/net only; the loop's thread.
 *
 * Every CURVE key is let in, with its own public key as User-Id: who it is and what it may say is
 * decided frame by frame above. Anything that is not CURVE in our domain is turned away. */
#ifndef MUSTER_NET_ZAP_H
#define MUSTER_NET_ZAP_H

#include <uv.h>

#include "base/error.h"

#define ZAP_DOMAIN "muster"

struct zap;

/* Before the first bind of a server socket in `zmq_context`. */
MUST_CHECK error_code zap_open(uv_loop_t *uv, void *zmq_context, struct zap **ret_zap,
                               struct report *report);
void zap_close(struct zap *zap); /* NULL is fine */
/* Answers up to `limit` requests; true if more may be there. Adds what it turned away to *denied.
 */
bool zap_serve(struct zap *zap, uint32_t limit, uint64_t *denied);
/* A request waits: see socket_can_read(). */
bool zap_can_read(struct zap *zap);

#endif
