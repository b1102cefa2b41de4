#include "spec/set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/scalar.h"
#include "spec/types.h"

/* Lines that no file has: SPEC_FILE_MAX_BYTES is less. */
enum { SET_LINE_FIRST = 1 << 28, SET_EXCERPT_MAX = 80 };

struct setting {
    const char *text;
    const char *path;
    size_t path_len;
    const char *value;
    uint32_t line;
    struct arena *arena;
    struct report *report;
};

static error_code setting_fail(const struct setting *s, error_code code, const char *text)
{
    return report_fail_at(s->report, code, s->line, 1, "%s", text);
}

/* ---- the value ---- */

static void node_place(struct spec_node *node, uint32_t line)
{
    node->line = line;
    node->column = 1;
    if (node->key != NULL) {
        ((struct spec_node *)(uintptr_t)node->key)->line = line;
    }
    for (struct spec_node *child = node->first; child != NULL; child = child->next) {
        node_place(child, line);
    }
}

static error_code value_read(const struct setting *s, struct spec_node **ret_node)
{
    const struct spec_node *node;
    if (s->value[strspn(s->value, " ")] == '\0') {
        return setting_fail(s, ERR_INVALID, "there is no value; write '' for an empty text");
    }
    error_code error = spec_tree_parse(s->value, strlen(s->value), s->arena, &node, s->report);
    if (error != OK) {
        if (s->report != NULL) {
            s->report->line = s->line; /* A place inside of the value helps nobody. */
        }
        return error;
    }
    *ret_node = (struct spec_node *)(uintptr_t)node;
    node_place(*ret_node, s->line);
    return OK;
}

/* ---- the path ---- */

/* The entry whose key the rest of the path begins with; the longest one, since a key may have dots
 * in it. */
static struct spec_node *block_find(const struct spec_node *block, const char *rest, size_t len)
{
    struct spec_node *found = NULL;
    for (struct spec_node *node = block->first; node != NULL; node = node->next) {
        const struct spec_node *key = node->key;
        bool is_begin = key->len <= len && memcmp(key->text, rest, key->len) == 0 &&
                        (key->len == len || rest[key->len] == '.');
        if (is_begin && (found == NULL || key->len > found->key->len)) {
            found = node;
        }
    }
    return found;
}

static struct spec_node *list_find(const struct spec_node *list, const char *rest, size_t len)
{
    size_t digits = strspn(rest, "0123456789");
    if (digits == 0 || digits > 6 || digits > len || (digits < len && rest[digits] != '.')) {
        return NULL;
    }
    struct spec_node *node = list->first;
    for (long i = strtol(rest, NULL, 10); node != NULL && i > 0; i--) {
        node = node->next;
    }
    return node;
}

/* `at` becomes what `value` is, in its place among its neighbours. */
static void node_replace(struct spec_node *at, const struct spec_node *value)
{
    struct spec_node *next = at->next;
    const struct spec_node *key = at->key;
    *at = *value;
    at->next = next;
    at->key = key;
}

static error_code block_add(const struct setting *s, struct spec_node *block, const char *name,
                            size_t len, struct spec_node **ret_node)
{
    struct spec_node *key = arena_alloc(s->arena, sizeof *key);
    struct spec_node *node = arena_alloc(s->arena, sizeof *node);
    char *text = arena_strndup(s->arena, name, len);
    if (key == NULL || node == NULL || text == NULL) {
        return report_fail(s->report, ERR_NO_MEMORY, "out of memory");
    }
    if (block->n >= SPEC_PAIRS_MAX) {
        return setting_fail(s, ERR_LIMIT, "its block has as many keys as are allowed");
    }
    *key = (struct spec_node){.kind = NODE_SCALAR,
                              .is_plain = true,
                              .line = s->line,
                              .column = 1,
                              .text = text,
                              .len = len};
    *node = (struct spec_node){.kind = NODE_BLOCK, .line = s->line, .column = 1, .key = key};
    if (block->last == NULL) {
        block->first = node;
    } else {
        block->last->next = node;
    }
    block->last = node;
    block->n++;
    *ret_node = node;
    return OK;
}

