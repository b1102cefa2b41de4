/* lib/base/id: task ids and times as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/id.h"

static void test_task_id_prints_and_parses_back(void **state)
{
    (void)state;
    static const task_id ids[] = {{1, 1}, {12, 41}, {UINT32_MAX, UINT32_MAX}, {10, 100}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char text[TASK_ID_TEXT_MAX];
        task_id back = {0, 0};
        assert_int_equal(task_id_parse(task_id_print(ids[i], text), &back), OK);
        assert_true(task_id_equal(ids[i], back));
    }
    assert_false(task_id_equal(ids[0], ids[1]));
}

static void test_task_id_of_anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",     "1",     "1.",    ".1",   "0.1",  "1.0",           "01.1",
        "1.01", "1.1.1", "1.1 ",  " 1.1", "+1.1", "4294967296.1",  "1.4294967296",
        "1,1",  "a.b",   "-1.-1", "1.1x", "1.١",  "99999999999.1", "1..1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        task_id id = {7, 8};
        assert_int_equal(task_id_parse(texts[i], &id), ERR_FORMAT);
        assert_true(task_id_equal(id, (task_id){7, 8}));
    }
}

static void test_time_print_known_instants(void **state)
{
    (void)state;
    static const struct {
        time_ms time;
        const char *text;
    } rows[] = {
        {0, ""},
        {1, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {951868799999, "2000-02-29T23:59:59.999Z"},
        {951868800000, "2000-03-01T00:00:00.000Z"},
        {4107542399000, "2100-02-28T23:59:59.000Z"},
        {4107542400000, "2100-03-01T00:00:00.000Z"},
        {1795531562123, "2026-11-24T14:46:02.123Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {-62135596800000, "0001-01-01T00:00:00.000Z"},
        {INT64_MAX, "292278994-08-17T07:12:55.807Z"},
        {INT64_MIN, "-292275055-05-16T16:47:04.192Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[32];
        assert_string_equal(time_print(rows[i].time, text), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_task_id_prints_and_parses_back),
        cmocka_unit_test(test_task_id_of_anything_else_is_refused),
        cmocka_unit_test(test_time_print_known_instants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
