/* What the store may say of task arrays. The model keeps of each task what the last record of its
 * chunk said, and whether a row came for it. */
#include "sim/array_records.h"

#include <stdio.h>

#include "sim/records.h"
#include "sim/runs.h"
#include "sim/verbs.h"

struct sim_array *sim_array_find(const struct sim *sim, uint32_t job)
{
    struct sim_array *array;
    HASH_FIND(hh, sim->store.arrays, &job, sizeof job, array);
    return array;
}

struct sim_position *sim_position_find(const struct sim *sim, task_id id)
{
    struct sim_array *array = sim_array_find(sim, id.job);
    uint32_t position;
    return array != NULL && array_position_of(array->ids, id.index, &position)
               ? &array->positions[position]
               : NULL;
}

/* It is looked at when the batch is whole. */
static void array_touch(struct sim *sim, struct sim_array *array)
{
    if (!array->is_in_batch) {
        array->is_in_batch = true;
        array->next_in_batch = sim->store.arrays_in_batch;
        sim->store.arrays_in_batch = array;
    }
}

/* ---- the job's record ---- */

static struct sim_array *array_new(struct sim *sim, const struct record_job *job)
{
    struct sim_array *array = calloc(1, sizeof *array);
    sim_require(sim, job->array.step > 0 && job->array.first <= job->array.last,
                "array %u has no tasks", job->number);
    array->job = job->number;
    array->ids = job->array;
    array->n_tasks = array_ids_count(job->array);
    array->n_chunks = (array->n_tasks - 1) / ARRAY_CHUNK + 1;
    array->positions = calloc(array->n_tasks, sizeof *array->positions);
    array->is_touched = calloc(array->n_chunks, sizeof *array->is_touched);
    HASH_ADD(hh, sim->store.arrays, job, sizeof array->job, array);
    return array;
}

/* The numbers that rows call nodes by do not change. */
static void nodes_follow(struct sim *sim, struct sim_array *array, const struct record_job *job)
{
    sim_require(sim, job->n_nodes >= array->n_nodes && job->n_nodes <= SIM_NODES_MAX,
                "array %u: %u nodes after %u", job->number, job->n_nodes, array->n_nodes);
    for (uint32_t i = 0; i < job->n_nodes; i++) {
        const struct sim_node *node = sim_node_find(sim, job->nodes[i]);
        sim_require(sim, node != NULL && (i >= array->n_nodes || array->nodes[i] == node->index),
                    "array %u: node %u is now %s", job->number, i, job->nodes[i]);
        array->nodes[i] = node->index;
    }
    array->n_nodes = job->n_nodes;
}

void sim_on_array_job(struct sim *sim, const struct record_job *job)
{
    if (job->array.step == 0) {
        return;
    }
    struct sim_array *array = sim_array_find(sim, job->number);
    bool is_new = array == NULL;
    array = is_new ? array_new(sim, job) : array;
    sim_require(sim, memcmp(&array->ids, &job->array, sizeof array->ids) == 0,
                "array %u has other ids", job->number);
    bool is_retried = sim_was_retried(sim, job->number);
    sim_require(sim, is_retried || !array->is_told || job->told_at != 0,
                "array %u was told to end, and is not any more", job->number);
    sim_require(sim, is_retried || !array->has_ended || job->ended != 0,
                "array %u had ended and goes on", job->number);
    sim_require(sim, !array->is_removing || job->is_removing,
                "array %u: its removal was taken back", job->number);
    sim->counts.arrays_ended += !array->has_ended && job->ended != 0;
    sim->counts.arrays_failed += !array->is_told && job->why == WHY_FAILURES;
    sim->counts.arrays_cancelled += !array->is_told && job->why == WHY_CANCEL;
    sim->counts.arrays_revived += array->has_ended && job->ended == 0;
    array->is_told = job->told_at != 0;
    array->has_ended = job->ended != 0;
    array->is_removing = job->is_removing;
    array->has_dry = job->has_dry;
    array_touch(sim, array);
    nodes_follow(sim, array, job);
    sim_trace(sim, "store   array %u of %u tasks%s%s%s", job->number, array->n_tasks,
              array->is_told ? ", told to end" : "", array->has_ended ? ", ended" : "",
              array->is_removing ? ", is removed" : "");
}

