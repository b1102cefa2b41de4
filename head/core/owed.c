/* What nodes that are being emptied are still needed for. It is counted by a walk over all that
 * trials keep, some of it in a turn, so that a hundred thousand trials hold nobody up; a node gets
 * the figures of a walk that began when it was being emptied already. What the walk finds goes to
 * the front of the snapshots that want another place. */
#include <stdio.h>
#include <string.h>

#include "head/core/state.h"

enum {
    UNITS_PER_TURN = 2000,  /* trials, sweeps and jobs: a few milliseconds */
    UNITS_PER_REST_MS = 20, /* a walk takes 1 to 2 us a unit: a few per cent of the time */
    OWED_LOOK_MS = 2000,    /* where no agent waits for it */
    OWED_NAMED_MAX = 6,     /* trials that are named */
};

/* ---- counting ---- */

/* "3.1 (step 40), 3.2 (step 20)" */
static void owed_name(struct owed_figures *figures, const struct task *task,
                      const struct snapshot_ref *snapshot)
{
    size_t n = strlen(figures->text);
    char id[TASK_ID_TEXT_MAX];
    if (figures->n <= OWED_NAMED_MAX) {
        snprintf(figures->text + n, sizeof figures->text - n, "%s%s (step %lld)", n > 0 ? ", " : "",
                 task_id_print(task->r.id, id), (long long)snapshot->step);
    } else if (figures->n == OWED_NAMED_MAX + 1) {
        snprintf(figures->text + n, sizeof figures->text - n, " and others");
    }
}

static void count_task(struct core *core, struct task *task)
{
    struct keep_want wants[KEEP_WANTS_MAX];
    bool is_leaving = false;
    core_keep_move_off(core, task);
    uint32_t n = core_keep_wants(core, task, wants);
    for (uint32_t i = 0; i < n; i++) {
        const struct node *node = core_node_find(core, wants[i].where);
        if (node != NULL && node->r.state == NODE_DRAINING) {
            is_leaving = true;
        }
        if (node != NULL && node->owed != NULL && node->owed->is_counted) {
            node->owed->counted.n++;
            owed_name(&node->owed->counted, task, &wants[i].snapshot);
        }
    }
    if (n > 0) {
        core_keep_put(core, task, is_leaving);
    }
}

/* Of a sweep that has ended: its best trial, and those that keep theirs as its best. */
static void count_best(struct core *core, const struct sweep *sweep)
{
    const struct work *work = sweep->work;
    uint32_t trial;
    double value;
    int64_t step;
    bool has_best = tune_best(sweep->tuner, &trial, &value, &step) && trial <= work->n_tasks;
    struct task *best = has_best ? work->tasks[trial - 1] : NULL;
    if (best != NULL) {
        count_task(core, best);
    }
    for (uint32_t i = 0; i < sweep->n_best_ended; i++) {
        if (sweep->best_ended[i] != best) {
            count_task(core, sweep->best_ended[i]);
        }
    }
}

/* ---- the walk ---- */

static void walk_begin(struct core *core)
{
    struct node *node, *next;
    core->is_place_lost = false;
    core->walk = (struct owed_walk){.is_open = true};
    core->walk.work = core->works != NULL ? core->works->number : 0;
    HASH_ITER (hh, core->nodes, node, next) {
        if (node->r.state != NODE_DRAINING) {
            continue;
        }
        if (node->owed == NULL && (node->owed = mem_zalloc(sizeof *node->owed)) == NULL) {
            core_fail(core, ERR_NO_MEMORY);
            return;
        }
        node->owed->is_counted = true;
        node->owed->was_bare = core_node_is_bare(node);
        node->owed->counted = (struct owed_figures){0};
    }
}

/* False: there is more of it, and this turn has done enough. */
static bool walk_sweep(struct core *core, const struct sweep *sweep, uint32_t *units)
{
    const struct work *work = sweep->work;
    if (sweep->spec.checkpoints.store != CHECKPOINT_STORE_CLUSTER) {
        return true;
    }
    if (work->n_active == 0) {
        count_best(core, sweep);
        *units += 1 + sweep->n_best_ended;
        return true;
    }
    for (; core->walk.task < work->n_tasks; core->walk.task++, (*units)++) {
        if (*units >= UNITS_PER_TURN) {
            return false;
        }
        count_task(core, work->tasks[core->walk.task]);
    }
    return true;
}

/* The work where it is, or NULL: it is over. One that was removed meanwhile: it begins anew. */
static struct work *walk_where(struct core *core)
{
    struct work *work = core->walk.work != 0 ? core_work_find(core, core->walk.work) : NULL;
    if (work == NULL && core->walk.work != 0) {
        walk_begin(core);
        work = core->works;
    }
    return work;
}

/* True: it is over. */
static bool walk_go_on(struct core *core)
{
    uint32_t units = 0;
    struct work *work = walk_where(core);
    while (work != NULL && units < UNITS_PER_TURN) {
        if (work->sweep != NULL && !walk_sweep(core, work->sweep, &units)) {
            break;
        }
        work = work->hh.next;
        core->walk.task = 0;
        units++;
    }
    core->walk.work = work != NULL ? work->number : 0;
    core->walk.n_units += units;
    return work == NULL;
}

/* The figures are the nodes'; when the next one begins. */
static void walk_end(struct core *core, time_ms now)
{
    bool is_waited = false, is_one_more = false;
    struct node *node, *next;
    core->walk.is_open = false;
    HASH_ITER (hh, core->nodes, node, next) {
        if (node->r.state != NODE_DRAINING) {
            continue;
        }
        is_waited |= node->is_agent_leaving;
        if (node->owed == NULL || !node->owed->is_counted) {
            is_one_more = true; /* it came after the beginning */
            continue;
        }
        node->owed->is_counted = false;
        node->owed->figures = node->owed->counted;
        core_drain_tell(core, now, node);
    }
    int64_t rest_ms = core->walk.n_units / UNITS_PER_REST_MS;
    rest_ms = is_one_more ? 0 : is_waited || rest_ms > OWED_LOOK_MS ? rest_ms : OWED_LOOK_MS;
    core->owed_at = now + rest_ms;
}

void core_owed_go_on(struct core *core, time_ms now)
{
    if (core->is_leaving) {
        core->walk.is_open = false;
    }
    if (core->walk.is_open && core->is_place_lost) {
        walk_begin(core);
    }
    if (core->walk.is_open && core->out.failed == OK && walk_go_on(core)) {
        walk_end(core, now);
    }
}

void core_owed_look(struct core *core, time_ms now)
{
    bool is_any = core->status.nodes[NODE_DRAINING] > 0;
    bool is_due = core->is_place_lost || (is_any && now >= core->owed_at);
    if (!core->walk.is_open && is_due && !core->is_leaving) {
        walk_begin(core);
        core_owed_go_on(core, now);
    }
}
