/* What a trial is ranked by, of all values of the sweep's metric that it reported. */
#include <math.h>
#include <string.h>

#include "head/core/state.h"

static double summary_next(const struct metric_spec *metric, double summary, double value,
                           uint32_t n)
{
    switch (metric->summary) {
    case SUMMARY_LAST:
        return value;
    case SUMMARY_MEAN:
        return summary + (value - summary) / n;
    case SUMMARY_MIN:
        return value < summary ? value : summary;
    case SUMMARY_MAX:
        return value > summary ? value : summary;
    case SUMMARY_BEST:
        break;
    }
    bool is_better = metric->goal == GOAL_MAXIMIZE ? value > summary : value < summary;
    return is_better ? value : summary;
}

void core_task_metric_take(struct task *task, int64_t step, double value)
{
    struct record_task *r = &task->r;
    const struct metric_spec *metric = &task->work->sweep->spec.metric;
    if (isnan(value)) {
        r->is_nan_last = metric->on_nan != NAN_IGNORE;
        return;
    }
    double summary =
        r->n_values == 0 ? value : summary_next(metric, r->summary, value, r->n_values + 1);
    bool moves_on = metric->summary == SUMMARY_MEAN || metric->summary == SUMMARY_LAST;
    if (r->n_values == 0 || moves_on || summary != r->summary) {
        r->summary_step = step;
    }
    r->summary = summary;
    r->value = value;
    r->is_nan_last = false;
    r->n_values++;
}

bool core_task_metric_has(const struct task *task)
{
    return task->r.n_values > 0 || task->r.is_nan_last;
}

double core_task_metric_last(const struct task *task)
{
    return task->r.n_values == 0 || task->r.is_nan_last ? NAN : task->r.value;
}

void core_task_metric_result(const struct task *task, struct tune_event *event)
{
    bool is_ranked = task->r.n_values > 0 && !task->r.is_nan_last;
    event->has_result = true;
    event->result = is_ranked ? task->r.summary : NAN;
    event->result_step = is_ranked ? task->r.summary_step : event->step;
}
