#include "sim/job_logs.h"

#include <stdio.h>
#include <string.h>

#include "sim/records.h"

void sim_logs_note(struct sim *sim, struct sim_node *node, uint32_t job)
{
    uint32_t i = 0;
    while (i < node->n_logged && node->logged[i] < job) {
        i++;
    }
    if (i < node->n_logged && node->logged[i] == job) {
        return;
    }
    sim_require(sim, node->n_logged < SIM_LOGGED_MAX, "%s: too many jobs", node->name);
    memmove(node->logged + i + 1, node->logged + i, (node->n_logged - i) * sizeof node->logged[0]);
    node->logged[i] = job;
    node->n_logged++;
}

void sim_logs_tell(struct sim_node *node)
{
    on_logs_found(node->agent, node->logged, node->n_logged, &node->out);
}

static void removal_is_due(struct sim *sim, const struct sim_node *node, uint32_t job)
{
    char field[16];
    struct arena arena;
    struct record_sweep sweep;
    struct record_job record;
    snprintf(field, sizeof field, "%u", job);
    arena_init(&arena, 4 << 20);
    bool is_sweep = sim_store_get(sim, "sweeps", field, &record_sweep_schema, &arena, &sweep);
    bool is_job = sim_store_get(sim, "jobs", field, &record_job_schema, &arena, &record);
    sim_require(sim, (!is_sweep || sweep.is_removing) && (!is_job || record.is_removing),
                "%s: the logs of %s are removed, which is still there", node->name, field);
    arena_fini(&arena);
}

void sim_take_logs_drop(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    for (uint32_t i = 0; i < SIM_PROCESSES_MAX; i++) {
        const struct sim_process *p = &node->processes[i];
        sim_require(sim, !p->is_used || p->ref.task.job - e->jobs.first >= e->jobs.count,
                    "%s: the logs of %u are removed while an attempt of it is there", node->name,
                    p->ref.task.job);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < node->n_logged; i++) {
        uint32_t job = node->logged[i];
        if (job - e->jobs.first >= e->jobs.count) {
            node->logged[kept++] = job;
            continue;
        }
        removal_is_due(sim, node, job);
        sim_trace(sim, "%-7s removes the logs of %u", node->name, job);
        sim->counts.logs_removed++;
    }
    node->n_logged = kept;
}
