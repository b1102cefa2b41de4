/* Which snapshots of a trial there are, and where they lie: the last one, from which it goes on,
 * the best one, and those that are kept beside them (kept.c). A record names the node where one
 * lies; a trial that is leased to another node has it fetched there (copies.c). What no record
 * names is dropped: told once the record that no longer names it is on disk; a node that is away
 * lists what it has when it comes.
 */
#include <string.h>

#include "base/mem.h"
#include "base/planted.h"
#include "head/core/state.h"

static bool snapshot_is_at(const struct snapshot_ref *snapshot, const char *where, const char *node)
{
    return snapshot->ordinal != 0 && where != NULL && node != NULL && strcmp(where, node) == 0;
}

static bool snapshot_is(const struct snapshot_ref *snapshot, const char *where, uint32_t ordinal,
                        const char *node)
{
    return snapshot->ordinal == ordinal && snapshot_is_at(snapshot, where, node);
}

/* The task runs there, and goes on from it: it lies there, is on its way, or has just come. */
static bool snapshot_goes_to(const struct task *task, uint32_t ordinal, const char *node)
{
    return task->node != NULL && strcmp(task->node->r.name, node) == 0 &&
           task->r.snapshot.ordinal == ordinal;
}

/* By a record of the trial that made it, or of one that goes on from it. */
static bool snapshot_is_named(const struct task *maker, uint32_t ordinal, const char *node)
{
    const struct record_task *r = &maker->r;
    if (r->snapshot.owner == 0 && (snapshot_is(&r->snapshot, r->snapshot_node, ordinal, node) ||
                                   snapshot_goes_to(maker, ordinal, node))) {
        return true;
    }
    if (snapshot_is(&r->best_snapshot, r->best_node, ordinal, node) ||
        snapshot_is(&r->safe_snapshot, r->safe_node, ordinal, node) ||
        snapshot_is(&r->own_snapshot, r->own_node, ordinal, node) ||
        core_kept_names(maker, ordinal, node) || core_keep_names(maker, 0, ordinal, node)) {
        return true;
    }
    list_each (&maker->lent, struct task, lent_link, to) {
        if (!PLANTED(drop_lent) &&
            (snapshot_is(&to->r.snapshot, to->r.snapshot_node, ordinal, node) ||
             snapshot_goes_to(to, ordinal, node) ||
             core_keep_names(to, maker->r.id.index, ordinal, node))) {
            return true;
        }
    }
    return false;
}

struct task *core_snapshot_maker(struct core *core, const struct task *task,
                                 const struct snapshot_ref *snapshot)
{
    return snapshot->owner == 0 ? (struct task *)(uintptr_t)task
                                : core_task_find(core, (task_id){task->r.id.job, snapshot->owner});
}

bool core_snapshot_is_wanted(struct core *core, const struct node *node, struct snapshot_name name)
{
    const struct task *task = core_task_find(core, name.task);
    return task != NULL && snapshot_is_named(task, name.ordinal, node->r.name);
}

void core_snapshot_drop(struct core *core, const struct task *maker, uint32_t ordinal,
                        const char *where)
{
    const struct node *node = where != NULL ? core_node_find(core, where) : NULL;
    if (maker == NULL || ordinal == 0 || node == NULL || snapshot_is_named(maker, ordinal, where)) {
        return;
    }
    core_snapshot_drop_tell(core, node, (struct snapshot_name){maker->r.id, ordinal});
}

void core_snapshot_refuse(struct core *core, const struct node *node, struct snapshot_name name)
{
    if (!core_snapshot_is_wanted(core, node, name)) {
        core_snapshot_drop_tell(core, node, name);
    }
}

void core_snapshot_left(struct core *core, struct task *task, const struct node *node)
{
    const struct record_task *r = &task->r;
    if (r->snapshot.ordinal != 0) {
        core_snapshot_drop(core, core_snapshot_maker(core, task, &r->snapshot), r->snapshot.ordinal,
                           node->r.name);
    }
}

void core_snapshot_numbers_skip(struct core *core, struct task *task)
{
    if (task->work->sweep != NULL && task->r.last_ordinal <= UINT32_MAX - SNAPSHOTS_UNTOLD_MAX) {
        task->r.last_ordinal += SNAPSHOTS_UNTOLD_MAX;
        core_task_dirty(core, task);
    }
}

void core_snapshot_drop_tell(struct core *core, const struct node *node, struct snapshot_name name)
{
    const struct msg_drop drop = {&name, 1, ++core->place_words};
    outbox_send(&core->out, node->peer, MSG_DROP, &drop);
}

