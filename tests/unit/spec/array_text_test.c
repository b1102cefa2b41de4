#include "rig.h"

#include "spec/array_text.h"

static void test_array_ids_are_read_and_their_last_one_is_theirs(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct array_ids ids;
        uint32_t count;
        const char *printed;
    } rows[] = {
        {"1-100", {1, 100, 1}, 100, "1-100"},
        {"1-500000:2", {1, 499999, 2}, 250000, "1-499999:2"},
        {"7", {7, 7, 1}, 1, "7"},
        {"7-7:3", {7, 7, 3}, 1, "7"},
        {"5-10:4", {5, 9, 4}, 2, "5-9:4"},
        {"1-10000000", {1, 10000000, 1}, 10000000, "1-10000000"},
        {"4294967295", {UINT32_MAX, UINT32_MAX, 1}, 1, "4294967295"},
        {"1-4294967295:4294967295", {1, 1, UINT32_MAX}, 1, "1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct array_ids ids = {0};
        char text[ARRAY_TEXT_MAX];
        assert_int_equal(spec_array_parse(rows[i].text, &ids, NULL), OK);
        assert_memory_equal(&ids, &rows[i].ids, sizeof ids);
        assert_int_equal(array_ids_count(ids), rows[i].count);
        assert_string_equal(spec_array_print(ids, text), rows[i].printed);
    }
}

static void test_array_ids_that_are_none_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        error_code code;
        const char *said;
    } rows[] = {
        {"", ERR_INVALID, "1-100"},
        {"0", ERR_INVALID, "from 1"},
        {"0-5", ERR_INVALID, "from 1"},
        {"5-1", ERR_INVALID, "goes down"},
        {"1-5:0", ERR_INVALID, "1-100:2"},
        {"1-", ERR_INVALID, "1-100"},
        {"-5", ERR_INVALID, "1-100"},
        {"1-5:", ERR_INVALID, "1-100"},
        {"1-5 ", ERR_INVALID, "1-100"},
        {"1,5", ERR_INVALID, "1-100"},
        {"1-5:2:2", ERR_INVALID, "1-100"},
        {"a", ERR_INVALID, "1-100"},
        {"4294967296", ERR_INVALID, "1-1"},
        {"1-10000001", ERR_LIMIT, "at most 10000000"},
        {"1-4294967295", ERR_LIMIT, "4294967295 ids"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct array_ids ids = {9, 9, 9};
        struct report report = {0};
        assert_int_equal(spec_array_parse(rows[i].text, &ids, &report), rows[i].code);
        assert_non_null(strstr(report.text, rows[i].said));
        assert_int_equal(ids.first, 9);
    }
}

static void test_array_spans_are_read_in_any_order(void **state)
{
    (void)state;
    struct array_span spans[3];
    uint32_t n = 0;
    assert_int_equal(spec_array_spans_parse("20,5-10", spans, 3, &n, NULL), OK);
    assert_int_equal(n, 2);
    assert_true(spec_array_spans_have(spans, n, 20));
    assert_true(spec_array_spans_have(spans, n, 5) && spec_array_spans_have(spans, n, 10));
    assert_false(spec_array_spans_have(spans, n, 4) || spec_array_spans_have(spans, n, 11) ||
                 spec_array_spans_have(spans, n, 19) || spec_array_spans_have(spans, n, 21));
    static const char *const wrong[] = {"", ",", "5,", ",5", "5-", "7-5", "0", "1-2:3", "1 2", "x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct report report = {0};
        assert_int_equal(spec_array_spans_parse(wrong[i], spans, 3, &n, &report), ERR_INVALID);
        assert_non_null(strstr(report.text, "5-10,20"));
    }
    assert_int_equal(spec_array_spans_parse("1,2,3,4", spans, 3, &n, NULL), ERR_LIMIT);
}

static void test_log_of_a_task_is_named_by_index_and_attempt(void **state)
{
    (void)state;
    char text[ARRAY_LOG_TEXT_MAX];
    assert_string_equal(spec_array_log_print((task_id){7, 55}, 0, 0, text),
                        "arrays/7/tasks/55.out");
    assert_string_equal(spec_array_log_print((task_id){7, 55}, 0, 1, text),
                        "arrays/7/tasks/55.err");
    assert_string_equal(spec_array_log_print((task_id){7, 55}, 2, 0, text),
                        "arrays/7/tasks/55.2.out");
    const uint32_t most = UINT32_MAX;
    assert_string_equal(spec_array_log_print((task_id){most, most}, most, 1, text),
                        "arrays/4294967295/tasks/4294967295.4294967295.err");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_array_ids_are_read_and_their_last_one_is_theirs),
        cmocka_unit_test(test_array_ids_that_are_none_are_refused_with_a_reason),
        cmocka_unit_test(test_array_spans_are_read_in_any_order),
        cmocka_unit_test(test_log_of_a_task_is_named_by_index_and_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
