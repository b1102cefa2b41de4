/* A rung's heaps against sorting all results again for every new one. */
#include <math.h>

#include "rig.h"
#include "tune/rung.h"

/* 1 + the number of results that come before the one at `own`, which arrived last: smaller ones
 * (larger, if maximized), equal ones, and every number where it is NaN itself. */
static uint32_t place_of_last(const double *values, uint32_t own, metric_goal goal)
{
    uint32_t place = 1;
    for (uint32_t i = 0; i < own; i++) {
        bool is_before = values[i] == values[own];
        is_before |= goal == GOAL_MINIMIZE ? values[i] < values[own] : values[i] > values[own];
        place += is_before || isnan(values[own]);
    }
    return place;
}

static void test_rung_keeps_the_best_as_sorting_would(void **state)
{
    (void)state;
    for (uint64_t history = 0; history < 600; history++) {
        struct random random;
        random_init(&random, 5, history);
        metric_goal goal = history % 2 == 0 ? GOAL_MINIMIZE : GOAL_MAXIMIZE;
        int64_t eta = 2 + (int64_t)random_below(&random, 4);
        uint64_t spread = 1 + random_below(&random, 300); /* a small one makes many ties */
        double values[200];
        struct rung rung;
        rung_init(&rung, 1, eta, goal, 1);
        for (uint32_t i = 0; i < 200; i++) {
            uint64_t dice = random_below(&random, spread + 10);
            values[i] = dice == spread       ? NAN
                        : dice == spread + 1 ? INFINITY
                        : dice == spread + 2 ? -INFINITY
                        : dice == spread + 3 ? -0.0
                                             : (double)dice;
            uint32_t places = (uint32_t)((i + 1) / eta);
            bool is_kept = place_of_last(values, i, goal) <= (places < 1 ? 1 : places);
            assert_int_equal(rung_would_keep(&rung, values[i]), is_kept);
            assert_int_equal(rung_add(&rung, values[i]), OK);
            assert_int_equal(rung_count(&rung), i + 1);
        }
        rung_fini(&rung);
    }
    assert_int_equal(mem_live_count(), 0);
}

static void test_rung_of_a_million_results_holds_its_order(void **state)
{
    (void)state;
    enum { RESULTS = 1000000 };
    struct rung rung;
    struct random random;
    random_init(&random, 5, 0);
    rung_init(&rung, 1, 3, GOAL_MINIMIZE, 1);
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < RESULTS; i++) {
        double value = random_unit(&random);
        n_kept += rung_would_keep(&rung, value);
        assert_int_equal(rung_add(&rung, value), OK);
    }
    assert_int_equal(rung.best.n, RESULTS / 3);
    /* Each of them was kept with a probability of a third; five standard deviations. */
    assert_true(fabs(n_kept - RESULTS / 3.0) < 5 * sqrt(RESULTS * 2.0 / 9));
    double worst = rung.best.items[0].score;
    for (uint32_t i = 0; i < rung.others.n; i++) {
        assert_true(rung.others.items[i].score >= worst);
    }
    rung_fini(&rung);
}

static void test_rung_without_memory_is_unchanged(void **state)
{
    (void)state;
    struct rung rung;
    rung_init(&rung, 1, 2, GOAL_MINIMIZE, 1);
    for (uint32_t i = 0; i < 40; i++) {
        for (uint64_t k = 1;; k++) {
            mem_fail_at(k);
            error_code error = rung_add(&rung, i % 7);
            bool has_failed = mem_has_failed();
            mem_fail_at(0);
            assert_int_equal(error, has_failed ? ERR_NO_MEMORY : OK);
            if (!has_failed) {
                break;
            }
            assert_int_equal(rung_count(&rung), i);
        }
    }
    rung_fini(&rung);
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rung_keeps_the_best_as_sorting_would),
        cmocka_unit_test(test_rung_of_a_million_results_holds_its_order),
        cmocka_unit_test(test_rung_without_memory_is_unchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
