#include "scheduler/tree.h"

#include <assert.h>
#include <stddef.h>

/* The finalizer of SplitMix64: consecutive numbers become unrelated weights. */
static uint64_t tree_weight(const struct tree_type *type, const struct list *link)
{
    uint64_t x = type->number(link) + 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Everything before `key` goes to ret_left, the rest to ret_right. */
static void tree_split(const struct tree_type *type, struct list *root, const struct list *key,
                       struct list **ret_left, struct list **ret_right)
{
    if (root == NULL) {
        *ret_left = *ret_right = NULL;
    } else if (type->is_before(root, key)) {
        tree_split(type, root->next, key, &root->next, ret_right);
        type->update(root);
        *ret_left = root;
    } else {
        tree_split(type, root->prev, key, ret_left, &root->prev);
        type->update(root);
        *ret_right = root;
    }
}

/* All of `left` stands before all of `right`. */
static struct list *tree_merge(const struct tree_type *type, struct list *left, struct list *right)
{
    if (left == NULL || right == NULL) {
        return left != NULL ? left : right;
    }
    if (tree_weight(type, left) > tree_weight(type, right)) {
        left->next = tree_merge(type, left->next, right);
        type->update(left);
        return left;
    }
    right->prev = tree_merge(type, left, right->prev);
    type->update(right);
    return right;
}

static void tree_insert_below(const struct tree_type *type, struct list **root, struct list *link,
                              uint64_t weight)
{
    struct list *top = *root;
    if (top == NULL || weight > tree_weight(type, top)) {
        tree_split(type, top, link, &link->prev, &link->next);
        *root = link;
    } else {
        tree_insert_below(type, type->is_before(top, link) ? &top->next : &top->prev, link, weight);
    }
    type->update(*root);
}

void tree_insert(const struct tree_type *type, struct list **root, struct list *link)
{
    assert(list_is_empty(link));
    tree_insert_below(type, root, link, tree_weight(type, link));
}

static void tree_remove_below(const struct tree_type *type, struct list **root, struct list *link)
{
    struct list *top = *root;
    assert(top != NULL);
    if (top == link) {
        *root = tree_merge(type, link->prev, link->next);
        return;
    }
    tree_remove_below(type, type->is_before(link, top) ? &top->prev : &top->next, link);
    type->update(top);
}

void tree_remove(const struct tree_type *type, struct list **root, struct list *link)
{
    tree_remove_below(type, root, link);
    list_init(link);
}

struct list *tree_first(struct list *root)
{
    while (root != NULL && root->prev != NULL) {
        root = root->prev;
    }
    return root;
}

void tree_clear(struct list **root)
{
    struct list *top = *root;
    *root = NULL;
    if (top != NULL) {
        tree_clear(&top->prev);
        tree_clear(&top->next);
        list_init(top);
    }
}

static uint64_t tree_check_below(const struct tree_type *type, const struct list *root,
                                 const struct list **last)
{
    if (root == NULL) {
        return 0;
    }
    uint64_t count = tree_check_below(type, root->prev, last);
    assert(*last == NULL || type->is_before(*last, root));
    *last = root;
    const struct list *children[] = {root->prev, root->next};
    for (int i = 0; i < 2; i++) {
        assert(children[i] == NULL || tree_weight(type, children[i]) <= tree_weight(type, root));
    }
    return count + 1 + tree_check_below(type, root->next, last);
}

uint64_t tree_check(const struct tree_type *type, const struct list *root)
{
    const struct list *last = NULL;
    return tree_check_below(type, root, &last);
}
