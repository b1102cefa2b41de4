/* pause, resume, retry, clone and what a submission says beside its file; each survives a new head.
 */
#include "rig.h"

static uint64_t requests = 7000;

static const struct rig_sent *verb_answer(struct rig *r)
{
    rig_turn(r);
    const struct rig_sent *sent = rig_answer(r, requests);
    assert_non_null(sent);
    return sent;
}

static const struct rig_sent *sweep_verb(struct rig *r, uint32_t number, core_verb verb)
{
    on_sweep_verb(r->core, r->now, ++requests, number, verb, -1);
    return verb_answer(r);
}

static const struct rig_sent *sweep_resume(struct rig *r, uint32_t number, uint32_t more,
                                           int64_t seen, const char *key)
{
    struct sweep_resume resume = {more, seen, key};
    on_sweep_resume(r->core, r->now, ++requests, number, &resume);
    return verb_answer(r);
}

static const struct rig_sent *retry(struct rig *r, task_id id, int64_t seen)
{
    on_task_retry(r->core, r->now, ++requests, id, seen);
    return verb_answer(r);
}

static const struct sweep *sweep_of(const struct rig *r, uint32_t number)
{
    const struct work *work = core_work_find(r->core, number);
    assert_non_null(work);
    return work->sweep;
}

static char plain_file[] = "name: plain\n"
                           "command: [train]\n"
                           "metric: {name: loss, goal: minimize}\n"
                           "parameters: {lr: {min: 0, max: 1}}\n"
                           "limits: {concurrency: 1}\n"
                           "retries: {max: 0}\n"
                           "stop: {trials: 2}\n";

/* A trial that reports once and ends well. */
static void trial_done(struct rig *r, task_id id, uint32_t attempt, double value)
{
    rig_started(r, id, attempt);
    rig_report_event(r, EVENT_ROWS, id, attempt, 1, value, 0);
    rig_result(r, id, attempt, CAUSE_EXIT, 0, 1);
}

static void test_paused_sweep_asks_for_nothing_and_its_wall_stands_still(void **state)
{
    (void)state;
    char file[1024];
    struct rig *r = rig_new();
    snprintf(file, sizeof file, "%s", plain_file);
    strcpy(strstr(file, "{trials: 2}"), "{trials: 9, wall: 10s}\n");
    rig_enrol(r, 1);
    uint32_t number = rig_submit(r, file, NULL);
    rig_started(r, rig_id(number, 1), 0);
    assert_int_equal(sweep_verb(r, number, VERB_PAUSE)->status, 200);
    assert_int_equal(sweep_of(r, number)->r.state, SWEEP_PAUSED);
    assert_int_equal(sweep_of(r, number)->r.why, WHY_PAUSE);
    rig_report_event(r, EVENT_ROWS, rig_id(number, 1), 0, 1, 0.5, 0);
    rig_result(r, rig_id(number, 1), 0, CAUSE_EXIT, 0, 1); /* what runs finishes */
    assert_int_equal(rig_task(r, rig_id(number, 1))->r.outcome, OUTCOME_DONE);
    assert_int_equal(core_work_find(r->core, number)->n_tasks, 1);
    r->now += 3600000;
    rig_restart(r);
    rig_enrol_as(r, RIG_INCARNATION, 1, NULL, 0);
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(sweep_of(r, number)->r.state, SWEEP_PAUSED);
    assert_int_equal(sweep_verb(r, number, VERB_PAUSE)->status, 200);
    assert_int_equal(sweep_resume(r, number, 0, -1, NULL)->status, 200);
    assert_int_equal(sweep_of(r, number)->r.state, SWEEP_RUNNING);
    assert_int_equal(sweep_of(r, number)->r.why, WHY_NONE);
    assert_int_equal(core_work_find(r->core, number)->n_tasks, 2);
    rig_free(r);
}

