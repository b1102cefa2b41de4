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
#include "crash_report.h"
#include "stacks.h"

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

static void planted_keeps(void **state)
{
    (void)state;
    char *one = mem_strdup("one"), *two = mem_strdup("two");
    if (two != NULL) {
        mem_free(one);
    }
    mem_free(two);
}

enum { MANY = 50 };

/* One stack asks for many blocks; the test keeps one if the n-th is not to be had. */
static void planted_keeps_one_of_many(size_t n)
{
    void *blocks[MANY];
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = mem_alloc(1);
    }
    for (size_t i = 0; i < MANY; i++) {
        if (i != 0 || blocks[n] != NULL) {
            mem_free(blocks[i]);
        }
    }
}

static void planted_keeps_at_the_last(void **state)
{
    (void)state;
    planted_keeps_one_of_many(MANY - 1);
}

static void planted_keeps_at_the_second(void **state)
{
    (void)state;
    planted_keeps_one_of_many(1);
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

/* The number of allocations of each stack that fail, as MUSTER_TORTURE says it. */
#define ALL "0"
#define FIRST_ONLY "1"
#define USUAL "4"

static bool is_watching(void)
{
    if (!stacks_can_watch()) {
        print_message("skipped: %s\n", STACKS_MISSING);
    }
    return stacks_can_watch();
}

/* 0: nothing was found. */
static int torture_of(const struct CMUnitTest *test, const char *per_stack)
{
    fflush(NULL);
    int out = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (out < 0 || nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0) {
        return -1;
    }
    (void)setenv("MUSTER_TORTURE", per_stack, 1);
    int found = _cmocka_run_group_tests("planted", test, 1, NULL, NULL);
    (void)unsetenv("MUSTER_TORTURE");
    fflush(NULL);
    (void)dup2(out, STDOUT_FILENO);
    (void)close(out);
    (void)close(nowhere);
    return found;
}

/* By every allocation and, where the build can, by the usual rule. */
static void assert_torture_finds(const struct CMUnitTest *test, int n)
{
    assert_int_equal(torture_of(test, ALL), n);
    if (is_watching()) {
        assert_int_equal(torture_of(test, USUAL), n);
    }
}

static void test_torture_test_that_frees_on_failure_is_fine(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_good);
    assert_torture_finds(&test, 0);
}

static void test_torture_test_that_asserts_memory_is_fine(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_counts_on_memory);
    assert_torture_finds(&test, 0);
}

/* As gcc's AddressSanitizer prints them. cmocka lies in the system's /lib, which is no room of
 * ours.
 */
static void test_torture_crash_is_whose_file_comes_first(void **state)
{
    (void)state;
#define HEAD "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000000\n"
#define STRCMP                                                                                     \
    "    #0 0x1 in __interceptor_strcmp ../../../../src/libsanitizer/interceptors.inc:461\n"
#define CMOCKA "    #1 0x2 in _assert_string_equal (/lib/x86_64-linux-gnu/libcmocka.so.0+0x511a)\n"
#define TEST "    #2 0x3 in test_x ../../tests/unit/base/arena_test.c:96\n"
#define OURS "    #1 0x4 in field_count ../../lib/schema/walk.h:35\n"
#define FREED "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x1\n"
    assert_true(torture_is_the_tests_own(HEAD STRCMP CMOCKA TEST));
    assert_true(torture_is_the_tests_own("x_test: ../../tests/unit/x_test.c:3: f: Assertion `p'"));
    assert_false(torture_is_the_tests_own(HEAD STRCMP OURS TEST));
    assert_false(torture_is_the_tests_own(HEAD STRCMP));
    assert_false(torture_is_the_tests_own(FREED CMOCKA TEST));
    assert_false(
        torture_is_the_tests_own("x: ../../head/core/core.c:300: f: Assertion `a'\n" TEST));
}

static void test_torture_test_that_fails_allocations_itself_is_left_alone(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_lets_fail_itself);
    assert_torture_finds(&test, 0);
}

static void test_torture_block_kept_after_a_failure_is_found(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_keeps);
    assert_torture_finds(&test, 1);
}

static void test_torture_abort_after_a_failure_is_found(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_aborts);
    assert_torture_finds(&test, 1);
}

static void test_torture_fault_at_the_last_allocation_of_a_stack_is_found(void **state)
{
    (void)state;
    const struct CMUnitTest test = cmocka_unit_test(planted_keeps_at_the_last);
    assert_torture_finds(&test, 1);
}

/* What the README says that the rule leaves out, and every allocation does not. */
static void test_torture_fault_between_those_of_a_stack_is_found_by_all(void **state)
{
    (void)state;
    if (!is_watching()) {
        skip();
    }
    const struct CMUnitTest second = cmocka_unit_test(planted_keeps_at_the_second);
    const struct CMUnitTest last = cmocka_unit_test(planted_keeps_at_the_last);
    assert_int_equal(torture_of(&second, ALL), 1);
    assert_int_equal(torture_of(&second, USUAL), 0);
    assert_int_equal(torture_of(&last, FIRST_ONLY), 0);
}

/* ---- what is chosen ---- */

/* Each call of it is a stack of its own. */
__attribute__((noinline)) static void ask(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free(mem_alloc(1));
    }
}

static void test_stacks_of_each_the_first_come_first_then_the_last(void **state)
{
    (void)state;
    if (!is_watching()) {
        skip();
    }
    assert_true(stacks_watch_begin());
    ask(10);
    ask(1);
    ask(3);
    stacks_watch_end();
    ask(1);

    const uint64_t four[] = {1, 11, 12, 10, 14, 4, 13, 7}, one[] = {1, 11, 12};
    struct stacks_plan plan;
    assert_true(stacks_plan_init(&plan, 4));
    assert_int_equal(plan.n_allocations, 14);
    assert_int_equal(plan.n_stacks, 3);
    assert_int_equal(plan.len, 8);
    assert_memory_equal(plan.k, four, sizeof four);
    stacks_plan_fini(&plan);
    assert_true(stacks_plan_init(&plan, 1));
    assert_int_equal(plan.len, 3);
    assert_memory_equal(plan.k, one, sizeof one);
    stacks_plan_fini(&plan);
    assert_true(stacks_plan_init(&plan, 100));
    assert_int_equal(plan.len, 14);
    stacks_plan_fini(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torture_test_that_frees_on_failure_is_fine),
        cmocka_unit_test(test_torture_test_that_asserts_memory_is_fine),
        cmocka_unit_test(test_torture_crash_is_whose_file_comes_first),
        cmocka_unit_test(test_torture_test_that_fails_allocations_itself_is_left_alone),
        cmocka_unit_test(test_torture_block_kept_after_a_failure_is_found),
        cmocka_unit_test(test_torture_abort_after_a_failure_is_found),
        cmocka_unit_test(test_torture_fault_at_the_last_allocation_of_a_stack_is_found),
        cmocka_unit_test(test_torture_fault_between_those_of_a_stack_is_found_by_all),
        cmocka_unit_test(test_stacks_of_each_the_first_come_first_then_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
