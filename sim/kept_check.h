/* sim/kept_check.h -- which snapshots stay (`checkpoints.keep`): told a second time, from what was
 * made and reported, against records and disks. */
#ifndef MUSTER_SIM_KEPT_CHECK_H
#define MUSTER_SIM_KEPT_CHECK_H

#include "sim/world.h"

/* A row of the store: what a snapshot of its step is worth. */
void sim_kept_point(struct sim *sim, task_id id, uint32_t attempt, const struct metric_rows *block,
                    const struct metric_row *row);
/* A record that is about to replace the one that `task` has. */
void sim_kept_follow(struct sim *sim, struct sim_task *task, const struct record_task *r);
/* What the trial keeps follows from more than the policy now. */
void sim_kept_disturb(struct sim *sim, task_id id);
/* Before it is applied: the tasks in it may have given up already what lay on a node that is gone.
 */
void sim_kept_batch(struct sim *sim, const struct batch *batch);
bool sim_kept_is_at(const struct sim_task *task, uint32_t ordinal, const char *node);
/* Found damaged, or with its disk. */
bool sim_kept_is_lost(const struct sim *sim, const struct sim_task *task, uint32_t ordinal);
/* Nothing is under way to or from the node: each snapshot on its disk is named by a record. */
void sim_kept_disk(struct sim *sim, const struct sim_node *node);
/* Those that the record keeps there are on the node's disk. */
void sim_kept_are_there(struct sim *sim, const struct sim_task *task, const struct sim_node *node);
/* All has ended: trials keep what the file says, and no other. */
void sim_kept_verdict(struct sim *sim);
void sim_kept_free(struct sim *sim);

#endif
