/* muster top: nodes, sweeps and what runs, as a picture that is drawn again and again on a
 * terminal, once elsewhere. The terminal is given back on every way out. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/jobs.h"
#include "cli/list.h"
#include "cli/live.h"
#include "cli/text.h"

enum { ANSWER_MS = 3000, ROWS_ASKED = 200, LINE_BYTES = 2048 };

struct top {
    struct cli *cli;
    struct client *client;
    struct buf picture;
    int columns, rows;                  /* 0: no limit */
    int used;                           /* rows */
    char trouble[REPORT_TEXT_MAX + 64]; /* why the head could not be asked; "" if it could */
    json_t *status, *nodes, *sweeps, *arrays, *trials, *tasks;
};

static volatile sig_atomic_t top_signal;

static void on_top_signal(int signal)
{
    if (signal != SIGWINCH) {
        top_signal = signal;
    }
}

/* ---- asking ---- */

static json_t *top_get(struct top *top, const char *path)
{
    struct client_answer answer;
    struct report report = {0};
    struct client *again = NULL;
    json_t *json = NULL;
    error_code error =
        client_call(top->client, "GET", path, NULL, NULL, ANSWER_MS, &answer, &report);
    if (error != OK) {
        snprintf(top->trouble, sizeof top->trouble, "%s; trying again", report.text);
        if (client_open_again(top->cli, top->client, &again) == OK) {
            client_close(top->client);
            top->client = again;
        }
        return NULL;
    }
    if (answer.status == 200) {
        json = json_incref(answer.json);
    } else {
        snprintf(top->trouble, sizeof top->trouble, "the head answers %ld: %s", answer.status,
                 cli_json_str(answer.json, "error.text"));
    }
    client_answer_fini(&answer);
    return json;
}

static void top_forget(struct top *top)
{
    json_t **all[] = {&top->status, &top->nodes,  &top->sweeps,
                      &top->arrays, &top->trials, &top->tasks};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        json_decref(*all[i]);
        *all[i] = NULL;
    }
}

/* Appends the items of a list of active things. */
static void top_gather(struct top *top, json_t **list, const char *path)
{
    json_t *more = top_get(top, path);
    if (*list == NULL) {
        *list = json_array();
    }
    json_array_extend(*list, json_object_get(more, "items"));
    json_decref(more);
}

static void top_look(struct top *top)
{
    static const char *const active[] = {"running", "finishing", "paused"};
    static const char *const unended[] = {"running", "stopping", "queued"};
    char path[128];
    json_t *status;
    top->trouble[0] = '\0';
    status = top_get(top, "/api/v1/status");
    if (status == NULL) {
        return; /* the last picture stays, with the trouble above it */
    }
    top_forget(top);
    top->status = status;
    top_gather(top, &top->nodes, "/api/v1/nodes");
    for (size_t i = 0; i < sizeof active / sizeof active[0]; i++) {
        snprintf(path, sizeof path, "/api/v1/sweeps?state=%s&limit=%d", active[i], ROWS_ASKED);
        top_gather(top, &top->sweeps, path);
    }
    for (size_t i = 0; i < sizeof unended / sizeof unended[0]; i++) {
        snprintf(path, sizeof path, "/api/v1/jobs?array=true&state=%s&limit=%d", unended[i],
                 ROWS_ASKED);
        top_gather(top, &top->arrays, path);
    }
    snprintf(path, sizeof path, "/api/v1/trials?state=running&limit=%d", ROWS_ASKED);
    top_gather(top, &top->trials, path);
    snprintf(path, sizeof path, "/api/v1/tasks?state=running&limit=%d", ROWS_ASKED);
    top_gather(top, &top->tasks, path);
}

/* ---- drawing ---- */

static bool top_has_room(const struct top *top)
{
    return top->rows == 0 || top->used < top->rows;
}

