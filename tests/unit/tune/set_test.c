/* Limits that people change while a sweep goes on: live and by the log. */
#include "stage.h"

static struct stage stage;

static void set(struct tune_limits limits)
{
    struct tune_event event = {.kind = TUNE_EVENT_SET, .limits = limits};
    stage_apply(&stage, &event);
}

static void begin(uint32_t trials, uint32_t failures, uint32_t concurrency)
{
    struct sweep_spec spec = rig_spec();
    spec.schedule = (struct schedule_spec){.type = SCHEDULE_NONE};
    spec.stop = (struct stop_spec){.trials = trials, .failures = failures};
    spec.concurrency = concurrency;
    stage_init(&stage, &spec, 0);
}

static void test_set_trials_and_concurrency_hold_at_once(void **state)
{
    (void)state;
    begin(4, 0, 2);
    stage_ask(&stage);
    stage_ask(&stage);
    assert_int_equal(tune_tickets(stage.tuner), 0);
    set((struct tune_limits){.set = TUNE_SET_CONCURRENCY, .concurrency = 3});
    assert_int_equal(tune_tickets(stage.tuner), 1);
    set((struct tune_limits){.set = TUNE_SET_TRIALS, .trials = 2});
    assert_int_equal(tune_tickets(stage.tuner), 0);
    assert_int_equal(tune_trials_max(stage.tuner), 2);
    set((struct tune_limits){.set = TUNE_SET_TRIALS | TUNE_SET_CONCURRENCY, .trials = 9});
    assert_int_equal(tune_tickets(stage.tuner), 7);
    rig_refused(stage.tuner, (struct tune_event){.kind = TUNE_EVENT_SET,
                                                 .limits = {.set = TUNE_SET_TRIALS, .trials = 1}});
    stage_fini(&stage);
}

static void test_set_below_what_has_ended_or_failed_ends_the_sweep(void **state)
{
    (void)state;
    begin(4, 0, 0);
    stage_ask(&stage);
    stage_ask(&stage);
    stage_end(&stage, 1, TUNE_OUTCOME_FAILED);
    set((struct tune_limits){.set = TUNE_SET_FAILURES, .failures = 2});
    assert_int_equal(tune_finishing(stage.tuner), TUNE_WHY_NONE);
    set((struct tune_limits){.set = TUNE_SET_FAILURES, .failures = 1});
    assert_int_equal(tune_finishing(stage.tuner), TUNE_WHY_FAILURES);
    rig_refused(stage.tuner,
                (struct tune_event){.kind = TUNE_EVENT_SET, .limits = {.set = TUNE_SET_FAILURES}});
    stage_fini(&stage);
    begin(4, 0, 0);
    stage_ask(&stage);
    stage_end(&stage, 1, TUNE_OUTCOME_DONE);
    set((struct tune_limits){.set = TUNE_SET_TRIALS, .trials = 1});
    assert_int_equal(tune_finishing(stage.tuner), TUNE_WHY_TRIALS);
    assert_true(tune_is_over(stage.tuner));
    stage_fini(&stage);
}

static void test_set_wall_lets_time_end_the_sweep(void **state)
{
    (void)state;
    begin(4, 0, 0);
    rig_refused(stage.tuner, (struct tune_event){.kind = TUNE_EVENT_WALL});
    set((struct tune_limits){.set = TUNE_SET_WALL, .wall_ms = 1000});
    stage_apply(&stage, &(struct tune_event){.kind = TUNE_EVENT_WALL});
    assert_int_equal(tune_finishing(stage.tuner), TUNE_WHY_WALL);
    stage_fini(&stage);
}

/* A rung whose trials wait for one another hears that nobody else will come. */
static void test_set_fewer_trials_lets_a_waiting_rung_decide(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    spec.schedule = (struct schedule_spec){.type = SCHEDULE_SHA, .min = 1, .max = 9, .eta = 3};
    spec.stop.trials = 9;
    stage_init(&stage, &spec, 0);
    for (uint32_t trial = 1; trial <= 3; trial++) {
        stage_ask(&stage);
    }
    for (uint32_t trial = 1; trial <= 3; trial++) {
        rig_assert_decision(stage_report(&stage, trial, 1, trial), TUNE_PAUSE, TUNE_WHY_NONE,
                            INT64_MAX);
    }
    assert_int_equal(stage.trials[1].state, STAGE_LEAVES);
    for (uint32_t trial = 1; trial <= 3; trial++) {
        stage_hold(&stage, trial, false);
    }
    stage_wake_all(&stage);
    assert_int_equal(stage.trials[1].state, STAGE_HELD);
    set((struct tune_limits){.set = TUNE_SET_TRIALS, .trials = 3});
    stage_wake_all(&stage);
    assert_int_equal(stage.trials[1].state, STAGE_RUNS);
    assert_int_equal(stage.trials[3].state, STAGE_ENDED);
    stage_fini(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_trials_and_concurrency_hold_at_once),
        cmocka_unit_test(test_set_below_what_has_ended_or_failed_ends_the_sweep),
        cmocka_unit_test(test_set_wall_lets_time_end_the_sweep),
        cmocka_unit_test(test_set_fewer_trials_lets_a_waiting_rung_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
