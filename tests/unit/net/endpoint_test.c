/* Router and dealers that mean well, over real sockets: each test over ipc and over tcp. */
#include "rig.h"

static const char *transport_of(void **state)
{
    return *state;
}

static bool first_agent_is_up(struct rig *rig)
{
    return dealer_is_up(rig->agents[0].dealer);
}

static bool frames_came(struct rig *rig)
{
    return (int64_t)rig->frames >= rig->want;
}

static bool first_agent_has_frames(struct rig *rig)
{
    return (int64_t)rig->agents[0].frames >= rig->want;
}

static bool first_agent_went_down_and_up(struct rig *rig)
{
    return rig->agents[0].downs >= 1 && dealer_is_up(rig->agents[0].dealer) &&
           (int64_t)rig->frames >= rig->want;
}

static void test_frame_goes_both_ways_with_its_sender_known(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    rig_agent_add(&rig, "node-1", 0xabc, NULL);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    assert_string_equal(rig.last, "enrol");
    assert_string_equal(rig.peer_node, "node-1");
    assert_true(rig.peer_incarnation == 0xabc);
    assert_int_equal(rig.peer_connection, 1);
    assert_false(rig.peer_is_admitted);

    assert_int_equal(router_peer_admit(rig.router, rig.peer), OK);
    assert_int_equal(router_send(rig.router, rig.peer, rig_bytes("welcome")), OK);
    assert_true(rig_until(&rig, first_agent_has_frames));
    assert_string_equal(rig.agents[0].last, "welcome");

    assert_int_equal(dealer_send(rig.agents[0].dealer, rig_bytes("events")), OK);
    rig.want = 2;
    assert_true(rig_until(&rig, frames_came));
    assert_string_equal(rig.last, "events");
    assert_true(rig.peer_is_admitted);
    assert_int_equal(router_counters(rig.router)->peers, 1);
    assert_int_equal(router_counters(rig.router)->strangers, 0);
    rig_end(&rig);
}

static void test_frames_of_several_agents_keep_their_order_and_sender(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    rig.must_echo = true;
    struct rig_agent *a = rig_agent_add(&rig, "a", 1, NULL);
    struct rig_agent *b = rig_agent_add(&rig, "b", 1, NULL);
    rig.want = 2;
    assert_true(rig_until(&rig, frames_came));
    for (int i = 1; i <= 1000; i++) {
        char text[16];
        snprintf(text, sizeof text, "a%d", i);
        assert_int_equal(dealer_send(a->dealer, rig_bytes(text)), OK);
        text[0] = 'b';
        assert_int_equal(dealer_send(b->dealer, rig_bytes(text)), OK);
    }
    rig.want = 1001;
    assert_true(rig_until(&rig, first_agent_has_frames));
    rig.want = 2002;
    assert_true(rig_until(&rig, frames_came));
    assert_string_equal(a->last, "a1000");
    while (b->frames < 1001) {
        assert_true(rig_until(&rig, frames_came));
    }
    assert_string_equal(b->last, "b1000");
    rig_end(&rig);
}

/* Whoever sends most may not keep the loop: at most frames_per_turn frames a turn, and the turn
 * says that it is behind. */
static void test_router_flooded_takes_its_limit_a_turn(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    rig_router_stop(&rig);
    rig.frames_per_turn = 4;
    rig_router_start(&rig);
    struct rig_agent *agent = rig_agent_add(&rig, "a", 1, NULL);
    assert_true(rig_until(&rig, first_agent_is_up));
    for (int i = 0; i < 200; i++) {
        assert_int_equal(dealer_send(agent->dealer, rig_bytes("event")), OK);
    }
    rig.want = 201;
    assert_true(rig_until(&rig, frames_came));
    assert_true(rig.frames_in_turn_max <= 4);
    assert_true(rig.turns_behind > 0);
    rig_end(&rig);
}

static bool send_fails(struct rig *rig)
{
    return router_send(rig->router, rig->peer, rig_bytes("x")) == ERR_UNREACHABLE;
}

static void test_router_send_to_nobody_is_unreachable(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    assert_int_equal(router_send(rig.router, 5, rig_bytes("x")), ERR_UNREACHABLE);
    rig_agent_add(&rig, "a", 1, NULL);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    rig_agent_close(&rig.agents[0]);
    assert_true(rig_until(&rig, send_fails));
    assert_true(router_counters(rig.router)->unreachable >= 2);
    rig_end(&rig);
}

static bool queue_is_full(struct rig *rig)
{
    static uint8_t block[16 << 10];
    error_code code = OK;
    for (int i = 0; i < 200 && code == OK; i++) {
        code = router_send(rig->router, (uint64_t)rig->want, (struct bytes){block, sizeof block});
    }
    return code == ERR_AGAIN;
}

static bool second_frame_came(struct rig *rig)
{
    return strcmp(rig->last, "after") == 0;
}

