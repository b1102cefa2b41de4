/* ASHA that promotes: a table worked by hand, and histories against get_job() of the paper's
 * Algorithm 2 as it is printed, on plain lists. */
#include "stage.h"

static struct stage stage;

/* Rungs 1, 3, 9. */
static struct sweep_spec promote_spec(void)
{
    struct sweep_spec spec = rig_spec();
    spec.schedule.mode = SCHEDULE_PROMOTE;
    spec.schedule.max = 9;
    return spec;
}

static void assert_nobody_wakes(void)
{
    uint32_t trial;
    struct tune_decision decision;
    assert_false(tune_wake_next(stage.tuner, &trial, &decision));
}

static void assert_wakes(uint32_t want, tune_act act, tune_why why, int64_t until)
{
    uint32_t trial;
    struct tune_decision decision;
    assert_true(tune_wake_next(stage.tuner, &trial, &decision));
    assert_int_equal(trial, want);
    rig_assert_decision(decision, act, why, until);
    stage_wake(&stage, trial, decision);
}

/* Reports, is told to pause, and is held. */
static void report_and_wait(uint32_t trial, int64_t step, double value)
{
    rig_assert_decision(stage_report(&stage, trial, step, value), TUNE_PAUSE, TUNE_WHY_NONE,
                        INT64_MAX);
    stage_hold(&stage, trial, false);
}

static void test_promotion_by_hand(void **state)
{
    (void)state;
    struct sweep_spec spec = promote_spec();
    spec.concurrency = 1;
    spec.stop.trials = 6;
    stage_init(&stage, &spec, 0);
    /* |rung| / eta is 0 for one and two results, 1 for three. */
    report_and_wait(stage_ask(&stage), 1, 0.5);
    assert_nobody_wakes();
    report_and_wait(stage_ask(&stage), 1, 0.3);
    assert_nobody_wakes();
    report_and_wait(stage_ask(&stage), 1, 0.4);
    assert_wakes(2, TUNE_GO, TUNE_WHY_NONE, 3);
    assert_int_equal(tune_tickets(stage.tuner), 0); /* its place is trial 2's */
    report_and_wait(2, 3, 0.25);
    assert_nobody_wakes();
    /* 0.35 is behind 0.3, which is promoted already; 5 / 3 is one place. */
    report_and_wait(stage_ask(&stage), 1, 0.35);
    report_and_wait(stage_ask(&stage), 1, 0.6);
    assert_nobody_wakes();
    /* The best of six, so it goes on without leaving; the second place is trial 2's. */
    rig_assert_decision(stage_report(&stage, stage_ask(&stage), 1, 0.1), TUNE_GO, TUNE_WHY_NONE, 3);
    assert_nobody_wakes();
    report_and_wait(6, 3, 0.2);
    /* Two results at rung 3 are none promotable, nothing is left to ask for: all end. */
    for (uint32_t i = 0; i < 6; i++) {
        static const uint32_t as_they_came[] = {1, 3, 2, 4, 5, 6};
        assert_wakes(as_they_came[i], TUNE_STOP, TUNE_WHY_RUNG, INT64_MAX);
    }
    assert_true(tune_is_over(stage.tuner));
    struct buf buf;
    buf_init(&buf, 65536);
    assert_int_equal(tune_rungs_print(stage.tuner, &buf), OK);
    assert_string_equal(buf_text(&buf),
                        "[{\"step\":1,\"results\":6,\"kept\":2},{\"step\":3,\"results\":2,"
                        "\"kept\":0},{\"step\":9,\"results\":0,\"kept\":0}]");
    buf_fini(&buf);
    stage_fini(&stage);
    assert_int_equal(mem_live_count(), 0);
}

static void test_promotion_of_the_highest_rung_comes_first(void **state)
{
    (void)state;
    struct sweep_spec spec = promote_spec();
    spec.schedule.eta = 2;
    spec.schedule.max = 4; /* 1, 2, 4 */
    stage_init(&stage, &spec, 0);
    report_and_wait(stage_ask(&stage), 1, 0.5);
    uint32_t b = stage_ask(&stage), c = stage_ask(&stage), d = stage_ask(&stage);
    rig_assert_decision(stage_report(&stage, b, 1, 0.4), TUNE_GO, TUNE_WHY_NONE, 2);
    report_and_wait(b, 2, 0.9);
    report_and_wait(c, 1, 0.45);
    rig_assert_decision(stage_report(&stage, d, 1, 0.2), TUNE_GO, TUNE_WHY_NONE, 2);
    report_and_wait(stage_ask(&stage), 1, 0.6);
    assert_nobody_wakes();
    report_and_wait(stage_ask(&stage), 1, 0.7);
    rig_assert_decision(stage_report(&stage, d, 2, 1.0), TUNE_PAUSE, TUNE_WHY_NONE, INT64_MAX);
    /* Both rungs have one to promote: b of (0.9, 1.0) at 2; c, third of six, at 1. */
    assert_wakes(b, TUNE_GO, TUNE_WHY_NONE, 4);
    assert_wakes(c, TUNE_GO, TUNE_WHY_NONE, 2);
    assert_nobody_wakes();
    stage_fini(&stage);
}

