/* Second places: what a trial wants another place for (keep_wants.c) is copied there, what lies on
 * nodes that are being emptied before all else. One copy for a trial is on its way at a time, a few
 * to a node; what was saved meanwhile is next. A head that starts anew begins them anew. */
#include <string.h>

#include "head/core/state.h"

enum {
    KEEPS_PER_NODE = 2,
    KEEPS_LEAVING_PER_NODE = 4, /* of those that come from nodes that leave */
    KEEPS_PER_TICK = 64,
    KEEPS_LEAVING_PER_TICK = 4096, /* that are looked at */
    KEEP_PATIENCE_MS = 300000,     /* a copy that has not come by then is ordered elsewhere */
};

void core_keep_put(struct core *core, struct task *task, bool is_leaving)
{
    if (is_leaving && task->keeper == NULL) { /* else it is on its way */
        list_remove(&task->keep_link);
        list_push_front(&core->keeps_due, &task->keep_link);
    } else if (list_is_empty(&task->keep_link)) {
        list_push_back(&core->keeps_due, &task->keep_link);
    }
}

void core_keep_due(struct core *core, struct task *task)
{
    struct keep_want wants[KEEP_WANTS_MAX];
    if (list_is_empty(&task->keep_link) && core_keep_wants(core, task, wants) > 0) {
        core_keep_put(core, task, false);
    }
}

/* ---- where to ---- */

static bool node_can_keep(const struct node *node, const char *from, uint32_t most)
{
    return node->r.state == NODE_ALIVE && node->peer != 0 && !node->r.is_cordoned &&
           !node->r.is_dry && node->lender != NULL && node->lender[0] != '\0' &&
           node->n_keeps < most && strcmp(node->r.name, from) != 0;
}

/* The one that has the least to do. */
static struct node *keeper_find(struct core *core, const char *from, uint32_t most)
{
    struct node *found = NULL;
    for (struct node *node = core->nodes; node != NULL; node = node->hh.next) {
        bool is_idler = found == NULL || node->n_keeps < found->n_keeps ||
                        (node->n_keeps == found->n_keeps && node->n_tasks < found->n_tasks);
        if (is_idler && node_can_keep(node, from, most)) {
            found = node;
        }
    }
    return found;
}

bool core_keeper_exists(const struct core *core, const struct node *but)
{
    for (const struct node *node = core->nodes; node != NULL; node = node->hh.next) {
        bool is_there = node->r.state == NODE_ALIVE || node->r.state == NODE_SUSPECT;
        bool is_reached = node->peer == 0 || (node->lender != NULL && node->lender[0] != '\0');
        if (node != but && is_there && is_reached && !node->r.is_cordoned && !node->r.is_dry) {
            return true;
        }
    }
    return false;
}

/* One that is to go on from it on its node gets it there, by itself or by this. */
static struct node *keeper_of(struct core *core, const struct task *task,
                              const struct keep_want *want, bool is_leaving)
{
    struct node *own = want->kind == KEEP_BORROWED ? task->node : NULL;
    if (own != NULL) {
        return own->r.state == NODE_ALIVE && own->peer != 0 ? own : NULL;
    }
    return keeper_find(core, want->where, is_leaving ? KEEPS_LEAVING_PER_NODE : KEEPS_PER_NODE);
}

/* ---- one copy ---- */

static void keep_begin(struct core *core, time_ms now, struct task *task, struct node *keeper,
                       const struct keep_want *want)
{
    task->keep_kind = want->kind;
    task->keeping = want->snapshot;
    task->keeper = keeper;
    task->keep_from = core_node_find(core, want->where);
    task->keep_until = now + KEEP_PATIENCE_MS;
    keeper->n_keeps++;
    task->keep_from->n_keeps_from++;
    list_remove(&task->keep_link);
    list_push_back(&core->keeps_going, &task->keep_link);
    const struct snapshot_name name = {snapshot_maker(task->r.id, &want->snapshot),
                                       want->snapshot.ordinal};
    const struct msg_keep keep = {&name, 1, ++core->place_words};
    task->keep_number = keep.number;
    outbox_send(&core->out, keeper->peer, MSG_KEEP, &keep);
}

/* Neither end holds it for this copy's sake any more; it may be due again. */
static void keep_end(struct core *core, struct task *task)
{
    struct node *keeper = TAKE(task->keeper);
    struct node *from = TAKE(task->keep_from);
    const struct task *maker = core_snapshot_maker(core, task, &task->keeping);
    uint32_t ordinal = task->keeping.ordinal;
    task->keeping = (struct snapshot_ref){0};
    keeper->n_keeps--;
    from->n_keeps_from--;
    core_snapshot_drop(core, maker, ordinal, keeper->r.name);
    core_snapshot_drop(core, maker, ordinal, from->r.name);
    list_remove(&task->keep_link);
    core_keep_due(core, task);
}

