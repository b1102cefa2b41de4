/* Whole configurations: who is active, rows, and what the log may say. */
#include "text_rig.h"

static const char conditional[] =
    "parameters:\n"
    "  opt:\n"
    "    probabilities: [0.5, 0.25, 0.25]\n"
    "    values:\n"
    "      sgd: {lr: {min: 1.0, max: 2.0}, nest: {values: {true: {mu: {min: 5, max: 9}}, false: "
    "}}}\n"
    "      adam: {lr: {min: 3.0, max: 4.0}}\n"
    "      none:\n"
    "  stage: {rows: [{res: 160, crop: 1}, {res: 160, crop: 2}, {res: 224, crop: 3}]}\n";

static void each_method(void (*check)(struct text_space *space), const char *text)
{
    static const char *const methods[] = {"random", "sobol"};
    for (size_t i = 0; i < 2; i++) {
        struct text_space space;
        char file[TEXT_MAX];
        snprintf(file, sizeof file, "%ssearch: {method: %s}\n", text, methods[i]);
        text_open(&space, file);
        check(&space);
        text_end(&space);
    }
}

static void check_conditional(struct text_space *space)
{
    enum { DRAWS = 8000 };
    uint32_t n_sgd = 0, n_nest = 0, n_none = 0, n_row[3] = {0};
    for (uint32_t trial = 1; trial <= DRAWS; trial++) {
        text_suggest(space, trial);
        struct value opt = text_value(space, "opt");
        bool is_sgd = value_equal(opt, value_str("sgd"));
        bool is_none = value_equal(opt, value_str("none"));
        struct value lr = text_value(space, "lr"), nest = text_value(space, "nest");
        assert_true((lr.kind == VALUE_NONE) == is_none);
        assert_true(is_none || (is_sgd ? lr.real <= 2 : lr.real >= 3));
        assert_true((nest.kind != VALUE_NONE) == is_sgd);
        bool is_nest = nest.kind == VALUE_BOOL && nest.boolean;
        assert_true((text_value(space, "mu").kind != VALUE_NONE) == is_nest);
        int64_t crop = text_value(space, "crop").integer;
        assert_int_equal(text_value(space, "res").integer, crop == 3 ? 224 : 160);
        n_sgd += is_sgd;
        n_nest += is_nest;
        n_none += is_none;
        n_row[crop - 1]++;
    }
    /* 3.3 standard deviations of a binomial. */
    assert_true(fabs(n_sgd - DRAWS * 0.5) < 3.3 * sqrt(DRAWS * 0.25));
    assert_true(fabs(n_nest - DRAWS * 0.25) < 3.3 * sqrt(DRAWS * 0.1875));
    assert_true(fabs(n_none - DRAWS * 0.25) < 3.3 * sqrt(DRAWS * 0.1875));
    for (int k = 0; k < 3; k++) {
        assert_true(fabs(n_row[k] - DRAWS / 3.0) < 3.3 * sqrt(DRAWS * 2 / 9.0));
    }
}

static void test_config_has_values_of_active_parameters_only(void **state)
{
    (void)state;
    each_method(check_conditional, conditional);
}

static void check_constraint(struct text_space *space)
{
    for (uint32_t trial = 1; trial <= 2000; trial++) {
        text_suggest(space, trial);
        assert_true(text_number(space, "layers") * text_number(space, "width") <= 1024);
    }
}

static void test_config_meets_its_constraints(void **state)
{
    (void)state;
    each_method(check_constraint, "constraints: [layers * width <= 1024]\nparameters: {layers: "
                                  "{min: 1, max: 64}, width: {min: 32, max: 512, q: 32}}\n");
}

/* A trial whose first draw is allowed gets the same values as without constraints. */
static void test_constraint_changes_refused_trials_alone(void **state)
{
    (void)state;
    static const char with[] = "constraints: [a + b < 1]\n"
                               "parameters: {a: {min: 0.0, max: 1.0}, b: {min: 0.0, max: 1.0}}\n";
    struct text_space free_space, space;
    uint32_t n_same = 0;
    text_open(&space, with);
    text_open(&free_space, strchr(with, '\n') + 1);
    for (uint32_t trial = 1; trial <= 1000; trial++) {
        text_suggest(&free_space, trial);
        bool is_allowed = text_number(&free_space, "a") + text_number(&free_space, "b") < 1;
        bool is_same = strcmp(text_of(&free_space), text_suggest(&space, trial)) == 0;
        assert_int_equal(is_same, is_allowed);
        n_same += is_same;
    }
    assert_true(n_same > 400 && n_same < 600);
    tune_free(free_space.tuner);
    arena_fini(&free_space.arena);
    text_end(&space);
}

/* What the log says of a trial is what a searcher could have said: no value more, none less. */
static void test_asked_with_a_config_outside_of_the_space_is_refused(void **state)
{
    (void)state;
    const struct value none = value_none(), sgd = value_str("sgd"), adam = value_str("adam");
    const struct value yes = value_bool(true), no = value_bool(false);
    /* opt, lr of sgd, nest, mu, lr of adam, res, crop */
    const struct {
        bool is_good;
        struct value config[7];
    } rows[] = {
        {true, {sgd, value_real(1.5), no, none, none, value_int(160), value_int(2)}},
        {true, {sgd, value_real(1.5), yes, value_int(5), none, value_int(224), value_int(3)}},
        {true, {adam, none, none, none, value_real(3.5), value_int(160), value_int(1)}},
        {true, {value_str("none"), none, none, none, none, value_int(160), value_int(1)}},
        {false, {adam, value_real(1.5), none, none, value_real(3.5), value_int(160), value_int(1)}},
        {false, {adam, none, none, none, none, value_int(160), value_int(1)}},
        {false, {adam, none, none, value_int(5), value_real(3.5), value_int(160), value_int(1)}},
        {false, {sgd, value_real(1.5), no, value_int(5), none, value_int(160), value_int(2)}},
        {false, {sgd, value_real(1.5), yes, none, none, value_int(160), value_int(2)}},
        {false, {sgd, value_real(1.5), no, none, none, value_int(224), value_int(1)}},
        {false, {sgd, value_real(1.5), no, none, none, value_int(160), none}},
        {false, {none, none, none, none, none, value_int(160), value_int(1)}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text_space space;
        text_open(&space, conditional);
        struct tune_event event = {.kind = TUNE_EVENT_ASKED,
                                   .trial = 1,
                                   .params = rows[i].config,
                                   .n_params = space.spec.n_parameters};
        assert_int_equal(space.spec.n_parameters, 7);
        if ((tune_apply(space.tuner, &event) == OK) != rows[i].is_good) {
            fail_msg("row %zu", i);
        }
        text_end(&space);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_has_values_of_active_parameters_only),
        cmocka_unit_test(test_config_meets_its_constraints),
        cmocka_unit_test(test_constraint_changes_refused_trials_alone),
        cmocka_unit_test(test_asked_with_a_config_outside_of_the_space_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
