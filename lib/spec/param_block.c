/* One parameter's block: its keys, its form, constants and choices. */
#include "spec/param_block.h"

#include <math.h>
#include <string.h>

#include "spec/scalar.h"
#include "spec/spelling.h"

/* How far from 1 the sum of probabilities may be: people write 0.33 three times. */
static const double SUM_SLACK = 0.0101;

static const struct spec_word type_words[] = {{"int", TYPE_INT}, {"float", TYPE_FLOAT}, {0}};

static spec_key_read key_read_log, key_read_type, key_read_ordered, key_read_distribution;

#define NODE(field) key_read_node, offsetof(struct param_draft, field)
#define AT(field) offsetof(struct param_draft, field)
static const struct spec_key draft_keys[] = {
    {"min", NODE(min), 0, 0, 0, NULL},
    {"max", NODE(max), 0, 0, 0, NULL},
    {"log", key_read_log, AT(is_log), 0, 0, 0, NULL},
    {"q", NODE(q), 0, 0, 0, NULL},
    {"type", key_read_type, AT(type), 0, 0, 0, type_words},
    {"values", NODE(values), 0, 0, 0, NULL},
    {"value", NODE(value), 0, 0, 0, NULL},
    {"ordered", key_read_ordered, AT(is_ordered), 0, 0, 0, NULL},
    {"probabilities", NODE(probabilities), 0, 0, 0, NULL},
    {"distribution", key_read_distribution, AT(distribution_word), 0, 0, 0, distribution_words},
    {"mu", NODE(mu), 0, 0, 0, NULL},
    {"sigma", NODE(sigma), 0, 0, 0, NULL},
    {"parameters", NODE(parameters), 0, 0, 0, NULL},
    {"rows", NODE(rows), 0, 0, 0, NULL},
    {"also", NODE(also), 0, 0, 0, NULL},
    {0},
};

static error_code key_read_log(struct reader *r, const struct spec_node *node,
                               const struct spec_key *key, void *base)
{
    ((struct param_draft *)base)->log_node = node;
    return key_read_bool(r, node, key, base);
}

static error_code key_read_type(struct reader *r, const struct spec_node *node,
                                const struct spec_key *key, void *base)
{
    ((struct param_draft *)base)->type_node = node;
    return key_read_word(r, node, key, base);
}

static error_code key_read_ordered(struct reader *r, const struct spec_node *node,
                                   const struct spec_key *key, void *base)
{
    ((struct param_draft *)base)->ordered_node = node;
    return key_read_bool(r, node, key, base);
}

static error_code key_read_distribution(struct reader *r, const struct spec_node *node,
                                        const struct spec_key *key, void *base)
{
    ((struct param_draft *)base)->distribution_node = node;
    return key_read_word(r, node, key, base);
}

/* ---- the form ---- */

static const struct spec_node *form_node(const struct param_draft *draft, param_form *ret_form)
{
    const struct {
        const struct spec_node *node;
        param_form form;
    } forms[] = {{draft->value, FORM_CONSTANT},  {draft->values, FORM_CHOICE},
                 {draft->parameters, FORM_NEST}, {draft->rows, FORM_ROWS},
                 {draft->mu, FORM_NORMAL},       {draft->sigma, FORM_NORMAL}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (forms[i].node != NULL) {
            *ret_form = forms[i].form;
            return forms[i].node;
        }
    }
    *ret_form = draft->distribution != NULL ? draft->distribution->form : FORM_RANGE;
    return NULL;
}

static error_code form_find(struct reader *r, struct param_draft *draft)
{
    const struct {
        const char *name;
        const struct spec_node *node;
        unsigned forms; /* that it may stand in */
    } pieces[] = {
        {"min", draft->min, FORM_RANGE},
        {"max", draft->max, FORM_RANGE},
        {"log", draft->log_node, FORM_RANGE},
        {"type", draft->type_node, FORM_RANGE | FORM_NORMAL},
        {"q", draft->q, FORM_RANGE | FORM_NORMAL},
        {"values", draft->values, FORM_CHOICE},
        {"parameters", draft->parameters, FORM_NEST},
        {"rows", draft->rows, FORM_ROWS},
        {"mu", draft->mu, FORM_NORMAL},
        {"sigma", draft->sigma, FORM_NORMAL},
        {"also", draft->also, FORM_RANGE | FORM_NORMAL},
        {"ordered", draft->ordered_node, FORM_CHOICE},
        {"probabilities", draft->probabilities,
         FORM_CHOICE | FORM_ROWS | (draft->also != NULL ? FORM_RANGE | FORM_NORMAL : 0)},
        {"distribution", draft->distribution_node,
         FORM_CONSTANT | FORM_CHOICE | FORM_RANGE | FORM_NORMAL},
    };
    const struct spec_node *first = form_node(draft, &draft->form);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        const struct spec_node *piece = pieces[i].node;
        if (piece == NULL || (pieces[i].forms & (unsigned)draft->form) != 0) {
            continue;
        }
        if (first != NULL) {
            return reader_fail(r, piece->key, ERR_INVALID,
                               "`%s` has both `%s` and `%s`; leave one out", r->path,
                               first->key->text, pieces[i].name);
        }
        if (draft->distribution != NULL) {
            return reader_fail(r, piece->key, ERR_INVALID,
                               "`%s.%s` does not go with `distribution: %s`", r->path,
                               pieces[i].name, draft->distribution_node->text);
        }
        return reader_fail(r, piece->key, ERR_INVALID, "`%s.%s` has no meaning without `%s`",
                           r->path, pieces[i].name,
                           piece == draft->probabilities ? "values`, `rows` or `also" : "values");
    }
    if (draft->distribution != NULL && draft->distribution->form != draft->form) {
        return reader_fail(r, draft->distribution_node, ERR_INVALID,
                           "`%s.distribution: %s` does not go with `%s`", r->path,
                           draft->distribution_node->text, first->key->text);
    }
    return OK;
}

