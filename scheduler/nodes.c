/* The nodes: made as one block each, found by handle, kept in order of what they have free. */
#include <assert.h>
#include <string.h>

#include "scheduler/state.h"

struct scheduler_node *scheduler_node_find(const struct scheduler *s, uint32_t handle)
{
    struct scheduler_node *node;
    HASH_FIND(hh, s->nodes, &handle, sizeof handle, node);
    return node;
}

/* The fullest first: binpack is the first that fits. GPUs lead, so that work without GPUs fills
 * nodes without them. */
static bool free_is_before(const struct list *a, const struct list *b)
{
    const struct scheduler_node *x = scheduler_node_of(a), *y = scheduler_node_of(b);
    if (x->gpus_free != y->gpus_free) {
        return x->gpus_free < y->gpus_free;
    }
    if (x->room.cpus != y->room.cpus) {
        return x->room.cpus < y->room.cpus;
    }
    if (x->room.memory_bytes != y->room.memory_bytes) {
        return x->room.memory_bytes < y->room.memory_bytes;
    }
    return x->handle < y->handle;
}

static uint64_t free_number(const struct list *link)
{
    return scheduler_node_of(link)->handle;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void room_widen(struct scheduler_room *room, const struct scheduler_room *below)
{
    room->cpus = larger(room->cpus, below->cpus);
    room->memory_bytes = larger(room->memory_bytes, below->memory_bytes);
    room->gpus_whole = larger(room->gpus_whole, below->gpus_whole);
    room->gpu_largest = larger(room->gpu_largest, below->gpu_largest);
    room->gpu_partial = larger(room->gpu_partial, below->gpu_partial);
}

static void free_update(struct list *link)
{
    struct scheduler_node *node = scheduler_node_of(link);
    node->subtree_room = node->room;
    const struct list *children[] = {link->prev, link->next};
    for (int i = 0; i < 2; i++) {
        if (children[i] != NULL) {
            room_widen(&node->subtree_room, &scheduler_node_of(children[i])->subtree_room);
        }
    }
}

const struct tree_type scheduler_free_type = {free_is_before, free_number, free_update};

/* The least used first: the share of the supply that is scarcest there, so that large and small
 * nodes fill up alike. */
static bool spread_is_before(const struct list *a, const struct list *b)
{
    const struct scheduler_node *x = scheduler_node_of_spread(a), *y = scheduler_node_of_spread(b);
    if (x->used_share != y->used_share) {
        return x->used_share < y->used_share;
    }
    if (x->n_allocations != y->n_allocations) {
        return x->n_allocations < y->n_allocations;
    }
    return x->handle < y->handle;
}

static uint64_t spread_number(const struct list *link)
{
    return scheduler_node_of_spread(link)->handle;
}

static void spread_update(struct list *link)
{
    struct scheduler_node *node = scheduler_node_of_spread(link);
    node->spread_room = node->room;
    const struct list *children[] = {link->prev, link->next};
    for (int i = 0; i < 2; i++) {
        if (children[i] != NULL) {
            room_widen(&node->spread_room, &scheduler_node_of_spread(children[i])->spread_room);
        }
    }
}

const struct tree_type scheduler_spread_type = {spread_is_before, spread_number, spread_update};

/* The bounds on amounts keep the products inside 64 bits. */
static int64_t used_share(const struct scheduler_node *node)
{
    amount gpus_total = (amount)node->n_gpus * AMOUNT_ONE;
    const int64_t supplies[][2] = {
        {node->cpus_used, node->cpus_total},
        {(int64_t)node->memory_used, (int64_t)node->memory_total},
        {gpus_total - node->gpus_free, gpus_total},
    };
    int64_t share = 0;
    for (size_t i = 0; i < sizeof supplies / sizeof supplies[0]; i++) {
        int64_t used = supplies[i][0], total = supplies[i][1];
        if (total > 0) {
            share = larger(share, (used < total ? used : total) * AMOUNT_ONE / total);
        }
    }
    return share;
}

void scheduler_node_change_begin(struct scheduler *s, struct scheduler_node *node)
{
    if (!list_is_empty(&node->free_link)) {
        tree_remove(&scheduler_free_type, &s->free, &node->free_link);
        tree_remove(&scheduler_spread_type, &s->spread, &node->spread_link);
    }
}

void scheduler_node_change_end(struct scheduler *s, struct scheduler_node *node, bool is_freed)
{
    node->room = scheduler_node_room(node);
    node->used_share = used_share(node);
    if (!node->is_open) {
        list_remove(&node->unsorted_link);
        return;
    }
    if (list_is_empty(&node->unsorted_link)) {
        list_push_back(&s->unsorted, &node->unsorted_link);
    }
    if (is_freed) {
        node->freed = ++s->generation;
        list_remove(&node->freed_link);
        list_push_front(&s->freed, &node->freed_link);
    }
}

/* In a full cluster an item takes the place of one that has ended, found by what was given back; so
 * most changes of a node are undone before anybody looks at the trees. */
void scheduler_nodes_sort(struct scheduler *s)
{
    list_each (&s->unsorted, struct scheduler_node, unsorted_link, node) {
        list_remove(&node->unsorted_link);
        tree_insert(&scheduler_free_type, &s->free, &node->free_link);
        tree_insert(&scheduler_spread_type, &s->spread, &node->spread_link);
    }
}

struct scheduler_custom *scheduler_node_custom(const struct scheduler_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->n_custom; i++) {
        if (strcmp(node->custom[i].name, name) == 0) {
            return &node->custom[i];
        }
    }
    return NULL;
}

