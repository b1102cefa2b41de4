/* Which snapshots stay: tables worked out by hand, and random ones against counting. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "head/core/snapshot_policy.h"

enum { L = STAYS_AS_LAST, B = STAYS_AS_BEST, R = STAYS_TO_RESUME, ROWS_MAX = 40 };
#define NONE NAN

static void expect(struct snapshot_policy policy, struct snapshot_row *rows, uint32_t n,
                   const uint32_t *stays, uint32_t best)
{
    assert_int_equal(snapshot_policy_apply(&policy, rows, n), best);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(rows[i].stays, stays[i]);
    }
}

static void test_policy_of_an_empty_table_keeps_nothing(void **state)
{
    (void)state;
    expect((struct snapshot_policy){.last = 1, .best = 1}, NULL, 0, NULL, 0);
}

static void test_policy_of_one_and_one_keeps_the_last_and_the_best(void **state)
{
    (void)state;
    struct snapshot_row rows[] = {{1, 0.5, false, 0}, {2, 0.2, false, 0}, {3, 0.4, true, 0}};
    expect((struct snapshot_policy){.last = 1, .best = 1}, rows, 3, (uint32_t[]){0, B, R | L}, 2);
    expect((struct snapshot_policy){.last = 1, .best = 1, .is_maximize = true}, rows, 3,
           (uint32_t[]){B, 0, R | L}, 1);
    expect((struct snapshot_policy){.last = 1, .best = 0}, rows, 3, (uint32_t[]){0, 0, R | L}, 0);
}

static void test_policy_one_that_is_both_counts_for_both(void **state)
{
    (void)state;
    struct snapshot_row rows[] = {{4, 0.9, false, 0},
                                  {5, 0.3, false, 0},
                                  {6, 0.8, false, 0},
                                  {7, 0.2, false, 0},
                                  {8, 0.1, true, 0}};
    expect((struct snapshot_policy){.last = 3, .best = 2}, rows, 5,
           (uint32_t[]){0, 0, L, L | B, R | L | B}, 8);
    expect((struct snapshot_policy){.last = 2, .best = 3}, rows, 5,
           (uint32_t[]){0, B, 0, L | B, R | L | B}, 8);
}

static void test_policy_without_a_value_nothing_is_best_and_nan_never(void **state)
{
    (void)state;
    struct snapshot_row rows[] = {{1, NONE, false, 0}, {2, 0.7, false, 0}, {3, NONE, true, 0}};
    expect((struct snapshot_policy){.last = 1, .best = 3}, rows, 3, (uint32_t[]){0, B, R | L}, 2);
    struct snapshot_row none[] = {{1, NONE, false, 0}, {2, NONE, true, 0}};
    expect((struct snapshot_policy){.last = 1, .best = 2}, none, 2, (uint32_t[]){0, R | L}, 0);
}

static void test_policy_of_equal_values_the_older_is_better_and_infinities_count(void **state)
{
    (void)state;
    struct snapshot_row rows[] = {{3, 0.5, false, 0}, {1, 0.5, false, 0}, {9, 0.5, true, 0}};
    expect((struct snapshot_policy){.last = 1, .best = 1}, rows, 3, (uint32_t[]){0, B, R | L}, 1);
    struct snapshot_row wide[] = {{1, INFINITY, false, 0}, {2, -INFINITY, false, 0}};
    expect((struct snapshot_policy){.last = 1, .best = 2}, wide, 2, (uint32_t[]){B, L | B}, 2);
}

static void test_policy_resume_point_is_one_of_the_last_and_stays_though_it_is_old(void **state)
{
    (void)state;
    /* It went back to 2: 4 and 5 lie on a node that is gone. */
    struct snapshot_row rows[] = {{2, 0.9, true, 0}, {4, 0.8, false, 0}, {5, 0.7, false, 0}};
    expect((struct snapshot_policy){.last = 2, .best = 0}, rows, 3, (uint32_t[]){R | L, 0, L}, 0);
    expect((struct snapshot_policy){.last = 1, .best = 0}, rows, 3, (uint32_t[]){R | L, 0, 0}, 0);
}

