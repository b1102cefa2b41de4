/* Taking and giving back. */
#include <assert.h>
#include <string.h>

#include "scheduler/state.h"

/* `sign` is 1 to take, -1 to give. Custom amounts are the class's; a name that the node has not is
 * not counted. */
static void allocation_apply(struct scheduler *s, struct scheduler_node *node,
                             const struct allocation *allocation, int sign)
{
    scheduler_node_change_begin(s, node);
    node->n_allocations += (uint32_t)sign;
    node->cpus_used += sign * allocation->cpus;
    s->usage.cpus_used += sign * allocation->cpus;
    uint64_t memory_bytes = sign > 0 ? allocation->memory_bytes : -allocation->memory_bytes;
    node->memory_used += memory_bytes;
    s->usage.memory_used += memory_bytes;
    for (uint32_t i = 0; i < allocation->n_gpus; i++) {
        amount gpu = sign * allocation->gpus[i].amount;
        assert(allocation->gpus[i].index < node->n_gpus);
        node->gpus[allocation->gpus[i].index].free -= gpu;
        node->gpus_free -= gpu;
        s->usage.gpus_used += gpu;
    }
    const struct request *request = &allocation->cls->request;
    for (uint32_t i = 0; i < request->n_custom; i++) {
        struct scheduler_custom *custom = scheduler_node_custom(node, request->custom[i].name);
        if (custom != NULL) {
            custom->used += sign * request->custom[i].amount;
        }
    }
    scheduler_node_change_end(s, node, sign < 0);
    scheduler_group_count(s, allocation, sign);
}

static void allocation_begin(struct scheduler_node *node, struct scheduler_class *cls,
                             struct allocation *allocation)
{
    memset(allocation, 0, sizeof *allocation);
    allocation->node = node->handle;
    allocation->cpus = cls->request.cpus;
    allocation->memory_bytes = cls->request.memory_bytes;
    allocation->cls = cls;
    cls->refs++;
}

static void allocation_gpu_add(struct allocation *allocation, uint32_t index, amount gpu)
{
    allocation->gpus[allocation->n_gpus].index = (uint8_t)index;
    allocation->gpus[allocation->n_gpus].amount = gpu;
    allocation->n_gpus++;
}

/* Whole ones: the first that are free. A fraction: the fullest that has so much left. */
static void allocation_gpus_choose(const struct scheduler_node *node, amount gpus,
                                   struct allocation *allocation)
{
    uint32_t best = node->n_gpus;
    for (uint32_t i = 0; i < node->n_gpus && gpus > 0; i++) {
        amount free = node->gpus[i].free;
        if (gpus >= AMOUNT_ONE && free == AMOUNT_ONE) {
            allocation_gpu_add(allocation, i, AMOUNT_ONE);
            gpus -= AMOUNT_ONE;
        } else if (gpus < AMOUNT_ONE && free >= gpus &&
                   (best == node->n_gpus || free < node->gpus[best].free)) {
            best = i;
        }
    }
    if (gpus > 0) {
        assert(best < node->n_gpus);
        allocation_gpu_add(allocation, best, gpus);
    }
}

void scheduler_allocate(struct scheduler *s, struct scheduler_node *node,
                        struct scheduler_class *cls, struct allocation *ret_allocation)
{
    assert(node->is_open);
    allocation_begin(node, cls, ret_allocation);
    allocation_gpus_choose(node, cls->request.gpus, ret_allocation);
    allocation_apply(s, node, ret_allocation, 1);
}

static bool request_is_takeable(const struct request *request)
{
    bool is_small =
        request->cpus <= SCHEDULER_AMOUNT_MAX && request->memory_bytes <= SCHEDULER_MEMORY_MAX;
    for (uint32_t i = 0; i < request->n_custom; i++) {
        is_small = is_small && request->custom[i].amount <= SCHEDULER_AMOUNT_MAX;
    }
    return is_small;
}

error_code scheduler_take(struct scheduler *s, uint32_t handle, struct scheduler_class *cls,
                          const char *const *gpus, uint32_t n_gpus,
                          struct allocation *ret_allocation)
{
    struct scheduler_node *node = scheduler_node_find(s, handle);
    if (node == NULL) {
        return ERR_NOT_FOUND;
    }
    if (!request_is_takeable(&cls->request)) {
        return ERR_INVALID;
    }
    error_code error = scheduler_group_reserve(cls->group, handle);
    if (error != OK) {
        return error;
    }
    amount each =
        cls->request.gpus > 0 && cls->request.gpus < AMOUNT_ONE ? cls->request.gpus : AMOUNT_ONE;
    allocation_begin(node, cls, ret_allocation);
    for (uint32_t i = 0; i < node->n_gpus; i++) {
        for (uint32_t k = 0; k < n_gpus; k++) {
            if (strcmp(node->gpus[i].uuid, gpus[k]) == 0) {
                allocation_gpu_add(ret_allocation, i, each);
                break;
            }
        }
    }
    allocation_apply(s, node, ret_allocation, 1);
    return OK;
}

void scheduler_give(struct scheduler *s, struct allocation *allocation)
{
    if (allocation->node == 0) {
        return;
    }
    struct scheduler_node *node = scheduler_node_find(s, allocation->node);
    if (node != NULL) {
        assert(node->n_allocations > 0);
        allocation_apply(s, node, allocation, -1);
    }
    scheduler_class_unref(s, allocation->cls);
    memset(allocation, 0, sizeof *allocation);
}
