/* The store in memory: batches are applied whole, once. */
#include "sim/store.h"
#include "sim/array_records.h"
#include "sim/calendar.h"
#include "sim/kept_check.h"
#include "sim/lineage.h"
#include "sim/records.h"

static const struct {
    const char *key;
    void (*check)(struct sim *sim, const char *field, struct bytes value);
} sim_tables[] = {
    {"tasks", sim_on_task},   {"attempts", sim_on_attempt}, {"sweeps", sim_on_sweep},
    {"nodes", sim_on_node},   {"jobs", sim_on_job},         {"meta", sim_on_meta},
    {"chunks", sim_on_chunk},
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

static void sim_log_push(struct sim *sim, const struct store_op *op)
{
    struct sim_store *store = &sim->store;
    struct arena arena;
    struct record_log log;
    arena_init(&arena, 1 << 20);
    sim_require(sim, strncmp(op->key, "log:", 4) == 0, "nobody knows the list %s", op->key);
    sim_require(sim, record_decode(&record_log_schema, op->value, &arena, &log, NULL) == OK,
                "an entry of %s does not decode", op->key);
    sim_lineage_logged(sim, (uint32_t)strtoul(op->key + 4, NULL, 10), &log);
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
        (struct sim_entry){(uint32_t)strtoul(op->key + 4, NULL, 10), copy, op->value.len, false};
}

/* Rows are read on demand only: what counts of them is in the model of their array. */
static void sim_store_rpush(struct sim *sim, const struct store_op *op)
{
    if (strncmp(op->key, "res:", 4) == 0) {
        sim_on_results(sim, op->key, op->value);
    } else {
        sim_log_push(sim, op);
    }
}

static void sim_cell_drop(struct sim *sim, struct sim_cell *cell)
{
    HASH_DELETE(hh, sim->store.cells, cell);
    free(cell->name);
    free(cell->value);
    free(cell);
}

/* Nothing goes but what somebody had removed, and that not before its mark was there. */
static void sim_deletion_is_due(struct sim *sim, const char *key, const char *field,
                                const char *number)
{
    char text[16];
    struct arena arena;
    struct record_sweep sweep;
    struct record_job job;
    snprintf(text, sizeof text, "%lu", strtoul(number, NULL, 10));
    arena_init(&arena, 4 << 20);
    bool is_due =
        (sim_store_get(sim, "sweeps", text, &record_sweep_schema, &arena, &sweep) &&
         sweep.is_removing) ||
        (sim_store_get(sim, "jobs", text, &record_job_schema, &arena, &job) && job.is_removing);
    /* The record itself goes in one group with its log. */
    sim_require(sim, is_due || strncmp(key, "log:", 4) == 0, "%s %s is deleted, and nobody asked",
                key, field);
    arena_fini(&arena);
}

static void sim_store_hdel(struct sim *sim, const struct store_op *op)
{
    char field[256] = "";
    sim_require(sim, op->field.len < sizeof field, "a long field of %s", op->key);
    memcpy(field, op->field.data, op->field.len);
    struct sim_cell *cell = sim_cell_find(&sim->store, op->key, field);
    task_id id;
    if (strcmp(op->key, "nodes") == 0) { /* that nothing is on: sim_compare() */
        sim_trace(sim, "store   node %s is forgotten", field);
        sim->counts.forgotten++;
    } else {
        sim_deletion_is_due(sim, op->key, field, field);
    }
    if (strcmp(op->key, "tasks") == 0 && task_id_parse(field, &id) == OK) {
        struct sim_task *task = sim_task_find(sim, id);
        sim_require(sim, task != NULL && task->r.state == TASK_ENDED, "%s had not ended", field);
        sim_array_record_del(sim, id);
        HASH_DELETE(hh, sim->store.tasks, task);
        free(task->kept);
        free(task);
    }
    if (cell != NULL) {
        sim_cell_drop(sim, cell);
    }
    if (strcmp(op->key, "jobs") == 0) {
        sim_array_del(sim, (uint32_t)strtoul(field, NULL, 10));
    }
}

static void sim_store_del(struct sim *sim, const struct store_op *op)
{
    struct sim_store *store = &sim->store;
    size_t len = strlen(op->key);
    sim_deletion_is_due(sim, op->key, "", strchr(op->key, ':') + 1);
    if (strncmp(op->key, "log:", 4) == 0) {
        uint32_t sweep = (uint32_t)strtoul(op->key + 4, NULL, 10), n = 0;
        for (uint32_t i = 0; i < store->n_entries; i++) {
            if (store->entries[i].sweep == sweep) {
                free(store->entries[i].value);
            } else {
                store->entries[n++] = store->entries[i];
            }
        }
        store->n_entries = n;
        return;
    }
    if (strncmp(op->key, "res:", 4) == 0) {
        sim_results_del(sim, op->key);
        return;
    }
    struct sim_cell *cell, *next;
    HASH_ITER (hh, store->cells, cell, next) {
        if (strncmp(cell->name, op->key, len) == 0 && cell->name[len] == '\n') {
            sim_cell_drop(sim, cell);
        }
    }
}

void sim_store_apply(struct sim *sim, const struct batch *batch)
{
    sim_require(sim, batch->n == sim->store.n + 1, "batch %llu after batch %llu",
                (unsigned long long)batch->n, (unsigned long long)sim->store.n);
    sim_require(sim, batch->n_ops > 0, "batch %llu is empty", (unsigned long long)batch->n);
    sim_kept_batch(sim, batch);
    for (uint32_t i = 0; i < batch->n_ops; i++) {
        const struct store_op *op = &batch->ops[i];
        static void (*const applies[])(struct sim * sim, const struct store_op *op) = {
            [OP_HSET] = sim_store_hset,
            [OP_HDEL] = sim_store_hdel,
            [OP_RPUSH] = sim_store_rpush,
            [OP_DEL] = sim_store_del,
        };
        applies[op->kind](sim, op);
    }
    sim_arrays_batch_end(sim);
    sim->store.n = batch->n;
    sim->store.n_unleases_at[batch->n % SIM_WRITES_SEEN] = sim->store.n_unleases;
    sim->counts.batches++;
    sim_hash(sim, batch->n_ops);
}

void sim_store_free(struct sim_store *store)
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
        free(task->kept);
        free(task);
    }
    struct sim_rows *rows, *next_rows;
    HASH_ITER (hh, store->rows, rows, next_rows) {
        HASH_DELETE(hh, store->rows, rows);
        free(rows);
    }
    sim_arrays_free(store);
    for (uint32_t i = 0; i < store->n_entries; i++) {
        free(store->entries[i].value);
    }
    free(store->entries);
}
