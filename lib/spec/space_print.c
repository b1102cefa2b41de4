/* The search space in the normalised file: groups are written as names with dots, and what a choice
 * brings below it. */
#include "spec/sweep_print.h"

#include <stdio.h>

/* Errors are the buffer's, sticky: one look at the end. */
#define put(buf, ...) ignore_error(buf_printf((buf), __VA_ARGS__), "sticky")

static void list_write(const char *key, const struct value *values, uint32_t n, struct buf *buf)
{
    put(buf, "%s: [", key);
    for (uint32_t i = 0; i < n; i++) {
        put(buf, "%s", i > 0 ? ", " : "");
        value_write(values[i], buf);
    }
    put(buf, "]");
}

static void probabilities_write(const char *before, const struct param_spec *param, uint32_t n,
                                struct buf *buf)
{
    if (param->probabilities == NULL) {
        return;
    }
    put(buf, "%sprobabilities: [", before);
    for (uint32_t i = 0; i < n; i++) {
        put(buf, "%s", i > 0 ? ", " : "");
        real_write(param->probabilities[i], buf);
    }
    put(buf, "]");
}

static void range_write(const struct param_spec *param, struct buf *buf)
{
    bool is_whole = param->kind == PARAM_INT || param->is_whole;
    if (param->kind == PARAM_INT) {
        put(buf, " {min: %lld, max: %lld, type: int", (long long)param->int_min,
            (long long)param->int_max);
    } else if (param->kind == PARAM_NORMAL) {
        put(buf, " {distribution: %s, mu: ", param->is_log ? "lognormal" : "normal");
        real_write(param->mu, buf);
        put(buf, ", sigma: ");
        real_write(param->sigma, buf);
        put(buf, ", type: %s", is_whole ? "int" : "float");
    } else {
        put(buf, " {min: ");
        real_write(param->min, buf);
        put(buf, ", max: ");
        real_write(param->max, buf);
        put(buf, ", type: float");
    }
    if (param->kind != PARAM_NORMAL) {
        put(buf, ", log: %s", param->is_log ? "true" : "false");
    }
    if (param->q > 0) {
        put(buf, ", q: ");
        value_write(is_whole ? value_int((int64_t)param->q) : value_real(param->q), buf);
    }
    if (param->n_also > 0) {
        list_write(", also", param->also, param->n_also, buf);
        probabilities_write(", ", param, 1 + param->n_also, buf);
    }
    put(buf, "}\n");
}

/* Where the printing of the list stands. */
struct cursor {
    const struct sweep_spec *spec;
    uint32_t at;
    struct buf *buf;
};

static void branch_write(struct cursor *c, uint32_t parent, uint32_t branch, unsigned indent);

static bool has_children(const struct sweep_spec *spec, uint32_t choice)
{
    for (uint32_t i = choice + 1; i < spec->n_parameters; i++) {
        if (spec->parameters[i].parent == choice + 1) {
            return true;
        }
    }
    return false;
}

static void choice_write(struct cursor *c, unsigned indent)
{
    const struct param_spec *param = &c->spec->parameters[c->at];
    uint32_t choice = c->at++;
    char before[8 * SPEC_DEPTH_MAX];
    if (!has_children(c->spec, choice)) {
        put(c->buf, " {");
        list_write("values", param->values, param->n_values, c->buf);
        put(c->buf, "%s", param->is_ordered ? ", ordered: true" : "");
        probabilities_write(", ", param, param->n_values, c->buf);
        put(c->buf, "}\n");
        return;
    }
    put(c->buf, "\n%*sordered: %s", (int)indent + 2, "", param->is_ordered ? "true" : "false");
    snprintf(before, sizeof before, "\n%*s", (int)indent + 2, "");
    probabilities_write(before, param, param->n_values, c->buf);
    put(c->buf, "\n%*svalues:\n", (int)indent + 2, "");
    for (uint32_t k = 0; k < param->n_values; k++) {
        put(c->buf, "%*s", (int)indent + 4, "");
        value_write(param->values[k], c->buf);
        put(c->buf, ":");
        branch_write(c, choice + 1, k, indent + 6);
    }
}

