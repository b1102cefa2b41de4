/* lib/base/error: codes, their words, and the report. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static const error_code codes[] = {
#define X(name, value, word, retryable) name,
    ERROR_CODES(X)
#undef X
};

static void test_error_word_every_code_has_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_true(codes[i] < 0);
        assert_string_not_equal(error_word(codes[i]), "unknown");
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(error_word(codes[i]), error_word(codes[j]));
            assert_int_not_equal(codes[i], codes[j]);
        }
    }
    assert_string_equal(error_word(OK), "ok");
    assert_string_equal(error_word(ERR_NO_SPACE), "no_space");
    assert_string_equal(error_word((error_code)-1000), "unknown");
}

static void test_error_retryable_only_what_may_pass(void **state)
{
    (void)state;
    assert_true(error_is_retryable(ERR_BUSY));
    assert_true(error_is_retryable(ERR_TIMEOUT));
    assert_false(error_is_retryable(ERR_INVALID));
    assert_false(error_is_retryable(ERR_FENCED));
    assert_false(error_is_retryable(OK));
}

static void test_error_from_errno_known_and_unknown(void **state)
{
    (void)state;
    assert_int_equal(error_from_errno(0), OK);
    assert_int_equal(error_from_errno(ENOSPC), ERR_NO_SPACE);
    assert_int_equal(error_from_errno(EDQUOT), ERR_NO_SPACE);
    assert_int_equal(error_from_errno(ENOENT), ERR_NOT_FOUND);
    assert_int_equal(error_from_errno(ECONNRESET), ERR_CLOSED);
    assert_int_equal(error_from_errno(EXDEV), ERR_SYSTEM);
}

static void test_report_fail_returns_its_code_and_keeps_the_text(void **state)
{
    (void)state;
    struct report report = {0};
    assert_int_equal(report_fail(&report, ERR_LIMIT, "%d of %s", 3, "them"), ERR_LIMIT);
    assert_int_equal(report.code, ERR_LIMIT);
    assert_int_equal(report.line, 0);
    report_add(&report, "; did you mean '%s'?", "lr");
    assert_string_equal(report.text, "3 of them; did you mean 'lr'?");
}

static void test_report_without_a_report_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(report_fail(NULL, ERR_IO, "text"), ERR_IO);
    assert_int_equal(report_fail_at(NULL, ERR_IO, 1, 2, "text"), ERR_IO);
    report_add(NULL, "more");
}

static void test_report_too_long_is_cut(void **state)
{
    (void)state;
    struct report report = {0};
    char many[2 * REPORT_TEXT_MAX];
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    assert_int_equal(report_fail(&report, ERR_IO, "%s", many), ERR_IO);
    assert_int_equal(strlen(report.text), REPORT_TEXT_MAX - 1);
    report_add(&report, "tail");
    assert_int_equal(strlen(report.text), REPORT_TEXT_MAX - 1);
    char small[8];
    report_print(&report, small, sizeof small);
    assert_string_equal(small, "xxxxxxx");
}

static void test_report_print_with_a_place(void **state)
{
    (void)state;
    struct report report = {.file = "sweep.yaml"};
    char text[256];
    assert_int_equal(report_fail_at(&report, ERR_INVALID, 12, 5, "unknown key '%s'", "x"),
                     ERR_INVALID);
    report_print(&report, text, sizeof text);
    assert_string_equal(text, "unknown key 'x' at sweep.yaml:12:5");
    report_add(&report, "; did you mean '%s'?", "y");
    report_print(&report, text, sizeof text);
    assert_string_equal(text, "unknown key 'x' at sweep.yaml:12:5; did you mean 'y'?");
    assert_int_equal(report_fail_at(&report, ERR_INVALID, 12, 5, "unknown key '%s'", "x"),
                     ERR_INVALID);
    report.file[0] = '\0';
    report_print(&report, text, sizeof text);
    assert_string_equal(text, "unknown key 'x' at input:12:5");
    report.line = 0;
    report_print(&report, text, sizeof text);
    assert_string_equal(text, "unknown key 'x'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_word_every_code_has_its_own),
        cmocka_unit_test(test_error_retryable_only_what_may_pass),
        cmocka_unit_test(test_error_from_errno_known_and_unknown),
        cmocka_unit_test(test_report_fail_returns_its_code_and_keeps_the_text),
        cmocka_unit_test(test_report_without_a_report_is_allowed),
        cmocka_unit_test(test_report_too_long_is_cut),
        cmocka_unit_test(test_report_print_with_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
