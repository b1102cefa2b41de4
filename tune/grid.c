/* tune/grid.c -- search.method `grid`: every configuration once. The parameters count like the
 * digits of a number, the last one of the file fastest; what a choice brings counts only where it
 * is chosen. Configurations that constraints refuse are left out. */

#include <string.h>

#include "base/mem.h"
#include "tune/config.h"
#include "tune/searcher.h"
#include "tune/space.h"

/* Every point of a grid with constraints is looked at when a sweep starts. */
enum { FILTER_MAX = 1 << 20, WORD_BITS = 64 };

struct searcher_state {
    const struct sweep_spec *spec; /* borrowed */
    uint64_t *counts; /* by parameter: the configurations of it and of what it brings; owned */
    uint64_t n_raw;   /* points, before constraints; UINT64_MAX: at least as many */
    uint32_t n;       /* points that are asked for */
    /* With constraints, by 64 points: which are good, and how many are before; owned, else NULL. */
    uint64_t *good;
    uint32_t *n_before;
};

static uint64_t times(uint64_t a, uint64_t b)
{
    return a != 0 && b > UINT64_MAX / a ? UINT64_MAX : a * b;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* ---- counting ---- */

/* A column that follows the first one of its group adds nothing of its own. */
static bool is_follower(const struct param_spec *param, uint32_t i)
{
    return param->kind == PARAM_ROW && param->row_first != i;
}

/* The configurations of one branch of a choice (or of the whole space: parent 0, branch 0). */
static uint64_t branch_count(const struct searcher_state *state, uint32_t parent, uint32_t branch)
{
    const struct sweep_spec *spec = state->spec;
    uint64_t n = 1;
    for (uint32_t i = parent; i < spec->n_parameters; i++) {
        const struct param_spec *param = &spec->parameters[i];
        if (param->parent == parent && param->branch == branch) {
            n = times(n, state->counts[i]);
        }
    }
    return n;
}

static bool has_children(const struct sweep_spec *spec, uint32_t choice)
{
    return choice + 1 < spec->n_parameters && spec->parameters[choice + 1].parent == choice + 1;
}

/* From the last to the first, so that what a choice brings is counted before it. */
static void counts_fill(struct searcher_state *state)
{
    const struct sweep_spec *spec = state->spec;
    for (uint32_t i = spec->n_parameters; i-- > 0;) {
        const struct param_spec *param = &spec->parameters[i];
        state->counts[i] = is_follower(param, i) ? 1 : param_count(param);
        if (param->kind == PARAM_CHOICE && has_children(spec, i)) {
            state->counts[i] = 0;
            for (uint32_t k = 0; k < param->n_values; k++) {
                state->counts[i] = plus(state->counts[i], branch_count(state, i + 1, k));
            }
        }
    }
    state->n_raw = branch_count(state, 0, 0);
}

/* ---- one point ---- */

/* The number of each active parameter's value (or of its part of the space). */
static void digits_fill(const struct searcher_state *state, uint32_t parent, uint32_t branch,
                        uint64_t number, uint64_t *digits)
{
    const struct sweep_spec *spec = state->spec;
    for (uint32_t i = spec->n_parameters; i-- > parent;) {
        const struct param_spec *param = &spec->parameters[i];
        if (param->parent == parent && param->branch == branch) {
            digits[i] = number % state->counts[i];
            number /= state->counts[i];
        }
    }
}

static void point_fill(const struct searcher_state *state, uint64_t number,
                       struct value *ret_config)
{
    const struct sweep_spec *spec = state->spec;
    uint64_t digits[SPEC_PARAMETERS_MAX];
    memset(digits, 0, spec->n_parameters * sizeof *digits);
    digits_fill(state, 0, 0, number, digits);
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        const struct param_spec *param = &spec->parameters[i];
        uint32_t k = 0;
        if (!config_is_active(spec, i, ret_config)) {
            ret_config[i] = value_none();
            continue;
        }
        if (param->kind != PARAM_CHOICE || !has_children(spec, i)) {
            ret_config[i] = param_nth(param, digits[is_follower(param, i) ? param->row_first : i]);
            continue;
        }
        uint64_t left = digits[i], here;
        while (left >= (here = branch_count(state, i + 1, k))) {
            left -= here;
            k++;
        }
        ret_config[i] = param->values[k];
        digits_fill(state, i + 1, k, left, digits);
    }
}

/* ---- constraints ---- */

