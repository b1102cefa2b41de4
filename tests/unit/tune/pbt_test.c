/* Population-based training: cases by hand, and histories against ranking all members anew. */
#include "stage.h"

static struct stage stage;
static const double factors[] = {0.8, 1.2};

static struct sweep_spec pbt_spec(uint32_t population)
{
    struct sweep_spec spec = rig_spec();
    spec.schedule = (struct schedule_spec){.type = SCHEDULE_PBT, .max = 100};
    spec.pbt = (struct pbt_spec){
        .population = population,
        .interval = 4,
        .quantile = 0.25,
        .resample = 0.25,
        .factors = factors,
        .n_factors = 2,
    };
    spec.stop.trials = population;
    return spec;
}

static void assert_goes_on(struct tune_decision decision, int64_t until)
{
    rig_assert_decision(decision, TUNE_GO, TUNE_WHY_NONE, until);
    assert_int_equal(decision.donor, 0);
}

static void assert_exploits(struct tune_decision decision, uint32_t donor, int64_t donor_step)
{
    rig_assert_decision(decision, TUNE_EXPLOIT, TUNE_WHY_NONE, donor_step + 4);
    assert_int_equal(decision.donor, donor);
    assert_int_equal(decision.donor_step, donor_step);
    assert_int_equal(decision.donor_ordinal, stage.trials[donor].ordinal);
}

static void test_lower_quantile_copies_the_upper_one(void **state)
{
    (void)state;
    struct sweep_spec spec = pbt_spec(4);
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    for (uint32_t trial = 1; trial <= 4; trial++) {
        assert_int_equal(tune_first_milestone(stage.tuner, trial), 4);
    }
    /* Of 1 member 0 are in a quantile, of 2, 3 and 4 one. */
    assert_goes_on(stage_report(&stage, 1, 4, 0.3), 8);
    assert_goes_on(stage_report(&stage, 2, 4, 0.1), 8);
    assert_goes_on(stage_report(&stage, 3, 4, 0.2), 8);
    assert_exploits(stage_report(&stage, 4, 4, 0.4), 2, 4);
    assert_goes_on(stage_report(&stage, 2, 8, 0.35), 12);
    /* 2 fell behind with its new value, 3 is the best one. Its own old value is not ranked. */
    assert_exploits(stage_report(&stage, 1, 8, 0.5), 3, 4);
    assert_goes_on(stage_report(&stage, 3, 8, 0.25), 12);
    assert_exploits(stage_report(&stage, 4, 8, 0.6), 3, 8);
    stage_fini(&stage);
    assert_int_equal(mem_live_count(), 0);
}

