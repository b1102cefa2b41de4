/* tests/unit/cores/sim_store.h -- the store in memory: batches are applied whole, once. */
#ifndef MUSTER_TESTS_CORES_SIM_STORE_H
#define MUSTER_TESTS_CORES_SIM_STORE_H

#include "sim_records.h"

static const struct {
    const char *key;
    void (*check)(struct sim *sim, const char *field, struct bytes value);
} sim_tables[] = {
    {"tasks", sim_on_task}, {"attempts", sim_on_attempt}, {"sweeps", sim_on_sweep},
    {"nodes", sim_on_node}, {"jobs", sim_on_job},         {"meta", sim_on_meta},
};

static void sim_store_hset(struct sim *sim, const struct store_op *op)
{
    char field[256], name[512];
    sim_require(sim, op->field.len < sizeof field, "a long field of %s", op->key);
    memcpy(field, op->field.data, op->field.len);
    field[op->field.len] = '\0';
    bool is_known = false;
    for (size_t i = 0; i < sizeof sim_tables / sizeof sim_tables[0]; i++) {
        if (strcmp(sim_tables[i].key, op->key) == 0) {
            sim_tables[i].check(sim, field, op->value);
            is_known = true;
        }
    }
    struct sim_cell *cell = sim_cell_find(&sim->store, op->key, field);
    if (!is_known) {
        sim_require(sim, strncmp(op->key, "rows:", 5) == 0, "nobody knows the key %s", op->key);
        sim_require(sim, cell == NULL, "%s %s was written twice", op->key, field);
        sim_on_rows(sim, op->key, field, op->value);
    }
    if (cell == NULL) {
        snprintf(name, sizeof name, "%s\n%s", op->key, field);
        cell = calloc(1, sizeof *cell);
        cell->name = strdup(name);
        HASH_ADD_KEYPTR(hh, sim->store.cells, cell->name, strlen(cell->name), cell);
    }
    free(cell->value);
    cell->value = calloc(1, op->value.len + 1);
    memcpy(cell->value, op->value.data, op->value.len);
    cell->len = op->value.len;
}

static void sim_store_rpush(struct sim *sim, const struct store_op *op)
{
    struct sim_store *store = &sim->store;
    struct arena arena;
    struct record_log log;
    arena_init(&arena, 1 << 20);
    sim_require(sim, strncmp(op->key, "log:", 4) == 0, "nobody knows the list %s", op->key);
    sim_require(sim, record_decode(&record_log_schema, op->value, &arena, &log, NULL) == OK,
                "an entry of %s does not decode", op->key);
    sim->counts.targets += log.kind == LOG_TARGET;
    sim->counts.walls += log.kind == LOG_WALL;
    sim->counts.milestones += log.kind == LOG_MILESTONE;
    sim_trace(sim, "store   %s %s trial %u step %lld value %g", op->key, log_kind_names[log.kind],
              log.trial, (long long)log.step, log.value);
    arena_fini(&arena);
    if (store->n_entries == store->cap_entries) {
        store->cap_entries = store->cap_entries == 0 ? 256 : store->cap_entries * 2;
        store->entries = realloc(store->entries, store->cap_entries * sizeof *store->entries);
    }
    uint8_t *copy = malloc(op->value.len);
    memcpy(copy, op->value.data, op->value.len);
    store->entries[store->n_entries++] =
        (struct sim_entry){(uint32_t)strtoul(op->key + 4, NULL, 10), copy, op->value.len};
}

static UNUSED void sim_store_apply(struct sim *sim, const struct batch *batch)
{
    sim_require(sim, batch->n == sim->store.n + 1, "batch %llu after batch %llu",
                (unsigned long long)batch->n, (unsigned long long)sim->store.n);
    sim_require(sim, batch->n_ops > 0, "batch %llu is empty", (unsigned long long)batch->n);
    for (uint32_t i = 0; i < batch->n_ops; i++) {
        const struct store_op *op = &batch->ops[i];
        sim_require(sim, op->kind == OP_HSET || op->kind == OP_RPUSH, "nothing is deleted yet");
        if (op->kind == OP_HSET) {
            sim_store_hset(sim, op);
        } else {
            sim_store_rpush(sim, op);
        }
    }
    sim->store.n = batch->n;
    sim->counts.batches++;
    sim_hash(sim, batch->n_ops);
}

static UNUSED void sim_store_free(struct sim_store *store)
{
    struct sim_cell *cell, *next_cell;
    HASH_ITER (hh, store->cells, cell, next_cell) {
        HASH_DELETE(hh, store->cells, cell);
        free(cell->name);
        free(cell->value);
        free(cell);
    }
    struct sim_task *task, *next_task;
    HASH_ITER (hh, store->tasks, task, next_task) {
        HASH_DELETE(hh, store->tasks, task);
        free(task);
    }
    struct sim_rows *rows, *next_rows;
    HASH_ITER (hh, store->rows, rows, next_rows) {
        HASH_DELETE(hh, store->rows, rows);
        free(rows);
    }
    for (uint32_t i = 0; i < store->n_entries; i++) {
        free(store->entries[i].value);
    }
    free(store->entries);
}

#endif
