/* sim/copies.h -- snapshots that go from one node's disk to another's. */
#ifndef MUSTER_SIM_COPIES_H
#define MUSTER_SIM_COPIES_H

#include "sim/calendar.h"
#include "worker/core/outbox.h"

void sim_take_lend(struct sim *sim, struct sim_node *node, const struct agent_effect *e);
void sim_take_copy(struct sim *sim, struct sim_node *node, const struct agent_effect *e);
/* ref.task: its maker; ordinal; step: the node that has it; connection: the pass. */
void sim_on_copied(struct sim *sim, const struct sim_event *event);

#endif
