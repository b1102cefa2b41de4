#include "rig.h"

static time_ms link_reconnect_at(struct rig *r)
{
    return rig_next(r, AGENT_RECONNECT)->effect.at;
}

static void test_link_up_enrols_with_all_that_is_known(void **state)
{
    (void)state;
    struct rig r;
    rig_begin_unconnected(&r);
    rig_link_up(&r);
    const struct msg_enrol *enrol = rig_enrol(&r);
    assert_string_equal(enrol->node, "n1");
    assert_string_equal(enrol->secret, "secret");
    assert_int_equal(enrol->incarnation, RIG_INCARNATION);
    assert_int_equal(enrol->n_gpus, 2);
    assert_int_equal(enrol->first_event, 1);
    assert_false(enrol->is_draining);
    rig_end(&r);
}

static void test_link_without_welcome_enrols_again_and_then_reconnects(void **state)
{
    (void)state;
    struct rig r;
    rig_begin_unconnected(&r);
    rig_link_up(&r);
    rig_enrol(&r);
    rig_wait(&r, AGENT_ENROL_AGAIN_MS - 1);
    rig_none(&r);
    rig_wait(&r, 1);
    rig_enrol(&r);
    rig_wait(&r, AGENT_SILENCE_MS - AGENT_ENROL_AGAIN_MS);
    rig_enrol(&r);
    rig_enrol(&r);
    assert_true(link_reconnect_at(&r) >= r.now);
    rig_wait(&r, 60000); /* now it is the shell's turn */
    rig_end(&r);
}

static void test_link_sends_a_heartbeat_every_second_with_the_load(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    on_load(r.agent, 250, 123456);
    rig_wait(&r, 5000);
    assert_int_equal(r.heartbeats, 5);
    rig_end(&r);
}

static void test_link_speaks_when_the_head_wants_it(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_ack ack = {
        .incarnation = RIG_INCARNATION, .heartbeat_ms = 3000, .heartbeat_in_ms = 700};
    rig_head(&r, MSG_ACK, &ack);
    rig_wait(&r, 699);
    assert_int_equal(r.heartbeats, 0);
    rig_wait(&r, 1);
    assert_int_equal(r.heartbeats, 1);
    rig_wait(&r, 2999);
    assert_int_equal(r.heartbeats, 1);
    rig_wait(&r, 1);
    assert_int_equal(r.heartbeats, 2);
    rig_end(&r);
}

static void test_link_silent_for_ten_seconds_is_connected_again(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    r.is_head_away = true;
    rig_wait(&r, AGENT_SILENCE_MS - 1);
    rig_none(&r);
    rig_wait(&r, 1);
    time_ms at = link_reconnect_at(&r);
    assert_true(at >= r.now && at <= r.now + AGENT_BACKOFF_MIN_MS);
    rig_link_up(&r);
    rig_enrol(&r);
    rig_end(&r);
}

static void test_link_refused_backs_off_with_jitter_up_to_the_limit(void **state)
{
    (void)state;
    struct rig r;
    rig_begin_unconnected(&r);
    struct msg_refused refused = {RIG_EPOCH, "not_allowed", "wrong join key"};
    int64_t backoff = AGENT_BACKOFF_MIN_MS;
    int different = 0;
    for (int i = 0; i < 14; i++) {
        rig_link_up(&r);
        rig_enrol(&r);
        rig_head(&r, MSG_REFUSED, &refused);
        int64_t wait = link_reconnect_at(&r) - r.now;
        assert_true(wait >= backoff / 2 && wait <= backoff);
        different += wait != backoff / 2 && wait != backoff;
        backoff = backoff * 2 > AGENT_BACKOFF_MAX_MS ? AGENT_BACKOFF_MAX_MS : backoff * 2;
        rig_wait(&r, wait);
    }
    assert_true(different > 7);
    rig_link_up(&r);
    rig_enrol(&r);
    rig_welcome(&r, 0, NULL, 0);
    rig_head(&r, MSG_REFUSED, &refused); /* a welcome sets the backoff back */
    assert_true(link_reconnect_at(&r) - r.now <= AGENT_BACKOFF_MIN_MS);
    rig_end(&r);
}

