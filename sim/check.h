/* sim/check.h -- the head's memory against the store, and a head loaded anew
 * against the one that lives. */
#ifndef MUSTER_SIM_CHECK_H
#define MUSTER_SIM_CHECK_H

#include "sim/calendar.h"

/* Nothing is under way: memory, store, and what a new head would make of it are one. */
void sim_compare(struct sim *sim);
/* Nothing is under way between the head and a node: both say the same of what runs there. */
void sim_agreement(struct sim *sim, struct sim_node *node);
/* NULL: all is over; else what is not. */
const char *sim_unfinished(struct sim *sim, char *ret_text, size_t size_bytes);
void sim_verdict(struct sim *sim);

#endif
