/* The normalised file. What stands here parses to an equal spec again; the round-trip test holds it
 * to that. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "spec/quantity.h"
#include "spec/scalar.h"
#include "spec/schedule.h"
#include "spec/source.h"
#include "spec/sweep.h"
#include "spec/sweep_keys.h"
#include "spec/sweep_print.h"

/* Errors are the buffer's, sticky: one look at the end. */
#define put(buf, ...) ignore_error(buf_printf((buf), __VA_ARGS__), "sticky")

/* ---- scalars ---- */

static bool text_is_safe_plain(const char *text)
{
    struct spec_node node = {.is_plain = true, .text = text, .len = strlen(text)};
    struct value value;
    static const char safe[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
    bool has_word_start = *text != '\0' && strchr("+-.", *text) == NULL;
    return has_word_start && text[strspn(text, safe)] == '\0' && node.len < 128 &&
           strcmp(text, "none") != 0 && scalar_value(&node, &value) == OK &&
           value.kind == VALUE_STR;
}

static void char_print(uint32_t c, const char *bytes, size_t n, struct buf *buf)
{
    bool is_bare = (c >= 0x20 && c <= 0x7E) || (c >= 0xA0 && c <= 0xFFFD) || c >= 0x10000;
    if (c == '"' || c == '\\') {
        put(buf, "\\%c", (char)c);
    } else if (is_bare && c != 0x2028 && c != 0x2029 && c != 0xFEFF) {
        ignore_error(buf_append(buf, bytes, n), "sticky");
    } else if (c == '\n') {
        put(buf, "\\n");
    } else if (c == '\t') {
        put(buf, "\\t");
    } else {
        put(buf, "\\u%04X", c);
    }
}

void text_print(const char *text, struct buf *buf)
{
    size_t len = strlen(text);
    if (text_is_safe_plain(text)) {
        put(buf, "%s", text);
        return;
    }
    put(buf, "\"");
    for (size_t at = 0, n; at < len; at += n) {
        uint32_t c = 0xFFFD;
        n = source_char_decode(text + at, len - at, &c);
        n = n > 0 ? n : 1;
        char_print(c, text + at, n, buf);
    }
    put(buf, "\"");
}

void real_write(double real, struct buf *buf)
{
    char text[REAL_TEXT_MAX];
    if (isnan(real)) {
        put(buf, ".nan");
    } else if (isinf(real)) {
        put(buf, real > 0 ? ".inf" : "-.inf");
    } else {
        put(buf, "%s", real_print(real, text));
    }
}

void value_write(struct value value, struct buf *buf)
{
    if (value.kind == VALUE_STR) {
        text_print(value.str, buf);
    } else if (value.kind == VALUE_REAL) {
        real_write(value.real, buf);
    } else {
        ignore_error(value_print_json(value, buf), "sticky");
    }
}

static void count_print(const char *key, uint64_t count, struct buf *buf)
{
    if (count == 0) {
        put(buf, "%s: none", key);
    } else {
        put(buf, "%s: %llu", key, (unsigned long long)count);
    }
}

/* The same of an amount. */
static void amount_limit_print(const char *key, amount limit, struct buf *buf)
{
    char text[QUANTITY_TEXT_MAX] = "none";
    if (limit > 0) {
        quantity_amount_print(limit, text);
    }
    put(buf, "%s: %s", key, text);
}

/* 0 is `none`, for the durations of which that is true. */
static void limit_print(const char *key, int64_t ms, struct buf *buf)
{
    char text[QUANTITY_TEXT_MAX] = "none";
    if (ms > 0) {
        quantity_duration_print(ms, text);
    }
    put(buf, "%s: %s", key, text);
}

/* ---- blocks ---- */

static void head_print(const struct sweep_spec *spec, struct buf *buf)
{
    put(buf, "name: ");
    text_print(spec->name, buf);
    if (spec->project[0] != '\0') {
        put(buf, "\nproject: ");
        text_print(spec->project, buf);
    }
    if (spec->entity[0] != '\0') {
        put(buf, "\nentity: ");
        text_print(spec->entity, buf);
    }
    if (spec->description[0] != '\0') {
        put(buf, "\ndescription: ");
        text_print(spec->description, buf);
    }
    put(buf, "\nlabels: [");
    for (uint32_t i = 0; i < spec->n_labels; i++) {
        put(buf, "%s", i > 0 ? ", " : "");
        text_print(spec->labels[i], buf);
    }
    put(buf, "]\n");
}

static void command_print(const struct sweep_spec *spec, struct buf *buf)
{
    put(buf, spec->command.is_shell ? "command: " : "command: [");
    for (uint32_t i = 0; i < spec->command.n_words; i++) {
        put(buf, "%s", i > 0 ? ", " : "");
        text_print(spec->command.words[i], buf);
    }
    put(buf, spec->command.is_shell ? "\n" : "]\n");
    put(buf, "workdir: {path: ");
    text_print(spec->workdir, buf);
    put(buf, ", mode: %s, ignore: [", sweep_word(sweep_workdir_words, (int)spec->work.mode));
    for (uint32_t i = 0; i < spec->work.n_ignore; i++) {
        put(buf, "%s", i > 0 ? ", " : "");
        text_print(spec->work.ignore[i], buf);
    }
    char max[QUANTITY_TEXT_MAX];
    quantity_size_print((int64_t)spec->work.max_bytes, max);
    put(buf, "], max: %s}\n", max);
    if (spec->setup[0] != '\0') {
        put(buf, "setup: ");
        text_print(spec->setup, buf);
        put(buf, "\n");
    }
    put(buf, "env:%s\n", spec->n_env == 0 ? " {}" : "");
    for (uint32_t i = 0; i < spec->n_env; i++) {
        put(buf, "  %s: ", spec->env[i].name);
        text_print(spec->env[i].value, buf);
        put(buf, "\n");
    }
}

static void metric_print(const struct sweep_spec *spec, struct buf *buf)
{
    put(buf, "metric: {name: ");
    text_print(spec->metric.name, buf);
    put(buf, ", goal: %s, target: ", sweep_word(sweep_goal_words, (int)spec->metric.goal));
    if (spec->metric.has_target) {
        real_write(spec->metric.target, buf);
    } else {
        put(buf, "none");
    }
    if (spec->metric.time[0] != '\0') {
        put(buf, ", time: ");
        text_print(spec->metric.time, buf);
    }
    put(buf, ", summary: %s, on_nan: %s}\n",
        sweep_word(sweep_summary_words, (int)spec->metric.summary),
        sweep_word(sweep_on_nan_words, (int)spec->metric.on_nan));
}

static void line_rules_print(const char *key, const char *const *rules, uint32_t n, struct buf *buf)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0) {
            put(buf, ", %s: [", key);
        }
        put(buf, "%s", i > 0 ? ", " : "");
        text_print(rules[i], buf);
    }
    put(buf, "%s", n > 0 ? "]" : "");
}

