/* Milestones and orders: decided once, durable before told. */
#include "rig.h"

static void test_report_milestone_answer_waits_for_its_batch(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    assert_int_equal(rig_submit(r, rig_sweep, NULL), 1);
    rig_started(r, rig_id(1, 1), 0);
    rig_sent_clear(r);

    r->is_store_stalled = true;
    rig_milestone(r, rig_id(1, 1), 0, 1, 0.5, 1);
    assert_int_equal(rig_sent_count(r, MSG_ORDER), 0); /* decided, written, not sent */
    assert_int_equal(rig_sent_count(r, MSG_ACK), 0);

    r->is_store_stalled = false;
    rig_batch_reply(r);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_order *order = rig_sent_last(r, MSG_ORDER, &arena);
    assert_non_null(order);
    assert_int_equal(order->order.n, 2);
    assert_int_equal(order->order.until, 3);
    assert_int_equal(order->order.act, ACT_GO);
    assert_int_equal(rig_sent_count(r, MSG_ACK), 1);
    arena_fini(&arena);
    rig_free(r);
}

static void test_milestone_told_twice_is_decided_once(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_milestone(r, rig_id(1, 1), 0, 1, 0.5, 1);
    unsigned logged = rig_store_count(r, "log:1");

    /* The same event number again: acknowledged again, nothing else. */
    r->event--;
    rig_sent_clear(r);
    rig_milestone(r, rig_id(1, 1), 0, 1, 0.5, 1);
    assert_int_equal(rig_store_count(r, "log:1"), logged);
    assert_int_equal(rig_sent_count(r, MSG_ORDER), 0);
    assert_int_equal(rig_sent_count(r, MSG_ACK), 1);

    /* A report that reached the older order gets the current one. */
    rig_milestone(r, rig_id(1, 1), 0, 2, 0.4, 1);
    assert_int_equal(rig_store_count(r, "log:1"), logged);
    assert_int_equal(rig_sent_count(r, MSG_ORDER), 1);
    rig_free(r);
}

static void test_milestone_of_an_order_never_given_is_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_sent_clear(r);
    rig_milestone(r, rig_id(1, 1), 0, 1, 0.5, 9);
    assert_int_equal(rig_sent_count(r, MSG_REFUSED), 1);
    assert_int_equal(rig_sent_count(r, MSG_ORDER), 0);
    rig_free(r);
}

static void test_stale_attempt_is_gone(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_sent_clear(r);
    rig_milestone(r, rig_id(1, 1), 5, 1, 0.5, 1);
    assert_int_equal(rig_sent_count(r, MSG_GONE), 1);
    assert_int_equal(rig_store_count(r, "rows:1.1"), 0);
    rig_free(r);
}

static void test_top_rung_ends_done_and_lower_rung_stopped(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 4);
    rig_submit(r, rig_sweep, NULL);
    for (uint32_t i = 1; i <= 4; i++) {
        rig_started(r, rig_id(1, i), 0);
        /* Rung 1: the first goes on; the later, worse ones do not. */
        rig_milestone(r, rig_id(1, i), 0, 1, 0.1 * i, 1);
    }
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.order.act, ACT_GO);
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.state, TASK_STOPPING);
    rig_result(r, rig_id(1, 2), 0, CAUSE_TOLD, 1, 2);
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.outcome, OUTCOME_STOPPED);
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.why, WHY_RUNG);

    rig_milestone(r, rig_id(1, 1), 0, 3, 0.05, 2);
    rig_milestone(r, rig_id(1, 1), 0, 9, 0.01, 3);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.order.why, WHY_MAX);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 0, 4);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.outcome, OUTCOME_DONE);
    rig_free(r);
}

static void test_rows_below_the_milestone_update_best_and_do_not_decide(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    unsigned logged = rig_store_count(r, "log:1");
    rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, 1, 0.7, 0);
    rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, 2, 0.6, 0);
    assert_int_equal(rig_store_count(r, "rows:1.1"), 2);
    assert_int_equal(rig_store_count(r, "log:1"), logged);
    assert_true(rig_task(r, rig_id(1, 1))->r.best_value == 0.6);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.last_step, 2);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_milestone_answer_waits_for_its_batch),
        cmocka_unit_test(test_milestone_told_twice_is_decided_once),
        cmocka_unit_test(test_milestone_of_an_order_never_given_is_refused),
        cmocka_unit_test(test_stale_attempt_is_gone),
        cmocka_unit_test(test_top_rung_ends_done_and_lower_rung_stopped),
        cmocka_unit_test(test_rows_below_the_milestone_update_best_and_do_not_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
