/* What the head answers, in the form that was asked for. */
#include <string.h>
#include <unistd.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "base/value.h"
#include "cli/kinds.h"
#include "cli/text.h"

enum { CELL_MAX = 512 };

static const struct {
    const char *name;
    cli_output output;
} forms[] = {
    {"table", OUTPUT_TABLE},   {"wide", OUTPUT_WIDE}, {"json", OUTPUT_JSON},
    {"ndjson", OUTPUT_NDJSON}, {"csv", OUTPUT_CSV},   {"yaml", OUTPUT_YAML},
    {"name", OUTPUT_NAME},
};

bool cli_output_parse(const struct cli *cli, cli_output *ret_output)
{
    const char *form = cli_option(cli, "output");
    form = cli_option(cli, "json") != NULL ? "json" : form != NULL ? form : "table";
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(forms[i].name, form) == 0) {
            *ret_output = forms[i].output;
            return true;
        }
    }
    cli_fail(EXIT_USAGE,
             "unknown output form '%s'; use table, wide, json, ndjson, csv, yaml or name", form);
    return false;
}

bool cli_output_is_text(const struct cli *cli, cli_output output)
{
    return (output == OUTPUT_TABLE || output == OUTPUT_WIDE) && cli_option(cli, "columns") == NULL;
}

const json_t *cli_json_get(const json_t *object, const char *path)
{
    return column_get(object, path);
}

const char *cli_json_str(const json_t *object, const char *path)
{
    const char *text = json_string_value(cli_json_get(object, path));
    return text != NULL ? text : "";
}

int64_t cli_json_int(const json_t *object, const char *path)
{
    const json_t *value = cli_json_get(object, path);
    return json_is_number(value) ? (int64_t)json_number_value(value) : 0;
}

void cli_params_print(const json_t *params, char *ret_text, size_t size_bytes)
{
    const char *name;
    json_t *value;
    size_t used = 0;
    ret_text[0] = '\0';
    json_object_foreach((json_t *)(uintptr_t)params, name, value)
    {
        char text[CELL_MAX] = "";
        cli_value_print(value, text, sizeof text);
        int n = snprintf(ret_text + used, size_bytes - used, "%s%s=%s", used > 0 ? " " : "", name,
                         text);
        if (n < 0 || (size_t)n >= size_bytes - used) {
            return;
        }
        used += (size_t)n;
    }
}

void cli_value_print(const json_t *value, char *ret_text, size_t size_bytes)
{
    ret_text[0] = '\0';
    if (json_is_string(value)) {
        snprintf(ret_text, size_bytes, "%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        snprintf(ret_text, size_bytes, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        /* People read four digits; -o json has them all. */
        double real = json_real_value(value);
        snprintf(ret_text, size_bytes, "%.4g", real);
    } else if (json_is_boolean(value)) {
        snprintf(ret_text, size_bytes, "%s", json_is_true(value) ? "true" : "false");
    } else if (json_is_object(value)) {
        cli_params_print(value, ret_text, size_bytes);
    } else if (json_is_array(value)) {
        size_t used = 0, i;
        json_t *item;
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
        {
            char text[CELL_MAX] = "";
            cli_value_print(item, text, sizeof text);
            int n = snprintf(ret_text + used, size_bytes - used, "%s%s", i > 0 ? "," : "", text);
            if (n < 0 || (size_t)n >= size_bytes - used) {
                return;
            }
            used += (size_t)n;
        }
    }
}

/* NULL: no memory, the value is left as it is. */
static json_t *printable(json_t *value)
{
    if (!json_is_string(value)) {
        cli_make_printable(value);
        return json_incref(value);
    }
    char *text = mem_strdup(json_string_value(value));
    if (text == NULL) {
        return NULL;
    }
    text_make_printable(text);
    json_t *copy = json_string(text);
    mem_free(text);
    return copy;
}

void cli_make_printable(json_t *value)
{
    const char *key;
    json_t *item;
    void *next;
    size_t i;
    json_object_foreach_safe(value, next, key, item)
    {
        json_object_set_new(value, key, printable(item));
    }
    json_array_foreach(value, i, item)
    {
        json_array_set_new(value, i, printable(item));
    }
}

enum { JSON_TEXT_MAX = 512 << 20 };

static void json_append(struct buf *buf, const json_t *value, int indent);

/* A line break before an item; nothing in the compact form, whose indent is below 0. */
static void json_break(struct buf *buf, int indent)
{
    if (indent >= 0) {
        ignore_error(buf_printf(buf, "\n%*s", 2 * indent, ""), "sticky");
    }
}

static void json_items_append(struct buf *buf, const json_t *value, int indent)
{
    bool is_object = json_is_object(value), is_first = true;
    const char *name;
    json_t *item;
    size_t i;
    int inner = indent >= 0 ? indent + 1 : indent;
    ignore_error(buf_append_byte(buf, is_object ? '{' : '['), "sticky");
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
    {
        ignore_error(buf_append_text(buf, is_first ? "" : ","), "sticky");
        is_first = false;
        json_break(buf, inner);
        ignore_error(json_text_str(buf, name), "sticky");
        ignore_error(buf_append_text(buf, indent >= 0 ? ": " : ":"), "sticky");
        json_append(buf, item, inner);
    }
    json_array_foreach(value, i, item)
    {
        ignore_error(buf_append_text(buf, is_first ? "" : ","), "sticky");
        is_first = false;
        json_break(buf, inner);
        json_append(buf, item, inner);
    }
    if (!is_first) {
        json_break(buf, indent);
    }
    ignore_error(buf_append_byte(buf, is_object ? '}' : ']'), "sticky");
}

static void json_append(struct buf *buf, const json_t *value, int indent)
{
    char text[64];
    if (json_is_object(value) || json_is_array(value)) {
        json_items_append(buf, value, indent);
    } else if (json_is_string(value)) {
        ignore_error(json_text_strn(buf, json_string_value(value), json_string_length(value)),
                     "sticky");
    } else if (json_is_real(value)) {
        ignore_error(json_text_real(buf, json_real_value(value)), "sticky");
    } else {
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
        ignore_error(buf_append_text(buf, json_is_integer(value) ? text
                                          : json_is_true(value)  ? "true"
                                          : json_is_false(value) ? "false"
                                                                 : "null"),
                     "sticky");
    }
}

error_code cli_json_append(struct buf *buf, const json_t *value)
{
    json_append(buf, value, -1);
    return buf->failed;
}

void cli_json_write(FILE *to, const json_t *value, bool is_pretty)
{
    struct buf buf;
    buf_init(&buf, JSON_TEXT_MAX);
    json_append(&buf, value, is_pretty ? 0 : -1);
    if (buf.failed == OK) {
        fwrite(buf.data, 1, buf.len, to);
        fputc('\n', to);
    } else {
        cli_fail(EXIT_REQUEST, "the answer is too large to print");
    }
    buf_fini(&buf);
}

static int yaml_write(FILE *to, const json_t *value)
{
    struct buf buf;
    buf_init(&buf, JSON_TEXT_MAX);
    bool is_whole = yaml_append(&buf, value);
    if (is_whole) {
        fwrite(buf.data, 1, buf.len, to);
    }
    buf_fini(&buf);
    return is_whole ? EXIT_OK : cli_fail(EXIT_REQUEST, "the answer is too large to print");
}

static void names_write(FILE *to, const struct cli_kind *kind, const json_t *items)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)items, i, item)
    {
        struct buf text;
        buf_init(&text, 1 << 16);
        const json_t *name = json_object_get(item, kind != NULL ? kind->id : "id");
        if (csv_value_text(name, &text)) {
            fprintf(to, "%s\n", buf_text(&text));
        }
        buf_fini(&text);
    }
}

