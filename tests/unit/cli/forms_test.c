/* csv, yaml, columns, order, and text on a terminal. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/filters.h"
#include "cli/list.h"
#include "cli/text.h"
#include "spec/sweep.h"

static json_t *json_of(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    assert_non_null(value);
    return value;
}

/* ---- csv ---- */

static char *csv_of(const char *items_text, const char *const *paths, int n)
{
    struct column items[8];
    struct columns columns = {items, n};
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    json_t *items_json = json_of(items_text);
    for (int i = 0; i < n; i++) {
        column_make_plain(paths[i], &items[i]);
    }
    csv_print(stream, items_json, &columns);
    fclose(stream);
    json_decref(items_json);
    return text;
}

static void test_csv_quotes_what_must_be_quoted(void **state)
{
    (void)state;
    char *text =
        csv_of("[{\"a\":\"x,y\",\"b\":\"he said \\\"no\\\"\"},{\"a\":\"two\\nlines\",\"b\":null},"
               "{\"a\":\" blank\",\"b\":\"plain\"}]",
               (const char *const[]){"a", "b"}, 2);
    assert_string_equal(
        text, "a,b\r\n\"x,y\",\"he said \"\"no\"\"\"\r\n\"two\nlines\",\r\n\" blank\",plain\r\n");
    free(text);
}

static void test_csv_keeps_every_digit_and_finds_dotted_keys(void **state)
{
    (void)state;
    char *text = csv_of("[{\"p\":{\"a.b\":1e-05,\"c\":0.1},\"l\":[\"x\",\"y\"],\"t\":true,\"big\":"
                        "9007199254740993}]",
                        (const char *const[]){"p.a.b", "p.c", "l", "t", "big", "none"}, 6);
    assert_string_equal(text,
                        "p.a.b,p.c,l,t,big,none\r\n1e-05,0.1,\"x,y\",true,9007199254740993,\r\n");
    free(text);
}

/* ---- yaml ---- */

static void assert_yaml(const char *json, const char *wanted)
{
    struct buf buf;
    json_t *value = json_of(json);
    buf_init(&buf, 1 << 20);
    assert_true(yaml_append(&buf, value));
    assert_string_equal(buf_text(&buf), wanted);
    buf_fini(&buf);
    json_decref(value);
}

static void test_yaml_writes_blocks(void **state)
{
    (void)state;
    assert_yaml(
        "{\"a\":1,\"b\":{\"c\":[],\"d\":{}},\"e\":[1,{\"f\":2,\"g\":[3]},[4,5]]}",
        "a: 1\nb:\n  c: []\n  d: {}\ne:\n  - 1\n  - f: 2\n    g:\n      - 3\n  - - 4\n    - 5\n");
    assert_yaml("[]", "[]\n");
    assert_yaml("1.5", "1.5\n");
}

static void test_yaml_quotes_what_could_be_taken_for_something_else(void **state)
{
    static const char *const quoted[] = {"yes",   "No",         "null", "~",  "1", "1.5",
                                         "0x1f",  "-",          "a: b", "#c", "",  " x",
                                         "12.41", "2026-11-24", "'q'",  "nan"};
    (void)state;
    for (size_t i = 0; i < sizeof quoted / sizeof quoted[0]; i++) {
        struct buf buf;
        json_t *value = json_string(quoted[i]);
        buf_init(&buf, 4096);
        assert_true(yaml_append(&buf, value));
        assert_int_equal(buf.data[0], '"');
        buf_fini(&buf);
        json_decref(value);
    }
    assert_yaml("\"plain-word.v2\"", "plain-word.v2\n");
    assert_yaml("\"two\\nlines\\u007f\\u2028\\u0085\"", "\"two\\nlines\\u007F\\u2028\\u0085\"\n");
}

static void test_yaml_reals_are_numbers_for_old_readers(void **state)
{
    (void)state;
    assert_yaml("[1e-05, 1e300, 32.0, 0.1]", "- 1.0e-05\n- 1.0e+300\n- 32.0\n- 0.1\n");
}

/* ---- columns ---- */

static void test_columns_come_from_the_schema(void **state)
{
    struct column column;
    (void)state;
    assert_true(column_make(&api_trial_schema, "last.metrics.val.loss", &column));
    assert_string_equal(column.title, "LAST.val.loss");
    assert_true(column_make(&api_trial_schema, "params.lr", &column));
    assert_true(column_make(&api_trial_schema, "best.step", &column) && column.is_right);
    assert_true(column_make(&api_node_schema, "memory", &column) && column.form == CELL_SIZE);
    assert_false(column_make(&api_trial_schema, "params.", &column));
    assert_false(column_make(&api_trial_schema, "state.x", &column));
    assert_false(column_make(&api_trial_schema, "nonsense", &column));
    assert_false(column_make(&api_trial_schema, "", &column));
}

