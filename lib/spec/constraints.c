/* Constraints: from text to a list of steps in postfix order, with the types checked on the way, so
 * that tuning has nothing left to refuse.
 *
 *   expression  = conjunction {"or" conjunction}
 *   conjunction = negation {"and" negation}
 *   negation    = "not" negation | comparison
 *   comparison  = sum [("==" | "!=" | "<" | "<=" | ">" | ">=") sum]
 *   sum         = product {("+" | "-") product}
 *   product     = factor {("*" | "/") factor}
 *   factor      = ("-" | "+") factor | number | name | 'text' | "true" | "false" | "(" expression
 * ")"
 */
#include "spec/constraints.h"

#include <string.h>

#include "spec/constraint_scan.h"
#include "spec/spelling.h"

enum { DEPTH_MAX = 32 };

/* What a value can be, as bits; a parameter may be several. */
enum { IS_NUMBER = 1, IS_TRUTH = 2, IS_TEXT = 4, IS_NULL = 8 };

struct compiler {
    struct reader *r;
    const struct spec_node *node;
    const struct sweep_spec *spec;
    size_t place;
    struct token token; /* the one that is looked at */
    struct constraint_op ops[SPEC_CONSTRAINT_OPS_MAX];
    uint32_t n_ops;
    unsigned depth;
    error_code error; /* sticky */
};

/* A part of an expression: where it begins, and what it can be. */
struct part {
    size_t place;
    unsigned kinds;
};

/* ---- errors ---- */

/* Columns count characters. The place is that of the byte where the text is one line as written,
 * else that of the text. */
static uint32_t column_of(const struct compiler *c, size_t place)
{
    const char *text = c->node->text;
    uint32_t column = c->node->column + (c->node->is_plain ? 0 : 1);
    if (strpbrk(text, "\\\n") != NULL) {
        return c->node->column;
    }
    for (size_t i = 0; i < place; i++) {
        column += ((unsigned char)text[i] & 0xC0) != 0x80;
    }
    return column;
}

#define compiler_fail(c, place, ...)                                                               \
    do {                                                                                           \
        if ((c)->error == OK) {                                                                    \
            (c)->error = report_fail_at((c)->r->report, ERR_INVALID, (c)->node->line,              \
                                        column_of((c), (place)), __VA_ARGS__);                     \
        }                                                                                          \
    } while (0)

static void next(struct compiler *c)
{
    struct report report = {0};
    if (c->error == OK && constraint_scan(c->node->text, &c->place, &c->token, &report) != OK) {
        compiler_fail(c, c->token.place, "`%s`: %s", c->r->path, report.text);
    }
    if (c->error != OK) {
        c->token = (struct token){.kind = TOKEN_END};
    }
}

static void emit(struct compiler *c, struct constraint_op op)
{
    if (c->error == OK && c->n_ops == SPEC_CONSTRAINT_OPS_MAX) {
        c->error = reader_fail(c->r, c->node, ERR_LIMIT, "`%s` has more than %d parts", c->r->path,
                               SPEC_CONSTRAINT_OPS_MAX);
    }
    if (c->error == OK) {
        c->ops[c->n_ops++] = op;
    }
}

/* ---- names ---- */

static unsigned kind_bit(struct value value)
{
    static const unsigned bits[] = {
        [VALUE_NULL] = IS_NULL,   [VALUE_BOOL] = IS_TRUTH, [VALUE_INT] = IS_NUMBER,
        [VALUE_REAL] = IS_NUMBER, [VALUE_STR] = IS_TEXT,   [VALUE_NONE] = 0,
    };
    return bits[value.kind];
}

