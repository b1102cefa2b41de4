#include "spec/change.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "spec/spelling.h"

#define FIELD(field) offsetof(struct sweep_spec, field), sizeof((struct sweep_spec){0}.field)

/* Both ends of a range are one key. */
enum { BACKOFF_BYTES = 2 * sizeof(int64_t) };
static_assert(offsetof(struct retry_spec, backoff_max_ms) ==
                  offsetof(struct retry_spec, backoff_min_ms) + sizeof(int64_t),
              "one after the other");

/* Fields without pointers: they are copied, and the new text is let go. */
static const struct change {
    const char *path;
    size_t offset, size;
    uint32_t bit;
} changes[] = {
    {"stop.trials", FIELD(stop.trials), CHANGE_TRIALS},
    {"stop.failures", FIELD(stop.failures), CHANGE_FAILURES},
    {"stop.wall", FIELD(stop.wall_ms), CHANGE_WALL},
    {"limits.concurrency", FIELD(concurrency), CHANGE_CONCURRENCY},
    {"limits.gpus", FIELD(gpus_max), 0},
    {"limits.per_node", FIELD(per_node), 0},
    {"queue.priority", FIELD(priority), 0},
    {"retries.max", FIELD(retries.max), 0},
    {"retries.crash_limit", FIELD(retries.crash_limit), 0},
    {"retries.backoff", offsetof(struct sweep_spec, retries.backoff_min_ms), BACKOFF_BYTES, 0},
    {"retries.node_failures", FIELD(retries.node_failures), 0},
    {"timeouts.trial", FIELD(timeouts.trial_ms), 0},
    {"timeouts.silent", FIELD(timeouts.silent_ms), 0},
    {"timeouts.grace", FIELD(timeouts.grace_ms), 0},
    {"timeouts.start", FIELD(timeouts.start_ms), 0},
    {"timeouts.decision", FIELD(timeouts.decision_ms), 0},
    {"timeouts.rank", FIELD(timeouts.rank_ms), 0},
    {"logs.tail", FIELD(logs_tail_bytes), 0},
};
enum { N_CHANGES = sizeof changes / sizeof changes[0] };

static const char of_space[] = "its trials so far were drawn from it";
static const char of_results[] = "its trials so far were judged by it";
static const char of_attempts[] = "every attempt of a trial starts alike";
static const char of_names[] = "it is what the sweep is found by";

/* Why the others may not, by the first step of the path. */
static const struct {
    const char *block, *why;
} fixed[] = {
    {"parameters", of_space}, {"constraints", of_space}, {"baselines", of_space},
    {"search", of_space},     {"method", of_space},      {"metric", of_results},
    {"schedule", of_results}, {"pbt", of_results},       {"early_terminate", of_results},
    {"command", of_attempts}, {"program", of_attempts},  {"workdir", of_attempts},
    {"setup", of_attempts},   {"env", of_attempts},      {"resources", of_attempts},
    {"launch", of_attempts},  {"report", of_attempts},   {"checkpoints", of_attempts},
    {"name", of_names},       {"description", of_names}, {"entity", of_names},
    {"envvar", of_attempts},  {"project", of_names},     {"labels", of_names},
};

static size_t path_length(const char *text)
{
    return strcspn(text, "=");
}

static const struct change *change_find(const char *text)
{
    size_t length = path_length(text);
    for (size_t i = 0; i < N_CHANGES; i++) {
        if (strlen(changes[i].path) == length && memcmp(changes[i].path, text, length) == 0) {
            return &changes[i];
        }
    }
    return NULL;
}

static const char *fixed_why(const char *text)
{
    size_t step = strcspn(text, ".=");
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (strlen(fixed[i].block) == step && memcmp(fixed[i].block, text, step) == 0) {
            return fixed[i].why;
        }
    }
    return NULL;
}

static error_code change_refuse(const char *text, struct report *report)
{
    char path[EXCERPT_MAX], excerpt[EXCERPT_MAX];
    int length = (int)path_length(text);
    const char *why = fixed_why(text);
    snprintf(path, sizeof path, "%.*s", length, text);
    if (why != NULL) {
        return report_fail(
            report, ERR_INVALID,
            "`%s` cannot change while a sweep runs: %s; 'muster sweep clone N --set' "
            "makes another one",
            spelling_excerpt(path, excerpt), why);
    }
    struct spelling spelling = {.word = path};
    error_code error = report_fail(report, ERR_INVALID, "`%s` is no key that may change: those are",
                                   spelling_excerpt(path, excerpt));
    for (size_t i = 0; i < N_CHANGES; i++) {
        report_add(report, "%s %s", i > 0 ? "," : "", changes[i].path);
        spelling_offer(&spelling, changes[i].path);
    }
    if (spelling.best != NULL) {
        report_add(report, "; did you mean '%s'?", spelling.best);
    }
    return error;
}

error_code spec_change_check(const char *const *texts, uint32_t n, struct report *report)
{
    if (n == 0) {
        return report_fail(report, ERR_INVALID,
                           "there is nothing to set; write e.g. stop.trials=200");
    }
    for (uint32_t i = 0; i < n; i++) {
        if (strchr(texts[i], '=') == NULL) {
            char excerpt[EXCERPT_MAX];
            return report_fail(report, ERR_INVALID,
                               "'%s' is no setting; write KEY=VALUE, e.g. stop.trials=200",
                               spelling_excerpt(texts[i], excerpt));
        }
        if (change_find(texts[i]) == NULL) {
            return change_refuse(texts[i], report);
        }
    }
    return OK;
}

bool spec_change_is_same(const char *a, const char *b)
{
    size_t length = path_length(a);
    return length == path_length(b) && memcmp(a, b, length) == 0;
}

uint32_t spec_change_bits(const char *const *texts, uint32_t n)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct change *change = change_find(texts[i]);
        bits |= change != NULL ? change->bit : 0;
    }
    return bits;
}

void spec_change_take(const struct sweep_spec *from, const char *const *texts, uint32_t n,
                      struct sweep_spec *spec)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct change *change = change_find(texts[i]);
        if (change != NULL) {
            memcpy((char *)spec + change->offset, (const char *)from + change->offset,
                   change->size);
        }
    }
}
