/* net/received_inside.h -- how a dealer keeps a frame. Inside lib/net only. */
#ifndef MUSTER_NET_RECEIVED_INSIDE_H
#define MUSTER_NET_RECEIVED_INSIDE_H

#include <zmq.h>

#include "net/received_frame.h"

struct received_frame {
    zmq_msg_t message;
    struct bytes bytes;
};

/* Leaves an empty message behind. NULL: no memory, the message is as it was. */
struct received_frame *received_frame_take(zmq_msg_t *message);

#endif
