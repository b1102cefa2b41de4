/* head/core/batch.h -- the turn's writes, the one batch in flight, and what waits for it. Pure.
 *
 * Handlers add operations; core_turn_end() closes them into a group. Groups are numbered; a batch
 * is one or more whole groups; an effect opens when the group it came with is on disk. One batch is
 * in flight; what comes meanwhile forms the next one. A batch whose reply was lost is sent again
 * with its number: the store's script applies it once. */
#ifndef MUSTER_HEAD_CORE_BATCH_H
#define MUSTER_HEAD_CORE_BATCH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/id.h"

typedef enum { OP_HSET, OP_HDEL, OP_RPUSH, OP_DEL } store_op_kind;

struct store_op {
    store_op_kind kind;
    const char *key;    /* without the cluster's prefix: "tasks", "log:12" */
    struct bytes field; /* HSET, HDEL */
    struct bytes value; /* HSET, RPUSH */
};

/* Limits of one batch (a single group may be larger: it goes alone). */
enum {
    BATCH_OPS_MAX = 2000,
    BATCH_OPS_MAX_MILESTONE = 1000, /* while an answer at a milestone waits */
    BATCH_BYTES_MAX = 1 << 20,
    BATCH_GROUP_OPS_MAX = 1000, /* a turn closes its group when it has so many */
};

/* What the shell sends; everything is borrowed from the core and stays as it is until batch_reply.
 */
struct batch {
    uint64_t n;
    const struct store_op *ops; /* in order; operations on different keys commute */
    uint32_t n_ops;
    size_t size_bytes;
};

#endif
