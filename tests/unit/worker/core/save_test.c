#include "rig.h"

static void test_commit_is_answered_with_its_name_and_told_to_the_head(void **state)
{
    (void)state;
    struct rig r;
    rig_begin_unconnected(&r);
    /* An earlier attempt of this trial left its fourth snapshot here. */
    assert_int_equal(agent_snapshot_found(r.agent, (struct snapshot_name){{12, 41}, 4}), OK);
    assert_int_equal(agent_snapshot_found(r.agent, (struct snapshot_name){{12, 40}, 9}), OK);
    rig_link_up(&r);
    assert_int_equal(rig_enrol(&r)->n_snapshots, 2);
    rig_welcome(&r, 0, NULL, 0);
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.order.until = 100;
    rig_running(&r, &lease, CAN_CHECKPOINT);

    rig_say(&r, 1, TRAINER_COMMIT, 27);
    rig_answer(&r, 1,
               "{\"ok\":0,\"error\":\"not_now\",\"text\":\"no save of this step has begun\"}");
    rig_say(&r, 1, TRAINER_SAVE, 27);
    assert_int_equal(rig_next(&r, AGENT_SAVE_BEGIN)->effect.step, 27);
    on_save_begun(r.agent, r.now, RIG_REF, 1, "/a/save", NULL, NULL, &r.out);
    rig_turn(&r);
    rig_answer(&r, 1, "{\"ok\":1,\"dir\":\"/a/save\"}");
    rig_say(&r, 1, TRAINER_COMMIT, 26);
    rig_answer(&r, 1,
               "{\"ok\":0,\"error\":\"not_now\",\"text\":\"no save of this step has begun\"}");
    rig_say(&r, 1, TRAINER_COMMIT, 27);
    struct rig_effect *effect = rig_next(&r, AGENT_SAVE_COMMIT);
    assert_int_equal(effect->effect.snapshot.ordinal, 5);
    assert_int_equal(effect->effect.snapshot.step, 27);
    rig_say(&r, 1, TRAINER_SAVE, 28); /* waits behind; refused, one at a time */
    struct snapshot_ref snapshot = {.ordinal = 5, .step = 27, .bytes = 1000, .dir = "/s/5"};
    on_save_committed(r.agent, r.now, RIG_REF, 1, &snapshot, NULL, NULL, &r.out);
    rig_turn(&r);
    const struct node_event *event = rig_event(&r, EVENT_SNAPSHOT);
    assert_int_equal(event->snapshot.ordinal, 5);
    assert_int_equal(event->snapshot.bytes, 1000);
    assert_string_equal(event->snapshot.dir, "/s/5");
    rig_answer(&r, 1, "{\"ok\":1,\"id\":\"12.41@27.5\"}");
    rig_answer(&r, 1, "{\"ok\":0,\"error\":\"not_now\",\"text\":\"another save is under way\"}");
    rig_end(&r);
}

static void commit_ask(struct rig *r, int64_t step)
{
    rig_say(r, 1, TRAINER_SAVE, step);
    rig_next(r, AGENT_SAVE_BEGIN);
    on_save_begun(r->agent, r->now, RIG_REF, 1, "/a/save", NULL, NULL, &r->out);
    rig_turn(r);
    rig_next(r, AGENT_ANSWER);
    rig_say(r, 1, TRAINER_COMMIT, step);
    rig_next(r, AGENT_SAVE_COMMIT);
}

static void test_commit_that_failed_says_why_and_uses_no_snapshot(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_CHECKPOINT);
    commit_ask(&r, 1);
    on_save_committed(r.agent, r.now, RIG_REF, 1, NULL, "no_space", "the disk is full", &r.out);
    rig_turn(&r);
    rig_answer(&r, 1, "{\"ok\":0,\"error\":\"no_space\",\"text\":\"the disk is full\"}");
    assert_int_equal(r.agent->n_snapshots, 0);
    rig_end(&r);
}

/* A commit that was asked for counts although the trainer died meanwhile, and the result comes
 * after it. */
