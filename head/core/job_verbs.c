/* What people ask of a job as a whole, or of many tasks of an array at once: cancel, try again. */
#include <inttypes.h>
#include <stdio.h>

#include "head/core/arrays.h"

enum { GROUP_TASKS = 500 }; /* with records of their own, in one group of writes */

/* ---- which ---- */

/* Positions of the ids within a range; count 0: none. */
static struct array_range positions_of(struct array_ids ids, struct id_range range)
{
    uint32_t first = range.first > ids.first ? range.first : ids.first;
    uint32_t last = range.last < ids.last ? range.last : ids.last;
    if (first > last) {
        return (struct array_range){0, 0};
    }
    uint32_t from = (uint32_t)(((uint64_t)first - ids.first + ids.step - 1) / ids.step);
    uint32_t to = (last - ids.first) / ids.step;
    return from > to ? (struct array_range){0, 0} : (struct array_range){from, to - from + 1};
}

/* ERR_NOT_FOUND: no id of it; ERR_CONFLICT: too many. */
static error_code ranges_check(const struct work *work, const struct id_range *ranges, uint32_t n,
                               struct report *report)
{
    struct array_ids ids = work->job->r.array;
    uint64_t n_ids = 0;
    if (ids.step == 0) {
        ids = (struct array_ids){1, 1, 1};
    }
    for (uint32_t i = 0; i < n; i++) {
        n_ids += positions_of(ids, ranges[i]).count;
    }
    if (n_ids == 0) {
        return report_fail(report, ERR_NOT_FOUND, "job %u has none of these ids; its ids are %u-%u",
                           work->number, ids.first, ids.last);
    }
    return n_ids <= JOB_VERB_IDS_MAX
               ? OK
               : report_fail(report, ERR_CONFLICT,
                             "these are %" PRIu64
                             " tasks, and one request may name %d; name fewer, "
                             "or the whole job",
                             n_ids, JOB_VERB_IDS_MAX);
}

static struct work *job_find(struct core *core, uint64_t request, uint32_t number)
{
    struct work *work = core_work_find(core, number);
    if (work == NULL || work->job == NULL) {
        core_answer_no_job(core, request, number);
        return NULL;
    }
    return work;
}

/* ---- cancel ---- */

static void range_cancel(struct core *core, time_ms now, struct array *array,
                         struct array_range range, int64_t grace_ms)
{
    for (uint32_t i = 0; i < range.count && core->out.failed == OK; i++) {
        core_array_position_tell(core, now, array, range.first + i, WHY_CANCEL, grace_ms);
        if (i % GROUP_TASKS == GROUP_TASKS - 1) {
            core_group_close(core);
        }
    }
}

void on_job_cancel(struct core *core, time_ms now, uint64_t request, uint32_t number,
                   const struct id_range *ranges, uint32_t n, int64_t grace_ms)
{
    struct report report = {0};
    struct work *work = job_find(core, request, number);
    if (work == NULL) {
        return;
    }
    error_code error = n > 0 ? ranges_check(work, ranges, n, &report) : OK;
    if (error != OK) {
        core_answer_error(core, request, http_status_of(error), &report);
        return;
    }
    if (work->array == NULL) {
        core_task_tell(core, now, work->tasks[0], WHY_CANCEL, grace_ms);
    } else if (n == 0) {
        core_array_stop(core, now, work->array, WHY_CANCEL, grace_ms, NULL);
    }
    for (uint32_t i = 0; i < n && work->array != NULL; i++) {
        range_cancel(core, now, work->array, positions_of(work->array->ids, ranges[i]), grace_ms);
    }
    core_answer_ok(core, request);
}

/* ---- try again ---- */

/* Ended, and not well. */
static bool task_is_retried(const struct task *task, bool is_failed)
{
    return task->r.state == TASK_ENDED &&
           (is_failed ? task->r.outcome == OUTCOME_FAILED : task->r.outcome != OUTCOME_DONE);
}

static bool position_is_retried(struct core *core, const struct array *array, uint32_t position,
                                bool is_failed)
{
    task_id id = {array->work->number, array_id_at(array->ids, position)};
    const struct task *task = core_task_find(core, id);
    bool is_cancelled =
        array_slot_at(array, position) == SLOT_QUEUED && core_array_is_told(array) && !is_failed;
    return task != NULL ? task_is_retried(task, is_failed) : is_cancelled;
}

