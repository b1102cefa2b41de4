/* Each kind of parameter against what it promises: bounds, and the probability of every value. The
 * seeds are fixed, so a test passes always or never; the limits are those that a right generator
 * passes with probability 0.999. */
#include <math.h>

#include "rig.h"
#include "tune/space.h"

enum { DRAWS = 100000, BINS_MAX = 1024 };

/* Distance of the empirical distribution of n sorted numbers from the uniform one on [0, 1]. */
static int compare_reals(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void assert_uniform(double *units, uint32_t n)
{
    qsort(units, n, sizeof *units, compare_reals);
    double distance = 0;
    for (uint32_t i = 0; i < n; i++) {
        distance = fmax(distance, fabs(units[i] - (double)i / n));
        distance = fmax(distance, fabs(units[i] - (double)(i + 1) / n));
    }
    /* Kolmogorov: P(sqrt(n) D > 1.95) = 0.001. */
    assert_true(distance * sqrt(n) < 1.95);
}

/* Pearson's sum against expected counts; the limit is Wilson and Hilferty's approximation of the
 * 0.999 quantile. */
static void assert_counts(const uint32_t *counts, const double *expected, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        assert_true(expected[i] > 5);
        sum += (counts[i] - expected[i]) * (counts[i] - expected[i]) / expected[i];
    }
    double freedom = n - 1, z = 3.09;
    double limit = freedom * pow(1 - 2 / (9 * freedom) + z * sqrt(2 / (9 * freedom)), 3);
    assert_true(sum < limit);
}

static double draw_number(const struct param_spec *param, uint64_t stream)
{
    struct random random;
    double number;
    random_init(&random, 4, stream);
    struct value value = param_draw(param, &random);
    assert_true(param_contains(param, value));
    assert_true(value_number(value, &number));
    return number;
}

static void test_real_is_uniform_between_its_bounds(void **state)
{
    (void)state;
    static double units[DRAWS];
    struct param_spec param = {.kind = PARAM_REAL, .min = -2.5, .max = 7.5};
    for (uint32_t i = 0; i < DRAWS; i++) {
        units[i] = (draw_number(&param, i) + 2.5) / 10;
    }
    assert_uniform(units, DRAWS);
}

static void test_log_real_is_uniform_in_the_logarithm(void **state)
{
    (void)state;
    static double units[DRAWS];
    struct param_spec param = {.kind = PARAM_REAL, .min = 1e-5, .max = 1e-1, .is_log = true};
    double sum = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        double exponent = log10(draw_number(&param, i));
        sum += exponent;
        units[i] = (exponent + 5) / 4;
    }
    /* Mean of U(-5, -1), 3.3 standard errors. */
    assert_true(fabs(sum / DRAWS + 3) < 3.3 * 4 / sqrt(12.0 * DRAWS));
    assert_uniform(units, DRAWS);
}

static void test_int_draws_every_value_equally_often_bounds_included(void **state)
{
    (void)state;
    struct param_spec param = {.kind = PARAM_INT, .int_min = -3, .int_max = 6};
    uint32_t counts[10] = {0};
    double expected[10];
    for (uint32_t i = 0; i < DRAWS; i++) {
        counts[(int)draw_number(&param, i) + 3]++;
        expected[i % 10] = DRAWS / 10.0;
    }
    assert_counts(counts, expected, 10);
}

static void test_log_int_gives_each_value_its_mass_of_the_logarithm(void **state)
{
    (void)state;
    struct param_spec param = {.kind = PARAM_INT, .int_min = 1, .int_max = 40, .is_log = true};
    uint32_t counts[40] = {0};
    double expected[40];
    for (uint32_t i = 0; i < DRAWS; i++) {
        counts[(int)draw_number(&param, i) - 1]++;
    }
    for (uint32_t i = 0; i < 40; i++) {
        expected[i] = DRAWS * log((i + 1.5) / (i + 0.5)) / log(40.5 / 0.5);
    }
    assert_counts(counts, expected, 40);
}

