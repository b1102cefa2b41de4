/* The end of an array: by itself, by people, by too many failures; and its removal. */
#include <stdio.h>

#include "head/core/arrays.h"

bool core_array_is_open(const struct array *array)
{
    return array->n[SLOT_LEASED] > 0 || array->work->n_active > 0 ||
           (array->n[SLOT_QUEUED] > 0 && !core_array_is_told(array));
}

void core_array_advance(struct core *core, time_ms now, struct array *array)
{
    if (!core_array_is_open(array) && !core_array_is_over(array)) {
        core_job_end(core, now, array->work->job);
        for (uint32_t i = 0; i < array->n_holders; i++) {
            if (array->holders[i]->node != NULL) {
                core_array_touch(core, array->holders[i]);
            }
        }
    }
}

/* More failures than it may have end it. */
static void failures_judge(struct core *core, time_ms now, struct array *array,
                           const struct task *task)
{
    const struct work *work = array->work;
    uint32_t limit = work->job->r.max_fails > 0 ? work->job->r.max_fails : ARRAY_FAILED_MAX;
    if (work->outcomes[OUTCOME_FAILED] <= limit || core_array_is_told(array)) {
        return;
    }
    char text[512], id[TASK_ID_TEXT_MAX];
    snprintf(text, sizeof text, "more than %u tasks failed%s; the last one, %s: %.300s", limit,
             work->job->r.max_fails > 0 ? " (max-fails)" : "", task_id_print(task->r.id, id),
             task->r.failure != NULL  ? task->r.failure
             : task->r.reason != NULL ? task->r.reason
                                      : "no reason is known");
    core_array_stop(core, now, array, WHY_FAILURES, -1, text);
}

void core_array_task_ended(struct core *core, time_ms now, const struct task *task)
{
    struct array *array = task->work->array;
    if (task->r.outcome == OUTCOME_FAILED) {
        failures_judge(core, now, array, task);
    }
    core_array_advance(core, now, array);
}

/* ---- told to end ---- */

static void array_mark_told(struct core *core, time_ms now, struct array *array, order_why why,
                            const char *error)
{
    struct job *job = array->work->job;
    uint32_t n_queued = array->n[SLOT_QUEUED];
    core_array_count(core, array, SLOT_QUEUED, -(int64_t)n_queued);
    job->r.why = why;
    job->r.told_at = now;
    job->r.error = error != NULL ? arena_strdup(&job->arena, error) : NULL;
    core_array_count(core, array, SLOT_QUEUED, n_queued);
    core_job_dirty(core, job);
    core_notice_array(core, now, array->work);
}

void core_array_untell(struct core *core, struct array *array)
{
    struct job *job = array->work->job;
    uint32_t n_queued = array->n[SLOT_QUEUED];
    core_array_count(core, array, SLOT_QUEUED, -(int64_t)n_queued);
    job->r.why = WHY_NONE;
    job->r.told_at = 0;
    job->r.error = NULL;
    job->n_faults = 0;
    core_array_count(core, array, SLOT_QUEUED, n_queued);
    if (n_queued > 0) {
        core_array_revive(core, array);
    }
    core_job_dirty(core, job);
}

void core_array_revive(struct core *core, struct array *array)
{
    error_code error = core_work_class_hold(core, array->work);
    if (error != OK) {
        core_fail(core, error);
        return;
    }
    array->work->job->r.ended = 0;
    core_job_dirty(core, array->work->job);
    core_array_due(core, array);
}

void core_array_stop(struct core *core, time_ms now, struct array *array, order_why why,
                     int64_t grace_ms, const char *error)
{
    struct work *work = array->work;
    if (core_array_is_over(array)) {
        return;
    }
    if (!core_array_is_told(array)) {
        array_mark_told(core, now, array, why, error);
    }
    core_array_due(core, array);
    for (uint32_t i = 0; i < array->n_holders; i++) {
        if (array->holders[i]->n_held > 0) {
            core_array_take_back(core, array->holders[i], NULL, 0, WHY_CANCEL, grace_ms);
        }
    }
    /* Ending one judges the array again, but adds none. */
    for (uint32_t i = 0; i < work->n_tasks && work->n_active > 0; i++) {
        core_task_tell(core, now, work->tasks[i], WHY_CANCEL, grace_ms);
    }
    core_array_advance(core, now, array);
}

void core_array_position_tell(struct core *core, time_ms now, struct array *array,
                              uint32_t position, order_why why, int64_t grace_ms)
{
    array_slot slot = array_slot_at(array, position);
    struct task *task = NULL;
    if (slot == SLOT_EXCEPTION) {
        task_id id = {array->work->number, array_id_at(array->ids, position)};
        task = core_task_find(core, id);
    } else if ((slot == SLOT_QUEUED || slot == SLOT_LEASED) && !core_array_is_told(array)) {
        const uint32_t *held = array_held_at(array, position);
        bool is_started = slot == SLOT_LEASED && (*held & HELD_STARTED) != 0;
        task = core_array_exception(core, now, array, position,
                                    slot == SLOT_QUEUED ? TASK_QUEUED
                                    : is_started        ? TASK_RUNNING
                                                        : TASK_LEASED);
    }
    if (task != NULL) {
        core_task_tell(core, now, task, why, grace_ms);
    }
}

/* ---- removed ---- */

void core_array_remove_begin(struct core *core, struct array *array)
{
    if (array == NULL) {
        return;
    }
    core_array_uncount(core, array);
    list_remove(&array->due_link);
    list_remove(&array->hold_link);
    for (uint32_t i = 0; i < array->n_holders; i++) {
        struct array_holder *holder = array->holders[i];
        list_each (&holder->lanes, struct open_lane, link, lane) {
            core_array_lane_close(core, holder, lane);
        }
        list_remove(&holder->node_link);
        list_remove(&holder->touched_link);
        if (holder->node != NULL) {
            holder->node->n_held -= holder->n_held;
            holder->n_held = 0;
            holder->node = NULL;
        }
    }
}

bool core_array_remove_chunk(struct core *core, struct array *array)
{
    if (array == NULL || array->removing_chunk == 0) {
        return false;
    }
    char field[32], key[40];
    snprintf(field, sizeof field, "%u.%u", array->work->number, --array->removing_chunk);
    snprintf(key, sizeof key, "res:%s", field);
    outbox_del(&core->out, key);
    outbox_hdel(&core->out, "chunks", field);
    return true;
}
