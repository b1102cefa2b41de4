/* The forms of one parameter: what each key becomes, and which do not go together. */
#include <math.h>

#include "rig.h"

#define P(text) LEAST "parameters: {x: " text "}"

static const struct refused refused[] = {
    /* probabilities */
    REFUSED(P("{values: [1, 2], probabilities: [1]}"), ERR_INVALID, 4, 49,
            "`parameters.x.probabilities` has 1 numbers for 2 possibilities"),
    REFUSED(P("{values: [1, 2], probabilities: [0.5, 0.4]}"), ERR_INVALID, 4, 49,
            "`parameters.x.probabilities` must sum up to 1, not 0.9"),
    REFUSED(P("{values: [1, 2], probabilities: [1.5, -0.5]}"), ERR_INVALID, 4, 50,
            "`parameters.x.probabilities` must be 0 to 1, not 1.5"),
    REFUSED(P("{values: [1, 2], probabilities: [.nan, 1]}"), ERR_INVALID, 4, 50,
            "`parameters.x.probabilities` must be 0 to 1, not .nan"),
    REFUSED(P("{values: [1, 2], probabilities: [a, 1]}"), ERR_INVALID, 4, 50,
            "`parameters.x.probabilities` needs a number, not the text 'a'"),
    REFUSED(P("{values: [1, 2], probabilities: 1}"), ERR_INVALID, 4, 49,
            "`parameters.x.probabilities` needs a list of numbers, not 1"),
    REFUSED(P("{min: 1, max: 2, probabilities: [1]}"), ERR_INVALID, 4, 34,
            "`parameters.x.probabilities` has no meaning without `values`, `rows` or `also`"),
    REFUSED(P("{min: 1, max: 2, also: [3], probabilities: [1]}"), ERR_INVALID, 4, 60,
            "`parameters.x.probabilities` has 1 numbers for 2 possibilities"),
    /* also */
    REFUSED(P("{min: 1, max: 5, also: [3]}"), ERR_INVALID, 4, 41,
            "`parameters.x.also`: 3 lies in the range already"),
    REFUSED(P("{min: 1.0, max: 5, also: [0, 0]}"), ERR_INVALID, 4, 46,
            "`parameters.x.also` holds 0 twice"),
    REFUSED(P("{min: 1, max: 5, also: 0}"), ERR_INVALID, 4, 40,
            "`parameters.x.also` needs a list of values beside the range, not 0"),
    REFUSED(P("{values: [1], also: [0]}"), ERR_INVALID, 4, 31,
            "`parameters.x` has both `values` and `also`; leave one out"),
    /* ordered */
    REFUSED(P("{min: 1, max: 5, ordered: true}"), ERR_INVALID, 4, 34,
            "`parameters.x.ordered` has no meaning without `values`"),
    /* normal */
    REFUSED(P("{distribution: normal, sigma: 0}"), ERR_INVALID, 4, 47,
            "`parameters.x.sigma` must be greater than 0, not 0"),
    REFUSED(P("{distribution: normal, mu: .inf}"), ERR_INVALID, 4, 44,
            "`parameters.x.mu` must be finite, not .inf"),
    REFUSED(P("{distribution: lognormal, mu: 1000}"), ERR_INVALID, 4, 17,
            "`parameters.x`: mu + 9 sigma is too large for a double"),
    REFUSED(P("{distribution: normal, sigma: 1e300, type: int}"), ERR_INVALID, 4, 17,
            "`parameters.x`: mu + 9 sigma is too large for a whole number"),
    REFUSED(P("{mu: 0, sigma: 1, type: int, q: 0.5}"), ERR_INVALID, 4, 49,
            "`parameters.x.q` must be a whole number with `type: int`, not 0.5"),
    REFUSED(P("{mu: 0, min: 1}"), ERR_INVALID, 4, 25,
            "`parameters.x` has both `mu` and `min`; leave one out"),
    REFUSED(P("{distribution: uniform, mu: 0}"), ERR_INVALID, 4, 32,
            "`parameters.x.distribution: uniform` does not go with `mu`"),
    REFUSED(P("{distribution: normal, min: 1}"), ERR_INVALID, 4, 40,
            "`parameters.x.min` does not go with `distribution: normal`"),
    /* distribution */
    REFUSED(P("{distribution: uniform}"), ERR_INVALID, 4, 17,
            "the key `parameters.x.min` is missing"),
    REFUSED(P("{distribution: categorical}"), ERR_INVALID, 4, 17,
            "the key `parameters.x.values` is missing"),
    REFUSED(P("{distribution: constant}"), ERR_INVALID, 4, 17,
            "the key `parameters.x.value` is missing"),
    REFUSED(P("{distribution: uniform, min: 1, max: 2, log: true}"), ERR_INVALID, 4, 57,
            "`parameters.x` has both `distribution: uniform` and `log`; leave one out"),
    REFUSED(P("{distribution: uniform, min: 1, max: 2, type: int}"), ERR_INVALID, 4, 57,
            "`parameters.x` has both `distribution: uniform` and `type`; leave one out"),
    REFUSED(P("{distribution: int_uniform, min: 1, max: 2.5}"), ERR_INVALID, 4, 32,
            "`parameters.x.distribution: int_uniform` needs whole min and max (1, not 1.0)"),
    REFUSED(P("{distribution: log_uniform_values, min: 0, max: 2.5}"), ERR_INVALID, 4, 57,
            "`parameters.x.min` must be greater than 0 with `log_uniform_values`, not 0"),
    REFUSED(P("{distribution: log_uniform, min: -9.21034, max: 0}"), ERR_INVALID, 4, 32,
            "`parameters.x.distribution: log_uniform` takes exponents; say the values themselves: "
            "write `x: {distribution: log_uniform_values, min: 0.0001, max: 1}`"),
    REFUSED(P("{distribution: q_log_uniform, min: 0, max: 2, q: 4}"), ERR_INVALID, 4, 32,
            "`parameters.x.distribution: q_log_uniform` takes exponents; say the values "
            "themselves: write `x: {distribution: q_log_uniform_values, min: 1, max: 7.389, q: "
            "4}`"),
    REFUSED(P("{distribution: log_uniform}"), ERR_INVALID, 4, 32,
            "`parameters.x.distribution: log_uniform` takes exponents; say the values themselves: "
            "write `distribution: log_uniform_values`"),
    REFUSED(P("{distribution: unifrom, min: 1, max: 2}"), ERR_INVALID, 4, 32,
            "`parameters.x.distribution` cannot be 'unifrom'; write uniform or int_uniform or "
            "q_uniform or log_uniform_values or q_log_uniform_values or normal or q_normal or "
            "lognormal or log_normal or q_lognormal or q_log_normal or constant or categorical or "
            "categorical_w_probabilities or log_uniform or q_log_uniform; did you mean 'uniform'?"),
    REFUSED(P("{values: [1], rows: [{a: 1}]}"), ERR_INVALID, 4, 31,
            "`parameters.x` has both `values` and `rows`; leave one out"),
    REFUSED(P("{parameters: {a: 1}, min: 1}"), ERR_INVALID, 4, 38,
            "`parameters.x` has both `parameters` and `min`; leave one out"),
};