/* A word of `distribution` says what other keys say too: once is enough. */
static error_code distribution_check(struct reader *r, const struct param_draft *draft)
{
    const struct distribution *d = draft->distribution;
    const struct spec_node *twice = draft->log_node;
    if (d != NULL && twice == NULL && d->type != TYPE_UNSAID) {
        twice = draft->type_node;
    }
    if (d == NULL || twice == NULL) {
        return OK;
    }
    return reader_fail(r, twice->key, ERR_INVALID,
                       "`%s` has both `distribution: %s` and `%s`; leave one out", r->path,
                       draft->distribution_node->text, twice->key->text);
}

error_code param_draft_read(struct reader *r, const struct spec_node *node,
                            struct param_draft *ret_draft)
{
    struct param_draft draft = {0};
    error_code error = reader_block_read(r, node, draft_keys, &draft);
    if (error == OK && node->n == 0) {
        error = reader_fail(r, node, ERR_INVALID,
                            "`%s` is empty; write {min, max}, {values: [...]} or a value", r->path);
    }
    if (error == OK && draft.distribution_node != NULL) {
        error = distribution_find(r, &draft);
    }
    if (error == OK) {
        error = form_find(r, &draft);
    }
    if (error == OK) {
        error = distribution_check(r, &draft);
    }
    if (error == OK) {
        *ret_draft = draft;
    }
    return error;
}

/* ---- constants and choices ---- */

error_code param_value_read(struct reader *r, const struct spec_node *node, struct value *ret_value)
{
    struct value value;
    error_code error = reader_value(r, node, "a number, text, true, false or null", &value);
    if (error != OK) {
        return error;
    }
    if (value.kind == VALUE_STR) {
        value.str = arena_strndup(r->arena, node->text, node->len);
        if (value.str == NULL) {
            return reader_no_memory(r);
        }
    }
    *ret_value = value;
    return OK;
}

error_code param_constant_read(struct reader *r, const struct spec_node *node,
                               struct param_spec *param)
{
    if (node->kind == NODE_LIST) {
        return reader_fail(r, node, ERR_INVALID,
                           "`%s` cannot be a list; write {values: [...]} for a choice", r->path);
    }
    param->kind = PARAM_CONSTANT;
    return param_value_read(r, node, &param->constant);
}

/* A list's items, or what stands before the colons of a block: different values. */
static error_code values_read(struct reader *r, const struct spec_node *node,
                              const struct value **ret_values, uint32_t *ret_n)
{
    if (node->n == 0) {
        return reader_fail(r, node, ERR_INVALID, "`%s` must not be empty", r->path);
    }
    if (node->n > SPEC_CHOICES_MAX) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u items; at most %d are allowed", r->path,
                           node->n, SPEC_CHOICES_MAX);
    }
    struct value *values = arena_calloc(r->arena, node->n, sizeof *values);
    if (values == NULL) {
        return reader_no_memory(r);
    }
    uint32_t n = 0;
    for (const struct spec_node *item = node->first; item != NULL; item = item->next, n++) {
        const struct spec_node *said = node->kind == NODE_BLOCK ? item->key : item;
        if (node->kind == NODE_BLOCK && said->len > NAME_MAX_BYTES) {
            return reader_fail(r, said, ERR_LIMIT,
                               "a choice that brings parameters is longer than %d bytes",
                               NAME_MAX_BYTES);
        }
        error_code error = param_value_read(r, said, &values[n]);
        if (error != OK) {
            return error;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (value_equal(values[i], values[n])) {
                char excerpt[EXCERPT_MAX];
                return reader_fail(r, said, ERR_INVALID, "`%s` holds %s twice", r->path,
                                   spelling_excerpt(said->text, excerpt));
            }
        }
    }
    *ret_values = values;
    *ret_n = n;
    return OK;
}

