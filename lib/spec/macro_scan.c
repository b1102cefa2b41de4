#include "spec/macro_scan.h"

#include <string.h>

#include "base/id.h"
#include "spec/spelling.h"

enum { MACRO_NAME_MAX = NAME_MAX_BYTES };

/* Every macro there is. One of a later release is known by name, so that it is never taken for a
 * parameter. */
static const struct macro {
    const char *name;
    bool is_later;
    bool takes_text; /* ${name:text} */
    macro_id id;
    bool is_arrays; /* a macro in arrays alone */
} macros[] = {
    {"args", false, false, MACRO_ARGS, false},
    {"args_json", false, false, MACRO_ARGS_JSON, false},
    {"trial.id", false, false, MACRO_TRIAL_ID, false},
    {"trial.dir", false, false, MACRO_TRIAL_DIR, false},
    {"index", false, false, MACRO_INDEX, true},
    {"line", false, false, MACRO_LINE, true},
    {"args_no_hyphens", false, false, MACRO_ARGS_NO_HYPHENS, false},
    {"args_no_boolean_flags", false, false, MACRO_ARGS_NO_BOOLEAN_FLAGS, false},
    {"args_json_file", false, false, MACRO_ARGS_JSON_FILE, false},
    {"env", false, false, MACRO_ENV, false},
    {"interpreter", false, false, MACRO_INTERPRETER, false},
    {"restore", false, false, MACRO_RESTORE, false},
    {"restore", false, true, MACRO_RESTORE, false},
    {"program", false, false, MACRO_PROGRAM, false},
    {"envvar", false, true, MACRO_ENVVAR, false},
};
enum { N_MACROS = sizeof macros / sizeof macros[0] };

/* The } that closes the macro: its text may have pairs of its own, ${restore:--resume {}}. */
static const char *macro_end(const char *at)
{
    for (int depth = 1; *at != '\0'; at++) {
        depth += *at == '{' ? 1 : *at == '}' ? -1 : 0;
        if (depth == 0) {
            return at;
        }
    }
    return NULL;
}

struct piece macro_scan_next(const char **at)
{
    const char *from = *at, *c = from;
    if (*c == '\0') {
        return (struct piece){.kind = PIECE_END};
    }
    if (strncmp(c, "$${", 3) == 0) {
        *at = c + 3;
        return (struct piece){PIECE_TEXT, c + 1, 2};
    }
    if (strncmp(c, "${", 2) == 0) {
        const char *end = macro_end(c + 2);
        if (end == NULL) {
            return (struct piece){.kind = PIECE_UNCLOSED};
        }
        *at = end + 1;
        return (struct piece){PIECE_MACRO, c + 2, (size_t)(end - c) - 2};
    }
    do {
        c++;
    } while (*c != '\0' && strncmp(c, "${", 2) != 0 && strncmp(c, "$${", 3) != 0);
    *at = c;
    return (struct piece){PIECE_TEXT, from, (size_t)(c - from)};
}

void macro_literal_print(const char *text, bool is_quoted, struct buf *buf)
{
    ignore_error(is_quoted ? buf_append_byte(buf, '\'') : OK, "sticky");
    for (; *text != '\0'; text++) {
        bool is_macro = text[0] == '$' && text[1] == '{';
        ignore_error(buf_append_text(buf, is_macro ? "$" : ""), "sticky");
        ignore_error(is_quoted && *text == '\'' ? buf_append_text(buf, "'\\''")
                                                : buf_append_byte(buf, (uint8_t)*text),
                     "sticky");
    }
    ignore_error(is_quoted ? buf_append_byte(buf, '\'') : OK, "sticky");
}

const char *name_list_at(const struct name_list *names, uint32_t i)
{
    const char *name;
    memcpy(&name, (const char *)names->first + names->stride * i, sizeof name);
    return name;
}

static bool text_equal(const char *name, const char *text, size_t len)
{
    return strlen(name) == len && memcmp(name, text, len) == 0;
}

static bool macro_is_known(const struct macro *macro, const struct macro_scope *scope)
{
    return !macro->is_arrays || scope->is_array;
}

