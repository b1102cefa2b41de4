/* lines/terminal.h -- the bytes that a program writes, in any cut, become the lines that a person
 * would see: \r, backspace and tab move, what is written later covers what was there, colours and
 * other escape sequences are gone, bytes that are no UTF-8 are U+FFFD. Pure; one thread; memory is
 * bounded whatever comes. */
#ifndef MUSTER_LINES_TERMINAL_H
#define MUSTER_LINES_TERMINAL_H

#include "base/buf.h"

struct terminal;

enum { TERMINAL_COLUMNS_MAX = 16384 }; /* of a line; a longer one is told as cut */

typedef enum {
    LINE_WHOLE, /* it ended, by a line feed or with the output */
    LINE_DRAFT, /* what stood there before the program went back to redraw it */
} line_kind;

struct terminal_line {
    line_kind kind;
    bool is_cut;      /* longer than TERMINAL_COLUMNS_MAX: the rest is not there */
    uint64_t number;  /* counts line feeds, from 1 */
    const char *text; /* UTF-8, NUL at the end, no control characters but tabs; until the callback
                         returns */
    size_t len;
};

typedef void terminal_line_fn(void *context, const struct terminal_line *line);

MUST_CHECK error_code terminal_new(struct terminal **ret_terminal);
void terminal_free(struct terminal *terminal); /* NULL is fine */
/* Calls `on_line` for what became complete. */
void terminal_feed(struct terminal *terminal, struct bytes bytes, terminal_line_fn *on_line,
                   void *context);
/* The output has ended: an unterminated last line counts. */
void terminal_end(struct terminal *terminal, terminal_line_fn *on_line, void *context);

#endif
