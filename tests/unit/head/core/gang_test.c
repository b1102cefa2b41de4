/* A trial on several nodes: granted, begun and ended as one. The agents of three nodes are played
 * here; `local` is the first one's. */
#include "head/core/gang.h"
#include "rig.h"

enum { NODES = 3 };

static const char *const names[NODES] = {"local", "second", "third"};
static uint64_t
    events[NODES]; /* last numbers that the other agents made; the rig has the first's */

static uint64_t peer_of(uint32_t node)
{
    return RIG_PEER + node;
}

static uint64_t incarnation_of(uint32_t node)
{
    return RIG_INCARNATION + node;
}

static void node_enrol(struct rig *r, uint32_t node, uint64_t incarnation,
                       const struct running_ref *running, uint32_t n)
{
    static uint64_t enrolments;
    struct msg_enrol msg = {.protocol = PROTOCOL_VERSION,
                            .schema_version = 1,
                            .secret = "s",
                            .node = names[node],
                            .incarnation = incarnation,
                            .host = names[node],
                            .pid = 9,
                            .version = "test",
                            .cpus = 1 * AMOUNT_ONE,
                            .memory_bytes = 1 << 30,
                            .running = running,
                            .n_running = n,
                            .enrolment = ++enrolments,
                            .first_event = (node == 0 ? r->event : events[node]) + 1};
    on_enrol(r->core, r->now, peer_of(node), &msg);
    rig_turn(r);
}

static void node_event(struct rig *r, uint32_t node, struct node_event event)
{
    event.number = node == 0 ? ++r->event : ++events[node];
    event.time = r->now;
    struct msg_events msg = {incarnation_of(node), &event, 1};
    on_events(r->core, r->now, peer_of(node), &msg);
    rig_turn(r);
}

static void prepared(struct rig *r, uint32_t node, uint32_t attempt)
{
    char peers[64];
    snprintf(peers, sizeof peers, "%s:%u", names[node], 4000 + node);
    node_event(r, node,
               (struct node_event){.kind = EVENT_PREPARED,
                                   .task = rig_id(1, 1),
                                   .attempt = attempt,
                                   .address = names[node],
                                   .master_port = 3000 + node,
                                   .peers = peers});
}

static void started(struct rig *r, uint32_t node, uint32_t attempt)
{
    node_event(r, node,
               (struct node_event){
                   .kind = EVENT_STARTED, .task = rig_id(1, 1), .attempt = attempt, .pid = 100});
}

static void result(struct rig *r, uint32_t node, uint32_t attempt, struct attempt_result result)
{
    node_event(
        r, node,
        (struct node_event){
            .kind = EVENT_RESULT, .task = rig_id(1, 1), .attempt = attempt, .result = result});
}

static void exited(struct rig *r, uint32_t node, uint32_t attempt, uint32_t exit_code)
{
    result(r, node, attempt,
           (struct attempt_result){
               .has_started = true, .cause = CAUSE_EXIT, .exit_code = exit_code, .reason = ""});
}

/* The last message of this type to this node; NULL: none. Valid until the next call. */
static const void *sent_to(const struct rig *r, uint32_t node, message_type type)
{
    static struct arena arena;
    static bool has_arena;
    const void *found = NULL;
    if (has_arena) {
        arena_fini(&arena);
    }
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    has_arena = true;
    for (unsigned i = 0; i < r->n_sent; i++) {
        const struct rig_sent *sent = &r->sent[i];
        if (sent->kind == HEAD_SEND && sent->type == type && sent->peer == peer_of(node)) {
            message_type got;
            void *message;
            struct bytes frame = {(uint8_t *)sent->body, sent->len};
            assert_int_equal(message_decode(frame, &arena, &got, &message, NULL), OK);
            found = message;
        }
    }
    if (found == NULL) {
        arena_fini(&arena);
        has_arena = false;
    }
    return found;
}

/* The act that this node was told last; -1: none. */
static int act_to(const struct rig *r, uint32_t node)
{
    const struct msg_gang *message = sent_to(r, node, MSG_GANG);
    int act = message != NULL ? (int)message->act : -1;
    return act;
}

static const struct task *trial(const struct rig *r)
{
    return rig_task(r, rig_id(1, 1));
}

static amount cpus_used(const struct rig *r)
{
    struct scheduler_usage usage;
    scheduler_usage_get(r->core->scheduler, 0, &usage);
    return usage.cpus_used;
}

