/* What an exploit makes of the donor's parameters: always inside the space, small numbers not
 * stuck, nothing truncated to 0. */
#include "rig.h"
#include "tune/perturb.h"
#include "tune/space.h"

static const struct value batches[] = {
    {.kind = VALUE_INT, .integer = 16},
    {.kind = VALUE_INT, .integer = 32},
    {.kind = VALUE_INT, .integer = 64},
};

/* One parameter, changed by one factor. */
static struct value moved(struct param_spec param, struct value value, double factor)
{
    struct sweep_spec spec = {
        .parameters = &param,
        .n_parameters = 1,
        .pbt = {.factors = &factor, .n_factors = 1},
    };
    struct random random;
    random_init(&random, 1, 1);
    perturb_params(&spec, &random, &value);
    return value;
}

static void assert_real(struct value value, double want)
{
    assert_int_equal(value.kind, VALUE_REAL);
    if (value.real != want) {
        fail_msg("%.17g is not %.17g", value.real, want);
    }
}

static void assert_int(struct value value, int64_t want)
{
    assert_int_equal(value.kind, VALUE_INT);
    assert_int_equal(value.integer, want);
}

static void test_number_is_multiplied_and_clipped_into_its_bounds(void **state)
{
    (void)state;
    const struct param_spec lr = {.kind = PARAM_REAL, .min = 1e-3, .max = 0.1, .is_log = true};
    assert_real(moved(lr, value_real(0.01), 1.2), 0.01 * 1.2);
    assert_real(moved(lr, value_real(0.01), 0.8), 0.01 * 0.8);
    assert_real(moved(lr, value_real(0.099), 1.2), 0.1);
    assert_real(moved(lr, value_real(0.00101), 0.8), 1e-3);
    const struct param_spec shift = {.kind = PARAM_REAL, .min = -1, .max = 1};
    assert_real(moved(shift, value_real(-0.5), 1.2), -0.5 * 1.2);
    assert_real(moved(shift, value_real(-0.9), 1.2), -1);
    assert_real(moved(shift, value_real(0), 1.2), 0);
}

static void test_whole_number_moves_by_one_at_least_and_stays_whole(void **state)
{
    (void)state;
    const struct param_spec layers = {.kind = PARAM_INT, .int_min = 1, .int_max = 8};
    assert_int(moved(layers, value_int(2), 1.2), 3); /* 2.4 */
    assert_int(moved(layers, value_int(2), 0.8), 1); /* 1.6 */
    assert_int(moved(layers, value_int(1), 0.8), 1); /* never 0, which is below min */
    assert_int(moved(layers, value_int(1), 1.2), 2);
    assert_int(moved(layers, value_int(8), 1.2), 8);
    assert_int(moved(layers, value_int(5), 1.2), 6);
    assert_int(moved(layers, value_int(4), 1), 4);
    const struct param_spec offset = {.kind = PARAM_INT, .int_min = -3, .int_max = 3};
    assert_int(moved(offset, value_int(0), 1.2), 0);
    assert_int(moved(offset, value_int(-1), 1.2), -2);
    assert_int(moved(offset, value_int(-1), 0.8), 0);
    const struct param_spec wide = {.kind = PARAM_INT, .int_min = INT64_MIN, .int_max = INT64_MAX};
    assert_int(moved(wide, value_int(INT64_MAX), 1.2), INT64_MAX);
    assert_int(moved(wide, value_int(INT64_MIN), 1.2), INT64_MIN);
}

static void test_grid_of_q_is_kept_and_moved_along(void **state)
{
    (void)state;
    const struct param_spec width = {.kind = PARAM_INT, .int_min = 32, .int_max = 500, .q = 32};
    assert_int(moved(width, value_int(64), 1.2), 96);   /* 76.8 is nearer to 64 */
    assert_int(moved(width, value_int(256), 1.2), 320); /* 307.2 */
    assert_int(moved(width, value_int(480), 1.2), 480); /* the last of the grid */
    assert_int(moved(width, value_int(32), 0.8), 32);
    const struct param_spec rate = {.kind = PARAM_REAL, .min = 0.1, .max = 0.5, .q = 0.1};
    assert_real(moved(rate, value_real(0.1 + 1 * 0.1), 1.2), 0.1 + 2 * 0.1);
    assert_real(moved(rate, value_real(0.5), 0.8), 0.1 + 3 * 0.1);
    assert_real(moved(rate, value_real(0.5), 1.2), 0.5);
}

