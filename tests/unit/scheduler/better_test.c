/* Does something better wait that a node could ever run? */
#include "rig.h"

static const struct request one_cpu = {.cpus = AMOUNT_ONE};
static const struct request eight_cpus = {.cpus = 8 * AMOUNT_ONE};
static const struct request one_gpu = {.gpus = AMOUNT_ONE};
static const struct scheduler_amounts nothing, one_back = {.cpus = AMOUNT_ONE};

static void test_better_is_higher_priority_or_equal_and_older(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    uint32_t node = rig_node(&r, ONE, 0, 0);
    assert_false(scheduler_has_better(r.s, node, &nothing, 50, 10));
    rig_submit(&r, 'a', one_cpu, 50, 10);
    assert_false(scheduler_has_better(r.s, node, &nothing, 50, 10)); /* as good */
    assert_true(scheduler_has_better(r.s, node, &nothing, 50, 11));
    assert_false(scheduler_has_better(r.s, node, &nothing, 50, 9));
    assert_true(scheduler_has_better(r.s, node, &nothing, 49, 1));
    assert_false(scheduler_has_better(r.s, node, &nothing, 51, 11));
    assert_false(scheduler_has_better(r.s, node + 100, &nothing, 0, 100)); /* no such node */
    rig_end(&r);
}

static void test_better_that_is_blocked_counts_where_what_is_given_back_is_enough(void **state)
{
    static const struct scheduler_amounts seven = {.cpus = 7 * AMOUNT_ONE},
                                          eight = {.cpus = 8 * AMOUNT_ONE},
                                          gpu = {.cpus = AMOUNT_ONE, .gpus = AMOUNT_ONE};
    struct rig r;
    (void)state;
    rig_init(&r);
    uint32_t large = rig_node(&r, 8 * ONE, 1, 0), small = rig_node(&r, 2 * ONE, 0, 0);
    rig_submit(&r, 'a', eight_cpus, 50, 1);
    rig_submit(&r, 'b', one_gpu, 50, 1);
    assert_string_equal(rig_start_all(&r), "ab");
    rig_submit(&r, 'c', eight_cpus, 50, 3);
    assert_string_equal(rig_start_all(&r), "");
    assert_false(scheduler_has_better(r.s, large, &nothing, 50, 9));
    assert_false(scheduler_has_better(r.s, large, &seven, 50, 9));
    assert_true(scheduler_has_better(r.s, large, &eight, 50, 9));
    assert_false(scheduler_has_better(r.s, small, &eight, 50, 9)); /* it never has so many */
    assert_false(scheduler_has_better(r.s, large, &eight, 50, 3));
    /* Only what stands in its way matters. */
    rig_submit(&r, 'd', one_gpu, 90, 4);
    assert_false(scheduler_has_better(r.s, large, &seven, 50, 9));
    assert_true(scheduler_has_better(r.s, large, &gpu, 50, 9));
    rig_end(&r);
}

static void test_better_is_found_behind_what_the_node_could_not_run(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    uint32_t node = rig_node(&r, ONE, 0, 0);
    for (char i = 0; i < 20; i++) {
        struct request request = {.cpus = (2 + i) * ONE};
        rig_submit(&r, (char)('a' + i), request, (uint32_t)(60 + i), 1);
    }
    assert_false(scheduler_has_better(r.s, node, &nothing, 50, 9));
    rig_submit(&r, 'z', one_cpu, 51, 1);
    assert_true(scheduler_has_better(r.s, node, &nothing, 50, 9));
    rig_start_all(&r); /* z runs; the rest is blocked */
    assert_false(scheduler_has_better(r.s, node, &one_back, 50, 9));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_better_is_higher_priority_or_equal_and_older),
        cmocka_unit_test(test_better_that_is_blocked_counts_where_what_is_given_back_is_enough),
        cmocka_unit_test(test_better_is_found_behind_what_the_node_could_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
