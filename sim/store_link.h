/* sim/store_link.h -- between a head and the store: the batch in flight, and what may become of it.
 */
#ifndef MUSTER_SIM_STORE_LINK_H
#define MUSTER_SIM_STORE_LINK_H

#include "sim/calendar.h"

/* The head's batch is on its way. */
void sim_store_send(struct sim *sim, struct sim_head *head);
/* The head is no more: its batch may have come through all the same. */
void sim_store_settle(struct sim *sim, struct sim_head *head);
/* The server dies: what was not synced may be lost, and a torn tail is dropped. */
void sim_store_crash(struct sim *sim, int64_t down_ms, int64_t loading_ms);
/* Whether a head may read it now. */
bool sim_store_is_up(const struct sim *sim);

sim_handler sim_on_store_run;
sim_handler sim_on_store_sync;
sim_handler sim_on_store_reply;

#endif
