/* What must hold between any two calls. Costs nodes times blocked classes: for tests and debug
 * builds. */
#include <assert.h>
#include <string.h>

#include "scheduler/state.h"

static void check_node(const struct scheduler *s, const struct scheduler_node *node,
                       struct scheduler_usage *sum)
{
    amount gpus_free = 0;
    for (uint32_t i = 0; i < node->n_gpus; i++) {
        gpus_free += node->gpus[i].free;
        assert(node->gpus[i].free <= AMOUNT_ONE);
    }
    assert(gpus_free == node->gpus_free);
    assert(node->cpus_used >= 0);
    for (uint32_t i = 0; i < node->n_custom; i++) {
        assert(node->custom[i].used >= 0);
        assert(node->n_allocations > 0 || node->custom[i].used == 0);
    }
    amount gpus_total = (amount)node->n_gpus * AMOUNT_ONE;
    if (node->n_allocations == 0) {
        assert(node->cpus_used == 0 && node->memory_used == 0 && gpus_free == gpus_total);
    }
    struct scheduler_room room = scheduler_node_room(node);
    assert(memcmp(&room, &node->room, sizeof room) == 0);
    bool is_unsorted = !list_is_empty(&node->unsorted_link);
    assert(!is_unsorted || node->is_open);
    assert((node->is_open && !is_unsorted) == !list_is_empty(&node->free_link));
    assert((node->is_open && !is_unsorted) == !list_is_empty(&node->spread_link));
    assert(node->freed <= s->generation);
    sum->nodes++;
    sum->nodes_open += node->is_open ? 1 : 0;
    sum->cpus_total += node->cpus_total;
    sum->cpus_used += node->cpus_used;
    sum->gpus_total += gpus_total;
    sum->gpus_used += gpus_total - gpus_free;
    sum->memory_total += node->memory_total;
    sum->memory_used += node->memory_used;
}

/* A class that has seen everything waits rightly: of the open nodes that it has seen none fits it,
 * or too few at once. */
static void check_class_seen(const struct scheduler *s, const struct scheduler_class *cls)
{
    uint32_t n_fitting = 0;
    bool has_gpus = scheduler_group_has_gpus(cls->group, &cls->request);
    for (const struct scheduler_node *node = s->nodes; node != NULL; node = node->hh.next) {
        n_fitting += node->is_open && node->freed <= cls->seen && has_gpus &&
                             scheduler_node_fits_class(node, cls)
                         ? 1
                         : 0;
        assert(!node->is_open || node->freed > cls->score_seen ||
               !scheduler_node_fits_class(node, cls) ||
               scheduler_node_score(node, &cls->request) <= cls->score_bound);
    }
    assert(n_fitting <= cls->fitting && cls->fitting < request_nodes(&cls->request));
}

static void check_class(const struct scheduler *s, const struct scheduler_class *cls,
                        struct scheduler_usage *sum)
{
    uint64_t count = tree_check(&scheduler_items_type, cls->items);
    assert(count == (cls->items != NULL ? scheduler_item_of(cls->items)->subtree : 0));
    struct list *first = tree_first(cls->items);
    assert(cls->head == (first != NULL ? scheduler_item_of(first) : NULL));
    assert(cls->refs > 0);
    assert((cls->place == CLASS_IDLE) == (count == 0));
    assert((cls->place == CLASS_IDLE) == list_is_empty(&cls->link));
    assert(cls->seen <= s->generation);
    if (cls->place == CLASS_BLOCKED) {
        assert(cls->seen == s->blocked_generation);
    }
    check_class_seen(s, cls);
    sum->items_waiting += count;
}

void scheduler_check(const struct scheduler *s)
{
    struct scheduler_usage sum = {0};
    uint64_t n_listed = 0, n_blocked = 0, n_ready = 0, last = UINT64_MAX;
    for (const struct scheduler_node *node = s->nodes; node != NULL; node = node->hh.next) {
        check_node(s, node, &sum);
    }
    for (const struct scheduler_class *cls = s->classes; cls != NULL; cls = cls->hh.next) {
        check_class(s, cls, &sum);
        n_blocked += cls->place == CLASS_BLOCKED ? 1 : 0;
        n_ready += cls->place == CLASS_READY ? 1 : 0;
    }
    assert(memcmp(&sum, &s->usage, sizeof sum) == 0);
    uint64_t n_unsorted = 0;
    list_each (&s->unsorted, struct scheduler_node, unsorted_link, node) {
        n_unsorted++;
    }
    assert(tree_check(&scheduler_free_type, s->free) + n_unsorted == sum.nodes_open);
    assert(tree_check(&scheduler_spread_type, s->spread) + n_unsorted == sum.nodes_open);
    list_each (&s->groups, struct scheduler_group, link, group) {
        scheduler_group_check(s, group);
    }
    assert(tree_check(&scheduler_ready_type, s->ready) == n_ready);
    list_each (&s->blocked, struct scheduler_class, link, cls) {
        n_blocked--;
        assert(cls->place == CLASS_BLOCKED);
    }
    assert(n_blocked == 0);
    list_each (&s->freed, struct scheduler_node, freed_link, node) {
        n_listed++;
        assert(node->freed <= last);
        last = node->freed;
    }
    assert(n_listed == sum.nodes);
}
