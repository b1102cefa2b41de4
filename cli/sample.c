/* muster check --sample: a log that a program wrote once, read as the worker would read it. */
#include "cli/sample.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "cli/text.h"
#include "lines/reports.h"

enum {
    SAMPLE_READ_BYTES = 64 << 10,
    SAMPLE_ROWS_MAX = 100000, /* of what is printed; reports beyond are counted */
    SAMPLE_TEXT_MAX = 160,
};

struct sample {
    const struct sweep_spec *spec;
    struct line_reports *reports;
    json_t *items;
    uint64_t n_reports;
    bool has_failed;  /* no memory for what is printed */
    bool is_counting; /* nothing is printed but the number of reports */
    bool has_best;
    struct line_report best, last;
};

/* ---- rows ---- */

static json_t *real_json(double value)
{
    return value == value && value - value == 0 ? json_real(value)
                                                : json_string(value != value ? "nan"
                                                              : value > 0    ? "inf"
                                                                             : "-inf");
}

static json_t *step_json(double step)
{
    bool is_whole = step >= 0 && step <= 1e15 && step == (double)(int64_t)step;
    return is_whole ? json_integer((int64_t)step) : real_json(step);
}

static void row_add(struct sample *sample, const struct line_verdict *verdict, json_t *note)
{
    bool has_value = verdict->n_values > 0;
    json_t *row = json_pack("{s:I,s:o,s:o,s:s?,s:o}", "line", (json_int_t)verdict->line, "step",
                            has_value ? step_json(verdict->step) : json_null(), "value",
                            has_value ? real_json(verdict->value) : json_null(), "rule",
                            verdict->rule, "note", note);
    sample->has_failed |= json_array_append_new(sample->items, row) != 0;
}

static json_t *excerpt(const char *prefix, const char *line)
{
    char text[SAMPLE_TEXT_MAX];
    size_t prefix_len = strlen(prefix);
    memcpy(text, prefix, prefix_len + 1);
    while (*line == ' ' || *line == '\t') {
        line++;
    }
    for (size_t n = prefix_len; n < sizeof text - 4 && *line != '\0'; line++) {
        text[n++] = *line;
        text[n] = '\0';
    }
    /* A character that was cut in two. */
    size_t len = strlen(text);
    while (*line != '\0' && len > 0 && ((unsigned char)*line & 0xC0) == 0x80) {
        line--;
        text[--len] = '\0';
    }
    text_make_printable(text);
    return json_string(text);
}

static void on_verdict(void *context, const struct line_verdict *verdict)
{
    struct sample *sample = context;
    if (sample->is_counting || json_array_size(sample->items) >= SAMPLE_ROWS_MAX) {
        return;
    }
    if (verdict->is_cut) {
        row_add(sample, verdict, json_string("too long: not read"));
    } else if (verdict->is_close) {
        row_add(sample, verdict, excerpt("no rule finds it: ", verdict->text));
    } else if (verdict->is_back) {
        row_add(sample, verdict, json_string("left out: not above the step before"));
    } else if (verdict->n_values > 0) {
        /* It may be covered by a later value of the same step; then on_report() does not come. */
        row_add(sample, verdict, json_string("a later value of this step holds"));
    }
}

static void on_report(void *context, const struct line_report *report)
{
    struct sample *sample = context;
    bool is_maximize = sample->spec->metric.goal == GOAL_MAXIMIZE;
    bool is_better =
        is_maximize ? report->value > sample->best.value : report->value < sample->best.value;
    sample->n_reports++;
    sample->last = *report;
    if (report->value == report->value && (!sample->has_best || is_better)) {
        sample->has_best = true;
        sample->best = *report;
    }
    for (size_t i = json_array_size(sample->items); i-- > 0;) {
        json_t *row = json_array_get(sample->items, i);
        if (json_integer_value(json_object_get(row, "line")) == (json_int_t)report->line) {
            sample->has_failed |= json_object_set_new(row, "note", json_string("")) != 0;
            return;
        }
    }
}

/* ---- the log ---- */

static int log_read(FILE *from, const char *log, struct line_reports *reports)
{
    static uint8_t block[SAMPLE_READ_BYTES];
    size_t n;
    while ((n = fread(block, 1, sizeof block, from)) > 0) {
        line_reports_feed(reports, (struct bytes){block, n});
    }
    if (ferror(from) != 0) {
        return cli_fail(EXIT_USAGE, "%s cannot be read: %s", log, strerror(errno));
    }
    line_reports_end(reports);
    return EXIT_OK;
}

