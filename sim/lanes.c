/* A lane runs one task after the other; those behind the one that runs begin when it has ended,
 * whether the agent has heard of that or not, unless they are recalled first. Each of them is a
 * process that lives for a while and ends, well or not; whoever cuts the node off or kills its
 * agent does so in the middle of many. */
#include "sim/lanes.h"

#include <stdio.h>

#include "sim/agent_effects.h"
#include "sim/array_records.h"
#include "sim/job_logs.h"
#include "sim/runs.h"
#include "sim/trainer.h"
#include "sim/work_folders.h"

enum { LONG_TIMES = 100, STALL_US = 20000 };

void sim_array_command_make(struct sim_array_command *command, int64_t pace_us,
                            uint32_t fail_permille, uint32_t long_from)
{
    snprintf(command->pace_us, sizeof command->pace_us, "%lld", (long long)pace_us);
    snprintf(command->fail_permille, sizeof command->fail_permille, "%u", fail_permille);
    snprintf(command->long_from, sizeof command->long_from, "%u", long_from);
    const char *words[SIM_ARRAY_WORDS] = {"work", command->pace_us, command->fail_permille,
                                          command->long_from};
    memcpy(command->words, words, sizeof words);
}

/* ---- what the agent was told of ---- */

static struct sim_array_here *array_here(struct sim_node *node, uint32_t job)
{
    for (uint32_t i = 0; i < SIM_ARRAYS_MAX; i++) {
        if (node->arrays[i].job == job) {
            return &node->arrays[i];
        }
    }
    return NULL;
}

static struct sim_lane *lane_here(struct sim_node *node, uint32_t job, uint32_t number)
{
    for (uint32_t i = 0; i < SIM_LANES_MAX; i++) {
        if (node->lanes[i].job == job && (job == 0 || node->lanes[i].number == number)) {
            return &node->lanes[i];
        }
    }
    return NULL;
}

void sim_take_array(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    const struct msg_lease *lease = &e->array->lease;
    struct sim_array_here *here = array_here(node, 0);
    sim_require(sim, here != NULL, "%s knows too many arrays", node->name);
    sim_require(sim, array_here(node, e->array->job) == NULL, "%s is told of array %u twice",
                node->name, e->array->job);
    sim_require(sim, lease->n_words == SIM_ARRAY_WORDS, "array %u has another command",
                e->array->job);
    *here = (struct sim_array_here){.job = e->array->job,
                                    .pace_us = strtoll(lease->words[1], NULL, 10),
                                    .fail_permille = (uint32_t)strtoul(lease->words[2], NULL, 10),
                                    .long_from = (uint32_t)strtoul(lease->words[3], NULL, 10)};
}

void sim_take_array_drop(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_array_here *here = array_here(node, e->job);
    sim_require(sim, e->job != 0 && here != NULL, "%s drops array %u and was not told of it",
                node->name, e->job);
    for (uint32_t i = 0; i < SIM_LANES_MAX; i++) {
        sim_require(sim, node->lanes[i].job != e->job, "%s drops array %u and has a lane of it",
                    node->name, e->job);
    }
    *here = (struct sim_array_here){0};
}

/* ---- lanes ---- */

void sim_take_lane_open(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_lane *lane = lane_here(node, 0, 0);
    sim_require(sim, lane != NULL, "%s has too many lanes", node->name);
    sim_require(sim, array_here(node, e->job) != NULL, "%s opens a lane of array %u unseen",
                node->name, e->job);
    sim_require(sim, lane_here(node, e->job, e->lane.lane) == NULL, "%s opens lane %u:%u twice",
                node->name, e->job, e->lane.lane);
    sim_trace(sim, "%-7s opens lane %u of array %u", node->name, e->lane.lane, e->job);
    *lane = (struct sim_lane){.job = e->job, .number = e->lane.lane};
}

void sim_take_lane_close(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_lane *lane = lane_here(node, e->job, e->lane.lane);
    sim_require(sim, e->job != 0 && lane != NULL, "%s closes lane %u:%u, which is not open",
                node->name, e->job, e->lane.lane);
    sim_require(sim, lane->n == 0, "%s closes lane %u:%u, and something runs in it", node->name,
                e->job, e->lane.lane);
    sim_trace(sim, "%-7s closes lane %u of array %u", node->name, e->lane.lane, e->job);
    *lane = (struct sim_lane){0};
}

/* One draw a statement: the order within an expression is the compiler's affair. */
static void task_temper(struct sim *sim, struct sim_process *p, const struct sim_array_here *here,
                        uint32_t position)
{
    int64_t pace_us = here->pace_us;
    if (here->long_from != 0 && position >= here->long_from) {
        pace_us *= LONG_TIMES;
    }
    p->duration_us = pace_us / 2;
    p->duration_us += (int64_t)sim_below(sim, (uint64_t)pace_us + 1);
    p->is_hanging = !sim->is_calm && sim_chance(sim, 5);
    p->exit_cause = CAUSE_EXIT;
    p->exit_code = 0;
    if (sim_chance(sim, here->fail_permille)) {
        p->exit_cause = sim_chance(sim, 200) ? CAUSE_SIGNAL : CAUSE_EXIT;
        p->exit_code = p->exit_cause == CAUSE_SIGNAL ? SIGSEGV : 1 + (int)sim_below(sim, 3);
    }
}

bool sim_lane_task_temper(struct sim *sim, struct sim_node *node, struct sim_process *p)
{
    const struct sim_array_here *here = array_here(node, p->ref.task.job);
    const struct sim_array *array = sim_array_find(sim, p->ref.task.job);
    uint32_t position;
    p->is_lane = here != NULL && array != NULL &&
                 array_position_of(array->ids, p->ref.task.index, &position);
    if (p->is_lane) {
        task_temper(sim, p, here, position);
    }
    return p->is_lane;
}

