/* A job until its end: one line, drawn over on a terminal, elsewhere written at most every 30 s. */
#include <math.h>
#include <string.h>

#include "cli/jobs.h"
#include "cli/kinds.h"
#include "cli/live.h"
#include "cli/signals.h"
#include "cli/watching.h"

enum {
    LINE_EVERY_MS = 30000,
    RATE_OVER_MS = 10000, /* a rate is measured over at most so long */
};

/* How many had ended, and when. */
struct sample {
    int64_t time_ms, ended;
};

enum { SAMPLES = 64 };

struct job_watch {
    struct cli *cli;
    struct client **client;
    uint32_t number;
    bool is_live, is_quiet;
    int64_t started_ms, line_ms, line_ended;
    struct sample samples[SAMPLES]; /* a ring */
    uint32_t n_samples;
    char why[512]; /* what it waited for when that was told last */
};

static int64_t job_ended(const json_t *job)
{
    return cli_json_int(job, "done") + cli_json_int(job, "failed") + cli_json_int(job, "cancelled");
}

bool cli_job_is_array(const json_t *job)
{
    return cli_json_str(job, "ids")[0] != '\0';
}

void cli_job_progress(const json_t *job, double rate, char *ret_text, size_t size_bytes)
{
    static const struct {
        const char *key, *word;
    } counts[] = {{"failed", "failed"}, {"cancelled", "cancelled"}, {"running", "running"}};
    char clock[32];
    int64_t total = cli_json_int(job, "total"), left = total - job_ended(job);
    int used = snprintf(ret_text, size_bytes, "%lld/%lld done",
                        (long long)cli_json_int(job, "done"), (long long)total);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        long long n = (long long)cli_json_int(job, counts[i].key);
        if (n > 0 && used > 0 && (size_t)used < size_bytes) {
            used += snprintf(ret_text + used, size_bytes - (size_t)used, "  %lld %s", n,
                             counts[i].word);
        }
    }
    if (left > 0 && rate > 0 && used > 0 && (size_t)used < size_bytes) {
        live_clock((double)left / rate, clock, sizeof clock);
        snprintf(ret_text + used, size_bytes - (size_t)used, "  %.*f/s  eta %s", rate < 10 ? 1 : 0,
                 rate, clock);
    }
}

/* Tasks a second over the last samples; 0: not known yet. */
static double watch_rate(struct job_watch *watch, int64_t ended)
{
    int64_t now = cli_now_ms();
    struct sample first = {now, ended};
    uint32_t n = watch->n_samples < SAMPLES ? watch->n_samples : SAMPLES;
    for (uint32_t i = 0; i < n; i++) {
        const struct sample *sample = &watch->samples[i];
        if (now - sample->time_ms <= RATE_OVER_MS && sample->time_ms < first.time_ms) {
            first = *sample;
        }
    }
    watch->samples[watch->n_samples++ % SAMPLES] = (struct sample){now, ended};
    return now > first.time_ms
               ? (double)(ended - first.ended) * 1000.0 / (double)(now - first.time_ms)
               : 0;
}

/* Nothing runs: what it waits for, once for each reason. */
static void why_print(struct job_watch *watch, const json_t *job)
{
    char path[64];
    json_t *answer = NULL;
    if (cli_json_int(job, "running") + cli_json_int(job, "leased") > 0 ||
        cli_now_ms() - watch->started_ms < 2000) {
        return;
    }
    snprintf(path, sizeof path, "/api/v1/explain/%u", watch->number);
    if (client_get_json(watch->cli, watch->client, path, &answer) == EXIT_OK &&
        strcmp(watch->why, cli_json_str(answer, "text")) != 0) {
        cli_make_printable(answer);
        snprintf(watch->why, sizeof watch->why, "%s", cli_json_str(answer, "text"));
        fprintf(stderr, "%smuster: %s\n", watch->is_live ? "\r\033[K" : "", watch->why);
    }
    json_decref(answer);
}

