#include "rig.h"

static void test_require_good_ones_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        require_op op;
        const char *label, *values; /* joined by | */
    } rows[] = {
        {"zone == a", REQUIRE_EQUAL, "zone", "a"},
        {"zone==a", REQUIRE_EQUAL, "zone", "a"},
        {"  zone  !=  a-1  ", REQUIRE_NOT_EQUAL, "zone", "a-1"},
        {"gpu.model in (H100, H200)", REQUIRE_IN, "gpu.model", "H100|H200"},
        {"gpu.model in(H100)", REQUIRE_IN, "gpu.model", "H100"},
        {"zone not in ( a , b,c )", REQUIRE_NOT_IN, "zone", "a|b|c"},
        {"zone not  in (a)", REQUIRE_NOT_IN, "zone", "a"},
        {"mount:/mnt/data", REQUIRE_EXISTS, "mount:/mnt/data", ""},
        {" ssd ", REQUIRE_EXISTS, "ssd", ""},
        {"in in (in)", REQUIRE_IN, "in", "in"},
        {"m == 'a (b), c'", REQUIRE_EQUAL, "m", "a (b), c"},
        {"m in (\"x y\", z)", REQUIRE_IN, "m", "x y|z"},
        {"m == ''", REQUIRE_EQUAL, "m", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct require require;
        char joined[256] = "";
        arena_init(&arena, RIG_ARENA_MAX);
        assert_int_equal(spec_require_parse(rows[i].text, &arena, &require, NULL), OK);
        assert_int_equal(require.op, rows[i].op);
        assert_string_equal(require.label, rows[i].label);
        assert_string_equal(require.text, rows[i].text);
        for (uint32_t k = 0; k < require.n_values; k++) {
            snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s",
                     k > 0 ? "|" : "", require.values[k]);
        }
        assert_string_equal(joined, rows[i].values);
        assert_int_equal(require.n_values > 0, rows[i].op != REQUIRE_EXISTS);
        arena_fini(&arena);
    }
}

static void test_require_bad_ones_name_the_character(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "'': character 1: expected a label"},
        {"== a", "'== a': character 1: expected a label"},
        {"zone a", "'zone a': character 6: expected '==', '!=', 'in' or 'not in'"},
        {"zone inn (a)", "'zone inn (a)': character 6: expected '==', '!=', 'in' or 'not in'"},
        {"zone not", "'zone not': character 9: expected 'in' after 'not'"},
        {"zone in (a b)", "'zone in (a b)': character 12: expected ',' or ')'"},
        {"zone in (a,)",
         "'zone in (a,)': character 12: expected a value (quote it if it has blanks or signs)"},
        {"zone == a, b", "'zone == a, b': character 10: expected nothing more"},
        {"zone == (a)",
         "'zone == (a)': character 9: expected a value (quote it if it has blanks or signs)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct require require;
        struct report report = {0};
        arena_init(&arena, RIG_ARENA_MAX);
        assert_int_equal(spec_require_parse(rows[i].text, &arena, &require, &report), ERR_INVALID);
        assert_string_equal(report.text, rows[i].message);
        arena_fini(&arena);
    }
}

static void test_require_limits(void **state)
{
    (void)state;
    char text[8192];
    struct arena arena;
    struct require require;
    arena_init(&arena, RIG_ARENA_MAX);
    memset(text, 'a', sizeof text);
    text[255] = '\0';
    assert_int_equal(spec_require_parse(text, &arena, &require, NULL), OK);
    text[255] = 'a';
    text[256] = '\0';
    assert_int_equal(spec_require_parse(text, &arena, &require, NULL), ERR_INVALID);
    text[256] = 'a';
    text[4097] = '\0';
    assert_int_equal(spec_require_parse(text, &arena, &require, NULL), ERR_LIMIT);
    arena_fini(&arena);
    arena_init(&arena, 8);
    assert_int_equal(spec_require_parse("zone == a", &arena, &require, NULL), ERR_NO_MEMORY);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_require_good_ones_are_read),
        cmocka_unit_test(test_require_bad_ones_name_the_character),
        cmocka_unit_test(test_require_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
