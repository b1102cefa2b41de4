#include "rig.h"

static void line_report(struct rig *r, uint32_t source, double step, double value)
{
    on_line_report(r->agent, r->now, RIG_REF, source, step, value, &r->out);
    rig_turn(r);
}

static struct msg_lease lease_of(void)
{
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.report_from = REPORT_FROM_API | REPORT_FROM_STDOUT | REPORT_FROM_STDERR;
    return lease;
}

static void running(struct rig *r, const struct msg_lease *lease)
{
    rig_begin(r);
    rig_start(r, lease);
    rig_started(r, RIG_REF);
}

static void test_line_report_below_milestone_is_a_row_of_the_metric(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = lease_of();
    running(&r, &lease);
    line_report(&r, REPORT_FROM_STDOUT, 1.5, 0.5);
    rig_none(&r);
    rig_wait(&r, ROWS_BLOCK_MS);
    const struct node_event *event = rig_event(&r, EVENT_ROWS);
    assert_int_equal(event->rows.n_rows, 1);
    assert_int_equal(event->rows.rows[0].seq, 1);
    assert_int_equal(event->rows.rows[0].step, 1);
    assert_string_equal(event->rows.names[0], "loss");
    rig_end(&r);
}

static void test_line_report_at_milestone_is_told_and_nobody_waits(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = lease_of();
    running(&r, &lease);
    line_report(&r, REPORT_FROM_STDOUT, 2.9, 0.5);
    line_report(&r, REPORT_FROM_STDOUT, 3.1, 0.25);
    const struct node_event *event = rig_event(&r, EVENT_MILESTONE);
    assert_int_equal(event->reached, 1);
    assert_int_equal(event->rows.n_rows, 2);
    assert_int_equal(event->rows.rows[1].step, 3);
    /* It trains on, while the head decides. */
    line_report(&r, REPORT_FROM_STDOUT, 3.6, 0.125);
    rig_wait(&r, ROWS_BLOCK_MS);
    assert_int_equal(rig_event(&r, EVENT_ROWS)->rows.rows[0].step, 3);
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = 9});
    line_report(&r, REPORT_FROM_STDOUT, 10, 0.1);
    assert_int_equal(rig_event(&r, EVENT_MILESTONE)->reached, 2);
    rig_end(&r);
}

static void test_line_report_order_to_stop_is_a_signal_and_told(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = lease_of();
    running(&r, &lease);
    line_report(&r, REPORT_FROM_STDOUT, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    rig_order(&r, RIG_REF,
              &(struct order){.n = 2, .until = INT64_MAX, .act = ACT_STOP, .grace_ms = 5000});
    rig_signal(&r, SIGTERM);
    rig_exited(&r, RIG_REF, 143);
    const struct attempt_result *result = &rig_event(&r, EVENT_RESULT)->result;
    assert_int_equal(result->cause, CAUSE_TOLD);
    assert_int_equal(result->handed, 2);
    rig_end(&r);
}

static void test_line_report_of_a_less_trusted_source_is_left_out(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = lease_of();
    lease.order.until = INT64_MAX;
    running(&r, &lease);
    line_report(&r, REPORT_FROM_STDERR, 1, 0.5);
    line_report(&r, REPORT_FROM_STDOUT, 2, 0.25); /* trusted more: from now on it alone */
    line_report(&r, REPORT_FROM_STDERR, 3, 9);
    rig_open(&r, 1, RIG_REF);
    rig_report(&r, 1, 4, 0.125); /* the socket */
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":null}");
    line_report(&r, REPORT_FROM_STDOUT, 5, 9);
    rig_wait(&r, ROWS_BLOCK_MS);
    const struct metric_rows *rows = &rig_event(&r, EVENT_ROWS)->rows;
    assert_int_equal(rows->n_rows, 3);
    assert_true(rows->rows[0].values[0] == 0.5 && rows->rows[1].values[0] == 0.25 &&
                rows->rows[2].values[0] == 0.125);
    rig_end(&r);
}

static void test_line_report_not_above_the_last_step_is_left_out(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = lease_of();
    lease.order.until = INT64_MAX;
    lease.restore = (struct snapshot_ref){.ordinal = 2, .step = 7, .dir = "/s"};
    running(&r, &lease);
    line_report(&r, REPORT_FROM_STDOUT, 7, 0.5); /* done by the weights that it was given */
    line_report(&r, REPORT_FROM_STDOUT, 7.5, 0.25);
    line_report(&r, REPORT_FROM_STDOUT, 7.5, 9);
    line_report(&r, REPORT_FROM_STDOUT, 7.25, 9);
    rig_wait(&r, ROWS_BLOCK_MS);
    const struct metric_rows *rows = &rig_event(&r, EVENT_ROWS)->rows;
    assert_int_equal(rows->n_rows, 1);
    assert_true(rows->rows[0].values[0] == 0.25);
    rig_end(&r);
}

static void test_line_report_ends_the_wait_for_a_first_word(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = lease_of();
    lease.timeout_start_ms = 1000;
    lease.order.until = INT64_MAX;
    running(&r, &lease);
    line_report(&r, REPORT_FROM_STDOUT, 1, 0.5);
    rig_wait(&r, 5000);
    rig_event(&r, EVENT_ROWS);
    rig_end(&r);
}

static void line_names_exit(struct rig *r)
{
    static const char *const names[] = {"acc", "lr"};
    struct attempt_result facts = {.cause = CAUSE_EXIT, .line_names = names, .n_line_names = 2};
    on_attempt_exited(r->agent, r->now, RIG_REF, &facts, &r->out);
    rig_turn(r);
}

static void test_line_names_are_told_only_without_the_metric(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = lease_of();
    running(&r, &lease);
    line_names_exit(&r);
    const struct attempt_result *result = &rig_event(&r, EVENT_RESULT)->result;
    assert_int_equal(result->n_line_names, 2);
    assert_string_equal(result->line_names[1], "lr");
    rig_end(&r);

    running(&r, &lease);
    line_report(&r, REPORT_FROM_STDOUT, 1, 0.5);
    line_names_exit(&r);
    rig_event(&r, EVENT_ROWS);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.n_line_names, 0);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_report_below_milestone_is_a_row_of_the_metric),
        cmocka_unit_test(test_line_report_at_milestone_is_told_and_nobody_waits),
        cmocka_unit_test(test_line_report_order_to_stop_is_a_signal_and_told),
        cmocka_unit_test(test_line_report_of_a_less_trusted_source_is_left_out),
        cmocka_unit_test(test_line_report_not_above_the_last_step_is_left_out),
        cmocka_unit_test(test_line_report_ends_the_wait_for_a_first_word),
        cmocka_unit_test(test_line_names_are_told_only_without_the_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
