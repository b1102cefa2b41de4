/* What an enrolment names of arrays: lanes, and every position that was leased to this agent and of
 * whose end it has no acknowledgement; with the event that hands it back or tells its end, for the
 * head may have applied that and have leased the position anew in a message that never came. */
#include <stdlib.h>

#include "base/mem.h"
#include "worker/core/lanes.h"

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

/* ---- what is told and not acknowledged ---- */

struct told_range {
    uint32_t job;
    struct array_range range;
    uint64_t number; /* of the event */
};

struct told {
    struct told_range *items; /* in order of job and position, none in two */
    uint32_t n, cap;
};

static error_code told_add(struct told *told, uint32_t job, struct array_range range,
                           uint64_t number)
{
    struct told_range *last = told->n > 0 ? &told->items[told->n - 1] : NULL;
    if (last != NULL && last->job == job && last->number == number &&
        last->range.first + last->range.count == range.first) {
        last->range.count += range.count;
        return OK;
    }
    if (told->n == told->cap) {
        uint32_t cap = told->cap == 0 ? 64 : told->cap * 2;
        struct told_range *items = mem_realloc(told->items, cap * sizeof *items);
        if (items == NULL) {
            return ERR_NO_MEMORY;
        }
        told->items = items;
        told->cap = cap;
    }
    told->items[told->n++] = (struct told_range){job, range, number};
    return OK;
}

static error_code told_add_end(struct told *told, const struct agent_array *array, uint32_t id,
                               uint64_t number)
{
    uint32_t position;
    return array_position_of(array->about->ids, id, &position)
               ? told_add(told, array->job, (struct array_range){position, 1}, number)
               : OK;
}

/* The tasks whose ends `kept` tells. */
static error_code told_add_ends(struct told *told, const struct agent *agent,
                                const struct kept_event *kept)
{
    bool is_result = kept->kind == EVENT_RESULT && kept->ref.attempt == 0;
    const struct agent_array *array =
        agent_array_find(agent, is_result ? kept->ref.task.job : kept->job);
    if (array == NULL || (!is_result && kept->kind != EVENT_TASKS)) {
        return OK;
    }
    if (is_result) {
        return told_add_end(told, array, kept->ref.task.index, kept->number);
    }
    struct arena arena;
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    error_code error = message_decode((struct bytes){kept->frame, kept->frame_bytes}, &arena, &type,
                                      &message, NULL);
    if (error == OK) {
        struct bytes rows = ((const struct msg_events *)message)->events[0].array_rows;
        for (size_t at = 0; at + RESULT_ROW_BYTES <= rows.len && error == OK;
             at += RESULT_ROW_BYTES) {
            struct result_row row;
            result_row_read(rows.data + at, &row);
            error = told_add_end(told, array, row.id, kept->number);
        }
    }
    arena_fini(&arena);
    return error;
}

static int told_order(const void *a, const void *b)
{
    const struct told_range *x = a, *y = b;
    if (x->job != y->job) {
        return x->job < y->job ? -1 : 1;
    }
    return x->range.first < y->range.first ? -1 : x->range.first > y->range.first;
}

/* Frees nothing in case of an error: the caller does. */
static error_code told_gather(struct told *told, const struct agent *agent)
{
    error_code error = OK;
    for (const struct agent_array *array = agent->arrays; array != NULL; array = array->hh.next) {
        for (uint32_t i = 0; i < array->n_returned && error == OK; i++) {
            error = told_add(told, array->job, array->returned[i].range, array->returned[i].number);
        }
    }
    list_each (&agent->stream.kept, struct kept_event, link, kept) {
        error = error == OK ? told_add_ends(told, agent, kept) : error;
    }
    if (error == OK && told->n > 0) {
        qsort(told->items, told->n, sizeof *told->items, told_order);
    }
    return error;
}

/* The event that hands `position` back or tells its end; 0: none. Up to `*end` it is the same. */
static uint64_t told_at(const struct told *told, uint32_t job, uint32_t position, uint32_t *end)
{
    uint32_t low = 0, high = told->n; /* the first that ends behind the position */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct told_range *item = &told->items[middle];
        bool is_before = item->job < job ||
                         (item->job == job && item->range.first + item->range.count <= position);
        low = is_before ? middle + 1 : low;
        high = is_before ? high : middle;
    }
    if (low == told->n || told->items[low].job != job) {
        return 0;
    }
    const struct told_range *item = &told->items[low];
    uint32_t cut =
        item->range.first > position ? item->range.first : item->range.first + item->range.count;
    *end = cut < *end ? cut : *end;
    return item->range.first > position ? 0 : item->number;
}

/* ---- ranges ---- */

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

static void enrol_ranges(const struct agent *agent, const struct told *told,
                         struct held_range *ranges, uint32_t *ret_n)
{
    uint32_t n = 0;
    for (const struct agent_array *array = agent->arrays; array != NULL; array = array->hh.next) {
        struct array_range range;
        for (uint32_t from = 0; held_set_next(&array->held, from, &range);) {
            bool is_started;
            uint32_t end = range.first + range.count;
            uint64_t number = told_at(told, array->job, range.first, &end);
            range.count = end - range.first;
            range.count = stretch_cut(array, range, &is_started);
            if (ranges != NULL) {
                ranges[n] = (struct held_range){array->job, range, is_started, number};
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
    struct told told = {0};
    if (told_gather(&told, agent) != OK) {
        mem_free(told.items);
        return ERR_NO_MEMORY;
    }
    enrol_ranges(agent, &told, NULL, &enrol->n_ranges);
    struct held_lane *lanes = arena_calloc(arena, enrol->n_lanes, sizeof *lanes);
    struct held_range *ranges = arena_calloc(arena, enrol->n_ranges, sizeof *ranges);
    if (lanes != NULL && ranges != NULL) {
        enrol_lanes(agent, lanes, &enrol->n_lanes);
        enrol_ranges(agent, &told, ranges, &enrol->n_ranges);
        enrol->lanes = lanes;
        enrol->ranges = ranges;
    }
    mem_free(told.items);
    return enrol->ranges != NULL ? OK : ERR_NO_MEMORY;
}
