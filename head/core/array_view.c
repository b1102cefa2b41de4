/* Arrays as people see them; array_view.h says what. */
#include "head/core/array_view.h"

#include <string.h>

#include "head/core/arrays.h"

static const struct array *array_find(const struct core *core, uint32_t number)
{
    const struct work *work = core_work_find((struct core *)(uintptr_t)core, number);
    return work != NULL ? work->array : NULL;
}

const struct record_job *core_job_record(const struct core *core, uint32_t number)
{
    const struct work *work = core_work_find((struct core *)(uintptr_t)core, number);
    return work != NULL && work->job != NULL ? &work->job->r : NULL;
}

bool core_array_counts(const struct core *core, uint32_t number, struct array_counts *ret_counts)
{
    const struct array *array = array_find(core, number);
    if (array == NULL) {
        return false;
    }
    const uint32_t *states = array->work->states, *outcomes = array->work->outcomes;
    uint32_t n_queued = array->n[SLOT_QUEUED];
    bool is_told = core_array_is_told(array);
    *ret_counts = (struct array_counts){
        .total = array->n_tasks,
        .queued = (is_told ? 0 : n_queued) + states[TASK_QUEUED],
        .leased = array->n[SLOT_LEASED] - array->n_running + states[TASK_LEASED],
        .running = array->n_running + states[TASK_RUNNING],
        .stopping = states[TASK_STOPPING],
        .done = array->n[SLOT_DONE] + outcomes[OUTCOME_DONE],
        .failed = outcomes[OUTCOME_FAILED],
        .cancelled = (is_told ? n_queued : 0) + outcomes[OUTCOME_CANCELLED] +
                     outcomes[OUTCOME_STOPPED] + outcomes[OUTCOME_INVALID],
        .exceptions = array->n[SLOT_EXCEPTION],
        .lanes = array->n_lanes,
        .mean_us = (uint64_t)array->mean_us,
        .rate = array->rate,
        .rate_at = array->rate_at,
    };
    return true;
}

static void plain_fill(const struct array *array, uint32_t position, struct array_task *ret)
{
    const uint32_t *held = array_held_at(array, position);
    ret->state = core_array_state(array, ret->slot);
    if (ret->state == TASK_ENDED) {
        ret->outcome = ret->slot == SLOT_DONE ? OUTCOME_DONE : OUTCOME_CANCELLED;
    }
    if (ret->slot != SLOT_LEASED || held == NULL || *held == 0) {
        return;
    }
    ret->node = array->holders[(*held & HELD_HOLDER) - 1]->name;
    if (*held & HELD_STARTED) {
        const struct array_started *started;
        HASH_FIND(hh, array->started, &position, sizeof position, started);
        ret->state = TASK_RUNNING;
        ret->started = started != NULL ? started->since : 0;
        ret->pid = started != NULL ? started->pid : 0;
    }
}

static void position_fill(const struct array *array, uint32_t position, struct array_task *ret)
{
    *ret = (struct array_task){
        .id = {array->work->number, array_id_at(array->ids, position)},
        .position = position,
        .slot = array_slot_at(array, position),
    };
    if (ret->slot != SLOT_EXCEPTION) {
        plain_fill(array, position, ret);
        return;
    }
    const struct task *task;
    HASH_FIND(hh, array->work->exceptions, &ret->id.index, sizeof ret->id.index, task);
    if (task != NULL) {
        ret->state = task->r.state;
        ret->outcome = task->r.outcome;
        ret->node = task->r.node;
        ret->started = task->r.started;
        ret->pid = task->r.pid;
    }
}

bool core_array_task(const struct core *core, task_id id, struct array_task *ret_task)
{
    const struct array *array = array_find(core, id.job);
    uint32_t position;
    if (array == NULL || !array_position_of(array->ids, id.index, &position)) {
        return false;
    }
    position_fill(array, position, ret_task);
    return true;
}

/* ---- walks ---- */

static bool bit_is_set(uint32_t bits, unsigned bit)
{
    return bits == 0 || (bits & (uint32_t)1 << bit) != 0;
}