static void test_commit_in_flight_at_the_exit_is_told_before_the_result(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_CHECKPOINT);
    commit_ask(&r, 2);
    on_trainer_close(r.agent, r.now, 1, &r.out);
    rig_exited(&r, RIG_REF, 1);
    rig_none(&r);
    struct snapshot_ref snapshot = {.ordinal = 1, .step = 2, .dir = "/s/1"};
    on_save_committed(r.agent, r.now, RIG_REF, 1, &snapshot, NULL, NULL, &r.out);
    rig_turn(&r);
    rig_event(&r, EVENT_SNAPSHOT);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.exit_code, 1);
    assert_int_equal(event->result.out_tail.len, 11);
    rig_end(&r);
}

/* A child of the trainer may go on after it: what it says then belongs to no result. */
static void test_nothing_is_taken_between_the_exit_and_its_commit(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_CHECKPOINT);
    commit_ask(&r, 2);
    rig_exited(&r, RIG_REF, 0);
    rig_report(&r, 1, 3, 0.5);
    rig_none(&r); /* its answer is behind that of the commit */
    struct snapshot_ref snapshot = {.ordinal = 1, .step = 2, .dir = "/s/1"};
    on_save_committed(r.agent, r.now, RIG_REF, 1, &snapshot, NULL, NULL, &r.out);
    rig_turn(&r);
    rig_event(&r, EVENT_SNAPSHOT);
    rig_answer(&r, 1, "{\"ok\":1,\"id\":\"12.41@2.1\"}");
    rig_answer(&r, 1, "{\"ok\":0,\"error\":\"gone\",\"text\":\"this attempt has ended\"}");
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.last_seq, 0);
    rig_next(&r, AGENT_CLOSE);
    rig_end(&r);
}

static void test_commit_of_a_disowned_attempt_is_deleted(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_CHECKPOINT);
    commit_ask(&r, 2);
    rig_head(&r, MSG_GONE, &(struct msg_gone){RIG_REF.task, RIG_REF.attempt});
    rig_answer(&r, 1,
               "{\"ok\":0,\"error\":\"gone\",\"text\":\"this attempt is no longer wanted\"}");
    rig_signal(&r, SIGKILL);
    rig_exited(&r, RIG_REF, 0);
    rig_next(&r, AGENT_CLOSE);
    rig_next(&r, AGENT_CLEAN);

    /* The next attempt must not take the ordinal that is still being written. */
    struct attempt_ref ref = {{12, 41}, 1};
    struct msg_lease next = rig_lease(ref);
    rig_start(&r, &next);
    rig_started(&r, ref);
    rig_open(&r, 5, ref);
    rig_say(&r, 5, TRAINER_SAVE, 1);
    rig_next(&r, AGENT_SAVE_BEGIN);
    on_save_begun(r.agent, r.now, ref, 5, "/b/save", NULL, NULL, &r.out);
    rig_turn(&r);
    rig_next(&r, AGENT_ANSWER);
    rig_say(&r, 5, TRAINER_COMMIT, 1);
    assert_int_equal(rig_next(&r, AGENT_SAVE_COMMIT)->effect.snapshot.ordinal, 2);

    struct snapshot_ref snapshot = {.ordinal = 1, .step = 2, .dir = "/s/1"};
    on_save_committed(r.agent, r.now, RIG_REF, 1, &snapshot, NULL, NULL, &r.out);
    rig_turn(&r);
    struct rig_effect *effect = rig_next(&r, AGENT_DROP);
    assert_int_equal(effect->effect.snapshot.ordinal, 1);
    rig_end(&r);
}

static void test_drop_deletes_what_no_record_names(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    assert_int_equal(agent_snapshot_found(r.agent, (struct snapshot_name){{12, 41}, 1}), OK);
    struct snapshot_name name = {{12, 41}, 1};
    rig_head(&r, MSG_DROP, &(struct msg_drop){&name, 1, 0});
    struct rig_effect *effect = rig_next(&r, AGENT_DROP);
    assert_true(task_id_equal(effect->effect.ref.task, name.task));
    assert_int_equal(r.agent->n_snapshots, 0);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_is_answered_with_its_name_and_told_to_the_head),
        cmocka_unit_test(test_commit_that_failed_says_why_and_uses_no_snapshot),
        cmocka_unit_test(test_commit_in_flight_at_the_exit_is_told_before_the_result),
        cmocka_unit_test(test_nothing_is_taken_between_the_exit_and_its_commit),
        cmocka_unit_test(test_commit_of_a_disowned_attempt_is_deleted),
        cmocka_unit_test(test_drop_deletes_what_no_record_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
