/* sim/verbs.h -- people who pause, resume, retry, remove, and drain, cordon and
 * label nodes; what that excuses, and what it does not. */
#ifndef MUSTER_SIM_VERBS_H
#define MUSTER_SIM_VERBS_H

#include "sim/calendar.h"

/* Did somebody ask for that, of this sweep or job? */
bool sim_was_asked(const struct sim *sim, sim_client_kind kind, uint32_t number);
void sim_ask_pause(struct sim *sim, struct sim_client *client);
void sim_ask_resume(struct sim *sim, struct sim_client *client);
void sim_ask_retry(struct sim *sim, struct sim_client *client);
void sim_ask_pause_trial(struct sim *sim, struct sim_client *client);
void sim_ask_resume_trial(struct sim *sim, struct sim_client *client);
/* It is held, or told to leave for it, on disk. */
void sim_trial_pause_is_told(struct sim *sim, const struct sim_client *client);
/* Now and then people let go on what they have paused, where that is on disk. */
void sim_paused_go_on(struct sim *sim, const struct sweep *sweep);
void sim_ask_remove(struct sim *sim, struct sim_client *client);
void sim_ask_node(struct sim *sim, struct sim_client *client);
/* What was answered 200 is on disk. */
void sim_retry_is_told(struct sim *sim, const struct sim_client *client);
void sim_removal_is_told(struct sim *sim, const struct sim_client *client);

#endif
