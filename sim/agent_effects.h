/* sim/agent_effects.h -- the agent's shell: its disk, its processes, what the agent's
 * core wants done. */
#ifndef MUSTER_SIM_AGENT_EFFECTS_H
#define MUSTER_SIM_AGENT_EFFECTS_H

#include "sim/calendar.h"

uint32_t sim_disk_find(const struct sim_node *node, task_id task, uint32_t ordinal);
struct sim_process *sim_process_of(struct sim_node *node, struct attempt_ref ref);
void sim_disk_put(struct sim *sim, struct sim_node *node, task_id maker,
                  struct snapshot_ref snapshot);
void sim_disk_add(struct sim *sim, struct sim_node *node, const struct sim_event *event);
void sim_disk_remove(struct sim_node *node, task_id task, uint32_t ordinal);
/* After every call of the agent. An effect may break the connection, which calls the agent again:
 * the outbox is taken out first. */
void sim_node_drain(struct sim *sim, struct sim_node *node);

#endif
