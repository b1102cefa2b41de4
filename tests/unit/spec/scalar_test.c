#include "rig.h"

#include <math.h>

#include "spec/scalar.h"

#define INT(n)                                                                                     \
    {                                                                                              \
        .kind = VALUE_INT, .integer = (n)                                                          \
    }
#define REAL(x)                                                                                    \
    {                                                                                              \
        .kind = VALUE_REAL, .real = (x)                                                            \
    }
#define STR(s)                                                                                     \
    {                                                                                              \
        .kind = VALUE_STR, .str = (s)                                                              \
    }
#define BOOL(b)                                                                                    \
    {                                                                                              \
        .kind = VALUE_BOOL, .boolean = (b)                                                         \
    }
#define NOTHING                                                                                    \
    {                                                                                              \
        .kind = VALUE_NULL                                                                         \
    }

static const struct {
    const char *text;
    struct value want;
} plain[] = {
    {"", NOTHING},
    {"~", NOTHING},
    {"null", NOTHING},
    {"Null", NOTHING},
    {"NULL", NOTHING},
    {"nULL", STR("nULL")},
    {"true", BOOL(true)},
    {"True", BOOL(true)},
    {"FALSE", BOOL(false)},
    {"tRue", STR("tRue")},
    {"yes", STR("yes")},
    {"on", STR("on")},
    {"no", STR("no")},
    {"y", STR("y")},
    {"0", INT(0)},
    {"-0", INT(0)},
    {"+12", INT(12)},
    {"-17", INT(-17)},
    {"007", INT(7)},
    {"0o17", INT(15)},
    {"0o18", STR("0o18")},
    {"0x1F", INT(31)},
    {"0xg", STR("0xg")},
    {"0x", STR("0x")},
    {"-0x1", STR("-0x1")},
    {"1_000", STR("1_000")},
    {"12:30", STR("12:30")},
    {"1e-4", REAL(1e-4)},
    {"1e3", REAL(1000)},
    {"1.", REAL(1)},
    {".5", REAL(0.5)},
    {"-.5E+1", REAL(-5)},
    {"1.5e", STR("1.5e")},
    {".", STR(".")},
    {"-", STR("-")},
    {"e5", STR("e5")},
    {"1.2.3", STR("1.2.3")},
    {"0.1", REAL(0.1)},
    {"-0.0", REAL(-0.0)},
    {".inf", REAL(INFINITY)},
    {"-.INF", REAL(-INFINITY)},
    {"+.Inf", REAL(INFINITY)},
    {"inf", STR("inf")},
    {"nan", STR("nan")},
    {"Infinity", STR("Infinity")},
    {"9223372036854775807", INT(INT64_MAX)},
    {"-9223372036854775808", INT(INT64_MIN)},
};

static struct spec_node node_of(const char *text, bool is_plain)
{
    return (struct spec_node){
        .kind = NODE_SCALAR, .is_plain = is_plain, .text = text, .len = strlen(text)};
}

static void test_scalar_plain_is_typed_by_the_core_schema(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        struct spec_node node = node_of(plain[i].text, true);
        struct value value;
        assert_int_equal(scalar_value(&node, &value), OK);
        if (!value_equal(value, plain[i].want)) {
            fail_msg("'%s' became a value of kind %d", plain[i].text, (int)value.kind);
        }
    }
}

static void test_scalar_nan_is_a_real(void **state)
{
    (void)state;
    struct spec_node node = node_of(".nan", true);
    struct value value;
    assert_int_equal(scalar_value(&node, &value), OK);
    assert_true(value.kind == VALUE_REAL && isnan(value.real));
}

static void test_scalar_quoted_is_always_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        struct spec_node node = node_of(plain[i].text, false);
        struct value value;
        assert_int_equal(scalar_value(&node, &value), OK);
        assert_true(value_equal(value, value_str(plain[i].text)));
        assert_false(scalar_is_missing(&node));
    }
}

static void test_scalar_number_out_of_range_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"9223372036854775808",
                                       "-9223372036854775809",
                                       "0x8000000000000000",
                                       "1e309",
                                       "-1e309",
                                       "1e-400"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spec_node node = node_of(rows[i], true);
        struct value value;
        assert_int_equal(scalar_value(&node, &value), ERR_LIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalar_plain_is_typed_by_the_core_schema),
        cmocka_unit_test(test_scalar_nan_is_a_real),
        cmocka_unit_test(test_scalar_quoted_is_always_text),
        cmocka_unit_test(test_scalar_number_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
