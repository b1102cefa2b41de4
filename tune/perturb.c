#include "tune/perturb.h"

#include <math.h>
#include <string.h>

#include "tune/config.h"
#include "tune/space.h"

/* Configurations that constraints refuse until the donor's is taken as it is. */
enum { TRIES_MAX = 64 };

static const double WHOLE_MAX = 0x1.0p53;

/* As in space.c: a width that is a multiple of q up to rounding. */
static const double Q_SLACK = 1e-9;

static double clip(double x, double low, double high)
{
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
    uint64_t q = param->q > 0 ? (uint64_t)param->q : 1;
    uint64_t last = ((uint64_t)param->int_max - (uint64_t)param->int_min) / q;
    double step = grid_step((double)param->int_min, (double)q, (double)last, x, target);
    uint64_t k = step >= (double)last ? last : (uint64_t)step;
    return value_int((int64_t)((uint64_t)param->int_min + k * q));
}

/* No bounds; the grid of q goes through 0. */
static struct value normal_scaled(const struct param_spec *param, double x, double target)
{
    if (param->q > 0) {
        double from = round(x / param->q), to = round(target / param->q);
        target = (to == from ? to + (target > x ? 1 : -1) : to) * param->q;
    }
    bool is_inside = isfinite(target) && (!param->is_log || target > 0);
    target = is_inside ? target : x;
    if (!param->is_whole) {
        return value_real(target);
    }
    return value_int(fabs(target) < WHOLE_MAX ? (int64_t)target : (int64_t)x);
}

static struct value number_scaled(const struct param_spec *param, struct value value, double factor)
{
    double x = 0;
    if (!value_number(value, &x) || x * factor == x) { /* no number, 0, or a factor of 1 */
        return value;
    }
    return param->kind == PARAM_INT      ? int_scaled(param, x, x * factor)
           : param->kind == PARAM_NORMAL ? normal_scaled(param, x, x * factor)
                                         : real_scaled(param, x, x * factor);
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

/* VALUE_NONE: to be drawn anew. */
static struct value param_perturbed(const struct sweep_spec *spec, const struct param_spec *param,
                                    struct random *random, struct value value)
{
    const struct pbt_spec *pbt = &spec->pbt;
    if (random_unit(random) < pbt->resample) {
        return value_none();
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

/* The columns of a row go the way of the first one that mutates. */
static void row_perturb(const struct sweep_spec *spec, uint32_t first, struct random *random,
                        struct value *fixed)
{
    bool is_drawn = random_unit(random) < spec->pbt.resample;
    for (uint32_t i = first;
         is_drawn && i < spec->n_parameters && spec->parameters[i].kind == PARAM_ROW &&
         spec->parameters[i].row_first == spec->parameters[first].row_first;
         i++) {
        fixed[i] = value_none();
    }
    for (uint32_t i = spec->parameters[first].row_first; is_drawn && i < first; i++) {
        fixed[i] = value_none();
    }
}

/* Each place has a stream of its own, so that the columns of a row draw the same one. */
static struct value value_drawn(const void *context, const struct param_spec *param, uint32_t place)
{
    struct random random;
    random_init(&random, *(const uint64_t *)context, place);
    return param_draw(param, &random);
}

static void perturb_once(const struct sweep_spec *spec, struct random *random,
                         const struct value *from, struct value *ret_params)
{
    struct value fixed[SPEC_PARAMETERS_MAX];
    uint32_t row_done = UINT32_MAX;
    memcpy(fixed, from, spec->n_parameters * sizeof *from);
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        const struct param_spec *param = &spec->parameters[i];
        bool mutates = spec->pbt.mutates == NULL || spec->pbt.mutates[i];
        if (!mutates || param->kind == PARAM_CONSTANT || from[i].kind == VALUE_NONE) {
            continue;
        }
        if (param->kind != PARAM_ROW) {
            fixed[i] = param_perturbed(spec, param, random, from[i]);
        } else if (param->row_first != row_done) {
            row_perturb(spec, i, random, fixed);
            row_done = param->row_first;
        }
    }
    uint64_t key = random_u64(random);
    config_fill(spec, value_drawn, &key, fixed, ret_params);
}

void perturb_params(const struct sweep_spec *spec, struct random *random, struct value *params)
{
    struct value tried[SPEC_PARAMETERS_MAX];
    for (int i = 0; i < TRIES_MAX; i++) {
        perturb_once(spec, random, params, tried);
        if (config_is_allowed(spec, tried, NULL)) {
            memcpy(params, tried, spec->n_parameters * sizeof *params);
            return;
        }
    }
}