static void test_wall_does_not_count_the_time_that_the_head_was_away(void **state)
{
    (void)state;
    char file[1024];
    struct rig *r = rig_new();
    snprintf(file, sizeof file, "%s", plain_file);
    strcpy(strstr(file, "{trials: 2}"), "{trials: 9, wall: 60s}\n");
    rig_enrol(r, 1);
    uint32_t number = rig_submit(r, file, NULL);
    for (int i = 0; i < 40; i++) {
        r->now += 1000;
        on_heartbeat(r->core, r->now, RIG_PEER,
                     &(struct msg_heartbeat){.incarnation = RIG_INCARNATION});
        on_tick(r->core, r->now);
        rig_turn(r);
    }
    r->now += 3600000;
    rig_restart(r);
    const struct sweep *sweep = sweep_of(r, number);
    int64_t ran_ms = core_sweep_ran_ms(sweep, r->now);
    assert_true(ran_ms >= 35000 && ran_ms <= 40000);
    rig_enrol_as(r, RIG_INCARNATION, 1, NULL, 0);
    r->now += 24000;
    on_tick(r->core, r->now);
    rig_turn(r);
    on_tick(r->core, r->now += 1000);
    rig_turn(r);
    assert_int_equal(sweep_of(r, number)->r.why, WHY_WALL);
    rig_free(r);
}

static void test_ended_sweep_resumes_with_more_trials_once(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    uint32_t number = rig_submit(r, plain_file, NULL);
    trial_done(r, rig_id(number, 1), 0, 0.5);
    trial_done(r, rig_id(number, 2), 0, 0.4);
    assert_int_equal(sweep_of(r, number)->r.state, SWEEP_DONE);
    assert_null(core_work_find(r->core, number)->cls);

    assert_int_equal(sweep_resume(r, number, 0, -1, NULL)->status, 409);
    assert_int_equal(sweep_resume(r, number, 1, 2, NULL)->status, 200);
    assert_int_equal(sweep_of(r, number)->r.state, SWEEP_RUNNING);
    assert_int_equal(tune_trials_max(sweep_of(r, number)->tuner), 3);
    assert_int_equal(sweep_resume(r, number, 1, 2, NULL)->status, 200); /* the same one again */
    assert_int_equal(tune_trials_max(sweep_of(r, number)->tuner), 3);
    assert_int_equal(sweep_resume(r, number, 2, -1, "again")->status, 200);
    assert_int_equal(sweep_resume(r, number, 2, -1, "again")->status, 200);
    assert_int_equal(tune_trials_max(sweep_of(r, number)->tuner), 5);

    rig_restart(r);
    rig_enrol_as(r, RIG_INCARNATION, 1, NULL, 0);
    assert_int_equal(sweep_resume(r, number, 2, -1, "again")->status, 200);
    assert_int_equal(tune_trials_max(sweep_of(r, number)->tuner), 5);
    for (uint32_t i = 3; i <= 5; i++) {
        trial_done(r, rig_id(number, i), 0, 0.1 * i);
    }
    assert_int_equal(sweep_of(r, number)->r.state, SWEEP_DONE);
    assert_int_equal(core_work_find(r->core, number)->n_tasks, 5);
    rig_free(r);
}

static void test_stopped_sweep_resumes_to_its_end_and_a_finishing_one_does_not(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    uint32_t number = rig_submit(r, plain_file, NULL);
    rig_started(r, rig_id(number, 1), 0);
    assert_int_equal(sweep_verb(r, number, VERB_STOP)->status, 200);
    assert_int_equal(sweep_resume(r, number, 0, -1, NULL)->status, 409);
    assert_int_equal(sweep_verb(r, number, VERB_PAUSE)->status, 409);
    rig_report_event(r, EVENT_ROWS, rig_id(number, 1), 0, 1, 0.5, 0);
    rig_result(r, rig_id(number, 1), 0, CAUSE_EXIT, 0, 1);
    assert_int_equal(sweep_of(r, number)->r.state, SWEEP_DONE);
    assert_int_equal(sweep_resume(r, number, 0, -1, NULL)->status, 200);
    assert_int_equal(core_work_find(r->core, number)->n_tasks, 2);
    assert_int_equal(sweep_resume(r, 99, 0, -1, NULL)->status, 404);
    static char key[1000];
    memset(key, 'k', sizeof key - 1);
    assert_int_equal(sweep_resume(r, number, 1, -1, key)->status, 400);
    rig_free(r);
}

