/* A node that leaves: what only it has goes to other nodes first, and its agent hears when it may
 * go. */
#include "two_nodes.h"

enum { DEADLINE_MS = 25000 };

static void tick(struct rig *r, int64_t ms)
{
    for (; ms > 0; ms -= 250) {
        r->now += 250;
        on_heartbeat(r->core, r->now, RIG_PEER,
                     &(struct msg_heartbeat){.incarnation = RIG_INCARNATION});
        on_heartbeat(r->core, r->now, OTHER_PEER,
                     &(struct msg_heartbeat){.incarnation = OTHER_INCARNATION});
        core_time(r->core, r->now, 0, false);
        rig_turn(r);
    }
}

/* Trials run on `local`; `other`, which has no room for any, comes after them. */
static struct rig *drain_rig_of(const char *sweep, const char *checkpoints, int other_cpus)
{
    struct rig *r = rig_new();
    char file[1024];
    snprintf(file, sizeof file, "%slimits: {concurrency: 1}\ncheckpoints: {%s}\n", sweep,
             checkpoints);
    other_events = 0;
    node_enrol(r, false, 1);
    rig_submit(r, file, NULL);
    rig_started(r, rig_id(1, 1), 0);
    if (other_cpus >= 0) {
        node_enrol(r, true, other_cpus);
    }
    return r;
}

static struct rig *drain_rig(const char *checkpoints, int other_cpus)
{
    return drain_rig_of(rig_sweep, checkpoints, other_cpus);
}

static void told_to_leave(struct rig *r, int64_t leaves_in_ms)
{
    rig_sent_clear(r);
    rig_event(r, (struct node_event){.kind = EVENT_DRAINING, .leaves_in_ms = leaves_in_ms});
}

static const struct msg_owed *owed_last(struct rig *r, struct arena *arena)
{
    arena_reset(arena);
    return rig_sent_last(r, MSG_OWED, arena);
}

static const char *notice_with(const struct rig *r, const char *text)
{
    for (unsigned i = 0; i < r->n_sent; i++) {
        if (r->sent[i].kind == HEAD_NOTICE && strstr(r->sent[i].body, text) != NULL) {
            return r->sent[i].body;
        }
    }
    return NULL;
}

static void test_leaving_node_is_let_go_once_other_nodes_have_what_it_alone_had(void **state)
{
    (void)state;
    struct rig *r = drain_rig("keep: {trial_best: 0}", 0);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    saved(r, 1, 1, 4);
    told_to_leave(r, DEADLINE_MS);
    tick(r, 1000);
    assert_null(owed_last(r, &arena)); /* something runs there yet */
    assert_int_equal(rig_sent_count(r, MSG_KEEP), 1);
    rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 0, 0);
    tick(r, 250);
    const struct msg_owed *owed = owed_last(r, &arena);
    assert_non_null(owed);
    assert_int_equal(owed->n_snapshots, 1);
    assert_string_equal(owed->text, "1 snapshot: 1.1 (step 4)");
    tick(r, 1000);
    assert_int_equal(rig_sent_count(r, MSG_OWED), 1); /* nothing has changed */
    copied(r, rig_id(1, 1), 1);
    tick(r, 250);
    owed = owed_last(r, &arena);
    assert_int_equal(owed->n_snapshots, 0);
    assert_int_equal(owed->n_stranded, 0);
    tick(r, DEADLINE_MS);
    assert_null(notice_with(r, "no other node has"));
    assert_string_equal(rig_task(r, rig_id(1, 1))->r.safe_node, "other");
    arena_fini(&arena);
    rig_free(r);
}

static void test_leaving_node_that_connects_anew_is_told_again(void **state)
{
    (void)state;
    struct rig *r = drain_rig("keep: {trial_best: 0}", 0);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    saved(r, 1, 1, 4);
    told_to_leave(r, DEADLINE_MS);
    rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 0, 0);
    tick(r, 500);
    copied(r, rig_id(1, 1), 1);
    tick(r, 250);
    rig_restart(r);
    rig_sent_clear(r);
    struct msg_enrol msg = {
        RIG_AGENT,           .node = "local",           .incarnation = RIG_INCARNATION,
        .cpus = AMOUNT_ONE,  .lender = "tcp://local:1", .lender_key = "key",
        .is_draining = true, .leaves_in_ms = 20000,     .first_event = r->event + 1};
    on_enrol(r->core, r->now, RIG_PEER, &msg);
    rig_turn(r);
    tick(r, 250);
    const struct msg_owed *owed = owed_last(r, &arena);
    assert_non_null(owed);
    assert_int_equal(owed->n_snapshots, 0);
    arena_fini(&arena);
    rig_free(r);
}

