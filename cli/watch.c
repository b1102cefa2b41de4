/* A sweep until its end: live on a terminal, else a line a change and at most one in 30 s. */
#include <string.h>

#include "cli/kinds.h"
#include "cli/live.h"
#include "cli/signals.h"
#include "cli/text.h"
#include "cli/watching.h"

enum {
    LINE_EVERY_MS = 30000,
    WAITING_MS = 2000, /* so long without a running trial: say why */
};

struct watch {
    struct cli *cli;
    struct client **client;
    uint32_t sweep;
    bool is_live, is_quiet;
    struct live live;
    int64_t line_ms; /* when the last plain line was written */
    int64_t ended;   /* of the last plain line */
    int64_t busy_ms; /* when a trial ran last */
    char why[512];   /* what it waits for; "" if it runs */
    int64_t why_ms;  /* when that was written as a line */
    bool is_pause_told;
};

static void plain_line(struct watch *watch, const json_t *sweep)
{
    char text[2048], best[1024];
    int64_t ended = cli_json_int(sweep, "done") + cli_json_int(sweep, "stopped") +
                    cli_json_int(sweep, "failed");
    bool is_change = ended != watch->ended;
    bool is_first = watch->line_ms == 0;
    if (!is_first && (!is_change || cli_now_ms() - watch->line_ms < LINE_EVERY_MS)) {
        return;
    }
    live_header(sweep, 0, text, sizeof text);
    fprintf(stderr, "%s%s%s\n", text, live_best(sweep, best, sizeof best) ? "  " : "", best);
    watch->line_ms = cli_now_ms();
    watch->ended = ended;
}

static const char *const end_words[][2] = {{"target", " (metric.target was reached)"},
                                           {"failures", " (stop.failures was reached)"},
                                           {"wall", " (stop.wall was reached)"},
                                           {"stop", " (it was told to stop)"}};

/* Where no trial failed and yet it did, `error` says why in a sentence. */
static const char *end_why(const json_t *sweep)
{
    bool is_paused = strcmp(cli_json_str(sweep, "state"), "paused") == 0;
    bool has_error = cli_json_str(sweep, "error")[0] != '\0';
    if (is_paused || (has_error && cli_json_int(sweep, "failed") == 0)) {
        return "";
    }
    for (size_t i = 0; i < sizeof end_words / sizeof end_words[0]; i++) {
        if (strcmp(cli_json_str(sweep, "why"), end_words[i][0]) == 0) {
            return end_words[i][1];
        }
    }
    return "";
}

/* The first trial with this outcome, NULL if there is none. */
static json_t *trial_ended(const struct watch *watch, const char *outcome)
{
    char path[128];
    json_t *list = NULL;
    snprintf(path, sizeof path, "/api/v1/sweeps/%u/trials?state=%s&limit=1", watch->sweep, outcome);
    if (client_get_json(watch->cli, watch->client, path, &list) != EXIT_OK) {
        return NULL;
    }
    json_t *trial = json_incref(json_array_get(json_object_get(list, "items"), 0));
    cli_make_printable(trial);
    json_decref(list);
    return trial;
}

/* A misspelt metric is the usual reason of a sweep without a result. */
static void end_without_best(const struct watch *watch, const json_t *sweep)
{
    json_t *trial = trial_ended(watch, "done");
    const char *name;
    json_t *value;
    if (trial == NULL) {
        return;
    }
    printf("no trial reported %s; %s reported", cli_json_str(sweep, "metric"),
           cli_json_str(trial, "id"));
    const json_t *metrics = cli_json_get(trial, "last.metrics");
    json_object_foreach((json_t *)(uintptr_t)metrics, name, value)
    {
        printf(" %s", name);
    }
    puts(json_object_size(metrics) > 0 ? "" : " nothing");
    json_decref(trial);
}

static void end_failed(const struct watch *watch, const json_t *sweep)
{
    json_t *trial = trial_ended(watch, "failed");
    const char *error = cli_json_str(sweep, "error");
    const char *reason = cli_json_str(trial, "reason");
    if (trial != NULL && reason[0] != '\0' && strstr(error, reason) != NULL) {
        printf("%s; see 'muster trial show %s'\n", error, cli_json_str(trial, "id"));
    } else if (trial != NULL) {
        printf("%s%sthe first that failed: %s, %s; see 'muster trial show %s'\n", error,
               error[0] != '\0' ? "; " : "", cli_json_str(trial, "id"), reason,
               cli_json_str(trial, "id"));
    } else if (error[0] != '\0') {
        puts(error);
    }
    json_decref(trial);
}

