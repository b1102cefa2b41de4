/* sim/workload.h -- what people bring: sweeps, single tasks, and what they then want done. */
#ifndef MUSTER_SIM_WORKLOAD_H
#define MUSTER_SIM_WORKLOAD_H

#include "sim/calendar.h"

void sim_workload(struct sim *sim, int64_t within_ms);

#endif
