/* Synchronous successive halving and Hyperband: the paper's table of brackets, cases by hand, and
 * histories against halving all trials of a bracket at once, as the algorithm is printed. Who goes
 * on does not depend on the order in which the results come. */
#include "stage.h"

static struct stage stage;

static struct sweep_spec halving_spec(schedule_type type, uint32_t trials)
{
    struct sweep_spec spec = rig_spec();
    spec.schedule = (struct schedule_spec){.type = type, .min = 1, .max = 9, .eta = 3};
    spec.schedule.mode = type == SCHEDULE_HYPERBAND ? SCHEDULE_PROMOTE : SCHEDULE_STOP;
    spec.stop.trials = trials;
    return spec;
}

static void report_and_wait(uint32_t trial, int64_t step, double value)
{
    rig_assert_decision(stage_report(&stage, trial, step, value), TUNE_PAUSE, TUNE_WHY_NONE,
                        INT64_MAX);
    stage_hold(&stage, trial, false);
}

static void assert_nobody_wakes(void)
{
    uint32_t trial;
    struct tune_decision decision;
    assert_false(tune_wake_next(stage.tuner, &trial, &decision));
}

static void assert_wakes(uint32_t want, tune_act act, int64_t until)
{
    uint32_t trial;
    struct tune_decision decision;
    assert_true(tune_wake_next(stage.tuner, &trial, &decision));
    assert_int_equal(trial, want);
    rig_assert_decision(decision, act, act == TUNE_STOP ? TUNE_WHY_RUNG : TUNE_WHY_NONE, until);
    stage_wake(&stage, trial, decision);
}

static void test_sha_rung_waits_for_all_and_keeps_a_third(void **state)
{
    (void)state;
    struct sweep_spec spec = halving_spec(SCHEDULE_SHA, 7);
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    for (uint32_t trial = 1; trial <= 6; trial++) {
        report_and_wait(trial, 1, trial / 10.0);
        assert_nobody_wakes();
    }
    /* The last one is third of 7, of which 2 go on; it does not wait to hear that. */
    rig_assert_decision(stage_report(&stage, 7, 1, 0.25), TUNE_STOP, TUNE_WHY_RUNG, INT64_MAX);
    for (uint32_t trial = 3; trial <= 6; trial++) {
        assert_wakes(trial, TUNE_STOP, INT64_MAX);
    }
    assert_wakes(1, TUNE_GO, 3);
    assert_wakes(2, TUNE_GO, 3);
    /* Of 2 one goes on, though floor(2 / 3) is 0. */
    report_and_wait(1, 3, 0.5);
    rig_assert_decision(stage_report(&stage, 2, 3, 0.4), TUNE_GO, TUNE_WHY_NONE, 9);
    assert_wakes(1, TUNE_STOP, INT64_MAX);
    rig_assert_decision(stage_report(&stage, 2, 9, 0.3), TUNE_STOP, TUNE_WHY_MAX, INT64_MAX);
    assert_true(tune_is_over(stage.tuner));
    struct buf buf;
    buf_init(&buf, 65536);
    assert_int_equal(tune_rungs_print(stage.tuner, &buf), OK);
    assert_string_equal(buf_text(&buf), "[{\"bracket\":1,\"step\":1,\"results\":7,\"kept\":2},"
                                        "{\"bracket\":1,\"step\":3,\"results\":2,\"kept\":1},"
                                        "{\"bracket\":1,\"step\":9,\"results\":1,\"kept\":0}]");
    buf_fini(&buf);
    stage_fini(&stage);
    assert_int_equal(mem_live_count(), 0);
}

static void test_sha_failed_and_cancelled_trials_count_as_worst(void **state)
{
    (void)state;
    struct sweep_spec spec = halving_spec(SCHEDULE_SHA, 9);
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    for (uint32_t trial = 1; trial <= 7; trial++) {
        report_and_wait(trial, 1, trial / 10.0);
    }
    stage_end(&stage, 1, TUNE_OUTCOME_CANCELLED); /* the best, held */
    assert_nobody_wakes();
    stage_end(&stage, 8, TUNE_OUTCOME_FAILED);
    assert_nobody_wakes();
    stage_end(&stage, 9, TUNE_OUTCOME_FAILED); /* complete: 3 of 9 go on */
    for (uint32_t trial = 5; trial <= 7; trial++) {
        assert_wakes(trial, TUNE_STOP, INT64_MAX);
    }
    /* One of the three is cancelled before it has a place again. */
    stage_end(&stage, 3, TUNE_OUTCOME_CANCELLED);
    assert_wakes(2, TUNE_GO, 3);
    assert_wakes(4, TUNE_GO, 3);
    report_and_wait(4, 3, 0.9);
    stage_end(&stage, 2, TUNE_OUTCOME_FAILED);
    assert_wakes(4, TUNE_GO, 9);
    stage_fini(&stage);
}

