#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "head/shell/sse.h"

static void assert_sse(const char *id, const char *event, const char *data, const char *expected)
{
    struct buf buf;
    buf_init(&buf, 4096);
    sse_print(&buf, id, event, (struct bytes){(const uint8_t *)data, strlen(data)});
    assert_string_equal(buf_text(&buf), expected);
    buf_fini(&buf);
}

static void test_sse_event_has_its_fields_and_a_blank_line(void **state)
{
    (void)state;
    assert_sse("7-12", "trial", "{\"a\":1}", "id: 7-12\nevent: trial\ndata: {\"a\":1}\n\n");
    assert_sse(NULL, "reset", "", "event: reset\ndata: \n\n");
}

static void test_sse_data_of_several_lines_stays_one_event(void **state)
{
    (void)state;
    assert_sse(NULL, NULL, "a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n\n");
    assert_sse(NULL, NULL, "\n\nx", "data: \ndata: \ndata: x\n\n");
}

static void test_sse_id_with_a_line_end_is_cut(void **state)
{
    (void)state;
    assert_sse("1\ndata: forged", "e\r\nx", "y", "id: 1\nevent: e\ndata: y\n\n");
}

static void test_sse_full_buffer_is_a_sticky_failure(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 8);
    sse_print(&buf, "1", NULL, (struct bytes){(const uint8_t *)"0123456789", 10});
    assert_int_equal(buf.failed, ERR_LIMIT);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sse_event_has_its_fields_and_a_blank_line),
        cmocka_unit_test(test_sse_data_of_several_lines_stays_one_event),
        cmocka_unit_test(test_sse_id_with_a_line_end_is_cut),
        cmocka_unit_test(test_sse_full_buffer_is_a_sticky_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