static void test_size_of_the_quantiles(void **state)
{
    (void)state;
    static const struct {
        double quantile;
        uint32_t n, want;
    } cases[] = {
        {0.25, 2, 1}, {0.25, 3, 1},   {0.25, 4, 1}, {0.25, 5, 2},   {0.25, 8, 2},
        {0.2, 10, 2}, {0.1, 30, 3},   {0.5, 7, 3},  {0.5, 8, 4},    {0.0, 8, 0},
        {0.3, 10, 3}, {0.01, 100, 1}, {0.25, 1, 0}, {0.07, 100, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sweep_spec spec = pbt_spec(cases[i].n);
        spec.pbt.quantile = cases[i].quantile;
        stage_init(&stage, &spec, i);
        stage_ask_all(&stage);
        /* The best come last, so that only the first round's last one is ranked among all. */
        for (uint32_t trial = 1; trial <= cases[i].n; trial++) {
            stage_report(&stage, trial, 4, -(double)trial);
        }
        uint32_t n = 0;
        for (uint32_t trial = 1; trial <= cases[i].n; trial++) {
            int64_t step = tune_first_milestone(stage.tuner, trial);
            struct tune_milestone milestone = {.trial = trial,
                                               .step = step,
                                               .value = -(double)trial,
                                               .can = TUNE_CAN_EXPLOIT,
                                               .donor = stage_donor,
                                               .context = &stage};
            struct tune_decision decision;
            struct value params[RIG_PARAMS];
            tune_decide(stage.tuner, &milestone, &decision, params);
            n += decision.act == TUNE_EXPLOIT;
        }
        assert_int_equal(n, cases[i].want);
        stage_fini(&stage);
    }
}

static void test_end_is_at_max_steps_of_the_lineage(void **state)
{
    (void)state;
    struct sweep_spec spec = pbt_spec(2);
    spec.schedule.max = 10;
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    assert_goes_on(stage_report(&stage, 1, 4, 0.1), 8);
    assert_goes_on(stage_report(&stage, 1, 8, 0.1), 10); /* not 12 */
    struct tune_decision decision = stage_report(&stage, 2, 4, 0.9);
    rig_assert_decision(decision, TUNE_EXPLOIT, TUNE_WHY_NONE, 10);
    assert_int_equal(decision.donor_step, 8);
    /* Its own steps were 4, its weights' are 10. */
    rig_assert_decision(stage_report(&stage, 2, 10, 0.9), TUNE_STOP, TUNE_WHY_MAX, INT64_MAX);
    rig_assert_decision(stage_report(&stage, 1, 11, 0.1), TUNE_STOP, TUNE_WHY_MAX, INT64_MAX);
    assert_true(tune_is_over(stage.tuner));
    stage_fini(&stage);
}

static void test_member_without_a_good_donor_goes_on(void **state)
{
    (void)state;
    struct sweep_spec spec = pbt_spec(2);
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    stage_report(&stage, 1, 4, 0.1);
    stage.has_no_snapshots = true;
    assert_goes_on(stage_report(&stage, 2, 4, 0.9), 8);
    stage.has_no_snapshots = false;
    stage.can = TUNE_CAN_PAUSE; /* it cannot load what another saved */
    assert_goes_on(stage_report(&stage, 2, 8, 0.9), 12);
    stage.can |= TUNE_CAN_EXPLOIT;
    stage.trials[1].snapshot_step = 100; /* nothing is left to train behind it */
    assert_goes_on(stage_report(&stage, 2, 12, 0.9), 16);
    stage.trials[1].snapshot_step = 99;
    rig_assert_decision(stage_report(&stage, 2, 16, 0.9), TUNE_EXPLOIT, TUNE_WHY_NONE, 100);
    stage_fini(&stage);
}

/* Its snapshot is there for ever, and nobody would get further than it. */
static void test_ended_member_is_no_donor_for_those_ahead_of_it(void **state)
{
    (void)state;
    struct sweep_spec spec = pbt_spec(2);
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    stage_report(&stage, 1, 4, 0.1);
    assert_exploits(stage_report(&stage, 2, 4, 0.9), 1, 4);
    stage_end(&stage, 1, TUNE_OUTCOME_STOPPED);
    assert_goes_on(stage_report(&stage, 2, 8, 0.9), 12);
    stage_fini(&stage);
}

static void test_nan_is_worst_and_nobodys_donor(void **state)
{
    (void)state;
    struct sweep_spec spec = pbt_spec(2);
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    assert_goes_on(stage_report(&stage, 1, 4, NAN), 8);
    assert_goes_on(stage_report(&stage, 2, 4, NAN), 8);
    assert_goes_on(stage_report(&stage, 1, 8, NAN), 12);
    assert_goes_on(stage_report(&stage, 2, 8, INFINITY), 12);
    assert_exploits(stage_report(&stage, 1, 12, NAN), 2, 8);
    stage_fini(&stage);
}

static void test_failed_and_invalid_members_are_not_ranked(void **state)
{
    (void)state;
    for (int outcome = TUNE_OUTCOME_DONE; outcome <= TUNE_OUTCOME_INVALID; outcome++) {
        struct sweep_spec spec = pbt_spec(3);
        stage_init(&stage, &spec, 0);
        stage_ask_all(&stage);
        stage_report(&stage, 1, 4, 0.1);
        stage_report(&stage, 2, 4, 0.05);
        stage_end(&stage, 2, (tune_outcome)outcome);
        bool is_out = outcome == TUNE_OUTCOME_FAILED || outcome == TUNE_OUTCOME_INVALID;
        assert_exploits(stage_report(&stage, 3, 4, 0.9), is_out ? 1 : 2, 4);
        if (is_out) {
            struct tune_event reopened = {.kind = TUNE_EVENT_REOPENED, .trial = 2};
            stage_apply(&stage, &reopened);
            stage.trials[2].state = STAGE_RUNS;
            assert_exploits(stage_report(&stage, 3, 8, 0.9), 2, 4);
        }
        stage_fini(&stage);
    }
}

static void test_report_below_the_milestone_is_no_decision(void **state)
{
    (void)state;
    struct sweep_spec spec = pbt_spec(2);
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    stage_report(&stage, 1, 4, 0.1);
    /* It starts again from nothing after a failure. */
    for (int64_t step = 0; step < 8; step++) {
        assert_goes_on(stage_report(&stage, 1, step, 0.9), 8);
    }
    stage.trials[1].ordinal = 1;
    stage.trials[1].snapshot_step = 4;
    assert_exploits(stage_report(&stage, 2, 4, 0.5), 1, 4); /* 0.1 stands */
    stage_fini(&stage);
}

static void test_ties_are_not_broken_by_the_order_of_arrival(void **state)
{
    (void)state;
    enum { MEMBERS = 8, ROUNDS = 1000 };
    uint32_t n_exploits[MEMBERS + 1] = {0}, n_all = 0, n_donations[MEMBERS + 1] = {0};
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct sweep_spec spec = pbt_spec(MEMBERS);
        stage_init(&stage, &spec, round);
        tune_free(stage.tuner);
        assert_int_equal(tune_new(&stage.spec, round, &stage.tuner), OK);
        stage_ask_all(&stage);
        for (int64_t step = 4; step <= 8; step += 4) {
            for (uint32_t trial = 1; trial <= MEMBERS; trial++) {
                int64_t until = tune_first_milestone(stage.tuner, trial);
                struct tune_decision decision = stage_report(&stage, trial, until, 0.5);
                bool is_second = step == 8;
                n_exploits[trial] += is_second && decision.act == TUNE_EXPLOIT;
                n_donations[decision.donor] += is_second;
                n_all += is_second && decision.act == TUNE_EXPLOIT;
            }
        }
        tune_free(stage.tuner);
    }
    double mean = (double)n_all / MEMBERS;
    assert_true(fabs(mean - ROUNDS / 4.0) < 60);
    for (uint32_t trial = 1; trial <= MEMBERS; trial++) {
        assert_true(fabs(n_exploits[trial] - mean) < 5 * sqrt(mean));
        assert_true(n_donations[trial] > mean / 2); /* each of them, too */
    }
}