void core_keep_forget(struct task *task)
{
    if (task->keeper != NULL) {
        TAKE(task->keeper)->n_keeps--;
        TAKE(task->keep_from)->n_keeps_from--;
    }
    list_remove(&task->keep_link);
}

bool core_keep_names(const struct task *task, uint32_t owner, uint32_t ordinal, const char *node)
{
    return task->keeper != NULL && task->keeping.ordinal == ordinal &&
           task->keeping.owner == owner &&
           (strcmp(task->keeper->r.name, node) == 0 || strcmp(task->keep_from->r.name, node) == 0);
}

static bool keep_is_borrowed(const struct task *task)
{
    return task->r.snapshot.owner == task->keeping.owner &&
           task->r.snapshot.ordinal == task->keeping.ordinal;
}

/* What it is good for, now that it is there. */
static void keep_take(struct core *core, struct task *task, const struct node *node)
{
    struct record_task *r = &task->r;
    if (task->keep_kind == KEEP_BORROWED) {
        if (keep_is_borrowed(task) && task->node == NULL) {
            core_snapshot_set(core, task, &r->snapshot, &r->snapshot_node, r->snapshot,
                              node->r.name);
        }
        return;
    }
    core_keep_places_move(core, task, task->keeping.ordinal, node->r.name);
    if (task->keep_kind == KEEP_LAST && !core_sweep_best_lacks(task)) { /* else it keeps none */
        core_snapshot_set(core, task, &r->safe_snapshot, &r->safe_node, task->keeping,
                          node->r.name);
    }
}

void core_keep_arrived(struct core *core, time_ms now, struct task *task, uint32_t ordinal,
                       uint64_t keep, const struct node *node)
{
    if (task->keeper != node || task->keep_number != keep || task->keeping.ordinal != ordinal) {
        return;
    }
    keep_take(core, task, node);
    keep_end(core, task);
    core_notice_task(core, now, task);
}

/* ---- time ---- */

typedef enum { KEEP_NOTHING, KEEP_BEGUN, KEEP_NO_NODE } keep_outcome;

/* The first that it wants from a node that leaves, or from one that stays. */
static keep_outcome keep_try(struct core *core, time_ms now, struct task *task, bool is_leaving)
{
    struct keep_want wants[KEEP_WANTS_MAX];
    uint32_t n = core_keep_wants(core, task, wants);
    keep_outcome outcome = KEEP_NOTHING;
    if (n == 0) {
        list_remove(&task->keep_link);
        return KEEP_NOTHING;
    }
    for (uint32_t i = 0; i < n; i++) {
        /* One that is gone may come back. */
        if (!core_snapshot_is_reached(core, wants[i].where) ||
            core_place_leaves(core, wants[i].where) != is_leaving) {
            continue;
        }
        struct node *keeper = keeper_of(core, task, &wants[i], is_leaving);
        if (keeper != NULL) {
            keep_begin(core, now, task, keeper, &wants[i]);
            return KEEP_BEGUN;
        }
        outcome = KEEP_NO_NODE;
    }
    return outcome;
}

static bool keep_is_over(const struct task *task, time_ms now)
{
    bool is_keeper_there =
        task->keeper->r.state == NODE_ALIVE || task->keeper->r.state == NODE_SUSPECT;
    bool is_of_no_use = task->keep_kind == KEEP_BORROWED && !keep_is_borrowed(task);
    return now >= task->keep_until || !is_keeper_there || is_of_no_use ||
           task->keep_from->r.state == NODE_GONE;
}

/* What leaves is in front (owed.c), and one that finds no node is passed over; else the first for
 * which there is none ends it. */
static void keeps_pass(struct core *core, time_ms now, bool is_leaving)
{
    uint32_t n = 0, most = is_leaving ? KEEPS_LEAVING_PER_TICK : KEEPS_PER_TICK;
    list_each (&core->keeps_due, struct task, keep_link, task) {
        if (n++ == most) {
            return;
        }
        keep_outcome outcome = keep_try(core, now, task, is_leaving);
        if (outcome == KEEP_NO_NODE && !is_leaving) {
            return;
        }
    }
}

void core_keeps_go(struct core *core, time_ms now)
{
    list_each (&core->keeps_going, struct task, keep_link, task) {
        if (keep_is_over(task, now)) {
            keep_end(core, task);
        }
    }
    if (core->status.nodes[NODE_DRAINING] > 0) {
        keeps_pass(core, now, true);
    }
    keeps_pass(core, now, false);
}
