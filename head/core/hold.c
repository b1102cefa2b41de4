/* Held trials: they have left, have no place and no resources, and keep the snapshot that they will
 * go on from. Those that a decision told to leave are woken when tune/ says so; those that people
 * paused, by people. */
#include "head/core/state.h"

/* ---- told by a decision ---- */

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

/* ---- paused by people ---- */

static bool is_paused_by_people(const struct task *task)
{
    return task->r.state == TASK_HELD && task->r.why == WHY_PAUSE;
}

/* It saves and leaves since people paused it. Its `why` is none once they have let it go on. */
static bool is_leaving_for_people(const struct task *task)
{
    return (task->r.state == TASK_STOPPING || task->r.state == TASK_QUEUED) &&
           task->r.order.act == ACT_PAUSE && task->r.order.why == WHY_PAUSE;
}

/* One that waits to go on from another one's weights has left the schedule for that: it is woken at
 * once, with nothing else to wait for, and then held in its turn. */
static void hold_queued(struct core *core, time_ms now, struct task *task)
{
    bool is_to_exploit = task->r.order.act == ACT_EXPLOIT;
    task->r.why = WHY_PAUSE;
    core_task_hold(core, now, task);
    if (is_to_exploit && task->r.state == TASK_QUEUED) {
        task->r.why = WHY_PAUSE;
        core_task_hold(core, now, task);
    }
}

/* It saves and leaves, or does not begin. One that cannot save would lose what it did: it stays; so
 * does one that a decision told to leave, whose place in the schedule nobody else could wake. */
static bool hold_for_people(struct core *core, time_ms now, struct task *task)
{
    struct sweep *sweep = task->work->sweep;
    bool is_bound_to_leave = core_order_is_leave(&task->r.order) && !is_leaving_for_people(task);
    if (task->r.state == TASK_QUEUED && !is_bound_to_leave) {
        hold_queued(core, now, task);
        return true;
    }
    bool can_leave = core_task_is_on_node(task) && !core_order_is_leave(&task->r.order) &&
                     task->r.order.act != ACT_EXPLOIT && core_task_can_save(task);
    if (can_leave) {
        task->r.why = WHY_PAUSE;
        core_order_next(core, now, task, ACT_PAUSE, WHY_PAUSE, INT64_MAX,
                        sweep->spec.timeouts.grace_ms);
        core_task_move(core, now, task, TASK_EVENT_TOLD);
    }
    return can_leave;
}

static void wake_for_people(struct core *core, time_ms now, struct task *task)
{
    struct sweep *sweep = task->work->sweep;
    struct tune_event event = {
        .kind = TUNE_EVENT_WOKEN,
        .trial = task->r.id.index,
        .decision = {.act = TUNE_GO, .until = tune_first_milestone(sweep->tuner, task->r.id.index)},
    };
    core_sweep_log(core, now, sweep, &event, task->r.order.n + 1);
    hold_wake(core, now, task, &event.decision);
    core_sweep_due(core, sweep); /* its place is none for a trial that could be asked for */
}

static void go_on_after_all(struct core *core, time_ms now, struct task *task)
{
    if (is_paused_by_people(task)) {
        wake_for_people(core, now, task);
    } else if (is_leaving_for_people(task)) {
        task->r.why = WHY_NONE;
        core_task_dirty(core, task);
    }
}

void core_task_hold(struct core *core, time_ms now, struct task *task)
{
    struct tune_event event = {.kind = TUNE_EVENT_HELD, .trial = task->r.id.index};
    bool goes_on = is_leaving_for_people(task) && task->r.why == WHY_NONE;
    task->r.why = task->r.order.act == ACT_GO ? task->r.why : task->r.order.why;
    core_task_move(core, now, task, TASK_EVENT_HOLD);
    core_sweep_log(core, now, task->work->sweep, &event, 0);
    if (goes_on) {
        wake_for_people(core, now, task);
    }
    core_sweep_advance(core, now, task->work->sweep);
}

void core_sweep_save(struct core *core, time_ms now, struct sweep *sweep)
{
    struct work *work = sweep->work;
    for (uint32_t i = 0; i < work->n_tasks && work->n_active > 0; i++) {
        if (core_task_is_on_node(work->tasks[i])) {
            ignore_error(hold_for_people(core, now, work->tasks[i]) ? OK : ERR_CONFLICT,
                         "it runs to its end");
        }
    }
}

void core_sweep_wake_paused(struct core *core, time_ms now, struct sweep *sweep)
{
    struct work *work = sweep->work;
    for (uint32_t i = 0; i < work->n_tasks && work->n_active > 0; i++) {
        go_on_after_all(core, now, work->tasks[i]);
    }
}

static error_code pause_check(const struct task *task, struct report *report)
{
    char id[TASK_ID_TEXT_MAX];
    task_id_print(task->r.id, id);
    if (task->work->sweep == NULL) {
        return report_fail(report, ERR_CONFLICT, "%s is no trial: only trials are paused", id);
    }
    if (task->r.state == TASK_ENDED || task->r.state == TASK_HELD) {
        return report_fail(report, ERR_CONFLICT, "%s is %s: there is nothing to pause", id,
                           task_state_names[task->r.state]);
    }
    if (core_order_is_leave(&task->r.order)) {
        return report_fail(report, ERR_CONFLICT, "%s is told to leave already (%s)", id,
                           order_why_names[task->r.order.why]);
    }
    return report_fail(report, ERR_CONFLICT,
                       "%s has not said that it can save, so a pause would lose what it did; stop "
                       "or cancel it, or let it run",
                       id);
}

void on_trial_pause(struct core *core, time_ms now, uint64_t request, task_id id)
{
    struct task *task = core_task_find(core, id);
    struct report report = {0};
    if (task == NULL) {
        core_answer_no_task(core, request, id);
        return;
    }
    bool is_done = is_paused_by_people(task) ||
                   (core_task_is_on_node(task) && task->r.order.act == ACT_PAUSE &&
                    task->r.order.why == WHY_PAUSE);
    if (!is_done && (task->work->sweep == NULL || !hold_for_people(core, now, task))) {
        error_code error = pause_check(task, &report);
        core_answer_error(core, request, http_status_of(error), &report);
        return;
    }
    core_answer_ok(core, request);
}

void on_trial_resume(struct core *core, time_ms now, uint64_t request, task_id id)
{
    struct task *task = core_task_find(core, id);
    struct report report = {0};
    char text[TASK_ID_TEXT_MAX];
    if (task == NULL) {
        core_answer_no_task(core, request, id);
        return;
    }
    if (is_paused_by_people(task) || is_leaving_for_people(task)) {
        go_on_after_all(core, now, task);
    } else if (task->r.state == TASK_HELD) {
        error_code error =
            report_fail(&report, ERR_CONFLICT,
                        "%s waits by its schedule (%s), which wakes it when it may go on",
                        task_id_print(id, text), order_why_names[task->r.why]);
        core_answer_error(core, request, http_status_of(error), &report);
        return;
    } else if (task->r.state == TASK_ENDED || task->work->sweep == NULL) {
        error_code error =
            report_fail(&report, ERR_CONFLICT, "%s is %s: only what is paused can be resumed",
                        task_id_print(id, text), task_state_names[task->r.state]);
        core_answer_error(core, request, http_status_of(error), &report);
        return;
    }
    core_answer_ok(core, request);
}
