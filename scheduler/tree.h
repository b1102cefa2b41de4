/* scheduler/tree.h -- an intrusive ordered tree that can carry a summary of each subtree. Pure; one
 * thread; its links are owned by what they lie in.
 *
 * A treap (Seidel and Aragon, "Randomized Search Trees", Algorithmica 16, 1996): ordered by key,
 * heap by a weight that is a mix of a number fixed for life, so the shape is a function of the
 * contents. A link's prev and next are its left and right child; a link that is in no tree points
 * to itself, as in base/list.h. */
#ifndef MUSTER_SCHEDULER_TREE_H
#define MUSTER_SCHEDULER_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct tree_type {
    /* A strict total order; what it looks at must not change while the link is in the tree. */
    bool (*is_before)(const struct list *a, const struct list *b);
    uint64_t (*number)(const struct list *link);
    /* Computes the link's summary again from its own value and its children's summaries. */
    void (*update)(struct list *link);
};

/* O(log n), but for tree_clear and tree_check; nothing allocates, nothing can fail. The root is
 * NULL when empty. */
void tree_insert(const struct tree_type *type, struct list **root, struct list *link);
void tree_remove(const struct tree_type *type, struct list **root, struct list *link);
struct list *tree_first(struct list *root); /* NULL: empty */
void tree_clear(struct list **root);        /* every link is list_init'd */
/* Asserts order and weights; returns the number of links. */
uint64_t tree_check(const struct tree_type *type, const struct list *root);

#endif
