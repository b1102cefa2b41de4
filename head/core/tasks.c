/* Tasks and trials: the table, the one state setter, the record in memory. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/planted.h"
#include "head/core/arrays.h"
#include "head/core/gang.h"

struct task *core_task_find(struct core *core, task_id id)
{
    struct work *work = core_work_find(core, id.job);
    if (work != NULL && work->array != NULL) {
        struct task *task;
        HASH_FIND(hh, work->exceptions, &id.index, sizeof id.index, task);
        return task;
    }
    if (work == NULL || id.index == 0 || id.index > work->n_tasks) {
        return NULL;
    }
    return work->tasks[id.index - 1];
}

static bool core_work_reserve(struct work *work, uint32_t place)
{
    if (place <= work->cap) {
        return true;
    }
    uint32_t cap = work->cap < 8 ? 8 : work->cap * 2;
    cap = cap < place ? place : cap;
    struct task **tasks = mem_realloc(work->tasks, cap * sizeof *tasks);
    if (tasks == NULL) {
        return false;
    }
    memset(tasks + work->cap, 0, (cap - work->cap) * sizeof *tasks);
    work->tasks = tasks;
    work->cap = cap;
    return true;
}

struct task *core_task_add(struct core *core, struct work *work, uint32_t index)
{
    assert(index >= 1);
    bool is_exception = work->array != NULL; /* then it is counted already */
    uint32_t place = is_exception ? work->n_tasks + 1 : index;
    bool has_room = is_exception || core->task_total < CORE_TASKS_MAX;
    struct task *task =
        has_room && core_work_reserve(work, place) ? mem_zalloc(sizeof *task) : NULL;
    if (task == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return NULL;
    }
    task->r.id = (task_id){work->number, index};
    if (is_exception) {
        HASH_ADD(hh, work->exceptions, r.id.index, sizeof task->r.id.index, task);
        if (task->hh.tbl == NULL) {
            core_fail(core, ERR_NO_MEMORY);
            mem_free(task);
            return NULL;
        }
    }
    assert(work->tasks[place - 1] == NULL);
    work->tasks[place - 1] = task;
    work->n_tasks = place > work->n_tasks ? place : work->n_tasks;
    work->n_active++;
    work->states[TASK_QUEUED]++;
    core->task_total += !is_exception;
    task->work = work;
    task->r.is_trial = work->sweep != NULL;
    task->r.state = TASK_QUEUED;
    task->r.age = (uint64_t)work->number << 32 | index;
    core->status.tasks[TASK_QUEUED]++;
    list_init(&task->node_link);
    list_init(&task->dirty_link);
    list_init(&task->backoff_link);
    list_init(&task->lent);
    list_init(&task->lent_link);
    list_init(&task->keep_link);
    scheduler_item_init(&task->waiting.item);
    task->waiting.task = task;
    return task;
}

static void core_gpus_clear(struct task *task)
{
    for (uint32_t i = 0; i < task->r.n_gpus; i++) {
        mem_free((void *)(uintptr_t)task->r.gpus[i]);
    }
    mem_free((void *)(uintptr_t)task->r.gpus);
    task->r.gpus = NULL;
    task->r.n_gpus = 0;
}

void core_task_free(struct core *core, struct task *task)
{
    if (task == NULL) {
        return;
    }
    scheduler_dequeue(core->scheduler, &task->waiting.item);
    core_task_unplace(core, task);
    list_remove(&task->dirty_link);
    list_remove(&task->backoff_link);
    core_snapshots_unlink(task);
    core_keep_forget(task);
    if (task->hh.tbl != NULL) {
        HASH_DELETE(hh, task->work->exceptions, task);
    }
    core_gpus_clear(task);
    core_gang_record_free(task);
    core_str_clear(&task->r.reason);
    core_str_clear(&task->r.failure);
    core_str_clear(&task->r.node);
    core_str_clear(&task->r.snapshot_node);
    core_str_clear(&task->r.best_node);
    core_str_clear(&task->r.safe_node);
    core_str_clear(&task->r.own_node);
    core_kept_free(task);
    mem_free((void *)(uintptr_t)task->r.params);
    mem_free((void *)(uintptr_t)task->r.own_params);
    mem_free((void *)(uintptr_t)task->r.metric_names);
    mem_free((void *)(uintptr_t)task->r.last_values);
    mem_free(task);
}

