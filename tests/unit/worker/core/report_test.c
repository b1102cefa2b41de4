#include "rig.h"

static void test_report_below_milestone_is_answered_at_once_and_row_follows(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);

    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":3}");
    rig_none(&r);

    rig_wait(&r, ROWS_BLOCK_MS);
    const struct node_event *event = rig_event(&r, EVENT_ROWS);
    assert_int_equal(event->rows.n_rows, 1);
    assert_int_equal(event->rows.rows[0].seq, 1);
    assert_int_equal(event->rows.rows[0].step, 1);
    assert_true(event->rows.rows[0].values[0] == 0.5);
    assert_string_equal(event->rows.names[0], "loss");
    rig_end(&r);
}

static void test_report_at_milestone_holds_its_answer_until_a_newer_order(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);

    rig_report(&r, 1, 2, 0.75);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":3}");
    rig_report(&r, 1, 3, 0.5);
    const struct node_event *event = rig_event(&r, EVENT_MILESTONE);
    assert_int_equal(event->reached, 1);
    assert_int_equal(event->rows.n_rows, 2); /* the row before it travels with it */
    assert_int_equal(event->rows.rows[1].step, 3);
    rig_none(&r);

    rig_order(&r, RIG_REF, &(struct order){.n = 1, .until = 3});
    rig_none(&r); /* the same order again decides nothing */
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = 9});
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":9}");
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = 9});
    rig_end(&r);
}

static void test_report_past_milestone_counts_once(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    rig_open(&r, 2, RIG_REF);

    rig_report(&r, 1, 5, 0.5); /* jumps past 3 */
    assert_int_equal(rig_event(&r, EVENT_MILESTONE)->reached, 1);
    rig_report(&r, 2, 6, 0.25); /* from another connection, while the first waits */
    rig_answer(&r, 2, "{\"ok\":1,\"act\":0,\"milestone\":3}");
    rig_wait(&r, ROWS_BLOCK_MS);
    assert_int_equal(rig_event(&r, EVENT_ROWS)->rows.rows[0].seq, 2);
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = INT64_MAX});
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":null}");
    rig_end(&r);
}

static void test_report_of_a_step_twice_is_bad_step_and_no_row(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.order.until = 100;
    lease.restore = (struct snapshot_ref){.ordinal = 2, .step = 7, .dir = "/s"};
    rig_running(&r, &lease, 0);

    rig_report(&r, 1, 7, 0.5);
    rig_answer(&r, 1, "{\"ok\":0,\"error\":\"bad_step\",\"text\":\"step 7 is not above 7\"}");
    rig_report(&r, 1, 8, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":100}");
    rig_report(&r, 1, 8, 0.5);
    rig_answer(&r, 1, "{\"ok\":0,\"error\":\"bad_step\",\"text\":\"step 8 is not above 8\"}");
    rig_wait(&r, ROWS_BLOCK_MS);
    const struct node_event *event = rig_event(&r, EVENT_ROWS);
    assert_int_equal(event->rows.n_rows, 1);
    assert_int_equal(event->rows.rows[0].seq, 1); /* what was refused was not counted */
    rig_end(&r);
}

static void test_report_step_zero_of_fresh_weights_is_legal(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    rig_report(&r, 1, 0, 2.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":3}");
    rig_report(&r, 1, -1, 2.5);
    rig_answer(&r, 1, "{\"ok\":0,\"error\":\"bad_step\",\"text\":\"step -1 is not above 0\"}");
    rig_forget(&r);
    rig_end(&r);
}

static void report_named(struct rig *r, int64_t step, const char *name)
{
    double value = 1;
    struct trainer_request request = {
        .kind = TRAINER_REPORT, .step = step, .names = &name, .values = &value, .n_metrics = 1};
    rig_request(r, 1, &request);
    rig_next(r, AGENT_ANSWER);
}

static void test_report_with_other_names_begins_another_block(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.order.until = 100;
    rig_running(&r, &lease, 0);
    report_named(&r, 1, "a");
    report_named(&r, 2, "a");
    on_trainer_request(r.agent, r.now, 1,
                       &(struct trainer_request){.kind = TRAINER_REPORT, .step = 3}, &r.out);
    rig_turn(&r);
    assert_int_equal(rig_event(&r, EVENT_ROWS)->rows.n_rows, 2);
    rig_next(&r, AGENT_ANSWER);
    rig_wait(&r, ROWS_BLOCK_MS);
    const struct node_event *event = rig_event(&r, EVENT_ROWS);
    assert_int_equal(event->rows.n_names, 0); /* a report without metrics is a row all the same */
    assert_int_equal(event->rows.n_rows, 1);
    rig_end(&r);
}

