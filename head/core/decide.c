/* A trial has reached its milestone: tune/ decides, and the decision becomes an order, in the batch
 * that holds the report.
 *
 * An exploit moves three things as one: the snapshot that the trial goes on from is the donor's,
 * its parameters are the new ones, and its lineage is the number of the order that said so. A
 * snapshot names the lineage that it was made with; what is of another one is neither a resume
 * point nor a donor's, so that weights never meet the parameters of other weights. */
#include <math.h>
#include <string.h>

#include "base/planted.h"
#include "head/core/state.h"

/* ---- donors ---- */

struct donor_ask {
    struct core *core;
    const struct task *task; /* that asks */
};

/* One that it made itself, with its parameters of now, on a node that is there. A trial may be its
 * own donor. */
static bool donor_find(void *context, uint32_t trial, uint32_t *ret_ordinal, int64_t *ret_step)
{
    const struct donor_ask *ask = context;
    const struct task *donor = core_task_find(ask->core, (task_id){ask->task->r.id.job, trial});
    if (donor == NULL) {
        return false;
    }
    const struct record_task *r = &donor->r;
    bool has_one = r->snapshot.ordinal != 0 && r->snapshot.owner == 0 &&
                   r->snapshot.lineage == r->lineage &&
                   core_snapshot_lender(ask->core, donor) != NULL;
    if (!has_one && !PLANTED(exploit_nothing)) {
        return false;
    }
    *ret_ordinal = r->snapshot.ordinal;
    *ret_step = r->snapshot.step;
    return true;
}

static bool command_restores(const struct command *command)
{
    bool restores = false;
    for (uint32_t i = 0; i < command->n_words && !restores; i++) {
        restores = strstr(command->words[i], "${restore") != NULL;
    }
    return restores;
}

bool core_task_can_save(const struct task *task)
{
    const struct sweep *sweep = task->work->sweep;
    return (task->r.can & CAN_CHECKPOINT) != 0 ||
           (sweep != NULL && sweep->spec.checkpoints.adopt[0] != '\0' &&
            command_restores(&sweep->spec.command));
}

/* Another trial of the sweep waits for a place: one that was asked for, or one that could be. */
static bool sweep_is_crowded(const struct sweep *sweep)
{
    return sweep->work->states[TASK_QUEUED] > 0 || tune_tickets(sweep->tuner) > 0;
}

/* ---- orders ---- */