/* ---- chunks ---- */

/* "<job>.<chunk>" */
static struct sim_array *chunk_place(struct sim *sim, const char *field, uint32_t *ret_chunk)
{
    unsigned job = 0, chunk = 0;
    sim_require(sim, sscanf(field, "%u.%u", &job, &chunk) == 2, "a chunk named %s", field);
    struct sim_array *array = sim_array_find(sim, job);
    sim_require(sim, array != NULL && chunk < array->n_chunks, "chunk %s is of no array", field);
    *ret_chunk = chunk;
    return array;
}

static void chunk_touch(struct sim *sim, struct sim_array *array, uint32_t chunk)
{
    array->is_touched[chunk] = true;
    array_touch(sim, array);
}

static void slot_follows(struct sim *sim, struct sim_array *array, uint32_t position, array_slot to)
{
    const struct sim_position *old = &array->positions[position];
    task_id id = {array->job, array_id_at(array->ids, position)};
    char text[TASK_ID_TEXT_MAX];
    task_id_print(id, text);
    sim_require(sim, old->slot < SLOT_DONE || old->slot == to,
                "%s was slot %d and is %d: an end was taken back", text, old->slot, to);
    sim_require(sim, old->slot != SLOT_QUEUED || to != SLOT_DONE, "%s ended and was not leased",
                text);
    /* Each task but those of lost nodes runs once: one that has begun is not one that has not. */
    sim_require(sim,
                sim->was_harsh || old->slot != SLOT_LEASED || to != SLOT_QUEUED ||
                    !sim_run_has_begun(sim, (struct attempt_ref){id, 0}),
                "%s has begun and is queued as if it had not", text);
    sim->counts.array_returned += old->slot == SLOT_LEASED && to == SLOT_QUEUED;
    sim->counts.array_leases += old->slot == SLOT_QUEUED && to == SLOT_LEASED;
    array->n_leased_in_batch += old->slot == SLOT_QUEUED && to == SLOT_LEASED;
}

/* The first lease that spans a leased one has it. */
static void leases_take(struct sim *sim, struct sim_array *array, uint32_t base,
                        const struct record_chunk *record)
{
    uint32_t n = array->n_tasks - base < ARRAY_CHUNK ? array->n_tasks - base : ARRAY_CHUNK;
    bool is_held[ARRAY_CHUNK] = {false};
    for (uint32_t i = 0; i < record->n_leases; i++) {
        const struct chunk_lease *lease = &record->leases[i];
        const struct sim_node *node = sim_node_find(sim, lease->node);
        sim_require(sim, node != NULL, "chunk %u.%u is leased to %s", record->job, record->chunk,
                    lease->node);
        for (uint32_t k = lease->range.first; k < lease->range.first + lease->range.count; k++) {
            if (k < n && array->positions[base + k].slot == SLOT_LEASED && !is_held[k]) {
                is_held[k] = true;
                array->positions[base + k].node = node->index;
                array->positions[base + k].incarnation = lease->incarnation;
                array->positions[base + k].had |= 1U << node->index;
            }
        }
    }
    for (uint32_t k = 0; k < n; k++) {
        sim_require(sim, is_held[k] == (array->positions[base + k].slot == SLOT_LEASED),
                    "chunk %u.%u: task %u is leased to nobody", record->job, record->chunk, k);
    }
}

void sim_arrays_heard(struct sim *sim, message_type type, const void *message)
{
    const struct msg_events *events = message;
    bool is_unlease = type == MSG_ENROL;
    for (uint32_t i = 0; type == MSG_EVENTS && i < events->n_events; i++) {
        is_unlease |= events->events[i].kind == EVENT_RETURNED;
    }
    sim->store.n_unleases += is_unlease;
}

