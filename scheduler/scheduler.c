#include "scheduler/scheduler.h"

#include "scheduler/state.h"

error_code scheduler_new(struct scheduler **ret_scheduler)
{
    struct scheduler *s = mem_zalloc(sizeof *s);
    if (s == NULL) {
        return ERR_NO_MEMORY;
    }
    list_init(&s->freed);
    list_init(&s->blocked);
    list_init(&s->groups);
    list_init(&s->unsorted);
    *ret_scheduler = s;
    return OK;
}

void scheduler_free(struct scheduler *s)
{
    if (s == NULL) {
        return;
    }
    struct scheduler_class *cls, *next_class;
    HASH_ITER (hh, s->classes, cls, next_class) {
        tree_clear(&cls->items);
        HASH_DELETE(hh, s->classes, cls);
        scheduler_group_leave(s, cls);
        scheduler_class_destroy(cls);
    }
    list_each (&s->groups, struct scheduler_group, link, group) {
        group->refs = 1; /* of an owner that is gone */
        scheduler_group_unref(s, group);
    }
    struct scheduler_node *node, *next_node;
    HASH_ITER (hh, s->nodes, node, next_node) {
        HASH_DELETE(hh, s->nodes, node);
        mem_free(node->label_block);
        mem_free(node);
    }
    mem_free(s);
}

void scheduler_usage_get(const struct scheduler *s, uint32_t handle,
                         struct scheduler_usage *ret_usage)
{
    *ret_usage = (struct scheduler_usage){0};
    if (handle == 0) {
        *ret_usage = s->usage;
        return;
    }
    const struct scheduler_node *node = scheduler_node_find(s, handle);
    if (node != NULL) {
        amount gpus_total = (amount)node->n_gpus * AMOUNT_ONE;
        *ret_usage = (struct scheduler_usage){
            .nodes = 1,
            .nodes_open = node->is_open ? 1 : 0,
            .cpus_total = node->cpus_total,
            .cpus_used = node->cpus_used,
            .gpus_total = gpus_total,
            .gpus_used = gpus_total - node->gpus_free,
            .memory_total = node->memory_total,
            .memory_used = node->memory_used,
        };
    }
}