void core_snapshot_set(struct core *core, struct task *task, struct snapshot_ref *ref,
                       const char **ref_node, struct snapshot_ref to, const char *where)
{
    struct snapshot_ref old = *ref;
    const struct task *maker = core_snapshot_maker(core, task, &old);
    const char *old_node = TAKE(*ref_node);
    *ref = to;
    ref->dir = NULL; /* A folder's place follows from node, trial and number. */
    if (ref == &task->r.snapshot && (old.ordinal != to.ordinal || old.owner != to.owner)) {
        task->r.has_snapshot_value = false;
        task->r.snapshot_value = 0;
    }
    if (old.owner != 0) {
        list_remove(&task->lent_link);
    }
    if (to.owner != 0) {
        list_push_back(&core_snapshot_maker(core, task, &to)->lent, &task->lent_link);
    }
    core_str_set(core, ref_node, where);
    core_task_dirty(core, task);
    core_snapshot_drop(core, maker, old.ordinal, old_node);
    bool was_used_here = ref == &task->r.snapshot && task->node != NULL &&
                         !core_text_equal(old_node, task->node->r.name);
    if (was_used_here) { /* where it may have been for another one's sake */
        core_snapshot_drop(core, maker, old.ordinal, task->node->r.name);
    }
    core_str_clear(&old_node);
}

static void core_snapshot_clear(struct core *core, struct task *task, struct snapshot_ref *ref,
                                const char **ref_node)
{
    core_snapshot_set(core, task, ref, ref_node, (struct snapshot_ref){0}, NULL);
}

/* It goes on from this one, and the one before may stay as one of its last. */
static void core_snapshot_resume_at(struct core *core, struct task *task, struct snapshot_ref to,
                                    const char *where)
{
    core_kept_retire(core, task);
    core_snapshot_set(core, task, &task->r.snapshot, &task->r.snapshot_node, to, where);
    core_kept_settle(core, task);
}

void core_snapshot_borrow(struct core *core, struct task *task, struct task *donor)
{
    if (donor == task) { /* with new parameters: of its own, from now on */
        task->r.snapshot.lineage = task->r.lineage;
        if (task->r.safe_snapshot.ordinal == task->r.snapshot.ordinal) {
            task->r.safe_snapshot.lineage = task->r.lineage;
        }
        core_task_dirty(core, task);
        return;
    }
    const char *where = core_snapshot_lender(core, donor);
    struct snapshot_ref from = donor->r.snapshot;
    from.owner = donor->r.id.index;
    from.lineage = task->r.lineage;
    PLANT(reset_step, from.step = 0);
    core_snapshot_resume_at(core, task, from, where != NULL ? where : donor->r.snapshot_node);
}

const char *core_snapshot_lender(struct core *core, const struct task *donor)
{
    const struct record_task *r = &donor->r;
    const struct node *node =
        r->snapshot_node != NULL ? core_node_find(core, r->snapshot_node) : NULL;
    bool is_safe = r->safe_snapshot.ordinal == r->snapshot.ordinal &&
                   r->safe_snapshot.lineage == r->snapshot.lineage &&
                   core_place_stays(core, r->safe_node);
    bool is_there = node != NULL && node->r.state != NODE_GONE && !core_node_is_released(node);
    if (is_there && (node->r.state != NODE_DRAINING || !is_safe)) {
        return r->snapshot_node;
    }
    return is_safe ? r->safe_node : NULL;
}

void core_snapshots_relink(struct core *core, struct work *work)
{
    for (uint32_t i = 0; i < work->n_tasks; i++) {
        struct task *task = work->tasks[i];
        struct task *maker =
            task != NULL ? core_snapshot_maker(core, task, &task->r.snapshot) : NULL;
        if (maker != NULL && maker != task) {
            list_push_back(&maker->lent, &task->lent_link);
        }
    }
}

void core_snapshots_unlink(struct task *task)
{
    list_remove(&task->lent_link);
    list_each (&task->lent, struct task, lent_link, to) {
        list_remove(&to->lent_link);
    }
}

bool core_snapshot_is_reached(struct core *core, const char *where)
{
    const struct node *node = where != NULL ? core_node_find(core, where) : NULL;
    return node != NULL && node->r.state != NODE_GONE;
}

/* A node that can be reached and has it; NULL: none. */
static const char *snapshot_place(struct core *core, const struct task *maker,
                                  const struct snapshot_ref *snapshot, const char *where)
{
    if (core_snapshot_is_reached(core, where)) {
        return where;
    }
    bool is_safe = maker != NULL && maker->r.safe_snapshot.ordinal == snapshot->ordinal &&
                   core_snapshot_is_reached(core, maker->r.safe_node);
    return is_safe ? maker->r.safe_node : NULL;
}