/* What is written of a million tasks is what became of them, and not the rest with it. Only what
 * came back from a node may be leased to it again in the same turn, and all is as it was. */
static void chunk_has_changed(struct sim *sim, const char *field, struct bytes value)
{
    const struct sim_store *store = &sim->store;
    const struct sim_cell *cell = sim_cell_find(store, "chunks", field);
    bool is_same =
        cell != NULL && cell->len == value.len && memcmp(cell->value, value.data, value.len) == 0;
    sim_require(
        sim, !is_same || store->n_unleases > store->n_unleases_at[(store->n + 1) % SIM_WRITES_SEEN],
        "chunk %s is written, and nothing of it has changed", field);
}

void sim_on_chunk(struct sim *sim, const char *field, struct bytes value)
{
    struct arena arena;
    struct record_chunk record;
    uint32_t chunk, n[SLOT_EXCEPTION + 1] = {0};
    struct sim_array *array = chunk_place(sim, field, &chunk);
    arena_init(&arena, 1 << 20);
    sim_require(sim, record_decode(&record_chunk_schema, value, &arena, &record, NULL) == OK,
                "chunk %s does not decode", field);
    sim_require(sim, record.job == array->job && record.chunk == chunk,
                "chunk %s says that it is another", field);
    chunk_has_changed(sim, field, value);
    uint32_t base = chunk * ARRAY_CHUNK;
    for (uint32_t i = 0; i < ARRAY_CHUNK; i++) {
        array_slot to = i / 4 < record.slots.len
                            ? (array_slot)(record.slots.data[i / 4] >> i % 4 * 2 & 3)
                            : SLOT_QUEUED;
        if (base + i >= array->n_tasks) {
            sim_require(sim, to == SLOT_QUEUED, "chunk %s has more tasks than its array", field);
            continue;
        }
        slot_follows(sim, array, base + i, to);
        array->positions[base + i].slot = to;
        n[to]++;
    }
    leases_take(sim, array, base, &record);
    chunk_touch(sim, array, chunk);
    sim_trace(sim, "store   chunk %s: %u queued, %u leased, %u done, %u with records", field,
              n[SLOT_QUEUED], n[SLOT_LEASED], n[SLOT_DONE], n[SLOT_EXCEPTION]);
    arena_fini(&arena);
}

/* ---- result rows ---- */

static void row_follows(struct sim *sim, struct sim_array *array, uint32_t chunk,
                        const struct result_row *row)
{
    uint32_t position;
    task_id id = {array->job, row->id};
    char text[TASK_ID_TEXT_MAX];
    task_id_print(id, text);
    sim_require(
        sim, array_position_of(array->ids, row->id, &position) && position / ARRAY_CHUNK == chunk,
        "a row of %s among those of chunk %u", text, chunk);
    struct sim_position *p = &array->positions[position];
    sim_require(sim, !p->has_row, "%s has two accepted ends", text);
    sim_require(sim, row->attempt == 0 && row->exit_code == 0 && row->node < array->n_nodes,
                "%s: its row says attempt %u, exit %u, node %u of %u", text, row->attempt,
                row->exit_code, row->node, array->n_nodes);
    const struct sim_node *node = &sim->nodes[array->nodes[row->node]];
    sim_require(sim, node->index == p->node, "%s was leased to %s and its row is of %s", text,
                sim->nodes[p->node].name, node->name);
    sim_require(sim, ((row->flags & RESULT_ROW_DRY) != 0) == node->is_dry, "%s: dry or not", text);
    if (!node->is_dry) {
        sim_run_is_accepted(sim, (struct attempt_ref){id, 0}, node, p->incarnation, CAUSE_EXIT, 0);
    }
    p->has_row = true;
    array->had_dry |= node->is_dry;
    sim->counts.array_rows++;
    sim->counts.array_rows_dry += node->is_dry;
}

