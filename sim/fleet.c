#include "sim/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

/* A trial's life: so many reports, if nobody ends it before. */
enum { REPORTS_MAX = 60, WHEEL = FLEET_REPORT_MS / FLEET_STEP_MS + 1, NOBODY = UINT32_MAX };

typedef enum { TRIAL_FREE, TRIAL_LEASED, TRIAL_TRAINS, TRIAL_WAITS } trial_state;

struct fleet_trial {
    task_id id;
    uint32_t attempt, node;
    trial_state state;
    uint32_t next; /* in its place of the wheel, or of the free ones */
    uint64_t seq, order, seed;
    int64_t until;
    bool is_told_to_stop;
    time_ms started;
};

struct fleet_node {
    char name[16];
    uint64_t incarnation, number;
    uint32_t *trials; /* places of what it runs */
    uint32_t n_trials, cap;
};

struct fleet {
    uint32_t n_nodes, n_trials, n_running;
    struct fleet_node *nodes;
    struct fleet_trial *trials;
    uint32_t free;         /* the first free trial */
    uint32_t wheel[WHEEL]; /* what is due in each step */
    int64_t cpus;          /* of a node */
    struct random random;
    struct fleet_totals totals;
};

struct fleet *fleet_new(uint32_t nodes, uint32_t trials, uint64_t seed)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    uint32_t each = (trials + nodes - 1) / nodes;
    fleet->n_nodes = nodes;
    fleet->n_trials = each * nodes;
    fleet->nodes = calloc(nodes, sizeof *fleet->nodes);
    fleet->trials = calloc(fleet->n_trials, sizeof *fleet->trials);
    fleet->cpus = (int64_t)each * AMOUNT_ONE;
    random_init(&fleet->random, seed, 1);
    for (uint32_t i = 0; i < nodes; i++) {
        struct fleet_node *node = &fleet->nodes[i];
        snprintf(node->name, sizeof node->name, "node-%u", i + 1);
        node->incarnation = 1 + random_u64(&fleet->random) / 2;
        node->cap = each;
        node->trials = calloc(each, sizeof *node->trials);
    }
    for (uint32_t i = 0; i < fleet->n_trials; i++) {
        fleet->trials[i].next = i + 1 < fleet->n_trials ? i + 1 : NOBODY;
    }
    for (uint32_t i = 0; i < WHEEL; i++) {
        fleet->wheel[i] = NOBODY;
    }
    return fleet;
}

void fleet_free(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->n_nodes; i++) {
        free(fleet->nodes[i].trials);
    }
    free(fleet->nodes);
    free(fleet->trials);
    free(fleet);
}

uint32_t fleet_running(const struct fleet *fleet)
{
    return fleet->n_running;
}

struct fleet_totals fleet_totals(const struct fleet *fleet)
{
    return fleet->totals;
}

/* ---- what they say ---- */

static void say_message(uint32_t node, message_type type, const void *message, fleet_say *say,
                        void *context)
{
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    if (message_encode(type, message, &frame) != OK) {
        abort();
    }
    say(context, (uint64_t)node + 1, type, buf_bytes(&frame));
    buf_fini(&frame);
}

void fleet_enrol(struct fleet *fleet, uint32_t node, fleet_say *say, void *context)
{
    const struct fleet_node *n = &fleet->nodes[node];
    struct msg_enrol enrol = {.protocol = PROTOCOL_VERSION,
                              .schema_version = SCHEMA_VERSION,
                              .secret = "secret",
                              .node = n->name,
                              .incarnation = n->incarnation,
                              .host = n->name,
                              .pid = 1,
                              .version = "sim",
                              .cpus = fleet->cpus,
                              .memory_bytes = 1ULL << 38,
                              .first_event = 1,
                              .is_remote = true};
    say_message(node, MSG_ENROL, &enrol, say, context);
}

static void say_event(struct fleet *fleet, time_ms now, const struct fleet_trial *trial,
                      struct node_event *event, fleet_say *say, void *context)
{
    struct fleet_node *node = &fleet->nodes[trial->node];
    event->number = ++node->number;
    event->time = now;
    event->task = trial->id;
    event->attempt = trial->attempt;
    struct msg_events events = {.incarnation = node->incarnation, .events = event, .n_events = 1};
    say_message(trial->node, MSG_EVENTS, &events, say, context);
}

static void due_at(struct fleet *fleet, struct fleet_trial *trial, time_ms at)
{
    uint32_t *place = &fleet->wheel[at / FLEET_STEP_MS % WHEEL];
    trial->next = *place;
    *place = (uint32_t)(trial - fleet->trials);
}

static void trial_end(struct fleet *fleet, time_ms now, struct fleet_trial *trial, fleet_say *say,
                      void *context)
{
    struct fleet_node *node = &fleet->nodes[trial->node];
    struct node_event event = {.kind = EVENT_RESULT,
                               .result = {.has_started = true,
                                          .cause = CAUSE_EXIT,
                                          .handed = trial->is_told_to_stop ? trial->order : 0,
                                          .bye = BYE_DONE,
                                          .started_at = trial->started,
                                          .ended_at = now,
                                          .cpu_ms = now - trial->started,
                                          .rss_peak_bytes = 1 << 28,
                                          .last_seq = trial->seq}};
    say_event(fleet, now, trial, &event, say, context);
    uint32_t i = 0;
    while (&fleet->trials[node->trials[i]] != trial) {
        i++;
    }
    node->trials[i] = node->trials[--node->n_trials];
    trial->state = TRIAL_FREE;
    trial->next = fleet->free;
    fleet->free = (uint32_t)(trial - fleet->trials);
    fleet->n_running--;
    fleet->totals.ended++;
}

