#include "rig.h"

static void test_hello_tells_parameters_step_and_milestone(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_start(&r, &lease);
    rig_started(&r, RIG_REF);
    rig_open(&r, 7, RIG_REF);
    rig_hello(&r, 7, CAN_CHECKPOINT);
    rig_answer(
        &r, 7,
        "{\"ok\":1,\"act\":0,\"params\":{\"lr\":0.5,\"layers\":2},\"restore\":null,\"step\":0,"
        "\"trial\":\"12.41\",\"attempt\":0,\"seed\":17,\"milestone\":3,\"save\":null}");
    rig_end(&r);
}

static void test_hello_of_a_retry_names_the_folder_and_the_step(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    r.agent->snapshots_dir = "/state/nodes/n1/snapshots";
    struct attempt_ref ref = {{12, 41}, 1};
    struct msg_lease lease = rig_lease(ref);
    lease.restore = (struct snapshot_ref){.ordinal = 4, .step = 9};
    lease.order = (struct order){5, INT64_MAX, ACT_STOP, WHY_STOP, 1000};
    lease.order.act = ACT_GO;
    rig_start(&r, &lease);
    rig_started(&r, ref);
    rig_open(&r, 7, ref);
    rig_hello(&r, 7, 0);
    rig_answer(&r, 7,
               "{\"ok\":1,\"act\":0,\"params\":{\"lr\":0.5,\"layers\":2},"
               "\"restore\":\"/state/nodes/n1/snapshots/12.41/4\",\"step\":9,\"trial\":\"12.41\","
               "\"attempt\":1,\"seed\":17,\"milestone\":null,\"save\":null}");
    rig_end(&r);
}

static void test_hello_while_an_order_to_leave_holds_carries_its_act(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_STOP, 60000});
    rig_open(&r, 2, RIG_REF);
    rig_hello(&r, 2, CAN_CHECKPOINT);
    struct rig_effect *effect = rig_next(&r, AGENT_ANSWER);
    assert_non_null(strstr(effect->effect.text, "\"act\":4,"));
    assert_int_equal(agent_attempt_find(r.agent, RIG_REF)->handed, 2);
    rig_end(&r);
}

static void test_answers_of_a_connection_leave_in_the_order_of_its_requests(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_CHECKPOINT);
    rig_report(&r, 1, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    rig_report(&r, 1, 3, 0.5); /* bad step, and its answer waits too */
    rig_report(&r, 1, 4, 0.5);
    rig_say(&r, 1, TRAINER_EXPLOIT, 0);
    rig_none(&r);
    rig_order(&r, RIG_REF, &(struct order){2, INT64_MAX, ACT_STOP, WHY_RUNG, 60000});
    rig_answer(&r, 1, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_answer(&r, 1, "{\"ok\":0,\"error\":\"bad_step\",\"text\":\"step 3 is not above 3\"}");
    rig_answer(&r, 1, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_answer(&r, 1, "{\"ok\":0,\"error\":\"not_now\",\"text\":\"no exploit was ordered\"}");
    rig_forget(&r);
    rig_end(&r);
}

static void test_bye_is_answered_once_it_is_on_the_heads_disk(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":3}");
    rig_bye(&r, 1, BYE_DONE, "all well");
    rig_event(&r, EVENT_ROWS); /* first what was reported */
    const struct node_event *event = rig_event(&r, EVENT_BYE);
    assert_int_equal(event->bye, BYE_DONE);
    assert_string_equal(event->note, "all well");
    rig_ack(&r, event->number - 1);
    rig_none(&r);
    rig_open(&r, 2, RIG_REF);
    rig_bye(&r, 2, BYE_DONE, NULL); /* again, from another connection: told once */
    rig_ack(&r, event->number);
    rig_answer(&r, 1, "{\"ok\":1}");
    rig_answer(&r, 2, "{\"ok\":1}");
    rig_bye(&r, 2, BYE_DONE, NULL);
    rig_answer(&r, 2, "{\"ok\":1}");
    rig_exited(&r, RIG_REF, 0);
    event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.bye, BYE_DONE);
    assert_string_equal(event->result.note, "all well");
    rig_forget(&r);
    rig_end(&r);
}

