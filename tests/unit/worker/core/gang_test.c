/* This node's part of an attempt that is on several. */
#include "rig.h"
#include "worker/core/gang.h"

static struct msg_lease part_lease(uint32_t node_rank, uint32_t ranks)
{
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.nodes = 2;
    lease.node_rank = node_rank;
    lease.ranks = ranks;
    lease.timeout_rank_ms = 30000;
    if (node_rank > 0) {
        lease.order = (struct order){.n = 1, .until = INT64_MAX};
    }
    return lease;
}

static void told(struct rig *r, gang_act act, int64_t wait_ms, int64_t grace_ms)
{
    const struct msg_gang message = {.task = RIG_REF.task,
                                     .attempt = RIG_REF.attempt,
                                     .act = act,
                                     .address = "first",
                                     .master_port = 3000,
                                     .peers = "first:4000,second:4001",
                                     .wait_ms = wait_ms,
                                     .grace_ms = grace_ms,
                                     .reason = "node x: rank 1: exit code 1"};
    rig_head(r, MSG_GANG, &message);
}

static void prepared(struct rig *r)
{
    on_attempt_prepared(r->agent, r->now, RIG_REF, "second", 3001, "second:4001", &r->out);
    rig_turn(r);
}

/* It is ready, and the head knows. */
static void held(struct rig *r, uint32_t node_rank, uint32_t ranks)
{
    const struct msg_lease lease = part_lease(node_rank, ranks);
    rig_begin(r);
    rig_start(r, &lease);
    prepared(r);
    const struct node_event *event = rig_event(r, EVENT_PREPARED);
    assert_string_equal(event->address, "second");
    assert_int_equal(event->master_port, 3001);
    assert_string_equal(event->peers, "second:4001");
    rig_ack_all(r);
    rig_none(r);
}

static const struct agent_effect *meet(struct rig *r)
{
    return &rig_next(r, AGENT_MEET)->effect;
}

static void running(struct rig *r, uint32_t node_rank, uint32_t ranks)
{
    held(r, node_rank, ranks);
    told(r, GANG_MEET, 0, 0);
    assert_non_null(meet(r)->gang);
    rig_started(r, RIG_REF);
    rig_ack_all(r);
    rig_none(r);
}

static void let_go(struct rig *r, const char *reason)
{
    const struct agent_effect *effect = meet(r);
    assert_null(effect->gang);
    assert_string_equal(effect->text, reason);
    on_attempt_not_started(r->agent, r->now, RIG_REF, CAUSE_REFUSED, effect->text, &r->out);
    rig_turn(r);
    const struct node_event *event = rig_event(r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_REFUSED);
    assert_false(event->result.has_started);
    rig_ack_all(r);
    rig_next(r, AGENT_CLEAN);
    rig_end(r);
}

static void test_part_waits_until_it_is_told_where_the_others_are(void **state)
{
    (void)state;
    struct rig r;
    held(&r, 1, 1);
    rig_wait(&r, 60000);
    rig_none(&r);
    told(&r, GANG_MEET, 0, 0);
    const struct agent_effect *effect = meet(&r);
    assert_non_null(effect->gang);
    told(&r, GANG_MEET, 0, 0); /* told again: it has begun */
    rig_none(&r);
    rig_started(&r, RIG_REF);
    rig_ack_all(&r);
    rig_exited(&r, RIG_REF, 0);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_EXIT);
    rig_forget(&r);
    rig_end(&r);
}

static void test_part_that_is_held_is_let_go_when_another_part_has_ended(void **state)
{
    (void)state;
    struct rig r;
    held(&r, 1, 1);
    told(&r, GANG_END, 0, 3000);
    let_go(&r, "node x: rank 1: exit code 1");
}

static void test_part_that_is_told_to_end_before_it_is_ready_is_let_go_then(void **state)
{
    (void)state;
    struct rig r;
    const struct msg_lease lease = part_lease(1, 1);
    rig_begin(&r);
    rig_start(&r, &lease);
    told(&r, GANG_END, 0, 3000);
    rig_none(&r);
    prepared(&r);
    rig_event(&r, EVENT_PREPARED);
    let_go(&r, "node x: rank 1: exit code 1");
}

static void test_first_part_that_is_told_to_leave_while_it_is_held_does_not_begin(void **state)
{
    (void)state;
    struct rig r;
    held(&r, 0, 1);
    rig_order_alone(&r, RIG_REF, &(struct order){.n = 2, .act = ACT_STOP, .grace_ms = 10000});
    rig_tick(&r);
    let_go(&r, "told to leave before all its nodes were ready");
}

static void test_part_that_is_held_on_a_draining_node_is_let_go(void **state)
{
    (void)state;
    struct rig r;
    held(&r, 0, 1);
    told(&r, GANG_HAND_BACK, 0, 20000);
    let_go(&r, "one of its nodes is draining");
}

static void test_part_that_is_gone_while_it_is_held_is_let_go_without_a_word(void **state)
{
    (void)state;
    struct rig r;
    held(&r, 1, 1);
    rig_head(&r, MSG_GONE, &(struct msg_gone){RIG_REF.task, RIG_REF.attempt});
    rig_signal(&r, SIGKILL);
    assert_null(meet(&r)->gang);
    on_attempt_not_started(r.agent, r.now, RIG_REF, CAUSE_REFUSED, "gone", &r.out);
    rig_turn(&r);
    rig_next(&r, AGENT_CLEAN);
    rig_end(&r);
}

