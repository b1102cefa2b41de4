#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/selector.h"

static void test_selector_spans_hold_what_they_name(void **state)
{
    struct selector s;
    (void)state;
    assert_int_equal(selector_parse("1-5,8", false, &s), EXIT_OK);
    assert_true(s.is_many);
    assert_true(selector_has(&s, false, (task_id){5, 0}));
    assert_true(selector_has(&s, false, (task_id){8, 0}));
    assert_false(selector_has(&s, false, (task_id){6, 0}));
    assert_int_equal(selector_parse("12.3-7,12.9", true, &s), EXIT_OK);
    assert_true(selector_has(&s, true, (task_id){12, 3}));
    assert_true(selector_has(&s, true, (task_id){12, 9}));
    assert_false(selector_has(&s, true, (task_id){12, 8}));
    assert_false(selector_has(&s, true, (task_id){11, 3}));
}

/* A bare number goes on with the ids of the last dotted one; before one it is a number of its own.
 */
static void test_selector_bare_number_after_an_id_is_an_id(void **state)
{
    struct selector s;
    (void)state;
    assert_int_equal(selector_parse("7.5-9,20,30-31", true, &s), EXIT_OK);
    assert_int_equal(s.n, 3);
    assert_true(selector_has(&s, true, (task_id){7, 20}));
    assert_true(selector_has(&s, true, (task_id){7, 31}));
    assert_false(selector_has(&s, true, (task_id){20, 1}));
    assert_false(selector_has(&s, true, (task_id){7, 10}));
    assert_int_equal(selector_parse("7,8.3,9", true, &s), EXIT_OK);
    assert_true(selector_has(&s, true, (task_id){7, 1000}));
    assert_true(selector_has(&s, true, (task_id){8, 9}));
    assert_false(selector_has(&s, true, (task_id){9, 1}));
}

static void test_selector_one_is_not_many(void **state)
{
    struct selector s;
    (void)state;
    assert_int_equal(selector_parse("12", false, &s), EXIT_OK);
    assert_false(s.is_many);
    assert_int_equal(selector_job(&s), 12);
    assert_int_equal(selector_parse("12.41", true, &s), EXIT_OK);
    assert_false(s.is_many);
    assert_int_equal(selector_parse("12.41,12.42", true, &s), EXIT_OK);
    assert_false(s.is_many);
}

static void test_selector_whole_sweep_of_trials_is_many(void **state)
{
    struct selector s;
    (void)state;
    assert_int_equal(selector_parse("12", true, &s), EXIT_OK);
    assert_true(s.is_many);
    assert_int_equal(selector_job(&s), 12);
    assert_true(selector_has(&s, true, (task_id){12, UINT32_MAX}));
    assert_int_equal(selector_parse("all", true, &s), EXIT_OK);
    assert_true(s.is_many && s.is_all);
    assert_int_equal(selector_job(&s), 0);
    assert_int_equal(selector_parse("last", true, &s), EXIT_OK);
    assert_true(s.is_last && !s.is_many);
}

static void test_selector_wrong_text_is_refused(void **state)
{
    static const char *const wrong[] = {"",    ",",     "1,",   "x",         "0",    "1-",
                                        "-1",  "3-1",   "1.2",  "1 2",       "1--2", "+1",
                                        "1e3", "all x", "LAST", "4294967296"};
    static const char *const wrong_of_tasks[] = {"1.",    "1.0",  ".1",    "1.2.3",
                                                 "1-2.3", "1.3-", "1.3-2", "1.-2"};
    struct selector s;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        /* A comma at the end names nothing more and is no error. */
        int wanted = i == 2 ? EXIT_OK : EXIT_USAGE;
        assert_int_equal(selector_parse(wrong[i], false, &s), wanted);
    }
    for (size_t i = 0; i < sizeof wrong_of_tasks / sizeof wrong_of_tasks[0]; i++) {
        assert_int_equal(selector_parse(wrong_of_tasks[i], true, &s), EXIT_USAGE);
    }
}

static void test_selector_too_many_spans_are_refused(void **state)
{
    struct selector s;
    char text[4 * (SELECTOR_SPANS_MAX + 2)] = "1";
    (void)state;
    for (int i = 1; i < SELECTOR_SPANS_MAX; i++) {
        strcat(text, ",1");
    }
    assert_int_equal(selector_parse(text, false, &s), EXIT_OK);
    strcat(text, ",1");
    assert_int_equal(selector_parse(text, false, &s), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selector_spans_hold_what_they_name),
        cmocka_unit_test(test_selector_bare_number_after_an_id_is_an_id),
        cmocka_unit_test(test_selector_one_is_not_many),
        cmocka_unit_test(test_selector_whole_sweep_of_trials_is_many),
        cmocka_unit_test(test_selector_wrong_text_is_refused),
        cmocka_unit_test(test_selector_too_many_spans_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