static struct rig *gang_rig(uint32_t n_nodes, const char *more)
{
    struct rig *r = rig_new();
    char file[2048];
    memset(events, 0, sizeof events);
    snprintf(
        file, sizeof file,
        "command: [train, \"${args}\"]\nmetric: {name: loss}\nparameters: {lr: {min: 0.0, max: "
        "1.0}}\nsearch: {method: random, seed: 3}\nstop: {trials: 1}\nlaunch: ranks\n"
        "resources: {cpus: 1, nodes: %u, ranks: 1}\nretries: {max: 1, backoff: 1s}\n"
        "limits: {concurrency: 1}\n%s",
        n_nodes, more);
    for (uint32_t i = 0; i < n_nodes; i++) {
        node_enrol(r, i, incarnation_of(i), NULL, 0);
    }
    assert_int_equal(rig_submit(r, file, NULL), 1);
    return r;
}

/* All are leased, ready and begun. `local` is rank 0's node. */
static struct rig *running_rig(uint32_t n_nodes, const char *more)
{
    struct rig *r = gang_rig(n_nodes, more);
    for (uint32_t i = 0; i < n_nodes; i++) {
        prepared(r, i, 0);
    }
    for (uint32_t i = 0; i < n_nodes; i++) {
        started(r, i, 0);
    }
    assert_int_equal(trial(r)->r.state, TASK_RUNNING);
    rig_sent_clear(r);
    return r;
}

static void silence(struct rig *r, uint32_t node, int64_t seconds)
{
    for (; seconds > 0; seconds--) {
        r->now += 1000;
        for (uint32_t i = 0; i < NODES; i++) {
            if (i != node && core_node_of_peer(r->core, peer_of(i)) != NULL) {
                on_heartbeat(r->core, r->now, peer_of(i),
                             &(struct msg_heartbeat){.incarnation = incarnation_of(i)});
            }
        }
        core_time(r->core, r->now, 0, false);
        rig_turn(r);
    }
}

/* ---- the beginning ---- */

static void test_gang_is_leased_to_all_nodes_and_begins_when_all_are_ready(void **state)
{
    (void)state;
    struct rig *r = gang_rig(3, "");
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 3);
    assert_string_equal(trial(r)->r.node, "local");
    assert_int_equal(cpus_used(r), 3 * AMOUNT_ONE);
    for (uint32_t i = 0; i < 3; i++) {
        const struct msg_lease *lease = sent_to(r, i, MSG_LEASE);
        assert_non_null(lease);
        assert_int_equal(lease->nodes, 3);
        assert_int_equal(lease->node_rank, i);
        assert_int_equal(lease->attempt, 0);
    }
    prepared(r, 2, 0);
    prepared(r, 0, 0);
    assert_int_equal(rig_sent_count(r, MSG_GANG), 0); /* one is missing */
    prepared(r, 1, 0);
    assert_int_equal(rig_sent_count(r, MSG_GANG), 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct msg_gang *message = sent_to(r, i, MSG_GANG);
        assert_int_equal(message->act, GANG_MEET);
        assert_string_equal(message->address, "local");
        assert_int_equal(message->master_port, 3000);
        assert_string_equal(message->peers, "local:4000,second:4001,third:4002");
    }
    started(r, 1, 0);
    assert_int_equal(trial(r)->r.state, TASK_LEASED); /* rank 0's node speaks for it */
    started(r, 0, 0);
    assert_int_equal(trial(r)->r.state, TASK_RUNNING);
    (void)sent_to(r, 0, MSG_WHO);
    rig_free(r);
}

static void test_gang_waits_until_there_are_as_many_nodes(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    static const char file[] = "command: [train, \"${args}\"]\nmetric: {name: loss}\n"
                               "parameters: {x: {min: 0.0, max: 1.0}}\nstop: {trials: 1}\n"
                               "launch: ranks\nresources: {cpus: 1, nodes: 2}\n";
    memset(events, 0, sizeof events);
    assert_int_equal(rig_submit(r, file, NULL), 1); /* nobody is there yet */
    node_enrol(r, 0, incarnation_of(0), NULL, 0);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 0);
    assert_int_equal(rig_submit(r, file, NULL), 0); /* refused: of two nodes one is there */
    assert_int_equal(cpus_used(r), 0);
    node_enrol(r, 1, incarnation_of(1), NULL, 0);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 2);
    rig_free(r);
}

