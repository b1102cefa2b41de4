#include "tune/config.h"

#include "tune/space.h"

bool config_is_active(const struct sweep_spec *spec, uint32_t i, const struct value *config)
{
    const struct param_spec *param = &spec->parameters[i];
    if (param->parent == 0) {
        return true;
    }
    /* An inactive choice has no value, so it is none of its values. */
    const struct param_spec *choice = &spec->parameters[param->parent - 1];
    return value_equal(config[param->parent - 1], choice->values[param->branch]);
}

/* ---- rows ---- */

/* The row of the group that begins at `first` which has the wanted values (VALUE_NONE: any);
 * n_values if there is none. */
static uint32_t row_find(const struct sweep_spec *spec, uint32_t first, const struct value *wanted)
{
    const struct param_spec *columns = &spec->parameters[first];
    for (uint32_t k = 0; k < columns->n_values; k++) {
        bool is_it = true;
        for (uint32_t c = 0; is_it && first + c < spec->n_parameters &&
                             columns[c].kind == PARAM_ROW && columns[c].row_first == first;
             c++) {
            is_it = wanted[first + c].kind == VALUE_NONE ||
                    value_equal(wanted[first + c], columns[c].values[k]);
        }
        if (is_it) {
            return k;
        }
    }
    return columns->n_values;
}

static bool row_is_fixed(const struct sweep_spec *spec, uint32_t first, const struct value *fixed)
{
    for (uint32_t i = first; i < spec->n_parameters && spec->parameters[i].kind == PARAM_ROW &&
                             spec->parameters[i].row_first == first;
         i++) {
        if (fixed[i].kind != VALUE_NONE) {
            return true;
        }
    }
    return false;
}

/* ---- whole configurations ---- */

bool config_is_inside(const struct sweep_spec *spec, const struct value *config)
{
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        const struct param_spec *param = &spec->parameters[i];
        bool is_active = config_is_active(spec, i, config);
        if (is_active != (config[i].kind != VALUE_NONE)) {
            return false;
        }
        if (is_active && !param_contains(param, config[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        const struct param_spec *param = &spec->parameters[i];
        if (param->kind == PARAM_ROW && param->row_first == i && config[i].kind != VALUE_NONE &&
            row_find(spec, i, config) == param->n_values) {
            return false;
        }
    }
    return true;
}

void config_fill(const struct sweep_spec *spec, config_source *source, const void *context,
                 const struct value *fixed, struct value *ret_config)
{
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        const struct param_spec *param = &spec->parameters[i];
        uint32_t place = param->kind == PARAM_ROW ? param->row_first : i;
        uint32_t row;
        if (!config_is_active(spec, i, ret_config)) {
            ret_config[i] = value_none();
        } else if (fixed != NULL && param->kind == PARAM_ROW && row_is_fixed(spec, place, fixed) &&
                   (row = row_find(spec, place, fixed)) < param->n_values) {
            ret_config[i] = param->values[row];
        } else if (fixed != NULL && param->kind != PARAM_ROW && fixed[i].kind != VALUE_NONE) {
            ret_config[i] = fixed[i];
        } else {
            ret_config[i] = source(context, param, place);
        }
    }
}
