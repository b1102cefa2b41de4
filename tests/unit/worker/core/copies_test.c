/* Snapshots that lie on other nodes: asked for, fetched, told, and what becomes of who waits. */
#include "rig.h"

static const struct snapshot_name name = {{12, 41}, 3};

static struct msg_lease lease_of(void)
{
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.restore = (struct snapshot_ref){.ordinal = 3, .step = 9};
    return lease;
}

static const struct msg_snapshot_get *asked(struct rig *r)
{
    struct rig_effect *effect = rig_next(r, AGENT_SEND);
    assert_int_equal(effect->effect.type, MSG_SNAPSHOT_GET);
    const struct msg_snapshot_get *get = effect->message;
    assert_int_equal(get->pass.len, PASS_BYTES);
    return get;
}

static void told(struct rig *r, const char *error, bool is_lost)
{
    const struct msg_source source = {.name = name,
                                      .node = "n2",
                                      .lender = "tcp://n2:7",
                                      .lender_key = "key",
                                      .is_lost = is_lost,
                                      .error = error};
    rig_head(r, MSG_SOURCE, &source);
}

static void copied(struct rig *r, copy_end end)
{
    on_snapshot_copied(r->agent, r->now, name, end, "it broke", &r->out);
    rig_turn(r);
}

/* Leased, and its snapshot is being fetched. */
static void fetching(struct rig *r)
{
    rig_begin(r);
    struct msg_lease lease = lease_of();
    rig_head(r, MSG_LEASE, &lease);
    asked(r);
    told(r, "", false);
    rig_next(r, AGENT_COPY);
    rig_none(r);
}

static void test_copy_comes_before_the_start_and_is_told(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = lease_of();
    rig_head(&r, MSG_LEASE, &lease);
    struct bytes pass = asked(&r)->pass;
    rig_none(&r);
    told(&r, "", false);
    struct rig_effect *copy = rig_next(&r, AGENT_COPY);
    assert_memory_equal(copy->effect.frame.data, pass.data, PASS_BYTES);
    rig_none(&r);
    rig_wait(&r, 60000); /* as long as it takes */
    rig_none(&r);
    copied(&r, COPY_DONE);
    const struct node_event *event = rig_event(&r, EVENT_COPIED);
    assert_true(task_id_equal(event->task, name.task));
    assert_int_equal(event->snapshot.ordinal, 3);
    assert_int_equal(rig_next(&r, AGENT_START)->effect.lease->restore.ordinal, 3);
    rig_end(&r);
}

static void
test_copy_is_asked_for_again_until_the_head_answers_each_time_with_another_pass(void **state)
{
    (void)state;
    struct rig r;
    uint8_t first[PASS_BYTES];
    rig_begin(&r);
    struct msg_lease lease = lease_of();
    rig_head(&r, MSG_LEASE, &lease);
    memcpy(first, asked(&r)->pass.data, PASS_BYTES);
    rig_wait(&r, 3500);
    assert_memory_not_equal(asked(&r)->pass.data, first, PASS_BYTES);
    told(&r, "node 'n2', where it lies, is away", false);
    rig_none(&r);
    rig_wait(&r, 3500);
    asked(&r);
    told(&r, "", false);
    rig_next(&r, AGENT_COPY);
    told(&r, "", false); /* twice */
    rig_none(&r);
    rig_free(&r);
}

static void test_copy_that_is_cut_is_tried_again_and_in_the_end_is_the_nodes_fault(void **state)
{
    (void)state;
    struct rig r;
    fetching(&r);
    for (int tries = 1; tries < 12; tries++) {
        copied(&r, COPY_AGAIN);
        rig_none(&r);
        rig_wait(&r, 1000);
        asked(&r);
        told(&r, "", false);
        rig_next(&r, AGENT_COPY);
    }
    copied(&r, COPY_AGAIN);
    const struct attempt_result *result = &rig_event(&r, EVENT_RESULT)->result;
    assert_int_equal(result->cause, CAUSE_CANNOT_START);
    assert_true(result->is_nodes_fault);
    assert_false(result->is_restore_lost);
    assert_non_null(strstr(result->reason, "snapshot 3 of 12.41 cannot be had here: it broke"));
    rig_end(&r);
}

static void test_copy_of_what_is_gone_is_a_lost_restore(void **state)
{
    (void)state;
    for (int by_head = 0; by_head < 2; by_head++) {
        struct rig r;
        rig_begin(&r);
        struct msg_lease lease = lease_of();
        rig_head(&r, MSG_LEASE, &lease);
        asked(&r);
        told(&r, by_head ? "no node has it any more" : "", by_head);
        if (!by_head) {
            rig_next(&r, AGENT_COPY);
            copied(&r, COPY_GONE);
        }
        const struct attempt_result *result = &rig_event(&r, EVENT_RESULT)->result;
        assert_int_equal(result->cause, CAUSE_CANNOT_START);
        assert_true(result->is_restore_lost);
        assert_false(result->is_nodes_fault);
        rig_end(&r);
    }
}

