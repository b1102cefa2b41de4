#include "rig.h"

static void test_attempt_lease_is_started_told_and_cleaned_when_its_result_is_on_disk(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    const struct msg_lease *started = rig_start(&r, &lease);
    assert_string_equal(started->words[0], "./train");
    assert_int_equal(started->n_params, 2);
    rig_started(&r, RIG_REF);
    r.now += 1500;
    rig_exited(&r, RIG_REF, 3);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_true(event->result.has_started);
    assert_int_equal(event->result.cause, CAUSE_EXIT);
    assert_int_equal(event->result.exit_code, 3);
    assert_int_equal(event->result.handed, 0);
    assert_int_equal(event->result.started_at, RIG_START_MS);
    assert_int_equal(event->result.ended_at, RIG_START_MS + 1500);
    assert_memory_equal(event->result.out_tail.data, "last words\n", 11);
    rig_none(&r);
    rig_ack(&r, event->number);
    assert_int_equal(rig_next(&r, AGENT_CLEAN)->effect.ref.task.index, 41);
    assert_null(agent_attempt_find(r.agent, RIG_REF));
    rig_end(&r);
}

static void test_attempt_that_cannot_start_tells_the_reason(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_start(&r, &lease);
    on_attempt_not_started(r.agent, r.now, RIG_REF, CAUSE_CANNOT_START,
                           "exec ./train: no such file", &r.out);
    rig_turn(&r);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_false(event->result.has_started);
    assert_int_equal(event->result.cause, CAUSE_CANNOT_START);
    assert_string_equal(event->result.reason, "exec ./train: no such file");
    rig_ack_all(&r);
    rig_next(&r, AGENT_CLEAN);
    rig_end(&r);
}

static void test_attempt_leased_again_after_its_end_starts_nothing(void **state)
{
    (void)state;
    struct rig r;
    struct attempt_ref next = {RIG_REF.task, RIG_REF.attempt + 1};
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF), after = rig_lease(next);
    rig_start(&r, &lease);
    rig_started(&r, RIG_REF);
    rig_exited(&r, RIG_REF, 3);
    rig_event(&r, EVENT_RESULT);
    rig_ack_all(&r);
    rig_next(&r, AGENT_CLEAN);
    rig_head(&r, MSG_LEASE, &lease); /* a copy that was late */
    rig_none(&r);
    assert_null(agent_attempt_find(r.agent, RIG_REF));
    rig_start(&r, &after);
    rig_end(&r);
}

static void test_attempt_leased_twice_is_started_once_and_takes_the_newer_order(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    lease.order = (struct order){.n = 2, .until = 9};
    rig_head(&r, MSG_LEASE, &lease);
    rig_none(&r);
    assert_int_equal(agent_attempt_find(r.agent, RIG_REF)->order.until, 9);
    rig_end(&r);
}

static void test_attempt_with_a_higher_number_ends_the_older_of_its_task(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    struct msg_lease next = rig_lease((struct attempt_ref){{12, 41}, 1});
    rig_head(&r, MSG_LEASE, &next);
    rig_signal(&r, SIGKILL);
    assert_int_equal(rig_next(&r, AGENT_START)->effect.ref.attempt, 1);
    rig_head(&r, MSG_LEASE, &lease); /* an old message */
    rig_none(&r);
    rig_exited(&r, RIG_REF, 0); /* of the older: nothing is told */
    rig_next(&r, AGENT_CLOSE);
    assert_int_equal(rig_next(&r, AGENT_CLEAN)->effect.ref.attempt, 0);
    rig_end(&r);
}

static void test_attempt_that_is_gone_is_killed_and_nothing_is_told(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    rig_report(&r, 1, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    rig_head(&r, MSG_GONE, &(struct msg_gone){RIG_REF.task, RIG_REF.attempt});
    rig_answer(&r, 1,
               "{\"ok\":0,\"error\":\"gone\",\"text\":\"this attempt is no longer wanted\"}");
    rig_signal(&r, SIGKILL);
    rig_report(&r, 1, 4, 0.5);
    rig_answer(&r, 1,
               "{\"ok\":0,\"error\":\"gone\",\"text\":\"this attempt is no longer wanted\"}");
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_STOP, 0});
    rig_none(&r);
    rig_exited(&r, RIG_REF, 0);
    rig_next(&r, AGENT_CLOSE);
    rig_next(&r, AGENT_CLEAN);
    rig_end(&r);
}

