/* What the sweep file says reaches whoever has to act on it: a lease has all that its agent needs,
 * and the head heeds what is its own. */
#include "rig.h"

static const char file[] =
    "name: keys\n"
    "command: [train, \"${args}\"]\n"
    "env: {A: \"1\"}\n"
    "setup: make\n"
    "metric: {name: loss, goal: maximize, time: epoch}\n"
    "parameters: {lr: {min: 0, max: 1}}\n"
    "stop: {trials: 1}\n"
    "resources: {cpus: 2, memory: 64M}\n"
    "timeouts: {trial: 1h, silent: 2m, grace: 3s, start: 4s, decision: 5s}\n"
    "checkpoints: {on: [end, pause], every: 90s, keep: {trial_best: 0}, adopt: 'out/*'}\n"
    "logs: {tail: 8K}\n"
    "report: {from: [stdout, stderr], stdout: [keras], stderr: ['loss (?P<loss>\\S+)']}\n";

static void test_lease_has_what_the_file_says(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 4);
    assert_int_equal(rig_submit(r, file, NULL), 1);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_string_equal(lease->words[1], "${args}");
    assert_string_equal(lease->env[0].value, "1");
    assert_string_equal(lease->setup, "make");
    assert_string_equal(lease->metric, "loss");
    assert_true(lease->is_maximize);
    assert_string_equal(lease->metric_time, "epoch");
    assert_int_equal(lease->cpus, 2 * AMOUNT_ONE);
    assert_int_equal(lease->memory_bytes, 64 << 20);
    assert_int_equal(lease->timeout_trial_ms, 3600000);
    assert_int_equal(lease->timeout_silent_ms, 120000);
    assert_int_equal(lease->timeout_grace_ms, 3000);
    assert_int_equal(lease->timeout_start_ms, 4000);
    assert_int_equal(lease->timeout_decision_ms, 5000);
    assert_int_equal(lease->checkpoints_on, CHECKPOINT_ON_END | CHECKPOINT_ON_PAUSE);
    assert_int_equal(lease->checkpoints_every_ms, 90000);
    assert_string_equal(lease->adopt, "out/*");
    assert_int_equal(lease->tail_bytes, 8 << 10);
    assert_int_equal(lease->report_from, REPORT_FROM_API | REPORT_FROM_STDOUT | REPORT_FROM_STDERR);
    assert_string_equal(lease->report_out_rules[0], "keras");
    assert_string_equal(lease->report_err_rules[0], "loss (?P<loss>\\S+)");
    arena_fini(&arena);
    rig_free(r);
}

static void submit(struct rig *r, const char *more)
{
    char text[1024];
    snprintf(text, sizeof text,
             "command: [train]\nmetric: {name: loss}\nparameters: {lr: {min: 0, max: 1}}\n%s",
             more);
    assert_int_equal(rig_submit(r, text, NULL), 1);
}

/* The agent is started anew while the trial runs. */
static void agent_comes_again(struct rig *r, uint64_t incarnation)
{
    r->event = 0;
    rig_enrol_as(r, incarnation, 1, NULL, 0);
}

static void started_as(struct rig *r, uint64_t incarnation, uint32_t attempt)
{
    struct node_event event = {.kind = EVENT_STARTED,
                               .task = rig_id(1, 1),
                               .attempt = attempt,
                               .pid = 100,
                               .number = ++r->event,
                               .time = r->now};
    struct msg_events msg = {incarnation, &event, 1};
    on_events(r->core, r->now, RIG_PEER, &msg);
    rig_turn(r);
}

static void test_crash_limit_ends_a_trial_whose_node_vanishes_once_more(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    submit(r, "stop: {trials: 1}\nretries: {max: 0, crash_limit: 1}\n");
    rig_started(r, rig_id(1, 1), 0);
    agent_comes_again(r, 78);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_LEASED);
    started_as(r, 78, 1);
    agent_comes_again(r, 79);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.outcome, OUTCOME_FAILED);
    assert_non_null(strstr(task->r.reason, "lost 2 times (retries.crash_limit)"));
    rig_free(r);
}

