/* What a node is given of an array, and what is taken back.
 *
 * With each lane goes a task; short ones go ahead in numbers, so that an agent has work while the
 * results before them are written. How many: what its lanes do in two batch times, by measured
 * durations. A batch time is twice the time from a batch's making until it is on disk, since a
 * result waits for the batch that is under way before its own, and a millisecond for the way.
 *
 * Where something better waits that would fit the node without its lanes, nothing goes ahead: its
 * queue runs dry, the lanes close, and their room is the scheduler's again. */
#include "head/core/arrays.h"

#include <math.h>

enum { BATCH_TIMES = 2, WAY_MS = 1, YIELD_MS = 1000 };

void core_array_tell(struct core *core, struct array_holder *holder)
{
    if (holder->is_told || holder->node->peer == 0) {
        return;
    }
    const struct work *work = holder->array->work;
    struct msg_array msg = {.job = work->number,
                            .ids = holder->array->ids,
                            .items = work->job->r.items,
                            .items_bytes = work->job->r.items_bytes};
    msg.lease.task = (task_id){work->number, 0};
    msg.lease.order = (struct order){.n = 1, .until = INT64_MAX, .act = ACT_GO};
    lease_from_job(work, &msg.lease);
    holder->is_told = true;
    outbox_send(&core->out, holder->node->peer, MSG_ARRAY, &msg);
}

void core_array_take_back(struct core *core, struct array_holder *holder,
                          const struct array_range *ranges, uint32_t n, order_why why,
                          int64_t grace_ms)
{
    struct msg_take_back msg = {
        .job = holder->array->work->number,
        .ranges = ranges,
        .n_ranges = n,
        .why = why,
        .grace_ms = grace_ms >= 0 ? grace_ms : core_work_grace_ms(holder->array->work),
    };
    holder->is_taking_back |= n == 0;
    outbox_send(&core->out, holder->node->peer, MSG_TAKE_BACK, &msg);
}

void core_arrays_take_back(struct core *core, struct node *node)
{
    list_each (&node->holders, struct array_holder, node_link, holder) {
        if (holder->n_held > 0 && !holder->is_taking_back) {
            core_array_take_back(core, holder, NULL, 0, WHY_NONE, -1);
        }
    }
}

void core_array_order_send(struct core *core, const struct task *task)
{
    const struct array *array = task->work->array;
    struct array_holder *holder = core_array_holder_find(array, task->node);
    struct array_range range = {.count = 1};
    if (holder != NULL && holder->node != NULL &&
        array_position_of(array->ids, task->r.id.index, &range.first)) {
        core_array_take_back(core, holder, &range, 1, task->r.order.why, task->r.order.grace_ms);
    }
}

/* ---- how many ---- */

void core_array_measure(struct array *array, uint32_t n_tasks, uint64_t us)
{
    enum { WEIGHT_OF = 32 };
    if (n_tasks == 0) {
        return;
    }
    double mean_us = fmax((double)us / n_tasks, 1);
    double weight = fmax(0.125, (double)n_tasks / (n_tasks + WEIGHT_OF));
    array->mean_us =
        array->mean_us > 0 ? array->mean_us + (mean_us - array->mean_us) * weight : mean_us;
}

/* Beyond one a lane. */
static uint32_t holder_ahead(const struct core *core, const struct array_holder *holder)
{
    double mean_us = holder->array->mean_us;
    if (!(mean_us > 0) || mean_us > ARRAY_AHEAD_US) {
        return 0;
    }
    double batch_us = (2 * core->batch_ms + WAY_MS + ARRAY_ROWS_MS) * 1000;
    double n = ceil(BATCH_TIMES * batch_us * holder->n_lanes / mean_us);
    return n < ARRAY_AHEAD_MAX ? (uint32_t)n : ARRAY_AHEAD_MAX;
}

/* What the lanes of a node have. */
static struct scheduler_amounts lanes_amounts(const struct node *node)
{
    struct scheduler_amounts sum = {0};
    list_each (&node->holders, const struct array_holder, node_link, holder) {
        const struct request *request = &holder->array->work->job->request;
        sum.cpus += request->cpus * holder->n_lanes;
        sum.gpus += request->gpus * holder->n_lanes;
        sum.memory_bytes += request->memory_bytes * holder->n_lanes;
    }
    return sum;
}

/* Does something wait that goes before what is queued of the array? Its own tasks that are tried
 * again do so now and then: to stop for each of them at once would cost more than it brings. */
