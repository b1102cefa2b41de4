/* Trials that move to another node, and nodes that were away when something was said. */
#include "rig.h"

enum { OTHER_PEER = RIG_PEER + 1, OTHER_INCARNATION = RIG_INCARNATION + 1 };

static void other_enrol(struct rig *r)
{
    struct msg_enrol msg = {RIG_AGENT, .node = "other", .incarnation = OTHER_INCARNATION,
                            .cpus = AMOUNT_ONE, .first_event = 1};
    on_enrol(r->core, r->now, OTHER_PEER, &msg);
    rig_turn(r);
}

static unsigned sent_to(const struct rig *r, uint64_t peer, message_type type)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->n_sent; i++) {
        n += r->sent[i].kind == HEAD_SEND && r->sent[i].type == type && r->sent[i].peer == peer;
    }
    return n;
}

/* What lies on the disk of a node that is gone is not to be had. The best one is kept all the same,
 * with the name of its node. */
static void test_trial_whose_node_is_gone_starts_elsewhere_from_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    char file[1024];
    snprintf(file, sizeof file, "%slimits: {concurrency: 1}\n", rig_sweep);
    rig_enrol(r, 1);
    rig_submit(r, file, NULL);
    rig_started(r, rig_id(1, 1), 0);
    struct snapshot_ref snapshot = {.ordinal = 1, .step = 1};
    rig_event(
        r, (struct node_event){.kind = EVENT_SNAPSHOT, .task = rig_id(1, 1), .snapshot = snapshot});
    rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, 1, 0.5, 0);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.best_snapshot.ordinal, 1);

    r->now += CORE_NODE_TIMEOUT_MS + 2000;
    core_time(r->core, r->now, 0, false);
    core_time(r->core, r->now, 0, false);
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(task->r.state, TASK_QUEUED);
    assert_int_equal(task->r.snapshot.ordinal, 1); /* it may come back */
    rig_sent_clear(r);
    r->now += 10000;
    on_tick(r->core, r->now);
    rig_turn(r);
    other_enrol(r);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_non_null(lease);
    assert_int_equal(lease->attempt, 1);
    assert_int_equal(lease->restore.ordinal, 0);
    assert_int_equal(task->r.snapshot.ordinal, 0);
    assert_int_equal(task->r.best_snapshot.ordinal, 1);
    assert_string_equal(task->r.best_node, "local");
    assert_int_equal(rig_sent_count(r, MSG_DROP), 0);
    arena_fini(&arena);
    rig_free(r);
}

static void test_trial_on_its_own_node_goes_on_from_its_snapshot(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    struct snapshot_ref snapshot = {.ordinal = 1, .step = 1};
    rig_event(
        r, (struct node_event){.kind = EVENT_SNAPSHOT, .task = rig_id(1, 1), .snapshot = snapshot});
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 75, 0);
    rig_sent_clear(r);
    r->now += 1000;
    on_tick(r->core, r->now);
    rig_result(r, rig_id(1, 2), 0, CAUSE_EXIT, 0, 0);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_non_null(lease);
    assert_int_equal(lease->restore.ordinal, 1);
    assert_int_equal(rig_sent_count(r, MSG_DROP), 0);
    arena_fini(&arena);
    rig_free(r);
}

/* It did not hear that the cluster is shut down: it is told when it comes. */
static void test_node_that_comes_while_the_cluster_leaves_is_told_to_leave(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    on_shutdown(r->core, r->now, 1, r->now + 10000);
    rig_turn(r);
    assert_int_equal(sent_to(r, RIG_PEER, MSG_LEAVE), 1);
    other_enrol(r);
    assert_int_equal(sent_to(r, OTHER_PEER, MSG_LEAVE), 1);
    assert_int_equal(sent_to(r, OTHER_PEER, MSG_REFUSED), 0);
    assert_int_equal(sent_to(r, OTHER_PEER, MSG_WELCOME), 0);
    rig_free(r);
}

/* The head's own standing still is nobody's silence, and nobody is judged before his word is read.
 */
static void test_node_is_judged_by_its_own_silence_once_all_is_read(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    const struct node *node = core_node_find(r->core, "local");
    r->now += 2 * CORE_NODE_TIMEOUT_MS;
    core_time(r->core, r->now, 2 * CORE_NODE_TIMEOUT_MS, false);
    assert_int_equal(node->r.state, NODE_ALIVE);
    assert_true(node->heard <= r->now);
    r->now += CORE_NODE_TIMEOUT_MS + 1000;
    core_time(r->core, r->now, 0, true);
    assert_int_equal(node->r.state, NODE_ALIVE);
    core_time(r->core, r->now, 0, false);
    assert_int_equal(node->r.state, NODE_GONE);
    rig_turn(r);
    rig_free(r);
}

/* Heard of in the very turn that learns of the gap: it is not heard of in the future. */
static void test_node_that_spoke_after_a_gap_has_no_more_time_than_others(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    r->now += 50000;
    struct msg_heartbeat heartbeat = {.incarnation = RIG_INCARNATION};
    on_heartbeat(r->core, r->now, RIG_PEER, &heartbeat);
    core_time(r->core, r->now, 50000, false);
    r->now += CORE_NODE_TIMEOUT_MS + 1000;
    core_time(r->core, r->now, 0, false);
    assert_int_equal(core_node_find(r->core, "local")->r.state, NODE_GONE);
    rig_turn(r);
    rig_free(r);
}

/* Few speak each second. Of many, some speak in the same moment: their next ones fall on the same
 * points of the head's clock, from wherever they are asked. */
static void test_heartbeats_of_many_nodes_come_seldom_and_together(void **state)
{
    (void)state;
    assert_int_equal(core_heartbeat(12345, 1).interval_ms, CORE_HEARTBEAT_MIN_MS);
    assert_int_equal(core_heartbeat(12345, 1).in_ms, CORE_HEARTBEAT_MIN_MS);
    for (uint64_t agents = CORE_HEARTBEATS_TOGETHER; agents < 100000; agents += 1 + agents / 7) {
        int64_t interval = core_heartbeat(0, agents).interval_ms;
        assert_in_range(interval, 1, CORE_HEARTBEAT_MAX_MS);
        assert_true(interval * 3 > CORE_HEARTBEAT_MIN_MS * 2);
        int64_t moments[CORE_HEARTBEAT_MAX_MS + 1] = {0};
        int64_t n = 0;
        for (time_ms now = 1000000; now < 1000000 + interval; now++) {
            struct core_heartbeat next = core_heartbeat(now, agents);
            assert_int_equal(next.interval_ms, interval);
            assert_in_range(next.in_ms, 1, interval);
            n += moments[(now + next.in_ms) % interval]++ == 0;
        }
        assert_true(n <= (int64_t)(agents / CORE_HEARTBEATS_TOGETHER) || n == interval);
    }
    assert_int_equal(core_heartbeat(0, 200).interval_ms, CORE_HEARTBEAT_MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trial_whose_node_is_gone_starts_elsewhere_from_nothing),
        cmocka_unit_test(test_trial_on_its_own_node_goes_on_from_its_snapshot),
        cmocka_unit_test(test_node_that_comes_while_the_cluster_leaves_is_told_to_leave),
        cmocka_unit_test(test_node_is_judged_by_its_own_silence_once_all_is_read),
        cmocka_unit_test(test_node_that_spoke_after_a_gap_has_no_more_time_than_others),
        cmocka_unit_test(test_heartbeats_of_many_nodes_come_seldom_and_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
