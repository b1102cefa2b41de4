/* lib/base/mem: what is counted, and the failure that tests ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"

static void test_mem_counts_what_lives(void **state)
{
    (void)state;
    int64_t before = mem_live_count();
    void *a = mem_alloc(10);
    void *b = mem_zalloc(10);
    void *c = mem_calloc(10, 10);
    char *d = mem_strdup("text");
    char *e = mem_strndup("text", 2);
    assert_int_equal(mem_live_count(), before + 5);
    assert_string_equal(d, "text");
    assert_string_equal(e, "te");
    a = mem_realloc(a, 1000);
    assert_int_equal(mem_live_count(), before + 5);
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(d);
    mem_free(e);
    mem_free(NULL);
    assert_int_equal(mem_live_count(), before);
    a = mem_realloc(NULL, 0);
    assert_non_null(a);
    mem_free(a);
    assert_int_equal(mem_live_count(), before);
}

static void test_mem_impossible_sizes_give_null(void **state)
{
    (void)state;
    int64_t before = mem_live_count();
    volatile size_t half = SIZE_MAX / 2;
    assert_null(mem_calloc(half, 4));
    assert_int_equal(mem_live_count(), before);
}

static void test_mem_fail_at_k_fails_the_kth_once(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 5; k++) {
        mem_fail_at(k);
        for (uint64_t i = 1; i <= 6; i++) {
            void *block = i % 2 == 0 ? mem_alloc(8) : mem_realloc(NULL, 8);
            assert_int_equal(block == NULL, i == k);
            assert_int_equal(mem_has_failed(), i >= k);
            mem_free(block);
        }
    }
    mem_fail_at(0);
    assert_false(mem_has_failed());
    void *block = mem_alloc(1);
    assert_non_null(block);
    mem_free(block);
}

static void test_mem_realloc_failure_keeps_the_block(void **state)
{
    (void)state;
    int64_t before = mem_live_count();
    char *block = mem_strdup("kept");
    mem_fail_at(1);
    assert_null(mem_realloc(block, 100));
    assert_string_equal(block, "kept");
    mem_free(block);
    assert_int_equal(mem_live_count(), before);
}

static char *mem_give(void)
{
    CLEANUP(mem_freep) char *given = mem_strdup("given");
    CLEANUP(mem_freep) char *dropped = mem_strdup("dropped");
    assert_non_null(dropped);
    return TAKE(given);
}

static void test_mem_cleanup_frees_all_but_what_was_taken(void **state)
{
    (void)state;
    int64_t before = mem_live_count();
    char *given = mem_give();
    assert_string_equal(given, "given");
    assert_int_equal(mem_live_count(), before + 1);
    mem_free(given);
}

struct entry {
    int key;
    UT_hash_handle hh;
};

static void test_hash_without_memory_leaves_the_element_out(void **state)
{
    (void)state;
    int64_t before = mem_live_count();
    struct entry *table = NULL, *found = NULL, *entry = mem_zalloc(sizeof *entry);
    entry->key = 1;
    for (uint64_t k = 1; k <= 2; k++) { /* the table, then its buckets */
        mem_fail_at(k);
        HASH_ADD_INT(table, key, entry);
        assert_true(mem_has_failed());
        assert_null(table);
        assert_null(entry->hh.tbl);
    }
    mem_fail_at(0);
    HASH_ADD_INT(table, key, entry);
    HASH_FIND_INT(table, &(int){1}, found);
    assert_ptr_equal(found, entry);
    HASH_DEL(table, entry);
    mem_free(entry);
    assert_int_equal(mem_live_count(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem_counts_what_lives),
        cmocka_unit_test(test_mem_impossible_sizes_give_null),
        cmocka_unit_test(test_mem_fail_at_k_fails_the_kth_once),
        cmocka_unit_test(test_mem_realloc_failure_keeps_the_block),
        cmocka_unit_test(test_mem_cleanup_frees_all_but_what_was_taken),
        cmocka_unit_test(test_hash_without_memory_leaves_the_element_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
