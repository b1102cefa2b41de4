#include "spec/parameters.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "spec/macros.h"
#include "spec/scalar.h"
#include "spec/spelling.h"
#include "spec/types.h"

/* Whole bounds stay exact as doubles and in every trainer's language. */
#define WHOLE_MAX 9007199254740992 /* 2^53 */

typedef enum { TYPE_UNSAID = 0, TYPE_INT, TYPE_FLOAT } param_type;

/* The pieces of one parameter as they stand in the file. */
struct draft {
    const struct spec_node *min, *max, *q, *values, *value;
    const struct spec_node *log_node, *type_node;
    bool is_log;
    param_type type;
};

static const struct spec_word type_words[] = {{"int", TYPE_INT}, {"float", TYPE_FLOAT}, {0}};

static spec_key_read key_read_log, key_read_type;

#define NODE(field) key_read_node, offsetof(struct draft, field)
static const struct spec_key draft_keys[] = {
    {"min", NODE(min), 0, 0, 0, NULL},
    {"max", NODE(max), 0, 0, 0, NULL},
    {"log", key_read_log, offsetof(struct draft, is_log), 0, 0, 0, NULL},
    {"q", NODE(q), 0, 0, 0, NULL},
    {"type", key_read_type, offsetof(struct draft, type), 0, 0, 0, type_words},
    {"values", NODE(values), 0, 0, 0, NULL},
    {"value", NODE(value), 0, 0, 0, NULL},
    {.name = "ordered"},
    {.name = "probabilities"},
    {.name = "distribution"},
    {.name = "mu"},
    {.name = "sigma"},
    {.name = "parameters"},
    {.name = "rows"},
    {.name = "also"},
    {0},
};

static error_code key_read_log(struct reader *r, const struct spec_node *node,
                               const struct spec_key *key, void *base)
{
    ((struct draft *)base)->log_node = node;
    return key_read_bool(r, node, key, base);
}

static error_code key_read_type(struct reader *r, const struct spec_node *node,
                                const struct spec_key *key, void *base)
{
    ((struct draft *)base)->type_node = node;
    return key_read_word(r, node, key, base);
}

/* ---- constants and choices ---- */

static error_code value_read(struct reader *r, const struct spec_node *node,
                             struct value *ret_value)
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

static error_code constant_read(struct reader *r, const struct spec_node *node,
                                struct param_spec *param)
{
    if (node->kind == NODE_LIST) {
        return reader_fail(r, node, ERR_INVALID,
                           "`%s` cannot be a list; write {values: [...]} for a choice", r->path);
    }
    param->kind = PARAM_CONSTANT;
    return value_read(r, node, &param->constant);
}

static error_code choices_read(struct reader *r, const struct spec_node *node,
                               struct param_spec *param)
{
    if (node->kind == NODE_BLOCK) {
        return reader_fail(r, node, ERR_UNSUPPORTED,
                           "`%s` with parameters of their own is not supported by this version",
                           r->path);
    }
    if (node->kind != NODE_LIST) {
        return reader_fail_type(r, node, "a list");
    }
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
        error_code error = value_read(r, item, &values[n]);
        if (error != OK) {
            return error;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (value_equal(values[i], values[n])) {
                char excerpt[EXCERPT_MAX];
                return reader_fail(r, item, ERR_INVALID, "`%s` holds %s twice", r->path,
                                   spelling_excerpt(item->text, excerpt));
            }
        }
    }
    param->kind = PARAM_CHOICE;
    param->values = values;
    param->n_values = n;
    return OK;
}

/* ---- ranges ---- */

