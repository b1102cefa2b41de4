/* sim/rung_check.h -- every rung counts a trial once. */
#ifndef MUSTER_SIM_RUNG_CHECK_H
#define MUSTER_SIM_RUNG_CHECK_H

#include "sim/world.h"

/* The results of the sweep's rungs are those counted anew from its log in the store: of each trial
 * the highest rung that a milestone reached, if it is above those that it was counted at. */
void sim_rungs_check(struct sim *sim, const struct sweep *sweep);

#endif
