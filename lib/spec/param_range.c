/* Numbers to search over: between two bounds, or normal around a mean. */
#include <math.h>

#include "spec/param_block.h"
#include "spec/scalar.h"

/* Whole bounds stay exact as doubles and in every trainer's language. */
#define WHOLE_MAX 9007199254740992 /* 2^53 */

/* No draw lies further from the mean: a double's 53 bits hold no probability as small. */
static const double SIGMAS_MAX = 9;

error_code param_number_read(struct reader *r, const struct spec_node *node, const char *name,
                             struct value *ret_value)
{
    size_t length = reader_path_enter(r, name);
    double number = 0.0;
    error_code error = reader_value(r, node, "a number", ret_value);
    if (error == OK && !value_number(*ret_value, &number)) {
        error = reader_fail_type(r, node, "a number");
    } else if (error == OK && !isfinite(number)) {
        error =
            reader_fail(r, node, ERR_INVALID, "`%s` must be finite, not %s", r->path, node->text);
    } else if (error == OK && ret_value->kind == VALUE_INT &&
               (ret_value->integer > WHOLE_MAX || ret_value->integer < -WHOLE_MAX)) {
        error = reader_fail(r, node, ERR_INVALID, "`%s` must be within 2^53 of 0, not %s", r->path,
                            node->text);
    }
    reader_path_leave(r, length);
    return error;
}

static double as_real(struct value value)
{
    double number = 0.0;
    bool is_number = value_number(value, &number);
    return is_number ? number : 0.0;
}

/* ---- between bounds ---- */

/* q as it is said, or 1 where the distribution's word begins with q_. */
static error_code q_read(struct reader *r, const struct param_draft *draft, struct value *ret_q)
{
    if (draft->q == NULL) {
        *ret_q = value_int(draft->distribution != NULL && draft->distribution->has_q ? 1 : 0);
        return OK;
    }
    error_code error = param_number_read(r, draft->q, "q", ret_q);
    if (error == OK && as_real(*ret_q) <= 0.0) {
        error = reader_fail(r, draft->q, ERR_INVALID, "`%s.q` must be greater than 0, not %s",
                            r->path, draft->q->text);
    }
    return error;
}

static error_code step_check(struct reader *r, const struct spec_node *node,
                             const struct param_draft *draft, struct value q,
                             const struct param_spec *param)
{
    const struct spec_node *place = draft->q != NULL ? draft->q : node;
    if (param->kind == PARAM_INT && q.kind != VALUE_INT) {
        return reader_fail(r, place, ERR_INVALID,
                           "`%s.q` must be a whole number for a whole-number range, not %s; "
                           "or write `type: float`",
                           r->path, place->text);
    }
    double range = param->kind == PARAM_INT ? (double)(param->int_max - param->int_min)
                                            : param->max - param->min;
    if (as_real(q) > range) {
        return reader_fail(r, place, ERR_INVALID,
                           "`%s.q` must not be greater than max - min, and is %s", r->path,
                           draft->q != NULL ? draft->q->text : "1");
    }
    return OK;
}

/* q is looked at closely later: the kind decides what it may be. */
static bool q_is_real(const struct param_draft *draft)
{
    struct value q;
    return draft->q != NULL && draft->q->kind == NODE_SCALAR && scalar_value(draft->q, &q) == OK &&
           q.kind == VALUE_REAL;
}

static error_code kind_decide(struct reader *r, const struct param_draft *draft, bool are_whole,
                              param_kind *ret_kind)
{
    const struct distribution *d = draft->distribution;
    param_type type = draft->type;
    if (d != NULL && d->type != TYPE_UNSAID) {
        type = d->type;
    } else if (d != NULL && type == TYPE_UNSAID && q_is_real(draft)) {
        type = TYPE_FLOAT;
    }
    if (type == TYPE_INT && !are_whole) {
        const struct spec_node *place =
            draft->type_node != NULL ? draft->type_node : draft->distribution_node;
        return reader_fail(r, place, ERR_INVALID,
                           "`%s.%s: %s` needs whole min and max (1, not 1.0)", r->path,
                           place->key->text, place->text);
    }
    *ret_kind = are_whole && type != TYPE_FLOAT ? PARAM_INT : PARAM_REAL;
    return OK;
}

