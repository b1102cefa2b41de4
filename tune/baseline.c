/* tune/baseline.c -- configurations that the file says: they come first, and what they leave open
 * is drawn at random. */
#include "base/buf.h"
#include "tune/config.h"
#include "tune/space.h"

enum { TEXT_MAX = 64 };

/* A whole number where the parameter is a real one. */
static struct value value_for(const struct param_spec *param, struct value value)
{
    bool is_real = param->kind == PARAM_REAL || (param->kind == PARAM_NORMAL && !param->is_whole);
    return is_real && value.kind == VALUE_INT && !param_contains(param, value)
               ? value_real((double)value.integer)
               : value;
}

/* What the baseline says, by parameter; all of a name, since one of them at most is active. */
static void fixed_fill(const struct sweep_spec *spec, const struct baseline *baseline,
                       struct value *ret_fixed)
{
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        ret_fixed[i] = value_none();
    }
    for (uint32_t k = 0; k < baseline->n_items; k++) {
        for (uint32_t i = baseline->items[k].param + 1; i > 0; i = spec->parameters[i - 1].same) {
            ret_fixed[i - 1] = value_for(&spec->parameters[i - 1], baseline->items[k].value);
        }
    }
}

void config_of_baseline(const struct sweep_spec *spec, uint64_t seed, uint32_t trial,
                        struct value *ret_config)
{
    struct value fixed[SPEC_PARAMETERS_MAX];
    fixed_fill(spec, &spec->baselines[trial - 1], fixed);
    /* baselines_check() saw that there is one. */
    (void)config_draw_allowed(spec, seed, trial, fixed, ret_config);
}

/* ---- is it in the space? ---- */

#define item_fail(report, item, ...)                                                               \
    report_fail_at((report), ERR_INVALID, (item)->line, (item)->column, __VA_ARGS__)

/* Who names the configuration. */
static const char *sayer(const struct sweep_spec *spec)
{
    return spec->schedule.type == SCHEDULE_REPLAY ? "the recorded schedule" : "the baseline";
}

static const char *text_of(struct value value, char ret_text[TEXT_MAX])
{
    struct buf buf;
    buf_init(&buf, TEXT_MAX - 1);
    ignore_error(value_print(value, &buf), "a text that is too long is cut");
    uint32_t n = 0;
    for (; n < buf.len && n < TEXT_MAX - 1; n++) {
        ret_text[n] = (char)buf.data[n];
    }
    ret_text[n] = '\0';
    buf_fini(&buf);
    return ret_text;
}

/* The choice above parameter i that the baseline decides otherwise or not at all; NULL: all are
 * decided for it. */
static const struct param_spec *branch_missed(const struct sweep_spec *spec, uint32_t i,
                                              const struct value *fixed)
{
    while (spec->parameters[i].parent > 0) {
        const struct param_spec *param = &spec->parameters[i];
        i = param->parent - 1;
        if (!value_equal(fixed[i], spec->parameters[i].values[param->branch])) {
            return &spec->parameters[i];
        }
    }
    return NULL;
}

static error_code place_check(const struct sweep_spec *spec, const struct baseline_item *item,
                              const struct value *fixed, uint32_t *ret_param, struct report *report)
{
    const struct param_spec *choice = NULL;
    char text[TEXT_MAX];
    for (uint32_t i = item->param + 1; i > 0; i = spec->parameters[i - 1].same) {
        choice = branch_missed(spec, i - 1, fixed);
        if (choice == NULL) {
            *ret_param = i - 1;
            return OK;
        }
    }
    const char *name = spec->parameters[item->param].name;
    struct value said = fixed[choice - spec->parameters];
    if (said.kind == VALUE_NONE) {
        return item_fail(report, item, "%s says `%s`, which comes with a choice: say `%s` too",
                         sayer(spec), name, choice->name);
    }
    return item_fail(report, item, "%s says `%s`, which `%s: %s` does not bring", sayer(spec), name,
                     choice->name, text_of(said, text));
}

static error_code item_check(const struct sweep_spec *spec, const struct baseline_item *item,
                             const struct value *fixed, struct report *report)
{
    uint32_t i = 0;
    char text[TEXT_MAX];
    error_code error = place_check(spec, item, fixed, &i, report);
    if (error == OK && !param_contains(&spec->parameters[i], fixed[i])) {
        error = item_fail(report, item, "%s's %s lies outside of parameter `%s`", sayer(spec),
                          text_of(item->value, text), spec->parameters[i].name);
    }
    return error;
}

/* The row was looked for by config_fill(), and another one taken if there is none. */
static bool keeps_items(const struct sweep_spec *spec, const struct value *fixed,
                        const struct value *config, uint32_t *ret_param)
{
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        if (config[i].kind != VALUE_NONE && fixed[i].kind != VALUE_NONE &&
            !value_equal(config[i], fixed[i])) {
            *ret_param = i;
            return false;
        }
    }
    return true;
}

static error_code baseline_check(const struct sweep_spec *spec, uint32_t n, struct report *report)
{
    const struct baseline *baseline = &spec->baselines[n];
    struct value fixed[SPEC_PARAMETERS_MAX], config[SPEC_PARAMETERS_MAX];
    uint32_t i = 0;
    fixed_fill(spec, baseline, fixed);
    for (uint32_t k = 0; k < baseline->n_items; k++) {
        error_code error = item_check(spec, &baseline->items[k], fixed, report);
        if (error != OK) {
            return error;
        }
    }
    bool is_allowed = config_draw_allowed(spec, 0, n + 1, fixed, config);
    if (!keeps_items(spec, fixed, config, &i)) {
        return item_fail(report, baseline, "no row of `%s` is as %s says",
                         spec->parameters[i].group, sayer(spec));
    }
    if (!is_allowed) {
        (void)config_is_allowed(spec, config, &i);
        return item_fail(report, baseline, "%s is refused by the constraint `%s`", sayer(spec),
                         spec->constraints[i].text);
    }
    return OK;
}

error_code baselines_check(const struct sweep_spec *spec, struct report *report)
{
    error_code error = OK;
    for (uint32_t n = 0; error == OK && n < spec->n_baselines; n++) {
        error = baseline_check(spec, n, report);
    }
    return error;
}