static void test_form_that_makes_no_sense_is_refused_at_its_place(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

/* The only parameter of a file. */
static struct param_spec form(const char *text, struct arena *arena)
{
    char file[512];
    struct sweep_spec spec;
    snprintf(file, sizeof file, LEAST "parameters: {x: %s}", text);
    parsed(file, arena, &spec);
    assert_int_equal(spec.n_parameters, 1);
    return spec.parameters[0];
}

/* W&B's words and our own forms for the same. */
static void test_distribution_words_mean_these_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        param_kind kind;
        bool is_log;
        double q;
    } rows[] = {
        {"{distribution: uniform, min: 0, max: 1}", PARAM_REAL, false, 0},
        {"{distribution: int_uniform, min: 1, max: 9}", PARAM_INT, false, 0},
        {"{distribution: q_uniform, min: 1, max: 9}", PARAM_INT, false, 1},
        {"{distribution: q_uniform, min: 1, max: 9, q: 0.5}", PARAM_REAL, false, 0.5},
        {"{distribution: q_uniform, min: 1.0, max: 9, q: 2}", PARAM_REAL, false, 2},
        {"{distribution: log_uniform_values, min: 1, max: 9}", PARAM_REAL, true, 0},
        {"{distribution: q_log_uniform_values, min: 1, max: 9, q: 2}", PARAM_INT, true, 2},
        {"{distribution: normal, mu: 1, sigma: 2}", PARAM_NORMAL, false, 0},
        {"{distribution: q_normal, mu: 1, sigma: 2}", PARAM_NORMAL, false, 1},
        {"{distribution: log_normal, mu: 1, sigma: 2}", PARAM_NORMAL, true, 0},
        {"{distribution: q_log_normal, mu: 1, sigma: 2, q: 0.5}", PARAM_NORMAL, true, 0.5},
        {"{mu: 1, sigma: 2}", PARAM_NORMAL, false, 0},
        {"{distribution: constant, value: 3}", PARAM_CONSTANT, false, 0},
        {"{distribution: categorical, values: [1, 2]}", PARAM_CHOICE, false, 0},
        {"{distribution: categorical_w_probabilities, values: [1, 2], probabilities: [1, 0]}",
         PARAM_CHOICE, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct param_spec param = form(rows[i].text, &arena);
        if (param.kind != rows[i].kind || param.is_log != rows[i].is_log || param.q != rows[i].q ||
            (param.kind == PARAM_NORMAL && param.sigma != 2)) {
            fail_msg("%s: kind %d, log %d, q %g", rows[i].text, param.kind, param.is_log, param.q);
        }
        arena_fini(&arena);
    }
}