/* One step of the path: the node that it names, made where a block has none. */
static error_code path_step(const struct setting *s, struct spec_node *at, const char **rest,
                            size_t *len, struct spec_node **ret_node)
{
    struct spec_node *found = NULL;
    if (at->kind == NODE_SCALAR && scalar_is_missing(at)) {
        at->kind = NODE_BLOCK;
    }
    if (at->kind == NODE_BLOCK) {
        found = block_find(at, *rest, *len);
    } else if (at->kind == NODE_LIST) {
        found = list_find(at, *rest, *len);
    }
    size_t step = found != NULL && at->kind == NODE_BLOCK ? found->key->len : strcspn(*rest, ".=");
    if (step == 0) {
        return setting_fail(s, ERR_INVALID, "an empty step in the path");
    }
    if (found == NULL && at->kind == NODE_LIST) {
        return setting_fail(s, ERR_INVALID,
                            "the path leads into a list: a step into one is the number of an item "
                            "that it has, from 0");
    }
    if (found == NULL && at->kind == NODE_SCALAR) {
        return setting_fail(s, ERR_INVALID, "the path leads into a value that is no block");
    }
    error_code error = OK;
    if (found == NULL) {
        error = block_add(s, at, *rest, step, &found);
    }
    *rest += step;
    *len -= step;
    if (*len > 0) {
        (*rest)++; /* the dot */
        (*len)--;
        if (*len == 0) {
            return setting_fail(s, ERR_INVALID, "the path ends with a dot");
        }
    }
    if (error == OK) {
        *ret_node = found;
    }
    return error;
}

static error_code setting_apply(const struct setting *s, struct spec_node *root)
{
    struct spec_node *value, *at = root;
    const char *rest = s->path;
    size_t len = s->path_len;
    error_code error = value_read(s, &value);
    for (unsigned depth = 0; error == OK && len > 0; depth++) {
        if (depth == SPEC_DEPTH_MAX) {
            return setting_fail(s, ERR_LIMIT, "the path has too many steps");
        }
        error = path_step(s, at, &rest, &len, &at);
    }
    if (error == OK) {
        node_replace(at, value);
    }
    return error;
}

/* ---- all of them ---- */

static uint32_t set_line(uint32_t index)
{
    return SET_LINE_FIRST + index;
}

error_code spec_set_apply(const struct spec_set *set, const struct spec_node *root,
                          struct arena *arena, struct report *report)
{
    if (set->n_texts > SPEC_SETS_MAX) {
        return report_fail(report, ERR_LIMIT, "more than %d settings (--set)", SPEC_SETS_MAX);
    }
    size_t bytes = 0;
    for (uint32_t i = 0; i < set->n_texts; i++) {
        bytes += strlen(set->texts[i]);
    }
    if (bytes > SPEC_SETS_MAX_BYTES) {
        return report_fail(report, ERR_LIMIT, "settings (--set) of more than %d bytes together",
                           SPEC_SETS_MAX_BYTES);
    }
    for (uint32_t i = 0; i < set->n_texts; i++) {
        const char *text = set->texts[i], *equal = strchr(text, '=');
        struct setting setting = {.text = text,
                                  .path = text,
                                  .path_len = equal != NULL ? (size_t)(equal - text) : 0,
                                  .value = equal != NULL ? equal + 1 : "",
                                  .line = set_line(i),
                                  .arena = arena,
                                  .report = report};
        error_code error =
            setting.path_len == 0
                ? setting_fail(&setting, ERR_INVALID,
                               "a setting is written PATH=VALUE, e.g. parameters.lr.max=0.5")
                : setting_apply(&setting, (struct spec_node *)(uintptr_t)root);
        if (error != OK) {
            return error;
        }
    }
    return OK;
}

void spec_set_report(const struct spec_set *set, struct report *report)
{
    if (report == NULL || set->n_texts == 0) {
        return;
    }
    if (report->line < SET_LINE_FIRST || report->line - SET_LINE_FIRST >= set->n_texts) {
        report_add(report, " (the file as --set changed it)");
        return;
    }
    char text[sizeof report->text];
    if (set->from != NULL && report->line - SET_LINE_FIRST == set->n_texts - 1) {
        report_add(report, " in %s", set->from);
        report->line = report->column = 0;
        report->file[0] = '\0';
        return;
    }
    const char *setting = set->texts[report->line - SET_LINE_FIRST];
    int n = snprintf(text, sizeof text, "--set %.*s%s: %s", SET_EXCERPT_MAX, setting,
                     strlen(setting) > SET_EXCERPT_MAX ? "..." : "", report->text);
    if (n > 0) {
        memcpy(report->text, text, sizeof report->text);
    }
    report->line = report->column = 0;
    report->file[0] = '\0';
}