static unsigned param_kinds(const struct sweep_spec *spec, const struct param_spec *param)
{
    unsigned kinds = 0;
    for (; param != NULL; param = param->same > 0 ? &spec->parameters[param->same - 1] : NULL) {
        bool is_constant = param->kind == PARAM_CONSTANT;
        bool is_listed = param->kind == PARAM_CHOICE || param->kind == PARAM_ROW;
        kinds |= is_constant ? kind_bit(param->constant) : is_listed ? 0 : IS_NUMBER;
        for (uint32_t i = 0; i < param->n_values; i++) {
            kinds |= kind_bit(param->values[i]);
        }
        for (uint32_t i = 0; i < param->n_also; i++) {
            kinds |= kind_bit(param->also[i]);
        }
    }
    return kinds;
}

static unsigned name_compile(struct compiler *c)
{
    const struct sweep_spec *spec = c->spec;
    const struct param_spec *param = space_param_find(spec, c->token.at, c->token.len);
    if (param == NULL) {
        char name[NAME_MAX_BYTES + 1], excerpt[EXCERPT_MAX];
        size_t len = c->token.len < NAME_MAX_BYTES ? c->token.len : NAME_MAX_BYTES;
        memcpy(name, c->token.at, len);
        name[len] = '\0';
        struct spelling spelling = {.word = name};
        for (uint32_t i = 0; i < spec->n_parameters; i++) {
            spelling_offer(&spelling, spec->parameters[i].name);
        }
        compiler_fail(c, c->token.place,
                      "`%s`: there is no parameter '%s'; names with - or . stand in \" quotes, "
                      "texts in ' quotes",
                      c->r->path, spelling_excerpt(name, excerpt));
        if (spelling.best != NULL) {
            report_add(c->r->report, "; did you mean '%s'?", spelling.best);
        }
        return 0;
    }
    emit(c, (struct constraint_op){.code = CONSTRAINT_PARAM,
                                   .param = (uint32_t)(param - spec->parameters)});
    return param_kinds(spec, param);
}

/* ---- the grammar ---- */

static struct part expression(struct compiler *c);

static void want(struct compiler *c, struct part part, unsigned kinds, const char *wanted)
{
    if ((part.kinds & ~kinds) != 0) {
        compiler_fail(c, part.place, "`%s`: %s is needed here, and this may be a %s", c->r->path,
                      wanted,
                      (part.kinds & ~kinds & IS_TEXT) != 0     ? "text"
                      : (part.kinds & ~kinds & IS_NULL) != 0   ? "null"
                      : (part.kinds & ~kinds & IS_NUMBER) != 0 ? "number"
                                                               : "truth value");
    }
}

static unsigned text_compile(struct compiler *c)
{
    const char *text = arena_strndup(c->r->arena, c->token.at, c->token.len);
    if (text == NULL && c->error == OK) {
        c->error = reader_no_memory(c->r);
    }
    emit(c, (struct constraint_op){.code = CONSTRAINT_TEXT, .text = text});
    return IS_TEXT;
}

static unsigned parenthesis(struct compiler *c)
{
    if (++c->depth > DEPTH_MAX) {
        compiler_fail(c, c->token.place, "`%s` is nested deeper than %d", c->r->path, DEPTH_MAX);
        return 0;
    }
    next(c);
    unsigned kinds = expression(c).kinds;
    if (!token_is(&c->token, ")")) {
        compiler_fail(c, c->token.place, "`%s`: a ) is missing", c->r->path);
    }
    c->depth--;
    return kinds;
}

