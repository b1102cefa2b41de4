/* What the head sends of an array: what its tasks are, lanes, ranges of positions; and what goes
 * back. */
#include "worker/core/lanes.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

enum { LANE_ARENA_MAX_BYTES = 64 << 10 };

struct agent_array *agent_array_find(const struct agent *agent, uint32_t job)
{
    struct agent_array *array;
    HASH_FIND(hh, agent->arrays, &job, sizeof job, array);
    return array;
}

void agent_array_touch(struct agent *agent, struct agent_array *array)
{
    list_remove(&array->due);
    list_push_back(&agent->arrays_due, &array->due);
    agent_wake_at(agent, 0);
}

/* ---- in and out ---- */

static void lane_free(struct lane *lane)
{
    assert(lane->n_attempts == 0);
    list_remove(&lane->link);
    lane->array->n_lanes--;
    arena_fini(&lane->arena);
    mem_free(lane);
}

static void array_free(struct agent *agent, struct agent_array *array)
{
    list_each (&array->lanes, struct lane, link, lane) {
        lane_free(lane);
    }
    if (array->hh.tbl != NULL) {
        HASH_DELETE(hh, agent->arrays, array);
    }
    list_remove(&array->due);
    range_list_fini(&array->queued);
    held_set_fini(&array->held);
    mem_free(array->returned);
    mem_free(array->closed);
    buf_fini(&array->rows);
    arena_fini(&array->arena);
    mem_free(array);
}

void agent_arrays_free(struct agent *agent)
{
    struct agent_array *array, *next;
    HASH_ITER (hh, agent->arrays, array, next) {
        array_free(agent, array);
    }
}

static struct agent_array *array_new(struct agent *agent, const struct msg_array *message)
{
    struct agent_array *array = mem_zalloc(sizeof *array);
    if (array == NULL) {
        return NULL;
    }
    array->job = message->job;
    arena_init(&array->arena, MSG_ARENA_MAX_BYTES);
    buf_init(&array->rows, (size_t)RESULT_ROWS_MAX * RESULT_ROW_BYTES);
    list_init(&array->lanes);
    list_init(&array->due);
    array->about = agent_message_copy(MSG_ARRAY, message, &array->arena);
    array->is_lean = array->about != NULL && agent_lease_is_lean(&array->about->lease);
    if (array->about != NULL && held_set_init(&array->held, array_ids_count(message->ids)) == OK) {
        HASH_ADD(hh, agent->arrays, job, sizeof array->job, array);
    }
    if (array->hh.tbl == NULL) {
        array_free(agent, TAKE(array));
    }
    return array;
}

void agent_array_take(struct agent *agent, time_ms now, const struct msg_array *message,
                      struct agent_outbox *out)
{
    if (agent_array_find(agent, message->job) != NULL || array_ids_count(message->ids) == 0 ||
        array_ids_count(message->ids) > ARRAY_TASKS_MAX ||
        HASH_COUNT(agent->arrays) >= AGENT_ARRAYS_MAX) {
        return; /* known already; or its lanes and ranges will be handed back */
    }
    struct agent_array *array = array_new(agent, message);
    if (array == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    if (!agent->enrol->is_dry) {
        agent_outbox_array(out, array->about);
    }
    /* A task of it that was leased alone may be here already. */
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (attempt->ref.task.job == array->job && attempt->is_waiting_for_work) {
            agent_work_want(agent, now, attempt, out);
        }
    }
}

static bool array_is_idle(const struct agent *agent, const struct agent_array *array)
{
    if (array->n_lanes > 0 || array->held.n > 0 || array->n_closed > 0 || array->rows.len > 0) {
        return false;
    }
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (attempt->ref.task.job == array->job) {
            return false; /* it may wait for the items */
        }
    }
    return true;
}

void agent_arrays_prune(struct agent *agent, uint32_t first, uint32_t count,
                        struct agent_outbox *out)
{
    struct agent_array *array, *next;
    HASH_ITER (hh, agent->arrays, array, next) {
        if (array->job - first < count && array_is_idle(agent, array)) {
            if (!agent->enrol->is_dry) {
                agent_outbox_array_drop(out, array->job);
            }
            array_free(agent, array);
        }
    }
}

/* ---- lanes ---- */

static struct lane *lane_find(const struct agent_array *array, uint32_t number)
{
    list_each (&array->lanes, struct lane, link, lane) {
        if (lane->number == number) {
            return lane;
        }
    }
    return NULL;
}

