/* A trial's life: leases, retries, losses, cancels, restarts of head and agent. */
#include "rig.h"

static void test_submit_with_a_node_leases_trials_up_to_its_cpus(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    assert_int_equal(rig_submit(r, rig_sweep, NULL), 1);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 2);
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.state, TASK_LEASED);
    assert_int_equal(rig_store_count(r, "tasks"), 2);
    rig_free(r);
}

static void test_submit_twice_with_one_key_makes_one_sweep(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    assert_int_equal(rig_submit(r, rig_sweep, "k"), 1);
    assert_int_equal(rig_submit(r, rig_sweep, "k"), 1);
    char other[1024];
    snprintf(other, sizeof other, "%s# other\n", rig_sweep);
    assert_int_equal(rig_submit(r, other, "k"), 0); /* 409 */
    rig_restart(r);
    assert_int_equal(rig_submit(r, rig_sweep, "k"), 1);
    assert_int_equal(rig_submit(r, rig_sweep, "new"), 2);
    rig_free(r);
}

static void test_submit_that_nothing_can_run_is_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    char file[1024];
    snprintf(file, sizeof file, "%.*scpus: 64}\n", (int)(strstr(rig_sweep, "cpus: 1}") - rig_sweep),
             rig_sweep);
    assert_int_equal(rig_submit(r, file, NULL), 0);
    assert_int_equal(r->sent[r->n_sent - 1].status, 422);
    rig_free(r);
}

static void test_failure_is_retried_after_its_backoff_then_failed(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 3, 0);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.state, TASK_QUEUED);
    assert_int_equal(task->r.failures, 1);
    /* While it waits, the slot goes to the next trial; its turn comes when that one ends. */
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.state, TASK_LEASED);
    rig_started(r, rig_id(1, 2), 0);
    r->now += 1500;
    on_tick(r->core, r->now);
    rig_turn(r);
    rig_result(r, rig_id(1, 2), 0, CAUSE_EXIT, 0, 0);
    assert_int_equal(task->r.state, TASK_LEASED);
    assert_int_equal(task->r.attempt, 1);
    rig_started(r, rig_id(1, 1), 1);
    rig_result(r, rig_id(1, 1), 1, CAUSE_SIGNAL, 0, 0);
    assert_int_equal(task->r.outcome, OUTCOME_FAILED);
    assert_int_equal(rig_store_count(r, "attempts"), 3);
    rig_free(r);
}

static void test_invalid_parameters_are_never_retried(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    struct attempt_result result = {
        .has_started = true, .cause = CAUSE_EXIT, .bye = BYE_INVALID, .reason = ""};
    rig_event(r, (struct node_event){
                     .kind = EVENT_RESULT, .task = rig_id(1, 1), .attempt = 0, .result = result});
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.outcome, OUTCOME_INVALID);
    rig_free(r);
}

static void test_exit_75_gives_the_trial_back_uncharged(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 75, 0);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.failures + task->r.lost, 0);
    assert_int_equal(task->r.preempted, 1);
    /* It waits a little, so that one that does so at once does not spin; the slot goes to the next.
     */
    assert_int_equal(task->r.state, TASK_QUEUED);
    assert_int_equal(task->r.not_before, r->now + 1000);
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.state, TASK_LEASED);
    r->now += 1000;
    on_tick(r->core, r->now);
    rig_result(r, rig_id(1, 2), 0, CAUSE_EXIT, 0, 0);
    assert_int_equal(task->r.state, TASK_LEASED);
    assert_int_equal(task->r.attempt, 1);
    rig_free(r);
}

static void test_new_incarnation_ends_the_old_ones_attempts(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_sent_clear(r);
    r->event = 0;
    rig_enrol_as(r, 78, 2, NULL, 0);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.lost, 1); /* it ran */
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.lost, 0); /* it was leased only */
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 2);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.attempt, 1);
    assert_int_equal(HASH_COUNT(r->core->nodes), 1);
    rig_free(r);
}

static void test_silent_node_is_lost_only_after_node_timeout(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    r->now += 6000;
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(core_node_find(r->core, "local")->r.state, NODE_SUSPECT);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_RUNNING);
    /* A head that was away for a minute judges nobody by that. */
    r->now += 60000;
    core_time(r->core, r->now, 60000, false);
    rig_turn(r);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_RUNNING);
    r->now += 31000;
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(core_node_find(r->core, "local")->r.state, NODE_GONE);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_QUEUED);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.lost, 1);
    rig_free(r);
}