static void printed_lines_print(const struct report_spec *report, struct buf *buf)
{
    const char *separator = "";
    put(buf, "report: {from: [");
    for (const struct spec_word *word = sweep_report_words; word->name != NULL; word++) {
        if (word->value != WORD_LATER && (report->from & (uint32_t)word->value) != 0) {
            put(buf, "%s%s", separator, word->name);
            separator = ", ";
        }
    }
    put(buf, "]");
    line_rules_print("stdout", report->out_rules, report->n_out_rules, buf);
    line_rules_print("stderr", report->err_rules, report->n_err_rules, buf);
    put(buf, "}\n");
}

static void pbt_print(const struct sweep_spec *spec, struct buf *buf)
{
    const struct pbt_spec *pbt = &spec->pbt;
    put(buf, "pbt: {population: %u, interval: %lld, quantile: ", pbt->population,
        (long long)pbt->interval);
    real_write(pbt->quantile, buf);
    put(buf, ", resample: ");
    real_write(pbt->resample, buf);
    put(buf, ", factors: [");
    for (uint32_t i = 0; i < pbt->n_factors; i++) {
        put(buf, "%s", i > 0 ? ", " : "");
        real_write(pbt->factors[i], buf);
    }
    put(buf, "], mutate: [");
    const char *separator = "";
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        if (pbt->mutates[i]) {
            put(buf, "%s", separator);
            text_print(spec->parameters[i].name, buf);
            separator = ", ";
        }
    }
    put(buf, "]}\n");
}