/* Fewer are left than have a place. */
static void test_sha_with_hardly_a_survivor_goes_on_with_it(void **state)
{
    (void)state;
    struct sweep_spec spec = halving_spec(SCHEDULE_SHA, 9);
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    for (uint32_t trial = 1; trial <= 8; trial++) {
        stage_end(&stage, trial, TUNE_OUTCOME_FAILED);
    }
    rig_assert_decision(stage_report(&stage, 9, 1, 0.5), TUNE_GO, TUNE_WHY_NONE, 3);
    rig_assert_decision(stage_report(&stage, 9, 3, 0.5), TUNE_GO, TUNE_WHY_NONE, 9);
    rig_assert_decision(stage_report(&stage, 9, 9, 0.5), TUNE_STOP, TUNE_WHY_MAX, INT64_MAX);
    stage_fini(&stage);
}

static void test_sha_needs_to_know_how_many_trials_there_are(void **state)
{
    (void)state;
    struct sweep_spec spec = halving_spec(SCHEDULE_SHA, 0);
    struct tuner *tuner;
    assert_int_equal(tune_new(&spec, 1, &tuner), ERR_INVALID);
    assert_int_equal(mem_live_count(), 0);
}

static void test_sha_trials_that_cannot_save_are_judged_at_once(void **state)
{
    (void)state;
    struct sweep_spec spec = halving_spec(SCHEDULE_SHA, 9);
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    report_and_wait(1, 1, 0.5);
    report_and_wait(2, 1, 0.7);
    stage.can = 0;
    rig_assert_decision(stage_report(&stage, 3, 1, 0.6), TUNE_STOP, TUNE_WHY_RUNG, INT64_MAX);
    rig_assert_decision(stage_report(&stage, 4, 1, 0.4), TUNE_GO, TUNE_WHY_NONE, 3);
    stage.can = TUNE_CAN_PAUSE;
    for (uint32_t trial = 5; trial <= 8; trial++) {
        report_and_wait(trial, 1, trial / 100.0);
    }
    /* Of 3 places one is taken: 5 and 6 have the others. */
    rig_assert_decision(stage_report(&stage, 9, 1, 0.9), TUNE_STOP, TUNE_WHY_RUNG, INT64_MAX);
    for (uint32_t i = 0; i < 4; i++) {
        static const uint32_t ends[] = {1, 2, 7, 8};
        uint32_t trial;
        struct tune_decision decision;
        assert_true(tune_wake_next(stage.tuner, &trial, &decision));
        assert_int_equal(decision.act, TUNE_STOP);
        assert_true(trial == ends[0] || trial == ends[1] || trial == ends[2] || trial == ends[3]);
        stage_wake(&stage, trial, decision);
    }
    assert_wakes(5, TUNE_GO, 3);
    assert_wakes(6, TUNE_GO, 3);
    assert_nobody_wakes();
    stage_fini(&stage);
}

static void test_sha_limit_of_places_holds_for_who_is_woken(void **state)
{
    (void)state;
    struct sweep_spec spec = halving_spec(SCHEDULE_SHA, 6);
    spec.concurrency = 1;
    stage_init(&stage, &spec, 0);
    for (uint32_t trial = 1; trial <= 5; trial++) {
        stage_ask(&stage);
        report_and_wait(trial, 1, 1.0 / trial);
        assert_nobody_wakes();
    }
    stage_ask(&stage);
    rig_assert_decision(stage_report(&stage, 6, 1, 0.0), TUNE_GO, TUNE_WHY_NONE, 3);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t trial;
        struct tune_decision decision;
        assert_true(tune_wake_next(stage.tuner, &trial, &decision));
        assert_int_equal(decision.act, TUNE_STOP);
        stage_wake(&stage, trial, decision);
    }
    assert_nobody_wakes(); /* 5 may go on, once 6 has left its place */
    report_and_wait(6, 3, 0.0);
    assert_wakes(5, TUNE_GO, 3);
    stage_fini(&stage);
}

