/* Which snapshots want another place: the last one that a trial has made, and what a sweep's best
 * trials ended with, so that neither is lost with its node (`checkpoints.store`); the record then
 * says that it is *safe*. On a node that is being emptied all that such trials keep wants one, and
 * so does what a trial waits to go on from though another one made it. */
#include <string.h>

#include "head/core/state.h"

/* ---- places ---- */

static bool place_is_in(struct core *core, const char *where, bool is_leaving)
{
    const struct node *node = where != NULL ? core_node_find(core, where) : NULL;
    return node != NULL && node->r.state != NODE_GONE &&
           (node->r.state == NODE_DRAINING) == is_leaving;
}

bool core_place_stays(struct core *core, const char *where)
{
    return place_is_in(core, where, false);
}

bool core_place_leaves(struct core *core, const char *where)
{
    return place_is_in(core, where, true);
}

/* Where a record of its maker says that it lies, on a node that stays; NULL: nowhere. */
static const char *staying_place(struct core *core, const struct task *maker, uint32_t ordinal)
{
    const struct record_task *r = &maker->r;
    const struct {
        const struct snapshot_ref *snapshot;
        const char *where;
    } refs[] = {{&r->snapshot, r->snapshot_node},
                {&r->safe_snapshot, r->safe_node},
                {&r->best_snapshot, r->best_node},
                {&r->own_snapshot, r->own_node}};
    for (size_t i = 0; i < sizeof refs / sizeof refs[0]; i++) {
        if (refs[i].snapshot->ordinal == ordinal && refs[i].snapshot->owner == 0 &&
            core_place_stays(core, refs[i].where)) {
            return refs[i].where;
        }
    }
    const struct kept_snapshot *kept = core_kept_find(maker, ordinal);
    return kept != NULL && core_place_stays(core, kept->node) ? kept->node : NULL;
}

/* ---- which ones ---- */

static bool task_is_best(const struct task *task)
{
    uint32_t trial;
    double value;
    int64_t step;
    return (tune_best(task->work->sweep->tuner, &trial, &value, &step) &&
            trial == task->r.id.index) ||
           core_sweep_best_has(task);
}

/* What it goes on from, or, at its end, what is kept of the best trial. */
static bool last_want(struct core *core, const struct task *task, struct keep_want *ret_want)
{
    const struct record_task *r = &task->r;
    bool has_ended = r->state == TASK_ENDED;
    bool is_best = has_ended && r->best_snapshot.ordinal != 0;
    const struct snapshot_ref *snapshot = is_best ? &r->best_snapshot : &r->snapshot;
    const char *where = is_best ? r->best_node : r->snapshot_node;
    if (snapshot->ordinal == 0 || snapshot->owner != 0 || (has_ended && !task_is_best(task))) {
        return false;
    }
    bool is_same = r->safe_snapshot.ordinal == snapshot->ordinal;
    if (is_same && !core_text_equal(r->safe_node, where) && core_place_stays(core, r->safe_node)) {
        return false;
    }
    *ret_want = (struct keep_want){KEEP_LAST, *snapshot, where};
    /* Its own place is gone: the second one is what there is, and that leaves. */
    bool is_second_all = r->safe_snapshot.ordinal != 0 && (is_same || !has_ended) &&
                         !core_snapshot_is_reached(core, where) &&
                         core_place_leaves(core, r->safe_node);
    if (is_second_all) {
        *ret_want = (struct keep_want){KEEP_LAST, r->safe_snapshot, r->safe_node};
    }
    return true;
}

/* One of its own that lies on a node that leaves, and by its record on none that stays. */
static bool is_left_behind(struct core *core, const struct task *task,
                           const struct snapshot_ref *snapshot, const char *where)
{
    return snapshot->ordinal != 0 && snapshot->owner == 0 && core_place_leaves(core, where) &&
           staying_place(core, task, snapshot->ordinal) == NULL;
}

static bool is_last_the_best(const struct record_task *r)
{
    return r->snapshot.owner == 0 && r->snapshot.ordinal == r->best_snapshot.ordinal;
}

static bool best_want(struct core *core, const struct task *task, struct keep_want *ret_want)
{
    const struct record_task *r = &task->r;
    if (r->state == TASK_ENDED || is_last_the_best(r) ||
        !is_left_behind(core, task, &r->best_snapshot, r->best_node)) {
        return false;
    }
    *ret_want = (struct keep_want){KEEP_BEST, r->best_snapshot, r->best_node};
    return true;
}

/* Another trial made what it goes on from. One that runs on the node that leaves has it there; it
 * waits for it once it was handed back. */
static bool borrowed_want(struct core *core, const struct task *task, struct keep_want *ret_want)
{
    const struct record_task *r = &task->r;
    if (r->state == TASK_ENDED || r->snapshot.owner == 0 ||
        !core_place_leaves(core, r->snapshot_node) ||
        (task->node != NULL && strcmp(task->node->r.name, r->snapshot_node) == 0)) {
        return false;
    }
    const struct task *maker = core_snapshot_maker(core, task, &r->snapshot);
    if (maker == NULL || staying_place(core, maker, r->snapshot.ordinal) != NULL) {
        return false;
    }
    *ret_want = (struct keep_want){KEEP_BORROWED, r->snapshot, r->snapshot_node};
    return true;
}