static void trial_report(struct fleet *fleet, time_ms now, struct fleet_trial *trial,
                         fleet_say *say, void *context)
{
    static const char *const names[] = {"loss", "accuracy"};
    double quality = (double)(trial->seed % 1000) / 1000.0;
    trial->seq++;
    double values[] = {quality + 1.0 / (double)trial->seq, 1.0 - quality};
    struct metric_row row = {trial->seq, (int64_t)trial->seq, now, values, 2};
    bool is_milestone = (int64_t)trial->seq >= trial->until;
    struct node_event event = {.kind = is_milestone ? EVENT_MILESTONE : EVENT_ROWS,
                               .rows = {names, 2, &row, 1},
                               .reached = is_milestone ? trial->order : 0};
    say_event(fleet, now, trial, &event, say, context);
    if (is_milestone) {
        fleet->totals.milestones++;
        trial->state = TRIAL_WAITS; /* for its answer: fleet_hear() */
    } else {
        fleet->totals.rows++;
        due_at(fleet, trial, now + FLEET_REPORT_MS);
    }
}

static void trial_step(struct fleet *fleet, time_ms now, struct fleet_trial *trial, fleet_say *say,
                       void *context)
{
    if (trial->state == TRIAL_LEASED) {
        struct node_event event = {.kind = EVENT_STARTED, .pid = 1};
        say_event(fleet, now, trial, &event, say, context);
        trial->state = TRIAL_TRAINS;
        trial->started = now;
        fleet->totals.started++;
        due_at(fleet, trial,
               now + FLEET_STEP_MS + (time_ms)random_below(&fleet->random, FLEET_REPORT_MS - 10));
    } else if (trial->is_told_to_stop || trial->seq == REPORTS_MAX) {
        trial_end(fleet, now, trial, say, context);
    } else {
        trial_report(fleet, now, trial, say, context);
    }
}

static void heartbeats(struct fleet *fleet, time_ms now, fleet_say *say, void *context)
{
    uint32_t steps = FLEET_HEARTBEAT_MS / FLEET_STEP_MS;
    for (uint32_t i = (uint32_t)(now / FLEET_STEP_MS % steps); i < fleet->n_nodes; i += steps) {
        struct msg_heartbeat heartbeat = {.incarnation = fleet->nodes[i].incarnation,
                                          .cpu_permille = 500,
                                          .memory_used_bytes = 1 << 30};
        say_message(i, MSG_HEARTBEAT, &heartbeat, say, context);
        fleet->totals.heartbeats++;
    }
}

void fleet_step(struct fleet *fleet, time_ms now, fleet_say *say, void *context)
{
    uint32_t *place = &fleet->wheel[now / FLEET_STEP_MS % WHEEL];
    uint32_t due = *place;
    *place = NOBODY;
    while (due != NOBODY) {
        struct fleet_trial *trial = &fleet->trials[due];
        due = trial->next;
        trial_step(fleet, now, trial, say, context);
    }
    heartbeats(fleet, now, say, context);
}

/* ---- what they hear ---- */

static void hear_lease(struct fleet *fleet, time_ms now, uint32_t node, const void *message)
{
    const struct msg_lease *lease = message;
    struct fleet_node *n = &fleet->nodes[node];
    if (fleet->free == NOBODY || n->n_trials == n->cap) {
        fprintf(stderr, "%s is leased more than it has\n", n->name);
        abort();
    }
    struct fleet_trial *trial = &fleet->trials[fleet->free];
    n->trials[n->n_trials++] = fleet->free;
    fleet->free = trial->next;
    *trial = (struct fleet_trial){.id = lease->task,
                                  .attempt = lease->attempt,
                                  .node = node,
                                  .state = TRIAL_LEASED,
                                  .order = lease->order.n,
                                  .until = lease->order.until,
                                  .seed = lease->seed};
    fleet->n_running++;
    due_at(fleet, trial, now + FLEET_STEP_MS);
}

static void hear_order(struct fleet *fleet, time_ms now, uint32_t node, const void *message)
{
    const struct msg_order *order = message;
    struct fleet_node *n = &fleet->nodes[node];
    for (uint32_t i = 0; i < n->n_trials; i++) {
        struct fleet_trial *trial = &fleet->trials[n->trials[i]];
        if (!task_id_equal(trial->id, order->task) || order->order.n <= trial->order) {
            continue;
        }
        trial->order = order->order.n;
        trial->until = order->order.until;
        trial->is_told_to_stop = order->order.act == ACT_STOP;
        if (trial->state == TRIAL_WAITS) {
            trial->state = TRIAL_TRAINS;
            due_at(fleet, trial, now + (trial->is_told_to_stop ? FLEET_STEP_MS : FLEET_REPORT_MS));
        }
        return;
    }
}

void fleet_hear(struct fleet *fleet, time_ms now, uint64_t peer, struct bytes frame)
{
    struct arena arena;
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    if (message_decode(frame, &arena, &type, &message, NULL) != OK) {
        abort();
    }
    if (type == MSG_LEASE) {
        hear_lease(fleet, now, (uint32_t)peer - 1, message);
    } else if (type == MSG_ORDER) {
        hear_order(fleet, now, (uint32_t)peer - 1, message);
    }
    arena_fini(&arena);
}
