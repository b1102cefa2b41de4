#include "worker/shell/trial_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIGITS_MAX = 18, /* of a whole number: it fits 64 bits */
    REAL_BYTES_MAX = 64,
};

struct scan {
    const char *at, *end;
};

static void scan_blanks(struct scan *scan)
{
    while (scan->at < scan->end && *scan->at == ' ') {
        scan->at++;
    }
}

static bool scan_byte(struct scan *scan, char byte)
{
    scan_blanks(scan);
    if (scan->at == scan->end || *scan->at != byte) {
        return false;
    }
    scan->at++;
    return true;
}

static bool scan_text(struct scan *scan, const char *text, size_t n)
{
    scan_blanks(scan);
    if ((size_t)(scan->end - scan->at) < n || memcmp(scan->at, text, n) != 0) {
        return false;
    }
    scan->at += n;
    return true;
}

static uint32_t scan_digits(struct scan *scan, int64_t *ret_value)
{
    uint32_t n = 0;
    int64_t value = 0;
    for (; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9'; scan->at++, n++) {
        value = n < DIGITS_MAX ? value * 10 + (*scan->at - '0') : value;
    }
    *ret_value = value;
    return n;
}

/* -?(0|[1-9][0-9]*): JSON's whole numbers. */
static bool scan_whole(struct scan *scan, int64_t *ret_value)
{
    scan_blanks(scan);
    bool is_negative = scan->at < scan->end && *scan->at == '-';
    scan->at += is_negative ? 1 : 0;
    const char *digits = scan->at;
    uint32_t n = scan_digits(scan, ret_value);
    *ret_value = is_negative ? -*ret_value : *ret_value;
    return n > 0 && n <= DIGITS_MAX && (digits[0] != '0' || n == 1);
}

/* What may follow the digits of a real number; it has a point or an exponent or both. */
static bool scan_fraction(struct scan *scan)
{
    int64_t ignored;
    if (scan->at < scan->end && *scan->at == '.') {
        scan->at++;
        if (scan_digits(scan, &ignored) == 0) {
            return false;
        }
    }
    if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
        scan->at++;
        scan->at += scan->at < scan->end && (*scan->at == '+' || *scan->at == '-') ? 1 : 0;
        return scan_digits(scan, &ignored) > 0;
    }
    return true;
}

/* A byte that ends a number follows inside of the text, so strtod() stops there. */
static bool scan_number(struct scan *scan, double *ret_value)
{
    scan_blanks(scan);
    const char *begin = scan->at;
    int64_t whole;
    if (!scan_whole(scan, &whole) || scan->at == scan->end) {
        return false;
    }
    if (*scan->at != '.' && *scan->at != 'e' && *scan->at != 'E') {
        *ret_value = (double)whole;
        return true;
    }
    if (!scan_fraction(scan) || scan->at == scan->end || scan->at - begin > REAL_BYTES_MAX) {
        return false;
    }
    char *end = NULL;
    *ret_value = strtod(begin, &end);
    return end == scan->at && isfinite(*ret_value);
}

/* ASCII without escapes; a copy in line->plain_names. */
static const char *scan_name(struct scan *scan, struct trial_line *line, size_t *used)
{
    if (!scan_byte(scan, '"')) {
        return NULL;
    }
    char *name = line->plain_names + *used;
    size_t n = 0, room = sizeof line->plain_names - *used;
    for (; scan->at < scan->end && *scan->at != '"'; scan->at++) {
        bool is_plain = *scan->at >= ' ' && *scan->at <= '~' && *scan->at != '\\';
        if (!is_plain || n + 1 >= room || n == METRIC_NAME_MAX) {
            return NULL;
        }
        name[n++] = *scan->at;
    }
    name[n] = '\0';
    *used += n + 1;
    return n > 0 && scan_byte(scan, '"') ? name : NULL;
}

static bool name_is_new(const struct trial_line *line, const char *name, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(line->names[i], name) == 0) {
            return false;
        }
    }
    return true;
}

static bool scan_metrics(struct scan *scan, struct trial_line *line, uint32_t *ret_n)
{
    size_t used = 0;
    uint32_t n = 0;
    do {
        const char *name = n < TRIAL_LINE_PLAIN_MAX ? scan_name(scan, line, &used) : NULL;
        if (name == NULL || !name_is_new(line, name, n) || !scan_byte(scan, ':') ||
            !scan_number(scan, &line->values[n])) {
            return false;
        }
        line->names[n++] = name;
    } while (scan_byte(scan, ','));
    *ret_n = n;
    return true;
}

bool trial_report_scan(struct bytes text, struct trial_line *ret_line)
{
    static const char report[] = "\"report\"", step_key[] = "\"step\"", metrics_key[] = "\"m\"";
    struct scan scan = {(const char *)text.data, (const char *)text.data + text.len};
    int64_t step = 0;
    uint32_t n = 0;
    bool is_plain = scan_byte(&scan, '{') && scan_text(&scan, report, sizeof report - 1) &&
                    scan_byte(&scan, ':') && scan_byte(&scan, '{') &&
                    scan_text(&scan, step_key, sizeof step_key - 1) && scan_byte(&scan, ':') &&
                    scan_whole(&scan, &step) && scan_byte(&scan, ',') &&
                    scan_text(&scan, metrics_key, sizeof metrics_key - 1) &&
                    scan_byte(&scan, ':') && scan_byte(&scan, '{') &&
                    scan_metrics(&scan, ret_line, &n) && scan_byte(&scan, '}') &&
                    scan_byte(&scan, '}') && scan_byte(&scan, '}');
    scan_blanks(&scan);
    if (!is_plain || scan.at != scan.end) {
        return false;
    }
    ret_line->request = (struct trainer_request){.kind = TRAINER_REPORT,
                                                 .step = step,
                                                 .names = ret_line->names,
                                                 .values = ret_line->values,
                                                 .n_metrics = n};
    return true;
}