/* An agent that does not read fills its own queue and nobody else's. */
static void test_router_send_to_a_stalled_peer_is_again_and_others_go_on(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    struct key_pair keys;
    assert_int_equal(key_pair_new(&keys), OK);
    void *stalled = rig_raw_open(&rig, "stalled/0000000000000001/00000001/0000000000000001", &keys);
    assert_true(zmq_send(stalled, "enrol", 5, 0) == 5);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    rig.want = (int64_t)rig.peer;
    assert_true(rig_until(&rig, queue_is_full));
    assert_true(router_counters(rig.router)->full > 0);

    struct rig_agent *agent = rig_agent_add(&rig, "b", 1, NULL);
    assert_true(rig_until(&rig, first_agent_is_up));
    assert_int_equal(dealer_send(agent->dealer, rig_bytes("after")), OK);
    assert_true(rig_until(&rig, second_frame_came));
    assert_int_equal(router_send(rig.router, rig.peer, rig_bytes("x")), OK);
    zmq_close(stalled);
    rig_end(&rig);
}

/* kill -9 and restart of the head: the agent learns of both, and what it had queued for the old
 * head never reaches the new one. */
static void test_dealer_head_restarted_goes_down_and_up_again(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    struct rig_agent *agent = rig_agent_add(&rig, "a", 1, NULL);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    rig_router_stop(&rig);
    for (int i = 0; i < 10; i++) {
        error_code code = dealer_send(agent->dealer, rig_bytes("for the old head"));
        assert_true(code == OK || code == ERR_UNREACHABLE || code == ERR_AGAIN);
    }
    rig_router_start(&rig);
    rig.want = 2;
    assert_true(rig_until(&rig, first_agent_went_down_and_up));
    assert_string_equal(rig.last, "enrol");
    assert_int_equal(rig.frames, 2);
    assert_true(rig.peer_connection >= 2);
    assert_string_equal(agent->calls, "udu");
    rig_end(&rig);
}

static bool agent_is_down(struct rig *rig)
{
    return rig->agents[0].downs == 1 && !dealer_is_up(rig->agents[0].dealer);
}

static bool agent_has_retried(struct rig *rig)
{
    return (int64_t)dealer_counters(rig->agents[0].dealer)->connects >= rig->want;
}

static void test_dealer_head_away_keeps_trying(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    rig_agent_add(&rig, "a", 1, NULL);
    assert_true(rig_until(&rig, first_agent_is_up));
    rig_router_stop(&rig);
    assert_true(rig_until(&rig, agent_is_down));
    assert_int_equal(dealer_send(rig.agents[0].dealer, rig_bytes("x")), ERR_UNREACHABLE);
    rig.want = (int64_t)dealer_counters(rig.agents[0].dealer)->connects + 5;
    assert_true(rig_until(&rig, agent_has_retried));
    rig_router_start(&rig);
    assert_true(rig_until(&rig, first_agent_is_up));
    assert_int_equal(rig.agents[0].downs, 1);
    rig_end(&rig);
}

/* An agent that starts before its head finds it when it comes. */
static void test_dealer_started_first_comes_up(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    rig_router_stop(&rig);
    rig_agent_add(&rig, "a", 1, NULL);
    rig.want = 5;
    assert_true(rig_until(&rig, agent_has_retried));
    rig_router_start(&rig);
    assert_true(rig_until(&rig, first_agent_is_up));
    assert_string_equal(rig.agents[0].calls, "u");
    rig_end(&rig);
}

static void test_dealer_reconnect_makes_a_new_connection_of_the_same_peer(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    struct rig_agent *agent = rig_agent_add(&rig, "a", 1, NULL);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    uint64_t peer = rig.peer;
    assert_int_equal(router_peer_admit(rig.router, peer), OK);
    dealer_reconnect(agent->dealer, 0);
    assert_int_equal(agent->downs, 0); /* never out of the call itself */
    rig.want = 2;
    assert_true(rig_until(&rig, first_agent_went_down_and_up));
    assert_true(rig.peer == peer);
    assert_true(rig.peer_is_admitted);
    assert_int_equal(rig.peer_connection, 2);
    rig.want = 1;
    assert_int_equal(router_send(rig.router, peer, rig_bytes("to the new one")), OK);
    assert_true(rig_until(&rig, first_agent_has_frames));
    assert_string_equal(agent->last, "to the new one");
    assert_string_equal(agent->calls, "uduf");
    rig_end(&rig);
}

/* The head's last word must not get lost in its own hang-up. */
static void test_dealer_last_frame_before_the_end_is_delivered(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    struct rig_agent *agent = rig_agent_add(&rig, "a", 1, NULL);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    assert_int_equal(router_send(rig.router, rig.peer, rig_bytes("leave")), OK);
    rig_router_stop(&rig);
    assert_true(rig_until(&rig, agent_is_down));
    assert_string_equal(agent->last, "leave");
    assert_string_equal(agent->calls, "ufd");
    rig_end(&rig);
}

