/* Held trials: they have left, have no place and no resources, and keep the snapshot that they will
 * go on from. Those that a decision told to leave are woken when tune/ says so; those that people
 * paused, by people. */
#include "head/core/state.h"

void core_task_hold(struct core *core, time_ms now, struct task *task)
{
    struct tune_event event = {.kind = TUNE_EVENT_HELD, .trial = task->r.id.index};
    core_task_move(core, now, task, TASK_EVENT_HOLD);
    core_sweep_log(core, now, task->work->sweep, &event, 0);
    core_sweep_advance(core, now, task->work->sweep);
}

static void hold_end(struct core *core, time_ms now, struct task *task, order_why why)
{
    task->r.why = why;
    core_task_end(core, now, task, TASK_EVENT_CANCEL, OUTCOME_STOPPED);
}

static void hold_wake(struct core *core, time_ms now, struct task *task,
                      const struct tune_decision *decision)
{
    task->r.why = WHY_NONE;
    core_order_next(core, now, task, ACT_GO, WHY_NONE, decision->until, 0);
    core_task_move(core, now, task, TASK_EVENT_WAKE);
}

static void wake_decided(struct core *core, time_ms now, struct sweep *sweep)
{
    struct tune_event event = {.kind = TUNE_EVENT_WOKEN};
    while (core->out.failed == OK && tune_wake_next(sweep->tuner, &event.trial, &event.decision)) {
        struct task *task = core_task_find(core, (task_id){sweep->r.number, event.trial});
        if (task == NULL || task->r.state != TASK_HELD) {
            core_fail(core, ERR_INVALID);
            return;
        }
        core_sweep_log(core, now, sweep, &event, task->r.order.n + 1);
        if (event.decision.act == TUNE_GO) {
            hold_wake(core, now, task, &event.decision);
        } else {
            hold_end(core, now, task, core_why_from_tune(event.decision.why));
        }
    }
}

/* Nothing runs that could wake them. */
static void end_the_rest(struct core *core, time_ms now, struct sweep *sweep)
{
    struct work *work = sweep->work;
    for (uint32_t i = 0; i < work->n_tasks && work->n_active > 0; i++) {
        if (work->tasks[i]->r.state == TASK_HELD) {
            hold_end(core, now, work->tasks[i], WHY_RUNG);
        }
    }
}

void core_sweep_wake(struct core *core, time_ms now, struct sweep *sweep)
{
    bool is_open = sweep->r.state == SWEEP_RUNNING || sweep->r.state == SWEEP_FINISHING;
    if (sweep->is_waking || sweep->work->states[TASK_HELD] == 0 || !is_open) {
        return;
    }
    sweep->is_waking = true; /* each end and each wake comes here again */
    wake_decided(core, now, sweep);
    if (sweep->r.state == SWEEP_FINISHING &&
        sweep->work->states[TASK_HELD] == sweep->work->n_active) {
        end_the_rest(core, now, sweep);
    }
    sweep->is_waking = false;
}
