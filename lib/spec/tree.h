/* spec/tree.h -- YAML bytes as a bounded tree of nodes with line and column, before any typing.
 * Inner header of lib/spec. Pure. The tree lives in the arena that it was made in. */
#ifndef MUSTER_SPEC_TREE_H
#define MUSTER_SPEC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/* More entries than this in one block are refused; it also bounds the search for duplicate keys. */
enum { SPEC_PAIRS_MAX = 1024 };

typedef enum { NODE_SCALAR, NODE_LIST, NODE_BLOCK } node_kind;

struct spec_node {
    node_kind kind;
    bool is_plain; /* a scalar without quotes: may be typed as something else than text */
    uint32_t line, column;
    const char *text; /* scalar: UTF-8 without NUL bytes */
    size_t len;
    const struct spec_node *key; /* what stands before the colon, in a block's entries */
    struct spec_node *first;     /* items of a list, values of a block's entries */
    struct spec_node *last;
    struct spec_node *next;
    uint32_t n;
};

/* ERR_INVALID: no UTF-8, control characters, tabs outside of quoted text, comments and | or >
 * texts, broken YAML, anchors, aliases, tags, merge keys, duplicate keys, a second document, an
 * empty file. ERR_LIMIT: SPEC_FILE_MAX_BYTES, SPEC_DEPTH_MAX, SPEC_NODES_MAX, SPEC_TEXT_MAX_BYTES,
 * SPEC_PAIRS_MAX, each checked before memory is taken for it. */
MUST_CHECK error_code spec_tree_parse(const char *text, size_t len, struct arena *arena,
                                      const struct spec_node **ret_root, struct report *report);

/* The value of this entry of a block; NULL: it has none, or there is no block. */
const struct spec_node *spec_node_entry(const struct spec_node *block, const char *name);

#endif
