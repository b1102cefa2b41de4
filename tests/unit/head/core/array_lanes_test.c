/* How many tasks of an array a node gets, and when. */
#include "array_rig.h"

static void test_array_lanes_are_as_many_as_cpus_are_free(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 3);
    uint32_t job = array_submit(r, 1000);
    agent_read(r, a);
    assert_int_equal(a->n_arrays, 1);
    assert_int_equal(a->n_lanes, 3);
    assert_int_equal(a->n_held, 3); /* one a lane until it is known how long they take */
    assert_int_equal(agent_lowest(a), 0);
    struct array_counts counts = array_counts_of(r, job);
    assert_int_equal(counts.running, 3);
    assert_int_equal(counts.leased, 0);
    assert_int_equal(counts.queued, 997);
    assert_int_equal(r->core->status.tasks[TASK_QUEUED], 997);
    struct scheduler_usage usage;
    scheduler_usage_get(r->core->scheduler, 0, &usage);
    assert_int_equal(usage.cpus_used, 3 * AMOUNT_ONE);
    free(a);
    rig_free(r);
}

static void test_array_smaller_than_the_node_opens_no_more_lanes_than_tasks(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 8);
    uint32_t job = array_submit(r, 2);
    agent_read(r, a);
    assert_int_equal(a->n_lanes, 2);
    agent_run(r, a, job, 2, 1000);
    assert_int_equal(core_work_find(r->core, job)->job->r.ended, r->now);
    assert_int_equal(array_counts_of(r, job).done, 2);
    struct scheduler_usage usage;
    scheduler_usage_get(r->core->scheduler, 0, &usage);
    assert_int_equal(usage.cpus_used, 0);
    free(a);
    rig_free(r);
}

static void test_array_short_tasks_go_ahead_and_are_topped_up_at_half(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 2);
    uint32_t job = array_submit(r, 100000);
    agent_read(r, a);
    agent_run(r, a, job, 2, 10); /* both lanes closed with it, and opened again */
    assert_int_equal(a->n_lanes, 2);
    uint32_t depth = a->n_held;
    assert_true(depth > 100 && depth <= ARRAY_AHEAD_MAX + 2);
    unsigned n_messages = rig_sent_count(r, MSG_RANGES);
    agent_run(r, a, job, 10, 10); /* not worth a message yet */
    assert_int_equal(rig_sent_count(r, MSG_RANGES), n_messages);
    assert_int_equal(a->n_held, depth - 10);
    agent_run(r, a, job, depth / 2, 10);
    assert_int_equal(rig_sent_count(r, MSG_RANGES), n_messages + 1);
    assert_int_equal(a->n_held, depth);
    /* Ahead is what lies beyond the lanes. */
    assert_int_equal(array_counts_of(r, job).running, 2);
    assert_int_equal(array_counts_of(r, job).leased, depth - 2);
    agent_run_all(r, a, job);
    assert_int_equal(array_counts_of(r, job).done, 100000);
    assert_int_equal(array_stored_rows(r, job, NULL), 100000);
    free(a);
    rig_free(r);
}

static void test_array_long_tasks_are_never_leased_ahead(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 2);
    uint32_t job = array_submit(r, 100);
    agent_read(r, a);
    for (int i = 0; i < 5; i++) {
        agent_run(r, a, job, 1, 1500000);
        assert_int_equal(a->n_held, 2);
        assert_int_equal(a->n_lanes, 2);
    }
    free(a);
    rig_free(r);
}

static void test_array_lane_that_waits_for_more_gets_it_at_once(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 8);
    uint32_t job = array_submit(r, 100);
    agent_read(r, a);
    a->keeps_lanes = true;
    uint32_t first = a->lanes[0];
    for (int i = 0; i < 10; i++) {
        agent_run(r, a, job, 1, 1500000);
        assert_int_equal(a->n_held, 8);
        assert_int_equal(a->n_lanes, 8);
    }
    assert_int_equal(a->lanes[0], first); /* the same ones all the time */
    struct record_job better = array_job(0, 0, 0);
    better.priority = 90;
    array_submit_job(r, &better);
    agent_run(r, a, job, 1, 1500000);
    assert_int_equal(a->n_held, 7);
    free(a);
    rig_free(r);
}

static void test_array_what_waits_behind_long_tasks_is_taken_back_for_other_nodes(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7), *b = agent_new("b", 8);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 150);
    agent_read(r, a);
    agent_run(r, a, job, 1, 10);
    assert_int_equal(a->n_held, 149);
    uint32_t long_one = agent_lowest(a);
    r->now += 1000;
    agent_event(
        r, a, (struct node_event){.kind = EVENT_STARTED, .task = {job, long_one + 1}, .pid = 4711});
    assert_int_equal(a->n_taken, 1);
    assert_int_equal(a->last_take_back.why, WHY_NONE);
    struct array_task task;
    assert_true(core_array_task(r->core, (task_id){job, long_one + 1}, &task));
    assert_int_equal(task.state, TASK_RUNNING);
    assert_int_equal(task.pid, 4711);
    assert_string_equal(task.node, "a");
    a->held[long_one] = 0; /* that one runs */
    agent_return(r, a, job);
    assert_int_equal(array_counts_of(r, job).queued, 148);
    assert_int_equal(a->n_taken, 1);
    agent_enrol(r, b, 1);
    assert_int_equal(b->n_held, 1); /* how long they take is open again */
    a->held[long_one] = 1;
    a->n_held = 1;
    agent_run(r, a, job, 1, 2000000);
    assert_int_equal(array_slot_of(r, job, long_one), SLOT_DONE);
    free(a);
    free(b);
    rig_free(r);
}