static void test_attempt_gone_while_starting_is_killed_when_it_is_there(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_start(&r, &lease);
    rig_head(&r, MSG_GONE, &(struct msg_gone){RIG_REF.task, RIG_REF.attempt});
    rig_signal(&r, SIGKILL);
    on_attempt_started(r.agent, r.now, RIG_REF, 9, &r.out);
    rig_turn(&r);
    rig_signal(&r, SIGKILL);
    rig_exited(&r, RIG_REF, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_end(&r);
}

static void test_attempt_absent_from_the_welcome_ends_and_the_others_go_on(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct attempt_ref other = {{12, 42}, 0};
    struct msg_lease lease = rig_lease(RIG_REF), second = rig_lease(other);
    rig_running(&r, &lease, 0);
    rig_start(&r, &second);
    rig_started(&r, other);
    on_link_down(r.agent, r.now, &r.out);
    rig_link_up(&r);
    const struct msg_enrol *enrol = rig_enrol(&r);
    assert_int_equal(enrol->n_running, 2);
    assert_int_equal(enrol->running[0].order, 1);
    assert_int_equal(enrol->epoch, RIG_EPOCH);
    assert_int_equal(enrol->first_event, 2); /* the first STARTED was acknowledged */
    struct running_ref holds[] = {{other.task, 0, 1}, {{12, 43}, 0, 0}};
    rig_welcome(&r, 2, holds, 2);
    rig_signal(&r, SIGKILL);
    rig_none(&r);
    assert_int_equal(agent_attempt_find(r.agent, other)->state, ATTEMPT_RUNNING);
    rig_end(&r);
}

/* Not named, the head would take it for forgotten and lease it again. */
static void test_attempt_starting_or_ended_is_named_at_enrolment_a_disowned_one_is_not(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct attempt_ref starting = {{12, 42}, 0}, disowned = {{12, 43}, 0};
    struct msg_lease first = rig_lease(RIG_REF), second = rig_lease(starting),
                     third = rig_lease(disowned);
    rig_running(&r, &first, 0);
    rig_start(&r, &second);
    rig_start(&r, &third);
    rig_head(&r, MSG_GONE, &(struct msg_gone){disowned.task, 0});
    rig_signal(&r, SIGKILL);
    rig_exited(&r, RIG_REF, 0);
    rig_event(&r, EVENT_RESULT);
    rig_next(&r, AGENT_CLOSE);
    on_link_down(r.agent, r.now, &r.out);
    rig_link_up(&r);
    const struct msg_enrol *enrol = rig_enrol(&r);
    assert_int_equal(enrol->n_running, 2);
    assert_int_equal(enrol->running[0].task.index, 41);
    assert_int_equal(enrol->running[1].task.index, 42);
    rig_end(&r);
}

static void test_attempt_beyond_the_nodes_table_is_refused(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    for (uint32_t i = 1; i <= AGENT_ATTEMPTS_MAX; i++) {
        struct msg_lease lease = rig_lease((struct attempt_ref){{12, i}, 0});
        lease.n_params = 0;
        on_head_message(r.agent, r.now, MSG_LEASE, &lease, &r.out);
    }
    assert_int_equal(r.out.failed, OK);
    agent_outbox_reset(&r.out);
    struct msg_lease lease = rig_lease((struct attempt_ref){{13, 1}, 0});
    rig_head(&r, MSG_LEASE, &lease);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_REFUSED);
    assert_false(event->result.has_started);
    assert_int_equal(event->task.job, 13);
    rig_end(&r);
}

/* ---- timeouts ---- */

static void test_attempt_silent_too_long_is_ended_with_the_reason(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.timeout_silent_ms = 30000;
    rig_running(&r, &lease, 0);
    rig_wait(&r, 20000);
    on_attempt_activity(r.agent, r.now, RIG_REF); /* a line of output */
    rig_wait(&r, 29999);
    rig_none(&r);
    rig_wait(&r, 1);
    rig_signal(&r, SIGTERM);
    rig_wait(&r, 10000);
    rig_signal(&r, SIGKILL);
    struct attempt_result facts = {.cause = CAUSE_SIGNAL, .signal = SIGKILL};
    on_attempt_exited(r.agent, r.now, RIG_REF, &facts, &r.out);
    rig_turn(&r);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_TIMEOUT_SILENT);
    assert_string_equal(event->result.reason, "no output or report for 30 s (timeouts.silent)");
    rig_forget(&r);
    rig_end(&r);
}

