/* sim/array_people.h -- people with task arrays: how large, how long, how often they fail; cancel
 * and try again by id, by range, as a whole. What they are told is on disk. */
#ifndef MUSTER_SIM_ARRAY_PEOPLE_H
#define MUSTER_SIM_ARRAY_PEOPLE_H

#include "sim/calendar.h"

/* What it is to be, once: the same request is sent again until it is answered. */
void sim_array_draw(struct sim *sim, struct sim_client *client);
/* Of `target`, an array or a job of one task. */
void sim_array_aim(struct sim *sim, struct sim_client *client, const struct sim_client *target);
void sim_ask_array(struct sim *sim, struct sim_client *client);
void sim_ask_cancel_job(struct sim *sim, struct sim_client *client);
void sim_ask_retry_job(struct sim *sim, struct sim_client *client);
/* What was answered 200 is on disk. */
void sim_cancel_job_is_told(struct sim *sim, const struct sim_client *client);
void sim_retry_job_is_told(struct sim *sim, const struct sim_client *client);
/* A task of an array that was cancelled alone. */
void sim_array_task_is_told(struct sim *sim, const struct sim_client *client);

#endif
