/* sim/faults.h -- what breaks. */
#ifndef MUSTER_SIM_FAULTS_H
#define MUSTER_SIM_FAULTS_H

#include "sim/calendar.h"

void fault_cluster_stop(struct sim *sim);
/* Which of them this seed has; a fair one has none. */
void sim_faults_draw(struct sim *sim, bool is_fair);
void sim_on_fault(struct sim *sim, const struct sim_event *event);

#endif
