#include "lanes_rig.h"

static void
test_lane_runs_its_positions_in_order_and_tells_rows_of_a_turn_in_one_event(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 2, 5, 3);
    lanes_starts(&r, 1, 5);
    lanes_starts(&r, 2, 6);
    r.now += 3;
    lanes_exit(&r, 6, 0);
    lanes_exit(&r, 5, 0);
    assert_int_equal(rig_next(&r, AGENT_CLEAN)->effect.ref.task.index, 22);
    assert_int_equal(rig_next(&r, AGENT_CLEAN)->effect.ref.task.index, 20);
    rig_tick(&r);
    struct rig_effect *start = rig_next(&r, AGENT_LANE_START);
    assert_int_equal(start->effect.position, 7);
    const struct node_event *event = lanes_tasks(&r, 2, 0);
    assert_int_equal(lanes_row(event, 0).id, 22);
    assert_int_equal(lanes_row(event, 1).id, 20);
    assert_int_equal(lanes_row(event, 1).duration_us, 1234);
    assert_int_equal(lanes_row(event, 1).started_at, RIG_START_MS);
    assert_int_equal(lanes_row(event, 1).flags, 0);
    rig_end(&r);
}

static void
test_lane_without_positions_is_closed_once_the_last_results_are_acknowledged(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 1);
    lanes_starts(&r, 1, 0);
    lanes_exit(&r, 0, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lanes_tasks(&r, 1, 0);
    rig_none(&r);
    rig_ack_all(&r);
    rig_tick(&r);
    assert_int_equal(rig_next(&r, AGENT_LANE_CLOSE)->effect.lane.lane, 1);
    assert_int_equal(lanes_tasks(&r, 0, 1)->lanes[0].lane, 1);
    rig_end(&r);
}

static void test_lane_that_gets_more_with_the_acknowledgement_goes_on(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 1);
    lanes_starts(&r, 1, 0);
    lanes_exit(&r, 0, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lanes_tasks(&r, 1, 0);
    rig_ack_all(&r);
    lanes_send(&r, 0, 0, 1, 1);
    lanes_starts(&r, 1, 1);
    rig_end(&r);
}

/* One that ends well, and the next one's start. */
static void lane_goes_on(struct rig *r, uint32_t position)
{
    lanes_exit(r, position, 0);
    rig_next(r, AGENT_CLEAN);
    rig_tick(r);
    lanes_starts(r, 1, position + 1);
}

static void test_rows_with_a_long_queue_behind_them_wait_and_go_together(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 40);
    lanes_starts(&r, 1, 0);
    lane_goes_on(&r, 0);
    lanes_tasks(&r, 1, 0); /* the first one is told at once */
    rig_ack_all(&r);
    r.now += 2;
    lane_goes_on(&r, 1);
    r.now += 3;
    lane_goes_on(&r, 2);
    rig_none(&r); /* all is acknowledged, and yet they wait */
    rig_wait(&r, ARRAY_ROWS_MS - 5 - 1);
    rig_none(&r);
    rig_wait(&r, 1);
    assert_int_equal(lanes_row(lanes_tasks(&r, 2, 0), 1).id, 14);
    rig_ack_all(&r);
    /* A quarter of what is queued does not wait. */
    for (uint32_t i = 3; i < 10; i++) {
        lane_goes_on(&r, i);
        rig_none(&r);
    }
    lane_goes_on(&r, 10);
    lanes_tasks(&r, 8, 0);
    rig_end(&r);
}

static void test_lane_opened_for_nothing_is_closed_at_once(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 3, 1, 0, 0);
    rig_next(&r, AGENT_LANE_CLOSE);
    lanes_tasks(&r, 0, 1);
    rig_end(&r);
}

static void test_task_that_fails_is_told_by_a_result_and_its_lane_goes_on(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 2);
    lanes_starts(&r, 1, 0);
    lanes_exit(&r, 0, 3);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->task.job, LANES_JOB);
    assert_int_equal(event->task.index, 10);
    assert_int_equal(event->attempt, 0);
    assert_int_equal(event->result.exit_code, 3);
    assert_true(event->result.has_started);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lanes_starts(&r, 1, 1);
    rig_end(&r);
}

