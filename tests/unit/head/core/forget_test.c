/* Nodes that are gone: remembered for a while, forgotten by age, by number and by people, and none
 * the worse when they come back. */
#include "rig.h"

#define HOUR_MS (3600LL * 1000)
#define DAY_MS (24 * HOUR_MS)

enum { GONE_MAX = 1000, PODS = 1300 };

static uint64_t requests = 9000;

static void pod_enrol(struct rig *r, const char *name, uint64_t peer, uint64_t incarnation)
{
    struct msg_enrol msg = {RIG_AGENT, .node = name, .incarnation = incarnation, .cpus = AMOUNT_ONE,
                            .first_event = 1};
    on_enrol(r->core, r->now, peer, &msg);
    rig_turn(r);
    rig_sent_clear(r);
}

static void tick_after(struct rig *r, int64_t ms)
{
    r->now += ms;
    on_tick(r->core, r->now);
    rig_turn(r);
}

/* Nobody says a word for a minute. */
static void all_leave(struct rig *r)
{
    tick_after(r, 60000);
    rig_sent_clear(r);
    assert_int_equal(core_nodes_there(r->core), 0);
}

static uint32_t remove_status(struct rig *r, const char *name)
{
    on_node_remove(r->core, r->now, ++requests, name);
    rig_turn(r);
    return rig_answer(r, requests)->status;
}

static bool is_known(struct rig *r, const char *name)
{
    return core_node_find(r->core, name) != NULL;
}

static void test_node_that_left_a_day_ago_is_forgotten(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    pod_enrol(r, "a", 1, 11);
    all_leave(r);
    tick_after(r, 23 * HOUR_MS);
    pod_enrol(r, "b", 2, 12);
    all_leave(r);
    assert_true(is_known(r, "a") && is_known(r, "b"));
    rig_restart(r); /* who left first is known by the records */
    tick_after(r, HOUR_MS);
    assert_false(is_known(r, "a"));
    assert_true(is_known(r, "b"));
    assert_int_equal(rig_store_count(r, "nodes"), 1);
    rig_restart(r);
    assert_false(is_known(r, "a"));
    rig_free(r);
}

/* Its cordon is to hold when it comes back. */
static void test_cordoned_node_is_remembered_for_a_month(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    pod_enrol(r, "a", 1, 11);
    on_node_verb(r->core, r->now, ++requests, "a",
                 &(struct node_verb){.kind = NODE_VERB_CORDON, .reason = "fan"});
    all_leave(r);
    tick_after(r, 29 * DAY_MS);
    pod_enrol(r, "a", 2, 12);
    assert_true(core_node_find(r->core, "a")->r.is_cordoned);
    all_leave(r);
    tick_after(r, 30 * DAY_MS);
    assert_false(is_known(r, "a"));
    rig_free(r);
}

static void test_more_than_a_thousand_gone_nodes_are_not_kept(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    char name[16];
    for (unsigned i = 0; i < PODS; i++) {
        snprintf(name, sizeof name, "pod-%u", i);
        pod_enrol(r, name, 100 + i, 1000 + i);
        if (i == 0) {
            on_node_verb(r->core, r->now, ++requests, name,
                         &(struct node_verb){.kind = NODE_VERB_CORDON, .reason = "fan"});
        }
        if (i == PODS / 2) {
            tick_after(r, 4000); /* those up to here are silent for longer, and leave first */
            rig_sent_clear(r);
        }
    }
    tick_after(r, 28000);
    tick_after(r, 60000);
    tick_after(r, 1000);
    assert_int_equal(HASH_COUNT(r->core->nodes), GONE_MAX);
    assert_int_equal(rig_store_count(r, "nodes"), GONE_MAX);
    assert_true(is_known(r, "pod-0")); /* while there are others to forget */
    assert_false(is_known(r, "pod-1"));
    assert_true(is_known(r, "pod-1299"));
    rig_free(r);
}

static void test_only_a_node_that_is_gone_can_be_removed(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    pod_enrol(r, "a", 1, 11);
    assert_int_equal(remove_status(r, "a"), 409);
    assert_non_null(strstr(rig_answer(r, requests)->body, "node a is alive"));
    assert_int_equal(remove_status(r, "b"), 404);
    all_leave(r);
    assert_int_equal(remove_status(r, "a"), 200);
    assert_int_equal(remove_status(r, "a"), 404);
    assert_int_equal(rig_store_count(r, "nodes"), 0);
    rig_free(r);
}

/* Of the very start that was forgotten: it begins with the events that it still has. */
static void test_forgotten_node_that_comes_back_works(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    all_leave(r);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_QUEUED);
    assert_int_equal(remove_status(r, "local"), 200);
    rig_restart(r);
    assert_string_equal(rig_task(r, rig_id(1, 1))->r.node, "local"); /* where it was */
    rig_enrol(r, 1);
    assert_int_equal(core_node_find(r->core, "local")->r.applied, r->event);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 0, 0); /* of an attempt that was given up */
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_LEASED);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.attempt, 1);
    rig_started(r, rig_id(1, 1), 1);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_RUNNING);
    rig_free(r);
}

/* The acknowledgement was lost, and then all that was known of it: an event has its effect once. */
static void test_forgotten_node_tells_nothing_twice(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 75, 0);
    all_leave(r);
    assert_int_equal(remove_status(r, "local"), 200);
    struct msg_enrol msg = {RIG_AGENT,          .node = "local",  .incarnation = RIG_INCARNATION,
                            .cpus = AMOUNT_ONE, .first_event = 1, .last_event = r->event};
    on_enrol(r->core, r->now, RIG_PEER, &msg);
    rig_turn(r);
    assert_int_equal(core_node_find(r->core, "local")->r.applied, r->event);
    uint32_t preempted = rig_task(r, rig_id(1, 1))->r.preempted;
    struct node_event again = {.number = 2,
                               .kind = EVENT_RESULT,
                               .task = rig_id(1, 1),
                               .attempt = rig_task(r, rig_id(1, 1))->r.attempt,
                               .result = {.has_started = true, .cause = CAUSE_EXIT}};
    on_events(r->core, r->now, RIG_PEER, &(struct msg_events){RIG_INCARNATION, &again, 1});
    rig_turn(r);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.preempted, preempted);
    assert_int_not_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_ENDED);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node_that_left_a_day_ago_is_forgotten),
        cmocka_unit_test(test_cordoned_node_is_remembered_for_a_month),
        cmocka_unit_test(test_more_than_a_thousand_gone_nodes_are_not_kept),
        cmocka_unit_test(test_only_a_node_that_is_gone_can_be_removed),
        cmocka_unit_test(test_forgotten_node_that_comes_back_works),
        cmocka_unit_test(test_forgotten_node_tells_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