static void test_best_snapshot_of_a_trial_leaves_with_the_last_one(void **state)
{
    (void)state;
    struct rig *r = drain_rig("keep: {trial_best: 1}", 0);
    const struct task *task = rig_task(r, rig_id(1, 1));
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, 1, 0.1, 0);
    saved(r, 1, 1, 1);
    saved(r, 1, 2, 2);
    assert_int_equal(task->r.best_snapshot.ordinal, 1);
    told_to_leave(r, DEADLINE_MS);
    rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 0, 0);
    tick(r, 500);
    assert_int_equal(owed_last(r, &arena)->n_snapshots, 2);
    copied(r, rig_id(1, 1), 2);
    tick(r, 500);
    assert_int_equal(owed_last(r, &arena)->n_snapshots, 1);
    assert_string_equal(task->r.best_node, "local");
    copied(r, rig_id(1, 1), 1);
    tick(r, 500);
    assert_int_equal(owed_last(r, &arena)->n_snapshots, 0);
    assert_string_equal(task->r.best_node, "other");
    assert_int_equal(task->r.safe_snapshot.ordinal, 2);
    arena_fini(&arena);
    rig_free(r);
}

static void test_kept_snapshots_of_a_trial_leave_with_the_last_one(void **state)
{
    (void)state;
    struct rig *r = drain_rig("keep: {trial_last: 3, trial_best: 0}", 0);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    for (uint32_t ordinal = 1; ordinal <= 3; ordinal++) {
        saved(r, 1, ordinal, ordinal);
    }
    told_to_leave(r, DEADLINE_MS);
    rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 0, 0);
    for (uint32_t n = 3; n > 0; n--) {
        tick(r, 500);
        assert_int_equal(owed_last(r, &arena)->n_snapshots, n);
        copied(r, rig_id(1, 1), n == 3 ? 3 : 3 - n); /* the last one first */
    }
    tick(r, 500);
    assert_int_equal(owed_last(r, &arena)->n_snapshots, 0);
    rig_restart(r);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.n_kept, 2);
    assert_string_equal(task->r.kept[0].node, "other");
    assert_string_equal(task->r.kept[1].node, "other");
    assert_string_equal(task->r.safe_node, "other");
    arena_fini(&arena);
    rig_free(r);
}

/* Its last, its best and the one between them; the other trial is none of the best. */
static void test_ended_sweep_takes_what_its_best_trials_keep_off_a_node_that_leaves(void **state)
{
    (void)state;
    static const char two[] = "name: two\ncommand: [train]\nmetric: {name: loss}\n"
                              "parameters: {lr: {min: 0.1, max: 0.9}}\nstop: {trials: 2}\n";
    struct rig *r = drain_rig_of(two, "keep: {trial_last: 2, trial_best: 1, sweep_best: 1}", 0);
    const struct task *task = rig_task(r, rig_id(1, 1));
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    for (uint32_t ordinal = 1; ordinal <= 3; ordinal++) {
        saved(r, 1, ordinal, ordinal);
        rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, ordinal, 0.1 * ordinal, 0);
    }
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 0, 0);
    rig_started(r, rig_id(1, 2), 0);
    rig_report_event(r, EVENT_ROWS, rig_id(1, 2), 0, 1, 0.9, 0);
    rig_result(r, rig_id(1, 2), 0, CAUSE_EXIT, 0, 0);
    assert_int_equal(core_work_find(r->core, 1)->n_active, 0);
    told_to_leave(r, DEADLINE_MS);
    for (uint32_t n = 3; n > 0; n--) {
        tick(r, 500);
        assert_int_equal(owed_last(r, &arena)->n_snapshots, n);
        copied(r, rig_id(1, 1), n == 3 ? 1 : n == 2 ? 3 : 2);
    }
    tick(r, 500);
    assert_int_equal(owed_last(r, &arena)->n_snapshots, 0);
    assert_string_equal(task->r.best_node, "other");
    assert_string_equal(task->r.snapshot_node, "other");
    assert_string_equal(task->r.kept[0].node, "other");
    arena_fini(&arena);
    rig_free(r);
}

