/* The notation of one demand on labels; its grammar stands in spec/sweep.h. */
#include <ctype.h>
#include <string.h>

#include "spec/spelling.h"
#include "spec/sweep.h"

enum { REQUIRE_VALUES_MAX = 64, REQUIRE_TEXT_MAX = 4096, REQUIRE_WORD_MAX = 255 };

struct scanner {
    const char *text;
    const char *at;
    struct arena *arena;
    struct report *report;
};

static error_code fail_expected(const struct scanner *s, const char *expected)
{
    char excerpt[EXCERPT_MAX];
    return report_fail(s->report, ERR_INVALID, "'%s': character %zu: expected %s",
                       spelling_excerpt(s->text, excerpt), (size_t)(s->at - s->text) + 1, expected);
}

static void blanks_skip(struct scanner *s)
{
    s->at += strspn(s->at, " ");
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("_.:/@+-", c) != NULL);
}

static size_t word_length(const char *text)
{
    size_t n = 0;
    while (is_word_char(text[n])) {
        n++;
    }
    return n;
}

static error_code word_copy(struct scanner *s, const char *word, size_t length, const char **ret)
{
    if (length > REQUIRE_WORD_MAX) {
        return fail_expected(s, "at most 255 characters");
    }
    const char *copy = arena_strndup(s->arena, word, length);
    if (copy == NULL) {
        return report_fail(s->report, ERR_NO_MEMORY, "out of memory");
    }
    *ret = copy;
    return OK;
}

static error_code label_read(struct scanner *s, const char **ret_label)
{
    size_t n = word_length(s->at);
    if (n == 0) {
        return fail_expected(s, "a label");
    }
    error_code error = word_copy(s, s->at, n, ret_label);
    s->at += error == OK ? n : 0;
    return error;
}

/* A bare word, or anything in quotes of either kind. */
static error_code value_read(struct scanner *s, const char **ret_value)
{
    blanks_skip(s);
    char quote = *s->at;
    if (quote == '"' || quote == '\'') {
        const char *end = strchr(s->at + 1, quote);
        if (end == NULL) {
            return fail_expected(s, "a closing quote for this one");
        }
        error_code error = word_copy(s, s->at + 1, (size_t)(end - s->at) - 1, ret_value);
        s->at = error == OK ? end + 1 : s->at;
        return error;
    }
    size_t n = word_length(s->at);
    if (n == 0) {
        return fail_expected(s, "a value (quote it if it has blanks or signs)");
    }
    error_code error = word_copy(s, s->at, n, ret_value);
    s->at += error == OK ? n : 0;
    return error;
}

static bool word_take(struct scanner *s, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(s->at, word, n) != 0 || is_word_char(s->at[n])) {
        return false;
    }
    s->at += n;
    blanks_skip(s);
    return true;
}

static bool sign_take(struct scanner *s, const char *sign)
{
    bool is_there = strncmp(s->at, sign, strlen(sign)) == 0;
    s->at += is_there ? strlen(sign) : 0;
    return is_there;
}

static error_code values_read(struct scanner *s, struct require *require)
{
    const char *values[REQUIRE_VALUES_MAX];
    uint32_t n = 0;
    bool is_list = require->op == REQUIRE_IN || require->op == REQUIRE_NOT_IN;
    if (is_list && !sign_take(s, "(")) {
        return fail_expected(s, "a list of values like (a, b)");
    }
    do {
        if (n == REQUIRE_VALUES_MAX) {
            return fail_expected(s, "at most 64 values");
        }
        error_code error = value_read(s, &values[n]);
        if (error != OK) {
            return error;
        }
        n++;
        blanks_skip(s);
    } while (is_list && sign_take(s, ","));
    if (is_list && !sign_take(s, ")")) {
        return fail_expected(s, "',' or ')'");
    }
    const char **copy = arena_calloc(s->arena, n, sizeof *copy);
    if (copy == NULL) {
        return report_fail(s->report, ERR_NO_MEMORY, "out of memory");
    }
    memcpy(copy, values, n * sizeof *copy);
    require->values = copy;
    require->n_values = n;
    return OK;
}

/* The operator behind the label; EXISTS at the end of the text. */
static error_code op_read(struct scanner *s, require_op *ret_op)
{
    blanks_skip(s);
    if (*s->at == '\0') {
        *ret_op = REQUIRE_EXISTS;
    } else if (sign_take(s, "==")) {
        *ret_op = REQUIRE_EQUAL;
    } else if (sign_take(s, "!=")) {
        *ret_op = REQUIRE_NOT_EQUAL;
    } else if (word_take(s, "in")) {
        *ret_op = REQUIRE_IN;
    } else if (word_take(s, "not")) {
        *ret_op = REQUIRE_NOT_IN;
        return word_take(s, "in") ? OK : fail_expected(s, "'in' after 'not'");
    } else {
        return fail_expected(s, "'==', '!=', 'in' or 'not in'");
    }
    return OK;
}

error_code spec_require_parse(const char *text, struct arena *arena, struct require *ret_require,
                              struct report *report)
{
    struct scanner s = {.text = text, .at = text, .arena = arena, .report = report};
    struct require require = {0};
    if (strnlen(text, REQUIRE_TEXT_MAX + 1) > REQUIRE_TEXT_MAX) {
        return report_fail(report, ERR_LIMIT, "a demand on labels is longer than %d bytes",
                           REQUIRE_TEXT_MAX);
    }
    require.text = arena_strdup(arena, text);
    if (require.text == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    blanks_skip(&s);
    error_code error = label_read(&s, &require.label);
    if (error == OK) {
        error = op_read(&s, &require.op);
    }
    if (error == OK && require.op != REQUIRE_EXISTS) {
        error = values_read(&s, &require);
    }
    blanks_skip(&s);
    if (error == OK && *s.at != '\0') {
        error = fail_expected(&s, "nothing more");
    }
    if (error == OK) {
        *ret_require = require;
    }
    return error;
}
