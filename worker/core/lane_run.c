/* How a lane goes from one task to the next, and when what became of them is told. */
#include <assert.h>
#include <string.h>

#include "worker/core/lanes.h"

/* ---- from one task to the next ---- */

void agent_lane_free(struct agent *agent, struct attempt *attempt)
{
    struct lane *lane = attempt->lane;
    if (lane == NULL) {
        return;
    }
    uint32_t i = 0;
    while (lane->attempts[i] != attempt) {
        i++;
    }
    lane->n_attempts--;
    memmove(&lane->attempts[i], &lane->attempts[i + 1],
            (lane->n_attempts - i) * sizeof(struct attempt *));
    agent_array_touch(agent, lane->array);
}

/* Nothing is left to run. While the head has not got the last results it may be sending more: a
 * lane that closed too early would have to be placed again. */
static bool array_has_run_dry(const struct agent *agent, const struct agent_array *array)
{
    return agent->is_draining || agent->is_leaving ||
           (array->told <= agent->stream.acked && array->rows.len == 0);
}

static void dry_run(struct agent *agent, time_ms now, struct agent_array *array,
                    struct agent_outbox *out)
{
    uint32_t position;
    for (int i = 0; i < LANES_DRY_SLICE && array->n_lanes > 0; i++) {
        if (!range_list_take(&array->queued, &position)) {
            return;
        }
        agent_array_row(agent, now, array, position, now, 0, out);
    }
    if (array->n_lanes > 0) {
        agent_array_touch(agent, array);
    }
}

static uint32_t queued_count(const struct agent_array *array)
{
    uint32_t n = 0;
    for (uint32_t i = array->queued.first; i < array->queued.n; i++) {
        n += array->queued.items[i].count;
    }
    return n;
}

/* How many tasks a lane has at the shell, the running one among them. One, unless they are short:
 * then the shell's thread starts the next as one ends, and this one need not wake for each. Never
 * so many that another lane could run dry meanwhile. */
static uint32_t lane_depth(const struct agent_array *array)
{
    if (!array->is_lean || array->task_us == 0 || array->n_lanes == 0) {
        return 1;
    }
    uint64_t ahead = LANE_AHEAD_US / array->task_us;
    uint64_t share = queued_count(array) / (2 * array->n_lanes);
    ahead = ahead < share ? ahead : share;
    return ahead < LANE_TASKS_MAX - 1 ? 1 + (uint32_t)ahead : LANE_TASKS_MAX;
}

static void lane_fill(struct agent *agent, time_ms now, struct lane *lane, uint32_t depth,
                      struct agent_outbox *out)
{
    uint32_t position;
    while (lane->n_attempts < depth && agent->n_attempts < AGENT_ATTEMPTS_MAX &&
           range_list_take(&lane->array->queued, &position)) {
        agent_attempt_of_lane(agent, now, lane, position, out);
    }
}

static void lanes_go(struct agent *agent, time_ms now, struct agent_array *array,
                     struct agent_outbox *out)
{
    if (agent->enrol->is_dry) {
        dry_run(agent, now, array, out);
    }
    uint32_t depth = agent->enrol->is_dry ? 0 : lane_depth(array);
    list_each (&array->lanes, struct lane, link, lane) {
        lane_fill(agent, now, lane, depth < 1 ? depth : 1, out);
        if (lane->n_attempts == 0 && array->queued.n == array->queued.first &&
            array_has_run_dry(agent, array)) {
            agent_lane_close(agent, lane, out);
        }
    }
    list_each (&array->lanes, struct lane, link, lane) {
        lane_fill(agent, now, lane, depth, out);
    }
}

/* With those that lanes have ahead. */
static uint32_t unstarted_count(const struct agent_array *array)
{
    uint32_t n = queued_count(array);
    list_each (&array->lanes, struct lane, link, lane) {
        n += lane->n_attempts > 1 ? lane->n_attempts - 1 : 0;
    }
    return n;
}

static time_ms rows_due_at(const struct agent_array *array)
{
    return array->told_at + ARRAY_ROWS_MS;
}

/* Each telling wakes the head and its store and costs a sync, which short tasks would rather have
 * for themselves. And while the head writes what it was told before, it can do nothing with more of
 * it. So the rows since then go together, or as soon as they are a share of what is queued here, so
 * that the head never learns too late that the queue runs low. */
static bool rows_may_wait(const struct agent *agent, time_ms now, const struct agent_array *array)
{
    uint32_t n_rows = (uint32_t)(array->rows.len / RESULT_ROW_BYTES);
    bool is_early = array->told > agent->stream.acked || now < rows_due_at(array);
    return is_early && array->n_closed == 0 && agent->link.state == LINK_WELCOMED &&
           !agent->is_draining && !agent->is_leaving &&
           n_rows * LANES_ROWS_SHARE < unstarted_count(array);
}

/* An acknowledgement, if one is due, comes before or touches the array again. */
static void rows_wait(struct agent *agent, struct agent_array *array)
{
    if (array->rows.len > 0 && list_is_empty(&array->due)) {
        list_push_back(&agent->arrays_waiting, &array->due);
        agent_wake_at(agent, rows_due_at(array));
    }
}