/* What else stays with it: those that are kept, what it goes back to if the weights that it took
 * over are lost, and of one that has ended the last beside the best. */
static uint32_t beside_wants(struct core *core, const struct task *task,
                             struct keep_want *ret_wants)
{
    const struct record_task *r = &task->r;
    bool has_ended = r->state == TASK_ENDED;
    uint32_t n = 0;
    bool has_both = has_ended && r->best_snapshot.ordinal != 0 && !is_last_the_best(r);
    bool is_any = r->n_kept > 0 || r->own_snapshot.ordinal != 0 || has_both;
    if (!is_any || (has_ended && !task_is_best(task))) {
        return 0;
    }
    if (!has_ended && is_left_behind(core, task, &r->own_snapshot, r->own_node)) {
        ret_wants[n++] = (struct keep_want){KEEP_BESIDE, r->own_snapshot, r->own_node};
    }
    if (has_both && is_left_behind(core, task, &r->snapshot, r->snapshot_node)) {
        ret_wants[n++] = (struct keep_want){KEEP_BESIDE, r->snapshot, r->snapshot_node};
    }
    for (uint32_t i = 0; i < r->n_kept; i++) {
        const struct kept_snapshot *kept = &r->kept[i];
        if (is_left_behind(core, task, &kept->snapshot, kept->node)) {
            ret_wants[n++] = (struct keep_want){KEEP_BESIDE, kept->snapshot, kept->node};
        }
    }
    return n;
}

uint32_t core_keep_wants(struct core *core, const struct task *task,
                         struct keep_want ret_wants[KEEP_WANTS_MAX])
{
    static bool (*const kinds[])(struct core *, const struct task *,
                                 struct keep_want *) = {last_want, best_want, borrowed_want};
    const struct sweep *sweep = task->work->sweep;
    bool is_copied = sweep != NULL && sweep->spec.checkpoints.store == CHECKPOINT_STORE_CLUSTER;
    bool is_any_leaving = core->status.nodes[NODE_DRAINING] > 0;
    uint32_t n = 0;
    for (size_t i = 0; is_copied && i < sizeof kinds / sizeof kinds[0]; i++) {
        n += kinds[i](core, task, &ret_wants[n]);
    }
    return is_copied && is_any_leaving ? n + beside_wants(core, task, &ret_wants[n]) : n;
}

/* ---- where they lie from now on ---- */

void core_keep_places_move(struct core *core, struct task *task, uint32_t ordinal, const char *to)
{
    struct record_task *r = &task->r;
    bool is_ended_with = r->state == TASK_ENDED && r->snapshot.owner == 0;
    if (r->best_snapshot.ordinal == ordinal && core_place_leaves(core, r->best_node)) {
        core_snapshot_set(core, task, &r->best_snapshot, &r->best_node, r->best_snapshot, to);
    }
    if (r->own_snapshot.ordinal == ordinal && core_place_leaves(core, r->own_node)) {
        core_snapshot_set(core, task, &r->own_snapshot, &r->own_node, r->own_snapshot, to);
    }
    if (is_ended_with && r->snapshot.ordinal == ordinal &&
        core_place_leaves(core, r->snapshot_node)) {
        core_snapshot_set(core, task, &r->snapshot, &r->snapshot_node, r->snapshot, to);
    }
    const struct kept_snapshot *kept = core_kept_find(task, ordinal);
    if (kept != NULL && core_place_leaves(core, kept->node)) {
        core_kept_move(core, task, ordinal, to);
    }
}

static void own_move_off(struct core *core, struct task *task, uint32_t ordinal, const char *from)
{
    if (ordinal != 0 && core_place_leaves(core, from)) {
        const char *where = staying_place(core, task, ordinal);
        if (where != NULL) {
            core_keep_places_move(core, task, ordinal, where);
        }
    }
}

void core_keep_move_off(struct core *core, struct task *task)
{
    struct record_task *r = &task->r;
    own_move_off(core, task, r->best_snapshot.ordinal, r->best_node);
    own_move_off(core, task, r->own_snapshot.ordinal, r->own_node);
    own_move_off(core, task, r->state == TASK_ENDED ? r->snapshot.ordinal : 0, r->snapshot_node);
    for (uint32_t i = 0; i < r->n_kept; i++) {
        own_move_off(core, task, r->kept[i].snapshot.ordinal, r->kept[i].node);
    }
    if (r->state != TASK_ENDED && r->snapshot.owner != 0 && task->node == NULL &&
        core_place_leaves(core, r->snapshot_node)) {
        const struct task *maker = core_snapshot_maker(core, task, &r->snapshot);
        const char *where = maker != NULL ? staying_place(core, maker, r->snapshot.ordinal) : NULL;
        if (where != NULL) {
            core_snapshot_set(core, task, &r->snapshot, &r->snapshot_node, r->snapshot, where);
        }
    }
}
