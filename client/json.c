#include "json.h"

#include <stdlib.h>
#include <string.h>

static const char *skip_blanks(const char *c, const char *end)
{
    while (c < end && (*c == ' ' || *c == '\t' || *c == '\r' || *c == '\n')) {
        c++;
    }
    return c;
}

/* One past the value that starts at c; NULL if it does not end before `end`. */
static const char *skip_value(const char *c, const char *end)
{
    int depth = 0;
    bool in_string = false;
    if (c >= end) {
        return NULL;
    }
    for (const char *start = c; c < end; c++) {
        if (in_string) {
            if (*c == '\\' && c + 1 < end) {
                c++;
            } else if (*c == '"') {
                in_string = false;
                if (depth == 0) {
                    return c + 1;
                }
            }
        } else if (*c == '"') {
            in_string = true;
        } else if (*c == '{' || *c == '[') {
            depth++;
        } else if (*c == '}' || *c == ']') {
            if (depth == 0) {
                return c > start ? c : NULL;
            }
            if (--depth == 0) {
                return c + 1;
            }
        } else if (depth == 0 && (*c == ',' || *c == ' ')) {
            return c > start ? c : NULL;
        }
    }
    return depth == 0 && !in_string ? end : NULL;
}

bool json_next(struct json_span object, const char **at, struct json_span *key,
               struct json_span *value)
{
    const char *c = skip_blanks(*at, object.end);
    if (c < object.end && (*c == '{' || *c == ',')) {
        c = skip_blanks(c + 1, object.end);
    }
    if (c >= object.end || *c != '"') {
        return false;
    }
    const char *key_end = skip_value(c, object.end);
    const char *colon = key_end != NULL ? skip_blanks(key_end, object.end) : NULL;
    if (colon == NULL || colon >= object.end || *colon != ':') {
        return false;
    }
    const char *begin = skip_blanks(colon + 1, object.end);
    const char *end = skip_value(begin, object.end);
    if (end == NULL) {
        return false;
    }
    *key = (struct json_span){c, key_end};
    *value = (struct json_span){begin, end};
    *at = skip_blanks(end, object.end);
    return true;
}

struct json_span json_find(struct json_span object, const char *key)
{
    struct json_span name, value;
    const char *at = object.begin;
    char text[256];
    while (at != NULL && json_next(object, &at, &name, &value)) {
        if (json_text(name, text, sizeof text) && strcmp(text, key) == 0) {
            return value;
        }
    }
    return (struct json_span){NULL, NULL};
}

bool json_number(struct json_span span, double *ret_number)
{
    char text[64], *end = NULL;
    if (!json_text(span, text, sizeof text) || text[0] == '\0' || strlen(text) + 1 == sizeof text) {
        return false;
    }
    double number = strtod(text, &end);
    if (*end != '\0') {
        return false;
    }
    *ret_number = number;
    return true;
}

static size_t utf8_put(unsigned code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* Four hexadecimal digits at c; -1 if they are not. */
static int hex4(const char *c)
{
    int code = 0;
    for (int i = 0; i < 4; i++) {
        bool is_digit = c[i] >= '0' && c[i] <= '9';
        char letter = (char)(c[i] | 0x20);
        if (!is_digit && (letter < 'a' || letter > 'f')) {
            return -1;
        }
        code = code * 16 + (is_digit ? c[i] - '0' : letter - 'a' + 10);
    }
    return code;
}

/* The character of an escape \uXXXX at c (its u), with the second half of a pair; what is no
 * character is U+FFFD. *c moves to the last byte taken. */
static unsigned unicode_escape(const char **c, const char *end)
{
    int high = hex4(*c + 1);
    *c += 4;
    if (high < 0xD800 || high > 0xDFFF) {
        return high > 0 ? (unsigned)high : 0xFFFD;
    }
    bool has_second = high < 0xDC00 && end - *c > 6 && (*c)[1] == '\\' && (*c)[2] == 'u';
    int low = has_second ? hex4(*c + 3) : -1;
    if (low < 0xDC00 || low > 0xDFFF) {
        return 0xFFFD;
    }
    *c += 6;
    return 0x10000U + ((unsigned)(high - 0xD800) << 10) + (unsigned)(low - 0xDC00);
}

/* One escape at *c (the backslash); writes its text, moves *c to its last character. */
static size_t escape_put(const char **c, const char *end, char out[4])
{
    static const char from[] = "bfnrt\"\\/", to[] = "\b\f\n\r\t\"\\/";
    (*c)++;
    if (*c >= end || **c == '\0') {
        return 0;
    }
    const char *named = strchr(from, **c);
    if (named != NULL) {
        out[0] = to[named - from];
        return 1;
    }
    return **c == 'u' && end - *c >= 5 ? utf8_put(unicode_escape(c, end), out) : 0;
}

bool json_text(struct json_span span, char *ret_text, size_t size_bytes)
{
    size_t n = 0;
    ret_text[0] = '\0';
    if (span.begin == NULL || span.begin >= span.end ||
        (span.end - span.begin == 4 && memcmp(span.begin, "null", 4) == 0)) {
        return false;
    }
    bool is_string = *span.begin == '"';
    const char *end = span.end - is_string;
    for (const char *c = span.begin + is_string; c < end; c++) {
        char character[4] = {*c};
        size_t length = is_string && *c == '\\' ? escape_put(&c, end, character) : 1;
        if (n + length >= size_bytes) {
            break;
        }
        memcpy(ret_text + n, character, length);
        n += length;
    }
    ret_text[n] = '\0';
    return true;
}

size_t json_utf8_length(const char *text)
{
    static const struct {
        unsigned char mask, lead;
        unsigned min;
    } forms[] = {{0x80, 0x00, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};
    const unsigned char *c = (const unsigned char *)text;
    for (size_t n = 0; n < 4; n++) {
        if ((*c & forms[n].mask) != forms[n].lead) {
            continue;
        }
        unsigned code = *c & ~forms[n].mask & 0xFFU;
        for (size_t i = 1; i <= n; i++) {
            if ((c[i] & 0xC0) != 0x80) {
                return 0;
            }
            code = code << 6 | (c[i] & 0x3F);
        }
        bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
        return code >= forms[n].min && code <= 0x10FFFF && !is_surrogate ? n + 1 : 0;
    }
    return 0;
}
