/* The head keeps books of what lies where; here the disks are looked at. */
#include "sim/drains.h"

#include "sim/calendar.h"
#include "sim/kept_check.h"
#include "sim/lineage.h"
#include "sim/records.h"

/* Another disk than this node's has it. */
static bool is_elsewhere(const struct sim *sim, const struct sim_node *node, task_id maker,
                         uint32_t ordinal)
{
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        const struct sim_node *other = &sim->nodes[i];
        if (other != node && sim_disk_find(other, maker, ordinal) < other->n_disk) {
            return true;
        }
    }
    return false;
}

/* A place that the head counts on, and that has an empty disk since: nobody can know. */
static bool was_wiped(struct sim *sim, const char *name)
{
    const struct sim_node *node = sim_node_find(sim, name);
    return node != NULL && node->wipes > 0;
}

static void let_go_check(struct sim *sim, const struct sim_node *node, const struct sim_task *task,
                         task_id maker, const struct snapshot_ref *snapshot, const char *what)
{
    const struct sim_task *made_by = sim_task_find(sim, maker);
    bool is_excused = sim_lineage_is_lost(sim, maker, snapshot) ||
                      sim_was_retried(sim, task->id.job) || made_by == NULL ||
                      was_wiped(sim, made_by->safe_node) || was_wiped(sim, made_by->best_node) ||
                      was_wiped(sim, made_by->snapshot_node);
    sim_require(sim, is_excused || is_elsewhere(sim, node, maker, snapshot->ordinal),
                "%s may go, and it alone has %s %u of %u.%u, which %u.%u (%s) needs", node->name,
                what, snapshot->ordinal, maker.job, maker.index, task->id.job, task->id.index,
                task_state_names[task->r.state]);
}

static void let_go_check_kept(struct sim *sim, const struct sim_node *node,
                              const struct sim_task *task)
{
    for (uint32_t i = 0; i < task->r.n_kept; i++) {
        uint32_t ordinal = task->kept[i].ordinal;
        sim_require(sim,
                    strcmp(task->kept[i].node, node->name) != 0 ||
                        is_elsewhere(sim, node, task->id, ordinal) ||
                        sim_kept_is_lost(sim, task, ordinal) || sim_was_retried(sim, task->id.job),
                    "%s may go, and it alone has snapshot %u of %u.%u, which that keeps",
                    node->name, ordinal, task->id.job, task->id.index);
    }
}

void sim_drain_told(struct sim *sim, struct sim_node *node, const struct msg_owed *owed)
{
    sim->counts.drains_waited += owed->n_snapshots > 0;
    sim->counts.drains_stranded += owed->n_stranded > 0;
    if (owed->n_snapshots > 0 || owed->n_stranded > 0) {
        return;
    }
    sim->counts.drains_let_go++;
    node->is_let_go = true;
    struct sim_task *task, *next;
    HASH_ITER (hh, sim->store.tasks, task, next) {
        const struct record_task *r = &task->r;
        bool is_open = r->is_trial && r->state != TASK_ENDED;
        if (is_open && r->snapshot.ordinal != 0 && strcmp(task->snapshot_node, node->name) == 0) {
            let_go_check(sim, node, task, snapshot_maker(task->id, &r->snapshot), &r->snapshot,
                         "snapshot");
        }
        if (is_open && r->best_snapshot.ordinal != 0 && strcmp(task->best_node, node->name) == 0) {
            let_go_check(sim, node, task, task->id, &r->best_snapshot, "the best snapshot");
        }
        if (is_open && r->own_snapshot.ordinal != 0 && strcmp(task->own_node, node->name) == 0) {
            let_go_check(sim, node, task, task->id, &r->own_snapshot, "what to go back to");
        }
        if (is_open) {
            let_go_check_kept(sim, node, task);
        }
    }
}

/* Where its second place was may be gone in its turn. */
static bool is_place_gone(struct sim *sim, const char *name)
{
    struct arena arena;
    struct record_node r;
    arena_init(&arena, 1 << 20);
    bool is_gone =
        !sim_store_get(sim, "nodes", name, &record_node_schema, &arena, &r) || r.state == NODE_GONE;
    arena_fini(&arena);
    return is_gone || was_wiped(sim, name);
}

void sim_drain_follows(struct sim *sim, const struct sim_task *old, const struct record_task *r)
{
    const struct record_task *o = &old->r;
    const struct sim_node *node = sim_node_find(sim, old->snapshot_node);
    bool is_back = r->attempt > o->attempt && o->snapshot.owner == 0 && r->snapshot.owner == 0 &&
                   r->lineage == o->lineage && r->snapshot.ordinal < o->snapshot.ordinal;
    if (node == NULL || !node->is_let_go || !is_back) {
        return;
    }
    bool is_excused = is_place_gone(sim, old->safe_node) || sim_was_retried(sim, old->id.job) ||
                      sim_lineage_is_lost(sim, old->id, &o->snapshot); /* found damaged elsewhere */
    sim_require(sim, is_excused,
                "%u.%u goes back from step %lld to %lld, for %s left in good order", old->id.job,
                old->id.index, (long long)o->snapshot.step, (long long)r->snapshot.step,
                node->name);
}

void sim_take_say(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    sim_trace(sim, "%-7s says: %s", node->name, e->text);
}
