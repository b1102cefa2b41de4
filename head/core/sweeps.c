/* Sweeps: building from the file, the log, and what follows from the tuner's state. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "head/core/state.h"
#include "spec/sweep.h"

void core_sweep_dirty(struct core *core, struct sweep *sweep)
{
    if (list_is_empty(&sweep->dirty_link)) {
        list_push_back(&core->dirty_sweeps, &sweep->dirty_link);
    }
}

void core_sweep_due(struct core *core, struct sweep *sweep)
{
    if (list_is_empty(&sweep->due_link)) {
        list_push_back(&core->due, &sweep->due_link);
    }
}

order_why core_why_from_tune(tune_why why)
{
    static const order_why whys[] = {
        [TUNE_WHY_NONE] = WHY_NONE,         [TUNE_WHY_RUNG] = WHY_RUNG,
        [TUNE_WHY_MAX] = WHY_MAX,           [TUNE_WHY_TARGET] = WHY_TARGET,
        [TUNE_WHY_TRIALS] = WHY_NONE,       [TUNE_WHY_FAILURES] = WHY_FAILURES,
        [TUNE_WHY_WALL] = WHY_WALL,         [TUNE_WHY_MEDIAN] = WHY_MEDIAN,
        [TUNE_WHY_SNAPSHOT] = WHY_SNAPSHOT,
    };
    return whys[why];
}

struct spec_set core_sweep_set(const struct record_sweep *record)
{
    return (struct spec_set){record->set, record->n_set, record->is_test, NULL};
}

error_code core_sweep_build(struct core *core, struct sweep *sweep, struct report *report)
{
    struct spec_set set = core_sweep_set(&sweep->r);
    error_code error =
        spec_sweep_parse_set(sweep->r.file, strlen(sweep->r.file), sweep->r.file_name, &set,
                             &sweep->arena, &sweep->spec, report);
    if (error != OK) {
        return error;
    }
    error = tune_new(&sweep->spec, sweep->r.seed, &sweep->tuner);
    if (error != OK) {
        return report_fail(report, error, "the sweep's tuner could not be made: %s",
                           error_word(error));
    }
    /* The tuner begins with the file's limits: its log has what became of them. */
    error = core_sweep_changed_take(core, sweep, report);
    return error == OK && sweep->r.state < SWEEP_DONE ? core_work_class_hold(core, sweep->work)
                                                      : error;
}

void core_sweep_free(struct core *core, struct sweep *sweep)
{
    if (sweep == NULL) {
        return;
    }
    if (sweep->used_key.key != NULL) {
        HASH_DELETE(hh, core->keys, &sweep->used_key);
    }
    scheduler_dequeue(core->scheduler, &sweep->ticket.item);
    list_remove(&sweep->dirty_link);
    list_remove(&sweep->due_link);
    list_remove(&sweep->active_link);
    core_asides_free(sweep);
    core_runs_free(sweep);
    scheduler_group_unref(core->scheduler, sweep->group);
    tune_free(sweep->tuner);
    arena_fini(&sweep->arena);
    mem_free(sweep->ready);
    mem_free(sweep->best_ended);
    mem_free(sweep->metric_names);
    core_str_clear(&sweep->r.name);
    core_str_clear(&sweep->r.file);
    core_str_clear(&sweep->r.file_name);
    core_str_clear(&sweep->r.workdir);
    core_str_clear(&sweep->r.owner);
    core_str_clear(&sweep->r.git);
    core_str_clear(&sweep->r.key);
    core_str_clear(&sweep->r.file_hash);
    core_str_clear(&sweep->r.work);
    core_faults_free(sweep);
    core_str_clear(&sweep->r.error);
    for (uint32_t i = 0; i < sweep->r.n_argv; i++) {
        mem_free((void *)(uintptr_t)sweep->r.argv[i]);
    }
    mem_free((void *)(uintptr_t)sweep->r.argv);
    core_str_clear(&sweep->r.resume_key);
    core_strs_clear(&sweep->r.set, &sweep->r.n_set);
    core_strs_clear(&sweep->r.changed, &sweep->r.n_changed);
    core_strs_clear(&sweep->r.labels, &sweep->r.n_labels);
    mem_free(sweep);
}

const char *core_sweep_metric_intern(struct core *core, struct sweep *sweep, const char *name)
{
    for (uint32_t i = 0; i < sweep->n_metric_names; i++) {
        if (strcmp(sweep->metric_names[i], name) == 0) {
            return sweep->metric_names[i];
        }
    }
    if (sweep->n_metric_names == SWEEP_METRICS_MAX) {
        return NULL; /* Rows keep it; only the trial's last values in memory do without. */
    }
    if (sweep->metric_names == NULL) {
        sweep->metric_names = mem_calloc(SWEEP_METRICS_MAX, sizeof *sweep->metric_names);
    }
    char *copy = sweep->metric_names != NULL ? arena_strdup(&sweep->arena, name) : NULL;
    if (copy == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return NULL;
    }
    sweep->metric_names[sweep->n_metric_names++] = copy;
    return copy;
}