static void test_copy_for_two_is_fetched_once(void **state)
{
    (void)state;
    struct rig r;
    fetching(&r);
    struct msg_lease other = rig_lease((struct attempt_ref){{12, 50}, 0});
    other.restore = (struct snapshot_ref){.ordinal = 3, .step = 9, .owner = 41};
    rig_head(&r, MSG_LEASE, &other);
    rig_none(&r);
    copied(&r, COPY_DONE);
    rig_event(&r, EVENT_COPIED);
    rig_next(&r, AGENT_START);
    rig_next(&r, AGENT_START);
    rig_end(&r);
}

static void test_copy_outlives_a_reconnect_and_a_lost_question_does_not_wait(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = lease_of();
    rig_head(&r, MSG_LEASE, &lease);
    asked(&r);
    on_link_down(r.agent, r.now, &r.out);
    rig_turn(&r);
    rig_link_up(&r);
    assert_int_equal(rig_enrol(&r)->n_snapshots, 0);
    struct running_ref holds = {RIG_REF.task, 0, 1};
    rig_welcome(&r, 0, &holds, 1);
    asked(&r);
    told(&r, "", false);
    rig_next(&r, AGENT_COPY);
    rig_none(&r);
    rig_free(&r);
}

static void test_copy_that_nobody_needs_any_more_is_not_asked_for(void **state)
{
    (void)state;
    struct rig r;
    fetching(&r);
    rig_head(&r, MSG_GONE, &(struct msg_gone){RIG_REF.task, RIG_REF.attempt});
    copied(&r, COPY_AGAIN);
    rig_wait(&r, 5000);
    rig_end(&r);
}

static void test_order_to_leave_does_not_wait_for_a_copy(void **state)
{
    (void)state;
    struct rig r;
    fetching(&r);
    struct msg_order stop = {.task = RIG_REF.task,
                             .attempt = RIG_REF.attempt,
                             .order = {.n = 2, .until = 3, .act = ACT_STOP, .why = WHY_CANCEL}};
    rig_head(&r, MSG_ORDER, &stop);
    rig_wait(&r, 10);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_REFUSED);
    copied(&r, COPY_DONE); /* the head drops it */
    rig_event(&r, EVENT_COPIED);
    rig_end(&r);
}

/* The word was told for an attempt before, and comes after the lease. */
static void test_older_word_to_drop_what_a_lease_restores_is_not_heeded(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = lease_of();
    lease.place_word = 7;
    rig_head(&r, MSG_LEASE, &lease);
    asked(&r);
    told(&r, "", false);
    rig_next(&r, AGENT_COPY);
    copied(&r, COPY_DONE);
    rig_event(&r, EVENT_COPIED);
    rig_next(&r, AGENT_START);
    rig_head(&r, MSG_DROP, &(struct msg_drop){&name, 1, 6});
    rig_none(&r);
    rig_head(&r, MSG_DROP, &(struct msg_drop){&name, 1, 8});
    rig_next(&r, AGENT_DROP);
    rig_end(&r);
}

/* ---- second places ---- */

static void keep(struct rig *r, uint64_t number)
{
    rig_head(r, MSG_KEEP, &(struct msg_keep){&name, 1, number});
}

static void test_second_place_is_told_by_the_word_that_ordered_it(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    keep(&r, 5);
    asked(&r);
    keep(&r, 7); /* given up and ordered anew, while it is on its way */
    told(&r, "", false);
    rig_next(&r, AGENT_COPY);
    copied(&r, COPY_DONE);
    const struct node_event *event = rig_event(&r, EVENT_COPIED);
    assert_int_equal(event->keep, 7);
    keep(&r, 9); /* it is here already */
    event = rig_event(&r, EVENT_COPIED);
    assert_int_equal(event->keep, 9);
    rig_head(&r, MSG_DROP, &(struct msg_drop){&name, 1, 8}); /* overtaken */
    rig_none(&r);
    rig_head(&r, MSG_DROP, &(struct msg_drop){&name, 1, 10});
    rig_next(&r, AGENT_DROP);
    rig_end(&r);
}

/* Dropped while it enrols, which no enrolment can list: it is told once more, for another word. */
static void test_copy_that_was_told_before_a_reconnect_is_told_again(void **state)
{
    (void)state;
    struct rig r;
    const struct msg_keep keep = {&name, 1, 1};
    const struct msg_drop drop = {&name, 1, 2};
    rig_begin(&r);
    rig_head(&r, MSG_KEEP, &keep);
    asked(&r);
    told(&r, "", false);
    rig_next(&r, AGENT_COPY);
    copied(&r, COPY_DONE);
    uint64_t number = rig_event(&r, EVENT_COPIED)->number;
    on_link_down(r.agent, r.now, &r.out);
    rig_turn(&r);
    rig_link_up(&r);
    assert_int_equal(rig_enrol(&r)->n_snapshots, 0);
    rig_head(&r, MSG_DROP, &drop); /* of a head that was not heard yet */
    rig_none(&r);
    rig_welcome(&r, number, NULL, 0);
    const struct node_event *again = rig_event(&r, EVENT_COPIED);
    assert_int_equal(again->number, number + 1);
    assert_true(task_id_equal(again->task, name.task));
    assert_int_equal(again->snapshot.ordinal, name.ordinal);
    rig_head(&r, MSG_DROP, &drop);
    assert_int_equal(rig_next(&r, AGENT_DROP)->effect.snapshot.ordinal, name.ordinal);
    rig_end(&r);
}

