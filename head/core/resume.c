/* What had come to rest goes on: a paused or ended sweep with more trials, an ended task with one
 * more attempt.
 *
 * The log of a sweep has both: `resumed` brings the new number of trials in all, `reopened` makes
 * an ended trial an open one, whose next end is the one that counts. What the trial was judged at
 * stays judged, so that no rung has a result of it twice. */
#include <stdio.h>
#include <string.h>

#include "head/core/arrays.h"

error_code core_leaving_check(const struct core *core, struct report *report)
{
    return core->is_leaving ? report_fail(report, ERR_BUSY, "the cluster is shutting down") : OK;
}

/* ---- sweeps ---- */

/* ret_max: the trials in all that it will have. */
static error_code resume_max(const struct sweep *sweep, uint32_t more, uint32_t *ret_max,
                             struct report *report)
{
    struct tune_counts counts;
    tune_counts_get(sweep->tuner, &counts);
    uint32_t max = tune_trials_max(sweep->tuner);
    bool has_ended = sweep->r.state >= SWEEP_DONE;
    if (more == 0) {
        if (has_ended && max != 0 && counts.asked >= max) {
            return report_fail(report, ERR_CONFLICT,
                               "sweep %u has asked for all of its %u trials; say how many more "
                               "(--trials +N)",
                               sweep->r.number, max);
        }
        *ret_max = max;
        return OK;
    }
    uint64_t grown = (uint64_t)(max != 0 ? max : counts.asked) + more;
    if (grown > SPEC_TRIALS_MAX) {
        return report_fail(report, ERR_INVALID, "a sweep has at most %d trials", SPEC_TRIALS_MAX);
    }
    *ret_max = (uint32_t)grown;
    return OK;
}

enum { RESUME_KEY_MAX = 256 }; /* as of a submission */

static error_code resume_check(const struct core *core, const struct sweep *sweep, const char *key,
                               struct report *report)
{
    if (key != NULL && strlen(key) > RESUME_KEY_MAX) {
        return report_fail(report, ERR_INVALID, "an Idempotency-Key has at most %d bytes",
                           RESUME_KEY_MAX);
    }
    if (sweep->r.state == SWEEP_FINISHING) {
        return report_fail(
            report, ERR_CONFLICT,
            "sweep %u is finishing: its last trials still run; resume it once it has "
            "ended",
            sweep->r.number);
    }
    return core_leaving_check(core, report);
}

static void resume_run(struct core *core, time_ms now, struct sweep *sweep, uint32_t max,
                       bool is_more)
{
    bool has_ended = sweep->r.state >= SWEEP_DONE;
    error_code error = core_work_class_hold(core, sweep->work);
    if (error != OK) {
        core_fail(core, error);
        return;
    }
    if (has_ended || is_more) {
        struct tune_event event = {.kind = TUNE_EVENT_RESUMED, .step = max};
        core_sweep_log(core, now, sweep, &event, 0);
        sweep->has_target_logged = false;
    }
    if (has_ended) {
        sweep->r.ran_ms = 0; /* stop.wall counts anew */
    }
    if (sweep->r.state != SWEEP_RUNNING) {
        core_sweep_move(core, now, sweep, SWEEP_RUNNING);
    }
    core_sweep_wake_paused(core, now, sweep);
    core_sweep_dirty(core, sweep);
    core_sweep_advance(core, now, sweep);
}

/* This very request, or one like it, was carried out before. */
static bool resume_is_done(const struct sweep *sweep, const struct sweep_resume *resume)
{
    bool is_same_key = resume->key != NULL && resume->key[0] != '\0' &&
                       sweep->r.resume_key != NULL && strcmp(sweep->r.resume_key, resume->key) == 0;
    bool is_later = resume->trials > 0 && resume->seen >= 0 &&
                    (int64_t)tune_trials_max(sweep->tuner) > resume->seen;
    return is_same_key || is_later;
}

