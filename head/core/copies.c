/* Snapshots that move between nodes. An agent asks for one that a trial of its node goes on from;
 * the agent of a node where it lies learns the pass that the asking one made, and the asking one
 * where to go. Nothing of it is on record: who hears no more asks again. */
#include <stdio.h>
#include <string.h>

#include "head/core/state.h"

enum { COPY_VALID_MS = 60000 }; /* since the last piece */

/* ---- who has it ---- */

struct places {
    struct core *core;
    const struct node *to;
    const struct node *from; /* that can be reached; the best one so far */
    const struct node *away; /* that may come back */
};

static void place_look(struct places *places, const char *where)
{
    struct node *node = where != NULL ? core_node_find(places->core, where) : NULL;
    if (node == NULL || node == places->to || node->r.state == NODE_GONE) {
        return;
    }
    bool is_reached = node->peer != 0 && node->lender != NULL && node->lender[0] != '\0';
    if (is_reached && (places->from == NULL || places->from->r.state == NODE_SUSPECT)) {
        places->from = node;
    } else if (!is_reached) {
        places->away = node;
    }
}

static void places_find(struct places *places, const struct task *maker, uint32_t ordinal)
{
    const struct record_task *r = &maker->r;
    if (r->snapshot.owner == 0 && r->snapshot.ordinal == ordinal) {
        place_look(places, r->snapshot_node);
    }
    if (r->best_snapshot.ordinal == ordinal) {
        place_look(places, r->best_node);
    }
    if (r->safe_snapshot.ordinal == ordinal) {
        place_look(places, r->safe_node);
    }
    const struct kept_snapshot *kept = core_kept_find(maker, ordinal);
    if (kept != NULL) {
        place_look(places, kept->node);
    }
    if (maker->keeper != NULL && maker->keeping.ordinal == ordinal && maker->keeping.owner == 0) {
        place_look(places, maker->keep_from->r.name);
    }
    list_each (&maker->lent, struct task, lent_link, to) {
        if (to->keeper != NULL &&
            core_keep_names(to, r->id.index, ordinal, to->keep_from->r.name)) {
            place_look(places, to->keep_from->r.name);
        }
        if (to->r.snapshot.ordinal == ordinal) {
            place_look(places, to->r.snapshot_node);
        }
    }
}

/* ---- asked ---- */

static void source_refuse(struct core *core, uint64_t peer, struct snapshot_name name, bool is_lost,
                          const char *text)
{
    const struct msg_source source = {.name = name, .is_lost = is_lost, .error = text};
    outbox_send(&core->out, peer, MSG_SOURCE, &source);
}

void on_snapshot_get(struct core *core, uint64_t peer, const struct msg_snapshot_get *msg)
{
    const struct node *node = core_node_of_peer(core, peer);
    const struct task *maker = core_task_find(core, msg->name.task);
    struct places places = {.core = core, .to = node};
    if (node == NULL || node->r.state == NODE_GONE || msg->pass.len != PASS_BYTES) {
        return; /* it will enrol, and ask then */
    }
    if (maker == NULL || !core_snapshot_is_wanted(core, node, msg->name)) {
        source_refuse(core, peer, msg->name, true, "no trial of this node goes on from it");
        return;
    }
    places_find(&places, maker, msg->name.ordinal);
    if (places.from == NULL && places.away == NULL) {
        source_refuse(core, peer, msg->name, true, "no node has it any more");
        return;
    }
    if (places.from == NULL) {
        char text[NODE_NAME_MAX + 64];
        snprintf(text, sizeof text, "node '%s', where it lies, is away", places.away->r.name);
        source_refuse(core, peer, msg->name, false, text);
        return;
    }
    const struct msg_lend lend = {msg->name, msg->pass, COPY_VALID_MS};
    const struct msg_source source = {.name = msg->name,
                                      .node = places.from->r.name,
                                      .lender = places.from->lender,
                                      .lender_key = places.from->lender_key,
                                      .error = ""};
    outbox_send(&core->out, places.from->peer, MSG_LEND, &lend);
    outbox_send(&core->out, peer, MSG_SOURCE, &source);
}

/* ---- copied ---- */

/* What came for an attempt that has not started may have come for one before it, with the word to
 * drop it under way: an attempt that has started has read what was told before its lease. */
static bool is_there_to_stay(const struct task *task, const struct node *node)
{
    return task->node == node && task->r.state == TASK_RUNNING;
}

void on_event_copied(struct core *core, time_ms now, struct node *node,
                     const struct node_event *event)
{
    struct snapshot_name name = {event->task, event->snapshot.ordinal};
    struct task *maker = core_task_find(core, name.task);
    /* Told again it may have been dropped meanwhile: it becomes nobody's by that. */
    if (maker != NULL && event->attempt == 0) {
        core_keep_arrived(core, now, maker, name.ordinal, event->keep, node);
        if (is_there_to_stay(maker, node)) {
            core_snapshot_arrived(core, maker, name.ordinal, 0, node);
        }
        list_each (&maker->lent, struct task, lent_link, to) {
            core_keep_arrived(core, now, to, name.ordinal, event->keep, node);
            if (is_there_to_stay(to, node)) {
                core_snapshot_arrived(core, to, name.ordinal, maker->r.id.index, node);
            }
        }
    }
    core_snapshot_refuse(core, node, name);
}
