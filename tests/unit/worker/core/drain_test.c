#include "rig.h"

static void drain(struct rig *r, int64_t left_ms)
{
    on_drain(r->agent, r->now, r->now + left_ms, &r->out);
    rig_turn(r);
    rig_event(r, EVENT_DRAINING);
}

static void test_drain_of_an_idle_node_leaves_when_it_is_told(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    drain(&r, 30000);
    rig_tick(&r);
    rig_none(&r); /* the head does not know yet */
    rig_ack_all(&r);
    assert_false(r.has_said_left);
    rig_tick(&r);
    assert_int_equal(rig_next(&r, AGENT_EXIT)->effect.code, 0);
    assert_true(r.has_said_left);
    assert_int_equal(agent_next_deadline(r.agent), AGENT_NEVER);
    rig_end(&r);
}

static void test_drain_refuses_new_leases(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    drain(&r, 30000);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_head(&r, MSG_LEASE, &lease);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_REFUSED);
    assert_false(event->result.has_started);
    rig_end(&r);
}

static void test_drain_ends_what_cannot_save_and_charges_nobody(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    drain(&r, 30000);
    rig_tick(&r);
    rig_signal(&r, SIGTERM);
    rig_wait(&r, 7499);
    rig_none(&r);
    rig_wait(&r, 1); /* a quarter of the time that was left */
    rig_signal(&r, SIGKILL);
    rig_exited(&r, RIG_REF, 143);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_AGENT_LEFT);
    rig_next(&r, AGENT_CLOSE);
    rig_ack_all(&r);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    assert_int_equal(rig_next(&r, AGENT_EXIT)->effect.code, 0);
    rig_end(&r);
}

static void test_drain_tells_a_trainer_that_can_pause_by_its_answers(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_PAUSE | CAN_CHECKPOINT);
    drain(&r, 30000);
    rig_tick(&r);
    rig_none(&r);
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":3,\"milestone\":3}");
    rig_report(&r, 1, 2, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":2,\"milestone\":3}");
    rig_bye(&r, 1, BYE_PAUSED, NULL);
    rig_event(&r, EVENT_ROWS);
    rig_event(&r, EVENT_BYE);
    rig_exited(&r, RIG_REF, 0);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_AGENT_LEFT);
    rig_forget(&r);
    rig_end(&r);
}

static void test_drain_gives_a_saver_time_until_its_commit(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_CHECKPOINT);
    drain(&r, 30000);
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":1,\"milestone\":3}");
    rig_say(&r, 1, TRAINER_SAVE, 1);
    rig_next(&r, AGENT_SAVE_BEGIN);
    on_save_begun(r.agent, r.now, RIG_REF, 1, "/d", NULL, NULL, &r.out);
    rig_turn(&r);
    rig_next(&r, AGENT_ANSWER);
    rig_say(&r, 1, TRAINER_COMMIT, 1);
    rig_next(&r, AGENT_SAVE_COMMIT);
    struct snapshot_ref snapshot = {.ordinal = 1, .step = 1, .dir = "/s"};
    on_save_committed(r.agent, r.now, RIG_REF, 1, &snapshot, NULL, NULL, &r.out);
    rig_turn(&r);
    rig_event(&r, EVENT_ROWS);
    rig_event(&r, EVENT_SNAPSHOT);
    rig_next(&r, AGENT_ANSWER);
    rig_tick(&r);
    rig_signal(&r, SIGTERM); /* nothing is gained by waiting */
    rig_end(&r);
}

static void test_drain_of_one_that_finished_by_itself_is_its_own_end(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_PAUSE);
    drain(&r, 30000);
    rig_bye(&r, 1, BYE_DONE, NULL);
    rig_event(&r, EVENT_BYE);
    rig_exited(&r, RIG_REF, 0);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_EXIT);
    rig_forget(&r);
    rig_end(&r);
}

static void test_drain_past_its_deadline_kills_and_leaves(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_PAUSE);
    drain(&r, 4000);
    rig_wait(&r, 4000);
    rig_signal(&r, SIGTERM); /* at half */
    rig_signal(&r, SIGKILL); /* at three quarters */
    rig_signal(&r, SIGKILL); /* at the end, whatever is left */
    assert_int_equal(rig_next(&r, AGENT_EXIT)->effect.code, 1);
    rig_end(&r);
}

static void test_drain_of_one_that_is_starting_waits_for_its_process(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_start(&r, &lease);
    drain(&r, 4000);
    rig_tick(&r);
    rig_none(&r);
    rig_started(&r, RIG_REF);
    rig_tick(&r);
    rig_signal(&r, SIGTERM);
    rig_end(&r);
}

static void has_snapshot(struct rig *r)
{
    assert_int_equal(agent_snapshot_found(r->agent, (struct snapshot_name){{1, 1}, 3}), OK);
}

static void owed(struct rig *r, uint32_t n_snapshots, uint32_t n_stranded, const char *text)
{
    rig_head(r, MSG_OWED, &(struct msg_owed){RIG_EPOCH, n_snapshots, n_stranded, text});
}