static void test_failures_count_anew_after_a_resume(void **state)
{
    (void)state;
    char file[1024];
    struct rig *r = rig_new();
    snprintf(file, sizeof file, "%s", plain_file);
    strcpy(strstr(file, "{trials: 2}"), "{trials: 4, failures: 1}\n");
    rig_enrol(r, 1);
    uint32_t number = rig_submit(r, file, NULL);
    rig_started(r, rig_id(number, 1), 0);
    rig_result(r, rig_id(number, 1), 0, CAUSE_EXIT, 1, 0);
    assert_int_equal(sweep_of(r, number)->r.state, SWEEP_FAILED);
    assert_int_equal(sweep_of(r, number)->r.why, WHY_FAILURES);
    assert_int_equal(sweep_resume(r, number, 0, -1, NULL)->status, 200);
    assert_int_equal(sweep_of(r, number)->r.state, SWEEP_RUNNING);
    rig_restart(r);
    rig_enrol_as(r, RIG_INCARNATION, 1, NULL, 0);
    assert_int_equal(sweep_of(r, number)->r.state, SWEEP_RUNNING);
    rig_started(r, rig_id(number, 2), 0);
    rig_result(r, rig_id(number, 2), 0, CAUSE_EXIT, 1, 0);
    assert_int_equal(sweep_of(r, number)->r.state, SWEEP_FAILED);
    rig_free(r);
}

static void test_retry_of_an_ended_sweeps_trial_runs_once_more_and_ends_it_again(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    task_id id = rig_id(1, 1);
    rig_enrol(r, 1);
    rig_submit(r, plain_file, NULL);
    rig_started(r, id, 0);
    rig_result(r, id, 0, CAUSE_EXIT, 3, 0);
    trial_done(r, rig_id(1, 2), 0, 0.5);
    assert_int_equal(sweep_of(r, 1)->r.state, SWEEP_DONE);
    const struct task *task = rig_task(r, id);
    assert_int_equal(task->r.outcome, OUTCOME_FAILED);
    uint64_t order = task->r.order.n;

    assert_int_equal(retry(r, id, 1)->status, 200);
    assert_int_equal(task->r.state, TASK_LEASED);
    assert_int_equal(task->r.attempt, 1);
    assert_true(task->r.order.n > order);
    assert_int_equal(sweep_of(r, 1)->r.state, SWEEP_FINISHING); /* nothing new is asked for */
    assert_int_equal(retry(r, id, 1)->status, 200);             /* the same one again */
    assert_int_equal(task->r.n_attempts, 2);
    assert_int_equal(retry(r, id, 2)->status, 409); /* it runs */
    assert_int_equal(retry(r, id, 9)->status, 409);
    assert_int_equal(retry(r, rig_id(1, 7), 0)->status, 404);

    rig_restart(r);
    struct running_ref running = {id, 1, 99};
    rig_enrol_as(r, RIG_INCARNATION, 1, &running, 1);
    trial_done(r, id, 1, 0.25);
    task = rig_task(r, id);
    assert_int_equal(task->r.outcome, OUTCOME_DONE);
    assert_string_equal(task->r.reason != NULL ? task->r.reason : "", "");
    assert_int_equal(sweep_of(r, 1)->r.state, SWEEP_DONE);
    struct tune_counts counts;
    tune_counts_get(sweep_of(r, 1)->tuner, &counts);
    assert_int_equal(counts.done, 2);
    assert_int_equal(counts.failed, 0);
    assert_int_equal(core_work_find(r->core, 1)->n_tasks, 2);
    rig_free(r);
}

/* Trials that a cancelled sweep never asked for stay so. */
static void test_retry_in_a_cancelled_sweep_asks_for_no_other_trial(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, plain_file, NULL);
    rig_started(r, rig_id(1, 1), 0);
    assert_int_equal(sweep_verb(r, 1, VERB_CANCEL)->status, 200);
    assert_int_equal(retry(r, rig_id(1, 1), -1)->status, 409);
    rig_result(r, rig_id(1, 1), 0, CAUSE_TOLD, 0, 2);
    assert_int_equal(sweep_of(r, 1)->r.state, SWEEP_CANCELLED);
    assert_int_equal(retry(r, rig_id(1, 1), -1)->status, 200);
    trial_done(r, rig_id(1, 1), 1, 0.5);
    assert_int_equal(sweep_of(r, 1)->r.state, SWEEP_DONE);
    assert_int_equal(core_work_find(r->core, 1)->n_tasks, 1);
    rig_free(r);
}

