#include "lines/terminal.h"

#include <string.h>

#include "base/mem.h"

enum {
    REPLACEMENT = 0xFFFD,
    UTF8_MAX_BYTES = 4,
    ARGUMENT_MAX = 99999,
};

/* Where the reader of escape sequences stands. */
typedef enum {
    ESCAPE_NONE,
    ESCAPE_BEGUN,  /* ESC */
    ESCAPE_CSI,    /* ESC [ */
    ESCAPE_STRING, /* ESC ] and the like: to BEL or ESC \ */
    ESCAPE_STRING_END,
    ESCAPE_ONE_MORE, /* ESC ( and the like: one byte follows */
} escape_state;

struct terminal {
    uint32_t cells[TERMINAL_COLUMNS_MAX];
    uint32_t width;  /* cells in use */
    uint32_t cursor; /* may be past the width */
    bool is_cut;
    bool has_news; /* something was written since the last line or draft */
    uint64_t number;
    escape_state escape;
    uint32_t argument;             /* of a CSI sequence: its last number */
    uint32_t code, missing, least; /* of a UTF-8 character under way */
    char text[TERMINAL_COLUMNS_MAX * UTF8_MAX_BYTES + 1];
};

error_code terminal_new(struct terminal **ret_terminal)
{
    struct terminal *terminal = mem_alloc(sizeof *terminal);
    if (terminal == NULL) {
        return ERR_NO_MEMORY;
    }
    /* Cells and text are written before they are read. */
    memset((char *)terminal + sizeof terminal->cells, 0,
           offsetof(struct terminal, text) - sizeof terminal->cells);
    terminal->number = 1;
    *ret_terminal = terminal;
    return OK;
}

void terminal_free(struct terminal *terminal)
{
    mem_free(terminal);
}

/* ---- a line out ---- */

