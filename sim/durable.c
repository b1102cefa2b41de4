/* Leases, orders, welcomes and acknowledgements leave when what they tell is on disk, not before.
 */
#include "sim/durable.h"

#include <string.h>

#include "sim/records.h"

static void lease_is_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_lease *lease = message;
    const struct sim_task *task = sim_task_find(sim, lease->task);
    char id[TASK_ID_TEXT_MAX];
    (void)node;
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
    sim_require(sim, is_there && (r.incarnation != incarnation || r.applied >= applied),
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
        sim_require(sim, task != NULL && task->r.n_attempts > welcome->holds[i].attempt,
                    "%s: welcome holds what is not on disk", node->name);
    }
    sim->counts.enrolments++;
}

static const struct {
    message_type type;
    void (*check)(struct sim *sim, struct sim_node *node, const void *message);
} durables[] = {
    {MSG_LEASE, lease_is_durable},
    {MSG_ORDER, order_is_durable},
    {MSG_ACK, ack_is_durable},
    {MSG_WELCOME, welcome_is_durable},
};

void sim_is_durable(struct sim *sim, struct sim_node *node, message_type type, const void *message)
{
    for (size_t i = 0; i < sizeof durables / sizeof durables[0]; i++) {
        if (durables[i].type == type) {
            durables[i].check(sim, node, message);
        }
    }
}
