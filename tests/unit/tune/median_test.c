/* Median stopping: a table by hand, and histories against sorting the averages of all others. */
#include "stage.h"

static struct stage stage;

static struct sweep_spec median_spec(void)
{
    struct sweep_spec spec = rig_spec();
    spec.schedule = (struct schedule_spec){
        .type = SCHEDULE_MEDIAN, .min = 1, .max = INT64_MAX, .interval = 1, .startup = 2};
    return spec;
}

static void assert_goes_on(struct tune_decision decision, int64_t until)
{
    rig_assert_decision(decision, TUNE_GO, TUNE_WHY_NONE, until);
}

static void assert_stops(struct tune_decision decision)
{
    rig_assert_decision(decision, TUNE_STOP, TUNE_WHY_MEDIAN, INT64_MAX);
}

static void test_median_by_hand(void **state)
{
    (void)state;
    struct sweep_spec spec = median_spec();
    stage_init(&stage, &spec, 0);
    for (int i = 0; i < 5; i++) {
        stage_ask(&stage);
    }
    /* Averages at step 1: 0.4, 0.6. Two others are needed to judge one. */
    assert_goes_on(stage_report(&stage, 1, 1, 0.4), 2);
    assert_goes_on(stage_report(&stage, 2, 1, 0.6), 2);
    assert_goes_on(stage_report(&stage, 3, 1, 0.5), 2); /* the median itself is not worse */
    assert_stops(stage_report(&stage, 4, 1, 0.51));     /* 0.4, 0.5, 0.6 */
    /* Averages at step 2: 0.3, 0.7. */
    assert_goes_on(stage_report(&stage, 1, 2, 0.2), 3);
    assert_goes_on(stage_report(&stage, 2, 2, 0.8), 3);
    /* Its value is bad, its best up to here, 0.5, is not worse than 0.5. */
    assert_goes_on(stage_report(&stage, 3, 2, 9.0), 3);
    /* At step 1 0.4, 0.5, 0.51, 0.6: those that ended count. */
    assert_goes_on(stage_report(&stage, 5, 1, 0.505), 2);
    /* At step 2 0.3, 0.7, 4.75. */
    assert_goes_on(stage_report(&stage, 5, 2, 0.7), 3);
    /* At step 3 (0.2 + 0.4 + 0.1) / 3 and (0.6 + 0.8 + 0.1) / 3. */
    stage_report(&stage, 1, 3, 0.1);
    stage_report(&stage, 2, 3, 0.1);
    assert_stops(stage_report(&stage, 3, 3, 0.45)); /* 0.45 > (0.2333 + 0.5) / 2 */
    stage_fini(&stage);
    assert_int_equal(mem_live_count(), 0);
}

static void test_median_keys_are_heeded(void **state)
{
    (void)state;
    struct sweep_spec spec = median_spec();
    spec.schedule.min = 6;
    spec.schedule.interval = 4;
    spec.schedule.max = 14;
    spec.schedule.startup = 1;
    stage_init(&stage, &spec, 0);
    uint32_t good = stage_ask(&stage), bad = stage_ask(&stage);
    assert_int_equal(tune_first_milestone(stage.tuner, good), 4);
    for (int64_t step = 4; step <= 12; step += 4) {
        assert_goes_on(stage_report(&stage, good, step, 0.1), step == 12 ? 14 : step + 4);
    }
    rig_assert_decision(stage_report(&stage, good, 14, 0.1), TUNE_STOP, TUNE_WHY_MAX, INT64_MAX);
    assert_goes_on(stage_report(&stage, bad, 4, 0.9), 8); /* below min */
    assert_goes_on(stage_report(&stage, bad, 5, 0.9), 8); /* between two milestones */
    assert_stops(stage_report(&stage, bad, 11, 0.9));     /* counts at 8 */
    stage_fini(&stage);
    spec.schedule.startup = 2;
    stage_init(&stage, &spec, 0);
    stage_ask(&stage);
    stage_ask(&stage);
    stage_report(&stage, 1, 8, 0.1);
    assert_goes_on(stage_report(&stage, 2, 8, 0.9), 12);
    stage_fini(&stage);
}