static void test_job_is_tried_again(void **state)
{
    (void)state;
    static const char *const words[] = {"false"};
    struct record_job job = {
        .name = "j", .words = words, .n_words = 1, .workdir = "/w", .cpus = AMOUNT_ONE};
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    on_job_submit(r->core, r->now, ++requests, &job);
    rig_turn(r);
    task_id id = rig_id(1, 1);
    rig_started(r, id, 0);
    rig_result(r, id, 0, CAUSE_EXIT, 1, 0);
    assert_true(core_work_find(r->core, 1)->job->r.ended != 0);
    rig_restart(r);
    rig_enrol_as(r, RIG_INCARNATION, 1, NULL, 0);
    assert_int_equal(retry(r, id, -1)->status, 200);
    assert_int_equal(rig_task(r, id)->r.state, TASK_LEASED);
    assert_true(core_work_find(r->core, 1)->job->r.ended == 0);
    rig_started(r, id, 1);
    rig_result(r, id, 1, CAUSE_EXIT, 0, 0);
    assert_int_equal(rig_task(r, id)->r.outcome, OUTCOME_DONE);
    rig_free(r);
}

static void test_trial_that_never_reports_the_metric_fails_with_the_names_seen(void **state)
{
    (void)state;
    static const char *const names[] = {"accuracy", "time"};
    double values[] = {0.5, 3};
    struct metric_row row = {.seq = 1, .step = 1, .values = values, .n_values = 2};
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, plain_file, NULL);
    for (uint32_t i = 1; i <= 2; i++) {
        row.n_values = i == 1 ? 2 : 1;
        rig_started(r, rig_id(1, i), 0);
        rig_event(r, (struct node_event){.kind = EVENT_ROWS,
                                         .task = rig_id(1, i),
                                         .rows = {names, i == 1 ? 2 : 1, &row, 1}});
        rig_result(r, rig_id(1, i), 0, CAUSE_EXIT, 0, 1);
    }
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.outcome, OUTCOME_FAILED);
    assert_string_equal(
        task->r.reason,
        "exit 0 without a value of 'loss' (metric.name); it reported: accuracy, time");
    assert_int_equal(sweep_of(r, 1)->r.state, SWEEP_FAILED);
    assert_non_null(strstr(sweep_of(r, 1)->r.error, "2 of 2 trials failed"));
    assert_non_null(strstr(sweep_of(r, 1)->r.error, "accuracy, time"));
    rig_free(r);
}

/* ---- what a submission says beside its file ---- */

static const struct rig_sent *submit_with(struct rig *r, struct submit_sweep submit)
{
    submit.file = submit.file != NULL ? submit.file : plain_file;
    submit.file_name = "t.yaml";
    submit.workdir = "/w";
    submit.file_hash = "h";
    on_sweep_submit(r->core, r->now, ++requests, &submit);
    return verb_answer(r);
}

static void test_submission_sets_are_applied_recorded_and_survive(void **state)
{
    (void)state;
    static const char *const set[] = {"stop.trials=7", "queue.priority=90"};
    static const char *const labels[] = {"nightly"};
    struct rig *r = rig_new();
    struct submit_sweep submit = {
        .name = "mine", .set = set, .n_set = 2, .labels = labels, .n_labels = 1};
    assert_int_equal(submit_with(r, submit)->status, 201);
    rig_restart(r);
    const struct sweep *sweep = sweep_of(r, 1);
    assert_string_equal(sweep->r.name, "mine");
    assert_int_equal(sweep->spec.stop.trials, 7);
    assert_int_equal(sweep->spec.priority, 90);
    assert_int_equal(sweep->r.n_labels, 1);
    view_sweep(r->core, r->now, ++requests, 1);
    const char *body = verb_answer(r)->body;
    assert_non_null(strstr(body, "\"set\":[\"stop.trials=7\",\"queue.priority=90\"]"));
    assert_non_null(strstr(body, "\"labels\":[\"nightly\"]"));
    assert_non_null(strstr(body, "\"priority\":90"));
    assert_non_null(strstr(body, "\"trials\":7"));

    static const char *const wrong[] = {"stop.trails=7"};
    submit.set = wrong;
    submit.n_set = 1;
    const struct rig_sent *sent = submit_with(r, submit);
    assert_int_equal(sent->status, 400);
    assert_non_null(strstr(sent->body, "--set stop.trails=7: "));
    rig_free(r);
}