static void test_gang_that_cannot_be_prepared_on_one_node_is_one_failure(void **state)
{
    (void)state;
    struct rig *r = gang_rig(2, "");
    prepared(r, 0, 0);
    result(r, 1, 0, (struct attempt_result){.cause = CAUSE_CANNOT_START, .reason = "no such file"});
    assert_int_equal(act_to(r, 0), GANG_END);
    assert_int_equal(trial(r)->r.state, TASK_LEASED);
    assert_int_equal(cpus_used(r), 2 * AMOUNT_ONE);
    result(r, 0, 0, (struct attempt_result){.cause = CAUSE_REFUSED, .reason = "let go"});
    assert_int_equal(trial(r)->r.state, TASK_QUEUED);
    assert_int_equal(trial(r)->r.failures, 1);
    assert_string_equal(trial(r)->r.reason, "node second: no such file");
    assert_int_equal(cpus_used(r), 0);
    (void)sent_to(r, 0, MSG_WHO);
    rig_free(r);
}

static void test_gang_that_one_node_refuses_is_charged_to_nobody(void **state)
{
    (void)state;
    struct rig *r = gang_rig(2, "");
    result(r, 1, 0, (struct attempt_result){.cause = CAUSE_REFUSED, .reason = "draining"});
    result(r, 0, 0, (struct attempt_result){.cause = CAUSE_REFUSED, .reason = "let go"});
    assert_int_equal(trial(r)->r.failures + trial(r)->r.lost, 0);
    assert_int_equal(trial(r)->r.n_attempts, 2); /* leased again at once */
    rig_free(r);
}

/* ---- the end ---- */

static void test_rank_that_fails_ends_the_others_and_is_one_failure_with_its_name(void **state)
{
    (void)state;
    struct rig *r = running_rig(3, "");
    result(r, 2, 0,
           (struct attempt_result){.has_started = true,
                                   .cause = CAUSE_SIGNAL,
                                   .signal = 9,
                                   .reason = "rank 2: killed by signal 9 (Killed)"});
    for (uint32_t i = 0; i < 2; i++) {
        const struct msg_gang *message = sent_to(r, i, MSG_GANG);
        assert_non_null(message);
        assert_int_equal(message->act, GANG_END);
        assert_int_equal(message->wait_ms, 0);
        assert_int_equal(message->grace_ms, 3000);
    }
    exited(r, 1, 0, 143);
    assert_int_equal(trial(r)->r.state, TASK_RUNNING); /* rank 0 is there still */
    assert_int_equal(cpus_used(r), 3 * AMOUNT_ONE);
    result(r, 0, 0,
           (struct attempt_result){.has_started = true, .cause = CAUSE_TOLD, .reason = "ended"});
    assert_int_equal(trial(r)->r.state, TASK_QUEUED);
    assert_int_equal(trial(r)->r.failures, 1);
    assert_int_equal(trial(r)->r.signal, 9);
    assert_string_equal(trial(r)->r.reason, "node third: rank 2: killed by signal 9 (Killed)");
    assert_int_equal(cpus_used(r), 0);
    assert_int_equal(rig_store_count(r, "attempts"), 1);
    (void)sent_to(r, 0, MSG_WHO);
    rig_free(r);
}

static void test_rank_0_that_has_left_well_gives_the_others_the_grace_and_decides(void **state)
{
    (void)state;
    struct rig *r = running_rig(2, "timeouts: {grace: 7s}\n");
    rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, 1, 0.5, 0);
    result(r, 0, 0,
           (struct attempt_result){.has_started = true, .cause = CAUSE_EXIT, .last_seq = 1});
    const struct msg_gang *message = sent_to(r, 1, MSG_GANG);
    assert_non_null(message);
    assert_int_equal(message->act, GANG_END);
    assert_int_equal(message->wait_ms, 7000);
    assert_int_equal(trial(r)->r.state, TASK_RUNNING);
    exited(r, 1, 0, 1); /* whatever they do now */
    assert_int_equal(trial(r)->r.state, TASK_ENDED);
    assert_int_equal(trial(r)->r.outcome, OUTCOME_DONE);
    assert_int_equal(cpus_used(r), 0);
    (void)sent_to(r, 0, MSG_WHO);
    rig_free(r);
}

static void test_ranks_that_end_well_before_rank_0_are_not_waited_for(void **state)
{
    (void)state;
    struct rig *r = running_rig(2, "");
    exited(r, 1, 0, 0);
    assert_int_equal(rig_sent_count(r, MSG_GANG), 0);
    rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, 1, 0.5, 0);
    result(r, 0, 0,
           (struct attempt_result){.has_started = true, .cause = CAUSE_EXIT, .last_seq = 1});
    assert_int_equal(trial(r)->r.outcome, OUTCOME_DONE);
    rig_free(r);
}

