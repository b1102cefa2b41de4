/* The policy a second time, by counting: of all that a trial has made and told, those stay that
 * have fewer than so many newer ones, or fewer than so many better ones. It is exact for trials
 * that lost nothing: what a node takes with it, and what is found damaged, changes what can be
 * kept, and an exploit gives up what was saved before it. */
#include "sim/kept_check.h"

#include <math.h>

#include "sim/agent_effects.h"
#include "sim/calendar.h"
#include "sim/lineage.h"
#include "sim/records.h"
#include "sim/verbs.h"

/* ---- what is known ---- */

static struct sim_point_key point_key(task_id id, uint32_t attempt, int64_t step)
{
    struct sim_point_key key;
    memset(&key, 0, sizeof key); /* it is hashed with its padding */
    key.task = id;
    key.attempt = attempt;
    key.step = step;
    return key;
}

void sim_kept_point(struct sim *sim, task_id id, uint32_t attempt, const struct metric_rows *block,
                    const struct metric_row *row)
{
    uint32_t i = 0;
    while (i < block->n_names && strcmp(block->names[i], "loss") != 0) {
        i++;
    }
    if (i == block->n_names || i >= row->n_values || isnan(row->values[i])) {
        return;
    }
    struct sim_point *point = calloc(1, sizeof *point);
    point->key = point_key(id, attempt, row->step);
    point->value = row->values[i];
    HASH_ADD(hh, sim->points, key, sizeof point->key, point);
}

/* NaN: none was reported. */
static double value_of(const struct sim *sim, task_id id, const struct sim_made *made,
                       uint32_t attempt)
{
    struct sim_point *point;
    struct sim_point_key key = point_key(id, attempt, made->step);
    HASH_FIND(hh, sim->points, &key, sizeof key, point);
    return point != NULL ? point->value : NAN;
}

/* A commit is told by its own attempt, before the next one is leased. If the attempt is lost,
 * numbers are skipped then. */
static void told_mark(const struct sim *sim, const struct sim_task *task,
                      const struct record_task *r)
{
    uint32_t attempt = task->r.attempt;
    uint32_t told = task->r.last_ordinal;
    told += (r->last_ordinal - told) % SNAPSHOTS_UNTOLD_MAX;
    for (uint32_t ordinal = task->r.last_ordinal + 1; ordinal <= told; ordinal++) {
        struct sim_made *made = sim_made_find(sim, r->id, attempt, ordinal);
        if (made != NULL) {
            made->is_told = true;
        }
    }
}

void sim_kept_follow(struct sim *sim, struct sim_task *task, const struct record_task *r)
{
    bool has_any = r->snapshot.ordinal != 0 || r->best_snapshot.ordinal != 0 || r->n_kept > 0;
    bool falls = r->state == TASK_ENDED && r->last_ordinal > 0 && !has_any && !task->has_fallen;
    told_mark(sim, task, r);
    for (uint32_t i = 0; i < task->r.n_kept; i++) {
        sim->counts.fallen_back +=
            r->snapshot.owner == 0 && r->snapshot.ordinal == task->kept[i].ordinal;
    }
    task->is_disturbed |= r->lineage != 0;
    task->has_fallen |= falls;
    sim->counts.fallen += falls;
    sim->counts.kept_beside += r->n_kept > task->r.n_kept;
    free(task->kept);
    task->kept = calloc(r->n_kept + 1, sizeof *task->kept);
    for (uint32_t i = 0; i < r->n_kept; i++) {
        task->kept[i].ordinal = r->kept[i].snapshot.ordinal;
        snprintf(task->kept[i].node, sizeof task->kept[i].node, "%s", r->kept[i].node);
    }
}

void sim_kept_disturb(struct sim *sim, task_id id)
{
    struct sim_task *task = sim_task_find(sim, id);
    if (task != NULL) {
        task->is_disturbed = true;
    }
}

bool sim_kept_is_at(const struct sim_task *task, uint32_t ordinal, const char *node)
{
    for (uint32_t i = 0; i < task->r.n_kept; i++) {
        if (task->kept[i].ordinal == ordinal && strcmp(task->kept[i].node, node) == 0) {
            return true;
        }
    }
    return false;
}

/* Does its record name one there? ordinal 0: any. */
static bool record_names(const struct sim_task *task, uint32_t ordinal, const char *node)
{
    const struct record_task *r = &task->r;
    const uint32_t own[] = {r->snapshot.owner == 0 ? r->snapshot.ordinal : 0,
                            r->best_snapshot.ordinal, r->safe_snapshot.ordinal,
                            r->own_snapshot.ordinal};
    const char *const where[] = {task->snapshot_node, task->best_node, task->safe_node,
                                 task->own_node};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        bool is_it = ordinal == 0 ? own[i] != 0 : own[i] == ordinal;
        if (is_it && strcmp(where[i], node) == 0) {
            return true;
        }
    }
    for (uint32_t i = 0; ordinal == 0 && i < r->n_kept; i++) {
        if (strcmp(task->kept[i].node, node) == 0) {
            return true;
        }
    }
    return ordinal != 0 && sim_kept_is_at(task, ordinal, node);
}