void on_sweep_resume(struct core *core, time_ms now, uint64_t request, uint32_t number,
                     const struct sweep_resume *resume)
{
    struct work *work = core_work_find(core, number);
    if (work == NULL || work->sweep == NULL) {
        core_answer_no_sweep(core, request, number);
        return;
    }
    struct sweep *sweep = work->sweep;
    struct report report = {0};
    if (resume_is_done(sweep, resume)) {
        core_answer_ok(core, request);
        return;
    }
    uint32_t max = 0;
    error_code error = resume_check(core, sweep, resume->key, &report);
    if (error == OK) {
        error = resume_max(sweep, resume->trials, &max, &report);
    }
    if (error != OK) {
        core_answer_error(core, request, http_status_of(error), &report);
        return;
    }
    resume_run(core, now, sweep, max, resume->trials > 0);
    if (resume->key != NULL && resume->key[0] != '\0') {
        core_str_set(core, &sweep->r.resume_key, resume->key);
    }
    core_answer_ok(core, request);
}

/* ---- one more attempt ---- */

static error_code retry_check(const struct core *core, const struct task *task,
                              struct report *report)
{
    const struct sweep *sweep = task->work->sweep;
    char id[TASK_ID_TEXT_MAX];
    task_id_print(task->r.id, id);
    if (task->r.state != TASK_ENDED) {
        return report_fail(report, ERR_CONFLICT, "%s is %s: only what has ended is tried again", id,
                           task_state_names[task->r.state]);
    }
    if (sweep != NULL && sweep->r.state == SWEEP_FINISHING && sweep->r.why != WHY_NONE) {
        return report_fail(report, ERR_CONFLICT,
                           "sweep %u tells its trials to leave (%s); retry %s once it has ended",
                           sweep->r.number, order_why_names[sweep->r.why], id);
    }
    return core_leaving_check(core, report);
}

/* What it was charged with counts anew; its number of attempts, its rows, its best value and its
 * snapshots stay. */
static void retry_reset(struct task *task, int64_t until)
{
    task->work->outcomes[task->r.outcome]--;
    task->r.outcome = OUTCOME_NONE;
    task->r.why = WHY_NONE;
    core_str_clear(&task->r.reason);
    core_str_clear(&task->r.failure);
    task->r.failures = task->r.lost = 0;
    task->r.not_before = task->r.ended = 0;
    task->r.exit_code = task->r.signal = 0;
    task->r.is_dry = false;
    task->r.order = (struct order){.n = task->r.order.n + 1, .until = until, .act = ACT_GO};
}

void core_task_retry(struct core *core, time_ms now, struct task *task)
{
    struct work *work = task->work;
    struct sweep *sweep = work->sweep;
    bool had_ended = sweep != NULL && sweep->r.state >= SWEEP_DONE;
    error_code error = core_work_class_hold(core, work);
    if (error != OK) {
        core_fail(core, error);
        return;
    }
    int64_t until = INT64_MAX;
    if (sweep != NULL) {
        struct tune_event event = {
            .kind = TUNE_EVENT_REOPENED, .trial = task->r.id.index, .step = had_ended};
        core_sweep_log(core, now, sweep, &event, 0);
        until = tune_first_milestone(sweep->tuner, task->r.id.index);
    } else {
        work->job->r.ended = 0;
        core_job_dirty(core, work->job);
    }
    core_sweep_best_reopened(core, task);
    retry_reset(task, until);
    work->n_active++;
    if (had_ended) {
        core_sweep_move(core, now, sweep, SWEEP_RUNNING);
    }
    core_task_move(core, now, task, TASK_EVENT_RETRY);
    if (sweep != NULL) {
        core_sweep_advance(core, now, sweep);
    }
}

void on_task_retry(struct core *core, time_ms now, uint64_t request, task_id id, int64_t seen)
{
    struct task *task = core_task_find(core, id);
    struct report report = {0};
    struct array_task plain;
    if (task == NULL && core_array_task(core, id, &plain)) {
        struct id_range range = {id.index, id.index};
        on_job_retry(core, now, request, id.job, &range, 1, false);
        return;
    }
    if (task == NULL) {
        core_answer_no_task(core, request, id);
        return;
    }
    /* What waits for an attempt will have one more than was seen. */
    bool is_done = seen >= 0 && (task->r.n_attempts > seen || task->r.state == TASK_QUEUED);
    error_code error = OK;
    if (seen > (int64_t)task->r.n_attempts) {
        error = report_fail(&report, ERR_CONFLICT, "it had %u attempts, not %lld",
                            task->r.n_attempts, (long long)seen);
    } else if (!is_done) {
        error = retry_check(core, task, &report);
    }
    if (error != OK) {
        core_answer_error(core, request, http_status_of(error), &report);
        return;
    }
    if (!is_done) {
        core_task_retry(core, now, task);
    }
    core_answer_ok(core, request);
}
