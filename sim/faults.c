/* What breaks. */
#include "sim/faults.h"
#include "sim/agent_effects.h"
#include "sim/calendar.h"
#include "sim/head.h"
#include "sim/head_life.h"
#include "sim/lineage.h"
#include "sim/link.h"
#include "sim/node.h"
#include "sim/store_link.h"
#include "sim/trainer.h"

static struct sim_node *sim_some_node(struct sim *sim)
{
    return &sim->nodes[sim_below(sim, sim->n_nodes)];
}

static void fault_link_break(struct sim *sim)
{
    struct sim_node *node = sim_some_node(sim);
    if (node->link.is_up) {
        sim_link_break(sim, node, false);
        sim_link_later(sim, node, sim_delay(sim, 500));
    }
}

/* A connection that carries nothing any more in these directions is found dead at last. */
static void link_mute(struct sim *sim, struct sim_node *node, bool is_up, bool is_down)
{
    if (!node->link.is_up) {
        return;
    }
    sim_trace(sim, "link    %s falls silent%s", node->name,
              is_up && is_down ? ""
              : is_up          ? " upwards"
                               : " downwards");
    node->link.is_muted_up |= is_up;
    node->link.is_muted_down |= is_down;
    sim_push(sim, (struct sim_event){.at = sim->now + 3000 + sim_delay(sim, 15000),
                                     .kind = SIM_LINK_DEAD,
                                     .node = node->index,
                                     .life = node->link.life});
}

static void fault_link_mute(struct sim *sim)
{
    link_mute(sim, sim_some_node(sim), true, true);
}

static void fault_half_open(struct sim *sim)
{
    bool is_up = sim_chance(sim, 500);
    link_mute(sim, sim_some_node(sim), is_up, !is_up);
}

/* Some nodes reach nobody for a while; what is under way waits. */
static void fault_partition(struct sim *sim)
{
    time_ms until = sim->now + 500 + sim_delay(sim, 10000);
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        struct sim_node *node = &sim->nodes[i];
        if (sim_chance(sim, 500) && node->cut_until < until) {
            node->cut_until = until;
            sim_trace(sim, "link    %s is cut off", node->name);
        }
    }
}

static void fault_head_kill(struct sim *sim)
{
    sim_head_kill(sim, 50 + sim_delay(sim, 3000));
}

static void fault_head_split(struct sim *sim)
{
    sim_head_split(sim, 50 + sim_delay(sim, 2000));
}

static void fault_store_crash(struct sim *sim)
{
    if (sim->store.loading_until <= sim->now) {
        int64_t down_ms = 50 + sim_delay(sim, 1000);
        sim_store_crash(sim, down_ms, sim_delay(sim, 1000));
    }
}

static void fault_store_full(struct sim *sim)
{
    sim->store.full_until = sim->now + 500 + sim_delay(sim, 5000);
    sim_trace(sim, "store   is full");
}

static void fault_head_stall(struct sim *sim)
{
    if (sim->head.core != NULL && sim->head.stalled_until <= sim->now) {
        sim->head.stalled_since = sim->now;
        sim->head.stalled_until = sim->now + 500 + sim_delay(sim, 10000);
        sim_trace(sim, "head    stalls");
    }
}

static void fault_store_stall(struct sim *sim)
{
    if (sim->store.stalled_until <= sim->now) {
        sim->store.stalled_until = sim->now + 500 + sim_delay(sim, 5000);
        sim_trace(sim, "store   stalls");
    }
}

static void fault_agent_kill(struct sim *sim)
{
    struct sim_node *node = sim_some_node(sim);
    if (node->agent != NULL) {
        sim_agent_end(sim, node, 50 + sim_delay(sim, 2000));
    }
}

static void fault_agent_stall(struct sim *sim)
{
    struct sim_node *node = sim_some_node(sim);
    if (node->agent != NULL && node->stalled_until == 0) {
        node->stalled_since = sim->now;
        node->stalled_until = sim->now + 500 + sim_delay(sim, 10000);
        sim_trace(sim, "%-7s stalls", node->name);
    }
}

