#include "net/outflow.h"

#include <stdatomic.h>

#include "base/mem.h"

struct outflow {
    atomic_uint refs; /* the peer's, and one of each frame */
    atomic_size_t bytes;
    struct outflows *all;
};

/* A frame in libzmq. */
struct flowing {
    struct outflow *outflow;
    struct shared_frame *frame;
};

struct outflow *outflow_new(struct outflows *all)
{
    struct outflow *outflow = mem_alloc(sizeof *outflow);
    if (outflow != NULL) {
        atomic_init(&outflow->refs, 1);
        atomic_init(&outflow->bytes, 0);
        outflow->all = all;
    }
    return outflow;
}

void outflow_drop(struct outflow *outflow)
{
    if (outflow != NULL &&
        atomic_fetch_sub_explicit(&outflow->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(outflow);
    }
}

size_t outflow_bytes(const struct outflow *outflow)
{
    return outflow != NULL ? atomic_load_explicit(&outflow->bytes, memory_order_relaxed) : 0;
}

static void on_flowed(void *data, void *hint)
{
    struct flowing *flowing = hint;
    struct outflow *outflow = flowing->outflow;
    (void)data;
    size_t len = shared_frame_bytes(flowing->frame).len;
    atomic_fetch_sub_explicit(&outflow->bytes, len, memory_order_relaxed);
    atomic_fetch_sub_explicit(&outflow->all->bytes, len, memory_order_relaxed);
    uv_async_send(outflow->all->wake);
    shared_frame_unref(flowing->frame);
    outflow_drop(outflow);
    mem_free(flowing);
}

bool outflow_message(struct outflow *outflow, struct shared_frame *frame, zmq_msg_t *ret_message)
{
    struct bytes bytes = shared_frame_bytes(frame);
    struct flowing *flowing = mem_alloc(sizeof *flowing);
    if (flowing == NULL) {
        return false;
    }
    *flowing = (struct flowing){outflow, frame};
    /* libzmq only reads what it is given here. */
    if (zmq_msg_init_data(ret_message, (void *)(uintptr_t)bytes.data, bytes.len, on_flowed,
                          flowing) != 0) {
        mem_free(flowing);
        return false;
    }
    shared_frame_ref(frame);
    atomic_fetch_add_explicit(&outflow->refs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&outflow->bytes, bytes.len, memory_order_relaxed);
    atomic_fetch_add_explicit(&outflow->all->bytes, bytes.len, memory_order_relaxed);
    return true;
}
