/* What people bring during a seed. A new kind of work gets its client kind, its way to ask
 * (people.c) and a line here. */
#include "sim/workload.h"

#include <stdio.h>

#include "sim/array_people.h"
#include "sim/people.h"
#include "sim/sweep_file.h"

static void client_add(struct sim *sim, sim_client_kind kind, int64_t within_ms)
{
    struct sim_client *client = &sim->clients[sim->n_clients++];
    client->kind = kind;
    client->index = 1 + (uint32_t)sim_below(sim, 11);
    snprintf(client->key, sizeof client->key, "k%u", sim->n_clients);
    if (kind == CLIENT_SWEEP) {
        sim_sweep_file(sim, client);
    }
    if (kind == CLIENT_ARRAY) {
        sim_array_draw(sim, client);
    }
    sim_client_later(sim, client, (int64_t)sim_below(sim, (uint64_t)within_ms));
}

/* Work that nobody has taken yet, or that has not come to its end. */
static uint32_t unfinished(const struct sim *sim)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < sim->n_clients; i++) {
        n += sim->clients[i].kind <= CLIENT_CLONE && !sim->clients[i].is_answered;
    }
    for (const struct work *work = sim->head.core->works; work != NULL; work = work->hh.next) {
        n += (work->array != NULL && work->job->r.ended == 0) || work->n_active > 0 ||
             (work->sweep != NULL && work->sweep->r.state < SWEEP_DONE);
    }
    return n;
}

static sim_client_kind work_draw(struct sim *sim)
{
    bool is_array = sim_chance(sim, sim->array_permille);
    bool is_large = sim_chance(sim, 700);
    return is_array && (is_large || !sim->options->is_arrays) ? CLIENT_ARRAY
           : is_large                                         ? CLIENT_SWEEP
                                                              : CLIENT_JOB;
}

/* Another wish; of those who have too much to do, nothing that brings more. */
static sim_client_kind other_draw(struct sim *sim, bool is_enough)
{
    static const sim_client_kind of_jobs[] = {
        CLIENT_CANCEL_TASK, CLIENT_CANCEL_JOB, CLIENT_RETRY_TASK, CLIENT_RETRY_JOB,
        CLIENT_REMOVE,      CLIENT_NODE,       CLIENT_VIEW};
    if (sim->options->is_arrays || sim_chance(sim, sim->array_permille / 2)) {
        return of_jobs[sim_below(sim, sizeof of_jobs / sizeof of_jobs[0])];
    }
    uint64_t first = is_enough ? CLIENT_CANCEL_SWEEP : CLIENT_JOB;
    sim_client_kind kind = (sim_client_kind)(first + sim_below(sim, CLIENT_SHUTDOWN - first));
    return kind == CLIENT_ARRAY && sim->array_permille == 0 ? CLIENT_JOB : kind;
}

void sim_on_workload(struct sim *sim, const struct sim_event *event)
{
    enum { WORKS_MAX = 8, KEPT_FREE = 4 };
    (void)event;
    if (sim->is_calm) {
        return;
    }
    sim_push(sim,
             (struct sim_event){.at = sim->now + 200 + sim_delay(sim, 3000), .kind = SIM_WORKLOAD});
    if (sim->head.core == NULL || sim->n_clients + KEPT_FREE > SIM_CLIENTS_MAX) {
        return;
    }
    uint32_t n = unfinished(sim);
    bool is_enough = n >= WORKS_MAX || (n > 1 && sim_chance(sim, 600));
    if (!is_enough) {
        client_add(sim, work_draw(sim), 500);
    }
    if (sim_chance(sim, 400)) {
        client_add(sim, other_draw(sim, is_enough), 3000);
    }
}