static void test_link_asked_who_enrols_again_but_not_in_a_storm(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    rig_wait(&r, 500);
    struct msg_who who = {RIG_EPOCH + 1};
    for (int i = 0; i < 50; i++) {
        rig_head(&r, MSG_WHO, &who);
    }
    assert_int_equal(rig_enrol(&r)->epoch, RIG_EPOCH + 1);
    rig_none(&r);
    rig_wait(&r, AGENT_ENROL_PAUSE_MS);
    rig_enrol(&r);
    rig_wait(&r, AGENT_ENROL_PAUSE_MS);
    rig_end(&r);
}

static void test_link_does_not_listen_to_a_head_with_a_lower_epoch(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    struct msg_welcome old = {.epoch = RIG_EPOCH - 1};
    rig_head(&r, MSG_WELCOME, &old); /* which holds nothing: it must not cost the trial */
    link_reconnect_at(&r);
    rig_none(&r);
    assert_int_equal(agent_attempt_find(r.agent, RIG_REF)->state, ATTEMPT_RUNNING);
    rig_head(&r, MSG_GONE, &(struct msg_gone){RIG_REF.task, 0}); /* nor what it says after that */
    rig_none(&r);
    rig_link_up(&r);
    rig_enrol(&r);
    rig_head(&r, MSG_LEAVE, &(struct msg_leave){RIG_EPOCH - 1});
    link_reconnect_at(&r);
    rig_end(&r);
}

static void test_link_welcome_of_an_earlier_enrolment_costs_no_attempt(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    uint64_t newest = r.agent->link.enrolments;
    assert_true(newest > 0);
    struct msg_welcome old = {.epoch = RIG_EPOCH, .enrolment = newest + 1};
    rig_head(&r, MSG_WELCOME, &old); /* from before the lease: it names nothing */
    rig_none(&r);
    assert_int_equal(agent_attempt_find(r.agent, RIG_REF)->state, ATTEMPT_RUNNING);
    struct msg_welcome own = {.epoch = RIG_EPOCH, .enrolment = newest};
    rig_head(&r, MSG_WELCOME, &own); /* of the newest: what it does not name ends */
    rig_signal(&r, SIGKILL);
    assert_int_equal(agent_attempt_find(r.agent, RIG_REF)->state, ATTEMPT_DISOWNED);
    rig_free(&r);
}

static void test_link_welcome_that_comes_twice_costs_no_attempt(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_begin_unconnected(&r);
    rig_link_up(&r);
    struct msg_welcome own = {.epoch = RIG_EPOCH, .enrolment = rig_enrol(&r)->enrolment};
    rig_head(&r, MSG_WELCOME, &own);
    rig_start(&r, &lease);
    rig_started(&r, RIG_REF);
    rig_head(&r, MSG_WELCOME, &own);
    rig_none(&r);
    assert_int_equal(agent_attempt_find(r.agent, RIG_REF)->state, ATTEMPT_RUNNING);
    rig_free(&r);
}

