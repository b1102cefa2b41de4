/* sim/run.h -- one seed from its first event to its verdict. */
#ifndef MUSTER_SIM_RUN_H
#define MUSTER_SIM_RUN_H

#include "sim/calendar.h"

/* Runs a seed to its end. A violation ends the process (sim_violation(), or an assertion of the
 * core that fails): whoever runs many seeds runs them in processes of their own. */
void sim_run(uint64_t seed, const struct sim_options *options, struct sim_result *ret_result);

#endif
