/* The work folder's keys, and what prepares it on a node. */
#include <string.h>

#include "spec/sweep.h"
#include "spec/sweep_keys.h"

error_code key_read_workdir(struct reader *r, const struct spec_node *node,
                            const struct spec_key *key, void *base)
{
    return node->kind == NODE_SCALAR ? key_read_line(r, node, key, base)
                                     : reader_block_read(r, node, key->more, base);
}

error_code key_read_ignore(struct reader *r, const struct spec_node *node,
                           const struct spec_key *key, void *base)
{
    struct workdir_spec *work = &((struct sweep_spec *)base)->work;
    enum { PATTERN_MAX_BYTES = 1024 }; /* as WORK_RULE_MAX_BYTES of lib/work */
    if (node->kind != NODE_LIST) {
        return reader_fail_type(r, node, "a list of patterns like [data/, \"*.o\"]");
    }
    if (node->n > (uint64_t)key->max) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u patterns; at most %lld are allowed",
                           r->path, node->n, (long long)key->max);
    }
    const char **patterns = arena_calloc(r->arena, node->n, sizeof *patterns);
    if (patterns == NULL) {
        return reader_no_memory(r);
    }
    uint32_t n = 0;
    for (const struct spec_node *item = node->first; item != NULL; item = item->next, n++) {
        error_code error = reader_line(r, item, PATTERN_MAX_BYTES, &patterns[n]);
        if (error != OK) {
            return error;
        }
    }
    work->ignore = patterns;
    work->n_ignore = n;
    return OK;
}

/* Several commands are the lines of one script: the shell stops at the first that fails. */
error_code key_read_setup(struct reader *r, const struct spec_node *node,
                          const struct spec_key *key, void *base)
{
    struct sweep_spec *spec = base;
    if (node->kind == NODE_BLOCK || (node->kind == NODE_LIST && node->n == 0)) {
        return reader_fail_type(r, node, "a command, or a list of commands");
    }
    const char *script = NULL;
    bool is_list = node->kind == NODE_LIST;
    const struct spec_node *item = is_list ? node->first : node;
    for (; item != NULL; item = is_list ? item->next : NULL) {
        const char *text;
        error_code error = reader_text(r, item, (size_t)key->max, &text);
        if (error != OK) {
            return error;
        }
        if (text[strspn(text, " \t\r\n")] == '\0') {
            return reader_fail(r, item, ERR_INVALID, "`%s` must not be empty", r->path);
        }
        script = script == NULL ? text : arena_printf(r->arena, "%s\n%s", script, text);
        if (script == NULL) {
            return reader_no_memory(r);
        }
        if (strlen(script) > (size_t)key->max) {
            return reader_fail(r, item, ERR_LIMIT, "`%s` is longer than %lld bytes; write a script",
                               r->path, (long long)key->max);
        }
    }
    spec->setup = script;
    return OK;
}