/* What lies on nodes that are gone is given up, for its second place or for the newest one before
 * it that can be had. */
void core_snapshots_move(struct core *core, time_ms now, struct task *task)
{
    struct record_task *r = &task->r;
    const char *place = NULL;
    if (r->snapshot.ordinal != 0) {
        place = snapshot_place(core, core_snapshot_maker(core, task, &r->snapshot), &r->snapshot,
                               r->snapshot_node);
    }
    if (place == NULL && r->snapshot.owner != 0) {
        if (core_exploit_lost(core, now, task)) {
            return;
        }
        core_exploit_end(core, task);
    }
    if (place == NULL) {
        bool has_older = core_kept_fallback(core, task);
        if (!has_older && r->snapshot.ordinal != 0) {
            core_snapshot_clear(core, task, &r->snapshot, &r->snapshot_node);
        }
    } else if (!core_text_equal(place, r->snapshot_node)) {
        core_snapshot_set(core, task, &r->snapshot, &r->snapshot_node, r->snapshot, place);
    }
}

void core_snapshot_arrived(struct core *core, struct task *task, uint32_t ordinal, uint32_t owner,
                           const struct node *node)
{
    struct record_task *r = &task->r;
    if (r->snapshot.ordinal == ordinal && r->snapshot.owner == owner) {
        if (!snapshot_is_at(&r->snapshot, r->snapshot_node, node->r.name)) {
            core_snapshot_set(core, task, &r->snapshot, &r->snapshot_node, r->snapshot,
                              node->r.name);
        }
    } else if (owner == 0 && r->snapshot.ordinal == 0 && r->best_snapshot.ordinal == ordinal &&
               !snapshot_is_at(&r->best_snapshot, r->best_node, node->r.name)) {
        core_snapshot_set(core, task, &r->best_snapshot, &r->best_node, r->best_snapshot,
                          node->r.name);
    }
}

/* Of the parameters that it has now: older weights do not meet newer parameters. */
static bool snapshot_fits(struct core *core, const struct task *task,
                          const struct snapshot_ref *snapshot, const char *where)
{
    bool is_current = snapshot->lineage == task->r.lineage || PLANTED(exploit_half);
    return snapshot->ordinal != 0 && is_current &&
           (snapshot_is_at(snapshot, where, task->r.node) || core_snapshot_is_reached(core, where));
}

struct snapshot_ref core_snapshot_to_restore(struct core *core, const struct task *task)
{
    const struct record_task *r = &task->r;
    if (snapshot_fits(core, task, &r->snapshot, r->snapshot_node)) {
        return r->snapshot;
    }
    if (snapshot_fits(core, task, &r->best_snapshot, r->best_node)) {
        return r->best_snapshot;
    }
    return (struct snapshot_ref){0};
}

/* Which it was is told by the same rule as when it was leased; the node where it lay may be gone
 * since. A copy at another place is not lost with it; else the newest one before it is next. */
