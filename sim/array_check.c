#include "sim/array_check.h"

#include "sim/array_records.h"
#include "sim/records.h"
#include "sim/verbs.h"
#include "worker/core/lanes.h"

/* ---- memory, store, a head loaded anew ---- */

static const struct array_holder *holder_at(const struct array *array, uint32_t position)
{
    const uint32_t *held = array_held_at(array, position);
    return held != NULL && *held != 0 ? array->holders[(*held & HELD_HOLDER) - 1] : NULL;
}

static void position_compare(struct sim *sim, const struct array *array, const struct array *again,
                             const struct sim_array *stored, uint32_t position)
{
    const struct sim_position *p = &stored->positions[position];
    const struct array_holder *holder = holder_at(array, position);
    const struct array_holder *other = holder_at(again, position);
    array_slot slot = array_slot_at(array, position);
    sim_require(sim, slot == p->slot && slot == array_slot_at(again, position),
                "task %u of array %u is slot %d, %d in the store, loaded as %d", position,
                stored->job, slot, p->slot, array_slot_at(again, position));
    if (slot != SLOT_LEASED) {
        return;
    }
    sim_require(sim,
                strcmp(holder->name, sim->nodes[p->node].name) == 0 &&
                    holder->incarnation == p->incarnation && other->number == holder->number &&
                    other->incarnation == holder->incarnation,
                "task %u of array %u is held by %s, in the store by %s, loaded as by %s", position,
                stored->job, holder->name, sim->nodes[p->node].name, other->name);
}

/* The figures that people see, counted from what is on disk. */
static void counts_compare(struct sim *sim, const struct core *core, const struct sim_array *stored)
{
    struct array_counts counts;
    uint32_t n[SLOT_EXCEPTION + 1] = {0}, outcomes[OUTCOME_SKIPPED + 1] = {0};
    uint32_t states[TASK_ENDED + 1] = {0}, n_rows = 0;
    for (uint32_t i = 0; i < stored->n_tasks; i++) {
        task_id id = {stored->job, array_id_at(stored->ids, i)};
        const struct sim_task *task =
            stored->positions[i].slot == SLOT_EXCEPTION ? sim_task_find(sim, id) : NULL;
        n[stored->positions[i].slot]++;
        n_rows += stored->positions[i].has_row;
        if (task != NULL) {
            outcomes[task->r.outcome]++;
            states[task->r.state]++;
        }
    }
    sim_require(sim, core_array_counts(core, stored->job, &counts), "array %u has no figures",
                stored->job);
    uint32_t idle = n[SLOT_QUEUED];
    bool is_told = stored->is_told;
    bool is_right = counts.total == stored->n_tasks && n_rows == n[SLOT_DONE] &&
                    counts.done == n_rows + outcomes[OUTCOME_DONE] &&
                    counts.failed == outcomes[OUTCOME_FAILED] &&
                    counts.cancelled == (is_told ? idle : 0) + outcomes[OUTCOME_CANCELLED] +
                                            outcomes[OUTCOME_STOPPED] + outcomes[OUTCOME_INVALID] &&
                    counts.queued == (is_told ? 0 : idle) + states[TASK_QUEUED] &&
                    counts.leased + counts.running ==
                        n[SLOT_LEASED] + states[TASK_LEASED] + states[TASK_RUNNING] &&
                    counts.stopping == states[TASK_STOPPING] &&
                    counts.exceptions == n[SLOT_EXCEPTION];
    sim_require(sim, is_right,
                "array %u: its figures are not what the store has: %u done, %u failed, %u "
                "cancelled, %u queued, %u leased, %u running of %u",
                stored->job, counts.done, counts.failed, counts.cancelled, counts.queued,
                counts.leased, counts.running, counts.total);
}

