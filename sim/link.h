/* sim/link.h -- the connections between nodes and heads. */
#ifndef MUSTER_SIM_LINK_H
#define MUSTER_SIM_LINK_H

#include "sim/calendar.h"

/* Writes a frame to the node's connection, if there is one. */
void sim_frame_put(struct sim *sim, struct sim_node *node, bool is_up, message_type type,
                   struct bytes bytes);
/* The oldest frame if it has arrived; the caller frees it. */
struct sim_frame *sim_frame_take(struct sim *sim, struct list *queue);
bool sim_frame_is_here(const struct sim *sim, const struct list *queue);
void sim_frames_drop(struct sim *sim, struct list *queue, bool keep_some);
/* The other end of a node's connection. */
struct sim_head *sim_link_head(struct sim *sim, const struct sim_node *node);
/* A new connection after so long. */
void sim_link_later(struct sim *sim, struct sim_node *node, int64_t wait_ms);
/* Both ends learn of it; the agent after it has read what had come. `is_told`: by its own shell, on
 * AGENT_RECONNECT, the core has put itself down already. */
void sim_link_break(struct sim *sim, struct sim_node *node, bool is_told);

sim_handler sim_on_frame_down;
sim_handler sim_on_link_up;
/* A connection that fell silent is found dead at last. */
sim_handler sim_on_link_dead;

#endif
