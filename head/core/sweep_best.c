/* Which of a sweep's ended trials keep their snapshots: `checkpoints.keep.sweep_best` of them, the
 * best by what trials are ranked by, as in `sweep best`. Those that have failed or were cancelled
 * are not counted and keep theirs, since people may try them again; so does all that has not ended.
 *
 * A trial's rank among the ended ones only falls, but for a retry. So the best ones are a list in
 * memory; records need not know of it. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "head/core/state.h"

static uint32_t best_max(const struct sweep *sweep)
{
    return sweep->spec.checkpoints.keep_sweep_best;
}

static bool takes_part(const struct task *task)
{
    return task->r.state == TASK_ENDED &&
           (task->r.outcome == OUTCOME_DONE || task->r.outcome == OUTCOME_STOPPED);
}

static double result_of(const struct task *task)
{
    return task->r.n_values > 0 && !task->r.is_nan_last ? task->r.summary : NAN;
}

/* Of equal ones the earlier trial. What has no result is behind all that have one. */
static bool task_is_before(const struct task *task, const struct task *than)
{
    const struct metric_spec *metric = &task->work->sweep->spec.metric;
    double a = result_of(task), b = result_of(than);
    bool is_equal = a == b || (isnan(a) && isnan(b));
    return is_equal ? task->r.id.index < than->r.id.index
                    : snapshot_value_is_better(metric->goal == GOAL_MAXIMIZE, a, b);
}

/* Where it stands in the list, or would. */
static uint32_t place_find(const struct sweep *sweep, const struct task *task)
{
    uint32_t low = 0, high = sweep->n_best_ended;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (task_is_before(sweep->best_ended[middle], task)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_listed(const struct sweep *sweep, const struct task *task)
{
    uint32_t at = place_find(sweep, task);
    return at < sweep->n_best_ended && sweep->best_ended[at] == task;
}

bool core_sweep_best_has(const struct task *task)
{
    const struct sweep *sweep = task->work->sweep;
    return sweep != NULL && best_max(sweep) > 0 && takes_part(task) && is_listed(sweep, task);
}

bool core_sweep_best_lacks(const struct task *task)
{
    const struct sweep *sweep = task->work->sweep;
    return sweep != NULL && best_max(sweep) > 0 && takes_part(task) && !is_listed(sweep, task);
}

static bool best_reserve(struct core *core, struct sweep *sweep)
{
    if (sweep->n_best_ended < sweep->best_ended_cap) {
        return true;
    }
    uint32_t cap = sweep->best_ended_cap < 8 ? 8 : sweep->best_ended_cap * 2;
    struct task **more = mem_realloc(sweep->best_ended, cap * sizeof *more);
    if (more == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return false;
    }
    sweep->best_ended = more;
    sweep->best_ended_cap = cap;
    return true;
}

/* Who fell out of the list: one that was in it, or this one; NULL: nobody did. */
static struct task *best_offer(struct core *core, struct sweep *sweep, struct task *task)
{
    uint32_t at = place_find(sweep, task);
    if (isnan(result_of(task)) || at == best_max(sweep) || !best_reserve(core, sweep)) {
        return task;
    }
    memmove(sweep->best_ended + at + 1, sweep->best_ended + at,
            (sweep->n_best_ended - at) * sizeof(struct task *));
    sweep->best_ended[at] = task;
    sweep->n_best_ended++;
    return sweep->n_best_ended > best_max(sweep) ? sweep->best_ended[--sweep->n_best_ended] : NULL;
}

static void best_fall(struct core *core, struct task *task)
{
    const struct record_task *r = task != NULL ? &task->r : NULL;
    if (r != NULL && (r->snapshot.ordinal != 0 || r->best_snapshot.ordinal != 0 ||
                      r->safe_snapshot.ordinal != 0 || r->n_kept > 0)) {
        core_snapshots_forget(core, task);
    }
}

void core_sweep_best_ended(struct core *core, struct task *task)
{
    struct sweep *sweep = task->work->sweep;
    if (best_max(sweep) > 0 && takes_part(task)) {
        best_fall(core, best_offer(core, sweep, task));
    }
}

/* The next one after those in the list. It has no snapshots any more; its place is its own all the
 * same, so that who keeps what does not depend on when a head was started. */
static void best_refill(struct core *core, struct sweep *sweep, const struct task *but)
{
    struct task *next = NULL;
    for (uint32_t i = 0; i < sweep->work->n_tasks; i++) {
        struct task *task = sweep->work->tasks[i];
        bool could =
            task != but && takes_part(task) && !isnan(result_of(task)) && !is_listed(sweep, task);
        if (could && (next == NULL || task_is_before(task, next))) {
            next = task;
        }
    }
    if (next != NULL) {
        best_offer(core, sweep, next);
    }
}

void core_sweep_best_reopened(struct core *core, struct task *task)
{
    struct sweep *sweep = task->work->sweep;
    if (!core_sweep_best_has(task)) {
        return;
    }
    uint32_t at = place_find(sweep, task);
    memmove(sweep->best_ended + at, sweep->best_ended + at + 1,
            (--sweep->n_best_ended - at) * sizeof(struct task *));
    best_refill(core, sweep, task);
}

void core_sweep_best_load(struct core *core, struct sweep *sweep)
{
    for (uint32_t i = 0; i < sweep->work->n_tasks; i++) {
        core_sweep_best_ended(core, sweep->work->tasks[i]);
    }
}

void core_sweep_best_check(const struct sweep *sweep)
{
    const struct work *work = sweep->work;
    uint32_t n = 0;
    for (uint32_t i = 1; i < sweep->n_best_ended; i++) {
        assert(task_is_before(sweep->best_ended[i - 1], sweep->best_ended[i]));
    }
    for (uint32_t i = 0; best_max(sweep) > 0 && i < work->n_tasks; i++) {
        const struct record_task *r = &work->tasks[i]->r;
        n += core_sweep_best_has(work->tasks[i]);
        assert(!core_sweep_best_lacks(work->tasks[i]) ||
               (r->snapshot.ordinal == 0 && r->best_snapshot.ordinal == 0 &&
                r->safe_snapshot.ordinal == 0 && r->n_kept == 0));
    }
    assert(n == sweep->n_best_ended);
}
