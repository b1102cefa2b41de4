/* sim/recovery.h -- a head's core from what the store has on disk. */
#ifndef MUSTER_SIM_RECOVERY_H
#define MUSTER_SIM_RECOVERY_H

#include "sim/calendar.h"

/* Both cores are the caller's (core_free()); the first one is empty. */
struct core *sim_core_new(struct sim *sim, uint64_t epoch);
void sim_core_load(struct sim *sim, uint64_t epoch, struct core **ret_core);

#endif
