#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/peers.h"

enum { ADMITTED_MAX = 3, STRANGERS_MAX = 4 };

struct table {
    struct peers *peers;
    struct router_peer peer;
    router_refusal refusal;
};

static struct table table_begin(void)
{
    struct table t = {0};
    assert_int_equal(peers_new(ADMITTED_MAX, STRANGERS_MAX, &t.peers), OK);
    return t;
}

static void table_end(struct table *t)
{
    peers_free(t->peers);
    assert_int_equal(mem_live_count(), 0);
}

/* A key is 40 characters; `key` is the first. */
static bool hear(struct table *t, char key, const char *node, unsigned incarnation,
                 unsigned connection, unsigned nonce)
{
    char public_key[KEY_TEXT_BYTES];
    memset(public_key, '0', sizeof public_key - 1);
    public_key[0] = key;
    public_key[KEY_TEXT_BYTES - 1] = '\0';
    char route[ROUTING_ID_TEXT_MAX];
    int n =
        snprintf(route, sizeof route, "%s/%016x/%08x/%016x", node, incarnation, connection, nonce);
    return peers_hear(t->peers, public_key, (struct bytes){(const uint8_t *)route, (size_t)n},
                      &t->peer, &t->refusal);
}

static void test_peer_new_key_is_a_stranger_with_a_number(void **state)
{
    (void)state;
    struct table t = table_begin();
    assert_true(hear(&t, 'a', "n1", 1, 1, 9));
    assert_int_equal(t.peer.number, 1);
    assert_false(t.peer.is_admitted);
    assert_string_equal(t.peer.node, "n1");
    assert_true(hear(&t, 'b', "n2", 1, 1, 9));
    assert_int_equal(t.peer.number, 2);
    assert_true(hear(&t, 'a', "n1", 1, 1, 9));
    assert_int_equal(t.peer.number, 1);
    table_end(&t);
}

static void test_peer_admitted_owns_its_incarnation(void **state)
{
    (void)state;
    struct table t = table_begin();
    assert_true(hear(&t, 'a', "n1", 1, 1, 9));
    assert_int_equal(peers_admit(t.peers, t.peer.number), OK);
    assert_int_equal(peers_admit(t.peers, t.peer.number), OK);
    assert_false(hear(&t, 'b', "n1", 1, 2, 9));
    assert_int_equal(t.refusal, REFUSED_FOREIGN_ID);
    assert_true(hear(&t, 'b', "n1", 2, 1, 9)); /* another incarnation is another name */
    assert_true(hear(&t, 'a', "n1", 1, 1, 9));
    assert_true(t.peer.is_admitted);
    table_end(&t);
}

/* Two strangers may claim the same name; only one can be admitted with it. */
static void test_peer_claimed_twice_admits_one(void **state)
{
    (void)state;
    struct table t = table_begin();
    assert_true(hear(&t, 'a', "n1", 1, 1, 9));
    uint64_t first = t.peer.number;
    assert_true(hear(&t, 'b', "n1", 1, 1, 8));
    uint64_t second = t.peer.number;
    assert_int_equal(peers_admit(t.peers, second), OK);
    assert_int_equal(peers_admit(t.peers, first), ERR_CONFLICT);
    assert_int_equal(peers_admit(t.peers, 77), ERR_NOT_FOUND);
    table_end(&t);
}

static void test_peer_second_name_under_one_key_is_refused(void **state)
{
    (void)state;
    struct table t = table_begin();
    assert_true(hear(&t, 'a', "n1", 1, 1, 9));
    assert_false(hear(&t, 'a', "n2", 1, 2, 9));
    assert_int_equal(t.refusal, REFUSED_SECOND_ID);
    assert_false(hear(&t, 'a', "n1", 2, 2, 9));
    assert_int_equal(t.refusal, REFUSED_SECOND_ID);
    table_end(&t);
}

static void test_peer_new_connection_replaces_the_old_one(void **state)
{
    (void)state;
    struct table t = table_begin();
    assert_true(hear(&t, 'a', "n1", 1, 1, 9));
    uint64_t number = t.peer.number;
    assert_string_equal(peers_route(t.peers, number)->text,
                        "n1/0000000000000001/00000001/0000000000000009");
    assert_true(hear(&t, 'a', "n1", 1, 2, 5));
    assert_int_equal(t.peer.number, number);
    assert_int_equal(t.peer.connection, 2);
    assert_string_equal(peers_route(t.peers, number)->text,
                        "n1/0000000000000001/00000002/0000000000000005");
    assert_false(hear(&t, 'a', "n1", 1, 1, 9));
    assert_int_equal(t.refusal, REFUSED_STALE);
    assert_false(hear(&t, 'a', "n1", 1, 2, 6)); /* the same count, not the same connection */
    assert_int_equal(t.refusal, REFUSED_STALE);
    table_end(&t);
}

