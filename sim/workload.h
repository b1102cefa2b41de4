/* sim/workload.h -- what people bring: sweeps, single tasks, and what they then want done. */
#ifndef MUSTER_SIM_WORKLOAD_H
#define MUSTER_SIM_WORKLOAD_H

#include "sim/calendar.h"

/* Somebody brings more, so that there is always something to do while things break. */
sim_handler sim_on_workload;

#endif