static void test_frame_of_the_largest_size_passes_and_one_byte_more_does_not(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    struct rig_agent *agent = rig_agent_add(&rig, "a", 1, NULL);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    uint8_t *block = mem_zalloc(MSG_MAX_BYTES + 1);
    assert_non_null(block);
    assert_int_equal(dealer_send(agent->dealer, (struct bytes){block, MSG_MAX_BYTES + 1}),
                     ERR_LIMIT);
    assert_int_equal(router_send(rig.router, rig.peer, (struct bytes){block, MSG_MAX_BYTES + 1}),
                     ERR_LIMIT);
    assert_int_equal(dealer_send(agent->dealer, (struct bytes){block, 0}), ERR_LIMIT);
    assert_int_equal(dealer_send(agent->dealer, (struct bytes){block, MSG_MAX_BYTES}), OK);
    rig.want = 2;
    assert_true(rig_until(&rig, frames_came));
    assert_int_equal(router_send(rig.router, rig.peer, (struct bytes){block, MSG_MAX_BYTES}), OK);
    rig.want = 1;
    assert_true(rig_until(&rig, first_agent_has_frames));
    assert_int_equal(agent->downs, 0);
    mem_free(block);
    rig_end(&rig);
}

static bool time_is_over(struct rig *rig)
{
    return clock_now() > rig->want;
}

/* A source that always claims to have more, or an edge that is never consumed, would show as
 * thousands of turns. */
static void test_idle_endpoints_let_the_loop_sleep(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    rig_agent_add(&rig, "a", 1, NULL);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    uint64_t before = rig.turns;
    rig.want = clock_now() + 40 * RIG_TICK_MS;
    assert_true(rig_until(&rig, time_is_over));
    assert_in_range(rig.turns - before, 1, 200);
    rig_end(&rig);
}

static void test_dealer_open_bad_options_are_invalid(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    const struct dealer_callbacks callbacks = {on_rig_up, on_rig_down, on_rig_agent_frame, NULL};
    const struct dealer_options bad[] = {
        {.endpoint = "http://x", .head_public = rig.head.public_key, .node = "a"},
        {.endpoint = "tcp://nowhere:0", .head_public = rig.head.public_key, .node = "a"},
        {.endpoint = rig.endpoint, .head_public = "short", .node = "a"},
        {.endpoint = rig.endpoint, .head_public = rig.head.public_key, .node = "a/b"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct dealer *dealer = NULL;
        struct report report = {0};
        assert_int_equal(dealer_open(rig.loop, &bad[i], &callbacks, &dealer, &report), ERR_INVALID);
        assert_true(report.text[0] != '\0');
    }
    rig_end(&rig);
}

static void test_router_bind_address_in_use_is_busy(void **state)
{
    struct rig rig;
    rig_begin(&rig, transport_of(state));
    if (strncmp(rig.endpoint, "tcp", 3) == 0) {
        struct report report = {0};
        assert_int_equal(router_bind(rig.router, rig.endpoint, NULL, &report), ERR_BUSY);
        assert_non_null(strstr(report.text, rig.endpoint));
    } else {
        char path[ROUTER_ENDPOINT_MAX];
        snprintf(path, sizeof path, "ipc://%s/%0120d", rig.folder, 0);
        assert_int_equal(router_bind(rig.router, path, NULL, NULL), ERR_LIMIT);
    }
    rig_end(&rig);
}

int main(void)
{
#define over_both(test)                                                                            \
    {"ipc " #test, test, NULL, NULL, (void *)(uintptr_t) "ipc"},                                   \
    {                                                                                              \
        "tcp " #test, test, NULL, NULL, (void *)(uintptr_t) "tcp"                                  \
    }
    const struct CMUnitTest tests[] = {
        over_both(test_frame_goes_both_ways_with_its_sender_known),
        over_both(test_frames_of_several_agents_keep_their_order_and_sender),
        over_both(test_router_flooded_takes_its_limit_a_turn),
        over_both(test_router_send_to_nobody_is_unreachable),
        over_both(test_router_send_to_a_stalled_peer_is_again_and_others_go_on),
        over_both(test_dealer_head_restarted_goes_down_and_up_again),
        over_both(test_dealer_head_away_keeps_trying),
        over_both(test_dealer_started_first_comes_up),
        over_both(test_dealer_reconnect_makes_a_new_connection_of_the_same_peer),
        over_both(test_dealer_last_frame_before_the_end_is_delivered),
        over_both(test_frame_of_the_largest_size_passes_and_one_byte_more_does_not),
        over_both(test_idle_endpoints_let_the_loop_sleep),
        over_both(test_dealer_open_bad_options_are_invalid),
        over_both(test_router_bind_address_in_use_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
