/* Start, good-byes and the end of an attempt: what becomes of its task. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "head/core/gang.h"

enum { EXIT_GIVE_BACK = 75 }; /* EX_TEMPFAIL of sysexits.h: "give me back later" */

void on_event_started(struct core *core, time_ms now, struct task *task,
                      const struct node_event *event)
{
    if (task->r.state == TASK_LEASED || task->r.state == TASK_STOPPING) {
        task->r.started = event->time;
        task->r.pid = event->pid;
        core_str_clear(&task->r.reason); /* of what was before */
        struct snapshot_ref restored = task->restoring;
        task->restoring = (struct snapshot_ref){0};
        core_task_move(core, now, task, TASK_EVENT_STARTED);
        if (restored.ordinal != 0) { /* it lies there, too, from now on */
            core_snapshot_arrived(core, task, restored.ordinal, restored.owner, task->node);
        }
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
        .host = core_task_host(core, task)->host,
        .version = core_task_host(core, task)->version,
        .image = "",
        .leased = task->r.leased,
    };
    core_evidence_part(task, &record);
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
    END_NO_METRIC, /* finished, and nobody will ever know how good it is */
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
    bool is_told = core_order_is_leave(&task->r.order);
    /* In a lane there are no numbered orders: what was told to leave and left was handed its. */
    bool is_handed =
        is_told && (core_task_is_in_lane(task) ? result->cause == CAUSE_TOLD || result->handed > 0
                                               : result->handed >= task->r.order.n);
    bool has_run = core_end_has_run(task, result);
    bool is_refused =
        result->cause == CAUSE_REFUSED || (result->cause == CAUSE_CANNOT_START &&
                                           (result->is_restore_lost || result->is_nodes_fault));
    if (is_refused && !has_run) {
        return is_told ? END_TOLD : END_REFUSED;
    }
    bool is_done = result->cause == CAUSE_EXIT && result->exit_code == 0;
    if (is_handed || (is_told && task->r.order.why == WHY_NAN) ||
        (is_told && task->r.order.why == WHY_CANCEL && !is_done)) {
        return END_TOLD;
    }
    bool has_lost = result->cause == CAUSE_CANNOT_START && result->is_restore_lost;
    /* Its node had been given up, and was told to end what it is leased again by now. */
    bool was_recalled = core_task_is_in_lane(task) && result->cause == CAUSE_TOLD;
    if (result->cause == CAUSE_AGENT_LEFT || has_lost || was_recalled) {
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
    return why == WHY_MAX      ? OUTCOME_DONE
           : why == WHY_CANCEL ? OUTCOME_CANCELLED
           : why == WHY_NAN    ? OUTCOME_FAILED
                               : OUTCOME_STOPPED;
}

static bool bytes_have(struct bytes text, const char *part)
{
    return text.len > 0 && memmem(text.data, text.len, part, strlen(part)) != NULL;
}

/* The file may know better than a counter what a failure means. */
static retry_act core_end_rule(struct core *core, struct task *task,
                               const struct attempt_result *result)
{
    const struct sweep *sweep = task->work->sweep;
    for (uint32_t i = 0; sweep != NULL && i < sweep->spec.retries.n_rules; i++) {
        const struct retry_rule *rule = &sweep->spec.retries.rules[i];
        bool is_match = bytes_have(result->err_tail, rule->match) ||
                        (result->reason != NULL && strstr(result->reason, rule->match) != NULL);
        if (!is_match) {
            continue;
        }
        if (rule->act == RETRY_FAIL) {
            core_reason(core, task, "%s; not tried again: '%s' (retries.rules)",
                        task->r.reason != NULL ? task->r.reason : "it failed", rule->match);
        }
        return rule->act;
    }
    return RETRY_AGAIN;
}

static void core_end_failed(struct core *core, time_ms now, struct task *task,
                            const struct attempt_result *result)
{
    uint32_t max = task->work->sweep != NULL ? task->work->sweep->spec.retries.max
                                             : task->work->job->r.retries_max;
    bool is_open =
        task->work->sweep == NULL || task->work->sweep->r.state == SWEEP_RUNNING ||
        task->work->sweep->r.state == SWEEP_PAUSED ||
        (task->work->sweep->r.state == SWEEP_FINISHING && task->work->sweep->r.why == WHY_NONE);
    retry_act act = core_end_rule(core, task, result);
    if (is_open && act == RETRY_FREE && task->r.state != TASK_LEASED) {
        task->r.not_before = now + core_task_backoff_ms(task, task->r.preempted + 1);
        task->avoid_until = task->r.not_before + AVOID_MS;
        core_task_move(core, now, task, TASK_EVENT_PREEMPTED);
    } else if (is_open && act != RETRY_FAIL && task->r.failures < max) {
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
        core_str_clear(&task->r.reason);
        core_task_move(core, now, task, TASK_EVENT_STARTED);
    }
}

/* It ended well by itself, and never gave a value of the sweep's metric. Told to leave it may have
 * had no time to. */
static bool core_end_lacks_metric(const struct task *task)
{
    const struct sweep *sweep = task->work->sweep;
    bool lacks = sweep != NULL && !task->r.has_best && task->r.order.act == ACT_GO;
    for (uint32_t i = 0; lacks && i < task->r.n_metric_names; i++) {
        lacks = strcmp(task->r.metric_names[i], sweep->spec.metric.name) != 0;
    }
    return lacks;
}

enum { NAMES_TEXT_MAX = 256 };

static void names_print(const char *const *names, uint32_t n_names, char text[NAMES_TEXT_MAX])
{
    size_t n = 0;
    snprintf(text, NAMES_TEXT_MAX, "nothing");
    for (uint32_t i = 0; i < n_names && n < NAMES_TEXT_MAX - 1; i++) {
        int more = snprintf(text + n, NAMES_TEXT_MAX - n, "%s%s", i > 0 ? ", " : "", names[i]);
        n += more > 0 ? (size_t)more : 0;
    }
}

/* Of the first trial whose lines are read: those after it would print the same. */
static bool core_end_is_first(const struct sweep *sweep)
{
    struct tune_counts counts;
    tune_counts_get(sweep->tuner, &counts);
    return sweep->r.state == SWEEP_RUNNING && sweep->spec.report.from != REPORT_FROM_API &&
           counts.done + counts.stopped + counts.failed + counts.invalid == 0;
}

static void core_end_without_metric(struct core *core, time_ms now, struct task *task,
                                    const struct attempt_result *result)
{
    struct sweep *sweep = task->work->sweep;
    char names[NAMES_TEXT_MAX], seen[NAMES_TEXT_MAX + 64] = "";
    bool is_first = core_end_is_first(sweep);
    names_print(task->r.metric_names, task->r.n_metric_names, names);
    if (result->n_line_names > 0) {
        char in_lines[NAMES_TEXT_MAX];
        names_print(result->line_names, result->n_line_names, in_lines);
        snprintf(seen, sizeof seen, "; names in its lines: %s", in_lines);
    }
    core_reason(core, task, "exit 0 without a value of '%s' (metric.name); it reported: %s%s",
                sweep->spec.metric.name, names, seen);
    core_str_set(core, &task->r.failure, task->r.reason);
    core_task_end(core, now, task, TASK_EVENT_FAILED, OUTCOME_FAILED);
    if (is_first && sweep->r.state == SWEEP_RUNNING) {
        char reason[2 * NAMES_TEXT_MAX + 256], id[TASK_ID_TEXT_MAX];
        snprintf(reason, sizeof reason,
                 "trial %s, the first to end, printed no value of '%s' that `report` finds%s; "
                 "`muster check FILE --sample LOG` shows what its lines give",
                 task_id_print(task->r.id, id), sweep->spec.metric.name, seen);
        core_sweep_pause(core, now, sweep, reason);
    }
}

/* What the end says of its node, while the task is still there. */
static void core_end_of_node(struct core *core, time_ms now, struct task *task,
                             const struct attempt_result *result, attempt_end end)
{
    if (end == END_FAILED) {
        core_failure_note(core, task, result);
        core_node_failed(core, now, task, result);
    } else if (end == END_DONE || end == END_INVALID || (end == END_TOLD && result->last_seq > 0)) {
        core_node_worked(core, now, task);
    }
}

/* Its node may be enrolled anew, or be forgotten, by the time somebody looks. An agent of the
 * release before does not say it with the result. */
static void core_end_dry(struct core *core, struct task *task, const struct attempt_result *result)
{
    bool is_of_dry = task->node != NULL && task->node->r.is_dry && result->cause == CAUSE_EXIT;
    task->r.is_dry = result->is_dry || is_of_dry;
    if (task->r.is_dry && task->work->job != NULL) {
        core_job_dry(core, task->work->job);
    }
}

void on_event_result(struct core *core, time_ms now, struct task *task,
                     const struct node_event *event)
{
    core_attempt_ended(core, now, task, &event->result);
}

void core_attempt_ended(struct core *core, time_ms now, struct task *task,
                        const struct attempt_result *result)
{
    attempt_end end = core_end_judge(task, result);
    core_end_start(core, now, task, result);
    if (end == END_DONE && core_end_lacks_metric(task)) {
        end = END_NO_METRIC;
    }
    if (result->is_restore_lost) {
        core_snapshot_lost(core, now, task);
    }
    core_evidence_store(core, task, result, end == END_FAILED || end == END_NO_METRIC);
    task->r.exit_code = result->exit_code;
    task->r.signal = result->signal;
    core_end_dry(core, task, result);
    bool is_nan = end == END_TOLD && task->r.order.why == WHY_NAN; /* its reason is known */
    if (result->reason != NULL && result->reason[0] != '\0' && !is_nan) {
        core_str_set(core, &task->r.reason, result->reason);
    }
    if (is_nan) {
        core_str_set(core, &task->r.failure, task->r.reason);
    }
    core_end_of_node(core, now, task, result, end);
    switch (end) {
    case END_DONE:
        core_task_end(core, now, task, TASK_EVENT_DONE, OUTCOME_DONE);
        break;
    case END_TOLD:
        if (core_order_is_to_wait(&task->r.order)) {
            core_task_hold(core, now, task);
            break;
        }
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
        core_end_refused(core, now, task, result);
        break;
    case END_FAILED:
        core_end_failed(core, now, task, result);
        break;
    case END_NO_METRIC: /* The next attempt would do the same. */
        core_end_without_metric(core, now, task, result);
        break;
    }
    if (task->r.state == TASK_QUEUED && core_order_is_to_wait(&task->r.order)) {
        /* It failed before it was told: it need not start again only to leave. */
        core_task_hold(core, now, task);
    }
}
