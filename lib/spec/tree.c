#include "spec/tree.h"

#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "spec/source.h"
#include "spec/spelling.h"
#include "spec/types.h"

/* One open list or block. */
struct frame {
    struct spec_node *node;
    const struct spec_node *key; /* in a block: waits for its value */
};

struct builder {
    struct arena *arena;
    struct report *report;
    struct source_cursor cursor;
    struct frame frames[SPEC_DEPTH_MAX];
    size_t depth;
    uint32_t n_nodes;
    uint32_t n_documents;
    struct spec_node *root;
    bool is_done;
};

typedef error_code on_event(struct builder *b, const yaml_event_t *event);

static error_code fail_at_mark(struct builder *b, error_code code, yaml_mark_t mark,
                               const char *text)
{
    return report_fail_at(b->report, code, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1, "%s",
                          text);
}

static error_code node_new(struct builder *b, node_kind kind, yaml_mark_t mark,
                           struct spec_node **ret_node)
{
    if (b->n_nodes == SPEC_NODES_MAX) {
        return report_fail_at(b->report, ERR_LIMIT, (uint32_t)mark.line + 1,
                              (uint32_t)mark.column + 1,
                              "the file has more than %d texts, lists and blocks", SPEC_NODES_MAX);
    }
    struct spec_node *node = arena_alloc(b->arena, sizeof *node);
    if (node == NULL) {
        return report_fail(b->report, ERR_NO_MEMORY, "out of memory");
    }
    node->kind = kind;
    node->line = (uint32_t)mark.line + 1;
    node->column = (uint32_t)mark.column + 1;
    b->n_nodes++;
    *ret_node = node;
    return OK;
}

static error_code key_check(struct builder *b, const struct spec_node *block,
                            const struct spec_node *key)
{
    if (key->kind != NODE_SCALAR) {
        return report_fail_at(b->report, ERR_INVALID, key->line, key->column,
                              "a key must be a text, not a list or block");
    }
    if (key->is_plain && strcmp(key->text, "<<") == 0) {
        return report_fail_at(b->report, ERR_INVALID, key->line, key->column,
                              "merge keys (<<) are not allowed; write the keys out");
    }
    if (block->n == SPEC_PAIRS_MAX) {
        return report_fail_at(b->report, ERR_LIMIT, key->line, key->column,
                              "more than %d keys in one block", SPEC_PAIRS_MAX);
    }
    char excerpt[EXCERPT_MAX];
    for (const struct spec_node *n = block->first; n != NULL; n = n->next) {
        if (n->key->len == key->len && memcmp(n->key->text, key->text, key->len) == 0) {
            return report_fail_at(b->report, ERR_INVALID, key->line, key->column,
                                  "duplicate key '%s'; it stands in line %u already",
                                  spelling_excerpt(key->text, excerpt), n->key->line);
        }
    }
    return OK;
}

/* Hangs a finished scalar or a list or block that begins below what is open. */
static error_code node_add(struct builder *b, struct spec_node *node)
{
    if (b->depth == 0) {
        b->root = node;
        return OK;
    }
    struct frame *frame = &b->frames[b->depth - 1];
    struct spec_node *parent = frame->node;
    if (parent->kind == NODE_BLOCK && frame->key == NULL) {
        error_code error = key_check(b, parent, node);
        if (error == OK) {
            frame->key = node;
        }
        return error;
    }
    node->key = frame->key;
    frame->key = NULL;
    if (parent->last == NULL) {
        parent->first = node;
    } else {
        parent->last->next = node;
    }
    parent->last = node;
    parent->n++;
    return OK;
}

/* `!` alone (the non-specific tag) is refused too: it turns a number into a text. */
static error_code properties_check(struct builder *b, const yaml_event_t *event,
                                   const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor != NULL) {
        return fail_at_mark(b, ERR_INVALID, event->start_mark,
                            "anchors (&name) are not allowed; write the value out at each place");
    }
    if (tag != NULL) {
        return fail_at_mark(b, ERR_INVALID, event->start_mark,
                            "tags (!name) are not allowed; quotes make a text of a value");
    }
    return OK;
}

static error_code on_alias(struct builder *b, const yaml_event_t *event)
{
    return fail_at_mark(b, ERR_INVALID, event->start_mark,
                        "aliases (*name) are not allowed; write the value out at each place");
}

static error_code on_document_start(struct builder *b, const yaml_event_t *event)
{
    if (event->data.document_start.tag_directives.start !=
        event->data.document_start.tag_directives.end) {
        return fail_at_mark(b, ERR_INVALID, event->start_mark, "%TAG lines are not allowed");
    }
    if (b->n_documents++ > 0) {
        return fail_at_mark(b, ERR_INVALID, event->start_mark,
                            "a second document (---) is not allowed; one file is one sweep");
    }
    return OK;
}

static error_code on_scalar(struct builder *b, const yaml_event_t *event)
{
    error_code error =
        properties_check(b, event, event->data.scalar.anchor, event->data.scalar.tag);
    if (error != OK) {
        return error;
    }
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (len > SPEC_TEXT_MAX_BYTES) {
        return fail_at_mark(b, ERR_LIMIT, event->start_mark, "a text is longer than 64 KiB");
    }
    if (memchr(text, '\0', len) != NULL) {
        return fail_at_mark(b, ERR_INVALID, event->start_mark,
                            "a NUL character is not allowed in a text");
    }
    struct spec_node *node = NULL;
    error = node_new(b, NODE_SCALAR, event->start_mark, &node);
    if (error != OK) {
        return error;
    }
    node->text = arena_strndup(b->arena, text, len);
    node->len = len;
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (node->text == NULL) {
        return report_fail(b->report, ERR_NO_MEMORY, "out of memory");
    }
    if (!node->is_plain) {
        source_cursor_skip_to(&b->cursor, event->end_mark.index);
    }
    return node_add(b, node);
}