static void test_later_trials_take_freed_places(void **state)
{
    (void)state;
    struct sweep_spec spec = pbt_spec(3);
    spec.stop.trials = 5;
    stage_init(&stage, &spec, 0);
    assert_int_equal(tune_tickets(stage.tuner), 3);
    stage_ask_all(&stage);
    assert_int_equal(stage.n, 3);
    stage_end(&stage, 2, TUNE_OUTCOME_FAILED);
    assert_int_equal(tune_tickets(stage.tuner), 1);
    stage_ask_all(&stage);
    assert_int_equal(stage.n, 4);
    assert_int_equal(tune_tickets(stage.tuner), 0);
    stage_end(&stage, 1, TUNE_OUTCOME_DONE);
    stage_end(&stage, 3, TUNE_OUTCOME_DONE);
    assert_int_equal(tune_tickets(stage.tuner), 1); /* the last one that there is */
    stage_fini(&stage);
}

static void test_exploit_by_a_new_start_is_woken_first_and_at_once(void **state)
{
    (void)state;
    struct sweep_spec spec = pbt_spec(4);
    spec.concurrency = 2;
    uint32_t woken;
    struct tune_decision decision;
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    stage_report(&stage, 1, 4, 0.1);
    stage_hold(&stage, 1, false);
    stage_report(&stage, 2, 4, 0.2);
    stage_hold(&stage, 2, false);
    stage_ask_all(&stage);
    assert_int_equal(stage.n, 4);
    stage.can = TUNE_CAN_EXPLOIT;
    struct tune_decision exploit = stage_report(&stage, 3, 4, 0.9);
    assert_exploits(exploit, 1, 4);
    stage_end(&stage, 4, TUNE_OUTCOME_FAILED);
    /* Two wait for the one free place; 3 has not left yet. */
    assert_true(tune_wake_next(stage.tuner, &woken, &decision));
    assert_int_equal(woken, 1);
    stage_hold(&stage, 3, false);
    assert_true(tune_wake_next(stage.tuner, &woken, &decision));
    assert_int_equal(woken, 3);
    rig_assert_decision(decision, TUNE_GO, TUNE_WHY_NONE, exploit.until);
    stage_wake(&stage, woken, decision);
    stage_wake_all(&stage);
    assert_int_equal(stage.trials[1].state, STAGE_RUNS);
    assert_int_equal(stage.trials[2].state, STAGE_HELD);
    stage_fini(&stage);
}

