/* Files of lines and of JSON values become the file `items`, a line a task. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/array_items.h"
#include "spec/array_text.h"

static char source[] = "/tmp/muster-items-test.XXXXXX";

static int source_make(void **state)
{
    (void)state;
    int fd = mkstemp(source);
    close(fd);
    return fd >= 0 ? 0 : -1;
}

static int source_drop(void **state)
{
    (void)state;
    return unlink(source);
}

static void source_write(const char *text, size_t size)
{
    FILE *file = fopen(source, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static char *items_read(const struct array_items *items)
{
    char path[4200];
    static char text[1 << 20];
    snprintf(path, sizeof path, "%s/items", items->folder);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void test_items_of_lines_are_the_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct array_ids wanted;
        const char *items, *first;
        struct array_ids ids;
    } rows[] = {
        {"a\nb b\n\nc\n", {0}, "a\nb b\n\nc\n", "a", {1, 4, 1}},
        {"a\nb", {0}, "a\nb\n", "a", {1, 2, 1}},
        {"one\r\ntwo\r\n", {0}, "one\ntwo\n", "one", {1, 2, 1}},
        {"a\nb\nc\nd\ne\n", {2, 4, 2}, "b\nd\n", "b", {2, 4, 2}},
        {"\n", {0}, "\n", "", {1, 1, 1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct array_items items;
        source_write(rows[i].text, strlen(rows[i].text));
        assert_int_equal(array_items_of_lines(source, rows[i].wanted, &items), EXIT_OK);
        assert_string_equal(items_read(&items), rows[i].items);
        assert_string_equal(items.first, rows[i].first);
        assert_memory_equal(&items.ids, &rows[i].ids, sizeof items.ids);
        char folder[sizeof items.folder];
        memcpy(folder, items.folder, sizeof folder);
        array_items_fini(&items);
        assert_int_not_equal(access(folder, F_OK), 0);
    }
}

static void test_items_of_json_are_its_values_in_one_line_each(void **state)
{
    (void)state;
    struct array_items items;
    static const char text[] = "[ {\"b\": [1,\n2]}, \"x\\ny\", 0.1, null ]";
    source_write(text, strlen(text));
    assert_int_equal(array_items_of_json(source, &items), EXIT_OK);
    assert_string_equal(items_read(&items), "{\"b\":[1,2]}\n\"x\\ny\"\n0.1\nnull\n");
    assert_int_equal(items.ids.last, 4);
    array_items_fini(&items);
}

static void test_items_that_cannot_be_are_refused_and_leave_nothing(void **state)
{
    (void)state;
    struct array_items items;
    static char longest[ARRAY_LINE_MAX_BYTES + 2];
    static const char *const no_json[] = {"", "{\"a\":1}", "[1,", "[]", "7", "[1] 2"};
    const struct array_ids tenth = {10, 10, 1};
    source_write("", 0);
    assert_int_equal(array_items_of_lines(source, (struct array_ids){0}, &items), EXIT_USAGE);
    assert_string_equal(items.folder, "");
    source_write("a\nb\n", 4);
    assert_int_equal(array_items_of_lines(source, tenth, &items), EXIT_USAGE);
    source_write("a\0b\n", 4);
    assert_int_equal(array_items_of_lines(source, (struct array_ids){0}, &items), EXIT_USAGE);
    memset(longest, 'x', sizeof longest - 1);
    source_write(longest, ARRAY_LINE_MAX_BYTES + 1);
    assert_int_equal(array_items_of_lines(source, (struct array_ids){0}, &items), EXIT_USAGE);
    source_write(longest, ARRAY_LINE_MAX_BYTES);
    assert_int_equal(array_items_of_lines(source, (struct array_ids){0}, &items), EXIT_OK);
    array_items_fini(&items);
    for (size_t i = 0; i < sizeof no_json / sizeof no_json[0]; i++) {
        source_write(no_json[i], strlen(no_json[i]));
        assert_int_equal(array_items_of_json(source, &items), EXIT_USAGE);
    }
    assert_int_equal(array_items_of_lines("/nowhere/at all", (struct array_ids){0}, &items),
                     EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_of_lines_are_the_lines),
        cmocka_unit_test(test_items_of_json_are_its_values_in_one_line_each),
        cmocka_unit_test(test_items_that_cannot_be_are_refused_and_leave_nothing),
    };
    return cmocka_run_group_tests(tests, source_make, source_drop);
}
