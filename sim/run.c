/* One seed: the loop over the calendar, the storm, the calm, the end. */
#include "sim/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim/agent_effects.h"
#include "sim/check.h"
#include "sim/copies.h"
#include "sim/faults.h"
#include "sim/head.h"
#include "sim/head_life.h"
#include "sim/kept_check.h"
#include "sim/lineage.h"
#include "sim/link.h"
#include "sim/node.h"
#include "sim/people.h"
#include "sim/runs.h"
#include "sim/store.h"
#include "sim/store_link.h"
#include "sim/trainer.h"
#include "sim/tuner_check.h"
#include "sim/workload.h"

enum { SIM_CALM_MAX_MS = 900000, CALM_DELAY_MS = 40, CALM_DISK_MS = 30 };

static sim_handler *const sim_handlers[] = {
    [SIM_FRAME_UP] = sim_on_frame_up,
    [SIM_FRAME_DOWN] = sim_on_frame_down,
    [SIM_STORE_RUN] = sim_on_store_run,
    [SIM_STORE_SYNC] = sim_on_store_sync,
    [SIM_STORE_REPLY] = sim_on_store_reply,
    [SIM_STALE_END] = sim_on_stale_end,
    [SIM_WORKLOAD] = sim_on_workload,
    [SIM_HEAD_START] = sim_on_head_start,
    [SIM_LINK_UP] = sim_on_link_up,
    [SIM_LINK_DEAD] = sim_on_link_dead,
    [SIM_AGENT_START] = sim_on_agent_start,
    [SIM_PROCESS_STARTED] = sim_on_process_started,
    [SIM_PROCESS_EXIT] = sim_on_process_exit,
    [SIM_TRAINER] = sim_on_trainer,
    [SIM_REQUESTS] = sim_on_requests,
    [SIM_SAVE_BEGUN] = sim_on_save_begun,
    [SIM_SAVE_DONE] = sim_on_save_done,
    [SIM_SNAPSHOT_PROVEN] = sim_on_snapshot_proven,
    [SIM_COPIED] = sim_on_copied,
    [SIM_WORK] = sim_on_work,
    [SIM_CLIENT] = sim_on_client,
    [SIM_FAULT] = sim_on_fault,
};

static const char sim_owners[] = {
#define H 'H'
#define N 'N'
#define S 'S'
#define W 'W'
#define X(name, owner) [SIM_##name] = owner,
    SIM_EVENTS(X)
#undef X
#undef H
#undef N
#undef S
#undef W
};

/* Whose time it takes may be standing still. */
static time_ms sim_stalled_until(struct sim *sim, const struct sim_event *event)
{
    switch (sim_owners[event->kind]) {
    case 'H':
        return event->kind == SIM_FRAME_UP
                   ? sim_link_head(sim, &sim->nodes[event->node])->stalled_until
                   : sim->head.stalled_until;
    case 'N':
        return sim->nodes[event->node].stalled_until;
    case 'S':
        return sim->store.stalled_until;
    default:
        return 0;
    }
}

static void sim_node_wake(struct sim *sim, struct sim_node *node)
{
    if (node->stalled_until != 0 && node->stalled_until <= sim->now) {
        node->stalled_until = 0;
        if (node->agent != NULL) {
            agent_gap(node->agent, sim->now - node->stalled_since);
        }
    }
}

static time_ms sim_later(time_ms a, time_ms b)
{
    return a > b ? a : b;
}

static time_ms head_timer(const struct sim_head *head)
{
    return head->core == NULL ? INT64_MAX
                              : sim_later(core_next_deadline(head->core), head->stalled_until);
}

enum { TIMER_OF_HEAD = -1, TIMER_OF_STALE = -2 };

/* The next timer of a core: a head's, or a node's index; INT64_MAX: none. */
static time_ms sim_timer(const struct sim *sim, int *ret_whose)
{
    time_ms next = head_timer(&sim->head), stale = head_timer(&sim->stale);
    *ret_whose = TIMER_OF_HEAD;
    if (stale < next) {
        next = stale;
        *ret_whose = TIMER_OF_STALE;
    }
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        const struct sim_node *node = &sim->nodes[i];
        time_ms at = node->agent == NULL
                         ? INT64_MAX
                         : sim_later(agent_next_deadline(node->agent), node->stalled_until);
        if (at < next) {
            next = at;
            *ret_whose = (int)i;
        }
    }
    return next;
}

