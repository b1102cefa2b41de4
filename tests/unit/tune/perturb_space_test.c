/* Perturbing in spaces with choices that bring parameters, rows, distributions and constraints. */
#include "text_rig.h"
#include "tune/perturb.h"

#define PBT                                                                                        \
    "schedule: {type: pbt, max: 100}\npbt: {interval: 4, resample: %s, factors: [0.8, 1.2]%s}\n"

static struct text_space space;
static struct random dice;

static void perturb_open(const char *resample, const char *more, const char *text)
{
    char file[TEXT_MAX / 4];
    int n = snprintf(file, sizeof file, PBT, resample, more);
    snprintf(file + n, sizeof file - (size_t)n, "%s", text);
    text_open(&space, file);
    text_suggest(&space, 1);
    random_init(&dice, 11, 11);
}

/* Once more; what comes out is inside of the space, and allowed. */
static void perturb(void)
{
    perturb_params(&space.spec, &dice, space.config);
    assert_true(config_is_inside(&space.spec, space.config));
    assert_true(config_is_allowed(&space.spec, space.config, NULL));
}

static void test_what_a_choice_brings_comes_and_goes_with_it(void **state)
{
    (void)state;
    uint32_t n_changes = 0;
    perturb_open("0.3", "",
                 "parameters: {opt: {values: {sgd: {momentum: {min: 0.5, max: 0.99}}, adamw: {wd: "
                 "{min: 1e-6, max: 0.1, log: true}}}}, lr: {min: 0.001, max: 1.0}}\n");
    for (int i = 0; i < 2000; i++) {
        bool was_sgd = text_value(&space, "momentum").kind != VALUE_NONE;
        perturb();
        bool is_sgd = text_value(&space, "momentum").kind != VALUE_NONE;
        assert_int_equal(is_sgd, text_value(&space, "wd").kind == VALUE_NONE);
        n_changes += was_sgd != is_sgd;
    }
    assert_true(n_changes > 200); /* 0.3 / 2 of 2000 */
    text_end(&space);
}

static void test_choice_that_does_not_mutate_keeps_what_it_brings(void **state)
{
    (void)state;
    perturb_open("0.3", ", mutate: [momentum, wd]",
                 "parameters: {opt: {values: {sgd: {momentum: {min: 0.5, max: 0.99}}, adamw: {wd: "
                 "{min: 1e-6, max: 0.1, log: true}}}}, lr: {min: 0.001, max: 1.0}}\n");
    struct value opt = text_value(&space, "opt"), lr = text_value(&space, "lr");
    const char *child = text_value(&space, "wd").kind == VALUE_NONE ? "momentum" : "wd";
    uint32_t n_changes = 0;
    for (int i = 0; i < 200; i++) {
        struct value before = text_value(&space, child);
        perturb();
        assert_true(value_equal(text_value(&space, "opt"), opt));
        assert_true(value_equal(text_value(&space, "lr"), lr));
        n_changes += !value_equal(text_value(&space, child), before);
    }
    assert_true(n_changes > 100);
    text_end(&space);
}

/* Either column may be named, the row changes as one. */
static void test_rows_change_as_a_whole_by_a_new_draw_alone(void **state)
{
    (void)state;
    static const char rows[] =
        "parameters: {stage: {rows: [{res: 160, crop: 128}, {res: 224, crop: 192}, {res: 96, "
        "crop: 64}]}, lr: {min: 0.001, max: 1.0}}\n";
    static const char *const mutates[] = {", mutate: [res]", ", mutate: [crop]", ""};
    for (size_t k = 0; k < 3; k++) {
        uint32_t n_changes = 0;
        perturb_open("0.5", mutates[k], rows);
        for (int i = 0; i < 400; i++) {
            struct value before = text_value(&space, "res");
            perturb();
            n_changes += !value_equal(text_value(&space, "res"), before);
        }
        assert_true(n_changes > 70 && n_changes < 200); /* 400 * 0.5 * 2/3 = 133 */
        text_end(&space);
    }
    perturb_open("0", "", rows);
    struct value before = text_value(&space, "crop");
    for (int i = 0; i < 50; i++) {
        perturb();
        assert_true(value_equal(text_value(&space, "crop"), before));
    }
    text_end(&space);
}

static void test_normal_numbers_and_single_values_beside_a_range(void **state)
{
    (void)state;
    perturb_open("0", "",
                 "parameters: {noise: {distribution: normal, mu: 5, sigma: 0.1}, wd: {min: 1e-6, "
                 "max: 1e-2, log: true, also: [0]}}\n");
    space.config[0] = value_real(2.0);
    space.config[1] = value_int(0);
    perturb();
    double noise = text_value(&space, "noise").real;
    assert_true(noise == 2.0 * 0.8 || noise == 2.0 * 1.2);
    assert_true(value_equal(text_value(&space, "wd"), value_int(0)));
    text_end(&space);
}

static void test_constraints_hold_or_nothing_changes(void **state)
{
    (void)state;
    perturb_open("0.25", "",
                 "parameters: {layers: {min: 1, max: 8}, width: {min: 32, max: 512, q: 32}}\n"
                 "constraints: [\"layers * width <= 1024\"]\n");
    for (int i = 0; i < 5000; i++) {
        perturb(); /* looks at the constraint */
    }
    text_end(&space);
    perturb_open("0", "",
                 "parameters: {a: {min: 1, max: 100}, b: {min: 1, max: 100}}\n"
                 "constraints: [\"a == 10 and b == 10 or a > 40\"]\n");
    space.config[0] = space.config[1] = value_int(10); /* each factor breaks it */
    perturb();
    assert_true(value_equal(space.config[0], value_int(10)));
    assert_true(value_equal(space.config[1], value_int(10)));
    text_end(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_choice_brings_comes_and_goes_with_it),
        cmocka_unit_test(test_choice_that_does_not_mutate_keeps_what_it_brings),
        cmocka_unit_test(test_rows_change_as_a_whole_by_a_new_draw_alone),
        cmocka_unit_test(test_normal_numbers_and_single_values_beside_a_range),
        cmocka_unit_test(test_constraints_hold_or_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
