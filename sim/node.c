/* What happens on a node: processes start, talk and end, saves are
 * written, the agent dies and comes again. */
#include "sim/node.h"
#include "sim/agent_effects.h"
#include "sim/calendar.h"
#include "sim/lanes.h"
#include "sim/link.h"
#include "sim/runs.h"
#include "sim/trainer.h"
#include "sim/work_folders.h"

enum { CLOCK_OFF_MS = 60000 }; /* set by so much, at most */

/* ---- processes ---- */

void sim_on_process_started(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_process *p = sim_process_by_serial(node, event->life);
    if (p == NULL) {
        return;
    }
    if (p->is_lane) {
        sim_lane_process_started(sim, node, p);
        return;
    }
    if (p->is_let_go) {
        on_attempt_not_started(node->agent, sim->now, p->ref, CAUSE_REFUSED, "not all came",
                               &node->out);
        sim_node_drain(sim, node);
        return;
    }
    if (p->is_restore_missing || (!sim->is_calm && p->has_restore && sim_chance(sim, 50))) {
        agent_restore_lost(node->agent, p->ref);
        on_attempt_not_started(node->agent, sim->now, p->ref, CAUSE_CANNOT_START,
                               "its snapshot is damaged", &node->out);
        sim_node_drain(sim, node);
        return;
    }
    if (!sim->is_calm && sim_chance(sim, 10)) {
        bool is_refused = sim_chance(sim, 300);
        on_attempt_not_started(node->agent, sim->now, p->ref,
                               is_refused ? CAUSE_REFUSED : CAUSE_CANNOT_START, "no such file",
                               &node->out);
        sim_node_drain(sim, node);
        return;
    }
    if (p->nodes > 1 && !p->has_met) {
        p->is_held = true;
        on_attempt_prepared(node->agent, sim->now, p->ref, node->name, 1, "node:1", &node->out);
        sim_node_drain(sim, node);
        return;
    }
    p->is_alive = true;
    p->mood = TRAINER_BOOT;
    bool is_early = p->is_trial && !p->is_silent && p->node_rank == 0 && sim_chance(sim, 100);
    if (is_early) { /* the process is faster than the news of its start */
        p->connection = ++sim->serials;
        on_trainer_open(node->agent, sim->now, p->connection, p->ref, &node->out);
        sim_node_drain(sim, node);
    }
    on_attempt_started(node->agent, sim->now, p->ref, (uint32_t)p->serial, &node->out);
    sim_node_drain(sim, node);
    sim_trainer_later(sim, node, p, 1 + (int64_t)sim_below(sim, 60));
}

void sim_on_process_exit(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_process *p = sim_process_by_serial(node, event->life);
    if (p == NULL || !p->is_alive) {
        return;
    }
    uint64_t connection = p->connection;
    struct attempt_ref ref = p->ref;
    bool is_signal = p->exit_cause == CAUSE_SIGNAL;
    struct attempt_result facts = {.cause = p->exit_cause,
                                   .exit_code = is_signal ? 0 : (uint32_t)p->exit_code,
                                   .signal = is_signal ? (uint32_t)p->exit_code : 0};
    bool is_closed_first = sim_chance(sim, 500);
    sim_trace(sim, "%-7s %u.%u:%u exits, %s %d", node->name, ref.task.job, ref.task.index,
              ref.attempt, is_signal ? "signal" : "code", p->exit_code);
    p->is_alive = false;
    p->connection = 0;
    sim_run_end(sim, node, sim_part_ref(ref, p->node_rank), p->exit_cause, p->exit_code);
    if (p->is_lane) {
        agent_task_duration(node->agent, ref, (uint64_t)p->duration_us);
        sim_lane_process_ended(sim, node, p);
    }
    if (is_closed_first && connection != 0) {
        on_trainer_close(node->agent, sim->now, connection, &node->out);
        sim_node_drain(sim, node);
    }
    on_attempt_exited(node->agent, sim->now, ref, &facts, &node->out);
    sim_node_drain(sim, node);
    if (!is_closed_first && connection != 0 && node->agent != NULL) {
        on_trainer_close(node->agent, sim->now, connection, &node->out);
        sim_node_drain(sim, node);
    }
}

static const char *const sim_names[] = {"loss", "acc", "loss"};