static void test_same_key_with_another_setting_is_a_conflict(void **state)
{
    (void)state;
    static const char *const set[] = {"stop.trials=7"}, *const labels[] = {"a"};
    struct rig *r = rig_new();
    struct submit_sweep submit = {.key = "k", .set = set, .n_set = 1};
    assert_int_equal(submit_with(r, submit)->status, 201);
    const struct rig_sent *again = submit_with(r, submit);
    assert_int_equal(again->status, 200);
    assert_non_null(strstr(again->body, "\"id\":1"));
    struct submit_sweep others[] = {
        {.key = "k"},
        {.key = "k", .set = set, .n_set = 1, .is_test = true},
        {.key = "k", .set = set, .n_set = 1, .name = "other"},
        {.key = "k", .set = set, .n_set = 1, .labels = labels, .n_labels = 1}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(submit_with(r, others[i])->status, 409);
    }
    rig_free(r);
}

/* Without hashes the file decides, and the folder's place where the folder itself was not sent. */
static void test_same_key_without_a_hash_compares_file_and_folder(void **state)
{
    (void)state;
    static const char packed[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct rig *r = rig_new();
    for (int is_packed = 0; is_packed < 2; is_packed++) {
        struct submit_sweep submit = {.file = plain_file,
                                      .file_name = "t.yaml",
                                      .workdir = "/w",
                                      .key = is_packed ? "packed" : "plain",
                                      .work = is_packed ? packed : ""};
        on_sweep_submit(r->core, r->now, ++requests, &submit);
        assert_int_equal(verb_answer(r)->status, 201);
        submit.workdir = "/elsewhere";
        on_sweep_submit(r->core, r->now, ++requests, &submit);
        assert_int_equal(verb_answer(r)->status, is_packed ? 200 : 409);
        submit.workdir = "/w";
        submit.file = "command: y\nmetric: {name: loss}\nstop: {trials: 1}\n";
        on_sweep_submit(r->core, r->now, ++requests, &submit);
        assert_int_equal(verb_answer(r)->status, 409);
    }
    rig_free(r);
}

/* Both come before anything is on disk: one makes it, the other gets the same number. */
static void test_two_clients_with_one_key_at_once_make_one_sweep(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct submit_sweep submit = {
        .file = plain_file, .file_name = "t.yaml", .workdir = "/w", .file_hash = "h", .key = "k"};
    r->is_store_stalled = true;
    on_sweep_submit(r->core, r->now, 9001, &submit);
    on_sweep_submit(r->core, r->now, 9002, &submit);
    rig_turn(r);
    assert_null(rig_answer(r, 9001));
    assert_null(rig_answer(r, 9002));
    r->is_store_stalled = false;
    rig_batch_reply(r);
    rig_turn(r);
    assert_int_equal(rig_answer(r, 9001)->status, 201);
    assert_int_equal(rig_answer(r, 9002)->status, 200);
    assert_string_equal(rig_answer(r, 9001)->body, rig_answer(r, 9002)->body);
    assert_int_equal(HASH_COUNT(r->core->works), 1);
    rig_free(r);
}

static void test_test_is_one_trial_to_its_first_report(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct arena arena;
    rig_enrol(r, 2);
    assert_int_equal(submit_with(r, (struct submit_sweep){.is_test = true})->status, 201);
    rig_started(r, rig_id(1, 1), 0);
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_int_equal(lease->order.until, 1);
    rig_milestone(r, rig_id(1, 1), 0, 1, 0.5, 1);
    rig_result(r, rig_id(1, 1), 0, CAUSE_TOLD, 0, 2);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.outcome, OUTCOME_DONE);
    assert_int_equal(sweep_of(r, 1)->r.state, SWEEP_DONE);
    arena_fini(&arena);
    rig_free(r);
}

