/* sim/tuner_check.h -- each tuner of the living head against one that was made from the sweep's
 * record and told its log, entry by entry, and nothing else. */
#ifndef MUSTER_SIM_TUNER_CHECK_H
#define MUSTER_SIM_TUNER_CHECK_H

#include "sim/calendar.h"

/* Nothing is under way: the tuners whose logs have grown since the last call are what a replay
 * gives. */
void sim_tuners_compare(struct sim *sim);
void sim_tuners_free(struct sim *sim);

#endif
