#include "base/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"

bool value_equal(struct value a, struct value b)
{
    if (a.kind != b.kind) {
        return false;
    }
    switch (a.kind) {
    case VALUE_NULL:
    case VALUE_NONE:
        return true;
    case VALUE_BOOL:
        return a.boolean == b.boolean;
    case VALUE_INT:
        return a.integer == b.integer;
    case VALUE_REAL:
        return isnan(a.real) ? isnan(b.real)
                             : a.real == b.real && signbit(a.real) == signbit(b.real);
    case VALUE_STR:
        return strcmp(a.str, b.str) == 0;
    }
    return false;
}

bool value_number(struct value value, double *ret_number)
{
    if (value.kind == VALUE_INT) {
        *ret_number = (double)value.integer;
        return true;
    }
    if (value.kind == VALUE_REAL) {
        *ret_number = value.real;
        return true;
    }
    return false;
}

enum { REAL_DIGITS_MAX = 17, REAL_DIGITS_SAFE = 15 };

/* A positive finite real as d.ddd x 10^exponent. */
struct decimal {
    char digits[REAL_DIGITS_MAX + 1];
    int n;
    int exponent;
};

/* The closest decimal of n digits; true if it reads back as the same real. */
static bool decimal_round(double real, int n, struct decimal *ret)
{
    char text[REAL_TEXT_MAX]; /* d.ddde-308 */
    if (snprintf(text, sizeof text, "%.*e", n - 1, real) < 0) {
        return false;
    }
    ret->digits[0] = text[0];
    memcpy(ret->digits + 1, text + 2, (size_t)(n - 1));
    ret->digits[n] = '\0';
    ret->n = n;
    ret->exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    return strtod(text, NULL) == real;
}

/* The next decimal of n digits above the closest one. Below a power of two the gap to the next real
 * is half of that above it, so there the closest decimal may miss where its upper neighbour does
 * not. */
static bool decimal_round_up(double real, int n, struct decimal *decimal)
{
    char text[REAL_TEXT_MAX];
    (void)decimal_round(real, n, decimal);
    int i = n - 1;
    while (i > 0 && decimal->digits[i] == '9') {
        decimal->digits[i--] = '0';
    }
    if (decimal->digits[i] == '9') {
        return false; /* 9.99..: a shorter one was tried before */
    }
    decimal->digits[i]++;
    return snprintf(text, sizeof text, "%c.%se%d", decimal->digits[0], decimal->digits + 1,
                    decimal->exponent) > 0 &&
           strtod(text, NULL) == real;
}

static void decimal_shortest(double real, struct decimal *ret)
{
    /* Every decimal of up to 15 digits survives the way through a normal double, so the 15 digit
     * one holds it with zeros behind. Subnormal reals have fewer digits: they are searched from one
     * up. */
    int first = real < 0x1p-1022 ? 1 : REAL_DIGITS_SAFE;
    for (int n = first; n <= REAL_DIGITS_MAX; n++) {
        if (decimal_round(real, n, ret) || n == REAL_DIGITS_MAX ||
            (n == REAL_DIGITS_MAX - 1 && decimal_round_up(real, n, ret))) {
            break;
        }
    }
    while (ret->n > 1 && ret->digits[ret->n - 1] == '0') {
        ret->digits[--ret->n] = '\0';
    }
}

/* Plain from 1e-4 up to below 1e16, as Python writes them. */
static void decimal_print(const struct decimal *d, char *text)
{
    int point = d->exponent + 1; /* digits before the point */
    if (d->exponent < -4 || d->exponent >= 16) {
        sprintf(text, "%c%s%se%c%02d", d->digits[0], d->n > 1 ? "." : "", d->digits + 1,
                d->exponent < 0 ? '-' : '+', abs(d->exponent));
    } else if (point <= 0) {
        sprintf(text, "0.%.*s%s", -point, "000", d->digits);
    } else if (point >= d->n) {
        sprintf(text, "%s%.*s.0", d->digits, point - d->n, "0000000000000000");
    } else {
        sprintf(text, "%.*s.%s", point, d->digits, d->digits + point);
    }
}

char *real_print(double real, char *ret_text)
{
    if (isnan(real)) {
        return strcpy(ret_text, "nan");
    }
    if (isinf(real)) {
        return strcpy(ret_text, real > 0 ? "inf" : "-inf");
    }
    char *text = ret_text;
    if (signbit(real)) {
        *text++ = '-';
    }
    if (real == 0.0) {
        strcpy(text, "0.0");
        return ret_text;
    }
    struct decimal decimal;
    decimal_shortest(fabs(real), &decimal);
    decimal_print(&decimal, text);
    return ret_text;
}

error_code value_print(struct value value, struct buf *buf)
{
    char text[REAL_TEXT_MAX];
    switch (value.kind) {
    case VALUE_NULL:
        return buf_append_text(buf, "null");
    case VALUE_BOOL:
        return buf_append_text(buf, value.boolean ? "True" : "False");
    case VALUE_INT:
        return buf_printf(buf, "%lld", (long long)value.integer);
    case VALUE_REAL:
        return buf_append_text(buf, real_print(value.real, text));
    case VALUE_STR:
        return buf_append_text(buf, value.str);
    case VALUE_NONE:
        return buf->failed;
    }
    return ERR_INVALID;
}

error_code value_print_json(struct value value, struct buf *buf)
{
    switch (value.kind) {
    case VALUE_BOOL:
        return buf_append_text(buf, value.boolean ? "true" : "false");
    case VALUE_REAL:
        return json_text_real(buf, value.real);
    case VALUE_STR:
        return json_text_str(buf, value.str);
    case VALUE_NONE:
        return buf_append_text(buf, "null");
    case VALUE_NULL:
    case VALUE_INT:
        break;
    }
    return value_print(value, buf);
}