static struct part factor(struct compiler *c)
{
    struct part part = {.place = c->token.place};
    if (token_is(&c->token, "-") || token_is(&c->token, "+")) {
        bool is_minus = token_is(&c->token, "-");
        next(c);
        if (++c->depth > DEPTH_MAX) {
            compiler_fail(c, part.place, "`%s` is nested deeper than %d", c->r->path, DEPTH_MAX);
            return part;
        }
        want(c, factor(c), IS_NUMBER, "a number");
        c->depth--;
        if (is_minus) {
            emit(c, (struct constraint_op){.code = CONSTRAINT_NEGATE});
        }
        part.kinds = IS_NUMBER;
        return part;
    }
    if (c->token.kind == TOKEN_NUMBER) {
        emit(c, (struct constraint_op){.code = CONSTRAINT_NUMBER, .number = c->token.number});
        part.kinds = IS_NUMBER;
    } else if (c->token.kind == TOKEN_NAME) {
        part.kinds = name_compile(c);
    } else if (c->token.kind == TOKEN_TEXT) {
        part.kinds = text_compile(c);
    } else if (token_is(&c->token, "true") || token_is(&c->token, "false")) {
        emit(c, (struct constraint_op){.code = token_is(&c->token, "true") ? CONSTRAINT_TRUE
                                                                           : CONSTRAINT_FALSE});
        part.kinds = IS_TRUTH;
    } else if (token_is(&c->token, "(")) {
        part.kinds = parenthesis(c);
    } else {
        compiler_fail(c, c->token.place, "`%s`: a number, a name or a ( is missing here",
                      c->r->path);
    }
    next(c);
    return part;
}

struct binary {
    const char *symbol;
    constraint_code code;
};

static const struct binary *binary_find(const struct token *token, const struct binary *list)
{
    while (list->symbol != NULL && !token_is(token, list->symbol)) {
        list++;
    }
    return list->symbol != NULL ? list : NULL;
}

static struct part product(struct compiler *c)
{
    static const struct binary list[] = {{"*", CONSTRAINT_MULTIPLY}, {"/", CONSTRAINT_DIVIDE}, {0}};
    struct part left = factor(c);
    const struct binary *found;
    while (c->error == OK && (found = binary_find(&c->token, list)) != NULL) {
        next(c);
        want(c, left, IS_NUMBER, "a number");
        struct part right = factor(c);
        want(c, right, IS_NUMBER, "a number");
        if (found->code == CONSTRAINT_DIVIDE && c->n_ops > 0 &&
            c->ops[c->n_ops - 1].code == CONSTRAINT_NUMBER && c->ops[c->n_ops - 1].number == 0) {
            compiler_fail(c, right.place, "`%s` divides by zero", c->r->path);
        }
        emit(c, (struct constraint_op){.code = found->code});
        left.kinds = IS_NUMBER;
    }
    return left;
}

static struct part sum(struct compiler *c)
{
    static const struct binary list[] = {{"+", CONSTRAINT_ADD}, {"-", CONSTRAINT_SUBTRACT}, {0}};
    struct part left = product(c);
    const struct binary *found;
    while (c->error == OK && (found = binary_find(&c->token, list)) != NULL) {
        next(c);
        want(c, left, IS_NUMBER, "a number");
        want(c, product(c), IS_NUMBER, "a number");
        emit(c, (struct constraint_op){.code = found->code});
        left.kinds = IS_NUMBER;
    }
    return left;
}

static const struct binary comparisons[] = {{"==", CONSTRAINT_EQUAL},
                                            {"!=", CONSTRAINT_NOT_EQUAL},
                                            {"<", CONSTRAINT_LESS},
                                            {"<=", CONSTRAINT_LESS_EQUAL},
                                            {">", CONSTRAINT_GREATER},
                                            {">=", CONSTRAINT_GREATER_EQUAL},
                                            {0}};

static struct part comparison(struct compiler *c)
{
    struct part left = sum(c);
    const struct binary *found = binary_find(&c->token, comparisons);
    if (found == NULL || c->error != OK) {
        return left;
    }
    size_t place = c->token.place;
    next(c);
    struct part right = sum(c);
    bool is_order = found->code != CONSTRAINT_EQUAL && found->code != CONSTRAINT_NOT_EQUAL;
    if (is_order) {
        want(c, left, IS_NUMBER, "a number");
        want(c, right, IS_NUMBER, "a number");
    } else if (c->error == OK && (left.kinds & right.kinds) == 0) {
        compiler_fail(c, place, "`%s`: the two sides of %s are never of one kind", c->r->path,
                      found->symbol);
    }
    if (binary_find(&c->token, comparisons) != NULL) {
        compiler_fail(c, c->token.place, "`%s`: write `a < b and b < c`", c->r->path);
    }
    emit(c, (struct constraint_op){.code = found->code});
    left.kinds = IS_TRUTH;
    return left;
}