static void end_counts_print(const json_t *sweep)
{
    static const char *const counts[][2] = {{"done", "trials done"},
                                            {"stopped", "stopped early"},
                                            {"failed", "failed"},
                                            {"invalid", "invalid"},
                                            {"cancelled", "cancelled"}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int64_t n = cli_json_int(sweep, counts[i][0]);
        if (n > 0 || i < 3) {
            printf("%s%lld %s", i > 0 ? ", " : "", (long long)n, counts[i][1]);
        }
    }
    putchar('\n');
}

/* "sweep 3 done in 00:12:33: 40 trials done, 2 stopped early, 0 failed" */
static void end_line_print(const struct watch *watch, json_t *sweep)
{
    char clock[32];
    live_clock(json_number_value(cli_json_get(sweep, "age")), clock, sizeof clock);
    printf("sweep %u %s%s in %s: ", watch->sweep, cli_json_str(sweep, "state"), end_why(sweep),
           clock);
    end_counts_print(sweep);
}

static void watch_end_print(const struct watch *watch, json_t *sweep)
{
    char value[64], params[1024];
    cli_make_printable(sweep);
    end_line_print(watch, sweep);
    cli_value_print(cli_json_get(sweep, "best_value"), value, sizeof value);
    cli_params_print(cli_json_get(sweep, "best_params"), params, sizeof params);
    if (cli_json_str(sweep, "best")[0] != '\0') {
        printf("best %s %s at step %lld, trial %s\n  parameters  %s\n",
               cli_json_str(sweep, "metric"), value, (long long)cli_json_int(sweep, "best_step"),
               cli_json_str(sweep, "best"), params);
        if (cli_json_str(sweep, "best_checkpoint")[0] != '\0') {
            printf("  checkpoint  %s\n", cli_json_str(sweep, "best_checkpoint"));
        }
    } else {
        end_without_best(watch, sweep);
    }
    if (cli_json_int(sweep, "failed") > 0 || cli_json_str(sweep, "error")[0] != '\0') {
        end_failed(watch, sweep);
    }
    printf("again: muster sweep show %u\n", watch->sweep);
}

/* In the form that was asked for. */
static void watch_print(const struct watch *watch, json_t *sweep,
                        void (*print)(const struct watch *watch, json_t *sweep))
{
    cli_output output;
    if (cli_output_parse(watch->cli, &output) && !cli_output_is_text(watch->cli, output)) {
        ignore_error(cli_print_kind(watch->cli, &cli_sweep_kind, sweep) == EXIT_OK ? OK
                                                                                   : ERR_INVALID,
                     "it has said so");
    } else {
        print(watch, sweep);
    }
}