/* ---- the log ---- */

void core_log_to_record(const struct tune_event *event, time_ms now, uint64_t order_n,
                        struct record_log *ret_record)
{
    static const log_kind kinds[] = {
        [TUNE_EVENT_ASKED] = LOG_ASKED,       [TUNE_EVENT_MILESTONE] = LOG_MILESTONE,
        [TUNE_EVENT_ENDED] = LOG_ENDED,       [TUNE_EVENT_TARGET] = LOG_TARGET,
        [TUNE_EVENT_WALL] = LOG_WALL,         [TUNE_EVENT_RESUMED] = LOG_RESUMED,
        [TUNE_EVENT_REOPENED] = LOG_REOPENED, [TUNE_EVENT_HELD] = LOG_HELD,
        [TUNE_EVENT_WOKEN] = LOG_WOKEN,       [TUNE_EVENT_SET] = LOG_SET,
        [TUNE_EVENT_DONOR] = LOG_DONOR,
    };
    static const task_outcome outcomes[] = {
        [TUNE_OUTCOME_DONE] = OUTCOME_DONE,       [TUNE_OUTCOME_STOPPED] = OUTCOME_STOPPED,
        [TUNE_OUTCOME_FAILED] = OUTCOME_FAILED,   [TUNE_OUTCOME_CANCELLED] = OUTCOME_CANCELLED,
        [TUNE_OUTCOME_INVALID] = OUTCOME_INVALID,
    };
    *ret_record = (struct record_log){
        .kind = kinds[event->kind],
        .time = now,
        .trial = event->trial,
        .step = event->step,
        .has_value = event->has_value,
        .value = event->value,
        .params = event->params,
        .n_params = event->n_params,
        .has_result = event->has_result,
        .result = event->result,
        .result_step = event->result_step,
    };
    if (event->kind == TUNE_EVENT_MILESTONE || event->kind == TUNE_EVENT_WOKEN ||
        event->kind == TUNE_EVENT_DONOR) {
        static const order_act acts[] = {
            [TUNE_GO] = ACT_GO,
            [TUNE_STOP] = ACT_STOP,
            [TUNE_PAUSE] = ACT_PAUSE,
            [TUNE_EXPLOIT] = ACT_EXPLOIT,
        };
        ret_record->act = acts[event->decision.act];
        ret_record->why = core_why_from_tune(event->decision.why);
        ret_record->until = event->decision.until;
        ret_record->order = order_n;
        ret_record->donor = event->decision.donor;
        ret_record->donor_ordinal = event->decision.donor_ordinal;
        ret_record->donor_step = event->decision.donor_step;
    }
    if (event->kind == TUNE_EVENT_SET) {
        ret_record->set_bits = event->limits.set;
        ret_record->set_trials = event->limits.trials;
        ret_record->set_failures = event->limits.failures;
        ret_record->set_concurrency = event->limits.concurrency;
        ret_record->set_wall_ms = event->limits.wall_ms;
    }
    if (event->kind == TUNE_EVENT_ENDED) {
        ret_record->outcome = outcomes[event->outcome];
    }
}

static tune_outcome tune_outcome_of(task_outcome outcome)
{
    static const tune_outcome outcomes[] = {
        [OUTCOME_NONE] = TUNE_OUTCOME_FAILED,         [OUTCOME_DONE] = TUNE_OUTCOME_DONE,
        [OUTCOME_STOPPED] = TUNE_OUTCOME_STOPPED,     [OUTCOME_FAILED] = TUNE_OUTCOME_FAILED,
        [OUTCOME_CANCELLED] = TUNE_OUTCOME_CANCELLED, [OUTCOME_INVALID] = TUNE_OUTCOME_INVALID,
        [OUTCOME_SKIPPED] = TUNE_OUTCOME_CANCELLED,
    };
    return outcomes[outcome];
}