static void test_sha_resumed_sweep_with_fewer_trials_is_complete(void **state)
{
    (void)state;
    struct sweep_spec spec = halving_spec(SCHEDULE_SHA, 9);
    spec.concurrency = 1;
    stage_init(&stage, &spec, 0);
    for (uint32_t trial = 1; trial <= 3; trial++) {
        stage_ask(&stage);
        report_and_wait(trial, 1, 1.0 / trial);
    }
    assert_nobody_wakes();
    struct tune_event resumed = {.kind = TUNE_EVENT_RESUMED, .step = 3};
    stage_apply(&stage, &resumed);
    assert_wakes(2, TUNE_STOP, INT64_MAX);
    assert_wakes(1, TUNE_STOP, INT64_MAX);
    assert_wakes(3, TUNE_GO, 3);
    stage_fini(&stage);
}

/* Li et al. 2018, table 1: R = 81, eta = 3. */
static void test_hyperband_brackets_are_those_of_the_paper(void **state)
{
    (void)state;
    static const struct {
        uint32_t n;
        int64_t first;
    } brackets[] = {{81, 1}, {34, 3}, {15, 9}, {8, 27}, {5, 81}, {81, 1}, {34, 3}};
    struct sweep_spec spec = halving_spec(SCHEDULE_HYPERBAND, 0);
    spec.schedule.max = 81;
    stage_init(&stage, &spec, 0);
    for (size_t b = 0; b < sizeof brackets / sizeof brackets[0]; b++) {
        for (uint32_t i = 0; i < brackets[b].n; i++) {
            uint32_t trial = stage_ask(&stage);
            assert_int_equal(tune_first_milestone(stage.tuner, trial), brackets[b].first);
        }
    }
    stage_fini(&stage);
}

static void test_hyperband_rungs_of_an_odd_max_are_rounded_down(void **state)
{
    (void)state;
    /* R / min = 50 / 2: s_max = 2 of eta 4 (2 * 16 <= 50); 50 / 16, 50 / 4, 50. */
    struct sweep_spec spec = halving_spec(SCHEDULE_HYPERBAND, 0);
    spec.schedule.min = 2;
    spec.schedule.max = 50;
    spec.schedule.eta = 4;
    stage_init(&stage, &spec, 0);
    uint32_t trial = stage_ask(&stage);
    assert_int_equal(tune_first_milestone(stage.tuner, trial), 3);
    for (uint32_t i = 1; i < 16; i++) { /* (2 + 1) / (2 + 1) * 16 */
        assert_int_equal(tune_first_milestone(stage.tuner, stage_ask(&stage)), 3);
    }
    for (uint32_t i = 0; i < 6; i++) { /* 3 / 2 * 4 */
        assert_int_equal(tune_first_milestone(stage.tuner, stage_ask(&stage)), 12);
    }
    assert_int_equal(tune_first_milestone(stage.tuner, stage_ask(&stage)), 50);
    stage_fini(&stage);
}

static void test_hyperband_that_stops_is_stopping_asha(void **state)
{
    (void)state;
    struct sweep_spec spec = halving_spec(SCHEDULE_HYPERBAND, 0);
    spec.schedule.mode = SCHEDULE_STOP;
    spec.schedule.min = 3;
    spec.schedule.max = INT64_MAX;
    stage_init(&stage, &spec, 0);
    rig_assert_decision(stage_report(&stage, stage_ask(&stage), 3, 0.5), TUNE_GO, TUNE_WHY_NONE, 9);
    rig_assert_decision(stage_report(&stage, stage_ask(&stage), 3, 0.6), TUNE_STOP, TUNE_WHY_RUNG,
                        INT64_MAX);
    rig_assert_decision(stage_report(&stage, 1, 3000000, 0.5), TUNE_GO, TUNE_WHY_NONE, 4782969);
    stage_fini(&stage);
}

/* W&B's bands of max_iter 100, s 2: 11 and 33. */
static void test_hyperband_that_stops_at_a_max_has_rungs_from_the_top_down(void **state)
{
    (void)state;
    struct sweep_spec spec = halving_spec(SCHEDULE_HYPERBAND, 0);
    spec.schedule.mode = SCHEDULE_STOP;
    spec.schedule.min = 11;
    spec.schedule.max = 100;
    stage_init(&stage, &spec, 0);
    uint32_t trial = stage_ask(&stage);
    assert_int_equal(tune_first_milestone(stage.tuner, trial), 11);
    rig_assert_decision(stage_report(&stage, trial, 11, 0.5), TUNE_GO, TUNE_WHY_NONE, 33);
    rig_assert_decision(stage_report(&stage, trial, 33, 0.5), TUNE_GO, TUNE_WHY_NONE, 100);
    rig_assert_decision(stage_report(&stage, trial, 100, 0.5), TUNE_STOP, TUNE_WHY_MAX, INT64_MAX);
    stage_fini(&stage);
}

