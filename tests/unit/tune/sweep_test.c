/* The sweep's state machine: tickets, stop rules and the best trial. */
#include <math.h>

#include "rig.h"

static void assert_best(const struct tuner *tuner, uint32_t trial, double value, int64_t step)
{
    uint32_t best_trial;
    double best_value;
    int64_t best_step;
    assert_true(tune_best(tuner, &best_trial, &best_value, &best_step));
    assert_int_equal(best_trial, trial);
    assert_true(best_value == value);
    assert_int_equal(best_step, step);
}

static void assert_finishing(const struct tuner *tuner, const char *why)
{
    assert_string_equal(tune_why_word(tune_finishing(tuner)), why);
}

/* ---- tickets ---- */

static void test_tickets_are_bounded_by_concurrency_and_trials(void **state)
{
    (void)state;
    static const struct {
        uint32_t concurrency, trials, n_asked, n_ended, tickets;
    } cases[] = {
        {0, 0, 0, 0, UINT32_MAX}, /* neither limits */
        {0, 0, 9, 3, UINT32_MAX}, {4, 0, 0, 0, 4},   {4, 0, 3, 0, 1},   {4, 0, 4, 0, 0},
        {4, 0, 4, 2, 2},          {0, 10, 0, 0, 10}, {0, 10, 10, 3, 0}, {4, 10, 0, 0, 4},
        {4, 10, 9, 8, 1},   /* one left to ask for, three places */
        {4, 10, 10, 10, 0}, /* over */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sweep_spec spec = rig_spec();
        spec.concurrency = cases[i].concurrency;
        spec.stop.trials = cases[i].trials;
        struct tuner *tuner = rig_tuner(&spec);
        for (uint32_t n = 0, ended = 0; n < cases[i].n_asked; n++) {
            uint32_t trial = rig_ask(tuner);
            if (ended < cases[i].n_ended) {
                rig_end(tuner, trial, TUNE_OUTCOME_DONE);
                ended++;
            }
        }
        assert_int_equal(tune_tickets(tuner), cases[i].tickets);
        assert_int_equal(tune_next_trial(tuner), cases[i].n_asked + 1);
        tune_free(tuner);
    }
}

static void test_tickets_are_none_once_finishing(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    spec.stop.wall_ms = 1000;
    struct tuner *tuner = rig_tuner(&spec);
    uint32_t trial = rig_ask(tuner);
    assert_int_equal(tune_apply(tuner, &(struct tune_event){.kind = TUNE_EVENT_WALL}), OK);
    assert_int_equal(tune_tickets(tuner), 0);
    assert_false(tune_is_over(tuner));
    rig_end(tuner, trial, TUNE_OUTCOME_STOPPED);
    assert_true(tune_is_over(tuner));
    tune_free(tuner);
}

/* ---- stop rules ---- */

static void test_trials_rule_holds_when_the_last_one_has_ended(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    spec.stop.trials = 3;
    struct tuner *tuner = rig_tuner(&spec);
    for (uint32_t i = 0; i < 3; i++) {
        rig_ask(tuner);
    }
    rig_end(tuner, 3, TUNE_OUTCOME_DONE);
    rig_end(tuner, 1, TUNE_OUTCOME_INVALID);
    assert_finishing(tuner, "");
    rig_end(tuner, 2, TUNE_OUTCOME_FAILED);
    assert_finishing(tuner, "trials");
    assert_true(tune_is_over(tuner));
    tune_free(tuner);
}

static void test_failures_rule_counts_failed_ones_only(void **state)
{
    (void)state;
    static const tune_outcome others[] = {TUNE_OUTCOME_DONE, TUNE_OUTCOME_STOPPED,
                                          TUNE_OUTCOME_CANCELLED, TUNE_OUTCOME_INVALID};
    struct sweep_spec spec = rig_spec();
    spec.stop.failures = 2;
    struct tuner *tuner = rig_tuner(&spec);
    for (size_t i = 0; i < 4; i++) {
        rig_end(tuner, rig_ask(tuner), others[i]);
    }
    rig_end(tuner, rig_ask(tuner), TUNE_OUTCOME_FAILED);
    assert_finishing(tuner, "");
    uint32_t running = rig_ask(tuner);
    rig_end(tuner, rig_ask(tuner), TUNE_OUTCOME_FAILED);
    assert_finishing(tuner, "failures");
    /* Running ones are stopped, whatever they report. */
    rig_assert_decision(rig_report(tuner, running, 1, 0.0), TUNE_STOP, TUNE_WHY_FAILURES,
                        INT64_MAX);
    struct tune_counts counts;
    tune_counts_get(tuner, &counts);
    assert_memory_equal(&counts, (&(struct tune_counts){7, 1, 0, 6, 1, 1, 2, 1, 1}), sizeof counts);
    tune_free(tuner);
}

