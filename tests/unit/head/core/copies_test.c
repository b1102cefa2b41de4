/* Snapshots that are needed on another node than the one where they lie: who may have which, from
 * where, and when the place in the record changes. */
#include "two_nodes.h"

static const uint8_t pass[PASS_BYTES] = {7, 7, 7};

static void ask(struct rig *r, uint64_t peer, struct snapshot_name name)
{
    rig_sent_clear(r);
    on_snapshot_get(r->core, peer, &(struct msg_snapshot_get){name, {pass, PASS_BYTES}});
    rig_turn(r);
}

static const struct msg_source *source(struct rig *r, struct arena *arena)
{
    arena_reset(arena);
    const struct msg_source *message = rig_sent_last(r, MSG_SOURCE, arena);
    assert_non_null(message);
    return message;
}

/* Trial 1.1 saved snapshot 2 on `local`, which drains, and was leased to `other`. */
static struct rig *moved_rig(void)
{
    struct rig *r = rig_new();
    char file[1024];
    snprintf(file, sizeof file,
             "%slimits: {concurrency: 1}\ncheckpoints: {keep: {trial_best: 0}}\n", rig_sweep);
    other_events = 0;
    node_enrol(r, false, 1);
    rig_submit(r, file, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_event(r, (struct node_event){.kind = EVENT_SNAPSHOT,
                                     .task = rig_id(1, 1),
                                     .snapshot = {.ordinal = 2, .step = 5}});
    rig_event(r, (struct node_event){.kind = EVENT_DRAINING});
    rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 0, 0);
    node_enrol(r, true, 1);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_non_null(lease);
    assert_int_equal(lease->restore.ordinal, 2);
    assert_int_equal(lease->last_ordinal, 2);
    arena_fini(&arena);
    return r;
}

static void test_snapshot_moves_with_its_trial_and_the_old_place_is_dropped(void **state)
{
    (void)state;
    struct rig *r = moved_rig();
    struct snapshot_name name = {rig_id(1, 1), 2};
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    ask(r, OTHER_PEER, name);
    const struct msg_lend *lend = rig_sent_last(r, MSG_LEND, &arena);
    assert_non_null(lend);
    assert_int_equal(lend->name.ordinal, 2);
    assert_memory_equal(lend->pass.data, pass, PASS_BYTES);
    assert_true(lend->valid_ms > 0);
    const struct msg_source *told = source(r, &arena);
    assert_string_equal(told->error, "");
    assert_string_equal(told->node, "local");
    assert_string_equal(told->lender, "tcp://local:1");
    assert_string_equal(told->lender_key, "local-key");
    assert_string_equal(rig_task(r, rig_id(1, 1))->r.snapshot_node, "local");
    rig_sent_clear(r);
    other_event(r, (struct node_event){
                       .kind = EVENT_COPIED, .task = name.task, .snapshot = {.ordinal = 2}});
    /* A word to drop it may be under way, of an attempt before; one that has started has it. */
    assert_string_equal(rig_task(r, rig_id(1, 1))->r.snapshot_node, "local");
    assert_int_equal(rig_sent_count(r, MSG_DROP), 0);
    other_event(
        r, (struct node_event){.kind = EVENT_STARTED, .task = name.task, .attempt = 1, .pid = 4});
    assert_string_equal(rig_task(r, rig_id(1, 1))->r.snapshot_node, "other");
    arena_reset(&arena);
    const struct msg_drop *drop = rig_sent_last(r, MSG_DROP, &arena);
    assert_non_null(drop);
    assert_int_equal(rig_sent_count(r, MSG_DROP), 1);
    assert_int_equal(drop->snapshots[0].ordinal, 2);
    ask(r, OTHER_PEER, name); /* nobody else has it now */
    assert_true(source(r, &arena)->is_lost);
    arena_fini(&arena);
    rig_free(r);
}