static error_code choices_read(struct reader *r, const struct param_draft *draft,
                               struct param_spec *param)
{
    const struct spec_node *node = draft->values;
    if (node->kind == NODE_SCALAR) {
        return reader_fail_type(r, node, "a list");
    }
    param->kind = PARAM_CHOICE;
    param->is_ordered = draft->is_ordered;
    return values_read(r, node, &param->values, &param->n_values);
}

error_code param_probabilities_read(struct reader *r, const struct spec_node *node, uint32_t n,
                                    const double **ret_probabilities)
{
    if (node == NULL) {
        return OK;
    }
    if (node->kind != NODE_LIST) {
        return reader_fail_type(r, node, "a list of numbers");
    }
    if (node->n != n) {
        return reader_fail(r, node, ERR_INVALID, "`%s` has %u numbers for %u possibilities",
                           r->path, node->n, n);
    }
    double *probabilities = arena_calloc(r->arena, n, sizeof *probabilities);
    double sum = 0;
    uint32_t i = 0;
    if (probabilities == NULL) {
        return reader_no_memory(r);
    }
    for (const struct spec_node *item = node->first; item != NULL; item = item->next, i++) {
        struct value value;
        error_code error = reader_value(r, item, "a number", &value);
        if (error != OK) {
            return error;
        }
        if (!value_number(value, &probabilities[i])) {
            return reader_fail_type(r, item, "a number");
        }
        if (!(probabilities[i] >= 0 && probabilities[i] <= 1)) {
            return reader_fail(r, item, ERR_INVALID, "`%s` must be 0 to 1, not %s", r->path,
                               item->text);
        }
        sum += probabilities[i];
    }
    if (fabs(sum - 1) > SUM_SLACK) {
        return reader_fail(r, node, ERR_INVALID, "`%s` must sum up to 1, not %g", r->path, sum);
    }
    *ret_probabilities = probabilities;
    return OK;
}

/* ---- beside a range ---- */

static bool value_is_in_range(const struct param_spec *param, struct value value)
{
    double number = 0;
    if (!value_number(value, &number)) {
        return false;
    }
    if (param->kind == PARAM_INT) {
        return value.kind == VALUE_INT && value.integer >= param->int_min &&
               value.integer <= param->int_max;
    }
    return param->kind == PARAM_REAL ? number >= param->min && number <= param->max
                                     : !param->is_log || number > 0;
}

static error_code also_read(struct reader *r, const struct param_draft *draft,
                            struct param_spec *param)
{
    if (draft->also == NULL) {
        return OK;
    }
    if (draft->also->kind != NODE_LIST) {
        return reader_fail_type(r, draft->also, "a list of values beside the range");
    }
    error_code error = values_read(r, draft->also, &param->also, &param->n_also);
    const struct spec_node *item = draft->also->first;
    for (uint32_t i = 0; error == OK && i < param->n_also; i++, item = item->next) {
        if (value_is_in_range(param, param->also[i])) {
            error = reader_fail(r, item, ERR_INVALID, "`%s`: %s lies in the range already", r->path,
                                item->text);
        }
    }
    return error;
}

static error_code in_key(struct reader *r, const char *name, const struct param_draft *draft,
                         struct param_spec *param,
                         error_code (*read)(struct reader *, const struct param_draft *,
                                            struct param_spec *))
{
    size_t length = reader_path_enter(r, name);
    error_code error = read(r, draft, param);
    reader_path_leave(r, length);
    return error;
}

static error_code value_key_read(struct reader *r, const struct param_draft *draft,
                                 struct param_spec *param)
{
    return param_constant_read(r, draft->value, param);
}

static error_code probabilities_read(struct reader *r, const struct param_draft *draft,
                                     struct param_spec *param)
{
    uint32_t n = param->kind == PARAM_CHOICE ? param->n_values : 1 + param->n_also;
    return param_probabilities_read(r, draft->probabilities, n, &param->probabilities);
}

error_code param_draft_take(struct reader *r, const struct spec_node *node,
                            const struct param_draft *draft, struct param_spec *param)
{
    if (draft->form == FORM_CONSTANT && draft->value != NULL) {
        return in_key(r, "value", draft, param, value_key_read);
    }
    error_code error = OK;
    if (draft->form == FORM_CHOICE && draft->values != NULL) {
        error = in_key(r, "values", draft, param, choices_read);
    } else if (draft->form == FORM_RANGE) {
        error = param_range_read(r, node, draft, param);
    } else if (draft->form == FORM_NORMAL) {
        error = param_normal_read(r, node, draft, param);
    } else {
        return reader_fail(r, node, ERR_INVALID, "the key `%s.%s` is missing", r->path,
                           draft->form == FORM_CONSTANT ? "value" : "values");
    }
    if (error == OK && draft->form != FORM_CHOICE) {
        error = in_key(r, "also", draft, param, also_read);
    }
    return error == OK ? in_key(r, "probabilities", draft, param, probabilities_read) : error;
}
