#include "cli/selector.h"

#include <stdlib.h>
#include <string.h>

static bool number_read(const char **at, uint32_t *ret_number)
{
    char *end = NULL;
    unsigned long long number = **at >= '0' && **at <= '9' ? strtoull(*at, &end, 10) : 0;
    if (number == 0 || number > UINT32_MAX) {
        return false;
    }
    *at = end;
    *ret_number = (uint32_t)number;
    return true;
}

/* `-7` behind a number. */
static bool range_read(const char **at, uint32_t from, uint32_t *ret_to)
{
    *ret_to = from;
    if (**at != '-') {
        return true;
    }
    (*at)++;
    return number_read(at, ret_to) && *ret_to >= from;
}

/* `*job`: whose ids a part before this one named; 0: none. Then a bare number is one more of them:
 * 12.3-7,9 */
static bool span_read(const char *text, bool is_of_tasks, struct selector *selector, uint32_t *job)
{
    struct selector_span span = {.index_from = 1, .index_to = UINT32_MAX};
    const char *at = text;
    if (*job != 0 && strchr(text, '.') == NULL) {
        span.job_from = span.job_to = *job;
        if (!number_read(&at, &span.index_from) ||
            !range_read(&at, span.index_from, &span.index_to)) {
            return false;
        }
    } else if (!number_read(&at, &span.job_from) || !range_read(&at, span.job_from, &span.job_to)) {
        return false;
    }
    if (is_of_tasks && *at == '.' && span.job_from == span.job_to) {
        at++;
        if (!number_read(&at, &span.index_from) ||
            !range_read(&at, span.index_from, &span.index_to)) {
            return false;
        }
        *job = span.job_from;
    }
    bool is_one =
        span.job_from == span.job_to && (!is_of_tasks || span.index_from == span.index_to);
    selector->is_many |= !is_one;
    selector->spans[selector->n++] = span;
    return *at == '\0';
}

int selector_parse(const char *text, bool is_of_tasks, struct selector *ret_selector)
{
    const char *whole = text;
    uint32_t job = 0;
    char part[64];
    *ret_selector = (struct selector){0};
    bool is_good = text[0] != '\0';
    while (is_good && *text != '\0') {
        size_t n = strcspn(text, ",");
        bool has_more = text[n] == ',';
        is_good = n > 0 && n < sizeof part && ret_selector->n < SELECTOR_SPANS_MAX;
        snprintf(part, sizeof part, "%.*s", (int)(n < sizeof part ? n : 0), text);
        text += n + has_more;
        if (strcmp(part, "all") == 0) {
            ret_selector->is_all = ret_selector->is_many = true;
        } else if (strcmp(part, "last") == 0) {
            ret_selector->is_last = true;
        } else {
            is_good = is_good && span_read(part, is_of_tasks, ret_selector, &job);
        }
    }
    if (is_good) {
        return EXIT_OK;
    }
    return cli_fail(EXIT_USAGE,
                    is_of_tasks
                        ? "trials and tasks are named as 12.41, 12.3-7,9, 12 (all of a sweep or "
                          "array, a whole number), last or all; not '%s'"
                        : "sweeps are named by a whole number, as 12, 1-5,8, last or all; "
                          "not '%s'",
                    whole);
}

bool selector_has(const struct selector *selector, bool is_of_tasks, task_id id)
{
    for (int i = 0; i < selector->n; i++) {
        const struct selector_span *span = &selector->spans[i];
        if (id.job >= span->job_from && id.job <= span->job_to &&
            (!is_of_tasks || (id.index >= span->index_from && id.index <= span->index_to))) {
            return true;
        }
    }
    return selector->is_all;
}

void selector_put(struct selector *selector, task_id id)
{
    if (selector->n < SELECTOR_SPANS_MAX) {
        uint32_t to = id.index != 0 ? id.index : UINT32_MAX;
        selector->spans[selector->n++] =
            (struct selector_span){id.job, id.job, id.index != 0 ? id.index : 1, to};
    }
}

uint32_t selector_job(const struct selector *selector)
{
    const struct selector_span *span = &selector->spans[0];
    bool is_one = selector->n == 1 && !selector->is_all && !selector->is_last &&
                  span->job_from == span->job_to;
    return is_one ? span->job_from : 0;
}
