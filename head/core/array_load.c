/* Recovery of arrays: a record a chunk, and nothing that walks single tasks but those that are
 * leased or have records of their own. */
#include <string.h>

#include "head/core/arrays.h"

static error_code chunk_place(struct core *core, const struct record_chunk *record,
                              struct array **ret_array, struct report *report)
{
    struct work *work = core_work_find(core, record->job);
    if (work == NULL || work->array == NULL || record->chunk >= work->array->n_chunks ||
        record->slots.len > ARRAY_CHUNK / 4) {
        return report_fail(report, ERR_FORMAT, "chunk %u.%u belongs to no array", record->job,
                           record->chunk);
    }
    const struct array_chunk *chunk = &work->array->chunks[record->chunk];
    if (chunk->n[SLOT_LEASED] + chunk->n[SLOT_DONE] + chunk->n[SLOT_EXCEPTION] > 0) {
        return report_fail(report, ERR_FORMAT, "chunk %u.%u has two records", record->job,
                           record->chunk);
    }
    *ret_array = work->array;
    return OK;
}

static error_code lease_load(struct core *core, struct array *array, struct array_chunk *chunk,
                             const struct chunk_lease *lease, struct report *report)
{
    struct array_holder *holder;
    uint32_t base = (uint32_t)(chunk - array->chunks) * ARRAY_CHUNK;
    HASH_FIND_STR(array->by_name, lease->node, holder);
    if (holder == NULL || lease->range.first >= ARRAY_CHUNK ||
        lease->range.count > ARRAY_CHUNK - lease->range.first ||
        (holder->n_held > 0 && holder->incarnation != lease->incarnation)) {
        return report_fail(report, ERR_FORMAT,
                           "chunk %u.%u is leased to node '%s', which it cannot be",
                           array->work->number, base / ARRAY_CHUNK, lease->node);
    }
    if (chunk->held == NULL) {
        chunk->held = mem_calloc(ARRAY_CHUNK, sizeof *chunk->held);
    }
    if (chunk->held == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return ERR_NO_MEMORY;
    }
    holder->incarnation = lease->incarnation;
    for (uint32_t i = lease->range.first; i < lease->range.first + lease->range.count; i++) {
        if (base + i < array->n_tasks && array_slot_at(array, base + i) == SLOT_LEASED &&
            chunk->held[i] == 0) {
            chunk->held[i] = holder->number + 1;
            holder->n_held++;
        }
    }
    return OK;
}

static error_code held_check(const struct array *array, const struct array_chunk *chunk,
                             struct report *report)
{
    uint32_t n = 0;
    for (uint32_t i = 0; chunk->held != NULL && i < ARRAY_CHUNK; i++) {
        n += chunk->held[i] != 0;
    }
    return n == chunk->n[SLOT_LEASED]
               ? OK
               : report_fail(report, ERR_FORMAT, "chunk %u.%u has leased tasks that no node holds",
                             array->work->number, (uint32_t)(chunk - array->chunks));
}

error_code core_array_chunk_load(struct core *core, const struct record_chunk *record,
                                 struct report *report)
{
    struct array *array;
    error_code error = chunk_place(core, record, &array, report);
    if (error != OK) {
        return error;
    }
    struct array_chunk *chunk = &array->chunks[record->chunk];
    uint64_t *words = array->slots + (size_t)record->chunk * ARRAY_CHUNK_WORDS;
    uint16_t n[SLOT_EXCEPTION + 1] = {0};
    uint32_t n_all = (uint32_t)chunk->n[SLOT_QUEUED]; /* nothing was loaded yet */
    if (record->slots.len > 0) {
        memcpy(words, record->slots.data, record->slots.len);
    }
    for (uint32_t i = n_all; i < ARRAY_CHUNK; i++) {
        if (array_slot_at(array, record->chunk * ARRAY_CHUNK + i) != SLOT_QUEUED) {
            return report_fail(report, ERR_FORMAT, "chunk %u.%u has more tasks than its array",
                               record->job, record->chunk);
        }
    }
    for (uint32_t i = 0; i < ARRAY_CHUNK_WORDS; i++) {
        core_array_word_count(words[i], n);
    }
    n[SLOT_QUEUED] = (uint16_t)(n_all - n[SLOT_LEASED] - n[SLOT_DONE] - n[SLOT_EXCEPTION]);
    for (int slot = 0; slot <= SLOT_EXCEPTION; slot++) {
        core_array_count(core, array, (array_slot)slot, (int64_t)n[slot] - chunk->n[slot]);
        chunk->n[slot] = n[slot];
    }
    for (uint32_t i = 0; i < record->n_leases && error == OK; i++) {
        error = lease_load(core, array, chunk, &record->leases[i], report);
    }
    return error == OK ? held_check(array, chunk, report) : error;
}

/* As many as there are slots of them, each in its own. */
static error_code exceptions_check(const struct array *array, struct report *report)
{
    const struct work *work = array->work;
    if (array->n[SLOT_EXCEPTION] != work->n_tasks) {
        return report_fail(report, ERR_FORMAT,
                           "array %u has %u tasks with records of their own, and %u records",
                           work->number, array->n[SLOT_EXCEPTION], work->n_tasks);
    }
    for (uint32_t i = 0; i < work->n_tasks; i++) {
        uint32_t index = work->tasks[i]->r.id.index, position;
        if (!array_position_of(array->ids, index, &position) ||
            array_slot_at(array, position) != SLOT_EXCEPTION) {
            return report_fail(report, ERR_FORMAT, "array %u knows of no record of task %u",
                               work->number, index);
        }
    }
    return OK;
}

/* After all records: whoever holds something is the node that is known by its name, or it is lost.
 */
error_code core_array_load_done(struct core *core, time_ms now, struct array *array,
                                struct report *report)
{
    error_code error = exceptions_check(array, report);
    if (error != OK) {
        return error;
    }
    if (core_array_is_over(array) && core_array_is_open(array)) {
        return report_fail(report, ERR_FORMAT, "array %u has ended, and some of its tasks have not",
                           array->work->number);
    }
    for (uint32_t i = 0; i < array->n_holders; i++) {
        struct array_holder *holder = array->holders[i];
        if (holder->n_held == 0) {
            continue;
        }
        struct node *node = core_node_find(core, holder->name);
        if (node == NULL) {
            return report_fail(report, ERR_FORMAT, "array %u has tasks on no known node '%s'",
                               array->work->number, holder->name);
        }
        core_array_holder_bind(holder, node);
        if (node->r.incarnation != holder->incarnation || node->r.state == NODE_GONE) {
            core_array_holder_lost(core, now, holder, "its agent started anew");
        }
    }
    core_array_due(core, array);
    core_array_advance(core, now, array);
    return core->out.failed;
}