/* Can a task of this slot be what is looked for? */
static bool slot_fits(const struct array *array, const struct array_filter *filter, array_slot slot)
{
    if (slot == SLOT_EXCEPTION) {
        return true;
    }
    if (filter->is_exceptions) {
        return false;
    }
    task_state state = core_array_state(array, slot);
    task_outcome outcome = slot == SLOT_DONE     ? OUTCOME_DONE
                           : state == TASK_ENDED ? OUTCOME_CANCELLED
                                                 : OUTCOME_NONE;
    bool is_state = bit_is_set(filter->states, state) ||
                    (slot == SLOT_LEASED && bit_is_set(filter->states, TASK_RUNNING));
    return is_state && bit_is_set(filter->outcomes, outcome);
}

static bool position_fits(const struct array *array, const struct array_filter *filter,
                          uint32_t position)
{
    struct array_task task;
    if (!slot_fits(array, filter, array_slot_at(array, position))) {
        return false;
    }
    position_fill(array, position, &task);
    return bit_is_set(filter->states, task.state) && bit_is_set(filter->outcomes, task.outcome);
}

static bool chunk_fits(const struct array *array, const struct array_filter *filter,
                       const struct array_chunk *chunk)
{
    for (int slot = 0; slot <= SLOT_EXCEPTION; slot++) {
        if (chunk->n[slot] > 0 && slot_fits(array, filter, (array_slot)slot)) {
            return true;
        }
    }
    return false;
}

bool core_array_next(const struct core *core, uint32_t number, const struct array_filter *filter,
                     uint32_t from, uint32_t *ret_position)
{
    const struct array *array = array_find(core, number);
    for (uint32_t position = from; array != NULL && position < array->n_tasks;) {
        if (!chunk_fits(array, filter, array_chunk_of(array, position))) {
            position = (position / ARRAY_CHUNK + 1) * ARRAY_CHUNK;
        } else if (position_fits(array, filter, position)) {
            *ret_position = position;
            return true;
        } else {
            position++;
        }
    }
    return false;
}

/* ---- why it waits ---- */

void core_array_explain_dry(const struct record_job *job, struct buf *ret_text)
{
    if (job->has_dry) {
        ignore_error(buf_append_text(ret_text, "; dry: results of it came from a worker that was "
                                               "started with --dry and ran nothing"),
                     "sticky");
    }
}

bool core_array_explain(const struct core *core, uint32_t number, struct buf *ret_text)
{
    const struct array *array = array_find(core, number);
    struct array_counts counts;
    if (array == NULL || !core_array_counts(core, number, &counts)) {
        return false;
    }
    uint32_t n_nodes = 0;
    for (uint32_t i = 0; i < array->n_holders; i++) {
        n_nodes += array->holders[i]->n_lanes > 0;
    }
    const struct record_job *job = &array->work->job->r;
    ignore_error(buf_printf(ret_text, "array %u: %u of %u tasks done, %u queued", number,
                            counts.done, counts.total, counts.queued),
                 "sticky");
    if (core_array_is_over(array)) {
        ignore_error(buf_append_text(ret_text, "; it has ended"), "sticky");
    } else if (core_array_is_told(array)) {
        ignore_error(buf_append_text(ret_text, "; it was told to end"), "sticky");
    } else {
        ignore_error(buf_printf(ret_text, "; %u run at a time, on %u node%s", counts.lanes, n_nodes,
                                n_nodes == 1 ? "" : "s"),
                     "sticky");
    }
    if (array->n[SLOT_QUEUED] > 0 && !core_array_is_told(array)) {
        ignore_error(buf_append_text(ret_text, "; for one more at a time: "), "sticky");
        scheduler_explain(core->scheduler, &array->work->job->request, &array->lane.item, ret_text);
    }
    if (job->error != NULL && job->error[0] != '\0') {
        ignore_error(buf_printf(ret_text, "; %s", job->error), "sticky");
    }
    core_array_explain_dry(job, ret_text);
    return true;
}
