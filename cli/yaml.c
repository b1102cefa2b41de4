/* JSON values as YAML 1.2 in block style. Text is quoted unless it is a plain word that no version
 * of YAML takes for anything else; reals keep a point, so that readers of YAML 1.1 take them for
 * numbers too. */
#include <string.h>
#include <strings.h>

#include "base/json_out.h"
#include "base/value.h"
#include "cli/kinds.h"

static bool yaml_is_word(const char *text, size_t length)
{
    static const char *const taken[] = {"true", "false", "null", "yes", "no", "on",
                                        "off",  "y",     "n",    "nan", "inf"};
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
    static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/0123456789.-";
    if (length == 0 || length != strlen(text) || strchr(first, text[0]) == NULL ||
        strspn(text, more) != length) {
        return false;
    }
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (strcasecmp(taken[i], text) == 0) {
            return false;
        }
    }
    return true;
}

/* A JSON string is a YAML one, once what YAML does not print is escaped: DEL, C1, line and
 * paragraph separator, byte order mark, U+FFFE and U+FFFF. */
static void yaml_escape(struct buf *buf, const char *json, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const unsigned char *u = (const unsigned char *)json + i;
        size_t left = length - i;
        bool is_three = left >= 3 && (u[0] & 0xF0) == 0xE0;
        uint32_t c = u[0] == 0x7F                ? 0x7F
                     : left >= 2 && u[0] == 0xC2 ? (uint32_t)u[1]
                     : is_three ? (u[0] & 0x0Fu) << 12 | (u[1] & 0x3Fu) << 6 | (u[2] & 0x3Fu)
                                : 0;
        bool is_hidden = c == 0x7F || (c >= 0x80 && c < 0xA0) || c == 0x2028 || c == 0x2029 ||
                         c == 0xFEFF || c >= 0xFFFE;
        if (is_hidden) {
            ignore_error(buf_printf(buf, "\\u%04X", c), "sticky");
            i += c < 0x80 ? 0 : c < 0xA0 ? 1 : 2;
        } else {
            ignore_error(buf_append_byte(buf, u[0]), "sticky");
        }
    }
}

static void yaml_text(struct buf *buf, const char *text, size_t length)
{
    if (yaml_is_word(text, length)) {
        ignore_error(buf_append(buf, text, length), "sticky");
        return;
    }
    struct buf json;
    buf_init(&json, buf->max);
    ignore_error(json_text_strn(&json, text, length), "checked below");
    if (json.failed == OK) {
        yaml_escape(buf, buf_text(&json), json.len);
    } else {
        buf->failed = json.failed;
    }
    buf_fini(&json);
}

/* 1e-05 is text to a reader of YAML 1.1: 1.0e-05. */
static void yaml_real(struct buf *buf, double real)
{
    char text[REAL_TEXT_MAX];
    real_print(real, text);
    size_t n = strcspn(text, "e.");
    bool lacks_point = text[n] == 'e';
    ignore_error(buf_printf(buf, "%.*s%s%s", (int)n, text, lacks_point ? ".0" : "", text + n),
                 "sticky");
}

static void yaml_scalar(struct buf *buf, const json_t *value)
{
    if (json_is_string(value)) {
        yaml_text(buf, json_string_value(value), json_string_length(value));
    } else if (json_is_real(value)) {
        yaml_real(buf, json_real_value(value));
    } else if (json_is_integer(value)) {
        ignore_error(buf_printf(buf, "%lld", (long long)json_integer_value(value)), "sticky");
    } else {
        ignore_error(buf_append_text(buf, json_is_true(value)    ? "true"
                                          : json_is_false(value) ? "false"
                                                                 : "null"),
                     "sticky");
    }
}

static bool yaml_is_block(const json_t *value)
{
    return json_object_size(value) > 0 || json_array_size(value) > 0;
}

static void yaml_block(struct buf *buf, const json_t *value, int indent, bool is_inline);

/* Behind "key:" or "-". */
static void yaml_item(struct buf *buf, const json_t *value, int indent, bool is_key)
{
    if (!yaml_is_block(value)) {
        ignore_error(buf_append_byte(buf, ' '), "sticky");
        if (json_is_object(value) || json_is_array(value)) {
            ignore_error(buf_append_text(buf, json_is_object(value) ? "{}" : "[]"), "sticky");
        } else {
            yaml_scalar(buf, value);
        }
        ignore_error(buf_append_byte(buf, '\n'), "sticky");
    } else if (is_key) {
        ignore_error(buf_append_byte(buf, '\n'), "sticky");
        yaml_block(buf, value, indent + 2, false);
    } else {
        ignore_error(buf_append_byte(buf, ' '), "sticky");
        yaml_block(buf, value, indent + 2, true);
    }
}

static void yaml_block(struct buf *buf, const json_t *value, int indent, bool is_inline)
{
    const char *key;
    json_t *item;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
    {
        ignore_error(buf_printf(buf, "%*s", is_inline ? 0 : indent, ""), "sticky");
        is_inline = false;
        yaml_text(buf, key, strlen(key));
        ignore_error(buf_append_byte(buf, ':'), "sticky");
        yaml_item(buf, item, indent, true);
    }
    json_array_foreach((json_t *)(uintptr_t)value, i, item)
    {
        ignore_error(buf_printf(buf, "%*s-", is_inline ? 0 : indent, ""), "sticky");
        is_inline = false;
        yaml_item(buf, item, indent, false);
    }
}

bool yaml_append(struct buf *buf, const json_t *value)
{
    if (yaml_is_block(value)) {
        yaml_block(buf, value, 0, false);
    } else {
        yaml_item(buf, value, 0, true);
        /* The blank before it belongs to a key. */
        if (buf->failed == OK && buf->len > 0 && buf->data[0] == ' ') {
            buf_consume(buf, 1);
        }
    }
    return buf->failed == OK;
}
