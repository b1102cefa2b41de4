/* What people bring during a seed. A new kind of work gets its client kind, its way to ask
 * (people.c) and a line here. */
#include "sim/workload.h"

#include <stdio.h>

#include "sim/people.h"

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

void sim_workload(struct sim *sim, int64_t within_ms)
{
    uint64_t sweeps = 1 + sim_below(sim, 6), others = sim_below(sim, 20);
    for (uint64_t i = 0; i < sweeps; i++) {
        sim_client_add(sim, CLIENT_SWEEP, i == 0 ? 1000 : within_ms);
    }
    for (uint64_t i = 0; i < others; i++) {
        sim_client_add(sim, (sim_client_kind)(CLIENT_JOB + sim_below(sim, CLIENT_VIEW)), within_ms);
    }
}