static void test_q_draws_multiples_from_min_and_never_passes_max(void **state)
{
    (void)state;
    /* 32, 64, ..., 480: the next one, 512, is past the maximum. */
    struct param_spec whole = {.kind = PARAM_INT, .int_min = 32, .int_max = 500, .q = 32};
    uint32_t counts[15] = {0};
    double expected[15];
    for (uint32_t i = 0; i < DRAWS; i++) {
        int value = (int)draw_number(&whole, i);
        assert_int_equal(value % 32, 0);
        counts[value / 32 - 1]++;
        expected[i % 15] = DRAWS / 15.0;
    }
    assert_counts(counts, expected, 15);

    /* 0, 0.1, 0.2, 0.3: the last one is there though 0.3 / 0.1 is below 3 in binary; 3 * 0.1 is
     * above 0.3. */
    struct param_spec real = {.kind = PARAM_REAL, .min = 0, .max = 0.3, .q = 0.1};
    uint32_t tenths[4] = {0};
    for (uint32_t i = 0; i < DRAWS; i++) {
        double value = draw_number(&real, i);
        tenths[(int)lround(value * 10)]++;
        expected[i % 4] = DRAWS / 4.0;
        assert_true(value == 0 || value == 0.1 || value == 0.2 || value == 0.3);
    }
    assert_counts(tenths, expected, 4);
}

static void test_log_q_gives_each_multiple_its_mass_of_the_logarithm(void **state)
{
    (void)state;
    /* 0.5, 0.75, ..., 2; the lowest interval begins at 0.375, the highest ends at 2.125. */
    struct param_spec param = {.kind = PARAM_REAL, .min = 0.5, .max = 2, .q = 0.25, .is_log = true};
    uint32_t counts[7] = {0};
    double expected[7];
    for (uint32_t i = 0; i < DRAWS; i++) {
        counts[(int)lround((draw_number(&param, i) - 0.5) * 4)]++;
    }
    for (uint32_t i = 0; i < 7; i++) {
        double value = 0.5 + 0.25 * i;
        expected[i] = DRAWS * log((value + 0.125) / (value - 0.125)) / log(2.125 / 0.375);
    }
    assert_counts(counts, expected, 7);

    /* q far above min: the lowest interval begins at half of min, not below zero. */
    struct param_spec coarse = {
        .kind = PARAM_INT, .int_min = 1, .int_max = 65, .q = 32, .is_log = true};
    uint32_t coarse_counts[3] = {0};
    double coarse_expected[3] = {DRAWS * log(17 / 0.5) / log(81 / 0.5),
                                 DRAWS * log(49.0 / 17) / log(81 / 0.5),
                                 DRAWS * log(81.0 / 49) / log(81 / 0.5)};
    for (uint32_t i = 0; i < DRAWS; i++) {
        coarse_counts[((int)draw_number(&coarse, i) - 1) / 32]++;
    }
    assert_counts(coarse_counts, coarse_expected, 3);
}

static void test_choice_draws_every_value_equally_often(void **state)
{
    (void)state;
    const struct value values[] = {
        value_int(32), value_real(0.5), value_bool(true), value_str("adamw"), {.kind = VALUE_NULL}};
    struct param_spec param = {.kind = PARAM_CHOICE, .values = values, .n_values = 5};
    uint32_t counts[5] = {0};
    double expected[5];
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct random random;
        random_init(&random, 4, i);
        struct value value = param_draw(&param, &random);
        assert_true(param_contains(&param, value));
        for (uint32_t j = 0; j < 5; j++) {
            counts[j] += value_equal(value, values[j]);
        }
        expected[i % 5] = DRAWS / 5.0;
    }
    assert_counts(counts, expected, 5);
}

static void test_draw_at_the_edges_stays_inside(void **state)
{
    (void)state;
    const struct param_spec params[] = {
        {.kind = PARAM_INT, .int_min = INT64_MIN, .int_max = INT64_MAX},
        {.kind = PARAM_INT, .int_min = INT64_MAX, .int_max = INT64_MAX, .is_log = true},
        {.kind = PARAM_INT, .int_min = 1, .int_max = INT64_MAX, .is_log = true},
        {.kind = PARAM_INT, .int_min = INT64_MIN, .int_max = INT64_MAX, .q = 0x1.0p62},
        {.kind = PARAM_INT, .int_min = 5, .int_max = 5, .q = 100},
        {.kind = PARAM_REAL, .min = -1.7e308, .max = 1.7e308},
        {.kind = PARAM_REAL, .min = 5e-324, .max = 1.7e308, .is_log = true},
        {.kind = PARAM_REAL, .min = 0.1, .max = 0.1, .is_log = true},
        {.kind = PARAM_REAL, .min = 0.1, .max = 0.1},
        {.kind = PARAM_REAL, .min = 0, .max = 1e300, .q = 1e-300},
        {.kind = PARAM_REAL, .min = 1e-300, .max = 1.7e308, .q = 1e308, .is_log = true},
        {.kind = PARAM_REAL, .min = 1, .max = 2, .q = 5, .is_log = true},
    };
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        assert_int_equal(param_check(&params[i]), OK);
        for (uint32_t j = 0; j < 5000; j++) {
            draw_number(&params[i], j);
        }
    }
}

