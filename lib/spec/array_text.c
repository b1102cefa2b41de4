#include "spec/array_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A number from 1; *at moves behind it. */
static bool number_read(const char **at, uint32_t *ret_number)
{
    uint64_t number = 0;
    const char *c = *at;
    for (; *c >= '0' && *c <= '9'; c++) {
        number = number * 10 + (uint64_t)(*c - '0');
        if (number > UINT32_MAX) {
            return false;
        }
    }
    if (c == *at || number == 0) {
        return false;
    }
    *at = c;
    *ret_number = (uint32_t)number;
    return true;
}

/* `7` or `7-9`. */
static bool span_read(const char **at, struct array_span *ret_span)
{
    if (!number_read(at, &ret_span->from)) {
        return false;
    }
    ret_span->to = ret_span->from;
    if (**at != '-') {
        return true;
    }
    (*at)++;
    return number_read(at, &ret_span->to);
}

static error_code array_check(const char *text, const struct array_span *span, uint32_t step,
                              struct report *report)
{
    uint32_t count;
    if (span->to < span->from) {
        return report_fail(report, ERR_INVALID,
                           "'%.64s' goes down: ids are written from the lower to the higher, as "
                           "%" PRIu32 "-%" PRIu32,
                           text, span->to, span->from);
    }
    count = (span->to - span->from) / step;
    if (count >= ARRAY_TASKS_MAX) {
        return report_fail(report, ERR_LIMIT,
                           "'%.64s' has %" PRIu64 " ids; a task array has at most %d", text,
                           (uint64_t)count + 1, ARRAY_TASKS_MAX);
    }
    return OK;
}

error_code spec_array_parse(const char *text, struct array_ids *ret_ids, struct report *report)
{
    struct array_span span;
    uint32_t step = 1;
    const char *at = text;
    bool is_good = span_read(&at, &span);
    if (is_good && *at == ':') {
        at++;
        is_good = number_read(&at, &step);
    }
    if (!is_good || *at != '\0') {
        return report_fail(report, ERR_INVALID,
                           "'%.64s' names no ids: they are whole numbers from 1, as 1-100 or "
                           "1-100:2 (every second one)",
                           text);
    }
    error_code error = array_check(text, &span, step, report);
    if (error == OK) {
        uint32_t last = span.from + (span.to - span.from) / step * step;
        *ret_ids = (struct array_ids){span.from, last, step};
    }
    return error;
}

char *spec_array_print(struct array_ids ids, char ret_text[ARRAY_TEXT_MAX])
{
    ret_text[0] = '\0';
    if (ids.step > 0 && ids.first == ids.last) {
        (void)snprintf(ret_text, ARRAY_TEXT_MAX, "%" PRIu32, ids.first);
    } else if (ids.step == 1) {
        (void)snprintf(ret_text, ARRAY_TEXT_MAX, "%" PRIu32 "-%" PRIu32, ids.first, ids.last);
    } else if (ids.step > 1) {
        (void)snprintf(ret_text, ARRAY_TEXT_MAX, "%" PRIu32 "-%" PRIu32 ":%" PRIu32, ids.first,
                       ids.last, ids.step);
    }
    return ret_text;
}

error_code spec_array_spans_parse(const char *text, struct array_span *ret_spans, uint32_t max,
                                  uint32_t *ret_n, struct report *report)
{
    const char *at = text;
    uint32_t n = 0;
    bool is_good;
    do {
        if (n == max) {
            return report_fail(report, ERR_LIMIT, "more than %" PRIu32 " ranges of ids", max);
        }
        is_good = span_read(&at, &ret_spans[n]) && ret_spans[n].to >= ret_spans[n].from;
        n++;
    } while (is_good && *at == ',' && *++at != '\0');
    if (!is_good || *at != '\0' || at[-1] == ',') {
        return report_fail(report, ERR_INVALID,
                           "'%.64s' names no ids: they are whole numbers from 1, as 5-10,20", text);
    }
    *ret_n = n;
    return OK;
}

bool spec_array_spans_have(const struct array_span *spans, uint32_t n, uint32_t id)
{
    for (uint32_t i = 0; i < n; i++) {
        if (id >= spans[i].from && id <= spans[i].to) {
            return true;
        }
    }
    return false;
}

char *spec_array_log_print(task_id id, uint32_t attempt, uint32_t stream,
                           char ret_text[ARRAY_LOG_TEXT_MAX])
{
    char again[16] = "";
    if (attempt > 0) {
        (void)snprintf(again, sizeof again, ".%" PRIu32, attempt);
    }
    (void)snprintf(ret_text, ARRAY_LOG_TEXT_MAX, "arrays/%" PRIu32 "/tasks/%" PRIu32 "%s.%s",
                   id.job, id.index, again, stream == 0 ? "out" : "err");
    return ret_text;
}