static void test_bye_whose_connection_is_lost_stays_told(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    rig_report(&r, 1, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    rig_bye(&r, 1, BYE_ERROR, NULL);
    rig_event(&r, EVENT_BYE);
    on_trainer_close(r.agent, r.now, 1, &r.out);
    rig_turn(&r);
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = 9});
    rig_ack_all(&r);
    rig_none(&r);
    rig_wait(&r, 30000); /* nobody waits, so no line is sent */
    rig_none(&r);
    rig_exited(&r, RIG_REF, 1);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.bye, BYE_ERROR);
    rig_end(&r);
}

static void test_alive_line_is_sent_every_5_seconds_while_an_answer_is_held(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    rig_report(&r, 1, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    for (int i = 0; i < 3; i++) {
        rig_wait(&r, AGENT_ALIVE_LINE_MS - 1);
        rig_none(&r);
        rig_wait(&r, 1);
        rig_answer(&r, 1, "");
    }
    rig_end(&r);
}

static void test_trainer_that_owes_reading_is_not_read_until_answers_left(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    rig_report(&r, 1, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    uint32_t max = AGENT_OWED_BYTES_MAX / AGENT_ANSWER_OWED_BYTES;
    for (uint32_t i = 1; i < max; i++) {
        rig_none(&r);
        rig_say(&r, 1, TRAINER_EXPLOIT, 0);
    }
    assert_int_equal(rig_next(&r, AGENT_READ_STOP)->effect.connection, 1);
    for (uint32_t i = 0; i < max; i++) {
        rig_say(&r, 1, TRAINER_EXPLOIT, 0); /* read before the stop */
    }
    rig_none(&r);
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = 9});
    for (uint32_t i = 0; i < 2 * max; i++) {
        rig_next(&r, AGENT_ANSWER);
    }
    assert_int_equal(rig_next(&r, AGENT_READ_START)->effect.connection, 1);
    rig_end(&r);
}

static void test_trainer_that_floods_past_the_stop_is_closed(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    rig_report(&r, 1, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    uint32_t max = 2 * AGENT_OWED_BYTES_MAX / AGENT_ANSWER_OWED_BYTES;
    for (uint32_t i = 0; i < max; i++) {
        rig_say(&r, 1, TRAINER_EXPLOIT, 0);
    }
    rig_next(&r, AGENT_READ_STOP);
    assert_int_equal(rig_next(&r, AGENT_CLOSE)->effect.connection, 1);
    assert_int_equal(r.agent->n_answers, 0);
    rig_say(&r, 1, TRAINER_EXPLOIT, 0); /* unknown now */
    rig_end(&r);
}

static void test_trainer_faster_than_the_news_of_its_start_is_read_after_it(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_start(&r, &lease);
    rig_open(&r, 1, RIG_REF);
    rig_next(&r, AGENT_READ_STOP);
    rig_started(&r, RIG_REF);
    assert_int_equal(rig_next(&r, AGENT_READ_START)->effect.connection, 1);
    rig_end(&r);
}

static void test_trainer_line_that_does_not_decode_is_told_so(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    struct trainer_request bad = {
        .kind = TRAINER_BAD, .error = "bad_json", .error_text = "'}' expected near \"x\""};
    rig_request(&r, 1, &bad);
    rig_answer(&r, 1, "{\"ok\":0,\"error\":\"bad_json\",\"text\":\"'}' expected near \\\"x\\\"\"}");
    rig_end(&r);
}

static void test_trainer_of_an_unknown_attempt_is_closed(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    rig_open(&r, 3, RIG_REF);
    assert_int_equal(rig_next(&r, AGENT_CLOSE)->effect.connection, 3);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_tells_parameters_step_and_milestone),
        cmocka_unit_test(test_hello_of_a_retry_names_the_folder_and_the_step),
        cmocka_unit_test(test_hello_while_an_order_to_leave_holds_carries_its_act),
        cmocka_unit_test(test_answers_of_a_connection_leave_in_the_order_of_its_requests),
        cmocka_unit_test(test_bye_is_answered_once_it_is_on_the_heads_disk),
        cmocka_unit_test(test_bye_whose_connection_is_lost_stays_told),
        cmocka_unit_test(test_alive_line_is_sent_every_5_seconds_while_an_answer_is_held),
        cmocka_unit_test(test_trainer_that_owes_reading_is_not_read_until_answers_left),
        cmocka_unit_test(test_trainer_that_floods_past_the_stop_is_closed),
        cmocka_unit_test(test_trainer_faster_than_the_news_of_its_start_is_read_after_it),
        cmocka_unit_test(test_trainer_line_that_does_not_decode_is_told_so),
        cmocka_unit_test(test_trainer_of_an_unknown_attempt_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
