/* The torture finds what it is for: each planted test is run under it, with its findings thrown
 * away, and is found or is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- planted ---- */

static void planted_good(void **state)
{
    (void)state;
    char *one = mem_strdup("one"), *two = mem_strdup("two");
    mem_free(one);
    mem_free(two);
}

static void planted_counts_on_memory(void **state)
{
    (void)state;
    char *text = mem_strdup("text");
    assert_non_null(text);
    mem_free(text);
}

static void planted_follows_null(void **state)
{
    (void)state;
    char *text = mem_strdup("text");
    assert_string_equal(text, "text");
    mem_free(text);
}

static void planted_keeps(void **state)
{
    (void)state;
    char *one = mem_strdup("one"), *two = mem_strdup("two");
    if (two != NULL) {
        mem_free(one);
    }
    mem_free(two);
}

static void planted_aborts(void **state)
{
    (void)state;
    char *text = mem_strdup("text");
    if (text == NULL) {
        abort();
    }
    mem_free(text);
}

static void planted_lets_fail_itself(void **state)
{
    (void)state;
    mem_fail_at(1);
    assert_null(mem_alloc(1));
    mem_fail_at(0);
}

/* ---- what becomes of it ---- */

/* 0: nothing was found. */
static int torture_of(const struct CMUnitTest *test)
{
    fflush(NULL);
    int out = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (out < 0 || nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0) {
        return -1;
    }
    (void)setenv("MUSTER_TORTURE", "0", 1);
    int found = _cmocka_run_group_tests("planted", test, 1, NULL, NULL);
    (void)unsetenv("MUSTER_TORTURE");
    fflush(NULL);
    (void)dup2(out, STDOUT_FILENO);
    (void)close(out);
    (void)close(nowhere);
    return found;
}

static void test_torture_test_that_frees_on_failure_is_fine(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_good);
    assert_int_equal(torture_of(&test), 0);
}

static void test_torture_test_that_asserts_memory_is_fine(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_counts_on_memory);
    assert_int_equal(torture_of(&test), 0);
}

/* It crashes in cmocka, in the system's /lib, which is no room of ours. */
static void test_torture_test_that_follows_null_itself_is_fine(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_follows_null);
    assert_int_equal(torture_of(&test), 0);
}

static void test_torture_test_that_fails_allocations_itself_is_left_alone(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_lets_fail_itself);
    assert_int_equal(torture_of(&test), 0);
}

static void test_torture_block_kept_after_a_failure_is_found(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_keeps);
    assert_int_equal(torture_of(&test), 1);
}

static void test_torture_abort_after_a_failure_is_found(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_aborts);
    assert_int_equal(torture_of(&test), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torture_test_that_frees_on_failure_is_fine),
        cmocka_unit_test(test_torture_test_that_asserts_memory_is_fine),
        cmocka_unit_test(test_torture_test_that_follows_null_itself_is_fine),
        cmocka_unit_test(test_torture_test_that_fails_allocations_itself_is_left_alone),
        cmocka_unit_test(test_torture_block_kept_after_a_failure_is_found),
        cmocka_unit_test(test_torture_abort_after_a_failure_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
