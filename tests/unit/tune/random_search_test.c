#include <math.h>

#include "rig.h"

enum { GOLDEN_PARAMS = 6 };

static const struct value batches[] = {
    {.kind = VALUE_INT, .integer = 32},
    {.kind = VALUE_INT, .integer = 64},
    {.kind = VALUE_INT, .integer = 128},
};

static const struct param_spec golden_params[GOLDEN_PARAMS] = {
    {.name = "lr", .kind = PARAM_REAL, .min = 1e-5, .max = 1e-1, .is_log = true},
    {.name = "momentum", .kind = PARAM_REAL, .min = 0.5, .max = 0.99},
    {.name = "layers", .kind = PARAM_INT, .int_min = 1, .int_max = 4},
    {.name = "width", .kind = PARAM_INT, .int_min = 8, .int_max = 512, .is_log = true},
    {.name = "batch", .kind = PARAM_CHOICE, .values = batches, .n_values = 3},
    {.name = "dropout", .kind = PARAM_REAL, .min = 0, .max = 0.5, .q = 0.1},
};

static struct sweep_spec golden_spec(void)
{
    struct sweep_spec spec = rig_spec();
    spec.parameters = golden_params;
    spec.n_parameters = GOLDEN_PARAMS;
    return spec;
}

/* Written down from a second implementation (Philox 4x32-10 and the drawing rules in Python): a
 * sweep that is repeated with its seed by a later release gets the same trials. exp and log may
 * differ in the last place between C libraries, nothing else. */
static void test_suggest_gives_the_configurations_of_its_seed(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        uint32_t trial;
        double lr, momentum;
        int64_t layers, width, batch;
        double dropout;
    } golden[] = {
        {17, 1, 0x1.3dd94088b4172p-6, 0x1.c62ac76e8ab4cp-1, 1, 54, 32, 0.5},
        {17, 2, 0x1.5042780f5c55fp-16, 0x1.6824db45369a4p-1, 1, 9, 32, 0.5},
        {17, 3, 0x1.28850ffabc72dp-8, 0x1.a9b69fd6e3689p-1, 4, 13, 32, 0.2},
        {UINT64_C(1) << 53, 1, 0x1.4c8bb58c74eccp-6, 0x1.5fe8b2897ff1cp-1, 4, 128, 64, 0.5},
        {UINT64_C(1) << 53, 2, 0x1.3deeb8e0d27aap-7, 0x1.28c1b954580c1p-1, 2, 387, 32, 0.5},
        {UINT64_C(1) << 53, 3, 0x1.42c8903e42488p-6, 0x1.2d922659837c9p-1, 1, 9, 128, 0.5},
    };
    struct sweep_spec spec = golden_spec();
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        struct tuner *tuner;
        struct value params[GOLDEN_PARAMS];
        assert_int_equal(tune_new(&spec, golden[i].seed, &tuner), OK);
        tune_suggest(tuner, golden[i].trial, params);
        assert_true(fabs(params[0].real / golden[i].lr - 1) < 1e-14);
        assert_true(params[1].real == golden[i].momentum);
        assert_int_equal(params[2].integer, golden[i].layers);
        assert_int_equal(params[3].integer, golden[i].width);
        assert_int_equal(params[4].integer, golden[i].batch);
        assert_true(params[5].real == golden[i].dropout);
        tune_free(tuner);
    }
}

static void test_suggest_depends_on_seed_trial_and_place_alone(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    struct tuner *fresh = rig_tuner(&spec), *used = rig_tuner(&spec);
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t trial = rig_ask(used);
        rig_report(used, trial, 1, i);
    }
    for (uint32_t trial = 1; trial < 40; trial++) {
        struct value a[RIG_PARAMS], b[RIG_PARAMS];
        tune_suggest(fresh, trial, a);
        tune_suggest(used, trial, b);
        for (uint32_t i = 0; i < RIG_PARAMS; i++) {
            assert_true(value_equal(a[i], b[i]));
        }
    }
    tune_free(fresh);
    tune_free(used);
}

/* Neighbours (in trial, parameter or seed) share a bound but no pattern: their correlation is that
 * of independent numbers. */
static void test_suggest_streams_of_neighbours_are_uncorrelated(void **state)
{
    (void)state;
    enum { TRIALS = 20000 };
    static const struct param_spec units[2] = {
        {.name = "a", .kind = PARAM_REAL, .max = 1},
        {.name = "b", .kind = PARAM_REAL, .max = 1},
    };
    struct sweep_spec spec = rig_spec();
    spec.parameters = units;
    spec.n_parameters = 2;
    struct tuner *tuner = rig_tuner(&spec), *next_seed;
    assert_int_equal(tune_new(&spec, 18, &next_seed), OK);
    double by_trial = 0, by_place = 0, by_seed = 0, last = 0.5;
    for (uint32_t trial = 1; trial <= TRIALS; trial++) {
        struct value here[2], there[2];
        tune_suggest(tuner, trial, here);
        tune_suggest(next_seed, trial, there);
        by_trial += (here[0].real - 0.5) * (last - 0.5) * 12;
        by_place += (here[0].real - 0.5) * (here[1].real - 0.5) * 12;
        by_seed += (here[0].real - 0.5) * (there[0].real - 0.5) * 12;
        last = here[0].real;
    }
    assert_true(fabs(by_trial) < 3.3 * sqrt(TRIALS));
    assert_true(fabs(by_place) < 3.3 * sqrt(TRIALS));
    assert_true(fabs(by_seed) < 3.3 * sqrt(TRIALS));
    tune_free(tuner);
    tune_free(next_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suggest_gives_the_configurations_of_its_seed),
        cmocka_unit_test(test_suggest_depends_on_seed_trial_and_place_alone),
        cmocka_unit_test(test_suggest_streams_of_neighbours_are_uncorrelated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
