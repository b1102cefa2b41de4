/* An agent comes, or comes back, and says what it has of arrays: lanes, and every position that was
 * leased to it and whose end the head has not acknowledged. What it does not name never arrived and
 * never will, since an agent takes nothing between its enrolment and the welcome: such a position
 * is queued again as if it had never been leased. What it names and the head does not hold for it
 * is to end. */
#include "head/core/arrays.h"

/* Lanes that the agent does not have are closed; those that a head before this one opened are taken
 * in the scheduler, before the node gets anything new. */
static void lanes_adopt(struct core *core, struct array_holder *holder,
                        const struct held_lane *named)
{
    if (core_array_lane_find(holder, named->lane) != NULL) {
        return;
    }
    struct allocation allocation;
    error_code error =
        scheduler_take(core->scheduler, holder->node->handle, holder->array->work->cls, named->gpus,
                       named->n_gpus, &allocation);
    if (error != OK) {
        core_fail(core, error);
        return;
    }
    if (core_array_lane_add(core, holder, &allocation, named->lane) == NULL) {
        scheduler_give(core->scheduler, &allocation);
    }
}

static bool lane_is_named(const struct msg_enrol *msg, uint32_t job, uint32_t lane)
{
    for (uint32_t i = 0; i < msg->n_lanes; i++) {
        if (msg->lanes[i].job == job && msg->lanes[i].lane == lane) {
            return true;
        }
    }
    return false;
}

static void lanes_compare(struct core *core, time_ms now, struct node *node,
                          const struct msg_enrol *msg)
{
    list_each (&node->holders, struct array_holder, node_link, holder) {
        list_each (&holder->lanes, struct open_lane, link, lane) {
            if (!lane_is_named(msg, holder->array->work->number, lane->number)) {
                core_array_lane_close(core, holder, lane);
            }
        }
    }
    for (uint32_t i = 0; i < msg->n_lanes && core->out.failed == OK; i++) {
        struct work *work = core_work_find(core, msg->lanes[i].job);
        bool is_open = work != NULL && work->array != NULL && !core_array_is_over(work->array);
        struct array_holder *holder =
            is_open ? core_array_holder(core, now, work->array, node) : NULL;
        if (holder != NULL) {
            lanes_adopt(core, holder, &msg->lanes[i]);
        }
    }
}

/* ---- positions ---- */

/* Ranges that an agent has no right to, of one array at a time. */
struct wrongs {
    uint32_t job;
    struct array_range *ranges; /* [n_ranges of the enrolment] */
    uint32_t n;
};

static void wrongs_send(struct core *core, const struct node *node, struct wrongs *wrongs)
{
    /* No grace: nobody takes what it would still bring, and its room is given to others. */
    struct msg_take_back msg = {.job = wrongs->job,
                                .ranges = wrongs->ranges,
                                .n_ranges = wrongs->n,
                                .why = WHY_CANCEL,
                                .grace_ms = 0};
    if (wrongs->n > 0) {
        outbox_send(&core->out, node->peer, MSG_TAKE_BACK, &msg);
    }
    wrongs->n = 0;
}

static void wrong_add(struct wrongs *wrongs, uint32_t first, uint32_t count, uint32_t n_max)
{
    struct array_range *last = wrongs->n > 0 ? &wrongs->ranges[wrongs->n - 1] : NULL;
    if (last != NULL && last->first + last->count == first) {
        last->count += count;
    } else if (wrongs->n < n_max) {
        wrongs->ranges[wrongs->n++] = (struct array_range){first, count};
    }
}