void sim_array_compare(struct sim *sim, const struct array *array, struct core *shadow)
{
    uint32_t number = array->work->number;
    const struct sim_array *stored = sim_array_find(sim, number);
    const struct work *again = core_work_find(shadow, number);
    sim_require(sim, stored != NULL && again != NULL && again->array != NULL,
                "array %u is not in the store", number);
    sim_require(sim, stored->n_tasks == array->n_tasks && again->array->n_tasks == array->n_tasks,
                "array %u has another size", number);
    for (uint32_t i = 0; i < array->n_tasks; i++) {
        position_compare(sim, array, again->array, stored, i);
    }
    counts_compare(sim, sim->head.core, stored);
    counts_compare(sim, shadow, stored);
}

void sim_arrays_are_somewhere(struct sim *sim)
{
    struct record_node nodes[SIM_NODES_MAX] = {0};
    struct arena arena;
    struct sim_array *array, *next;
    arena_init(&arena, 4 << 20);
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        nodes[i].state = NODE_GONE;
        (void)sim_store_get(sim, "nodes", sim->nodes[i].name, &record_node_schema, &arena,
                            &nodes[i]);
    }
    HASH_ITER (hh, sim->store.arrays, array, next) {
        for (uint32_t i = 0; i < array->n_tasks && !array->is_removing; i++) {
            const struct sim_position *p = &array->positions[i];
            const struct record_node *r = &nodes[p->node];
            sim_require(sim,
                        p->slot != SLOT_LEASED ||
                            (r->state != NODE_GONE && r->incarnation == p->incarnation),
                        "task %u of array %u is on %s, which is gone", i, array->job,
                        sim->nodes[p->node].name);
        }
    }
    arena_fini(&arena);
}

/* ---- head and agent ---- */

static const struct agent_array *agent_has(const struct sim_node *node, uint32_t job)
{
    return agent_array_find(node->agent, job);
}

static void lanes_agree(struct sim *sim, const struct array_holder *holder, struct sim_node *node)
{
    const struct agent_array *held = agent_has(node, holder->array->work->number);
    uint32_t n = held != NULL ? held->n_lanes : 0;
    sim_require(sim, n == holder->n_lanes, "array %u: the head has %u lanes on %s, which has %u",
                holder->array->work->number, holder->n_lanes, node->name, n);
    list_each (&holder->lanes, struct open_lane, link, lane) {
        bool is_there = false;
        list_each (&held->lanes, struct lane, link, theirs) {
            is_there |= theirs->number == lane->number;
        }
        sim_require(sim, is_there, "array %u: %s has no lane %u", holder->array->work->number,
                    node->name, lane->number);
    }
}

/* Told to leave alone, and still in a lane there. */
static uint32_t in_lanes(const struct node *known, uint32_t job)
{
    uint32_t n = 0;
    list_each (&known->tasks, struct task, node_link, task) {
        n += task->r.id.job == job && core_task_is_in_lane(task);
    }
    return n;
}

/* A node that had been given up started it late, and was told to end it. */
static bool is_leaving(const struct sim_node *node, task_id id)
{
    list_each (&node->agent->attempts, struct attempt, link, attempt) {
        if (task_id_equal(attempt->ref.task, id) && attempt->lane != NULL) {
            return attempt->order.act == ACT_STOP;
        }
    }
    return false;
}

static void positions_agree(struct sim *sim, const struct array_holder *holder,
                            const struct node *known, struct sim_node *node)
{
    const struct agent_array *held = agent_has(node, holder->array->work->number);
    uint32_t job = holder->array->work->number, n_alone = in_lanes(known, job);
    uint32_t n = held != NULL ? held->held.n : 0;
    struct array_range range = {0};
    for (uint32_t from = 0; held != NULL && held_set_next(&held->held, from, &range);
         from = range.first + range.count) {
        for (uint32_t i = range.first; i < range.first + range.count; i++) {
            task_id id = {job, array_id_at(holder->array->ids, i)};
            const struct task *task = core_task_find(sim->head.core, id);
            bool is_known = array_is_held(holder, i) ||
                            (task != NULL && task->node == known && core_task_is_in_lane(task));
            if (!is_known && is_leaving(node, id)) {
                n--;
                continue;
            }
            sim_require(sim, is_known, "%s holds %u.%u, and the head does not think so", node->name,
                        id.job, id.index);
        }
    }
    sim_require(sim, n == holder->n_held + n_alone,
                "array %u: the head thinks that %u and %u tasks are on %s, which holds %u", job,
                holder->n_held, n_alone, node->name, n);
}

