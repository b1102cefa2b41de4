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

error_code param_check(const struct param_spec *param)
{
    bool is_sound = false;
    switch (param->kind) {
    case PARAM_CONSTANT:
        is_sound = true;
        break;
    case PARAM_CHOICE:
        is_sound = param->n_values > 0 && param->values != NULL;
        break;
    case PARAM_REAL:
        is_sound = param_real_is_sound(param);
        break;
    case PARAM_INT:
        is_sound = param_int_is_sound(param);
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

/* Between a and b without the overflow of b - a; exactly a and b at the ends. */
static double between(double a, double b, double u)
{
    double x = a * (1 - u) + b * u;
    return x < a ? a : x > b ? b : x;
}

static double draw_log(double low, double high, struct random *random)
{
    double x = exp(between(log(low), log(high), unit_closed(random)));
    return x < low ? low : x > high ? high : x;
}

/* The step k of 0..last whose value min + k * q is nearest to a number drawn uniformly in the
 * logarithm. */
static double draw_log_step(double min, double q, double last, struct random *random)
{
    double half_below = min - q / 2;
    double low = half_below > min / 2 ? half_below : min / 2;
    double high = fmin(min + last * q + q / 2, DBL_MAX);
    double k = floor((draw_log(low, high, random) - min) / q + 0.5);
    return k < 0 ? 0 : k > last ? last : k;
}

static struct value draw_real(const struct param_spec *param, struct random *random)
{
    if (param->q <= 0) {
        double x = param->is_log ? draw_log(param->min, param->max, random)
                                 : between(param->min, param->max, unit_closed(random));
        return value_real(x);
    }
    double width = param->max / param->q - param->min / param->q;
    double last = floor(width * (1 + Q_SLACK));
    last = last > STEPS_EXACT_MAX ? STEPS_EXACT_MAX : last;
    double k = param->is_log ? draw_log_step(param->min, param->q, last, random)
                             : (double)random_below(random, (uint64_t)last + 1);
    double x = param->min + k * param->q;
    return value_real(x > param->max ? param->max : x);
}

static struct value draw_int(const struct param_spec *param, struct random *random)
{
    uint64_t q = param->q > 0 ? (uint64_t)param->q : 1;
    uint64_t last = ((uint64_t)param->int_max - (uint64_t)param->int_min) / q;
    uint64_t k;
    if (param->is_log) {
        double step = draw_log_step((double)param->int_min, (double)q, (double)last, random);
        k = step >= (double)last ? last : (uint64_t)step;
    } else {
        k = last == UINT64_MAX ? random_u64(random) : random_below(random, last + 1);
    }
    /* Unsigned, because the distance from int_min may not fit an int64_t. */
    return value_int((int64_t)((uint64_t)param->int_min + k * q));
}

struct value param_draw(const struct param_spec *param, struct random *random)
{
    switch (param->kind) {
    case PARAM_CONSTANT:
        return param->constant;
    case PARAM_CHOICE:
        return param->values[random_below(random, param->n_values)];
    case PARAM_REAL:
        return draw_real(param, random);
    case PARAM_INT:
        return draw_int(param, random);
    }
    assert(false); /* param_check() lets no other kind through. */
    return (struct value){0};
}

static bool choice_contains(const struct param_spec *param, struct value value)
{
    for (uint32_t i = 0; i < param->n_values; i++) {
        if (value_equal(param->values[i], value)) {
            return true;
        }
    }
    return false;
}

bool param_contains(const struct param_spec *param, struct value value)
{
    switch (param->kind) {
    case PARAM_CONSTANT:
        return value_equal(param->constant, value);
    case PARAM_CHOICE:
        return choice_contains(param, value);
    case PARAM_REAL:
        return value.kind == VALUE_REAL && value.real >= param->min && value.real <= param->max;
    case PARAM_INT:
        return value.kind == VALUE_INT && value.integer >= param->int_min &&
               value.integer <= param->int_max;
    }
    return false;
}
