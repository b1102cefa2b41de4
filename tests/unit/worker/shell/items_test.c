/* Lines by position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sys/files.h"
#include "worker/shell/items.h"

static struct items *items_of(const void *text, size_t len, char path[64])
{
    struct items *items = NULL;
    snprintf(path, 64, "/tmp/muster-items-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
    assert_int_equal(items_open(path, &items, NULL), OK);
    unlink(path);
    return items;
}

static void line_is(const struct items *items, uint32_t position, const char *want)
{
    struct bytes line;
    assert_int_equal(items_line(items, position, &line, NULL), OK);
    assert_int_equal(line.len, strlen(want));
    assert_memory_equal(line.data, want, line.len);
}

static void test_items_lines_come_by_position_the_last_with_or_without_an_end(void **state)
{
    (void)state;
    char path[64];
    struct bytes line;
    struct report report = {0};
    struct items *items = items_of("one\n\nthree", 10, path);
    line_is(items, 2, "three");
    line_is(items, 0, "one");
    line_is(items, 1, "");
    assert_int_equal(items_line(items, 3, &line, &report), ERR_NOT_FOUND);
    assert_string_equal(report.text, "its array has 3 lines, and this task wants the 4-th");
    items_close(items);
    items = items_of("a\nb\n", 4, path);
    line_is(items, 1, "b");
    assert_int_equal(items_line(items, 2, &line, NULL), ERR_NOT_FOUND);
    items_close(items);
    items = items_of("", 0, path);
    assert_int_equal(items_line(items, 0, &line, NULL), ERR_NOT_FOUND);
    items_close(items);
    assert_int_equal(mem_live_count(), 0);
}

static void test_items_every_line_of_many_is_found(void **state)
{
    (void)state;
    enum { LINES = 20000 };
    char path[64], want[64];
    size_t len = 0;
    char *text = malloc((size_t)LINES * 64);
    for (int i = 0; i < LINES; i++) {
        len += (size_t)sprintf(text + len, "%d%.*s\n", i, i % 40,
                               "........................................");
    }
    struct items *items = items_of(text, len, path);
    for (uint32_t i = 0; i < LINES; i++) {
        sprintf(want, "%u%.*s", i, (int)(i % 40), "........................................");
        line_is(items, i, want);
    }
    items_close(items);
    free(text);
    assert_int_equal(mem_live_count(), 0);
}

static void test_items_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct items *items = NULL;
    struct report report = {0};
    assert_int_equal(items_open("/no/such/items", &items, &report), ERR_NOT_FOUND);
    assert_non_null(strstr(report.text, "/no/such/items"));
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_lines_come_by_position_the_last_with_or_without_an_end),
        cmocka_unit_test(test_items_every_line_of_many_is_found),
        cmocka_unit_test(test_items_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