/* The agent judges what is a milestone: an order that says otherwise may have come meanwhile. */
static void sim_request_tell(struct sim *sim, struct sim_node *node, struct sim_process *p,
                             const struct sim_request *said, const struct trainer_request *request)
{
    const struct attempt *attempt = agent_attempt_find(node->agent, p->ref);
    uint64_t reached = attempt != NULL ? attempt->reached : 0;
    on_trainer_request(node->agent, sim->now, p->connection, request, &node->out);
    for (uint32_t i = 0; said->kind == TRAINER_REPORT && i < p->owed.n; i++) {
        struct sim_request *owed = &p->owed.items[(p->owed.first + i) % SIM_REQUESTS_MAX];
        if (owed->kind == TRAINER_REPORT && owed->seq == said->seq) {
            owed->is_milestone = attempt != NULL && attempt->reached > reached;
        }
    }
}

void sim_on_requests(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_process *p = sim_process_by_serial(node, event->life);
    if (p == NULL || !p->is_alive) {
        return;
    }
    if (p->connection == 0) {
        p->connection = ++sim->serials;
        on_trainer_open(node->agent, sim->now, p->connection, p->ref, &node->out);
        sim_node_drain(sim, node);
    }
    while (p->is_alive && p->connection != 0 && !p->is_read_stopped && p->unread.n > 0) {
        struct sim_request said = sim_ring_pop(&p->unread);
        double values[] = {said.value, -said.value};
        struct trainer_request request = {
            .kind = said.kind,
            .can = p->can,
            .step = said.step,
            .names = said.names == 2 ? sim_names + 1 : sim_names,
            .values = values,
            .n_metrics = said.names == 0   ? 1
                         : said.names == 1 ? 2
                                           : 1,
            .bye = said.bye,
            .note = said.bye == BYE_INVALID ? "lr is too high" : NULL,
        };
        sim_request_tell(sim, node, p, &said, &request);
        sim_node_drain(sim, node);
    }
}

void sim_on_save_begun(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    if (node->agent == NULL || node->incarnation != event->life) {
        return;
    }
    const char *error = !sim->is_calm && sim_chance(sim, 20) ? "no_space" : NULL;
    on_save_begun(node->agent, sim->now, event->ref, event->connection, "/tmp/save", error,
                  "the disk is full", &node->out);
    sim_node_drain(sim, node);
}

void sim_on_save_done(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    if (node->incarnation != event->life || node->agent == NULL) {
        return;
    }
    const char *error = !sim->is_calm && sim_chance(sim, 20) ? "no_space" : NULL;
    struct snapshot_ref snapshot = {.ordinal = event->ordinal,
                                    .step = event->step,
                                    .attempt = event->ref.attempt,
                                    .bytes = 100,
                                    .dir = "/tmp/save"};
    if (error == NULL) {
        sim_disk_add(sim, node, event);
    }
    on_save_committed(node->agent, sim->now, event->ref, event->connection,
                      error == NULL ? &snapshot : NULL, error, "the disk is full", &node->out);
    sim_node_drain(sim, node);
}

/* event->step: the trial that made it. */
void sim_on_snapshot_proven(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    if (node->incarnation != event->life || node->agent == NULL) {
        return;
    }
    task_id maker = {event->ref.task.job, (uint32_t)event->step};
    bool is_here = sim_disk_find(node, maker, event->ordinal) < node->n_disk;
    bool is_damaged = !sim->is_calm && sim_chance(sim, 50);
    sim->counts.exploits += is_here && !is_damaged;
    on_exploit_proven(node->agent, sim->now, event->ref, event->connection, "/tmp/snapshot",
                      is_here && !is_damaged ? NULL : "it is damaged", &node->out);
    sim_node_drain(sim, node);
}

void sim_on_work(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    if (node->incarnation != event->life || node->agent == NULL) {
        return;
    }
    sim_work_done(sim, node, event);
    sim_node_drain(sim, node);
    if (node->agent != NULL && sim_chance(sim, 100)) {
        sim_tree_lose(sim, node);
    }
}

/* ---- the agent's life ---- */

/* Commits that were under way when the agent died: some had their last rename done. */
static void sim_saves_settle(struct sim *sim, struct sim_node *node)
{
    for (uint32_t i = 0; i < sim->n_events; i++) {
        const struct sim_event *event = &sim->events[i];
        bool is_its = event->kind == SIM_SAVE_DONE && event->node == node->index &&
                      event->life == node->incarnation;
        if (is_its && sim_chance(sim, 500)) {
            sim_disk_add(sim, node, event);
        }
    }
}