static void watch_line(struct job_watch *watch, const json_t *job)
{
    char text[256];
    int64_t ended = job_ended(job), now = cli_now_ms();
    double rate = watch_rate(watch, ended);
    bool is_due = watch->line_ms == 0 ||
                  (now - watch->line_ms >= LINE_EVERY_MS && ended != watch->line_ended);
    if (!watch->is_live && !is_due) {
        return;
    }
    cli_job_progress(job, rate, text, sizeof text);
    if (watch->is_live) {
        fprintf(stderr, "\r\033[K%u  %.70s", watch->number, text);
    } else {
        fprintf(stderr, "%u  %s\n", watch->number, text);
    }
    watch->line_ms = now;
    watch->line_ended = ended;
}

static int watch_end(struct job_watch *watch, json_t *job)
{
    char text[256], outcome[32];
    cli_output output;
    snprintf(outcome, sizeof outcome, "%s", cli_json_str(job, "outcome"));
    if (watch->is_live) {
        fputs("\r\033[K", stderr);
    }
    if (cli_output_parse(watch->cli, &output) && !cli_output_is_text(watch->cli, output)) {
        ignore_error(cli_print_kind(watch->cli, &cli_job_kind, job) == EXIT_OK ? OK : ERR_INVALID,
                     "it has said so");
    } else {
        cli_make_printable(job);
        cli_job_progress(job, 0, text, sizeof text);
        printf("%s %u %s: %s%s%s%s\n", cli_job_is_array(job) ? "array" : "task", watch->number,
               outcome, text, json_is_true(json_object_get(job, "dry")) ? ", dry" : "",
               cli_json_str(job, "error")[0] != '\0' ? "; " : "", cli_json_str(job, "error"));
        if (cli_json_int(job, "failed") > 0) {
            ignore_error(cli_job_failures_print(watch->cli, watch->client, watch->number) == EXIT_OK
                             ? OK
                             : ERR_INVALID,
                         "it has said so");
        }
    }
    return strcmp(outcome, "done") == 0        ? EXIT_OK
           : strcmp(outcome, "cancelled") == 0 ? EXIT_CANCELLED
                                               : EXIT_WAITED_FAILED;
}

/* One look; -1 to go on, else the exit code. */
static int watch_once(void *context)
{
    struct job_watch *watch = context;
    json_t *job = NULL;
    int code = cli_job_get(watch->cli, watch->client, watch->number, &job);
    if (code == EXIT_OK) {
        bool is_over = strcmp(cli_json_str(job, "state"), "ended") == 0;
        if (!watch->is_quiet && !is_over) {
            watch_line(watch, job);
            why_print(watch, job);
        }
        code = is_over ? watch_end(watch, job) : -1;
    }
    json_decref(job);
    return code;
}

/* -1: it was cancelled, its end is waited for. */
static int watch_interrupted(void *context)
{
    struct job_watch *watch = context;
    char path[64], what[32];
    uint32_t number = watch->number;
    if (cli_signal_cancels()) {
        snprintf(path, sizeof path, "/api/v1/jobs/%u/cancel", number);
        snprintf(what, sizeof what, "job %u", number);
        int code = cli_signal_cancel(watch->cli, watch->client, what, path);
        return code == EXIT_OK ? -1 : code;
    }
    fprintf(stderr,
            "%sdetached; %u goes on. Come back with 'muster task wait %u', end it with 'muster "
            "task cancel %u'\n",
            watch->is_live ? "\r\033[K" : "\n", number, number, number);
    return EXIT_INTERRUPTED;
}

int cli_job_watch(struct cli *cli, struct client **client, uint32_t number, bool is_quiet,
                  int64_t timeout_ms)
{
    char what[32];
    struct job_watch watch = {
        .cli = cli,
        .client = client,
        .number = number,
        .is_live = cli_watching_is_live(is_quiet),
        .is_quiet = is_quiet,
        .started_ms = cli_now_ms(),
    };
    const struct watching watching = {.cli = cli,
                                      .is_live = watch.is_live,
                                      .timeout_ms = timeout_ms,
                                      .what = what,
                                      .context = &watch,
                                      .look = watch_once,
                                      .on_interrupted = watch_interrupted};
    snprintf(what, sizeof what, "%u", number);
    return cli_watching_run(&watching);
}
