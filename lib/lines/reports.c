#include "lines/reports.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "lines/pattern.h"
#include "lines/presets.h"
#include "lines/terminal.h"

#define STEP_MAX 9007199254740992.0 /* 2^53 */

enum { MATCHES_MAX = 256 /* of one pattern in one line */ };

/* What says the step of a value, the most trusted first. */
typedef enum {
    STEP_COUNTED,
    STEP_GROUP,
    STEP_TIME,
    STEP_PRESET,
    STEP_NAMED,
    STEP_MARK
} step_source;

struct rule {
    const char *text;
    const struct preset *preset; /* NULL: it is a pattern */
    struct pattern *pattern;
    struct preset_memory memory;
};

struct line_reports {
    struct line_config config; /* its texts are ours */
    char *texts[LINE_RULES_MAX + 2];
    uint32_t n_texts;
    struct terminal *terminal;
    struct rule rules[LINE_RULES_MAX];
    struct found found; /* of the line at hand */
    bool has_time, has_mark;
    double time; /* the last one seen, by its name */
    double mark; /* of a pattern that is a step alone */
    double count;
    struct line_report pending; /* not final yet */
    bool has_pending;
    step_source pending_source;
    double told; /* the highest step that was told */
    bool has_told;
    struct line_verdict verdict; /* of the line at hand */
    char *names[LINE_NAMES_MAX];
    uint32_t n_names;
};

/* ---- rules by themselves ---- */

const char *line_preset_name(uint32_t i)
{
    uint32_t n = 0;
    while (n < i && presets[n].name != NULL) {
        n++;
    }
    return presets[n].name;
}

bool line_rule_is_word(const char *rule)
{
    return rule[strspn(rule, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] ==
           '\0';
}

static error_code pattern_check(const struct pattern *pattern, const char *metric,
                                struct report *report)
{
    if (metric == NULL || pattern_names_any(pattern) || pattern_names(pattern, metric) ||
        pattern_is_step_alone(pattern)) {
        return OK;
    }
    return report_fail(report, ERR_INVALID,
                       "no group of it is the metric '%s', and it has no groups `name` and `value`",
                       metric);
}

error_code line_rule_check(const char *rule, const char *metric, struct report *report)
{
    struct pattern *pattern = NULL;
    if (preset_find(rule) != NULL) {
        return OK;
    }
    if (strlen(rule) > LINE_RULE_MAX_BYTES) {
        return report_fail(report, ERR_LIMIT, "a pattern is longer than %d bytes",
                           LINE_RULE_MAX_BYTES);
    }
    error_code error = pattern_new(rule, &pattern, report);
    if (error == OK) {
        error = pattern_check(pattern, metric, report);
    }
    pattern_free(pattern);
    return error;
}

/* ---- made ---- */

static const char *text_keep(struct line_reports *reports, const char *text)
{
    char *copy = mem_strdup(text);
    if (copy != NULL) {
        reports->texts[reports->n_texts++] = copy;
    }
    return copy;
}

static error_code rule_make(struct line_reports *reports, struct rule *rule, const char *text,
                            struct report *report)
{
    rule->text = text_keep(reports, text);
    if (rule->text == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for a rule of lines");
    }
    rule->preset = preset_find(text);
    return rule->preset != NULL ? OK : pattern_new(text, &rule->pattern, report);
}

static error_code reports_make(struct line_reports *reports, const struct line_config *config,
                               struct report *report)
{
    if (config->n_rules > LINE_RULES_MAX) {
        return report_fail(report, ERR_LIMIT, "more than %d rules for lines", LINE_RULES_MAX);
    }
    reports->config = *config;
    reports->config.rules = NULL;
    reports->config.n_rules = 0;
    reports->config.metric = text_keep(reports, config->metric);
    reports->config.time = text_keep(reports, config->time != NULL ? config->time : "");
    if (reports->config.metric == NULL || reports->config.time == NULL ||
        terminal_new(&reports->terminal) != OK) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for a reader of lines");
    }
    reports->count = (double)config->first_step;
    for (uint32_t i = 0; i < config->n_rules; i++) {
        error_code error = rule_make(reports, &reports->rules[i], config->rules[i], report);
        reports->config.n_rules = i + 1;
        if (error != OK) {
            return error;
        }
    }
    return OK;
}