static bool holder_has_better(const struct core *core, const struct array_holder *holder)
{
    struct array *array = holder->array;
    const struct work *work = array->work;
    const struct scheduler_amounts back = lanes_amounts(holder->node);
    bool is_yielding = work->states[TASK_QUEUED] > 0 && core->now >= array->yield_at;
    uint64_t age = (uint64_t)work->number << 32;
    if (is_yielding && core_array_cursor_move(array)) {
        age |= array_id_at(array->ids, array->cursor);
    }
    bool has_better = scheduler_has_better(core->scheduler, holder->node->handle, &back,
                                           work->job->r.priority, age);
    if (is_yielding && !has_better) {
        array->yield_at = core->now + YIELD_MS;
    }
    return has_better;
}

/* May it have more than one a lane? */
static bool holder_may_lead(const struct core *core, const struct array_holder *holder)
{
    const struct node *node = holder->node;
    return holder->n_lanes > 0 && node->r.state == NODE_ALIVE && !node->r.is_cordoned &&
           node->peer != 0 && !core->is_leaving && !holder->is_taking_back &&
           holder->n_started < holder->n_lanes && list_is_empty(&holder->array->hold_link) &&
           !holder_has_better(core, holder);
}

/* So many more, once half of what it may have is used up or a lane has nothing to run. */
static uint32_t holder_wants(const struct core *core, const struct array_holder *holder)
{
    uint32_t depth = holder->n_lanes + holder_ahead(core, holder), n_held = holder->n_held;
    bool is_due = n_held <= depth / 2 || n_held < holder->n_lanes || holder->n_new > 0;
    return is_due && n_held < depth ? depth - n_held : 0;
}

/* ---- told ---- */

static void holder_ranges_send(struct core *core, struct array_holder *holder)
{
    struct array_lane *lanes = mem_calloc(holder->n_new, sizeof *lanes);
    const char **gpus = mem_calloc((size_t)holder->n_new * NODE_GPUS_MAX, sizeof *gpus);
    uint32_t n_lanes = 0, n_gpus = 0;
    if (lanes == NULL || gpus == NULL) {
        core_fail(core, ERR_NO_MEMORY);
    }
    list_each (&holder->lanes, struct open_lane, link, lane) {
        if (!lane->is_new || core->out.failed != OK) {
            continue;
        }
        const struct allocation *a = &lane->allocation;
        lanes[n_lanes++] = (struct array_lane){lane->number, gpus + n_gpus, a->n_gpus};
        for (uint32_t i = 0; i < a->n_gpus; i++) {
            gpus[n_gpus++] = scheduler_gpu_uuid(core->scheduler, a->node, a->gpus[i].index);
        }
        lane->is_new = false;
    }
    holder->n_new -= n_lanes;
    const struct record_node *node = &holder->node->r;
    const struct msg_ranges msg = {.job = holder->array->work->number,
                                   .lanes = lanes,
                                   .n_lanes = n_lanes,
                                   .ranges = holder->ranges,
                                   .n_ranges = holder->n_ranges,
                                   .incarnation = node->incarnation,
                                   .applied = node->applied};
    if (core->out.failed == OK) {
        core_array_tell(core, holder);
        outbox_send(&core->out, holder->node->peer, MSG_RANGES, &msg);
    }
    holder->n_ranges = 0;
    mem_free(lanes);
    mem_free(gpus);
}

static void holder_flush(struct core *core, struct array_holder *holder)
{
    struct array *array = holder->array;
    bool is_open = !core_array_is_told(array) && !core_array_is_over(array);
    if (is_open && array->n[SLOT_QUEUED] > 0 && holder_may_lead(core, holder)) {
        core_array_take(core, holder, holder_wants(core, holder));
    }
    if (holder->n_new > 0 || holder->n_ranges > 0) {
        holder_ranges_send(core, holder);
    } else if (is_open && holder->n_held > 0 && holder->n_lanes == 0 && !holder->is_taking_back) {
        /* The last lane closed while more was on its way. */
        core_array_take_back(core, holder, NULL, 0, WHY_NONE, -1);
    }
    if (core_array_is_over(array) && holder->n_lanes == 0) {
        list_remove(&holder->node_link);
        holder->node = NULL;
        holder->is_told = false;
    }
}

void core_arrays_flush(struct core *core)
{
    list_each (&core->touched_holders, struct array_holder, touched_link, holder) {
        list_remove(&holder->touched_link);
        if (holder->node != NULL && core->out.failed == OK) {
            holder_flush(core, holder);
        }
    }
    /* What that took may have been the last that a lane was wanted for. */
    core_arrays_refresh(core);
}
