/* sim/array_check.h -- task arrays in the head's memory against the store, against a core loaded
 * anew, against the agents that hold their tasks, and at their end. */
#ifndef MUSTER_SIM_ARRAY_CHECK_H
#define MUSTER_SIM_ARRAY_CHECK_H

#include "head/core/arrays.h"
#include "sim/calendar.h"

/* Nothing is under way: slots, holders and figures are what the store says, and what a new head
 * would make of it. */
void sim_array_compare(struct sim *sim, const struct array *array, struct core *shadow);
/* Nothing is leased where nobody is. */
void sim_arrays_are_somewhere(struct sim *sim);
/* Nothing is under way between them: the node's lanes and the tasks it holds are the same on both
 * sides. */
void sim_arrays_agree(struct sim *sim, const struct node *known, struct sim_node *node);
/* Does the agent have lanes, or tasks that it was leased? */
bool sim_arrays_are_busy(const struct agent *agent);
/* All is over: did it end as it may? */
void sim_array_verdict(struct sim *sim, const struct array *array);

#endif