static void test_target_is_reached_goal_wise_and_never_by_nan(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    struct tuner *tuner = rig_tuner(&spec);
    assert_false(tune_reaches_target(tuner, -INFINITY)); /* there is none */
    tune_free(tuner);
    spec.metric.has_target = true;
    spec.metric.target = 0.05;
    tuner = rig_tuner(&spec);
    assert_true(tune_reaches_target(tuner, 0.05));
    assert_true(tune_reaches_target(tuner, -INFINITY));
    assert_false(tune_reaches_target(tuner, 0.06));
    assert_false(tune_reaches_target(tuner, NAN));
    tune_free(tuner);
    spec.metric.goal = GOAL_MAXIMIZE;
    tuner = rig_tuner(&spec);
    assert_true(tune_reaches_target(tuner, 0.06));
    assert_false(tune_reaches_target(tuner, 0.04));
    assert_false(tune_reaches_target(tuner, NAN));
    tune_free(tuner);
}

static void test_target_ends_the_sweep_by_milestone_end_or_report(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    spec.metric.has_target = true;
    spec.metric.target = 0.05;
    for (int way = 0; way < 4; way++) {
        struct tuner *tuner = rig_tuner(&spec);
        uint32_t other = rig_ask(tuner), trial = rig_ask(tuner);
        if (way == 0) {
            rig_assert_decision(rig_report(tuner, trial, 1, 0.05), TUNE_STOP, TUNE_WHY_TARGET,
                                INT64_MAX);
        } else if (way == 1) {
            /* At the top it is done all the same. */
            rig_assert_decision(rig_report(tuner, trial, 27, 0.05), TUNE_STOP, TUNE_WHY_MAX,
                                INT64_MAX);
        } else if (way == 2) {
            rig_end_at(tuner, trial, TUNE_OUTCOME_DONE, 2, 0.05);
        } else {
            struct tune_event event = {.kind = TUNE_EVENT_TARGET,
                                       .trial = trial,
                                       .step = 2,
                                       .has_value = true,
                                       .value = 0.05};
            assert_int_equal(tune_apply(tuner, &event), OK);
        }
        assert_finishing(tuner, "target");
        assert_int_equal(tune_tickets(tuner), 0);
        assert_best(tuner, trial, 0.05, (const int64_t[]){1, 27, 2, 2}[way]);
        rig_assert_decision(rig_report(tuner, other, 1, 0.1), TUNE_STOP, TUNE_WHY_TARGET,
                            INT64_MAX);
        tune_free(tuner);
    }
}

static void test_first_reason_stays(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    spec.stop.wall_ms = 1000;
    spec.stop.failures = 1;
    spec.stop.trials = 2;
    struct tuner *tuner = rig_tuner(&spec);
    rig_ask(tuner);
    rig_ask(tuner);
    assert_int_equal(tune_apply(tuner, &(struct tune_event){.kind = TUNE_EVENT_WALL}), OK);
    rig_end(tuner, 1, TUNE_OUTCOME_FAILED);
    rig_end(tuner, 2, TUNE_OUTCOME_FAILED);
    assert_finishing(tuner, "wall");
    tune_free(tuner);
}

