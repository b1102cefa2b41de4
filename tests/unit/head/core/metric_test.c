/* What a trial is ranked by, and what NaN does. */
#include <math.h>

#include "rig.h"

static const struct sweep *sweep_of(const struct rig *r, uint32_t number)
{
    const struct work *work = core_work_find(r->core, number);
    assert_non_null(work);
    return work->sweep;
}

static struct rig *metric_new(const char *metric, const char *more)
{
    char text[1024];
    snprintf(text, sizeof text,
             "name: m\ncommand: [train]\nmetric: {name: loss, %s}\n"
             "parameters: {lr: {min: 0, max: 1}}\nretries: {max: 2}\nstop: {trials: 2}\n%s",
             metric, more);
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    assert_int_equal(rig_submit(r, text, NULL), 1);
    rig_started(r, rig_id(1, 1), 0);
    rig_started(r, rig_id(1, 2), 0);
    return r;
}

static void trial_ends(struct rig *r, uint32_t trial, const double *values, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        rig_report_event(r, EVENT_ROWS, rig_id(1, trial), 0, (int64_t)i + 1, values[i], 0);
    }
    rig_result(r, rig_id(1, trial), 0, CAUSE_EXIT, 0, n);
}

static void best_is(const struct rig *r, uint32_t trial, double value, int64_t step)
{
    uint32_t best = 0;
    double best_value = NAN;
    int64_t best_step = 0;
    assert_int_equal(tune_best(sweep_of(r, 1)->tuner, &best, &best_value, &best_step), trial != 0);
    assert_int_equal(best, trial);
    if (trial != 0 && (fabs(best_value - value) > 1e-12 || best_step != step)) {
        fail_msg("want %g at %lld, have %g at %lld", value, (long long)step, best_value,
                 (long long)best_step);
    }
}

/* Trial 1 was lower once, trial 2 ends lower, is the more even, and never as high. */
static const double first[] = {0.1, 0.9, 0.5}, second[] = {0.3, 0.3, 0.4};

static void test_summary_decides_which_trial_is_best(void **state)
{
    (void)state;
    static const struct {
        const char *metric;
        uint32_t trial;
        double value;
        int64_t step;
    } cases[] = {
        {"goal: minimize", 1, 0.1, 1},
        {"summary: best", 1, 0.1, 1},
        {"summary: last", 2, 0.4, 3},
        {"summary: min", 1, 0.1, 1},
        {"summary: max", 2, 0.4, 3},
        {"summary: mean", 2, 1.0 / 3, 3},
        {"goal: maximize, summary: best", 1, 0.9, 2},
        {"goal: maximize, summary: last", 1, 0.5, 3},
        {"goal: maximize, summary: min", 2, 0.3, 1},
        {"goal: maximize, summary: max", 1, 0.9, 2},
        {"goal: maximize, summary: mean", 1, 0.5, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig *r = metric_new(cases[i].metric, "");
        trial_ends(r, 1, first, 3);
        trial_ends(r, 2, second, 3);
        best_is(r, cases[i].trial, cases[i].value, cases[i].step);
        rig_restart(r);
        best_is(r, cases[i].trial, cases[i].value, cases[i].step);
        rig_free(r);
    }
}

static void test_trial_whose_last_value_is_nan_is_never_best(void **state)
{
    (void)state;
    static const double broken[] = {0.1, NAN}, good[] = {0.9};
    static const struct {
        const char *metric;
        uint32_t trial;
    } cases[] = {{"on_nan: worst", 2},
                 {"summary: last", 2},
                 {"summary: mean", 2},
                 {"on_nan: ignore", 1},
                 {"on_nan: ignore, summary: last", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig *r = metric_new(cases[i].metric, "");
        trial_ends(r, 1, broken, 2);
        trial_ends(r, 2, good, 1);
        best_is(r, cases[i].trial, cases[i].trial == 1 ? 0.1 : 0.9, 1);
        rig_free(r);
    }
}

/* At a rung it was the best; its end says that it is nothing. */
static void test_best_trial_that_ends_with_nan_gives_way(void **state)
{
    (void)state;
    struct rig *r =
        metric_new("goal: minimize", "schedule: {type: asha, min: 1, max: 9, eta: 3}\n");
    rig_milestone(r, rig_id(1, 1), 0, 1, 0.1, 1);
    best_is(r, 1, 0.1, 1);
    rig_milestone(r, rig_id(1, 2), 0, 1, 0.05, 1);
    best_is(r, 2, 0.05, 1);
    rig_report_event(r, EVENT_ROWS, rig_id(1, 2), 0, 2, NAN, 0);
    rig_result(r, rig_id(1, 2), 0, CAUSE_EXIT, 0, 2);
    best_is(r, 1, 0.1, 1);
    rig_free(r);
}

static void test_nan_that_fails_ends_the_trial_as_failed_without_a_retry(void **state)
{
    (void)state;
    struct rig *r = metric_new("on_nan: fail", "");
    rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, 1, 0.5, 0);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_RUNNING);
    rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, 2, NAN, 0);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.state, TASK_STOPPING);
    assert_int_equal(task->r.order.act, ACT_STOP);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 0, 2);
    assert_int_equal(task->r.state, TASK_ENDED);
    assert_int_equal(task->r.outcome, OUTCOME_FAILED);
    assert_string_equal(task->r.reason, "loss is nan at step 2 (metric.on_nan: fail)");
    best_is(r, 0, 0, 0);
    rig_free(r);
}

/* A rung that gets NaN judges by the last number. */
static void test_ignored_nan_at_a_rung_is_judged_by_the_value_before(void **state)
{
    (void)state;
    static const struct {
        const char *metric;
        order_act act;
    } cases[] = {{"on_nan: ignore", ACT_GO}, {"on_nan: worst", ACT_STOP}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig *r =
            metric_new(cases[i].metric, "schedule: {type: asha, min: 2, max: 18, eta: 3}\n");
        rig_milestone(r, rig_id(1, 1), 0, 2, 0.5, 1);
        rig_report_event(r, EVENT_ROWS, rig_id(1, 2), 0, 1, 0.1, 0);
        rig_milestone(r, rig_id(1, 2), 0, 2, NAN, 1);
        assert_int_equal(rig_task(r, rig_id(1, 2))->r.order.act, cases[i].act);
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary_decides_which_trial_is_best),
        cmocka_unit_test(test_trial_whose_last_value_is_nan_is_never_best),
        cmocka_unit_test(test_best_trial_that_ends_with_nan_gives_way),
        cmocka_unit_test(test_nan_that_fails_ends_the_trial_as_failed_without_a_retry),
        cmocka_unit_test(test_ignored_nan_at_a_rung_is_judged_by_the_value_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