static size_t code_encode(uint32_t code, char *text)
{
    unsigned char *out = (unsigned char *)text;
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (unsigned char)(0xC0 | code >> 6);
        out[1] = (unsigned char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (unsigned char)(0xE0 | code >> 12);
        out[1] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (unsigned char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (unsigned char)(0xF0 | code >> 18);
    out[1] = (unsigned char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (unsigned char)(0x80 | (code & 0x3F));
    return 4;
}

static void line_tell(struct terminal *terminal, line_kind kind, terminal_line_fn *on_line,
                      void *context)
{
    size_t len = 0;
    for (uint32_t i = 0; i < terminal->width; i++) {
        len += code_encode(terminal->cells[i], terminal->text + len);
    }
    terminal->text[len] = '\0';
    terminal->has_news = false;
    const struct terminal_line line = {.kind = kind,
                                       .is_cut = terminal->is_cut,
                                       .number = terminal->number,
                                       .text = terminal->text,
                                       .len = len};
    on_line(context, &line);
}

static void line_clear(struct terminal *terminal)
{
    terminal->width = terminal->cursor = 0;
    terminal->is_cut = terminal->has_news = false;
}

static void draft_tell(struct terminal *terminal, terminal_line_fn *on_line, void *context)
{
    if (terminal->has_news) {
        line_tell(terminal, LINE_DRAFT, on_line, context);
    }
}

/* ---- cells ---- */

static void cell_write(struct terminal *terminal, uint32_t code)
{
    if (terminal->cursor >= TERMINAL_COLUMNS_MAX) {
        terminal->is_cut = true;
        return;
    }
    while (terminal->width < terminal->cursor) {
        terminal->cells[terminal->width++] = ' ';
    }
    terminal->cells[terminal->cursor++] = code;
    if (terminal->cursor > terminal->width) {
        terminal->width = terminal->cursor;
    }
    terminal->has_news = true;
}

/* Bytes to characters: what cannot go on is one U+FFFD, and the byte begins anew. */
static void byte_decode(struct terminal *terminal, uint8_t byte)
{
    if (terminal->missing > 0 && (byte & 0xC0) == 0x80) {
        terminal->code = terminal->code << 6 | (byte & 0x3F);
        if (--terminal->missing == 0) {
            uint32_t code = terminal->code;
            bool is_bad = code < terminal->least || code > 0x10FFFF ||
                          (code >= 0xD800 && code <= 0xDFFF) || (code >= 0x80 && code < 0xA0);
            cell_write(terminal, is_bad ? REPLACEMENT : code);
        }
        return;
    }
    if (terminal->missing > 0) {
        terminal->missing = 0;
        cell_write(terminal, REPLACEMENT);
    }
    if (byte < 0x80) {
        cell_write(terminal, byte);
    } else if ((byte & 0xE0) == 0xC0) {
        terminal->code = byte & 0x1F, terminal->missing = 1, terminal->least = 0x80;
    } else if ((byte & 0xF0) == 0xE0) {
        terminal->code = byte & 0x0F, terminal->missing = 2, terminal->least = 0x800;
    } else if ((byte & 0xF8) == 0xF0) {
        terminal->code = byte & 0x07, terminal->missing = 3, terminal->least = 0x10000;
    } else {
        cell_write(terminal, REPLACEMENT);
    }
}

static void code_break(struct terminal *terminal)
{
    if (terminal->missing > 0) {
        terminal->missing = 0;
        cell_write(terminal, REPLACEMENT);
    }
}

/* ---- escape sequences ---- */

static void cells_erase(struct terminal *terminal, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end && i < terminal->width; i++) {
        terminal->cells[i] = ' ';
    }
}

static void csi_erase(struct terminal *terminal)
{
    if (terminal->argument == 0) {
        terminal->width = terminal->cursor < terminal->width ? terminal->cursor : terminal->width;
    } else if (terminal->argument == 1) {
        cells_erase(terminal, 0, terminal->cursor + 1);
    } else {
        terminal->width = 0;
    }
}

static void cursor_set(struct terminal *terminal, uint32_t column)
{
    terminal->cursor = column < TERMINAL_COLUMNS_MAX ? column : TERMINAL_COLUMNS_MAX - 1;
}

static void csi_end(struct terminal *terminal, uint8_t byte, terminal_line_fn *on_line,
                    void *context)
{
    uint32_t n = terminal->argument > 0 ? terminal->argument : 1;
    uint32_t cursor = terminal->cursor;
    terminal->escape = ESCAPE_NONE;
    if (byte == 'K') {
        draft_tell(terminal, on_line, context);
        csi_erase(terminal);
    } else if (byte == 'C') {
        cursor_set(terminal, cursor + n);
    } else if (byte == 'D') {
        draft_tell(terminal, on_line, context);
        cursor_set(terminal, cursor > n ? cursor - n : 0);
    } else if (byte == 'G') {
        draft_tell(terminal, on_line, context);
        cursor_set(terminal, n - 1);
    } else if (byte != '\0' && strchr("ABEFHfJST", byte) != NULL) {
        /* To another line, of which nothing is kept. */
        draft_tell(terminal, on_line, context);
        line_clear(terminal);
    }
}

static void csi_byte(struct terminal *terminal, uint8_t byte, terminal_line_fn *on_line,
                     void *context)
{
    if (byte >= '0' && byte <= '9') {
        uint32_t argument = terminal->argument * 10 + (uint32_t)(byte - '0');
        terminal->argument = argument < ARGUMENT_MAX ? argument : ARGUMENT_MAX;
    } else if (byte == ';') {
        terminal->argument = 0;
    } else if (byte >= 0x40 && byte <= 0x7E) {
        csi_end(terminal, byte, on_line, context);
    } else if (byte < 0x20 || byte > 0x7E) {
        terminal->escape = ESCAPE_NONE; /* broken off */
    }
}

static void escape_begun(struct terminal *terminal, uint8_t byte)
{
    terminal->argument = 0;
    if (byte == '[') {
        terminal->escape = ESCAPE_CSI;
    } else if (byte == ']' || byte == 'P' || byte == 'X' || byte == '^' || byte == '_') {
        terminal->escape = ESCAPE_STRING;
    } else {
        terminal->escape = byte >= 0x20 && byte < 0x30 ? ESCAPE_ONE_MORE : ESCAPE_NONE;
    }
}

/* True: the byte was part of a sequence. */
static bool escape_byte(struct terminal *terminal, uint8_t byte, terminal_line_fn *on_line,
                        void *context)
{
    /* A line feed ends whatever was never ended: one bad byte may not swallow all that follows. */
    if (byte == '\n' || byte == '\r') {
        terminal->escape = ESCAPE_NONE;
        return false;
    }
    switch (terminal->escape) {
    case ESCAPE_NONE:
        return false;
    case ESCAPE_BEGUN:
        escape_begun(terminal, byte);
        break;
    case ESCAPE_CSI:
        csi_byte(terminal, byte, on_line, context);
        break;
    case ESCAPE_STRING:
        terminal->escape = byte == 0x07   ? ESCAPE_NONE
                           : byte == 0x1B ? ESCAPE_STRING_END
                                          : ESCAPE_STRING;
        break;
    case ESCAPE_STRING_END:
        terminal->escape = byte == '\\' ? ESCAPE_NONE : ESCAPE_STRING;
        break;
    case ESCAPE_ONE_MORE:
        terminal->escape = ESCAPE_NONE;
        break;
    }
    return true;
}

/* ---- bytes in ---- */

static void control_byte(struct terminal *terminal, uint8_t byte, terminal_line_fn *on_line,
                         void *context)
{
    code_break(terminal);
    if (byte == '\n') {
        line_tell(terminal, LINE_WHOLE, on_line, context);
        line_clear(terminal);
        terminal->number++;
    } else if (byte == '\r') {
        draft_tell(terminal, on_line, context);
        terminal->cursor = 0;
    } else if (byte == '\b') {
        draft_tell(terminal, on_line, context);
        terminal->cursor -= terminal->cursor > 0 ? 1 : 0;
    } else if (byte == '\t') {
        cell_write(terminal, '\t');
    } else if (byte == 0x1B) {
        terminal->escape = ESCAPE_BEGUN;
    }
}

void terminal_feed(struct terminal *terminal, struct bytes bytes, terminal_line_fn *on_line,
                   void *context)
{
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = bytes.data[i];
        if (terminal->escape != ESCAPE_NONE && escape_byte(terminal, byte, on_line, context)) {
            continue;
        }
        if (byte < 0x20 || byte == 0x7F) {
            control_byte(terminal, byte, on_line, context);
        } else {
            byte_decode(terminal, byte);
        }
    }
}

void terminal_end(struct terminal *terminal, terminal_line_fn *on_line, void *context)
{
    code_break(terminal);
    terminal->escape = ESCAPE_NONE;
    if (terminal->width > 0) {
        line_tell(terminal, LINE_WHOLE, on_line, context);
        line_clear(terminal);
    }
}
