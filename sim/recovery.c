/* A head from what is on disk. */
#include "sim/recovery.h"

#include <stdio.h>
#include <string.h>

#include "sim/records.h"

struct core *sim_core_new(struct sim *sim, uint64_t epoch)
{
    struct core_config config = {.version = "test",
                                 .cluster = "c",
                                 .state_dir = "/state",
                                 .epoch = epoch,
                                 .pid = 1,
                                 .node_timeout_ms = sim->node_timeout_ms,
                                 .orphan_timeout_ms = sim->orphan_timeout_ms,
                                 .forget_nodes_ms = sim->forget_nodes_ms,
                                 .seed = sim->seed};
    struct core *core;
    sim_require(sim, core_new(&config, &core) == OK, "core_new");
    return core;
}

void sim_core_load(struct sim *sim, uint64_t epoch, struct core **ret_core)
{
    static const char *const tables[] = {"sweeps", "jobs", "tasks", "chunks", "nodes"};
    struct report report = {0};
    struct core *core = sim_core_new(sim, epoch);
    char n[32];
    snprintf(n, sizeof n, "%llu", (unsigned long long)sim->store.n);
    sim_require(sim, core_load_meta(core, "n", n) == OK, "meta n");
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        size_t len = strlen(tables[t]);
        struct sim_cell *cell, *next;
        HASH_ITER (hh, sim->store.cells, cell, next) {
            if (strncmp(cell->name, tables[t], len) != 0 || cell->name[len] != '\n') {
                continue;
            }
            const char *field = cell->name + len + 1;
            struct bytes name = {(const uint8_t *)field, strlen(field)};
            struct bytes value = {cell->value, cell->len};
            error_code error = core_load_record(core, tables[t], name, value, &report);
            sim_require(sim, error == OK, "%s", report.text);
        }
    }
    for (uint32_t i = 0; i < sim->store.n_entries; i++) {
        const struct sim_entry *entry = &sim->store.entries[i];
        struct bytes value = {entry->value, entry->len};
        error_code error = core_load_log(core, entry->sweep, value, &report);
        sim_require(sim, error == OK, "%s", report.text);
    }
    const struct sim_cell *next_job = sim_cell_find(&sim->store, "meta", "next_job");
    if (next_job != NULL) {
        sim_require(sim, core_load_meta(core, "next_job", (const char *)next_job->value) == OK,
                    "meta next_job");
    }
    error_code error = core_load_done(core, sim->now, &report);
    sim_require(sim, error == OK, "load: %s %s", error_word(error), report.text);
    *ret_core = core;
}
