/* The block `report`: which outputs are read, and by which presets and patterns. */
#include <string.h>

#include "lines/reports.h"
#include "spec/spelling.h"
#include "spec/sweep_keys.h"

struct line_stream {
    const char *name;    /* of the key */
    uint32_t bit;        /* REPORT_FROM_* */
    size_t rules, count; /* of struct report_spec */
};

static const struct line_stream streams[] = {
    {"stdout", REPORT_FROM_STDOUT, offsetof(struct report_spec, out_rules),
     offsetof(struct report_spec, n_out_rules)},
    {"stderr", REPORT_FROM_STDERR, offsetof(struct report_spec, err_rules),
     offsetof(struct report_spec, n_err_rules)},
};
enum { STREAMS = sizeof streams / sizeof streams[0] };

static void rules_store(struct sweep_spec *spec, const struct line_stream *stream,
                        const char *const *rules, uint32_t n)
{
    memcpy((char *)&spec->report + stream->rules, &rules, sizeof rules);
    memcpy((char *)&spec->report + stream->count, &n, sizeof n);
}

error_code key_read_line_rules(struct reader *r, const struct spec_node *node,
                               const struct spec_key *key, void *base)
{
    const struct line_stream *stream = &streams[key->offset == streams[0].rules ? 0 : 1];
    const struct spec_node *item = node->kind == NODE_LIST ? node->first : node;
    uint32_t n_rules = node->kind == NODE_LIST ? node->n : 1, n = 0;
    if (node->kind == NODE_BLOCK) {
        return reader_fail_type(r, node, "a list of presets and patterns");
    }
    if (n_rules == 0) {
        return reader_fail(r, node, ERR_INVALID,
                           "`%s` is empty: nothing would be read of it; leave it out", r->path);
    }
    if (n_rules > LINE_RULES_MAX) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u items; at most %d are allowed", r->path,
                           n_rules, LINE_RULES_MAX);
    }
    const char **rules = arena_calloc(r->arena, n_rules, sizeof *rules);
    if (rules == NULL) {
        return reader_no_memory(r);
    }
    for (; n < n_rules; item = item->next, n++) {
        error_code error = reader_line(r, item, LINE_RULE_MAX_BYTES, &rules[n]);
        if (error != OK) {
            return error;
        }
    }
    rules_store(base, stream, rules, n);
    return OK;
}

/* A word in place of a pattern is a preset's name, written wrongly. */
static error_code fail_preset(struct reader *r, const struct spec_node *node, const char *stream)
{
    char excerpt[EXCERPT_MAX];
    struct spelling spelling = {.word = node->text};
    const char *separator = "; write ", *name;
    error_code error = reader_fail(r, node, ERR_INVALID, "`report.%s` cannot be '%s'", stream,
                                   spelling_excerpt(node->text, excerpt));
    for (uint32_t i = 0; (name = line_preset_name(i)) != NULL; i++) {
        spelling_offer(&spelling, name);
        report_add(r->report, "%s%s", separator, name);
        separator = ", ";
    }
    report_add(r->report, ", or a pattern with named groups");
    if (spelling.best != NULL) {
        report_add(r->report, "; did you mean '%s'?", spelling.best);
    }
    return error;
}

static error_code rule_check(struct reader *r, const struct spec_node *node, const char *stream,
                             const struct sweep_spec *spec)
{
    struct report report = {0};
    error_code error = line_rule_check(node->text, spec->metric.name, &report);
    if (error == OK) {
        return OK;
    }
    if (error == ERR_INVALID && line_rule_is_word(node->text)) {
        return fail_preset(r, node, stream);
    }
    return error == ERR_NO_MEMORY
               ? reader_no_memory(r)
               : reader_fail(r, node, error, "`report.%s`: %s", stream, report.text);
}

static error_code stream_check(struct reader *r, const struct spec_node *block,
                               const struct line_stream *stream, struct sweep_spec *spec)
{
    static const char *const presets[] = {"muster", "json"};
    const struct spec_node *from = spec_node_entry(block, "from"),
                           *list = spec_node_entry(block, stream->name);
    bool is_named = (spec->report.from & stream->bit) != 0;
    if (list == NULL) {
        if (is_named) {
            rules_store(spec, stream, presets, 2);
        }
        return OK;
    }
    if (from != NULL && !is_named) {
        return reader_fail(r, list->key, ERR_INVALID,
                           "`report.%s` has no meaning: `report.from` does not name %s",
                           stream->name, stream->name);
    }
    spec->report.from |= stream->bit;
    const struct spec_node *item = list->kind == NODE_LIST ? list->first : list;
    error_code error = OK;
    for (; error == OK && item != NULL; item = list->kind == NODE_LIST ? item->next : NULL) {
        error = rule_check(r, item, stream->name, spec);
    }
    return error;
}

error_code line_rules_check(struct reader *r, const struct spec_node *root, struct sweep_spec *spec)
{
    const struct spec_node *block = spec_node_entry(root, "report");
    error_code error = OK;
    for (int i = 0; error == OK && i < STREAMS; i++) {
        error = stream_check(r, block, &streams[i], spec);
    }
    spec->report.from |= REPORT_FROM_API;
    return error;
}