/* With what the file says: what was printed needs it no more. */
static void replay_print(const struct sweep_spec *spec, struct buf *buf)
{
    const struct schedule_spec *schedule = &spec->schedule;
    if (schedule->from != NULL) {
        put(buf, ", from: ");
        text_print(schedule->from, buf);
    }
    for (uint32_t i = 0; i < schedule->n_steps; i++) {
        put(buf, "%s\n    {step: %lld, params: ", i == 0 ? ", steps: [" : ",",
            (long long)schedule->steps[i]);
        baseline_print(spec, &spec->baselines[i], buf);
        put(buf, "}%s", i + 1 == schedule->n_steps ? "]" : "");
    }
}

static void schedule_print(const struct sweep_spec *spec, struct buf *buf)
{
    const struct schedule_spec *schedule = &spec->schedule;
    if (schedule->origin != NULL) {
        put(buf,
            "# Of %s. At a rung the best floor(n / eta) of n trials go on, by the value there,\n"
            "# judged once; W&B lets one more pass, and looks at the best value so far unless it "
            "is strict.\n",
            schedule->origin);
    }
    put(buf, "schedule: {type: %s", sweep_word(sweep_schedule_words, (int)schedule->type));
    if (spec_schedule_has(schedule->type, "mode")) {
        put(buf, ", mode: %s", sweep_word(sweep_mode_words, (int)schedule->mode));
    }
    if (spec_schedule_has(schedule->type, "min")) {
        put(buf, ", min: %lld", (long long)schedule->min);
    }
    if (spec_schedule_has(schedule->type, "max")) {
        count_print(", max", schedule->max == INT64_MAX ? 0 : (uint64_t)schedule->max, buf);
    }
    if (spec_schedule_has(schedule->type, "eta")) {
        put(buf, ", eta: %lld", (long long)schedule->eta);
    }
    if (spec_schedule_has(schedule->type, "interval")) {
        put(buf, ", interval: %lld, startup: %u", (long long)schedule->interval, schedule->startup);
    }
    replay_print(spec, buf);
    put(buf, "}\n");
    if (schedule->type == SCHEDULE_PBT) {
        pbt_print(spec, buf);
    }
}

static void tuning_print(const struct sweep_spec *spec, struct buf *buf)
{
    /* Without a word of its end it can only be a file with W&B's key. */
    bool is_endless = spec->stop.trials == 0 && spec->stop.wall_ms == 0 &&
                      !spec->metric.has_target && spec->search != SEARCH_GRID;
    put(buf, is_endless ? "method: %s\nsearch: {" : "search: {method: %s, ",
        sweep_word(sweep_search_words, (int)spec->search));
    put(buf, spec->has_seed ? "seed: %llu}\n" : "seed: none}\n", (unsigned long long)spec->seed);
    schedule_print(spec, buf);
    put(buf, "stop: {");
    count_print("trials", spec->stop.trials, buf);
    count_print(", failures", spec->stop.failures, buf);
    limit_print(", wall", spec->stop.wall_ms, buf);
    put(buf, "}\nlimits: {");
    count_print("concurrency", spec->concurrency, buf);
    amount_limit_print(", gpus", spec->gpus_max, buf);
    count_print(", per_node", spec->per_node, buf);
    put(buf, "}\n");
}

static void demands_print(const char *key, const struct require *require, uint32_t n,
                          struct buf *buf)
{
    put(buf, "  %s: [", key);
    for (uint32_t i = 0; i < n; i++) {
        put(buf, "%s", i > 0 ? ", " : "");
        text_print(require[i].text, buf);
    }
    put(buf, "]\n");
}

