/* The blocks `schedule` and `pbt`: what they refuse, and that each key of them is heeded. */
#include "rig.h"

#define PARAMETERS                                                                                 \
    "parameters: {lr: {min: 1e-5, max: 1.0}, layers: {min: 1, max: 4}, epochs: 9, bn: {values: "   \
    "[a, b]}}\n"
/* Without a limit of trials; what a test adds begins in line 4. */
#define POPULATION "command: x\nmetric: {name: loss}\n" PARAMETERS
#define PBT_LINES POPULATION "schedule: {type: pbt, max: 100}\n"

static const struct refused refused[] = {
    REFUSED(LEAST "schedule: {type: ASHA}", ERR_INVALID, 4, 18,
            "`schedule.type` cannot be 'ASHA'; write none or asha or sha or hyperband "
            "or median or pbt or replay; did you mean 'asha'?"),
    REFUSED(LEAST "schedule: {type: asha}", ERR_INVALID, 4, 11,
            "the key `schedule.max` is missing: the last step of a trial"),
    REFUSED(LEAST "schedule: {max: 9}", ERR_INVALID, 4, 12,
            "`schedule.max` has no meaning with `type: none`; it belongs to asha, sha, hyperband, "
            "median, pbt, replay"),
    REFUSED(LEAST "schedule: {type: none, eta: 3}", ERR_INVALID, 4, 24,
            "`schedule.eta` has no meaning with `type: none`; it belongs to asha, sha, hyperband"),
    REFUSED(LEAST "schedule: {type: asha, max: 9, min: 10}", ERR_INVALID, 4, 29,
            "`schedule.max` is 9, less than min, 10"),
    REFUSED(LEAST "schedule: {type: asha, max: 9, eta: 1}", ERR_INVALID, 4, 37,
            "`schedule.eta` must be 2 to 1000000, not 1"),
    REFUSED(LEAST "schedule: {type: asha, max: 0}", ERR_INVALID, 4, 29,
            "`schedule.max` must be 1 to 9007199254740992 or none, not 0"),
    REFUSED(LEAST "schedule: {type: asha, mode: stopp, max: 9}", ERR_INVALID, 4, 30,
            "`schedule.mode` cannot be 'stopp'; write stop or promote; did you mean 'stop'?"),
    REFUSED(LEAST "schedule: {mode: stop}", ERR_INVALID, 4, 12,
            "`schedule.mode` has no meaning with `type: none`; it belongs to asha, hyperband"),
    REFUSED(LEAST "schedule: {type: asha, max: 9.0}", ERR_INVALID, 4, 29,
            "`schedule.max` needs a whole number, not 9.0"),

    REFUSED(LEAST "schedule: {type: asha, max: none}", ERR_INVALID, 4, 29,
            "the key `schedule.max` is missing: the last step of a trial"),
    REFUSED(LEAST "schedule: {type: hyperband, eta: 3}", ERR_INVALID, 4, 11,
            "the key `schedule.max` is missing: the last step of a trial"),
    REFUSED(LEAST "schedule: {type: sha}", ERR_INVALID, 4, 11,
            "the key `schedule.max` is missing: the last step of a trial"),
    REFUSED(POPULATION "stop: {wall: 1h}\nschedule: {type: sha, max: 9}", ERR_INVALID, 5, 11,
            "`type: sha` needs `stop.trials`: its trials wait at a rung until all of them have a "
            "result there; or write `type: asha`, which does not wait"),
    REFUSED(LEAST "schedule: {type: sha, mode: promote, max: 9}", ERR_INVALID, 4, 23,
            "`schedule.mode` has no meaning with `type: sha`; it belongs to asha, hyperband"),
    REFUSED(
        LEAST "schedule: {type: median, eta: 3}", ERR_INVALID, 4, 26,
        "`schedule.eta` has no meaning with `type: median`; it belongs to asha, sha, hyperband"),
    REFUSED(LEAST "schedule: {type: median, min: 8, max: 4}", ERR_INVALID, 4, 39,
            "`schedule.max` is 4, less than min, 8"),
    REFUSED(LEAST "schedule: {type: median, interval: 0}", ERR_INVALID, 4, 36,
            "`schedule.interval` must be 1 to 9007199254740992, not 0"),
    REFUSED(LEAST "schedule: {type: median, startup: 0}", ERR_INVALID, 4, 35,
            "`schedule.startup` must be 1 to 10000000, not 0"),
    REFUSED(LEAST "schedule: {type: asha, max: 9, startup: 2}", ERR_INVALID, 4, 32,
            "`schedule.startup` has no meaning with `type: asha`; it belongs to median"),
    REFUSED(LEAST "schedule: {type: asha, max: 9, interval: 2}", ERR_INVALID, 4, 32,
            "`schedule.interval` has no meaning with `type: asha`; it belongs to median"),

    REFUSED(LEAST "pbt: {interval: 4}", ERR_INVALID, 4, 1,
            "`pbt` has no meaning without `schedule: {type: pbt, max: ...}`"),
    REFUSED(LEAST "early_terminate: {type: hyperband}", ERR_INVALID, 4, 18,
            "`early_terminate` needs `min_iter`, or `max_iter` and `s`"),
    REFUSED(LEAST "early_terminate: {min_iter: 3}", ERR_INVALID, 4, 18,
            "the key `early_terminate.type` is missing"),
    REFUSED(LEAST "early_terminate: {type: hyperband, max_iter: 27}", ERR_INVALID, 4, 18,
            "`early_terminate.max_iter` needs `s`: how many bands there are"),
    REFUSED(LEAST "early_terminate: {type: hyperband, max_iter: 2, s: 3}", ERR_INVALID, 4, 18,
            "`early_terminate` has no band below max_iter, 2: eta is 3"),
    REFUSED(LEAST "early_terminate: {type: hyperband, min_iter: 3, eta: 1.5}", ERR_INVALID, 4, 54,
            "`early_terminate.eta` needs a whole number, not 1.5"),
    REFUSED(LEAST "schedule: {type: none}\nearly_terminate: {type: hyperband, min_iter: 3}",
            ERR_INVALID, 5, 1, "`early_terminate` and `schedule` say the same; keep one of them"),

    REFUSED(POPULATION "schedule: {type: pbt}", ERR_INVALID, 4, 11,
            "the key `schedule.max` is missing: the last step of a trial"),
    REFUSED(POPULATION "schedule: {type: pbt, max: 9, min: 2}", ERR_INVALID, 4, 31,
            "`schedule.min` has no meaning with `type: pbt`; it belongs to asha, sha, hyperband, "
            "median"),
    REFUSED(PBT_LINES, ERR_INVALID, 4, 11,
            "the key `pbt.interval` is missing: the steps between two milestones of a trial"),
    REFUSED(PBT_LINES "pbt: {population: 4}", ERR_INVALID, 5, 6,
            "the key `pbt.interval` is missing: the steps between two milestones of a trial"),
    REFUSED(PBT_LINES "pbt: {interval: 101, population: 4}", ERR_INVALID, 5, 17,
            "`pbt.interval` is 101, more than `schedule.max`, 100: no trial would ever copy "
            "another"),
    REFUSED(PBT_LINES "pbt: {interval: 0}", ERR_INVALID, 5, 17,
            "`pbt.interval` must be 1 to 9007199254740992, not 0"),
    REFUSED(PBT_LINES "pbt: {interval: 4}", ERR_INVALID, 5, 6,
            "the key `pbt.population` is missing: how many trials train together"),
    REFUSED(PBT_LINES "pbt: {interval: 4, population: 0}", ERR_INVALID, 5, 32,
            "`pbt.population` must be 1 to 10000000, not 0"),
    REFUSED(PBT_LINES "pbt: {interval: 4, population: 5}\nstop: {trials: 4}", ERR_INVALID, 5, 32,
            "`pbt.population` is 5, more than `stop.trials`, 4"),
    REFUSED(PBT_LINES "pbt: {quantile: 0.6}", ERR_INVALID, 5, 17,
            "`pbt.quantile` must be 0 to 0.5, not 0.6"),
    REFUSED(PBT_LINES "pbt: {quantile: .nan}", ERR_INVALID, 5, 17,
            "`pbt.quantile` must be 0 to 0.5, not .nan"),
    REFUSED(PBT_LINES "pbt: {resample: -0.1}", ERR_INVALID, 5, 17,
            "`pbt.resample` must be 0 to 1, not -0.1"),
    REFUSED(PBT_LINES "pbt: {resample: often}", ERR_INVALID, 5, 17,
            "`pbt.resample` needs a number, not the text 'often'"),
    REFUSED(PBT_LINES "pbt: {factors: 1.2}", ERR_INVALID, 5, 16,
            "`pbt.factors` needs a list of numbers like [0.8, 1.2], not 1.2"),
    REFUSED(PBT_LINES "pbt: {factors: []}", ERR_INVALID, 5, 16,
            "`pbt.factors` is empty; write [1] for parameters that are copied as they are"),
    REFUSED(PBT_LINES "pbt: {factors: [0.8, 0]}", ERR_INVALID, 5, 22,
            "`pbt.factors` must be 1e-06 to 1e+06, not 0"),
    REFUSED(PBT_LINES "pbt: {factors: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", ERR_LIMIT, 5, 16,
            "`pbt.factors` has 17 items; at most 16 are allowed"),
    REFUSED(PBT_LINES "pbt: {interval: 4, population: 4, mutate: lr}", ERR_INVALID, 5, 43,
            "`pbt.mutate` needs a list of parameters' names, not the text 'lr'"),
    REFUSED(PBT_LINES "pbt: {interval: 4, population: 4, mutate: [layer]}", ERR_INVALID, 5, 44,
            "`pbt.mutate`: there is no parameter 'layer'; did you mean 'layers'?"),
    REFUSED(PBT_LINES "pbt: {interval: 4, population: 4, mutate: [lr, epochs]}", ERR_INVALID, 5, 48,
            "`pbt.mutate`: 'epochs' is a constant; give it values or a range"),
    REFUSED(PBT_LINES "pbt: {interval: 4, population: 4, mutate: [lr, lr]}", ERR_INVALID, 5, 48,
            "`pbt.mutate` holds 'lr' twice"),
    REFUSED(PBT_LINES "pbt: {intervall: 4}", ERR_INVALID, 5, 7,
            "unknown key 'intervall' in `pbt`; did you mean 'interval'?"),
};