error_code line_reports_new(const struct line_config *config, struct line_reports **ret_reports,
                            struct report *report)
{
    struct line_reports *reports = mem_zalloc(sizeof *reports);
    if (reports == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for a reader of lines");
    }
    error_code error = reports_make(reports, config, report);
    if (error != OK) {
        line_reports_free(reports);
        return error;
    }
    *ret_reports = reports;
    return OK;
}

void line_reports_free(struct line_reports *reports)
{
    if (reports == NULL) {
        return;
    }
    for (uint32_t i = 0; i < reports->config.n_rules; i++) {
        pattern_free(reports->rules[i].pattern);
    }
    for (uint32_t i = 0; i < reports->n_texts; i++) {
        mem_free(reports->texts[i]);
    }
    for (uint32_t i = 0; i < reports->n_names; i++) {
        mem_free(reports->names[i]);
    }
    terminal_free(reports->terminal);
    mem_free(reports);
}

/* ---- names ---- */

static void name_note(struct line_reports *reports, const char *name)
{
    for (uint32_t i = 0; i < reports->n_names; i++) {
        if (strcmp(reports->names[i], name) == 0) {
            return;
        }
    }
    if (reports->n_names < LINE_NAMES_MAX && !found_name_equal(name, reports->config.metric)) {
        char *copy = mem_strdup(name);
        if (copy != NULL) { /* else it is seen again, or is not named */
            reports->names[reports->n_names++] = copy;
        }
    }
}

uint32_t line_reports_names(const struct line_reports *reports, const char *const **ret_names)
{
    *ret_names = (const char *const *)reports->names;
    return reports->n_names;
}

/* ---- steps ---- */

static void pending_tell(struct line_reports *reports)
{
    if (!reports->has_pending) {
        return;
    }
    reports->has_pending = false;
    reports->has_told = true;
    reports->told = reports->pending.step;
    reports->config.on_report(reports->config.context, &reports->pending);
}

/* The step at which the line stands, said by itself or by one before it. */
static step_source step_find(const struct line_reports *reports, const struct rule *rule,
                             double *ret_step)
{
    const struct found *found = &reports->found;
    const char *time = reports->config.time;
    const struct found_pair *pair = time[0] != '\0' ? found_find(found, time) : NULL;
    if (rule->preset == NULL && found->has_step) {
        *ret_step = found->step;
        return STEP_GROUP;
    }
    if (pair != NULL || (time[0] != '\0' && reports->has_time)) {
        *ret_step = pair != NULL ? pair->value : reports->time;
        return STEP_TIME;
    }
    if (found->has_step) {
        *ret_step = found->step;
        return STEP_PRESET;
    }
    for (uint32_t i = 0; rule->preset != NULL && rule->preset->step_names[i] != NULL; i++) {
        pair = found_find(found, rule->preset->step_names[i]);
        if (pair != NULL) {
            *ret_step = pair->value;
            return STEP_NAMED;
        }
    }
    *ret_step = reports->mark;
    return reports->has_mark ? STEP_MARK : STEP_COUNTED;
}

static void value_take(struct line_reports *reports, const struct rule *rule, double value)
{
    struct line_verdict *verdict = &reports->verdict;
    double step;
    step_source source = step_find(reports, rule, &step);
    reports->count += 1;
    step = source == STEP_COUNTED ? reports->count : step;
    verdict->n_values++;
    verdict->rule = rule->text;
    verdict->step = step;
    verdict->value = value;
    verdict->is_counted = source == STEP_COUNTED;
    if (reports->has_pending && reports->pending.step != step) {
        pending_tell(reports);
    }
    /* NaN is not above anything. */
    verdict->is_back =
        !(step >= 0 && step <= STEP_MAX) || (reports->has_told && step <= reports->told);
    if (verdict->is_back) {
        return;
    }
    reports->pending =
        (struct line_report){.step = step, .value = value, .line = reports->verdict.line};
    reports->pending_source = source;
    reports->has_pending = true;
    if (source == STEP_COUNTED) {
        pending_tell(reports);
    }
}

