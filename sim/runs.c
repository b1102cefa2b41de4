#include "sim/runs.h"

#include "sim/agent_effects.h"
#include "sim/array_records.h"
#include "sim/records.h"
#include "worker/core/lanes.h"

static struct sim_run *run_find(const struct sim *sim, struct attempt_ref ref)
{
    struct sim_run *run;
    HASH_FIND(hh, sim->runs, &ref, sizeof ref, run);
    return run;
}

bool sim_run_has_begun(const struct sim *sim, struct attempt_ref ref)
{
    return run_find(sim, ref) != NULL;
}

void sim_run_begin(struct sim *sim, struct sim_node *node, struct attempt_ref ref, bool is_in_lane)
{
    struct sim_run *run = run_find(sim, ref);
    sim_require(sim, run == NULL || sim->was_harsh, "%u.%u:%u starts a second time, on %s",
                ref.task.job, ref.task.index, ref.attempt, node->name);
    if (run == NULL) {
        run = calloc(1, sizeof *run);
        run->ref = ref;
        HASH_ADD(hh, sim->runs, ref, sizeof run->ref, run);
    }
    if (run->is_unacked) {
        return; /* harsh: its first one is being told of */
    }
    run->node = node->index;
    run->incarnation = node->incarnation;
    run->is_in_lane = is_in_lane;
    run->has_ended = false;
    run->begun = sim->now;
    sim->counts.array_tasks += is_in_lane;
}

void sim_run_end(struct sim *sim, struct sim_node *node, struct attempt_ref ref, end_cause cause,
                 int code)
{
    struct sim_run *run = run_find(sim, ref);
    if (run == NULL || run->node != node->index || run->incarnation != node->incarnation) {
        return; /* harsh */
    }
    run->has_ended = true;
    run->cause = cause;
    run->code = code;
    if (run->is_in_lane && !run->is_unacked) {
        run->is_unacked = true;
        run->next = node->unacked;
        node->unacked = run;
    }
}

void sim_run_is_accepted(struct sim *sim, struct attempt_ref ref, const struct sim_node *node,
                         uint64_t incarnation, end_cause cause, int code)
{
    const struct sim_run *run = run_find(sim, ref);
    char id[TASK_ID_TEXT_MAX];
    task_id_print(ref.task, id);
    sim_require(sim,
                run != NULL && (sim->was_harsh ||
                                (run->node == node->index && run->incarnation == incarnation)),
                "%s:%u is said to have ended on %s, and was not there", id, ref.attempt,
                node->name);
    sim_require(sim, sim->was_harsh || (run->has_ended && run->cause == cause && run->code == code),
                "%s:%u is said to have ended by %s %d, and did not", id, ref.attempt,
                end_cause_names[cause], code);
}

/* Was the node silent so long since, or its agent started anew, that what ran there was given up?
 */
static bool run_was_given_up(const struct sim *sim, const struct sim_run *run)
{
    const struct sim_node *node = &sim->nodes[run->node];
    bool is_given_up = node->incarnation != run->incarnation || node->agent == NULL;
    for (int i = 0; i < SIM_SILENCES_MAX; i++) {
        is_given_up |= node->silences[i].to >= run->begun;
    }
    return is_given_up;
}

void sim_parts_are_over(struct sim *sim, const struct record_attempt *r)
{
    struct attempt_ref ref = {r->task, r->attempt};
    for (uint32_t i = 0; i < GANG_NODES_MAX && !sim->was_harsh; i++) {
        const struct sim_run *run = run_find(sim, sim_part_ref(ref, i));
        const struct sim_process *p =
            run != NULL ? sim_process_of(&sim->nodes[run->node], ref) : NULL;
        bool is_running = run != NULL && !run->has_ended && p != NULL && p->is_alive;
        sim_require(sim, !is_running || i == 0 || run_was_given_up(sim, run),
                    "%u.%u:%u is over, and its part %u runs on %s", r->task.job, r->task.index,
                    r->attempt, i, sim->nodes[run->node].name);
    }
}

/* The run of the part that was on this node, or of the whole attempt. */
static struct attempt_ref ref_on(const struct sim *sim, struct attempt_ref ref,
                                 const struct sim_node *node)
{
    for (uint32_t i = 1; i < GANG_NODES_MAX; i++) {
        const struct sim_run *run = run_find(sim, sim_part_ref(ref, i));
        if (run != NULL && run->node == node->index) {
            return run->ref;
        }
    }
    return ref;
}

void sim_run_follows(struct sim *sim, const struct record_attempt *r)
{
    const struct sim_node *node = sim_node_find(sim, r->part != NULL ? r->part : r->node);
    uint64_t incarnation = r->part != NULL ? r->part_incarnation : r->incarnation;
    struct attempt_ref ref = {r->task, r->attempt};
    sim_require(sim, node != NULL, "an attempt on %s", r->node);
    if (node->is_dry) {
        return;
    }
    ref = r->part != NULL ? ref_on(sim, ref, node) : ref;
    sim_parts_are_over(sim, r);
    if (r->result.cause == CAUSE_EXIT) {
        sim_run_is_accepted(sim, ref, node, incarnation, CAUSE_EXIT, (int)r->result.exit_code);
    } else if (r->result.cause == CAUSE_SIGNAL) {
        sim_run_is_accepted(sim, ref, node, incarnation, CAUSE_SIGNAL, (int)r->result.signal);
    } else if (r->result.cause != CAUSE_LOST && r->result.has_started && r->part == NULL) {
        const struct sim_run *run = run_find(sim, ref);
        sim_require(sim, run != NULL && (run->has_ended || sim->was_harsh),
                    "%u.%u:%u is said to be over (%s), and its process is not", ref.task.job,
                    ref.task.index, ref.attempt, end_cause_names[r->result.cause]);
    }
}

static bool agent_holds(const struct sim_node *node, const struct sim_array *array,
                        uint32_t position)
{
    const struct agent_array *held = agent_array_find(node->agent, array->job);
    return held != NULL && held_set_has(&held->held, position);
}

void sim_runs_acked(struct sim *sim, struct sim_node *node)
{
    struct sim_run **link = &node->unacked;
    while (node->agent != NULL && *link != NULL) {
        struct sim_run *run = *link;
        const struct sim_array *array = sim_array_find(sim, run->ref.task.job);
        uint32_t position;
        bool is_here = array != NULL && run->incarnation == node->incarnation &&
                       array_position_of(array->ids, run->ref.task.index, &position);
        if (is_here && agent_holds(node, array, position)) {
            link = &run->next;
            continue;
        }
        run->is_unacked = false;
        *link = run->next;
        sim_require(sim, !is_here || sim->was_harsh || array->positions[position].slot >= SLOT_DONE,
                    "%u.%u: its end was acknowledged to %s and is not in the store",
                    run->ref.task.job, run->ref.task.index, node->name);
        sim->counts.array_acks += is_here;
    }
}

void sim_runs_free(struct sim *sim)
{
    struct sim_run *run, *next;
    HASH_ITER (hh, sim->runs, run, next) {
        HASH_DELETE(hh, sim->runs, run);
        free(run);
    }
}
