/* What an attempt prints, read as reports: one reader for each stream that its sweep names. The
 * bytes come from attempt_logs.c, on their way into the log. */
#include "base/mem.h"
#include "lines/reports.h"
#include "spec/types.h"
#include "sys/clock.h"
#include "sys/loop.h"
#include "worker/shell/attempt.h"

enum { STREAMS = 2 };

struct lines_stream {
    struct attempt_run *run;
    uint32_t source;              /* REPORT_FROM_* */
    struct line_reports *reports; /* NULL: it is not read */
};

struct attempt_lines {
    struct lines_stream streams[STREAMS]; /* stdout, stderr */
    const char *names[LINE_NAMES_MAX];
};

bool attempt_lines_are_read(const struct attempt_run *run)
{
    return run->lines != NULL;
}

static void on_report(void *context, const struct line_report *report)
{
    struct lines_stream *stream = context;
    struct worker *worker = stream->run->worker;
    on_line_report(worker->agent, clock_now(), stream->run->ref, stream->source, report->step,
                   report->value, &worker->out);
    loop_again(worker->loop);
}

void attempt_lines_feed(struct attempt_run *run, uint32_t stream, struct bytes bytes)
{
    if (run->lines != NULL && run->lines->streams[stream].reports != NULL) {
        line_reports_feed(run->lines->streams[stream].reports, bytes);
    }
}

void attempt_lines_end(struct attempt_run *run, struct attempt_result *facts)
{
    struct attempt_lines *lines = run->lines;
    for (uint32_t i = 0; lines != NULL && i < STREAMS; i++) {
        const char *const *names;
        struct line_reports *reports = lines->streams[i].reports;
        if (reports == NULL) {
            continue;
        }
        line_reports_end(reports);
        uint32_t n = line_reports_names(reports, &names);
        for (uint32_t k = 0; k < n && facts->n_line_names < LINE_NAMES_MAX; k++) {
            lines->names[facts->n_line_names++] = names[k];
        }
        facts->line_names = lines->names;
    }
}

void attempt_lines_release(struct attempt_run *run)
{
    for (uint32_t i = 0; run->lines != NULL && i < STREAMS; i++) {
        line_reports_free(run->lines->streams[i].reports);
    }
    mem_free(run->lines);
    run->lines = NULL;
}

static error_code stream_prepare(struct attempt_run *run, struct lines_stream *stream,
                                 const char *const *rules, uint32_t n_rules, struct report *report)
{
    const struct msg_lease *lease = run->lease;
    stream->run = run;
    if ((lease->report_from & stream->source) == 0) {
        return OK;
    }
    const struct line_config config = {
        .rules = rules,
        .n_rules = n_rules,
        .metric = lease->metric,
        .time = lease->metric_time,
        .first_step = lease->restore.ordinal != 0 ? lease->restore.step : 0,
        .on_report = on_report,
        .context = stream,
    };
    return line_reports_new(&config, &stream->reports, report);
}

error_code attempt_lines_prepare(struct attempt_run *run, struct report *report)
{
    const struct msg_lease *lease = run->lease;
    uint32_t printed = lease->report_from & (REPORT_FROM_STDOUT | REPORT_FROM_STDERR);
    if (!lease->is_trial || lease->metric == NULL || printed == 0) {
        return OK;
    }
    run->lines = mem_zalloc(sizeof *run->lines);
    if (run->lines == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory to read its lines");
    }
    struct lines_stream *streams = run->lines->streams;
    streams[0].source = REPORT_FROM_STDOUT;
    streams[1].source = REPORT_FROM_STDERR;
    error_code error = stream_prepare(run, &streams[0], lease->report_out_rules,
                                      lease->n_report_out_rules, report);
    if (error == OK) {
        error = stream_prepare(run, &streams[1], lease->report_err_rules, lease->n_report_err_rules,
                               report);
    }
    if (error != OK) {
        attempt_lines_release(run);
    }
    return error;
}
