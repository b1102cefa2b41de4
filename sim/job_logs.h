/* sim/job_logs.h -- whose logs lie on a node's disk: what an agent's shell finds there, and what it
 * removes. */
#ifndef MUSTER_SIM_JOB_LOGS_H
#define MUSTER_SIM_JOB_LOGS_H

#include "sim/calendar.h"

/* An attempt of the job begins here. */
void sim_logs_note(struct sim *sim, struct sim_node *node, uint32_t job);
/* The shell has looked. The caller drains. */
void sim_logs_tell(struct sim_node *node);
/* Nothing goes that is not removed for good, or is in use. */
void sim_take_logs_drop(struct sim *sim, struct sim_node *node, const struct agent_effect *e);

#endif