static void test_check_refuses_what_cannot_be_drawn_from(void **state)
{
    (void)state;
    const struct param_spec params[] = {
        {.kind = PARAM_CHOICE},
        {.kind = PARAM_INT, .int_min = 2, .int_max = 1},
        {.kind = PARAM_INT, .int_min = 0, .int_max = 1, .is_log = true},
        {.kind = PARAM_INT, .int_min = 0, .int_max = 9, .q = 1.5},
        {.kind = PARAM_INT, .int_min = 0, .int_max = 9, .q = -1},
        {.kind = PARAM_INT, .int_min = 0, .int_max = 9, .q = 1e30},
        {.kind = PARAM_REAL, .min = 2, .max = 1},
        {.kind = PARAM_REAL, .min = 0, .max = 1, .is_log = true},
        {.kind = PARAM_REAL, .min = 0, .max = INFINITY},
        {.kind = PARAM_REAL, .min = NAN, .max = 1},
        {.kind = PARAM_REAL, .min = 0, .max = 1, .q = NAN},
    };
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        assert_int_equal(param_check(&params[i]), ERR_INVALID);
    }
}

static void test_contains_wants_kind_bounds_and_choice(void **state)
{
    (void)state;
    struct param_spec real = {.kind = PARAM_REAL, .min = 0, .max = 1};
    assert_true(param_contains(&real, value_real(0)));
    assert_true(param_contains(&real, value_real(1)));
    assert_false(param_contains(&real, value_real(nextafter(1, 2))));
    assert_false(param_contains(&real, value_real(NAN)));
    assert_false(param_contains(&real, value_int(1)));
    struct param_spec whole = {.kind = PARAM_INT, .int_min = -1, .int_max = 1};
    assert_true(param_contains(&whole, value_int(-1)));
    assert_false(param_contains(&whole, value_int(2)));
    assert_false(param_contains(&whole, value_real(0)));
    struct param_spec choice = {.kind = PARAM_CHOICE, .values = rig_choices, .n_values = 2};
    assert_true(param_contains(&choice, value_str("sgd")));
    assert_false(param_contains(&choice, value_str("sg")));
    struct param_spec constant = {.kind = PARAM_CONSTANT, .constant = value_int(27)};
    assert_true(param_contains(&constant, value_int(27)));
    assert_false(param_contains(&constant, value_int(28)));
}

/* ---- probabilities, also, normal ---- */

static const struct value abc[] = {{.kind = VALUE_STR, .str = "a"},
                                   {.kind = VALUE_STR, .str = "b"},
                                   {.kind = VALUE_STR, .str = "c"}};

static void test_choice_is_drawn_by_its_probabilities(void **state)
{
    (void)state;
    static const double probabilities[] = {0.5, 0.35, 0.15};
    struct param_spec param = {
        .kind = PARAM_CHOICE, .values = abc, .n_values = 3, .probabilities = probabilities};
    uint32_t counts[3] = {0};
    double expected[3];
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct random random;
        random_init(&random, 4, i);
        counts[param_draw(&param, &random).str[0] - 'a']++;
        expected[i % 3] = DRAWS * probabilities[i % 3];
    }
    assert_counts(counts, expected, 3);
}

/* What has no probability is never drawn, first, in the middle or last. */
static void test_choice_without_probability_is_never_drawn(void **state)
{
    (void)state;
    static const double cases[3][3] = {{0, 1, 0}, {0.5, 0, 0.5}, {0.33, 0.66, 0}};
    for (size_t c = 0; c < 3; c++) {
        struct param_spec param = {
            .kind = PARAM_CHOICE, .values = abc, .n_values = 3, .probabilities = cases[c]};
        for (uint32_t i = 0; i < 2000; i++) {
            struct random random;
            random_init(&random, 4, i);
            assert_true(cases[c][param_draw(&param, &random).str[0] - 'a'] > 0);
        }
        assert_true(cases[c][param_at(&param, 0).str[0] - 'a'] > 0);
        assert_true(cases[c][param_at(&param, 1).str[0] - 'a'] > 0);
    }
}