static void test_median_nan_is_worst_and_maximize_is_turned(void **state)
{
    (void)state;
    struct sweep_spec spec = median_spec();
    spec.metric.goal = GOAL_MAXIMIZE;
    stage_init(&stage, &spec, 0);
    for (int i = 0; i < 6; i++) {
        stage_ask(&stage);
    }
    stage_report(&stage, 1, 1, 0.8);
    stage_report(&stage, 2, 1, 0.6);
    assert_stops(stage_report(&stage, 3, 1, NAN));
    assert_goes_on(stage_report(&stage, 4, 1, 0.9), 2);
    assert_stops(stage_report(&stage, 5, 1, 0.5)); /* 0.9, 0.8, 0.6, NaN */
    assert_goes_on(stage_report(&stage, 6, 1, 0.7), 2);
    stage_fini(&stage);
}

static void test_median_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct sweep_spec spec = median_spec();
    struct tuner *tuner;
    spec.schedule.interval = 0;
    assert_int_equal(tune_new(&spec, 1, &tuner), ERR_INVALID);
    spec = median_spec();
    spec.schedule.min = 0;
    assert_int_equal(tune_new(&spec, 1, &tuner), ERR_INVALID);
    assert_int_equal(mem_live_count(), 0);
}

enum { NAIVE_TRIALS = 60, NAIVE_STEPS = 20 };

static double naive_values[NAIVE_TRIALS + 1][NAIVE_STEPS + 1];
static int64_t naive_at[NAIVE_TRIALS + 1];

static int real_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool naive_stops(uint32_t trial, int64_t step, const struct sweep_spec *spec)
{
    double averages[NAIVE_TRIALS], best = INFINITY;
    uint32_t n = 0;
    for (uint32_t other = 1; other <= NAIVE_TRIALS; other++) {
        if (other != trial && naive_at[other] >= step) {
            averages[n] = 0;
            for (int64_t s = 1; s <= step; s++) {
                averages[n] += naive_values[other][s];
            }
            averages[n++] /= (double)step;
        }
    }
    for (int64_t s = 1; s <= step; s++) {
        best = fmin(best, naive_values[trial][s]);
    }
    if (n < spec->schedule.startup || step < spec->schedule.min) {
        return false;
    }
    qsort(averages, n, sizeof *averages, real_order);
    double median = n % 2 == 1 ? averages[n / 2] : averages[n / 2 - 1] / 2 + averages[n / 2] / 2;
    return best > median;
}

static void test_median_decisions_are_those_of_sorting_all_averages(void **state)
{
    (void)state;
    uint32_t n_stopped = 0;
    for (uint64_t number = 0; number < 100; number++) {
        struct sweep_spec spec = median_spec();
        spec.schedule.min = 1 + (int64_t)(number % 4);
        spec.schedule.startup = 1 + (uint32_t)(number % 6);
        spec.metric.goal = number % 2 == 0 ? GOAL_MINIMIZE : GOAL_MAXIMIZE;
        double sign = number % 2 == 0 ? 1 : -1;
        stage_init(&stage, &spec, number);
        memset(naive_at, 0, sizeof naive_at);
        for (uint32_t trial = 1; trial <= NAIVE_TRIALS; trial++) {
            stage_ask(&stage);
        }
        for (;;) {
            uint32_t trial = stage_draw(&stage, STAGE_RUNS);
            if (trial == 0) {
                break;
            }
            int64_t step = ++naive_at[trial];
            /* Some are better than others, all get better. */
            double value = trial % 7 + random_unit(&stage.random) * 8 - (double)step / 10;
            naive_values[trial][step] = value;
            struct tune_decision decision = stage_report(&stage, trial, step, sign * value);
            bool stops = naive_stops(trial, step, &spec);
            n_stopped += stops;
            if (stops) {
                assert_stops(decision);
            } else {
                assert_goes_on(decision, step + 1);
            }
            if (!stops && step == NAIVE_STEPS) {
                stage_end(&stage, trial, TUNE_OUTCOME_DONE);
            }
        }
        stage_fini(&stage);
    }
    assert_true(n_stopped > 1000);
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median_by_hand),
        cmocka_unit_test(test_median_keys_are_heeded),
        cmocka_unit_test(test_median_nan_is_worst_and_maximize_is_turned),
        cmocka_unit_test(test_median_that_makes_no_sense_is_refused),
        cmocka_unit_test(test_median_decisions_are_those_of_sorting_all_averages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
