#include "net/shared_frame.h"

#include <stdatomic.h>

#include "base/mem.h"

struct shared_frame {
    atomic_uint refs;
    uint8_t *data;
    size_t len;
};

struct shared_frame *shared_frame_new(struct buf *buf)
{
    struct shared_frame *frame = mem_alloc(sizeof *frame);
    if (frame != NULL) {
        atomic_init(&frame->refs, 1);
        frame->data = TAKE(buf->data);
        frame->len = buf->len;
        buf->len = buf->cap = 0;
    }
    return frame;
}

struct shared_frame *shared_frame_ref(struct shared_frame *frame)
{
    atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
    return frame;
}

void shared_frame_unref(struct shared_frame *frame)
{
    if (frame != NULL && atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(frame->data);
        mem_free(frame);
    }
}

struct bytes shared_frame_bytes(const struct shared_frame *frame)
{
    return (struct bytes){frame->data, frame->len};
}
