#include "rig.h"

static void order_rig(struct rig *r, struct msg_lease *lease, uint32_t can)
{
    rig_begin(r);
    rig_running(r, lease, can);
}

static void test_order_stop_is_told_by_every_report_until_the_trainer_leaves(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    order_rig(&r, &lease, 0);
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_RUNG, 10000});
    rig_none(&r);
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_report(&r, 1, 4, 0.5); /* past the old milestone: a row like any other */
    rig_answer(&r, 1, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_exited(&r, RIG_REF, 0);
    assert_int_equal(rig_event(&r, EVENT_ROWS)->rows.n_rows, 2);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_TOLD);
    assert_int_equal(event->result.handed, 2);
    assert_int_equal(event->result.last_seq, 2);
    assert_int_equal(rig_next(&r, AGENT_CLOSE)->effect.connection, 1);
    rig_end(&r);
}

static void test_order_answers_the_held_milestone_with_its_act(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.checkpoints_on = CHECKPOINT_ON_END;
    order_rig(&r, &lease, CAN_CHECKPOINT);
    rig_report(&r, 1, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_MAX, 10000});
    rig_answer(&r, 1, "{\"ok\":1,\"act\":5,\"milestone\":null}");
    rig_report(&r, 1, 4, 0.5); /* the checkpoint is asked for once */
    rig_answer(&r, 1, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_wait(&r, ROWS_BLOCK_MS);
    rig_event(&r, EVENT_ROWS);
    rig_end(&r);
}

static void test_order_asks_a_trainer_that_can_to_save_before_the_next_milestone(void **state)
{
    (void)state;
    static const struct {
        uint32_t on, can;
        const char *answer;
    } cases[] = {
        {CHECKPOINT_ON_RUNG, CAN_CHECKPOINT, "{\"ok\":1,\"act\":0,\"milestone\":9,\"save\":9}"},
        {CHECKPOINT_ON_PAUSE, CAN_CHECKPOINT, "{\"ok\":1,\"act\":0,\"milestone\":9}"},
        {CHECKPOINT_ON_RUNG, CAN_PAUSE, "{\"ok\":1,\"act\":0,\"milestone\":9}"},
        {CHECKPOINT_ON_END, CAN_CHECKPOINT, "{\"ok\":1,\"act\":0,\"milestone\":9,\"save\":9}"},
        {0, CAN_CHECKPOINT, "{\"ok\":1,\"act\":0,\"milestone\":9}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig r;
        struct msg_lease lease = rig_lease(RIG_REF);
        lease.checkpoints_on = cases[i].on;
        order_rig(&r, &lease, cases[i].can);
        rig_report(&r, 1, 3, 0.5);
        rig_event(&r, EVENT_MILESTONE);
        rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = 9});
        rig_answer(&r, 1, cases[i].answer);
        rig_report(&r, 1, 4, 0.5);
        rig_answer(&r, 1, cases[i].answer);
        rig_forget(&r);
        rig_end(&r);
    }
}

static void test_order_by_time_asks_for_a_checkpoint_once_a_while(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.checkpoints_on = CHECKPOINT_ON_PAUSE;
    lease.checkpoints_every_ms = 10000;
    lease.order.until = INT64_MAX;
    order_rig(&r, &lease, CAN_CHECKPOINT);
    static const char *const plain = "{\"ok\":1,\"act\":0,\"milestone\":null}",
                             *const save = "{\"ok\":1,\"act\":1,\"milestone\":null}";
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, plain);
    rig_wait(&r, 10000);
    rig_forget(&r);
    rig_report(&r, 1, 2, 0.5);
    rig_answer(&r, 1, save);
    rig_report(&r, 1, 3, 0.5);
    rig_answer(&r, 1, plain);
    rig_wait(&r, 9000);
    rig_forget(&r);
    rig_report(&r, 1, 4, 0.5);
    rig_answer(&r, 1, plain);
    rig_wait(&r, 1000);
    rig_forget(&r);
    rig_report(&r, 1, 5, 0.5);
    rig_answer(&r, 1, save);
    rig_forget(&r);
    rig_end(&r);
    lease = rig_lease(RIG_REF); /* one that cannot save is not asked */
    lease.checkpoints_every_ms = 10000;
    lease.order.until = INT64_MAX;
    order_rig(&r, &lease, 0);
    rig_wait(&r, 20000);
    rig_forget(&r);
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, plain);
    rig_forget(&r);
    rig_end(&r);
}

static void test_order_pause_asks_for_a_checkpoint_too(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    order_rig(&r, &lease, CAN_CHECKPOINT | CAN_PAUSE);
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_PAUSE, WHY_PAUSE, 10000});
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":3,\"milestone\":null}");
    rig_report(&r, 1, 2, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":2,\"milestone\":null}");
    rig_forget(&r);
    rig_end(&r);
}

static void test_order_late_answer_lets_training_go_on_and_the_next_answer_carries_it(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.timeout_decision_ms = 8000;
    lease.checkpoints_on = CHECKPOINT_ON_RUNG;
    order_rig(&r, &lease, CAN_CHECKPOINT);
    rig_report(&r, 1, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    rig_wait(&r, 7999);
    rig_answer(&r, 1, ""); /* an empty line after 5 s: the agent is alive */
    rig_none(&r);
    rig_wait(&r, 1);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"late\":1}");
    assert_int_equal(agent_attempt_find(r.agent, RIG_REF)->handed, 1); /* by hello, not by this */

    rig_report(&r, 1, 4, 0.5); /* the milestone counts once */
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":3,\"save\":3}");
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = 9});
    rig_report(&r, 1, 5, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":9,\"save\":9}");
    rig_report(&r, 1, 10, 0.5);
    rig_wait(&r, ROWS_BLOCK_MS);
    const struct node_event *event = rig_event(&r, EVENT_MILESTONE);
    assert_int_equal(event->reached, 2);
    assert_int_equal(event->rows.n_rows, 3);
    rig_end(&r);
}

