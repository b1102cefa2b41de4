/* What a trainer's report does: rows below the milestone, a decision at it. See
 * docs/ARCHITECTURE.md, the walk of one report. Exactly once: events come through the node's
 * numbered stream, so none is seen twice. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "head/core/state.h"

/* NaN loses against everything. */
static bool core_is_better(const struct sweep *sweep, double value, double than)
{
    if (isnan(value)) {
        return false;
    }
    return isnan(than) || (sweep->spec.metric.goal == GOAL_MAXIMIZE ? value > than : value < than);
}

static void core_rows_store(struct core *core, const struct task *task,
                            const struct metric_rows *rows)
{
    char key[TASK_ID_TEXT_MAX + 8], id[TASK_ID_TEXT_MAX], field[48];
    snprintf(key, sizeof key, "rows:%s", task_id_print(task->r.id, id));
    snprintf(field, sizeof field, "%u:%llu", task->r.attempt,
             (unsigned long long)rows->rows[0].seq);
    struct buf buf;
    /* A frame may hold reals of four bytes; the block has eight for each. */
    buf_init(&buf, 2 * MSG_MAX_BYTES);
    error_code error = record_encode(&metric_rows_schema, rows, &buf);
    if (error != OK) {
        core_fail(core, error);
    }
    outbox_hset(&core->out, key, field, buf_bytes(&buf));
    buf_fini(&buf);
}

/* The trial's last values, in memory and in its record, take the names of the block. */
static void core_last_set(struct core *core, struct task *task, const struct metric_rows *rows)
{
    const struct metric_row *row = &rows->rows[rows->n_rows - 1];
    task->r.last_seq = row->seq;
    task->r.last_step = row->step;
    task->r.last_time = row->time;
    if (task->work->sweep == NULL) {
        return;
    }
    if (rows->n_names != task->r.n_metric_names) {
        const char **names =
            mem_realloc((void *)(uintptr_t)task->r.metric_names, rows->n_names * sizeof *names);
        task->r.metric_names = names != NULL ? names : task->r.metric_names;
        double *values =
            mem_realloc((void *)(uintptr_t)task->r.last_values, rows->n_names * sizeof *values);
        task->r.last_values = values != NULL ? values : task->r.last_values;
        if (names == NULL || values == NULL) {
            task->r.n_metric_names = task->r.n_last_values = 0;
            core_fail(core, ERR_NO_MEMORY);
            return;
        }
    }
    const char **names = (const char **)(uintptr_t)task->r.metric_names;
    double *values = (double *)(uintptr_t)task->r.last_values;
    uint32_t n = 0;
    for (uint32_t i = 0; i < rows->n_names && i < row->n_values; i++) {
        const char *name = core_sweep_metric_intern(core, task->work->sweep, rows->names[i]);
        if (name != NULL) {
            names[n] = name;
            values[n++] = row->values[i];
        }
    }
    task->r.n_metric_names = task->r.n_last_values = n;
}