static void test_pause_with_a_donor_goes_on_from_the_donors_step(void **state)
{
    (void)state;
    struct sweep_spec spec = pbt_spec(2);
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    for (int64_t step = 4; step <= 12; step += 4) {
        stage_report(&stage, 1, step, 0.1);
    }
    stage.is_crowded = true;
    struct tune_decision decision = stage_report(&stage, 2, 4, 0.9);
    rig_assert_decision(decision, TUNE_PAUSE, TUNE_WHY_NONE, INT64_MAX);
    assert_int_equal(decision.donor, 1);
    assert_int_equal(decision.donor_step, 12);
    stage_hold(&stage, 2, false);
    stage_wake_all(&stage);
    assert_int_equal(stage.trials[2].state, STAGE_RUNS);
    assert_int_equal(stage.trials[2].until, 16);
    stage_fini(&stage);
}

static void test_exploit_whose_snapshot_is_lost_is_moved_and_called_off(void **state)
{
    (void)state;
    struct sweep_spec spec = pbt_spec(2);
    struct value before[RIG_PARAMS];
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    memcpy(before, stage.trials[2].params, sizeof before);
    stage_report(&stage, 1, 4, 0.1);
    assert_exploits(stage_report(&stage, 2, 4, 0.9), 1, 4);
    struct tune_event moved = {.kind = TUNE_EVENT_DONOR,
                               .trial = 2,
                               .params = stage.trials[2].params,
                               .n_params = RIG_PARAMS,
                               .decision = {.donor = 1, .donor_ordinal = 9, .donor_step = 6}};
    struct tune_event off = {
        .kind = TUNE_EVENT_DONOR, .trial = 2, .step = 3, .params = before, .n_params = RIG_PARAMS};
    struct tune_event wrong[] = {moved, moved, moved, off, off, off};
    wrong[0].decision.donor = 2;
    wrong[1].decision.donor = 3;
    wrong[2].decision.donor_step = -1;
    wrong[3].step = -1;
    wrong[4].params = NULL;
    wrong[5].trial = 3;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        rig_refused(stage.tuner, wrong[i]);
    }
    stage_apply(&stage, &moved);
    assert_int_equal(tune_first_milestone(stage.tuner, 2), 10);
    stage_apply(&stage, &off);
    assert_int_equal(tune_first_milestone(stage.tuner, 2), 7);
    /* What another member would copy is its own again. */
    char *after = rig_dump(stage.tuner);
    for (uint32_t i = 0; i < RIG_PARAMS; i++) {
        struct buf text;
        buf_init(&text, 256);
        assert_int_equal(value_print_json(before[i], &text), OK);
        assert_non_null(strstr(after, buf_text(&text)));
        buf_fini(&text);
    }
    mem_free(after);
    stage_report(&stage, 2, 7, 0.95);
    stage_end(&stage, 2, TUNE_OUTCOME_FAILED);
    rig_refused(stage.tuner, off);
    stage_fini(&stage);
}

