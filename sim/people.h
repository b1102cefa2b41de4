/* sim/people.h -- people who submit, cancel, stop and look; what they are told is
 * on disk. */
#ifndef MUSTER_SIM_PEOPLE_H
#define MUSTER_SIM_PEOPLE_H

#include "sim/calendar.h"

void sim_client_later(struct sim *sim, struct sim_client *client, int64_t wait_ms);
void sim_on_client(struct sim *sim, const struct sim_event *event);
/* Somebody looks after what muster has paused or cordoned, sooner or later. */
void sim_look_after(struct sim *sim);
void sim_answer_take(struct sim *sim, const struct head_effect *effect);

#endif