/* The first one of the lane. */
static void lane_begin(struct sim *sim, struct sim_node *node, const struct sim_lane *lane)
{
    struct sim_process *p = sim_process_by_serial(node, lane->serials[0]);
    const struct sim_array_here *here = array_here(node, lane->job);
    sim_require(sim, p != NULL && here != NULL, "%s lost what lane %u:%u runs", node->name,
                lane->job, lane->number);
    sim_run_begin(sim, node, p->ref, true);
    int64_t wait_ms = here->pace_us >= 10000 ? sim_delay(sim, 10) : 0;
    sim_push(sim, (struct sim_event){.at = sim->now + wait_ms,
                                     .kind = SIM_PROCESS_STARTED,
                                     .node = node->index,
                                     .life = p->serial});
}

void sim_take_lane_start(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_lane *lane = lane_here(node, e->ref.task.job, e->lane.lane);
    struct sim_array_here *here = array_here(node, e->ref.task.job);
    sim_require(sim, lane != NULL && here != NULL, "%s starts %u.%u in lane %u, which is not open",
                node->name, e->ref.task.job, e->ref.task.index, e->lane.lane);
    sim_require(sim, lane->n < LANE_TASKS_MAX, "%s has too many tasks in lane %u:%u", node->name,
                lane->job, lane->number);
    const struct attempt *attempt = agent_attempt_find(node->agent, e->ref);
    sim_require(sim, attempt != NULL, "%s starts what is not there", node->name);
    sim_tree_check(sim, node, attempt->lease);
    sim_items_check(sim, node, attempt);
    struct sim_process *p = sim_process_new(sim, node);
    *p = (struct sim_process){
        .is_used = true, .serial = ++sim->serials, .ref = e->ref, .is_lane = true};
    task_temper(sim, p, here, e->position);
    sim_logs_note(sim, node, e->ref.task.job);
    sim_trace(sim, "%-7s starts %u.%u in lane %u, behind %u", node->name, e->ref.task.job,
              e->ref.task.index, e->lane.lane, lane->n);
    sim->counts.lane_chained += lane->n > 0;
    lane->serials[lane->n++] = p->serial;
    if (lane->n == 1) {
        lane_begin(sim, node, lane);
    }
}

/* Those that have not begun, the last one first. */
static void lane_recall(struct sim *sim, struct sim_node *node, struct sim_lane *lane)
{
    while (lane->n > 1) {
        struct sim_process *p = sim_process_by_serial(node, lane->serials[--lane->n]);
        sim_require(sim, p != NULL, "%s lost what lane %u:%u has ahead", node->name, lane->job,
                    lane->number);
        struct attempt_ref ref = p->ref;
        p->is_used = false;
        sim->counts.lane_recalled++;
        sim_trace(sim, "%-7s recalls %u.%u", node->name, ref.task.job, ref.task.index);
        on_attempt_recalled(node->agent, sim->now, ref, &node->out);
    }
}

void sim_take_lane_recall(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_lane *lane = lane_here(node, e->job, e->lane.lane);
    if (lane != NULL) {
        lane_recall(sim, node, lane);
    }
}

static struct sim_lane *lane_of(struct sim_node *node, uint64_t serial)
{
    for (uint32_t i = 0; i < SIM_LANES_MAX; i++) {
        if (node->lanes[i].n > 0 && node->lanes[i].serials[0] == serial) {
            return &node->lanes[i];
        }
    }
    return NULL;
}

void sim_lane_process_ended(struct sim *sim, struct sim_node *node, const struct sim_process *p)
{
    struct sim_lane *lane = lane_of(node, p->serial);
    if (lane == NULL) {
        return; /* leased alone */
    }
    lane->n--;
    memmove(lane->serials, lane->serials + 1, lane->n * sizeof lane->serials[0]);
    if (lane->n > 0) {
        lane_begin(sim, node, lane);
    }
}

/* ---- its process ---- */

static void task_cannot_start(struct sim *sim, struct sim_node *node, struct sim_process *p)
{
    if (sim_chance(sim, 500)) {
        agent_nodes_fault(node->agent, p->ref);
    }
    sim_lane_process_ended(sim, node, p);
    on_attempt_not_started(node->agent, sim->now, p->ref, CAUSE_CANNOT_START, "no such file",
                           &node->out);
    sim_node_drain(sim, node);
}

void sim_lane_process_started(struct sim *sim, struct sim_node *node, struct sim_process *p)
{
    if (!sim->is_calm && sim_chance(sim, 3)) {
        task_cannot_start(sim, node, p);
        return;
    }
    end_cause cause = p->exit_cause;
    int code = p->exit_code;
    p->is_alive = true;
    on_attempt_started(node->agent, sim->now, p->ref, (uint32_t)p->serial, &node->out);
    sim_node_drain(sim, node);
    if (p->is_used && p->is_alive) {
        struct sim_lane *lane = p->duration_us > STALL_US ? lane_of(node, p->serial) : NULL;
        if (lane != NULL) { /* nothing waits behind a long one */
            lane_recall(sim, node, lane);
            sim_node_drain(sim, node);
        }
    }
    if (p->is_used && p->is_alive) {
        sim_exit_later(sim, node, p, cause, code, (p->duration_us + 500) / 1000);
    }
}

void sim_lanes_forget(struct sim_node *node)
{
    memset(node->arrays, 0, sizeof node->arrays);
    memset(node->lanes, 0, sizeof node->lanes);
    node->unacked = NULL;
}
