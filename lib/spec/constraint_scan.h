/* spec/constraint_scan.h -- a constraint's text as tokens.
 * Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_CONSTRAINT_SCAN_H
#define MUSTER_SPEC_CONSTRAINT_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef enum {
    TOKEN_END,
    TOKEN_NUMBER,
    TOKEN_NAME,   /* of a parameter, bare or in double quotes */
    TOKEN_TEXT,   /* in single quotes */
    TOKEN_SYMBOL, /* operators, parentheses, and or not true false */
} token_kind;

struct token {
    token_kind kind;
    const char *at; /* in the text: the name or text without its quotes, the symbol */
    size_t len;
    size_t place; /* where it begins, in bytes */
    double number;
};

/* The next token from *place on, which moves behind it. ERR_INVALID and what is wrong; ret_token's
 * place is written then too. */
MUST_CHECK error_code constraint_scan(const char *text, size_t *place, struct token *ret_token,
                                      struct report *report);

bool token_is(const struct token *token, const char *symbol);

#endif