void core_log_from_record(const struct record_log *record, struct tune_event *ret_event)
{
    static const tune_event_kind kinds[] = {
        [LOG_ASKED] = TUNE_EVENT_ASKED,       [LOG_MILESTONE] = TUNE_EVENT_MILESTONE,
        [LOG_ENDED] = TUNE_EVENT_ENDED,       [LOG_TARGET] = TUNE_EVENT_TARGET,
        [LOG_WALL] = TUNE_EVENT_WALL,         [LOG_RESUMED] = TUNE_EVENT_RESUMED,
        [LOG_REOPENED] = TUNE_EVENT_REOPENED, [LOG_HELD] = TUNE_EVENT_HELD,
        [LOG_WOKEN] = TUNE_EVENT_WOKEN,       [LOG_SET] = TUNE_EVENT_SET,
        [LOG_DONOR] = TUNE_EVENT_DONOR,
    };
    static const tune_why whys[] = {
        [WHY_NONE] = TUNE_WHY_NONE,         [WHY_RUNG] = TUNE_WHY_RUNG,
        [WHY_MAX] = TUNE_WHY_MAX,           [WHY_TARGET] = TUNE_WHY_TARGET,
        [WHY_FAILURES] = TUNE_WHY_FAILURES, [WHY_WALL] = TUNE_WHY_WALL,
        [WHY_CANCEL] = TUNE_WHY_NONE,       [WHY_STOP] = TUNE_WHY_NONE,
        [WHY_PAUSE] = TUNE_WHY_NONE,        [WHY_MEDIAN] = TUNE_WHY_MEDIAN,
        [WHY_EXPLOIT] = TUNE_WHY_NONE,      [WHY_SNAPSHOT] = TUNE_WHY_SNAPSHOT,
        [WHY_NAN] = TUNE_WHY_NONE,
    };
    *ret_event = (struct tune_event){
        .kind = kinds[record->kind],
        .trial = record->trial,
        .step = record->step,
        .has_value = record->has_value,
        .value = record->value,
        .params = record->params,
        .n_params = record->n_params,
        .has_result = record->has_result,
        .result = record->result,
        .result_step = record->result_step,
    };
    if (record->kind == LOG_MILESTONE || record->kind == LOG_WOKEN || record->kind == LOG_DONOR) {
        static const tune_act acts[] = {
            [ACT_GO] = TUNE_GO,
            [ACT_STOP] = TUNE_STOP,
            [ACT_PAUSE] = TUNE_PAUSE,
            [ACT_EXPLOIT] = TUNE_EXPLOIT,
        };
        ret_event->decision = (struct tune_decision){
            .act = acts[record->act],
            .why = whys[record->why],
            .until = record->until,
            .donor = record->donor,
            .donor_ordinal = record->donor_ordinal,
            .donor_step = record->donor_step,
        };
    }
    ret_event->limits =
        (struct tune_limits){record->set_bits, record->set_trials, record->set_failures,
                             record->set_concurrency, record->set_wall_ms};
    if (record->kind == LOG_ENDED) {
        ret_event->outcome = tune_outcome_of(record->outcome);
    }
}

static void log_write(struct core *core, struct sweep *sweep, const struct record_log *record,
                      const struct tune_event *event)
{
    char key[32];
    __builtin_snprintf(key, sizeof key, "log:%u", sweep->r.number);
    struct buf buf;
    buf_init(&buf, MSG_MAX_BYTES);
    error_code error = record_encode(&record_log_schema, record, &buf);
    if (error == OK) {
        outbox_rpush(&core->out, key, buf_bytes(&buf));
        error = tune_apply(sweep->tuner, event);
    }
    buf_fini(&buf);
    if (error != OK) {
        core_fail(core, error);
    }
}

void core_sweep_log(struct core *core, time_ms now, struct sweep *sweep,
                    const struct tune_event *event, uint64_t order_n)
{
    struct record_log record;
    core_log_to_record(event, now, order_n, &record);
    log_write(core, sweep, &record, event);
}

void core_sweep_log_set(struct core *core, time_ms now, struct sweep *sweep,
                        const struct tune_event *event, const char *const *settings, uint32_t n)
{
    struct record_log record;
    core_log_to_record(event, now, 0, &record);
    record.settings = settings;
    record.n_settings = n;
    log_write(core, sweep, &record, event);
}

/* ---- states ---- */

void core_sweep_move(struct core *core, time_ms now, struct sweep *sweep, sweep_state to)
{
    assert(sweep_edge_is_legal(sweep->r.state, to));
    if (sweep->r.state == SWEEP_RUNNING) {
        sweep->r.ran_ms = core_sweep_ran_ms(sweep, now);
    }
    bool was_paused = sweep->r.state == SWEEP_PAUSED;
    if (sweep->r.state >= SWEEP_DONE) {
        sweep->r.ended = 0;
        list_push_back(&core->active_sweeps, &sweep->active_link);
        core->status.sweeps_active++;
    }
    sweep->r.state = to;
    sweep->r.resumed_at = to == SWEEP_RUNNING ? now : 0;
    if (to >= SWEEP_DONE) {
        sweep->r.ended = now;
        list_remove(&sweep->active_link);
        core->status.sweeps_active--;
        core_work_class_release(core, sweep->work);
    }
    if (to == SWEEP_RUNNING) {
        core_sweep_resumed(core, sweep);
    } else if (was_paused) {
        core_str_clear(&sweep->r.error); /* why it was paused */
    }
    if (was_paused || to == SWEEP_PAUSED) {
        core_sweep_held(core, now, sweep);
    }
    core_sweep_dirty(core, sweep);
    core_notice_sweep(core, now, sweep);
    core_sweep_due(core, sweep);
}