static void test_trial_that_cannot_save_is_judged_at_once(void **state)
{
    (void)state;
    struct sweep_spec spec = promote_spec();
    stage_init(&stage, &spec, 0);
    stage.can = 0;
    rig_assert_decision(stage_report(&stage, stage_ask(&stage), 1, 0.5), TUNE_GO, TUNE_WHY_NONE, 3);
    rig_assert_decision(stage_report(&stage, stage_ask(&stage), 1, 0.6), TUNE_STOP, TUNE_WHY_RUNG,
                        INT64_MAX);
    rig_assert_decision(stage_report(&stage, stage_ask(&stage), 1, 0.4), TUNE_GO, TUNE_WHY_NONE, 3);
    stage_fini(&stage);
}

static void test_trial_told_to_wait_that_reports_again_is_told_again(void **state)
{
    (void)state;
    struct sweep_spec spec = promote_spec();
    stage_init(&stage, &spec, 0);
    uint32_t trial = stage_ask(&stage);
    rig_assert_decision(stage_report(&stage, trial, 1, 0.5), TUNE_PAUSE, TUNE_WHY_NONE, INT64_MAX);
    rig_assert_decision(stage_report(&stage, trial, 1, 0.1), TUNE_PAUSE, TUNE_WHY_NONE, INT64_MAX);
    stage_hold(&stage, trial, false);
    for (int i = 0; i < 2; i++) {
        uint32_t other = stage_ask(&stage);
        rig_assert_decision(stage_report(&stage, other, 1, 0.6 + i), TUNE_PAUSE, TUNE_WHY_NONE,
                            INT64_MAX);
    }
    /* One result of each: 0.5, 0.6, 1.6. */
    assert_wakes(trial, TUNE_GO, TUNE_WHY_NONE, 3);
    assert_nobody_wakes();
    rig_assert_decision(stage_report(&stage, trial, 1, 0.5), TUNE_GO, TUNE_WHY_NONE, 3);
    stage_fini(&stage);
}

static void test_held_trials_end_with_the_sweep_and_none_goes_on(void **state)
{
    (void)state;
    struct sweep_spec spec = promote_spec();
    spec.metric.has_target = true;
    spec.metric.target = 0.05;
    stage_init(&stage, &spec, 0);
    for (uint32_t i = 0; i < 3; i++) {
        report_and_wait(stage_ask(&stage), 1, 0.5 + i);
    }
    rig_assert_decision(stage_report(&stage, stage_ask(&stage), 1, 0.01), TUNE_STOP,
                        TUNE_WHY_TARGET, INT64_MAX);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_wakes(i, TUNE_STOP, TUNE_WHY_TARGET, INT64_MAX);
    }
    assert_true(tune_is_over(stage.tuner));
    stage_fini(&stage);
}

static void test_trial_that_people_paused_is_not_woken_and_waited_for(void **state)
{
    (void)state;
    struct sweep_spec spec = promote_spec();
    spec.stop.trials = 3;
    stage_init(&stage, &spec, 0);
    uint32_t a = stage_ask(&stage), b = stage_ask(&stage), c = stage_ask(&stage);
    report_and_wait(a, 1, 0.5);
    report_and_wait(b, 1, 0.6);
    stage_hold(&stage, c, true);
    assert_nobody_wakes();
    stage_wake(&stage, c, (struct tune_decision){.until = 1});
    report_and_wait(c, 1, 0.7);
    assert_wakes(a, TUNE_GO, TUNE_WHY_NONE, 3);
    stage_fini(&stage);
}

/* ---- Algorithm 2 ---- */

struct naive_result {
    double value;
    uint32_t trial;
    bool is_promoted;
};

struct naive {
    uint32_t n[3];
    struct naive_result rungs[3][STAGE_TRIALS_MAX]; /* in order of arrival */
};

static struct naive naive;
static const int64_t naive_steps[] = {1, 3, 9};

static bool naive_is_better(const struct naive_result *rung, uint32_t a, uint32_t b, bool is_max)
{
    double x = is_max ? -rung[a].value : rung[a].value, y = is_max ? -rung[b].value : rung[b].value;
    if (isnan(x) || isnan(y)) {
        return isnan(x) && isnan(y) ? a < b : isnan(y);
    }
    return x != y ? x < y : a < b;
}

