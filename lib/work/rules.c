#include "work/rules.h"

#include <string.h>

#include "base/mem.h"

struct rule {
    char *text; /* without `!`, the first and the last `/` */
    bool is_kept;
    bool is_for_folders;
    bool is_tied;
};

struct work_rules {
    struct rule *rules;
    uint32_t n;
};

/* ---- one segment ---- */

/* `[a-z]` at p; sets *ret_len to its length. A bracket that never closes is a plain one. */
static bool bracket_match(const char *p, size_t p_len, char c, size_t *ret_len)
{
    size_t i = 1;
    bool is_negated = i < p_len && (p[i] == '!' || p[i] == '^');
    bool is_in = false;
    i += is_negated;
    for (size_t first = i; i < p_len && (p[i] != ']' || i == first); i++) {
        i += p[i] == '\\' && i + 1 < p_len;
        unsigned char low = (unsigned char)p[i], high = low;
        if (i + 2 < p_len && p[i + 1] == '-' && p[i + 2] != ']') {
            high = (unsigned char)p[i + 2];
            i += 2;
        }
        is_in |= (unsigned char)c >= low && (unsigned char)c <= high;
    }
    if (i >= p_len) {
        *ret_len = 1;
        return c == '[';
    }
    *ret_len = i + 1;
    return is_in != is_negated;
}

/* One character of s by what stands at p; *ret_len: what of p it took. */
static bool char_match(const char *p, size_t p_len, char c, size_t *ret_len)
{
    *ret_len = 1;
    if (*p == '?') {
        return true;
    }
    if (*p == '[') {
        return bracket_match(p, p_len, c, ret_len);
    }
    if (*p == '\\' && p_len > 1) {
        *ret_len = 2;
        return p[1] == c;
    }
    return *p == c;
}

/* One star is remembered, the last: what an earlier one took may stay as it is. So the work is
 * bounded by the product of the lengths. */
static bool segment_match(const char *p, size_t p_len, const char *s, size_t s_len)
{
    size_t i = 0, k = 0, star_i = SIZE_MAX, star_k = 0, taken;
    while (k < s_len) {
        if (i < p_len && p[i] == '*') {
            star_i = ++i;
            star_k = k;
        } else if (i < p_len && char_match(p + i, p_len - i, s[k], &taken)) {
            i += taken;
            k++;
        } else if (star_i != SIZE_MAX) {
            i = star_i;
            k = ++star_k;
        } else {
            return false;
        }
    }
    while (i < p_len && p[i] == '*') {
        i++;
    }
    return i == p_len;
}

/* ---- a path, segment by segment; `**` is the star of segments ---- */

static bool path_match(const char *p, const char *s)
{
    const char *star_p = NULL, *star_s = NULL;
    while (*s != '\0') {
        size_t p_len = strcspn(p, "/"), s_len = strcspn(s, "/");
        if (p_len == 2 && memcmp(p, "**", 2) == 0) {
            star_p = p + 2 + (p[2] == '/');
            star_s = s;
            if (*star_p == '\0') {
                return true;
            }
            p = star_p;
        } else if (*p != '\0' && segment_match(p, p_len, s, s_len)) {
            p += p_len + (p[p_len] == '/');
            s += s_len + (s[s_len] == '/');
        } else if (star_p != NULL) {
            star_s += strcspn(star_s, "/");
            if (*star_s == '\0') {
                return false;
            }
            s = ++star_s;
            p = star_p;
        } else {
            return false;
        }
    }
    return *p == '\0';
}

static bool rule_match(const struct rule *rule, const char *path, bool is_folder)
{
    if (rule->is_for_folders && !is_folder) {
        return false;
    }
    if (rule->is_tied) {
        return path_match(rule->text, path);
    }
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    return segment_match(rule->text, strlen(rule->text), name, strlen(name));
}

bool work_rules_leave_out(const struct work_rules *rules, const char *path, bool is_folder)
{
    for (uint32_t i = rules->n; i > 0; i--) {
        if (rule_match(&rules->rules[i - 1], path, is_folder)) {
            return !rules->rules[i - 1].is_kept;
        }
    }
    return false;
}

/* ---- making ---- */

/* Blanks at the end do not count, unless the last one is escaped. */
static size_t pattern_length(const char *text)
{
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == ' ' && (len < 2 || text[len - 2] != '\\')) {
        len--;
    }
    return len;
}

static error_code rule_add(struct work_rules *rules, const char *text)
{
    struct rule rule = {0};
    size_t len = pattern_length(text);
    if (len == 0 || *text == '#') {
        return OK;
    }
    if (*text == '!') {
        rule.is_kept = true;
        text++;
        len--;
    }
    if (len > 0 && text[len - 1] == '/') {
        rule.is_for_folders = true;
        len--;
    }
    rule.is_tied = memchr(text, '/', len) != NULL;
    if (len > 0 && *text == '/') {
        text++;
        len--;
    }
    if (len == 0) {
        return OK;
    }
    rule.text = mem_strndup(text, len);
    if (rule.text == NULL) {
        return ERR_NO_MEMORY;
    }
    rules->rules[rules->n++] = rule;
    return OK;
}

error_code work_rules_new(const char *const *patterns, uint32_t n, struct work_rules **ret_rules,
                          struct report *report)
{
    if (n > WORK_RULES_MAX) {
        return report_fail(report, ERR_LIMIT, "%u patterns are too many; at most %d are allowed", n,
                           WORK_RULES_MAX);
    }
    struct work_rules *rules = mem_zalloc(sizeof *rules);
    if (rules != NULL) {
        rules->rules = mem_calloc((size_t)n + 1, sizeof *rules->rules);
    }
    if (rules == NULL || rules->rules == NULL) {
        work_rules_free(rules);
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    error_code error = rule_add(rules, ".git/");
    for (uint32_t i = 0; error == OK && i < n; i++) {
        error = strlen(patterns[i]) > WORK_RULE_MAX_BYTES
                    ? report_fail(report, ERR_LIMIT, "a pattern is longer than %d bytes",
                                  WORK_RULE_MAX_BYTES)
                    : rule_add(rules, patterns[i]);
    }
    if (error != OK) {
        work_rules_free(rules);
        return error;
    }
    *ret_rules = rules;
    return OK;
}

void work_rules_free(struct work_rules *rules)
{
    if (rules == NULL) {
        return;
    }
    for (uint32_t i = 0; i < rules->n; i++) {
        mem_free(rules->rules[i].text);
    }
    mem_free(rules->rules);
    mem_free(rules);
}