static void test_policy_borrowed_resume_point_takes_one_of_the_last(void **state)
{
    (void)state;
    struct snapshot_row rows[] = {{1, 0.9, false, 0}, {2, 0.8, false, 0}, {3, 0.85, false, 0}};
    expect((struct snapshot_policy){.last = 3, .is_resume_borrowed = true}, rows, 3,
           (uint32_t[]){0, L, L}, 0);
    expect((struct snapshot_policy){.last = 1, .best = 1, .is_resume_borrowed = true}, rows, 3,
           (uint32_t[]){0, B, 0}, 2);
}

/* ---- by counting ---- */

static bool comes_before(bool is_maximize, const struct snapshot_row *a,
                         const struct snapshot_row *b)
{
    return a->value == b->value ? a->ordinal < b->ordinal
           : is_maximize        ? a->value > b->value
                                : a->value < b->value;
}

static uint32_t stays_by_counting(const struct snapshot_policy *policy,
                                  const struct snapshot_row *rows, uint32_t n, uint32_t which)
{
    const struct snapshot_row *own = &rows[which];
    uint32_t n_newer = 0, n_better = 0, n_last = policy->last;
    bool has_resume = policy->is_resume_borrowed;
    for (uint32_t i = 0; i < n; i++) {
        has_resume |= rows[i].is_resume;
        n_newer += rows[i].ordinal > own->ordinal && !rows[i].is_resume;
        n_better += !isnan(rows[i].value) && comes_before(policy->is_maximize, &rows[i], own);
    }
    n_last -= has_resume;
    bool is_last = own->is_resume || n_newer < n_last;
    bool is_best = !isnan(own->value) && n_better < policy->best;
    return (own->is_resume ? R : 0U) | (is_last ? L : 0U) | (is_best ? B : 0U);
}

static void test_policy_of_random_tables_is_what_counting_gives(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 12, 1);
    for (int round = 0; round < 20000; round++) {
        struct snapshot_row rows[ROWS_MAX];
        uint32_t n = (uint32_t)random_below(&random, ROWS_MAX + 1), ordinal = 0, best = 0;
        struct snapshot_policy policy = {
            .last = 1 + (uint32_t)random_below(&random, 32),
            .best = (uint32_t)random_below(&random, 33),
            .is_maximize = random_below(&random, 2) == 0,
            .is_resume_borrowed = random_below(&random, 4) == 0,
        };
        uint32_t resume = (uint32_t)random_below(&random, ROWS_MAX);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t value = random_below(&random, 12);
            ordinal += 1 + (uint32_t)random_below(&random, 3);
            rows[i] = (struct snapshot_row){
                .ordinal = ordinal,
                .value = value == 11 ? NAN : (double)value,
                .is_resume = i == resume && !policy.is_resume_borrowed,
                .stays = 99,
            };
        }
        for (uint32_t i = n; i > 1; i--) { /* in any order */
            uint32_t k = (uint32_t)random_below(&random, i);
            struct snapshot_row row = rows[i - 1];
            rows[i - 1] = rows[k];
            rows[k] = row;
        }
        uint32_t told = snapshot_policy_apply(&policy, rows, n);
        const struct snapshot_row *first = NULL;
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(rows[i].stays, stays_by_counting(&policy, rows, n, i));
            bool is_first = !isnan(rows[i].value) && policy.best > 0 &&
                            (first == NULL || comes_before(policy.is_maximize, &rows[i], first));
            first = is_first ? &rows[i] : first;
        }
        best = first != NULL ? first->ordinal : 0;
        assert_int_equal(told, best);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_of_an_empty_table_keeps_nothing),
        cmocka_unit_test(test_policy_of_one_and_one_keeps_the_last_and_the_best),
        cmocka_unit_test(test_policy_one_that_is_both_counts_for_both),
        cmocka_unit_test(test_policy_without_a_value_nothing_is_best_and_nan_never),
        cmocka_unit_test(test_policy_of_equal_values_the_older_is_better_and_infinities_count),
        cmocka_unit_test(test_policy_resume_point_is_one_of_the_last_and_stays_though_it_is_old),
        cmocka_unit_test(test_policy_borrowed_resume_point_takes_one_of_the_last),
        cmocka_unit_test(test_policy_of_random_tables_is_what_counting_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