/* In the top |rung| / eta. */
static bool naive_is_top(int k, uint32_t i, bool is_max)
{
    uint32_t n_better = 0;
    for (uint32_t j = 0; j < naive.n[k]; j++) {
        n_better += j != i && naive_is_better(naive.rungs[k], j, i, is_max);
    }
    return n_better < naive.n[k] / 3;
}

/* get_job() without its last line: for k = the last but one to 0, the candidates of
 * top_k(rung k, |rung k| / eta) that were not promoted; the best of them, if there is one. */
static struct naive_result *naive_job(bool is_max, int *ret_rung)
{
    for (int k = 1; k >= 0; k--) {
        struct naive_result *best = NULL;
        for (uint32_t i = 0; i < naive.n[k]; i++) {
            struct naive_result *result = &naive.rungs[k][i];
            const struct stage_trial *trial = &stage.trials[result->trial];
            bool is_candidate = naive_is_top(k, i, is_max) && !result->is_promoted &&
                                trial->state == STAGE_HELD && !trial->is_peoples;
            if (is_candidate &&
                (best == NULL ||
                 naive_is_better(naive.rungs[k], i, (uint32_t)(best - naive.rungs[k]), is_max))) {
                best = result;
            }
        }
        if (best != NULL) {
            *ret_rung = k;
            return best;
        }
    }
    return NULL;
}

static uint32_t count_in(stage_state wanted, bool with_peoples)
{
    uint32_t n = 0;
    for (uint32_t trial = 1; trial <= stage.n; trial++) {
        n += stage.trials[trial].state == wanted &&
             (with_peoples || !stage.trials[trial].is_peoples);
    }
    return n;
}

/* Every wake is the one that get_job() would do; in the end the ones that wait are sent home. */
static void naive_wake_all(void)
{
    bool is_max = stage.spec.metric.goal == GOAL_MAXIMIZE;
    uint32_t trial;
    struct tune_decision decision;
    for (;;) {
        int rung;
        uint32_t n_open = count_in(STAGE_RUNS, true) + count_in(STAGE_LEAVES, true);
        bool has_place = stage.spec.concurrency == 0 || n_open < stage.spec.concurrency;
        struct naive_result *job = has_place ? naive_job(is_max, &rung) : NULL;
        bool is_over = stage.n == stage.spec.stop.trials && n_open == 0 &&
                       count_in(STAGE_HELD, true) == count_in(STAGE_HELD, false);
        bool wakes = tune_wake_next(stage.tuner, &trial, &decision);
        if (job != NULL) {
            assert_true(wakes);
            assert_int_equal(trial, job->trial);
            rig_assert_decision(decision, TUNE_GO, TUNE_WHY_NONE, naive_steps[rung + 1]);
            job->is_promoted = true;
        } else if (is_over && count_in(STAGE_HELD, true) > 0) {
            assert_true(wakes);
            rig_assert_decision(decision, TUNE_STOP, TUNE_WHY_RUNG, INT64_MAX);
        } else {
            assert_false(wakes);
            return;
        }
        stage_wake(&stage, trial, decision);
    }
}

static void naive_report(uint32_t trial)
{
    bool is_max = stage.spec.metric.goal == GOAL_MAXIMIZE;
    double value =
        random_below(&stage.random, 30) == 0 ? NAN : (double)random_below(&stage.random, 60);
    int64_t step = stage.trials[trial].until;
    int k = step == 1 ? 0 : step == 3 ? 1 : 2;
    struct tune_decision decision = stage_report(&stage, trial, step, value);
    naive.rungs[k][naive.n[k]++] = (struct naive_result){.value = value, .trial = trial};
    if (k == 2) {
        rig_assert_decision(decision, TUNE_STOP, TUNE_WHY_MAX, INT64_MAX);
    } else if (naive_is_top(k, naive.n[k] - 1, is_max)) {
        rig_assert_decision(decision, TUNE_GO, TUNE_WHY_NONE, naive_steps[k + 1]);
        naive.rungs[k][naive.n[k] - 1].is_promoted = true;
    } else {
        rig_assert_decision(decision, TUNE_PAUSE, TUNE_WHY_NONE, INT64_MAX);
    }
}

