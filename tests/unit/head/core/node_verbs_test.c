/* cordon, drain, resume, label: durable by the node's name, whoever starts anew; and what becomes
 * of snapshots when trials move. */
#include "rig.h"

enum { OTHER_PEER = RIG_PEER + 1, OTHER_INCARNATION = RIG_INCARNATION + 1 };

static uint64_t requests = 6000;
static uint64_t other_events;

static void node_enrol(struct rig *r, bool is_other, uint64_t incarnation, bool is_draining)
{
    static const struct label_pair labels[] = {{"zone", "a"}, {"rack", "1"}};
    struct msg_enrol msg = {RIG_AGENT,
                            .node = is_other ? "other" : "local",
                            .incarnation = incarnation,
                            .cpus = AMOUNT_ONE,
                            .labels = labels,
                            .n_labels = 2,
                            .is_draining = is_draining,
                            .first_event = (is_other ? other_events : r->event) + 1};
    on_enrol(r->core, r->now, is_other ? OTHER_PEER : RIG_PEER, &msg);
    rig_turn(r);
}

static const struct rig_sent *node_verb(struct rig *r, const char *name, struct node_verb verb)
{
    on_node_verb(r->core, r->now, ++requests, name, &verb);
    rig_turn(r);
    const struct rig_sent *sent = rig_answer(r, requests);
    assert_non_null(sent);
    return sent;
}

static const struct node *node_of(const struct rig *r, const char *name)
{
    const struct node *node = core_node_find(r->core, name);
    assert_non_null(node);
    return node;
}

static const char *node_json(struct rig *r, const char *name)
{
    view_node(r->core, r->now, ++requests, name);
    rig_turn(r);
    return rig_answer(r, requests)->body;
}

static void tick(struct rig *r, int64_t ms)
{
    for (; ms > 0; ms -= 1000) {
        r->now += 1000;
        on_heartbeat(r->core, r->now, RIG_PEER,
                     &(struct msg_heartbeat){.incarnation = RIG_INCARNATION});
        on_tick(r->core, r->now);
        rig_turn(r);
    }
}

static const char one_file[] = "name: one\n"
                               "command: [train]\n"
                               "metric: {name: loss, goal: minimize}\n"
                               "parameters: {lr: {min: 0, max: 1}}\n"
                               "limits: {concurrency: 1}\n"
                               "stop: {trials: 3}\n";

static void test_cordoned_node_gets_nothing_until_it_is_resumed(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    node_enrol(r, false, RIG_INCARNATION, false);
    assert_int_equal(
        node_verb(r, "local", (struct node_verb){.kind = NODE_VERB_CORDON, .reason = "fan"})
            ->status,
        200);
    rig_submit(r, one_file, NULL);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 0);
    assert_non_null(strstr(node_json(r, "local"), "\"cordoned\":true"));
    assert_non_null(strstr(node_json(r, "local"), "\"cordon_reason\":\"fan\""));
    rig_restart(r);
    node_enrol(r, false, RIG_INCARNATION + 5, false); /* both start anew */
    assert_true(node_of(r, "local")->r.is_cordoned);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 0);
    assert_int_equal(node_verb(r, "local", (struct node_verb){.kind = NODE_VERB_RESUME})->status,
                     200);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 1);
    assert_int_equal(node_verb(r, "none", (struct node_verb){.kind = NODE_VERB_RESUME})->status,
                     404);
    rig_free(r);
}

static void test_drained_node_keeps_what_runs_until_the_deadline_then_hands_it_back(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    node_enrol(r, false, RIG_INCARNATION, false);
    rig_submit(r, one_file, NULL);
    rig_started(r, rig_id(1, 1), 0);
    struct node_verb drain = {.kind = NODE_VERB_DRAIN, .deadline_ms = 20000, .reason = "upgrade"};
    assert_int_equal(node_verb(r, "local", drain)->status, 200);
    assert_int_equal(node_of(r, "local")->r.state, NODE_DRAINING);
    tick(r, 10000);
    assert_int_equal(rig_sent_count(r, MSG_DRAIN), 0);
    assert_non_null(strstr(node_json(r, "local"), "\"drain_left\":10"));
    assert_non_null(strstr(node_json(r, "local"), "\"drain_reason\":\"upgrade\""));
    tick(r, 11000);
    assert_int_equal(rig_sent_count(r, MSG_DRAIN), 1);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_RUNNING);
    rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 143, 0);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.state, TASK_QUEUED);
    assert_int_equal(task->r.failures + task->r.lost, 0);
    tick(r, 5000);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 1); /* nothing new comes to it */
    node_enrol(r, true, OTHER_INCARNATION, false);
    assert_int_equal(task->r.state, TASK_LEASED);
    assert_string_equal(task->r.node, "other");
    rig_free(r);
}