static struct part negation(struct compiler *c)
{
    struct part part = {.place = c->token.place, .kinds = IS_TRUTH};
    if (!token_is(&c->token, "not")) {
        return comparison(c);
    }
    next(c);
    if (++c->depth > DEPTH_MAX) {
        compiler_fail(c, part.place, "`%s` is nested deeper than %d", c->r->path, DEPTH_MAX);
        return part;
    }
    want(c, negation(c), IS_TRUTH, "true or false");
    c->depth--;
    emit(c, (struct constraint_op){.code = CONSTRAINT_NOT});
    return part;
}

static struct part conjunction(struct compiler *c)
{
    struct part left = negation(c);
    while (c->error == OK && token_is(&c->token, "and")) {
        next(c);
        want(c, left, IS_TRUTH, "true or false");
        want(c, negation(c), IS_TRUTH, "true or false");
        emit(c, (struct constraint_op){.code = CONSTRAINT_AND});
    }
    return left;
}

static struct part expression(struct compiler *c)
{
    struct part left = conjunction(c);
    while (c->error == OK && token_is(&c->token, "or")) {
        next(c);
        want(c, left, IS_TRUTH, "true or false");
        want(c, conjunction(c), IS_TRUTH, "true or false");
        emit(c, (struct constraint_op){.code = CONSTRAINT_OR});
    }
    return left;
}

/* ---- all of them ---- */

static error_code ops_keep(struct compiler *c, struct constraint *constraint)
{
    struct constraint_op *ops = arena_calloc(c->r->arena, c->n_ops, sizeof *ops);
    if (ops == NULL) {
        return reader_no_memory(c->r);
    }
    memcpy(ops, c->ops, c->n_ops * sizeof *ops);
    constraint->ops = ops;
    constraint->n_ops = c->n_ops;
    constraint->line = c->node->line;
    constraint->column = c->node->column;
    return OK;
}

static error_code constraint_read(struct reader *r, const struct spec_node *node,
                                  const struct sweep_spec *spec, struct constraint *constraint)
{
    error_code error = reader_line(r, node, SPEC_CONSTRAINT_MAX_BYTES, &constraint->text);
    if (error != OK) {
        return error;
    }
    struct compiler c = {.r = r, .node = node, .spec = spec};
    next(&c);
    struct part whole = expression(&c);
    if (c.token.kind != TOKEN_END) {
        compiler_fail(&c, c.token.place, "`%s`: an operator is missing here", r->path);
    }
    if (c.error == OK && whole.kinds != IS_TRUTH) {
        compiler_fail(&c, whole.place, "`%s` is not true or false: a comparison is missing",
                      r->path);
    }
    return c.error == OK ? ops_keep(&c, constraint) : c.error;
}

error_code constraints_read(struct reader *r, const struct spec_node *node, struct sweep_spec *spec)
{
    bool is_one = node->kind == NODE_SCALAR;
    const struct spec_node *item = is_one ? node : node->first;
    uint32_t n = is_one ? 1 : node->n;
    if (node->kind == NODE_BLOCK) {
        return reader_fail_type(r, node, "a list of texts like \"layers * width <= 1024\"");
    }
    if (n > SPEC_CONSTRAINTS_MAX) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u items; at most %d are allowed", r->path,
                           n, SPEC_CONSTRAINTS_MAX);
    }
    struct constraint *constraints = arena_calloc(r->arena, n, sizeof *constraints);
    if (constraints == NULL) {
        return reader_no_memory(r);
    }
    for (uint32_t i = 0; i < n; i++, item = item->next) {
        error_code error = constraint_read(r, item, spec, &constraints[i]);
        if (error != OK) {
            return error;
        }
    }
    spec->constraints = constraints;
    spec->n_constraints = n;
    return OK;
}
