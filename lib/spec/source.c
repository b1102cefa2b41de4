#include "spec/source.h"

#include <stdbool.h>
#include <string.h>

size_t source_char_decode(const char *text, size_t len, uint32_t *ret_char)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least; /* smaller ones have a shorter form */
    } forms[] = {{0x80, 0x00, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};

    unsigned char lead = len > 0 ? (unsigned char)text[0] : 0xFF;
    size_t n = 0;
    while (n < 4 && (lead & forms[n].mask) != forms[n].lead) {
        n++;
    }
    if (n == 4 || n + 1 > len) {
        return 0;
    }
    uint32_t c = lead & (unsigned char)~forms[n].mask;
    for (size_t i = 1; i <= n; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte & 0xC0) != 0x80) {
            return 0;
        }
        c = c << 6 | (byte & 0x3F);
    }
    if (c < forms[n].least || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
        return 0;
    }
    *ret_char = c;
    return n + 1;
}

/* YAML 1.2, production [1] c-printable, less the byte order mark, which may only stand at the
 * start. */
static bool char_is_printable(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x7E) || c == 0x85 ||
           (c >= 0xA0 && c <= 0xD7FF) || (c >= 0xE000 && c <= 0xFFFD && c != 0xFEFF) ||
           c >= 0x10000;
}

struct source_cursor source_cursor_at_start(const char *text, size_t len)
{
    return (struct source_cursor){.text = text, .len = len, .line = 1, .column = 1, .before = '\n'};
}

static void cursor_step(struct source_cursor *cursor, size_t n)
{
    char byte = cursor->text[cursor->offset];
    bool is_half_break = byte == '\r' && cursor->offset + 1 < cursor->len &&
                         cursor->text[cursor->offset + 1] == '\n';
    if ((byte == '\n' || byte == '\r') && !is_half_break) {
        cursor->line++;
        cursor->column = 1;
        cursor->is_in_comment = false;
    } else {
        cursor->column++;
    }
    cursor->before = byte;
    cursor->offset += n;
    cursor->index++;
}

error_code source_chars_check(const char *text, size_t len, struct report *report)
{
    struct source_cursor cursor = source_cursor_at_start(text, len);
    while (cursor.offset < len) {
        uint32_t c;
        size_t n = source_char_decode(text + cursor.offset, len - cursor.offset, &c);
        if (n == 0) {
            return report_fail_at(report, ERR_INVALID, cursor.line, cursor.column,
                                  "byte 0x%02X is not UTF-8; save the file as UTF-8",
                                  (unsigned char)text[cursor.offset]);
        }
        if (!char_is_printable(c)) {
            return report_fail_at(report, ERR_INVALID, cursor.line, cursor.column,
                                  "the character U+%04X is not allowed in YAML", c);
        }
        cursor_step(&cursor, n);
    }
    return OK;
}

/* The text has passed source_chars_check(), so the lead byte tells the length. */
static size_t char_length(char lead)
{
    unsigned char byte = (unsigned char)lead;
    return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

error_code source_cursor_check_to(struct source_cursor *cursor, size_t index, struct report *report)
{
    while (cursor->index < index && cursor->offset < cursor->len) {
        char byte = cursor->text[cursor->offset];
        if (byte == '#' && strchr(" \t\r\n", cursor->before) != NULL) {
            cursor->is_in_comment = true;
        }
        if (byte == '\t' && !cursor->is_in_comment) {
            return report_fail_at(report, ERR_INVALID, cursor->line, cursor->column,
                                  "a tab is not allowed here; use spaces");
        }
        cursor_step(cursor, char_length(byte));
    }
    return OK;
}

void source_cursor_skip_to(struct source_cursor *cursor, size_t index)
{
    while (cursor->index < index && cursor->offset < cursor->len) {
        cursor_step(cursor, char_length(cursor->text[cursor->offset]));
    }
    cursor->is_in_comment = false;
}