void core_snapshot_lost(struct core *core, time_ms now, struct task *task)
{
    struct record_task *r = &task->r;
    bool was_last = r->snapshot.ordinal != 0 && r->snapshot.lineage == r->lineage;
    if (was_last && r->snapshot.owner != 0) {
        if (core_exploit_lost(core, now, task)) {
            return;
        }
        core_exploit_end(core, task);
    }
    const struct snapshot_ref lost = was_last ? r->snapshot : r->best_snapshot;
    CLEANUP(mem_freep)
    char *where = mem_strdup(was_last               ? r->snapshot_node
                             : r->best_node != NULL ? r->best_node
                                                    : "");
    if (where == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    if (lost.owner == 0 && snapshot_is(&r->best_snapshot, r->best_node, lost.ordinal, where)) {
        core_snapshot_clear(core, task, &r->best_snapshot, &r->best_node);
    }
    if (lost.owner == 0 && snapshot_is(&r->safe_snapshot, r->safe_node, lost.ordinal, where)) {
        core_snapshot_clear(core, task, &r->safe_snapshot, &r->safe_node);
    }
    if (was_last) {
        core_snapshot_clear(core, task, &r->snapshot, &r->snapshot_node);
        core_kept_fallback(core, task);
    }
    core_kept_settle(core, task);
}

/* The whole work is removed, makers and borrowers. */
void core_snapshots_drop(struct core *core, const struct task *task)
{
    const struct record_task *r = &task->r;
    const struct snapshot_ref *refs[KEPT_MAX + 6] = {&r->snapshot, &r->best_snapshot,
                                                     &r->safe_snapshot, &r->own_snapshot};
    const char *where[KEPT_MAX + 6] = {r->snapshot_node, r->best_node, r->safe_node, r->own_node};
    uint32_t n = 4;
    if (task->keeper != NULL) { /* a copy is under way */
        refs[n] = refs[n + 1] = &task->keeping;
        where[n++] = task->keep_from->r.name;
        where[n++] = task->keeper->r.name;
    }
    for (uint32_t i = 0; i < r->n_kept; i++, n++) {
        refs[n] = &r->kept[i].snapshot;
        where[n] = r->kept[i].node;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct node *node = where[i] != NULL ? core_node_find(core, where[i]) : NULL;
        bool is_told = false;
        for (uint32_t k = 0; k < i; k++) {
            is_told |= refs[k]->owner == refs[i]->owner && refs[k]->ordinal == refs[i]->ordinal &&
                       core_text_equal(where[k], where[i]);
        }
        if (node != NULL && refs[i]->ordinal != 0 && !is_told) {
            uint32_t maker = refs[i]->owner != 0 ? refs[i]->owner : r->id.index;
            core_snapshot_drop_tell(core, node,
                                    (struct snapshot_name){{r->id.job, maker}, refs[i]->ordinal});
        }
    }
}

void core_snapshots_forget(struct core *core, struct task *task)
{
    struct record_task *r = &task->r;
    while (r->n_kept > 0) {
        core_kept_remove(core, task, r->kept[r->n_kept - 1].snapshot.ordinal);
    }
    core_snapshot_clear(core, task, &r->safe_snapshot, &r->safe_node);
    core_snapshot_clear(core, task, &r->best_snapshot, &r->best_node);
    core_snapshot_clear(core, task, &r->snapshot, &r->snapshot_node);
}

/* Saved before it took over another's weights: it goes back to it if those are lost. */
static void snapshot_of_before(struct core *core, struct task *task, struct snapshot_ref made)
{
    struct record_task *r = &task->r;
    if (core_exploit_is_open(task) && made.lineage == r->own_lineage &&
        made.ordinal > r->own_snapshot.ordinal) {
        core_snapshot_set(core, task, &r->own_snapshot, &r->own_node, made, r->node);
    } else {
        core_snapshot_drop(core, task, made.ordinal, r->node);
    }
}

/* A node's events come in order: numbers that were passed over are of commits that nobody will ever
 * tell of, made by a start of its agent that has ended, or of none. */
static void snapshots_untold_drop(struct core *core, const struct task *task, uint32_t ordinal)
{
    enum { PASSED_OVER_MAX = 16 };
    uint32_t first = task->r.last_ordinal + 1;
    if (ordinal > PASSED_OVER_MAX && first < ordinal - PASSED_OVER_MAX) {
        first = ordinal - PASSED_OVER_MAX;
    }
    for (; task->node != NULL && first < ordinal; first++) {
        core_snapshot_refuse(core, task->node, (struct snapshot_name){task->r.id, first});
    }
}

void on_event_snapshot(struct core *core, time_ms now, struct task *task,
                       const struct node_event *event)
{
    (void)now;
    struct snapshot_ref made = event->snapshot;
    made.owner = 0; /* by the trial itself, whatever the node writes */
    if (made.ordinal > task->r.last_ordinal) {
        snapshots_untold_drop(core, task, made.ordinal);
        task->r.last_ordinal = made.ordinal;
        core_task_dirty(core, task);
    }
    if (made.ordinal == 0 ||
        (task->r.snapshot.owner == 0 && made.ordinal <= task->r.snapshot.ordinal)) {
        return;
    }
    if (made.lineage != task->r.lineage) {
        snapshot_of_before(core, task, made);
        return;
    }
    core_snapshot_resume_at(core, task, made, task->r.node);
    core_exploit_end(core, task);
    core_keep_due(core, task);
    const struct sweep *sweep = task->work->sweep;
    bool has_reported = task->r.last_seq > 0; /* else its last values are of an attempt before */
    for (uint32_t i = 0; sweep != NULL && has_reported && i < task->r.n_metric_names; i++) {
        if (strcmp(task->r.metric_names[i], sweep->spec.metric.name) == 0) {
            core_snapshot_judge(core, task, task->r.last_step, task->r.last_values[i]);
        }
    }
}