static void test_drain_waits_until_the_head_says_that_it_may_go(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    has_snapshot(&r);
    on_drain(r.agent, r.now, r.now + 30000, &r.out);
    rig_turn(&r);
    assert_int_equal(rig_event(&r, EVENT_DRAINING)->leaves_in_ms, 30000);
    rig_ack_all(&r);
    rig_tick(&r);
    rig_none(&r);
    owed(&r, 1, 0, "1 snapshot: 1.1 (step 4)");
    assert_string_equal(rig_next(&r, AGENT_SAY)->effect.text,
                        "draining: waiting until other nodes have 1 snapshot: 1.1 (step 4)");
    rig_tick(&r);
    rig_none(&r);
    owed(&r, 0, 0, "");
    rig_tick(&r);
    assert_int_equal(rig_next(&r, AGENT_EXIT)->effect.code, 0);
    rig_end(&r);
}

static void test_drain_past_its_deadline_says_what_it_takes_with_it(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    has_snapshot(&r);
    drain(&r, 4000);
    rig_ack_all(&r);
    owed(&r, 1, 0, "1 snapshot: 1.1 (step 4)");
    rig_next(&r, AGENT_SAY);
    rig_wait(&r, 4000);
    assert_string_equal(rig_next(&r, AGENT_SAY)->effect.text,
                        "left at the deadline, and no other node has 1 snapshot: 1.1 (step 4)");
    assert_int_equal(rig_next(&r, AGENT_EXIT)->effect.code, 1);
    rig_end(&r);
}

static void test_drain_leaves_what_nobody_can_take_and_says_so(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    has_snapshot(&r);
    drain(&r, 30000);
    rig_ack_all(&r);
    owed(&r, 0, 1, "1 snapshot: 1.1 (step 4)");
    assert_string_equal(rig_next(&r, AGENT_SAY)->effect.text,
                        "draining: no other node can take 1 snapshot: 1.1 (step 4)");
    rig_tick(&r);
    assert_int_equal(rig_next(&r, AGENT_EXIT)->effect.code, 0);
    rig_end(&r);
}

static void test_drain_with_snapshots_is_over_when_the_cluster_is_shut_down(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    has_snapshot(&r);
    drain(&r, 30000);
    rig_ack_all(&r);
    rig_tick(&r);
    rig_none(&r);
    rig_head(&r, MSG_LEAVE, &(struct msg_leave){RIG_EPOCH});
    rig_tick(&r);
    assert_int_equal(rig_next(&r, AGENT_EXIT)->effect.code, 0);
    rig_end(&r);
}

static void test_drain_gives_a_head_that_is_away_a_moment_to_come_back(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    has_snapshot(&r);
    drain(&r, 30000);
    rig_ack_all(&r);
    on_link_down(r.agent, r.now, &r.out);
    rig_wait(&r, 4000);
    rig_none(&r);
    rig_wait(&r, 1000);
    assert_int_equal(rig_next(&r, AGENT_EXIT)->effect.code, 0);
    rig_end(&r);
}

static void test_leave_ends_everything_tells_it_and_exits(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_PAUSE);
    rig_head(&r, MSG_LEAVE, &(struct msg_leave){RIG_EPOCH});
    rig_event(&r, EVENT_DRAINING);
    rig_head(&r, MSG_LEAVE, &(struct msg_leave){RIG_EPOCH});
    rig_tick(&r);
    rig_signal(&r, SIGTERM);
    rig_exited(&r, RIG_REF, 143);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_AGENT_LEFT);
    rig_next(&r, AGENT_CLOSE);
    rig_tick(&r);
    rig_none(&r);
    rig_ack_all(&r);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    assert_int_equal(rig_next(&r, AGENT_EXIT)->effect.code, 0);
    rig_end(&r);
}

static void test_leave_does_not_wait_for_a_head_that_has_left(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    rig_head(&r, MSG_LEAVE, &(struct msg_leave){RIG_EPOCH});
    rig_event(&r, EVENT_DRAINING);
    rig_tick(&r);
    rig_none(&r);
    on_link_down(r.agent, r.now, &r.out);
    rig_tick(&r);
    assert_int_equal(rig_next(&r, AGENT_EXIT)->effect.code, 0);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drain_of_an_idle_node_leaves_when_it_is_told),
        cmocka_unit_test(test_drain_refuses_new_leases),
        cmocka_unit_test(test_drain_ends_what_cannot_save_and_charges_nobody),
        cmocka_unit_test(test_drain_tells_a_trainer_that_can_pause_by_its_answers),
        cmocka_unit_test(test_drain_gives_a_saver_time_until_its_commit),
        cmocka_unit_test(test_drain_of_one_that_finished_by_itself_is_its_own_end),
        cmocka_unit_test(test_drain_past_its_deadline_kills_and_leaves),
        cmocka_unit_test(test_drain_of_one_that_is_starting_waits_for_its_process),
        cmocka_unit_test(test_drain_waits_until_the_head_says_that_it_may_go),
        cmocka_unit_test(test_drain_past_its_deadline_says_what_it_takes_with_it),
        cmocka_unit_test(test_drain_leaves_what_nobody_can_take_and_says_so),
        cmocka_unit_test(test_drain_with_snapshots_is_over_when_the_cluster_is_shut_down),
        cmocka_unit_test(test_drain_gives_a_head_that_is_away_a_moment_to_come_back),
        cmocka_unit_test(test_leave_ends_everything_tells_it_and_exits),
        cmocka_unit_test(test_leave_does_not_wait_for_a_head_that_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
