/* The block `baselines`: configurations to be tried first. */
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "spec/constraints.h"
#include "spec/param_block.h"
#include "spec/spelling.h"

/* One baseline as it is read. */
struct items {
    struct reader *r;
    const struct sweep_spec *spec;
    struct baseline_item *list; /* room for every scalar of its block */
    uint32_t n;
};

static bool is_group(const struct sweep_spec *spec, const char *name)
{
    size_t len = strlen(name);
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        const char *known = spec->parameters[i].name;
        if (strncmp(known, name, len) == 0 && known[len] == '.') {
            return true;
        }
    }
    return false;
}

static error_code unknown_fail(struct items *items, const struct spec_node *key, const char *name)
{
    char excerpt[EXCERPT_MAX];
    struct spelling spelling = {.word = name};
    for (uint32_t i = 0; i < items->spec->n_parameters; i++) {
        spelling_offer(&spelling, items->spec->parameters[i].name);
    }
    error_code error = reader_fail(items->r, key, ERR_INVALID, "`%s`: there is no parameter '%s'",
                                   items->r->path, spelling_excerpt(name, excerpt));
    if (spelling.best != NULL) {
        report_add(items->r->report, "; did you mean '%s'?", spelling.best);
    }
    return error;
}

static error_code item_read(struct items *items, const struct spec_node *node, const char *name)
{
    const struct param_spec *param = space_param_find(items->spec, name, strlen(name));
    if (param == NULL) {
        return unknown_fail(items, node->key, name);
    }
    struct baseline_item item = {.param = (uint32_t)(param - items->spec->parameters),
                                 .line = node->line,
                                 .column = node->column};
    for (uint32_t i = 0; i < items->n; i++) {
        if (items->list[i].param == item.param) {
            return reader_fail(items->r, node->key, ERR_INVALID, "`%s` says '%s' twice",
                               items->r->path, name);
        }
    }
    size_t length = reader_path_enter(items->r, name);
    error_code error = param_value_read(items->r, node, &item.value);
    reader_path_leave(items->r, length);
    if (error == OK) {
        items->list[items->n++] = item;
    }
    return error;
}

static error_code entries_read(struct items *items, const struct spec_node *block,
                               const char *prefix)
{
    char name[NAME_MAX_BYTES + 2];
    for (const struct spec_node *node = block->first; node != NULL; node = node->next) {
        int len = snprintf(name, sizeof name, "%s%s", prefix, node->key->text);
        error_code error;
        if (len < 0 || len > NAME_MAX_BYTES) {
            error = unknown_fail(items, node->key, node->key->text);
        } else if (node->kind == NODE_BLOCK && is_group(items->spec, name)) {
            strcat(name, ".");
            error = entries_read(items, node, name);
        } else {
            error = item_read(items, node, name);
        }
        if (error != OK) {
            return error;
        }
    }
    return OK;
}

static uint32_t scalars_count(const struct spec_node *block)
{
    uint32_t n = 0;
    for (const struct spec_node *node = block->first; node != NULL; node = node->next) {
        n += node->kind == NODE_BLOCK ? scalars_count(node) : 1;
    }
    return n;
}

error_code baseline_read(struct reader *r, const struct spec_node *node,
                         const struct sweep_spec *spec, struct baseline *baseline)
{
    if (node->kind != NODE_BLOCK) {
        return reader_fail_type(r, node, "a block of parameters and values");
    }
    if (node->n == 0) {
        return reader_fail(r, node, ERR_INVALID, "a baseline of `%s` says nothing", r->path);
    }
    struct items items = {.r = r, .spec = spec};
    items.list = arena_calloc(r->arena, scalars_count(node), sizeof *items.list);
    if (items.list == NULL) {
        return reader_no_memory(r);
    }
    error_code error = entries_read(&items, node, "");
    *baseline = (struct baseline){
        .items = items.list, .n_items = items.n, .line = node->line, .column = node->column};
    return error;
}

error_code baselines_read(struct reader *r, const struct spec_node *node, struct sweep_spec *spec)
{
    if (node->kind != NODE_LIST) {
        return reader_fail_type(r, node, "a list of blocks like {lr: 1e-3, layers: 2}");
    }
    if (node->n > SPEC_BASELINES_MAX) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u items; at most %d are allowed", r->path,
                           node->n, SPEC_BASELINES_MAX);
    }
    struct baseline *baselines = arena_calloc(r->arena, node->n, sizeof *baselines);
    if (baselines == NULL) {
        return reader_no_memory(r);
    }
    uint32_t n = 0;
    for (const struct spec_node *item = node->first; item != NULL; item = item->next, n++) {
        error_code error = baseline_read(r, item, spec, &baselines[n]);
        if (error != OK) {
            return error;
        }
    }
    spec->baselines = baselines;
    spec->n_baselines = n;
    return OK;
}