/* The deadline passes while head and agent are apart: it is told when it comes. */
static void test_drain_survives_head_and_agent(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    node_enrol(r, false, RIG_INCARNATION, false);
    rig_submit(r, one_file, NULL);
    rig_started(r, rig_id(1, 1), 0);
    node_verb(r, "local", (struct node_verb){.kind = NODE_VERB_DRAIN, .deadline_ms = 2000});
    rig_restart(r);
    r->now += 5000;
    struct running_ref running = {rig_id(1, 1), 0, 1};
    rig_enrol_as(r, RIG_INCARNATION, 1, &running, 1);
    assert_int_equal(node_of(r, "local")->r.state, NODE_DRAINING);
    on_tick(r->core, r->now += 300);
    rig_turn(r);
    assert_int_equal(rig_sent_count(r, MSG_DRAIN), 1);
    r->event = 0;
    node_enrol(r, false, RIG_INCARNATION + 9, false); /* its agent starts anew */
    assert_int_equal(node_of(r, "local")->r.state, NODE_DRAINING);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 0);
    assert_int_equal(node_verb(r, "local", (struct node_verb){.kind = NODE_VERB_RESUME})->status,
                     200);
    assert_int_equal(node_of(r, "local")->r.state, NODE_ALIVE);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 1);
    rig_free(r);
}

static void test_node_whose_agent_leaves_cannot_be_resumed(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    node_enrol(r, false, RIG_INCARNATION, false);
    rig_event(r, (struct node_event){.kind = EVENT_DRAINING});
    const struct rig_sent *sent =
        node_verb(r, "local", (struct node_verb){.kind = NODE_VERB_RESUME});
    assert_int_equal(sent->status, 409);
    assert_non_null(strstr(sent->body, "SIGTERM"));
    rig_free(r);
}

static void test_labels_are_seen_by_the_scheduler_at_once_and_stay(void **state)
{
    (void)state;
    char file[1024];
    struct rig *r = rig_new();
    node_enrol(r, false, RIG_INCARNATION, false);
    static const struct label_pair set[] = {{"disk", "nvme"}, {"zone", "b"}};
    static const char *const remove[] = {"rack"};
    snprintf(file, sizeof file, "%sresources: {require: [disk == nvme]}\n", one_file);
    assert_int_equal(rig_submit(r, file, NULL), 0); /* no node ever could */
    struct node_verb label = {
        .kind = NODE_VERB_LABEL, .set = set, .n_set = 2, .remove = remove, .n_remove = 1};
    assert_int_equal(node_verb(r, "local", label)->status, 200);
    assert_true(rig_submit(r, file, NULL) > 0);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 1);
    assert_non_null(strstr(node_json(r, "local"), "\"labels\":{\"disk\":\"nvme\",\"zone\":\"b\"}"));
    rig_restart(r);
    node_enrol(r, false, RIG_INCARNATION + 3, false);
    assert_non_null(strstr(node_json(r, "local"), "\"labels\":{\"disk\":\"nvme\",\"zone\":\"b\"}"));
    /* What was set is taken back; the agent's own shows again once its removal is taken back. */
    static const char *const back[] = {"zone"};
    static const struct label_pair rack[] = {{"rack", "2"}};
    label = (struct node_verb){
        .kind = NODE_VERB_LABEL, .set = rack, .n_set = 1, .remove = back, .n_remove = 1};
    assert_int_equal(node_verb(r, "local", label)->status, 200);
    assert_non_null(strstr(node_json(r, "local"), "\"labels\":{\"disk\":\"nvme\",\"rack\":\"2\"}"));
    core_check(r->core);
    rig_free(r);
}

static void test_labels_that_are_none_are_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    node_enrol(r, false, RIG_INCARNATION, false);
    static const struct label_pair bad[][2] = {{{"", "x"}, {"a", "b"}},
                                               {{"a b", "x"}, {"a", "b"}},
                                               {{"a", "x\n"}, {"c", "b"}},
                                               {{"a", "x"}, {"a", "b"}}};
    for (int i = 0; i < 4; i++) {
        struct node_verb verb = {.kind = NODE_VERB_LABEL, .set = bad[i], .n_set = 2};
        assert_int_equal(node_verb(r, "local", verb)->status, 400);
    }
    static struct label_pair many[64];
    static char names[64][8];
    for (int i = 0; i < 64; i++) {
        snprintf(names[i], sizeof names[i], "l%d", i);
        many[i] = (struct label_pair){names[i], ""};
    }
    struct node_verb verb = {.kind = NODE_VERB_LABEL, .set = many, .n_set = 64};
    assert_int_equal(node_verb(r, "local", verb)->status, 413);
    assert_int_equal(node_of(r, "local")->r.n_label_sets, 0);
    static char reason[100001];
    memset(reason, 'x', sizeof reason - 1);
    const char *const reasons[] = {reason, "a\x1b[2J", "two\nlines"};
    for (int i = 0; i < 3; i++) {
        verb = (struct node_verb){.kind = NODE_VERB_CORDON, .reason = reasons[i]};
        assert_int_equal(node_verb(r, "local", verb)->status, 400);
    }
    assert_false(node_of(r, "local")->r.is_cordoned);
    rig_free(r);
}