static void test_schedule_that_makes_no_sense_is_refused_at_its_place(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

static void test_asha_keys_are_taken(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(LEAST "schedule: {type: asha, mode: promote, min: 2, max: 54, eta: 4}", &arena, &spec);
    assert_int_equal(spec.schedule.type, SCHEDULE_ASHA);
    assert_int_equal(spec.schedule.mode, SCHEDULE_PROMOTE);
    assert_int_equal(spec.schedule.min, 2);
    assert_int_equal(spec.schedule.max, 54);
    assert_int_equal(spec.schedule.eta, 4);
    arena_fini(&arena);
    parsed(LEAST "schedule: {type: asha, max: 54}", &arena, &spec);
    assert_int_equal(spec.schedule.mode, SCHEDULE_STOP);
    arena_fini(&arena);
}

static void test_keys_of_the_others_are_taken(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(LEAST "schedule: {type: median, min: 8, max: 64, interval: 4, startup: 3}", &arena,
           &spec);
    assert_int_equal(spec.schedule.type, SCHEDULE_MEDIAN);
    assert_int_equal(spec.schedule.min, 8);
    assert_int_equal(spec.schedule.max, 64);
    assert_int_equal(spec.schedule.interval, 4);
    assert_int_equal(spec.schedule.startup, 3);
    arena_fini(&arena);
    parsed(LEAST "schedule: {type: median}", &arena, &spec);
    assert_int_equal(spec.schedule.min, 1);
    assert_true(spec.schedule.max == INT64_MAX);
    assert_int_equal(spec.schedule.interval, 1);
    assert_int_equal(spec.schedule.startup, 5);
    arena_fini(&arena);
    parsed(LEAST "schedule: {type: hyperband, max: 81}", &arena, &spec);
    assert_int_equal(spec.schedule.mode, SCHEDULE_PROMOTE); /* as the paper's, unless said */
    arena_fini(&arena);
    parsed(LEAST "schedule: {type: hyperband, mode: stop, min: 3}", &arena, &spec);
    assert_int_equal(spec.schedule.mode, SCHEDULE_STOP);
    assert_true(spec.schedule.max == INT64_MAX);
    arena_fini(&arena);
    parsed(LEAST "schedule: {type: sha, min: 2, max: 64, eta: 4}", &arena, &spec);
    assert_int_equal(spec.schedule.type, SCHEDULE_SHA);
    assert_int_equal(spec.schedule.min, 2);
    assert_int_equal(spec.schedule.eta, 4);
    arena_fini(&arena);
}

/* Bands of W&B's own code: [3, 9, 27, ...], [3, 9], [11, 33], [1, 3]. */
static void test_early_terminate_becomes_hyperband_that_stops(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t min, max, eta;
        const char *printed;
    } cases[] = {
        {"{type: hyperband, min_iter: 3}", 3, INT64_MAX, 3, "# Of early_terminate. "},
        {"{type: hyperband, min_iter: 4, eta: 2, strict: true}", 4, INT64_MAX, 2,
         "# Of early_terminate, strict. "},
        {"{type: hyperband, max_iter: 27, s: 2}", 3, 27, 3,
         "schedule: {type: hyperband, mode: stop, min: 3, max: 27, eta: 3}"},
        {"{type: hyperband, max_iter: 100, s: 2, eta: 3}", 11, 100, 3,
         "schedule: {type: hyperband, mode: stop, min: 11, max: 100, eta: 3}"},
        {"{type: hyperband, max_iter: 9, s: 20}", 1, 9, 3, "min: 1, max: 9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        struct arena arena;
        struct sweep_spec spec;
        struct buf buf;
        snprintf(text, sizeof text, LEAST "early_terminate: %s\n", cases[i].text);
        parsed(text, &arena, &spec);
        assert_int_equal(spec.schedule.type, SCHEDULE_HYPERBAND);
        assert_int_equal(spec.schedule.mode, SCHEDULE_STOP);
        assert_int_equal(spec.schedule.min, cases[i].min);
        assert_true(spec.schedule.max == cases[i].max);
        assert_int_equal(spec.schedule.eta, cases[i].eta);
        buf_init(&buf, SPEC_FILE_MAX_BYTES);
        assert_int_equal(spec_sweep_print(&spec, &buf), OK);
        assert_non_null(strstr(buf_text(&buf), cases[i].printed));
        buf_fini(&buf);
        arena_fini(&arena);
    }
}

static void test_pbt_keys_are_taken(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(PBT_LINES "stop: {trials: 20}\npbt: {population: 16, interval: 4, quantile: 0.2, "
                     "resample: 0.1, factors: [0.5, 2], mutate: [bn, lr]}",
           &arena, &spec);
    assert_int_equal(spec.schedule.type, SCHEDULE_PBT);
    assert_int_equal(spec.schedule.max, 100);
    assert_int_equal(spec.pbt.population, 16);
    assert_int_equal(spec.stop.trials, 20);
    assert_int_equal(spec.pbt.interval, 4);
    assert_true(spec.pbt.quantile == 0.2 && spec.pbt.resample == 0.1);
    assert_int_equal(spec.pbt.n_factors, 2);
    assert_true(spec.pbt.factors[0] == 0.5 && spec.pbt.factors[1] == 2);
    static const bool mutates[] = {true, false, false, true};
    assert_memory_equal(spec.pbt.mutates, mutates, sizeof mutates);
    arena_fini(&arena);
}

static void test_pbt_defaults_are_filled_in(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(PBT_LINES "pbt: {population: 8, interval: 4}", &arena, &spec);
    assert_int_equal(spec.stop.trials, 8);
    assert_true(spec.pbt.quantile == 0.25 && spec.pbt.resample == 0.25);
    assert_int_equal(spec.pbt.n_factors, 2);
    assert_true(spec.pbt.factors[0] == 0.8 && spec.pbt.factors[1] == 1.2);
    static const bool mutates[] = {true, true, false, true};
    assert_memory_equal(spec.pbt.mutates, mutates, sizeof mutates);
    arena_fini(&arena);
    parsed(PBT_LINES "pbt: {interval: 4, mutate: []}\nstop: {trials: 6}", &arena, &spec);
    assert_int_equal(spec.pbt.population, 6);
    static const bool none[4] = {false};
    assert_memory_equal(spec.pbt.mutates, none, sizeof none);
    arena_fini(&arena);
}

/* Each prints to itself: what stands there is all that the struct holds. */
static void test_schedules_are_printed_whole(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "schedule: {type: asha, mode: promote, min: 2, max: 54, eta: 4}\n",
        "schedule: {type: asha, mode: stop, min: 1, max: 9, eta: 3}\n",
        "schedule: {type: sha, min: 1, max: 9, eta: 3}\n",
        "schedule: {type: hyperband, mode: promote, min: 1, max: 81, eta: 3}\n",
        "schedule: {type: hyperband, mode: stop, min: 3, max: none, eta: 2}\n",
        "schedule: {type: median, min: 4, max: none, interval: 2, startup: 3}\n",
        "schedule: {type: median, min: 1, max: 90, interval: 1, startup: 5}\n",
        "schedule: {type: pbt, max: 100}\npbt: {population: 3, interval: 4, quantile: 0.2, "
        "resample: 0.1, factors: [0.5, 2.0], mutate: [lr, bn]}\n",
        "schedule: {type: pbt, max: 100}\npbt: {population: 2, interval: 7, quantile: 0.25, "
        "resample: 0.25, factors: [0.8, 1.2], mutate: []}\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[1024];
        struct arena arena;
        struct sweep_spec spec;
        struct buf buf;
        snprintf(text, sizeof text, POPULATION "stop: {trials: 3}\n%s", lines[i]);
        parsed(text, &arena, &spec);
        buf_init(&buf, SPEC_FILE_MAX_BYTES);
        assert_int_equal(spec_sweep_print(&spec, &buf), OK);
        if (strstr(buf_text(&buf), lines[i]) == NULL) {
            fail_msg("no %s in\n%s", lines[i], buf_text(&buf));
        }
        buf_fini(&buf);
        arena_fini(&arena);
    }
}

