/* State as API objects. Strings are borrowed from the state, lists live in the given arena. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "head/core/job_views.h"
#include "spec/sweep.h"

/* Of the snapshot to use: the best one, else the last. */
static const char *checkpoint_node(const struct task *task)
{
    return task->r.best_snapshot.ordinal != 0 ? task->r.best_node
           : task->r.snapshot.ordinal != 0    ? task->r.snapshot_node
                                              : NULL;
}

const char *api_snapshot_dir(const struct core *core, task_id maker, uint32_t ordinal,
                             const char *node, struct arena *arena)
{
    char id[TASK_ID_TEXT_MAX];
    if (ordinal == 0 || node == NULL) {
        return "";
    }
    /* What lies beside this head's own folder may have moved with it, until its agent is heard. */
    const struct node *where = core_node_find((struct core *)(uintptr_t)core, node);
    bool is_told = where != NULL && (where->r.is_remote || where->peer != 0);
    bool is_known = is_told && where->r.state_dir != NULL && where->r.state_dir[0] != '\0';
    const char *its = is_known ? where->r.state_dir
                               : arena_printf(arena, "%s/nodes/%s", core->config.state_dir, node);
    const char *dir = its != NULL ? arena_printf(arena, "%s/snapshots/%s/%u", its,
                                                 task_id_print(maker, id), ordinal)
                                  : NULL;
    return dir != NULL ? dir : "";
}

static const struct snapshot_ref *checkpoint_of(const struct task *task)
{
    return task->r.best_snapshot.ordinal != 0 ? &task->r.best_snapshot : &task->r.snapshot;
}

static void trial_params(const struct task *task, struct arena *arena,
                         const struct named_value **ret_params, uint32_t *ret_n)
{
    struct named_value *params = arena_calloc(arena, task->r.n_params, sizeof *params);
    *ret_n = params != NULL ? core_task_params(task, params) : 0;
    *ret_params = params;
}

static void trial_points(const struct task *task, struct arena *arena, struct api_trial *trial)
{
    trial->last.step = trial->best.step = -1;
    if (task->r.last_seq > 0) {
        struct named_value *metrics = arena_calloc(arena, task->r.n_metric_names, sizeof *metrics);
        uint32_t n = metrics != NULL ? task->r.n_metric_names : 0;
        for (uint32_t i = 0; i < n; i++) {
            metrics[i] =
                (struct named_value){task->r.metric_names[i], value_real(task->r.last_values[i])};
        }
        trial->last = (struct api_point){task->r.last_step, task->r.last_time, metrics, n};
    }
    struct named_value *best = task->r.has_best ? arena_alloc(arena, sizeof *best) : NULL;
    if (best != NULL) {
        *best = (struct named_value){task->work->sweep->spec.metric.name,
                                     value_real(task->r.best_value)};
        trial->best = (struct api_point){task->r.best_step, task->r.best_time, best, 1};
    }
}

static void trial_nodes(const struct task *task, struct arena *arena, struct api_trial *trial)
{
    uint32_t n = task->r.n_parts > 0 ? task->r.n_parts : task->r.node != NULL ? 1 : 0;
    const char **nodes = arena_calloc(arena, n, sizeof *nodes);
    for (uint32_t i = 0; nodes != NULL && i < n; i++) {
        nodes[i] = task->r.n_parts > 0 ? task->r.parts[i].node : task->r.node;
    }
    trial->nodes = nodes;
    trial->n_nodes = nodes != NULL ? n : 0;
}

void api_trial_fill(const struct core *core, const struct task *task, struct arena *arena,
                    struct api_trial *ret)
{
    const struct snapshot_ref *snapshot = checkpoint_of(task);
    const char *where = checkpoint_node(task);
    *ret = (struct api_trial){
        .id = task->r.id,
        .sweep = task->r.id.job,
        .state = task->r.state,
        .outcome = task->r.outcome,
        .why = task->r.why,
        .reason = task->r.reason,
        .failure = task->r.failure,
        .summary = task->r.n_values > 0 && !task->r.is_nan_last ? task->r.summary : NAN,
        .step = task->r.last_step,
        .milestone = task->r.order.act == ACT_GO && task->r.order.until != INT64_MAX
                         ? task->r.order.until
                         : -1,
        .attempts = task->r.n_attempts,
        .failures = task->r.failures,
        .lost = task->r.lost,
        .node = task->r.node,
        .pid = task->r.pid,
        .gpus = task->r.gpus,
        .n_gpus = task->r.n_gpus,
        .exit_code = task->r.exit_code,
        .signal = task->r.signal,
        .checkpoint = api_snapshot_dir(core, task->r.id, snapshot->ordinal, where, arena),
        .checkpoint_step = snapshot->step,
        .checkpoint_node = where,
        .safe_node = task->r.safe_node,
        .safe_step = task->r.safe_snapshot.ordinal != 0 ? task->r.safe_snapshot.step : -1,
        .created = task->r.created,
        .started = task->r.started,
        .ended = task->r.ended,
        .dry = task->r.is_dry,
    };
    trial_params(task, arena, &ret->params, &ret->n_params);
    trial_points(task, arena, ret);
    trial_nodes(task, arena, ret);
}