static error_code resources_check(const struct node_resources *resources)
{
    if (resources->n_custom > NODE_CUSTOM_MAX || resources->n_labels > NODE_LABELS_MAX) {
        return ERR_LIMIT;
    }
    if (resources->cpus < 0) {
        return ERR_INVALID;
    }
    for (uint32_t i = 0; i < resources->n_gpus; i++) {
        const char *uuid = resources->gpus[i];
        if (uuid == NULL || uuid[0] == '\0' || strlen(uuid) > GPU_UUID_MAX) {
            return ERR_INVALID;
        }
    }
    for (uint32_t i = 0; i < resources->n_custom; i++) {
        if (resources->custom[i].name == NULL || resources->custom[i].amount < 0) {
            return ERR_INVALID;
        }
    }
    for (uint32_t i = 0; i < resources->n_labels; i++) {
        if (resources->labels[i].name == NULL || resources->labels[i].value == NULL) {
            return ERR_INVALID;
        }
    }
    return OK;
}

/* The distinct UUIDs, in order of first sight; ERR_LIMIT: more than NODE_GPUS_MAX. */
static error_code resources_gpus(const struct node_resources *resources,
                                 const char *uuids[NODE_GPUS_MAX], uint32_t *ret_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < resources->n_gpus; i++) {
        uint32_t k = 0;
        while (k < count && strcmp(uuids[k], resources->gpus[i]) != 0) {
            k++;
        }
        if (k == NODE_GPUS_MAX) {
            return ERR_LIMIT;
        }
        if (k == count) {
            uuids[count++] = resources->gpus[i];
        }
    }
    *ret_count = count;
    return OK;
}

static const char *node_text_copy(char **text, const char *from)
{
    size_t size = strlen(from) + 1;
    char *copy = memcpy(*text, from, size);
    *text += size;
    return copy;
}

static amount amount_limited(amount asked)
{
    return asked < SCHEDULER_AMOUNT_MAX ? asked : SCHEDULER_AMOUNT_MAX;
}

/* Of a custom name listed twice the first counts. */
static void node_custom_copy(struct scheduler_node *node, const struct node_resources *resources,
                             char **text)
{
    for (uint32_t i = 0; i < resources->n_custom; i++) {
        const struct custom_amount *from = &resources->custom[i];
        if (scheduler_node_custom(node, from->name) == NULL) {
            node->custom[node->n_custom++] = (struct scheduler_custom){
                .name = node_text_copy(text, from->name), .total = amount_limited(from->amount)};
        }
    }
}

