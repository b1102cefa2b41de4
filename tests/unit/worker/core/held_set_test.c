/* Positions that are held, and ranges that are queued, against plain arrays. */
#include "rig.h"

#include "worker/core/lanes.h"

enum { COUNT = 3 * HELD_PAGE_BITS + 100, STEPS = 4000 };

static void test_held_set_is_what_was_added_and_not_removed(void **state)
{
    (void)state;
    static bool want[COUNT];
    struct held_set set;
    struct random random;
    memset(want, 0, sizeof want);
    random_init(&random, 3, 1);
    assert_int_equal(held_set_init(&set, COUNT), OK);
    for (int i = 0; i < STEPS; i++) {
        uint32_t first = (uint32_t)random_below(&random, COUNT);
        uint32_t count = 1 + (uint32_t)random_below(&random, 200);
        bool is_add = random_below(&random, 2) == 0;
        for (uint32_t p = first; p < first + count && p < COUNT; p++) {
            want[p] = is_add;
            if (is_add) {
                assert_int_equal(held_set_add(&set, p), OK);
            } else {
                held_set_remove(&set, p);
            }
        }
    }
    uint32_t n = 0, at = 0;
    struct array_range range;
    for (uint32_t from = 0; held_set_next(&set, from, &range); from = range.first + range.count) {
        for (; at < range.first; at++) {
            assert_false(want[at]);
        }
        for (; at < range.first + range.count; at++) {
            assert_true(want[at] && held_set_has(&set, at));
            n++;
        }
    }
    for (; at < COUNT; at++) {
        assert_false(want[at]);
    }
    assert_int_equal(set.n, n);
    for (uint32_t p = 0; p < COUNT; p++) {
        held_set_remove(&set, p);
    }
    assert_false(held_set_next(&set, 0, &range));
    held_set_fini(&set);
    assert_int_equal(mem_live_count(), 0);
}

static void test_range_list_gives_positions_in_the_order_they_came(void **state)
{
    (void)state;
    struct range_list list = {0};
    uint32_t position;
    assert_int_equal(range_list_push(&list, (struct array_range){5, 2}), OK);
    assert_int_equal(range_list_push(&list, (struct array_range){7, 1}), OK); /* goes on */
    assert_int_equal(range_list_push(&list, (struct array_range){0, 1}), OK);
    assert_int_equal(list.n, 2);
    const uint32_t want[] = {5, 6, 7, 0};
    for (int i = 0; i < 4; i++) {
        assert_true(range_list_take(&list, &position));
        assert_int_equal(position, want[i]);
    }
    assert_false(range_list_take(&list, &position));
    range_list_fini(&list);
}

static void test_range_list_split_moves_exactly_what_is_wanted(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 9, 1);
    for (int round = 0; round < 500; round++) {
        struct range_list list = {0}, taken = {0};
        struct array_range wanted[3];
        bool is_there[300] = {0}, is_wanted[400] = {0};
        for (uint32_t at = 0; at < 280;) {
            uint32_t count = 1 + (uint32_t)random_below(&random, 20);
            assert_int_equal(range_list_push(&list, (struct array_range){at, count}), OK);
            memset(is_there + at, true, count);
            at += count + (uint32_t)random_below(&random, 5);
            if (at > 260) {
                break;
            }
        }
        for (int i = 0; i < 3; i++) {
            wanted[i] = (struct array_range){(uint32_t)random_below(&random, 300),
                                             (uint32_t)random_below(&random, 90)};
            memset(is_wanted + wanted[i].first, true, wanted[i].count);
        }
        assert_int_equal(range_list_split(&list, wanted, 3, &taken), OK);
        for (uint32_t p = 0; p < 300; p++) {
            bool in_list = ranges_have(list.items + list.first, list.n - list.first, p);
            bool in_taken = ranges_have(taken.items + taken.first, taken.n - taken.first, p);
            assert_int_equal(in_list, is_there[p] && !is_wanted[p]);
            assert_int_equal(in_taken, is_there[p] && is_wanted[p]);
        }
        range_list_fini(&list);
        range_list_fini(&taken);
    }
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held_set_is_what_was_added_and_not_removed),
        cmocka_unit_test(test_range_list_gives_positions_in_the_order_they_came),
        cmocka_unit_test(test_range_list_split_moves_exactly_what_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