static void test_report_block_is_sent_when_full(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.order.until = INT64_MAX;
    rig_running(&r, &lease, 0);
    for (int64_t step = 1; step <= 2000; step++) {
        rig_report(&r, 1, step, 0.5);
    }
    uint64_t rows = 0, expected = 1;
    for (uint32_t i = 0; i < r.n_effects; i++) {
        if (r.effects[i].effect.kind == AGENT_SEND && r.effects[i].effect.type == MSG_EVENTS) {
            assert_true(r.effects[i].effect.frame.len <= ROWS_BLOCK_BYTES + 4096);
            const struct msg_events *events = r.effects[i].message;
            for (uint32_t j = 0;
                 events->events[0].kind == EVENT_ROWS && j < events->events[0].rows.n_rows; j++) {
                assert_int_equal(events->events[0].rows.rows[j].seq, expected++);
                rows++;
            }
        }
    }
    assert_true(rows > 900 && rows < 2000); /* the first block; the last still waits for its time */
    rig_forget(&r);
    rig_end(&r);
}

static void test_report_rows_stride_doubles_after_each_doubling(void **state)
{
    (void)state;
    static const struct {
        uint64_t seq, stride;
    } cases[] = {{1, 1},     {10000, 1}, {10001, 2}, {20000, 2},
                 {20001, 4}, {40000, 4}, {40001, 8}, {UINT64_MAX, UINT64_C(1) << 50}};
    for (size_t i = 0; i + 1 < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(agent_rows_stride(cases[i].seq), cases[i].stride);
    }
    assert_true(agent_rows_stride(UINT64_MAX) >= cases[7].stride);
}

/* 40,000 reports keep 10,000 + 5,000 + 5,000 rows, each milestone and the very last one. */
static void test_report_after_10000_rows_is_thinned_never_a_milestone_nor_the_last(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.order.until = 15001;
    rig_running(&r, &lease, 0);
    uint64_t rows = 0, last_seq = 0, milestones = 0;
    for (int64_t step = 1; step <= 40001; step++) {
        rig_report(&r, 1, step, 0.5);
        if (step == 40001) {
            rig_bye(&r, 1, BYE_DONE, NULL);
        }
        for (uint32_t i = 0; i < r.n_effects; i++) {
            if (r.effects[i].effect.kind != AGENT_SEND || r.effects[i].effect.type != MSG_EVENTS) {
                continue;
            }
            const struct msg_events *events = r.effects[i].message;
            for (uint32_t e = 0; e < events->n_events; e++) {
                const struct metric_rows *block = &events->events[e].rows;
                rows += block->n_rows;
                for (uint32_t j = 0; j < block->n_rows; j++) {
                    assert_true(block->rows[j].seq > last_seq);
                    last_seq = block->rows[j].seq;
                }
                if (events->events[e].kind == EVENT_MILESTONE) {
                    milestones++;
                    assert_int_equal(last_seq, 15001);
                }
            }
        }
        r.n_effects = r.first = 0;
        rig_ack_all(&r);
        if (step == 15001) {
            rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = INT64_MAX});
        }
        if (step % 1000 == 0) {
            arena_reset(&r.arena);
        }
    }
    assert_int_equal(milestones, 1);
    assert_int_equal(last_seq, 40001);
    assert_int_equal(rows, 10000 + 5000 + 5000 + 1 /* milestone */ + 1 /* the last */);
    rig_forget(&r);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_below_milestone_is_answered_at_once_and_row_follows),
        cmocka_unit_test(test_report_at_milestone_holds_its_answer_until_a_newer_order),
        cmocka_unit_test(test_report_past_milestone_counts_once),
        cmocka_unit_test(test_report_of_a_step_twice_is_bad_step_and_no_row),
        cmocka_unit_test(test_report_step_zero_of_fresh_weights_is_legal),
        cmocka_unit_test(test_report_with_other_names_begins_another_block),
        cmocka_unit_test(test_report_block_is_sent_when_full),
        cmocka_unit_test(test_report_rows_stride_doubles_after_each_doubling),
        cmocka_unit_test(test_report_after_10000_rows_is_thinned_never_a_milestone_nor_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
