/* worker/core/attempt_edges.h -- every legal change of an attempt's state on its node, as one
 * table. Pure. agent_attempt_move() (attempts.c) is the only writer of a state and asserts that
 * (from, event) stands here. */
#ifndef MUSTER_WORKER_CORE_ATTEMPT_EDGES_H
#define MUSTER_WORKER_CORE_ATTEMPT_EDGES_H

#include "base/buf.h"

#define ATTEMPT_STATES(X)                                                                          \
    X(NONE, "none")         /* not known here (any more) */                                        \
    X(STARTING, "starting") /* leased; the shell prepares and execs */                             \
    X(RUNNING, "running")                                                                          \
    X(ENDING, "ending")     /* a signal was sent; its process tree is not empty yet */             \
    X(SETTLING, "settling") /* its tree is gone; a commit of it is still being written */          \
    X(ENDED, "ended")       /* its result is in the stream and not on the head's disk yet */       \
    X(DISOWNED, "disowned") /* the head does not want it: killed, and nothing is told */

typedef enum {
#define X(name, word) ATTEMPT_##name,
    ATTEMPT_STATES(X)
#undef X
} attempt_state;

#define ATTEMPT_EVENTS(X)                                                                          \
    X(LEASE, "lease")             /* came from the head */                                         \
    X(STARTED, "started")         /* exec succeeded */                                             \
    X(NOT_STARTED, "not started") /* prepare or exec failed */                                     \
    X(SIGNAL, "signal")           /* the core sent SIGTERM */                                      \
    X(EXITED, "exited")           /* the process tree is empty */                                  \
    X(SETTLED, "settled")         /* no commit of it is under way */                               \
    X(GONE, "gone")               /* the head says that it is not this node's */                   \
    X(ACKED, "acknowledged")      /* its result is on the head's disk */

typedef enum {
#define X(name, word) ATTEMPT_EVENT_##name,
    ATTEMPT_EVENTS(X)
#undef X
} attempt_event;

struct attempt_edge {
    attempt_state from;
    attempt_event event;
    attempt_state to;
};

extern const struct attempt_edge attempt_edges[];
extern const unsigned attempt_edges_count;
extern const char *const attempt_state_names[];
extern const char *const attempt_event_names[];

/* NULL: not legal. */
const struct attempt_edge *attempt_edge_find(attempt_state from, attempt_event event);
/* The table as text, one line an edge (docs/STATES.md holds it). */
error_code attempt_edges_print(struct buf *buf);

#endif