static void params_set(struct core *core, struct task *task, const struct value *params,
                       uint32_t n_params)
{
    struct value *own = mem_calloc(n_params, sizeof *own);
    if (own == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    memcpy(own, params, n_params * sizeof *own); /* texts are the spec's */
    mem_free((void *)(uintptr_t)task->r.params);
    task->r.params = own;
    task->r.n_params = n_params;
}

/* Before the order whose number is the new lineage. */
static void donor_take(struct core *core, struct task *task, const struct tune_event *event)
{
    const struct tune_decision *decision = &event->decision;
    struct task *donor = core_task_find(core, (task_id){task->r.id.job, decision->donor});
    bool is_borrowed = donor != task && !PLANTED(exploit_half);
    if (is_borrowed) {
        core_exploit_begin(core, task);
        task->r.donor_lineage = donor->r.snapshot.lineage;
        task->r.is_donor_replaced = false;
    }
    task->r.lineage = task->r.order.n + 1;
    params_set(core, task, event->params, event->n_params);
    if (!PLANTED(exploit_half)) {
        core_snapshot_borrow(core, task, donor);
    }
}

static void leave_order(struct core *core, time_ms now, struct task *task, order_act act,
                        order_why why)
{
    task->r.why = why;
    core_order_next(core, now, task, act, why, INT64_MAX,
                    task->work->sweep->spec.timeouts.grace_ms);
    core_task_move(core, now, task, TASK_EVENT_TOLD);
}

static void order_go(struct core *core, time_ms now, struct task *task,
                     const struct tune_event *event)
{
    core_order_next(core, now, task, ACT_GO, WHY_NONE, event->decision.until, 0);
}

static void order_stop(struct core *core, time_ms now, struct task *task,
                       const struct tune_event *event)
{
    leave_order(core, now, task, ACT_STOP, core_why_from_tune(event->decision.why));
}

/* Where trials take turns it goes to the end of the sweep's line. With a donor there is nothing to
 * save. */
static void order_pause(struct core *core, time_ms now, struct task *task,
                        const struct tune_event *event)
{
    struct sweep *sweep = task->work->sweep;
    if (tune_takes_turns(sweep->tuner)) {
        task->r.age = (uint64_t)sweep->r.number << 32 | (SPEC_TRIALS_MAX + ++sweep->turns);
    }
    if (event->decision.donor == 0) {
        leave_order(core, now, task, ACT_PAUSE, WHY_RUNG);
        return;
    }
    donor_take(core, task, event);
    leave_order(core, now, task, ACT_STOP, WHY_EXPLOIT);
}

/* One that cannot load another's snapshot while it runs leaves, and starts again from there. */
static void order_exploit(struct core *core, time_ms now, struct task *task,
                          const struct tune_event *event)
{
    donor_take(core, task, event);
    if ((task->r.can & CAN_EXPLOIT) == 0) {
        leave_order(core, now, task, ACT_STOP, WHY_EXPLOIT);
        return;
    }
    core_order_next(core, now, task, ACT_EXPLOIT, WHY_NONE, event->decision.until, 0);
}

void core_decide(struct core *core, time_ms now, struct task *task, int64_t step, double value)
{
    static void (*const orders[])(struct core *, time_ms, struct task *,
                                  const struct tune_event *) = {
        [TUNE_GO] = order_go,
        [TUNE_STOP] = order_stop,
        [TUNE_PAUSE] = order_pause,
        [TUNE_EXPLOIT] = order_exploit,
    };
    struct sweep *sweep = task->work->sweep;
    struct value params[SPEC_PARAMETERS_MAX];
    struct donor_ask ask = {core, task};
    struct tune_milestone milestone = {
        .trial = task->r.id.index,
        .step = step,
        .value = value,
        .can = core_task_can_save(task) ? TUNE_CAN_PAUSE | TUNE_CAN_EXPLOIT : 0,
        .is_crowded = sweep_is_crowded(sweep),
        .donor = donor_find,
        .context = &ask,
    };
    struct tune_event event = {
        .kind = TUNE_EVENT_MILESTONE,
        .trial = task->r.id.index,
        .step = step,
        .has_value = true,
        .value = value,
    };
    core_task_metric_result(task, &event);
    tune_decide(sweep->tuner, &milestone, &event.decision, params);
    if (event.decision.donor != 0) {
        event.params = params;
        event.n_params = sweep->spec.n_parameters;
    }
    core->decisions_total++;
    core_sweep_log(core, now, sweep, &event, task->r.order.n + 1);
    outbox_milestone(&core->out);
    orders[event.decision.act](core, now, task, &event);
    core_notice_best(core, now, sweep);
    core_sweep_advance(core, now, sweep);
}

void core_replay_anew(struct core *core, time_ms now, struct task *task)
{
    struct sweep *sweep = task->work->sweep;
    struct value params[SPEC_PARAMETERS_MAX];
    if (sweep == NULL || sweep->spec.schedule.type != SCHEDULE_REPLAY || task->r.lineage == 0 ||
        core_order_is_leave(&task->r.order) || core_snapshot_to_restore(core, task).ordinal != 0) {
        return;
    }
    struct tune_event event = {
        .kind = TUNE_EVENT_MILESTONE,
        .trial = task->r.id.index,
        .has_value = true,
        .value = NAN,
        .decision = {.act = TUNE_GO, .until = INT64_MAX},
    };
    core_task_metric_result(task, &event);
    tune_suggest(sweep->tuner, task->r.id.index, params);
    core_sweep_log(core, now, sweep, &event, task->r.order.n + 1);
    params_set(core, task, params, sweep->spec.n_parameters);
    task->r.order = (struct order){
        .n = task->r.order.n + 1,
        .until = tune_first_milestone(sweep->tuner, task->r.id.index),
        .act = ACT_GO,
    };
    task->r.lineage = task->r.order.n; /* what it saved before is of no use to it */
    core_task_dirty(core, task);
}
