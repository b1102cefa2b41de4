/* RFC 4180: a header line, fields quoted where they hold a comma, quote or line end, CR LF. */
#include <string.h>

#include "base/json_out.h"
#include "cli/kinds.h"

static bool csv_is_flat(const json_t *array)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)array, i, item)
    {
        if (json_is_array(item) || json_is_object(item)) {
            return false;
        }
    }
    return true;
}

bool csv_value_text(const json_t *value, struct buf *ret_text)
{
    size_t i;
    json_t *item;
    if (value == NULL || json_is_null(value)) {
        return ret_text->failed == OK;
    }
    if (json_is_string(value)) {
        return buf_append(ret_text, json_string_value(value), json_string_length(value)) == OK;
    }
    if (json_is_array(value) && csv_is_flat(value)) {
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
        {
            ignore_error(buf_append_text(ret_text, i > 0 ? "," : ""), "sticky");
            (void)csv_value_text(item, ret_text);
        }
        return ret_text->failed == OK;
    }
    return cli_json_append(ret_text, value) == OK;
}

static void csv_field_print(FILE *to, const char *text, size_t length)
{
    bool is_bare = memchr(text, ',', length) == NULL && memchr(text, '"', length) == NULL &&
                   memchr(text, '\n', length) == NULL && memchr(text, '\r', length) == NULL &&
                   (length == 0 || (text[0] != ' ' && text[length - 1] != ' '));
    if (is_bare) {
        fwrite(text, 1, length, to);
        return;
    }
    fputc('"', to);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') {
            fputc('"', to);
        }
        fputc(text[i], to);
    }
    fputc('"', to);
}

void csv_print(FILE *to, json_t *items, const struct columns *columns)
{
    size_t i;
    json_t *item;
    struct buf text;
    buf_init(&text, 64 << 20);
    for (int c = 0; c < columns->n; c++) {
        fputs(c > 0 ? "," : "", to);
        csv_field_print(to, columns->items[c].path, strlen(columns->items[c].path));
    }
    fputs("\r\n", to);
    json_array_foreach(items, i, item)
    {
        for (int c = 0; c < columns->n; c++) {
            buf_reset(&text);
            (void)csv_value_text(column_get(item, columns->items[c].path), &text);
            fputs(c > 0 ? "," : "", to);
            csv_field_print(to, buf_text(&text), text.len);
        }
        fputs("\r\n", to);
    }
    buf_fini(&text);
}