/* Known to run, since when is not. */
static void named_started(struct core *core, struct array_holder *holder, uint32_t position,
                          uint32_t *held)
{
    struct array *array = holder->array;
    struct array_started *started =
        (*held & HELD_STARTED) != 0 ? NULL : mem_zalloc(sizeof *started);
    if (started == NULL) {
        return; /* it is known, or what people see lacks a word */
    }
    started->position = position;
    HASH_ADD(hh, array->started, position, sizeof started->position, started);
    if (started->hh.tbl == NULL) {
        mem_free(started);
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    *held |= HELD_STARTED;
    holder->n_started++;
}

static void range_name(struct core *core, const struct node *node, const struct array *array,
                       struct array_holder *holder, const struct held_range *named,
                       struct wrongs *wrongs, uint32_t n_max)
{
    uint64_t end = (uint64_t)named->range.first + named->range.count;
    if (named->returned != 0 && named->returned <= node->r.applied) {
        return; /* handed back or ended, which the agent learns by the welcome to be known:
                   whatever was leased since has not arrived */
    }
    if (array == NULL || end > array->n_tasks || holder == NULL) {
        wrong_add(wrongs, named->range.first, named->range.count, n_max);
        return;
    }
    for (uint32_t position = named->range.first; position < end; position++) {
        if (!array_is_held(holder, position)) {
            wrong_add(wrongs, position, 1, n_max);
            continue;
        }
        uint32_t *held = array_held_at(array, position);
        *held |= HELD_NAMED;
        if (named->is_started) {
            named_started(core, holder, position, held);
        }
    }
}

static void ranges_compare(struct core *core, struct node *node, const struct msg_enrol *msg)
{
    /* A range can be wrong in parts, with something that is held between each two of them. */
    uint32_t n_max = msg->n_ranges + node->n_held + 1;
    struct wrongs wrongs = {.ranges = mem_calloc(n_max, sizeof *wrongs.ranges)};
    if (wrongs.ranges == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < msg->n_ranges; i++) {
        const struct held_range *named = &msg->ranges[i];
        const struct work *work = core_work_find(core, named->job);
        const struct array *array = work != NULL ? work->array : NULL;
        struct array_holder *holder = array != NULL ? core_array_holder_find(array, node) : NULL;
        if (named->job != wrongs.job) {
            wrongs_send(core, node, &wrongs);
            wrongs.job = named->job;
        }
        range_name(core, node, array, holder, named, &wrongs, n_max);
    }
    wrongs_send(core, node, &wrongs);
    mem_free(wrongs.ranges);
}

/* Never arrived: as if it had not been leased. */
static void unnamed_queue(struct core *core, struct array_holder *holder)
{
    uint32_t position = 0;
    while (core_array_held_next(holder, position, &position)) {
        uint32_t *held = array_held_at(holder->array, position);
        if ((*held & HELD_NAMED) == 0) {
            core_array_slot_set(core, holder->array, position, SLOT_QUEUED);
        } else {
            *held &= ~HELD_NAMED;
        }
        position++;
    }
}

static bool position_is_named(const struct msg_enrol *msg, uint32_t job, uint32_t position)
{
    for (uint32_t i = 0; i < msg->n_ranges; i++) {
        struct array_range range = msg->ranges[i].range;
        if (msg->ranges[i].job == job && position >= range.first &&
            position - range.first < range.count) {
            return true;
        }
    }
    return false;
}

/* Told to leave alone: one that did not arrive has left. The others were named with what the node
 * does not hold; what becomes of them is told by rows, which want a holder. */
static void tasks_compare(struct core *core, time_ms now, struct node *node,
                          const struct msg_enrol *msg)
{
    list_each (&node->tasks, struct task, node_link, task) {
        uint32_t position;
        if (!core_task_is_in_lane(task) ||
            !array_position_of(task->work->array->ids, task->r.id.index, &position)) {
            continue;
        }
        if (position_is_named(msg, task->r.id.job, position)) {
            core_array_holder(core, now, task->work->array, node);
            continue;
        }
        task->r.why = task->r.order.why;
        core_task_end(core, now, task, TASK_EVENT_TOLD_ENDED,
                      task->r.why == WHY_CANCEL ? OUTCOME_CANCELLED : OUTCOME_STOPPED);
    }
}

void core_arrays_untold(struct node *node)
{
    list_each (&node->holders, struct array_holder, node_link, holder) {
        holder->is_told = holder->is_taking_back = false;
    }
}

void core_arrays_enrol(struct core *core, time_ms now, struct node *node,
                       const struct msg_enrol *msg)
{
    lanes_compare(core, now, node, msg);
    ranges_compare(core, node, msg);
    tasks_compare(core, now, node, msg);
    list_each (&node->holders, struct array_holder, node_link, holder) {
        unnamed_queue(core, holder);
        if (holder->n_held > 0 || holder->n_lanes > 0) {
            core_array_tell(core, holder);
        }
        if (holder->n_held > 0 && core_array_is_told(holder->array)) {
            core_array_take_back(core, holder, NULL, 0, WHY_CANCEL, -1);
        } else if (holder->n_held > 0 && node->r.state == NODE_DRAINING) {
            core_array_take_back(core, holder, NULL, 0, WHY_NONE, -1);
        }
        core_array_touch(core, holder);
        core_array_due(core, holder->array);
        core_array_advance(core, now, holder->array);
    }
}
