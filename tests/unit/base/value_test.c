/* lib/base/value: reals as the shortest text that reads back, values as people and JSON see them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/random.h"
#include "base/value.h"

/* What Python's repr() prints. */
static void test_real_print_known_cases(void **state)
{
    (void)state;
    static const struct {
        double real;
        const char *text;
    } rows[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {32.0, "32.0"},
        {100.0, "100.0"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3.0, "0.3333333333333333"},
        {2.0 / 3.0, "0.6666666666666666"},
        {1e-4, "0.0001"},
        {1e-5, "1e-05"},
        {0.00012345, "0.00012345"},
        {3.1e-3, "0.0031"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"},
        {12345678901234568.0, "1.2345678901234568e+16"},
        {9007199254740993.0, "9007199254740992.0"},
        {123456789012345.6, "123456789012345.6"},
        {1e22, "1e+22"},
        {1e23, "1e+23"},
        {-1.5e300, "-1.5e+300"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {2.225073858507201e-308, "2.225073858507201e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {0x1p-44, "5.684341886080802e-14"}, /* the closest 16 digits do not read back, their
                                               neighbour does */
        {0x1p-1074, "5e-324"},
        {9.5367431640625e-07, "9.5367431640625e-07"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[REAL_TEXT_MAX];
        assert_string_equal(real_print(rows[i].real, text), rows[i].text);
    }
}

static void assert_shortest(double real)
{
    char text[REAL_TEXT_MAX], shorter[64];
    real_print(real, text);
    assert_true(strlen(text) < REAL_TEXT_MAX);
    assert_true(strtod(text, NULL) == real);
    assert_non_null(strpbrk(text, ".e"));
    /* One digit less does not read back. */
    int digits = 0;
    const char *c = text + strspn(text, "-0.");
    for (; *c != '\0' && *c != 'e'; c++) {
        digits += *c != '.';
    }
    size_t n = strlen(text);
    if (n > 2 && strcmp(text + n - 2, ".0") == 0) {
        digits = 0;
        for (c = text + strspn(text, "-"); *c != '.'; c++) {
            digits++;
        }
        while (digits > 0 && *--c == '0') {
            digits--;
        }
    }
    if (digits > 1) {
        snprintf(shorter, sizeof shorter, "%.*e", digits - 2, real);
        assert_true(strtod(shorter, NULL) != real);
    }
}

static void test_real_print_random_reals_round_trip_shortest(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 20, 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = random_u64(&random);
        double real;
        memcpy(&real, &bits, sizeof real);
        if (isfinite(real) && real != 0.0) {
            assert_shortest(real);
        }
        assert_shortest((double)(1 + bits % 1000000) / 1000.0);
        assert_shortest(ldexp(1.0, (int)(bits % 2097) - 1073));
    }
}

static void test_value_print_for_people(void **state)
{
    (void)state;
    static const struct {
        struct value value;
        const char *text, *json;
    } rows[] = {
        {{.kind = VALUE_NULL}, "null", "null"},
        {{.kind = VALUE_NONE}, "", "null"},
        {{.kind = VALUE_BOOL, .boolean = true}, "True", "true"},
        {{.kind = VALUE_BOOL, .boolean = false}, "False", "false"},
        {{.kind = VALUE_INT, .integer = 32}, "32", "32"},
        {{.kind = VALUE_INT, .integer = INT64_MIN}, "-9223372036854775808", "-9223372036854775808"},
        {{.kind = VALUE_REAL, .real = 32}, "32.0", "32.0"},
        {{.kind = VALUE_REAL, .real = 1e-5}, "1e-05", "1e-05"},
        {{.kind = VALUE_REAL, .real = NAN}, "nan", "\"nan\""},
        {{.kind = VALUE_REAL, .real = -INFINITY}, "-inf", "\"-inf\""},
        {{.kind = VALUE_STR, .str = "a \"b\"\n"}, "a \"b\"\n", "\"a \\\"b\\\"\\n\""},
        {{.kind = VALUE_STR, .str = ""}, "", "\"\""},
    };
    struct buf buf;
    buf_init(&buf, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(value_print(rows[i].value, &buf), OK);
        assert_string_equal(buf_text(&buf), rows[i].text);
        buf_reset(&buf);
        assert_int_equal(value_print_json(rows[i].value, &buf), OK);
        assert_string_equal(buf_text(&buf), rows[i].json);
        buf_reset(&buf);
    }
    buf_fini(&buf);
}

static void test_value_equal_same_kind_and_bits(void **state)
{
    (void)state;
    assert_true(value_equal(value_int(3), value_int(3)));
    assert_false(value_equal(value_int(3), value_real(3)));
    assert_false(value_equal(value_real(0.0), value_real(-0.0)));
    assert_true(value_equal(value_real(NAN), value_real(-NAN)));
    assert_true(value_equal(value_str("a"), value_str((char[]){"a"})));
    assert_false(value_equal(value_str("a"), value_str("b")));
    assert_false(value_equal(value_bool(true), value_bool(false)));
    assert_true(value_equal(value_none(), value_none()));
    assert_false(value_equal(value_none(), (struct value){.kind = VALUE_NULL}));
    assert_true(
        value_equal((struct value){.kind = VALUE_NULL}, (struct value){.kind = VALUE_NULL}));
}

static void test_value_number_only_of_numbers(void **state)
{
    (void)state;
    double number = 7;
    assert_true(value_number(value_int(-2), &number));
    assert_true(number == -2.0);
    assert_true(value_number(value_real(0.5), &number));
    assert_true(number == 0.5);
    assert_false(value_number(value_bool(true), &number));
    assert_false(value_number(value_str("1"), &number));
    assert_true(number == 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_print_known_cases),
        cmocka_unit_test(test_real_print_random_reals_round_trip_shortest),
        cmocka_unit_test(test_value_print_for_people),
        cmocka_unit_test(test_value_equal_same_kind_and_bits),
        cmocka_unit_test(test_value_number_only_of_numbers),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed != 0 ? failed : mem_live_count() != 0;
}
