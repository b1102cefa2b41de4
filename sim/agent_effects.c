/* The agent's shell: its disk, its processes, what the agent's
 * core wants done. */
#include "sim/agent_effects.h"
#include "sim/calendar.h"
#include "sim/copies.h"
#include "sim/drains.h"
#include "sim/job_logs.h"
#include "sim/lanes.h"
#include "sim/lineage.h"
#include "sim/link.h"
#include "sim/records.h"
#include "sim/runs.h"
#include "sim/trainer.h"
#include "sim/work_folders.h"
#include "worker/core/lanes.h"

/* ---- snapshots on disk ---- */

uint32_t sim_disk_find(const struct sim_node *node, task_id task, uint32_t ordinal)
{
    uint32_t i = 0;
    while (i < node->n_disk &&
           !(task_id_equal(node->disk_task[i], task) && node->disk[i].ordinal == ordinal)) {
        i++;
    }
    return i;
}

void sim_disk_put(struct sim *sim, struct sim_node *node, task_id maker,
                  struct snapshot_ref snapshot)
{
    sim_require(sim, sim_disk_find(node, maker, snapshot.ordinal) == node->n_disk,
                "%s: snapshot %u of %u.%u was written twice", node->name, snapshot.ordinal,
                maker.job, maker.index);
    sim_require(sim, node->n_disk < SIM_SNAPSHOTS_MAX, "%s: its disk is full", node->name);
    node->disk_task[node->n_disk] = maker;
    node->disk[node->n_disk++] = snapshot;
}

void sim_disk_add(struct sim *sim, struct sim_node *node, const struct sim_event *event)
{
    sim_disk_put(sim, node, event->ref.task,
                 (struct snapshot_ref){.ordinal = event->ordinal,
                                       .step = event->step,
                                       .attempt = event->ref.attempt});
    sim_lineage_made(sim, node, event);
}

void sim_disk_remove(struct sim_node *node, task_id task, uint32_t ordinal)
{
    uint32_t i = sim_disk_find(node, task, ordinal);
    if (i < node->n_disk) {
        node->disk[i] = node->disk[--node->n_disk];
        node->disk_task[i] = node->disk_task[node->n_disk];
    }
}

/* ---- effects ---- */

struct sim_process *sim_process_of(struct sim_node *node, struct attempt_ref ref)
{
    for (uint32_t i = 0; i < SIM_PROCESSES_MAX; i++) {
        struct sim_process *p = &node->processes[i];
        if (p->is_used && task_id_equal(p->ref.task, ref.task) && p->ref.attempt == ref.attempt) {
            return p;
        }
    }
    return NULL;
}

static struct sim_process *sim_process_by_connection(struct sim_node *node, uint64_t connection)
{
    for (uint32_t i = 0; i < SIM_PROCESSES_MAX; i++) {
        if (node->processes[i].is_used && node->processes[i].connection == connection) {
            return &node->processes[i];
        }
    }
    return NULL;
}

/* One draw a statement: the order within an expression is the compiler's affair. */
static void process_temper(struct sim *sim, struct sim_process *p, const struct msg_lease *lease)
{
    bool is_long = sim_chance(sim, 300);
    p->last = 1 + (int64_t)sim_below(sim, is_long ? 60 : 12);
    p->pace_ms = 5 + (int64_t)sim_below(sim, 200);
    p->window = sim_chance(sim, 500) ? 1 : 1 + (uint32_t)sim_below(sim, 8);
    p->can = sim_chance(sim, 700) ? CAN_CHECKPOINT : 0;
    p->can |= sim_chance(sim, 500) ? CAN_PAUSE : 0;
    p->can |= sim_chance(sim, 600) ? CAN_EXPLOIT : 0;
    p->is_hanging = !sim->is_calm && lease->timeout_trial_ms > 0 && sim_chance(sim, 50);
    p->is_silent = sim_chance(sim, 30);
    p->is_disobedient = !sim->is_calm && sim_chance(sim, 60);
}

struct sim_process *sim_process_new(struct sim *sim, struct sim_node *node)
{
    struct sim_process *p = NULL;
    for (uint32_t i = 0; i < SIM_PROCESSES_MAX && p == NULL; i++) {
        p = node->processes[i].is_used ? NULL : &node->processes[i];
    }
    sim_require(sim, p != NULL, "%s: too many processes", node->name);
    return p;
}