static const struct macro *builtin_find(const struct piece *piece, const struct macro_scope *scope)
{
    const char *colon = memchr(piece->text, ':', piece->len);
    size_t len = colon != NULL ? (size_t)(colon - piece->text) : piece->len;
    for (size_t i = 0; i < N_MACROS; i++) {
        if (macro_is_known(&macros[i], scope) && macros[i].takes_text == (colon != NULL) &&
            text_equal(macros[i].name, piece->text, len)) {
            return &macros[i];
        }
    }
    return NULL;
}

static error_code fail_undefined(const char *name, const struct macro_scope *scope,
                                 struct report *report)
{
    const struct name_list *names = &scope->parameters;
    char excerpt[EXCERPT_MAX];
    struct spelling spelling = {.word = name};
    for (size_t i = 0; i < N_MACROS; i++) {
        if (!macros[i].is_later && macro_is_known(&macros[i], scope)) {
            spelling_offer(&spelling, macros[i].name);
        }
    }
    for (uint32_t i = 0; i < names->n; i++) {
        spelling_offer(&spelling, name_list_at(names, i));
    }
    spelling_excerpt(name, excerpt);
    error_code error = report_fail(report, ERR_INVALID, "undefined macro ${%s}", excerpt);
    if (spelling.best != NULL) {
        report_add(report, "; did you mean ${%s}?", spelling.best);
    } else {
        report_add(report, "; write $${%s} for a literal ${%s}", excerpt, excerpt);
    }
    return error;
}

/* A macro that becomes an item for each parameter must be alone in its item. */
static error_code args_place_check(const char *text, const struct macro *macro, macros_place place,
                                   struct report *report)
{
    bool is_alone = strncmp(text, "${", 2) == 0 && macro_end(text + 2) != NULL &&
                    macro_end(text + 2)[1] == '\0';
    if (place == MACROS_ITEM && !is_alone) {
        return report_fail(report, ERR_INVALID,
                           "${%s} must be an item of its own in a list command; or write the "
                           "command as one string",
                           macro->name);
    }
    return OK;
}

error_code macro_find(const char *text, const struct piece *piece, macros_place place,
                      const struct macro_scope *scope, macro_id *ret_macro, uint32_t *ret_parameter,
                      struct report *report)
{
    const struct name_list *names = &scope->parameters;
    char name[MACRO_NAME_MAX + 1];
    size_t len = piece->len < MACRO_NAME_MAX ? piece->len : MACRO_NAME_MAX;
    memcpy(name, piece->text, len);
    name[len] = '\0';

    const struct macro *macro = builtin_find(piece, scope);
    if (macro != NULL && macro->is_later) {
        return report_fail(report, ERR_UNSUPPORTED,
                           "the macro ${%s%s} is not supported by this version", macro->name,
                           macro->takes_text ? ":..." : "");
    }
    if (macro != NULL && macro->id == MACRO_ENVVAR) {
        char excerpt[EXCERPT_MAX];
        return report_fail(report, ERR_INVALID,
                           "the macro ${%s} has nothing to stand for: the environment of the "
                           "submission has no such variable; a default is written `envvar: {NAME: "
                           "text}`",
                           spelling_excerpt(name, excerpt));
    }
    if (macro != NULL && macro->id == MACRO_PROGRAM) {
        return report_fail(report, ERR_INVALID,
                           "the macro ${program} has nothing to stand for: the file has no key "
                           "`program`");
    }
    if (macro != NULL && macro->id == MACRO_LINE && !scope->has_lines) {
        return report_fail(report, ERR_INVALID,
                           "the macro ${line} has nothing to stand for: give the array a line for "
                           "each task, with --each-line FILE or --from-json FILE");
    }
    if (macro != NULL) {
        error_code error =
            macro_is_args(macro->id) ? args_place_check(text, macro, place, report) : OK;
        if (error == OK) {
            *ret_macro = macro->id;
        }
        return error;
    }
    for (uint32_t i = 0; i < names->n; i++) {
        if (text_equal(name_list_at(names, i), piece->text, piece->len)) {
            *ret_macro = MACRO_PARAMETER;
            *ret_parameter = i;
            return OK;
        }
    }
    return fail_undefined(name, scope, report);
}