static void test_task_that_runs_for_a_second_is_told_as_started_once(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 4, 1);
    lanes_starts(&r, 1, 4);
    rig_wait(&r, 999);
    rig_none(&r);
    rig_wait(&r, 5000);
    const struct node_event *event = rig_event(&r, EVENT_STARTED);
    assert_int_equal(event->task.index, 18);
    assert_int_equal(event->pid, 4004);
    rig_end(&r);
}

static void test_ranges_taken_back_are_returned_and_what_runs_stays(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    const struct array_range wanted[] = {{0, 4}, {8, 100}};
    const struct msg_take_back back = {.job = LANES_JOB, .ranges = wanted, .n_ranges = 2};
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 12);
    lanes_starts(&r, 1, 0);
    rig_head(&r, MSG_TAKE_BACK, &back);
    const struct node_event *event = rig_event(&r, EVENT_RETURNED);
    assert_int_equal(event->n_ranges, 2);
    assert_int_equal(event->ranges[0].first, 1);
    assert_int_equal(event->ranges[0].count, 3);
    assert_int_equal(event->ranges[1].first, 8);
    assert_int_equal(event->ranges[1].count, 4);
    lanes_exit(&r, 0, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lanes_starts(&r, 1, 4);
    lanes_tasks(&r, 1, 0);
    rig_end(&r);
}

static void test_array_cancelled_is_told_to_leave_and_killed_after_its_grace(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    const struct msg_take_back back = {.job = LANES_JOB, .why = WHY_CANCEL, .grace_ms = 2000};
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 2);
    lanes_starts(&r, 1, 0);
    rig_head(&r, MSG_TAKE_BACK, &back);
    assert_int_equal(rig_event(&r, EVENT_RETURNED)->n_ranges, 1);
    rig_signal(&r, SIGTERM);
    rig_head(&r, MSG_TAKE_BACK, &back); /* once more */
    assert_int_equal(rig_event(&r, EVENT_RETURNED)->n_ranges, 0);
    rig_wait(&r, 2000);
    rig_event(&r, EVENT_STARTED);
    rig_signal(&r, SIGKILL);
    lanes_exit(&r, 0, 0);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_TOLD);
    rig_next(&r, AGENT_CLEAN);
    rig_forget(&r);
    rig_end(&r);
}

static void test_array_unknown_here_gets_its_ranges_and_lanes_back(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    const struct array_lane lane = {.lane = 5};
    const struct array_range range = {3, 4};
    const struct msg_ranges ranges = {
        .job = 99, .lanes = &lane, .n_lanes = 1, .ranges = &range, .n_ranges = 1};
    rig_head(&r, MSG_RANGES, &ranges);
    const struct node_event *event = rig_event(&r, EVENT_RETURNED);
    assert_int_equal(event->job, 99);
    assert_int_equal(event->ranges[0].count, 4);
    event = rig_event(&r, EVENT_TASKS);
    assert_int_equal(event->lanes[0].lane, 5);
    const struct msg_take_back back = {.job = 99};
    rig_head(&r, MSG_TAKE_BACK, &back);
    assert_int_equal(rig_event(&r, EVENT_RETURNED)->n_ranges, 0);
    rig_end(&r);
}

static void test_drain_hands_back_what_has_not_started_and_refuses_more(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 5);
    lanes_starts(&r, 1, 0);
    on_drain(r.agent, r.now, r.now + 8000, &r.out);
    rig_turn(&r);
    rig_event(&r, EVENT_DRAINING);
    const struct node_event *event = rig_event(&r, EVENT_RETURNED);
    assert_int_equal(event->ranges[0].first, 1);
    assert_int_equal(event->ranges[0].count, 4);
    rig_tick(&r);
    rig_signal(&r, SIGTERM);
    lanes_exit(&r, 0, 143);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_AGENT_LEFT);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    rig_next(&r, AGENT_LANE_CLOSE);
    lanes_tasks(&r, 0, 1);
    lanes_send(&r, 2, 1, 10, 2);
    assert_int_equal(rig_event(&r, EVENT_RETURNED)->ranges[0].first, 10);
    rig_next(&r, AGENT_LANE_CLOSE);
    lanes_tasks(&r, 0, 1);
    rig_ack_all(&r);
    rig_tick(&r);
    assert_int_equal(rig_next(&r, AGENT_EXIT)->effect.code, 0);
    rig_end(&r);
}

