/* sim/trainer.h -- trainers: processes that talk to the agent line by line. They
 * pipeline, save, obey or not, crash, fall silent. Each request gets one answer, in order. */
#ifndef MUSTER_SIM_TRAINER_H
#define MUSTER_SIM_TRAINER_H

#include "sim/calendar.h"

void sim_trainer_later(struct sim *sim, struct sim_node *node, struct sim_process *p,
                       int64_t wait_ms);
void sim_exit_later(struct sim *sim, struct sim_node *node, struct sim_process *p, end_cause cause,
                    int code, int64_t wait_ms);
struct sim_request sim_ring_pop(struct sim_ring *ring);
void sim_on_trainer(struct sim *sim, const struct sim_event *event);
/* A line of the agent. The trainer's next request comes later: the agent is not called from here.
 */
void sim_trainer_hear(struct sim *sim, struct sim_node *node, struct sim_process *p,
                      const char *line);

#endif
