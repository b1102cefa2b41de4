/* Tasks of an array that two bits cannot tell of: failed once, lost with their node, told to leave
 * alone. Each gets a struct task and a record, and is from then on a task like all others: retried,
 * leased by itself, listed, removed. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "head/core/arrays.h"

enum { FAULT_PAUSE_MS = 1000 };

/* Its first attempt is in a lane of the node; the lane has what it runs on. */
static void exception_place(struct core *core, struct task *task, struct array_holder *holder)
{
    task->node = holder->node;
    list_push_back(&holder->node->tasks, &task->node_link);
    holder->node->n_tasks++;
    core_str_set(core, &task->r.node, holder->node->r.name);
    task->r.incarnation = holder->incarnation;
    task->r.n_attempts = 1;
}

static void exceptions_bound(struct core *core, time_ms now, struct array *array)
{
    if (array->work->n_tasks > ARRAY_EXCEPTIONS_MAX && !core_array_is_told(array)) {
        char text[128];
        snprintf(text, sizeof text,
                 "more than %d of its tasks failed, were lost with their nodes or were told to "
                 "leave one by one",
                 ARRAY_EXCEPTIONS_MAX);
        core_array_stop(core, now, array, WHY_FAILURES, -1, text);
    }
}

struct task *core_array_exception(struct core *core, time_ms now, struct array *array,
                                  uint32_t position, task_state state)
{
    struct work *work = array->work;
    const uint32_t *held = array_held_at(array, position);
    struct array_holder *holder =
        held != NULL && *held != 0 ? array->holders[(*held & HELD_HOLDER) - 1] : NULL;
    struct array_started started = {0}, *known;
    HASH_FIND(hh, array->started, &position, sizeof position, known);
    if (known != NULL) {
        started = *known;
    }
    core_array_slot_set(core, array, position, SLOT_EXCEPTION);
    struct task *task = core_task_add(core, work, array_id_at(array->ids, position));
    if (task == NULL) {
        return NULL;
    }
    task->r.priority = work->job->r.priority;
    task->r.created = task->r.queued = work->job->r.created;
    task->r.order = (struct order){.n = 1, .until = INT64_MAX, .act = ACT_GO};
    task->r.started = started.since;
    task->r.pid = started.pid;
    if (state == TASK_STOPPING) {
        task->r.why = WHY_CANCEL;
        task->r.order.act = ACT_STOP;
        task->r.order.why = WHY_CANCEL;
    }
    if (state != TASK_QUEUED) {
        assert(holder != NULL);
        exception_place(core, task, holder);
        core_task_adopt(core, task, state);
    }
    core_task_dirty(core, task);
    exceptions_bound(core, now, array);
    return task;
}

/* ---- lost ---- */

void core_array_holder_lost(struct core *core, time_ms now, struct array_holder *holder,
                            const char *reason)
{
    struct array *array = holder->array;
    list_each (&holder->lanes, struct open_lane, link, lane) {
        core_array_lane_close(core, holder, lane);
    }
    holder->is_told = holder->is_taking_back = false;
    for (uint32_t position = 0; core_array_held_next(holder, position, &position);) {
        bool is_started = (*array_held_at(array, position) & HELD_STARTED) != 0;
        struct task *task = core_array_exception(core, now, array, position,
                                                 core_array_is_told(array) ? TASK_STOPPING
                                                 : is_started              ? TASK_RUNNING
                                                                           : TASK_LEASED);
        if (task == NULL) {
            return;
        }
        core_task_lost(core, now, task, reason, now);
    }
    core_array_advance(core, now, array);
    list_remove(&holder->node_link);
    holder->node = NULL;
}

void core_arrays_node_lost(struct core *core, time_ms now, struct node *node, const char *reason)
{
    list_each (&node->holders, struct array_holder, node_link, holder) {
        core_array_holder_lost(core, now, holder, reason);
    }
}

/* ---- not the task's fault ---- */

/* It is tried elsewhere, uncharged; and the array waits a little before it gets another lane: each
 * lane on such a node would only make one more exception. */
void core_array_fault(struct core *core, time_ms now, struct task *task,
                      const struct attempt_result *result)
{
    enum { TASK_TRIES = 3 };
    struct array *array = task->work->array;
    struct job *job = task->work->job;
    char text[512];
    snprintf(text, sizeof text, "no task of it can start: %.400s",
             result->reason != NULL ? result->reason : "");
    /* What was on its way when the first of them failed is part of the same try. */
    bool is_counted = !list_is_empty(&array->hold_link);
    if (!is_counted) {
        array->lane.item.avoid = task->node->handle;
        core_array_hold(core, array, now + FAULT_PAUSE_MS * (time_ms)++job->n_faults);
    }
    if (task->r.n_attempts > TASK_TRIES) {
        core_task_end(core, now, task, TASK_EVENT_FAILED, OUTCOME_FAILED);
    } else {
        core_task_move(core, now, task, TASK_EVENT_REFUSED);
        scheduler_dequeue(core->scheduler, &task->waiting.item);
        task->r.not_before = now + FAULT_PAUSE_MS;
        core_task_enqueue(core, now, task);
    }
    if (job->n_faults >= ARRAY_FAULTS_MAX && !core_array_is_told(array)) {
        core_array_stop(core, now, array, WHY_FAILURES, -1, text);
    }
}