static void resources_print(const struct request *request, struct buf *buf)
{
    char cpus[QUANTITY_TEXT_MAX], gpus[QUANTITY_TEXT_MAX], text[QUANTITY_TEXT_MAX] = "none";
    quantity_amount_print(request->cpus, cpus);
    quantity_amount_print(request->gpus, gpus);
    if (request->memory_bytes > 0) {
        quantity_size_print((int64_t)request->memory_bytes, text);
    }
    put(buf, "resources:\n  cpus: %s\n  gpus: %s\n  memory: %s\n  custom: {", cpus, gpus, text);
    for (uint32_t i = 0; i < request->n_custom; i++) {
        quantity_amount_print(request->custom[i].amount, text);
        put(buf, "%s%s: %s", i > 0 ? ", " : "", request->custom[i].name, text);
    }
    put(buf, "}\n  place: %s\n", sweep_word(sweep_place_words, (int)request->place));
    demands_print("require", request->require, request->n_require, buf);
    demands_print("prefer", request->prefer, request->n_prefer, buf);
}

static void launch_print(const struct sweep_spec *spec, struct buf *buf)
{
    if (spec->launch == LAUNCH_RANKS) {
        put(buf, "  nodes: %u\n  ranks: %u\n", spec->resources.nodes, spec->ranks);
    }
    put(buf, "launch: %s\n", sweep_word(sweep_launch_words, (int)spec->launch));
}

static void checkpoints_print(const struct checkpoint_spec *checkpoints, struct buf *buf)
{
    const char *separator = "";
    put(buf, "checkpoints: {on: [");
    for (const struct spec_word *word = sweep_checkpoint_words; word->name != NULL; word++) {
        if (word->value != WORD_LATER && (checkpoints->on & (uint32_t)word->value) != 0) {
            put(buf, "%s%s", separator, word->name);
            separator = ", ";
        }
    }
    put(buf, "]");
    limit_print(", every", checkpoints->every_ms, buf);
    put(buf, ", keep: {trial_last: %u, trial_best: %u", checkpoints->keep_last,
        checkpoints->keep_best);
    count_print(", sweep_best", checkpoints->keep_sweep_best, buf);
    put(buf, "}, store: %s", sweep_word(sweep_store_words, (int)checkpoints->store));
    if (checkpoints->adopt[0] != '\0') {
        put(buf, ", adopt: ");
        text_print(checkpoints->adopt, buf);
    }
    put(buf, "}\n");
}

static void rules_print(const struct retry_spec *retries, struct buf *buf)
{
    put(buf, ", rules: [");
    for (uint32_t i = 0; i < retries->n_rules; i++) {
        put(buf, "%s{match: ", i > 0 ? ", " : "");
        text_print(retries->rules[i].match, buf);
        put(buf, ", do: %s}", sweep_word(sweep_retry_words, (int)retries->rules[i].act));
    }
    put(buf, "]");
}

static void running_print(const struct sweep_spec *spec, struct buf *buf)
{
    char low[QUANTITY_TEXT_MAX], high[QUANTITY_TEXT_MAX];
    quantity_duration_print(spec->retries.backoff_min_ms, low);
    quantity_duration_print(spec->retries.backoff_max_ms, high);
    put(buf, "queue: {priority: %u}\n", spec->priority);
    put(buf, "retries: {max: %u, crash_limit: %u, backoff: %s..%s", spec->retries.max,
        spec->retries.crash_limit, low, high);
    count_print(", node_failures", spec->retries.node_failures, buf);
    rules_print(&spec->retries, buf);
    put(buf, "}\n");
    quantity_duration_print(spec->timeouts.grace_ms, low);
    quantity_duration_print(spec->timeouts.decision_ms, high);
    limit_print("timeouts: {trial", spec->timeouts.trial_ms, buf);
    limit_print(", silent", spec->timeouts.silent_ms, buf);
    limit_print(", start", spec->timeouts.start_ms, buf);
    put(buf, ", grace: %s, decision: %s", low, high);
    quantity_duration_print(spec->timeouts.rank_ms, low);
    put(buf, ", rank: %s}\n", low);
    checkpoints_print(&spec->checkpoints, buf);
    quantity_size_print(spec->logs_tail_bytes, low);
    put(buf, "logs: {tail: %s}\n", low);
    printed_lines_print(&spec->report, buf);
}

error_code spec_sweep_print(const struct sweep_spec *spec, struct buf *buf)
{
    head_print(spec, buf);
    command_print(spec, buf);
    metric_print(spec, buf);
    space_print(spec, buf);
    tuning_print(spec, buf);
    resources_print(&spec->resources, buf);
    launch_print(spec, buf);
    running_print(spec, buf);
    return buf->failed;
}
