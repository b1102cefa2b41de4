/* sim/lineage.h -- whose weights a trainer has, and which parameters it trains them with: what
 * snapshots were really made of, against what the log says of exploits and what trainers are told.
 */
#ifndef MUSTER_SIM_LINEAGE_H
#define MUSTER_SIM_LINEAGE_H

#include "sim/world.h"

/* A snapshot of the attempt lies on a node's disk from now on: these weights, these parameters. */
void sim_lineage_made(struct sim *sim, struct sim_node *node, const struct sim_event *event);
/* What a trainer is about to go on from: its attempt starts, or its exploit is proven. */
void sim_lineage_offered(struct sim_process *p, task_id maker, const struct snapshot_ref *snapshot);
/* A trainer hears parameters, a snapshot and a step: they belong together. */
void sim_lineage_told(struct sim *sim, struct sim_process *p, const char *line);
/* The log says who took over whose weights: they were there, and the new parameters are near the
 * donor's and within the space of sim_sweep_file(). */
void sim_lineage_logged(struct sim *sim, uint32_t sweep, const struct record_log *entry);
/* A node removes one: no record may name it there. */
void sim_lineage_dropped(struct sim *sim, const struct sim_node *node, task_id maker,
                         uint32_t ordinal);
/* A disk has lost one by itself. */
void sim_lineage_lost(struct sim *sim, task_id maker, const struct snapshot_ref *snapshot);
bool sim_lineage_is_lost(const struct sim *sim, task_id maker, const struct snapshot_ref *snapshot);
/* NULL: that attempt has made none of this number. */
struct sim_made *sim_made_find(const struct sim *sim, task_id maker, uint32_t attempt,
                               uint32_t ordinal);
void sim_lineage_free(struct sim *sim);

#endif