static void test_stop_goes_to_rank_0s_node_and_its_why_decides(void **state)
{
    (void)state;
    struct rig *r = running_rig(2, "");
    on_task_verb(r->core, r->now, 900, rig_id(1, 1), VERB_CANCEL, -1);
    rig_turn(r);
    assert_non_null(sent_to(r, 0, MSG_ORDER));
    assert_null(sent_to(r, 1, MSG_ORDER));
    assert_int_equal(trial(r)->r.state, TASK_STOPPING);
    exited(r, 1, 0, 1); /* its neighbour is gone, and it says so before rank 0 has ended */
    assert_int_equal(act_to(r, 0), GANG_END);
    result(r, 0, 0,
           (struct attempt_result){
               .has_started = true, .cause = CAUSE_TOLD, .handed = trial(r)->r.order.n});
    assert_int_equal(trial(r)->r.outcome, OUTCOME_CANCELLED);
    (void)sent_to(r, 0, MSG_WHO);
    rig_free(r);
}

/* ---- lost ---- */

static void test_node_that_is_lost_ends_the_others_and_is_charged_once(void **state)
{
    for (uint32_t lost = 0; lost < 3; lost++) {
        (void)state;
        struct rig *r = running_rig(3, "");
        silence(r, lost, 40);
        assert_int_equal(trial(r)->r.state, TASK_RUNNING);
        assert_int_equal(rig_sent_count(r, MSG_GANG), 2);
        for (uint32_t i = 0; i < 3; i++) {
            if (i != lost) {
                assert_int_equal(act_to(r, i), GANG_END);
                exited(r, i, 0, 143);
            }
        }
        assert_int_equal(trial(r)->r.state, TASK_QUEUED);
        assert_int_equal(trial(r)->r.lost, 1);
        assert_int_equal(trial(r)->r.failures, 0);
        assert_non_null(strstr(trial(r)->r.reason, names[lost]));
        assert_int_equal(cpus_used(r), 0);
        (void)sent_to(r, 0, MSG_WHO);
        rig_free(r);
    }
}

static void test_all_nodes_that_are_lost_are_one_loss(void **state)
{
    (void)state;
    struct rig *r = running_rig(2, "");
    node_enrol(r, 1, 999, NULL, 0); /* its agent started anew */
    node_enrol(r, 0, 998, NULL, 0);
    assert_int_equal(trial(r)->r.lost, 1);
    assert_int_equal(trial(r)->r.n_attempts, 2);
    rig_free(r);
}

/* ---- drain ---- */

static void test_drain_of_another_node_asks_rank_0(void **state)
{
    (void)state;
    struct rig *r = running_rig(2, "");
    node_event(r, 1, (struct node_event){.kind = EVENT_DRAINING});
    assert_int_equal(act_to(r, 0), GANG_HAND_BACK);
    assert_int_equal(act_to(r, 1), -1);
    result(r, 0, 0, (struct attempt_result){.has_started = true, .cause = CAUSE_AGENT_LEFT});
    const struct msg_gang *message = sent_to(r, 1, MSG_GANG);
    assert_int_equal(message->act, GANG_END);
    assert_true(message->wait_ms > 0);
    exited(r, 1, 0, 0);
    assert_int_equal(trial(r)->r.state, TASK_QUEUED);
    assert_int_equal(trial(r)->r.failures + trial(r)->r.lost, 0);
    (void)sent_to(r, 0, MSG_WHO);
    rig_free(r);
}

/* ---- heads and connections that end ---- */

static const struct running_ref running = {{1, 1}, 0, 1};

static void test_head_that_starts_anew_knows_which_parts_are_whose(void **state)
{
    (void)state;
    struct rig *r = gang_rig(2, "");
    prepared(r, 0, 0);
    rig_restart(r);
    node_enrol(r, 1, incarnation_of(1), NULL, 0); /* its lease was lost on the way */
    const struct msg_lease *lease = sent_to(r, 1, MSG_LEASE);
    assert_non_null(lease);
    assert_int_equal(lease->node_rank, 1);
    node_enrol(r, 0, incarnation_of(0), &running, 1);
    assert_null(sent_to(r, 0, MSG_LEASE));
    prepared(r, 1, 0);
    assert_int_equal(act_to(r, 0), GANG_MEET);
    rig_restart(r); /* the word to begin was lost with it, perhaps */
    node_enrol(r, 0, incarnation_of(0), &running, 1);
    node_enrol(r, 1, incarnation_of(1), &running, 1);
    assert_int_equal(act_to(r, 0), GANG_MEET);
    const struct msg_gang *meet = sent_to(r, 1, MSG_GANG);
    assert_string_equal(meet->peers, "local:4000,second:4001");
    started(r, 0, 0);
    started(r, 1, 0);
    assert_int_equal(cpus_used(r), 2 * AMOUNT_ONE);
    (void)sent_to(r, 0, MSG_WHO);
    rig_free(r);
}