/* The rows of a table, of csv or of nothing but names. */
static int rows_write(const struct cli *cli, FILE *to, const struct cli_kind *kind, json_t *items,
                      cli_output output)
{
    struct columns columns;
    if (output == OUTPUT_NAME) {
        names_write(to, kind, items);
        return EXIT_OK;
    }
    int code = columns_choose(cli, kind, items, output, &columns);
    if (code != EXIT_OK) {
        return code;
    }
    if (output == OUTPUT_CSV) {
        csv_print(to, items, &columns);
    } else {
        code = table_print(to, items, &columns, output == OUTPUT_WIDE);
    }
    columns_fini(&columns);
    return code;
}

int cli_write_list(const struct cli *cli, FILE *to, const struct cli_kind *kind, json_t *list,
                   cli_output output)
{
    json_t *items = json_object_get(list, "items"), *item;
    size_t i;
    if (output == OUTPUT_JSON) {
        cli_json_write(to, list, true);
        return EXIT_OK;
    }
    if (output == OUTPUT_YAML) {
        return yaml_write(to, list);
    }
    if (output == OUTPUT_NDJSON) {
        json_array_foreach(items, i, item)
        {
            cli_json_write(to, item, false);
        }
        return EXIT_OK;
    }
    return rows_write(cli, to, kind, items, output);
}

int cli_print_list(const struct cli *cli, const struct cli_kind *kind, json_t *list)
{
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    return cli_write_list(cli, stdout, kind, list, output);
}

int cli_print_kind(const struct cli *cli, const struct cli_kind *kind, json_t *object)
{
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    if (output == OUTPUT_JSON || output == OUTPUT_NDJSON) {
        cli_json_write(stdout, object, output == OUTPUT_JSON);
        return EXIT_OK;
    }
    if (output == OUTPUT_YAML) {
        return yaml_write(stdout, object);
    }
    json_t *items = json_pack("[O]", object);
    int code = rows_write(cli, stdout, kind, items, output);
    json_decref(items);
    return code;
}

int cli_print_object(const struct cli *cli, json_t *object)
{
    return cli_print_kind(cli, NULL, object);
}

int cli_print_items(const struct cli *cli, json_t *list, const struct cli_column *columns,
                    int n_columns)
{
    cli_output output;
    struct column items[32];
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    if (!cli_output_is_text(cli, output)) {
        return cli_write_list(cli, stdout, NULL, list, output);
    }
    int n = n_columns < (int)(sizeof items / sizeof items[0]) ? n_columns : 32;
    for (int i = 0; i < n; i++) {
        column_make_plain(columns[i].path, &items[i]);
        snprintf(items[i].title, sizeof items[i].title, "%s", columns[i].title);
        items[i].is_right = columns[i].is_right;
    }
    struct columns shown = {items, n};
    return table_print(stdout, json_object_get(list, "items"), &shown, output == OUTPUT_WIDE);
}