static void sim_take_start(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    const struct msg_lease *lease = e->lease;
    struct sim_process *p = sim_process_new(sim, node);
    char id[TASK_ID_TEXT_MAX];
    task_id_print(e->ref.task, id);
    uint32_t node_rank = lease->nodes > 1 ? lease->node_rank : 0;
    sim_run_begin(sim, node, sim_part_ref(e->ref, node_rank), false);
    sim_require(sim, sim_process_of(node, e->ref) == NULL, "%s:%u starts twice", id,
                e->ref.attempt);
    if (lease->restore.ordinal != 0) {
        task_id maker = snapshot_maker(e->ref.task, &lease->restore);
        uint32_t i = sim_disk_find(node, maker, lease->restore.ordinal);
        bool is_lost = sim_lineage_is_lost(sim, maker, &lease->restore);
        sim_require(sim, i < node->n_disk || node->wipes > 0 || is_lost,
                    "%s:%u is to go on from snapshot %u, which is not on %s", id, e->ref.attempt,
                    lease->restore.ordinal, node->name);
        sim_require(sim,
                    i == node->n_disk || (node->disk[i].step == lease->restore.step &&
                                          node->disk[i].attempt == lease->restore.attempt),
                    "%s:%u goes on from another snapshot %u than was meant, on %s", id,
                    e->ref.attempt, lease->restore.ordinal, node->name);
    }
    sim_tree_check(sim, node, lease);
    *p = (struct sim_process){
        .is_used = true,
        .serial = ++sim->serials,
        .ref = e->ref,
        .is_trial = lease->is_trial,
        .nodes = lease->nodes,
        .node_rank = node_rank,
        .has_restore = lease->restore.ordinal != 0,
        .is_restore_missing = lease->restore.ordinal != 0 &&
                              sim_disk_find(node, snapshot_maker(e->ref.task, &lease->restore),
                                            lease->restore.ordinal) == node->n_disk,
        .seed = lease->is_trial ? lease->seed : sim->serials,
        .late = -1,
        .next = -1,
        .save_at = -1,
        .saved_for = -1,
    };
    sim_lineage_offered(p, snapshot_maker(e->ref.task, &lease->restore), &lease->restore);
    if (lease->is_trial || !sim_lane_task_temper(sim, node, p)) {
        process_temper(sim, p, lease);
    }
    sim_logs_note(sim, node, e->ref.task.job);
    sim_trace(sim, "%-7s %s:%u is started, restore %u", node->name, id, e->ref.attempt,
              lease->restore.ordinal);
    sim_push(sim, (struct sim_event){.at = sim->now + sim_delay(sim, 40),
                                     .kind = SIM_PROCESS_STARTED,
                                     .node = node->index,
                                     .life = p->serial});
}

static void sim_take_signal(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_process *p = sim_process_of(node, e->ref);
    if (p == NULL || !p->is_alive) {
        return;
    }
    if (e->signal == SIGKILL) {
        sim_exit_later(sim, node, p, CAUSE_SIGNAL, SIGKILL, 1 + (int64_t)sim_below(sim, 20));
    } else if (!p->is_hanging && sim_chance(sim, 900)) {
        bool is_graceful = sim_chance(sim, 300);
        sim_exit_later(sim, node, p, is_graceful ? CAUSE_EXIT : CAUSE_SIGNAL,
                       is_graceful ? 0 : SIGTERM, 1 + (int64_t)sim_below(sim, 300));
    }
}

static void sim_take_answer(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_process *p = sim_process_by_connection(node, e->connection);
    if (p != NULL) {
        sim_trainer_hear(sim, node, p, e->text);
    }
}

static void sim_take_close(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_process *p = sim_process_by_connection(node, e->connection);
    if (p != NULL) {
        p->connection = 0;
        if (p->is_alive) {
            sim_exit_later(sim, node, p, CAUSE_EXIT, 1, 10);
        }
    }
}

static void sim_take_read(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_process *p = sim_process_by_connection(node, e->connection);
    if (p != NULL) {
        p->is_read_stopped = e->kind == AGENT_READ_STOP;
        sim_push(sim,
                 (struct sim_event){
                     .at = sim->now, .kind = SIM_REQUESTS, .node = node->index, .life = p->serial});
    }
}

static void sim_take_save(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    sim_push(sim, (struct sim_event){
                      .at = sim->now + sim_delay(sim, 30),
                      .kind = e->kind == AGENT_SAVE_BEGIN ? SIM_SAVE_BEGUN : SIM_SAVE_DONE,
                      .node = node->index,
                      .life = node->incarnation,
                      .ref = e->ref,
                      .connection = e->connection,
                      .step = e->kind == AGENT_SAVE_BEGIN ? e->step : e->snapshot.step,
                      .ordinal = e->snapshot.ordinal,
                  });
}