/* Something that is not a report happens to some trial. */
static void naive_disturb(void)
{
    uint32_t trial;
    switch (random_below(&stage.random, 4)) {
    case 0:
        trial = stage_draw(&stage, STAGE_RUNS);
        if (trial != 0) {
            stage_end(&stage, trial, TUNE_OUTCOME_FAILED);
        }
        break;
    case 1:
        trial = stage_draw(&stage, STAGE_HELD);
        if (trial != 0) {
            stage_end(&stage, trial, TUNE_OUTCOME_CANCELLED);
        }
        break;
    case 2:
        trial = stage_draw(&stage, STAGE_RUNS);
        if (trial != 0) {
            stage_hold(&stage, trial, true);
        }
        break;
    default:
        trial = stage_draw(&stage, STAGE_HELD);
        if (trial != 0 && stage.trials[trial].is_peoples) {
            stage_wake(&stage, trial, (struct tune_decision){.until = stage.trials[trial].until});
        }
        break;
    }
}

static void naive_history(uint64_t number)
{
    struct sweep_spec spec = promote_spec();
    spec.concurrency = number % 3 == 0 ? 0 : 1 + (uint32_t)(number % 7);
    spec.stop.trials = 10 + (uint32_t)(number % 80);
    spec.metric.goal = number % 2 == 0 ? GOAL_MINIMIZE : GOAL_MAXIMIZE;
    stage_init(&stage, &spec, number);
    memset(naive.n, 0, sizeof naive.n);
    for (uint32_t turn = 0; !tune_is_over(stage.tuner); turn++) {
        naive_wake_all();
        if (random_below(&stage.random, 2) == 0 && tune_tickets(stage.tuner) > 0) {
            stage_ask(&stage);
            continue;
        }
        if (random_below(&stage.random, 25) == 0) {
            naive_disturb();
            continue;
        }
        uint32_t leaving = stage_draw(&stage, STAGE_LEAVES);
        if (leaving != 0 && random_below(&stage.random, 2) == 0) {
            stage_hold(&stage, leaving, false);
            continue;
        }
        uint32_t trial = stage_draw(&stage, STAGE_RUNS);
        if (trial != 0) {
            naive_report(trial);
        }
        assert_true(turn < 20000);
    }
    assert_int_equal(count_in(STAGE_ENDED, true), spec.stop.trials);
    stage_fini(&stage);
}

static void test_promotions_are_those_of_the_algorithm_as_printed(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    enum { HISTORIES = 20 }; /* each takes many times as long */
#else
    enum { HISTORIES = 400 };
#endif
    for (uint64_t number = 0; number < HISTORIES; number++) {
        naive_history(number);
    }
    assert_int_equal(mem_live_count(), 0);
}

/* 100,000 at a rung: a look and an entry do not go through all of them. */
static void test_promotion_among_many_waiting_finishes(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct sweep_spec spec = promote_spec();
    struct tuner *tuner;
    struct random random;
    random_init(&random, 4, 4);
    spec.stop.trials = MANY;
    assert_int_equal(tune_new(&spec, 17, &tuner), OK);
    uint32_t n_woken = 0, woken;
    struct tune_event wake = {.kind = TUNE_EVENT_WOKEN};
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t trial = rig_ask(tuner);
        struct tune_milestone milestone = {
            .trial = trial, .step = 1, .value = random_unit(&random), .can = TUNE_CAN_PAUSE};
        struct tune_event event = {.kind = TUNE_EVENT_MILESTONE,
                                   .trial = trial,
                                   .step = 1,
                                   .has_value = true,
                                   .value = milestone.value};
        tune_decide(tuner, &milestone, &event.decision, NULL);
        assert_int_equal(tune_apply(tuner, &event), OK);
        if (event.decision.act == TUNE_PAUSE) {
            struct tune_event held = {.kind = TUNE_EVENT_HELD, .trial = trial};
            assert_int_equal(tune_apply(tuner, &held), OK);
        }
        n_woken += event.decision.act == TUNE_GO;
        while (tune_wake_next(tuner, &woken, &wake.decision)) {
            wake.trial = woken;
            assert_int_equal(tune_apply(tuner, &wake), OK);
            n_woken++;
        }
    }
    assert_true(n_woken >= MANY / 3);
    tune_free(tuner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promotion_by_hand),
        cmocka_unit_test(test_promotion_of_the_highest_rung_comes_first),
        cmocka_unit_test(test_trial_that_cannot_save_is_judged_at_once),
        cmocka_unit_test(test_trial_told_to_wait_that_reports_again_is_told_again),
        cmocka_unit_test(test_held_trials_end_with_the_sweep_and_none_goes_on),
        cmocka_unit_test(test_trial_that_people_paused_is_not_woken_and_waited_for),
        cmocka_unit_test(test_promotions_are_those_of_the_algorithm_as_printed),
        cmocka_unit_test(test_promotion_among_many_waiting_finishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
