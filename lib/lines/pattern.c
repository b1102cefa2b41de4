#include "lines/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/mem.h"

enum {
    GROUPS_MAX = 64,     /* named ones */
    GROUP_NAME_MAX = 32, /* as PCRE2 has it */
    MATCH_LIMIT = 100000,
    LIMITED_MAX = 50, /* then it is left alone: it may not hold up the worker */
    DEPTH_LIMIT = 2000,
    HEAP_LIMIT_KIB = 4096,
    NEST_LIMIT = 32,
};

struct group {
    uint32_t number;
    char name[GROUP_NAME_MAX + 1];
};

struct pattern {
    pcre2_general_context *memory;
    pcre2_compile_context *compile;
    pcre2_match_context *limits;
    pcre2_match_data *match;
    pcre2_code *code;
    uint32_t n_groups; /* of metrics */
    struct group groups[GROUPS_MAX];
    uint32_t n_limited;         /* lines that were too much for it */
    uint32_t name, value, step; /* their numbers; 0: there is none */
};

/* ---- made ---- */

static void *pattern_alloc(PCRE2_SIZE size_bytes, void *context)
{
    (void)context;
    return mem_alloc(size_bytes);
}

static void pattern_release(void *block, void *context)
{
    (void)context;
    mem_free(block);
}

static error_code groups_read(struct pattern *pattern, struct report *report)
{
    uint32_t count = 0, entry_bytes = 0;
    PCRE2_SPTR entry = NULL;
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMEENTRYSIZE, &entry_bytes);
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMETABLE, &entry);
    if (count > GROUPS_MAX) {
        return report_fail(report, ERR_LIMIT, "it has %u named groups; at most %d are allowed",
                           count, GROUPS_MAX);
    }
    for (uint32_t i = 0; i < count; i++, entry += entry_bytes) {
        uint32_t number = (uint32_t)entry[0] << 8 | entry[1];
        const char *name = (const char *)entry + 2;
        if (strcmp(name, "name") == 0) {
            pattern->name = number;
        } else if (strcmp(name, "value") == 0) {
            pattern->value = number;
        } else if (strcmp(name, "step") == 0) {
            pattern->step = number;
        } else {
            struct group *group = &pattern->groups[pattern->n_groups++];
            group->number = number;
            memcpy(group->name, name, strnlen(name, sizeof group->name - 1) + 1);
        }
    }
    return OK;
}

static error_code groups_check(const struct pattern *pattern, struct report *report)
{
    if ((pattern->name == 0) != (pattern->value == 0)) {
        return report_fail(report, ERR_INVALID, "it has a group `%s` and no group `%s`",
                           pattern->name != 0 ? "name" : "value",
                           pattern->name != 0 ? "value" : "name");
    }
    if (pattern->n_groups == 0 && pattern->name == 0 && pattern->step == 0) {
        return report_fail(report, ERR_INVALID,
                           "it has no named group: write (?P<name>...) and (?P<value>...), or one "
                           "group for each metric like (?P<val_loss>...)");
    }
    return OK;
}

static error_code code_compile(struct pattern *pattern, const char *text, struct report *report)
{
    int number = 0;
    PCRE2_SIZE at = 0;
    pattern->code =
        pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C,
                      &number, &at, pattern->compile);
    if (pattern->code != NULL) {
        return OK;
    }
    if (number == PCRE2_ERROR_NOMEMORY || number == 121 /* failed to allocate heap memory */) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for a pattern");
    }
    PCRE2_UCHAR words[256] = "";
    pcre2_get_error_message(number, words, sizeof words);
    return report_fail(report, ERR_INVALID, "%s at its character %zu", (const char *)words,
                       (size_t)at + 1);
}