static error_code points_filter(struct searcher_state *state)
{
    uint32_t n_words = (uint32_t)(state->n_raw / WORD_BITS + 1);
    struct value config[SPEC_PARAMETERS_MAX];
    state->good = mem_calloc(n_words, sizeof *state->good);
    state->n_before = mem_calloc(n_words, sizeof *state->n_before);
    if (state->good == NULL || state->n_before == NULL) {
        return ERR_NO_MEMORY;
    }
    for (uint64_t p = 0; p < state->n_raw; p++) {
        if (p % WORD_BITS == 0) {
            state->n_before[p / WORD_BITS] = state->n;
        }
        point_fill(state, p, config);
        if (config_is_allowed(state->spec, config, NULL)) {
            state->good[p / WORD_BITS] |= UINT64_C(1) << p % WORD_BITS;
            state->n++;
        }
    }
    return OK;
}

/* The point that is good number n, from 0 on. */
static uint64_t good_find(const struct searcher_state *state, uint32_t n)
{
    uint32_t low = 0, high = (uint32_t)((state->n_raw - 1) / WORD_BITS);
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (state->n_before[middle] <= n) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    uint64_t word = state->good[low];
    for (uint32_t skip = n - state->n_before[low]; skip > 0; skip--) {
        word &= word - 1;
    }
    return (uint64_t)low * WORD_BITS + (uint64_t)__builtin_ctzll(word);
}

/* ---- the searcher ---- */

static void grid_free(struct searcher_state *state)
{
    if (state != NULL) {
        mem_free(state->counts);
        mem_free(state->good);
        mem_free(state->n_before);
        mem_free(state);
    }
}

static error_code endless_check(const struct sweep_spec *spec, struct report *report)
{
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        const struct param_spec *param = &spec->parameters[i];
        if (param_count(param) != 0) {
            continue;
        }
        return report_fail_at(report, ERR_INVALID, param->line, param->column,
                              param->kind == PARAM_NORMAL
                                  ? "`search.method: grid` cannot list the values of `%s`, which "
                                    "has no bounds; write {values: [...]}"
                                  : "`search.method: grid` cannot list the values of `%s`, a range "
                                    "of real numbers; give it a step with `q`, or write {values: "
                                    "[...]}",
                              param->name);
    }
    return OK;
}

static error_code grid_fill(struct searcher_state *state, struct report *report)
{
    bool is_filtered = state->spec->n_constraints > 0;
    uint32_t most = (uint32_t)(is_filtered ? FILTER_MAX : SPEC_TRIALS_MAX);
    counts_fill(state);
    if (state->n_raw > most) {
        return report_fail(report, ERR_INVALID,
                           "the grid has %s%llu configurations; at most %u are possible%s, so take "
                           "larger steps or another search.method",
                           state->n_raw == UINT64_MAX ? "more than " : "",
                           (unsigned long long)state->n_raw, most,
                           is_filtered ? " with constraints" : "");
    }
    state->n = (uint32_t)(is_filtered ? 0 : state->n_raw);
    error_code error = is_filtered ? points_filter(state) : OK;
    if (error == OK && state->n == 0) {
        return report_fail_at(report, ERR_INVALID, state->spec->constraints[0].line,
                              state->spec->constraints[0].column,
                              "the constraints leave nothing of the grid's %llu configurations",
                              (unsigned long long)state->n_raw);
    }
    return error;
}

static error_code grid_new(const struct sweep_spec *spec, uint64_t seed,
                           struct searcher_state **ret_state, struct report *report)
{
    (void)seed;
    error_code error = endless_check(spec, report);
    if (error != OK) {
        return error;
    }
    struct searcher_state *state = mem_zalloc(sizeof *state);
    if (state == NULL) {
        return ERR_NO_MEMORY;
    }
    state->spec = spec;
    state->counts = mem_calloc(spec->n_parameters + 1, sizeof *state->counts);
    error = state->counts != NULL ? grid_fill(state, report) : ERR_NO_MEMORY;
    if (error != OK) {
        grid_free(state);
        return error;
    }
    *ret_state = state;
    return OK;
}

static uint32_t grid_size(const struct searcher_state *state)
{
    return state->n;
}

static void grid_suggest(const struct searcher_state *state, const struct sweep_spec *spec,
                         uint64_t seed, uint32_t trial, struct value *ret_params)
{
    (void)seed;
    uint32_t n = (trial - 1 - spec->n_baselines) % state->n;
    point_fill(state, state->good != NULL ? good_find(state, n) : n, ret_params);
}

const struct searcher searcher_grid = {
    .name = "grid",
    .new = grid_new,
    .free = grid_free,
    .size = grid_size,
    .suggest = grid_suggest,
};
