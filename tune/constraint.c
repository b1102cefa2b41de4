/* tune/constraint.c -- constraints as the parser compiled them, evaluated on one configuration.
 *
 * A value may be undefined: what divides by zero, or leaves the numbers. A comparison with it is
 * undefined too, and truth values follow Kleene's three-valued logic, so that `b == 0 or a / b < 2`
 * means what it says. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "tune/config.h"

enum { UNDEFINED = -1 };

/* A value on the stack. Truth is 0, 1 or UNDEFINED. */
struct item {
    enum { ITEM_NUMBER, ITEM_TRUTH, ITEM_TEXT, ITEM_NULL } kind;
    double number; /* NaN: undefined */
    int truth;
    const char *text;
};

static struct item item_of(struct value value)
{
    struct item item = {.kind = ITEM_NULL};
    if (value_number(value, &item.number)) {
        item.kind = ITEM_NUMBER;
        item.number = isfinite(item.number) ? item.number : NAN;
    } else if (value.kind == VALUE_BOOL) {
        item.kind = ITEM_TRUTH;
        item.truth = value.boolean;
    } else if (value.kind == VALUE_STR) {
        item.kind = ITEM_TEXT;
        item.text = value.str;
    }
    return item;
}

static struct item truth_item(int truth)
{
    return (struct item){.kind = ITEM_TRUTH, .truth = truth};
}

static struct item number_item(double number)
{
    return (struct item){.kind = ITEM_NUMBER, .number = isfinite(number) ? number : NAN};
}

static struct item arithmetic(constraint_code code, struct item a, struct item b)
{
    switch ((int)code) {
    case CONSTRAINT_ADD:
        return number_item(a.number + b.number);
    case CONSTRAINT_SUBTRACT:
        return number_item(a.number - b.number);
    case CONSTRAINT_MULTIPLY:
        return number_item(a.number * b.number);
    default:
        return number_item(a.number / b.number);
    }
}

static int equality(struct item a, struct item b)
{
    if (a.kind != b.kind) {
        return 0;
    }
    switch (a.kind) {
    case ITEM_NUMBER:
        return isnan(a.number) || isnan(b.number) ? UNDEFINED : a.number == b.number;
    case ITEM_TRUTH:
        return a.truth == UNDEFINED || b.truth == UNDEFINED ? UNDEFINED : a.truth == b.truth;
    case ITEM_TEXT:
        return strcmp(a.text, b.text) == 0;
    case ITEM_NULL:
        break;
    }
    return 1;
}

static int negated(int truth)
{
    return truth == UNDEFINED ? UNDEFINED : !truth;
}

static int comparison(constraint_code code, struct item a, struct item b)
{
    if (code == CONSTRAINT_EQUAL || code == CONSTRAINT_NOT_EQUAL) {
        int truth = equality(a, b);
        return code == CONSTRAINT_EQUAL ? truth : negated(truth);
    }
    if (isnan(a.number) || isnan(b.number)) {
        return UNDEFINED;
    }
    switch ((int)code) {
    case CONSTRAINT_LESS:
        return a.number < b.number;
    case CONSTRAINT_LESS_EQUAL:
        return a.number <= b.number;
    case CONSTRAINT_GREATER:
        return a.number > b.number;
    default:
        return a.number >= b.number;
    }
}

static int both(int a, int b)
{
    return a == 0 || b == 0 ? 0 : a == UNDEFINED || b == UNDEFINED ? UNDEFINED : 1;
}

static struct item binary(constraint_code code, struct item a, struct item b)
{
    if (code == CONSTRAINT_AND) {
        return truth_item(both(a.truth, b.truth));
    }
    if (code == CONSTRAINT_OR) {
        return truth_item(negated(both(negated(a.truth), negated(b.truth))));
    }
    return code <= CONSTRAINT_DIVIDE ? arithmetic(code, a, b) : truth_item(comparison(code, a, b));
}

/* The value of whichever parameter of this name is active; VALUE_NONE if none is. */
static struct value param_value(const struct sweep_spec *spec, uint32_t first,
                                const struct value *config)
{
    uint32_t i = first;
    while (config[i].kind == VALUE_NONE && spec->parameters[i].same > 0) {
        i = spec->parameters[i].same - 1;
    }
    return config[i];
}

static bool constraint_holds(const struct sweep_spec *spec, const struct constraint *constraint,
                             const struct value *config)
{
    struct item stack[SPEC_CONSTRAINT_OPS_MAX];
    uint32_t n = 0;
    memset(stack, 0, constraint->n_ops * sizeof *stack);
    for (uint32_t i = 0; i < constraint->n_ops; i++) {
        const struct constraint_op *op = &constraint->ops[i];
        struct value value;
        switch (op->code) {
        case CONSTRAINT_NUMBER:
            stack[n++] = number_item(op->number);
            break;
        case CONSTRAINT_TEXT:
            stack[n++] = (struct item){.kind = ITEM_TEXT, .text = op->text};
            break;
        case CONSTRAINT_TRUE:
        case CONSTRAINT_FALSE:
            stack[n++] = truth_item(op->code == CONSTRAINT_TRUE);
            break;
        case CONSTRAINT_PARAM:
            value = param_value(spec, op->param, config);
            if (value.kind == VALUE_NONE) {
                return true;
            }
            stack[n++] = item_of(value);
            break;
        case CONSTRAINT_NEGATE:
            stack[n - 1].number = -stack[n - 1].number;
            break;
        case CONSTRAINT_NOT:
            stack[n - 1].truth = negated(stack[n - 1].truth);
            break;
        case CONSTRAINT_ADD:
        case CONSTRAINT_SUBTRACT:
        case CONSTRAINT_MULTIPLY:
        case CONSTRAINT_DIVIDE:
        case CONSTRAINT_EQUAL:
        case CONSTRAINT_NOT_EQUAL:
        case CONSTRAINT_LESS:
        case CONSTRAINT_LESS_EQUAL:
        case CONSTRAINT_GREATER:
        case CONSTRAINT_GREATER_EQUAL:
        case CONSTRAINT_AND:
        case CONSTRAINT_OR:
            n--;
            stack[n - 1] = binary(op->code, stack[n - 1], stack[n]);
            break;
        }
    }
    assert(n == 1);
    return stack[0].truth == 1;
}

bool config_is_allowed(const struct sweep_spec *spec, const struct value *config,
                       uint32_t *ret_broken)
{
    for (uint32_t i = 0; i < spec->n_constraints; i++) {
        if (!constraint_holds(spec, &spec->constraints[i], config)) {
            if (ret_broken != NULL) {
                *ret_broken = i;
            }
            return false;
        }
    }
    return true;
}