/* ---- an exploit in place ---- */

static void exploiting(struct rig *r)
{
    rig_begin(r);
    struct msg_lease lease = rig_lease((struct attempt_ref){{12, 50}, 0});
    lease.checkpoints_on = CHECKPOINT_ON_RUNG;
    rig_running(r, &lease, CAN_CHECKPOINT | CAN_EXPLOIT);
    rig_report(r, 1, 3, 0.5);
    rig_event(r, EVENT_MILESTONE);
    struct msg_order order = {
        .task = {12, 50},
        .order = {.n = 2, .until = 28, .act = ACT_EXPLOIT},
        .restore = {.ordinal = 3, .step = 24, .owner = 41, .lineage = 2},
    };
    rig_head(r, MSG_ORDER, &order);
    asked(r); /* before the trainer does */
    rig_ack_all(r);
    rig_answer(r, 1, "{\"ok\":1,\"act\":8,\"milestone\":null}");
    rig_say(r, 1, TRAINER_EXPLOIT, 0);
    rig_none(r);
}

static void test_exploit_waits_for_the_donors_snapshot_of_another_node(void **state)
{
    (void)state;
    struct rig r;
    exploiting(&r);
    told(&r, "", false);
    rig_next(&r, AGENT_COPY);
    copied(&r, COPY_DONE);
    rig_event(&r, EVENT_COPIED);
    struct rig_effect *prove = rig_next(&r, AGENT_SNAPSHOT_PROVE);
    assert_int_equal(prove->effect.snapshot.owner, 41);
    on_exploit_proven(r.agent, r.now, (struct attempt_ref){{12, 50}, 0}, 1, "/s/12.41/3", NULL,
                      &r.out);
    rig_turn(&r);
    assert_non_null(strstr(rig_next(&r, AGENT_ANSWER)->effect.text, "\"restore\":\"/s/12.41/3\""));
    rig_end(&r);
}

static void test_exploit_whose_snapshot_does_not_come_ends_the_attempt(void **state)
{
    (void)state;
    for (int is_gone = 0; is_gone < 2; is_gone++) {
        struct rig r;
        exploiting(&r);
        told(&r, "", false);
        rig_next(&r, AGENT_COPY);
        copied(&r, is_gone ? COPY_GONE : COPY_FAILED);
        assert_non_null(strstr(rig_next(&r, AGENT_ANSWER)->effect.text, "\"error\":\"gone\""));
        rig_wait(&r, 10);
        assert_int_equal(rig_next(&r, AGENT_SIGNAL)->effect.signal, SIGKILL);
        struct attempt_result facts = {.cause = CAUSE_SIGNAL, .signal = SIGKILL};
        on_attempt_exited(r.agent, r.now, (struct attempt_ref){{12, 50}, 0}, &facts, &r.out);
        rig_turn(&r);
        const struct attempt_result *result = &rig_event(&r, EVENT_RESULT)->result;
        assert_int_equal(result->cause, is_gone ? CAUSE_CANNOT_START : CAUSE_AGENT_LEFT);
        assert_int_equal(result->is_restore_lost, is_gone);
        rig_next(&r, AGENT_CLOSE);
        rig_end(&r);
    }
}

static void test_pass_of_another_agents_trial_goes_to_the_shell(void **state)
{
    (void)state;
    struct rig r;
    uint8_t pass[PASS_BYTES] = {1, 2, 3};
    rig_begin(&r);
    struct msg_lend lend = {name, {pass, PASS_BYTES}, 60000};
    rig_head(&r, MSG_LEND, &lend);
    rig_next(&r, AGENT_LEND);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_comes_before_the_start_and_is_told),
        cmocka_unit_test(
            test_copy_is_asked_for_again_until_the_head_answers_each_time_with_another_pass),
        cmocka_unit_test(test_copy_that_is_cut_is_tried_again_and_in_the_end_is_the_nodes_fault),
        cmocka_unit_test(test_copy_of_what_is_gone_is_a_lost_restore),
        cmocka_unit_test(test_copy_for_two_is_fetched_once),
        cmocka_unit_test(test_copy_outlives_a_reconnect_and_a_lost_question_does_not_wait),
        cmocka_unit_test(test_copy_that_nobody_needs_any_more_is_not_asked_for),
        cmocka_unit_test(test_order_to_leave_does_not_wait_for_a_copy),
        cmocka_unit_test(test_older_word_to_drop_what_a_lease_restores_is_not_heeded),
        cmocka_unit_test(test_second_place_is_told_by_the_word_that_ordered_it),
        cmocka_unit_test(test_copy_that_was_told_before_a_reconnect_is_told_again),
        cmocka_unit_test(test_exploit_waits_for_the_donors_snapshot_of_another_node),
        cmocka_unit_test(test_exploit_whose_snapshot_does_not_come_ends_the_attempt),
        cmocka_unit_test(test_pass_of_another_agents_trial_goes_to_the_shell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
