/* sim/drains.h -- nodes that leave: one that was told that it may go takes no step of a trial with
 * it. */
#ifndef MUSTER_SIM_DRAINS_H
#define MUSTER_SIM_DRAINS_H

#include "sim/agent_effects.h"

/* The head tells the node what it is still needed for. If nothing: what trials go on from lies on
 * another disk, too. */
void sim_drain_told(struct sim *sim, struct sim_node *node, const struct msg_owed *owed);
/* A task's record follows: its resume point is no older one for a node that was let go. */
void sim_drain_follows(struct sim *sim, const struct sim_task *old, const struct record_task *r);
void sim_take_say(struct sim *sim, struct sim_node *node, const struct agent_effect *e);

#endif
