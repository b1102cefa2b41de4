/* The reader of answers: what it finds, and that no cut or broken text makes it read outside of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/json.h"

static struct json_span span(const char *text)
{
    return (struct json_span){text, text + strlen(text)};
}

static const char answer[] =
    "{\"ok\":1, \"act\" : 5,\"params\":{\"lr\":1e-05,\"name\":\"a \\\"b\\\" "
    "\\u00fc\\ud83d\\ude00\","
    "\"list\":[1,{\"x\":\"}\"}],\"on\":true,\"none\":null,\"augment.mixup\":0.25},"
    "\"restore\":null,\"text\":\"\\\\\",\"nan\":\"nan\",\"last\":-7}";

static void test_json_find_returns_each_value(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text; /* NULL: absent or null */
    } cases[] = {
        {"ok", "1"},    {"act", "5"},   {"restore", NULL}, {"text", "\\"},
        {"nan", "nan"}, {"last", "-7"}, {"lr", NULL},      {"x", NULL},
        {"o", NULL},    {"okay", NULL}, {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        bool is_there = json_text(json_find(span(answer), cases[i].key), text, sizeof text);
        assert_int_equal(is_there, cases[i].text != NULL);
        assert_string_equal(text, cases[i].text != NULL ? cases[i].text : "");
    }
}

static void test_json_next_steps_through_a_nested_object(void **state)
{
    (void)state;
    static const char *const wanted[][2] = {
        {"lr", "1e-05"},
        {"name", "a \"b\" \xc3\xbc\xf0\x9f\x98\x80"},
        {"list", "[1,{\"x\":\"}\"}]"},
        {"on", "true"},
        {"none", ""},
        {"augment.mixup", "0.25"},
    };
    struct json_span params = json_find(span(answer), "params"), key, value;
    const char *at = params.begin;
    char text[64];
    size_t n = 0;
    for (; json_next(params, &at, &key, &value); n++) {
        assert_true(n < sizeof wanted / sizeof wanted[0]);
        json_text(key, text, sizeof text);
        assert_string_equal(text, wanted[n][0]);
        json_text(value, text, sizeof text);
        assert_string_equal(text, wanted[n][1]);
    }
    assert_int_equal(n, sizeof wanted / sizeof wanted[0]);
}

static void test_json_number_takes_numbers_and_their_words_only(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},
                {"-12", -12},
                {"1e-05", 1e-5},
                {"9007199254740992", 9007199254740992.0},
                {"0.1", 0.1},
                {"\"3\"", 3},
                {"\"inf\"", INFINITY},
                {"\"-inf\"", -INFINITY},
                {"1e400", INFINITY}};
    static const char *const bad[] = {"",   "null", "true", "\"\"",    "\"adamw\"",
                                      "1x", "[1]",  "{}",   "\"1 2\"", "--1"};
    double number = 42;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(json_number(span(good[i].text), &number));
        assert_true(number == good[i].value);
    }
    assert_true(json_number(span("\"nan\""), &number));
    assert_true(isnan(number));
    number = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(json_number(span(bad[i]), &number));
        assert_true(number == 42);
    }
    assert_false(json_number((struct json_span){NULL, NULL}, &number));
    /* Digits that do not fit into the reader's room are refused, not cut into another number. */
    char digits[100];
    memset(digits, '1', sizeof digits);
    assert_false(json_number((struct json_span){digits, digits + sizeof digits}, &number));
}

static void test_json_text_decodes_escapes(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\"\\b\\f\\n\\r\\t\\\"\\\\\\/\"", "\b\f\n\r\t\"\\/"},
        {"\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac"},
        {"\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!"},
        {"\"\\ud83d!\"", "\xef\xbf\xbd!"}, /* the first half alone */
        {"\"\\ude00!\"", "\xef\xbf\xbd!"}, /* the second half alone */
        {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                               "A"}, /* no second half */
        {"\"\\u00zz!\"", "\xef\xbf\xbd!"},
        {"\"a\\u0000b\"", "a\xef\xbf\xbd"
                          "b"}, /* never a text that ends early */
        {"\"\\q\"", ""},
        {"\"\\u12\"", "12"},
        {"\"nul\"", "nul"},
        {"\"null\"", "null"}, /* quoted it is a word */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        assert_true(json_text(span(cases[i][0]), text, sizeof text));
        assert_string_equal(text, cases[i][1]);
    }
}