/* ---- against halving at once ---- */

enum { NAIVE_RUNGS = 5 };

struct naive {
    double values[STAGE_TRIALS_MAX + 1][NAIVE_RUNGS];
    int fails_at[STAGE_TRIALS_MAX + 1]; /* before its result at this rung; -1: never */
    int reached[STAGE_TRIALS_MAX + 1];  /* rungs at which it has a result */
};

static struct naive naive;

/* One bracket of trials first .. first + n - 1, all of it. */
static void naive_bracket(uint32_t first, uint32_t n, int n_rungs, int64_t eta)
{
    uint32_t alive[STAGE_TRIALS_MAX], n_alive = n, n_entered = n;
    for (uint32_t i = 0; i < n; i++) {
        alive[i] = first + i;
    }
    for (int k = 0; k < n_rungs; k++) {
        uint32_t m = 0;
        for (uint32_t i = 0; i < n_alive; i++) {
            if (naive.fails_at[alive[i]] != k) {
                naive.reached[alive[i]] = k + 1;
                alive[m++] = alive[i];
            }
        }
        /* Insertion sort by value. */
        for (uint32_t i = 1; i < m; i++) {
            for (uint32_t j = i; j > 0 && naive.values[alive[j]][k] < naive.values[alive[j - 1]][k];
                 j--) {
                uint32_t other = alive[j];
                alive[j] = alive[j - 1];
                alive[j - 1] = other;
            }
        }
        uint32_t keep = (uint32_t)(n_entered / eta) > 0 ? (uint32_t)(n_entered / eta) : 1;
        n_entered = keep;
        n_alive = m < keep ? m : keep;
    }
}

static void naive_report(uint32_t trial, int *level, bool fails)
{
    if (fails) {
        stage_end(&stage, trial, TUNE_OUTCOME_FAILED);
        return;
    }
    double value = naive.values[trial][*level];
    stage_report(&stage, trial, stage.trials[trial].until, value);
    *level += 1;
}

static void naive_history(uint64_t number)
{
    bool is_sha = number % 2 == 0;
    struct sweep_spec spec =
        halving_spec(is_sha ? SCHEDULE_SHA : SCHEDULE_HYPERBAND, 5 + (uint32_t)(number * 7 % 160));
    spec.schedule.max = number % 3 == 0 ? 27 : 9;
    spec.concurrency = number % 5 == 0 ? 0 : 1 + (uint32_t)(number % 11);
    stage_init(&stage, &spec, number);
    int level[STAGE_TRIALS_MAX + 1] = {0};
    int all = spec.schedule.max == 27 ? 4 : 3;
    for (uint32_t trial = 1; trial <= spec.stop.trials; trial++) {
        naive.fails_at[trial] =
            random_below(&stage.random, 10) == 0 ? (int)random_below(&stage.random, 4) : -1;
        naive.reached[trial] = 0;
        for (int k = 0; k < all; k++) {
            naive.values[trial][k] = random_unit(&stage.random);
        }
    }
    for (uint32_t turn = 0; !tune_is_over(stage.tuner); turn++) {
        stage_wake_all(&stage);
        if (tune_tickets(stage.tuner) > 0 && random_below(&stage.random, 2) == 0) {
            stage_ask(&stage);
        }
        uint32_t leaving = stage_draw(&stage, STAGE_LEAVES);
        if (leaving != 0 && random_below(&stage.random, 2) == 0) {
            stage_hold(&stage, leaving, false);
        }
        uint32_t trial = stage_draw(&stage, STAGE_RUNS);
        if (trial != 0) {
            naive_report(trial, &level[trial], naive.fails_at[trial] == level[trial]);
        }
        assert_true(turn < 100000);
    }
    static const uint32_t sizes[2][4] = {{9, 5, 3}, {27, 12, 6, 4}}; /* eta 3, R = 9 and 27 */
    uint32_t b = 0;
    for (uint32_t first = 1; first <= spec.stop.trials; b++) {
        uint32_t s = b % (uint32_t)all, left = spec.stop.trials - first + 1;
        uint32_t n = is_sha ? left : sizes[all - 3][s];
        n = n < left ? n : left;
        naive_bracket(first, n, is_sha ? all : all - (int)s, 3);
        first += n;
    }
    for (uint32_t trial = 1; trial <= spec.stop.trials; trial++) {
        if (level[trial] != naive.reached[trial]) {
            fail_msg("history %u: trial %u reached %d, not %d", (unsigned)number, trial,
                     level[trial], naive.reached[trial]);
        }
    }
    stage_fini(&stage);
}