/* The first one of the ranges that cannot be tried again, if that matters. */
static error_code retry_check(struct core *core, const struct array *array,
                              const struct id_range *ranges, uint32_t n, bool is_failed,
                              struct report *report)
{
    for (uint32_t i = 0; i < n && !is_failed; i++) {
        struct array_range range = positions_of(array->ids, ranges[i]);
        for (uint32_t k = 0; k < range.count; k++) {
            struct array_task task;
            task_id id = {array->work->number, array_id_at(array->ids, range.first + k)};
            if (position_is_retried(core, array, range.first + k, false) ||
                !core_array_task(core, id, &task)) {
                continue;
            }
            char text[TASK_ID_TEXT_MAX];
            bool is_done = task.state == TASK_ENDED;
            return report_fail(
                report, ERR_CONFLICT,
                is_done ? "%s has ended well (%s): only what failed or was cancelled "
                          "is tried again"
                        : "%s is %s: only what has ended is tried again",
                task_id_print(id, text),
                is_done ? task_outcome_names[task.outcome] : task_state_names[task.state]);
        }
    }
    return OK;
}

static uint32_t range_retry(struct core *core, time_ms now, struct array *array,
                            struct array_range range, bool is_failed)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < range.count && core->out.failed == OK; i++) {
        uint32_t position = range.first + i;
        if (!position_is_retried(core, array, position, is_failed)) {
            continue;
        }
        if (array_slot_at(array, position) == SLOT_QUEUED) {
            /* One that its array's end has cancelled: it gets a record to be tried by. */
            core_array_revive(core, array);
            struct task *task = core->out.failed == OK
                                    ? core_array_exception(core, now, array, position, TASK_QUEUED)
                                    : NULL;
            if (task == NULL) {
                return n;
            }
            core_task_enqueue(core, now, task);
        } else {
            task_id id = {array->work->number, array_id_at(array->ids, position)};
            core_task_retry(core, now, core_task_find(core, id));
        }
        if (++n % GROUP_TASKS == 0) {
            core_group_close(core);
        }
    }
    return n;
}

/* All that have ended and not well; without `is_failed` an array that was told to end goes on with
 * what it had not begun, too. */
static uint32_t job_retry_all(struct core *core, time_ms now, struct work *work, bool is_failed)
{
    uint32_t n = 0;
    if (!is_failed && work->array != NULL && core_array_is_told(work->array)) {
        n += work->array->n[SLOT_QUEUED];
        core_array_untell(core, work->array);
    }
    for (uint32_t i = 0; i < work->n_tasks && core->out.failed == OK; i++) {
        if (task_is_retried(work->tasks[i], is_failed)) {
            core_task_retry(core, now, work->tasks[i]);
            if (++n % GROUP_TASKS == 0) {
                core_group_close(core);
            }
        }
    }
    return n;
}

static void retried_answer(struct core *core, uint64_t request, uint32_t n)
{
    char body[80];
    int len = snprintf(body, sizeof body, "{\"api\":\"v1\",\"ok\":true,\"retried\":%u}", n);
    outbox_answer(&core->out, request, 200, (struct bytes){(const uint8_t *)body, (size_t)len});
}

void on_job_retry(struct core *core, time_ms now, uint64_t request, uint32_t number,
                  const struct id_range *ranges, uint32_t n, bool is_failed)
{
    struct report report = {0};
    struct work *work = job_find(core, request, number);
    if (work == NULL) {
        return;
    }
    struct array *array = work->array;
    error_code error = core_leaving_check(core, &report);
    if (error == OK && array != NULL && core_array_is_told(array) && !core_array_is_over(array)) {
        error =
            report_fail(&report, ERR_CONFLICT,
                        "job %u was told to end and has not yet; try again once it has", number);
    }
    if (error == OK && n > 0) {
        error = ranges_check(work, ranges, n, &report);
    }
    if (error == OK && n > 0 && array != NULL) {
        error = retry_check(core, array, ranges, n, is_failed, &report);
    }
    if (error != OK) {
        core_answer_error(core, request, http_status_of(error), &report);
        return;
    }
    uint32_t n_retried = 0;
    for (uint32_t i = 0; i < n && array != NULL; i++) {
        n_retried += range_retry(core, now, array, positions_of(array->ids, ranges[i]), is_failed);
    }
    if (n == 0 || array == NULL) {
        n_retried = job_retry_all(core, now, work, is_failed);
    }
    retried_answer(core, request, n_retried);
}
