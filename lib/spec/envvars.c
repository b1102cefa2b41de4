/* The environment that a sweep is submitted from is nowhere else: its values travel with the file,
 * as the settings envvar.NAME, and are put in before the command is read. */
#include "spec/envvars.h"

#include <string.h>

#include "base/buf.h"
#include "spec/macro_scan.h"

static const char macro[] = "envvar:";

error_code key_read_envvar(struct reader *r, const struct spec_node *node,
                           const struct spec_key *key, void *base)
{
    (void)key;
    (void)base;
    if (node->kind != NODE_BLOCK) {
        return reader_fail_type(r, node, "a block of names and texts");
    }
    for (const struct spec_node *item = node->first; item != NULL; item = item->next) {
        const char *text;
        size_t length = reader_path_enter(r, item->key->text);
        error_code error = reader_text(r, item, SPEC_TEXT_MAX_BYTES, &text);
        reader_path_leave(r, length);
        if (error != OK) {
            return error;
        }
    }
    return OK;
}

struct filling {
    struct arena *arena;
    struct report *report;
    const struct spec_node *envvar;
};

/* NULL: it is no such macro, or nobody said what it stands for. */
static const struct spec_node *variable_find(const struct filling *f, const struct piece *piece)
{
    size_t prefix = sizeof macro - 1;
    if (piece->kind != PIECE_MACRO || piece->len < prefix ||
        memcmp(piece->text, macro, prefix) != 0) {
        return NULL;
    }
    for (const struct spec_node *item = f->envvar->first; item != NULL; item = item->next) {
        bool is_it = item->key->len == piece->len - prefix &&
                     memcmp(item->key->text, piece->text + prefix, item->key->len) == 0;
        if (is_it && item->kind == NODE_SCALAR) {
            return item;
        }
    }
    return NULL;
}

static error_code scalar_fill(const struct filling *f, struct spec_node *node, bool is_quoted)
{
    struct buf buf;
    const char *at = node->text, *from = at;
    struct piece piece;
    bool has_macro = false;
    buf_init(&buf, SPEC_TEXT_MAX_BYTES);
    while ((piece = macro_scan_next(&at)).kind != PIECE_END && piece.kind != PIECE_UNCLOSED) {
        const struct spec_node *variable = variable_find(f, &piece);
        if (variable != NULL) {
            has_macro = true;
            macro_literal_print(variable->text, is_quoted, &buf);
        } else {
            ignore_error(buf_append(&buf, from, (size_t)(at - from)), "sticky");
        }
        from = at;
    }
    ignore_error(buf_append_text(&buf, from), "sticky");
    error_code error = has_macro ? buf.failed : OK;
    if (has_macro && error == OK) {
        node->len = buf.len;
        node->text = arena_strdup(f->arena, buf_text(&buf));
        error = node->text == NULL ? ERR_NO_MEMORY : OK;
    }
    buf_fini(&buf);
    return error == OK ? OK
                       : report_fail_at(f->report, error, node->line, node->column,
                                        "there is too much in it with its ${envvar:...}");
}

static error_code block_fill(const struct filling *f, struct spec_node *node)
{
    error_code error = node->kind == NODE_SCALAR ? scalar_fill(f, node, true) : OK;
    for (struct spec_node *item = node->first; error == OK && item != NULL; item = item->next) {
        error = item->kind == NODE_SCALAR ? scalar_fill(f, item, false) : OK;
    }
    return error;
}

error_code envvars_apply(const struct spec_node *root, struct arena *arena, struct report *report)
{
    const struct spec_node *envvar =
        root->kind == NODE_BLOCK ? spec_node_entry(root, "envvar") : NULL;
    struct filling f = {arena, report, envvar};
    error_code error = OK;
    if (envvar == NULL || envvar->kind != NODE_BLOCK) {
        return OK; /* what is wrong with it is said when it is read */
    }
    for (struct spec_node *node = root->first; error == OK && node != NULL; node = node->next) {
        bool has_macros =
            strcmp(node->key->text, "command") == 0 || strcmp(node->key->text, "env") == 0;
        error = has_macros ? block_fill(&f, node) : OK;
    }
    return error;
}
