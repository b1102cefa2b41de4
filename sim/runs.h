/* sim/runs.h -- what really happened: each attempt that a node was told to start, and how its
 * process ended. No end counts that did not happen, and none that was acknowledged is forgotten. */
#ifndef MUSTER_SIM_RUNS_H
#define MUSTER_SIM_RUNS_H

#include "sim/calendar.h"

/* Of what a node has of an attempt on several: each is a run of its own. */
static inline struct attempt_ref sim_part_ref(struct attempt_ref ref, uint32_t node_rank)
{
    return (struct attempt_ref){ref.task, ref.attempt | node_rank << 24};
}
/* An attempt begins at most once, wherever it is. */
void sim_run_begin(struct sim *sim, struct sim_node *node, struct attempt_ref ref, bool is_in_lane);
void sim_run_end(struct sim *sim, struct sim_node *node, struct attempt_ref ref, end_cause cause,
                 int code);
bool sim_run_has_begun(const struct sim *sim, struct attempt_ref ref);
/* This end is being put on record; did it happen, there? cause: EXIT or SIGNAL; code: of it. */
void sim_run_is_accepted(struct sim *sim, struct attempt_ref ref, const struct sim_node *node,
                         uint64_t incarnation, end_cause cause, int code);
/* An attempt's evidence is being put on record. */
void sim_run_follows(struct sim *sim, const struct record_attempt *r);
/* Nothing of an attempt that is over runs, but where it was given up. */
void sim_parts_are_over(struct sim *sim, const struct record_attempt *r);
/* The agent has read an acknowledgement: what it lets go of is in the store. */
void sim_runs_acked(struct sim *sim, struct sim_node *node);
void sim_runs_free(struct sim *sim);

#endif