static void test_array_better_work_stops_what_goes_ahead_until_it_has_its_room(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 5000);
    agent_read(r, a);
    agent_run(r, a, job, 1, 10);
    uint32_t depth = a->n_held;
    assert_true(depth > 100);
    struct record_job better = array_job(0, 0, 0);
    better.priority = 80;
    uint32_t single = array_submit_job(r, &better);
    array_clear(r, a);
    agent_run(r, a, job, depth - 1, 10);
    assert_int_equal(a->n_held, 1);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 0);
    agent_run(r, a, job, 1, 10); /* the last one, and with it the lane */
    assert_int_equal(a->n_lanes, 0);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 1);
    assert_int_equal(rig_task(r, rig_id(single, 1))->r.state, TASK_LEASED);
    agent_result(r, a, rig_id(single, 1), 0, CAUSE_EXIT, 0);
    assert_int_equal(a->n_lanes, 1);
    assert_true(a->n_held > 100);
    free(a);
    rig_free(r);
}

static void test_array_of_less_priority_waits_behind_work_that_the_node_can_run(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    struct record_job low = array_job(1, 10, 1);
    low.priority = 10;
    uint32_t low_job = array_submit_job(r, &low), job = array_submit(r, 10);
    agent_enrol(r, a, 1);
    assert_int_equal(array_counts_of(r, job).running, 1);
    assert_int_equal(array_counts_of(r, low_job).running, 0);
    free(a);
    rig_free(r);
}

static void test_array_lanes_of_gpu_tasks_name_their_gpus(void **state)
{
    (void)state;
    static const char *const gpus[] = {"GPU-1", "GPU-2"};
    struct rig *r = rig_new();
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    struct msg_enrol msg = {.protocol = PROTOCOL_VERSION,
                            .secret = "s",
                            .node = "g",
                            .incarnation = 3,
                            .host = "h",
                            .cpus = 8 * AMOUNT_ONE,
                            .gpus = gpus,
                            .n_gpus = 2,
                            .first_event = 1};
    on_enrol(r->core, r->now, 9, &msg);
    rig_turn(r);
    struct record_job job = array_job(1, 10, 1);
    job.gpus = AMOUNT_ONE;
    assert_int_not_equal(array_submit_job(r, &job), 0);
    const struct msg_ranges *ranges = rig_sent_last(r, MSG_RANGES, &arena);
    assert_non_null(ranges);
    assert_int_equal(ranges->n_lanes, 2);
    assert_int_equal(ranges->lanes[0].n_gpus, 1);
    assert_string_equal(ranges->lanes[0].gpus[0], "GPU-1");
    assert_string_equal(ranges->lanes[1].gpus[0], "GPU-2");
    assert_int_not_equal(ranges->lanes[0].lane, ranges->lanes[1].lane);
    arena_fini(&arena);
    rig_free(r);
}

static void test_array_what_arrives_after_the_last_lane_closed_is_taken_back(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 50);
    agent_read(r, a);
    /* Something else takes the room before the array's next lane can have it. */
    struct record_job other = array_job(0, 0, 0);
    other.priority = 90;
    array_submit_job(r, &other);
    uint32_t lane = a->lanes[0], held = a->n_held;
    agent_event(r, a,
                (struct node_event){.kind = EVENT_TASKS,
                                    .job = job,
                                    .lanes = &(struct array_lane){.lane = lane},
                                    .n_lanes = 1});
    a->n_lanes = 0;
    assert_int_equal(held, 1);
    assert_int_equal(a->n_taken, 1);
    agent_return(r, a, job);
    assert_int_equal(array_counts_of(r, job).queued, 50);
    assert_int_equal(array_slot_of(r, job, 0), SLOT_QUEUED);
    free(a);
    rig_free(r);
}

static void test_array_cordoned_node_hands_back_what_it_has_not_started(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 500);
    agent_read(r, a);
    agent_run(r, a, job, 1, 10);
    struct node_verb verb = {.kind = NODE_VERB_CORDON, .reason = "broken"};
    on_node_verb(r->core, r->now, 1, "a", &verb);
    rig_turn(r);
    agent_read(r, a);
    assert_int_equal(a->n_taken, 1);
    agent_return(r, a, job);
    agent_run(r, a, job, 0, 0);
    assert_int_equal(a->n_lanes, 0);
    assert_int_equal(array_counts_of(r, job).queued, 499);
    struct node_verb resume = {.kind = NODE_VERB_RESUME};
    on_node_verb(r->core, r->now, 2, "a", &resume);
    rig_turn(r);
    agent_read(r, a);
    assert_int_equal(a->n_lanes, 1);
    agent_run_all(r, a, job);
    free(a);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_array_lanes_are_as_many_as_cpus_are_free),
        cmocka_unit_test(test_array_smaller_than_the_node_opens_no_more_lanes_than_tasks),
        cmocka_unit_test(test_array_short_tasks_go_ahead_and_are_topped_up_at_half),
        cmocka_unit_test(test_array_long_tasks_are_never_leased_ahead),
        cmocka_unit_test(test_array_lane_that_waits_for_more_gets_it_at_once),
        cmocka_unit_test(test_array_what_waits_behind_long_tasks_is_taken_back_for_other_nodes),
        cmocka_unit_test(test_array_better_work_stops_what_goes_ahead_until_it_has_its_room),
        cmocka_unit_test(test_array_of_less_priority_waits_behind_work_that_the_node_can_run),
        cmocka_unit_test(test_array_lanes_of_gpu_tasks_name_their_gpus),
        cmocka_unit_test(test_array_what_arrives_after_the_last_lane_closed_is_taken_back),
        cmocka_unit_test(test_array_cordoned_node_hands_back_what_it_has_not_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