void sim_on_results(struct sim *sim, const char *key, struct bytes blob)
{
    uint32_t chunk, n = result_rows_count(blob);
    struct sim_array *array = chunk_place(sim, key + strlen("res:"), &chunk);
    sim_require(sim, n > 0 && blob.len == (size_t)n * RESULT_ROW_BYTES,
                "%s gets %zu bytes, which are no rows", key, blob.len);
    sim_require(sim, !array->is_removing, "%s gets rows while it is removed", key);
    for (uint32_t i = 0; i < n; i++) {
        struct result_row row;
        result_row_read(blob.data + (size_t)i * RESULT_ROW_BYTES, &row);
        row_follows(sim, array, chunk, &row);
    }
    chunk_touch(sim, array, chunk);
    sim_trace(sim, "store   %s has %u more rows", key, n);
}

static struct sim_position *record_count(struct sim *sim, task_id id, int n)
{
    struct sim_array *array = sim_array_find(sim, id.job);
    uint32_t position;
    if (array == NULL) {
        return NULL;
    }
    sim_require(sim, array_position_of(array->ids, id.index, &position),
                "%u.%u is none of its array", id.job, id.index);
    array->n_records += (uint32_t)n;
    chunk_touch(sim, array, position / ARRAY_CHUNK);
    return &array->positions[position];
}

/* One that was leased and told to leave in one turn has no chunk's record that says so. */
void sim_array_record_new(struct sim *sim, const struct record_task *r)
{
    struct sim_position *p = record_count(sim, r->id, 1);
    sim->counts.array_exceptions += p != NULL;
    if (p != NULL && r->n_attempts == 1 && r->leased == 0 && r->node != NULL) {
        const struct sim_node *node = sim_node_find(sim, r->node);
        sim_require(sim, node != NULL, "%u.%u is on %s", r->id.job, r->id.index, r->node);
        p->node = node->index;
        p->incarnation = r->incarnation;
        p->had |= 1U << node->index;
    }
}

void sim_array_record_del(struct sim *sim, task_id id)
{
    (void)record_count(sim, id, -1);
}

/* What exits on a dry node ran no process there, and whatever ends on another one is not dry. */
static void dry_follows(struct sim *sim, const struct record_attempt *r,
                        const struct sim_node *node)
{
    struct sim_array *array = sim_array_find(sim, r->task.job);
    bool is_on_dry = node != NULL && node->is_dry, is_dry = r->result.is_dry;
    sim_require(sim, is_on_dry ? is_dry || r->result.cause != CAUSE_EXIT : !is_dry,
                "%u.%u:%u ended on %s, which is%s dry, and is%s", r->task.job, r->task.index,
                r->attempt, r->node, is_on_dry ? "" : " not", is_dry ? "" : " not");
    if (array != NULL && is_dry) {
        array->had_dry = true;
        array_touch(sim, array);
    }
}

void sim_array_lane_end(struct sim *sim, const struct record_attempt *r)
{
    const struct sim_position *p = sim_position_find(sim, r->task);
    const struct sim_node *node = sim_node_find(sim, r->node);
    dry_follows(sim, r, node);
    if (p == NULL || r->attempt > 0 || r->leased != 0) {
        return;
    }
    sim_require(sim,
                node != NULL && node->index == p->node &&
                    (r->incarnation == p->incarnation || sim->was_harsh),
                "%u.%u ended on %s and was leased to %s", r->task.job, r->task.index, r->node,
                sim->nodes[p->node].name);
    sim->counts.array_lost += r->result.cause == CAUSE_LOST;
    sim->counts.array_faults += r->result.is_nodes_fault;
}

/* ---- after a batch ---- */