/* min, max or q: a finite number. */
static error_code number_read(struct reader *r, const struct spec_node *node, const char *name,
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

static error_code step_read(struct reader *r, const struct draft *draft, struct param_spec *param)
{
    struct value q;
    if (draft->q == NULL) {
        return OK;
    }
    error_code error = number_read(r, draft->q, "q", &q);
    if (error != OK) {
        return error;
    }
    if (as_real(q) <= 0.0) {
        return reader_fail(r, draft->q, ERR_INVALID, "`%s.q` must be greater than 0, not %s",
                           r->path, draft->q->text);
    }
    if (param->kind == PARAM_INT && q.kind != VALUE_INT) {
        return reader_fail(r, draft->q, ERR_INVALID,
                           "`%s.q` must be a whole number for a whole-number range, not %s; "
                           "or write `type: float`",
                           r->path, draft->q->text);
    }
    double range = param->kind == PARAM_INT ? (double)(param->int_max - param->int_min)
                                            : param->max - param->min;
    if (as_real(q) > range) {
        return reader_fail(r, draft->q, ERR_INVALID,
                           "`%s.q` must not be greater than max - min, and is %s", r->path,
                           draft->q->text);
    }
    param->q = as_real(q);
    return OK;
}

static error_code kind_decide(struct reader *r, const struct draft *draft, bool are_whole,
                              param_kind *ret_kind)
{
    if (draft->type == TYPE_INT && !are_whole) {
        return reader_fail(r, draft->type_node, ERR_INVALID,
                           "`%s.type: int` needs whole min and max (1, not 1.0)", r->path);
    }
    *ret_kind = are_whole && draft->type != TYPE_FLOAT ? PARAM_INT : PARAM_REAL;
    return OK;
}

static error_code range_read(struct reader *r, const struct spec_node *node,
                             const struct draft *draft, struct param_spec *param)
{
    struct value min, max;
    if (draft->min == NULL || draft->max == NULL) {
        return reader_fail(r, node, ERR_INVALID, "the key `%s.%s` is missing", r->path,
                           draft->min == NULL ? "min" : "max");
    }
    error_code error = number_read(r, draft->min, "min", &min);
    if (error == OK) {
        error = number_read(r, draft->max, "max", &max);
    }
    if (error == OK) {
        error = kind_decide(r, draft, min.kind == VALUE_INT && max.kind == VALUE_INT, &param->kind);
    }
    if (error != OK) {
        return error;
    }
    if (as_real(min) > as_real(max)) {
        return reader_fail(r, draft->min, ERR_INVALID, "`%s.min` is %s, greater than max, %s",
                           r->path, draft->min->text, draft->max->text);
    }
    if (!isfinite(as_real(max) - as_real(min))) {
        return reader_fail(r, draft->max, ERR_INVALID, "`%s`: max - min is too large for a double",
                           r->path);
    }
    if (draft->is_log && as_real(min) <= 0.0) {
        return reader_fail(r, draft->min, ERR_INVALID,
                           "`%s.min` must be greater than 0 with `log: true`, not %s", r->path,
                           draft->min->text);
    }
    if (param->kind == PARAM_INT) {
        param->int_min = min.integer;
        param->int_max = max.integer;
    } else {
        param->min = as_real(min);
        param->max = as_real(max);
    }
    param->is_log = draft->is_log;
    return step_read(r, draft, param);
}

/* ---- one parameter ---- */

/* value, values and min/max exclude one another; log, q and type belong to min and max. */
static error_code draft_check(struct reader *r, const struct spec_node *node,
                              const struct draft *draft)
{
    const struct {
        const char *name;
        const struct spec_node *node;
    } pieces[] = {{"min", draft->min},        {"max", draft->max}, {"log", draft->log_node},
                  {"type", draft->type_node}, {"q", draft->q},     {"values", draft->values}};
    const struct spec_node *first = draft->value != NULL ? draft->value : draft->values;
    size_t n = sizeof pieces / sizeof pieces[0] - (draft->value == NULL);
    if (node->n == 0) {
        return reader_fail(r, node, ERR_INVALID,
                           "`%s` is empty; write {min, max}, {values: [...]} or a value", r->path);
    }
    for (size_t i = 0; first != NULL && i < n; i++) {
        if (pieces[i].node != NULL) {
            return reader_fail(r, pieces[i].node->key, ERR_INVALID,
                               "`%s` has both `%s` and `%s`; leave one out", r->path,
                               first->key->text, pieces[i].name);
        }
    }
    return OK;
}

static error_code block_read(struct reader *r, const struct spec_node *node,
                             struct param_spec *param)
{
    struct draft draft = {0};
    error_code error = reader_block_read(r, node, draft_keys, &draft);
    if (error == OK) {
        error = draft_check(r, node, &draft);
    }
    if (error != OK) {
        return error;
    }
    if (draft.value == NULL && draft.values == NULL) {
        return range_read(r, node, &draft, param);
    }
    size_t length = reader_path_enter(r, draft.value != NULL ? "value" : "values");
    error = draft.value != NULL ? constant_read(r, draft.value, param)
                                : choices_read(r, draft.values, param);
    reader_path_leave(r, length);
    return error;
}

/* ---- all of them ---- */

static bool name_is_good(const char *name)
{
    if (!isalpha((unsigned char)name[0]) && name[0] != '_') {
        return false;
    }
    for (; *name != '\0'; name++) {
        if (!isalnum((unsigned char)*name) && strchr("_.-", *name) == NULL) {
            return false;
        }
    }
    return true;
}

static error_code name_check(struct reader *r, const struct spec_node *key,
                             const struct param_spec *others, uint32_t n_others)
{
    char excerpt[EXCERPT_MAX], name[MACROS_ENV_NAME_MAX], other[MACROS_ENV_NAME_MAX];
    if (!name_is_good(key->text)) {
        return reader_fail(r, key, ERR_INVALID,
                           "'%s' cannot name a parameter; letters, digits, _ . - are allowed, "
                           "first a letter or _",
                           spelling_excerpt(key->text, excerpt));
    }
    if (key->len > NAME_MAX_BYTES) {
        return reader_fail(r, key, ERR_LIMIT, "a parameter's name is longer than %d bytes",
                           NAME_MAX_BYTES);
    }
    macros_env_name(key->text, name);
    for (uint32_t i = 0; i < n_others; i++) {
        if (strcmp(macros_env_name(others[i].name, other), name) == 0) {
            return reader_fail(r, key, ERR_INVALID,
                               "parameters '%s' and '%s' would both be %s in the environment; "
                               "rename one",
                               others[i].name, key->text, name);
        }
    }
    return OK;
}

static error_code param_read(struct reader *r, const struct spec_node *node,
                             struct param_spec *param)
{
    size_t length = reader_path_enter(r, node->key->text);
    param->line = node->key->line;
    param->name = arena_strndup(r->arena, node->key->text, node->key->len);
    error_code error = param->name == NULL        ? reader_no_memory(r)
                       : node->kind == NODE_BLOCK ? block_read(r, node, param)
                                                  : constant_read(r, node, param);
    reader_path_leave(r, length);
    return error;
}

error_code key_read_parameters(struct reader *r, const struct spec_node *node,
                               const struct spec_key *key, void *base)
{
    struct sweep_spec *spec = base;
    (void)key;
    if (node->kind != NODE_BLOCK) {
        return reader_fail_type(r, node, "a block of parameters");
    }
    if (node->n > SPEC_PARAMETERS_MAX) {
        return reader_fail(r, node, ERR_LIMIT, "there are %u parameters; at most %d are allowed",
                           node->n, SPEC_PARAMETERS_MAX);
    }
    struct param_spec *params = arena_calloc(r->arena, node->n, sizeof *params);
    if (params == NULL) {
        return reader_no_memory(r);
    }
    uint32_t n = 0;
    for (const struct spec_node *item = node->first; item != NULL; item = item->next, n++) {
        error_code error = name_check(r, item->key, params, n);
        if (error == OK) {
            error = param_read(r, item, &params[n]);
        }
        if (error != OK) {
            return error;
        }
    }
    spec->parameters = params;
    spec->n_parameters = n;
    return OK;
}