static void test_clone_has_the_same_file_and_settings_and_its_own_number(void **state)
{
    (void)state;
    static const char *const set[] = {"stop.trials=7"}, *const more[] = {"stop.trials=8"};
    struct rig *r = rig_new();
    submit_with(r, (struct submit_sweep){.name = "first", .set = set, .n_set = 1, .key = "k"});
    struct sweep_clone clone = {.set = more, .n_set = 1, .key = "c"};
    on_sweep_clone(r->core, r->now, ++requests, 1, &clone);
    assert_int_equal(verb_answer(r)->status, 201);
    on_sweep_clone(r->core, r->now, ++requests, 1, &clone);
    assert_int_equal(verb_answer(r)->status, 200);
    clone = (struct sweep_clone){.name = "third"};
    on_sweep_clone(r->core, r->now, ++requests, 2, &clone);
    assert_int_equal(verb_answer(r)->status, 201);
    assert_string_equal(sweep_of(r, 2)->r.name, "first");
    assert_int_equal(sweep_of(r, 2)->spec.stop.trials, 8);
    assert_int_equal(sweep_of(r, 2)->r.cloned_from, 1);
    assert_string_equal(sweep_of(r, 3)->r.name, "third");
    assert_string_equal(sweep_of(r, 3)->r.file, plain_file);
    assert_int_equal(sweep_of(r, 3)->spec.stop.trials, 8);
    on_sweep_clone(r->core, r->now, ++requests, 77, &clone);
    assert_int_equal(verb_answer(r)->status, 404);
    rig_free(r);
}

static const struct rig_sent *sweep_set(struct rig *r, const char *setting)
{
    on_sweep_set(r->core, r->now, ++requests, 1, &setting, 1);
    return verb_answer(r);
}

static void test_set_limits_hold_at_once_are_shown_and_survive(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 4);
    assert_int_equal(rig_submit(r, plain_file, NULL), 1);
    assert_int_equal(sweep_of(r, 1)->work->n_tasks, 1);
    assert_int_equal(sweep_set(r, "limits.concurrency=2")->status, 200);
    assert_int_equal(sweep_of(r, 1)->work->n_tasks, 2);
    assert_int_equal(sweep_set(r, "stop.trials=5")->status, 200);
    assert_int_equal(sweep_set(r, "limits.concurrency=3")->status, 200);
    assert_int_equal(sweep_of(r, 1)->work->n_tasks, 3);
    assert_int_equal(sweep_set(r, "timeouts.silent=5s")->status, 200);
    assert_int_equal(sweep_set(r, "retries.max=2")->status, 200);
    assert_int_equal(sweep_set(r, "limits.per_node=4")->status, 200);
    rig_restart(r);
    rig_enrol(r, 4);
    const struct sweep *sweep = sweep_of(r, 1);
    assert_int_equal(sweep->r.n_changed, 5);
    assert_string_equal(sweep->r.changed[0], "stop.trials=5");
    assert_string_equal(sweep->r.changed[1], "limits.concurrency=3");
    assert_int_equal(sweep->spec.timeouts.silent_ms, 5000);
    assert_int_equal(sweep->spec.retries.max, 2);
    assert_int_equal(sweep->spec.per_node, 4);
    assert_int_equal(tune_trials_max(sweep->tuner), 5);
    assert_int_equal(tune_limits_get(sweep->tuner).concurrency, 3);
    rig_free(r);
}

static void test_set_limits_count_what_runs_already(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 4);
    assert_int_equal(rig_submit(r, plain_file, NULL), 1);
    assert_int_equal(sweep_set(r, "limits.per_node=2")->status, 200);
    assert_int_equal(sweep_set(r, "limits.concurrency=4")->status, 200);
    assert_int_equal(sweep_of(r, 1)->work->n_tasks, 2);
    scheduler_check(r->core->scheduler);
    rig_free(r);
}