static error_code lane_gpus_copy(struct lane *lane, const struct array_lane *about)
{
    const char **gpus = arena_calloc(&lane->arena, about->n_gpus, sizeof *gpus);
    for (uint32_t i = 0; gpus != NULL && i < about->n_gpus; i++) {
        gpus[i] = arena_strdup(&lane->arena, about->gpus[i]);
        if (gpus[i] == NULL) {
            return ERR_NO_MEMORY;
        }
    }
    lane->gpus = gpus;
    lane->n_gpus = about->n_gpus;
    return gpus == NULL && about->n_gpus > 0 ? ERR_NO_MEMORY : OK;
}

static void lane_open(struct agent *agent, struct agent_array *array,
                      const struct array_lane *about, struct agent_outbox *out)
{
    struct lane *lane = mem_zalloc(sizeof *lane);
    if (lane == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    lane->array = array;
    lane->number = about->lane;
    arena_init(&lane->arena, LANE_ARENA_MAX_BYTES);
    list_init(&lane->link);
    list_push_back(&array->lanes, &lane->link);
    array->n_lanes++;
    if (lane_gpus_copy(lane, about) != OK) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        lane_free(lane);
    } else if (!agent->enrol->is_dry) {
        agent_outbox_lane_open(out, array->job, about);
    }
}

void agent_lane_close(struct agent *agent, struct lane *lane, struct agent_outbox *out)
{
    struct agent_array *array = lane->array;
    if (!agent->enrol->is_dry) {
        agent_outbox_lane_close(out, array->job, lane->number);
    }
    agent_array_closed(agent, array, lane->number, out);
    lane_free(lane);
}

/* ---- ranges ---- */

static error_code range_queue(struct agent_array *array, struct array_range range)
{
    uint32_t count = array_ids_count(array->about->ids);
    error_code error = OK;
    for (uint32_t i = 0; error == OK && i < range.count; i++) {
        uint32_t position = range.first + i;
        if (position >= count) {
            break; /* none of the array */
        }
        if (!held_set_has(&array->held, position)) {
            error = held_set_add(&array->held, position);
            error = error == OK ? range_list_push(&array->queued, (struct array_range){position, 1})
                                : error;
        }
    }
    return error;
}

/* An array that this agent was not told of, or had no room for. */
static void ranges_refuse(struct agent *agent, time_ms now, const struct msg_ranges *message,
                          struct agent_outbox *out)
{
    agent_array_returned(agent, now, message->job, NULL, message->ranges, message->n_ranges, out);
    struct node_event event = {.kind = EVENT_TASKS,
                               .job = message->job,
                               .lanes = message->lanes,
                               .n_lanes = message->n_lanes};
    if (message->n_lanes > 0) {
        agent_event(agent, now, NULL, &event, out);
    }
}

void agent_ranges_take(struct agent *agent, time_ms now, const struct msg_ranges *message,
                       struct agent_outbox *out)
{
    struct agent_array *array = agent_array_find(agent, message->job);
    if (array == NULL) {
        ranges_refuse(agent, now, message, out);
        return;
    }
    for (uint32_t i = 0; i < message->n_lanes; i++) {
        if (lane_find(array, message->lanes[i].lane) == NULL && array->n_lanes < AGENT_LANES_MAX) {
            lane_open(agent, array, &message->lanes[i], out);
        }
    }
    for (uint32_t i = 0; i < message->n_ranges; i++) {
        if (range_queue(array, message->ranges[i]) != OK) {
            agent_outbox_fail(out, ERR_NO_MEMORY);
        }
    }
    array->is_given_back = false;
    if (agent->is_draining || agent->is_leaving) {
        agent_array_take_back(agent, now, array, NULL, 0, out);
    }
    agent_array_touch(agent, array);
}

/* ---- back ---- */

/* A task that only waits for a folder was never started. */
static error_code waiting_take(struct agent *agent, struct agent_array *array,
                               const struct array_range *wanted, uint32_t n_wanted,
                               struct range_list *taken)
{
    list_each (&array->lanes, struct lane, link, lane) {
        struct attempt *attempt = lane->n_attempts > 0 ? lane->attempts[0] : NULL;
        if (attempt == NULL || !attempt->is_waiting_for_work ||
            attempt->state == ATTEMPT_DISOWNED ||
            (wanted != NULL && !ranges_have(wanted, n_wanted, attempt->position))) {
            continue;
        }
        error_code error = range_list_push(taken, (struct array_range){attempt->position, 1});
        if (error != OK) {
            return error;
        }
        agent_attempt_cancel(agent, attempt);
    }
    return OK;
}