void api_task_fill(const struct core *core, const struct task *task, struct arena *arena,
                   struct api_task *ret)
{
    api_task_of_job(&task->work->job->r, arena, ret);
    ret->id = task->r.id;
    ret->state = task->r.state;
    ret->outcome = task->r.outcome;
    ret->why = task->r.why;
    ret->reason = task->r.reason;
    ret->failure = task->r.failure;
    ret->attempts = task->r.n_attempts;
    ret->failures = task->r.failures;
    ret->lost = task->r.lost;
    ret->node = task->r.node;
    ret->pid = task->r.pid;
    ret->gpus = task->r.gpus;
    ret->n_gpus = task->r.n_gpus;
    ret->exit_code = task->r.exit_code;
    ret->signal = task->r.signal;
    ret->created = task->r.created;
    ret->started = task->r.started;
    ret->ended = task->r.ended;
    if (task->r.ended != 0 && task->r.started != 0) {
        ret->duration = (double)(task->r.ended - task->r.started) / 1000.0;
    }
    ret->dry = task->r.is_dry;
    if (task->r.n_attempts > 0) {
        api_task_log_files(core, &task->work->job->r, task->r.attempt, task->r.node, arena, ret);
    }
}

static void sweep_best(const struct core *core, const struct sweep *sweep, struct arena *arena,
                       struct api_sweep *ret)
{
    uint32_t trial;
    double value;
    int64_t step;
    if (!tune_best(sweep->tuner, &trial, &value, &step) || trial > sweep->work->n_tasks) {
        ret->best_value = NAN;
        ret->best_step = -1;
        return;
    }
    const struct task *task = sweep->work->tasks[trial - 1];
    ret->best = task->r.id;
    ret->best_value = value;
    ret->best_step = step;
    ret->best_checkpoint = api_snapshot_dir(core, task->r.id, checkpoint_of(task)->ordinal,
                                            checkpoint_node(task), arena);
    trial_params(task, arena, &ret->best_params, &ret->n_best_params);
}

/* Those of the file, then those of the submission. */
static void sweep_labels(const struct sweep *sweep, struct arena *arena, struct api_sweep *ret)
{
    uint32_t n_file = sweep->spec.n_labels, n = n_file + sweep->r.n_labels;
    const char **labels = arena_calloc(arena, n > 0 ? n : 1, sizeof *labels);
    for (uint32_t i = 0; labels != NULL && i < n; i++) {
        labels[i] = i < n_file ? sweep->spec.labels[i] : sweep->r.labels[i - n_file];
    }
    ret->labels = labels;
    ret->n_labels = labels != NULL ? n : 0;
}

void api_sweep_fill(const struct core *core, const struct sweep *sweep, time_ms now,
                    struct arena *arena, struct api_sweep *ret)
{
    struct tune_counts counts;
    tune_counts_get(sweep->tuner, &counts);
    uint32_t on_node = 0, waiting = 0;
    for (uint32_t i = 0; sweep->work->n_active > 0 && i < sweep->work->n_tasks; i++) {
        const struct task *task = sweep->work->tasks[i];
        on_node += task != NULL && core_task_is_on_node(task);
        waiting += task != NULL && task->r.state != TASK_ENDED && !core_task_is_on_node(task);
    }
    *ret = (struct api_sweep){
        .id = sweep->r.number,
        .name = sweep->r.name,
        .project = sweep->spec.project,
        .state = sweep->r.state,
        .why = sweep->r.why,
        .error = sweep->r.error,
        .set_aside = sweep->r.set_aside,
        .n_set_aside = sweep->r.n_set_aside,
        .owner = sweep->r.owner,
        .metric = sweep->spec.metric.name,
        .goal = sweep->spec.metric.goal == GOAL_MAXIMIZE ? "maximize" : "minimize",
        .search = tune_searcher_name(sweep->tuner),
        .schedule = spec_schedule_word(sweep->spec.schedule.type),
        .seed = sweep->r.seed,
        .trials = tune_trials_max(sweep->tuner),
        .asked = counts.asked,
        .waiting = waiting,
        .running = on_node,
        .done = counts.done,
        .stopped = counts.stopped,
        .failed = counts.failed,
        .cancelled = counts.cancelled,
        .invalid = counts.invalid,
        .age = (sweep->r.ended != 0 ? sweep->r.ended : now) - sweep->r.created,
        .workdir = sweep->r.workdir,
        .work = sweep->r.work,
        .work_bytes = sweep->r.work_bytes,
        .created = sweep->r.created,
        .ended = sweep->r.ended,
        .set = sweep->r.set,
        .n_set = sweep->r.n_set,
        .changed = sweep->r.changed,
        .n_changed = sweep->r.n_changed,
        .test = sweep->r.is_test,
        .priority = sweep->spec.priority,
        .ran = core_sweep_ran_ms(sweep, now),
        .cloned_from = sweep->r.cloned_from,
        .held = sweep->work->states[TASK_HELD],
    };
    sweep_labels(sweep, arena, ret);
    sweep_best(core, sweep, arena, ret);
}

