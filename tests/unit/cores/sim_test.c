/* tests/unit/cores/sim_test.c -- many seeds of a cluster in which everything breaks. Without an
 * argument the test; with a seed, that one alone, one line an event; with two numbers, all seeds
 * from the one to the other. */
#include "sim_check.h"

enum { SIM_SEEDS = 300, SIM_CALM_MAX_MS = 900000 };

static uint64_t sim_first = 1, sim_last = SIM_SEEDS; /* of the test, or as given */

static sim_handler *const sim_handlers[] = {
    [SIM_FRAME_UP] = sim_on_frame_up,
    [SIM_FRAME_DOWN] = sim_on_frame_down,
    [SIM_STORE_APPLY] = sim_on_store_apply,
    [SIM_STORE_REPLY] = sim_on_store_reply,
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
static time_ms sim_stalled_until(const struct sim *sim, const struct sim_event *event)
{
    switch (sim_owners[event->kind]) {
    case 'H':
        return sim->head.stalled_until;
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

/* The next timer of a core: the head's (-1), or a node's index; INT64_MAX: none. */
static time_ms sim_timer(const struct sim *sim, int *ret_whose)
{
    time_ms next = INT64_MAX;
    *ret_whose = -1;
    if (sim->head.core != NULL) {
        next = sim_later(core_next_deadline(sim->head.core), sim->head.stalled_until);
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
        sim_head_wake(sim);
        sim_look_after(sim);
        on_tick(sim->head.core, sim->now);
        sim_head_turn(sim);
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
    time_ms timer = sim_timer(sim, &whose);
    time_ms before = sim->now;
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
    sim->steps = sim->now == before ? sim->steps + 1 : 0;
    sim_require(sim, sim->steps < 20000, "time stands still");
    if (sim->head.has_exited && sim->head.core != NULL && !sim->is_ending) {
        sim_head_kill(sim, 100 + sim_delay(sim, 1000));
    }
}

/* ---- one seed ---- */

static void sim_client_add(struct sim *sim, sim_client_kind kind, int64_t within_ms)
{
    struct sim_client *client = &sim->clients[sim->n_clients++];
    client->kind = kind;
    client->index = 1 + (uint32_t)sim_below(sim, 8);
    snprintf(client->key, sizeof client->key, "k%u", sim->n_clients);
    if (kind == CLIENT_SWEEP) {
        sim_client_file(sim, client);
    }
    sim_client_later(sim, client, (int64_t)sim_below(sim, (uint64_t)within_ms));
}

static void sim_people(struct sim *sim, int64_t within_ms)
{
    uint64_t sweeps = 1 + sim_below(sim, 6), others = sim_below(sim, 20);
    for (uint64_t i = 0; i < sweeps; i++) {
        sim_client_add(sim, CLIENT_SWEEP, i == 0 ? 1000 : within_ms);
    }
    for (uint64_t i = 0; i < others; i++) {
        sim_client_add(sim, (sim_client_kind)(CLIENT_JOB + sim_below(sim, CLIENT_VIEW)), within_ms);
    }
}

static void sim_nodes(struct sim *sim)
{
    sim->n_nodes = 1 + (uint32_t)sim_below(sim, SIM_NODES_MAX);
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        struct sim_node *node = &sim->nodes[i];
        node->index = i;
        node->cpus = (1 + (int64_t)sim_below(sim, 3)) * AMOUNT_ONE;
        node->is_bad = sim->n_nodes > 1 && sim_chance(sim, 100);
        node->n_gpus = sim_chance(sim, 300) ? 1 + (uint32_t)sim_below(sim, 2) : 0;
        snprintf(node->name, sizeof node->name, "n%u", i + 1);
        for (uint32_t k = 0; k < 2; k++) {
            snprintf(node->gpu_names[k], sizeof node->gpu_names[k], "GPU-%u-%u", i, k);
            node->gpus[k] = node->gpu_names[k];
        }
        agent_outbox_init(&node->out);
        list_init(&node->link.up);
        list_init(&node->link.down);
        sim_push(sim, (struct sim_event){.at = sim->now + (int64_t)sim_below(sim, 200),
                                         .kind = SIM_AGENT_START,
                                         .node = i});
    }
}

static void sim_weather(struct sim *sim)
{
    static const int64_t pauses[] = {300, 1000, 3000, 10000}, delays[] = {1, 5, 40, 300},
                         disks[] = {1, 4, 30, 200};
    static const uint32_t crashes[] = {0, 5, 20, 60};
    bool is_fair = sim_chance(sim, 50);
    sim->fault_pause_ms = pauses[sim_below(sim, 4)];
    sim->delay_ms = delays[sim_below(sim, 4)];
    sim->disk_ms = disks[sim_below(sim, 4)];
    sim->crash_permille = crashes[sim_below(sim, 4)];
    sim->node_timeout_ms = sim_chance(sim, 500) ? 0 : 6000;
    sim->orphan_timeout_ms = sim_chance(sim, 700) ? 0 : 4000;
    for (int i = 0; i < FAULT_COUNT; i++) {
        sim->fault_weights[i] = !is_fair && sim_chance(sim, 600) ? sim_faults[i].weight : 0;
    }
}

/* Nothing breaks any more, and what was broken comes back. */
static void sim_calm(struct sim *sim)
{
    char text[128];
    const char *unfinished = NULL;
    sim_trace(sim, "from now on nothing breaks");
    sim->is_calm = true;
    sim->store.stalled_until = 0;
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

static uint64_t sim_current;
static int64_t sim_live_before;

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
    sim_store_free(&sim->store);
    free(sim->events);
    free(sim);
    assert_int_equal(mem_live_count(), sim_live_before);
}

static struct sim *sim_new(uint64_t seed, bool is_tracing)
{
    struct sim *sim = calloc(1, sizeof *sim);
    assert_non_null(sim);
    sim_current = seed;
    sim_live_before = mem_live_count();
    sim->events = calloc(SIM_EVENTS_MAX, sizeof *sim->events);
    sim->seed = seed;
    sim->is_tracing = is_tracing;
    sim->now = SIM_START_MS;
    sim->head.epoch = 1000;
    random_init(&sim->random, seed, 11);
    sim_weather(sim);
    sim_nodes(sim);
    sim_push(sim, (struct sim_event){.at = sim->now, .kind = SIM_HEAD_START});
    return sim;
}

static uint64_t sim_run(uint64_t seed, bool is_tracing, struct sim_counts *counts)
{
    struct sim *sim = sim_new(seed, is_tracing);
    int64_t storm_ms = 10000 + (int64_t)sim_below(sim, 80000);
    sim_people(sim, storm_ms);
    sim_push(sim, (struct sim_event){.at = sim->now + 500, .kind = SIM_FAULT});
    for (time_ms end = sim->now + storm_ms; sim->now < end;) {
        sim_step(sim);
    }
    sim_calm(sim);
    sim_verdict(sim);
    sim_end(sim);
    uint64_t hash = sim->hash, *sum = (uint64_t *)counts, *part = (uint64_t *)&sim->counts;
    for (size_t i = 0; i < sizeof *counts / sizeof *sum; i++) {
        sum[i] += part[i];
    }
    sim_free(sim);
    return hash;
}

/* ---- tests ---- */

static void sim_counts_print(const struct sim_counts *counts)
{
#define X(name) print_message("%s %llu, ", #name, (unsigned long long)counts->name);
    SIM_COUNTS(X)
#undef X
    for (int i = 0; i < FAULT_COUNT; i++) {
        print_message("%s %llu%s", sim_faults[i].name, (unsigned long long)counts->faults[i],
                      i + 1 < FAULT_COUNT ? ", " : "\n");
    }
}

static void test_cores_whatever_breaks_lose_and_double_nothing(void **state)
{
    (void)state;
    struct sim_counts counts = {0};
    for (uint64_t seed = sim_first; seed <= sim_last; seed++) {
        sim_run(seed, false, &counts);
    }
    sim_counts_print(&counts);
    if (sim_last - sim_first + 1 < SIM_SEEDS) {
        return;
    }
    /* So many runs must have met what they are for. */
#define X(name) assert_true(counts.name > 0);
    SIM_COUNTS(X)
#undef X
    for (int i = 0; i < FAULT_COUNT; i++) {
        assert_true(counts.faults[i] > 0);
    }
}

static void test_cores_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    struct sim_counts counts = {0};
    for (uint64_t seed = 1; seed <= 5; seed++) {
        assert_true(sim_run(seed, false, &counts) == sim_run(seed, false, &counts));
    }
}

static void on_abort(int number)
{
    (void)number;
    fprintf(stderr, "an assertion failed in seed %llu; replay: unit_cores_sim_test %llu\n",
            (unsigned long long)sim_current, (unsigned long long)sim_current);
}

static void test_cores_one_seed(void **state)
{
    (void)state;
    struct sim_counts counts = {0};
    sim_run(sim_first, true, &counts);
    sim_counts_print(&counts);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cores_whatever_breaks_lose_and_double_nothing),
        cmocka_unit_test(test_cores_same_seed_gives_the_same_run),
    };
    const struct CMUnitTest one[] = {cmocka_unit_test(test_cores_one_seed)};
    signal(SIGABRT, on_abort);
    if (argc > 1) {
        sim_first = strtoull(argv[1], NULL, 10);
        sim_last = argc > 2 ? strtoull(argv[2], NULL, 10) : sim_first;
    }
    if (argc == 2) {
        return cmocka_run_group_tests(one, NULL, NULL);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
