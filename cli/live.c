#include "cli/live.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_MIN = 5, BAR_MAX = 20, NAME_CHARACTERS = 24, CELL_BYTES = 512, LINE_BYTES = 2048 };

static struct winsize terminal_size(void)
{
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20 || size.ws_row < 4) {
        size.ws_col = 80;
        size.ws_row = 24;
    }
    return size;
}

/* Bytes of the first `characters` characters of UTF-8 text. */
static size_t text_cut(const char *text, int characters)
{
    size_t n = 0;
    for (; text[n] != '\0'; n++) {
        if (((unsigned char)text[n] & 0xC0) != 0x80 && characters-- == 0) {
            break;
        }
    }
    return n;
}

static int text_width(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return width;
}

/* Cut to the terminal's width: a line that wraps could not be drawn over. */
static void line_draw(struct live *live, int columns, const char *text)
{
    char line[LINE_BYTES];
    int n = (int)text_cut(text, columns - 1);
    snprintf(line, sizeof line, "%.*s", n, text);
    for (char *c = line; *c != '\0'; c++) {
        *c = (unsigned char)*c < 0x20 || *c == 0x7F ? ' ' : *c;
    }
    fprintf(stderr, "%s\033[K\n", line);
    live->lines++;
}

void live_clock(double seconds, char *ret_text, size_t size_bytes)
{
    long s = (long)seconds;
    snprintf(ret_text, size_bytes, "%02ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

/* [####==......]: ended, running, to come. */
static void bar_print(int64_t ended, int64_t running, int64_t trials, int width, char *ret_text)
{
    for (int i = 0; i < width; i++) {
        ret_text[i] = i < ended * width / trials               ? '#'
                      : i < (ended + running) * width / trials ? '='
                                                               : '.';
    }
    ret_text[width] = '\0';
}

/* "61 done  8 run  3 fail  128 left"; what is 0 and says nothing is left out. */
static void counts_print(const json_t *sweep, int64_t left, char *ret_text, size_t size_bytes)
{
    static const struct {
        const char *key, *word;
        bool is_always;
    } counts[] = {{"done", "done", true},    {"stopped", "stop", false},
                  {"running", "run", true},  {"failed", "fail", true},
                  {"invalid", "inv", false}, {"cancelled", "cancel", false}};
    size_t used = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && used < size_bytes; i++) {
        int64_t n = cli_json_int(sweep, counts[i].key);
        if (n > 0 || counts[i].is_always) {
            used += (size_t)snprintf(ret_text + used, size_bytes - used, "%s%lld %s",
                                     used > 0 ? "  " : "", (long long)n, counts[i].word);
        }
    }
    if (cli_json_int(sweep, "trials") > 0 && used < size_bytes) {
        snprintf(ret_text + used, size_bytes - used, "  %lld left", (long long)left);
    }
}

void live_header(const json_t *sweep, int columns, char *ret_text, size_t size_bytes)
{
    char clock[32], counts[160], how[160], bar[BAR_MAX + 4] = "";
    static const char *const ends[] = {"done", "stopped", "failed", "cancelled", "invalid"};
    int64_t ended = 0, trials = cli_json_int(sweep, "trials");
    int64_t running = cli_json_int(sweep, "running");
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        ended += cli_json_int(sweep, ends[i]);
    }
    int64_t left = trials - ended - running;
    const char *name = cli_json_str(sweep, "name");
    live_clock(json_number_value(cli_json_get(sweep, "age")), clock, sizeof clock);
    counts_print(sweep, left > 0 ? left : 0, counts, sizeof counts);
    snprintf(how, sizeof how, "%s + %s  ", cli_json_str(sweep, "search"),
             cli_json_str(sweep, "schedule"));
    snprintf(ret_text, size_bytes, "%.*s #%lld  %s %s  %s", (int)text_cut(name, NAME_CHARACTERS),
             name, (long long)cli_json_int(sweep, "id"), cli_json_str(sweep, "state"), clock,
             counts);
    /* What is left of the line goes to the bar, then to how the search is done. */
    int spare = columns == 0 ? LINE_BYTES : columns - 1 - text_width(ret_text);
    int width = BAR_MAX; /* halved until it fits, so that it does not shrink with every digit */
    while (width >= BAR_MIN && width > spare - 2) {
        width /= 2;
    }
    if (trials > 0 && width >= BAR_MIN) {
        bar_print(ended, running, trials, width, bar);
        strcat(bar, "  ");
        spare -= width + 2;
    }
    snprintf(ret_text, size_bytes, "%.*s #%lld  %s%s %s  %s%s",
             (int)text_cut(name, NAME_CHARACTERS), name, (long long)cli_json_int(sweep, "id"),
             spare >= text_width(how) ? how : "", cli_json_str(sweep, "state"), clock, bar, counts);
}

