/* What an agent tells of the plain tasks of an array. The rows of those that ended well come by the
 * thousand, so that each costs a look at its slot and a copy; whatever else becomes of a task makes
 * it an exception, which then ends as every task does. */
#include <assert.h>

#include "base/planted.h"
#include "head/core/arrays.h"

static struct array_holder *holder_of(struct core *core, const struct node *node, uint32_t job)
{
    const struct work *work = core_work_find(core, job);
    struct array_holder *holder =
        work != NULL && work->array != NULL ? core_array_holder_find(work->array, node) : NULL;
    return holder != NULL && holder->node == node ? holder : NULL;
}

/* The task with a record that has this id and whose first attempt is in a lane of the node. */
static struct task *lane_task(struct core *core, const struct node *node, task_id id)
{
    struct task *task = core_task_find(core, id);
    bool is_first = task != NULL && (core_task_is_in_lane(task) || PLANTED(forget_attempt));
    return is_first && task->node == node && core_task_is_on_node(task) ? task : NULL;
}

/* ---- exit 0 ---- */

struct rows {
    struct array_holder *holder;
    struct array_chunk *chunk; /* of the last row */
    uint32_t n_done;
    uint64_t us;
    bool has_dry; /* among them */
};

/* One that was told to leave ends well all the same. */
static bool row_of_exception(struct core *core, time_ms now, const struct rows *rows,
                             const struct result_row *row)
{
    struct node *node = rows->holder->node;
    task_id id = {rows->holder->array->work->number, row->id};
    struct task *task = lane_task(core, node, id);
    if (task == NULL || row->attempt != 0) {
        return false;
    }
    struct node_event event = {
        .kind = EVENT_RESULT,
        .task = id,
        .result = {.has_started = true,
                   .cause = CAUSE_EXIT,
                   .is_dry = (row->flags & RESULT_ROW_DRY) != 0,
                   .started_at = row->started_at,
                   .ended_at = result_row_ended(row)},
    };
    on_event_result(core, now, task, &event);
    return true;
}

static bool row_apply(struct core *core, struct rows *rows, struct result_row *row)
{
    struct array_holder *holder = rows->holder;
    struct array *array = holder->array;
    uint32_t position;
    if (row->attempt != 0 || row->exit_code != 0 ||
        !array_position_of(array->ids, row->id, &position) || !array_is_held(holder, position)) {
        return false;
    }
    struct array_chunk *chunk = array_chunk_of(array, position);
    uint32_t *held = &chunk->held[position % ARRAY_CHUNK];
    if (*held & HELD_STARTED) {
        core_array_started_forget(array, position);
        holder->n_started--;
    }
    *held = 0;
    array->slots[position / ARRAY_WORD] ^= (uint64_t)(SLOT_LEASED ^ SLOT_DONE)
                                           << (position % ARRAY_WORD * 2);
    chunk->n[SLOT_LEASED]--;
    chunk->n[SLOT_DONE]++;
    if (chunk != rows->chunk) {
        rows->chunk = chunk;
        core_array_chunk_dirty(core, chunk);
    }
    uint8_t kept[RESULT_ROW_BYTES];
    row->node = holder->number;
    result_row_write(row, kept);
    core_array_row_add(core, chunk, kept);
    rows->n_done++;
    rows->us += row->duration_us;
    rows->has_dry |= (row->flags & RESULT_ROW_DRY) != 0;
    return true;
}

/* For people: what goes on is measured again and again, over a while each time. */
static void rate_note(struct array *array, time_ms now, uint32_t n_rows)
{
    array->rate_rows += n_rows;
    if (array->rate_at == 0) {
        array->rate_at = now;
    } else if (now - array->rate_at >= ARRAY_RATE_MS) {
        array->rate = array->rate_rows * 1000.0 / (double)(now - array->rate_at);
        array->rate_at = now;
        array->rate_rows = 0;
    }
}

static void rows_apply(struct core *core, time_ms now, struct array_holder *holder,
                       struct bytes blob)
{
    struct rows rows = {.holder = holder};
    uint32_t n = result_rows_count(blob), n_dropped = 0;
    for (uint32_t i = 0; i < n && core->out.failed == OK; i++) {
        struct result_row row;
        result_row_read(blob.data + (size_t)i * RESULT_ROW_BYTES, &row);
        if (!row_apply(core, &rows, &row) && !row_of_exception(core, now, &rows, &row)) {
            n_dropped++;
        }
    }
    holder->n_held -= rows.n_done;
    holder->node->n_held -= rows.n_done;
    core_array_count(core, holder->array, SLOT_LEASED, -(int64_t)rows.n_done);
    core_array_count(core, holder->array, SLOT_DONE, rows.n_done);
    core_array_measure(holder->array, rows.n_done, rows.us);
    rate_note(holder->array, now, rows.n_done);
    core->array_rows_total += rows.n_done;
    core->array_rows_dropped_total += n_dropped;
    if (rows.n_done > 0) {
        holder->array->work->job->n_faults = 0;
    }
    if (rows.has_dry) {
        core_job_dry(core, holder->array->work->job);
    }
}

