/* Who may have a node's name, and what a node is told of its timeouts. */
#include "rig.h"

enum { SECOND_PEER = RIG_PEER + 7, SECOND_INCARNATION = RIG_INCARNATION + 7 };

static struct msg_enrol enrolment(uint64_t incarnation, const char *host, const char *state_dir)
{
    return (struct msg_enrol){.protocol = PROTOCOL_VERSION,
                              .schema_version = 1,
                              .secret = "s",
                              .node = "far",
                              .incarnation = incarnation,
                              .host = host,
                              .state_dir = state_dir,
                              .pid = 9,
                              .version = "test",
                              .cpus = AMOUNT_ONE,
                              .memory_bytes = 1 << 30,
                              .first_event = 1,
                              .is_remote = true};
}

static void come(struct rig *r, uint64_t peer, struct msg_enrol msg)
{
    rig_sent_clear(r);
    on_enrol(r->core, r->now, peer, &msg);
    rig_turn(r);
}

static void test_enrol_second_of_a_name_is_refused_while_the_first_is_heard(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    come(r, RIG_PEER, enrolment(RIG_INCARNATION, "a", "/s"));
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);

    come(r, SECOND_PEER, enrolment(SECOND_INCARNATION, "b", "/s"));
    const struct msg_refused *refused = rig_sent_last(r, MSG_REFUSED, &arena);
    assert_non_null(refused);
    assert_string_equal(refused->code, error_word(ERR_BUSY));
    assert_non_null(strstr(refused->text, "another worker has the name 'far' (host a, pid 9)"));
    assert_int_equal(core_node_peer(r->core, "far"), RIG_PEER);
    /* On the same host, but of another folder: as much another one. */
    come(r, SECOND_PEER, enrolment(SECOND_INCARNATION, "a", "/other"));
    assert_int_equal(rig_sent_count(r, MSG_REFUSED), 1);
    /* The first one may come again at any time. */
    come(r, RIG_PEER, enrolment(RIG_INCARNATION, "a", "/s"));
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    arena_fini(&arena);
    rig_free(r);
}

/* The frames of two connections of one agent may be read in any order. */
static void test_enrol_older_than_one_that_was_answered_changes_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct msg_enrol first = enrolment(RIG_INCARNATION, "a", "/s"), second = first;
    first.enrolment = 1;
    second.enrolment = 2;
    come(r, RIG_PEER, second);
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    come(r, RIG_PEER, first);
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 0);
    come(r, RIG_PEER, second);
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 0);
    second.enrolment = 3;
    come(r, RIG_PEER, second);
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    /* A new start of it counts anew. */
    first.incarnation = SECOND_INCARNATION;
    come(r, SECOND_PEER, first);
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    rig_free(r);
}

/* The head was busy: the next start of an agent was read first. */
static void test_enrol_of_a_start_that_was_replaced_costs_the_next_one_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    come(r, RIG_PEER, enrolment(RIG_INCARNATION, "a", "/s"));
    come(r, SECOND_PEER, enrolment(SECOND_INCARNATION, "a", "/s"));
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    come(r, RIG_PEER, enrolment(RIG_INCARNATION, "a", "/s"));
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 0);
    assert_true(core_node_find(r->core, "far")->r.incarnation == SECOND_INCARNATION);
    /* Without a lock to tell them by, once the next one is silent it may be the one that lives. */
    r->now += CORE_SUSPECT_MS;
    come(r, RIG_PEER, enrolment(RIG_INCARNATION, "a", "/s"));
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    rig_free(r);
}

static void test_enrol_that_tells_nothing_new_breaks_the_silence(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct msg_enrol first = enrolment(RIG_INCARNATION, "a", "/s");
    first.enrolment = 1;
    come(r, RIG_PEER, first);
    r->now += CORE_NODE_TIMEOUT_MS - 1000;
    on_tick(r->core, r->now);
    rig_turn(r);
    come(r, RIG_PEER, first);
    assert_int_equal(core_node_find(r->core, "far")->r.state, NODE_ALIVE);
    r->now += 2000;
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(core_node_find(r->core, "far")->r.state, NODE_ALIVE);
    r->now += CORE_NODE_TIMEOUT_MS;
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(core_node_find(r->core, "far")->r.state, NODE_GONE);
    rig_free(r);
}

/* However late it is read: of one folder's starts the later one is known by its moment. */
static void test_enrol_of_an_earlier_start_of_the_folder_never_takes_over(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct msg_enrol last = enrolment(SECOND_INCARNATION, "a", "/s");
    struct msg_enrol earlier = enrolment(RIG_INCARNATION, "a", "/s");
    last.lock = earlier.lock = "boot-1:1:2";
    last.agent_started = 2000;
    earlier.agent_started = 1000;
    come(r, SECOND_PEER, last);
    for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
        r->now += 2 * CORE_SUSPECT_MS;
        come(r, RIG_PEER, earlier);
        assert_int_equal(rig_sent_count(r, MSG_REFUSED), 1);
        assert_true(core_node_find(r->core, "far")->r.incarnation == SECOND_INCARNATION);
        rig_restart(r);
    }
    /* Another machine's start is no earlier one, whatever its clock says. */
    earlier.lock = "boot-2:1:2";
    r->now += CORE_SUSPECT_MS;
    come(r, RIG_PEER, earlier);
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    rig_free(r);
}

