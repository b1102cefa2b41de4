/* lines/reports.h -- one output stream of a program that knows nothing of muster, read as reports:
 * bytes in any cut -> lines (terminal.h) -> values by presets and patterns -> one final value a
 * step. The outward header of lib/lines. Pure; one thread.
 *
 * The step of a value is, in this order: the group `step` of the pattern; the value named by `time`
 * in the same line, else the last one seen; the preset's own; what a pattern with nothing but
 * `step` said last; else the count of values. A step's value is final when the step changes or the
 * output ends, the last one wins; a counted one is final at once. Steps that go back are left out.
 */
#ifndef MUSTER_LINES_REPORTS_H
#define MUSTER_LINES_REPORTS_H

#include "base/buf.h"

struct line_reports;

enum {
    LINE_RULES_MAX = 16,        /* of one stream */
    LINE_RULE_MAX_BYTES = 1024, /* of a pattern */
    LINE_NAMES_MAX = 32,        /* that are kept of those seen */
};

struct line_report {
    double step; /* 0 .. 2^53, maybe with a fraction */
    double value;
    uint64_t line; /* where it stood, from 1 */
};
typedef void line_report_fn(void *context, const struct line_report *report);

/* What became of one line; for people who look at a log. */
struct line_verdict {
    uint64_t line;
    const char *text;
    const char *rule;   /* that gave the values; NULL: none did */
    uint32_t n_values;  /* of the metric */
    double step, value; /* the last one's, if there is any */
    bool is_counted;    /* the step is a count */
    bool is_back;       /* the step is below one that was told: left out */
    bool is_close;      /* it has the metric's name and a number, and gave nothing */
    bool is_cut;        /* too long: not looked at */
};
typedef void line_verdict_fn(void *context, const struct line_verdict *verdict);

struct line_config {
    const char *const *rules; /* names of presets, or patterns */
    uint32_t n_rules;
    const char *metric;
    const char *time;   /* metric.time; NULL or "": none */
    int64_t first_step; /* counting goes on from here */
    line_report_fn *on_report;
    line_verdict_fn *on_verdict; /* NULL: nobody asks */
    void *context;               /* of both */
};

/* One rule by itself: ERR_INVALID says what is wrong with it. `metric` may be NULL: then its groups
 * are not compared with it. */
MUST_CHECK error_code line_rule_check(const char *rule, const char *metric, struct report *report);
/* The i-th preset's name; NULL: there are fewer. */
const char *line_preset_name(uint32_t i);
/* True: `rule` can only be meant as a preset's name. */
bool line_rule_is_word(const char *rule);

/* Texts are copied. ERR_INVALID: a rule does not hold, see line_rule_check(). */
MUST_CHECK error_code line_reports_new(const struct line_config *config,
                                       struct line_reports **ret_reports, struct report *report);
void line_reports_free(struct line_reports *reports); /* NULL is fine */
/* Calls on_report for what is final. */
void line_reports_feed(struct line_reports *reports, struct bytes bytes);
/* The output has ended: what was not final is. */
void line_reports_end(struct line_reports *reports);
/* Names with values that were seen in lines, the metric's aside, in the order of their coming. */
uint32_t line_reports_names(const struct line_reports *reports, const char *const **ret_names);

#endif
