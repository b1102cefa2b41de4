/* A pattern in the first line, the metric's name in the second, and what a program prints. However
 * the bytes are cut, the same reports come of them, with growing steps. */
#include <math.h>
#include <stdio.h>

#include "input.h"
#include "lines/reports.h"

struct seen {
    uint64_t n;
    uint64_t sum; /* of all that was told, in order */
    double step;
};

static void seen_add(struct seen *seen, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        seen->sum = (seen->sum ^ bytes[i]) * 0x100000001B3U;
    }
}

static void on_report(void *context, const struct line_report *report)
{
    struct seen *seen = context;
    double value = isnan(report->value) ? 1e300 : report->value;
    assert(report->step >= 0 && report->line > 0);
    assert(seen->n == 0 || report->step > seen->step);
    seen->n++;
    seen->step = report->step;
    seen_add(seen, &report->step, sizeof report->step);
    seen_add(seen, &value, sizeof value);
}

static void on_verdict(void *context, const struct line_verdict *verdict)
{
    struct seen *seen = context;
    assert(strlen(verdict->text) < (size_t)1 << 20);
    assert(!(verdict->is_close && verdict->n_values > 0));
    seen_add(seen, verdict->text, strlen(verdict->text));
}

static struct seen read_in(const char *pattern, const char *metric, const uint8_t *data,
                           size_t size, size_t cut)
{
    const char *const rules[] = {"muster", "json",      "dict",    "hf",
                                 "keras",  "lightning", "nanogpt", pattern};
    struct seen seen = {0};
    struct line_reports *reports;
    struct report report = {0};
    const struct line_config config = {
        .rules = rules,
        .n_rules = pattern != NULL ? 8 : 7,
        .metric = metric,
        .time = size % 2 == 0 ? "epoch" : NULL,
        .on_report = on_report,
        .on_verdict = on_verdict,
        .context = &seen,
    };
    if (!fuzz_must(line_reports_new(&config, &reports, &report) == OK)) {
        return seen;
    }
    for (size_t at = 0; at < size; at += cut) {
        line_reports_feed(reports, (struct bytes){data + at, size - at < cut ? size - at : cut});
    }
    line_reports_end(reports);
    line_reports_free(reports);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *metric = strchr(text, '\n');
    char *rest = metric != NULL ? strchr(metric + 1, '\n') : NULL;
    if (rest == NULL) {
        free(text);
        return 0;
    }
    *metric++ = *rest++ = '\0';
    const char *pattern = line_rule_check(text, NULL, NULL) == OK ? text : NULL;
    const uint8_t *bytes = data + (rest - text);
    size_t left = size - (size_t)(rest - text);
    struct seen whole = read_in(pattern, metric, bytes, left, left + 1);
    struct seen parts = read_in(pattern, metric, bytes, left, 1);
    fuzz_must(whole.n == parts.n && whole.sum == parts.sum);
    free(text);
    return 0;
}
