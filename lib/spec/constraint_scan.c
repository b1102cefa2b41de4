#include "spec/constraint_scan.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "spec/spelling.h"

/* Longer ones first. */
static const char *const symbols[] = {"<=", ">=", "==", "!=", "<", ">",
                                      "+",  "-",  "*",  "/",  "(", ")"};
static const char *const words[] = {"and", "or", "not", "true", "false"};

/* What people write who come from another language. */
static const struct {
    const char *text, *remedy;
} foreign[] = {{"&&", "write `and`"}, {"||", "write `or`"},  {"!", "write `not`"},
               {"**", "write a * a"}, {"=", "write `==`"},   {"%", "there is no remainder"},
               {"^", "write a * a"},  {"//", "write a / b"}, {"&", "write `and`"},
               {"|", "write `or`"}};

bool token_is(const struct token *token, const char *symbol)
{
    return token->kind == TOKEN_SYMBOL && strlen(symbol) == token->len &&
           memcmp(token->at, symbol, token->len) == 0;
}

static error_code quoted_scan(const char *text, size_t *place, struct token *token,
                              struct report *report)
{
    char quote = text[*place];
    const char *end = strchr(text + *place + 1, quote);
    if (end == NULL) {
        return report_fail(report, ERR_INVALID, "the quote %c is not closed", quote);
    }
    token->kind = quote == '"' ? TOKEN_NAME : TOKEN_TEXT;
    token->at = text + *place + 1;
    token->len = (size_t)(end - token->at);
    *place = (size_t)(end - text) + 1;
    return OK;
}

static error_code number_scan(const char *text, size_t *place, struct token *token,
                              struct report *report)
{
    /* strtod() knows more than we want: 0x1p3, inf, nan. */
    size_t len = strspn(text + *place, "0123456789.");
    const char *e = text + *place + len;
    if (*e == 'e' || *e == 'E') {
        size_t sign = e[1] == '+' || e[1] == '-';
        size_t digits = strspn(e + 1 + sign, "0123456789");
        len += digits > 0 ? 1 + sign + digits : 0;
    }
    char *end;
    token->kind = TOKEN_NUMBER;
    token->at = text + *place;
    token->len = len;
    token->number = strtod(token->at, &end);
    char after = token->at[len];
    if (end != token->at + len || isalnum((unsigned char)after) || after == '_') {
        return report_fail(report, ERR_INVALID, "this is no number");
    }
    if (!isfinite(token->number)) {
        return report_fail(report, ERR_INVALID, "this number is too large");
    }
    *place += len;
    return OK;
}

static void name_scan(const char *text, size_t *place, struct token *token)
{
    token->at = text + *place;
    token->kind = TOKEN_NAME;
    while (isalnum((unsigned char)token->at[token->len]) || token->at[token->len] == '_') {
        token->len++;
    }
    *place += token->len;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i]) == token->len && memcmp(words[i], token->at, token->len) == 0) {
            token->kind = TOKEN_SYMBOL;
        }
    }
}

static error_code symbol_scan(const char *text, size_t *place, struct token *token,
                              struct report *report)
{
    const char *at = text + *place;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        size_t len = strlen(foreign[i].text);
        if (strncmp(at, foreign[i].text, len) == 0 && (at[len] != '=' || *at == '=') &&
            strncmp(at, "==", 2) != 0) {
            return report_fail(report, ERR_INVALID, "there is no `%s`; %s", foreign[i].text,
                               foreign[i].remedy);
        }
    }
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        size_t len = strlen(symbols[i]);
        if (strncmp(at, symbols[i], len) == 0) {
            token->kind = TOKEN_SYMBOL;
            token->at = at;
            token->len = len;
            *place += len;
            return OK;
        }
    }
    char excerpt[EXCERPT_MAX];
    return report_fail(report, ERR_INVALID,
                       "'%s' means nothing here; numbers, names, + - * / ( ), comparisons, and, "
                       "or, not",
                       spelling_excerpt(at, excerpt));
}

error_code constraint_scan(const char *text, size_t *place, struct token *ret_token,
                           struct report *report)
{
    *place += strspn(text + *place, " \t\r\n");
    unsigned char c = (unsigned char)text[*place];
    *ret_token = (struct token){.kind = TOKEN_END, .at = text + *place, .place = *place};
    if (c == '\0') {
        return OK;
    }
    if (c == '"' || c == '\'') {
        return quoted_scan(text, place, ret_token, report);
    }
    if (isdigit(c) || (c == '.' && isdigit((unsigned char)text[*place + 1]))) {
        return number_scan(text, place, ret_token, report);
    }
    if (isalpha(c) || c == '_') {
        name_scan(text, place, ret_token);
        return OK;
    }
    return symbol_scan(text, place, ret_token, report);
}
