/* What lies on a node and is nobody's: each case in which a node has a snapshot that no record
 * names any more, or never did, ends with the word to drop it. */
#include "rig.h"

enum { OTHER_PEER = RIG_PEER + 1, OTHER_INCARNATION = RIG_INCARNATION + 1 };

static const char file[] = "name: one\ncommand: [train]\nmetric: {name: loss}\n"
                           "parameters: {lr: {min: 0.1, max: 0.9}}\nstop: {trials: 1}\n"
                           "retries: {backoff: 1s}\ncheckpoints: {keep: {trial_best: 0}}\n";

static uint64_t other_events;

static void enrol(struct rig *r, bool is_other, const struct running_ref *running,
                  const struct snapshot_name *snapshots, uint32_t n)
{
    struct msg_enrol msg = {RIG_AGENT,
                            .node = is_other ? "other" : "local",
                            .incarnation = is_other ? OTHER_INCARNATION : RIG_INCARNATION,
                            .cpus = AMOUNT_ONE,
                            .lender = is_other ? "tcp://other:1" : "tcp://local:1",
                            .lender_key = "key",
                            .running = running,
                            .n_running = running != NULL,
                            .snapshots = snapshots,
                            .n_snapshots = n,
                            .first_event = (is_other ? other_events : r->event) + 1};
    on_enrol(r->core, r->now, is_other ? OTHER_PEER : RIG_PEER, &msg);
    rig_turn(r);
}

static void saved(struct rig *r, uint32_t attempt, uint32_t ordinal)
{
    rig_event(r, (struct node_event){.kind = EVENT_SNAPSHOT,
                                     .task = rig_id(1, 1),
                                     .attempt = attempt,
                                     .snapshot = {.ordinal = ordinal, .step = ordinal}});
}

static void copied_to_other(struct rig *r, uint32_t ordinal)
{
    const struct task *task = core_task_find(r->core, rig_id(1, 1));
    struct node_event event = {.number = ++other_events,
                               .kind = EVENT_COPIED,
                               .task = rig_id(1, 1),
                               .snapshot = {.ordinal = ordinal},
                               .keep =
                                   task != NULL && task->keeper != NULL ? task->keep_number : 0};
    on_events(r->core, r->now, OTHER_PEER, &(struct msg_events){OTHER_INCARNATION, &event, 1});
    rig_turn(r);
}

static void wait(struct rig *r, int64_t seconds)
{
    for (; seconds > 0; seconds--) {
        r->now += 1000;
        on_heartbeat(r->core, r->now, RIG_PEER,
                     &(struct msg_heartbeat){.incarnation = RIG_INCARNATION});
        on_heartbeat(r->core, r->now, OTHER_PEER,
                     &(struct msg_heartbeat){.incarnation = OTHER_INCARNATION});
        core_time(r->core, r->now, 0, false);
        rig_turn(r);
    }
}

static struct rig *one_rig(void)
{
    struct rig *r = rig_new();
    other_events = 0;
    enrol(r, false, NULL, NULL, 0);
    assert_int_equal(rig_submit(r, file, NULL), 1);
    rig_started(r, rig_id(1, 1), 0);
    rig_sent_clear(r);
    return r;
}

/* Told to drop this one of trial 1.1, on this node, so often. */
static uint32_t drops(const struct rig *r, uint64_t peer, uint32_t ordinal)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < r->n_sent; i++) {
        const struct rig_sent *sent = &r->sent[i];
        struct arena arena;
        message_type type;
        void *message;
        if (sent->kind != HEAD_SEND || sent->type != MSG_DROP || sent->peer != peer) {
            continue;
        }
        arena_init(&arena, MSG_ARENA_MAX_BYTES);
        assert_int_equal(message_decode((struct bytes){(uint8_t *)sent->body, sent->len}, &arena,
                                        &type, &message, NULL),
                         OK);
        const struct msg_drop *drop = message;
        assert_int_equal(drop->n_snapshots, 1);
        n += drop->snapshots[0].ordinal == ordinal;
        arena_fini(&arena);
    }
    return n;
}

static void test_snapshot_that_an_attempt_which_is_over_tells_of_is_dropped(void **state)
{
    (void)state;
    struct rig *r = one_rig();
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 75, 0);
    saved(r, 0, 1);
    assert_int_equal(drops(r, RIG_PEER, 1), 1);
    wait(r, 3);
    rig_started(r, rig_id(1, 1), 1);
    saved(r, 0, 2); /* the next attempt may have made one of that number there */
    assert_int_equal(drops(r, RIG_PEER, 2), 0);
    saved(r, 1, 3);
    assert_int_equal(drops(r, RIG_PEER, 3), 0);
    rig_free(r);
}