static void chunk_is_whole(struct sim *sim, struct sim_array *array, uint32_t chunk)
{
    uint32_t end = (chunk + 1) * ARRAY_CHUNK;
    end = end < array->n_tasks ? end : array->n_tasks;
    for (uint32_t i = chunk * ARRAY_CHUNK; i < end; i++) {
        struct sim_position *p = &array->positions[i];
        task_id id = {array->job, array_id_at(array->ids, i)};
        sim_require(sim, p->has_row == (p->slot == SLOT_DONE), "%u.%u: slot %d, and %s row", id.job,
                    id.index, p->slot, p->has_row ? "a" : "no");
        bool is_exception = p->slot == SLOT_EXCEPTION;
        array->n_exceptions += is_exception - p->is_exception;
        p->is_exception = is_exception;
        sim_require(sim, !is_exception || sim_task_find(sim, id) != NULL,
                    "%u.%u has no record, and its slot says so", id.job, id.index);
    }
}

void sim_arrays_batch_end(struct sim *sim)
{
    struct sim_array *array;
    while ((array = sim->store.arrays_in_batch) != NULL) {
        sim->store.arrays_in_batch = array->next_in_batch;
        array->is_in_batch = false;
        for (uint32_t i = 0; i < array->n_chunks && !array->is_removing; i++) {
            if (array->is_touched[i]) {
                chunk_is_whole(sim, array, i);
            }
            array->is_touched[i] = false;
        }
        sim_require(sim, array->is_removing || array->n_exceptions == array->n_records,
                    "array %u: %u slots and %u records of exceptions", array->job,
                    array->n_exceptions, array->n_records);
        sim_require(sim,
                    array->n_leased_in_batch == 0 || !array->was_told || !array->is_told ||
                        sim_was_retried(sim, array->job),
                    "array %u was told to end, and %u of its tasks are leased", array->job,
                    array->n_leased_in_batch);
        sim_require(sim, array->is_removing || array->has_dry == array->had_dry,
                    "array %u has %s dry result, and its job's record says that it has %s",
                    array->job, array->had_dry ? "a" : "no", array->has_dry ? "one" : "none");
        array->n_leased_in_batch = 0;
        array->was_told = array->is_told;
    }
}

/* ---- removed ---- */

void sim_results_del(struct sim *sim, const char *key)
{
    uint32_t chunk;
    struct sim_array *array = chunk_place(sim, key + strlen("res:"), &chunk);
    for (uint32_t i = chunk * ARRAY_CHUNK; i < array->n_tasks && i / ARRAY_CHUNK == chunk; i++) {
        array->positions[i].has_row = false;
    }
}

static void array_free(struct sim_store *store, struct sim_array *array)
{
    HASH_DELETE(hh, store->arrays, array);
    free(array->positions);
    free(array->is_touched);
    free(array);
}

void sim_array_del(struct sim *sim, uint32_t job)
{
    struct sim_array *array = sim_array_find(sim, job);
    char field[32];
    if (array == NULL) {
        return;
    }
    for (uint32_t i = 0; i < array->n_tasks; i++) {
        sim_require(sim, !array->positions[i].has_row, "array %u is removed, rows of it are not",
                    job);
    }
    for (uint32_t i = 0; i < array->n_chunks; i++) {
        snprintf(field, sizeof field, "%u.%u", job, i);
        sim_require(sim, sim_cell_find(&sim->store, "chunks", field) == NULL,
                    "array %u is removed, chunk %s is not", job, field);
    }
    sim_require(sim, array->n_records == 0, "array %u is removed, records of its tasks are not",
                job);
    struct sim_array **link = &sim->store.arrays_in_batch;
    while (array->is_in_batch && *link != array) {
        link = &(*link)->next_in_batch;
    }
    *link = array->is_in_batch ? array->next_in_batch : *link;
    array_free(&sim->store, array);
}

void sim_arrays_free(struct sim_store *store)
{
    struct sim_array *array, *next;
    HASH_ITER (hh, store->arrays, array, next) {
        array_free(store, array);
    }
}
