/* Which snapshots of a trial there are, and where they lie: the last one, from which it goes on,
 * and the best one. They do not move between nodes. What no record names is dropped: told once the
 * record that no longer names it is on disk; a node that is away lists what it has when it comes.
 */
#include <math.h>
#include <string.h>

#include "head/core/state.h"

static bool snapshot_is_at(const struct snapshot_ref *snapshot, const char *where, const char *node)
{
    return snapshot->ordinal != 0 && where != NULL && node != NULL && strcmp(where, node) == 0;
}

static bool snapshot_is_named(const struct task *task, uint32_t ordinal, const char *node)
{
    const struct record_task *r = &task->r;
    return (snapshot_is_at(&r->snapshot, r->snapshot_node, node) &&
            r->snapshot.ordinal == ordinal) ||
           (snapshot_is_at(&r->best_snapshot, r->best_node, node) &&
            r->best_snapshot.ordinal == ordinal);
}

/* Unless a record names it still. */
static void core_snapshot_drop(struct core *core, const struct task *task, uint32_t ordinal,
                               const char *where)
{
    const struct node *node = where != NULL ? core_node_find(core, where) : NULL;
    if (ordinal == 0 || node == NULL || snapshot_is_named(task, ordinal, where)) {
        return;
    }
    struct snapshot_name name = {task->r.id, ordinal};
    struct msg_drop msg = {&name, 1};
    outbox_send(&core->out, node->peer, MSG_DROP, &msg);
}

/* One of the two refs becomes `to`, at `where`; what it was is dropped. */
static void core_snapshot_set(struct core *core, struct task *task, struct snapshot_ref *ref,
                              const char **ref_node, struct snapshot_ref to, const char *where)
{
    uint32_t old = ref->ordinal;
    const char *old_node = TAKE(*ref_node);
    *ref = to;
    ref->dir = NULL; /* A folder's place follows from node, trial and number. */
    core_str_set(core, ref_node, where);
    core_task_dirty(core, task);
    core_snapshot_drop(core, task, old, old_node);
    core_str_clear(&old_node);
}

void core_snapshots_move(struct core *core, struct task *task, const struct node *node)
{
    bool is_left_behind = task->r.snapshot.ordinal != 0 &&
                          !snapshot_is_at(&task->r.snapshot, task->r.snapshot_node, node->r.name);
    if (is_left_behind) {
        core_snapshot_set(core, task, &task->r.snapshot, &task->r.snapshot_node,
                          (struct snapshot_ref){0}, NULL);
    }
}

struct snapshot_ref core_snapshot_to_restore(const struct task *task, const char *node)
{
    if (snapshot_is_at(&task->r.snapshot, task->r.snapshot_node, node)) {
        return task->r.snapshot;
    }
    if (snapshot_is_at(&task->r.best_snapshot, task->r.best_node, node)) {
        return task->r.best_snapshot;
    }
    return (struct snapshot_ref){0};
}

void core_snapshot_lost(struct core *core, struct task *task)
{
    uint32_t ordinal = core_snapshot_to_restore(task, task->r.node).ordinal;
    struct record_task *r = &task->r;
    bool is_best = snapshot_is_at(&r->best_snapshot, r->best_node, r->node) &&
                   r->best_snapshot.ordinal == ordinal;
    if (is_best) {
        core_snapshot_set(core, task, &r->best_snapshot, &r->best_node, (struct snapshot_ref){0},
                          NULL);
    }
    if (snapshot_is_at(&r->snapshot, r->snapshot_node, r->node) && r->snapshot.ordinal == ordinal) {
        core_snapshot_set(core, task, &r->snapshot, &r->snapshot_node, (struct snapshot_ref){0},
                          NULL);
    }
}

void core_snapshots_drop(struct core *core, const struct task *task)
{
    struct task bare = {.r.id = task->r.id}; /* names nothing */
    const struct record_task *r = &task->r;
    bool is_one = r->snapshot.ordinal == r->best_snapshot.ordinal && r->best_node != NULL &&
                  snapshot_is_at(&r->snapshot, r->snapshot_node, r->best_node);
    core_snapshot_drop(core, &bare, r->snapshot.ordinal, r->snapshot_node);
    if (!is_one) {
        core_snapshot_drop(core, &bare, r->best_snapshot.ordinal, r->best_node);
    }
}

/* The last snapshot's own step got a value: the best one is kept beside the last. */
void core_snapshot_judge(struct core *core, struct task *task, int64_t step, double value)
{
    const struct sweep *sweep = task->work->sweep;
    struct record_task *r = &task->r;
    if (r->snapshot.ordinal == 0 || r->snapshot.step != step || isnan(value) ||
        sweep->spec.checkpoints.keep_best == 0) {
        return;
    }
    bool is_maximize = sweep->spec.metric.goal == GOAL_MAXIMIZE;
    bool is_best = r->best_snapshot.ordinal == 0 ||
                   (is_maximize ? value > r->best_snapshot_value : value < r->best_snapshot_value);
    if (is_best) {
        r->best_snapshot_value = value;
        core_snapshot_set(core, task, &r->best_snapshot, &r->best_node, r->snapshot,
                          r->snapshot_node);
    }
}

void on_event_snapshot(struct core *core, time_ms now, struct task *task,
                       const struct node_event *event)
{
    (void)now;
    if (event->snapshot.ordinal <= task->r.snapshot.ordinal) {
        return;
    }
    core_snapshot_set(core, task, &task->r.snapshot, &task->r.snapshot_node, event->snapshot,
                      task->r.node);
    const struct sweep *sweep = task->work->sweep;
    for (uint32_t i = 0; sweep != NULL && i < task->r.n_metric_names; i++) {
        if (strcmp(task->r.metric_names[i], sweep->spec.metric.name) == 0) {
            core_snapshot_judge(core, task, task->r.last_step, task->r.last_values[i]);
        }
    }
}
