/* Stopping ASHA, by cases and against a second implementation that goes by the words of the rule
 * alone.
 *
 * Peers differ where the rule is silent. Optuna's SuccessiveHalvingPruner compares with <= (a tie
 * with the last place goes on), always prunes NaN, and judges a report that jumped over rungs at
 * each of them; Ray's ASHAScheduler takes the quantile of the results without the trial's own.
 * Where no value repeats, none is NaN and no rung is jumped over, the decisions are Optuna's:
 * tests/tools/asha_peer.py. */
#include <math.h>

#include "rig.h"

static void assert_rungs(const struct tuner *tuner, const char *expected)
{
    struct buf buf;
    buf_init(&buf, 65536);
    assert_int_equal(tune_rungs_print(tuner, &buf), OK);
    assert_string_equal(buf_text(&buf), expected);
    buf_fini(&buf);
}

static void test_rungs_are_powers_of_eta_with_max_on_top(void **state)
{
    (void)state;
    static const struct {
        int64_t min, max, eta;
        int64_t steps[6]; /* 0 ends them */
    } cases[] = {
        {1, 27, 3, {1, 3, 9, 27}},
        {1, 30, 3, {1, 3, 9, 27, 30}},
        {2, 5, 2, {2, 4, 5}},
        {5, 5, 2, {5}},
        {4, 5, 2, {4, 5}},
        {1, 3, 5, {1, 3}},
        {INT64_MAX / 2, INT64_MAX, 2, {INT64_MAX / 2, INT64_MAX - 1, INT64_MAX}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sweep_spec spec = rig_spec();
        spec.schedule = (struct schedule_spec){
            .type = SCHEDULE_ASHA, .min = cases[i].min, .max = cases[i].max, .eta = cases[i].eta};
        struct tuner *tuner = rig_tuner(&spec);
        uint32_t trial = rig_ask(tuner);
        for (const int64_t *step = cases[i].steps; *step != 0; step++) {
            assert_int_equal(tune_first_milestone(tuner, trial), *step);
            struct tune_decision decision = rig_report(tuner, trial, *step, 0.5);
            if (step[1] == 0) {
                rig_assert_decision(decision, TUNE_STOP, TUNE_WHY_MAX, INT64_MAX);
            } else {
                rig_assert_decision(decision, TUNE_GO, TUNE_WHY_NONE, step[1]);
            }
        }
        assert_int_equal(tune_first_milestone(tuner, trial), INT64_MAX);
        tune_free(tuner);
    }
}

static void test_schedule_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct schedule_spec schedules[] = {
        {.type = SCHEDULE_ASHA, .min = 0, .max = 27, .eta = 3},
        {.type = SCHEDULE_ASHA, .min = 9, .max = 3, .eta = 3},
        {.type = SCHEDULE_ASHA, .min = 1, .max = 27, .eta = 1},
        {.type = SCHEDULE_PBT + 7, .min = 1, .max = 27, .eta = 3},
        {.type = SCHEDULE_ASHA, .mode = SCHEDULE_PROMOTE, .min = 0, .max = 27, .eta = 3},
        {.type = SCHEDULE_ASHA, .mode = SCHEDULE_PROMOTE + 1, .min = 1, .max = 27, .eta = 3},
        {.type = SCHEDULE_NONE, .mode = SCHEDULE_PROMOTE, .min = 1, .max = 27, .eta = 3},
    };
    for (size_t i = 0; i < sizeof schedules / sizeof schedules[0]; i++) {
        struct sweep_spec spec = rig_spec();
        struct tuner *tuner;
        spec.schedule = schedules[i];
        assert_int_equal(tune_new(&spec, 1, &tuner), ERR_INVALID);
    }
    assert_int_equal(mem_live_count(), 0);
}

