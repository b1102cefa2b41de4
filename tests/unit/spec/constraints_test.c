/* What a constraint may say, and where it is wrong. Whether one holds is tuning's: constraint_test
 * in tests/unit/tune. */
#include "rig.h"

#define SPACE                                                                                      \
    LEAST "parameters: {a: {min: 0, max: 9}, b: {min: 0.0, max: 1}, t: {values: [x, y]}, m: "      \
          "{values: [1, none]}, f: {values: [true, false]}, k-l: 1}\n"
#define C(text) SPACE "constraints: [" text "]"

static const struct refused refused[] = {
    REFUSED(C("a <"), ERR_INVALID, 5, 18, "`constraints`: a number, a name or a ( is missing here"),
    REFUSED(C("a + b"), ERR_INVALID, 5, 15,
            "`constraints` is not true or false: a comparison is missing"),
    REFUSED(C("''"), ERR_INVALID, 5, 15, "`constraints` must not be empty"),
    REFUSED(C("a < b b"), ERR_INVALID, 5, 21, "`constraints`: an operator is missing here"),
    REFUSED(C("(a < b"), ERR_INVALID, 5, 21, "`constraints`: a ) is missing"),
    REFUSED(C("'a < c'"), ERR_INVALID, 5, 20,
            "`constraints`: there is no parameter 'c'; names with - or . stand in \" quotes, texts "
            "in ' quotes"),
    REFUSED(C("k-l < 1"), ERR_INVALID, 5, 15,
            "`constraints`: there is no parameter 'k'; names with - or . stand in \" quotes, texts "
            "in ' quotes"),
    REFUSED(C("t < 1"), ERR_INVALID, 5, 15,
            "`constraints`: a number is needed here, and this may be a text"),
    REFUSED(C("m + 1 < 2"), ERR_INVALID, 5, 15,
            "`constraints`: a number is needed here, and this may be a text"),
    REFUSED(C("f < 1"), ERR_INVALID, 5, 15,
            "`constraints`: a number is needed here, and this may be a truth value"),
    REFUSED(C("a and f"), ERR_INVALID, 5, 15,
            "`constraints`: true or false is needed here, and this may be a number"),
    REFUSED(C("not a"), ERR_INVALID, 5, 19,
            "`constraints`: true or false is needed here, and this may be a number"),
    REFUSED(C("t == 1"), ERR_INVALID, 5, 17,
            "`constraints`: the two sides of == are never of one kind"),
    REFUSED(C("1 < a < 2"), ERR_INVALID, 5, 21, "`constraints`: write `a < b and b < c`"),
    REFUSED(C("a / 0 < 1"), ERR_INVALID, 5, 19, "`constraints` divides by zero"),
    REFUSED(C("a = 1"), ERR_INVALID, 5, 17, "`constraints`: there is no `=`; write `==`"),
    REFUSED(C("'a < 1 && b < 1'"), ERR_INVALID, 5, 22,
            "`constraints`: there is no `&&`; write `and`"),
    REFUSED(C("a ** 2 < 1"), ERR_INVALID, 5, 17, "`constraints`: there is no `**`; write a * a"),
    REFUSED(C("a < 0x10"), ERR_INVALID, 5, 19, "`constraints`: this is no number"),
    REFUSED(C("a < 1.2.3"), ERR_INVALID, 5, 19, "`constraints`: this is no number"),
    REFUSED(C("a < 1e999"), ERR_INVALID, 5, 19, "`constraints`: this number is too large"),
    REFUSED(C("'\"k-l < 1'"), ERR_INVALID, 5, 16, "`constraints`: the quote \" is not closed"),
    REFUSED(C("a < $"), ERR_INVALID, 5, 19,
            "`constraints`: '$' means nothing here; numbers, names, + - * / ( ), comparisons, and, "
            "or, not"),
    REFUSED(C("'\xC3\xA4 < 1'"), ERR_INVALID, 5, 16,
            "`constraints`: '\xC3\xA4 < 1' means nothing here; numbers, names, + - * / ( ), "
            "comparisons, and, or, not"),
    REFUSED(C("[a]"), ERR_INVALID, 5, 15, "`constraints` needs a text, not a list"),
    REFUSED(SPACE "constraints: {a: 1}", ERR_INVALID, 5, 14,
            "`constraints` needs a list of texts like \"layers * width <= 1024\", not a block"),
};

static void test_constraint_that_makes_no_sense_is_refused_at_its_place(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

static void test_constraints_may_stand_before_the_parameters(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(LEAST "constraints: \"'x y' != t\"\nparameters: {t: {values: ['x y', z]}}\n", &arena,
           &spec);
    assert_int_equal(spec.n_constraints, 1);
    assert_string_equal(spec.constraints[0].text, "'x y' != t");
    assert_int_equal(spec.constraints[0].line, 4);
    assert_int_equal(spec.constraints[0].n_ops, 3);
    assert_int_equal(spec.constraints[0].ops[0].code, CONSTRAINT_TEXT);
    assert_int_equal(spec.constraints[0].ops[2].code, CONSTRAINT_NOT_EQUAL);
    arena_fini(&arena);
}

/* The stack of steps and the recursion are bounded, whatever is written. */
static void test_constraint_that_is_too_deep_or_long_is_refused(void **state)
{
    (void)state;
    static const char *const opening[] = {"(", "-", "not "};
    static char text[4096];
    for (size_t i = 0; i < 3; i++) {
        struct arena arena;
        struct sweep_spec spec;
        struct report report = {0};
        size_t n = (size_t)snprintf(text, sizeof text, SPACE "constraints: [\"");
        for (int k = 0; k < 200; k++) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", opening[i]);
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "a\"]\n");
        arena_init(&arena, RIG_ARENA_MAX);
        assert_int_equal(spec_sweep_parse(text, n, NULL, &arena, &spec, &report), ERR_INVALID);
        assert_string_equal(report.text, "`constraints` is nested deeper than 32");
        arena_fini(&arena);
    }
    struct arena arena;
    struct sweep_spec spec;
    struct report report = {0};
    size_t n = (size_t)snprintf(text, sizeof text, SPACE "constraints: [\"a");
    for (int k = 0; k < 200; k++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "+a");
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "<1\"]\n");
    arena_init(&arena, RIG_ARENA_MAX);
    assert_int_equal(spec_sweep_parse(text, n, NULL, &arena, &spec, &report), ERR_LIMIT);
    assert_string_equal(report.text, "`constraints` has more than 256 parts");
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constraint_that_makes_no_sense_is_refused_at_its_place),
        cmocka_unit_test(test_constraints_may_stand_before_the_parameters),
        cmocka_unit_test(test_constraint_that_is_too_deep_or_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