static void test_also_shares_with_the_range(void **state)
{
    (void)state;
    static double units[DRAWS];
    static const struct value also[] = {{.kind = VALUE_INT, .integer = 0},
                                        {.kind = VALUE_STR, .str = "none"}};
    static const double probabilities[] = {0.7, 0.1, 0.2};
    for (int said = 0; said < 2; said++) {
        struct param_spec param = {.kind = PARAM_REAL,
                                   .min = 1,
                                   .max = 2,
                                   .also = also,
                                   .n_also = 2,
                                   .probabilities = said == 1 ? probabilities : NULL};
        uint32_t counts[3] = {0}, n = 0;
        double expected[3];
        for (uint32_t i = 0; i < DRAWS; i++) {
            struct random random;
            random_init(&random, 4, i);
            struct value value = param_draw(&param, &random);
            assert_true(param_contains(&param, value));
            counts[value.kind == VALUE_REAL ? 0 : value.kind == VALUE_INT ? 1 : 2]++;
            if (value.kind == VALUE_REAL) {
                units[n++] = value.real - 1;
            }
            expected[i % 3] = DRAWS * (said == 1 ? probabilities[i % 3] : 1.0 / 3);
        }
        assert_counts(counts, expected, 3);
        assert_uniform(units, n);
    }
}

static double normal_below(double x)
{
    return 0.5 * erfc(-x / sqrt(2));
}

static void test_normal_has_its_mean_and_width(void **state)
{
    (void)state;
    static double units[DRAWS];
    struct param_spec param = {.kind = PARAM_NORMAL, .mu = 3, .sigma = 0.5};
    for (int is_log = 0; is_log < 2; is_log++) {
        param.is_log = is_log == 1;
        for (uint32_t i = 0; i < DRAWS; i++) {
            double x = draw_number(&param, i);
            units[i] = normal_below(((is_log == 1 ? log(x) : x) - 3) / 0.5);
        }
        assert_uniform(units, DRAWS);
    }
}

static void test_normal_with_q_gives_each_multiple_its_mass(void **state)
{
    (void)state;
    struct param_spec param = {.kind = PARAM_NORMAL, .mu = 1, .sigma = 4, .q = 2, .is_whole = true};
    uint32_t counts[11] = {0};
    double expected[11];
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct random random;
        random_init(&random, 4, i);
        struct value value = param_draw(&param, &random);
        assert_int_equal(value.kind, VALUE_INT);
        assert_int_equal(value.integer % 2, 0);
        int64_t bin = value.integer / 2 + 5;
        counts[bin < 0 ? 0 : bin > 10 ? 10 : bin]++;
    }
    for (int k = 0; k < 11; k++) {
        double low = k == 0 ? -(double)INFINITY : 2.0 * k - 11,
               high = k == 10 ? (double)INFINITY : 2.0 * k - 9;
        expected[k] = DRAWS * (normal_below((high - 1) / 4) - normal_below((low - 1) / 4));
    }
    assert_counts(counts, expected, 11);
}

/* From scipy.stats.norm.ppf. */
static void test_normal_quantile_is_right_to_the_last_digits(void **state)
{
    (void)state;
    static const double known[][2] = {{1e-16, -8.222082216130435},
                                      {1e-10, -6.361340902404056},
                                      {0.001, -3.090232306167813},
                                      {0.3, -0.5244005127080409},
                                      {0.5, 0},
                                      {0.975, 1.959963984540054},
                                      {1 - 1e-9, 5.997807019601637}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_true(fabs(normal_quantile(known[i][0]) - known[i][1]) <= 1e-14 * fabs(known[i][1]));
    }
}

