/* sim/head.h -- a head's shell in the simulator: its turns, and what comes and leaves. */
#ifndef MUSTER_SIM_HEAD_H
#define MUSTER_SIM_HEAD_H

#include "sim/calendar.h"

/* NULL: not of this node's keys. */
const struct sim_key *sim_key_by_peer(const struct sim_head *head, const struct sim_node *node,
                                      uint64_t peer);
/* It may have stood still: that time is nobody's silence. Before anything is read. */
void sim_head_wake(struct sim *sim, struct sim_head *head);
/* Whatever lies here is to be read. */
void sim_head_poll(struct sim *sim, const struct sim_head *head);
/* Timers, scheduling, a batch if it is time for one, and whatever may leave. */
void sim_head_turn(struct sim *sim, struct sim_head *head);
sim_handler sim_on_frame_up;

#endif
