/* Second places of snapshots: ordered, told, used when the first one is gone. */
#include "two_nodes.h"

/* Both nodes talk, unless `other` alone does. */
static void wait(struct rig *r, int64_t seconds, bool is_local_there)
{
    for (; seconds > 0; seconds--) {
        r->now += 1000;
        if (is_local_there) {
            on_heartbeat(r->core, r->now, RIG_PEER,
                         &(struct msg_heartbeat){.incarnation = RIG_INCARNATION});
        }
        on_heartbeat(r->core, r->now, OTHER_PEER,
                     &(struct msg_heartbeat){.incarnation = OTHER_INCARNATION});
        core_time(r->core, r->now, 0, false);
        rig_turn(r);
    }
}

/* One trial runs on `local`; `other` has come after it. */
static struct rig *keep_rig(const char *checkpoints)
{
    struct rig *r = rig_new();
    char file[1024];
    snprintf(file, sizeof file, "%slimits: {concurrency: 1}\ncheckpoints: {%s}\n", rig_sweep,
             checkpoints);
    other_events = 0;
    node_enrol(r, false, 1);
    rig_submit(r, file, NULL);
    rig_started(r, rig_id(1, 1), 0);
    node_enrol(r, true, 1);
    rig_sent_clear(r);
    return r;
}

static void
test_snapshot_gets_a_second_place_and_the_trial_goes_on_there_when_its_node_is_gone(void **state)
{
    (void)state;
    struct rig *r = keep_rig("keep: {trial_best: 0}");
    const struct task *task = rig_task(r, rig_id(1, 1));
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    saved(r, 1, 1, 4);
    wait(r, 2, true);
    const struct msg_keep *keep = rig_sent_last(r, MSG_KEEP, &arena);
    assert_non_null(keep);
    assert_int_equal(rig_sent_count(r, MSG_KEEP), 1);
    assert_int_equal(keep->snapshots[0].ordinal, 1);
    on_snapshot_get(
        r->core, OTHER_PEER,
        &(struct msg_snapshot_get){{rig_id(1, 1), 1}, {(const uint8_t *)"0123456789abcdef", 16}});
    rig_turn(r);
    assert_int_equal(rig_sent_count(r, MSG_LEND), 1);
    saved(r, 1, 2, 8); /* meanwhile: the first stays until it is copied */
    assert_int_equal(rig_sent_count(r, MSG_DROP), 0);
    copied(r, rig_id(1, 1), 1);
    assert_string_equal(task->r.safe_node, "other");
    assert_int_equal(task->r.safe_snapshot.step, 4);
    assert_int_equal(rig_sent_count(r, MSG_DROP), 1); /* on `local` */
    wait(r, 2, true);
    assert_int_equal(rig_sent_count(r, MSG_KEEP), 2);
    /* The node goes before the second one is copied. */
    rig_sent_clear(r);
    wait(r, 60, false);
    arena_reset(&arena);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_non_null(lease);
    assert_int_equal(lease->restore.ordinal, 1);
    assert_int_equal(lease->restore.step, 4);
    assert_int_equal(lease->last_ordinal, 2 + SNAPSHOTS_UNTOLD_MAX);
    assert_string_equal(task->r.snapshot_node, "other");
    arena_fini(&arena);
    rig_free(r);
}

static void test_second_place_is_the_files_choice_and_needs_a_second_node(void **state)
{
    (void)state;
    struct rig *r = keep_rig("store: node");
    saved(r, 1, 1, 4);
    wait(r, 5, true);
    assert_int_equal(rig_sent_count(r, MSG_KEEP), 0);
    rig_free(r);

    r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    saved(r, 1, 1, 4);
    for (int i = 0; i < 5; i++) {
        r->now += 1000;
        on_heartbeat(r->core, r->now, RIG_PEER,
                     &(struct msg_heartbeat){.incarnation = RIG_INCARNATION});
        core_time(r->core, r->now, 0, false);
        rig_turn(r);
    }
    assert_int_equal(rig_sent_count(r, MSG_KEEP), 0);
    rig_free(r);
}

static void test_copy_that_does_not_come_is_given_up_and_what_it_was_of_is_dropped(void **state)
{
    (void)state;
    struct rig *r = keep_rig("keep: {trial_best: 0}");
    saved(r, 1, 1, 4);
    wait(r, 2, true);
    assert_int_equal(rig_sent_count(r, MSG_KEEP), 1);
    saved(r, 1, 2, 8);
    rig_sent_clear(r);
    wait(r, 305, true);
    assert_int_equal(rig_sent_count(r, MSG_KEEP), 1); /* of the second one */
    assert_int_equal(rig_sent_count(r, MSG_DROP), 2); /* the first, on both */
    copied(r, rig_id(1, 1), 1);                       /* too late */
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.safe_snapshot.ordinal, 0);
    copied(r, rig_id(1, 1), 2);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.safe_snapshot.ordinal, 2);
    rig_free(r);
}

