/* Groups, conditional parameters and rows as the flat list that tuning sees. */
#include "rig.h"

static const struct refused refused[] = {
    /* names that meet */
    REFUSED(LEAST "parameters: {a.b: 1, a: {parameters: {b: 2}}}", ERR_INVALID, 4, 39,
            "there is a parameter 'a.b' already, at line 4"),
    REFUSED(LEAST "parameters: {a_b: 1, a: {parameters: {b: 2}}}", ERR_INVALID, 4, 39,
            "parameters 'a_b' and 'a.b' would both be MUSTER_P_a_b in the environment; rename one"),
    REFUSED(LEAST "parameters: {a: 1, a.b: 2}", ERR_INVALID, 4, 20,
            "'a' would be a value and, of 'a.b', a group of values in JSON; rename one"),
    REFUSED(LEAST "parameters: {a.b: 1, a: 2}", ERR_INVALID, 4, 22,
            "'a' would be a value and, of 'a.b', a group of values in JSON; rename one"),
    REFUSED(LEAST "parameters: {lr: 1, o: {values: {a: {lr: 2}}}}", ERR_INVALID, 4, 38,
            "there is a parameter 'lr' already, at line 4"),
    REFUSED(LEAST "parameters: {o: {values: {a: {x-y: 2}, b: {x_y: 3}}}}", ERR_INVALID, 4, 44,
            "parameters 'x-y' and 'x_y' would both be MUSTER_P_x_y in the environment; rename one"),
    REFUSED(LEAST "parameters: {o: {values: {a: {lr: 2}}}, p: {values: {a: {lr: 2}}}}", ERR_INVALID,
            4, 58, "there is a parameter 'lr' already, at line 4"),
    REFUSED(LEAST "parameters: {a: {parameters: {1x: 2}}}", ERR_INVALID, 4, 31,
            "'1x' cannot name a parameter; letters, digits, _ . - are allowed, first a letter or "
            "_"),
    /* groups */
    REFUSED(LEAST "parameters: {a: {parameters: 3}}", ERR_INVALID, 4, 30,
            "`parameters.a` needs a block of parameters, not 3"),
    REFUSED(LEAST "parameters: {a: {parameters: {x: {min: 1}}}}", ERR_INVALID, 4, 34,
            "the key `parameters.a.x.max` is missing"),
    /* what a choice brings */
    REFUSED(LEAST "parameters: {o: {values: {a: 3}}}", ERR_INVALID, 4, 30,
            "`parameters.o.a` needs a block of the parameters that it brings, not 3"),
    REFUSED(LEAST "parameters: {o: {values: {}}}", ERR_INVALID, 4, 26,
            "`parameters.o.values` must not be empty"),
    REFUSED(LEAST "parameters: {o: {values: {1: , 0x1: }}}", ERR_INVALID, 4, 32,
            "`parameters.o.values` holds 0x1 twice"),
    REFUSED(LEAST "parameters: {o: {values: {a: {m: {min: 2, max: 1}}}}}", ERR_INVALID, 4, 40,
            "`parameters.o.a.m.min` is 2, greater than max, 1"),
    REFUSED("command: [x, '${m}']\nmetric: {name: loss}\nstop: {trials: 1}\n"
            "parameters: {o: {values: {a: {m: 1}, b: }}}",
            ERR_INVALID, 1, 14,
            "the macro ${m} has a value in some trials only; write ${args} or ${args_json}, or "
            "let the trainer look for it"),
    /* rows */
    REFUSED(LEAST "parameters: {s: {rows: []}}", ERR_INVALID, 4, 24,
            "`parameters.s.rows` needs 1 to 1024 rows, and has 0"),
    REFUSED(LEAST "parameters: {s: {rows: {a: 1}}}", ERR_INVALID, 4, 24,
            "`parameters.s.rows` needs a list of rows like {a: 1, b: 2}, not a block"),
    REFUSED(LEAST "parameters: {s: {rows: [{a: 1}, 2]}}", ERR_INVALID, 4, 33,
            "`parameters.s.rows` needs rows like {a: 1, b: 2}"),
    REFUSED(LEAST "parameters: {s: {rows: [{a: 1, b: 2}, {a: 1}]}}", ERR_INVALID, 4, 39,
            "`parameters.s.rows`: this row has 1 values, the first one 2; every row has the same "
            "names"),
    REFUSED(LEAST "parameters: {s: {rows: [{a: 1}, {c: 1}]}}", ERR_INVALID, 4, 34,
            "`parameters.s.rows`: the first row has no 'c'; every row has the same names"),
    REFUSED(LEAST "parameters: {s: {rows: [{a: [1]}]}}", ERR_INVALID, 4, 29,
            "`parameters.s.rows` needs a number, text, true, false or null, not a list"),
    REFUSED(LEAST "parameters: {a: 1, s: {rows: [{a: 1}]}}", ERR_INVALID, 4, 32,
            "there is a parameter 'a' already, at line 4"),
    REFUSED(LEAST "parameters: {s: {rows: [{a: 1}, {a: 2}], probabilities: [1]}}", ERR_INVALID, 4,
            57, "`parameters.s.probabilities` has 1 numbers for 2 possibilities"),
};