static void top_line(struct top *top, const char *text)
{
    char line[LINE_BYTES];
    if (!top_has_room(top)) {
        return;
    }
    snprintf(line, sizeof line, "%s", text);
    text_make_printable(line);
    if (top->columns > 0) {
        text_cut(line, top->columns);
    }
    bool is_live = top->rows > 0;
    bool is_last = is_live && top->used + 1 == top->rows;
    ignore_error(buf_printf(&top->picture, "%s%s%s", line, is_live ? "\033[K" : "",
                            is_last   ? ""
                            : is_live ? "\r\n"
                                      : "\n"),
                 "a picture past its limit is not drawn");
    top->used++;
}

static void amount(const json_t *object, const char *path, char *ret_text, size_t size)
{
    cli_value_print(cli_json_get(object, path), ret_text, size);
}

static void draw_head(struct top *top)
{
    char text[LINE_BYTES], cpus[32], cpus_used[32], gpus[32], gpus_used[32], clock[16];
    time_t now = time(NULL);
    struct tm tm;
    localtime_r(&now, &tm);
    strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    amount(top->status, "cpus", cpus, sizeof cpus);
    amount(top->status, "cpus_used", cpus_used, sizeof cpus_used);
    amount(top->status, "gpus", gpus, sizeof gpus);
    amount(top->status, "gpus_used", gpus_used, sizeof gpus_used);
    snprintf(text, sizeof text, "muster %s  %s  %s  store %s", cli_json_str(top->status, "version"),
             client_url(top->client), clock, cli_json_str(top->status, "store"));
    top_line(top, text);
    snprintf(text, sizeof text,
             "nodes %lld of %lld alive  cpus %s/%s  gpus %s/%s  sweeps %lld active  tasks %lld "
             "running, %lld queued",
             (long long)cli_json_int(top->status, "nodes_alive"),
             (long long)cli_json_int(top->status, "nodes"), cpus_used, cpus, gpus_used, gpus,
             (long long)cli_json_int(top->status, "sweeps_active"),
             (long long)cli_json_int(top->status, "tasks_running"),
             (long long)cli_json_int(top->status, "tasks_queued"));
    top_line(top, text);
    if (top->trouble[0] != '\0') {
        snprintf(text, sizeof text, "! %s", top->trouble);
        top_line(top, text);
    }
}

/* "... and 12 more" stands for what does not fit. */
static size_t rows_shown(struct top *top, size_t n, size_t share)
{
    if (top->rows == 0 || n <= share) {
        return n;
    }
    return share > 1 ? share - 1 : 0;
}

static void draw_more(struct top *top, size_t n, size_t shown)
{
    char text[64];
    if (shown < n) {
        snprintf(text, sizeof text, "  ... and %zu more", n - shown);
        top_line(top, text);
    }
}

static void draw_nodes(struct top *top, size_t share)
{
    char text[LINE_BYTES];
    size_t n = json_array_size(top->nodes), shown = rows_shown(top, n, share);
    top_line(top, "");
    top_line(top, "NODE                 STATE     CPUS         GPUS     MEMORY GiB     RUN");
    for (size_t i = 0; i < shown; i++) {
        const json_t *node = json_array_get(top->nodes, i);
        char cpus[32], used[32], gpus_used[32], cpu_text[80], gpu_text[64], name[64];
        const double gib = 1024.0 * 1024 * 1024;
        amount(node, "cpus", cpus, sizeof cpus);
        amount(node, "cpus_used", used, sizeof used);
        amount(node, "gpus_used", gpus_used, sizeof gpus_used);
        snprintf(cpu_text, sizeof cpu_text, "%s/%s", used, cpus);
        snprintf(gpu_text, sizeof gpu_text, "%s/%zu", gpus_used,
                 json_array_size(cli_json_get(node, "gpus")));
        snprintf(name, sizeof name, "%s", cli_json_str(node, "name"));
        text_cut(name, 20);
        snprintf(text, sizeof text, "%-20s %-9s %-12s %-8s %5.1f/%-7.1f %4lld%s%s", name,
                 cli_json_str(node, "state"), cpu_text, gpu_text,
                 (double)cli_json_int(node, "memory_used") / gib,
                 (double)cli_json_int(node, "memory") / gib,
                 (long long)cli_json_int(node, "running"),
                 json_is_true(cli_json_get(node, "cordoned")) ? "  cordoned" : "",
                 json_is_true(cli_json_get(node, "dry")) ? "  dry" : "");
        top_line(top, text);
    }
    draw_more(top, n, shown);
}