static void test_peer_strangers_full_forgets_the_longest_silent(void **state)
{
    (void)state;
    struct table t = table_begin();
    uint64_t numbers[STRANGERS_MAX];
    for (char i = 0; i < STRANGERS_MAX; i++) {
        assert_true(hear(&t, (char)('a' + i), "n", (unsigned)i, 1, 1));
        numbers[(int)i] = t.peer.number;
    }
    assert_true(hear(&t, 'a', "n", 0, 1, 1)); /* not the longest silent any more */
    assert_true(hear(&t, 'z', "z", 0, 1, 1));
    assert_int_equal(peers_count(t.peers, false), STRANGERS_MAX);
    assert_non_null(peers_route(t.peers, numbers[0]));
    assert_null(peers_route(t.peers, numbers[1]));
    table_end(&t);
}

static void test_peer_admitted_full_is_a_limit_and_strangers_still_speak(void **state)
{
    (void)state;
    struct table t = table_begin();
    for (char i = 0; i < ADMITTED_MAX; i++) {
        assert_true(hear(&t, (char)('a' + i), "n", (unsigned)i, 1, 1));
        assert_int_equal(peers_admit(t.peers, t.peer.number), OK);
    }
    assert_true(hear(&t, 'z', "z", 0, 1, 1));
    uint64_t late = t.peer.number;
    assert_int_equal(peers_admit(t.peers, late), ERR_LIMIT);
    peers_forget(t.peers, 1);
    assert_int_equal(peers_admit(t.peers, late), OK);
    assert_int_equal(peers_count(t.peers, true), ADMITTED_MAX);
    table_end(&t);
}

static void test_peer_forgotten_gets_a_new_number(void **state)
{
    (void)state;
    struct table t = table_begin();
    assert_true(hear(&t, 'a', "n1", 1, 1, 9));
    assert_int_equal(peers_admit(t.peers, 1), OK);
    peers_forget(t.peers, 1);
    peers_forget(t.peers, 1);
    assert_null(peers_route(t.peers, 1));
    assert_true(hear(&t, 'a', "n1", 1, 1, 9));
    assert_int_equal(t.peer.number, 2);
    assert_false(t.peer.is_admitted);
    table_end(&t);
}

static void test_peer_without_memory_is_refused_and_nothing_is_kept(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        struct table t = table_begin();
        mem_fail_at(k);
        bool is_heard = hear(&t, 'a', "n1", 1, 1, 9);
        error_code code = is_heard ? peers_admit(t.peers, t.peer.number) : OK;
        bool has_failed = mem_has_failed();
        mem_fail_at(0);
        if (!is_heard) {
            assert_int_equal(t.refusal, REFUSED_CROWD);
            assert_int_equal(peers_count(t.peers, false), 0);
        }
        assert_true(hear(&t, 'a', "n1", 1, 1, 9));
        assert_int_equal(peers_admit(t.peers, t.peer.number), OK);
        table_end(&t);
        if (!has_failed) {
            assert_true(k > 3);
            assert_int_equal(code, OK);
            return;
        }
    }
}

/* An enrolment that the core refused keeps no place, but is still answered. */
static void test_peer_dismissed_gives_its_place_back_and_keeps_its_route(void **state)
{
    (void)state;
    struct table t = table_begin();
    for (unsigned round = 0; round < 3 * ADMITTED_MAX; round++) {
        assert_true(hear(&t, (char)('a' + (int)round), "same", round + 1, 1, 9));
        uint64_t number = t.peer.number;
        assert_int_equal(peers_admit(t.peers, number), OK);
        peers_dismiss(t.peers, number);
        peers_dismiss(t.peers, number);
        assert_non_null(peers_route(t.peers, number));
        assert_int_equal(peers_count(t.peers, true), 0);
    }
    assert_in_range(peers_count(t.peers, false), 1, STRANGERS_MAX);
    /* Its key may be admitted later, with the number that it had. */
    assert_true(hear(&t, (char)('a' + 3 * ADMITTED_MAX - 1), "same", 3 * ADMITTED_MAX, 1, 9));
    assert_false(t.peer.is_admitted);
    assert_int_equal(peers_admit(t.peers, t.peer.number), OK);
    table_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peer_new_key_is_a_stranger_with_a_number),
        cmocka_unit_test(test_peer_admitted_owns_its_incarnation),
        cmocka_unit_test(test_peer_claimed_twice_admits_one),
        cmocka_unit_test(test_peer_dismissed_gives_its_place_back_and_keeps_its_route),
        cmocka_unit_test(test_peer_second_name_under_one_key_is_refused),
        cmocka_unit_test(test_peer_new_connection_replaces_the_old_one),
        cmocka_unit_test(test_peer_strangers_full_forgets_the_longest_silent),
        cmocka_unit_test(test_peer_admitted_full_is_a_limit_and_strangers_still_speak),
        cmocka_unit_test(test_peer_forgotten_gets_a_new_number),
        cmocka_unit_test(test_peer_without_memory_is_refused_and_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