static void test_leaving_node_does_not_wait_where_nobody_can_take_it(void **state)
{
    (void)state;
    for (int is_cordoned = 0; is_cordoned < 2; is_cordoned++) {
        struct arena arena;
        arena_init(&arena, MSG_ARENA_MAX_BYTES);
        struct rig *r = drain_rig("keep: {trial_best: 0}", is_cordoned ? 0 : -1);
        if (is_cordoned) {
            const struct node_verb verb = {.kind = NODE_VERB_CORDON};
            on_node_verb(r->core, r->now, 77, "other", &verb);
            rig_turn(r);
        }
        saved(r, 1, 1, 4);
        told_to_leave(r, DEADLINE_MS);
        rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 0, 0);
        tick(r, 500);
        const struct msg_owed *owed = owed_last(r, &arena);
        assert_int_equal(owed->n_snapshots, 0);
        assert_int_equal(owed->n_stranded, 1);
        assert_string_equal(owed->text, "1 snapshot: 1.1 (step 4)");
        arena_fini(&arena);
        rig_free(r);
    }
}

static void test_what_was_not_copied_by_the_deadline_is_told_once(void **state)
{
    (void)state;
    struct rig *r = drain_rig("keep: {trial_best: 0}", 0);
    saved(r, 1, 1, 4);
    told_to_leave(r, DEADLINE_MS);
    rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 0, 0);
    tick(r, DEADLINE_MS - 500);
    assert_null(notice_with(r, "leaves at its deadline"));
    rig_sent_clear(r);
    tick(r, 1000);
    assert_non_null(notice_with(
        r, "node local leaves at its deadline, and no other node has 1 snapshot: 1.1 (step 4)"));
    rig_sent_clear(r);
    tick(r, 5000);
    assert_null(notice_with(r, "leaves at its deadline"));
    rig_free(r);
}

static void test_node_that_people_drain_says_what_it_waits_for_and_when_it_is_empty(void **state)
{
    (void)state;
    struct rig *r = drain_rig("keep: {trial_best: 0}", 0);
    const struct node_verb verb = {.kind = NODE_VERB_DRAIN};
    saved(r, 1, 1, 4);
    on_node_verb(r->core, r->now, 77, "local", &verb);
    rig_turn(r);
    rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 0, 0);
    tick(r, 3000);
    view_node(r->core, r->now, 78, "local");
    rig_turn(r);
    assert_non_null(strstr(rig_answer(r, 78)->body, "\"drain_owes\":1"));
    view_explain(r->core, r->now, 79, rig_id(1, 1));
    rig_turn(r);
    assert_non_null(
        strstr(rig_answer(r, 79)->body, "its snapshot of step 4 lies on node local alone"));
    assert_null(notice_with(r, "node local is empty"));
    assert_int_equal(rig_sent_count(r, MSG_OWED), 0); /* its agent stays */
    copied(r, rig_id(1, 1), 1);
    tick(r, 3000);
    assert_non_null(notice_with(r, "node local is empty: nothing on it is needed"));
    view_node(r->core, r->now, 80, "local");
    rig_turn(r);
    assert_non_null(strstr(rig_answer(r, 80)->body, "\"drain_owes\":0"));
    rig_free(r);
}

static void test_second_place_on_a_node_that_leaves_is_none(void **state)
{
    (void)state;
    struct rig *r = drain_rig("keep: {trial_best: 0}", 0);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    saved(r, 1, 1, 4);
    tick(r, 500);
    copied(r, rig_id(1, 1), 1);
    const struct node_verb verb = {.kind = NODE_VERB_DRAIN, .deadline_ms = 1000000};
    on_node_verb(r->core, r->now, 77, "other", &verb);
    rig_turn(r);
    told_to_leave(r, DEADLINE_MS);
    rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 0, 0);
    tick(r, 500);
    assert_int_equal(owed_last(r, &arena)->n_stranded, 1);
    arena_fini(&arena);
    rig_free(r);
}

/* Some of them in a turn: nobody is held up, and nobody is let go on half a look. */
static void test_look_at_many_trials_takes_several_turns(void **state)
{
    (void)state;
    enum { TRIALS = 1050, SWEEPS = 2 };
    static const char many[] = "name: many\n"
                               "command: [train]\n"
                               "metric: {name: loss}\n"
                               "parameters: {lr: {min: 0.1, max: 0.9}}\n"
                               "stop: {trials: 1050}\n";
    struct rig *r = rig_new();
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    other_events = 0;
    node_enrol(r, false, SWEEPS * TRIALS);
    for (uint32_t sweep = 1; sweep <= SWEEPS; sweep++) {
        assert_int_equal(rig_submit(r, many, NULL), sweep);
        rig_sent_clear(r);
    }
    rig_started(r, rig_id(1, TRIALS), 0);
    saved(r, TRIALS, 1, 4);
    node_enrol(r, true, 0);
    told_to_leave(r, DEADLINE_MS);
    for (uint32_t i = 0; i < SWEEPS * TRIALS; i++) {
        rig_result(r, rig_id(1 + i / TRIALS, 1 + i % TRIALS), 0, CAUSE_AGENT_LEFT, 0, 0);
        rig_sent_clear(r);
    }
    r->now += 250;
    core_time(r->core, r->now, 0, false);
    rig_turn(r);
    assert_null(owed_last(r, &arena));
    assert_int_equal(core_next_deadline(r->core), r->now); /* it goes on at once */
    core_time(r->core, r->now, 0, false);
    rig_turn(r);
    assert_non_null(owed_last(r, &arena));
    assert_int_equal(owed_last(r, &arena)->n_snapshots, 1);
    assert_true(core_next_deadline(r->core) > r->now);
    arena_fini(&arena);
    rig_free(r);
}