/* ---- snapshots ---- */

static const struct msg_lease *lease_last(struct rig *r, struct arena *arena)
{
    arena_reset(arena);
    return rig_sent_last(r, MSG_LEASE, arena);
}

/* It is fetched from the first node, to which the trial comes back before that is done. */
static void test_trial_that_goes_and_comes_back_keeps_its_snapshot(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    node_enrol(r, false, RIG_INCARNATION, false);
    rig_submit(r, one_file, NULL);
    task_id id = rig_id(1, 1);
    rig_started(r, id, 0);
    rig_event(r, (struct node_event){
                     .kind = EVENT_SNAPSHOT, .task = id, .snapshot = {.ordinal = 4, .step = 1}});
    rig_report_event(r, EVENT_ROWS, id, 0, 1, 0.5, 0);
    node_verb(r, "local", (struct node_verb){.kind = NODE_VERB_DRAIN});
    rig_result(r, id, 0, CAUSE_AGENT_LEFT, 0, 0);
    other_events = 0;
    node_enrol(r, true, OTHER_INCARNATION, false);
    assert_int_equal(lease_last(r, &arena)->restore.ordinal, 4);
    assert_string_equal(rig_task(r, id)->r.snapshot_node, "local");
    node_verb(r, "local", (struct node_verb){.kind = NODE_VERB_RESUME});
    node_verb(r, "other", (struct node_verb){.kind = NODE_VERB_DRAIN});
    struct node_event event = {.number = ++other_events,
                               .kind = EVENT_RESULT,
                               .task = id,
                               .attempt = 1,
                               .result = {.cause = CAUSE_REFUSED, .reason = ""}};
    on_events(r->core, r->now, OTHER_PEER, &(struct msg_events){OTHER_INCARNATION, &event, 1});
    rig_turn(r);
    assert_int_equal(lease_last(r, &arena)->restore.ordinal, 4);
    assert_string_equal(rig_task(r, id)->r.node, "local");
    assert_string_equal(rig_task(r, id)->r.best_node, "local");
    arena_fini(&arena);
    rig_free(r);
}

static void test_lost_snapshot_falls_back_to_the_best_and_then_to_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    node_enrol(r, false, RIG_INCARNATION, false);
    rig_submit(r, one_file, NULL);
    task_id id = rig_id(1, 1);
    rig_started(r, id, 0);
    for (uint32_t i = 1; i <= 2; i++) { /* the first is the best, the second the last */
        rig_event(r, (struct node_event){.kind = EVENT_SNAPSHOT,
                                         .task = id,
                                         .snapshot = {.ordinal = i, .step = (int64_t)i}});
        rig_report_event(r, EVENT_ROWS, id, 0, (int64_t)i, 0.1 * i, 0);
    }
    rig_result(r, id, 0, CAUSE_EXIT, 75, 0);
    tick(r, 2000);
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        assert_int_equal(lease_last(r, &arena)->attempt, attempt);
        assert_int_equal(lease_last(r, &arena)->restore.ordinal, 3 - attempt);
        struct attempt_result lost = {
            .cause = CAUSE_CANNOT_START, .reason = "damaged", .is_restore_lost = true};
        if (attempt < 3) {
            rig_event(r, (struct node_event){
                             .kind = EVENT_RESULT, .task = id, .attempt = attempt, .result = lost});
        }
    }
    const struct task *task = rig_task(r, id);
    assert_int_equal(task->r.failures, 0);
    assert_int_equal(task->r.snapshot.ordinal + task->r.best_snapshot.ordinal, 0);
    assert_int_equal(rig_sent_count(r, MSG_DROP), 2);
    arena_fini(&arena);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cordoned_node_gets_nothing_until_it_is_resumed),
        cmocka_unit_test(test_drained_node_keeps_what_runs_until_the_deadline_then_hands_it_back),
        cmocka_unit_test(test_drain_survives_head_and_agent),
        cmocka_unit_test(test_node_whose_agent_leaves_cannot_be_resumed),
        cmocka_unit_test(test_labels_are_seen_by_the_scheduler_at_once_and_stay),
        cmocka_unit_test(test_labels_that_are_none_are_refused),
        cmocka_unit_test(test_trial_that_goes_and_comes_back_keeps_its_snapshot),
        cmocka_unit_test(test_lost_snapshot_falls_back_to_the_best_and_then_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