static error_code bounds_check(struct reader *r, const struct param_draft *draft, bool is_log,
                               double min, double max)
{
    if (min > max) {
        return reader_fail(r, draft->min, ERR_INVALID, "`%s.min` is %s, greater than max, %s",
                           r->path, draft->min->text, draft->max->text);
    }
    if (!isfinite(max - min)) {
        return reader_fail(r, draft->max, ERR_INVALID, "`%s`: max - min is too large for a double",
                           r->path);
    }
    if (is_log && min <= 0.0) {
        return reader_fail(r, draft->min, ERR_INVALID,
                           "`%s.min` must be greater than 0 with `%s`, not %s", r->path,
                           draft->log_node != NULL ? "log: true" : draft->distribution_node->text,
                           draft->min->text);
    }
    return OK;
}

error_code param_range_read(struct reader *r, const struct spec_node *node,
                            const struct param_draft *draft, struct param_spec *param)
{
    struct value min, max, q;
    if (draft->min == NULL || draft->max == NULL) {
        return reader_fail(r, node, ERR_INVALID, "the key `%s.%s` is missing", r->path,
                           draft->min == NULL ? "min" : "max");
    }
    error_code error = param_number_read(r, draft->min, "min", &min);
    if (error == OK) {
        error = param_number_read(r, draft->max, "max", &max);
    }
    bool are_whole = error == OK && min.kind == VALUE_INT && max.kind == VALUE_INT;
    if (error == OK) {
        error = kind_decide(r, draft, are_whole, &param->kind);
    }
    param->is_log = draft->is_log || (draft->distribution != NULL && draft->distribution->is_log);
    if (error == OK) {
        error = bounds_check(r, draft, param->is_log, as_real(min), as_real(max));
    }
    if (error != OK) {
        return error;
    }
    if (param->kind == PARAM_INT) {
        param->int_min = min.integer;
        param->int_max = max.integer;
    } else {
        param->min = as_real(min);
        param->max = as_real(max);
    }
    error = q_read(r, draft, &q);
    if (error == OK && as_real(q) > 0) {
        error = step_check(r, node, draft, q, param);
        param->q = as_real(q);
    }
    return error;
}

/* ---- normal ---- */

static error_code mean_read(struct reader *r, const struct param_draft *draft,
                            struct param_spec *param)
{
    struct value mu = value_int(0), sigma = value_int(1);
    error_code error = draft->mu != NULL ? param_number_read(r, draft->mu, "mu", &mu) : OK;
    if (error == OK && draft->sigma != NULL) {
        error = param_number_read(r, draft->sigma, "sigma", &sigma);
    }
    if (error == OK && as_real(sigma) <= 0) {
        error =
            reader_fail(r, draft->sigma, ERR_INVALID, "`%s.sigma` must be greater than 0, not %s",
                        r->path, draft->sigma->text);
    }
    if (error == OK) {
        param->mu = as_real(mu);
        param->sigma = as_real(sigma);
    }
    return error;
}

error_code param_normal_read(struct reader *r, const struct spec_node *node,
                             const struct param_draft *draft, struct param_spec *param)
{
    struct value q;
    param->kind = PARAM_NORMAL;
    param->is_log = draft->distribution != NULL && draft->distribution->is_log;
    error_code error = mean_read(r, draft, param);
    if (error == OK) {
        error = q_read(r, draft, &q);
    }
    if (error != OK) {
        return error;
    }
    bool has_q = as_real(q) > 0;
    param->is_whole =
        draft->type == TYPE_INT || (draft->type == TYPE_UNSAID && has_q && q.kind == VALUE_INT);
    if (param->is_whole && has_q && q.kind != VALUE_INT) {
        return reader_fail(r, draft->q, ERR_INVALID,
                           "`%s.q` must be a whole number with `type: int`, not %s", r->path,
                           draft->q->text);
    }
    param->q = has_q ? as_real(q) : param->is_whole ? 1 : 0;
    double most = fabs(param->mu) + SIGMAS_MAX * param->sigma;
    if (param->is_log) {
        most = exp(param->mu + SIGMAS_MAX * param->sigma);
    }
    if (!isfinite(most + param->q) || (param->is_whole && most + param->q > (double)WHOLE_MAX)) {
        return reader_fail(r, node, ERR_INVALID, "`%s`: mu + %g sigma is too large for a %s",
                           r->path, SIGMAS_MAX, param->is_whole ? "whole number" : "double");
    }
    return OK;
}