static void test_schedule_of_a_test_ends_at_the_first_milestone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t max;
    } cases[] = {
        {LEAST, 1},
        {LEAST "schedule: {type: asha, mode: promote, min: 2, max: 54}", 2},
        {PBT_LINES "pbt: {population: 3, interval: 4}", 4},
    };
    const struct spec_set set = {.is_test = true};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena;
        struct sweep_spec spec;
        arena_init(&arena, RIG_ARENA_MAX);
        assert_int_equal(spec_sweep_parse_set(cases[i].text, strlen(cases[i].text), NULL, &set,
                                              &arena, &spec, NULL),
                         OK);
        assert_int_equal(spec.schedule.type, SCHEDULE_ASHA);
        assert_int_equal(spec.schedule.mode, SCHEDULE_STOP);
        assert_int_equal(spec.schedule.min, cases[i].max);
        assert_int_equal(spec.schedule.max, cases[i].max);
        assert_int_equal(spec.stop.trials, 1);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule_that_makes_no_sense_is_refused_at_its_place),
        cmocka_unit_test(test_asha_keys_are_taken),
        cmocka_unit_test(test_keys_of_the_others_are_taken),
        cmocka_unit_test(test_early_terminate_becomes_hyperband_that_stops),
        cmocka_unit_test(test_pbt_keys_are_taken),
        cmocka_unit_test(test_pbt_defaults_are_filled_in),
        cmocka_unit_test(test_schedules_are_printed_whole),
        cmocka_unit_test(test_schedule_of_a_test_ends_at_the_first_milestone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
