#include "rig.h"

static const struct refused refused[] = {
    REFUSED(LEAST "parameters: {lr: {min: 1}}", ERR_INVALID, 4, 18,
            "the key `parameters.lr.max` is missing"),
    REFUSED(LEAST "parameters: {lr: {max: 1}}", ERR_INVALID, 4, 18,
            "the key `parameters.lr.min` is missing"),
    REFUSED(LEAST "parameters: {lr: {}}", ERR_INVALID, 4, 18,
            "`parameters.lr` is empty; write {min, max}, {values: [...]} or a value"),
    REFUSED(LEAST "parameters: {lr: []}", ERR_INVALID, 4, 18,
            "`parameters.lr` cannot be a list; write {values: [...]} for a choice"),
    REFUSED(LEAST "parameters: {lr: [1, 2]}", ERR_INVALID, 4, 18,
            "`parameters.lr` cannot be a list; write {values: [...]} for a choice"),
    REFUSED(LEAST "parameters: {lr: }", ERR_INVALID, 4, 18,
            "`parameters.lr` needs a number, text, true, false or null, but nothing stands there"),
    REFUSED(LEAST "parameters: {lr: {min: 2, max: 1}}", ERR_INVALID, 4, 24,
            "`parameters.lr.min` is 2, greater than max, 1"),
    REFUSED(LEAST "parameters: {lr: {min: .nan, max: 1}}", ERR_INVALID, 4, 24,
            "`parameters.lr.min` must be finite, not .nan"),
    REFUSED(LEAST "parameters: {lr: {min: 0, max: .inf}}", ERR_INVALID, 4, 32,
            "`parameters.lr.max` must be finite, not .inf"),
    REFUSED(LEAST "parameters: {lr: {min: a, max: 1}}", ERR_INVALID, 4, 24,
            "`parameters.lr.min` needs a number, not the text 'a'"),
    REFUSED(LEAST "parameters: {lr: {min: '1', max: 2}}", ERR_INVALID, 4, 24,
            "`parameters.lr.min` needs a number, not the text '1'; remove the quotes"),
    REFUSED(LEAST "parameters: {lr: {min: 0, max: 1, log: true}}", ERR_INVALID, 4, 24,
            "`parameters.lr.min` must be greater than 0 with `log: true`, not 0"),
    REFUSED(LEAST "parameters: {lr: {min: -1.0, max: 1, log: true}}", ERR_INVALID, 4, 24,
            "`parameters.lr.min` must be greater than 0 with `log: true`, not -1.0"),
    REFUSED(LEAST "parameters: {lr: {min: 1, max: 2, log: yes}}", ERR_INVALID, 4, 40,
            "`parameters.lr.log` needs true or false, not the text 'yes'"),
    REFUSED(LEAST "parameters: {lr: {min: 1, max: 2, q: 0}}", ERR_INVALID, 4, 38,
            "`parameters.lr.q` must be greater than 0, not 0"),
    REFUSED(LEAST "parameters: {lr: {min: 1, max: 2, q: 0.5}}", ERR_INVALID, 4, 38,
            "`parameters.lr.q` must be a whole number for a whole-number range, not 0.5; or write "
            "`type: float`"),
    REFUSED(LEAST "parameters: {lr: {min: 1, max: 2, q: 2}}", ERR_INVALID, 4, 38,
            "`parameters.lr.q` must not be greater than max - min, and is 2"),
    REFUSED(LEAST "parameters: {lr: {min: 1, max: 2, q: x}}", ERR_INVALID, 4, 38,
            "`parameters.lr.q` needs a number, not the text 'x'"),
    REFUSED(LEAST "parameters: {lr: {min: 1, max: 2.0, type: int}}", ERR_INVALID, 4, 43,
            "`parameters.lr.type: int` needs whole min and max (1, not 1.0)"),
    REFUSED(LEAST "parameters: {lr: {min: 1, max: 2, type: real}}", ERR_INVALID, 4, 41,
            "`parameters.lr.type` cannot be 'real'; write int or float"),
    REFUSED(LEAST "parameters: {lr: {min: 1, max: 9007199254740993}}", ERR_INVALID, 4, 32,
            "`parameters.lr.max` must be within 2^53 of 0, not 9007199254740993"),
    REFUSED(LEAST "parameters: {lr: {min: -1e308, max: 1e308}}", ERR_INVALID, 4, 37,
            "`parameters.lr`: max - min is too large for a double"),
    REFUSED(LEAST "parameters: {lr: {min: 1, max: 1e999}}", ERR_INVALID, 4, 32,
            "`parameters.lr.max`: the number 1e999 does not fit 64 bits"),
    REFUSED(LEAST "parameters: {lr: {values: []}}", ERR_INVALID, 4, 27,
            "`parameters.lr.values` must not be empty"),
    REFUSED(LEAST "parameters: {lr: {values: 3}}", ERR_INVALID, 4, 27,
            "`parameters.lr.values` needs a list, not 3"),
    REFUSED(LEAST "parameters: {lr: {values: [1, 1]}}", ERR_INVALID, 4, 31,
            "`parameters.lr.values` holds 1 twice"),
    REFUSED(LEAST "parameters: {lr: {values: [1, 2, 0x1]}}", ERR_INVALID, 4, 34,
            "`parameters.lr.values` holds 0x1 twice"),
    REFUSED(LEAST "parameters: {lr: {values: [[1]]}}", ERR_INVALID, 4, 28,
            "`parameters.lr.values` needs a number, text, true, false or null, not a list"),
    REFUSED(LEAST "parameters: {lr: {values: [1, 2], min: 1}}", ERR_INVALID, 4, 35,
            "`parameters.lr` has both `values` and `min`; leave one out"),
    REFUSED(LEAST "parameters: {lr: {values: [1], log: true}}", ERR_INVALID, 4, 32,
            "`parameters.lr` has both `values` and `log`; leave one out"),
    REFUSED(LEAST "parameters: {lr: {value: 1, values: [1]}}", ERR_INVALID, 4, 29,
            "`parameters.lr` has both `value` and `values`; leave one out"),
    REFUSED(LEAST "parameters: {lr: {value: [1]}}", ERR_INVALID, 4, 26,
            "`parameters.lr.value` cannot be a list; write {values: [...]} for a choice"),
    REFUSED(LEAST "parameters: {lr: {value: {a: 1}}}", ERR_INVALID, 4, 26,
            "`parameters.lr.value` needs a number, text, true, false or null, not a block"),
    REFUSED(LEAST "parameters: {lr: {value: }}", ERR_INVALID, 4, 26,
            "`parameters.lr.value` needs a number, text, true, false or null, but nothing stands "
            "there"),
    REFUSED(LEAST "parameters: {lr: {type: int}}", ERR_INVALID, 4, 18,
            "the key `parameters.lr.min` is missing"),
    REFUSED(LEAST "parameters: {lr: {mn: 1, max: 2}}", ERR_INVALID, 4, 19,
            "unknown key 'mn' in `parameters.lr`; did you mean 'min'?"),
    REFUSED(
        LEAST "parameters: {1lr: 3}", ERR_INVALID, 4, 14,
        "'1lr' cannot name a parameter; letters, digits, _ . - are allowed, first a letter or _"),
    REFUSED(
        LEAST "parameters: {'a b': 3}", ERR_INVALID, 4, 14,
        "'a b' cannot name a parameter; letters, digits, _ . - are allowed, first a letter or _"),
    REFUSED(LEAST "parameters: {'': 3}", ERR_INVALID, 4, 14,
            "'' cannot name a parameter; letters, digits, _ . - are allowed, first a letter or _"),
    REFUSED(LEAST "parameters: {a.b: 1, a_b: 2}", ERR_INVALID, 4, 22,
            "parameters 'a.b' and 'a_b' would both be MUSTER_P_a_b in the environment; rename one"),
    REFUSED(LEAST "parameters: {a-b: 1, a.b: 2}", ERR_INVALID, 4, 22,
            "parameters 'a-b' and 'a.b' would both be MUSTER_P_a_b in the environment; rename one"),
    REFUSED(LEAST "parameters: {lr: 99999999999999999999}", ERR_INVALID, 4, 18,
            "`parameters.lr`: the number 99999999999999999999 does not fit 64 bits; quotes make a "
            "text of it"),
    REFUSED(
        LEAST "parameters: {lr: {value: 1e-999}}", ERR_INVALID, 4, 26,
        "`parameters.lr.value`: the number 1e-999 does not fit 64 bits; quotes make a text of it"),
    REFUSED(LEAST "parameters: []", ERR_INVALID, 4, 13,
            "`parameters` needs a block of parameters, not a list"),
    REFUSED(LEAST "parameters: {a: 1, a: 2}", ERR_INVALID, 4, 20,
            "duplicate key 'a'; it stands in line 4 already"),
    REFUSED(LEAST "parameters: "
                  "{ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
                  "ppppppppppppppppppppppppppppppppppppppppppppppppp: 1}",
            ERR_LIMIT, 4, 14, "a parameter's name is longer than 127 bytes"),
};

