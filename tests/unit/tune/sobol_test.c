/* Sobol's points against an independent implementation, and what scrambling must keep. */
#include "text_rig.h"
#include "tune/sobol.h"

/* From scipy.stats.qmc.Sobol(d=256, scramble=False, bits=32) of SciPy 1.16, which walks the same
 * points in the order of the Gray code. */
static void test_sobol_points_are_those_of_joe_and_kuo(void **state)
{
    (void)state;
    enum { POINTS = 6 };
    static const uint32_t indexes[POINTS] = {1, 2, 3, 5, 100, 1000};
    static const struct {
        uint32_t dimension;
        uint32_t points[POINTS];
    } known[] = {
        {0, {0x80000000, 0xC0000000, 0x40000000, 0xE0000000, 0x6A000000, 0x38400000}},
        {1, {0x80000000, 0x40000000, 0xC0000000, 0xE0000000, 0x42000000, 0x18C00000}},
        {2, {0x80000000, 0x40000000, 0xC0000000, 0x20000000, 0xC6000000, 0x84C00000}},
        {3, {0x80000000, 0x40000000, 0xC0000000, 0x60000000, 0xBA000000, 0xAD400000}},
        {7, {0x80000000, 0xC0000000, 0x40000000, 0x60000000, 0x7A000000, 0xE6400000}},
        {39, {0x80000000, 0x40000000, 0xC0000000, 0x60000000, 0x22000000, 0x7AC00000}},
        {100, {0x80000000, 0x40000000, 0xC0000000, 0x20000000, 0x0A000000, 0xC4C00000}},
        {255, {0x80000000, 0xC0000000, 0x40000000, 0xE0000000, 0x92000000, 0x3FC00000}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint32_t directions[SOBOL_BITS];
        sobol_directions(known[i].dimension, directions);
        for (uint32_t k = 0; k < POINTS; k++) {
            uint32_t gray = indexes[k] ^ indexes[k] >> 1;
            assert_int_equal(sobol_point(directions, gray), known[i].points[k]);
        }
    }
}

/* Owen's scrambling is nested: two points that share their first k bits share them afterwards too,
 * and the next bit differs afterwards if it did before. */
static void test_sobol_scramble_is_nested(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 5, 1);
    for (int i = 0; i < 20000; i++) {
        uint32_t seed = random_u32(&random), a = random_u32(&random);
        uint32_t bit = (uint32_t)random_below(&random, 32);
        uint32_t low = bit > 0 ? random_u32(&random) & ((UINT32_C(1) << bit) - 1) : 0;
        uint32_t b = a ^ UINT32_C(1) << bit ^ low;
        uint32_t difference = sobol_scramble(a, seed) ^ sobol_scramble(b, seed);
        assert_int_equal(difference >> bit, 1);
    }
}

/* The first two dimensions are a (0, m, 2)-net, and so is every aligned run of 2^m points: each box
 * of 2^-j by 2^-(m-j) holds one point. */
static void assert_net(struct text_space *space, uint32_t first, uint32_t m)
{
    for (uint32_t j = 0; j <= m; j++) {
        bool is_taken[1 << 8] = {false};
        for (uint32_t i = 0; i < UINT32_C(1) << m; i++) {
            text_suggest(space, first + i);
            double a = text_number(space, "a"), b = text_number(space, "b");
            uint32_t box = (uint32_t)(a * (1 << j)) << (m - j) | (uint32_t)(b * (1 << (m - j)));
            assert_true(box < UINT32_C(1) << m && !is_taken[box]);
            is_taken[box] = true;
        }
    }
}

static const char square[] = "search: {method: sobol}\n"
                             "parameters: {a: {min: 0.0, max: 1.0}, b: {min: 0.0, max: 1.0}}\n";

static void test_sobol_trials_fill_every_box_once(void **state)
{
    (void)state;
    struct text_space space;
    text_open(&space, square);
    assert_net(&space, 1, 8);
    assert_net(&space, 257, 8);
    assert_net(&space, 65, 6);
    text_end(&space);
}

