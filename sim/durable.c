/* Leases, orders, welcomes and acknowledgements leave when what they tell is on disk, not before.
 */
#include "sim/durable.h"

#include <stdio.h>
#include <string.h>

#include "sim/array_records.h"
#include "sim/records.h"
#include "sim/verbs.h"

/* Written, ended and removed again in one batch. */
static bool is_removed(const struct sim *sim, const struct sim_task *task, uint32_t number)
{
    return task == NULL && sim_was_asked(sim, CLIENT_REMOVE, number);
}

static void lease_is_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_lease *lease = message;
    const struct sim_task *task = sim_task_find(sim, lease->task);
    char id[TASK_ID_TEXT_MAX];
    (void)node;
    if (is_removed(sim, task, lease->task.job)) {
        return;
    }
    sim_require(sim, task != NULL && task->r.n_attempts > lease->attempt,
                "lease of %s:%u left before it was on disk", task_id_print(lease->task, id),
                lease->attempt);
    sim_require(sim, task->r.order.n >= lease->order.n, "lease of %s: order left early", id);
}

static void order_is_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_order *order = message;
    const struct sim_task *task = sim_task_find(sim, order->task);
    char id[TASK_ID_TEXT_MAX];
    (void)node;
    if (is_removed(sim, task, order->task.job)) {
        return;
    }
    sim_require(sim, task != NULL && task->r.order.n >= order->order.n,
                "order %llu of %s left before it was on disk", (unsigned long long)order->order.n,
                task_id_print(order->task, id));
}

static void applied_is_durable(struct sim *sim, struct sim_node *node, uint64_t incarnation,
                               uint64_t applied)
{
    struct arena arena;
    struct record_node r;
    arena_init(&arena, 1 << 20);
    bool is_there = sim_store_get(sim, "nodes", node->name, &record_node_schema, &arena, &r);
    bool is_forgotten =
        !is_there && sim->head.core != NULL && core_node_find(sim->head.core, node->name) == NULL;
    sim_require(
        sim, is_forgotten || (is_there && (r.incarnation != incarnation || r.applied >= applied)),
        "%s: event %llu acknowledged before it was on disk", node->name,
        (unsigned long long)applied);
    arena_fini(&arena);
}

static void ack_is_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_ack *ack = message;
    applied_is_durable(sim, node, ack->incarnation, ack->applied);
}

static void welcome_is_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_welcome *welcome = message;
    applied_is_durable(sim, node, node->incarnation, welcome->applied);
    for (uint32_t i = 0; i < welcome->n_holds; i++) {
        const struct sim_task *task = sim_task_find(sim, welcome->holds[i].task);
        if (is_removed(sim, task, welcome->holds[i].task.job)) {
            continue;
        }
        sim_require(sim, task != NULL && task->r.n_attempts > welcome->holds[i].attempt,
                    "%s: welcome holds what is not on disk", node->name);
    }
    sim->counts.enrolments++;
}

static void array_is_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_array *array = message;
    char field[16];
    snprintf(field, sizeof field, "%u", array->job);
    sim_require(sim,
                sim_array_find(sim, array->job) != NULL ||
                    sim_was_asked(sim, CLIENT_REMOVE, array->job),
                "%s is told of array %s, which is not on disk", node->name, field);
}

/* Each was leased to this node, by a record: it may be more than that by now. */
static void ranges_are_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_ranges *ranges = message;
    const struct sim_array *array = sim_array_find(sim, ranges->job);
    uint32_t n = 0;
    for (uint32_t i = 0; array != NULL && i < ranges->n_ranges; i++) {
        struct array_range range = ranges->ranges[i];
        sim_require(sim, range.count > 0 && range.first + range.count <= array->n_tasks,
                    "%s: a range of array %u", node->name, ranges->job);
        for (uint32_t k = range.first; k < range.first + range.count; k++) {
            const struct sim_position *p = &array->positions[k];
            sim_require(sim, (p->had & 1U << node->index) != 0,
                        "task %u of array %u left for %s before its lease was on disk", k,
                        ranges->job, node->name);
        }
        n += range.count;
        sim->counts.chunk_borders +=
            range.first / ARRAY_CHUNK != (range.first + range.count - 1) / ARRAY_CHUNK;
    }
    sim->counts.array_ahead += n > ranges->n_lanes ? n - ranges->n_lanes : 0;
}

static void take_back_is_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_take_back *back = message;
    const struct sim_array *array = sim_array_find(sim, back->job);
    bool is_all = back->why == WHY_CANCEL && back->n_ranges == 0;
    sim_require(sim, !is_all || array == NULL || array->is_told || sim_was_retried(sim, back->job),
                "%s is told that array %u ends, which is not on disk", node->name, back->job);
    sim->counts.array_taken_back += back->why == WHY_NONE;
}

static const struct {
    message_type type;
    void (*check)(struct sim *sim, struct sim_node *node, const void *message);
} durables[] = {
    {MSG_LEASE, lease_is_durable},
    {MSG_ORDER, order_is_durable},
    {MSG_ACK, ack_is_durable},
    {MSG_WELCOME, welcome_is_durable},
    {MSG_ARRAY, array_is_durable},
    {MSG_RANGES, ranges_are_durable},
    {MSG_TAKE_BACK, take_back_is_durable},
};

void sim_is_durable(struct sim *sim, struct sim_node *node, message_type type, const void *message)
{
    for (size_t i = 0; i < sizeof durables / sizeof durables[0]; i++) {
        if (durables[i].type == type) {
            durables[i].check(sim, node, message);
        }
    }
}