static error_code collection_begin(struct builder *b, const yaml_event_t *event, node_kind kind)
{
    if (b->depth == SPEC_DEPTH_MAX) {
        return report_fail_at(b->report, ERR_LIMIT, (uint32_t)event->start_mark.line + 1,
                              (uint32_t)event->start_mark.column + 1,
                              "lists and blocks are nested more than %d deep", SPEC_DEPTH_MAX);
    }
    struct spec_node *node = NULL;
    error_code error = node_new(b, kind, event->start_mark, &node);
    if (error == OK) {
        error = node_add(b, node);
    }
    if (error == OK) {
        b->frames[b->depth++] = (struct frame){.node = node};
    }
    return error;
}

static error_code on_sequence_start(struct builder *b, const yaml_event_t *event)
{
    error_code error = properties_check(b, event, event->data.sequence_start.anchor,
                                        event->data.sequence_start.tag);
    return error != OK ? error : collection_begin(b, event, NODE_LIST);
}

static error_code on_mapping_start(struct builder *b, const yaml_event_t *event)
{
    error_code error =
        properties_check(b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    return error != OK ? error : collection_begin(b, event, NODE_BLOCK);
}

static error_code on_collection_end(struct builder *b, const yaml_event_t *event)
{
    (void)event;
    b->depth--;
    return OK;
}

static error_code on_stream_end(struct builder *b, const yaml_event_t *event)
{
    (void)event;
    b->is_done = true;
    return OK;
}

static on_event *const handlers[] = {
    [YAML_STREAM_END_EVENT] = on_stream_end,
    [YAML_DOCUMENT_START_EVENT] = on_document_start,
    [YAML_ALIAS_EVENT] = on_alias,
    [YAML_SCALAR_EVENT] = on_scalar,
    [YAML_SEQUENCE_START_EVENT] = on_sequence_start,
    [YAML_SEQUENCE_END_EVENT] = on_collection_end,
    [YAML_MAPPING_START_EVENT] = on_mapping_start,
    [YAML_MAPPING_END_EVENT] = on_collection_end,
};
enum { N_HANDLERS = sizeof handlers / sizeof handlers[0] };

static error_code fail_of_parser(struct builder *b, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        return report_fail(b->report, ERR_NO_MEMORY, "out of memory");
    }
    /* libyaml finds a tab in the place of indentation itself, in less helpful words. The cursor
     * stands before it. */
    struct source_cursor at = b->cursor;
    source_cursor_skip_to(&at, parser->problem_mark.index);
    if (at.offset < at.len && at.text[at.offset] == '\t') {
        return fail_at_mark(b, ERR_INVALID, parser->problem_mark,
                            "a tab is not allowed here; use spaces");
    }
    error_code error = fail_at_mark(b, ERR_INVALID, parser->problem_mark, "broken YAML: ");
    report_add(b->report, "%s", parser->problem != NULL ? parser->problem : "unknown reason");
    if (parser->context != NULL) {
        report_add(b->report, " (%s, line %zu)", parser->context, parser->context_mark.line + 1);
    }
    return error;
}

/* One event: the gap before it holds only punctuation, plain text and comments, where no tab
 * belongs. */
static error_code event_take(struct builder *b, yaml_parser_t *parser)
{
    yaml_event_t event;
    if (!yaml_parser_parse(parser, &event)) {
        return fail_of_parser(b, parser);
    }
    error_code error = source_cursor_check_to(&b->cursor, event.start_mark.index, b->report);
    if (error == OK && (size_t)event.type < N_HANDLERS && handlers[event.type] != NULL) {
        error = handlers[event.type](b, &event);
    }
    yaml_event_delete(&event);
    return error;
}

static error_code events_take(struct builder *b)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return report_fail(b->report, ERR_NO_MEMORY, "out of memory");
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)b->cursor.text, b->cursor.len);
    error_code error = OK;
    while (error == OK && !b->is_done) {
        error = event_take(b, &parser);
    }
    yaml_parser_delete(&parser);
    return error;
}

error_code spec_tree_parse(const char *text, size_t len, struct arena *arena,
                           const struct spec_node **ret_root, struct report *report)
{
    if (len > SPEC_FILE_MAX_BYTES) {
        return report_fail(report, ERR_LIMIT, "the file has %zu bytes; at most %d are allowed", len,
                           SPEC_FILE_MAX_BYTES);
    }
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        len -= 3;
    }
    error_code error = source_chars_check(text, len, report);
    if (error != OK) {
        return error;
    }
    struct builder b = {
        .arena = arena, .report = report, .cursor = source_cursor_at_start(text, len)};
    error = events_take(&b);
    if (error == OK) {
        error = source_cursor_check_to(&b.cursor, len, report);
    }
    if (error == OK && b.root == NULL) {
        error = report_fail_at(report, ERR_INVALID, 1, 1, "the file is empty");
    }
    if (error == OK) {
        *ret_root = b.root;
    }
    return error;
}

const struct spec_node *spec_node_entry(const struct spec_node *block, const char *name)
{
    const struct spec_node *node = block != NULL ? block->first : NULL;
    while (node != NULL && strcmp(node->key->text, name) != 0) {
        node = node->next;
    }
    return node;
}