static void fault_agent_drain(struct sim *sim)
{
    struct sim_node *node = sim_some_node(sim);
    if (node->agent != NULL) {
        sim_trace(sim, "%-7s is told to drain", node->name);
        on_drain(node->agent, sim->now, sim->now + 500 + sim_delay(sim, 10000), &node->out);
        sim_node_drain(sim, node);
    }
}

static void fault_trainer_kill(struct sim *sim)
{
    struct sim_node *node = sim_some_node(sim);
    struct sim_process *p = &node->processes[sim_below(sim, SIM_PROCESSES_MAX)];
    for (uint32_t i = 0; i < SIM_PROCESSES_MAX && !(p->is_used && p->is_alive); i++) {
        p = &node->processes[i];
    }
    if (p->is_used && p->is_alive) {
        sim_exit_later(sim, node, p, CAUSE_SIGNAL, SIGKILL, 0);
    }
}

/* Longer than the head waits for it. */
static void fault_node_away(struct sim *sim)
{
    struct sim_node *node = sim_some_node(sim);
    if (node->link.is_up) {
        sim_link_break(sim, node, false);
        sim_link_later(sim, node, CORE_NODE_TIMEOUT_MS + (int64_t)sim_below(sim, 10000));
    }
}

/* Its machine is gone, and its disk; another one comes with its name. */
static void fault_node_lost(struct sim *sim)
{
    struct sim_node *node = sim_some_node(sim);
    if (node->agent != NULL) {
        sim_agent_end(sim, node, sim_chance(sim, 500) ? 1000 : 20000 + sim_delay(sim, 20000));
        sim_node_wipe(sim, node);
    }
}

/* One file of a disk, not the whole disk: nobody is told, and who wants it finds out. */
static void fault_snapshot_loss(struct sim *sim)
{
    struct sim_node *node = sim_some_node(sim);
    if (node->n_disk == 0) {
        return;
    }
    uint32_t i = (uint32_t)sim_below(sim, node->n_disk);
    task_id maker = node->disk_task[i];
    sim_trace(sim, "%-7s has lost snapshot %u of %u.%u", node->name, node->disk[i].ordinal,
              maker.job, maker.index);
    sim_lineage_lost(sim, maker, &node->disk[i]);
    sim_disk_remove(node, maker, node->disk[i].ordinal);
}

void fault_cluster_stop(struct sim *sim)
{
    if (sim->head.core != NULL && sim->head.stalled_until <= sim->now) {
        sim_trace(sim, "cluster is shut down");
        sim_head_wake(sim, &sim->head);
        on_shutdown(sim->head.core, sim->now, ++sim->requests, sim->now + 10000);
        sim_head_turn(sim, &sim->head);
    }
}

static const struct {
    const char *name;
    uint32_t weight;
    void (*happen)(struct sim *sim);
} sim_faults[] = {
#define X(name, weight) {#name, weight, fault_##name},
    SIM_FAULTS(X)
#undef X
};

void sim_on_fault(struct sim *sim, const struct sim_event *event)
{
    uint32_t total = 0;
    (void)event;
    for (int i = 0; i < FAULT_COUNT; i++) {
        total += sim->fault_weights[i];
    }
    if (sim->is_calm || total == 0) {
        return;
    }
    uint64_t dice = sim_below(sim, total);
    int i = 0;
    for (; dice >= sim->fault_weights[i]; i++) {
        dice -= sim->fault_weights[i];
    }
    sim->counts.faults[i]++;
    sim_faults[i].happen(sim);
    sim_push(sim, (struct sim_event){.at = sim->now + sim_delay(sim, sim->fault_pause_ms),
                                     .kind = SIM_FAULT});
}

void sim_faults_draw(struct sim *sim, bool is_fair)
{
    for (int i = 0; i < FAULT_COUNT; i++) {
        sim->fault_weights[i] = !is_fair && sim_chance(sim, 600) ? sim_faults[i].weight : 0;
    }
}
