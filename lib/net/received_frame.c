#include "net/received_frame.h"

#include "base/mem.h"
#include "net/received_inside.h"

/* The bytes of a small message lie in the message itself: so it may move only before they are asked
 * for. */
struct received_frame *received_frame_take(zmq_msg_t *message)
{
    struct received_frame *frame = mem_alloc(sizeof *frame);
    if (frame != NULL) {
        zmq_msg_init(&frame->message);
        zmq_msg_move(&frame->message, message);
        frame->bytes = (struct bytes){zmq_msg_data(&frame->message), zmq_msg_size(&frame->message)};
    }
    return frame;
}

struct bytes received_frame_bytes(const struct received_frame *frame)
{
    return frame->bytes;
}

void received_frame_free(struct received_frame *frame)
{
    if (frame != NULL) {
        zmq_msg_close(&frame->message);
        mem_free(frame);
    }
}
