/* What a lane of short tasks has ahead at the shell, and what the shell gives back. */
#include "lanes_rig.h"

enum { AHEAD = 1 + LANE_AHEAD_US / 1234 }; /* lanes_exit() says that each ran for so long */

static void lane_start_seen(struct rig *r, uint32_t lane, uint32_t position)
{
    struct agent_effect effect = rig_next(r, AGENT_LANE_START)->effect;
    assert_int_equal(effect.lane.lane, lane);
    assert_int_equal(effect.position, position);
}

static void lane_started(struct rig *r, uint32_t position)
{
    on_attempt_started(r->agent, r->now, lanes_ref(position), 4000 + position, &r->out);
    rig_turn(r);
}

/* A lane that has run position 0, and so knows how long tasks take. */
static void lane_begin(struct rig *r, const char *workdir, uint32_t count)
{
    struct msg_array array = lanes_array();
    array.lease.workdir = workdir;
    rig_begin(r);
    lanes_tell(r, &array);
    lanes_send(r, 1, 1, 0, count);
    lanes_starts(r, 1, 0);
    rig_none(r); /* one, as long as nobody knows */
    lanes_exit(r, 0, 0);
    rig_next(r, AGENT_CLEAN);
    rig_tick(r);
}

static void lane_begin_ahead(struct rig *r)
{
    lane_begin(r, "/tmp", 200);
    for (uint32_t i = 1; i <= AHEAD; i++) {
        lane_start_seen(r, 1, i);
    }
    lanes_tasks(r, 1, 0);
    rig_none(r);
    rig_ack_all(r);
}

static void recalled(struct rig *r, uint32_t position)
{
    on_attempt_recalled(r->agent, r->now, lanes_ref(position), &r->out);
    rig_turn(r);
}

static void test_lane_of_short_tasks_has_several_ahead(void **state)
{
    (void)state;
    struct rig r;
    lane_begin_ahead(&r);
    /* Two have run meanwhile: two more. */
    for (uint32_t i = 1; i <= 2; i++) {
        lane_started(&r, i);
        lanes_exit(&r, i, 0);
        rig_next(&r, AGENT_CLEAN);
    }
    rig_tick(&r);
    lane_start_seen(&r, 1, AHEAD + 1);
    lane_start_seen(&r, 1, AHEAD + 2);
    rig_none(&r);
    rig_wait(&r, ARRAY_ROWS_MS);
    const struct node_event *event = lanes_tasks(&r, 2, 0);
    assert_int_equal(lanes_row(event, 0).id, lanes_ref(1).task.index);
    assert_int_equal(lanes_row(event, 1).id, lanes_ref(2).task.index);
    rig_end(&r);
}

static void test_lane_of_tasks_with_a_folder_has_one_at_a_time(void **state)
{
    (void)state;
    struct rig r;
    lane_begin(&r, NULL, 200);
    lane_start_seen(&r, 1, 1);
    lanes_tasks(&r, 1, 0);
    rig_none(&r);
    rig_end(&r);
}

static void test_last_tasks_of_a_queue_do_not_go_ahead(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    array.lease.workdir = "/tmp";
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 2, 0, 5);
    lanes_starts(&r, 1, 0);
    lanes_starts(&r, 2, 1);
    lanes_exit(&r, 0, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lane_start_seen(&r, 1, 2);
    lanes_tasks(&r, 1, 0);
    rig_none(&r); /* the other lane may have it sooner */
    rig_end(&r);
}

static void test_task_that_takes_long_lets_those_behind_it_be_queued_again(void **state)
{
    (void)state;
    struct rig r;
    lane_begin_ahead(&r);
    lane_started(&r, 1);
    for (uint32_t i = AHEAD; i > 1; i--) {
        recalled(&r, i);
    }
    rig_tick(&r);
    rig_none(&r);
    agent_check(r.agent);
    lanes_exit(&r, 1, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lane_start_seen(&r, 1, 2); /* in their order, and one at a time again */
    rig_wait(&r, ARRAY_ROWS_MS);
    lanes_tasks(&r, 1, 0);
    rig_none(&r);
    rig_end(&r);
}

static void test_all_that_is_taken_back_includes_what_is_ahead(void **state)
{
    (void)state;
    struct rig r;
    lane_begin_ahead(&r);
    lane_started(&r, 1);
    const struct msg_take_back message = {.job = LANES_JOB};
    rig_head(&r, MSG_TAKE_BACK, &message);
    const struct node_event *event = rig_event(&r, EVENT_RETURNED);
    assert_int_equal(event->n_ranges, 1);
    assert_int_equal(event->ranges[0].first, AHEAD + 1);
    assert_int_equal(rig_next(&r, AGENT_LANE_RECALL)->effect.lane.lane, 1);
    recalled(&r, AHEAD);
    event = rig_event(&r, EVENT_RETURNED);
    assert_int_equal(event->n_ranges, 1);
    assert_int_equal(event->ranges[0].first, AHEAD);
    assert_int_equal(event->ranges[0].count, 1);
    /* New ones are new ones: what comes back from then on is queued. */
    rig_ack_all(&r);
    lanes_send(&r, 1, 0, AHEAD, 10);
    recalled(&r, AHEAD - 1);
    rig_none(&r);
    rig_end(&r);
}

static void test_recalled_task_that_the_head_told_to_leave_goes_back_to_it(void **state)
{
    (void)state;
    struct rig r;
    lane_begin_ahead(&r);
    lane_started(&r, 1);
    const struct array_range one = {5, 1};
    const struct msg_take_back message = {
        .job = LANES_JOB, .ranges = &one, .n_ranges = 1, .why = WHY_CANCEL, .grace_ms = 1000};
    rig_head(&r, MSG_TAKE_BACK, &message);
    assert_int_equal(rig_event(&r, EVENT_RETURNED)->n_ranges, 0);
    recalled(&r, 5);
    const struct node_event *event = rig_event(&r, EVENT_RETURNED);
    assert_int_equal(event->n_ranges, 1);
    assert_int_equal(event->ranges[0].first, 5);
    rig_end(&r);
}

static void test_recalled_task_that_is_not_ours_any_more_is_forgotten(void **state)
{
    (void)state;
    struct rig r;
    lane_begin_ahead(&r);
    recalled(&r, 150); /* never given out */
    rig_none(&r);
    agent_check(r.agent);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lane_of_short_tasks_has_several_ahead),
        cmocka_unit_test(test_lane_of_tasks_with_a_folder_has_one_at_a_time),
        cmocka_unit_test(test_last_tasks_of_a_queue_do_not_go_ahead),
        cmocka_unit_test(test_task_that_takes_long_lets_those_behind_it_be_queued_again),
        cmocka_unit_test(test_all_that_is_taken_back_includes_what_is_ahead),
        cmocka_unit_test(test_recalled_task_that_the_head_told_to_leave_goes_back_to_it),
        cmocka_unit_test(test_recalled_task_that_is_not_ours_any_more_is_forgotten),
    };
    return cmocka_run_group_tests_name("worker/core/lanes_ahead", tests, NULL, NULL);
}
