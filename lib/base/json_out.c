#include "base/json_out.h"

#include <math.h>
#include <string.h>

/* Length of the UTF-8 sequence at text (RFC 3629, no surrogates, no overlong forms), 0 if it is
 * none. */
static size_t utf8_sequence(const unsigned char *text, size_t length)
{
    unsigned char c = text[0];
    size_t n = c < 0x80                 ? 1
               : c >= 0xC2 && c <= 0xDF ? 2
               : (c & 0xF0) == 0xE0     ? 3
               : c >= 0xF0 && c <= 0xF4 ? 4
                                        : 0;
    if (n == 0 || n > length) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    if ((c == 0xE0 && text[1] < 0xA0) || (c == 0xED && text[1] > 0x9F) ||
        (c == 0xF0 && text[1] < 0x90) || (c == 0xF4 && text[1] > 0x8F)) {
        return 0;
    }
    return n;
}

static void json_text_escape(struct buf *buf, unsigned char c)
{
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof named; i += 2) {
        if ((unsigned char)named[i] == c) {
            ignore_error(buf_append_byte(buf, '\\'), "sticky");
            ignore_error(buf_append_byte(buf, (uint8_t)named[i + 1]), "sticky");
            return;
        }
    }
    ignore_error(buf_printf(buf, "\\u%04x", c), "sticky");
}

error_code json_text_strn(struct buf *buf, const char *text, size_t length)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t plain = 0, i = 0;
    ignore_error(buf_append_byte(buf, '"'), "sticky");
    while (i < length) {
        size_t n = utf8_sequence(c + i, length - i);
        bool is_plain = n > 1 || (n == 1 && c[i] >= 0x20 && c[i] != '"' && c[i] != '\\');
        if (is_plain) {
            i += n;
            continue;
        }
        ignore_error(buf_append(buf, text + plain, i - plain), "sticky");
        if (n == 0) {
            ignore_error(buf_append_text(buf, "\xEF\xBF\xBD"), "sticky");
        } else {
            json_text_escape(buf, c[i]);
        }
        plain = ++i;
    }
    ignore_error(buf_append(buf, text + plain, length - plain), "sticky");
    return buf_append_byte(buf, '"');
}

error_code json_text_str(struct buf *buf, const char *text)
{
    return json_text_strn(buf, text, strlen(text));
}

error_code json_text_real(struct buf *buf, double real)
{
    char text[REAL_TEXT_MAX];
    return buf_printf(buf, isfinite(real) ? "%s" : "\"%s\"", real_print(real, text));
}

static void json_key(struct json_out *out, const char *key)
{
    if (out->need_comma) {
        ignore_error(buf_append_byte(out->buf, ','), "sticky");
    }
    if (key != NULL) {
        ignore_error(json_text_str(out->buf, key), "sticky");
        ignore_error(buf_append_byte(out->buf, ':'), "sticky");
    }
    out->need_comma = true;
}

void json_object_begin(struct json_out *out, const char *key)
{
    json_key(out, key);
    ignore_error(buf_append_byte(out->buf, '{'), "sticky");
    out->need_comma = false;
}

void json_object_end(struct json_out *out)
{
    ignore_error(buf_append_byte(out->buf, '}'), "sticky");
    out->need_comma = true;
}

void json_array_begin(struct json_out *out, const char *key)
{
    json_key(out, key);
    ignore_error(buf_append_byte(out->buf, '['), "sticky");
    out->need_comma = false;
}

void json_array_end(struct json_out *out)
{
    ignore_error(buf_append_byte(out->buf, ']'), "sticky");
    out->need_comma = true;
}

void json_strn(struct json_out *out, const char *key, const char *text, size_t length)
{
    json_key(out, key);
    ignore_error(json_text_strn(out->buf, text, length), "sticky");
}

void json_str(struct json_out *out, const char *key, const char *text)
{
    if (text == NULL) {
        json_out_null(out, key);
    } else {
        json_strn(out, key, text, strlen(text));
    }
}

void json_i64(struct json_out *out, const char *key, int64_t number)
{
    json_key(out, key);
    ignore_error(buf_printf(out->buf, "%lld", (long long)number), "sticky");
}

void json_u64(struct json_out *out, const char *key, uint64_t number)
{
    json_key(out, key);
    ignore_error(buf_printf(out->buf, "%llu", (unsigned long long)number), "sticky");
}

void json_out_real(struct json_out *out, const char *key, double real)
{
    json_key(out, key);
    ignore_error(json_text_real(out->buf, real), "sticky");
}

void json_bool(struct json_out *out, const char *key, bool boolean)
{
    json_key(out, key);
    ignore_error(buf_append_text(out->buf, boolean ? "true" : "false"), "sticky");
}

void json_out_null(struct json_out *out, const char *key)
{
    json_key(out, key);
    ignore_error(buf_append_text(out->buf, "null"), "sticky");
}

void json_value(struct json_out *out, const char *key, struct value value)
{
    json_key(out, key);
    ignore_error(value_print_json(value, out->buf), "sticky");
}

void json_time(struct json_out *out, const char *key, time_ms time)
{
    char text[32];
    json_str(out, key, time == 0 ? NULL : time_print(time, text));
}

void json_task_id(struct json_out *out, const char *key, task_id id)
{
    char text[TASK_ID_TEXT_MAX];
    json_str(out, key, task_id_print(id, text));
}

void json_raw(struct json_out *out, const char *key, const char *json, size_t length)
{
    json_key(out, key);
    ignore_error(buf_append(out->buf, json, length), "sticky");
}