static void sim_take_prove(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_process *p = sim_process_of(node, e->ref);
    const struct attempt *attempt = agent_attempt_find(node->agent, e->ref);
    if (p != NULL && attempt != NULL) {
        const struct snapshot_ref *snapshot = &attempt->told.message->restore;
        sim_lineage_offered(p, snapshot_maker(e->ref.task, snapshot), snapshot);
    }
    sim_push(sim, (struct sim_event){
                      .at = sim->now + sim_delay(sim, 30),
                      .kind = SIM_SNAPSHOT_PROVEN,
                      .node = node->index,
                      .life = node->incarnation,
                      .ref = e->ref,
                      .connection = e->connection,
                      .ordinal = e->snapshot.ordinal,
                      .step = e->snapshot.owner,
                  });
}

static void sim_take_drop(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    sim_trace(sim, "%-7s drops snapshot %u of %u.%u", node->name, e->snapshot.ordinal,
              e->ref.task.job, e->ref.task.index);
    sim->counts.drops++;
    sim_lineage_dropped(sim, node, e->ref.task, e->snapshot.ordinal);
    sim_disk_remove(node, e->ref.task, e->snapshot.ordinal);
}

static void sim_take_clean(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_process *p = sim_process_of(node, e->ref);
    sim_require(sim, p == NULL || !p->is_alive, "%s: the folder of a running attempt is removed",
                node->name);
    if (p != NULL) {
        p->is_used = false;
    }
}

/* Nobody starts before all are ready, and that is on disk. */
static void sim_take_meet(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    struct sim_process *p = sim_process_of(node, e->ref);
    const struct sim_task *task = sim_task_find(sim, e->ref.task);
    sim_require(sim, p != NULL && p->is_held, "%s: a part that is not held is let go", node->name);
    p->is_held = false;
    p->has_met = e->gang != NULL;
    p->is_let_go = e->gang == NULL;
    sim->counts.gangs_met += p->has_met;
    sim->counts.gangs_let_go += p->is_let_go;
    for (uint32_t i = 0; p->has_met && task != NULL && i < p->nodes && !sim->was_harsh; i++) {
        bool is_its = task->r.attempt == e->ref.attempt && task->r.n_parts == p->nodes;
        sim_require(sim, !is_its || task->parts[i] != PART_LEASED,
                    "%s: %u.%u:%u starts, and part %u is not on record as ready", node->name,
                    e->ref.task.job, e->ref.task.index, e->ref.attempt, i);
    }
    sim_push(sim, (struct sim_event){.at = sim->now + sim_delay(sim, 20),
                                     .kind = SIM_PROCESS_STARTED,
                                     .node = node->index,
                                     .life = p->serial});
}

static void sim_take_send(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    sim_frame_put(sim, node, true, e->type, e->frame);
}

static void sim_take_reconnect(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    sim_trace(sim, "%-7s wants to connect anew", node->name);
    sim_link_break(sim, node, true);
    sim_link_later(sim, node, e->at > sim->now ? e->at - sim->now : 0);
}

static void sim_take_exit(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    sim_require(sim, e->code == 0 || !sim->is_ending, "%s leaves with %d", node->name, e->code);
    node->left = node->incarnation;
    sim_push(sim, (struct sim_event){.at = sim->now,
                                     .kind = SIM_AGENT_START,
                                     .node = node->index,
                                     .life = node->incarnation,
                                     .ordinal = 1});
}

static void (*const sim_takes[])(struct sim *sim, struct sim_node *node,
                                 const struct agent_effect *e) = {
    [AGENT_SEND] = sim_take_send,
    [AGENT_RECONNECT] = sim_take_reconnect,
    [AGENT_START] = sim_take_start,
    [AGENT_SIGNAL] = sim_take_signal,
    [AGENT_ANSWER] = sim_take_answer,
    [AGENT_CLOSE] = sim_take_close,
    [AGENT_READ_STOP] = sim_take_read,
    [AGENT_READ_START] = sim_take_read,
    [AGENT_SAVE_BEGIN] = sim_take_save,
    [AGENT_SAVE_COMMIT] = sim_take_save,
    [AGENT_SNAPSHOT_PROVE] = sim_take_prove,
    [AGENT_DROP] = sim_take_drop,
    [AGENT_CLEAN] = sim_take_clean,
    [AGENT_EXIT] = sim_take_exit,
    [AGENT_BLOB_WRITE] = sim_take_piece,
    [AGENT_BLOB_DROP] = sim_take_blob_drop,
    [AGENT_TREE_UNPACK] = sim_take_tree,
    [AGENT_TREE_SETUP] = sim_take_tree,
    [AGENT_TREE_SETUP_STOP] = sim_take_setup_stop,
    [AGENT_ARRAY] = sim_take_array,
    [AGENT_ARRAY_DROP] = sim_take_array_drop,
    [AGENT_LANE_OPEN] = sim_take_lane_open,
    [AGENT_LANE_CLOSE] = sim_take_lane_close,
    [AGENT_LANE_START] = sim_take_lane_start,
    [AGENT_LANE_RECALL] = sim_take_lane_recall,
    [AGENT_LOGS_DROP] = sim_take_logs_drop,
    [AGENT_COPY] = sim_take_copy,
    [AGENT_LEND] = sim_take_lend,
    [AGENT_MEET] = sim_take_meet,
    [AGENT_SAY] = sim_take_say,
};

