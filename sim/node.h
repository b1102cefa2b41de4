/* sim/node.h -- what happens on a node: processes start, talk and end, saves are
 * written, the agent dies and comes again. */
#ifndef MUSTER_SIM_NODE_H
#define MUSTER_SIM_NODE_H

#include "sim/calendar.h"

void sim_on_process_started(struct sim *sim, const struct sim_event *event);
void sim_on_process_exit(struct sim *sim, const struct sim_event *event);
/* What the trainer wrote and the agent may read. */
void sim_on_requests(struct sim *sim, const struct sim_event *event);
void sim_on_save_begun(struct sim *sim, const struct sim_event *event);
void sim_on_save_done(struct sim *sim, const struct sim_event *event);
void sim_on_snapshot_proven(struct sim *sim, const struct sim_event *event);
void sim_on_work(struct sim *sim, const struct sim_event *event);
void sim_agent_end(struct sim *sim, struct sim_node *node, int64_t away_ms);
/* ordinal 1: it leaves; 0: it comes. */
void sim_on_agent_start(struct sim *sim, const struct sim_event *event);
/* A machine of the same name with nothing on its disk. */
void sim_node_wipe(struct sim *sim, struct sim_node *node);

#endif