static void test_backoff_is_the_files(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    submit(r, "stop: {trials: 1}\nretries: {max: 3, backoff: 40s..60s}\n");
    rig_started(r, rig_id(1, 1), 0);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 3, 0);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.state, TASK_QUEUED);
    assert_in_range(task->r.not_before - r->now, 20000, 60000);
    rig_free(r);
}

static void test_limit_of_gpus_holds_for_all_trials_together(void **state)
{
    (void)state;
    static const char *const gpus[] = {"GPU-1", "GPU-2", "GPU-3", "GPU-4"};
    struct rig *r = rig_new();
    struct msg_enrol msg = {RIG_AGENT,
                            .node = "local",
                            .incarnation = RIG_INCARNATION,
                            .cpus = 8 * AMOUNT_ONE,
                            .gpus = gpus,
                            .n_gpus = 4,
                            .first_event = 1};
    on_enrol(r->core, r->now, RIG_PEER, &msg);
    rig_turn(r);
    submit(r, "stop: {trials: 9}\nresources: {gpus: 1}\nlimits: {gpus: 3}\n");
    assert_int_equal(core_work_find(r->core, 1)->n_tasks, 3);
    rig_free(r);
}

/* No node has what the file wants. */
static void test_resources_that_no_node_has_are_refused(void **state)
{
    (void)state;
    static const char *const wants[] = {"custom: {licence: 1}", "require: [\"zone == a\"]",
                                        "cpus: 64", "memory: 64G", "gpus: 1"};
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        struct rig *r = rig_new();
        char text[512];
        snprintf(text, sizeof text,
                 "command: [train]\nmetric: {name: loss}\nstop: {trials: 1}\nresources: {%s}\n",
                 wants[i]);
        rig_enrol(r, 2);
        rig_submit(r, text, NULL);
        assert_int_equal(r->sent[r->n_sent - 1].status, 422);
        rig_free(r);
    }
}

/* It says nothing of saving; what it writes is adopted, and its command takes it up. */
static void test_trial_that_is_adopted_and_restored_waits_at_a_rung(void **state)
{
    (void)state;
    static const struct {
        const char *command, *adopt;
        order_act act;
    } cases[] = {
        {"\"${restore}\"", "out/*", ACT_PAUSE},
        {"\"--at=${restore:{}}\"", "out/*", ACT_PAUSE},
        {"plain", "out/*", ACT_STOP},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig *r = rig_new();
        char text[1024];
        snprintf(
            text, sizeof text,
            "command: [train, %s]\nmetric: {name: loss}\nparameters: {lr: {min: 0, max: 1}}\n"
            "stop: {trials: 3}\nschedule: {type: asha, mode: promote, min: 1, max: 9, eta: 3}\n"
            "checkpoints: {adopt: '%s'}\nreport: {from: stdout}\n",
            cases[i].command, cases[i].adopt);
        rig_enrol(r, 3);
        assert_int_equal(rig_submit(r, text, NULL), 1);
        rig_started(r, rig_id(1, 1), 0);
        rig_started(r, rig_id(1, 2), 0);
        rig_milestone(r, rig_id(1, 1), 0, 1, 0.1, 1);
        rig_milestone(r, rig_id(1, 2), 0, 1, 0.9, 1);
        assert_int_equal(rig_task(r, rig_id(1, 2))->r.order.act, cases[i].act);
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease_has_what_the_file_says),
        cmocka_unit_test(test_crash_limit_ends_a_trial_whose_node_vanishes_once_more),
        cmocka_unit_test(test_backoff_is_the_files),
        cmocka_unit_test(test_limit_of_gpus_holds_for_all_trials_together),
        cmocka_unit_test(test_resources_that_no_node_has_are_refused),
        cmocka_unit_test(test_trial_that_is_adopted_and_restored_waits_at_a_rung),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
