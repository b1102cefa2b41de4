/* net/shared_frame.h -- a frame that goes to any number of peers without being copied for each. Any
 * thread; nobody changes it; the last reference frees it. */
#ifndef MUSTER_NET_SHARED_FRAME_H
#define MUSTER_NET_SHARED_FRAME_H

#include "base/buf.h"

struct shared_frame;

/* With what is in `buf`, which is empty afterwards. NULL: no memory, `buf` is as it was. */
struct shared_frame *shared_frame_new(struct buf *buf);
struct shared_frame *shared_frame_ref(struct shared_frame *frame); /* the same one */
void shared_frame_unref(struct shared_frame *frame);               /* NULL is fine */
struct bytes shared_frame_bytes(const struct shared_frame *frame);

#endif
