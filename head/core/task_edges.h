/* head/core/task_edges.h -- every legal change of a task's state, as one table. Pure.
 * core_task_move() (tasks.c) is the only writer of a task's state and asserts that (from, event)
 * stands here. */
#ifndef MUSTER_HEAD_CORE_TASK_EDGES_H
#define MUSTER_HEAD_CORE_TASK_EDGES_H

#include "schema/records.h"

#define TASK_EVENTS(X)                                                                             \
    X(LEASE, "lease")         /* placed: the next attempt */                                       \
    X(STARTED, "started")     /* its agent has made the process */                                 \
    X(REFUSED, "refused")     /* its agent could not take it, or was told to leave first */        \
    X(NODE_LOST, "node lost") /* node silent too long, or its agent started anew */                \
    X(FAILED_RETRY, "failed, retry left")                                                          \
    X(FAILED, "failed, no retry left")                                                             \
    X(LOST_OUT, "lost too often")                                                                  \
    X(PREEMPTED, "gave itself back") /* exit 75, or its agent left */                              \
    X(TOLD, "told to leave")         /* an order to leave was written */                           \
    X(DONE, "done")                                                                                \
    X(TOLD_ENDED, "left as told")                                                                  \
    X(INVALID, "invalid")                                                                          \
    X(CANCEL, "cancelled while it did not run")                                                    \
    X(HOLD, "left to wait")                                                                        \
    X(WAKE, "goes on")                                                                             \
    X(RETRY, "explicit retry")

typedef enum {
#define X(name, word) TASK_EVENT_##name,
    TASK_EVENTS(X)
#undef X
} task_event;

typedef enum { RESOURCES_KEEP, RESOURCES_TAKE, RESOURCES_GIVE } edge_resources;
typedef enum { CHARGE_NONE, CHARGE_FAILURE, CHARGE_LOST, CHARGE_PREEMPTED } edge_charge;

struct task_edge {
    task_state from;
    task_event event;
    task_state to;
    edge_resources resources;
    edge_charge charge;
};

extern const struct task_edge task_edges[];
extern const unsigned task_edges_count;
extern const char *const task_event_names[];

/* NULL: not legal. */
const struct task_edge *task_edge_find(task_state from, task_event event);

/* The same for sweeps and nodes; `to` only. */
struct sweep_edge {
    sweep_state from, to;
};
extern const struct sweep_edge sweep_edges[];
extern const unsigned sweep_edges_count;
bool sweep_edge_is_legal(sweep_state from, sweep_state to);

struct node_edge {
    node_state from, to;
};
extern const struct node_edge node_edges[];
extern const unsigned node_edges_count;
bool node_edge_is_legal(node_state from, node_state to);

/* The three tables as text (docs/STATES.md is this). */
error_code edges_print(struct buf *buf);

#endif