static int core_metric_index(const struct sweep *sweep, const struct metric_rows *rows)
{
    for (uint32_t i = 0; sweep != NULL && i < rows->n_names; i++) {
        if (strcmp(rows->names[i], sweep->spec.metric.name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static void core_best_update(struct core *core, struct task *task, const struct metric_rows *rows,
                             uint32_t metric)
{
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        const struct metric_row *row = &rows->rows[i];
        if (metric >= row->n_values) {
            continue;
        }
        double value = row->values[metric];
        if (!isnan(value) &&
            (!task->r.has_best || core_is_better(task->work->sweep, value, task->r.best_value))) {
            task->r.has_best = true;
            task->r.best_value = value;
            task->r.best_step = row->step;
            task->r.best_time = row->time;
        }
        core_task_metric_take(task, row->step, value);
        core_snapshot_judge(core, task, row->step, value);
    }
}

/* A report below the milestone that reaches metric.target ends the sweep's search too. */
static void core_target_check(struct core *core, time_ms now, struct task *task,
                              const struct metric_rows *rows, uint32_t metric, uint32_t n_rows)
{
    struct sweep *sweep = task->work->sweep;
    bool is_found = sweep->has_target_logged || tune_finishing(sweep->tuner) == TUNE_WHY_TARGET;
    for (uint32_t i = 0; i < n_rows && !is_found; i++) {
        const struct metric_row *row = &rows->rows[i];
        if (metric >= row->n_values || !tune_reaches_target(sweep->tuner, row->values[metric])) {
            continue;
        }
        sweep->has_target_logged = is_found = true;
        struct tune_event event = {
            .kind = TUNE_EVENT_TARGET,
            .trial = task->r.id.index,
            .step = row->step,
            .has_value = true,
            .value = row->values[metric],
        };
        core_task_metric_result(task, &event);
        core_sweep_log(core, now, sweep, &event, 0);
        core_notice_best(core, now, sweep);
    }
}

/* With metric.on_nan: fail. The next attempt would get there too. */
static void core_nan_check(struct core *core, time_ms now, struct task *task,
                           const struct metric_rows *rows, uint32_t metric)
{
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        const struct metric_row *row = &rows->rows[i];
        if (metric < row->n_values && isnan(row->values[metric])) {
            core_reason(core, task, "%s is nan at step %lld (metric.on_nan: fail)",
                        task->work->sweep->spec.metric.name, (long long)row->step);
            core_task_tell(core, now, task, WHY_NAN, -1);
            return;
        }
    }
}

static bool core_rows_take(struct core *core, time_ms now, struct task *task,
                           const struct metric_rows *rows)
{
    if (rows->n_rows == 0) {
        return false;
    }
    core->reports_total += rows->n_rows;
    core_rows_store(core, task, rows);
    core_last_set(core, task, rows);
    core_task_dirty(core, task);
    int metric = core_metric_index(task->work->sweep, rows);
    if (metric >= 0) {
        core_best_update(core, task, rows, (uint32_t)metric);
        if (task->work->sweep->spec.metric.on_nan == NAN_FAIL) {
            core_nan_check(core, now, task, rows, (uint32_t)metric);
        }
    }
    return true;
}

void on_event_rows(struct core *core, time_ms now, struct task *task,
                   const struct node_event *event)
{
    if (!core_rows_take(core, now, task, &event->rows)) {
        return;
    }
    task->r.can = event->can;
    int metric = core_metric_index(task->work->sweep, &event->rows);
    if (metric >= 0) {
        core_target_check(core, now, task, &event->rows, (uint32_t)metric, event->rows.n_rows);
        core_sweep_advance(core, now, task->work->sweep);
    }
}

void on_event_milestone(struct core *core, time_ms now, struct task *task,
                        const struct node_event *event)
{
    const struct metric_rows *rows = &event->rows;
    if (task->work->sweep == NULL || event->reached > task->r.order.n || rows->n_rows == 0) {
        struct msg_refused refused = {core->config.epoch, error_word(ERR_PROTOCOL),
                                      "a milestone of an order that was never given"};
        outbox_send(&core->out, task->node->peer, MSG_REFUSED, &refused);
        core->refused_total++;
        return;
    }
    ignore_error(core_rows_take(core, now, task, rows) ? OK : ERR_INVALID, "n_rows > 0");
    int metric = core_metric_index(task->work->sweep, rows);
    if (metric >= 0) {
        core_target_check(core, now, task, rows, (uint32_t)metric, rows->n_rows - 1);
    }
    task->r.can = event->can;
    /* A newer order was written while this report was on its way: that one answers. An order to
     * leave has no milestone: a trainer that reports for ever does not talk itself out of it. */
    if (event->reached < task->r.order.n || core_order_is_leave(&task->r.order)) {
        core_order_send(core, task);
        core_sweep_advance(core, now, task->work->sweep);
        return;
    }
    const struct metric_row *last = &rows->rows[rows->n_rows - 1];
    double value = metric >= 0 && (uint32_t)metric < last->n_values ? last->values[metric] : NAN;
    if (isnan(value) && task->work->sweep->spec.metric.on_nan == NAN_IGNORE) {
        value = core_task_metric_last(task);
    }
    core_decide(core, now, task, last->step, value);
}
