/* head/core/gang.h -- attempts that are on several nodes at once. Pure; inside head/core.
 *
 * A *part* is what one node has of such an attempt; the first one is the task's own node, whose
 * rank 0 speaks for the trial: orders, reports and snapshots are as on one node. All parts are
 * leased in one batch, each says when it is ready to start, and when all have, all are told to.
 * What ends one part ends the attempt: its *verdict* is on record, the other parts are told to end,
 * and when no part is left, on any node, the attempt is over, its resources are given back, and the
 * verdict decides what becomes of the trial, as a result does on one node. */
#ifndef MUSTER_HEAD_CORE_GANG_H
#define MUSTER_HEAD_CORE_GANG_H

#include "head/core/state.h"

/* Of a part above the first, whose place is the task itself. */
struct gang_place {
    struct task *task;
    struct node *node; /* NULL: it is lost */
    struct list link;  /* of its node's parts */
    struct allocation allocation;
};

struct gang {
    uint32_t n;
    struct gang_place places[]; /* by node rank; the first is not used */
};

static inline struct gang_part *core_gang_part(const struct task *task, uint32_t i)
{
    return (struct gang_part *)(uintptr_t)&task->r.parts[i];
}

static inline bool core_gang_part_is_over(const struct gang_part *part)
{
    return part->state == PART_GONE || part->state == PART_LOST;
}

/* NULL: it is lost. */
static inline struct node *core_gang_part_node(const struct task *task, uint32_t i)
{
    return i == 0 ? task->node : task->gang->places[i].node;
}

/* The task is placed on the node of the first allocation; these are its other nodes', and it is a
 * gang from now on. */
void core_gang_place(struct core *core, struct task *task, const struct allocation *allocations,
                     uint32_t n);
/* Gives back what the other parts hold; nothing, if it is no gang. */
void core_gang_release(struct core *core, struct task *task);
/* One part is lost, and what it held with it; the first one's task is on no node until its other
 * parts have ended. */
void core_gang_part_leave(struct core *core, struct task *task, uint32_t i);
/* The leases of its other parts. */
void core_gang_leases_send(struct core *core, const struct task *task);

/* True: the event was of a part, and nothing else is to be done with it. */
bool core_gang_event(struct core *core, time_ms now, struct task *task, struct node *node,
                     const struct node_event *event);
/* Whatever parts were on this node are lost, the first ones of gangs too. */
void core_gangs_lost(struct core *core, time_ms now, struct node *node, const char *reason);
/* What runs on the node is to leave it: gangs are asked through their first nodes. */
void core_gangs_hand_back(struct core *core, struct node *node);

/* Is the task, in the node's list, still to be found there? A part that has ended is not. */
bool core_gang_is_first_here(const struct task *task);
/* Appends to `ret_holds` what the node has of other gangs' parts; n_parts of them at most. */
uint32_t core_gang_holds(const struct node *node, struct running_ref *ret_holds);
/* After the welcome: leases that the agent does not know of, and how things stand. */
void core_gangs_welcome(struct core *core, struct node *node, const struct msg_enrol *msg);
/* The attempt that the agent names; NULL: it does not. */
const struct running_ref *core_enrol_names(const struct msg_enrol *msg, const struct task *task);

/* It is on no node of its own any more, and others are not done with it. */
bool core_gang_has_lost_first(const struct task *task);
/* For core_check(). */
void core_gang_check(const struct task *task);

/* Which part's end is the attempt's, for its evidence; nothing, if it is the first one's. */
void core_evidence_part(const struct task *task, struct record_attempt *record);

/* The node that its end speaks for or against; NULL: it is lost. */
struct node *core_task_blamed(const struct task *task);

/* ---- recovery ---- */
/* Own copies of what the record says of its parts. */
void core_gang_record_own(struct core *core, struct task *task, const struct record_task *record);
void core_gang_record_free(struct task *task);
/* It holds again what it held; ERR_FORMAT: on a node that is not known. */
error_code core_gang_load(struct core *core, struct task *task, struct report *report);

#endif
