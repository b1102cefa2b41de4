/* What a list is asked for by its query: words that it does not know are refused with those that it
 * does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "head/shell/routes.h"
#include "spec/sweep.h"

enum { QUERY_TEXT_MAX = 256 };

struct query {
    struct route_call *call;
    const char *const *names; /* that this list takes; NULL ends them */
    struct view_filter *filter;
    char error[QUERY_TEXT_MAX * 4]; /* "": none so far */
};

static bool query_number(const char *text, uint32_t min, uint32_t *ret_number)
{
    size_t n = strlen(text);
    if (n == 0 || n > 10 || strspn(text, "0123456789") != n) {
        return false;
    }
    unsigned long long number = strtoull(text, NULL, 10);
    *ret_number = (uint32_t)number;
    return number >= min && number <= UINT32_MAX;
}

/* `2026-01-02T03:04:05Z`, with or without milliseconds, or how long ago: `2h`. */
static bool query_time(const char *text, time_ms now, time_ms *ret_time)
{
    struct tm tm = {0};
    int64_t ago_ms;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL) {
        bool is_span = spec_duration_parse(text, &ago_ms, NULL) == OK;
        *ret_time = is_span && ago_ms < now ? now - ago_ms : 1;
        return is_span;
    }
    time_ms ms = 0;
    if (rest[0] == '.') {
        size_t digits = strspn(rest + 1, "0123456789");
        ms = digits == 3 ? strtol(rest + 1, NULL, 10) : -1;
        rest += 1 + digits;
    }
    *ret_time = (time_ms)timegm(&tm) * 1000 + ms;
    return ms >= 0 && strcmp(rest, "Z") == 0;
}

static bool query_text(const char *value, const char **ret_text)
{
    *ret_text = value[0] != '\0' ? value : NULL;
    return true;
}

static bool query_set(struct query *q, const char *name, const char *value)
{
    struct view_filter *f = q->filter;
    const struct {
        const char *name;
        const char **text;
    } texts[] = {
        {"state", &f->state}, {"outcome", &f->outcome}, {"owner", &f->owner},
        {"label", &f->label}, {"name", &f->name},       {"node", &f->node},
        {"sort", &f->sort},   {"cursor", &f->cursor},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i].name, name) == 0) {
            return query_text(value, texts[i].text);
        }
    }
    if (strcmp(name, "limit") == 0) {
        return query_number(value, 0, &f->limit);
    }
    if (strcmp(name, "offset") == 0) {
        return query_number(value, 0, &f->offset);
    }
    if (strcmp(name, "since") == 0) {
        return query_time(value, q->call->now, &f->since);
    }
    if (strcmp(name, "array") == 0) {
        f->is_arrays = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
        return f->is_arrays;
    }
    return query_number(value, 1, &f->job); /* sweep, job */
}

static bool query_knows(const struct query *q, const char *name)
{
    for (const char *const *known = q->names; *known != NULL; known++) {
        if (strcmp(*known, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool on_query_pair(void *context, const char *name, const char *value)
{
    struct query *q = context;
    if (!query_knows(q, name)) {
        int n = snprintf(q->error, sizeof q->error,
                         "this list does not take '%.64s'; it takes: ", name);
        for (const char *const *known = q->names; *known != NULL && n > 0; known++) {
            n += snprintf(q->error + n, sizeof q->error - (size_t)n, "%s%s",
                          known == q->names ? "" : ", ", *known);
        }
        return false;
    }
    if (!query_set(q, name, value)) {
        bool is_time = strcmp(name, "since") == 0, is_flag = strcmp(name, "array") == 0;
        snprintf(q->error, sizeof q->error, "%s=%.64s: %s", name, value,
                 is_time   ? "a time is 2026-01-02T03:04:05Z, or how long ago: 2h"
                 : is_flag ? "only `true` can be asked"
                           : "a whole number is wanted");
        return false;
    }
    return true;
}

bool route_query_filter(struct route_call *call, const char *const *names,
                        struct view_filter *ret_filter)
{
    struct view_filter filter = {0};
    struct query query = {.call = call, .names = names, .filter = &filter};
    http_query_each(call->request, on_query_pair, &query);
    if (query.error[0] != '\0') {
        route_wrong_answer(call, query.error);
        return false;
    }
    *ret_filter = filter;
    return true;
}
