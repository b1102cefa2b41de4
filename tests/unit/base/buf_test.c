/* lib/base/buf: growth up to the maximum, and failure that stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

static void test_buf_append_grows_and_keeps_order(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(buf_append_byte(&buf, (uint8_t)i), OK);
    }
    assert_int_equal(buf.len, 10000);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(buf_bytes(&buf).data[i], (uint8_t)i);
    }
    buf_fini(&buf);
    buf_fini(&buf);
}

static void test_buf_exactly_full_is_not_a_failure(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(buf_append_byte(&buf, 'a'), OK);
    }
    assert_int_equal(strlen(buf_text(&buf)), 100);
    assert_int_equal(buf.failed, OK);
    buf_fini(&buf);

    buf_init(&buf, 600);
    assert_int_equal(buf_printf(&buf, "%600d", 1), OK);
    assert_int_equal(buf.len, 600);
    assert_int_equal(strlen(buf_text(&buf)), 600);
    buf_fini(&buf);
}

static void test_buf_past_its_maximum_fails_and_stays_failed(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    assert_int_equal(buf_append(&buf, "abcd", 4), OK);
    assert_int_equal(buf_append(&buf, "e", 1), ERR_LIMIT);
    assert_int_equal(buf.len, 4);
    buf_consume(&buf, 4);
    assert_int_equal(buf_append(&buf, "e", 1), ERR_LIMIT);
    assert_int_equal(buf_append(&buf, "", 0), ERR_LIMIT);
    assert_string_equal(buf_text(&buf), "");
    assert_null(buf_reserve(&buf, 1));
    buf_reset(&buf);
    assert_int_equal(buf_append_text(&buf, "wxyz"), OK);
    assert_string_equal(buf_text(&buf), "wxyz");
    assert_int_equal(buf_printf(&buf, "%d", 1), ERR_LIMIT);
    buf_fini(&buf);
}

static void test_buf_huge_lengths_do_not_wrap(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, SIZE_MAX);
    assert_int_equal(buf_append_byte(&buf, 1), OK);
    assert_null(buf_reserve(&buf, SIZE_MAX - 1));
    assert_int_equal(buf.failed, ERR_LIMIT);
    buf_fini(&buf);
}

static void test_buf_printf_short_and_long(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10000);
    assert_int_equal(buf_printf(&buf, "%s-%d", "a", 1), OK);
    assert_int_equal(buf_printf(&buf, "%2000d", 7), OK);
    assert_int_equal(buf.len, 2003);
    assert_int_equal(buf.data[2002], '7');
    buf_fini(&buf);
}

static void test_buf_consume_drops_the_front(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    assert_int_equal(buf_append_text(&buf, "hello world"), OK);
    buf_consume(&buf, 6);
    assert_string_equal(buf_text(&buf), "world");
    buf_consume(&buf, 1000);
    assert_int_equal(buf.len, 0);
    assert_string_equal(buf_text(&buf), "");
    buf_fini(&buf);
}

static void test_buf_without_memory_fails_and_keeps_its_contents(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    assert_int_equal(buf_append_text(&buf, "kept"), OK);
    mem_fail_at(1);
    assert_non_null(buf.data);
    char many[4096] = {0};
    assert_int_equal(buf_append(&buf, many, sizeof many), ERR_NO_MEMORY);
    assert_true(mem_has_failed());
    assert_int_equal(buf.len, 4);
    assert_memory_equal(buf.data, "kept", 4);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_append_grows_and_keeps_order),
        cmocka_unit_test(test_buf_exactly_full_is_not_a_failure),
        cmocka_unit_test(test_buf_past_its_maximum_fails_and_stays_failed),
        cmocka_unit_test(test_buf_huge_lengths_do_not_wrap),
        cmocka_unit_test(test_buf_printf_short_and_long),
        cmocka_unit_test(test_buf_consume_drops_the_front),
        cmocka_unit_test(test_buf_without_memory_fails_and_keeps_its_contents),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed != 0 ? failed : mem_live_count() != 0;
}
