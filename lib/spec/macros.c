#include "spec/macros.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "spec/macro_scan.h"
#include "spec/sweep.h"

static const char *const shell_words[] = {"/bin/sh", "-c"};

char *macros_env_name(const char *parameter, char *ret_name)
{
    snprintf(ret_name, MACROS_ENV_NAME_MAX, "MUSTER_P_%s", parameter);
    for (char *c = ret_name; *c != '\0'; c++) {
        *c = isalnum((unsigned char)*c) ? *c : '_';
    }
    return ret_name;
}

/* True if a parameter before this one opened the group that its name's first `len` bytes name. */
static bool is_open(const struct named_value *params, uint32_t i, size_t len)
{
    for (uint32_t k = 0; k < i; k++) {
        if (strncmp(params[k].name, params[i].name, len) == 0) {
            return true;
        }
    }
    return false;
}

/* The parameters whose names begin with this prefix, without it: `augment.mixup` is an entry of the
 * object `augment`, wherever in the list it stands. */
static void group_write(struct json_out *out, const struct named_value *params, uint32_t n_params,
                        const char *prefix, size_t len)
{
    for (uint32_t i = 0; i < n_params; i++) {
        const char *name = params[i].name, *dot;
        char group[NAME_MAX_BYTES + 1];
        if (strncmp(name, prefix, len) != 0) {
            continue;
        }
        dot = strchr(name + len, '.');
        if (dot == NULL || (size_t)(dot - name) - len >= sizeof group) {
            json_value(out, name + len, params[i].value);
        } else if (!is_open(params, i, (size_t)(dot - name) + 1)) {
            snprintf(group, sizeof group, "%.*s", (int)(dot - name - (ptrdiff_t)len), name + len);
            json_object_begin(out, group);
            group_write(out, params, n_params, name, (size_t)(dot - name) + 1);
            json_object_end(out);
        }
    }
}

error_code macros_params_json(const struct named_value *params, uint32_t n_params, struct buf *buf)
{
    struct json_out out = json_out_to(buf);
    json_object_begin(&out, NULL);
    group_write(&out, params, n_params, "", 0);
    json_object_end(&out);
    return buf->failed;
}

static error_code fail_unclosed(struct report *report)
{
    return report_fail(report, ERR_INVALID, "${ without its }; write $${ for a literal ${");
}

static error_code text_check(const char *text, macros_place place, const struct macro_scope *scope,
                             struct report *report)
{
    const char *at = text;
    struct piece piece;
    while ((piece = macro_scan_next(&at)).kind != PIECE_END) {
        macro_id macro = MACRO_ARGS;
        uint32_t parameter = 0;
        error_code error = piece.kind == PIECE_UNCLOSED ? fail_unclosed(report)
                           : piece.kind == PIECE_MACRO
                               ? macro_find(text, &piece, place, scope, &macro, &parameter, report)
                               : OK;
        if (error != OK) {
            return error;
        }
        if (piece.kind == PIECE_MACRO && macro == MACRO_PARAMETER && scope->spec != NULL &&
            scope->spec[parameter].parent != 0) {
            return report_fail(report, ERR_INVALID,
                               "the macro ${%s} has a value in some trials only; write ${args} or "
                               "${args_json}, or let the trainer look for it",
                               scope->spec[parameter].name);
        }
    }
    return OK;
}

error_code macros_check(const char *text, macros_place place, const struct param_spec *params,
                        uint32_t n_params, struct report *report)
{
    const struct macro_scope scope = {.parameters = {params, sizeof *params, n_params},
                                      .spec = params};
    return text_check(text, place, &scope, report);
}

error_code macros_array_check(const char *text, macros_place place, bool has_lines,
                              struct report *report)
{
    const struct macro_scope scope = {.is_array = true, .has_lines = has_lines};
    return text_check(text, place, &scope, report);
}

/* ---- expansion ---- */

/* One text being expanded. `piece` is where one value is written before it is quoted. */
struct expansion {
    const struct macros_values *values;
    macros_place place;
    struct buf out;
    struct buf piece;
    macro_id macro; /* being written, and where it stands */
    struct piece macro_piece;
    struct report *report;
};

static bool is_plain_for_shell(const char *text)
{
    static const char safe[] = "_@%+=:,./-";
    for (const char *c = text; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr(safe, *c) == NULL) {
            return false;
        }
    }
    return *text != '\0';
}