static void test_link_listens_to_leases_after_the_welcome_only(void **state)
{
    (void)state;
    struct rig r;
    rig_begin_unconnected(&r);
    rig_link_up(&r);
    rig_enrol(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_head(&r, MSG_LEASE, &lease);
    rig_none(&r);
    rig_welcome(&r, 0, NULL, 0);
    rig_start(&r, &lease);
    rig_end(&r);
}

static void test_link_that_claims_events_never_made_is_connected_again(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    rig_ack(&r, 1);
    link_reconnect_at(&r);
    rig_link_up(&r);
    rig_enrol(&r);
    rig_welcome(&r, 7, NULL, 0);
    link_reconnect_at(&r);
    struct msg_ack foreign = {.incarnation = RIG_INCARNATION + 1, .applied = 9};
    rig_head(&r, MSG_ACK, &foreign);
    rig_end(&r);
}

static void test_link_lost_kills_nothing_before_orphan_timeout(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_welcome welcome = {.epoch = RIG_EPOCH, .orphan_timeout_ms = 60000};
    rig_head(&r, MSG_WELCOME, &welcome);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_CHECKPOINT);
    on_link_down(r.agent, r.now, &r.out);
    rig_wait(&r, 59999);
    rig_link_up(&r); /* a connection is no word of a head */
    rig_enrol(&r);
    on_link_down(r.agent, r.now, &r.out);
    rig_none(&r);
    rig_wait(&r, 1);
    rig_signal(&r, SIGTERM);
    rig_wait(&r, 10000);
    rig_signal(&r, SIGKILL);
    rig_exited(&r, RIG_REF, 137);
    rig_next(&r, AGENT_CLOSE);
    rig_link_up(&r);
    rig_enrol(&r);
    struct running_ref hold = {RIG_REF.task, 0, 1};
    rig_welcome(&r, 1, &hold, 1);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_AGENT_LEFT);
    rig_end(&r);
}

/* Another agent has its name meanwhile: the head knows nothing of what runs here. */
static void test_link_refused_again_and_again_is_an_orphan(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_welcome welcome = {.epoch = RIG_EPOCH, .orphan_timeout_ms = 60000};
    struct msg_refused refused = {RIG_EPOCH, "busy", "another worker has the name"};
    rig_head(&r, MSG_WELCOME, &welcome);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, CAN_CHECKPOINT);
    time_ms orphan_at = r.now + 60000;
    while (r.now < orphan_at - 6000) {
        on_link_down(r.agent, r.now, &r.out);
        rig_link_up(&r);
        rig_enrol(&r);
        rig_head(&r, MSG_REFUSED, &refused);
        assert_true(link_reconnect_at(&r) >= r.now);
        rig_wait(&r, 5000);
    }
    rig_none(&r);
    rig_wait(&r, orphan_at - r.now);
    rig_signal(&r, SIGTERM);
    rig_end(&r);
}

static void test_link_lost_without_orphan_timeout_lets_trials_run(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF);
    rig_running(&r, &lease, 0);
    on_link_down(r.agent, r.now, &r.out);
    rig_wait(&r, INT64_C(30) * 24 * 3600 * 1000);
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":3}");
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_up_enrols_with_all_that_is_known),
        cmocka_unit_test(test_link_without_welcome_enrols_again_and_then_reconnects),
        cmocka_unit_test(test_link_sends_a_heartbeat_every_second_with_the_load),
        cmocka_unit_test(test_link_speaks_when_the_head_wants_it),
        cmocka_unit_test(test_link_silent_for_ten_seconds_is_connected_again),
        cmocka_unit_test(test_link_refused_backs_off_with_jitter_up_to_the_limit),
        cmocka_unit_test(test_link_asked_who_enrols_again_but_not_in_a_storm),
        cmocka_unit_test(test_link_does_not_listen_to_a_head_with_a_lower_epoch),
        cmocka_unit_test(test_link_welcome_of_an_earlier_enrolment_costs_no_attempt),
        cmocka_unit_test(test_link_welcome_that_comes_twice_costs_no_attempt),
        cmocka_unit_test(test_link_listens_to_leases_after_the_welcome_only),
        cmocka_unit_test(test_link_that_claims_events_never_made_is_connected_again),
        cmocka_unit_test(test_link_lost_kills_nothing_before_orphan_timeout),
        cmocka_unit_test(test_link_refused_again_and_again_is_an_orphan),
        cmocka_unit_test(test_link_lost_without_orphan_timeout_lets_trials_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