/* Baselines do not use points up: the sequence begins behind them. */
static void test_sobol_begins_behind_the_baselines(void **state)
{
    (void)state;
    struct text_space space, other;
    char file[TEXT_MAX];
    snprintf(file, sizeof file, "%sbaselines: [{a: 1}, {a: 0}, {b: 0}]\n", square);
    text_open(&space, file);
    text_open(&other, square);
    for (uint32_t trial = 1; trial < 20; trial++) {
        text_suggest(&space, trial + 3);
        assert_string_equal(space.text, text_suggest(&other, trial));
    }
    tune_free(other.tuner);
    arena_fini(&other.arena);
    text_end(&space);
}

static void test_sobol_is_another_sequence_for_each_seed(void **state)
{
    (void)state;
    struct text_space space;
    struct tuner *other;
    struct value config[2];
    text_open(&space, square);
    assert_int_equal(tune_new(&space.spec, 18, &other), OK);
    for (uint32_t trial = 1; trial < 50; trial++) {
        text_suggest(&space, trial);
        tune_suggest(other, trial, config);
        assert_false(value_equal(config[0], space.config[0]));
        assert_false(value_equal(config[1], space.config[1]));
    }
    tune_free(other);
    text_end(&space);
}

/* Over seeds the same trial is uniform: scrambling leaves no point where it was. Kolmogorov's
 * distance, P(sqrt(n) D > 1.95) = 0.001. */
static int compare_reals(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test_sobol_point_is_uniform_over_seeds(void **state)
{
    (void)state;
    enum { SEEDS = 4000 };
    static double units[SEEDS];
    struct text_space space;
    text_open(&space, square);
    for (uint32_t trial = 1; trial <= 4; trial++) {
        double distance = 0;
        for (uint32_t seed = 0; seed < SEEDS; seed++) {
            struct tuner *tuner;
            assert_int_equal(tune_new(&space.spec, seed, &tuner), OK);
            tune_suggest(tuner, trial, space.config);
            units[seed] = text_number(&space, trial % 2 == 0 ? "a" : "b");
            tune_free(tuner);
        }
        qsort(units, SEEDS, sizeof *units, compare_reals);
        for (uint32_t i = 0; i < SEEDS; i++) {
            distance = fmax(distance, fabs(units[i] - (i + 0.5) / SEEDS) + 0.5 / SEEDS);
        }
        assert_true(distance * sqrt(SEEDS) < 1.95);
    }
    text_end(&space);
}

/* 256 parameters have a dimension each, `auto` is this searcher, and so is W&B's bayes. */
static void test_sobol_is_what_auto_and_bayes_mean(void **state)
{
    (void)state;
    static const char *const methods[] = {"sobol", "auto", "bayes"};
    char first[TEXT_MAX] = "";
    for (size_t i = 0; i < 3; i++) {
        struct text_space space;
        char file[TEXT_MAX];
        snprintf(file, sizeof file, "search: {method: %s}\n%s", methods[i], strchr(square, '\n'));
        text_open(&space, file);
        assert_string_equal(tune_searcher_name(space.tuner), "sobol");
        text_suggest(&space, 7);
        assert_true(i == 0 || strcmp(first, space.text) == 0);
        snprintf(first, sizeof first, "%s", space.text);
        text_end(&space);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sobol_points_are_those_of_joe_and_kuo),
        cmocka_unit_test(test_sobol_scramble_is_nested),
        cmocka_unit_test(test_sobol_trials_fill_every_box_once),
        cmocka_unit_test(test_sobol_begins_behind_the_baselines),
        cmocka_unit_test(test_sobol_is_another_sequence_for_each_seed),
        cmocka_unit_test(test_sobol_point_is_uniform_over_seeds),
        cmocka_unit_test(test_sobol_is_what_auto_and_bayes_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