/* Killed or left; every process of it ends with it. */
static void sim_agent_leave(struct sim *sim, struct sim_node *node)
{
    sim_trace(sim, "%-7s is gone", node->name);
    sim_saves_settle(sim, node);
    agent_free(node->agent);
    agent_outbox_reset(&node->out);
    node->agent = NULL;
    sim_link_break(sim, node, true);
    for (uint32_t i = 0; i < SIM_PROCESSES_MAX; i++) {
        node->processes[i].is_used = node->processes[i].is_alive = false;
    }
    sim_lanes_forget(node);
    node->stalled_until = 0;
}

void sim_agent_end(struct sim *sim, struct sim_node *node, int64_t away_ms)
{
    sim_agent_leave(sim, node);
    sim_push(sim, (struct sim_event){.at = sim->now + away_ms,
                                     .kind = SIM_AGENT_START,
                                     .node = node->index,
                                     .life = node->incarnation});
}

/* By a clock that may have been set meanwhile, also back: a folder's starts go on all the same. The
 * incarnation is chance enough. */
static void sim_start_date(struct sim *sim, struct sim_node *node)
{
    uint64_t draw = node->incarnation / 8;
    if (node->incarnation % 8 == 0) {
        node->clock_off_ms = (int64_t)(draw % (2 * CLOCK_OFF_MS)) - CLOCK_OFF_MS;
    }
    time_ms clock = sim->now + node->clock_off_ms;
    node->started = clock > node->started ? clock : node->started + 1;
    snprintf(node->lock, sizeof node->lock, "%u:%u", node->index, node->wipes);
}

static void sim_agent_new(struct sim *sim, struct sim_node *node)
{
    node->incarnation = 1 + random_u64(&sim->random) / 2;
    sim_start_date(sim, node);
    struct agent_config config = {
        .enrol = {.protocol = PROTOCOL_VERSION,
                  .schema_version = SCHEMA_VERSION,
                  .secret = "secret",
                  .node = node->name,
                  .incarnation = node->incarnation,
                  .host = "host",
                  .pid = 1 + node->index,
                  .version = "test",
                  .cpus = node->cpus,
                  .memory_bytes = 1 << 30,
                  .gpus = node->gpus,
                  .n_gpus = node->n_gpus,
                  .is_dry = node->is_dry,
                  .lock = node->lock,
                  .agent_started = node->started,
                  .lender = "tcp://node:1",
                  .lender_key = "key"},
        .random_seed = node->incarnation,
        .snapshots_dir = "/snapshots",
    };
    sim_require(sim, agent_new(&config, &node->agent) == OK, "agent_new");
    for (uint32_t i = 0; i < node->n_disk; i++) {
        struct snapshot_name name = {node->disk_task[i], node->disk[i].ordinal};
        sim_require(sim, agent_snapshot_found(node->agent, name) == OK, "agent_snapshot_found");
    }
    node->epoch = 0;
    node->n_passes = 0;
    node->is_let_go = false;
    sim_trees_tell(sim, node);
    sim_trace(sim, "%-7s starts, %u snapshots on its disk", node->name, node->n_disk);
    sim_link_later(sim, node, (int64_t)sim_below(sim, 50));
}

void sim_node_wipe(struct sim *sim, struct sim_node *node)
{
    node->n_disk = 0;
    node->n_logged = 0;
    node->started = 0;
    node->wipes++;
    memset(node->has_tree, 0, sizeof node->has_tree);
    sim->counts.wiped++;
    sim_trace(sim, "%-7s has an empty disk", node->name);
}

void sim_on_agent_start(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    if (node->incarnation != event->life) {
        return;
    }
    if (event->ordinal == 1 && node->agent != NULL && sim->is_ending) {
        sim_agent_leave(sim, node);
    } else if (event->ordinal == 1 && node->agent != NULL) {
        sim_agent_end(sim, node, 100 + sim_delay(sim, sim->is_calm ? 500 : 20000));
    } else if (event->ordinal == 0 && node->agent == NULL) {
        sim_agent_new(sim, node);
    }
}
