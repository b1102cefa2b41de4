/* Orders: durable, numbered decisions for a task. The highest holds. */
#include <assert.h>

#include "head/core/arrays.h"

void core_order_send(struct core *core, const struct task *task)
{
    if (core_task_is_in_lane(task)) {
        core_array_order_send(core, task);
        return;
    }
    struct msg_order msg = {.task = task->r.id, .attempt = task->r.attempt, .order = task->r.order};
    struct named_value params[SPEC_PARAMETERS_MAX];
    if (task->r.order.act == ACT_EXPLOIT) {
        msg.restore = task->r.snapshot;
        msg.params = params;
        msg.n_params = core_task_params(task, params);
    }
    outbox_send(&core->out, task->node != NULL ? task->node->peer : 0, MSG_ORDER, &msg);
}

bool core_order_is_leave(const struct order *order)
{
    return order->act == ACT_STOP || order->act == ACT_PAUSE;
}

bool core_order_is_to_wait(const struct order *order)
{
    return order->act == ACT_PAUSE || (order->act == ACT_STOP && order->why == WHY_EXPLOIT);
}

void core_order_next(struct core *core, time_ms now, struct task *task, order_act act,
                     order_why why, int64_t until, int64_t grace_ms)
{
    (void)now;
    task->r.order = (struct order){
        .n = task->r.order.n + 1,
        .until = until,
        .act = act,
        .why = why,
        .grace_ms = grace_ms,
    };
    core_task_dirty(core, task);
    if (core_task_is_on_node(task)) {
        core_order_send(core, task);
    }
}

int64_t core_work_grace_ms(const struct work *work)
{
    return work->sweep != NULL ? work->sweep->spec.timeouts.grace_ms : 10000;
}

void core_task_tell(struct core *core, time_ms now, struct task *task, order_why why,
                    int64_t grace_ms)
{
    if (task->r.state == TASK_ENDED) {
        return;
    }
    /* Told already: only a cancel says more than what was said, or the same with less grace. */
    bool is_told = core_order_is_leave(&task->r.order) && core_task_is_on_node(task);
    bool is_sooner = grace_ms >= 0 && grace_ms < task->r.order.grace_ms;
    bool is_for_good = task->r.order.act == ACT_STOP && task->r.order.why != WHY_EXPLOIT;
    if (is_told && is_for_good &&
        (why != WHY_CANCEL || (task->r.order.why == WHY_CANCEL && !is_sooner))) {
        return;
    }
    task->r.why = why;
    if (!core_task_is_on_node(task)) {
        core_task_end(core, now, task, TASK_EVENT_CANCEL,
                      why == WHY_CANCEL ? OUTCOME_CANCELLED : OUTCOME_STOPPED);
        return;
    }
    core_order_next(core, now, task, ACT_STOP, why, INT64_MAX,
                    grace_ms >= 0 ? grace_ms : core_work_grace_ms(task->work));
    core_task_move(core, now, task, TASK_EVENT_TOLD);
}