static void test_attempt_that_waits_for_a_decision_is_not_silent(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.timeout_silent_ms = 20000;
    rig_running(&r, &lease, 0);
    rig_report(&r, 1, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    rig_wait(&r, 50000);
    for (int i = 0; i < 10; i++) {
        rig_answer(&r, 1, "");
    }
    rig_none(&r);
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = 9});
    rig_next(&r, AGENT_ANSWER);
    rig_wait(&r, 19999);
    rig_none(&r);
    rig_wait(&r, 1);
    rig_signal(&r, SIGTERM);
    rig_end(&r);
}

static void test_attempt_that_never_speaks_is_ended_by_timeouts_start(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.timeout_start_ms = 5000;
    rig_start(&r, &lease);
    rig_started(&r, RIG_REF);
    rig_wait(&r, 4999);
    rig_none(&r);
    rig_wait(&r, 1);
    rig_signal(&r, SIGTERM);
    rig_exited(&r, RIG_REF, 143);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_TIMEOUT_START);
    rig_end(&r);
}

static void test_attempt_past_its_longest_life_is_ended(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.timeout_trial_ms = 60000;
    rig_running(&r, &lease, 0);
    rig_wait(&r, 60000);
    rig_signal(&r, SIGTERM);
    rig_exited(&r, RIG_REF, 0);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_TIMEOUT_TRIAL);
    assert_string_equal(event->result.reason, "ran for 60 s (timeouts.trial)");
    rig_forget(&r);
    rig_end(&r);
}

static void test_attempt_is_not_judged_by_a_time_in_which_the_loop_was_away(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.timeout_silent_ms = 5000;
    lease.timeout_trial_ms = 8000;
    rig_running(&r, &lease, 0);
    rig_wait(&r, 1000);
    r.now += 60000;
    agent_gap(r.agent, 60000);
    rig_tick(&r); /* and the head is not called silent either */
    rig_none(&r);
    rig_wait(&r, 3999);
    rig_none(&r);
    rig_wait(&r, 1);
    rig_signal(&r, SIGTERM);
    rig_end(&r);
}

static void test_attempt_edges_name_every_state_and_print(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 16);
    assert_int_equal(attempt_edges_print(&text), OK);
    assert_non_null(strstr(buf_text(&text), "running   -- exited       -> settling\n"));
    buf_fini(&text);
    bool is_reached[ATTEMPT_DISOWNED + 1] = {0};
    for (unsigned i = 0; i < attempt_edges_count; i++) {
        is_reached[attempt_edges[i].to] = true;
        assert_ptr_equal(attempt_edge_find(attempt_edges[i].from, attempt_edges[i].event),
                         &attempt_edges[i]); /* each (from, event) once */
    }
    for (unsigned i = 0; i <= ATTEMPT_DISOWNED; i++) {
        assert_true(is_reached[i]);
    }
    assert_null(attempt_edge_find(ATTEMPT_ENDED, ATTEMPT_EVENT_SIGNAL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempt_lease_is_started_told_and_cleaned_when_its_result_is_on_disk),
        cmocka_unit_test(test_attempt_that_cannot_start_tells_the_reason),
        cmocka_unit_test(test_attempt_leased_again_after_its_end_starts_nothing),
        cmocka_unit_test(test_attempt_leased_twice_is_started_once_and_takes_the_newer_order),
        cmocka_unit_test(test_attempt_with_a_higher_number_ends_the_older_of_its_task),
        cmocka_unit_test(test_attempt_that_is_gone_is_killed_and_nothing_is_told),
        cmocka_unit_test(test_attempt_gone_while_starting_is_killed_when_it_is_there),
        cmocka_unit_test(test_attempt_absent_from_the_welcome_ends_and_the_others_go_on),
        cmocka_unit_test(
            test_attempt_starting_or_ended_is_named_at_enrolment_a_disowned_one_is_not),
        cmocka_unit_test(test_attempt_beyond_the_nodes_table_is_refused),
        cmocka_unit_test(test_attempt_silent_too_long_is_ended_with_the_reason),
        cmocka_unit_test(test_attempt_that_waits_for_a_decision_is_not_silent),
        cmocka_unit_test(test_attempt_that_never_speaks_is_ended_by_timeouts_start),
        cmocka_unit_test(test_attempt_past_its_longest_life_is_ended),
        cmocka_unit_test(test_attempt_is_not_judged_by_a_time_in_which_the_loop_was_away),
        cmocka_unit_test(test_attempt_edges_name_every_state_and_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