/* Active sweeps that set it aside. */
static void node_asides(const struct core *core, const struct node *node, struct arena *arena,
                        struct api_node *ret)
{
    uint32_t n = 0;
    list_each (&core->active_sweeps, struct sweep, active_link, counted) {
        n += core_aside_is(counted, node->r.name);
    }
    struct api_set_aside *asides = arena_calloc(arena, n, sizeof *asides);
    list_each (&core->active_sweeps, struct sweep, active_link, sweep) {
        for (uint32_t i = 0; asides != NULL && i < sweep->r.n_set_aside; i++) {
            const struct set_aside *aside = &sweep->r.set_aside[i];
            if (strcmp(aside->node, node->r.name) == 0) {
                asides[ret->n_set_aside++] =
                    (struct api_set_aside){sweep->r.number, aside->time, aside->reason};
            }
        }
    }
    ret->set_aside = asides;
}

static void node_labels(const struct node *node, struct arena *arena, struct api_node *ret)
{
    struct label_pair held[CORE_LABELS_MAX];
    uint32_t n = core_node_labels(node, held);
    struct named_value *labels = arena_calloc(arena, n > 0 ? n : 1, sizeof *labels);
    for (uint32_t i = 0; labels != NULL && i < n; i++) {
        labels[i] = (struct named_value){held[i].name, value_str(held[i].value)};
    }
    ret->labels = labels;
    ret->n_labels = labels != NULL ? n : 0;
}

void api_node_fill(const struct core *core, const struct node *node, time_ms now,
                   struct arena *arena, struct api_node *ret)
{
    struct scheduler_usage usage = {0};
    if (node->handle != 0) {
        scheduler_usage_get(core->scheduler, node->handle, &usage);
    }
    *ret = (struct api_node){
        .name = node->r.name,
        .state = node->r.state,
        .cordoned = node->r.is_cordoned,
        .cordon_reason = node->r.cordon_reason,
        .host = node->r.host,
        .pid = node->r.pid,
        .version = node->r.version,
        .cpus = (double)node->r.cpus / AMOUNT_ONE,
        .cpus_used = (double)usage.cpus_used / AMOUNT_ONE,
        .memory = node->r.memory_bytes,
        .memory_used = usage.memory_used,
        .gpus = node->r.gpus,
        .n_gpus = node->r.n_gpus,
        .gpus_used = (double)usage.gpus_used / AMOUNT_ONE,
        .running = node->n_tasks + node->n_parts + node->n_lanes,
        .joined = node->r.joined,
        .heard = now - node->heard,
        .dry = node->r.is_dry,
        .cache = node->cache_bytes,
        .cache_max = node->cache_max_bytes,
    };
    node_asides(core, node, arena, ret);
    node_labels(node, arena, ret);
    if (node->r.is_drain_asked) {
        int64_t left_ms = node->r.drain_deadline - now;
        ret->drain_deadline = node->r.drain_deadline;
        ret->drain_reason = node->r.drain_reason;
        ret->drain_left = left_ms > 0 ? left_ms : 0;
    } else if (node->r.state == NODE_DRAINING && node->leaves_at != 0) {
        ret->drain_deadline = node->leaves_at;
        ret->drain_left = node->leaves_at > now ? node->leaves_at - now : 0;
        ret->drain_reason = "its agent was told to leave";
    }
    if (node->owed != NULL) {
        ret->drain_owes = node->owed->figures.n;
        ret->drain_text = node->owed->figures.text;
    }
}
