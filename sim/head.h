/* sim/head.h -- the head's shell: turns, batches, effects; killed at any time and
 * loaded again from the store. What leaves must be on disk. */
#ifndef MUSTER_SIM_HEAD_H
#define MUSTER_SIM_HEAD_H

#include "sim/calendar.h"

void sim_core_load(struct sim *sim, uint64_t epoch, struct core **ret_core);
struct sim_key *sim_key_by_peer(struct sim_node *node, uint64_t peer);
void sim_head_wake(struct sim *sim);
void sim_head_turn(struct sim *sim);
void sim_on_store_apply(struct sim *sim, const struct sim_event *event);
void sim_on_store_reply(struct sim *sim, const struct sim_event *event);
void sim_on_frame_up(struct sim *sim, const struct sim_event *event);
void sim_head_kill(struct sim *sim, int64_t away_ms);
void sim_on_head_start(struct sim *sim, const struct sim_event *event);

#endif