static void node_gone(struct sim *sim, const char *node)
{
    struct sim_task *task, *next;
    HASH_ITER (hh, sim->store.tasks, task, next) {
        task->is_disturbed |= record_names(task, 0, node);
    }
}

void sim_kept_batch(struct sim *sim, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n_ops; i++) {
        const struct store_op *op = &batch->ops[i];
        struct arena arena;
        struct record_node r;
        if (op->kind != OP_HSET || strcmp(op->key, "nodes") != 0) {
            continue;
        }
        arena_init(&arena, 1 << 20);
        if (record_decode(&record_node_schema, op->value, &arena, &r, NULL) == OK &&
            r.state == NODE_GONE) {
            node_gone(sim, r.name);
        }
        arena_fini(&arena);
    }
}

/* ---- disks ---- */

/* By a trial that goes on from another one's. */
static bool is_borrowed(const struct sim *sim, task_id maker, uint32_t ordinal, const char *node)
{
    struct sim_task *task, *next;
    HASH_ITER (hh, sim->store.tasks, task, next) {
        bool is_its = task->id.job == maker.job && task->r.snapshot.owner == maker.index &&
                      task->r.snapshot.ordinal == ordinal;
        if (is_its && (strcmp(task->snapshot_node, node) == 0 ||
                       (sim_is_on_node(task->r.state) && strcmp(task->node, node) == 0))) {
            return true;
        }
    }
    return false;
}

/* Another place that is being made, for its maker or for one that goes on from it: at either end.
 */
static bool is_being_copied(const struct sim *sim, task_id maker, uint32_t ordinal,
                            const char *node)
{
    const struct task *task = core_task_find(sim->head.core, maker);
    bool is_named = task != NULL && core_keep_names(task, 0, ordinal, node);
    for (uint32_t i = 0; task != NULL && !is_named && i < task->work->n_tasks; i++) {
        is_named = core_keep_names(task->work->tasks[i], maker.index, ordinal, node);
    }
    return is_named;
}

void sim_kept_disk(struct sim *sim, const struct sim_node *node)
{
    for (uint32_t i = 0; i < node->n_disk; i++) {
        task_id maker = node->disk_task[i];
        uint32_t ordinal = node->disk[i].ordinal;
        const struct sim_task *task = sim_task_find(sim, maker);
        bool goes_on = task != NULL && task->r.snapshot.owner == 0 &&
                       task->r.snapshot.ordinal == ordinal && sim_is_on_node(task->r.state) &&
                       strcmp(task->node, node->name) == 0;
        sim_require(sim,
                    goes_on || (task != NULL && record_names(task, ordinal, node->name)) ||
                        is_borrowed(sim, maker, ordinal, node->name) ||
                        is_being_copied(sim, maker, ordinal, node->name),
                    "%s has snapshot %u of %u.%u, which nobody keeps", node->name, ordinal,
                    maker.job, maker.index);
    }
}

bool sim_kept_is_lost(const struct sim *sim, const struct sim_task *task, uint32_t ordinal)
{
    bool is_lost = false;
    for (uint32_t attempt = 0; attempt < task->r.n_attempts; attempt++) {
        const struct sim_made *made = sim_made_find(sim, task->id, attempt, ordinal);
        is_lost |= made != NULL && made->is_lost;
    }
    return is_lost;
}

void sim_kept_are_there(struct sim *sim, const struct sim_task *task, const struct sim_node *node)
{
    for (uint32_t i = 0; i < task->r.n_kept; i++) {
        uint32_t ordinal = task->kept[i].ordinal;
        sim_require(sim,
                    sim_kept_is_lost(sim, task, ordinal) ||
                        strcmp(task->kept[i].node, node->name) != 0 ||
                        sim_disk_find(node, task->id, ordinal) < node->n_disk,
                    "task %u.%u: its snapshot %u, which it keeps, is gone", task->id.job,
                    task->id.index, ordinal);
    }
}

/* ---- the policy, by counting ---- */

struct made_row {
    uint32_t ordinal;
    double value;
};

