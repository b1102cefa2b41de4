/* Files as W&B's documentation writes them. */
#include "rig.h"

static const struct refused refused[] = {
    REFUSED("command: x\nmetric: {name: l}\nmethod: grid\nsearch: {method: grid}\n", ERR_INVALID, 3,
            1, "both `method` and `search.method` are there; leave one out"),
    REFUSED(LEAST "run_cap: 3\n", ERR_INVALID, 4, 1,
            "both `run_cap` and `stop.trials` are there; leave one out"),
    REFUSED("command: x\nmetric: {name: l}\nrun_cap: 0\n", ERR_INVALID, 3, 10,
            "`run_cap` must be 1 to 10000000, not 0"),
    REFUSED("command: x\nmetric: {name: l}\nmethod: hyperopt\n", ERR_INVALID, 3, 9,
            "`method` cannot be 'hyperopt'; write random or grid or sobol or auto or bayes"),
};

static void test_wandb_keys_that_say_it_twice_or_wrong_are_refused(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

static void test_wandb_method_and_run_cap_are_ours(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed("command: [x, '${args}']\n"
           "method: bayes\n"
           "run_cap: 7\n"
           "metric: {goal: maximize, name: val_acc}\n"
           "parameters:\n"
           "  batch_size: {distribution: q_log_uniform_values, q: 8, min: 32, max: 256}\n"
           "  dropout: {values: [0.3, 0.4, 0.5]}\n"
           "  epochs: {value: 1}\n"
           "  optimizer:\n"
           "    parameters:\n"
           "      learning_rate: {distribution: uniform, min: 0, max: 0.1}\n"
           "      name: {values: [adam, sgd]}\n",
           &arena, &spec);
    assert_int_equal(spec.search, SEARCH_AUTO);
    assert_int_equal(spec.stop.trials, 7);
    assert_int_equal(spec.n_parameters, 5);
    assert_string_equal(spec.parameters[3].name, "optimizer.learning_rate");
    assert_int_equal(spec.parameters[3].kind, PARAM_REAL);
    arena_fini(&arena);
}

/* A file of theirs without run_cap runs until it is stopped; one of ours must say when. */
static void test_wandb_file_may_have_no_end(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed("command: x\nmetric: {name: l}\nmethod: random\n", &arena, &spec);
    assert_int_equal(spec.search, SEARCH_RANDOM);
    assert_int_equal(spec.stop.trials, 0);
    arena_fini(&arena);
}

/* Our rule is one; what a file says of W&B's is told with it. */
static void test_wandb_strict_is_said_where_the_file_is_printed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *origin;
    } cases[] = {
        {LEAST "early_terminate: {type: hyperband, min_iter: 3}\n", "early_terminate"},
        {LEAST "early_terminate: {type: hyperband, min_iter: 3, strict: true}\n",
         "early_terminate, strict"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena;
        struct sweep_spec spec;
        parsed(cases[i].text, &arena, &spec);
        assert_string_equal(spec.schedule.origin, cases[i].origin);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wandb_strict_is_said_where_the_file_is_printed),
        cmocka_unit_test(test_wandb_keys_that_say_it_twice_or_wrong_are_refused),
        cmocka_unit_test(test_wandb_method_and_run_cap_are_ours),
        cmocka_unit_test(test_wandb_file_may_have_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