static void test_space_that_makes_no_sense_is_refused_at_its_place(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

static void names_check(const struct sweep_spec *spec, const char *const *names, uint32_t n)
{
    assert_int_equal(spec->n_parameters, n);
    for (uint32_t i = 0; i < n; i++) {
        assert_string_equal(spec->parameters[i].name, names[i]);
    }
}

static void test_groups_become_names_with_dots(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "g.b", "g.h.c", "g.h.o", "g.h.m", "d"};
    struct arena arena;
    struct sweep_spec spec;
    parsed(LEAST "parameters:\n  a: 1\n  g: {parameters: {b: 2, h: {parameters: {c: 3, o: {values: "
                 "{x: {m: 1}}}}}}}\n  d: 4\n",
           &arena, &spec);
    names_check(&spec, names, 6);
    assert_int_equal(spec.parameters[4].parent, 4);
    assert_int_equal(spec.parameters[5].parent, 0);
    arena_fini(&arena);
}

/* A name may come again in another branch: only one of them is there at a time. */
static void test_choice_stands_before_what_it_brings(void **state)
{
    (void)state;
    static const char *const names[] = {"o", "lr", "nest", "mu", "lr", "end"};
    struct arena arena;
    struct sweep_spec spec;
    parsed(LEAST "parameters:\n"
                 "  o:\n"
                 "    values:\n"
                 "      sgd: {lr: {min: 1, max: 2}, nest: {values: {true: {mu: 0.9}, false: }}}\n"
                 "      adam: {lr: 3}\n"
                 "      7:\n"
                 "  end: 1\n",
           &arena, &spec);
    const struct param_spec *p = spec.parameters;
    names_check(&spec, names, 6);
    assert_int_equal(p[0].n_values, 3);
    assert_true(value_equal(p[0].values[0], value_str("sgd")));
    assert_true(value_equal(p[0].values[2], value_int(7)));
    assert_true(p[1].parent == 1 && p[1].branch == 0 && p[1].same == 5);
    assert_true(p[2].parent == 1 && p[2].branch == 0 && p[2].same == 0);
    assert_true(p[3].parent == 3 && p[3].branch == 0);
    assert_true(value_equal(p[2].values[0], value_bool(true)));
    assert_true(p[4].parent == 1 && p[4].branch == 1 && p[4].same == 0);
    assert_int_equal(p[5].parent, 0);
    arena_fini(&arena);
}

static void test_rows_become_columns_of_one_group(void **state)
{
    (void)state;
    static const char *const names[] = {"x", "res", "crop", "y"};
    struct arena arena;
    struct sweep_spec spec;
    parsed(LEAST "parameters: {x: 1, s: {rows: [{res: 160, crop: 1}, {crop: 2, res: 160}]}, y: 2}",
           &arena, &spec);
    const struct param_spec *p = spec.parameters;
    names_check(&spec, names, 4);
    assert_true(p[1].kind == PARAM_ROW && p[2].kind == PARAM_ROW);
    assert_true(p[1].row_first == 1 && p[2].row_first == 1);
    assert_string_equal(p[2].group, "s");
    assert_true(value_equal(p[1].values[1], value_int(160)));
    assert_true(value_equal(p[2].values[1], value_int(2)));
    arena_fini(&arena);
}

/* Limits hold for the list that a nest becomes. */
static void test_space_has_one_limit_however_it_is_nested(void **state)
{
    (void)state;
    static char text[64 << 10];
    size_t n = (size_t)snprintf(text, sizeof text, LEAST "parameters:\n");
    for (int g = 0; g < 20; g++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "  g%d: {parameters: {", g);
        for (int i = 0; i < 13; i++) {
            n += (size_t)snprintf(text + n, sizeof text - n, "a%d: %d, ", i, i);
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "}}\n");
    }
    struct arena arena;
    struct sweep_spec spec;
    struct report report = {0};
    arena_init(&arena, RIG_ARENA_MAX);
    assert_int_equal(spec_sweep_parse(text, n, NULL, &arena, &spec, &report), ERR_LIMIT);
    assert_string_equal(report.text, "there are more parameters than 256, those of groups and "
                                     "choices included");
    assert_int_equal(report.line, 24);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_that_makes_no_sense_is_refused_at_its_place),
        cmocka_unit_test(test_groups_become_names_with_dots),
        cmocka_unit_test(test_choice_stands_before_what_it_brings),
        cmocka_unit_test(test_rows_become_columns_of_one_group),
        cmocka_unit_test(test_space_has_one_limit_however_it_is_nested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