/* eta 3: of 1, 2, ..., 6 results 1, 1, 1, 1, 1, 2 places. */
static void test_rung_lets_the_best_of_its_results_go_on(void **state)
{
    (void)state;
    static const struct {
        double value;
        bool is_kept;
    } reports[] = {
        {0.5, true},  /* alone */
        {0.5, false}, /* a tie: the earlier one is better */
        {0.4, true},  /* before both */
        {0.6, false}, /* behind them */
        {NAN, false}, /* worst */
        {0.45, true}, /* a second place */
    };
    struct sweep_spec spec = rig_spec();
    struct tuner *tuner = rig_tuner(&spec);
    for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++) {
        struct tune_decision decision = rig_report(tuner, rig_ask(tuner), 1, reports[i].value);
        if (reports[i].is_kept) {
            rig_assert_decision(decision, TUNE_GO, TUNE_WHY_NONE, 3);
        } else {
            rig_assert_decision(decision, TUNE_STOP, TUNE_WHY_RUNG, INT64_MAX);
        }
    }
    assert_rungs(tuner,
                 "[{\"step\":1,\"results\":6,\"kept\":3},{\"step\":3,\"results\":0,\"kept\":0},"
                 "{\"step\":9,\"results\":0,\"kept\":0},{\"step\":27,\"results\":0,\"kept\":0}]");
    tune_free(tuner);
}

static void test_goal_maximize_keeps_the_largest(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    spec.metric.goal = GOAL_MAXIMIZE;
    struct tuner *tuner = rig_tuner(&spec);
    assert_int_equal(rig_report(tuner, rig_ask(tuner), 1, 0.5).act, TUNE_GO);
    assert_int_equal(rig_report(tuner, rig_ask(tuner), 1, 0.4).act, TUNE_STOP);
    assert_int_equal(rig_report(tuner, rig_ask(tuner), 1, 0.6).act, TUNE_GO);
    assert_int_equal(rig_report(tuner, rig_ask(tuner), 1, NAN).act, TUNE_STOP);
    assert_int_equal(rig_report(tuner, rig_ask(tuner), 1, INFINITY).act, TUNE_GO);
    tune_free(tuner);
}

static void test_report_past_several_rungs_counts_at_the_highest_only(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    struct tuner *tuner = rig_tuner(&spec);
    uint32_t trial = rig_ask(tuner);
    rig_assert_decision(rig_report(tuner, trial, 10, 0.1), TUNE_GO, TUNE_WHY_NONE, 27);
    assert_rungs(tuner,
                 "[{\"step\":1,\"results\":0,\"kept\":0},{\"step\":3,\"results\":0,\"kept\":0},"
                 "{\"step\":9,\"results\":1,\"kept\":1},{\"step\":27,\"results\":0,\"kept\":0}]");
    /* A worse one is the first at rung 1: nothing of the first trial stands there. */
    assert_int_equal(rig_report(tuner, rig_ask(tuner), 1, 0.9).act, TUNE_GO);
    rig_assert_decision(rig_report(tuner, trial, 1000, 0.1), TUNE_STOP, TUNE_WHY_MAX, INT64_MAX);
    tune_free(tuner);
}

static void test_rung_counts_once_a_trial(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    struct tuner *tuner = rig_tuner(&spec);
    uint32_t first = rig_ask(tuner);
    rig_report(tuner, first, 3, 0.5);
    assert_int_equal(tune_first_milestone(tuner, first), 9);
    /* It was retried from nothing and comes by again. */
    for (int64_t step = 0; step < 9; step++) {
        rig_assert_decision(rig_report(tuner, first, step, 0.1), TUNE_GO, TUNE_WHY_NONE, 9);
    }
    assert_rungs(tuner,
                 "[{\"step\":1,\"results\":0,\"kept\":0},{\"step\":3,\"results\":1,\"kept\":1},"
                 "{\"step\":9,\"results\":0,\"kept\":0},{\"step\":27,\"results\":0,\"kept\":0}]");
    tune_free(tuner);
}

/* ---- against the rule's words ---- */

enum { NAIVE_TRIALS = 120, NAIVE_RUNGS = 12 };

struct naive {
    int64_t min, max, eta;
    metric_goal goal;
    uint32_t n[NAIVE_RUNGS];
    double results[NAIVE_RUNGS][NAIVE_TRIALS]; /* in order of arrival */
};

/* The number of the highest rung at or below step, and its step; -1 below the first. */
static int naive_rung(const struct naive *naive, int64_t step, int64_t *ret_rung_step)
{
    int rung = -1;
    for (int64_t at = naive->min; at < naive->max; at *= naive->eta) {
        if (step >= at) {
            rung++;
            *ret_rung_step = at;
        }
    }
    if (step >= naive->max) {
        *ret_rung_step = naive->max;
        return rung + 1;
    }
    return rung;
}