static void sim_timer_run(struct sim *sim, int whose)
{
    if (whose < 0) {
        struct sim_head *head = whose == TIMER_OF_STALE ? &sim->stale : &sim->head;
        sim_head_wake(sim, head);
        if (head == &sim->head) {
            sim_look_after(sim);
        }
        sim_head_poll(sim, head);
        sim_head_turn(sim, head);
        return;
    }
    struct sim_node *node = &sim->nodes[whose];
    sim_node_wake(sim, node);
    on_agent_tick(node->agent, sim->now, &node->out);
    sim_node_drain(sim, node);
}

static void sim_event_run(struct sim *sim)
{
    struct sim_event event = sim_pop(sim);
    if (sim_stalled_until(sim, &event) > sim->now) {
        event.at = sim_stalled_until(sim, &event);
        sim_push(sim, event);
        return;
    }
    if (sim_owners[event.kind] == 'N') {
        sim_node_wake(sim, &sim->nodes[event.node]);
    }
    sim_hash(sim, (uint64_t)event.kind << 32 | event.node);
    sim_hash(sim, (uint64_t)event.at);
    sim_handlers[event.kind](sim, &event);
}

static void sim_step(struct sim *sim)
{
    int whose;
    time_ms timer = sim_later(sim_timer(sim, &whose), sim->now); /* reading comes first */
    time_ms before = sim->now;
    sim->n_run++;
    if (sim->n_events > 0 && sim->events[0].at <= timer) {
        sim->now = sim_later(sim->now, sim->events[0].at);
        sim_event_run(sim);
    } else {
        sim_require(sim, timer != INT64_MAX, "nothing is due, ever");
        sim->now = sim_later(sim->now, timer);
        sim_timer_run(sim, whose);
    }
    for (uint32_t i = 0; sim->head.core != NULL && i < sim->n_nodes; i++) {
        if (sim->nodes[i].agent != NULL) {
            sim_agreement(sim, &sim->nodes[i]);
        }
    }
    if (sim->stale.has_exited) {
        sim_stale_end(sim);
    }
    sim->steps = sim->now == before ? sim->steps + 1 : 0;
    sim_require(sim, sim->steps < 20000, "time stands still");
    if (sim->head.has_exited && sim->head.core != NULL && !sim->is_ending) {
        sim_head_kill(sim, 100 + sim_delay(sim, 1000));
    }
}

/* ---- one seed ---- */

static void sim_nodes(struct sim *sim)
{
    sim->n_nodes = 1 + (uint32_t)sim_below(sim, SIM_NODES_MAX);
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        struct sim_node *node = &sim->nodes[i];
        node->index = i;
        node->cpus = (1 + (int64_t)sim_below(sim, 3)) * AMOUNT_ONE;
        node->is_bad = sim->n_nodes > 1 && sim_chance(sim, 100);
        node->is_dry = sim->array_permille == 1000 && sim_chance(sim, 250); /* no trainers there */
        node->n_gpus = sim_chance(sim, 300) ? 1 + (uint32_t)sim_below(sim, 2) : 0;
        snprintf(node->name, sizeof node->name, "n%u", i + 1);
        for (uint32_t k = 0; k < 2; k++) {
            snprintf(node->gpu_names[k], sizeof node->gpu_names[k], "GPU-%u-%u", i, k);
            node->gpus[k] = node->gpu_names[k];
        }
        agent_outbox_init(&node->out);
        list_init(&node->link.up);
        list_init(&node->link.down);
        bool is_late = i > 0 && sim_chance(sim, 300);
        sim->counts.joined += is_late;
        sim_push(sim,
                 (struct sim_event){.at = sim->now + (int64_t)sim_below(sim, is_late ? 60000 : 200),
                                    .kind = SIM_AGENT_START,
                                    .node = i});
    }
}

static void sim_weather(struct sim *sim)
{
    static const int64_t pauses[] = {300, 1000, 3000, 10000}, delays[] = {1, 5, 40, 300},
                         disks[] = {1, 4, 30, 200};
    static const uint32_t crashes[] = {0, 5, 20, 60}, losses[] = {0, 0, 20, 100, 300},
                          arrays[] = {0, 100, 250, 500, 1000};
    bool is_fair = sim_chance(sim, 50);
    sim->fault_pause_ms = pauses[sim_below(sim, 4)];
    sim->delay_ms = delays[sim_below(sim, 4)];
    sim->disk_ms = disks[sim_below(sim, 4)];
    sim->is_harsh = sim->was_harsh = sim_chance(sim, 150);
    sim->loss_permille = losses[sim_below(sim, 5)];
    sim->crash_permille = crashes[sim_below(sim, 4)];
    sim->array_permille = sim->options->is_arrays ? 1000 : arrays[sim_below(sim, 5)];
    sim->node_timeout_ms = sim_chance(sim, 500) ? 0 : 6000;
    sim->orphan_timeout_ms = sim_chance(sim, 700) ? 0 : 4000;
    sim->forget_nodes_ms = sim->seed % 2 == 0 ? 0 : 1000 + (int64_t)(sim->seed % 7) * 3000;
    sim_faults_draw(sim, is_fair);
}

