/* The patterns of workdir.ignore, against what git does with the same lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "work/rules.h"

struct row {
    const char *patterns[4];
    const char *path;
    bool is_folder;
    bool is_out;
};

static void rows_check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct work_rules *rules;
        uint32_t n_patterns = 0;
        while (n_patterns < 4 && rows[i].patterns[n_patterns] != NULL) {
            n_patterns++;
        }
        assert_int_equal(work_rules_new(rows[i].patterns, n_patterns, &rules, NULL), OK);
        if (work_rules_leave_out(rules, rows[i].path, rows[i].is_folder) != rows[i].is_out) {
            fail_msg("row %zu: '%s' for %s", i, rows[i].patterns[0], rows[i].path);
        }
        work_rules_free(rules);
    }
    assert_int_equal(mem_live_count(), 0);
}

static void test_rules_without_patterns_leave_out_git_alone(void **state)
{
    static const struct row rows[] = {
        {{NULL}, ".git", true, true},         {{NULL}, "sub/.git", true, true},
        {{NULL}, ".git", false, false}, /* a worktree's file: it says little and does no harm */
        {{NULL}, ".gitignore", false, false}, {{"!.git/"}, ".git", true, false},
    };
    (void)state;
    rows_check(rows, sizeof rows / sizeof rows[0]);
}

static void test_rules_names_match_at_any_depth_and_paths_from_the_top(void **state)
{
    static const struct row rows[] = {
        {{"*.o"}, "a.o", false, true},        {{"*.o"}, "x/y/a.o", false, true},
        {{"*.o"}, "a.oo", false, false},      {{"/a.o"}, "a.o", false, true},
        {{"/a.o"}, "x/a.o", false, false},    {{"x/a.o"}, "x/a.o", false, true},
        {{"x/a.o"}, "y/x/a.o", false, false}, {{"data/"}, "data", true, true},
        {{"data/"}, "data", false, false},    {{"data/"}, "x/data", true, true},
        {{"/data/"}, "x/data", true, false},  {{"a?c"}, "abc", false, true},
        {{"a?c"}, "a/c", false, false},       {{"*"}, "anything", false, true},
        {{"x/*"}, "x/y", true, true},         {{"x/*"}, "x/y/z", false, false},
        {{"[a-c]1"}, "b1", false, true},      {{"[!a-c]1"}, "b1", false, false},
        {{"[]x]"}, "]", false, true},         {{"[x"}, "[x", false, true},
        {{"\\*"}, "*", false, true},          {{"\\*"}, "a", false, false},
        {{"\\!a"}, "!a", false, true},
    };
    (void)state;
    rows_check(rows, sizeof rows / sizeof rows[0]);
}

static void test_rules_two_stars_match_any_number_of_folders(void **state)
{
    static const struct row rows[] = {
        {{"**/x"}, "x", false, true},
        {{"**/x"}, "a/b/x", false, true},
        {{"a/**/b"}, "a/b", false, true},
        {{"a/**/b"}, "a/x/y/b", false, true},
        {{"a/**/b"}, "c/a/b", false, false},
        {{"a/**"}, "a", true, false},
        {{"a/**"}, "a/x/y", false, true},
        {{"a/**/b/**/c"}, "a/b/x/b/y/c", false, true},
        {{"**/a*/x"}, "b/a1/b/a2/x", false, true},
    };
    (void)state;
    rows_check(rows, sizeof rows / sizeof rows[0]);
}

static void test_rules_the_last_match_decides(void **state)
{
    static const struct row rows[] = {
        {{"*.txt", "!keep.txt"}, "keep.txt", false, false},
        {{"*.txt", "!keep.txt"}, "lose.txt", false, true},
        {{"*.txt", "!keep.txt", "keep.*"}, "keep.txt", false, true},
        {{"# *.txt", "", "   "}, "a.txt", false, false},
        {{"a.txt  "}, "a.txt", false, true},
        {{"!", "/", "a"}, "a", false, true},
    };
    (void)state;
    rows_check(rows, sizeof rows / sizeof rows[0]);
}

static void test_rules_a_pattern_of_many_stars_ends_soon(void **state)
{
    char pattern[400] = "", path[1000];
    const char *patterns[] = {pattern};
    struct work_rules *rules;
    (void)state;
    for (int i = 0; i < 190; i++) {
        strcat(pattern, i % 2 == 0 ? "a*" : "*a");
    }
    strcat(pattern, "b");
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(work_rules_new(patterns, 1, &rules, NULL), OK);
    for (int i = 0; i < 100; i++) {
        assert_false(work_rules_leave_out(rules, path, false));
    }
    work_rules_free(rules);
}

static void test_rules_beyond_the_limits_are_refused(void **state)
{
    static char long_one[WORK_RULE_MAX_BYTES + 2];
    const char *patterns[WORK_RULES_MAX + 1];
    struct work_rules *rules;
    struct report report = {0};
    (void)state;
    memset(long_one, 'x', sizeof long_one - 1);
    patterns[0] = long_one;
    assert_int_equal(work_rules_new(patterns, 1, &rules, &report), ERR_LIMIT);
    for (int i = 0; i <= WORK_RULES_MAX; i++) {
        patterns[i] = "x";
    }
    assert_int_equal(work_rules_new(patterns, WORK_RULES_MAX + 1, &rules, &report), ERR_LIMIT);
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_without_patterns_leave_out_git_alone),
        cmocka_unit_test(test_rules_names_match_at_any_depth_and_paths_from_the_top),
        cmocka_unit_test(test_rules_two_stars_match_any_number_of_folders),
        cmocka_unit_test(test_rules_the_last_match_decides),
        cmocka_unit_test(test_rules_a_pattern_of_many_stars_ends_soon),
        cmocka_unit_test(test_rules_beyond_the_limits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