static struct scheduler_node *node_make(const struct node_resources *resources,
                                        const char *const *uuids, uint32_t n_gpus)
{
    size_t size = sizeof(struct scheduler_node) + n_gpus * sizeof(struct scheduler_gpu) +
                  resources->n_custom * sizeof(struct scheduler_custom) +
                  resources->n_labels * sizeof(struct env_pair);
    for (uint32_t i = 0; i < n_gpus; i++) {
        size += strlen(uuids[i]) + 1;
    }
    for (uint32_t i = 0; i < resources->n_custom; i++) {
        size += strlen(resources->custom[i].name) + 1;
    }
    for (uint32_t i = 0; i < resources->n_labels; i++) {
        size += strlen(resources->labels[i].name) + strlen(resources->labels[i].value) + 2;
    }
    struct scheduler_node *node = mem_zalloc(size);
    if (node == NULL) {
        return NULL;
    }
    node->gpus = (struct scheduler_gpu *)(void *)(node + 1);
    node->custom = (struct scheduler_custom *)(void *)(node->gpus + n_gpus);
    node->labels = (struct env_pair *)(void *)(node->custom + resources->n_custom);
    char *text = (char *)(node->labels + resources->n_labels);
    node->n_gpus = n_gpus;
    for (uint32_t i = 0; i < n_gpus; i++) {
        node->gpus[i] = (struct scheduler_gpu){node_text_copy(&text, uuids[i]), AMOUNT_ONE};
    }
    node_custom_copy(node, resources, &text);
    node->n_labels = resources->n_labels;
    for (uint32_t i = 0; i < resources->n_labels; i++) {
        node->labels[i] = (struct env_pair){node_text_copy(&text, resources->labels[i].name),
                                            node_text_copy(&text, resources->labels[i].value)};
    }
    node->gpus_free = (amount)n_gpus * AMOUNT_ONE;
    node->cpus_total = amount_limited(resources->cpus);
    node->memory_total = resources->memory_bytes < SCHEDULER_MEMORY_MAX ? resources->memory_bytes
                                                                        : SCHEDULER_MEMORY_MAX;
    list_init(&node->freed_link);
    list_init(&node->free_link);
    list_init(&node->spread_link);
    list_init(&node->unsorted_link);
    return node;
}

static uint32_t handle_next(struct scheduler *s)
{
    do {
        s->last_handle++;
    } while (s->last_handle == 0 || scheduler_node_find(s, s->last_handle) != NULL);
    return s->last_handle;
}

error_code scheduler_node_add(struct scheduler *s, const struct node_resources *resources,
                              uint32_t *ret_node)
{
    const char *uuids[NODE_GPUS_MAX];
    uint32_t n_gpus = 0;
    error_code error = resources_check(resources);
    if (error == OK) {
        error = resources_gpus(resources, uuids, &n_gpus);
    }
    if (error == OK && s->usage.nodes >= SCHEDULER_NODES_MAX) {
        error = ERR_LIMIT;
    }
    if (error != OK) {
        return error;
    }
    struct scheduler_node *node = node_make(resources, uuids, n_gpus);
    if (node == NULL) {
        return ERR_NO_MEMORY;
    }
    node->handle = handle_next(s);
    HASH_ADD(hh, s->nodes, handle, sizeof node->handle, node);
    if (node->hh.tbl == NULL) {
        mem_free(node);
        return ERR_NO_MEMORY;
    }
    node->room = scheduler_node_room(node);
    list_push_back(&s->freed, &node->freed_link);
    s->usage.nodes++;
    s->usage.cpus_total += node->cpus_total;
    s->usage.gpus_total += node->gpus_free;
    s->usage.memory_total += node->memory_total;
    *ret_node = node->handle;
    scheduler_node_open(s, node->handle, true);
    return OK;
}

void scheduler_node_open(struct scheduler *s, uint32_t handle, bool is_open)
{
    struct scheduler_node *node = scheduler_node_find(s, handle);
    assert(node != NULL);
    if (node->is_open == is_open) {
        return;
    }
    scheduler_node_change_begin(s, node);
    node->is_open = is_open;
    s->usage.nodes_open += is_open ? 1u : -1u;
    scheduler_node_change_end(s, node, true);
}

void scheduler_node_remove(struct scheduler *s, uint32_t handle)
{
    struct scheduler_node *node = scheduler_node_find(s, handle);
    assert(node != NULL);
    scheduler_node_open(s, handle, false);
    amount gpus_total = (amount)node->n_gpus * AMOUNT_ONE;
    s->usage.nodes--;
    s->usage.cpus_total -= node->cpus_total;
    s->usage.cpus_used -= node->cpus_used;
    s->usage.gpus_total -= gpus_total;
    s->usage.gpus_used -= gpus_total - node->gpus_free;
    s->usage.memory_total -= node->memory_total;
    s->usage.memory_used -= node->memory_used;
    list_remove(&node->freed_link);
    scheduler_groups_forget(s, handle);
    HASH_DELETE(hh, s->nodes, node);
    mem_free(node->label_block);
    mem_free(node);
}

const char *scheduler_gpu_uuid(const struct scheduler *s, uint32_t handle, uint8_t index)
{
    const struct scheduler_node *node = scheduler_node_find(s, handle);
    assert(node != NULL && index < node->n_gpus);
    return node->gpus[index].uuid;
}
