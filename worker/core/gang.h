/* worker/core/gang.h -- this node's part of an attempt that is on several nodes. Pure; one thread;
 * inside worker/core.
 *
 * The part is prepared like any attempt, up to its processes; then it is held, and the head is told
 * where its ranks will be. MSG_GANG starts it once all nodes are ready, or ends it because another
 * part has ended. On the first node the trial is as on one node alone: its ranks may open it, and
 * orders come here. On the others nobody opens it, and only MSG_GANG ends it. */
#ifndef MUSTER_WORKER_CORE_GANG_H
#define MUSTER_WORKER_CORE_GANG_H

#include "worker/core/parts.h"

/* With bad_rank. */
#define AGENT_OTHER_NODE_TEXT                                                                      \
    "on other nodes than rank 0's the trial cannot be opened yet: let rank 0 pass on what it is "  \
    "told"

static inline bool agent_lease_is_gang(const struct msg_lease *lease)
{
    return lease->is_trial && lease->nodes > 1;
}

/* Not the first node's. */
static inline bool agent_lease_is_other_part(const struct msg_lease *lease)
{
    return agent_lease_is_gang(lease) && lease->node_rank > 0;
}

void agent_gang_told(struct agent *agent, time_ms now, const struct msg_gang *message,
                     struct agent_outbox *out);
/* Held, and not wanted any more: the shell lets go of it. */
void agent_gang_let_go(struct attempt *attempt, const char *reason, struct agent_outbox *out);
/* Those that are held and have to leave need not start first. Every tick. */
void agent_gangs_tick(struct agent *agent, struct agent_outbox *out);

#endif