static void test_survivors_get_sigterm_at_once_and_sigkill_3_s_later(void **state)
{
    (void)state;
    for (uint32_t node_rank = 0; node_rank < 2; node_rank++) {
        struct rig r;
        running(&r, node_rank, 1);
        told(&r, GANG_END, 0, 3000);
        rig_tick(&r);
        rig_signal(&r, SIGTERM);
        rig_wait(&r, 2900);
        rig_none(&r);
        rig_wait(&r, 200);
        rig_signal(&r, SIGKILL);
        rig_exited(&r, RIG_REF, 137);
        assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_TOLD);
        rig_forget(&r);
        rig_end(&r);
    }
}

static void test_end_with_a_grace_leaves_that_time_and_is_never_put_off(void **state)
{
    (void)state;
    struct rig r;
    running(&r, 1, 1);
    told(&r, GANG_END, 5000, 3000);
    rig_wait(&r, 4000);
    rig_none(&r);
    told(&r, GANG_END, 5000, 3000); /* after a reconnect */
    rig_wait(&r, 1100);
    rig_signal(&r, SIGTERM);
    rig_exited(&r, RIG_REF, 143);
    rig_forget(&r);
    rig_end(&r);
}

static void test_rank_of_another_node_that_opens_the_trial_is_told_why_it_cannot(void **state)
{
    (void)state;
    struct rig r;
    static const char refusal[] = "{\"ok\":0,\"error\":\"bad_rank\",\"text\":\"" //
        AGENT_OTHER_NODE_TEXT "\"}";
    running(&r, 1, 2);
    rig_open(&r, 1, RIG_REF);
    rig_request(&r, 1, &(struct trainer_request){.kind = TRAINER_HELLO, .rank = 2, .world = 4});
    rig_answer(&r, 1, refusal);
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, refusal);
    rig_exited(&r, RIG_REF, 0);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.last_seq, 0);
    rig_forget(&r);
    rig_end(&r);
}

static void test_ranks_of_the_first_node_open_the_trial_as_part_of_the_world(void **state)
{
    (void)state;
    struct rig r;
    running(&r, 0, 2);
    for (uint32_t rank = 0; rank < 2; rank++) {
        rig_open(&r, rank + 1, RIG_REF);
        rig_request(&r, rank + 1,
                    &(struct trainer_request){.kind = TRAINER_HELLO, .rank = rank, .world = 4});
        assert_non_null(strstr(rig_next(&r, AGENT_ANSWER)->effect.text, "\"ok\":1"));
    }
    rig_open(&r, 3, RIG_REF);
    rig_request(&r, 3, &(struct trainer_request){.kind = TRAINER_HELLO, .rank = 1, .world = 2});
    rig_answer(&r, 3,
               "{\"ok\":0,\"error\":\"bad_rank\",\"text\":\"rank 1 of 2, and the trial has 4 (at "
               "most 1024)\"}");
    rig_forget(&r);
    rig_free(&r);
}

static void test_drain_told_by_the_head_leaves_other_parts_to_their_first_node(void **state)
{
    (void)state;
    struct rig r;
    running(&r, 1, 1);
    rig_head(&r, MSG_DRAIN, &(struct msg_drain){RIG_EPOCH, 20000});
    rig_tick(&r);
    rig_none(&r);
    rig_forget(&r);
    rig_free(&r);
}

static void test_agent_that_leaves_gives_other_parts_half_of_its_time(void **state)
{
    (void)state;
    struct rig r;
    running(&r, 1, 1);
    on_drain(r.agent, r.now, r.now + 10000, &r.out);
    rig_turn(&r);
    rig_event(&r, EVENT_DRAINING);
    rig_wait(&r, 4900);
    rig_none(&r);
    rig_wait(&r, 200);
    rig_signal(&r, SIGTERM);
    rig_exited(&r, RIG_REF, 143);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_AGENT_LEFT);
    rig_forget(&r);
    rig_free(&r);
}

static void test_hand_back_asks_the_ranks_of_the_first_node(void **state)
{
    (void)state;
    struct rig r;
    running(&r, 0, 1);
    rig_open(&r, 1, RIG_REF);
    rig_hello(&r, 1, CAN_CHECKPOINT | CAN_PAUSE);
    rig_next(&r, AGENT_ANSWER);
    told(&r, GANG_HAND_BACK, 0, 20000);
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":3,\"milestone\":3}");
    rig_exited(&r, RIG_REF, 75);
    rig_forget(&r);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_waits_until_it_is_told_where_the_others_are),
        cmocka_unit_test(test_part_that_is_held_is_let_go_when_another_part_has_ended),
        cmocka_unit_test(test_part_that_is_told_to_end_before_it_is_ready_is_let_go_then),
        cmocka_unit_test(test_first_part_that_is_told_to_leave_while_it_is_held_does_not_begin),
        cmocka_unit_test(test_part_that_is_held_on_a_draining_node_is_let_go),
        cmocka_unit_test(test_part_that_is_gone_while_it_is_held_is_let_go_without_a_word),
        cmocka_unit_test(test_survivors_get_sigterm_at_once_and_sigkill_3_s_later),
        cmocka_unit_test(test_end_with_a_grace_leaves_that_time_and_is_never_put_off),
        cmocka_unit_test(test_rank_of_another_node_that_opens_the_trial_is_told_why_it_cannot),
        cmocka_unit_test(test_ranks_of_the_first_node_open_the_trial_as_part_of_the_world),
        cmocka_unit_test(test_drain_told_by_the_head_leaves_other_parts_to_their_first_node),
        cmocka_unit_test(test_agent_that_leaves_gives_other_parts_half_of_its_time),
        cmocka_unit_test(test_hand_back_asks_the_ranks_of_the_first_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