/* What runs in a lane has the lane's GPUs; one that is idle has nothing left to run, or the head
 * knows of it. What is to end without grace is being killed, as one that was disowned is. In a
 * harsh seed a node may have lanes whose frames came when they were over. */
static void lanes_count(struct sim *sim, struct sim_node *node, amount *cpus, uint32_t gpus[2])
{
    const struct agent_array *array;
    for (array = node->agent->arrays; array != NULL; array = array->hh.next) {
        list_each (&array->lanes, struct lane, link, lane) {
            const struct attempt *attempt = lane->n_attempts > 0 ? lane->attempts[0] : NULL;
            bool is_counted = attempt != NULL && attempt->state != ATTEMPT_DISOWNED &&
                              !(attempt->order.act == ACT_STOP && attempt->order.grace_ms == 0);
            if (!is_counted || sim->was_harsh) {
                continue;
            }
            *cpus += array->about->lease.cpus;
            for (uint32_t i = 0; i < lane->n_gpus; i++) {
                bool is_second = strcmp(lane->gpus[i], node->gpus[1]) == 0;
                sim_require(sim, ++gpus[is_second] == 1, "%s: GPU %s is held twice", node->name,
                            lane->gpus[i]);
            }
        }
    }
}

/* In a harsh seed a lease may come when its attempt is over, and start it once more. */
static bool attempt_is_late(const struct sim *sim, const struct attempt *attempt)
{
    const struct task *task =
        sim->head.core != NULL ? core_task_find(sim->head.core, attempt->ref.task) : NULL;
    return sim->was_harsh &&
           (task == NULL || task->r.attempt != attempt->ref.attempt || !core_task_is_on_node(task));
}

/* What runs here fits here, and nothing is held twice. */
static void sim_node_check(struct sim *sim, struct sim_node *node)
{
    amount cpus = 0;
    uint32_t gpus[2] = {0};
    list_each (&node->agent->attempts, struct attempt, link, attempt) {
        bool holds = attempt->state == ATTEMPT_STARTING || attempt->state == ATTEMPT_RUNNING ||
                     attempt->state == ATTEMPT_ENDING;
        sim->counts.disowned += attempt->state == ATTEMPT_DISOWNED;
        if (!holds || attempt->lane != NULL || attempt_is_late(sim, attempt)) {
            continue;
        }
        cpus += attempt->lease->cpus;
        for (uint32_t i = 0; i < attempt->lease->n_gpus; i++) {
            bool is_second = strcmp(attempt->lease->gpus[i], node->gpus[1]) == 0;
            sim_require(sim, ++gpus[is_second] == 1, "%s: GPU %s is held twice", node->name,
                        attempt->lease->gpus[i]);
        }
        list_each (&node->agent->attempts, struct attempt, link, other) {
            bool is_twin = other != attempt && other->state != ATTEMPT_DISOWNED &&
                           task_id_equal(other->ref.task, attempt->ref.task);
            sim_require(sim, !is_twin, "%s: two attempts of %u.%u", node->name,
                        attempt->ref.task.job, attempt->ref.task.index);
        }
    }
    lanes_count(sim, node, &cpus, gpus);
    sim_require(sim, cpus <= node->cpus, "%s: %lld of %lld cpus are in use", node->name,
                (long long)cpus, (long long)node->cpus);
}

void sim_node_drain(struct sim *sim, struct sim_node *node)
{
    while (node->out.n_effects > 0 || node->out.failed != OK) {
        struct agent_outbox out = node->out;
        agent_outbox_init(&node->out);
        sim_require(sim, out.failed == OK, "%s failed: %s", node->name, error_word(out.failed));
        for (uint32_t i = 0; i < out.n_effects; i++) {
            sim_hash(sim, out.effects[i].kind);
            sim_takes[out.effects[i].kind](sim, node, &out.effects[i]);
        }
        agent_outbox_fini(&out);
    }
    agent_check(node->agent);
    sim_node_check(sim, node);
    sim_require(sim, node->agent->link.epoch >= node->epoch,
                "%s obeys the head of epoch %llu after that of epoch %llu", node->name,
                (unsigned long long)node->agent->link.epoch, (unsigned long long)node->epoch);
    node->epoch = node->agent->link.epoch;
}