static void test_head_that_starts_anew_goes_on_with_an_end_that_had_begun(void **state)
{
    (void)state;
    struct rig *r = running_rig(3, "");
    result(r, 1, 0,
           (struct attempt_result){.has_started = true, .cause = CAUSE_EXIT, .exit_code = 3});
    exited(r, 0, 0, 143);
    rig_restart(r);
    assert_int_equal(trial(r)->r.state, TASK_RUNNING);
    assert_int_equal(cpus_used(r), 3 * AMOUNT_ONE);
    for (uint32_t i = 0; i < 2; i++) { /* nothing is there any more */
        node_enrol(r, i, incarnation_of(i), NULL, 0);
        const struct msg_welcome *welcome = sent_to(r, i, MSG_WELCOME);
        assert_int_equal(welcome->n_holds, 0);
        assert_null(sent_to(r, i, MSG_LEASE));
    }
    node_enrol(r, 2, incarnation_of(2), &running, 1);
    assert_int_equal(act_to(r, 2), GANG_END);
    exited(r, 2, 0, 143);
    assert_int_equal(trial(r)->r.failures, 1);
    assert_int_equal(trial(r)->r.exit_code, 3);
    (void)sent_to(r, 0, MSG_WHO);
    rig_free(r);
}

static void test_head_that_starts_anew_knows_that_the_first_node_is_lost(void **state)
{
    (void)state;
    struct rig *r = running_rig(2, "");
    node_enrol(r, 0, 998, NULL, 0);
    assert_int_equal(trial(r)->r.state, TASK_RUNNING);
    rig_restart(r);
    assert_int_equal(trial(r)->r.state, TASK_RUNNING);
    assert_int_equal(cpus_used(r), AMOUNT_ONE);
    node_enrol(r, 1, incarnation_of(1), &running, 1);
    assert_int_equal(act_to(r, 1), GANG_END);
    exited(r, 1, 0, 143);
    assert_int_equal(trial(r)->r.lost, 1);
    (void)sent_to(r, 0, MSG_WHO);
    rig_free(r);
}

static void test_end_that_is_told_twice_counts_once(void **state)
{
    (void)state;
    struct rig *r = running_rig(2, "");
    exited(r, 1, 0, 4);
    exited(r, 1, 0, 5);
    exited(r, 0, 0, 143);
    assert_int_equal(trial(r)->r.failures, 1);
    assert_int_equal(trial(r)->r.exit_code, 4);
    rig_sent_clear(r);
    exited(r, 1, 0, 6); /* of an attempt that is over */
    assert_non_null(sent_to(r, 1, MSG_GONE));
    (void)sent_to(r, 0, MSG_WHO);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gang_is_leased_to_all_nodes_and_begins_when_all_are_ready),
        cmocka_unit_test(test_gang_waits_until_there_are_as_many_nodes),
        cmocka_unit_test(test_gang_that_cannot_be_prepared_on_one_node_is_one_failure),
        cmocka_unit_test(test_gang_that_one_node_refuses_is_charged_to_nobody),
        cmocka_unit_test(test_rank_that_fails_ends_the_others_and_is_one_failure_with_its_name),
        cmocka_unit_test(test_rank_0_that_has_left_well_gives_the_others_the_grace_and_decides),
        cmocka_unit_test(test_ranks_that_end_well_before_rank_0_are_not_waited_for),
        cmocka_unit_test(test_stop_goes_to_rank_0s_node_and_its_why_decides),
        cmocka_unit_test(test_node_that_is_lost_ends_the_others_and_is_charged_once),
        cmocka_unit_test(test_all_nodes_that_are_lost_are_one_loss),
        cmocka_unit_test(test_drain_of_another_node_asks_rank_0),
        cmocka_unit_test(test_head_that_starts_anew_knows_which_parts_are_whose),
        cmocka_unit_test(test_head_that_starts_anew_goes_on_with_an_end_that_had_begun),
        cmocka_unit_test(test_head_that_starts_anew_knows_that_the_first_node_is_lost),
        cmocka_unit_test(test_end_that_is_told_twice_counts_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