/* A line without a value of the metric may say all the same that the next step has begun. */
static void step_look(struct line_reports *reports, const struct rule *rule)
{
    double step;
    step_source source = step_find(reports, rule, &step);
    if (reports->has_pending && source == reports->pending_source &&
        step != reports->pending.step) {
        pending_tell(reports);
    }
}

/* What a rule found in the line: names are noted, values of the metric taken. */
static void found_take(struct line_reports *reports, const struct rule *rule)
{
    const struct found *found = &reports->found;
    for (uint32_t i = 0; i < found->n; i++) {
        const struct found_pair *pair = &found->pairs[i];
        if (reports->config.time[0] != '\0' && found_name_equal(pair->name, reports->config.time)) {
            reports->has_time = true;
            reports->time = pair->value;
        }
        name_note(reports, pair->name);
    }
    step_look(reports, rule);
    for (uint32_t i = 0; i < found->n; i++) {
        if (found_name_equal(found->pairs[i].name, reports->config.metric)) {
            value_take(reports, rule, found->pairs[i].value);
        }
    }
}

/* ---- lines ---- */

static void pattern_apply(struct line_reports *reports, const struct rule *rule,
                          const struct terminal_line *line)
{
    size_t offset = 0;
    for (int i = 0; i < MATCHES_MAX &&
                    pattern_next(rule->pattern, line->text, line->len, &offset, &reports->found);
         i++) {
        if (reports->found.has_step && pattern_is_step_alone(rule->pattern)) {
            reports->has_mark = true;
            reports->mark = reports->found.step;
        }
        found_take(reports, rule);
    }
}

/* Letters without their case; whatever else may stand between words is one thing. */
static char close_fold(char c)
{
    return isalnum((unsigned char)c) ? (char)tolower((unsigned char)c) : '_';
}

static bool is_close(const char *text, const char *metric)
{
    if (strpbrk(text, "0123456789") == NULL) {
        return false;
    }
    for (; *text != '\0'; text++) {
        size_t n = 0;
        while (metric[n] != '\0' && text[n] != '\0' &&
               close_fold(text[n]) == close_fold(metric[n])) {
            n++;
        }
        if (metric[n] == '\0') {
            return true;
        }
    }
    return false;
}

static void rules_apply(struct line_reports *reports, const struct terminal_line *line)
{
    for (uint32_t i = 0; i < reports->config.n_rules && reports->verdict.n_values == 0; i++) {
        struct rule *rule = &reports->rules[i];
        if (line->kind == LINE_DRAFT && (rule->preset == NULL || !rule->preset->takes_drafts)) {
            continue;
        }
        if (rule->preset == NULL) {
            pattern_apply(reports, rule, line);
            continue;
        }
        reports->found.n = 0;
        reports->found.has_step = false;
        rule->preset->read(line->text, &rule->memory, &reports->found);
        found_take(reports, rule);
    }
}

static void on_line(void *context, const struct terminal_line *line)
{
    struct line_reports *reports = context;
    struct line_verdict *verdict = &reports->verdict;
    *verdict =
        (struct line_verdict){.line = line->number, .text = line->text, .is_cut = line->is_cut};
    if (!line->is_cut) {
        rules_apply(reports, line);
    }
    bool is_told = line->kind == LINE_WHOLE || verdict->n_values > 0;
    if (reports->config.on_verdict != NULL && is_told) {
        verdict->is_close =
            verdict->n_values == 0 && !line->is_cut && is_close(line->text, reports->config.metric);
        reports->config.on_verdict(reports->config.context, verdict);
    }
}

void line_reports_feed(struct line_reports *reports, struct bytes bytes)
{
    terminal_feed(reports->terminal, bytes, on_line, reports);
}

void line_reports_end(struct line_reports *reports)
{
    terminal_end(reports->terminal, on_line, reports);
    pending_tell(reports);
}