bool live_best(const json_t *sweep, char *ret_text, size_t size_bytes)
{
    char value[64], params[CELL_BYTES];
    if (cli_json_str(sweep, "best")[0] == '\0') {
        ret_text[0] = '\0';
        return false;
    }
    cli_value_print(cli_json_get(sweep, "best_value"), value, sizeof value);
    cli_params_print(cli_json_get(sweep, "best_params"), params, sizeof params);
    snprintf(ret_text, size_bytes, "best %s %s  trial %s  (%s)", cli_json_str(sweep, "metric"),
             value, cli_json_str(sweep, "best"), params);
    return true;
}

/* The sweep's own metric as the trial reported it last. */
static void row_metric(const json_t *sweep, const json_t *trial, char *ret_text, size_t size_bytes)
{
    const json_t *metrics = cli_json_get(trial, "last.metrics");
    cli_value_print(json_object_get(metrics, cli_json_str(sweep, "metric")), ret_text, size_bytes);
}

static void rows_draw(struct live *live, const json_t *sweep, json_t *trials, int columns, int rows)
{
    char text[LINE_BYTES], cell[CELL_BYTES];
    const char *metric = cli_json_str(sweep, "metric");
    json_t *items = json_object_get(trials, "items"), *trial;
    int id_width = 5, metric_width = text_width(metric), n = 0;
    size_t i;
    json_array_foreach(items, i, trial)
    {
        int width = text_width(cli_json_str(trial, "id"));
        id_width = width > id_width ? width : id_width;
        row_metric(sweep, trial, cell, sizeof cell);
        width = text_width(cell);
        metric_width = width > metric_width ? width : metric_width;
    }
    if (rows < 2 || json_array_size(items) == 0) {
        return;
    }
    snprintf(text, sizeof text, "%*s  %6s  %*s  PARAMS", id_width, "ID", "STEP", metric_width,
             metric);
    line_draw(live, columns, text);
    json_array_foreach(items, i, trial)
    {
        char params[CELL_BYTES];
        if (++n >= rows || i >= LIVE_ROWS_MAX) {
            break;
        }
        row_metric(sweep, trial, cell, sizeof cell);
        cli_params_print(cli_json_get(trial, "params"), params, sizeof params);
        snprintf(text, sizeof text, "%*s  %6lld  %*s  %s", id_width, cli_json_str(trial, "id"),
                 (long long)cli_json_int(trial, "step"), metric_width, cell, params);
        line_draw(live, columns, text);
    }
}

void live_draw(struct live *live, const json_t *sweep, json_t *trials, const char *why)
{
    char text[LINE_BYTES];
    struct winsize size = terminal_size();
    if (live->lines > 0) {
        fprintf(stderr, "\033[%dA\r", live->lines);
    }
    live->lines = 0;
    live_header(sweep, size.ws_col, text, sizeof text);
    line_draw(live, size.ws_col, text);
    if (live_best(sweep, text, sizeof text)) {
        line_draw(live, size.ws_col, text);
    }
    if (why[0] != '\0') {
        line_draw(live, size.ws_col, why);
    }
    /* The cursor stands below the last line, and nothing may scroll. */
    rows_draw(live, sweep, trials, size.ws_col, size.ws_row - 1 - live->lines);
    fputs("\033[J", stderr);
    fflush(stderr);
}