void agent_array_take_back(struct agent *agent, time_ms now, struct agent_array *array,
                           const struct array_range *wanted, uint32_t n_wanted,
                           struct agent_outbox *out)
{
    static const struct array_range all[] = {{0, UINT32_MAX}};
    struct range_list taken = {0};
    error_code error = waiting_take(agent, array, wanted, n_wanted, &taken);
    if (error == OK) {
        error = range_list_split(&array->queued, wanted != NULL ? wanted : all,
                                 wanted != NULL ? n_wanted : 1, &taken);
    }
    if (error != OK) {
        agent_outbox_fail(out, error);
    } else {
        const struct array_range *first = taken.n > 0 ? taken.items + taken.first : NULL;
        agent_array_returned(agent, now, array->job, array, first, taken.n - taken.first, out);
    }
    range_list_fini(&taken);
    /* What the shell has ahead follows as it gives it back; of single ones it has the next few
     * milliseconds' worth, which is as good as started. */
    if (wanted == NULL) {
        array->is_given_back = true;
        agent_lanes_recall(array, out);
    }
    agent_array_touch(agent, array);
}

static void lane_tell(struct agent *agent, time_ms now, struct attempt *attempt,
                      const struct msg_take_back *message, struct agent_outbox *out)
{
    if (agent_order_is_leave(&attempt->order)) {
        return;
    }
    const struct order order = {.n = attempt->order.n + 1,
                                .until = INT64_MAX,
                                .act = ACT_STOP,
                                .why = message->why,
                                .grace_ms = message->grace_ms};
    agent_order_apply(agent, now, attempt, &order, out);
}

void agent_take_back(struct agent *agent, time_ms now, const struct msg_take_back *message,
                     struct agent_outbox *out)
{
    struct agent_array *array = agent_array_find(agent, message->job);
    const struct array_range *wanted = message->n_ranges > 0 ? message->ranges : NULL;
    if (array == NULL) {
        agent_array_returned(agent, now, message->job, NULL, NULL, 0, out);
        return;
    }
    agent_array_take_back(agent, now, array, wanted, message->n_ranges, out);
    list_each (&array->lanes, struct lane, link, lane) {
        for (uint32_t i = 0; message->why != WHY_NONE && i < lane->n_attempts; i++) {
            struct attempt *attempt = lane->attempts[i];
            if (attempt->state != ATTEMPT_DISOWNED &&
                (wanted == NULL || ranges_have(wanted, message->n_ranges, attempt->position))) {
                lane_tell(agent, now, attempt, message, out);
            }
        }
    }
}

void agent_arrays_hand_back(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    struct agent_array *array, *next;
    HASH_ITER (hh, agent->arrays, array, next) {
        if (array->n_lanes > 0 || array->queued.n > array->queued.first) {
            agent_array_take_back(agent, now, array, NULL, 0, out);
        }
    }
}

bool agent_arrays_hold(const struct agent *agent)
{
    for (const struct agent_array *array = agent->arrays; array != NULL; array = array->hh.next) {
        if (array->n_lanes > 0 || array->queued.n > array->queued.first) {
            return true;
        }
    }
    return false;
}

/* ---- asserts ---- */

void agent_arrays_check(const struct agent *agent)
{
    for (const struct agent_array *array = agent->arrays; array != NULL; array = array->hh.next) {
        uint32_t n_lanes = 0, n_here = 0;
        list_each (&array->lanes, struct lane, link, lane) {
            n_lanes++;
            assert(lane->array == array);
            for (uint32_t i = 0; i < lane->n_attempts; i++) {
                assert(lane->attempts[i]->lane == lane);
                n_here += lane->attempts[i]->state != ATTEMPT_DISOWNED;
            }
        }
        for (uint32_t i = array->queued.first; i < array->queued.n; i++) {
            n_here += array->queued.items[i].count;
            assert(held_set_has(&array->held, array->queued.items[i].first));
        }
        assert(n_lanes == array->n_lanes);
        assert(n_here <= array->held.n);
        assert(array->told < agent->stream.next);
    }
}
