/* head/core/outbox.h -- what a turn wants written and told, and the rule that binds the two. Pure;
 * inside head/core.
 *
 * Operations and effects are added to the open group. outbox_group_close() closes it; groups count
 * from 1. An effect opens once its group is on disk (and every group before it). A group without
 * operations opens with the one before. Failure to get memory is sticky in `failed`: the shell
 * leaves, since what memory holds can no longer be told. */
#ifndef MUSTER_HEAD_CORE_OUTBOX_H
#define MUSTER_HEAD_CORE_OUTBOX_H

#include "base/list.h"
#include "head/core/core.h"

struct outbox {
    error_code failed;
    /* groups (batch.c) */
    struct list
        groups; /* closed, not on disk; the first `in_flight_groups` are in the batch in flight */
    struct group *open;      /* NULL: nothing was written yet */
    uint64_t open_number;    /* of the group now open */
    uint64_t durable_number; /* highest group on disk */
    uint32_t in_flight_groups;
    bool is_sent; /* core_batch() gave the batch out */
    struct batch batch;
    uint64_t n; /* of the last batch made */
    time_ms batch_made;
    uint32_t batch_cap;
    struct store_op *batch_ops;
    uint32_t milestones_waiting;
    /* effects (outbox.c) */
    struct list effects;   /* in order; each with its group */
    struct effect *opened; /* the one that outbox_next() gave out */
    size_t effects_bytes;  /* of all that wait */
};

void outbox_init(struct outbox *out, uint64_t last_batch_n);
void outbox_fini(struct outbox *out);

/* ---- writes; everything is copied ---- */
void outbox_hset(struct outbox *out, const char *key, const char *field, struct bytes value);
void outbox_hdel(struct outbox *out, const char *key, const char *field);
void outbox_rpush(struct outbox *out, const char *key, struct bytes value);
void outbox_del(struct outbox *out, const char *key);
/* An answer at a milestone waits for this group: its batch is kept small. */
void outbox_milestone(struct outbox *out);
uint32_t outbox_open_ops(const struct outbox *out);
void outbox_group_close(struct outbox *out);
/* Makes the next batch of closed groups if none is in flight; NULL if there is nothing to send now.
 */
const struct batch *outbox_batch(struct outbox *out, time_ms now);
void outbox_applied(struct outbox *out, uint64_t n);
bool outbox_in_flight(const struct outbox *out);

/* ---- effects ---- */
void outbox_send(struct outbox *out, uint64_t peer, message_type type, const void *message);
void outbox_answer(struct outbox *out, uint64_t request, uint32_t status, struct bytes body);
/* The same with status 200, for an answer with holes (array_page.h). */
void outbox_answer_holes(struct outbox *out, uint64_t request, struct bytes body);
void outbox_notice(struct outbox *out, struct bytes body);
void outbox_exit(struct outbox *out);
/* The next effect that may leave; valid until the next call. NULL: none. */
const struct head_effect *outbox_next(struct outbox *out);

/* Between batch.c and outbox.c. */
void outbox_batch_fini(struct outbox *out);
/* Moves the open group to the closed ones; false if it holds no write. */
bool outbox_group_move(struct outbox *out);

#endif