/* Nobody waits for the silence of an agent that has said its last word. */
static void test_agent_that_leaves_is_gone_at_once(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    const struct msg_heartbeat last = {.incarnation = RIG_INCARNATION, .has_left = true};
    on_heartbeat(r->core, r->now, RIG_PEER + 1, &last); /* of nobody who is known */
    rig_turn(r);
    assert_int_equal(core_node_find(r->core, "local")->r.state, NODE_ALIVE);
    on_heartbeat(r->core, r->now, RIG_PEER, &last);
    rig_turn(r);
    assert_int_equal(core_node_find(r->core, "local")->r.state, NODE_GONE);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_QUEUED);
    on_heartbeat(r->core, r->now, RIG_PEER, &last); /* twice */
    rig_turn(r);
    rig_enrol_as(r, RIG_INCARNATION + 1, 2, NULL, 0);
    assert_int_equal(core_node_find(r->core, "local")->r.state, NODE_ALIVE);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_LEASED);
    rig_free(r);
}

/* Its worker may have a state folder of its own. */
static void test_checkpoint_is_named_where_its_node_has_it(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct msg_enrol msg = {RIG_AGENT,
                            .node = "local",
                            .incarnation = RIG_INCARNATION,
                            .cpus = AMOUNT_ONE,
                            .state_dir = "/of/the/node",
                            .first_event = 1};
    on_enrol(r->core, r->now, RIG_PEER, &msg);
    rig_turn(r);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_saved(r, 1, 1, 4, 0);
    view_task(r->core, r->now, 70, rig_id(1, 1));
    rig_turn(r);
    assert_non_null(
        strstr(rig_answer(r, 70)->body, "\"checkpoint\":\"/of/the/node/snapshots/1.1/1\""));
    rig_free(r);
}

static void test_cancel_ends_queued_trials_and_tells_running_ones(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_sent_clear(r);
    on_sweep_verb(r->core, r->now, 1, 1, VERB_CANCEL, 500);
    on_sweep_verb(r->core, r->now, 2, 1, VERB_CANCEL, -1);
    rig_turn(r);
    assert_int_equal(rig_answer(r, 1)->status, 200);
    assert_int_equal(rig_answer(r, 2)->status, 200);
    assert_int_equal(rig_sent_count(r, MSG_ORDER), 1);
    rig_result(r, rig_id(1, 1), 0, CAUSE_TOLD, 1, 2);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.outcome, OUTCOME_CANCELLED);
    assert_int_equal(core_work_find(r->core, 1)->sweep->r.state, SWEEP_CANCELLED);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 0);
    assert_true(core_is_idle(r->core));
    rig_free(r);
}

static void test_told_trial_that_crashes_before_it_was_told_is_told_again(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_milestone(r, rig_id(1, 1), 0, 9, 0.5, 1); /* the top: stop with why max */
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_STOPPING);
    rig_result(r, rig_id(1, 1), 0, CAUSE_SIGNAL, 0, 0);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.state, TASK_QUEUED);
    assert_int_equal(task->r.order.act, ACT_STOP);
    rig_started(r, rig_id(1, 2), 0);
    r->now += 2000;
    on_tick(r->core, r->now);
    rig_turn(r);
    rig_result(r, rig_id(1, 2), 0, CAUSE_EXIT, 0, 0);
    assert_int_equal(task->r.state, TASK_STOPPING);
    rig_result(r, rig_id(1, 1), 1, CAUSE_TOLD, 0, 2);
    assert_int_equal(task->r.outcome, OUTCOME_DONE);
    rig_free(r);
}

static void test_head_restart_keeps_leases_and_disturbs_no_trainer(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_milestone(r, rig_id(1, 1), 0, 1, 0.5, 1);
    struct buf before, after;
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    assert_int_equal(core_tuner_dump(r->core, 1, &before), OK);

    rig_restart(r);
    assert_int_equal(core_tuner_dump(r->core, 1, &after), OK);
    assert_string_equal(buf_text(&before), buf_text(&after));
    struct running_ref running[] = {{rig_id(1, 1), 0, 1}};
    rig_enrol_as(r, RIG_INCARNATION, 2, running, 1);
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 1); /* 1.2, whose lease it never saw */
    assert_int_equal(rig_sent_count(r, MSG_ORDER), 1); /* 1.1 has order 1 only */
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_RUNNING);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.attempt, 0);
    buf_fini(&before);
    buf_fini(&after);
    rig_free(r);
}

