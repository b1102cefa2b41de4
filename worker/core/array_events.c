/* What is told of arrays: rows of tasks that ended well, gathered over a turn; positions handed
 * back; and what an enrolment names. */
#include <string.h>

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

/* ---- enrolment ---- */

static void enrol_lanes(const struct agent *agent, struct held_lane *lanes, uint32_t *ret_n)
{
    uint32_t n = 0;
    for (const struct agent_array *array = agent->arrays; array != NULL; array = array->hh.next) {
        list_each (&array->lanes, struct lane, link, lane) {
            if (lanes != NULL) {
                lanes[n] = (struct held_lane){array->job, lane->number, lane->gpus, lane->n_gpus};
            }
            n++;
        }
    }
    *ret_n = n;
}

static bool position_runs(const struct agent_array *array, uint32_t position)
{
    list_each (&array->lanes, struct lane, link, lane) {
        for (uint32_t i = 0; i < lane->n_attempts; i++) {
            const struct attempt *attempt = lane->attempts[i];
            if (attempt->has_started && attempt->position == position &&
                attempt->state != ATTEMPT_DISOWNED) {
                return true;
            }
        }
    }
    return false;
}

/* The event that hands `position` back; 0: none. Up to `*end` it is the same. */
static uint64_t stretch_returned(const struct agent_array *array, uint32_t position, uint32_t *end)
{
    uint64_t number = 0;
    for (uint32_t i = 0; i < array->n_returned; i++) {
        const struct returned_range *returned = &array->returned[i];
        uint32_t behind = returned->range.first + returned->range.count;
        if (ranges_have(&returned->range, 1, position)) {
            number = returned->number;
            *end = behind < *end ? behind : *end;
        } else if (returned->range.count > 0 && returned->range.first > position &&
                   returned->range.first < *end) {
            *end = returned->range.first;
        }
    }
    return number;
}

/* One that runs stands alone. */
static uint32_t stretch_cut(const struct agent_array *array, struct array_range range,
                            bool *ret_is_started)
{
    *ret_is_started = position_runs(array, range.first);
    uint32_t count = 1;
    while (!*ret_is_started && count < range.count && !position_runs(array, range.first + count)) {
        count++;
    }
    return count;
}

static void enrol_ranges(const struct agent *agent, struct held_range *ranges, uint32_t *ret_n)
{
    uint32_t n = 0;
    for (const struct agent_array *array = agent->arrays; array != NULL; array = array->hh.next) {
        struct array_range range;
        for (uint32_t from = 0; held_set_next(&array->held, from, &range);) {
            bool is_started;
            uint32_t end = range.first + range.count;
            uint64_t returned = stretch_returned(array, range.first, &end);
            range.count = end - range.first;
            range.count = stretch_cut(array, range, &is_started);
            if (ranges != NULL) {
                ranges[n] = (struct held_range){array->job, range, is_started, returned};
            }
            n++;
            from = range.first + range.count;
        }
    }
    *ret_n = n;
}

error_code agent_arrays_enrol(struct agent *agent, time_ms now, struct arena *arena,
                              struct msg_enrol *enrol, struct agent_outbox *out)
{
    struct agent_array *array, *next;
    HASH_ITER (hh, agent->arrays, array, next) {
        agent_array_flush(agent, now, array, out);
    }
    /* After each enrolment the head tells again what an array is. */
    agent_arrays_prune(agent, 0, UINT32_MAX, out);
    enrol_lanes(agent, NULL, &enrol->n_lanes);
    enrol_ranges(agent, NULL, &enrol->n_ranges);
    struct held_lane *lanes = arena_calloc(arena, enrol->n_lanes, sizeof *lanes);
    struct held_range *ranges = arena_calloc(arena, enrol->n_ranges, sizeof *ranges);
    if (lanes == NULL || ranges == NULL) {
        return ERR_NO_MEMORY;
    }
    enrol_lanes(agent, lanes, &enrol->n_lanes);
    enrol_ranges(agent, ranges, &enrol->n_ranges);
    enrol->lanes = lanes;
    enrol->ranges = ranges;
    return OK;
}