/* ---- what another trial made ---- */

static const char pair[] = "name: pair\n"
                           "command: [train]\n"
                           "metric: {name: loss}\n"
                           "parameters: {lr: {min: 0.1, max: 0.9}}\n"
                           "search: {method: random, seed: 3}\n"
                           "schedule: {type: pbt, max: 40}\n"
                           "pbt: {population: 2, interval: 4, quantile: 0.5}\n"
                           "checkpoints: {keep: {trial_best: 0}}\n";

static void test_what_an_exploit_goes_on_from_and_would_go_back_to_is_carried_off(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    other_events = 0;
    node_enrol(r, false, 2);
    assert_int_equal(rig_submit(r, pair, NULL), 1);
    for (uint32_t trial = 1; trial <= 2; trial++) {
        rig_started(r, rig_id(1, trial), 0);
        saved(r, trial, 1, 4);
    }
    rig_reached(r, 1, 4, 0.1, CAN_CHECKPOINT);
    rig_reached(r, 2, 4, 0.9, CAN_CHECKPOINT);
    saved(r, 1, 2, 8); /* the donor goes on */
    node_enrol(r, true, 0);
    const struct task *borrower = rig_task(r, rig_id(1, 2));
    told_to_leave(r, DEADLINE_MS);
    rig_event(r, (struct node_event){.kind = EVENT_RESULT,
                                     .task = borrower->r.id,
                                     .result = {.cause = CAUSE_TOLD,
                                                .handed = borrower->r.order.n,
                                                .has_started = true}});
    rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 0, 0);
    assert_int_equal(borrower->r.state, TASK_QUEUED);
    assert_int_equal(borrower->r.snapshot.owner, 1);
    tick(r, 500);
    assert_int_equal(owed_last(r, &arena)->n_snapshots, 3); /* and what it would go back to */
    assert_int_equal(rig_sent_count(r, MSG_KEEP), 2);
    on_snapshot_get(
        r->core, OTHER_PEER,
        &(struct msg_snapshot_get){{rig_id(1, 1), 1}, {(const uint8_t *)"0123456789abcdef", 16}});
    rig_turn(r);
    assert_int_equal(rig_sent_count(r, MSG_LEND), 1);
    copied(r, rig_id(1, 1), 1);
    copied(r, rig_id(1, 1), 2);
    tick(r, 500);
    assert_string_equal(borrower->r.snapshot_node, "other");
    assert_int_equal(borrower->r.snapshot.ordinal, 1);
    assert_int_equal(owed_last(r, &arena)->n_snapshots, 1);
    assert_string_equal(borrower->r.own_node, "local");
    copied(r, rig_id(1, 2), 1);
    tick(r, 500);
    assert_string_equal(borrower->r.own_node, "other");
    assert_int_equal(owed_last(r, &arena)->n_snapshots, 0);
    arena_fini(&arena);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaving_node_is_let_go_once_other_nodes_have_what_it_alone_had),
        cmocka_unit_test(test_leaving_node_that_connects_anew_is_told_again),
        cmocka_unit_test(test_best_snapshot_of_a_trial_leaves_with_the_last_one),
        cmocka_unit_test(test_kept_snapshots_of_a_trial_leave_with_the_last_one),
        cmocka_unit_test(test_ended_sweep_takes_what_its_best_trials_keep_off_a_node_that_leaves),
        cmocka_unit_test(test_leaving_node_does_not_wait_where_nobody_can_take_it),
        cmocka_unit_test(test_what_was_not_copied_by_the_deadline_is_told_once),
        cmocka_unit_test(test_node_that_people_drain_says_what_it_waits_for_and_when_it_is_empty),
        cmocka_unit_test(test_second_place_on_a_node_that_leaves_is_none),
        cmocka_unit_test(test_look_at_many_trials_takes_several_turns),
        cmocka_unit_test(test_what_an_exploit_goes_on_from_and_would_go_back_to_is_carried_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
