/* Tables, JSON and NDJSON from what the head answers. */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "base/value.h"
#include "cli/cli.h"

enum { CELL_MAX = 512, COLUMNS_MAX = 16 };

bool cli_output_parse(const struct cli *cli, cli_output *ret_output)
{
    const char *form = cli_option(cli, "output");
    if (cli_option(cli, "json") != NULL) {
        form = "json";
    }
    if (form == NULL || strcmp(form, "table") == 0) {
        *ret_output = OUTPUT_TABLE;
    } else if (strcmp(form, "json") == 0) {
        *ret_output = OUTPUT_JSON;
    } else if (strcmp(form, "ndjson") == 0) {
        *ret_output = OUTPUT_NDJSON;
    } else {
        cli_fail(EXIT_USAGE, "unknown output form '%s'; use table, json or ndjson", form);
        return false;
    }
    return true;
}

const json_t *cli_json_get(const json_t *object, const char *path)
{
    char key[128];
    const char *dot = strchr(path, '.');
    size_t n = dot != NULL ? (size_t)(dot - path) : strlen(path);
    if (n >= sizeof key) {
        return NULL;
    }
    memcpy(key, path, n);
    key[n] = '\0';
    const json_t *value = json_object_get(object, key);
    return dot != NULL && value != NULL ? cli_json_get(value, dot + 1) : value;
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

int cli_print_object(const struct cli *cli, json_t *object)
{
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    cli_json_write(stdout, object, output != OUTPUT_NDJSON);
    return EXIT_OK;
}

static void cell_print(const json_t *item, const char *path, char *ret_text)
{
    const json_t *value = cli_json_get(item, path);
    cli_value_print(value, ret_text, CELL_MAX);
    /* Times: seconds are enough in a table. */
    if (strlen(ret_text) == 24 && ret_text[10] == 'T' && ret_text[23] == 'Z') {
        ret_text[10] = ' ';
        ret_text[19] = '\0';
    }
    for (char *c = ret_text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20) {
            *c = ' ';
        }
    }
}

/* Of UTF-8 text: its bytes would make columns ragged. */
static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return n;
}

static void cell_pad(const char *text, int width, const struct cli_column *column, bool is_first,
                     bool is_last)
{
    int pad = width - (int)characters(text);
    printf("%s%*s%s%*s", is_first ? "" : "  ", column->is_right ? pad : 0, "", text,
           column->is_right || is_last ? 0 : pad, "");
}

static void table_print(json_t *items, const struct cli_column *columns, int n_columns)
{
    char text[CELL_MAX] = "";
    size_t width[COLUMNS_MAX], i;
    json_t *item;
    for (int c = 0; c < n_columns; c++) {
        width[c] = strlen(columns[c].title);
    }
    json_array_foreach(items, i, item)
    {
        for (int c = 0; c < n_columns; c++) {
            cell_print(item, columns[c].path, text);
            size_t n = characters(text);
            width[c] = n > width[c] ? n : width[c];
        }
    }
    for (int c = 0; c < n_columns; c++) {
        cell_pad(columns[c].title, (int)width[c], &columns[c], c == 0, c + 1 == n_columns);
    }
    putchar('\n');
    json_array_foreach(items, i, item)
    {
        for (int c = 0; c < n_columns; c++) {
            cell_print(item, columns[c].path, text);
            cell_pad(text, (int)width[c], &columns[c], c == 0, c + 1 == n_columns);
        }
        putchar('\n');
    }
}

int cli_print_items(const struct cli *cli, json_t *list, const struct cli_column *columns,
                    int n_columns)
{
    cli_output output;
    json_t *items = json_object_get(list, "items"), *item;
    size_t i;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    if (output == OUTPUT_JSON) {
        return cli_print_object(cli, list);
    }
    if (output == OUTPUT_NDJSON) {
        json_array_foreach(items, i, item)
        {
            cli_json_write(stdout, item, false);
        }
        return EXIT_OK;
    }
    table_print(items, columns, n_columns < COLUMNS_MAX ? n_columns : COLUMNS_MAX);
    return EXIT_OK;
}
