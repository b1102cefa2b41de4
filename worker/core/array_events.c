/* What is told of arrays: rows of tasks that ended well, gathered over a turn, and positions handed
 * back; and what of it is acknowledged. */
#include "base/mem.h"
#include "worker/core/lanes.h"

/* ---- rows ---- */

void agent_array_row(struct agent *agent, time_ms now, struct agent_array *array, uint32_t position,
                     time_ms started_at, uint64_t duration_us, struct agent_outbox *out)
{
    const struct result_row row = {
        .id = array_id_at(array->about->ids, position),
        .flags = agent->enrol->is_dry ? RESULT_ROW_DRY : 0,
        .started_at = started_at,
        .duration_us = duration_us,
    };
    if (array->rows.len == array->rows.max) {
        agent_array_flush(agent, now, array, out);
    }
    uint8_t *bytes = buf_reserve(&array->rows, RESULT_ROW_BYTES);
    if (bytes == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    result_row_write(&row, bytes);
    array->rows.len += RESULT_ROW_BYTES;
    agent_array_touch(agent, array);
}

void agent_array_closed(struct agent *agent, struct agent_array *array, uint32_t lane,
                        struct agent_outbox *out)
{
    if (array->n_closed == array->cap_closed) {
        uint32_t cap = array->cap_closed == 0 ? 4 : array->cap_closed * 2;
        struct array_lane *closed = mem_realloc(array->closed, cap * sizeof *closed);
        if (closed == NULL) {
            agent_outbox_fail(out, ERR_NO_MEMORY);
            return;
        }
        array->closed = closed;
        array->cap_closed = cap;
    }
    array->closed[array->n_closed++] = (struct array_lane){.lane = lane};
    agent_array_touch(agent, array);
}

void agent_array_flush(struct agent *agent, time_ms now, struct agent_array *array,
                       struct agent_outbox *out)
{
    if (array->rows.len == 0 && array->n_closed == 0) {
        return;
    }
    struct node_event event = {.kind = EVENT_TASKS,
                               .job = array->job,
                               .array_rows = buf_bytes(&array->rows),
                               .lanes = array->closed,
                               .n_lanes = array->n_closed};
    uint64_t number = agent_event(agent, now, NULL, &event, out);
    if (array->rows.len > 0) {
        array->told = number;
        array->told_at = now;
    }
    buf_reset(&array->rows);
    array->n_closed = 0;
}

/* ---- handed back ---- */

static error_code returned_add(struct agent_array *array, uint64_t number, struct array_range range)
{
    if (array->n_returned == array->cap_returned) {
        uint32_t cap = array->cap_returned == 0 ? 8 : array->cap_returned * 2;
        struct returned_range *returned =
            cap <= ARRAY_RANGES_MAX ? mem_realloc(array->returned, cap * sizeof *returned) : NULL;
        if (returned == NULL) {
            return ERR_NO_MEMORY;
        }
        array->returned = returned;
        array->cap_returned = cap;
    }
    array->returned[array->n_returned++] = (struct returned_range){number, range};
    return OK;
}

void agent_array_returned(struct agent *agent, time_ms now, uint32_t job, struct agent_array *array,
                          const struct array_range *ranges, uint32_t n_ranges,
                          struct agent_outbox *out)
{
    struct node_event event = {
        .kind = EVENT_RETURNED, .job = job, .ranges = ranges, .n_ranges = n_ranges};
    uint64_t number = agent_event(agent, now, NULL, &event, out);
    for (uint32_t i = 0; array != NULL && i < n_ranges; i++) {
        if (returned_add(array, number, ranges[i]) != OK) {
            agent_outbox_fail(out, ERR_NO_MEMORY);
        }
    }
}

static void returned_acked(struct agent_array *array, uint64_t number)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < array->n_returned; i++) {
        struct returned_range returned = array->returned[i];
        if (returned.number > number) {
            array->returned[kept++] = returned;
            continue;
        }
        for (uint32_t k = 0; k < returned.range.count; k++) {
            held_set_remove(&array->held, returned.range.first + k);
        }
    }
    array->n_returned = kept;
}

/* ---- acknowledged ---- */

static void rows_acked(struct agent_array *array, struct bytes rows)
{
    for (size_t at = 0; at + RESULT_ROW_BYTES <= rows.len; at += RESULT_ROW_BYTES) {
        struct result_row row;
        uint32_t position;
        result_row_read(rows.data + at, &row);
        if (array_position_of(array->about->ids, row.id, &position)) {
            held_set_remove(&array->held, position);
        }
    }
}

static void tasks_acked(struct agent_array *array, const struct kept_event *kept,
                        struct agent_outbox *out)
{
    struct arena arena;
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    if (message_decode((struct bytes){kept->frame, kept->frame_bytes}, &arena, &type, &message,
                       NULL) != OK) {
        agent_outbox_fail(out, ERR_NO_MEMORY); /* it is our own frame */
    } else {
        rows_acked(array, ((const struct msg_events *)message)->events[0].array_rows);
    }
    arena_fini(&arena);
}

void agent_array_acked(struct agent *agent, const struct kept_event *event,
                       struct agent_outbox *out)
{
    bool is_result = event->kind == EVENT_RESULT && event->ref.attempt == 0;
    struct agent_array *array =
        agent_array_find(agent, is_result ? event->ref.task.job : event->job);
    uint32_t position;
    if (array == NULL) {
        return;
    }
    if (event->kind == EVENT_TASKS) {
        tasks_acked(array, event, out);
    } else if (event->kind == EVENT_RETURNED) {
        returned_acked(array, event->number);
    } else if (is_result &&
               array_position_of(array->about->ids, event->ref.task.index, &position)) {
        held_set_remove(&array->held, position);
    } else {
        return;
    }
    agent_array_touch(agent, array);
}
