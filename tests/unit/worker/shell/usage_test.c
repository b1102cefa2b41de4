/* Who goes when a node runs out of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/shell/usage.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

static void test_victim_is_the_one_most_above_its_request(void **state)
{
    (void)state;
    const struct usage_tree trees[] = {
        {8 * GIB, 10 * GIB}, /* the largest, and within what it asked for */
        {3 * GIB, 2 * GIB},
        {2 * GIB, 0}, /* asked for nothing */
        {GIB, GIB},
    };
    assert_int_equal(usage_victim(trees, 4), 2);
    assert_int_equal(usage_victim(trees, 2), 1);
}

static void test_victim_is_nobody_where_all_keep_to_their_request(void **state)
{
    (void)state;
    const struct usage_tree trees[] = {{GIB, GIB}, {GIB, 2 * GIB}, {0, 0}};
    assert_int_equal(usage_victim(trees, 3), -1);
    assert_int_equal(usage_victim(trees, 0), -1);
}

static void test_low_is_a_share_of_a_small_machine_and_a_sum_of_a_large_one(void **state)
{
    (void)state;
    assert_true(usage_is_low(51 * MIB, GIB));
    assert_false(usage_is_low(52 * MIB, GIB));
    assert_true(usage_is_low(511 * MIB, 1024 * GIB));
    assert_false(usage_is_low(512 * MIB, 1024 * GIB));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_victim_is_the_one_most_above_its_request),
        cmocka_unit_test(test_victim_is_nobody_where_all_keep_to_their_request),
        cmocka_unit_test(test_low_is_a_share_of_a_small_machine_and_a_sum_of_a_large_one),
    };
    return cmocka_run_group_tests_name("worker/shell/usage", tests, NULL, NULL);
}
