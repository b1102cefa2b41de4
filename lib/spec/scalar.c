#include "spec/scalar.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The words of the core schema, each in three spellings and no other. */
static const struct {
    const char *spellings[3];
    struct value value;
} words[] = {
    {{"null", "Null", "NULL"}, {.kind = VALUE_NULL}},
    {{"~", "~", "~"}, {.kind = VALUE_NULL}},
    {{"", "", ""}, {.kind = VALUE_NULL}},
    {{"true", "True", "TRUE"}, {.kind = VALUE_BOOL, .boolean = true}},
    {{"false", "False", "FALSE"}, {.kind = VALUE_BOOL, .boolean = false}},
    {{".inf", ".Inf", ".INF"}, {.kind = VALUE_REAL, .real = HUGE_VAL}},
    {{"+.inf", "+.Inf", "+.INF"}, {.kind = VALUE_REAL, .real = HUGE_VAL}},
    {{"-.inf", "-.Inf", "-.INF"}, {.kind = VALUE_REAL, .real = -HUGE_VAL}},
    {{".nan", ".NaN", ".NAN"}, {.kind = VALUE_REAL, .real = NAN}},
};

static const char *digits_skip(const char *text)
{
    while (isdigit((unsigned char)*text)) {
        text++;
    }
    return text;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool text_is_real(const char *text)
{
    text += *text == '-' || *text == '+';
    const char *end = digits_skip(text);
    bool has_digits = end > text;
    if (*end == '.') {
        const char *fraction = end + 1;
        end = digits_skip(fraction);
        has_digits = has_digits || end > fraction;
    }
    if (!has_digits) {
        return false;
    }
    if (*end == 'e' || *end == 'E') {
        const char *exponent = end + 1;
        exponent += *exponent == '-' || *exponent == '+';
        end = digits_skip(exponent);
        if (end == exponent) {
            return false;
        }
    }
    return *end == '\0';
}

/* The base of an integer, 0 if it is none; the digits begin at *ret_digits. */
static int integer_base(const char *text, const char **ret_digits)
{
    if (strncmp(text, "0x", 2) == 0 || strncmp(text, "0o", 2) == 0) {
        const char *allowed = text[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567";
        *ret_digits = text + 2;
        bool is_integer = text[2] != '\0' && text[2 + strspn(text + 2, allowed)] == '\0';
        return !is_integer ? 0 : text[1] == 'x' ? 16 : 8;
    }
    const char *digits = text + (*text == '-' || *text == '+');
    *ret_digits = text;
    return *digits != '\0' && *digits_skip(digits) == '\0' ? 10 : 0;
}

static error_code integer_read(const char *digits, int base, struct value *ret_value)
{
    errno = 0;
    long long number = strtoll(digits, NULL, base);
    if (errno == ERANGE) {
        return ERR_LIMIT;
    }
    *ret_value = value_int(number);
    return OK;
}

static error_code real_read(const char *text, struct value *ret_value)
{
    errno = 0;
    double number = strtod(text, NULL);
    if (errno == ERANGE && (isinf(number) || number == 0.0)) {
        return ERR_LIMIT;
    }
    *ret_value = value_real(number);
    return OK;
}

error_code scalar_value(const struct spec_node *node, struct value *ret_value)
{
    if (!node->is_plain) {
        *ret_value = value_str(node->text);
        return OK;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        for (size_t k = 0; k < 3; k++) {
            if (strcmp(node->text, words[i].spellings[k]) == 0) {
                *ret_value = words[i].value;
                return OK;
            }
        }
    }
    const char *digits;
    int base = integer_base(node->text, &digits);
    if (base != 0) {
        return integer_read(digits, base, ret_value);
    }
    if (text_is_real(node->text)) {
        return real_read(node->text, ret_value);
    }
    *ret_value = value_str(node->text);
    return OK;
}

bool scalar_is_missing(const struct spec_node *node)
{
    return node->kind == NODE_SCALAR && node->is_plain && node->len == 0;
}