/* At evenly spaced places stand what draws give in the long run: the same distribution. */
static void test_value_at_a_place_is_the_quantile_of_what_is_drawn(void **state)
{
    (void)state;
    enum { PLACES = 1000 };
    static double drawn[DRAWS];
    static const struct value numbers[] = {{.kind = VALUE_INT, .integer = 2},
                                           {.kind = VALUE_INT, .integer = 5},
                                           {.kind = VALUE_INT, .integer = 9}};
    static const double probabilities[] = {0.6, 0.1, 0.3};
    const struct param_spec params[] = {
        {.kind = PARAM_REAL, .min = -1, .max = 3},
        {.kind = PARAM_REAL, .min = 1e-4, .max = 10, .is_log = true},
        {.kind = PARAM_REAL, .min = 0, .max = 0.3, .q = 0.1},
        {.kind = PARAM_REAL, .min = 1, .max = 90, .q = 8, .is_log = true},
        {.kind = PARAM_INT, .int_min = -3, .int_max = 6},
        {.kind = PARAM_INT, .int_min = 1, .int_max = 40, .is_log = true},
        {.kind = PARAM_INT, .int_min = 32, .int_max = 500, .q = 32},
        {.kind = PARAM_NORMAL, .mu = 3, .sigma = 0.5},
        {.kind = PARAM_NORMAL, .mu = 1, .sigma = 0.7, .is_log = true, .q = 0.5},
        {.kind = PARAM_CHOICE, .values = numbers, .n_values = 3, .probabilities = probabilities},
        {.kind = PARAM_CHOICE, .values = numbers, .n_values = 3},
    };
    for (size_t p = 0; p < sizeof params / sizeof params[0]; p++) {
        for (uint32_t i = 0; i < DRAWS; i++) {
            drawn[i] = draw_number(&params[p], i);
        }
        qsort(drawn, DRAWS, sizeof *drawn, compare_reals);
        double last = -INFINITY;
        for (uint32_t k = 0; k < PLACES; k++) {
            double u = (k + 0.5) / PLACES, number;
            struct value value = param_at(&params[p], u);
            assert_true(param_contains(&params[p], value));
            assert_true(value_number(value, &number));
            /* It lies between the draws' quantiles a little below and above: 1.95 / sqrt(n). */
            int64_t at = (int64_t)(u * DRAWS), slack = 620;
            double low = at < slack ? -INFINITY : drawn[at - slack];
            double high = at + slack >= DRAWS ? INFINITY : drawn[at + slack];
            assert_true(number >= low && number <= high && number >= last);
            last = number;
        }
    }
}

static void test_values_are_counted_and_listed(void **state)
{
    (void)state;
    static const struct value also[] = {{.kind = VALUE_STR, .str = "none"}};
    struct param_spec param = {
        .kind = PARAM_REAL, .min = 0, .max = 0.3, .q = 0.1, .also = also, .n_also = 1};
    assert_int_equal(param_count(&param), 5);
    assert_true(param_nth(&param, 3).real == 0.3);
    assert_string_equal(param_nth(&param, 4).str, "none");
    param.q = 0;
    assert_int_equal(param_count(&param), 0);
    param.max = 0;
    assert_int_equal(param_count(&param), 2);
    assert_true(param_nth(&param, 0).real == 0);
    struct param_spec whole = {.kind = PARAM_INT, .int_min = INT64_MIN, .int_max = INT64_MAX};
    assert_true(param_count(&whole) == UINT64_MAX);
    struct param_spec normal = {.kind = PARAM_NORMAL, .sigma = 1};
    assert_int_equal(param_count(&normal), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_is_uniform_between_its_bounds),
        cmocka_unit_test(test_log_real_is_uniform_in_the_logarithm),
        cmocka_unit_test(test_int_draws_every_value_equally_often_bounds_included),
        cmocka_unit_test(test_log_int_gives_each_value_its_mass_of_the_logarithm),
        cmocka_unit_test(test_q_draws_multiples_from_min_and_never_passes_max),
        cmocka_unit_test(test_log_q_gives_each_multiple_its_mass_of_the_logarithm),
        cmocka_unit_test(test_choice_draws_every_value_equally_often),
        cmocka_unit_test(test_choice_is_drawn_by_its_probabilities),
        cmocka_unit_test(test_choice_without_probability_is_never_drawn),
        cmocka_unit_test(test_also_shares_with_the_range),
        cmocka_unit_test(test_normal_has_its_mean_and_width),
        cmocka_unit_test(test_normal_with_q_gives_each_multiple_its_mass),
        cmocka_unit_test(test_normal_quantile_is_right_to_the_last_digits),
        cmocka_unit_test(test_value_at_a_place_is_the_quantile_of_what_is_drawn),
        cmocka_unit_test(test_values_are_counted_and_listed),
        cmocka_unit_test(test_draw_at_the_edges_stays_inside),
        cmocka_unit_test(test_check_refuses_what_cannot_be_drawn_from),
        cmocka_unit_test(test_contains_wants_kind_bounds_and_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