static void test_order_for_a_trainer_that_never_spoke_is_a_signal(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_start(&r, &lease);
    rig_started(&r, RIG_REF);
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_CANCEL, 3000});
    rig_signal(&r, SIGTERM);
    rig_wait(&r, 2999);
    rig_none(&r);
    rig_wait(&r, 1);
    rig_signal(&r, SIGKILL);
    struct attempt_result facts = {.cause = CAUSE_SIGNAL, .signal = SIGKILL};
    on_attempt_exited(r.agent, r.now, RIG_REF, &facts, &r.out);
    rig_turn(&r);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_TOLD);
    assert_int_equal(event->result.handed, 2);
    assert_int_equal(event->result.signal, SIGKILL);
    rig_end(&r);
}

static void test_order_for_a_task_is_a_signal_even_when_it_spoke(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.is_trial = false;
    order_rig(&r, &lease, CAN_CHECKPOINT);
    rig_report(&r, 1, 5, 0.5); /* no milestones */
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":null}");
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_CANCEL, 3000});
    rig_signal(&r, SIGTERM);
    rig_forget(&r);
    rig_end(&r);
}

static void test_order_overstayed_gets_sigterm_after_grace_and_sigkill_after_as_much(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    order_rig(&r, &lease, 0);
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_RUNG, 4000});
    rig_wait(&r, 3999);
    rig_none(&r);
    assert_int_equal(agent_attempt_find(r.agent, RIG_REF)->handed, 1);
    rig_wait(&r, 1);
    rig_signal(&r, SIGTERM);
    assert_int_equal(agent_attempt_find(r.agent, RIG_REF)->handed, 2);
    rig_wait(&r, 4000);
    rig_signal(&r, SIGKILL);
    rig_end(&r);
}

static void test_order_that_came_with_the_lease_is_told_at_the_start(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.order = (struct order){4, INT64_MAX, ACT_STOP, WHY_CANCEL, 1000};
    rig_start(&r, &lease);
    rig_started(&r, RIG_REF);
    rig_signal(&r, SIGTERM);
    rig_forget(&r);
    rig_end(&r);
}

static void test_order_while_starting_waits_for_the_process(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_start(&r, &lease);
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_CANCEL, 1000});
    rig_none(&r);
    rig_started(&r, RIG_REF);
    rig_signal(&r, SIGTERM);
    rig_forget(&r);
    rig_end(&r);
}

/* The answer says that report and order are on disk: an order that was written for another reason
 * may be there first. */
static void
test_order_that_overtakes_a_milestone_answers_when_the_milestone_is_on_disk(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    order_rig(&r, &lease, 0);
    rig_report(&r, 1, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    rig_order_alone(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_CANCEL, 10000});
    rig_none(&r);
    rig_ack_all(&r);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_none(&r);
    rig_free(&r);
}

static void test_order_to_go_on_after_all_takes_the_signals_back(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    order_rig(&r, &lease, 0);
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_PAUSE, WHY_PAUSE, 4000});
    rig_order(&r, RIG_REF, &(struct order){.n = 3, .until = 9});
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_PAUSE, WHY_PAUSE, 4000}); /* old */
    rig_wait(&r, 20000);
    rig_none(&r);
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":9}");
    rig_forget(&r);
    rig_end(&r);
}

static void test_order_not_handed_leaves_the_result_to_decide(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    order_rig(&r, &lease, 0);
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_RUNG, 4000});
    rig_exited(&r, RIG_REF, 0);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_EXIT);
    assert_int_equal(event->result.handed, 1);
    rig_forget(&r);
    rig_end(&r);
}

static void test_order_more_urgent_shortens_the_grace(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    order_rig(&r, &lease, 0);
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_STOP, 60000});
    rig_order(&r, RIG_REF, &(struct order){3, INT64_MAX, ACT_STOP, WHY_CANCEL, 500});
    rig_wait(&r, 500);
    rig_signal(&r, SIGTERM);
    rig_wait(&r, 500);
    rig_signal(&r, SIGKILL);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_stop_is_told_by_every_report_until_the_trainer_leaves),
        cmocka_unit_test(test_order_answers_the_held_milestone_with_its_act),
        cmocka_unit_test(test_order_asks_a_trainer_that_can_to_save_before_the_next_milestone),
        cmocka_unit_test(test_order_by_time_asks_for_a_checkpoint_once_a_while),
        cmocka_unit_test(test_order_pause_asks_for_a_checkpoint_too),
        cmocka_unit_test(test_order_late_answer_lets_training_go_on_and_the_next_answer_carries_it),
        cmocka_unit_test(test_order_for_a_trainer_that_never_spoke_is_a_signal),
        cmocka_unit_test(test_order_for_a_task_is_a_signal_even_when_it_spoke),
        cmocka_unit_test(test_order_overstayed_gets_sigterm_after_grace_and_sigkill_after_as_much),
        cmocka_unit_test(test_order_that_came_with_the_lease_is_told_at_the_start),
        cmocka_unit_test(test_order_while_starting_waits_for_the_process),
        cmocka_unit_test(
            test_order_that_overtakes_a_milestone_answers_when_the_milestone_is_on_disk),
        cmocka_unit_test(test_order_to_go_on_after_all_takes_the_signals_back),
        cmocka_unit_test(test_order_not_handed_leaves_the_result_to_decide),
        cmocka_unit_test(test_order_more_urgent_shortens_the_grace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
