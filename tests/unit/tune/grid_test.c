/* Every configuration once, and no other. */
#include "text_rig.h"

/* All of them, one a line. */
static void assert_grid(const char *file, const char *const *want, uint32_t n)
{
    struct text_space space;
    text_open(&space, file);
    assert_int_equal(tune_space_size(space.tuner), n);
    assert_int_equal(tune_trials_max(space.tuner), n);
    for (uint32_t i = 0; i < n; i++) {
        assert_string_equal(text_suggest(&space, i + 1), want[i]);
    }
    text_end(&space);
}

static void test_grid_counts_with_the_last_parameter_fastest(void **state)
{
    (void)state;
    static const char *const want[] = {
        "a=1 k=0 b=0.0 s=x u=5",  "a=1 k=0 b=0.0 s=y u=6",  "a=1 k=0 b=0.25 s=x u=5",
        "a=1 k=0 b=0.25 s=y u=6", "a=1 k=0 b=none s=x u=5", "a=1 k=0 b=none s=y u=6",
        "a=3 k=0 b=0.0 s=x u=5",  "a=3 k=0 b=0.0 s=y u=6",  "a=3 k=0 b=0.25 s=x u=5",
        "a=3 k=0 b=0.25 s=y u=6", "a=3 k=0 b=none s=x u=5", "a=3 k=0 b=none s=y u=6",
    };
    assert_grid("search: {method: grid}\n"
                "parameters: {a: {min: 1, max: 4, q: 2}, k: 0, b: {min: 0.0, max: 0.3, q: 0.25, "
                "also: [none]}, g: {rows: [{s: x, u: 5}, {s: y, u: 6}]}}\n",
                want, 12);
}

static void test_grid_walks_what_is_active_only(void **state)
{
    (void)state;
    static const char *const want[] = {
        "o=a m=1 z=True",     "o=a m=1 z=False",     "o=a m=2 z=True",     "o=a m=2 z=False",
        "o=b n=1 y=7 z=True", "o=b n=1 y=7 z=False", "o=b n=1 y=8 z=True", "o=b n=1 y=8 z=False",
        "o=b n=2 z=True",     "o=b n=2 z=False",     "o=c z=True",         "o=c z=False",
    };
    assert_grid("search: {method: grid}\n"
                "parameters: {o: {values: {a: {m: {values: [1, 2]}}, b: {n: {values: {1: {y: "
                "{values: [7, 8]}}, 2: }}}, c: }}, z: {values: [true, false]}}\n",
                want, 12);
}

static void test_grid_leaves_out_what_constraints_refuse(void **state)
{
    (void)state;
    static const char *const want[] = {"a=1 b=2", "a=1 b=3", "a=2 b=3"};
    assert_grid("search: {method: grid}\nconstraints: [a < b]\n"
                "parameters: {a: {min: 1, max: 3}, b: {min: 1, max: 3}}\n",
                want, 3);
}

/* Against a plain double loop: the words of the bit map are crossed. */
static void test_grid_with_constraints_lists_all_of_a_large_one(void **state)
{
    (void)state;
    struct text_space space;
    uint32_t n = 0;
    text_open(&space, "search: {method: grid}\nconstraints: [a * b < 700]\n"
                      "parameters: {a: {min: 1, max: 70}, b: {min: 1, max: 70}}\n");
    for (int64_t a = 1; a <= 70; a++) {
        for (int64_t b = 1; b <= 70; b++) {
            if (a * b < 700) {
                text_suggest(&space, ++n);
                assert_int_equal(text_value(&space, "a").integer, a);
                assert_int_equal(text_value(&space, "b").integer, b);
            }
        }
    }
    assert_int_equal(tune_space_size(space.tuner), n);
    text_end(&space);
}

