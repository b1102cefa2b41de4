/* Snapshots that go from one node's disk to another's, past the head: an agent that is there hands
 * out what lies on its disk to whoever knows a pass that the head made known to it. */
#include "sim/copies.h"

#include <string.h>

#include "sim/agent_effects.h"
#include "sim/calendar.h"
#include "sim/node.h"

static uint64_t pass_number(struct bytes pass)
{
    uint64_t number = 0;
    memcpy(&number, pass.data, pass.len < sizeof number ? pass.len : sizeof number);
    return number;
}

void sim_take_lend(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_pass *pass = &node->passes[node->n_passes++ % SIM_PASSES_MAX];
    *pass =
        (struct sim_pass){pass_number(e->lend->pass), e->lend->name, sim->now + e->lend->valid_ms};
}

void sim_take_copy(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    uint32_t from = 0;
    while (from < sim->n_nodes && strcmp(sim->nodes[from].name, e->source->node) != 0) {
        from++;
    }
    sim_require(sim, from < sim->n_nodes && from != node->index,
                "%s is to fetch a snapshot from '%s'", node->name, e->source->node);
    sim_push(sim, (struct sim_event){
                      .at = sim->now + sim_delay(sim, 300),
                      .kind = SIM_COPIED,
                      .node = node->index,
                      .life = node->incarnation,
                      .ref = {.task = e->source->name.task},
                      .connection = pass_number(e->frame),
                      .step = from,
                      .ordinal = e->source->name.ordinal,
                  });
}

static bool pass_is_good(const struct sim *sim, const struct sim_node *from,
                         const struct sim_event *event)
{
    for (uint32_t i = 0; i < from->n_passes && i < SIM_PASSES_MAX; i++) {
        const struct sim_pass *pass = &from->passes[i];
        if (pass->number == event->connection && sim->now < pass->until &&
            task_id_equal(pass->name.task, event->ref.task) &&
            pass->name.ordinal == event->ordinal) {
            return true;
        }
    }
    return false;
}

static copy_end copy_go(struct sim *sim, struct sim_node *to, const struct sim_event *event)
{
    const struct sim_node *from = &sim->nodes[event->step];
    bool is_cut = !sim->is_calm && sim_chance(sim, 150);
    if (is_cut || from->agent == NULL || !pass_is_good(sim, from, event)) {
        return COPY_AGAIN;
    }
    uint32_t i = sim_disk_find(from, event->ref.task, event->ordinal);
    if (i == from->n_disk) {
        return COPY_GONE;
    }
    if (!sim->is_calm && sim_chance(sim, 30)) {
        return COPY_FAILED;
    }
    sim_disk_put(sim, to, event->ref.task, from->disk[i]);
    sim->counts.copies++;
    return COPY_DONE;
}

void sim_on_copied(struct sim *sim, const struct sim_event *event)
{
    static const char *const words[] = {"done", "again", "gone", "failed"};
    struct sim_node *node = &sim->nodes[event->node];
    if (node->incarnation != event->life || node->agent == NULL) {
        return;
    }
    copy_end end = copy_go(sim, node, event);
    struct snapshot_name name = {event->ref.task, event->ordinal};
    sim_trace(sim, "%-7s fetches snapshot %u of %u.%u from %s: %s", node->name, name.ordinal,
              name.task.job, name.task.index, sim->nodes[event->step].name, words[end]);
    on_snapshot_copied(node->agent, sim->now, name, end, "it did not come", &node->out);
    sim_node_drain(sim, node);
}