/* Every column that a table shows unasked is a field. */
static void test_columns_of_every_kind_are_fields(void **state)
{
    static const struct cli_kind *const kinds[] = {&cli_sweep_kind, &cli_trial_kind,
                                                   &cli_task_kind,  &cli_node_kind,
                                                   &cli_key_kind,   &cli_status_kind};
    struct column column;
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_non_null(schema_field(kinds[i]->schema, kinds[i]->id));
        for (const char *const *path = kinds[i]->columns; *path != NULL; path++) {
            assert_true(column_make(kinds[i]->schema, *path, &column));
        }
        for (const char *const *path = kinds[i]->wide; path != NULL && *path != NULL; path++) {
            assert_true(column_make(kinds[i]->schema, *path, &column));
        }
    }
}

/* ---- order ---- */

static void assert_order(const char *items_text, const char *path, bool is_descending,
                         const char *wanted)
{
    json_t *items = json_of(items_text), *item;
    size_t i;
    char got[256] = "";
    items_sort(items, path, is_descending);
    json_array_foreach(items, i, item)
    {
        strcat(got, json_string_value(json_object_get(item, "n")));
    }
    assert_string_equal(got, wanted);
    json_decref(items);
}

static void test_order_numbers_ids_and_empty_ones(void **state)
{
    static const char items[] =
        "[{\"n\":\"a\",\"v\":10,\"id\":\"1.10\"},{\"n\":\"b\",\"v\":\"nan\",\"id\":\"1.9\"},"
        "{\"n\":\"c\",\"v\":2.5,\"id\":\"12.1\"},{\"n\":\"d\",\"v\":null,\"id\":\"2.1\"},"
        "{\"n\":\"e\",\"v\":\"-inf\",\"id\":\"1.10\"}]";
    (void)state;
    assert_order(items, "v", false, "ecabd");
    assert_order(items, "v", true, "acebd");
    assert_order(items, "id", false, "baedc");
    assert_order(items, "none", false, "abcde");
}

/* ---- filters ---- */

static bool fits(const char *filter, const char *item_text)
{
    const char *argv[] = {"muster", "trial", "list", "--filter", filter};
    struct cli cli = {0};
    struct filters filters;
    json_t *item = json_of(item_text);
    assert_int_equal(cli_parse(&cli, 5, (char **)(uintptr_t)argv), EXIT_OK);
    assert_int_equal(filters_read(&cli, &cli_trial_kind, &filters), EXIT_OK);
    bool is_fit = filters_fit(&filters, item);
    json_decref(item);
    free(cli.arguments);
    return is_fit;
}

static void test_filters_compare_by_type(void **state)
{
    static const char item[] =
        "{\"state\":\"ended\",\"outcome\":\"failed\",\"step\":27,\"gpus\":[\"G1\",\"G2\"],"
        "\"reason\":\"Exit Code 3\",\"node\":\"\",\"params\":{\"lr\":0.5}}";
    (void)state;
    assert_true(fits("step=27.0", item));
    assert_false(fits("step=2", item));
    assert_true(fits("state=failed", item)); /* an outcome */
    assert_false(fits("state!=failed", item));
    assert_true(fits("gpus=G2", item));
    assert_false(fits("gpus=G", item));
    assert_true(fits("reason~exit code", item));
    assert_true(fits("node=", item));
    assert_true(fits("params.lr=0.5", item));
    assert_true(fits("params.none=", item));
}

/* ---- text ---- */

static void test_text_is_cut_at_columns_not_bytes(void **state)
{
    char text[64];
    (void)state;
    strcpy(text, "h\xC3\xA9llo w\xC3\xB6rld");
    assert_int_equal(text_columns(text), 11);
    text_cut(text, 11);
    assert_string_equal(text, "h\xC3\xA9llo w\xC3\xB6rld");
    text_cut(text, 6);
    assert_true(text_columns(text) <= 6);
    text_cut(text, 0);
    assert_int_equal(text_columns(text), 0);
}

static void test_text_cannot_move_the_cursor(void **state)
{
    char text[] = "a\033[2Jb\r\nc\xC2\x9B"
                  "d\x7F\xC2\xA0\033[1;31mred\033[0m\033[";
    (void)state;
    text_make_printable(text);
    assert_string_equal(text, "a [2Jb  c d \xC2\xA0red [");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_quotes_what_must_be_quoted),
        cmocka_unit_test(test_csv_keeps_every_digit_and_finds_dotted_keys),
        cmocka_unit_test(test_yaml_writes_blocks),
        cmocka_unit_test(test_yaml_quotes_what_could_be_taken_for_something_else),
        cmocka_unit_test(test_yaml_reals_are_numbers_for_old_readers),
        cmocka_unit_test(test_columns_come_from_the_schema),
        cmocka_unit_test(test_columns_of_every_kind_are_fields),
        cmocka_unit_test(test_order_numbers_ids_and_empty_ones),
        cmocka_unit_test(test_filters_compare_by_type),
        cmocka_unit_test(test_text_is_cut_at_columns_not_bytes),
        cmocka_unit_test(test_text_cannot_move_the_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