static void test_parameters_bad_one_is_refused_at_its_place(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

static void test_parameters_every_kind_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct param_spec want;
    } rows[] = {
        {"27", {.kind = PARAM_CONSTANT, .constant = {.kind = VALUE_INT, .integer = 27}}},
        {"{value: 1.0}", {.kind = PARAM_CONSTANT, .constant = {.kind = VALUE_REAL, .real = 1.0}}},
        {"{value: '1'}", {.kind = PARAM_CONSTANT, .constant = {.kind = VALUE_STR, .str = "1"}}},
        {"on", {.kind = PARAM_CONSTANT, .constant = {.kind = VALUE_STR, .str = "on"}}},
        {"True", {.kind = PARAM_CONSTANT, .constant = {.kind = VALUE_BOOL, .boolean = true}}},
        {"~", {.kind = PARAM_CONSTANT, .constant = {.kind = VALUE_NULL}}},
        {"{min: 1, max: 4}", {.kind = PARAM_INT, .int_min = 1, .int_max = 4}},
        {"{min: -4, max: -4}", {.kind = PARAM_INT, .int_min = -4, .int_max = -4}},
        {"{min: 0x10, max: 0o77}", {.kind = PARAM_INT, .int_min = 16, .int_max = 63}},
        {"{min: 1, max: 4, type: int}", {.kind = PARAM_INT, .int_min = 1, .int_max = 4}},
        {"{min: 1, max: 4, type: float}", {.kind = PARAM_REAL, .min = 1, .max = 4}},
        {"{min: 1, max: 4.0}", {.kind = PARAM_REAL, .min = 1, .max = 4}},
        {"{min: 1e-5, max: 1e-1, log: true}",
         {.kind = PARAM_REAL, .min = 1e-5, .max = 1e-1, .is_log = true}},
        {"{min: 32, max: 512, q: 32}", {.kind = PARAM_INT, .int_min = 32, .int_max = 512, .q = 32}},
        {"{min: 0, max: 1.0, q: 0.25, log: false}",
         {.kind = PARAM_REAL, .min = 0, .max = 1, .q = 0.25}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        struct arena arena;
        struct sweep_spec spec;
        snprintf(text, sizeof text, LEAST "parameters:\n  p: %s\n", rows[i].text);
        parsed(text, &arena, &spec);
        assert_int_equal(spec.n_parameters, 1);
        const struct param_spec *have = spec.parameters, *want = &rows[i].want;
        assert_string_equal(have->name, "p");
        assert_int_equal(have->line, 5);
        assert_int_equal(have->kind, want->kind);
        assert_true(value_equal(have->constant, want->constant));
        assert_true(have->min == want->min && have->max == want->max && have->q == want->q);
        assert_int_equal(have->int_min, want->int_min);
        assert_int_equal(have->int_max, want->int_max);
        assert_int_equal(have->is_log, want->is_log);
        arena_fini(&arena);
    }
}