static void test_json_text_without_room_is_cut_before_a_decoded_character(void **state)
{
    (void)state;
    struct json_span value = span("\"ab\\u20ac\"");
    for (size_t size = 1; size < 8; size++) {
        char text[8];
        memset(text, 'x', sizeof text);
        assert_true(json_text(value, text, size));
        assert_string_equal(text, size < 2   ? ""
                                  : size < 3 ? "a"
                                  : size < 6 ? "ab"
                                             : "ab\xe2\x82\xac");
        assert_true(size == 7 || text[size] == 'x');
    }
}

static void test_json_utf8_length_refuses_what_is_no_character(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } cases[] = {
        {"a", 1},           {"\xc3\xa9", 2},     {"\xe2\x82\xac", 3}, {"\xf0\x9f\x98\x80", 4},
        {"\x80", 0},        {"\xc3", 0},         {"\xe2\x82", 0},     {"\xf0\x9f\x98", 0},
        {"\xc0\x80", 0},    {"\xed\xa0\x80", 0}, {"\xff", 0},         {"\xf4\x90\x80\x80", 0},
        {"\xe0\x80\x80", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(json_utf8_length(cases[i].text), cases[i].length);
    }
}

/* All that the library does with an answer, on a copy whose end the sanitizer sees. */
static void everything_read(const char *text, size_t n)
{
    static const char *const keys[] = {"ok", "act", "params", "restore", "text", "last", "none"};
    char *copy = malloc(n == 0 ? 1 : n), out[40];
    assert_non_null(copy);
    memcpy(copy, text, n);
    struct json_span all = {copy, copy + n}, key, value;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct json_span found = json_find(all, keys[i]);
        const char *at = found.begin;
        double number;
        json_number(found, &number);
        for (size_t size = 1; size <= sizeof out; size += 13) {
            json_text(found, out, size);
            assert_true(strlen(out) < size);
        }
        for (size_t steps = 0; at != NULL && json_next(found, &at, &key, &value); steps++) {
            assert_true(steps <= n);
            assert_true(key.begin >= copy && key.end <= copy + n && key.begin < key.end);
            assert_true(value.begin >= copy && value.end <= copy + n && value.begin < value.end);
            json_text(value, out, sizeof out);
        }
    }
    free(copy);
}

static void test_json_cut_at_every_byte_stays_inside(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof answer; n++) {
        everything_read(answer, n);
    }
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void test_json_mutated_stays_inside(void **state)
{
    (void)state;
    static const char signs[] = "{}[]\",:\\u0 \t\nnt-1e\0\xff";
    uint64_t seed = 88172645463325252ULL;
    for (int round = 0; round < 20000; round++) {
        char text[sizeof answer];
        memcpy(text, answer, sizeof answer);
        size_t n = next_random(&seed) % sizeof answer;
        for (uint64_t k = next_random(&seed) % 8; k > 0 && n > 0; k--) {
            text[next_random(&seed) % n] = signs[next_random(&seed) % (sizeof signs - 1)];
        }
        everything_read(text, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_find_returns_each_value),
        cmocka_unit_test(test_json_next_steps_through_a_nested_object),
        cmocka_unit_test(test_json_number_takes_numbers_and_their_words_only),
        cmocka_unit_test(test_json_text_decodes_escapes),
        cmocka_unit_test(test_json_text_without_room_is_cut_before_a_decoded_character),
        cmocka_unit_test(test_json_utf8_length_refuses_what_is_no_character),
        cmocka_unit_test(test_json_cut_at_every_byte_stays_inside),
        cmocka_unit_test(test_json_mutated_stays_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
