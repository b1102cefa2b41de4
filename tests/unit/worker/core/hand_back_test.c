/* The head's drain: what runs is handed back, and the agent stays. */
#include "rig.h"

static void hand_back(struct rig *r, int64_t grace_ms)
{
    struct msg_drain msg = {.epoch = 1000000, .grace_ms = grace_ms};
    rig_head(r, MSG_DRAIN, &msg);
    rig_tick(r);
}

static void test_hand_back_ends_what_cannot_save_and_the_agent_stays(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    hand_back(&r, 30000);
    rig_signal(&r, SIGTERM);
    hand_back(&r, 30000); /* told again: nothing new */
    rig_none(&r);
    rig_wait(&r, 7500);
    rig_signal(&r, SIGKILL);
    rig_exited(&r, RIG_REF, 143);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_AGENT_LEFT);
    rig_next(&r, AGENT_CLOSE);
    rig_ack_all(&r);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    rig_none(&r); /* no AGENT_EXIT */
    struct msg_lease later = rig_lease((struct attempt_ref){{12, 42}, 0});
    rig_head(&r, MSG_LEASE, &later); /* the drain is over: it takes leases */
    rig_next(&r, AGENT_START);
    rig_end(&r);
}

static void test_hand_back_tells_a_trainer_that_can_pause_by_its_answers(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_PAUSE | CAN_CHECKPOINT);
    hand_back(&r, 30000);
    rig_none(&r);
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":3,\"milestone\":3}");
    rig_bye(&r, 1, BYE_PAUSED, NULL);
    rig_event(&r, EVENT_ROWS);
    rig_event(&r, EVENT_BYE);
    rig_exited(&r, RIG_REF, 0);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_AGENT_LEFT);
    rig_forget(&r);
    rig_end(&r);
}

/* One that is just being made is told once it runs. */
static void test_hand_back_reaches_what_starts_later(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_head(&r, MSG_LEASE, &lease);
    rig_next(&r, AGENT_START);
    hand_back(&r, 30000);
    rig_none(&r);
    on_attempt_started(r.agent, r.now, RIG_REF, 77, &r.out);
    rig_turn(&r);
    rig_event(&r, EVENT_STARTED);
    rig_tick(&r);
    rig_signal(&r, SIGTERM);
    rig_forget(&r);
    rig_end(&r);
}

static void test_lost_restore_is_told_with_the_result(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_head(&r, MSG_LEASE, &lease);
    rig_next(&r, AGENT_START);
    agent_restore_lost(r.agent, RIG_REF);
    on_attempt_not_started(r.agent, r.now, RIG_REF, CAUSE_CANNOT_START, "damaged", &r.out);
    rig_turn(&r);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_true(event->result.is_restore_lost);
    assert_false(event->result.has_started);
    rig_forget(&r);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hand_back_ends_what_cannot_save_and_the_agent_stays),
        cmocka_unit_test(test_hand_back_tells_a_trainer_that_can_pause_by_its_answers),
        cmocka_unit_test(test_hand_back_reaches_what_starts_later),
        cmocka_unit_test(test_lost_restore_is_told_with_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