static void test_choice_goes_to_a_neighbour_only_if_ordered(void **state)
{
    (void)state;
    struct param_spec batch = {
        .kind = PARAM_CHOICE, .values = batches, .n_values = 3, .is_ordered = true};
    assert_int(moved(batch, value_int(32), 1.2), 64);
    assert_int(moved(batch, value_int(32), 0.8), 16);
    assert_int(moved(batch, value_int(64), 1.2), 64);
    assert_int(moved(batch, value_int(16), 0.8), 16);
    batch.is_ordered = false;
    assert_int(moved(batch, value_int(32), 1.2), 32);
    assert_int(moved(batch, value_int(32), 0.8), 32);
    const struct param_spec constant = {.kind = PARAM_CONSTANT, .constant = {.kind = VALUE_INT}};
    assert_int(moved(constant, value_int(0), 1.2), 0);
}

static const struct param_spec many[] = {
    {.kind = PARAM_REAL, .min = 1e-5, .max = 1e-1, .is_log = true},
    {.kind = PARAM_INT, .int_min = 1, .int_max = 8},
    {.kind = PARAM_CHOICE, .values = batches, .n_values = 3},
    {.kind = PARAM_REAL, .min = -2, .max = 3, .q = 0.25},
};
enum { MANY = 4 };

/* A lineage of 20,000 exploits: nothing drifts out of its range. */
static void test_values_never_drift_out_of_the_space(void **state)
{
    (void)state;
    static const double factors[] = {0.8, 1.2};
    static const double resamples[] = {0, 0.25};
    for (int i = 0; i < 2; i++) {
        struct sweep_spec spec = {
            .parameters = many,
            .n_parameters = MANY,
            .pbt = {.factors = factors, .n_factors = 2, .resample = resamples[i]},
        };
        struct random random;
        struct value params[MANY] = {value_real(0.01), value_int(4), value_int(32), value_real(1)};
        bool were_at_bounds[2] = {false, false};
        random_init(&random, 3, 3);
        for (int n = 0; n < 20000; n++) {
            perturb_params(&spec, &random, params);
            for (uint32_t k = 0; k < MANY; k++) {
                assert_true(param_contains(&many[k], params[k]));
            }
            double steps = (params[3].real + 2) / 0.25;
            assert_true(steps == round(steps));
            were_at_bounds[0] |= params[1].integer == 1;
            were_at_bounds[1] |= params[1].integer == 8;
        }
        assert_true(were_at_bounds[0] && were_at_bounds[1]);
    }
}

static void test_resample_is_a_probability_of_each_parameter(void **state)
{
    (void)state;
    enum { DRAWS = 8000 };
    const double factor = 1;
    const bool mutates[] = {true, true, false, true};
    struct sweep_spec spec = {
        .parameters = many,
        .n_parameters = MANY,
        .pbt = {.factors = &factor, .n_factors = 1, .resample = 0.3, .mutates = mutates},
    };
    struct random random;
    uint32_t n_changed[MANY] = {0}, n_both = 0;
    random_init(&random, 4, 4);
    for (int n = 0; n < DRAWS; n++) {
        struct value params[MANY] = {value_real(0.01), value_int(4), value_int(32), value_real(1)};
        const struct value before[MANY] = {params[0], params[1], params[2], params[3]};
        perturb_params(&spec, &random, params);
        for (uint32_t k = 0; k < MANY; k++) {
            n_changed[k] += !value_equal(params[k], before[k]);
        }
        n_both += !value_equal(params[0], before[0]) && !value_equal(params[1], before[1]);
    }
    /* A draw of `layers` is another one of 8 in 7 of 8 cases, of the grid in 20 of 21. */
    const double want[MANY] = {0.3, 0.3 * 7 / 8, 0, 0.3 * 20 / 21};
    for (uint32_t k = 0; k < MANY; k++) {
        double p = want[k];
        assert_true(fabs(n_changed[k] - DRAWS * p) <= 5 * sqrt(DRAWS * p * (1 - p)));
    }
    assert_true(fabs(n_both - DRAWS * want[0] * want[1]) < 5 * sqrt(DRAWS * want[0] * want[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number_is_multiplied_and_clipped_into_its_bounds),
        cmocka_unit_test(test_whole_number_moves_by_one_at_least_and_stays_whole),
        cmocka_unit_test(test_grid_of_q_is_kept_and_moved_along),
        cmocka_unit_test(test_choice_goes_to_a_neighbour_only_if_ordered),
        cmocka_unit_test(test_values_never_drift_out_of_the_space),
        cmocka_unit_test(test_resample_is_a_probability_of_each_parameter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
