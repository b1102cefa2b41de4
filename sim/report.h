/* sim/report.h -- what many seeds have met, in words, and whether that is enough to prove anything.
 */
#ifndef MUSTER_SIM_REPORT_H
#define MUSTER_SIM_REPORT_H

#include "sim/seeds.h"

void sim_counts_print(const struct sim_counts *counts);
/* Whether the runs have met all that they are there for; says what they have not. */
bool sim_counts_are_complete(const struct sim_counts *counts);

#endif