static void test_drain_at_the_heads_word_hands_back_and_takes_new_ranges_after(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    const struct msg_drain drain = {.epoch = RIG_EPOCH, .grace_ms = 4000};
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 5);
    lanes_starts(&r, 1, 0);
    rig_head(&r, MSG_DRAIN, &drain);
    assert_int_equal(rig_event(&r, EVENT_RETURNED)->ranges[0].count, 4);
    rig_tick(&r);
    rig_signal(&r, SIGTERM);
    lanes_exit(&r, 0, 0);
    rig_event(&r, EVENT_RESULT);
    rig_next(&r, AGENT_CLEAN);
    rig_ack_all(&r);
    rig_tick(&r);
    rig_next(&r, AGENT_LANE_CLOSE);
    lanes_tasks(&r, 0, 1);
    lanes_send(&r, 2, 1, 1, 1);
    lanes_starts(&r, 2, 1);
    rig_end(&r);
}

static void test_orphan_timeout_hands_back_and_ends_what_runs(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    r.agent->link.orphan_timeout_ms = 5000;
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 3);
    lanes_starts(&r, 1, 0);
    on_link_down(r.agent, r.now, &r.out);
    rig_turn(&r);
    rig_wait(&r, 5000);
    rig_signal(&r, SIGTERM);
    assert_int_equal(agent_array_find(r.agent, LANES_JOB)->n_returned, 1);
    rig_forget(&r);
    rig_end(&r);
}

static void
test_lane_of_an_array_with_items_waits_for_them_and_gives_back_while_waiting(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    array.items = "0123abcd";
    const struct msg_take_back back = {.job = LANES_JOB};
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 2);
    const struct msg_blob_get *get = rig_next(&r, AGENT_SEND)->message;
    assert_string_equal(get->hash, "0123abcd");
    rig_head(&r, MSG_TAKE_BACK, &back);
    const struct node_event *event = rig_event(&r, EVENT_RETURNED);
    assert_int_equal(event->n_ranges, 1);
    assert_int_equal(event->ranges[0].count, 2);
    rig_tick(&r);
    rig_next(&r, AGENT_BLOB_DROP); /* nobody waits for them */
    rig_next(&r, AGENT_LANE_CLOSE);
    lanes_tasks(&r, 0, 1);
    assert_int_equal(agent_tree_found(r.agent, "0123abcd"), OK);
    lanes_send(&r, 2, 1, 0, 1);
    lanes_starts(&r, 2, 0);
    rig_end(&r);
}

/* With several lanes the end of the first one takes along the others, which are being walked. */
static void test_items_that_cannot_be_had_fail_one_task_and_hand_the_others_back(void **state)
{
    (void)state;
    for (uint32_t n_lanes = 1; n_lanes <= 4; n_lanes += 3) {
        struct rig r;
        struct msg_array array = lanes_array();
        array.items = "0123abcd";
        rig_begin(&r);
        lanes_tell(&r, &array);
        lanes_send(&r, 1, n_lanes, 0, 9);
        rig_next(&r, AGENT_SEND);
        const struct msg_blob piece = {.hash = "0123abcd", .error = "it was removed"};
        rig_head(&r, MSG_BLOB, &piece);
        rig_next(&r, AGENT_BLOB_DROP);
        const struct node_event *event = rig_event(&r, EVENT_RESULT);
        assert_int_equal(event->result.cause, CAUSE_CANNOT_START);
        assert_true(event->result.is_nodes_fault);
        event = rig_event(&r, EVENT_RETURNED);
        uint32_t n = 0;
        for (uint32_t i = 0; i < event->n_ranges; i++) {
            n += event->ranges[i].count;
        }
        assert_int_equal(n, 8);
        rig_next(&r, AGENT_CLEAN);
        rig_end(&r);
    }
}