static void test_sweep_runs_to_its_end_with_a_head_restart_after_every_event(void **state)
{
    (void)state;
    char *dumps[2] = {NULL, NULL};
    for (int with_restarts = 0; with_restarts < 2; with_restarts++) {
        struct rig *r = rig_new();
        rig_enrol(r, 1);
        rig_submit(r, rig_sweep, NULL);
        for (uint32_t i = 1; i <= 6; i++) {
            const int64_t rungs[] = {1, 3, 9};
            rig_started(r, rig_id(1, i), 0);
            for (uint32_t k = 0; k < 3 && rig_task(r, rig_id(1, i))->r.order.act == ACT_GO; k++) {
                rig_milestone(r, rig_id(1, i), 0, rungs[k], 1.0 / (i * 7 % 5 + k + 1),
                              rig_task(r, rig_id(1, i))->r.order.n);
                if (with_restarts) {
                    rig_restart(r);
                    struct running_ref running[] = {
                        {rig_id(1, i), 0, rig_task(r, rig_id(1, i))->r.order.n}};
                    rig_enrol_as(r, RIG_INCARNATION, 1, running, 1);
                }
            }
            rig_result(r, rig_id(1, i), 0, CAUSE_TOLD, 0, rig_task(r, rig_id(1, i))->r.order.n);
        }
        assert_int_equal(core_work_find(r->core, 1)->sweep->r.state, SWEEP_DONE);
        struct buf dump;
        buf_init(&dump, 1 << 20);
        assert_int_equal(core_tuner_dump(r->core, 1, &dump), OK);
        dumps[with_restarts] = strdup(buf_text(&dump));
        buf_fini(&dump);
        rig_free(r);
    }
    assert_string_equal(dumps[0], dumps[1]);
    free(dumps[0]);
    free(dumps[1]);
}

static void test_job_runs_once_and_its_exit_is_kept(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    const char *words[] = {"echo", "hi"};
    struct record_job job = {.name = "echo",
                             .words = words,
                             .n_words = 2,
                             .workdir = "/",
                             .cpus = AMOUNT_ONE,
                             .priority = 50};
    on_job_submit(r->core, r->now, 5, &job);
    rig_turn(r);
    assert_int_equal(rig_answer(r, 5)->status, 201);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 1);
    rig_started(r, rig_id(1, 1), 0);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 4, 0);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.outcome, OUTCOME_FAILED);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.exit_code, 4);
    rig_restart(r);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.exit_code, 4);
    rig_free(r);
}

static void test_snapshots_keep_the_last_and_the_best(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    char file[1024];
    snprintf(file, sizeof file, "%scheckpoints: {on: [rung]}\n", rig_sweep);
    rig_submit(r, file, NULL);
    rig_started(r, rig_id(1, 1), 0);
    const double values[] = {0.5, 0.2, 0.4, 0.6};
    rig_sent_clear(r);
    for (uint32_t i = 1; i <= 4; i++) {
        struct snapshot_ref snapshot = {.ordinal = i, .step = i};
        rig_event(r, (struct node_event){
                         .kind = EVENT_SNAPSHOT, .task = rig_id(1, 1), .snapshot = snapshot});
        rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, i, values[i - 1], 0);
    }
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.snapshot.ordinal, 4);
    assert_int_equal(task->r.best_snapshot.ordinal, 2);
    assert_int_equal(rig_sent_count(r, MSG_DROP), 2); /* 1 and 3 */
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_submit_with_a_node_leases_trials_up_to_its_cpus),
        cmocka_unit_test(test_submit_twice_with_one_key_makes_one_sweep),
        cmocka_unit_test(test_submit_that_nothing_can_run_is_refused),
        cmocka_unit_test(test_failure_is_retried_after_its_backoff_then_failed),
        cmocka_unit_test(test_invalid_parameters_are_never_retried),
        cmocka_unit_test(test_exit_75_gives_the_trial_back_uncharged),
        cmocka_unit_test(test_new_incarnation_ends_the_old_ones_attempts),
        cmocka_unit_test(test_silent_node_is_lost_only_after_node_timeout),
        cmocka_unit_test(test_agent_that_leaves_is_gone_at_once),
        cmocka_unit_test(test_checkpoint_is_named_where_its_node_has_it),
        cmocka_unit_test(test_cancel_ends_queued_trials_and_tells_running_ones),
        cmocka_unit_test(test_told_trial_that_crashes_before_it_was_told_is_told_again),
        cmocka_unit_test(test_head_restart_keeps_leases_and_disturbs_no_trainer),
        cmocka_unit_test(test_sweep_runs_to_its_end_with_a_head_restart_after_every_event),
        cmocka_unit_test(test_job_runs_once_and_its_exit_is_kept),
        cmocka_unit_test(test_snapshots_keep_the_last_and_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