static void
test_snapshot_newer_than_the_record_stays_only_for_an_attempt_that_is_there(void **state)
{
    (void)state;
    const struct snapshot_name name = {rig_id(1, 1), 1};
    const struct running_ref running = {rig_id(1, 1), 0, 1};
    struct rig *r = one_rig();
    enrol(r, false, &running, &name, 1); /* its event is on its way */
    assert_int_equal(drops(r, RIG_PEER, 1), 0);
    enrol(r, false, NULL, &name, 1); /* the lease has not come there: it is another attempt's */
    assert_int_equal(drops(r, RIG_PEER, 1), 1);
    rig_free(r);
}

static void test_damaged_copy_is_dropped_where_the_trial_is_leased_to_again(void **state)
{
    (void)state;
    struct rig *r = one_rig();
    saved(r, 0, 1);
    enrol(r, true, NULL, NULL, 0);
    wait(r, 2);
    copied_to_other(r, 1);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 75, 0);
    wait(r, 3);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_string_equal(task->r.node, "local");
    rig_sent_clear(r);
    rig_event(r, (struct node_event){.kind = EVENT_RESULT,
                                     .task = rig_id(1, 1),
                                     .attempt = 1,
                                     .result = {.cause = CAUSE_CANNOT_START,
                                                .reason = "damaged",
                                                .is_restore_lost = true}});
    assert_true(drops(r, RIG_PEER, 1) > 0);
    assert_int_equal(drops(r, OTHER_PEER, 1), 0);
    assert_string_equal(task->r.snapshot_node, "other");
    rig_free(r);
}

/* It ran where its second place was, so that nothing had to be fetched; the second place moves on
 * meanwhile, and the trial leaves. */
static void
test_place_that_was_used_for_another_ones_sake_is_dropped_when_the_trial_leaves(void **state)
{
    (void)state;
    struct rig *r = one_rig();
    saved(r, 0, 1);
    enrol(r, true, NULL, NULL, 0);
    wait(r, 2);
    copied_to_other(r, 1);
    on_node_verb(r->core, r->now, 800, "local",
                 &(struct node_verb){.kind = NODE_VERB_CORDON, .reason = ""});
    rig_turn(r);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 75, 0);
    wait(r, 3);
    struct task *task = core_task_find(r->core, rig_id(1, 1));
    assert_string_equal(task->r.node, "other");
    assert_string_equal(task->r.snapshot_node, "local");
    core_snapshot_set(r->core, task, &task->r.safe_snapshot, &task->r.safe_node,
                      (struct snapshot_ref){0}, NULL);
    rig_turn(r);
    assert_int_equal(drops(r, OTHER_PEER, 1), 0); /* it goes on from there */
    core_task_lost(r->core, r->now, task, "for the test", r->now);
    rig_turn(r);
    assert_int_equal(drops(r, OTHER_PEER, 1), 1);
    assert_int_equal(drops(r, RIG_PEER, 1), 0);
    rig_free(r);
}

/* While the next attempt runs there it may be one of its own, on its way; its next one tells. */
static void test_commit_that_an_earlier_start_never_told_goes_with_the_next_number(void **state)
{
    (void)state;
    struct rig *r = one_rig();
    const struct running_ref running = {rig_id(1, 1), 0, 1};
    const struct snapshot_name untold = {rig_id(1, 1), 1};
    enrol(r, false, &running, &untold, 1);
    assert_int_equal(drops(r, RIG_PEER, 1), 0);
    saved(r, 0, 2);
    assert_int_equal(drops(r, RIG_PEER, 1), 1);
    assert_int_equal(drops(r, RIG_PEER, 2), 0);
    rig_sent_clear(r);
    saved(r, 0, 1000); /* not for each number in between */
    assert_int_equal(drops(r, RIG_PEER, 999), 1);
    assert_true(rig_sent_count(r, MSG_DROP) < 20);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_that_an_attempt_which_is_over_tells_of_is_dropped),
        cmocka_unit_test(
            test_snapshot_newer_than_the_record_stays_only_for_an_attempt_that_is_there),
        cmocka_unit_test(test_damaged_copy_is_dropped_where_the_trial_is_leased_to_again),
        cmocka_unit_test(
            test_place_that_was_used_for_another_ones_sake_is_dropped_when_the_trial_leaves),
        cmocka_unit_test(test_commit_that_an_earlier_start_never_told_goes_with_the_next_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
