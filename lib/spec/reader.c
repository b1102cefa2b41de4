#include "spec/reader.h"

#include <stdio.h>
#include <string.h>

#include "spec/scalar.h"
#include "spec/spelling.h"

error_code reader_no_memory(struct reader *r)
{
    return report_fail(r->report, ERR_NO_MEMORY, "out of memory");
}

size_t reader_path_enter(struct reader *r, const char *name)
{
    size_t length = strlen(r->path);
    char excerpt[EXCERPT_MAX];
    snprintf(r->path + length, sizeof r->path - length, "%s%s", length > 0 ? "." : "",
             spelling_excerpt(name, excerpt));
    return length;
}

void reader_path_leave(struct reader *r, size_t length)
{
    r->path[length] = '\0';
}

/* A quoted number in a number's place is the most common of wrong types: say so. */
static bool is_quoted_for_nothing(const struct spec_node *node)
{
    struct spec_node bare = *node;
    struct value value;
    bare.is_plain = true;
    return node->kind == NODE_SCALAR && !node->is_plain && scalar_value(&bare, &value) == OK &&
           value.kind != VALUE_STR && value.kind != VALUE_NULL;
}

error_code reader_fail_type(struct reader *r, const struct spec_node *node, const char *wanted)
{
    char excerpt[EXCERPT_MAX];
    struct value value = {0};
    if (node->kind != NODE_SCALAR) {
        return reader_fail(r, node, ERR_INVALID, "`%s` needs %s, not a %s", r->path, wanted,
                           node->kind == NODE_LIST ? "list" : "block");
    }
    if (scalar_is_missing(node)) {
        return reader_fail(r, node, ERR_INVALID, "`%s` needs %s, but nothing stands there", r->path,
                           wanted);
    }
    spelling_excerpt(node->text, excerpt);
    if (scalar_value(node, &value) != OK || value.kind != VALUE_STR) {
        return reader_fail(r, node, ERR_INVALID, "`%s` needs %s, not %s", r->path, wanted, excerpt);
    }
    return reader_fail(r, node, ERR_INVALID, "`%s` needs %s, not the text '%s'%s", r->path, wanted,
                       excerpt, is_quoted_for_nothing(node) ? "; remove the quotes" : "");
}

static const struct spec_key *key_find(const struct spec_key *keys, const char *name)
{
    while (keys->name != NULL && strcmp(keys->name, name) != 0) {
        keys++;
    }
    return keys->name != NULL ? keys : NULL;
}

static error_code fail_unknown(struct reader *r, const struct spec_node *node,
                               const struct spec_key *keys)
{
    char excerpt[EXCERPT_MAX];
    struct spelling spelling = {.word = node->text};
    for (; keys->name != NULL; keys++) {
        if (keys->read != NULL) {
            spelling_offer(&spelling, keys->name);
        }
    }
    error_code error = reader_fail(r, node, ERR_INVALID, "unknown key '%s'",
                                   spelling_excerpt(node->text, excerpt));
    if (r->path[0] != '\0') {
        report_add(r->report, " in `%s`", r->path);
    }
    if (spelling.best != NULL) {
        report_add(r->report, "; did you mean '%s'?", spelling.best);
    }
    return error;
}

static error_code entry_read(struct reader *r, const struct spec_node *node,
                             const struct spec_key *keys, void *base)
{
    const struct spec_key *key = key_find(keys, node->key->text);
    if (key == NULL) {
        return fail_unknown(r, node->key, keys);
    }
    size_t length = reader_path_enter(r, key->name);
    error_code error = key->read != NULL
                           ? key->read(r, node, key, base)
                           : reader_fail(r, node->key, ERR_UNSUPPORTED,
                                         "`%s` is not supported by this version", r->path);
    reader_path_leave(r, length);
    return error;
}

static bool block_has(const struct spec_node *block, const char *name)
{
    const struct spec_node *node = block->first;
    while (node != NULL && strcmp(node->key->text, name) != 0) {
        node = node->next;
    }
    return node != NULL;
}

error_code reader_block_read(struct reader *r, const struct spec_node *node,
                             const struct spec_key *keys, void *base)
{
    if (node->kind != NODE_BLOCK) {
        return reader_fail_type(r, node, "a block of keys");
    }
    for (const struct spec_node *entry = node->first; entry != NULL; entry = entry->next) {
        error_code error = entry_read(r, entry, keys, base);
        if (error != OK) {
            return error;
        }
    }
    for (const struct spec_key *key = keys; key->name != NULL; key++) {
        if ((key->flags & KEY_REQUIRED) != 0 && !block_has(node, key->name)) {
            size_t length = reader_path_enter(r, key->name);
            error_code error =
                reader_fail(r, node, ERR_INVALID, "the key `%s` is missing", r->path);
            reader_path_leave(r, length);
            return error;
        }
    }
    return OK;
}

error_code reader_value(struct reader *r, const struct spec_node *node, const char *wanted,
                        struct value *ret_value)
{
    if (node->kind != NODE_SCALAR || scalar_is_missing(node)) {
        return reader_fail_type(r, node, wanted);
    }
    error_code error = scalar_value(node, ret_value);
    if (error != OK) {
        char excerpt[EXCERPT_MAX];
        return reader_fail(r, node, ERR_INVALID, "`%s`: the number %s does not fit 64 bits%s",
                           r->path, spelling_excerpt(node->text, excerpt),
                           strstr(wanted, "text") != NULL ? "; quotes make a text of it" : "");
    }
    return OK;
}

error_code reader_text(struct reader *r, const struct spec_node *node, size_t max_bytes,
                       const char **ret_text)
{
    struct value value = {0};
    if (node->kind != NODE_SCALAR ||
        (scalar_value(node, &value) == OK && value.kind == VALUE_NULL)) {
        return reader_fail_type(r, node, "a text");
    }
    if (node->len > max_bytes) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` is longer than %zu bytes", r->path, max_bytes);
    }
    const char *text = arena_strndup(r->arena, node->text, node->len);
    if (text == NULL) {
        return reader_no_memory(r);
    }
    *ret_text = text;
    return OK;
}

error_code reader_line(struct reader *r, const struct spec_node *node, size_t max_bytes,
                       const char **ret_text)
{
    if (node->kind == NODE_SCALAR && !node->is_plain &&
        node->text[strspn(node->text, " ")] == '\0') {
        return reader_fail(r, node, ERR_INVALID, "`%s` must not be empty", r->path);
    }
    for (const char *c = node->kind == NODE_SCALAR ? node->text : ""; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F) {
            return reader_fail(r, node, ERR_INVALID,
                               "`%s` must be one line without control characters", r->path);
        }
    }
    return reader_text(r, node, max_bytes, ret_text);
}

bool reader_is_none(const struct spec_node *node, const struct spec_key *key)
{
    return (key->flags & KEY_NONE) != 0 && node->kind == NODE_SCALAR && node->is_plain &&
           strcmp(node->text, "none") == 0;
}
