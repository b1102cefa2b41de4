/* Groups of writes and the batch in flight. A group holds what one turn (or a thousand records of
 * it) wrote and is never split: the store's script applies a batch whole, so a group is on disk
 * whole or not at all. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "head/core/outbox.h"

enum { GROUP_BYTES_MAX = 512 << 20 };

struct group {
    struct list link;
    struct arena arena;
    struct store_op *ops;
    uint32_t n_ops;
    uint32_t cap;
    size_t size_bytes;
    bool has_milestone;
};

static struct group *group_new(void)
{
    struct group *group = mem_zalloc(sizeof *group);
    if (group != NULL) {
        list_init(&group->link);
        arena_init(&group->arena, GROUP_BYTES_MAX);
    }
    return group;
}

static void group_free(struct group *group)
{
    if (group == NULL) {
        return;
    }
    list_remove(&group->link);
    arena_fini(&group->arena);
    mem_free(group->ops);
    mem_free(group);
}

void outbox_init(struct outbox *out, uint64_t last_batch_n)
{
    *out = (struct outbox){.open_number = 1, .n = last_batch_n};
    list_init(&out->groups);
    list_init(&out->effects);
}

static struct group *outbox_open_group(struct outbox *out)
{
    if (out->open == NULL && out->failed == OK) {
        out->open = group_new();
        if (out->open == NULL) {
            out->failed = ERR_NO_MEMORY;
        }
    }
    return out->open;
}

static bool group_bytes_copy(struct group *group, const void *data, size_t len, struct bytes *ret)
{
    char *copy = arena_strndup(&group->arena, data != NULL ? data : "", len);
    *ret = (struct bytes){(const uint8_t *)copy, len};
    return copy != NULL;
}

static void outbox_op(struct outbox *out, store_op_kind kind, const char *key, const char *field,
                      struct bytes value)
{
    struct group *group = outbox_open_group(out);
    if (group == NULL) {
        return;
    }
    if (group->n_ops == group->cap) {
        uint32_t cap = group->cap == 0 ? 16 : group->cap * 2;
        struct store_op *ops = mem_realloc(group->ops, cap * sizeof *ops);
        if (ops == NULL) {
            out->failed = ERR_NO_MEMORY;
            return;
        }
        group->ops = ops;
        group->cap = cap;
    }
    struct store_op op = {.kind = kind};
    struct bytes key_copy;
    if (!group_bytes_copy(group, key, strlen(key), &key_copy) ||
        !group_bytes_copy(group, field, field != NULL ? strlen(field) : 0, &op.field) ||
        !group_bytes_copy(group, value.data, value.len, &op.value)) {
        out->failed = ERR_NO_MEMORY;
        return;
    }
    op.key = (const char *)key_copy.data;
    group->ops[group->n_ops++] = op;
    group->size_bytes += key_copy.len + op.field.len + op.value.len;
}

void outbox_hset(struct outbox *out, const char *key, const char *field, struct bytes value)
{
    outbox_op(out, OP_HSET, key, field, value);
}

void outbox_hdel(struct outbox *out, const char *key, const char *field)
{
    outbox_op(out, OP_HDEL, key, field, (struct bytes){NULL, 0});
}

void outbox_rpush(struct outbox *out, const char *key, struct bytes value)
{
    outbox_op(out, OP_RPUSH, key, NULL, value);
}

void outbox_del(struct outbox *out, const char *key)
{
    outbox_op(out, OP_DEL, key, NULL, (struct bytes){NULL, 0});
}

void outbox_milestone(struct outbox *out)
{
    struct group *group = outbox_open_group(out);
    if (group != NULL && !group->has_milestone) {
        group->has_milestone = true;
        out->milestones_waiting++;
    }
}

uint32_t outbox_open_ops(const struct outbox *out)
{
    return out->open != NULL ? out->open->n_ops : 0;
}

bool outbox_in_flight(const struct outbox *out)
{
    return out->in_flight_groups > 0;
}

/* Takes whole groups from the front until a limit; the first one always. */
static uint32_t outbox_batch_size(const struct outbox *out, uint32_t *ret_ops)
{
    uint32_t ops_max = out->milestones_waiting > 0 ? BATCH_OPS_MAX_MILESTONE : BATCH_OPS_MAX;
    uint32_t groups = 0, ops = 0;
    size_t size_bytes = 0;
    list_each (&out->groups, struct group, link, group) {
        size_bytes += group->size_bytes;
        if (groups > 0 && (ops + group->n_ops > ops_max || size_bytes > BATCH_BYTES_MAX)) {
            break;
        }
        ops += group->n_ops;
        groups++;
    }
    *ret_ops = ops;
    return groups;
}

static bool outbox_batch_make(struct outbox *out, time_ms now)
{
    uint32_t n_ops = 0;
    uint32_t n_groups = outbox_batch_size(out, &n_ops);
    if (n_ops > out->batch_cap) {
        struct store_op *ops = mem_realloc(out->batch_ops, n_ops * sizeof *ops);
        if (ops == NULL) {
            out->failed = ERR_NO_MEMORY;
            return false;
        }
        out->batch_ops = ops;
        out->batch_cap = n_ops;
    }
    out->batch = (struct batch){.n = ++out->n, .ops = out->batch_ops};
    uint32_t taken = 0;
    list_each (&out->groups, struct group, link, group) {
        if (taken++ == n_groups) {
            break;
        }
        memcpy(out->batch_ops + out->batch.n_ops, group->ops, group->n_ops * sizeof *group->ops);
        out->batch.n_ops += group->n_ops;
        out->batch.size_bytes += group->size_bytes;
    }
    out->in_flight_groups = n_groups;
    out->batch_made = now;
    out->is_sent = false;
    return true;
}

const struct batch *outbox_batch(struct outbox *out, time_ms now)
{
    if (out->failed != OK) {
        return NULL;
    }
    if (out->in_flight_groups == 0) {
        if (list_is_empty(&out->groups) || !outbox_batch_make(out, now)) {
            return NULL;
        }
    }
    if (out->is_sent) {
        return NULL;
    }
    out->is_sent = true;
    return &out->batch;
}

void outbox_applied(struct outbox *out, uint64_t n)
{
    assert(out->in_flight_groups > 0 && n == out->batch.n);
    for (; out->in_flight_groups > 0; out->in_flight_groups--) {
        struct group *group = list_first(&out->groups, struct group, link);
        if (group->has_milestone) {
            out->milestones_waiting--;
        }
        group_free(group);
        out->durable_number++;
    }
}

void outbox_batch_fini(struct outbox *out)
{
    list_each (&out->groups, struct group, link, group) {
        group_free(group);
    }
    group_free(out->open);
    mem_free(out->batch_ops);
    out->open = NULL;
    out->batch_ops = NULL;
}

/* Moves the open group to the closed ones; false if it holds no write. */
bool outbox_group_move(struct outbox *out)
{
    if (out->open == NULL || out->open->n_ops == 0) {
        return false;
    }
    list_push_back(&out->groups, &out->open->link);
    out->open = NULL;
    return true;
}
