/* One draw a statement: in which order a compiler evaluates the arguments of a call is its own
 * affair, and a seed has to be the same with every compiler. */
#include "sim/sweep_file.h"

#include <stdio.h>
#include <string.h>

#include "sim/work_folders.h"

static void add(struct sim_client *client, const char *text)
{
    size_t len = strlen(client->file);
    snprintf(client->file + len, sizeof client->file - len, "%s", text);
}

/* `format` has one place, for a number from `from` to `to`. */
static void add_number(struct sim *sim, struct sim_client *client, const char *format,
                       uint64_t from, uint64_t to)
{
    char text[128];
    uint64_t n = from + sim_below(sim, to - from + 1);
    snprintf(text, sizeof text, format, (unsigned long long)n);
    add(client, text);
}

static void add_either(struct sim *sim, struct sim_client *client, uint32_t permille,
                       const char *text, const char *other)
{
    add(client, sim_chance(sim, permille) ? text : other);
}

static void metric_add(struct sim *sim, struct sim_client *client)
{
    add(client, "metric: {name: loss, goal: ");
    add_either(sim, client, 800, "minimize", "maximize");
    if (sim_chance(sim, 200)) {
        add_number(sim, client, ", target: 0.0%llu", 0, 8);
    }
    add(client, "}\nparameters:\n  lr: {min: 1e-4, max: 1e-1, log: true}\n"
                "  layers: {min: 1, max: 4}\n"
                "  opt: {values: {sgd: {m: {min: 0.5, max: 0.99}}, adamw: }}\n");
}

static void bounds_add(struct sim *sim, struct sim_client *client)
{
    bool is_population = sim_chance(sim, 350);
    if (is_population) {
        add_number(sim, client, "schedule: {type: pbt, max: %llu}\n", 4, 12);
        add_number(sim, client, "pbt: {population: %llu", 2, 6);
        add_number(sim, client, ", interval: %llu", 1, 3);
        add(client, client->index % 2 == 0 ? ", resample: 0" : "");
        add_either(sim, client, 500, ", quantile: 0.5}\n", "}\n");
    } else if (sim_chance(sim, 700)) {
        add_either(sim, client, 500, "schedule: {type: asha, mode: promote, min: 1",
                   "schedule: {type: asha, min: 1");
        add_number(sim, client, ", max: %llu", 2, 9);
        add_number(sim, client, ", eta: %llu}\n", 2, 3);
    }
    if (sim_chance(sim, 400)) {
        add_either(sim, client, 500, "limits: {concurrency", "limits: {per_node");
        add_number(sim, client, ": %llu}\n", 1, 4);
    }
    bool is_large = sim_chance(sim, 500);
    add_number(sim, client, "stop: {trials: %llu", is_population ? 6 : 1, is_large ? 40 : 8);
    if (sim_chance(sim, 300)) {
        add_number(sim, client, ", failures: %llu", 1, 3);
    }
    if (sim_chance(sim, 150)) {
        add_number(sim, client, ", wall: %llus", 2, 30);
    }
    add(client, "}\n");
}

static void retries_add(struct sim *sim, struct sim_client *client)
{
    add_number(sim, client, "retries: {max: %llu", 0, 2);
    add_number(sim, client, ", crash_limit: %llu, backoff: 100ms..2s", 1, 3);
    add_number(sim, client, ", node_failures: %llu}\n", 1, 3);
}

static void resources_add(struct sim *sim, struct sim_client *client)
{
    const struct sim_node *node = &sim->nodes[sim_below(sim, sim->n_nodes)];
    add_number(sim, client, "resources: {cpus: %llu", 1, (uint64_t)node->cpus / AMOUNT_ONE);
    add_number(sim, client, ", gpus: %llu", 0, node->n_gpus);
    bool is_gang = sim->n_nodes > 1 && client->index % 6 == 5;
    if (is_gang) { /* what every node can hold */
        *strstr(client->file, "resources:") = '\0';
        add(client, sim->n_nodes > 2 && client->index > 6 ? "launch: ranks\nresources: {nodes: 3"
                                                          : "launch: ranks\nresources: {nodes: 2");
        add(client, ", ranks: 1");
    }
    add_either(sim, client, 300, ", place: spread}\n", ", place: binpack}\n");
    add_number(sim, client, "queue: {priority: %llu}\n", 0, 100);
}

static void keep_number_add(struct random *random, struct sim_client *client, const char *format,
                            uint64_t from, uint64_t to)
{
    char text[64];
    uint64_t n = from + random_below(random, to - from + 1);
    snprintf(text, sizeof text, format, (unsigned long long)n);
    add(client, text);
}

/* Drawn from a stream of its own: what is kept of snapshots shifts nothing else of a seed. */
static void keep_add(struct sim *sim, struct sim_client *client)
{
    struct random random;
    bool has_best = sim_below(sim, 2) == 1;
    random_init(&random, sim->seed, 1000 + client->index);
    bool is_more = random_below(&random, 2) == 1;
    keep_number_add(&random, client, ", keep: {trial_last: %llu", 1, is_more ? 4 : 1);
    keep_number_add(&random, client, ", trial_best: %llu", has_best,
                    !has_best ? 0
                    : is_more ? 3
                              : 1);
    if (random_below(&random, 3) == 0) {
        keep_number_add(&random, client, ", sweep_best: %llu", 1, 3);
    }
    add(client, "}");
}

void sim_sweep_file(struct sim *sim, struct sim_client *client)
{
    snprintf(client->file, sizeof client->file, "name: %s\ncommand: [train, \"${args}\"]\n",
             client->key);
    metric_add(sim, client);
    bounds_add(sim, client);
    retries_add(sim, client);
    resources_add(sim, client);
    add(client, "timeouts: {grace: 2s, decision: 3s");
    add_either(sim, client, 200, ", trial: 20s, silent: 8s, start: 5s}\n", "}\n");
    add(client, "checkpoints: {on: ");
    add_either(sim, client, 500, "[rung, end]", "[rung]");
    keep_add(sim, client);
    add(client, "}\n");
    add(client, sim_client_setup(sim, client));
}
