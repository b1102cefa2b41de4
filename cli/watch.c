/* A sweep until its end: live on a terminal, else a line a change and at most one in 30 s. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

enum { LIVE_MS = 250, QUIET_MS = 50, QUIET_MAX_MS = 500, LINE_EVERY_MS = 30000, ROWS_MAX = 12 };

struct watch {
    struct cli *cli;
    struct client **client;
    uint32_t sweep;
    bool is_live;
    bool has_colour;
    int lines; /* drawn and to be drawn over */
    int64_t started_ms;
    int64_t line_ms; /* when the last plain line was written */
    int64_t ended;   /* of the last plain line */
    char best[64];
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static int terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void clock_print(double seconds, char *ret_text, size_t size_bytes)
{
    long s = (long)seconds;
    snprintf(ret_text, size_bytes, "%02ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

static void line_write(struct watch *watch, const char *text)
{
    int columns = terminal_columns();
    fprintf(stderr, "\033[K%.*s\n", columns - 1, text);
    watch->lines++;
}

static void header_print(const json_t *sweep, char *ret_text, size_t size_bytes)
{
    char clock[32], bar[21] = "", left[64];
    int64_t ended = cli_json_int(sweep, "done") + cli_json_int(sweep, "stopped") +
                    cli_json_int(sweep, "failed") + cli_json_int(sweep, "cancelled") +
                    cli_json_int(sweep, "invalid");
    int64_t trials = cli_json_int(sweep, "trials"), running = cli_json_int(sweep, "running");
    clock_print(json_number_value(cli_json_get(sweep, "age")), clock, sizeof clock);
    for (int i = 0; trials > 0 && i < 20; i++) {
        bar[i] = i < ended * 20 / trials ? '#' : i < (ended + running) * 20 / trials ? '=' : '.';
        bar[i + 1] = '\0';
    }
    snprintf(left, sizeof left, "%lld left", (long long)(trials - ended - running));
    snprintf(ret_text, size_bytes,
             "%s #%lld  %s + %s  %s %s  %s  %lld done  %lld stop  %lld run  %lld fail  %s",
             cli_json_str(sweep, "name"), (long long)cli_json_int(sweep, "id"),
             cli_json_str(sweep, "search"), cli_json_str(sweep, "schedule"),
             cli_json_str(sweep, "state"), clock, bar, (long long)cli_json_int(sweep, "done"),
             (long long)cli_json_int(sweep, "stopped"), (long long)running,
             (long long)cli_json_int(sweep, "failed"), trials > 0 ? left : "");
}

static bool best_print(const json_t *sweep, char *ret_text, size_t size_bytes)
{
    char value[64], params[512];
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

static void live_draw(struct watch *watch, const json_t *sweep, json_t *trials)
{
    char text[2048];
    if (watch->lines > 0) {
        fprintf(stderr, "\033[%dA\r", watch->lines);
    }
    int before = watch->lines;
    watch->lines = 0;
    header_print(sweep, text, sizeof text);
    line_write(watch, text);
    best_print(sweep, text, sizeof text);
    line_write(watch, text);
    size_t i;
    json_t *trial;
    json_array_foreach(json_object_get(trials, "items"), i, trial)
    {
        if (i >= ROWS_MAX) {
            break;
        }
        char last[256], params[512];
        cli_params_print(cli_json_get(trial, "last.metrics"), last, sizeof last);
        cli_params_print(cli_json_get(trial, "params"), params, sizeof params);
        snprintf(text, sizeof text, "  %-9s %-9s %5lld  %-34s %s", cli_json_str(trial, "id"),
                 cli_json_str(trial, "state"), (long long)cli_json_int(trial, "step"), last,
                 params);
        line_write(watch, text);
    }
    for (int extra = before - watch->lines; extra > 0; extra--) {
        line_write(watch, "");
    }
    fflush(stderr);
}

static void plain_line(struct watch *watch, const json_t *sweep)
{
    char text[2048], best[1024];
    int64_t ended = cli_json_int(sweep, "done") + cli_json_int(sweep, "stopped") +
                    cli_json_int(sweep, "failed");
    bool is_change = ended != watch->ended;
    bool is_first = watch->line_ms == 0;
    if (!is_first && (!is_change || now_ms() - watch->line_ms < LINE_EVERY_MS)) {
        return;
    }
    header_print(sweep, text, sizeof text);
    fprintf(stderr, "%s%s%s\n", text, best_print(sweep, best, sizeof best) ? "  " : "", best);
    watch->line_ms = now_ms();
    watch->ended = ended;
}

static int watch_end(struct watch *watch, const json_t *sweep)
{
    char clock[32], value[64], params[1024];
    const char *state = cli_json_str(sweep, "state");
    cli_output output;
    if (cli_output_parse(watch->cli, &output) && output != OUTPUT_TABLE) {
        json_dumpf(sweep, stdout, output == OUTPUT_JSON ? JSON_INDENT(2) : JSON_COMPACT);
        putchar('\n');
    } else {
        clock_print(json_number_value(cli_json_get(sweep, "age")), clock, sizeof clock);
        cli_value_print(cli_json_get(sweep, "best_value"), value, sizeof value);
        cli_params_print(cli_json_get(sweep, "best_params"), params, sizeof params);
        printf("sweep %u %s in %s: %lld trials done, %lld stopped early, %lld failed\n",
               watch->sweep, state, clock, (long long)cli_json_int(sweep, "done"),
               (long long)cli_json_int(sweep, "stopped"), (long long)cli_json_int(sweep, "failed"));
        if (cli_json_str(sweep, "best")[0] != '\0') {
            printf("best %s %s at step %lld, trial %s\n  parameters  %s\n",
                   cli_json_str(sweep, "metric"), value,
                   (long long)cli_json_int(sweep, "best_step"), cli_json_str(sweep, "best"),
                   params);
            if (cli_json_str(sweep, "best_checkpoint")[0] != '\0') {
                printf("  checkpoint  %s\n", cli_json_str(sweep, "best_checkpoint"));
            }
        }
        if (cli_json_str(sweep, "error")[0] != '\0') {
            printf("error: %s; see 'muster trial list %u --filter state=failed'\n",
                   cli_json_str(sweep, "error"), watch->sweep);
        }
        printf("again: muster sweep show %u\n", watch->sweep);
    }
    return strcmp(state, "done") == 0        ? EXIT_OK
           : strcmp(state, "cancelled") == 0 ? EXIT_CANCELLED
                                             : EXIT_WAITED_FAILED;
}

static bool sweep_is_over(const json_t *sweep)
{
    const char *state = cli_json_str(sweep, "state");
    return strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 ||
           strcmp(state, "cancelled") == 0;
}

/* One look; -1 to go on, else the exit code. */
static int watch_once(struct watch *watch, bool is_quiet)
{
    char path[128];
    json_t *sweep = NULL, *trials = NULL;
    snprintf(path, sizeof path, "/api/v1/sweeps/%u", watch->sweep);
    int code = client_get_json(watch->cli, watch->client, path, &sweep);
    if (code == EXIT_OK && watch->is_live) {
        snprintf(path, sizeof path, "/api/v1/sweeps/%u/trials?state=running&limit=%d", watch->sweep,
                 ROWS_MAX);
        code = client_get_json(watch->cli, watch->client, path, &trials);
    }
    if (code == EXIT_OK) {
        if (watch->is_live) {
            live_draw(watch, sweep, trials);
        } else if (!is_quiet) {
            plain_line(watch, sweep);
        }
        code = sweep_is_over(sweep) ? watch_end(watch, sweep) : -1;
    }
    json_decref(sweep);
    json_decref(trials);
    return code;
}

int cli_sweep_watch(struct cli *cli, struct client **client, uint32_t sweep, bool is_quiet,
                    int64_t timeout_ms)
{
    struct watch watch = {
        .cli = cli,
        .client = client,
        .sweep = sweep,
        .is_live = !is_quiet && isatty(STDERR_FILENO) && getenv("TERM") != NULL &&
                   strcmp(getenv("TERM"), "dumb") != 0,
        .started_ms = now_ms(),
    };
    cli_interrupt_catch();
    int code = -1;
    /* Looks often at first (a sweep of a few trials is over at once), then less. */
    for (int64_t wait_ms = QUIET_MS; code < 0;
         pause_ms(code < 0 && !cli_is_interrupted ? wait_ms : 0)) {
        code = watch_once(&watch, is_quiet);
        wait_ms = watch.is_live ? LIVE_MS : wait_ms < QUIET_MAX_MS ? wait_ms * 5 / 4 : QUIET_MAX_MS;
        if (code < 0 && cli_is_interrupted) {
            fprintf(stderr,
                    "\ndetached; sweep %u goes on. Come back with 'muster sweep watch %u', end it "
                    "with 'muster sweep cancel %u'\n",
                    sweep, sweep, sweep);
            code = EXIT_INTERRUPTED;
        }
        if (code < 0 && timeout_ms >= 0 && now_ms() - watch.started_ms >= timeout_ms) {
            code = cli_fail(EXIT_TIMEOUT, "sweep %u is not over yet; it goes on", sweep);
        }
    }
    return code;
}
