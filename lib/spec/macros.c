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

static void argument_print(const struct named_value *param, struct buf *buf)
{
    ignore_error(buf_append_text(buf, "--"), "sticky");
    ignore_error(buf_append_text(buf, param->name), "sticky");
    ignore_error(buf_append_byte(buf, '='), "sticky");
    ignore_error(value_print(param->value, buf), "sticky");
}

static void args_write(struct expansion *e, uint32_t parameter)
{
    (void)parameter;
    for (uint32_t i = 0; i < e->values->n_params; i++) {
        if (i > 0) {
            ignore_error(buf_append_byte(&e->out, ' '), "sticky");
        }
        argument_print(&e->values->params[i], &e->piece);
        piece_write(e);
    }
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
    [MACRO_ARGS] = args_write,           [MACRO_ARGS_JSON] = args_json_write,
    [MACRO_TRIAL_ID] = trial_id_write,   [MACRO_TRIAL_DIR] = trial_dir_write,
    [MACRO_INDEX] = index_write,         [MACRO_LINE] = line_write,
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

static error_code args_expand(const struct macros_values *values, struct arena *arena,
                              const char **ret_items, struct report *report)
{
    struct buf buf;
    error_code error = OK;
    buf_init(&buf, MACROS_TEXT_MAX_BYTES);
    for (uint32_t i = 0; error == OK && i < values->n_params; i++) {
        buf_reset(&buf);
        argument_print(&values->params[i], &buf);
        error = buf_keep(&buf, arena, &ret_items[i], report);
    }
    buf_fini(&buf);
    return error;
}

static bool is_args(const char *word)
{
    return strcmp(word, "${args}") == 0;
}

error_code macros_expand(const char *const *words, uint32_t n_words, bool is_shell,
                         const struct macros_values *values, struct arena *arena,
                         const char *const **ret_argv, uint32_t *ret_argc, struct report *report)
{
    uint32_t argc = is_shell ? 2 : 0;
    if (n_words == 0 || n_words > SPEC_WORDS_MAX) {
        return report_fail(report, ERR_INVALID, "a command needs 1 to %d words", SPEC_WORDS_MAX);
    }
    for (uint32_t i = 0; i < n_words; i++) {
        argc += !is_shell && is_args(words[i]) ? values->n_params : 1;
    }
    const char **argv = arena_calloc(arena, (size_t)argc + 1, sizeof *argv);
    if (argv == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    uint32_t n = 0;
    for (; is_shell && n < 2; n++) {
        argv[n] = shell_words[n];
    }
    for (uint32_t i = 0; i < n_words; i++) {
        bool is_split = !is_shell && is_args(words[i]);
        error_code error = is_split ? args_expand(values, arena, &argv[n], report)
                                    : text_expand(words[i], is_shell ? MACROS_SHELL : MACROS_ITEM,
                                                  values, arena, &argv[n], report);
        if (error != OK) {
            return error;
        }
        n += is_split ? values->n_params : 1;
    }
    *ret_argv = argv;
    *ret_argc = argc;
    return OK;
}
