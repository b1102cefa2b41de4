/* one connection a node: frames arrive late, in order, or are lost
 * with the whole connection. What the other side had received before it broke is still read. */
#include "sim/link.h"
#include "sim/agent_effects.h"
#include "sim/calendar.h"

void sim_frame_put(struct sim *sim, struct sim_node *node, bool is_up, message_type type,
                   struct bytes bytes)
{
    struct sim_link *link = &node->link;
    if (!link->is_up || link->is_muted) {
        return;
    }
    struct sim_frame *frame = malloc(sizeof *frame + bytes.len);
    time_ms *last = is_up ? &link->up_last : &link->down_last;
    time_ms at = sim->now + sim_delay(sim, sim->delay_ms);
    *last = at > *last ? at : *last;
    *frame = (struct sim_frame){
        .incarnation = node->incarnation, .at = *last, .type = type, .len = bytes.len};
    memcpy(frame->bytes, bytes.data, bytes.len);
    list_push_back(is_up ? &link->up : &link->down, &frame->link);
    sim_push(sim, (struct sim_event){.at = *last,
                                     .kind = is_up ? SIM_FRAME_UP : SIM_FRAME_DOWN,
                                     .node = node->index});
}

struct sim_frame *sim_frame_take(struct sim *sim, struct list *queue)
{
    struct sim_frame *frame = list_first(queue, struct sim_frame, link);
    if (frame == NULL || frame->at > sim->now) {
        return NULL;
    }
    list_remove(&frame->link);
    return frame;
}

void sim_frames_drop(struct sim *sim, struct list *queue, bool keep_some)
{
    uint64_t kept = keep_some ? sim_below(sim, 6) : 0;
    list_each (queue, struct sim_frame, link, frame) {
        if (kept > 0) {
            kept--;
            continue;
        }
        list_remove(&frame->link);
        free(frame);
    }
}

/* Hands one frame of the head to the agent. */
static void sim_agent_read(struct sim *sim, struct sim_node *node, struct sim_frame *frame)
{
    struct arena arena;
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    sim_require(sim,
                message_decode((struct bytes){frame->bytes, frame->len}, &arena, &type, &message,
                               NULL) == OK,
                "a frame of the head does not decode");
    sim_trace(sim, "%-7s reads %s", node->name, message_name(type));
    on_head_message(node->agent, sim->now, type, message, &node->out);
    arena_fini(&arena);
    free(frame);
    sim_node_drain(sim, node);
}

void sim_on_frame_down(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_frame *frame;
    uint64_t left = 1 + sim_below(sim, 6);
    while (node->agent != NULL && left > 0 &&
           (frame = sim_frame_take(sim, &node->link.down)) != NULL) {
        sim_agent_read(sim, node, frame);
        left--;
    }
    frame = list_first(&node->link.down, struct sim_frame, link);
    if (frame != NULL && frame->at <= sim->now && node->agent != NULL) {
        sim_push(sim,
                 (struct sim_event){.at = sim->now, .kind = SIM_FRAME_DOWN, .node = node->index});
    }
}

void sim_link_later(struct sim *sim, struct sim_node *node, int64_t wait_ms)
{
    sim_push(sim, (struct sim_event){.at = sim->now + wait_ms,
                                     .kind = SIM_LINK_UP,
                                     .node = node->index,
                                     .life = node->incarnation});
}

void sim_link_break(struct sim *sim, struct sim_node *node, bool is_told)
{
    struct sim_link *link = &node->link;
    if (!link->is_up) {
        return;
    }
    sim_trace(sim, "link    %s breaks", node->name);
    link->life++;
    sim_frames_drop(sim, &link->up, sim->head.core != NULL && !link->is_muted);
    sim_frames_drop(sim, &link->down, !link->is_muted && !is_told);
    struct sim_frame *frame;
    while ((frame = list_first(&link->down, struct sim_frame, link)) != NULL) {
        list_remove(&frame->link);
        if (node->agent != NULL && link->is_up) {
            sim_agent_read(sim, node, frame);
        } else {
            free(frame);
        }
    }
    if (!link->is_up) {
        return; /* what it read made it give the connection up itself */
    }
    link->is_up = link->is_muted = false;
    if (node->agent != NULL && !is_told) {
        on_link_down(node->agent, sim->now, &node->out);
        sim_node_drain(sim, node);
    }
}

void sim_on_link_up(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_link *link = &node->link;
    if (node->agent == NULL || node->incarnation != event->life || link->is_up) {
        return;
    }
    if (sim->head.core == NULL || node->stalled_until > sim->now) {
        sim_link_later(sim, node, 50 + (int64_t)sim_below(sim, 200));
        return;
    }
    link->is_up = true;
    link->life++;
    sim_trace(sim, "link    %s is up", node->name);
    on_link_up(node->agent, sim->now, &node->out);
    sim_node_drain(sim, node);
}

void sim_on_link_dead(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    if (node->link.is_up && node->link.life == event->life) {
        sim_link_break(sim, node, false);
        sim_link_later(sim, node, 10 + sim_delay(sim, 200));
    }
}