static int watch_end(struct watch *watch, json_t *sweep)
{
    watch_print(watch, sweep, watch_end_print);
    const char *state = cli_json_str(sweep, "state");
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

/* Muster itself paused it, as all would have failed. People who pause one say no reason. */
static bool sweep_is_given_up(const json_t *sweep)
{
    return strcmp(cli_json_str(sweep, "state"), "paused") == 0 &&
           cli_json_str(sweep, "error")[0] != '\0';
}

static void pause_text(const struct watch *watch, const json_t *sweep, char *ret_text, size_t size)
{
    snprintf(ret_text, size,
             "sweep %u was paused: %s; 'muster sweep resume %u' goes on with it, 'muster sweep "
             "cancel %u' ends it",
             watch->sweep, cli_json_str(sweep, "error"), watch->sweep, watch->sweep);
    text_make_printable(ret_text);
}

/* Where nobody can answer, waiting would have no end. On a terminal it is told once, above what is
 * drawn, and waited for: somebody may resume it elsewhere. -1 to go on, else the exit code. */
static int watch_paused(struct watch *watch, json_t *sweep)
{
    char text[2048];
    pause_text(watch, sweep, text, sizeof text);
    if (!cli_has_terminal()) {
        watch_print(watch, sweep, end_line_print);
        return cli_fail(EXIT_WAITED_FAILED, "%s", text);
    }
    if (!watch->is_pause_told) {
        if (watch->live.lines > 0) {
            fprintf(stderr, "\033[%dA\r\033[J", watch->live.lines);
            watch->live.lines = 0;
        }
        fprintf(stderr, "muster: %s\n", text);
    }
    watch->is_pause_told = true;
    return -1;
}

/* Nothing runs: people want to know what it waits for. */
static void watch_why(struct watch *watch, const json_t *sweep)
{
    char path[128], before[sizeof watch->why];
    json_t *answer = NULL;
    if (cli_json_int(sweep, "running") > 0 || sweep_is_over(sweep) || watch->is_pause_told) {
        watch->busy_ms = cli_now_ms();
        watch->why[0] = '\0';
        return;
    }
    if (cli_now_ms() - watch->busy_ms < WAITING_MS) {
        return;
    }
    watch->busy_ms = cli_now_ms() - WAITING_MS / 2; /* Asked again in a second. */
    snprintf(path, sizeof path, "/api/v1/explain/%u", watch->sweep);
    if (client_get_json(watch->cli, watch->client, path, &answer) != EXIT_OK) {
        return;
    }
    memcpy(before, watch->why, sizeof before);
    snprintf(watch->why, sizeof watch->why, "%s", cli_json_str(answer, "text"));
    bool is_new = strcmp(before, watch->why) != 0 &&
                  (watch->why_ms == 0 || cli_now_ms() - watch->why_ms >= LINE_EVERY_MS);
    if (!watch->is_live && is_new) {
        fprintf(stderr, "muster: %s\n", watch->why);
        watch->why_ms = cli_now_ms();
    }
    json_decref(answer);
}

static void watch_show(struct watch *watch, const json_t *sweep, json_t *trials)
{
    watch_why(watch, sweep);
    if (watch->is_live) {
        live_draw(&watch->live, sweep, trials, watch->why);
    } else {
        plain_line(watch, sweep);
    }
}

/* One look; -1 to go on, else the exit code. */
static int watch_once(void *context)
{
    struct watch *watch = context;
    char path[128];
    json_t *sweep = NULL, *trials = NULL;
    snprintf(path, sizeof path, "/api/v1/sweeps/%u", watch->sweep);
    int code = client_get_json(watch->cli, watch->client, path, &sweep);
    if (code == EXIT_OK && watch->is_live) {
        snprintf(path, sizeof path, "/api/v1/sweeps/%u/trials?state=running&limit=%d", watch->sweep,
                 LIVE_ROWS_MAX);
        code = client_get_json(watch->cli, watch->client, path, &trials);
    }
    if (code == EXIT_OK) {
        bool is_given_up = sweep_is_given_up(sweep);
        watch->is_pause_told = watch->is_pause_told && is_given_up;
        code = is_given_up ? watch_paused(watch, sweep) : -1;
        if (code < 0 && !watch->is_quiet) {
            watch_show(watch, sweep, trials);
        }
        code = sweep_is_over(sweep) ? watch_end(watch, sweep) : code;
    }
    json_decref(sweep);
    json_decref(trials);
    return code;
}

/* -1: it was cancelled, its end is waited for. */
static int watch_interrupted(void *context)
{
    struct watch *watch = context;
    char path[64], what[32];
    uint32_t sweep = watch->sweep;
    if (cli_signal_cancels()) {
        snprintf(path, sizeof path, "/api/v1/sweeps/%u/cancel", sweep);
        snprintf(what, sizeof what, "sweep %u", sweep);
        int code = cli_signal_cancel(watch->cli, watch->client, what, path);
        watch->live.lines = 0; /* what it said stays above */
        return code == EXIT_OK ? -1 : code;
    }
    fprintf(stderr,
            "%sdetached; sweep %u goes on. Come back with 'muster sweep watch %u', end it "
            "with 'muster sweep cancel %u'\n",
            watch->is_live ? "\r\033[K" : "\n", sweep, sweep, sweep);
    return EXIT_INTERRUPTED;
}

int cli_sweep_watch(struct cli *cli, struct client **client, uint32_t sweep, bool is_quiet,
                    int64_t timeout_ms)
{
    char what[32];
    struct watch watch = {
        .cli = cli,
        .client = client,
        .sweep = sweep,
        .is_live = cli_watching_is_live(is_quiet),
        .is_quiet = is_quiet,
        .busy_ms = cli_now_ms(),
    };
    const struct watching watching = {.cli = cli,
                                      .is_live = watch.is_live,
                                      .timeout_ms = timeout_ms,
                                      .what = what,
                                      .context = &watch,
                                      .look = watch_once,
                                      .on_interrupted = watch_interrupted};
    snprintf(what, sizeof what, "sweep %u", sweep);
    return cli_watching_run(&watching);
}
