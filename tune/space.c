#include "tune/space.h"

#include <assert.h>
#include <float.h>
#include <math.h>

/* A range whose width is a multiple of q up to rounding ends at its maximum: 0.3 is 3 steps of 0.1,
 * though 0.3 / 0.1 is a little less than 3 in binary. */
static const double Q_SLACK = 1e-9;
/* Whole numbers up to here are exact as doubles, so counts of steps are too. */
static const double STEPS_EXACT_MAX = 0x1.0p53;

static bool param_real_is_sound(const struct param_spec *param)
{
    return isfinite(param->min) && isfinite(param->max) && param->min <= param->max &&
           isfinite(param->q) && param->q >= 0 && (!param->is_log || param->min > 0);
}

static bool param_int_is_sound(const struct param_spec *param)
{
    return param->int_min <= param->int_max && isfinite(param->q) && param->q >= 0 &&
           param->q == floor(param->q) && param->q < 0x1.0p63 &&
           (!param->is_log || param->int_min > 0);
}

static bool param_normal_is_sound(const struct param_spec *param)
{
    return isfinite(param->mu) && isfinite(param->sigma) && param->sigma > 0 &&
           isfinite(param->q) && param->q >= 0 &&
           (!param->is_whole || (param->q >= 1 && param->q == floor(param->q)));
}

error_code param_check(const struct param_spec *param)
{
    bool is_sound = param->n_also == 0 || param->also != NULL;
    switch (param->kind) {
    case PARAM_CONSTANT:
        break;
    case PARAM_CHOICE:
    case PARAM_ROW:
        is_sound = param->n_values > 0 && param->values != NULL;
        break;
    case PARAM_REAL:
        is_sound = is_sound && param_real_is_sound(param);
        break;
    case PARAM_INT:
        is_sound = is_sound && param_int_is_sound(param);
        break;
    case PARAM_NORMAL:
        is_sound = is_sound && param_normal_is_sound(param);
        break;
    }
    return is_sound ? OK : ERR_INVALID;
}

/* [0, 1], both ends included: a bound that can be written in the file can be drawn. */
static double unit_closed(struct random *random)
{
    const uint64_t steps = UINT64_C(1) << 53;
    return (double)random_below(random, steps + 1) / (double)steps;
}

/* (0, 1): a quantile at the ends would be infinite. */
static double unit_open(struct random *random)
{
    return random_unit(random) + 0x1.0p-54;
}

/* ---- at a place of the unit interval ---- */

/* Between a and b without the overflow of b - a; exactly a and b at the ends. */
static double between(double a, double b, double u)
{
    double x = a * (1 - u) + b * u;
    return x < a ? a : x > b ? b : x;
}

static double log_at(double low, double high, double u)
{
    double x = exp(between(log(low), log(high), u));
    return x < low ? low : x > high ? high : x;
}

/* The step k of 0..last whose value min + k * q is nearest to a number at u, uniformly in the
 * logarithm. */
static double log_step_at(double min, double q, double last, double u)
{
    double half_below = min - q / 2;
    double low = half_below > min / 2 ? half_below : min / 2;
    double high = fmin(min + last * q + q / 2, DBL_MAX);
    double k = floor((log_at(low, high, u) - min) / q + 0.5);
    return k < 0 ? 0 : k > last ? last : k;
}

static uint64_t nth_at(uint64_t n, double u)
{
    double k = floor(u * (double)n);
    return k < 0 ? 0 : k >= (double)n ? n - 1 : (uint64_t)k;
}

/* The last step of a real range with q. */
static double real_last(const struct param_spec *param)
{
    double width = param->max / param->q - param->min / param->q;
    double last = floor(width * (1 + Q_SLACK));
    return last > STEPS_EXACT_MAX ? STEPS_EXACT_MAX : last;
}

static struct value real_step(const struct param_spec *param, double k)
{
    double x = param->min + k * param->q;
    return value_real(x > param->max ? param->max : x);
}

static uint64_t int_q(const struct param_spec *param)
{
    return param->q > 0 ? (uint64_t)param->q : 1;
}

static uint64_t int_last(const struct param_spec *param)
{
    return ((uint64_t)param->int_max - (uint64_t)param->int_min) / int_q(param);
}

static struct value int_step(const struct param_spec *param, uint64_t k)
{
    /* Unsigned, because the distance from int_min may not fit an int64_t. */
    return value_int((int64_t)((uint64_t)param->int_min + k * int_q(param)));
}

static uint64_t int_log_step_at(const struct param_spec *param, double u)
{
    uint64_t last = int_last(param);
    double step = log_step_at((double)param->int_min, (double)int_q(param), (double)last, u);
    return step >= (double)last ? last : (uint64_t)step;
}

static struct value normal_at(const struct param_spec *param, double u)
{
    double x = param->mu + param->sigma * normal_quantile(u);
    x = param->is_log ? exp(x) : x;
    if (param->q > 0) {
        x = round(x / param->q) * param->q;
    }
    return param->is_whole ? value_int((int64_t)x) : value_real(x);
}

/* The range itself, without what it may be also. */
static struct value range_at(const struct param_spec *param, double u)
{
    if (param->kind == PARAM_NORMAL) {
        return normal_at(param, u);
    }
    if (param->kind == PARAM_INT) {
        return int_step(param,
                        param->is_log ? int_log_step_at(param, u) : nth_at(int_last(param) + 1, u));
    }
    if (param->q <= 0) {
        return value_real(param->is_log ? log_at(param->min, param->max, u)
                                        : between(param->min, param->max, u));
    }
    double last = real_last(param);
    return real_step(param, param->is_log ? log_step_at(param->min, param->q, last, u)
                                          : (double)nth_at((uint64_t)last + 1, u));
}