static int rules_run(struct sample *sample, const char *const *rules, uint32_t n_rules,
                     const char *log)
{
    struct report report = {0};
    const struct line_config config = {
        .rules = rules,
        .n_rules = n_rules,
        .metric = sample->spec->metric.name,
        .time = sample->spec->metric.time,
        .on_report = on_report,
        .on_verdict = on_verdict,
        .context = sample,
    };
    if (line_reports_new(&config, &sample->reports, &report) != OK) {
        return cli_fail_report(EXIT_REQUEST, &report);
    }
    bool is_stdin = strcmp(log, "-") == 0;
    FILE *from = is_stdin ? stdin : fopen(log, "re");
    if (from == NULL) {
        return cli_fail(EXIT_USAGE, "%s cannot be read: %s", log, strerror(errno));
    }
    int code = log_read(from, log, sample->reports);
    if (!is_stdin) {
        fclose(from);
    }
    return code;
}

/* ---- what is said ---- */

static void names_say(const struct sample *sample)
{
    const char *const *names;
    uint32_t n = line_reports_names(sample->reports, &names);
    for (uint32_t i = 0; i < n; i++) {
        char name[SAMPLE_TEXT_MAX];
        snprintf(name, sizeof name, "%s", names[i]);
        text_make_printable(name);
        fprintf(stderr, "%s%s", i == 0 ? "other names with values: " : ", ", name);
    }
    fprintf(stderr, "%s", n > 0 ? "\n" : "");
}

static void summary_say(const struct sample *sample)
{
    fprintf(stderr, "%llu reports of %s", (unsigned long long)sample->n_reports,
            sample->spec->metric.name);
    if (sample->n_reports > 0) {
        fprintf(stderr, ", the last at step %g", sample->last.step);
    }
    if (sample->has_best) {
        fprintf(stderr, "; best %g at step %g (line %llu)", sample->best.value, sample->best.step,
                (unsigned long long)sample->best.line);
    }
    fprintf(stderr, "\n");
}

static json_t *list_of(struct sample *sample)
{
    const char *const *names;
    uint32_t n = line_reports_names(sample->reports, &names);
    json_t *list = json_pack("{s:s,s:O,s:I,s:n,s:I,s:[]}", "api", "v1", "items", sample->items,
                             "total", (json_int_t)json_array_size(sample->items), "next", "reports",
                             (json_int_t)sample->n_reports, "names");
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(json_object_get(list, "names"), json_string(names[i]));
    }
    return list;
}

/* Of a file that reads no output: which presets would find something. */
static int presets_try(struct sample *sample, const char *log)
{
    const char *preset;
    uint32_t n_found = 0;
    if (strcmp(log, "-") == 0) {
        return cli_fail(EXIT_USAGE, "the file reads no output (`report.from` names neither stdout "
                                    "nor stderr), and standard input can be read once only");
    }
    fprintf(stderr, "the file reads no output: `report.from` names neither stdout nor stderr\n");
    sample->is_counting = true;
    for (uint32_t i = 0; (preset = line_preset_name(i)) != NULL; i++) {
        sample->n_reports = 0;
        int code = rules_run(sample, &preset, 1, log);
        line_reports_free(sample->reports);
        sample->reports = NULL;
        if (code != EXIT_OK) {
            return code;
        }
        if (sample->n_reports > 0) {
            n_found++;
            printf("report: {stdout: [%s]} would give %llu reports of %s\n", preset,
                   (unsigned long long)sample->n_reports, sample->spec->metric.name);
        }
    }
    return n_found > 0
               ? EXIT_OK
               : cli_fail(EXIT_REQUEST, "no preset finds '%s' in %s; a pattern may: see PASSIVE.md",
                          sample->spec->metric.name, log);
}

static int sample_run(const struct cli *cli, struct sample *sample, const char *log)
{
    const struct report_spec *report = &sample->spec->report;
    const char *stream = cli_option(cli, "stream");
    if (stream != NULL && strcmp(stream, "out") != 0 && strcmp(stream, "err") != 0) {
        return cli_fail(EXIT_USAGE, "--stream is out or err, not '%s'", stream);
    }
    bool is_err = stream != NULL ? strcmp(stream, "err") == 0 : report->n_out_rules == 0;
    uint32_t n_rules = is_err ? report->n_err_rules : report->n_out_rules;
    if (n_rules == 0 && stream != NULL) {
        return cli_fail(EXIT_USAGE, "the file does not read std%s (`report.from`)", stream);
    }
    if (n_rules == 0) {
        return presets_try(sample, log);
    }
    int code = rules_run(sample, is_err ? report->err_rules : report->out_rules, n_rules, log);
    json_t *list = code == EXIT_OK ? list_of(sample) : NULL;
    if (list == NULL || sample->has_failed) {
        json_decref(list);
        return code != EXIT_OK ? code : cli_fail(EXIT_REQUEST, "no memory for what was found");
    }
    code = cli_print_list(cli, NULL, list);
    json_decref(list);
    summary_say(sample);
    names_say(sample);
    return code == EXIT_OK && sample->n_reports == 0 ? EXIT_REQUEST : code;
}

int sample_print(const struct cli *cli, const struct sweep_file *file, const char *log)
{
    struct sample sample = {.spec = &file->spec, .items = json_array()};
    int code = sample_run(cli, &sample, log);
    line_reports_free(sample.reports);
    json_decref(sample.items);
    return code;
}