static void test_member_that_cannot_save_keeps_its_place(void **state)
{
    (void)state;
    struct sweep_spec spec = pbt_spec(2);
    stage_init(&stage, &spec, 0);
    stage_ask_all(&stage);
    stage.is_crowded = true;
    stage.can = 0;
    assert_goes_on(stage_report(&stage, 1, 4, 0.1), 8);
    assert_goes_on(stage_report(&stage, 2, 4, 0.9), 8);
    stage_fini(&stage);
}

/* 64 members share 2 places: nobody is a turn behind, all get to the end. */
static void test_many_members_on_two_places_take_turns(void **state)
{
    (void)state;
    enum { MEMBERS = 64 };
    struct sweep_spec spec = pbt_spec(MEMBERS);
    spec.concurrency = 2;
    spec.pbt.quantile = 0;
    spec.schedule.max = 20;
    stage_init(&stage, &spec, 0);
    while (!tune_is_over(stage.tuner)) {
        stage_wake_all(&stage);
        stage_ask_all(&stage);
        uint32_t trial = stage_draw(&stage, STAGE_RUNS), n_running = 0;
        assert_true(trial != 0);
        int64_t low = INT64_MAX, high = 0;
        for (uint32_t i = 1; i <= stage.n; i++) {
            n_running += stage.trials[i].state == STAGE_RUNS;
            low = stage.trials[i].step < low ? stage.trials[i].step : low;
            high = stage.trials[i].step > high ? stage.trials[i].step : high;
        }
        assert_true(n_running <= 2);
        /* Nobody has a second turn before all others had a first one; at the end two run on. */
        assert_true(stage.n < MEMBERS ? high <= 4 : high - low <= 8);
        struct tune_decision decision =
            stage_report(&stage, trial, stage.trials[trial].until, (double)trial);
        if (decision.act == TUNE_PAUSE) {
            stage_hold(&stage, trial, false);
        }
    }
    stage_fini(&stage);
}

/* ---- against ranking anew ---- */

struct naive_member {
    bool has_value;
    double score;
};

static struct naive_member naive[STAGE_TRIALS_MAX + 1];

static bool naive_is_out(uint32_t trial)
{
    return stage.trials[trial].state == STAGE_ENDED &&
           (stage.trials[trial].outcome == TUNE_OUTCOME_FAILED ||
            stage.trials[trial].outcome == TUNE_OUTCOME_INVALID);
}

/* How many ranked members are better than `trial`; no value is there twice. */
static uint32_t naive_rank(uint32_t trial, uint32_t *ret_n)
{
    uint32_t better = 0;
    *ret_n = 0;
    for (uint32_t other = 1; other <= stage.n; other++) {
        if (naive[other].has_value && !naive_is_out(other)) {
            *ret_n += 1;
            better += naive[other].score < naive[trial].score;
        }
    }
    return better;
}

static uint32_t naive_quantile(double quantile, uint32_t n)
{
    uint32_t k = 0;
    while (k < quantile * n - 1e-9) {
        k++;
    }
    return k < n / 2 ? k : n / 2;
}

