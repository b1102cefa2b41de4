#include "tune/perturb.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/planted.h"
#include "tune/config.h"
#include "tune/space.h"

/* So often another one is tried where the constraints forbid what comes out. */
enum { PERTURB_TRIES_MAX = 100 };

/* As in space.c: a width that is a multiple of q up to rounding. */
static const double Q_SLACK = 1e-9;
/* Whole numbers up to here are exact as doubles. */
static const double STEPS_EXACT_MAX = 0x1.0p53;

static double clip(double x, double low, double high)
{
    if (PLANTED(explore_out)) {
        return x;
    }
    return x < low ? low : x > high ? high : x;
}

/* The step of the grid that is nearest to `target`, in multiples of q from min: not the one that x
 * stands on, unless that is where the grid ends. */
static double grid_step(double min, double q, double last, double x, double target)
{
    double from = round((x - min) / q), to = round((target - min) / q);
    if (to == from) {
        to += target > x ? 1 : -1;
    }
    return clip(to, 0, last);
}

static struct value real_scaled(const struct param_spec *param, double x, double target)
{
    if (param->q <= 0) {
        return value_real(clip(target, param->min, param->max));
    }
    double last = floor((param->max / param->q - param->min / param->q) * (1 + Q_SLACK));
    double k = grid_step(param->min, param->q, last, x, target);
    return value_real(clip(param->min + k * param->q, param->min, param->max));
}

static struct value int_scaled(const struct param_spec *param, double x, double target)
{
    if (PLANTED(explore_to_zero)) {
        return value_int((int64_t)target);
    }
    uint64_t q = param->q > 0 ? (uint64_t)param->q : 1;
    uint64_t last = ((uint64_t)param->int_max - (uint64_t)param->int_min) / q;
    double step = grid_step((double)param->int_min, (double)q, (double)last, x, target);
    uint64_t k = step >= (double)last ? last : (uint64_t)step;
    return value_int((int64_t)((uint64_t)param->int_min + k * q));
}

/* No bounds: on the grid of q, if there is one, at least one step further. */
static struct value normal_scaled(const struct param_spec *param, double x, double target)
{
    if (param->q > 0) {
        double from = round(x / param->q), to = round(target / param->q);
        to += to != from ? 0 : target > x ? 1 : -1;
        target = to * param->q;
    }
    if (!param->is_whole) {
        return value_real(clip(target, -DBL_MAX, DBL_MAX));
    }
    return value_int((int64_t)clip(target, -STEPS_EXACT_MAX, STEPS_EXACT_MAX));
}

/* One of the single values beside the range. */
static bool is_also(const struct param_spec *param, struct value value)
{
    for (uint32_t i = 0; i < param->n_also; i++) {
        if (value_equal(param->also[i], value)) {
            return true;
        }
    }
    return false;
}

static struct value number_scaled(const struct param_spec *param, struct value value, double factor)
{
    double x = 0;
    bool is_number = value_number(value, &x);
    assert(is_number);
    double target = x * factor;
    if (target == x || is_also(param, value)) { /* 0, or a factor of 1 */
        return value;
    }
    return param->kind == PARAM_INT      ? int_scaled(param, x, target)
           : param->kind == PARAM_NORMAL ? normal_scaled(param, x, target)
                                         : real_scaled(param, x, target);
}

static struct value choice_moved(const struct param_spec *param, struct value value, double factor)
{
    uint32_t at = 0;
    while (at < param->n_values && !value_equal(param->values[at], value)) {
        at++;
    }
    if (!param->is_ordered || factor == 1 || at == param->n_values) {
        return value;
    }
    bool is_up = factor > 1;
    bool is_at_end = is_up ? at + 1 == param->n_values : at == 0;
    return is_at_end ? value : param->values[is_up ? at + 1 : at - 1];
}

static struct value param_perturbed(const struct sweep_spec *spec, const struct param_spec *param,
                                    struct random *random, struct value value)
{
    const struct pbt_spec *pbt = &spec->pbt;
    if (random_unit(random) < pbt->resample) {
        /* The columns of rows are drawn together: config_fill(). */
        return param->kind == PARAM_ROW ? value_none() : param_draw(param, random);
    }
    double factor = pbt->n_factors > 0 ? pbt->factors[random_below(random, pbt->n_factors)] : 1;
    switch (param->kind) {
    case PARAM_CONSTANT:
    case PARAM_ROW:
        return value;
    case PARAM_CHOICE:
        return choice_moved(param, value, factor);
    case PARAM_REAL:
    case PARAM_INT:
    case PARAM_NORMAL:
        return number_scaled(param, value, factor);
    }
    return value;
}

/* What becomes active by the change of a choice, and rows, are drawn: the columns of one place
 * alike.
 */
static struct value drawn(const void *context, const struct param_spec *param, uint32_t place)
{
    struct random random;
    random_init(&random, *(const uint64_t *)context, place);
    return param_draw(param, &random);
}

static void perturb_once(const struct sweep_spec *spec, struct random *random,
                         const struct value *params, struct value *ret_params)
{
    struct value wanted[SPEC_PARAMETERS_MAX];
    bool needs_draws = false, is_row_drawn = false;
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        const struct param_spec *param = &spec->parameters[i];
        bool mutates = spec->pbt.mutates == NULL || spec->pbt.mutates[i];
        wanted[i] = params[i];
        needs_draws = needs_draws || param->kind == PARAM_ROW || param->parent != 0;
        if (param->kind == PARAM_ROW && param->row_first != i) {
            wanted[i] = is_row_drawn ? value_none() : params[i];
        } else if (mutates && param->kind != PARAM_CONSTANT && params[i].kind != VALUE_NONE) {
            wanted[i] = param_perturbed(spec, param, random, params[i]);
        }
        if (param->kind == PARAM_ROW && param->row_first == i) {
            is_row_drawn = wanted[i].kind == VALUE_NONE;
        }
    }
    uint64_t seed = needs_draws ? random_u64(random) : 0;
    config_fill(spec, drawn, &seed, wanted, ret_params);
}

void perturb_params(const struct sweep_spec *spec, struct random *random, struct value *params)
{
    struct value changed[SPEC_PARAMETERS_MAX];
    for (int i = 0; i < PERTURB_TRIES_MAX; i++) {
        perturb_once(spec, random, params, changed);
        if (config_is_allowed(spec, changed, NULL)) {
            memcpy(params, changed, spec->n_parameters * sizeof *params);
            return;
        }
    }
}
