#include "lines/found.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    NUMBER_TEXT_MAX = 64,
    WRAPPERS_MAX = 3, /* Tensor(np.float64(0.9)) */
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* ---- names ---- */

static size_t blanks(const char *text)
{
    return strspn(text, " \t");
}

void found_add(struct found *found, const char *name, size_t len, double value)
{
    while (len > 0 && (*name == ' ' || *name == '\t')) {
        name++;
        len--;
    }
    while (len > 0 && (name[len - 1] == ' ' || name[len - 1] == '\t')) {
        len--;
    }
    if (len == 0 || len > FOUND_NAME_MAX || found->n == FOUND_MAX) {
        return;
    }
    struct found_pair *pair = &found->pairs[found->n++];
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        bool is_blank = name[i] == ' ' || name[i] == '\t';
        if (!is_blank || pair->name[n - 1] != '_') {
            pair->name[n++] = is_blank ? '_' : name[i];
        }
    }
    pair->name[n] = '\0';
    pair->value = value;
}

const struct found_pair *found_find(const struct found *found, const char *name)
{
    const struct found_pair *last = NULL;
    for (uint32_t i = 0; i < found->n; i++) {
        last = found_name_equal(found->pairs[i].name, name) ? &found->pairs[i] : last;
    }
    return last;
}

bool found_name_equal(const char *a, const char *b)
{
    while (*a != '\0' && *b != '\0') {
        bool is_same = *a == *b || (!is_word(*a) && *b == '_') || (*a == '_' && !is_word(*b));
        if (!is_same) {
            return false;
        }
        a++;
        b++;
    }
    return *a == *b;
}

/* ---- numbers ---- */

static bool word_number(const char *at, const char **ret_end, double *ret_value)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"nan", NAN}, {"infinity", INFINITY}, {"inf", INFINITY}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t len = strlen(words[i].word);
        if (strncasecmp(at, words[i].word, len) == 0 && !is_word(at[len])) {
            *ret_end = at + len;
            *ret_value = words[i].value;
            return true;
        }
    }
    return false;
}

static const char *digits_end(const char *at)
{
    while (isdigit((unsigned char)*at)) {
        at++;
    }
    return at;
}

/* The end of a decimal number without a sign; `at` itself: there is none. */
static const char *decimal_end(const char *at)
{
    const char *end = digits_end(at);
    bool has_digits = end > at;
    if (*end == '.') {
        const char *fraction = digits_end(end + 1);
        has_digits = has_digits || fraction > end + 1;
        end = fraction;
    }
    if (!has_digits) {
        return at;
    }
    if (*end == 'e' || *end == 'E') {
        const char *exponent = end + 1 + (end[1] == '+' || end[1] == '-' ? 1 : 0);
        end = digits_end(exponent) > exponent ? digits_end(exponent) : end;
    }
    return end;
}

static bool plain_number(const char *at, const char **ret_end, double *ret_value)
{
    const char *start = at;
    double sign = *at == '-' ? -1.0 : 1.0;
    at += *at == '-' || *at == '+' ? 1 : 0;
    if (word_number(at, ret_end, ret_value)) {
        *ret_value *= sign;
        return true;
    }
    const char *end = decimal_end(at);
    char text[NUMBER_TEXT_MAX];
    if (end == at || (size_t)(end - start) >= sizeof text) {
        return false;
    }
    memcpy(text, start, (size_t)(end - start));
    text[end - start] = '\0';
    *ret_value = strtod(text, NULL);
    end += *end == '%' ? 1 : 0;
    if (is_word(*end) || (*end == '.' && isdigit((unsigned char)end[1]))) {
        return false; /* 12ms, 1.2.3 */
    }
    *ret_end = end;
    return true;
}

/* Behind the `(` of `np.float64(`; NULL: no such thing stands here. */
static const char *wrapper_inside(const char *at)
{
    if (!isalpha((unsigned char)*at) && *at != '_') {
        return NULL;
    }
    while (is_word(*at) || *at == '.') {
        at++;
    }
    return *at == '(' ? at + 1 + blanks(at + 1) : NULL;
}

/* Behind the bracket that closes the one that is open; NULL: it is not closed. */
static const char *wrapper_end(const char *at)
{
    for (int depth = 1; *at != '\0'; at++) {
        depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
        if (depth == 0) {
            return at + 1;
        }
    }
    return NULL;
}

bool found_number(const char *at, const char **ret_end, double *ret_value)
{
    const char *end;
    int n_wrappers = 0;
    if (plain_number(at, ret_end, ret_value)) {
        return true;
    }
    for (const char *inside; n_wrappers < WRAPPERS_MAX && (inside = wrapper_inside(at)) != NULL;
         n_wrappers++) {
        at = inside;
    }
    if (n_wrappers == 0 || !plain_number(at, &end, ret_value)) {
        return false;
    }
    for (; n_wrappers > 0 && end != NULL; n_wrappers--) {
        end = wrapper_end(end);
    }
    *ret_end = end;
    return end != NULL && !is_word(*end);
}
