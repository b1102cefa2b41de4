/* lib/base/arena: alignment, the maximum, and everything freed at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"

static void test_arena_alloc_is_zeroed_and_aligned(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t size = 1; size < 9000; size = size * 3 + 1) {
        unsigned char *block = arena_alloc(&arena, size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 16, 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(block[i], 0);
        }
        memset(block, 0xff, size);
    }
    arena_fini(&arena);
    arena_fini(&arena);
    assert_int_equal(mem_live_count(), 0);
}

static void test_arena_blocks_do_not_overlap(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct arena arena;
    char *texts[N];
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < N; i++) {
        texts[i] = arena_printf(&arena, "text %d %*d", i, i % 200, i);
        assert_non_null(texts[i]);
    }
    for (int i = 0; i < N; i++) {
        char wanted[300];
        assert_true(snprintf(wanted, sizeof wanted, "text %d %*d", i, i % 200, i) > 0);
        assert_string_equal(texts[i], wanted);
    }
    arena_fini(&arena);
}

static void test_arena_past_its_maximum_is_refused(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 64);
    assert_non_null(arena_alloc(&arena, 33)); /* takes 48 */
    assert_null(arena_alloc(&arena, 17));
    assert_non_null(arena_alloc(&arena, 16));
    assert_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
    assert_non_null(arena_alloc(&arena, 64));
    arena_fini(&arena);
}

static void test_arena_many_small_ones_count_what_they_take(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 16 * 1000);
    size_t n = 0;
    while (arena_strdup(&arena, "x") != NULL) {
        n++;
    }
    assert_int_equal(n, 1000);
    arena_fini(&arena);
}

static void test_arena_sizes_that_would_wrap_are_refused(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 15));
    assert_null(arena_calloc(&arena, SIZE_MAX / 2, 3));
    assert_non_null(arena_calloc(&arena, 0, 8));
    arena_fini(&arena);
}

static void test_arena_strndup_takes_a_part(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1000);
    assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(&arena, "abcdef", 0), "");
    arena_fini(&arena);
}

static void test_arena_without_memory_gives_null(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1000);
    mem_fail_at(1);
    assert_null(arena_alloc(&arena, 10));
    assert_true(mem_has_failed());
    assert_non_null(arena_alloc(&arena, 10));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_alloc_is_zeroed_and_aligned),
        cmocka_unit_test(test_arena_blocks_do_not_overlap),
        cmocka_unit_test(test_arena_past_its_maximum_is_refused),
        cmocka_unit_test(test_arena_many_small_ones_count_what_they_take),
        cmocka_unit_test(test_arena_sizes_that_would_wrap_are_refused),
        cmocka_unit_test(test_arena_strndup_takes_a_part),
        cmocka_unit_test(test_arena_without_memory_gives_null),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed != 0 ? failed : mem_live_count() != 0;
}