int64_t core_sweep_ran_ms(const struct sweep *sweep, time_ms now)
{
    return sweep->r.ran_ms + (sweep->r.state == SWEEP_RUNNING ? now - sweep->r.resumed_at : 0);
}

void core_sweep_finish(struct core *core, time_ms now, struct sweep *sweep, order_why why,
                       int64_t grace_ms)
{
    if (sweep->r.state == SWEEP_RUNNING || sweep->r.state == SWEEP_PAUSED) {
        sweep->r.why = why;
        core_sweep_move(core, now, sweep, SWEEP_FINISHING);
    } else if (why == WHY_CANCEL) {
        sweep->r.why = why; /* Cancelled while its last trials finished: they are told too. */
        core_sweep_dirty(core, sweep);
    }
    if (why != WHY_NONE) {
        struct work *work = sweep->work;
        for (uint32_t i = 0; i < work->n_tasks && work->n_active > 0; i++) {
            if (work->tasks[i]->r.state != TASK_ENDED) {
                core_task_tell(core, now, work->tasks[i], why, grace_ms);
            }
        }
    }
}

static sweep_state core_sweep_verdict(const struct sweep *sweep)
{
    struct tune_counts counts;
    tune_counts_get(sweep->tuner, &counts);
    if (sweep->r.why == WHY_CANCEL) {
        return SWEEP_CANCELLED;
    }
    bool none_worked = counts.failed > 0 && counts.done + counts.stopped == 0;
    return sweep->r.why == WHY_FAILURES || none_worked ? SWEEP_FAILED : SWEEP_DONE;
}

/* How many failed, and what the first of them said. */
static void core_sweep_error_set(struct core *core, struct sweep *sweep)
{
    struct tune_counts counts;
    const char *reason = NULL;
    char text[REPORT_TEXT_MAX];
    tune_counts_get(sweep->tuner, &counts);
    if (counts.failed == 0 && sweep->r.error != NULL) {
        return; /* it is no trial's failure */
    }
    for (uint32_t i = 0; i < sweep->work->n_tasks && reason == NULL; i++) {
        const struct record_task *r = &sweep->work->tasks[i]->r;
        bool has_reason = r->outcome == OUTCOME_FAILED && r->reason != NULL && r->reason[0] != '\0';
        reason = has_reason ? r->reason : NULL;
    }
    snprintf(text, sizeof text, "%u of %u trials failed%s%.400s", counts.failed, counts.asked,
             reason != NULL ? "; the first: " : "", reason != NULL ? reason : "");
    core_str_set(core, &sweep->r.error, text);
    core_sweep_dirty(core, sweep);
}

void core_sweep_advance(struct core *core, time_ms now, struct sweep *sweep)
{
    tune_why why = tune_finishing(sweep->tuner);
    bool is_open = sweep->r.state == SWEEP_RUNNING || sweep->r.state == SWEEP_PAUSED;
    if (is_open && why != TUNE_WHY_NONE) {
        core_sweep_finish(core, now, sweep, core_why_from_tune(why), -1);
    }
    core_sweep_wake(core, now, sweep);
    if (sweep->r.state == SWEEP_FINISHING && sweep->work->n_active == 0) {
        sweep_state verdict = core_sweep_verdict(sweep);
        core_sweep_move(core, now, sweep, verdict);
        if (verdict == SWEEP_FAILED) {
            core_sweep_error_set(core, sweep);
        }
    }
    core_sweep_due(core, sweep);
}

void core_sweep_trial_ended(struct core *core, time_ms now, struct task *task)
{
    struct sweep *sweep = task->work->sweep;
    struct tune_event event = {
        .kind = TUNE_EVENT_ENDED,
        .trial = task->r.id.index,
        .step = task->r.last_step,
        .outcome = tune_outcome_of(task->r.outcome),
    };
    bool was_told = core_task_metric_has(task);
    if (was_told) {
        event.has_value = true;
        event.value = core_task_metric_last(task);
        core_task_metric_result(task, &event);
    }
    core_sweep_log(core, now, sweep, &event, 0);
    core_notice_best(core, now, sweep);
    core_sweep_advance(core, now, sweep);
    core_first_trials_judge(core, now, sweep);
}
