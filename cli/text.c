#include "cli/text.h"

#include <langinfo.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

/* One character; its length in bytes, at least 1. What is no UTF-8 is one column wide. */
static size_t character(const char *text, int *ret_columns)
{
    const unsigned char *u = (const unsigned char *)text;
    size_t n = u[0] < 0xC0 ? 1 : u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : 4;
    uint32_t c = n == 1 ? u[0] : u[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xC0) != 0x80) {
            *ret_columns = 1;
            return i;
        }
        c = c << 6 | (u[i] & 0x3F);
    }
    int columns = c < 0x80 ? 1 : wcwidth((wchar_t)c);
    *ret_columns = columns < 0 ? 1 : columns;
    return n;
}

int text_columns(const char *text)
{
    int columns, sum = 0;
    while (*text != '\0') {
        text += character(text, &columns);
        sum += columns;
    }
    return sum;
}

void text_cut(char *text, int columns)
{
    if (text_columns(text) <= columns) {
        return;
    }
    bool has_ellipsis = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    const char *mark = columns <= 0 ? "" : has_ellipsis ? "\xE2\x80\xA6" : "~";
    int left = columns - 1, width;
    size_t at = 0;
    for (;;) {
        size_t n = character(text + at, &width);
        if (width > left) {
            break;
        }
        left -= width;
        at += n;
    }
    /* In place: the mark may be no longer than what it stands for. */
    while (at > 0 && strlen(text + at) < strlen(mark)) {
        do {
            at--;
        } while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80);
    }
    mark = strlen(mark) <= strlen(text + at) ? mark : "";
    memcpy(text + at, mark, strlen(mark) + 1);
}

/* A colour: ESC [ digits and semicolons m. Its length; 0: none. */
static size_t colour(const char *text)
{
    if (text[0] != '\033' || text[1] != '[') {
        return 0;
    }
    size_t n = 2 + strspn(text + 2, "0123456789;:");
    return text[n] == 'm' ? n + 1 : 0;
}

void text_make_printable(char *text)
{
    unsigned char *to = (unsigned char *)text;
    const unsigned char *from = to;
    while (*from != '\0') {
        from += colour((const char *)from);
        if (*from == '\0') {
            break;
        }
        bool is_c1 = from[0] == 0xC2 && from[1] >= 0x80 && from[1] < 0xA0;
        *to++ = *from < 0x20 || *from == 0x7F || is_c1 ? ' ' : *from;
        from += is_c1 ? 2 : 1;
    }
    *to = '\0';
}
