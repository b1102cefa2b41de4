/* net/received_frame.h -- a frame that came in and is kept longer than its callback, in the memory
 * that libzmq gave it. Owned by whoever kept it; freed in any thread. */
#ifndef MUSTER_NET_RECEIVED_FRAME_H
#define MUSTER_NET_RECEIVED_FRAME_H

#include "base/buf.h"

struct received_frame;

struct bytes received_frame_bytes(const struct received_frame *frame);
void received_frame_free(struct received_frame *frame); /* NULL is fine */

#endif