/* What a node that had been given up started late, and was told to leave, until it has. */
static uint32_t n_leaving(const struct node *known, const struct sim_node *node, uint32_t job)
{
    uint32_t n = 0;
    list_each (&known->holders, struct array_holder, node_link, holder) {
        if (holder->array->work->number == job) {
            return 0;
        }
    }
    list_each (&node->agent->attempts, struct attempt, link, attempt) {
        n +=
            attempt->ref.task.job == job && attempt->lane != NULL && attempt->order.act == ACT_STOP;
    }
    return n;
}

void sim_arrays_agree(struct sim *sim, const struct node *known, struct sim_node *node)
{
    uint32_t n_held = 0;
    list_each (&known->holders, struct array_holder, node_link, holder) {
        lanes_agree(sim, holder, node);
        positions_agree(sim, holder, known, node);
        const struct agent_array *held = agent_has(node, holder->array->work->number);
        n_held += held != NULL ? held->held.n : 0;
    }
    const struct agent_array *array;
    for (array = node->agent->arrays; array != NULL; array = array->hh.next) {
        n_held -= array->held.n - n_leaving(known, node, array->job);
    }
    /* It may have idle lanes of one that was removed, until it knows that nothing more comes. */
    sim_require(sim, n_held == 0, "%s has of arrays what the head knows nothing of", node->name);
}

bool sim_arrays_are_busy(const struct agent *agent)
{
    const struct agent_array *array;
    for (array = agent->arrays; array != NULL; array = array->hh.next) {
        if (array->n_lanes > 0 || array->held.n > 0) {
            return true;
        }
    }
    return false;
}

/* ---- the end ---- */

static bool was_cut(const struct sim *sim, uint32_t number)
{
    static const sim_client_kind kinds[] = {CLIENT_CANCEL_TASK, CLIENT_STOP_TASK,
                                            CLIENT_CANCEL_JOB};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (sim_was_asked(sim, kinds[i], number)) {
            return true;
        }
    }
    return false;
}

void sim_array_verdict(struct sim *sim, const struct array *array)
{
    const struct record_job *job = &array->work->job->r;
    struct array_counts counts;
    sim_require(sim, core_array_counts(sim->head.core, job->number, &counts), "figures");
    sim_require(sim, counts.done + counts.failed + counts.cancelled == counts.total,
                "array %u is over: %u done, %u failed, %u cancelled of %u", job->number,
                counts.done, counts.failed, counts.cancelled, counts.total);
    sim_require(sim, counts.cancelled == 0 || job->told_at != 0 || was_cut(sim, job->number),
                "array %u: %u tasks are cancelled, and nobody asked", job->number,
                counts.cancelled);
    sim_require(sim,
                job->why != WHY_FAILURES || sim_was_retried(sim, job->number) ||
                    (job->error != NULL && job->error[0] != '\0'),
                "array %u was ended by muster without a word why", job->number);
    sim_require(sim,
                job->max_fails == 0 || counts.failed <= job->max_fails || job->told_at != 0 ||
                    sim_was_retried(sim, job->number),
                "array %u: %u tasks failed, %u may", job->number, counts.failed, job->max_fails);
    for (uint32_t i = 0; i < array->work->n_tasks; i++) {
        const struct record_task *r = &array->work->tasks[i]->r;
        sim_require(sim, r->failures <= job->retries_max + 1, "%u.%u: %u failures", r->id.job,
                    r->id.index, r->failures);
    }
}
