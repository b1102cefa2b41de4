/* sim/head_life.h -- heads start, die, and are replaced while they still live. */
#ifndef MUSTER_SIM_HEAD_LIFE_H
#define MUSTER_SIM_HEAD_LIFE_H

#include "sim/calendar.h"

/* Kills the head; another one starts after so long. */
void sim_head_kill(struct sim *sim, int64_t away_ms);
/* The head stands still or is cut off from the store, and another one takes over. */
void sim_head_split(struct sim *sim, int64_t away_ms);
/* The head that was fenced off learns of it and leaves. */
void sim_stale_end(struct sim *sim);

sim_handler sim_on_head_start;
sim_handler sim_on_stale_end;

#endif