static bool naive_is_donor(uint32_t trial, uint32_t k, int64_t step)
{
    uint32_t n;
    const struct stage_trial *donor = &stage.trials[trial];
    bool trains = donor->state != STAGE_ENDED;
    return naive[trial].has_value && !naive_is_out(trial) && naive_rank(trial, &n) < k &&
           donor->ordinal != 0 && donor->snapshot_step < 100 &&
           (trains || donor->snapshot_step >= step);
}

static void naive_report(uint32_t trial, struct value (*before)[RIG_PARAMS])
{
    bool is_max = stage.spec.metric.goal == GOAL_MAXIMIZE;
    double value = random_unit(&stage.random);
    int64_t step = stage.trials[trial].until;
    naive[trial] = (struct naive_member){true, is_max ? -value : value};
    uint32_t n, better = naive_rank(trial, &n), k = naive_quantile(stage.spec.pbt.quantile, n);
    bool has_donor = false;
    for (uint32_t other = 1; other <= stage.n; other++) {
        has_donor = has_donor || (other != trial && naive_is_donor(other, k, step));
    }
    bool shall_exploit = k > 0 && better >= n - k && has_donor && step < 100;
    struct stage_trial old[STAGE_TRIALS_MAX + 1];
    memcpy(old, stage.trials, sizeof old);
    struct tune_decision decision = stage_report(&stage, trial, step, value);
    assert_int_equal(decision.donor != 0, shall_exploit);
    if (decision.donor != 0) {
        assert_true(old[decision.donor].ordinal == decision.donor_ordinal);
        assert_int_equal(old[decision.donor].snapshot_step, decision.donor_step);
        assert_true(naive_is_donor(decision.donor, k, step));
        /* Of `lr` and `layers` only the first mutates; what does not is the donor's. */
        assert_true(value_equal(stage.trials[trial].params[1], before[decision.donor][1]));
        assert_true(value_equal(stage.trials[trial].params[2], before[decision.donor][2]));
        double lr = stage.trials[trial].params[0].real, from = before[decision.donor][0].real;
        double up = fmin(from * 1.2, 1e-1), down = fmax(from * 0.8, 1e-5);
        assert_true(lr == up || lr == down);
    }
    memcpy(before[trial], stage.trials[trial].params, sizeof before[trial]);
}

static void naive_history(uint64_t number)
{
    static const bool mutates[] = {true, false, false};
    static const double quantiles[] = {0.25, 0.1, 0.5, 0.2};
    struct value params[STAGE_TRIALS_MAX + 1][RIG_PARAMS];
    struct sweep_spec spec = pbt_spec(2 + (uint32_t)(number % 30));
    spec.pbt.mutates = mutates;
    spec.pbt.resample = 0;
    spec.pbt.quantile = quantiles[number % 4];
    spec.concurrency = number % 3 == 0 ? 3 : 0;
    spec.stop.trials += number % 5 == 0 ? 7 : 0;
    spec.metric.goal = number % 2 == 0 ? GOAL_MINIMIZE : GOAL_MAXIMIZE;
    stage_init(&stage, &spec, number);
    stage.is_crowded = number % 7 == 0;
    memset(naive, 0, sizeof naive);
    for (uint32_t turn = 0; !tune_is_over(stage.tuner) && turn < 20000; turn++) {
        stage_wake_all(&stage);
        if (tune_tickets(stage.tuner) > 0) {
            uint32_t trial = stage_ask(&stage);
            memcpy(params[trial], stage.trials[trial].params, sizeof params[trial]);
        }
        uint32_t leaving = stage_draw(&stage, STAGE_LEAVES);
        if (leaving != 0 && random_below(&stage.random, 2) == 0) {
            stage_hold(&stage, leaving, false);
        }
        uint32_t trial = stage_draw(&stage, STAGE_RUNS);
        if (trial != 0 && random_below(&stage.random, 100) == 0) {
            stage_end(&stage, trial,
                      (tune_outcome)random_below(&stage.random, TUNE_OUTCOME_INVALID + 1));
        } else if (trial != 0) {
            naive_report(trial, params);
        }
    }
    assert_true(tune_is_over(stage.tuner));
    stage_fini(&stage);
}