void core_task_dirty(struct core *core, struct task *task)
{
    if (list_is_empty(&task->dirty_link)) {
        list_push_back(&core->dirty_tasks, &task->dirty_link);
    }
}

bool core_task_is_on_node(const struct task *task)
{
    return task->r.state == TASK_LEASED || task->r.state == TASK_RUNNING ||
           task->r.state == TASK_STOPPING;
}

bool core_task_is_in_lane(const struct task *task)
{
    return task->work->array != NULL && task->r.leased == 0 && core_task_is_on_node(task);
}

static void core_gpus_set(struct core *core, struct task *task, const struct allocation *allocation)
{
    core_gpus_clear(task);
    if (allocation->n_gpus == 0) {
        return;
    }
    const char **gpus = mem_calloc(allocation->n_gpus, sizeof *gpus);
    if (gpus == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    task->r.gpus = gpus;
    task->r.n_gpus = allocation->n_gpus;
    for (uint32_t i = 0; i < allocation->n_gpus; i++) {
        core_str_set(
            core, &gpus[i],
            scheduler_gpu_uuid(core->scheduler, allocation->node, allocation->gpus[i].index));
    }
}

void core_task_place(struct core *core, struct task *task, struct node *node,
                     const struct allocation *allocation)
{
    assert(task->allocation == NULL && task->node == NULL);
    task->allocation = mem_alloc(sizeof *task->allocation);
    if (task->allocation == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    *task->allocation = *allocation;
    task->node = node;
    list_push_back(&node->tasks, &task->node_link);
    node->n_tasks++;
    core_gpus_set(core, task, allocation);
    if (task->r.node == NULL || strcmp(task->r.node, node->r.name) != 0) {
        core_str_set(core, &task->r.node, node->r.name);
    }
    task->r.incarnation = node->r.incarnation;
}

void core_task_unplace(struct core *core, struct task *task)
{
    if (task->allocation != NULL) {
        PLANT(give_twice,
              scheduler_give(core->scheduler, (struct allocation[]){*task->allocation}));
        if (!PLANTED(keep_slot) || task->r.order.act != ACT_STOP) {
            scheduler_give(core->scheduler, task->allocation);
        }
        mem_free(task->allocation);
        task->allocation = NULL;
    }
    core_gang_release(core, task);
    if (task->node != NULL) {
        list_remove(&task->node_link);
        task->node->n_tasks--;
        task->node = NULL;
    }
}

/* The first retry after the shortest backoff, each later one after twice the wait, up to the
 * longest. */
int64_t core_task_backoff_ms(const struct task *task, uint32_t times)
{
    int64_t wait_ms = 1000, max_ms = 300000;
    if (task->work->sweep != NULL) {
        wait_ms = task->work->sweep->spec.retries.backoff_min_ms;
        max_ms = task->work->sweep->spec.retries.backoff_max_ms;
    }
    for (uint32_t i = 1; i < times && wait_ms < max_ms; i++) {
        wait_ms *= 2;
    }
    return wait_ms < max_ms ? wait_ms : max_ms;
}

time_ms core_task_ready_at(const struct task *task)
{
    return task->r.not_before > task->hold_until ? task->r.not_before : task->hold_until;
}

/* Where its snapshot lies it goes on; without one, another node than the last is worth a wait. */
static void core_task_hints(struct core *core, time_ms now, struct task *task)
{
    const struct node *last = task->r.node != NULL ? core_node_find(core, task->r.node) : NULL;
    uint32_t handle = last != NULL ? last->handle : 0;
    const char *where = task->r.snapshot.ordinal != 0        ? task->r.snapshot_node
                        : task->r.best_snapshot.ordinal != 0 ? task->r.best_node
                                                             : NULL;
    const struct node *holder = where != NULL ? core_node_find(core, where) : NULL;
    bool has_snapshot = holder != NULL;
    task->waiting.item.favour = has_snapshot ? holder->handle : 0;
    task->waiting.item.avoid = !has_snapshot && now < task->avoid_until ? handle : 0;
}

void core_task_enqueue(struct core *core, time_ms now, struct task *task)
{
    if (task->work->sweep != NULL && task->work->sweep->r.state == SWEEP_PAUSED) {
        return; /* core_sweep_held() comes again */
    }
    time_ms ready_at = core_task_ready_at(task);
    if (ready_at > now) {
        if (list_is_empty(&task->backoff_link)) {
            list_push_back(&core->backoff, &task->backoff_link);
        }
        if (ready_at < core->tick_next) {
            core->tick_next = ready_at;
        }
        return;
    }
    list_remove(&task->backoff_link);
    core_task_hints(core, now, task);
    error_code error = scheduler_enqueue(core->scheduler, &task->waiting.item, task->work->cls,
                                         task->r.priority, task->r.age);
    if (error != OK) {
        core_fail(core, error);
    }
}

static void core_task_charge(struct task *task, edge_charge charge)
{
    task->r.failures += charge == CHARGE_FAILURE;
    task->r.lost += charge == CHARGE_LOST;
    task->r.preempted += charge == CHARGE_PREEMPTED;
}

static void core_task_state_set(struct core *core, struct task *task, task_state to)
{
    core->status.tasks[task->r.state]--;
    core->status.tasks[to]++;
    task->work->states[task->r.state]--;
    task->work->states[to]++;
    task->r.state = to;
}

void core_task_adopt(struct core *core, struct task *task, task_state state)
{
    assert(task->work->array != NULL && task->r.state == TASK_QUEUED);
    core_task_state_set(core, task, state);
    core_task_dirty(core, task);
}

void core_task_move(struct core *core, time_ms now, struct task *task, task_event event)
{
    const struct task_edge *edge = task_edge_find(task->r.state, event);
    assert(edge != NULL);
    assert(edge->resources != RESOURCES_TAKE || task->allocation != NULL);
    core_task_charge(task, edge->charge);
    if (edge->resources == RESOURCES_GIVE) {
        const struct node *left = task->node;
        core_task_unplace(core, task);
        if (left != NULL) {
            core_snapshot_left(core, task, left);
        }
    }
    core_task_state_set(core, task, edge->to);
    if (edge->to == TASK_QUEUED) {
        task->r.queued = now;
        if (edge->charge == CHARGE_FAILURE) {
            task->r.not_before = now + core_task_backoff_ms(task, task->r.failures);
            task->avoid_until = task->r.not_before + AVOID_MS;
        } else if (edge->charge != CHARGE_PREEMPTED) {
            task->r.not_before = 0;
        }
        core_task_enqueue(core, now, task);
    } else if (edge->to == TASK_ENDED) {
        task->r.ended = now;
        task->work->n_active--;
        list_remove(&task->backoff_link);
        scheduler_dequeue(core->scheduler, &task->waiting.item);
    } else if (edge->to == TASK_HELD) {
        list_remove(&task->backoff_link);
        scheduler_dequeue(core->scheduler, &task->waiting.item);
    }
    core_task_dirty(core, task);
    core_notice_task(core, now, task);
}

void core_task_end(struct core *core, time_ms now, struct task *task, task_event event,
                   task_outcome outcome)
{
    assert(task->r.outcome == OUTCOME_NONE && outcome != OUTCOME_NONE);
    task->r.outcome = outcome;
    task->work->outcomes[outcome]++;
    core_task_move(core, now, task, event);
    if (task->work->sweep != NULL) {
        core_exploit_end(core, task);
        core_sweep_trial_ended(core, now, task);
        core_sweep_best_ended(core, task);
        core_keep_due(core, task);
    } else if (task->work->array != NULL) {
        core_array_task_ended(core, now, task);
    } else if (task->work->n_active == 0) {
        core_job_end(core, now, task->work->job);
    }
}

/* ---- recovery ---- */

static const struct value *core_params_own(struct core *core, struct task *task,
                                           const struct value *from, uint32_t n)
{
    struct value *params = mem_calloc(n, sizeof *params);
    if (params == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        params[i] = from[i];
        if (params[i].kind == VALUE_STR) {
            params[i].str = arena_strdup(&task->work->sweep->arena, params[i].str);
            if (params[i].str == NULL) {
                core_fail(core, ERR_NO_MEMORY);
                mem_free(params);
                return NULL;
            }
        }
    }
    return params;
}

static void core_metrics_own(struct core *core, struct task *task, const struct record_task *record)
{
    uint32_t n = record->n_metric_names;
    const char **names = mem_calloc(n, sizeof *names);
    double *values = mem_calloc(n, sizeof *values);
    task->r.metric_names = names;
    task->r.last_values = values;
    if (names == NULL || values == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < n && i < record->n_last_values; i++) {
        names[i] = core_sweep_metric_intern(core, task->work->sweep, record->metric_names[i]);
        values[i] = record->last_values[i];
        task->r.n_metric_names = task->r.n_last_values = i + 1;
    }
}

error_code core_task_record_own(struct core *core, struct task *task,
                                const struct record_task *record)
{
    core_task_state_set(core, task, record->state);
    task->work->n_active -= record->state == TASK_ENDED;
    task->work->outcomes[record->outcome] += record->state == TASK_ENDED;
    task->r = *record;
    task->r.reason = task->r.node = task->r.failure = NULL;
    task->r.snapshot_node = task->r.best_node = task->r.safe_node = NULL;
    core_str_set(core, &task->r.snapshot_node, record->snapshot_node);
    core_str_set(core, &task->r.best_node, record->best_node);
    core_str_set(core, &task->r.safe_node, record->safe_node);
    task->r.own_node = NULL;
    core_str_set(core, &task->r.own_node, record->own_node);
    core_kept_own(core, task, record);
    task->r.gpus = NULL;
    task->r.params = task->r.own_params = NULL;
    task->r.n_own_params = 0;
    task->r.own_snapshot.dir = NULL;
    task->r.metric_names = NULL;
    task->r.last_values = NULL;
    task->r.n_gpus = task->r.n_params = task->r.n_metric_names = task->r.n_last_values = 0;
    task->r.snapshot.dir = task->r.best_snapshot.dir = task->r.safe_snapshot.dir = NULL;
    core_gang_record_own(core, task, record);
    core_str_set(core, &task->r.reason, record->reason);
    core_str_set(core, &task->r.failure, record->failure);
    core_str_set(core, &task->r.node, record->node);
    if (record->n_gpus > 0) {
        const char **gpus = mem_calloc(record->n_gpus, sizeof *gpus);
        if (gpus == NULL) {
            return ERR_NO_MEMORY;
        }
        task->r.gpus = gpus;
        task->r.n_gpus = record->n_gpus;
        for (uint32_t i = 0; i < record->n_gpus; i++) {
            core_str_set(core, &gpus[i], record->gpus[i]);
        }
    }
    if (record->n_params > 0 && task->work->sweep != NULL) {
        task->r.params = core_params_own(core, task, record->params, record->n_params);
        task->r.n_params = task->r.params != NULL ? record->n_params : 0;
    }
    if (record->n_own_params > 0 && task->work->sweep != NULL) {
        task->r.own_params = core_params_own(core, task, record->own_params, record->n_own_params);
        task->r.n_own_params = task->r.own_params != NULL ? record->n_own_params : 0;
    }
    if (record->n_metric_names > 0 && task->work->sweep != NULL) {
        core_metrics_own(core, task, record);
    }
    return core->out.failed;
}
