/* net/curve_client.h -- connections to a CURVE server for threads that wait: one connection each,
 * never made again; a lost one is told. Its owner's thread has a client; what the clients share is
 * any thread's. */
#ifndef MUSTER_NET_CURVE_CLIENT_H
#define MUSTER_NET_CURVE_CLIENT_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

struct curve_clients; /* what all of a process share: ZeroMQ's threads */
struct curve_client;

enum { CURVE_CLIENTS_WAIT_MAX = 16 };

MUST_CHECK error_code curve_clients_new(int io_threads, struct curve_clients **ret_clients,
                                        struct report *report);
/* Every wait ends with ERR_CLOSED, now and later. */
void curve_clients_end(struct curve_clients *clients);
/* Only when each client is closed. NULL is fine. */
void curve_clients_free(struct curve_clients *clients);

/* Begins to connect. endpoint: tcp://HOST:PORT; server_key: Z85. answers_max: that may wait to be
 * received. ERR_INVALID: not such an endpoint or key; with a text. */
MUST_CHECK error_code curve_client_open(struct curve_clients *clients, const char *endpoint,
                                        const char *server_key, int answers_max,
                                        struct curve_client **ret_client, struct report *report);
void curve_client_close(struct curve_client *client); /* NULL is fine */
/* Copied; it leaves once there is a connection. False: no room, or ended. */
bool curve_client_send(struct curve_client *client, struct bytes frame);
/* The next frame; its bytes are valid until the next call for this client. ERR_AGAIN: there is
 * none. */
MUST_CHECK error_code curve_client_receive(struct curve_client *client, struct bytes *ret_frame);
/* Until one of them has a frame: OK. ERR_TIMEOUT; ERR_UNREACHABLE: one of them has no connection
 * (it was refused, or ended) and nothing is left to be received; ERR_CLOSED: ended. */
MUST_CHECK error_code curve_clients_wait(struct curve_client *const *clients, uint32_t n_clients,
                                         int64_t timeout_ms);

#endif
