/* Start, snapshots, good-byes and the end of an attempt: what becomes of its task. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "head/core/state.h"

enum { EXIT_GIVE_BACK = 75 }; /* EX_TEMPFAIL of sysexits.h: "give me back later" */

void on_event_started(struct core *core, time_ms now, struct task *task,
                      const struct node_event *event)
{
    if (task->r.state == TASK_LEASED || task->r.state == TASK_STOPPING) {
        task->r.started = event->time;
        task->r.pid = event->pid;
        core_task_move(core, now, task, TASK_EVENT_STARTED);
    }
}

void on_event_bye(struct core *core, time_ms now, struct task *task, const struct node_event *event)
{
    /* The word itself comes again in the result; that it is on disk is told by the acknowledgement.
     */
    (void)now;
    if (event->note != NULL && event->note[0] != '\0') {
        core_str_set(core, &task->r.reason, event->note);
    }
    core_task_dirty(core, task);
}

static void core_snapshot_drop(struct core *core, const struct task *task,
                               const struct snapshot_ref *old)
{
    if (old->ordinal == 0 || old->ordinal == task->r.snapshot.ordinal ||
        old->ordinal == task->r.best_snapshot.ordinal) {
        return;
    }
    /* Told once the record that no longer names it is on disk. Lost on the way: the node's next
     * enrolment lists it. */
    struct snapshot_name name = {task->r.id, old->ordinal};
    struct msg_drop msg = {&name, 1};
    outbox_send(&core->out, task->node != NULL ? task->node->peer : 0, MSG_DROP, &msg);
}

/* Snapshots do not move between nodes: elsewhere a trial starts from nothing, and no record names
 * those that its last node keeps. One that is away is told at its next enrolment. */
void core_snapshots_forget(struct core *core, struct task *task)
{
    struct snapshot_ref *refs[] = {&task->r.snapshot, &task->r.best_snapshot};
    const struct node *node = task->r.node != NULL ? core_node_find(core, task->r.node) : NULL;
    for (int i = 0; i < 2; i++) {
        struct snapshot_name name = {task->r.id, refs[i]->ordinal};
        struct msg_drop msg = {&name, 1};
        if (name.ordinal != 0 && node != NULL) {
            outbox_send(&core->out, node->peer, MSG_DROP, &msg);
        }
        *refs[i] = (struct snapshot_ref){0};
    }
}

/* The last snapshot's own step got a value: the best one is kept beside the last. */
void core_snapshot_judge(struct core *core, struct task *task, int64_t step, double value)
{
    const struct sweep *sweep = task->work->sweep;
    struct record_task *r = &task->r;
    if (r->snapshot.ordinal == 0 || r->snapshot.step != step || isnan(value) ||
        sweep->spec.checkpoints.keep_best == 0) {
        return;
    }
    bool is_maximize = sweep->spec.metric.goal == GOAL_MAXIMIZE;
    bool is_best = r->best_snapshot.ordinal == 0 ||
                   (is_maximize ? value > r->best_snapshot_value : value < r->best_snapshot_value);
    if (!is_best) {
        return;
    }
    struct snapshot_ref old = r->best_snapshot;
    r->best_snapshot = r->snapshot;
    r->best_snapshot_value = value;
    core_task_dirty(core, task);
    core_snapshot_drop(core, task, &old);
}

void on_event_snapshot(struct core *core, time_ms now, struct task *task,
                       const struct node_event *event)
{
    (void)now;
    if (event->snapshot.ordinal <= task->r.snapshot.ordinal) {
        return;
    }
    struct snapshot_ref old = task->r.snapshot;
    task->r.snapshot = event->snapshot;
    task->r.snapshot.dir = NULL; /* A folder's place follows from node, trial and number. */
    core_task_dirty(core, task);
    core_snapshot_drop(core, task, &old);
    const struct sweep *sweep = task->work->sweep;
    for (uint32_t i = 0; sweep != NULL && i < task->r.n_metric_names; i++) {
        if (strcmp(task->r.metric_names[i], sweep->spec.metric.name) == 0) {
            core_snapshot_judge(core, task, task->r.last_step, task->r.last_values[i]);
        }
    }
}

/* ---- the end ---- */

static void core_evidence_store(struct core *core, const struct task *task,
                                const struct attempt_result *result, bool is_failure)
{
    enum { TAIL_SMALL_BYTES = 4096 };
    struct record_attempt record = {
        .task = task->r.id,
        .attempt = task->r.attempt,
        .node = task->r.node,
        .incarnation = task->r.incarnation,
        .result = *result,
    };
    struct bytes *tails[] = {&record.result.out_tail, &record.result.err_tail};
    for (int i = 0; i < 2 && !is_failure; i++) {
        if (tails[i]->len > TAIL_SMALL_BYTES) {
            tails[i]->data += tails[i]->len - TAIL_SMALL_BYTES;
            tails[i]->len = TAIL_SMALL_BYTES;
        }
    }
    char field[TASK_ID_TEXT_MAX + 16], id[TASK_ID_TEXT_MAX];
    snprintf(field, sizeof field, "%s:%u", task_id_print(task->r.id, id), task->r.attempt);
    struct buf buf;
    buf_init(&buf, MSG_MAX_BYTES);
    error_code error = record_encode(&record_attempt_schema, &record, &buf);
    if (error != OK) {
        core_fail(core, error);
    }
    outbox_hset(&core->out, "attempts", field, buf_bytes(&buf));
    buf_fini(&buf);
}