/* The node was told to drop it when the first order was given up, and it is ordered there anew. */
static void test_word_of_a_copy_that_was_given_up_is_not_taken_for_the_next_one(void **state)
{
    (void)state;
    struct rig *r = keep_rig("keep: {trial_best: 0}");
    saved(r, 1, 1, 4);
    wait(r, 2, true);
    const struct task *task = rig_task(r, rig_id(1, 1));
    uint64_t first = task->keep_number;
    wait(r, 305, true);
    assert_non_null(task->keeper);
    assert_true(task->keep_number > first);
    struct node_event event = {.number = ++other_events,
                               .kind = EVENT_COPIED,
                               .task = task->r.id,
                               .snapshot = {.ordinal = 1},
                               .keep = first};
    on_events(r->core, r->now, OTHER_PEER, &(struct msg_events){OTHER_INCARNATION, &event, 1});
    rig_turn(r);
    assert_int_equal(task->r.safe_snapshot.ordinal, 0);
    copied(r, task->r.id, 1);
    assert_int_equal(task->r.safe_snapshot.ordinal, 1);
    rig_free(r);
}

static void test_second_place_takes_over_when_the_first_is_found_damaged(void **state)
{
    (void)state;
    struct rig *r = keep_rig("keep: {trial_best: 0}");
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    saved(r, 1, 1, 4);
    wait(r, 2, true);
    copied(r, rig_id(1, 1), 1);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 75, 0);
    rig_sent_clear(r);
    wait(r, 3, true);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_non_null(lease);
    assert_int_equal(lease->restore.ordinal, 1);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_string_equal(task->r.snapshot_node, "local");
    rig_event(r, (struct node_event){.kind = EVENT_RESULT,
                                     .task = rig_id(1, 1),
                                     .attempt = 1,
                                     .result = {.cause = CAUSE_CANNOT_START,
                                                .reason = "damaged",
                                                .is_restore_lost = true}});
    rig_sent_clear(r);
    wait(r, 3, true);
    assert_int_equal(task->r.state, TASK_LEASED);
    assert_int_equal(task->r.snapshot.ordinal, 1);
    assert_string_equal(task->r.snapshot_node, "other");
    assert_int_equal(task->r.failures, 0);
    arena_fini(&arena);
    rig_free(r);
}

/* `local` is cut off, and has saved. The trial is begun again elsewhere, saves, and `local` comes
 * back: what it is to keep a copy of is not what it has. */
static void test_commit_that_was_not_told_has_no_number_of_a_later_attempts(void **state)
{
    (void)state;
    struct rig *r = keep_rig("keep: {trial_best: 0}");
    const struct task *task = rig_task(r, rig_id(1, 1));
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    wait(r, 60, false);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_non_null(lease);
    assert_int_equal(lease->attempt, 1);
    uint32_t ordinal = lease->last_ordinal + 1;
    other_event(
        r, (struct node_event){.kind = EVENT_STARTED, .task = task->r.id, .attempt = 1, .pid = 9});
    other_event(r, (struct node_event){
                       .kind = EVENT_SNAPSHOT,
                       .task = task->r.id,
                       .attempt = 1,
                       .snapshot = {.ordinal = ordinal, .step = 4, .attempt = 1, .bytes = 100}});
    assert_string_equal(task->r.snapshot_node, "other");
    node_enrol(r, false, 1);
    rig_sent_clear(r);
    wait(r, 2, true);
    arena_reset(&arena);
    const struct msg_keep *keep = rig_sent_last(r, MSG_KEEP, &arena);
    assert_non_null(keep);
    assert_int_equal(keep->snapshots[0].ordinal, ordinal);
    rig_event(r, (struct node_event){.kind = EVENT_SNAPSHOT,
                                     .task = task->r.id,
                                     .snapshot = {.ordinal = 1, .step = 3}});
    arena_reset(&arena);
    const struct msg_drop *drop = rig_sent_last(r, MSG_DROP, &arena);
    assert_non_null(drop);
    assert_int_equal(drop->snapshots[0].ordinal, 1);
    assert_int_equal(task->r.snapshot.ordinal, ordinal);
    assert_non_null(task->keeper);
    arena_fini(&arena);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_snapshot_gets_a_second_place_and_the_trial_goes_on_there_when_its_node_is_gone),
        cmocka_unit_test(test_second_place_is_the_files_choice_and_needs_a_second_node),
        cmocka_unit_test(test_copy_that_does_not_come_is_given_up_and_what_it_was_of_is_dropped),
        cmocka_unit_test(test_word_of_a_copy_that_was_given_up_is_not_taken_for_the_next_one),
        cmocka_unit_test(test_commit_that_was_not_told_has_no_number_of_a_later_attempts),
        cmocka_unit_test(test_second_place_takes_over_when_the_first_is_found_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