/* Which of n possibilities stands at u, and where in it u lies. */
static uint64_t possibility_at(const double *probabilities, uint32_t n, double u, double *ret_u)
{
    if (probabilities == NULL) {
        uint64_t k = nth_at(n, u);
        *ret_u = u * n - (double)k;
        return k;
    }
    double sum = 0, below = 0;
    uint32_t k = 0, found = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += probabilities[i];
    }
    for (; k < n; below += probabilities[k++]) {
        if (probabilities[k] > 0) {
            found = k; /* the last one of all stays if rounding leads past it */
            *ret_u = (u * sum - below) / probabilities[k];
            if (u * sum < below + probabilities[k]) {
                break;
            }
        }
    }
    *ret_u = *ret_u < 0 ? 0 : *ret_u > 1 ? 1 : *ret_u;
    return found;
}

static double clamped_open(double u)
{
    return u < 0x1.0p-54 ? 0x1.0p-54 : u > 1 - 0x1.0p-53 ? 1 - 0x1.0p-53 : u;
}

struct value param_at(const struct param_spec *param, double u)
{
    double inside = u;
    if (param->kind == PARAM_CONSTANT) {
        return param->constant;
    }
    if (param->kind == PARAM_CHOICE || param->kind == PARAM_ROW) {
        return param->values[possibility_at(param->probabilities, param->n_values, u, &inside)];
    }
    if (param->n_also > 0) {
        uint64_t k = possibility_at(param->probabilities, 1 + param->n_also, u, &inside);
        if (k > 0) {
            return param->also[k - 1];
        }
    }
    return range_at(param, clamped_open(inside));
}

/* ---- drawn ---- */

static struct value draw_real(const struct param_spec *param, struct random *random)
{
    if (param->q <= 0 || param->is_log) {
        return range_at(param, unit_closed(random));
    }
    return real_step(param, (double)random_below(random, (uint64_t)real_last(param) + 1));
}

static struct value draw_int(const struct param_spec *param, struct random *random)
{
    uint64_t last = int_last(param);
    if (param->is_log) {
        return range_at(param, unit_closed(random));
    }
    return int_step(param,
                    last == UINT64_MAX ? random_u64(random) : random_below(random, last + 1));
}

static uint64_t draw_possibility(const struct param_spec *param, uint32_t n, struct random *random)
{
    double inside = 0;
    return param->probabilities == NULL
               ? random_below(random, n)
               : possibility_at(param->probabilities, n, random_unit(random), &inside);
}

struct value param_draw(const struct param_spec *param, struct random *random)
{
    if (param->n_also > 0) {
        uint64_t k = draw_possibility(param, 1 + param->n_also, random);
        if (k > 0) {
            return param->also[k - 1];
        }
    }
    switch (param->kind) {
    case PARAM_CONSTANT:
        return param->constant;
    case PARAM_CHOICE:
    case PARAM_ROW:
        return param->values[draw_possibility(param, param->n_values, random)];
    case PARAM_REAL:
        return draw_real(param, random);
    case PARAM_INT:
        return draw_int(param, random);
    case PARAM_NORMAL:
        return normal_at(param, unit_open(random));
    }
    assert(false); /* param_check() lets no other kind through. */
    return (struct value){0};
}

/* ---- listed ---- */

static uint64_t range_count(const struct param_spec *param)
{
    switch (param->kind) {
    case PARAM_CONSTANT:
        return 1;
    case PARAM_CHOICE:
    case PARAM_ROW:
        return param->n_values;
    case PARAM_REAL:
        return param->q > 0 ? (uint64_t)real_last(param) + 1 : param->min == param->max;
    case PARAM_INT:
        return int_last(param) == UINT64_MAX ? UINT64_MAX : int_last(param) + 1;
    case PARAM_NORMAL:
        break;
    }
    return 0;
}

uint64_t param_count(const struct param_spec *param)
{
    uint64_t n = range_count(param);
    return n == 0 || n > UINT64_MAX - param->n_also ? n : n + param->n_also;
}

struct value param_nth(const struct param_spec *param, uint64_t n)
{
    uint64_t n_range = range_count(param);
    if (n >= n_range && n - n_range < param->n_also) {
        return param->also[n - n_range];
    }
    if (param->kind == PARAM_CHOICE || param->kind == PARAM_ROW) {
        return param->values[n];
    }
    if (param->kind == PARAM_INT) {
        return int_step(param, n);
    }
    return param->kind == PARAM_REAL ? real_step(param, (double)n) : param->constant;
}

/* ---- inside ---- */

static bool list_contains(const struct value *values, uint32_t n, struct value value)
{
    for (uint32_t i = 0; i < n; i++) {
        if (value_equal(values[i], value)) {
            return true;
        }
    }
    return false;
}

static bool normal_contains(const struct param_spec *param, struct value value)
{
    return param->is_whole ? value.kind == VALUE_INT && (!param->is_log || value.integer >= 0)
                           : value.kind == VALUE_REAL && isfinite(value.real) &&
                                 (!param->is_log || value.real >= 0);
}

bool param_contains(const struct param_spec *param, struct value value)
{
    if (param->n_also > 0 && list_contains(param->also, param->n_also, value)) {
        return true;
    }
    switch (param->kind) {
    case PARAM_CONSTANT:
        return value_equal(param->constant, value);
    case PARAM_CHOICE:
    case PARAM_ROW:
        return list_contains(param->values, param->n_values, value);
    case PARAM_REAL:
        return value.kind == VALUE_REAL && value.real >= param->min && value.real <= param->max;
    case PARAM_INT:
        return value.kind == VALUE_INT && value.integer >= param->int_min &&
               value.integer <= param->int_max;
    case PARAM_NORMAL:
        return normal_contains(param, value);
    }
    return false;
}
