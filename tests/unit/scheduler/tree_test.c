#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "scheduler/tree.h"

enum { LEAVES = 2000 };

struct leaf {
    struct list link;
    uint64_t number;
    int64_t key, below_max;
};

#define leaf_of(link_) list_entry(link_, struct leaf, link)

static bool leaf_is_before(const struct list *a, const struct list *b)
{
    const struct leaf *x = leaf_of(a), *y = leaf_of(b);
    return x->key != y->key ? x->key < y->key : x->number < y->number;
}

static uint64_t leaf_number(const struct list *link)
{
    return leaf_of(link)->number;
}

static void leaf_update(struct list *link)
{
    struct leaf *leaf = leaf_of(link);
    leaf->below_max = leaf->key;
    const struct list *children[] = {link->prev, link->next};
    for (int i = 0; i < 2; i++) {
        if (children[i] != NULL && leaf_of(children[i])->below_max > leaf->below_max) {
            leaf->below_max = leaf_of(children[i])->below_max;
        }
    }
}

static const struct tree_type leaf_type = {leaf_is_before, leaf_number, leaf_update};

static uint32_t depth(const struct list *root)
{
    if (root == NULL) {
        return 0;
    }
    uint32_t left = depth(root->prev), right = depth(root->next);
    return 1 + (left > right ? left : right);
}

static int64_t max_of(struct leaf *leaves)
{
    int64_t max = INT64_MIN;
    for (int i = 0; i < LEAVES; i++) {
        if (!list_is_empty(&leaves[i].link) && leaves[i].key > max) {
            max = leaves[i].key;
        }
    }
    return max;
}

static void test_tree_random_changes_keep_order_and_summary(void **state)
{
    struct leaf *leaves = calloc(LEAVES, sizeof *leaves);
    struct list *root = NULL;
    struct random random;
    uint64_t count = 0;
    (void)state;
    random_init(&random, 1, 0);
    for (uint64_t i = 0; i < LEAVES; i++) {
        list_init(&leaves[i].link);
        leaves[i].number = i;
    }
    for (int step = 0; step < 20000; step++) {
        struct leaf *leaf = &leaves[random_below(&random, LEAVES)];
        if (list_is_empty(&leaf->link)) {
            leaf->key = (int64_t)random_below(&random, 50);
            tree_insert(&leaf_type, &root, &leaf->link);
            count++;
        } else {
            tree_remove(&leaf_type, &root, &leaf->link);
            count--;
            assert_true(list_is_empty(&leaf->link));
        }
        if (step % 100 == 0 && root != NULL) {
            assert_int_equal(tree_check(&leaf_type, root), count);
            assert_int_equal(leaf_of(root)->below_max, max_of(leaves));
        }
    }
    int64_t last = INT64_MIN;
    for (struct list *first; (first = tree_first(root)) != NULL;) {
        assert_true(leaf_of(first)->key >= last);
        last = leaf_of(first)->key;
        tree_remove(&leaf_type, &root, first);
    }
    assert_null(root);
    free(leaves);
}

/* Keys in order, the worst for a tree without weights, must not make it a list. */
static void test_tree_ordered_insertion_stays_shallow(void **state)
{
    struct leaf *leaves = calloc(LEAVES, sizeof *leaves);
    struct list *root = NULL;
    (void)state;
    for (int i = 0; i < LEAVES; i++) {
        list_init(&leaves[i].link);
        leaves[i].number = (uint64_t)i;
        leaves[i].key = i;
        tree_insert(&leaf_type, &root, &leaves[i].link);
    }
    assert_true(depth(root) < 50);
    tree_clear(&root);
    for (int i = 0; i < LEAVES; i++) {
        assert_true(list_is_empty(&leaves[i].link));
    }
    assert_null(tree_first(root));
    free(leaves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_random_changes_keep_order_and_summary),
        cmocka_unit_test(test_tree_ordered_insertion_stays_shallow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