static void test_normal_is_whole_by_its_q_or_type(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_whole;
        double q;
    } rows[] = {
        {"{distribution: normal}", false, 0},
        {"{distribution: normal, q: 5}", true, 5},
        {"{distribution: normal, q: 5, type: float}", false, 5},
        {"{distribution: normal, q: 0.5}", false, 0.5},
        {"{distribution: normal, type: int}", true, 1},
        {"{distribution: q_normal}", true, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct param_spec param = form(rows[i].text, &arena);
        assert_int_equal(param.is_whole, rows[i].is_whole);
        assert_true(param.q == rows[i].q && param.mu == 0 && param.sigma == 1);
        arena_fini(&arena);
    }
}

static void test_choice_keeps_order_and_probabilities(void **state)
{
    (void)state;
    struct arena arena;
    struct param_spec param = form("{values: [a, b, 3], ordered: true, probabilities: [0.33, 0.33, "
                                   "0.33]}",
                                   &arena);
    assert_true(param.is_ordered);
    assert_int_equal(param.n_values, 3);
    assert_true(param.probabilities[2] == 0.33);
    arena_fini(&arena);
    param = form("{values: [a, b]}", &arena);
    assert_false(param.is_ordered);
    assert_null(param.probabilities);
    arena_fini(&arena);
}

static void test_range_keeps_what_it_may_be_also(void **state)
{
    (void)state;
    struct arena arena;
    struct param_spec param = form(
        "{min: 1e-6, max: 1, log: true, also: [0, none], probabilities: [0.5, 0.5, 0]}", &arena);
    assert_int_equal(param.kind, PARAM_REAL);
    assert_int_equal(param.n_also, 2);
    assert_true(value_equal(param.also[0], value_int(0)));
    assert_true(value_equal(param.also[1], value_str("none")));
    assert_true(param.probabilities[1] == 0.5);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form_that_makes_no_sense_is_refused_at_its_place),
        cmocka_unit_test(test_distribution_words_mean_these_ranges),
        cmocka_unit_test(test_normal_is_whole_by_its_q_or_type),
        cmocka_unit_test(test_choice_keeps_order_and_probabilities),
        cmocka_unit_test(test_range_keeps_what_it_may_be_also),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