static void test_set_priority_moves_what_waits(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    assert_int_equal(rig_submit(r, plain_file, NULL), 1);
    assert_int_equal(rig_submit(r, plain_file, "second"), 2);
    on_sweep_set(r->core, r->now, ++requests, 2, (const char *const[]){"queue.priority=90"}, 1);
    assert_int_equal(verb_answer(r)->status, 200);
    rig_enrol(r, 1);
    assert_int_equal(sweep_of(r, 1)->work->n_tasks, 0);
    assert_int_equal(sweep_of(r, 2)->work->n_tasks, 1);
    rig_free(r);
}

static void test_set_wall_ends_a_sweep_that_had_none(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    assert_int_equal(rig_submit(r, plain_file, NULL), 1);
    rig_started(r, rig_id(1, 1), 0);
    assert_int_equal(sweep_set(r, "stop.wall=10s")->status, 200);
    r->now += 11000;
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(sweep_of(r, 1)->r.state, SWEEP_FINISHING);
    assert_int_equal(sweep_of(r, 1)->r.why, WHY_WALL);
    rig_free(r);
}

static void test_set_refuses_what_cannot_change_and_changes_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    assert_int_equal(rig_submit(r, plain_file, NULL), 1);
    trial_done(r, rig_id(1, 1), 0, 0.5);
    rig_started(r, rig_id(1, 2), 0);
    assert_int_equal(sweep_set(r, "parameters.lr.max=2")->status, 400);
    assert_int_equal(sweep_set(r, "stop.trials=0")->status, 400);
    assert_int_equal(sweep_set(r, "stop.trials=none")->status, 400); /* nothing would end it */
    assert_int_equal(sweep_set(r, "stop.trials=1")->status, 409);
    const char *const both[] = {"retries.max=9", "metric.name=acc"};
    on_sweep_set(r->core, r->now, ++requests, 1, both, 2);
    assert_int_equal(verb_answer(r)->status, 400);
    assert_int_equal(sweep_of(r, 1)->r.n_changed, 0);
    assert_int_equal(sweep_of(r, 1)->spec.retries.max, 0);
    on_sweep_set(r->core, r->now, ++requests, 77, both, 1);
    assert_int_equal(verb_answer(r)->status, 404);
    rig_report_event(r, EVENT_ROWS, rig_id(1, 2), 0, 1, 0.5, 0);
    rig_result(r, rig_id(1, 2), 0, CAUSE_EXIT, 0, 1);
    assert_int_equal(sweep_set(r, "stop.trials=9")->status, 409);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paused_sweep_asks_for_nothing_and_its_wall_stands_still),
        cmocka_unit_test(test_wall_does_not_count_the_time_that_the_head_was_away),
        cmocka_unit_test(test_ended_sweep_resumes_with_more_trials_once),
        cmocka_unit_test(test_stopped_sweep_resumes_to_its_end_and_a_finishing_one_does_not),
        cmocka_unit_test(test_failures_count_anew_after_a_resume),
        cmocka_unit_test(test_retry_of_an_ended_sweeps_trial_runs_once_more_and_ends_it_again),
        cmocka_unit_test(test_retry_in_a_cancelled_sweep_asks_for_no_other_trial),
        cmocka_unit_test(test_job_is_tried_again),
        cmocka_unit_test(test_trial_that_never_reports_the_metric_fails_with_the_names_seen),
        cmocka_unit_test(test_submission_sets_are_applied_recorded_and_survive),
        cmocka_unit_test(test_same_key_with_another_setting_is_a_conflict),
        cmocka_unit_test(test_same_key_without_a_hash_compares_file_and_folder),
        cmocka_unit_test(test_two_clients_with_one_key_at_once_make_one_sweep),
        cmocka_unit_test(test_test_is_one_trial_to_its_first_report),
        cmocka_unit_test(test_clone_has_the_same_file_and_settings_and_its_own_number),
        cmocka_unit_test(test_set_limits_hold_at_once_are_shown_and_survive),
        cmocka_unit_test(test_set_limits_count_what_runs_already),
        cmocka_unit_test(test_set_priority_moves_what_waits),
        cmocka_unit_test(test_set_wall_ends_a_sweep_that_had_none),
        cmocka_unit_test(test_set_refuses_what_cannot_change_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
