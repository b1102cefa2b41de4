/* sim/link.h -- one connection a node: frames arrive late, in order, or are lost
 * with the whole connection. What the other side had received before it broke is still read. */
#ifndef MUSTER_SIM_LINK_H
#define MUSTER_SIM_LINK_H

#include "sim/calendar.h"

void sim_frame_put(struct sim *sim, struct sim_node *node, bool is_up, message_type type,
                   struct bytes bytes);
/* The oldest frame if it has arrived; the caller frees it. */
struct sim_frame *sim_frame_take(struct sim *sim, struct list *queue);
void sim_frames_drop(struct sim *sim, struct list *queue, bool keep_some);
void sim_on_frame_down(struct sim *sim, const struct sim_event *event);
void sim_link_later(struct sim *sim, struct sim_node *node, int64_t wait_ms);
/* Both ends learn of it; the agent after it has read what had come. `is_told`: by its own shell, on
 * AGENT_RECONNECT, the core has put itself down already. */
void sim_link_break(struct sim *sim, struct sim_node *node, bool is_told);
void sim_on_link_up(struct sim *sim, const struct sim_event *event);
/* A connection that fell silent is found dead at last. */
void sim_on_link_dead(struct sim *sim, const struct sim_event *event);

#endif