static void test_decisions_are_those_of_ranking_all_members_anew(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < 60; number++) {
        naive_history(number);
    }
    assert_int_equal(mem_live_count(), 0);
}

/* The 17th member is where the arrays grow. */
static void test_asking_without_memory_leaves_the_population_as_it_was(void **state)
{
    (void)state;
    uint32_t n_failed = 0;
    for (bool has_failed = true; has_failed; n_failed += has_failed) {
        struct sweep_spec spec = pbt_spec(40);
        struct tuner *tuner = rig_tuner(&spec);
        struct value params[RIG_PARAMS];
        for (uint32_t trial = 1; trial <= 16; trial++) {
            rig_ask(tuner);
        }
        tune_suggest(tuner, 17, params);
        struct tune_event event = {
            .kind = TUNE_EVENT_ASKED, .trial = 17, .params = params, .n_params = RIG_PARAMS};
        char *before = rig_dump(tuner);
        mem_fail_at(n_failed + 1);
        error_code error = tune_apply(tuner, &event);
        has_failed = mem_has_failed();
        mem_fail_at(0);
        assert_int_equal(error, has_failed ? ERR_NO_MEMORY : OK);
        char *after = rig_dump(tuner);
        assert_int_equal(strcmp(before, after) == 0, has_failed);
        mem_free(before);
        mem_free(after);
        rig_report(tuner, 3, 4, 0.5);
        tune_free(tuner);
        assert_int_equal(mem_live_count(), 0);
    }
    assert_int_equal(n_failed, 5);
}

static void test_population_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const double zero[] = {0.0};
    struct sweep_spec good = pbt_spec(4), spec;
    struct tuner *tuner;
#define REFUSES(statement)                                                                         \
    spec = good;                                                                                   \
    statement;                                                                                     \
    assert_int_equal(tune_new(&spec, 1, &tuner), ERR_INVALID)
    REFUSES(spec.pbt.population = 0);
    REFUSES(spec.pbt.interval = 0);
    REFUSES(spec.schedule.max = 0);
    REFUSES(spec.pbt.quantile = 0.6);
    REFUSES(spec.pbt.quantile = NAN);
    REFUSES(spec.pbt.resample = 1.1);
    REFUSES((spec.pbt.factors = zero, spec.pbt.n_factors = 1));
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lower_quantile_copies_the_upper_one),
        cmocka_unit_test(test_size_of_the_quantiles),
        cmocka_unit_test(test_end_is_at_max_steps_of_the_lineage),
        cmocka_unit_test(test_member_without_a_good_donor_goes_on),
        cmocka_unit_test(test_ended_member_is_no_donor_for_those_ahead_of_it),
        cmocka_unit_test(test_nan_is_worst_and_nobodys_donor),
        cmocka_unit_test(test_failed_and_invalid_members_are_not_ranked),
        cmocka_unit_test(test_report_below_the_milestone_is_no_decision),
        cmocka_unit_test(test_ties_are_not_broken_by_the_order_of_arrival),
        cmocka_unit_test(test_later_trials_take_freed_places),
        cmocka_unit_test(test_exploit_by_a_new_start_is_woken_first_and_at_once),
        cmocka_unit_test(test_pause_with_a_donor_goes_on_from_the_donors_step),
        cmocka_unit_test(test_exploit_whose_snapshot_is_lost_is_moved_and_called_off),
        cmocka_unit_test(test_member_that_cannot_save_keeps_its_place),
        cmocka_unit_test(test_many_members_on_two_places_take_turns),
        cmocka_unit_test(test_decisions_are_those_of_ranking_all_members_anew),
        cmocka_unit_test(test_asking_without_memory_leaves_the_population_as_it_was),
        cmocka_unit_test(test_population_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
