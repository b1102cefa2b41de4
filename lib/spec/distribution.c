/* The words of `distribution`. W&B's names are among them, and stand for ranges that could as well
 * be written without. */
#include <math.h>
#include <string.h>

#include "spec/param_block.h"
#include "spec/scalar.h"

enum {
    D_CONSTANT = 1,
    D_CATEGORICAL,
    D_INT,
    D_UNIFORM,
    D_Q_UNIFORM,
    D_LOG,
    D_Q_LOG,
    D_NORMAL,
    D_Q_NORMAL,
    D_LOGNORMAL,
    D_Q_LOGNORMAL,
    D_EXPONENTS,
};

const struct spec_word distribution_words[] = {
    {"uniform", D_UNIFORM},
    {"int_uniform", D_INT},
    {"q_uniform", D_Q_UNIFORM},
    {"log_uniform_values", D_LOG},
    {"q_log_uniform_values", D_Q_LOG},
    {"normal", D_NORMAL},
    {"q_normal", D_Q_NORMAL},
    {"lognormal", D_LOGNORMAL},
    {"log_normal", D_LOGNORMAL},
    {"q_lognormal", D_Q_LOGNORMAL},
    {"q_log_normal", D_Q_LOGNORMAL},
    {"constant", D_CONSTANT},
    {"categorical", D_CATEGORICAL},
    {"categorical_w_probabilities", D_CATEGORICAL},
    {"log_uniform", D_EXPONENTS},
    {"q_log_uniform", D_EXPONENTS},
    {"inv_log_uniform", WORD_LATER},
    {"inv_log_uniform_values", WORD_LATER},
    {"beta", WORD_LATER},
    {"q_beta", WORD_LATER},
    {0},
};

static const struct distribution distributions[] = {
    [D_CONSTANT] = {.form = FORM_CONSTANT},
    [D_CATEGORICAL] = {.form = FORM_CHOICE},
    [D_INT] = {.form = FORM_RANGE, .type = TYPE_INT},
    [D_UNIFORM] = {.form = FORM_RANGE, .type = TYPE_FLOAT},
    [D_Q_UNIFORM] = {.form = FORM_RANGE, .has_q = true},
    [D_LOG] = {.form = FORM_RANGE, .is_log = true, .type = TYPE_FLOAT},
    [D_Q_LOG] = {.form = FORM_RANGE, .is_log = true, .has_q = true},
    [D_NORMAL] = {.form = FORM_NORMAL},
    [D_Q_NORMAL] = {.form = FORM_NORMAL, .has_q = true},
    [D_LOGNORMAL] = {.form = FORM_NORMAL, .is_log = true},
    [D_Q_LOGNORMAL] = {.form = FORM_NORMAL, .is_log = true, .has_q = true},
    [D_EXPONENTS] = {.form = FORM_RANGE},
};

static bool number_find(const struct spec_node *node, double *ret_number)
{
    struct value value;
    return node != NULL && node->kind == NODE_SCALAR && scalar_value(node, &value) == OK &&
           value_number(value, ret_number);
}

/* W&B's `log_uniform` wants the bounds' natural logarithms, which people who do not know it read as
 * values: the one form of theirs that is refused. */
static error_code exponents_refuse(struct reader *r, const struct param_draft *draft)
{
    const struct spec_node *node = draft->distribution_node;
    double low = 0, high = 0;
    bool is_q = node->text[0] == 'q';
    const char *dot = strrchr(r->path, '.');
    error_code error =
        reader_fail(r, node, ERR_INVALID,
                    "`%s.distribution: %s` takes exponents; say the values themselves: write ",
                    r->path, node->text);
    if (!number_find(draft->min, &low) || !number_find(draft->max, &high)) {
        report_add(r->report, "`distribution: %slog_uniform_values`", is_q ? "q_" : "");
        return error;
    }
    report_add(r->report, "`%s: {distribution: %slog_uniform_values, min: %.4g, max: %.4g%s%s}`",
               dot != NULL ? dot + 1 : r->path, is_q ? "q_" : "", exp(low), exp(high),
               draft->q != NULL ? ", q: " : "", draft->q != NULL ? draft->q->text : "");
    return error;
}

error_code distribution_find(struct reader *r, struct param_draft *draft)
{
    if (draft->distribution_word == D_EXPONENTS) {
        return exponents_refuse(r, draft);
    }
    draft->distribution = &distributions[draft->distribution_word];
    return OK;
}
