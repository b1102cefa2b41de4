#include <string.h>

#include "scheduler/state.h"

/* What is not asked is not looked at: an overdrawn node still runs what needs none of it. */
bool scheduler_room_allows(const struct scheduler_room *room, const struct request *request)
{
    if (request->cpus > 0 && room->cpus < request->cpus) {
        return false;
    }
    if (request->memory_bytes > 0 &&
        (room->memory_bytes < 0 || (uint64_t)room->memory_bytes < request->memory_bytes)) {
        return false;
    }
    if (request->gpus == 0) {
        return true;
    }
    return request->gpus >= AMOUNT_ONE ? room->gpus_whole >= request->gpus
                                       : room->gpu_largest >= request->gpus;
}

struct scheduler_room scheduler_node_room(const struct scheduler_node *node)
{
    struct scheduler_room room = {
        .cpus = node->cpus_total - node->cpus_used,
        .memory_bytes = (int64_t)node->memory_total - (int64_t)node->memory_used,
    };
    for (uint32_t i = 0; i < node->n_gpus; i++) {
        amount free = node->gpus[i].free;
        if (free > room.gpu_largest) {
            room.gpu_largest = free;
        }
        if (free == AMOUNT_ONE) {
            room.gpus_whole += AMOUNT_ONE;
        } else if (free > room.gpu_partial) {
            room.gpu_partial = free;
        }
    }
    return room;
}

struct scheduler_room scheduler_node_empty_room(const struct scheduler_node *node)
{
    return (struct scheduler_room){
        .cpus = node->cpus_total,
        .memory_bytes = (int64_t)node->memory_total,
        .gpus_whole = (amount)node->n_gpus * AMOUNT_ONE,
        .gpu_largest = node->n_gpus > 0 ? AMOUNT_ONE : 0,
    };
}

bool scheduler_node_meets(const struct scheduler_node *node, const struct require *require)
{
    static const bool is_negated[] = {
        [REQUIRE_EQUAL] = false, [REQUIRE_NOT_EQUAL] = true, [REQUIRE_IN] = false,
        [REQUIRE_NOT_IN] = true, [REQUIRE_EXISTS] = false,
    };
    for (uint32_t i = 0; i < node->n_labels; i++) {
        if (strcmp(node->labels[i].name, require->label) != 0) {
            continue;
        }
        for (uint32_t k = 0; k < require->n_values; k++) {
            if (strcmp(node->labels[i].value, require->values[k]) == 0) {
                return !is_negated[require->op];
            }
        }
        return is_negated[require->op] || require->op == REQUIRE_EXISTS;
    }
    return is_negated[require->op];
}

bool scheduler_node_meets_all(const struct scheduler_node *node, const struct request *request)
{
    for (uint32_t i = 0; i < request->n_require; i++) {
        if (!scheduler_node_meets(node, &request->require[i])) {
            return false;
        }
    }
    return true;
}

static bool node_custom_allows(const struct scheduler_node *node, const struct request *request,
                               bool is_empty)
{
    for (uint32_t i = 0; i < request->n_custom; i++) {
        const struct custom_amount *ask = &request->custom[i];
        if (ask->amount == 0) {
            continue;
        }
        const struct scheduler_custom *has = scheduler_node_custom(node, ask->name);
        if (has == NULL || has->total - (is_empty ? 0 : has->used) < ask->amount) {
            return false;
        }
    }
    return true;
}

bool scheduler_node_fits(const struct scheduler_node *node, const struct request *request)
{
    return scheduler_room_allows(&node->room, request) &&
           node_custom_allows(node, request, false) && scheduler_node_meets_all(node, request);
}

bool scheduler_node_fits_class(const struct scheduler_node *node, const struct scheduler_class *cls)
{
    return scheduler_node_fits(node, &cls->request) && scheduler_group_allows(cls->group, node);
}

uint32_t scheduler_node_score(const struct scheduler_node *node, const struct request *request)
{
    uint32_t score = 0;
    for (uint32_t i = 0; i < request->n_prefer; i++) {
        score = score << 1 | (scheduler_node_meets(node, &request->prefer[i]) ? 1 : 0);
    }
    return score;
}

uint32_t scheduler_score_full(const struct request *request)
{
    return request->n_prefer == 0 ? 0 : UINT32_MAX >> (32 - request->n_prefer);
}

bool scheduler_node_could_fit(const struct scheduler_node *node, const struct request *request)
{
    struct scheduler_room room = scheduler_node_empty_room(node);
    return scheduler_room_allows(&room, request) && node_custom_allows(node, request, true) &&
           scheduler_node_meets_all(node, request);
}

bool scheduler_is_satisfiable(const struct scheduler *s, const struct request *request)
{
    uint32_t n = 0;
    for (const struct scheduler_node *node = s->nodes; node != NULL; node = node->hh.next) {
        n += scheduler_node_could_fit(node, request) ? 1 : 0;
        if (n == request_nodes(request)) {
            return true;
        }
    }
    return false;
}

bool scheduler_node_is_capable(const struct scheduler *s, uint32_t handle,
                               const struct scheduler_group *group, const struct request *request)
{
    const struct scheduler_node *node = scheduler_node_find(s, handle);
    const struct scheduler_share *share = NULL;
    if (group != NULL) {
        HASH_FIND(hh, group->shares, &handle, sizeof handle, share);
    }
    return node != NULL && (share == NULL || !share->is_excluded) &&
           scheduler_node_could_fit(node, request);
}
