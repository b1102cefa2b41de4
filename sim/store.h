/* sim/store.h -- the store in memory: batches are applied whole, once. */
#ifndef MUSTER_SIM_STORE_H
#define MUSTER_SIM_STORE_H

#include "sim/calendar.h"

void sim_store_apply(struct sim *sim, const struct batch *batch);
void sim_store_free(struct sim_store *store);

#endif
