/* net/outflow.h -- how many bytes of shared frames libzmq still holds for one peer. libzmq tells it
 * by freeing each frame's memory, in its own thread, when the frame is encrypted for its connection
 * or the connection is gone. Inside lib/net only. */
#ifndef MUSTER_NET_OUTFLOW_H
#define MUSTER_NET_OUTFLOW_H

#include <stdatomic.h>
#include <uv.h>
#include <zmq.h>

#include "base/error.h"
#include "net/shared_frame.h"

struct outflow;

/* What all outflows of a socket have together; it outlives all their frames. */
struct outflows {
    atomic_size_t bytes;
    uv_async_t *wake; /* told whenever there is less */
};

struct outflow *outflow_new(struct outflows *all); /* NULL: no memory */
/* The peer is forgotten; the rest goes with its last frame. NULL is fine. */
void outflow_drop(struct outflow *outflow);
size_t outflow_bytes(const struct outflow *outflow); /* NULL: 0 */
/* A message of the frame's own memory, which counts from now on until it was sent or closed. False:
 * no memory. */
bool outflow_message(struct outflow *outflow, struct shared_frame *frame, zmq_msg_t *ret_message);

#endif
