#include "rig.h"

#define SPACE                                                                                      \
    LEAST "parameters: {lr: {min: 0.0, max: 1}, g: {parameters: {a: {min: 0, max: 9}}}, o: "       \
          "{values: {s: {m: 1}, t: {m: 2}}}}\n"

static const struct refused refused[] = {
    REFUSED(SPACE "baselines: {lr: 1}", ERR_INVALID, 5, 12,
            "`baselines` needs a list of blocks like {lr: 1e-3, layers: 2}, not a block"),
    REFUSED(SPACE "baselines: [3]", ERR_INVALID, 5, 13,
            "`baselines` needs a block of parameters and values, not 3"),
    REFUSED(SPACE "baselines: [{}]", ERR_INVALID, 5, 13, "a baseline of `baselines` says nothing"),
    REFUSED(SPACE "baselines: [{lr: 1}, {rl: 1}]", ERR_INVALID, 5, 23,
            "`baselines`: there is no parameter 'rl'"),
    REFUSED(SPACE "baselines: [{g: {b: 1}}]", ERR_INVALID, 5, 18,
            "`baselines`: there is no parameter 'g.b'; did you mean 'g.a'?"),
    REFUSED(SPACE "baselines: [{g: {a: 1}, g.a: 2}]", ERR_INVALID, 5, 25,
            "`baselines` says 'g.a' twice"),
    REFUSED(SPACE "baselines: [{lr: {a: 1}}]", ERR_INVALID, 5, 18,
            "`baselines.lr` needs a number, text, true, false or null, not a block"),
};

static void test_baseline_that_makes_no_sense_is_refused_at_its_place(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

static void test_baseline_names_parameters_flat_or_nested(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(SPACE "baselines: [{g: {a: 3}, lr: 1}, {g.a: 4, m: 2, o: t}]\n", &arena, &spec);
    assert_int_equal(spec.n_baselines, 2);
    const struct baseline *one = &spec.baselines[0], *two = &spec.baselines[1];
    assert_int_equal(one->n_items, 2);
    assert_int_equal(one->items[0].param, 1);
    assert_true(value_equal(one->items[0].value, value_int(3)));
    assert_int_equal(one->items[1].param, 0);
    assert_int_equal(two->n_items, 3);
    assert_int_equal(two->items[1].param, 3); /* the first of the two called m */
    assert_true(two->line == 5 && two->items[1].line == 5 && two->items[1].column == 45);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_baseline_that_makes_no_sense_is_refused_at_its_place),
        cmocka_unit_test(test_baseline_names_parameters_flat_or_nested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