void on_event_tasks(struct core *core, time_ms now, struct node *node,
                    const struct node_event *event)
{
    struct array_holder *holder = holder_of(core, node, event->job);
    if (holder == NULL) {
        core->array_rows_dropped_total += result_rows_count(event->array_rows);
        return;
    }
    rows_apply(core, now, holder, event->array_rows);
    for (uint32_t i = 0; i < event->n_lanes; i++) {
        struct open_lane *lane = core_array_lane_find(holder, event->lanes[i].lane);
        if (lane != NULL) {
            core_array_lane_close(core, holder, lane);
        }
    }
    core_array_recount(core, holder);
    core_array_touch(core, holder);
    core_array_due(core, holder->array);
    core_array_advance(core, now, holder->array);
}

/* ---- handed back: never started ---- */

static void position_returned(struct core *core, time_ms now, struct array_holder *holder,
                              uint32_t position)
{
    struct array *array = holder->array;
    if (array_is_held(holder, position)) {
        core_array_slot_set(core, array, position, SLOT_QUEUED);
        return;
    }
    task_id id = {array->work->number, array_id_at(array->ids, position)};
    struct task *task =
        array_slot_at(array, position) == SLOT_EXCEPTION ? lane_task(core, holder->node, id) : NULL;
    if (task != NULL && task->r.state == TASK_STOPPING) {
        task->r.why = task->r.order.why;
        core_task_end(core, now, task, TASK_EVENT_TOLD_ENDED,
                      task->r.why == WHY_CANCEL ? OUTCOME_CANCELLED : OUTCOME_STOPPED);
    }
}

static void range_returned(struct core *core, time_ms now, struct array_holder *holder,
                           struct array_range range)
{
    const struct array *array = holder->array;
    uint64_t end = (uint64_t)range.first + range.count;
    end = end < array->n_tasks ? end : array->n_tasks;
    for (uint32_t position = range.first; position < end;) {
        const struct array_chunk *chunk = array_chunk_of(array, position);
        if (chunk->n[SLOT_LEASED] == 0 && chunk->n[SLOT_EXCEPTION] == 0) {
            position = (position / ARRAY_CHUNK + 1) * ARRAY_CHUNK;
            continue;
        }
        position_returned(core, now, holder, position++);
    }
}

void on_event_returned(struct core *core, time_ms now, struct node *node,
                       const struct node_event *event)
{
    struct array_holder *holder = holder_of(core, node, event->job);
    if (holder == NULL) {
        return;
    }
    holder->is_taking_back = false;
    for (uint32_t i = 0; i < event->n_ranges && core->out.failed == OK; i++) {
        range_returned(core, now, holder, event->ranges[i]);
    }
    core_array_touch(core, holder);
    core_array_advance(core, now, holder->array);
}

/* ---- of one task ---- */

static void task_started(struct core *core, struct array_holder *holder, uint32_t position,
                         const struct node_event *event)
{
    struct array *array = holder->array;
    uint32_t *held = array_held_at(array, position);
    if (*held & HELD_STARTED) {
        return;
    }
    struct array_started *started = mem_zalloc(sizeof *started);
    if (started != NULL) {
        *started =
            (struct array_started){.position = position, .pid = event->pid, .since = event->time};
        HASH_ADD(hh, array->started, position, sizeof started->position, started);
    }
    if (started == NULL || started->hh.tbl == NULL) {
        mem_free(started);
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    *held |= HELD_STARTED;
    holder->n_started++;
    /* Long ones after short ones: what waits behind them would wait for nothing. */
    if (holder->n_started >= holder->n_lanes && holder->n_held > holder->n_started &&
        !holder->is_taking_back) {
        core_array_take_back(core, holder, NULL, 0, WHY_NONE, -1);
        array->mean_us = 0;
    }
}

static void task_ended(struct core *core, time_ms now, struct array_holder *holder,
                       uint32_t position, const struct node_event *event)
{
    struct array *array = holder->array;
    const struct attempt_result *result = &event->result;
    bool is_started = (*array_held_at(array, position) & HELD_STARTED) != 0;
    if (result->has_started && result->ended_at >= result->started_at) {
        core_array_measure(array, 1, (uint64_t)(result->ended_at - result->started_at) * 1000);
    }
    struct task *task = core_array_exception(core, now, array, position,
                                             core_array_is_told(array) ? TASK_STOPPING
                                             : is_started              ? TASK_RUNNING
                                                                       : TASK_LEASED);
    if (task != NULL) {
        on_event_result(core, now, task, event);
    }
    core_array_advance(core, now, array);
}

bool core_array_task_event(struct core *core, time_ms now, struct node *node,
                           const struct node_event *event)
{
    struct array_holder *holder = holder_of(core, node, event->task.job);
    uint32_t position;
    if (holder == NULL || event->attempt != 0 ||
        !array_position_of(holder->array->ids, event->task.index, &position) ||
        !array_is_held(holder, position)) {
        return false;
    }
    if (event->kind == EVENT_STARTED) {
        task_started(core, holder, position, event);
    } else if (event->kind == EVENT_RESULT) {
        task_ended(core, now, holder, position, event);
    } else {
        return false;
    }
    core_array_touch(core, holder);
    return true;
}
