/* lib/base/json_out: commas, escapes, what is no UTF-8, and values that JSON has no number for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_out.h"
#include "base/mem.h"

static void test_json_object_with_everything(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10000);
    struct json_out out = json_out_to(&buf);
    json_object_begin(&out, NULL);
    json_str(&out, "s", "x");
    json_str(&out, "none", NULL);
    json_i64(&out, "i", INT64_MIN);
    json_u64(&out, "u", UINT64_MAX);
    json_out_real(&out, "r", 0.5);
    json_out_real(&out, "nan", NAN);
    json_bool(&out, "b", true);
    json_out_null(&out, "n");
    json_array_begin(&out, "a");
    json_array_end(&out);
    json_array_begin(&out, "list");
    json_i64(&out, NULL, 1);
    json_object_begin(&out, NULL);
    json_object_end(&out);
    json_value(&out, NULL, value_str("v"));
    json_array_end(&out);
    json_time(&out, "t", 1);
    json_time(&out, "t0", 0);
    json_task_id(&out, "id", (task_id){12, 41});
    json_raw(&out, "raw", "[1]", 3);
    json_object_end(&out);
    assert_int_equal(buf.failed, OK);
    assert_string_equal(
        buf_text(&buf),
        "{\"s\":\"x\",\"none\":null,\"i\":-9223372036854775808,"
        "\"u\":18446744073709551615,\"r\":0.5,\"nan\":\"nan\",\"b\":true,\"n\":null,"
        "\"a\":[],\"list\":[1,{},\"v\"],\"t\":\"1970-01-01T00:00:00.001Z\","
        "\"t0\":null,\"id\":\"12.41\",\"raw\":[1]}");
    buf_fini(&buf);
}

static void assert_text(const char *text, size_t length, const char *json)
{
    struct buf buf;
    buf_init(&buf, 10000);
    assert_int_equal(json_text_strn(&buf, text, length), OK);
    assert_string_equal(buf_text(&buf), json);
    buf_fini(&buf);
}

static void test_json_text_escapes(void **state)
{
    (void)state;
    assert_text("\"\\/\b\f\n\r\t\x01\x1f\x7f", 11,
                "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    assert_text("a\0b", 3, "\"a\\u0000b\"");
    assert_text("", 0, "\"\"");
}

static void test_json_text_good_utf8_is_kept(void **state)
{
    (void)state;
    static const char text[] =
        "\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF "
        "\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF";
    char json[sizeof text + 2] = "\"";
    strcat(json, text);
    strcat(json, "\"");
    assert_text(text, sizeof text - 1, json);
}

static void test_json_text_bad_utf8_is_replaced(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80", "\xC0", "\xC1", "\xF5", "\xFF", "\xC2", "\xFE",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_text(bad[i], 1, "\"\xEF\xBF\xBD\"");
    }
#define R "\xEF\xBF\xBD"
    assert_text("\xC0\xAF", 2, "\"" R R "\"");             /* overlong / */
    assert_text("\xE0\x80\xAF", 3, "\"" R R R "\"");       /* overlong */
    assert_text("\xED\xA0\x80", 3, "\"" R R R "\"");       /* a surrogate */
    assert_text("\xF4\x90\x80\x80", 4, "\"" R R R R "\""); /* above U+10FFFF */
    assert_text("\xE2\x82", 2, "\"" R R "\"");             /* cut short */
    assert_text("\xE2\x82"
                "a",
                3, "\"" R R "a\"");
#undef R
}

static void test_json_past_the_limit_fails_once_for_all(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    struct json_out out = json_out_to(&buf);
    json_object_begin(&out, NULL);
    json_str(&out, "key", "a value that is too long");
    json_object_end(&out);
    assert_int_equal(buf.failed, ERR_LIMIT);
    assert_true(buf.len <= 10);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_object_with_everything),
        cmocka_unit_test(test_json_text_escapes),
        cmocka_unit_test(test_json_text_good_utf8_is_kept),
        cmocka_unit_test(test_json_text_bad_utf8_is_replaced),
        cmocka_unit_test(test_json_past_the_limit_fails_once_for_all),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed != 0 ? failed : mem_live_count() != 0;
}