/* Baselines and then the grid; it ends by itself, whatever stop.trials or a resume would allow. */
static void test_grid_ends_when_all_is_tried(void **state)
{
    (void)state;
    struct text_space space;
    text_open(&space, "search: {method: grid}\nbaselines: [{a: 2}]\nparameters: {a: {min: 1, max: "
                      "3}}\n");
    assert_int_equal(tune_trials_max(space.tuner), 4);
    static const char *const want[] = {"a=2", "a=1", "a=2", "a=3"};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(tune_tickets(space.tuner), 4 - i);
        assert_string_equal(text_suggest(&space, i + 1), want[i]);
        struct tune_event event = {
            .kind = TUNE_EVENT_ASKED, .trial = i + 1, .params = space.config, .n_params = 1};
        assert_int_equal(tune_apply(space.tuner, &event), OK);
    }
    assert_int_equal(tune_tickets(space.tuner), 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(tune_finishing(space.tuner), TUNE_WHY_NONE);
        rig_end(space.tuner, i + 1, TUNE_OUTCOME_DONE);
    }
    assert_true(tune_is_over(space.tuner));
    struct tune_event resumed = {.kind = TUNE_EVENT_RESUMED, .step = 100};
    assert_int_equal(tune_apply(space.tuner, &resumed), OK);
    assert_int_equal(tune_tickets(space.tuner), 0);
    assert_true(tune_is_over(space.tuner));
    text_end(&space);
}

static void test_grid_stops_at_fewer_trials(void **state)
{
    (void)state;
    struct text_space space;
    text_open(&space, "search: {method: grid}\nparameters: {a: {min: 1, max: 3}}\n");
    space.spec.stop.trials = 2;
    tune_free(space.tuner);
    assert_int_equal(tune_new(&space.spec, 1, &space.tuner), OK);
    assert_int_equal(tune_trials_max(space.tuner), 2);
    assert_int_equal(tune_space_size(space.tuner), 3);
    text_end(&space);
}

static void test_grid_without_end_is_refused_at_its_parameter(void **state)
{
    (void)state;
    text_refused("search: {method: grid}\nparameters: {a: 1, b: {min: 0.0, max: 1}}\n", 5, 20,
                 "`search.method: grid` cannot list the values of `b`, a range of real numbers; "
                 "give it a step with `q`, or write {values: [...]}");
    text_refused("search: {method: grid}\nparameters: {a: {mu: 0}}\n", 5, 14,
                 "`search.method: grid` cannot list the values of `a`, which has no bounds; write "
                 "{values: [...]}");
    text_refused("search: {method: grid}\nparameters: {a: {min: 1, max: 100000}, b: {min: 1, max: "
                 "100000}}\n",
                 0, 0,
                 "the grid has 10000000000 configurations; at most 10000000 are possible, so take "
                 "larger steps or another search.method");
    text_refused("search: {method: grid}\nconstraints: [a < 2]\nparameters: {a: {min: 1, max: "
                 "2000000}}\n",
                 0, 0,
                 "the grid has 2000000 configurations; at most 1048576 are possible with "
                 "constraints, so take larger steps or another search.method");
    text_refused("search: {method: grid}\nconstraints: [a < 1]\nparameters: {a: {min: 1, max: "
                 "2}}\n",
                 5, 15, "the constraints leave nothing of the grid's 2 configurations");
    /* 2^53 x 2^53 passes 64 bits. */
    text_refused("search: {method: grid}\nparameters: {a: {min: 0, max: 9007199254740992}, b: "
                 "{min: 0, max: 9007199254740992}}\n",
                 0, 0,
                 "the grid has more than 18446744073709551615 configurations; at most 10000000 are "
                 "possible, so take larger steps or another search.method");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grid_counts_with_the_last_parameter_fastest),
        cmocka_unit_test(test_grid_walks_what_is_active_only),
        cmocka_unit_test(test_grid_leaves_out_what_constraints_refuse),
        cmocka_unit_test(test_grid_with_constraints_lists_all_of_a_large_one),
        cmocka_unit_test(test_grid_ends_when_all_is_tried),
        cmocka_unit_test(test_grid_stops_at_fewer_trials),
        cmocka_unit_test(test_grid_without_end_is_refused_at_its_parameter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