/* Single quotes stop every expansion of a POSIX shell; a quote inside is '\''. */
static void shell_quote(const char *text, struct buf *buf)
{
    if (is_plain_for_shell(text)) {
        ignore_error(buf_append_text(buf, text), "sticky");
        return;
    }
    ignore_error(buf_append_byte(buf, '\''), "sticky");
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'') {
            ignore_error(buf_append_text(buf, "'\\''"), "sticky");
        } else {
            ignore_error(buf_append_byte(buf, (uint8_t)*c), "sticky");
        }
    }
    ignore_error(buf_append_byte(buf, '\''), "sticky");
}

/* What stands in e->piece goes out. */
static void piece_write(struct expansion *e)
{
    const char *text = buf_text(&e->piece);
    if (e->piece.failed != OK) {
        e->out.failed = e->piece.failed;
    } else if (e->place == MACROS_SHELL) {
        shell_quote(text, &e->out);
    } else {
        ignore_error(buf_append_text(&e->out, text), "sticky");
    }
    buf_reset(&e->piece);
}

/* One argument of a parameter; false: it is left out. */
static bool argument_print(macro_id macro, const struct named_value *param, struct buf *buf)
{
    bool is_flag = macro == MACRO_ARGS_NO_BOOLEAN_FLAGS && param->value.kind == VALUE_BOOL;
    if (is_flag && !param->value.boolean) {
        return false;
    }
    if (macro != MACRO_ARGS_NO_HYPHENS) {
        ignore_error(buf_append_text(buf, "--"), "sticky");
    }
    ignore_error(buf_append_text(buf, param->name), "sticky");
    if (!is_flag) {
        ignore_error(buf_append_byte(buf, '='), "sticky");
        ignore_error(value_print(param->value, buf), "sticky");
    }
    return true;
}

static void args_write(struct expansion *e, uint32_t parameter)
{
    bool is_first = true;
    (void)parameter;
    for (uint32_t i = 0; i < e->values->n_params; i++) {
        if (!argument_print(e->macro, &e->values->params[i], &e->piece)) {
            continue;
        }
        if (!is_first) {
            ignore_error(buf_append_byte(&e->out, ' '), "sticky");
        }
        is_first = false;
        piece_write(e);
    }
}

/* The next word of the text of ${restore:TEXT}, with the folder for each {}; false: there is none.
 */
static bool restore_word(const struct piece *piece, const char **at, const char *dir,
                         struct buf *buf)
{
    const char *end = piece->text + piece->len, *c = *at;
    while (c < end && (*c == ' ' || *c == '\t')) {
        c++;
    }
    bool has_word = c < end;
    while (c < end && *c != ' ' && *c != '\t') {
        bool is_folder = c + 1 < end && c[0] == '{' && c[1] == '}';
        if (is_folder) {
            ignore_error(buf_append_text(buf, dir), "sticky");
        } else {
            ignore_error(buf_append_byte(buf, (uint8_t)*c), "sticky");
        }
        c += is_folder ? 2 : 1;
    }
    *at = c;
    return has_word;
}

/* Where its text begins; ${restore} alone is ${restore:{}}. */
static struct piece restore_text(struct piece piece)
{
    static const char folder[] = "{}";
    const char *colon = memchr(piece.text, ':', piece.len);
    if (colon == NULL) {
        return (struct piece){PIECE_TEXT, folder, 2};
    }
    return (struct piece){PIECE_TEXT, colon + 1, (size_t)(piece.text + piece.len - colon) - 1};
}

static void restore_write(struct expansion *e, uint32_t parameter)
{
    struct piece text = restore_text(e->macro_piece);
    const char *at = text.text, *dir = e->values->restore_dir;
    (void)parameter;
    for (bool is_first = true; dir != NULL && restore_word(&text, &at, dir, &e->piece);
         is_first = false) {
        if (!is_first) {
            ignore_error(buf_append_byte(&e->out, ' '), "sticky");
        }
        piece_write(e);
    }
}

static void fixed_write(struct expansion *e, uint32_t parameter)
{
    const char *text = e->macro == MACRO_ENV           ? "/usr/bin/env"
                       : e->macro == MACRO_INTERPRETER ? "python3"
                                                       : e->values->params_file;
    (void)parameter;
    ignore_error(buf_append_text(&e->piece, text != NULL ? text : ""), "sticky");
    piece_write(e);
}

