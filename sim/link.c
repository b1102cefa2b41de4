/* One connection a node, as TCP and ZeroMQ make it: frames arrive late, in order, each once, or are
 * lost with the whole connection; a lost packet is a delay for all that follows it. What the other
 * side had received before a connection broke is still read. In a harsh seed frames are lost,
 * doubled and reordered one by one, which no connection does: the cores must hold all the same,
 * though they need a new connection to get on. */
#include "sim/link.h"

#include <stdlib.h>
#include <string.h>

#include "sim/agent_effects.h"
#include "sim/job_logs.h"
#include "sim/runs.h"

enum { RETRANSMIT_MS = 200, RETRANSMITS_MAX = 6, DOUBLED_PERMILLE = 50 };

static int64_t retransmit_ms(struct sim *sim)
{
    int64_t wait_ms = 0;
    for (uint32_t i = 0; i < RETRANSMITS_MAX && sim_chance(sim, sim->loss_permille); i++) {
        wait_ms += RETRANSMIT_MS << i;
        sim->counts.retransmitted++;
    }
    return wait_ms;
}

/* By the time it arrives; equal ones as they were sent. */
static void frame_insert(struct list *queue, struct sim_frame *frame)
{
    struct list *after = queue->prev;
    while (after != queue && list_entry(after, struct sim_frame, link)->at > frame->at) {
        after = after->prev;
    }
    list_push_front(after, &frame->link);
}

static void frame_send(struct sim *sim, struct sim_node *node, bool is_up, message_type type,
                       struct bytes bytes)
{
    struct sim_link *link = &node->link;
    struct sim_frame *frame = malloc(sizeof *frame + bytes.len);
    time_ms *last = is_up ? &link->up_last : &link->down_last;
    time_ms at = sim->now + sim_delay(sim, sim->delay_ms);
    at += sim->is_harsh ? 0 : retransmit_ms(sim);
    at = node->cut_until > at ? node->cut_until : at;
    at = at < *last && !sim->is_harsh ? *last : at; /* a stream is in order */
    *last = at > *last ? at : *last;
    *frame = (struct sim_frame){
        .incarnation = node->incarnation, .at = at, .type = type, .len = bytes.len};
    memcpy(frame->bytes, bytes.data, bytes.len);
    frame_insert(is_up ? &link->up : &link->down, frame);
    sim_push(sim, (struct sim_event){.at = frame->at,
                                     .kind = is_up ? SIM_FRAME_UP : SIM_FRAME_DOWN,
                                     .node = node->index});
}

void sim_frame_put(struct sim *sim, struct sim_node *node, bool is_up, message_type type,
                   struct bytes bytes)
{
    struct sim_link *link = &node->link;
    if (!link->is_up || (is_up ? link->is_muted_up : link->is_muted_down)) {
        return;
    }
    if (sim->is_harsh && sim_chance(sim, sim->loss_permille)) {
        sim->counts.frames_lost++;
        return;
    }
    frame_send(sim, node, is_up, type, bytes);
    if (sim->is_harsh && sim_chance(sim, DOUBLED_PERMILLE)) {
        sim->counts.frames_doubled++;
        frame_send(sim, node, is_up, type, bytes);
    }
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

bool sim_frame_is_here(const struct sim *sim, const struct list *queue)
{
    const struct sim_frame *frame = list_first(queue, struct sim_frame, link);
    return frame != NULL && frame->at <= sim->now;
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

struct sim_head *sim_link_head(struct sim *sim, const struct sim_node *node)
{
    return node->link.is_to_stale ? &sim->stale : &sim->head;
}

/* Hands one frame of the head to the agent. */
static void agent_read(struct sim *sim, struct sim_node *node, struct sim_frame *frame)
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
    if (type == MSG_WELCOME) {
        sim_logs_tell(node);
    }
    arena_fini(&arena);
    free(frame);
    sim_node_drain(sim, node);
    if (type == MSG_ACK || type == MSG_WELCOME) {
        sim_runs_acked(sim, node);
    }
}

void sim_on_frame_down(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_frame *frame;
    uint64_t left = 1 + sim_below(sim, 6);
    while (node->agent != NULL && left > 0 &&
           (frame = sim_frame_take(sim, &node->link.down)) != NULL) {
        agent_read(sim, node, frame);
        left--;
    }
    if (sim_frame_is_here(sim, &node->link.down) && node->agent != NULL) {
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
    bool is_read = !link->is_muted_down && !is_told;
    if (!link->is_up) {
        return;
    }
    sim_trace(sim, "link    %s breaks", node->name);
    link->life++;
    bool is_heard = sim->head.core != NULL && !link->is_muted_up && !link->is_to_stale;
    sim_frames_drop(sim, &link->up, is_heard);
    sim_frames_drop(sim, &link->down, is_read);
    struct sim_frame *frame;
    while ((frame = list_first(&link->down, struct sim_frame, link)) != NULL) {
        list_remove(&frame->link);
        if (node->agent != NULL && link->is_up) {
            agent_read(sim, node, frame);
        } else {
            free(frame);
        }
    }
    if (!is_heard) {
        sim_frames_drop(sim, &link->up, false); /* what it answered meanwhile */
    }
    if (!link->is_up) {
        return; /* what it read made it give the connection up itself */
    }
    link->is_up = link->is_muted_up = link->is_muted_down = link->is_to_stale = false;
    if (node->agent != NULL && !is_told) {
        on_link_down(node->agent, sim->now, &node->out);
        sim_node_drain(sim, node);
    }
}

/* Mostly the head that holds the store; a name may still lead to the one before. */
static bool link_goes_to_stale(struct sim *sim)
{
    return sim->stale.core != NULL && sim->stale.stalled_until <= sim->now && sim_chance(sim, 400);
}

void sim_on_link_up(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_link *link = &node->link;
    if (node->agent == NULL || node->incarnation != event->life || link->is_up) {
        return;
    }
    bool is_to_stale = link_goes_to_stale(sim);
    if ((sim->head.core == NULL && !is_to_stale) || node->stalled_until > sim->now ||
        node->cut_until > sim->now) {
        sim_link_later(sim, node, 50 + (int64_t)sim_below(sim, 200));
        return;
    }
    if (is_to_stale) {
        sim_frames_drop(sim, &link->up, false);
    }
    link->is_up = true;
    link->is_to_stale = is_to_stale;
    link->life++;
    sim_trace(sim, "link    %s is up%s", node->name, is_to_stale ? ", to the old head" : "");
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