/* All results of the rung are ranked anew, the last one's place is looked up. */
static bool naive_is_among_best(const struct naive *naive, int rung)
{
    uint32_t n = naive->n[rung], own = n - 1, place = 1;
    const double *results = naive->results[rung];
    for (uint32_t i = 0; i < own; i++) {
        bool is_better =
            naive->goal == GOAL_MINIMIZE ? results[i] < results[own] : results[i] > results[own];
        place += is_better || results[i] == results[own] || isnan(results[own]);
    }
    int64_t places = n / naive->eta;
    return place <= (places > 1 ? places : 1);
}

static void naive_history(uint64_t history)
{
    static struct naive naive;
    struct random random;
    random_init(&random, 6, history);
    int64_t min = 1 + (int64_t)random_below(&random, 3);
    naive = (struct naive){
        .min = min,
        .max = min + (int64_t)random_below(&random, 100),
        .eta = 2 + (int64_t)random_below(&random, 3),
        .goal = random_below(&random, 2) == 0 ? GOAL_MINIMIZE : GOAL_MAXIMIZE,
    };
    struct sweep_spec spec = rig_spec();
    spec.metric.goal = naive.goal;
    spec.schedule = (struct schedule_spec){
        .type = SCHEDULE_ASHA, .min = naive.min, .max = naive.max, .eta = naive.eta};
    struct tuner *tuner = rig_tuner(&spec);
    uint64_t spread = 1 + random_below(&random, 200);

    int64_t step[NAIVE_TRIALS + 1] = {0}, judged[NAIVE_TRIALS + 1] = {0};
    bool is_open[NAIVE_TRIALS + 1];
    uint32_t n_open = NAIVE_TRIALS;
    for (uint32_t trial = 1; trial <= NAIVE_TRIALS; trial++) {
        assert_int_equal(rig_ask(tuner), trial);
        is_open[trial] = true;
    }
    while (n_open > 0) {
        uint32_t trial = 1 + (uint32_t)random_below(&random, NAIVE_TRIALS);
        if (!is_open[trial]) {
            continue;
        }
        step[trial] += 1 + (int64_t)random_below(&random, random_below(&random, 8) == 0 ? 40 : 3);
        double value = random_below(&random, 50) == 0 ? NAN : (double)random_below(&random, spread);
        struct tune_decision decision = rig_report(tuner, trial, step[trial], value);

        int64_t rung_step = 0;
        int rung = naive_rung(&naive, step[trial], &rung_step);
        if (rung < 0 || rung_step <= judged[trial]) {
            assert_int_equal(decision.act, TUNE_GO);
            continue;
        }
        judged[trial] = rung_step;
        naive.results[rung][naive.n[rung]++] = value;
        bool is_top = rung_step == naive.max;
        bool goes_on = !is_top && naive_is_among_best(&naive, rung);
        assert_int_equal(decision.act, goes_on ? TUNE_GO : TUNE_STOP);
        if (!goes_on) {
            assert_int_equal(decision.why, is_top ? TUNE_WHY_MAX : TUNE_WHY_RUNG);
            is_open[trial] = false;
            n_open--;
        } else {
            int64_t next = rung_step * naive.eta < naive.max ? rung_step * naive.eta : naive.max;
            assert_int_equal(decision.until, next);
        }
    }
    tune_free(tuner);
}

static void test_decisions_are_those_of_ranking_all_results_anew(void **state)
{
    (void)state;
    for (uint64_t history = 0; history < 2000; history++) {
        naive_history(history);
    }
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rungs_are_powers_of_eta_with_max_on_top),
        cmocka_unit_test(test_schedule_that_makes_no_sense_is_refused),
        cmocka_unit_test(test_rung_lets_the_best_of_its_results_go_on),
        cmocka_unit_test(test_goal_maximize_keeps_the_largest),
        cmocka_unit_test(test_report_past_several_rungs_counts_at_the_highest_only),
        cmocka_unit_test(test_rung_counts_once_a_trial),
        cmocka_unit_test(test_decisions_are_those_of_ranking_all_results_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