static void args_json_write(struct expansion *e, uint32_t parameter)
{
    (void)parameter;
    ignore_error(macros_params_json(e->values->params, e->values->n_params, &e->piece), "sticky");
    piece_write(e);
}

static void trial_id_write(struct expansion *e, uint32_t parameter)
{
    (void)parameter;
    ignore_error(buf_append_text(&e->piece, e->values->trial_id), "sticky");
    piece_write(e);
}

static void trial_dir_write(struct expansion *e, uint32_t parameter)
{
    (void)parameter;
    ignore_error(buf_append_text(&e->piece, e->values->trial_dir), "sticky");
    piece_write(e);
}

static void index_write(struct expansion *e, uint32_t parameter)
{
    (void)parameter;
    ignore_error(buf_printf(&e->piece, "%" PRIu32, e->values->index), "sticky");
    piece_write(e);
}

static void line_write(struct expansion *e, uint32_t parameter)
{
    (void)parameter;
    ignore_error(buf_append_text(&e->piece, e->values->line), "sticky");
    piece_write(e);
}

static void parameter_write(struct expansion *e, uint32_t parameter)
{
    ignore_error(value_print(e->values->params[parameter].value, &e->piece), "sticky");
    piece_write(e);
}

static void (*const writers[])(struct expansion *e, uint32_t parameter) = {
    [MACRO_ARGS] = args_write,
    [MACRO_ARGS_NO_HYPHENS] = args_write,
    [MACRO_ARGS_NO_BOOLEAN_FLAGS] = args_write,
    [MACRO_ARGS_JSON] = args_json_write,
    [MACRO_ARGS_JSON_FILE] = fixed_write,
    [MACRO_ENV] = fixed_write,
    [MACRO_INTERPRETER] = fixed_write,
    [MACRO_RESTORE] = restore_write,
    [MACRO_TRIAL_ID] = trial_id_write,
    [MACRO_TRIAL_DIR] = trial_dir_write,
    [MACRO_INDEX] = index_write,
    [MACRO_LINE] = line_write,
    [MACRO_PARAMETER] = parameter_write,
};

static error_code pieces_write(struct expansion *e, const char *text)
{
    const struct macro_scope scope = {
        .parameters = {e->values->params, sizeof *e->values->params, e->values->n_params},
        .is_array = e->values->index > 0,
        .has_lines = e->values->line != NULL,
    };
    const char *at = text;
    struct piece piece;
    while ((piece = macro_scan_next(&at)).kind != PIECE_END) {
        macro_id macro = MACRO_ARGS;
        uint32_t parameter = 0;
        if (piece.kind == PIECE_TEXT) {
            ignore_error(buf_append(&e->out, piece.text, piece.len), "sticky");
            continue;
        }
        error_code error = piece.kind == PIECE_UNCLOSED ? fail_unclosed(e->report)
                                                        : macro_find(text, &piece, e->place, &scope,
                                                                     &macro, &parameter, e->report);
        if (error != OK) {
            return error;
        }
        e->macro = macro;
        e->macro_piece = piece;
        writers[macro](e, parameter);
    }
    return OK;
}