static void rows_write(struct cursor *c)
{
    const struct param_spec *first = &c->spec->parameters[c->at];
    uint32_t n = 0;
    while (c->at + n < c->spec->n_parameters && first[n].kind == PARAM_ROW &&
           first[n].row_first == c->at) {
        n++;
    }
    put(c->buf, " {rows: [");
    for (uint32_t k = 0; k < first->n_values; k++) {
        put(c->buf, "%s{", k > 0 ? ", " : "");
        for (uint32_t i = 0; i < n; i++) {
            put(c->buf, "%s%s: ", i > 0 ? ", " : "", first[i].name);
            value_write(first[i].values[k], c->buf);
        }
        put(c->buf, "}");
    }
    put(c->buf, "]");
    probabilities_write(", ", first, first->n_values, c->buf);
    put(c->buf, "}\n");
    c->at += n;
}

static void param_write(struct cursor *c, unsigned indent)
{
    const struct param_spec *param = &c->spec->parameters[c->at];
    put(c->buf, "%*s%s:", (int)indent, "", param->kind == PARAM_ROW ? param->group : param->name);
    switch (param->kind) {
    case PARAM_CONSTANT:
        put(c->buf, " ");
        value_write(param->constant, c->buf);
        put(c->buf, "\n");
        c->at++;
        break;
    case PARAM_CHOICE:
        choice_write(c, indent);
        break;
    case PARAM_ROW:
        rows_write(c);
        break;
    case PARAM_REAL:
    case PARAM_INT:
    case PARAM_NORMAL:
        range_write(param, c->buf);
        c->at++;
        break;
    }
}

static void branch_write(struct cursor *c, uint32_t parent, uint32_t branch, unsigned indent)
{
    const struct param_spec *params = c->spec->parameters;
    uint32_t n = 0;
    for (; c->at < c->spec->n_parameters && params[c->at].parent == parent &&
           params[c->at].branch == branch;
         n++) {
        put(c->buf, "%s", n == 0 ? "\n" : "");
        param_write(c, indent);
    }
    put(c->buf, "%s", n == 0 ? " {}\n" : "");
}

static void constraints_print(const struct sweep_spec *spec, struct buf *buf)
{
    put(buf, "constraints: [");
    for (uint32_t i = 0; i < spec->n_constraints; i++) {
        put(buf, "%s", i > 0 ? ", " : "");
        text_print(spec->constraints[i].text, buf);
    }
    put(buf, "]\n");
}

void baseline_print(const struct sweep_spec *spec, const struct baseline *baseline, struct buf *buf)
{
    put(buf, "{");
    for (uint32_t k = 0; k < baseline->n_items; k++) {
        const struct baseline_item *item = &baseline->items[k];
        put(buf, "%s%s: ", k > 0 ? ", " : "", spec->parameters[item->param].name);
        value_write(item->value, buf);
    }
    put(buf, "}");
}

/* Those of a recorded schedule stand there. */
static void baselines_print(const struct sweep_spec *spec, struct buf *buf)
{
    uint32_t n = spec->schedule.type == SCHEDULE_REPLAY ? 0 : spec->n_baselines;
    put(buf, "baselines:%s\n", n == 0 ? " []" : "");
    for (uint32_t i = 0; i < n; i++) {
        put(buf, "  - ");
        baseline_print(spec, &spec->baselines[i], buf);
        put(buf, "\n");
    }
}

void space_print(const struct sweep_spec *spec, struct buf *buf)
{
    struct cursor c = {.spec = spec, .buf = buf};
    put(buf, "parameters:");
    branch_write(&c, 0, 0, 2);
    constraints_print(spec, buf);
    baselines_print(spec, buf);
}