static void test_parameters_choices_keep_order_and_kind(void **state)
{
    (void)state;
    const struct value want[] = {value_int(1),    value_real(1.0),   value_str("1"),
                                 value_str("no"), value_bool(false), {.kind = VALUE_NULL}};
    struct arena arena;
    struct sweep_spec spec;
    parsed(LEAST "parameters: {p: {values: [1, 1.0, '1', no, false, null]}}\n", &arena, &spec);
    assert_int_equal(spec.parameters[0].kind, PARAM_CHOICE);
    assert_int_equal(spec.parameters[0].n_values, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_true(value_equal(spec.parameters[0].values[i], want[i]));
    }
    arena_fini(&arena);
}

/* One more than allowed is refused before anything is read, exactly the maximum is good. */
static void test_parameters_limits_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *begin, *piece, *end, *message;
        int max;
    } rows[] = {
        {"parameters:\n", "  p%d: 1\n", "", "there are 257 parameters; at most 256 are allowed",
         SPEC_PARAMETERS_MAX},
        {"parameters: {p: {values: [", "%d, ", "]}}\n",
         "`parameters.p.values` has 1025 items; at most 1024 are allowed", SPEC_CHOICES_MAX},
    };
    for (size_t i = 0; i < 4; i++) {
        struct report report = {0};
        struct sweep_spec spec;
        struct arena arena;
        struct buf text;
        int n = rows[i / 2].max + (int)(i % 2);
        buf_init(&text, SPEC_FILE_MAX_BYTES);
        assert_int_equal(buf_printf(&text, "%s%s", LEAST, rows[i / 2].begin), OK);
        for (int k = 0; k < n; k++) {
            assert_int_equal(buf_printf(&text, rows[i / 2].piece, k), OK);
        }
        assert_int_equal(buf_append_text(&text, rows[i / 2].end), OK);
        arena_init(&arena, RIG_ARENA_MAX);
        error_code code =
            spec_sweep_parse((const char *)text.data, text.len, NULL, &arena, &spec, &report);
        assert_int_equal(code, i % 2 ? ERR_LIMIT : OK);
        assert_string_equal(report.text, i % 2 ? rows[i / 2].message : "");
        buf_fini(&text);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters_bad_one_is_refused_at_its_place),
        cmocka_unit_test(test_parameters_every_kind_is_read),
        cmocka_unit_test(test_parameters_choices_keep_order_and_kind),
        cmocka_unit_test(test_parameters_limits_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