static void test_enrol_of_the_start_before_never_comes_back(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct msg_enrol before = enrolment(RIG_INCARNATION, "a", "/s");
    struct msg_enrol next = enrolment(SECOND_INCARNATION, "a", "/s");
    before.lock = next.lock = "boot-1:1:2";
    come(r, RIG_PEER, before);
    come(r, SECOND_PEER, next);
    r->now += 2 * CORE_SUSPECT_MS;
    come(r, RIG_PEER, before);
    assert_int_equal(rig_sent_count(r, MSG_REFUSED), 1);
    assert_int_equal(core_node_peer(r->core, "far"), SECOND_PEER);
    rig_free(r);
}

static void test_enrol_second_of_a_name_is_let_in_once_the_first_is_suspect(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    come(r, RIG_PEER, enrolment(RIG_INCARNATION, "a", "/s"));
    r->now += CORE_SUSPECT_MS - 1;
    come(r, SECOND_PEER, enrolment(SECOND_INCARNATION, "b", "/s"));
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 0);
    r->now += 1;
    come(r, SECOND_PEER, enrolment(SECOND_INCARNATION, "b", "/s"));
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    assert_int_equal(core_node_peer(r->core, "far"), SECOND_PEER);
    rig_free(r);
}

static void test_enrol_next_start_of_an_agent_takes_over_at_once(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    come(r, RIG_PEER, enrolment(RIG_INCARNATION, "a", "/s"));
    come(r, SECOND_PEER, enrolment(SECOND_INCARNATION, "a", "/s"));
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    assert_int_equal(core_node_peer(r->core, "far"), SECOND_PEER);
    rig_free(r);
}

/* A machine made as a copy of another has its host name and its paths, and is another one. */
static void test_enrol_copy_of_a_machine_is_no_next_start(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct msg_enrol first = enrolment(RIG_INCARNATION, "a", "/s");
    struct msg_enrol copy = enrolment(SECOND_INCARNATION, "a", "/s");
    first.lock = "boot-1:1:2";
    copy.lock = "boot-2:1:2";
    come(r, RIG_PEER, first);
    come(r, SECOND_PEER, copy);
    assert_int_equal(rig_sent_count(r, MSG_REFUSED), 1);
    assert_int_equal(core_node_peer(r->core, "far"), RIG_PEER);
    rig_restart(r);
    come(r, SECOND_PEER, copy);
    assert_int_equal(rig_sent_count(r, MSG_REFUSED), 1);
    copy.lock = first.lock; /* that lock cannot be had twice: the one before it has ended */
    come(r, SECOND_PEER, copy);
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    rig_free(r);
}

/* After a start of the head the agent that had the name has some seconds to come back to it. */
static void test_enrol_after_a_head_restart_the_name_waits_for_its_owner(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    come(r, RIG_PEER, enrolment(RIG_INCARNATION, "a", "/s"));
    rig_restart(r);
    come(r, SECOND_PEER, enrolment(SECOND_INCARNATION, "b", "/s"));
    assert_int_equal(rig_sent_count(r, MSG_REFUSED), 1);
    come(r, RIG_PEER + 1, enrolment(RIG_INCARNATION, "a", "/s"));
    assert_int_equal(rig_sent_count(r, MSG_WELCOME), 1);
    rig_free(r);
}

static void test_enrol_orphan_timeout_is_for_those_who_joined_over_tcp(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct arena arena;
    core_free(r->core);
    struct core_config config = {.version = "test",
                                 .cluster = "c",
                                 .state_dir = "/s",
                                 .epoch = 1,
                                 .started = r->now,
                                 .orphan_timeout_ms = 1234};
    assert_int_equal(core_new(&config, &r->core), OK);
    assert_int_equal(core_load_done(r->core, r->now, NULL), OK);
    for (int is_remote = 0; is_remote < 2; is_remote++) {
        struct msg_enrol msg = enrolment(RIG_INCARNATION, "a", "/s");
        msg.is_remote = is_remote != 0;
        come(r, RIG_PEER, msg);
        arena_init(&arena, MSG_ARENA_MAX_BYTES);
        const struct msg_welcome *welcome = rig_sent_last(r, MSG_WELCOME, &arena);
        assert_non_null(welcome);
        assert_int_equal(welcome->orphan_timeout_ms, is_remote ? 1234 : 0);
        arena_fini(&arena);
    }
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enrol_second_of_a_name_is_refused_while_the_first_is_heard),
        cmocka_unit_test(test_enrol_older_than_one_that_was_answered_changes_nothing),
        cmocka_unit_test(test_enrol_of_a_start_that_was_replaced_costs_the_next_one_nothing),
        cmocka_unit_test(test_enrol_that_tells_nothing_new_breaks_the_silence),
        cmocka_unit_test(test_enrol_of_an_earlier_start_of_the_folder_never_takes_over),
        cmocka_unit_test(test_enrol_of_the_start_before_never_comes_back),
        cmocka_unit_test(test_enrol_second_of_a_name_is_let_in_once_the_first_is_suspect),
        cmocka_unit_test(test_enrol_next_start_of_an_agent_takes_over_at_once),
        cmocka_unit_test(test_enrol_copy_of_a_machine_is_no_next_start),
        cmocka_unit_test(test_enrol_after_a_head_restart_the_name_waits_for_its_owner),
        cmocka_unit_test(test_enrol_orphan_timeout_is_for_those_who_joined_over_tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