static void test_snapshot_is_not_told_to_a_node_whose_trials_do_not_need_it(void **state)
{
    (void)state;
    struct rig *r = moved_rig();
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct snapshot_name wrong[] = {
        {rig_id(1, 1), 1}, {rig_id(1, 2), 1}, {rig_id(9, 1), 2}, {rig_id(1, 1), 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ask(r, OTHER_PEER, wrong[i]);
        assert_int_equal(rig_sent_count(r, MSG_LEND), 0);
        assert_true(source(r, &arena)->is_lost);
    }
    rig_sent_clear(r);
    on_snapshot_get(r->core, OTHER_PEER,
                    &(struct msg_snapshot_get){{rig_id(1, 1), 2}, {pass, PASS_BYTES - 1}});
    on_snapshot_get(r->core, 4711, &(struct msg_snapshot_get){{rig_id(1, 1), 2}, {pass, 16}});
    rig_turn(r);
    assert_int_equal(rig_sent_count(r, MSG_LEND), 0);
    arena_fini(&arena);
    rig_free(r);
}

static void test_snapshot_that_came_too_late_is_dropped_again(void **state)
{
    (void)state;
    struct rig *r = moved_rig();
    other_event(r, (struct node_event){.kind = EVENT_DRAINING});
    other_event(r, (struct node_event){.kind = EVENT_RESULT,
                                       .task = rig_id(1, 1),
                                       .attempt = 1,
                                       .result = {.cause = CAUSE_REFUSED, .reason = ""}});
    /* It waits for a node, and its snapshot lies where it lay. */
    rig_sent_clear(r);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_null(task->node);
    other_event(r, (struct node_event){
                       .kind = EVENT_COPIED, .task = rig_id(1, 1), .snapshot = {.ordinal = 2}});
    assert_int_equal(rig_sent_count(r, MSG_DROP), 1);
    assert_string_equal(task->r.snapshot_node, "local");
    assert_int_equal(task->r.snapshot.ordinal, 2);
    rig_sent_clear(r);
    other_event(r, (struct node_event){
                       .kind = EVENT_COPIED, .task = rig_id(7, 1), .snapshot = {.ordinal = 2}});
    assert_int_equal(rig_sent_count(r, MSG_DROP), 1); /* of a job that is no more */
    rig_free(r);
}

static void test_holder_that_is_away_is_waited_for_and_one_that_is_gone_is_not(void **state)
{
    (void)state;
    struct rig *r = moved_rig();
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    struct snapshot_name name = {rig_id(1, 1), 2};
    struct node *local = core_node_find(r->core, "local");
    core_node_peer_set(r->core, local, 0);
    ask(r, OTHER_PEER, name);
    assert_false(source(r, &arena)->is_lost);
    assert_string_equal(source(r, &arena)->error, "node 'local', where it lies, is away");
    for (int i = 0; i < 40; i++) {
        r->now += 1000;
        on_heartbeat(r->core, r->now, OTHER_PEER,
                     &(struct msg_heartbeat){.incarnation = OTHER_INCARNATION});
        core_time(r->core, r->now, 0, false);
        rig_turn(r);
    }
    assert_int_equal(local->r.state, NODE_GONE);
    ask(r, OTHER_PEER, name);
    assert_true(source(r, &arena)->is_lost);
    assert_string_equal(source(r, &arena)->error, "no node has it any more");
    arena_fini(&arena);
    rig_free(r);
}

/* What an attempt of an agent that started anew had saved without a word is another's number by
 * now. */
static void test_number_of_a_commit_is_not_used_twice_on_two_nodes(void **state)
{
    (void)state;
    struct rig *r = moved_rig();
    other_event(r, (struct node_event){
                       .kind = EVENT_STARTED, .task = rig_id(1, 1), .attempt = 1, .pid = 5});
    other_event(r, (struct node_event){.kind = EVENT_SNAPSHOT,
                                       .task = rig_id(1, 1),
                                       .attempt = 1,
                                       .snapshot = {.ordinal = 3, .step = 6}});
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.last_ordinal, 3);
    rig_sent_clear(r);
    const struct snapshot_name there[] = {{rig_id(1, 1), 3}, {rig_id(1, 1), 4}};
    struct msg_enrol msg = {
        RIG_AGENT,          .node = "local",  .incarnation = 99,       .cpus = AMOUNT_ONE,
        .snapshots = there, .n_snapshots = 2, .agent_started = r->now, .first_event = 1};
    on_enrol(r->core, r->now, RIG_PEER + 7, &msg);
    rig_turn(r);
    assert_int_equal(rig_sent_count(r, MSG_DROP), 2);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_moves_with_its_trial_and_the_old_place_is_dropped),
        cmocka_unit_test(test_snapshot_is_not_told_to_a_node_whose_trials_do_not_need_it),
        cmocka_unit_test(test_snapshot_that_came_too_late_is_dropped_again),
        cmocka_unit_test(test_holder_that_is_away_is_waited_for_and_one_that_is_gone_is_not),
        cmocka_unit_test(test_number_of_a_commit_is_not_used_twice_on_two_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
