/* Tables for people: aligned, cut to the terminal's width, four digits of a number. */
#include <langinfo.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/mem.h"
#include "cli/kinds.h"
#include "cli/text.h"

enum { CELL_MAX = 1024, CELL_CUT_MIN = 6, GAP = 2 };

static void cell_size(double bytes, char *ret_text, size_t size)
{
    static const char units[] = "BKMGTP";
    int unit = 0;
    for (; bytes >= 1024 && units[unit + 1] != '\0'; unit++) {
        bytes /= 1024;
    }
    snprintf(ret_text, size, "%.4g%c", bytes, units[unit]);
}

static void cell_span(double seconds, char *ret_text, size_t size)
{
    long s = (long)(seconds + 0.5);
    if (seconds < 60) {
        snprintf(ret_text, size, "%.3gs", seconds);
    } else if (s < 3600) {
        snprintf(ret_text, size, "%ldm%02lds", s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(ret_text, size, "%ldh%02ldm", s / 3600, s / 60 % 60);
    } else {
        snprintf(ret_text, size, "%ldd%02ldh", s / 86400, s / 3600 % 24);
    }
}

static void cell_print(const json_t *item, const struct column *column, char *ret_text)
{
    const json_t *value = column_get(item, column->path);
    if (json_is_number(value) && column->form == CELL_SIZE) {
        cell_size(json_number_value(value), ret_text, CELL_MAX);
    } else if (json_is_number(value) && column->form == CELL_SPAN) {
        cell_span(json_number_value(value), ret_text, CELL_MAX);
    } else {
        cli_value_print(value, ret_text, CELL_MAX);
    }
    /* Times: seconds are enough in a table. */
    if (column->form == CELL_TIME && strlen(ret_text) == 24) {
        ret_text[10] = ' ';
        ret_text[19] = '\0';
    }
    text_make_printable(ret_text);
}

static int terminal_columns(void)
{
    struct winsize size = {0};
    bool has_size = isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    return has_size && size.ws_col >= 10 ? size.ws_col : 0;
}

/* What is too wide is taken from the widest column again and again, down to a few letters. */
static void widths_fit(int *widths, const struct columns *columns, int terminal)
{
    int total = GAP * (columns->n - 1);
    for (int c = 0; c < columns->n; c++) {
        total += widths[c];
    }
    while (total > terminal) {
        int widest = 0;
        for (int c = 1; c < columns->n; c++) {
            bool is_wider = widths[c] > widths[widest];
            widest = is_wider ? c : widest;
        }
        if (widths[widest] <= CELL_CUT_MIN) {
            return;
        }
        widths[widest]--;
        total--;
    }
}

/* Into `line`, which is cut to the terminal as a whole in the end. */
static void line_cell(struct buf *line, char *text, int width, const struct column *column,
                      bool is_first, bool is_last)
{
    text_cut(text, width);
    int pad = width - text_columns(text);
    ignore_error(buf_printf(line, "%s%*s%s%*s", is_first ? "" : "  ", column->is_right ? pad : 0,
                            "", text, column->is_right || is_last ? 0 : pad, ""),
                 "checked by the caller");
}

static int line_end(FILE *to, struct buf *line, int terminal)
{
    if (line->failed != OK) {
        return cli_fail(EXIT_REQUEST, "out of memory");
    }
    char *text = mem_strdup(buf_text(line));
    if (text == NULL) {
        return cli_fail(EXIT_REQUEST, "out of memory");
    }
    if (terminal > 0) {
        text_cut(text, terminal);
    }
    for (size_t n = strlen(text); n > 0 && text[n - 1] == ' '; n--) {
        text[n - 1] = '\0';
    }
    fputs(text, to);
    fputc('\n', to);
    mem_free(text);
    buf_reset(line);
    return EXIT_OK;
}

int table_print(FILE *to, json_t *items, const struct columns *columns, bool is_wide)
{
    char text[CELL_MAX] = "";
    int widths[COLUMNS_MAX] = {0}, terminal = is_wide || to != stdout ? 0 : terminal_columns(),
        code = EXIT_OK;
    size_t i;
    json_t *item;
    struct buf line;
    for (int c = 0; c < columns->n; c++) {
        widths[c] = text_columns(columns->items[c].title);
    }
    json_array_foreach(items, i, item)
    {
        for (int c = 0; c < columns->n; c++) {
            cell_print(item, &columns->items[c], text);
            int n = text_columns(text);
            widths[c] = n > widths[c] ? n : widths[c];
        }
    }
    if (terminal > 0) {
        widths_fit(widths, columns, terminal);
    }
    buf_init(&line, 1 << 20);
    for (int c = 0; c < columns->n; c++) {
        snprintf(text, sizeof text, "%s", columns->items[c].title);
        line_cell(&line, text, widths[c], &columns->items[c], c == 0, c + 1 == columns->n);
    }
    code = line_end(to, &line, terminal);
    json_array_foreach(items, i, item)
    {
        for (int c = 0; c < columns->n && code == EXIT_OK; c++) {
            cell_print(item, &columns->items[c], text);
            line_cell(&line, text, widths[c], &columns->items[c], c == 0, c + 1 == columns->n);
        }
        code = code == EXIT_OK ? line_end(to, &line, terminal) : code;
    }
    buf_fini(&line);
    return code;
}