static void draw_sweeps(struct top *top, size_t share)
{
    char text[LINE_BYTES], best[LINE_BYTES - 8];
    size_t n = json_array_size(top->sweeps), shown = rows_shown(top, n, share / 2);
    if (n == 0) {
        return;
    }
    top_line(top, "");
    top_line(top, "SWEEPS");
    for (size_t i = 0; i < shown; i++) {
        const json_t *sweep = json_array_get(top->sweeps, i);
        live_header(sweep, top->columns, text, sizeof text);
        top_line(top, text);
        if (live_best(sweep, best, sizeof best)) {
            snprintf(text, sizeof text, "  %s", best);
            top_line(top, text);
        }
    }
    draw_more(top, n, shown);
}

static void draw_arrays(struct top *top, size_t share)
{
    char text[LINE_BYTES], progress[256];
    size_t n = json_array_size(top->arrays), shown = rows_shown(top, n, share);
    if (n == 0) {
        return;
    }
    top_line(top, "");
    top_line(top, "ARRAYS");
    for (size_t i = 0; i < shown; i++) {
        const json_t *job = json_array_get(top->arrays, i);
        double rate = json_number_value(cli_json_get(job, "rate"));
        cli_job_progress(job, rate, progress, sizeof progress);
        snprintf(text, sizeof text, "%lld.[%s]  %.24s  %s  %s%s",
                 (long long)cli_json_int(job, "id"), cli_json_str(job, "ids"),
                 cli_json_str(job, "name"), cli_json_str(job, "state"), progress,
                 json_is_true(cli_json_get(job, "dry")) ? "  dry" : "");
        top_line(top, text);
    }
    draw_more(top, n, shown);
}

static void draw_running(struct top *top, const json_t *items, const char *title, bool is_trials)
{
    char text[LINE_BYTES], metrics[512], what[1024];
    size_t n = json_array_size(items);
    size_t left = top->rows > top->used + 2 ? (size_t)(top->rows - top->used - 2) : 0;
    size_t shown = rows_shown(top, n, left);
    if (n == 0) {
        return;
    }
    top_line(top, "");
    top_line(top, title);
    for (size_t i = 0; i < shown; i++) {
        const json_t *item = json_array_get(items, i);
        cli_params_print(cli_json_get(item, "last.metrics"), metrics, sizeof metrics);
        if (is_trials) {
            cli_params_print(cli_json_get(item, "params"), what, sizeof what);
            text_cut(metrics, 28);
            snprintf(text, sizeof text, "%-9s %-12.12s %7lld  %-28s  %s", cli_json_str(item, "id"),
                     cli_json_str(item, "node"), (long long)cli_json_int(item, "step"), metrics,
                     what);
        } else {
            snprintf(text, sizeof text, "%-9s %-12.12s %s", cli_json_str(item, "id"),
                     cli_json_str(item, "node"), cli_json_str(item, "command"));
        }
        top_line(top, text);
    }
    draw_more(top, n, shown);
}

static void top_draw(struct top *top)
{
    buf_reset(&top->picture);
    top->used = 0;
    size_t share = top->rows > 0 ? (size_t)top->rows / 3 : ROWS_ASKED;
    draw_head(top);
    draw_nodes(top, share);
    draw_sweeps(top, share);
    draw_arrays(top, share / 2 > 0 ? share / 2 : 1);
    draw_running(top, top->tasks, "TASK      NODE         COMMAND", false);
    draw_running(top, top->trials,
                 "TRIAL     NODE            STEP  LAST                          PARAMS", true);
    if (top->picture.failed == OK) {
        printf("%s%s%s", top->rows > 0 ? "\033[H" : "", buf_text(&top->picture),
               top->rows > 0 ? "\033[K\033[J" : "");
        fflush(stdout);
    }
}