static void test_no_scheduler_has_no_milestone_and_ends_by_its_trials(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    spec.schedule = (struct schedule_spec){.type = SCHEDULE_NONE};
    spec.stop.trials = 1;
    struct tuner *tuner = rig_tuner(&spec);
    uint32_t trial = rig_ask(tuner);
    assert_int_equal(tune_first_milestone(tuner, trial), INT64_MAX);
    rig_assert_decision(rig_report(tuner, trial, INT64_MAX, 1), TUNE_GO, TUNE_WHY_NONE, INT64_MAX);
    struct buf buf;
    buf_init(&buf, 64);
    assert_int_equal(tune_rungs_print(tuner, &buf), OK);
    assert_string_equal(buf_text(&buf), "[]");
    buf_fini(&buf);
    rig_end(tuner, trial, TUNE_OUTCOME_DONE);
    assert_true(tune_is_over(tuner));
    tune_free(tuner);
}

static void test_trial_told_to_stop_is_told_the_same_again(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    spec.stop.wall_ms = 1000;
    struct tuner *tuner = rig_tuner(&spec);
    rig_report(tuner, rig_ask(tuner), 1, 0.1);
    uint32_t trial = rig_ask(tuner);
    rig_assert_decision(rig_report(tuner, trial, 1, 0.9), TUNE_STOP, TUNE_WHY_RUNG, INT64_MAX);
    assert_int_equal(tune_apply(tuner, &(struct tune_event){.kind = TUNE_EVENT_WALL}), OK);
    rig_assert_decision(rig_report(tuner, trial, 27, 0.0), TUNE_STOP, TUNE_WHY_RUNG, INT64_MAX);
    tune_free(tuner);
}

/* ---- the best ---- */

static void test_best_is_the_best_value_ever_ties_to_the_lower_trial(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    struct tuner *tuner = rig_tuner(&spec);
    uint32_t trial;
    double value;
    int64_t step;
    for (uint32_t i = 0; i < 4; i++) {
        rig_ask(tuner);
    }
    rig_report(tuner, 3, 1, NAN);
    assert_false(tune_best(tuner, &trial, &value, &step));
    rig_report(tuner, 3, 3, 0.5);
    assert_best(tuner, 3, 0.5, 3);
    rig_report(tuner, 3, 9, 0.7); /* it was better before */
    assert_best(tuner, 3, 0.5, 3);
    rig_report(tuner, 3, 12, 0.5); /* as good as before: the first time counts */
    assert_best(tuner, 3, 0.5, 3);
    rig_end_at(tuner, 4, TUNE_OUTCOME_DONE, 2, 0.5);
    assert_best(tuner, 3, 0.5, 3);
    rig_end_at(tuner, 2, TUNE_OUTCOME_FAILED, 8, 0.5);
    assert_best(tuner, 2, 0.5, 8);
    rig_end_at(tuner, 1, TUNE_OUTCOME_INVALID, 5, 0.1);
    assert_best(tuner, 2, 0.5, 8);
    rig_end_at(tuner, 3, TUNE_OUTCOME_DONE, 27, -INFINITY);
    assert_best(tuner, 3, -INFINITY, 27);
    tune_free(tuner);
}

static void test_best_goal_maximize_is_the_largest(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    spec.metric.goal = GOAL_MAXIMIZE;
    struct tuner *tuner = rig_tuner(&spec);
    rig_report(tuner, rig_ask(tuner), 1, -2);
    assert_best(tuner, 1, -2, 1);
    rig_report(tuner, rig_ask(tuner), 1, -1);
    assert_best(tuner, 2, -1, 1);
    rig_report(tuner, rig_ask(tuner), 1, NAN);
    assert_best(tuner, 2, -1, 1);
    tune_free(tuner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tickets_are_bounded_by_concurrency_and_trials),
        cmocka_unit_test(test_tickets_are_none_once_finishing),
        cmocka_unit_test(test_trials_rule_holds_when_the_last_one_has_ended),
        cmocka_unit_test(test_failures_rule_counts_failed_ones_only),
        cmocka_unit_test(test_target_is_reached_goal_wise_and_never_by_nan),
        cmocka_unit_test(test_target_ends_the_sweep_by_milestone_end_or_report),
        cmocka_unit_test(test_first_reason_stays),
        cmocka_unit_test(test_no_scheduler_has_no_milestone_and_ends_by_its_trials),
        cmocka_unit_test(test_trial_told_to_stop_is_told_the_same_again),
        cmocka_unit_test(test_best_is_the_best_value_ever_ties_to_the_lower_trial),
        cmocka_unit_test(test_best_goal_maximize_is_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
