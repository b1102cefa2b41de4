#include "spec/quantity.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/spelling.h"
#include "spec/sweep.h"

#define DURATION_MAX_MS (3650.0 * 86400.0 * 1000.0)
#define SIZE_MAX_BYTES 9007199254740992.0 /* 2^53 */
#define AMOUNT_MAX (1e6 * AMOUNT_ONE)

enum { NUMBER_TEXT_MAX = 64 };

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first: printing takes the first that divides. "" stands for a bare number. */
static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                             {"s", 1000},     {"ms", 1},      {"", 1000}};
static const struct unit size_units[] = {
    {"T", 1LL << 40}, {"G", 1LL << 30}, {"M", 1LL << 20}, {"K", 1LL << 10}, {"", 1}};
static const struct unit amount_units[] = {{"", AMOUNT_ONE}};
#define N_UNITS(units) (sizeof(units) / sizeof(units)[0])

/* Reads [0-9]+(.[0-9]*)?([eE][-+]?[0-9]+)?, a form of which strtod takes neither more nor less. */
static bool number_read(const char *text, double *ret_number, const char **ret_end)
{
    char number[NUMBER_TEXT_MAX];
    const char *end = text;
    while (isdigit((unsigned char)*end)) {
        end++;
    }
    if (end == text) {
        return false;
    }
    if (*end == '.') {
        do {
            end++;
        } while (isdigit((unsigned char)*end));
    }
    if (*end == 'e' || *end == 'E') {
        end++;
        end += *end == '-' || *end == '+';
        if (!isdigit((unsigned char)*end)) {
            return false;
        }
        while (isdigit((unsigned char)*end)) {
            end++;
        }
    }
    size_t length = (size_t)(end - text);
    if (length >= sizeof number) {
        return false;
    }
    memcpy(number, text, length);
    number[length] = '\0';
    *ret_number = strtod(number, NULL);
    *ret_end = end;
    return true;
}

/* The number times its unit; false if the text is no such thing. */
static bool quantity_read(const char *text, const struct unit *units, size_t n_units,
                          double *ret_number)
{
    const char *unit;
    double number;
    if (!number_read(text, &number, &unit)) {
        return false;
    }
    for (size_t i = 0; i < n_units; i++) {
        if (strcmp(units[i].name, unit) == 0) {
            *ret_number = number * (double)units[i].factor;
            return true;
        }
    }
    return false;
}

error_code spec_duration_parse(const char *text, int64_t *ret_ms, struct report *report)
{
    char excerpt[EXCERPT_MAX];
    double ms;
    if (!quantity_read(text, duration_units, N_UNITS(duration_units), &ms)) {
        return report_fail(report, ERR_INVALID,
                           "'%s' is no duration; write 100ms, 10s, 5m, 12h, 1d or a number of "
                           "seconds",
                           spelling_excerpt(text, excerpt));
    }
    if (ms > DURATION_MAX_MS) {
        return report_fail(report, ERR_INVALID, "'%s' is longer than 3650d",
                           spelling_excerpt(text, excerpt));
    }
    if (ms > 0 && ms < 0.5) {
        return report_fail(report, ERR_INVALID, "'%s' is shorter than 1ms",
                           spelling_excerpt(text, excerpt));
    }
    *ret_ms = llround(ms);
    return OK;
}

error_code spec_size_parse(const char *text, uint64_t *ret_bytes, struct report *report)
{
    char excerpt[EXCERPT_MAX];
    double bytes;
    if (!quantity_read(text, size_units, N_UNITS(size_units), &bytes)) {
        return report_fail(report, ERR_INVALID,
                           "'%s' is no size; write 64K, 1M, 20G, 2T or a number of bytes",
                           spelling_excerpt(text, excerpt));
    }
    if (bytes > SIZE_MAX_BYTES) {
        return report_fail(report, ERR_INVALID, "'%s' is larger than 8192T",
                           spelling_excerpt(text, excerpt));
    }
    *ret_bytes = (uint64_t)llround(bytes);
    return OK;
}

error_code spec_amount_parse(const char *text, amount *ret_amount, struct report *report)
{
    char excerpt[EXCERPT_MAX];
    double units;
    if (!quantity_read(text, amount_units, N_UNITS(amount_units), &units)) {
        return report_fail(report, ERR_INVALID, "'%s' is no amount; write a number like 4 or 0.5",
                           spelling_excerpt(text, excerpt));
    }
    if (units > AMOUNT_MAX) {
        return report_fail(report, ERR_INVALID, "'%s' is more than 1000000",
                           spelling_excerpt(text, excerpt));
    }
    /* 0.3 * 10,000 need not be exactly 3,000 in binary: allow for a rounding, not for a digit. */
    if (fabs(units - round(units)) > 1e-12 * (1.0 + units)) {
        return report_fail(report, ERR_INVALID, "'%s' is finer than 1/10,000",
                           spelling_excerpt(text, excerpt));
    }
    *ret_amount = llround(units);
    return OK;
}

static void units_print(int64_t number, const struct unit *units, char ret_text[QUANTITY_TEXT_MAX])
{
    while (units->factor > 1 && (number == 0 || number % units->factor != 0)) {
        units++;
    }
    snprintf(ret_text, QUANTITY_TEXT_MAX, "%lld%s", (long long)(number / units->factor),
             units->name);
}

void quantity_duration_print(int64_t ms, char ret_text[QUANTITY_TEXT_MAX])
{
    if (ms == 0) {
        strcpy(ret_text, "0s");
        return;
    }
    units_print(ms, duration_units, ret_text);
}

void quantity_size_print(int64_t bytes, char ret_text[QUANTITY_TEXT_MAX])
{
    units_print(bytes, size_units, ret_text);
}

void quantity_amount_print(int64_t parts, char ret_text[QUANTITY_TEXT_MAX])
{
    long long whole = parts / AMOUNT_ONE;
    int rest = (int)(parts % AMOUNT_ONE), digits = 4;
    if (rest == 0) {
        snprintf(ret_text, QUANTITY_TEXT_MAX, "%lld", whole);
        return;
    }
    for (; rest % 10 == 0; rest /= 10) {
        digits--;
    }
    snprintf(ret_text, QUANTITY_TEXT_MAX, "%lld.%0*d", whole, digits, rest);
}