/* One that is tried again and leased alone may come before the news of what its array is. */
static void test_task_leased_alone_wants_the_items_once_its_array_is_known(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    struct msg_lease lease = rig_lease((struct attempt_ref){{LANES_JOB, 10}, 1});
    lease.is_trial = false;
    lease.work = "4567";
    array.lease.work = "4567";
    array.items = "0123abcd";
    rig_begin(&r);
    rig_head(&r, MSG_LEASE, &lease);
    assert_string_equal(((const struct msg_blob_get *)rig_next(&r, AGENT_SEND)->message)->hash,
                        "4567");
    rig_head(&r, MSG_ARRAY, &array);
    rig_next(&r, AGENT_ARRAY);
    assert_string_equal(((const struct msg_blob_get *)rig_next(&r, AGENT_SEND)->message)->hash,
                        "0123abcd");
    rig_end(&r);
}

static void test_gpus_of_a_lane_reach_the_shell(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    static const char *const gpus[] = {"GPU-a", "GPU-b"};
    const struct array_lane lane = {.lane = 1, .gpus = gpus, .n_gpus = 2};
    const struct array_range range = {0, 1};
    const struct msg_ranges ranges = {
        .job = LANES_JOB, .lanes = &lane, .n_lanes = 1, .ranges = &range, .n_ranges = 1};
    rig_begin(&r);
    lanes_tell(&r, &array);
    rig_head(&r, MSG_RANGES, &ranges);
    struct agent_effect effect = rig_next(&r, AGENT_LANE_OPEN)->effect;
    assert_int_equal(effect.lane.n_gpus, 2);
    assert_string_equal(effect.lane.gpus[1], "GPU-b");
    rig_end(&r);
}

static void test_timeout_of_a_task_of_an_array_ends_it(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    array.lease.timeout_trial_ms = 500;
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 1);
    lanes_starts(&r, 1, 0);
    rig_wait(&r, 500);
    rig_signal(&r, SIGTERM);
    lanes_exit(&r, 0, 0);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_TIMEOUT_TRIAL);
    rig_next(&r, AGENT_CLEAN);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_lane_runs_its_positions_in_order_and_tells_rows_of_a_turn_in_one_event),
        cmocka_unit_test(
            test_lane_without_positions_is_closed_once_the_last_results_are_acknowledged),
        cmocka_unit_test(test_lane_that_gets_more_with_the_acknowledgement_goes_on),
        cmocka_unit_test(test_rows_with_a_long_queue_behind_them_wait_and_go_together),
        cmocka_unit_test(test_lane_opened_for_nothing_is_closed_at_once),
        cmocka_unit_test(test_task_that_fails_is_told_by_a_result_and_its_lane_goes_on),
        cmocka_unit_test(test_task_that_runs_for_a_second_is_told_as_started_once),
        cmocka_unit_test(test_ranges_taken_back_are_returned_and_what_runs_stays),
        cmocka_unit_test(test_array_cancelled_is_told_to_leave_and_killed_after_its_grace),
        cmocka_unit_test(test_array_unknown_here_gets_its_ranges_and_lanes_back),
        cmocka_unit_test(test_drain_hands_back_what_has_not_started_and_refuses_more),
        cmocka_unit_test(test_drain_at_the_heads_word_hands_back_and_takes_new_ranges_after),
        cmocka_unit_test(test_orphan_timeout_hands_back_and_ends_what_runs),
        cmocka_unit_test(
            test_lane_of_an_array_with_items_waits_for_them_and_gives_back_while_waiting),
        cmocka_unit_test(test_items_that_cannot_be_had_fail_one_task_and_hand_the_others_back),
        cmocka_unit_test(test_task_leased_alone_wants_the_items_once_its_array_is_known),
        cmocka_unit_test(test_gpus_of_a_lane_reach_the_shell),
        cmocka_unit_test(test_timeout_of_a_task_of_an_array_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