/* All that the trial has made and told, the oldest first. */
static uint32_t rows_made(const struct sim *sim, const struct sim_task *task,
                          struct made_row **ret_rows, bool *ret_is_lost)
{
    struct made_row *rows = calloc(task->r.last_ordinal + 1, sizeof *rows);
    uint32_t n = 0;
    for (uint32_t ordinal = 1; ordinal <= task->r.last_ordinal; ordinal++) {
        for (uint32_t attempt = 0; attempt < task->r.n_attempts; attempt++) {
            const struct sim_made *made = sim_made_find(sim, task->id, attempt, ordinal);
            if (made != NULL && made->is_told) {
                rows[n++] = (struct made_row){ordinal, value_of(sim, task->id, made, attempt)};
                *ret_is_lost |= made->is_lost;
            }
        }
    }
    *ret_rows = rows;
    return n;
}

static bool is_wanted(const struct sweep_spec *spec, const struct made_row *rows, uint32_t n,
                      uint32_t which)
{
    uint32_t n_newer = n - 1 - which, n_better = 0;
    for (uint32_t i = 0; i < n; i++) {
        double value = rows[i].value, own = rows[which].value;
        bool is_better = spec->metric.goal == GOAL_MAXIMIZE ? value > own : value < own;
        n_better += is_better || (value == own && i < which);
    }
    return n_newer < spec->checkpoints.keep_last ||
           (!isnan(rows[which].value) && n_better < spec->checkpoints.keep_best);
}

static bool is_own(const struct sim_task *task, uint32_t ordinal)
{
    bool is_kept = false;
    for (uint32_t i = 0; i < task->r.n_kept; i++) {
        is_kept |= task->kept[i].ordinal == ordinal;
    }
    return is_kept || task->r.snapshot.ordinal == ordinal ||
           task->r.best_snapshot.ordinal == ordinal;
}

static void trial_proven(struct sim *sim, const struct sweep *sweep, const struct sim_task *task)
{
    struct made_row *rows;
    bool is_lost = false;
    uint32_t n = rows_made(sim, task, &rows, &is_lost);
    for (uint32_t i = 0; i < n && !is_lost; i++) {
        sim_require(sim, is_wanted(&sweep->spec, rows, n, i) == is_own(task, rows[i].ordinal),
                    "task %u.%u %s snapshot %u of %u, with the value %g", task->id.job,
                    task->id.index, is_own(task, rows[i].ordinal) ? "keeps" : "does not keep",
                    rows[i].ordinal, task->r.last_ordinal, rows[i].value);
    }
    sim->counts.kept_proven += n > 2 && !is_lost;
    free(rows);
}

/* ---- sweep_best ---- */

static bool takes_part(const struct record_task *r)
{
    return r->outcome == OUTCOME_DONE || r->outcome == OUTCOME_STOPPED;
}

static double result_of(const struct record_task *r)
{
    return r->n_values > 0 && !r->is_nan_last ? r->summary : NAN;
}

static bool is_among_best(const struct sweep *sweep, const struct task *task)
{
    double own = result_of(&task->r);
    uint32_t n_better = 0;
    for (uint32_t i = 0; i < sweep->work->n_tasks; i++) {
        const struct record_task *r = &sweep->work->tasks[i]->r;
        double value = takes_part(r) ? result_of(r) : NAN;
        bool is_better = sweep->spec.metric.goal == GOAL_MAXIMIZE ? value > own : value < own;
        n_better += is_better || (value == own && i + 1 < task->r.id.index);
    }
    return !isnan(own) && n_better < sweep->spec.checkpoints.keep_sweep_best;
}

static void sweep_verdict(struct sim *sim, const struct sweep *sweep)
{
    for (uint32_t i = 0; i < sweep->work->n_tasks; i++) {
        const struct task *task = sweep->work->tasks[i];
        const struct sim_task *stored = sim_task_find(sim, task->r.id);
        bool falls = sweep->spec.checkpoints.keep_sweep_best > 0 && takes_part(&task->r) &&
                     !is_among_best(sweep, task);
        sim_require(sim, stored != NULL, "task %u.%u is not stored", task->r.id.job,
                    task->r.id.index);
        if (falls) {
            sim_require(sim,
                        task->r.snapshot.ordinal == 0 && task->r.best_snapshot.ordinal == 0 &&
                            task->r.safe_snapshot.ordinal == 0 &&
                            task->r.own_snapshot.ordinal == 0 && task->r.n_kept == 0,
                        "task %u.%u is none of its sweep's best, and keeps snapshots",
                        task->r.id.job, task->r.id.index);
        } else if (!stored->is_disturbed && !stored->has_fallen) {
            trial_proven(sim, sweep, stored);
        }
    }
}

void sim_kept_verdict(struct sim *sim)
{
    for (const struct work *work = sim->head.core->works; work != NULL; work = work->hh.next) {
        if (work->sweep != NULL) {
            sweep_verdict(sim, work->sweep);
        }
    }
}

void sim_kept_free(struct sim *sim)
{
    struct sim_point *point, *next;
    HASH_ITER (hh, sim->points, point, next) {
        HASH_DELETE(hh, sim->points, point);
        free(point);
    }
}