static void arrays_waiting_end(struct agent *agent, time_ms now)
{
    list_each (&agent->arrays_waiting, struct agent_array, due, array) {
        if (now >= rows_due_at(array)) {
            agent_array_touch(agent, array);
        } else {
            agent_wake_at(agent, rows_due_at(array));
        }
    }
}

void agent_arrays_tick(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    arrays_waiting_end(agent, now);
    /* What becomes due meanwhile is looked at in the next turn. */
    struct list due;
    list_init(&due);
    if (!list_is_empty(&agent->arrays_due)) {
        list_insert_before(&agent->arrays_due, &due);
        list_remove(&agent->arrays_due);
    }
    while (!list_is_empty(&due)) {
        struct agent_array *array = list_first(&due, struct agent_array, due);
        list_remove(&array->due);
        lanes_go(agent, now, array, out);
        if (!rows_may_wait(agent, now, array)) {
            agent_array_flush(agent, now, array, out);
        } else if (now < rows_due_at(array)) {
            rows_wait(agent, array);
        }
    }
}

time_ms agent_arrays_deadline(const struct agent *agent)
{
    time_ms next = list_is_empty(&agent->arrays_due) ? AGENT_NEVER : 0;
    list_each (&agent->arrays_waiting, const struct agent_array, due, array) {
        time_ms at = rows_due_at(array);
        next = at < next ? at : next;
    }
    return next;
}

/* ---- the end of a task ---- */

void agent_lane_ended(struct agent *agent, time_ms now, struct attempt *attempt,
                      struct attempt_result *result, struct agent_outbox *out)
{
    struct agent_array *array = attempt->lane->array;
    if (result->cause == CAUSE_EXIT && result->exit_code == 0) {
        int64_t ms = result->ended_at - result->started_at;
        uint64_t duration_us = attempt->duration_us > 0 ? attempt->duration_us
                               : ms > 0                 ? (uint64_t)ms * 1000
                                                        : 0;
        agent_array_row(agent, now, array, attempt->position, result->started_at, duration_us, out);
    } else {
        struct node_event event = {.kind = EVENT_RESULT, .result = *result};
        array->told = agent_event(agent, now, attempt, &event, out);
    }
    /* Whatever it lacks here, the tasks behind it would lack, too. */
    if (result->is_nodes_fault) {
        agent_array_take_back(agent, now, array, NULL, 0, out);
    }
    agent_outbox_clean(out, attempt->ref);
    agent_attempt_free(agent, attempt);
}

void agent_task_duration(struct agent *agent, struct attempt_ref ref, uint64_t duration_us)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt == NULL) {
        return;
    }
    attempt->duration_us = duration_us;
    if (attempt->lane != NULL) {
        struct agent_array *array = attempt->lane->array;
        array->task_us = array->task_us == 0 ? duration_us : (3 * array->task_us + duration_us) / 4;
    }
}

/* One that is leased alone may be a task of an array whose first attempt has failed. */
const char *agent_items_of(const struct agent *agent, const struct attempt *attempt)
{
    const struct agent_array *array = attempt->lane != NULL ? attempt->lane->array
                                      : agent->arrays != NULL && !attempt->lease->is_trial
                                          ? agent_array_find(agent, attempt->ref.task.job)
                                          : NULL;
    return array != NULL && array->about->items != NULL ? array->about->items : "";
}

bool agent_lease_is_lean(const struct msg_lease *lease)
{
    bool has_work = lease->work != NULL && lease->work[0] != '\0';
    bool has_workdir = lease->workdir != NULL && lease->workdir[0] == '/';
    bool has_dir = false;
    for (uint32_t i = 0; i < lease->n_words; i++) {
        has_dir |= strstr(lease->words[i], "${trial.dir}") != NULL;
    }
    for (uint32_t i = 0; i < lease->n_env; i++) {
        has_dir |=
            lease->env[i].value != NULL && strstr(lease->env[i].value, "${trial.dir}") != NULL;
    }
    return !has_work && has_workdir && !lease->is_trial && !has_dir;
}

/* ---- ahead ---- */

void agent_lanes_recall(const struct agent_array *array, struct agent_outbox *out)
{
    list_each (&array->lanes, struct lane, link, lane) {
        if (lane->n_attempts > 1) {
            agent_outbox_lane_recall(out, array->job, lane->number);
        }
    }
}

void on_attempt_recalled(struct agent *agent, time_ms now, struct attempt_ref ref,
                         struct agent_outbox *out)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt == NULL || attempt->lane == NULL) {
        return;
    }
    if (attempt->state == ATTEMPT_DISOWNED) {
        on_attempt_not_started(agent, now, ref, CAUSE_CANNOT_START, NULL, out);
        return;
    }
    struct agent_array *array = attempt->lane->array;
    struct array_range range = {attempt->position, 1};
    bool is_returned = array->is_given_back || agent->is_draining || agent->is_leaving ||
                       agent_order_is_leave(&attempt->order);
    agent_attempt_cancel(agent, attempt);
    if (is_returned) {
        agent_array_returned(agent, now, array->job, array, &range, 1, out);
        return;
    }
    array->task_us = LANE_RECALLED_US;
    if (range_list_put_back(&array->queued, range.first) != OK) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
    }
}