typedef enum {
    END_DONE,
    END_TOLD, /* the order's why decides */
    END_INVALID,
    END_GIVEN_BACK,
    END_REFUSED,
    END_FAILED,
} attempt_end;

/* What ran for the blink of an eye counts as started, though its start was never told. */
static bool core_end_has_run(const struct task *task, const struct attempt_result *result)
{
    bool never_ran = result->cause == CAUSE_CANNOT_START || result->cause == CAUSE_REFUSED ||
                     result->cause == CAUSE_AGENT_LEFT;
    return task->r.state == TASK_RUNNING || result->has_started || !never_ran;
}

/* Handed: why decides, whatever the exit code. Not handed: the result decides. An agent that
 * refuses what it had started has failed it. */
static attempt_end core_end_judge(const struct task *task, const struct attempt_result *result)
{
    bool is_told = task->r.order.act == ACT_STOP;
    bool is_handed = is_told && result->handed >= task->r.order.n;
    bool has_run = core_end_has_run(task, result);
    if (result->cause == CAUSE_REFUSED && !has_run) {
        return is_told ? END_TOLD : END_REFUSED;
    }
    bool is_done = result->cause == CAUSE_EXIT && result->exit_code == 0;
    if (is_handed || (is_told && task->r.order.why == WHY_CANCEL && !is_done)) {
        return END_TOLD;
    }
    if (result->cause == CAUSE_AGENT_LEFT) {
        return END_GIVEN_BACK;
    }
    if (result->bye == BYE_INVALID && has_run) {
        return END_INVALID;
    }
    if (is_done) {
        return END_DONE;
    }
    if (result->cause == CAUSE_EXIT && result->exit_code == EXIT_GIVE_BACK) {
        return END_GIVEN_BACK;
    }
    return END_FAILED;
}

static task_outcome core_outcome_of_why(order_why why)
{
    return why == WHY_MAX ? OUTCOME_DONE : why == WHY_CANCEL ? OUTCOME_CANCELLED : OUTCOME_STOPPED;
}

static void core_end_failed(struct core *core, time_ms now, struct task *task)
{
    uint32_t max = task->work->sweep != NULL ? task->work->sweep->spec.retries.max
                                             : task->work->job->r.retries_max;
    bool is_open =
        task->work->sweep == NULL || task->work->sweep->r.state == SWEEP_RUNNING ||
        task->work->sweep->r.state == SWEEP_PAUSED ||
        (task->work->sweep->r.state == SWEEP_FINISHING && task->work->sweep->r.why == WHY_NONE);
    if (is_open && task->r.failures < max) {
        core_task_move(core, now, task, TASK_EVENT_FAILED_RETRY);
    } else {
        core_task_end(core, now, task, TASK_EVENT_FAILED, OUTCOME_FAILED);
    }
}

static void core_end_start(struct core *core, time_ms now, struct task *task,
                           const struct attempt_result *result)
{
    if (task->r.state == TASK_LEASED && core_end_has_run(task, result)) {
        task->r.started = result->started_at;
        core_task_move(core, now, task, TASK_EVENT_STARTED);
    }
}

void on_event_result(struct core *core, time_ms now, struct task *task,
                     const struct node_event *event)
{
    const struct attempt_result *result = &event->result;
    attempt_end end = core_end_judge(task, result);
    core_end_start(core, now, task, result);
    core_evidence_store(core, task, result, end == END_FAILED);
    task->r.exit_code = result->exit_code;
    task->r.signal = result->signal;
    if (result->reason != NULL && result->reason[0] != '\0') {
        core_str_set(core, &task->r.reason, result->reason);
    }
    switch (end) {
    case END_DONE:
        core_task_end(core, now, task, TASK_EVENT_DONE, OUTCOME_DONE);
        break;
    case END_TOLD:
        task->r.why = task->r.order.why;
        core_task_end(core, now, task, TASK_EVENT_TOLD_ENDED, core_outcome_of_why(task->r.why));
        break;
    case END_INVALID:
        core_task_end(core, now, task, TASK_EVENT_INVALID, OUTCOME_INVALID);
        break;
    case END_GIVEN_BACK:
        /* One that gives itself back is not charged, but waits: it may do so at once, for ever. */
        task->r.not_before = result->cause == CAUSE_EXIT ? now + core_task_backoff_ms(task, 1) : 0;
        core_task_move(core, now, task,
                       task->r.state == TASK_LEASED ? TASK_EVENT_REFUSED : TASK_EVENT_PREEMPTED);
        break;
    case END_REFUSED:
        core_task_move(core, now, task, TASK_EVENT_REFUSED);
        break;
    case END_FAILED:
        core_end_failed(core, now, task);
        break;
    }
}