static error_code pattern_make(struct pattern *pattern, const char *text, struct report *report)
{
    pattern->memory = pcre2_general_context_create(pattern_alloc, pattern_release, NULL);
    if (pattern->memory != NULL) {
        pattern->compile = pcre2_compile_context_create(pattern->memory);
        pattern->limits = pcre2_match_context_create(pattern->memory);
    }
    if (pattern->compile == NULL || pattern->limits == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for a pattern");
    }
    pcre2_set_parens_nest_limit(pattern->compile, NEST_LIMIT);
    pcre2_set_match_limit(pattern->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(pattern->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(pattern->limits, HEAP_LIMIT_KIB);
    error_code error = code_compile(pattern, text, report);
    if (error != OK) {
        return error;
    }
    pattern->match = pcre2_match_data_create_from_pattern(pattern->code, pattern->memory);
    if (pattern->match == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for a pattern");
    }
    error = groups_read(pattern, report);
    return error == OK ? groups_check(pattern, report) : error;
}

error_code pattern_new(const char *text, struct pattern **ret_pattern, struct report *report)
{
    struct pattern *pattern = mem_zalloc(sizeof *pattern);
    if (pattern == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for a pattern");
    }
    error_code error = pattern_make(pattern, text, report);
    if (error != OK) {
        pattern_free(pattern);
        return error;
    }
    *ret_pattern = pattern;
    return OK;
}

void pattern_free(struct pattern *pattern)
{
    if (pattern == NULL) {
        return;
    }
    pcre2_match_data_free(pattern->match);
    pcre2_code_free(pattern->code);
    pcre2_match_context_free(pattern->limits);
    pcre2_compile_context_free(pattern->compile);
    pcre2_general_context_free(pattern->memory);
    mem_free(pattern);
}

bool pattern_names_any(const struct pattern *pattern)
{
    return pattern->name != 0;
}

bool pattern_names(const struct pattern *pattern, const char *metric)
{
    for (uint32_t i = 0; i < pattern->n_groups; i++) {
        if (found_name_equal(pattern->groups[i].name, metric)) {
            return true;
        }
    }
    return false;
}

bool pattern_is_step_alone(const struct pattern *pattern)
{
    return pattern->step != 0 && pattern->name == 0 && pattern->n_groups == 0;
}

/* ---- used ---- */

/* The text of a group, or NULL: it took no part in the match. */
static const char *group_text(const struct pattern *pattern, const char *line, uint32_t number,
                              size_t *ret_len)
{
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(pattern->match);
    if (number == 0 || number >= pcre2_get_ovector_count(pattern->match)) {
        return NULL;
    }
    PCRE2_SIZE start = ends[2 * number], end = ends[2 * number + 1];
    if (start == PCRE2_UNSET || end < start) {
        return NULL;
    }
    *ret_len = end - start;
    return line + start;
}

/* A group that is a number from its first to its last byte, blanks aside. */
static bool group_number(const struct pattern *pattern, const char *line, uint32_t number,
                         double *ret_value)
{
    enum { TEXT_MAX = 128 };
    size_t len;
    const char *start = group_text(pattern, line, number, &len), *end;
    char text[TEXT_MAX];
    if (start == NULL || len >= sizeof text) {
        return false;
    }
    memcpy(text, start, len);
    text[len] = '\0';
    const char *first = text + strspn(text, " \t");
    return found_number(first, &end, ret_value) && end[strspn(end, " \t")] == '\0';
}

static void match_read(const struct pattern *pattern, const char *line, struct found *found)
{
    double value;
    size_t len = 0;
    const char *name = group_text(pattern, line, pattern->name, &len);
    if (name != NULL && group_number(pattern, line, pattern->value, &value)) {
        found_add(found, name, len, value);
    }
    for (uint32_t i = 0; i < pattern->n_groups; i++) {
        const struct group *group = &pattern->groups[i];
        if (group_number(pattern, line, group->number, &value)) {
            found_add(found, group->name, strlen(group->name), value);
        }
    }
    found->has_step = group_number(pattern, line, pattern->step, &found->step);
}

/* Behind the match, and at least one character on. */
static size_t match_end(const struct pattern *pattern, const char *line, size_t len, size_t offset)
{
    size_t end = pcre2_get_ovector_pointer(pattern->match)[1];
    if (end > offset) {
        return end;
    }
    end = offset + 1;
    while (end < len && ((unsigned char)line[end] & 0xC0) == 0x80) {
        end++;
    }
    return end;
}

bool pattern_next(struct pattern *pattern, const char *line, size_t len, size_t *offset,
                  struct found *found)
{
    found->n = 0;
    found->has_step = false;
    if (*offset > len || pattern->n_limited >= LIMITED_MAX) {
        return false;
    }
    /* The line is UTF-8 by the way it was made. */
    int n = pcre2_match(pattern->code, (PCRE2_SPTR)line, len, *offset, PCRE2_NO_UTF_CHECK,
                        pattern->match, pattern->limits);
    if (n <= 0) {
        pattern->n_limited += n != PCRE2_ERROR_NOMATCH ? 1 : 0;
        return false;
    }
    match_read(pattern, line, found);
    *offset = match_end(pattern, line, len, *offset);
    return true;
}