/* Nothing breaks any more, and what was broken comes back. */
static void sim_calm(struct sim *sim)
{
    char text[128];
    const char *unfinished = NULL;
    sim_trace(sim, "from now on nothing breaks");
    sim->is_calm = true;
    sim->store.stalled_until = sim->store.full_until = 0;
    sim->loss_permille = 0;
    /* What is tried again goes one by one, there and back. */
    sim->delay_ms = sim->delay_ms < CALM_DELAY_MS ? sim->delay_ms : CALM_DELAY_MS;
    sim->disk_ms = sim->disk_ms < CALM_DISK_MS ? sim->disk_ms : CALM_DISK_MS;
    if (sim->stale.core != NULL) {
        sim_stale_end(sim);
    }
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        struct sim_node *node = &sim->nodes[i];
        node->cut_until = 0;
        if (sim->is_harsh && node->link.is_up) { /* what was lost on it does not come again */
            sim_link_break(sim, node, false);
            sim_link_later(sim, node, 10);
        }
    }
    sim->is_harsh = false;
    time_ms end = sim->now + SIM_CALM_MAX_MS;
    for (uint64_t i = 0;
         i % 64 != 0 || (unfinished = sim_unfinished(sim, text, sizeof text)) != NULL; i++) {
        sim_require(sim, sim->now < end, "it never came to its end: %s", unfinished);
        sim_step(sim);
    }
}

/* The cluster is shut down; agents and head leave by themselves. */
static void sim_end(struct sim *sim)
{
    while (sim->head.core == NULL || sim->head.stalled_until > sim->now) {
        sim_step(sim);
    }
    sim->is_ending = true;
    fault_cluster_stop(sim);
    time_ms end = sim->now + 60000;
    bool is_over = false;
    while (!is_over) {
        is_over = sim->head.has_exited;
        for (uint32_t i = 0; i < sim->n_nodes; i++) {
            is_over = is_over && sim->nodes[i].agent == NULL;
        }
        sim_require(sim, sim->now < end, "the cluster does not leave");
        if (!is_over) {
            sim_step(sim);
        }
    }
}

static void sim_free(struct sim *sim)
{
    core_free(sim->head.core);
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        struct sim_node *node = &sim->nodes[i];
        agent_free(node->agent);
        agent_outbox_fini(&node->out);
        sim_frames_drop(sim, &node->link.up, false);
        sim_frames_drop(sim, &node->link.down, false);
    }
    sim_tuners_free(sim);
    sim_store_free(&sim->store);
    sim_runs_free(sim);
    sim_lineage_free(sim);
    sim_kept_free(sim);
    free(sim->events);
    sim_require(sim, mem_live_count() == sim->live_before, "%lld pieces of memory are left over",
                (long long)(mem_live_count() - sim->live_before));
    free(sim);
}

static struct sim *sim_new(uint64_t seed, const struct sim_options *options)
{
    struct sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL) {
        abort();
    }
    sim->live_before = mem_live_count();
    sim->events = calloc(SIM_EVENTS_MAX, sizeof *sim->events);
    sim->seed = seed;
    sim->options = options;
    sim->hash = 0xcbf29ce484222325U;
    sim->now = SIM_START_MS;
    sim->head.epoch = 1000;
    random_init(&sim->random, seed, 11);
    sim_weather(sim);
    sim_nodes(sim);
    sim_push(sim, (struct sim_event){.at = sim->now, .kind = SIM_HEAD_START});
    return sim;
}

void sim_run(uint64_t seed, const struct sim_options *options, struct sim_result *ret_result)
{
    struct sim *sim = sim_new(seed, options);
    int64_t storm_ms = 10000 + (int64_t)sim_below(sim, 80000);
    sim_push(sim, (struct sim_event){.at = sim->now, .kind = SIM_WORKLOAD});
    sim_push(sim, (struct sim_event){.at = sim->now + 500, .kind = SIM_FAULT});
    for (time_ms end = sim->now + storm_ms; sim->now < end || sim->n_run < options->events;) {
        sim_step(sim);
    }
    ret_result->storm_events = sim->n_run;
    sim_calm(sim);
    sim_verdict(sim);
    sim_end(sim);
    ret_result->seed = seed;
    ret_result->events = sim->n_run;
    ret_result->virtual_ms = sim->now - SIM_START_MS;
    ret_result->hash = sim->hash;
    ret_result->counts = sim->counts;
    sim_free(sim);
}