static error_code buf_keep(struct buf *buf, struct arena *arena, const char **ret_text,
                           struct report *report)
{
    if (buf->failed == ERR_LIMIT) {
        return report_fail(report, ERR_LIMIT, "a text is longer than %d bytes once expanded",
                           MACROS_TEXT_MAX_BYTES);
    }
    const char *written = buf->len > 0 ? (const char *)buf->data : "";
    const char *text = buf->failed == OK ? arena_strndup(arena, written, buf->len) : NULL;
    if (text == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    *ret_text = text;
    return OK;
}

static error_code text_expand(const char *text, macros_place place,
                              const struct macros_values *values, struct arena *arena,
                              const char **ret_text, struct report *report)
{
    struct expansion e = {.values = values, .place = place, .report = report};
    buf_init(&e.out, MACROS_TEXT_MAX_BYTES);
    buf_init(&e.piece, MACROS_TEXT_MAX_BYTES);
    error_code error = pieces_write(&e, text);
    if (error == OK) {
        error = buf_keep(&e.out, arena, ret_text, report);
    }
    buf_fini(&e.out);
    buf_fini(&e.piece);
    return error;
}

error_code macros_env_expand(const char *text, const struct macros_values *values,
                             struct arena *arena, const char **ret_text, struct report *report)
{
    return text_expand(text, MACROS_ENV, values, arena, ret_text, report);
}

/* An item that is one macro and becomes several items, or none. */
static bool item_is_split(const char *word, const struct macros_values *values, macro_id *ret_macro,
                          struct piece *ret_piece)
{
    const struct macro_scope scope = {
        .parameters = {values->params, sizeof *values->params, values->n_params},
        .is_array = values->index > 0,
        .has_lines = values->line != NULL,
    };
    const char *at = word;
    uint32_t parameter;
    *ret_piece = macro_scan_next(&at);
    return ret_piece->kind == PIECE_MACRO && *at == '\0' &&
           macro_find(word, ret_piece, MACROS_ITEM, &scope, ret_macro, &parameter, NULL) == OK &&
           (macro_is_args(*ret_macro) || *ret_macro == MACRO_RESTORE);
}

static error_code args_expand(macro_id macro, const struct macros_values *values,
                              struct arena *arena, const char **ret_items, uint32_t *ret_n,
                              struct report *report)
{
    struct buf buf;
    error_code error = OK;
    buf_init(&buf, MACROS_TEXT_MAX_BYTES);
    *ret_n = 0;
    for (uint32_t i = 0; error == OK && i < values->n_params; i++) {
        buf_reset(&buf);
        if (argument_print(macro, &values->params[i], &buf)) {
            error = buf_keep(&buf, arena, &ret_items[(*ret_n)++], report);
        }
    }
    buf_fini(&buf);
    return error;
}

static error_code restore_expand(const struct piece *piece, const struct macros_values *values,
                                 struct arena *arena, const char **ret_items, uint32_t *ret_n,
                                 struct report *report)
{
    struct buf buf;
    struct piece text = restore_text(*piece);
    const char *at = text.text;
    error_code error = OK;
    buf_init(&buf, MACROS_TEXT_MAX_BYTES);
    *ret_n = 0;
    while (error == OK && values->restore_dir != NULL &&
           restore_word(&text, &at, values->restore_dir, &buf)) {
        error = buf_keep(&buf, arena, &ret_items[(*ret_n)++], report);
        buf_reset(&buf);
    }
    buf_fini(&buf);
    return error;
}

/* At most so many items come of a word. */
static uint32_t items_most(const char *word, const struct macros_values *values)
{
    macro_id macro;
    struct piece piece;
    if (!item_is_split(word, values, &macro, &piece)) {
        return 1;
    }
    return macro == MACRO_RESTORE ? (uint32_t)piece.len : values->n_params;
}

static error_code item_expand(const char *word, const struct macros_values *values,
                              struct arena *arena, const char **ret_items, uint32_t *ret_n,
                              struct report *report)
{
    macro_id macro;
    struct piece piece;
    if (!item_is_split(word, values, &macro, &piece)) {
        *ret_n = 1;
        return text_expand(word, MACROS_ITEM, values, arena, ret_items, report);
    }
    return macro == MACRO_RESTORE ? restore_expand(&piece, values, arena, ret_items, ret_n, report)
                                  : args_expand(macro, values, arena, ret_items, ret_n, report);
}

error_code macros_expand(const char *const *words, uint32_t n_words, bool is_shell,
                         const struct macros_values *values, struct arena *arena,
                         const char *const **ret_argv, uint32_t *ret_argc, struct report *report)
{
    uint32_t most = 2;
    if (n_words == 0 || n_words > SPEC_WORDS_MAX) {
        return report_fail(report, ERR_INVALID, "a command needs 1 to %d words", SPEC_WORDS_MAX);
    }
    for (uint32_t i = 0; i < n_words; i++) {
        most += is_shell ? 1 : items_most(words[i], values);
    }
    const char **argv = arena_calloc(arena, (size_t)most + 1, sizeof *argv);
    if (argv == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    uint32_t n = 0;
    for (; is_shell && n < 2; n++) {
        argv[n] = shell_words[n];
    }
    for (uint32_t i = 0; i < n_words; i++) {
        uint32_t more = 1;
        error_code error =
            is_shell ? text_expand(words[i], MACROS_SHELL, values, arena, &argv[n], report)
                     : item_expand(words[i], values, arena, &argv[n], &more, report);
        if (error != OK) {
            return error;
        }
        n += more;
    }
    *ret_argv = argv;
    *ret_argc = n;
    return OK;
}