static void test_survivors_are_those_of_halving_at_once(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < 300; number++) {
        naive_history(number);
    }
    assert_int_equal(mem_live_count(), 0);
}

/* Whatever happens to trials, the sweep comes to its end, and the log tells it again. */
static void disturbed_history(uint64_t number)
{
    struct sweep_spec spec = halving_spec(number % 2 == 0 ? SCHEDULE_SHA : SCHEDULE_HYPERBAND, 40);
    spec.concurrency = (uint32_t)(number % 6);
    stage_init(&stage, &spec, number);
    for (uint32_t turn = 0; !tune_is_over(stage.tuner); turn++) {
        stage_wake_all(&stage);
        stage_ask_all(&stage);
        stage.can = random_below(&stage.random, 8) == 0 ? 0 : TUNE_CAN_PAUSE;
        uint32_t leaving = stage_draw(&stage, STAGE_LEAVES);
        uint32_t held = stage_draw(&stage, STAGE_HELD), trial = stage_draw(&stage, STAGE_RUNS);
        uint64_t dice = random_below(&stage.random, 40);
        if (dice == 0 && trial != 0) {
            stage_hold(&stage, trial, true);
        } else if (dice == 1 && held != 0) {
            stage_end(&stage, held, TUNE_OUTCOME_CANCELLED);
        } else if (dice == 2 && trial != 0) {
            stage_end(&stage, trial, TUNE_OUTCOME_FAILED);
        } else if (dice == 3 && stage_draw(&stage, STAGE_ENDED) != 0) {
            uint32_t ended = stage_draw(&stage, STAGE_ENDED);
            struct tune_event reopened = {.kind = TUNE_EVENT_REOPENED, .trial = ended};
            stage_apply(&stage, &reopened);
            stage.trials[ended].state = STAGE_RUNS;
            stage.trials[ended].until = tune_first_milestone(stage.tuner, ended);
            if (stage.trials[ended].until == INT64_MAX) {
                stage_end(&stage, ended, TUNE_OUTCOME_DONE);
            }
        } else if (leaving != 0 && dice < 20) {
            stage_hold(&stage, leaving, false);
        } else if (trial != 0) {
            int64_t late = random_below(&stage.random, 6) == 0 ? 3 : 0;
            stage_report(&stage, trial, stage.trials[trial].until + late,
                         random_unit(&stage.random));
        } else if (held != 0 && stage.trials[held].is_peoples) {
            stage_wake(&stage, held, (struct tune_decision){.until = stage.trials[held].until});
        }
        assert_true(turn < 100000);
    }
    stage_fini(&stage);
}

static void test_disturbed_brackets_come_to_their_end(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < 300; number++) {
        disturbed_history(number);
    }
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha_rung_waits_for_all_and_keeps_a_third),
        cmocka_unit_test(test_sha_failed_and_cancelled_trials_count_as_worst),
        cmocka_unit_test(test_sha_with_hardly_a_survivor_goes_on_with_it),
        cmocka_unit_test(test_sha_needs_to_know_how_many_trials_there_are),
        cmocka_unit_test(test_sha_trials_that_cannot_save_are_judged_at_once),
        cmocka_unit_test(test_sha_limit_of_places_holds_for_who_is_woken),
        cmocka_unit_test(test_sha_resumed_sweep_with_fewer_trials_is_complete),
        cmocka_unit_test(test_hyperband_brackets_are_those_of_the_paper),
        cmocka_unit_test(test_hyperband_rungs_of_an_odd_max_are_rounded_down),
        cmocka_unit_test(test_hyperband_that_stops_is_stopping_asha),
        cmocka_unit_test(test_hyperband_that_stops_at_a_max_has_rungs_from_the_top_down),
        cmocka_unit_test(test_survivors_are_those_of_halving_at_once),
        cmocka_unit_test(test_disturbed_brackets_come_to_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