/* ---- on a terminal ---- */

static void terminal_size(struct top *top)
{
    struct winsize size = {0};
    bool has_size = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    top->columns = has_size && size.ws_col >= 10 ? size.ws_col : 80;
    top->rows = has_size && size.ws_row >= 4 ? size.ws_row : 24;
}

static void terminal_take(struct termios *ret_before)
{
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
    struct sigaction action = {.sa_handler = on_top_signal}; /* poll() is to be interrupted */
    for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++) {
        sigaction(caught[i], &action, NULL);
    }
    struct termios raw;
    if (tcgetattr(STDIN_FILENO, ret_before) == 0) {
        raw = *ret_before;
        raw.c_lflag &= (tcflag_t) ~(unsigned)(ICANON | ECHO);
        raw.c_cc[VSUSP] = _POSIX_VDISABLE; /* stopped, it would leave the terminal as it is now */
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    fputs("\033[?1049h\033[?25l\033[H\033[2J", stdout);
}

static void terminal_give(const struct termios *before)
{
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, before);
}

/* Until the time is up, the window changes, a key says so. True: leave. */
static bool top_wait(int64_t interval_ms)
{
    struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    char key = 0;
    int n = poll(&keys, 1, (int)interval_ms);
    if (top_signal != 0) {
        return true;
    }
    if (n <= 0) {
        return false;
    }
    ssize_t got = read(STDIN_FILENO, &key, 1);
    return got == 0 || key == 'q' || key == 'Q' || key == 4;
}

static int top_live(struct top *top, int64_t interval_ms)
{
    struct termios before;
    bool is_over = false;
    terminal_take(&before);
    while (!is_over) {
        top_look(top);
        terminal_size(top);
        top_draw(top);
        is_over = ferror(stdout) != 0 || top_wait(interval_ms);
    }
    terminal_give(&before);
    return top_signal != 0 ? EXIT_INTERRUPTED : EXIT_OK;
}

static json_t *top_object(const struct top *top)
{
    return json_pack("{s:s, s:O?, s:O?, s:O?, s:O?, s:O?, s:O?}", "api", "v1", "status",
                     top->status, "nodes", top->nodes, "sweeps", top->sweeps, "arrays", top->arrays,
                     "trials", top->trials, "tasks", top->tasks);
}

int verb_top(struct cli *cli)
{
    struct top top = {.cli = cli};
    const char *interval = cli_option(cli, "interval"), *terminal = getenv("TERM");
    int64_t interval_ms = 1000;
    cli_output output;
    if (!cli_output_parse(cli, &output) ||
        (interval != NULL && !cli_duration("--interval", interval, &interval_ms))) {
        return EXIT_USAGE;
    }
    interval_ms = interval_ms < 100 ? 100 : interval_ms > 3600000 ? 3600000 : interval_ms;
    int code = cli_connect(cli, false, false, &top.client);
    if (code != EXIT_OK) {
        return code;
    }
    bool is_live = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && terminal != NULL &&
                   strcmp(terminal, "dumb") != 0 && cli_option(cli, "once") == NULL &&
                   cli_output_is_text(cli, output);
    buf_init(&top.picture, 4 << 20);
    if (is_live) {
        code = top_live(&top, interval_ms);
    } else {
        top_look(&top);
        if (top.status == NULL) {
            code = cli_fail(EXIT_UNREACHABLE, "%s", top.trouble);
        } else if (cli_output_is_text(cli, output)) {
            top_draw(&top);
        } else {
            json_t *object = top_object(&top);
            code = cli_print_object(cli, object);
            json_decref(object);
        }
    }
    buf_fini(&top.picture);
    top_forget(&top);
    client_close(top.client);
    return code;
}
