/* The slots of an array, a chunk of 1,024 at a time: what is written is what changed, and what is
 * asked of a million tasks is answered by words and counts. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "head/core/arrays.h"

/* A chunk's slots are stored as they lie in memory: lowest bits first. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "slots are stored lowest byte first");

#define WORD_LOW 0x5555555555555555U /* the lower bit of each slot */

enum { ROWS_FIRST = 64 };

task_state core_array_state(const struct array *array, array_slot slot)
{
    assert(slot != SLOT_EXCEPTION);
    if (slot == SLOT_QUEUED) {
        return core_array_is_told(array) ? TASK_ENDED : TASK_QUEUED;
    }
    return slot == SLOT_LEASED ? TASK_LEASED : TASK_ENDED;
}

/* delta is taken modulo 2^32, as the counts are. */
void core_array_count(struct core *core, struct array *array, array_slot slot, int64_t delta)
{
    array->n[slot] += (uint32_t)delta;
    if (slot != SLOT_EXCEPTION) {
        core->status.tasks[core_array_state(array, slot)] += (uint32_t)delta;
    }
}

void core_array_chunk_dirty(struct core *core, struct array_chunk *chunk)
{
    if (list_is_empty(&chunk->dirty_link)) {
        list_push_back(&core->dirty_chunks, &chunk->dirty_link);
    }
}

void core_array_started_forget(struct array *array, uint32_t position)
{
    struct array_started *started;
    HASH_FIND(hh, array->started, &position, sizeof position, started);
    if (started != NULL) {
        HASH_DELETE(hh, array->started, started);
        mem_free(started);
    }
}

static void position_let_go(struct core *core, struct array *array, uint32_t position)
{
    uint32_t *held = array_held_at(array, position);
    assert(held != NULL && *held != 0);
    struct array_holder *holder = array->holders[(*held & HELD_HOLDER) - 1];
    if (*held & HELD_STARTED) {
        core_array_started_forget(array, position);
        holder->n_started--;
    }
    *held = 0;
    holder->n_held--;
    holder->node->n_held--;
    core_array_recount(core, holder);
    core_array_touch(core, holder);
}

void core_array_slot_set(struct core *core, struct array *array, uint32_t position, array_slot to)
{
    array_slot from = array_slot_at(array, position);
    struct array_chunk *chunk = array_chunk_of(array, position);
    if (from == to) {
        return;
    }
    assert(to != SLOT_LEASED);
    array->slots[position / ARRAY_WORD] ^= (uint64_t)(from ^ to) << (position % ARRAY_WORD * 2);
    if (from == SLOT_LEASED) {
        position_let_go(core, array, position);
    }
    chunk->n[from]--;
    chunk->n[to]++;
    core_array_count(core, array, from, -1);
    core_array_count(core, array, to, 1);
    if (to == SLOT_QUEUED && position < array->cursor) {
        array->cursor = position;
    }
    core_array_chunk_dirty(core, chunk);
    core_array_due(core, array);
}

/* Of bits that are the lower ones of their slots. */
static uint16_t slots_count(uint64_t bits)
{
    bits = (bits & 0x3333333333333333U) + (bits >> 2 & 0x3333333333333333U);
    bits = (bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0FU;
    return (uint16_t)(bits * 0x0101010101010101U >> 56);
}

void core_array_word_count(uint64_t word, uint16_t n[SLOT_EXCEPTION + 1])
{
    uint16_t leased = slots_count(word & ~(word >> 1) & WORD_LOW);
    uint16_t done = slots_count(~word & (word >> 1) & WORD_LOW);
    uint16_t exception = slots_count(word & (word >> 1) & WORD_LOW);
    n[SLOT_LEASED] = (uint16_t)(n[SLOT_LEASED] + leased);
    n[SLOT_DONE] = (uint16_t)(n[SLOT_DONE] + done);
    n[SLOT_EXCEPTION] = (uint16_t)(n[SLOT_EXCEPTION] + exception);
}

/* ---- leased ---- */

static bool ranges_add(struct core *core, struct array_holder *holder, uint32_t first,
                       uint32_t count)
{
    struct array_range *last = holder->n_ranges > 0 ? &holder->ranges[holder->n_ranges - 1] : NULL;
    if (last != NULL && last->first + last->count == first) {
        last->count += count;
        return true;
    }
    if (holder->n_ranges == holder->ranges_cap) {
        uint32_t cap = holder->ranges_cap == 0 ? 8 : holder->ranges_cap * 2;
        struct array_range *ranges = mem_realloc(holder->ranges, cap * sizeof *ranges);
        if (ranges == NULL) {
            core_fail(core, ERR_NO_MEMORY);
            return false;
        }
        holder->ranges = ranges;
        holder->ranges_cap = cap;
    }
    holder->ranges[holder->n_ranges++] = (struct array_range){first, count};
    return true;
}

/* The first run of queued positions of the cursor's word, from the cursor on; count 0: none. */
static struct array_range word_run(const struct array *array)
{
    uint32_t word = array->cursor / ARRAY_WORD;
    uint64_t slots = array->slots[word];
    uint64_t queued =
        ~(slots | slots >> 1) & WORD_LOW & ~(uint64_t)0 << (array->cursor % ARRAY_WORD * 2);
    uint32_t left = array->n_tasks - word * ARRAY_WORD;
    if (left < ARRAY_WORD) {
        queued &= ((uint64_t)1 << (left * 2)) - 1;
    }
    if (queued == 0) {
        return (struct array_range){0, 0};
    }
    uint32_t first = (uint32_t)__builtin_ctzll(queued) / 2;
    uint64_t rest = queued >> (first * 2);
    uint64_t other = ~(rest | rest << 1);
    uint32_t count = other == 0 ? ARRAY_WORD : (uint32_t)__builtin_ctzll(other) / 2;
    return (struct array_range){word * ARRAY_WORD + first, count};
}

bool core_array_cursor_move(struct array *array)
{
    while (array->cursor < array->n_tasks) {
        if (array_chunk_of(array, array->cursor)->n[SLOT_QUEUED] == 0) {
            array->cursor = (array->cursor / ARRAY_CHUNK + 1) * ARRAY_CHUNK;
            continue;
        }
        struct array_range run = word_run(array);
        if (run.count > 0) {
            array->cursor = run.first;
            return true;
        }
        array->cursor = (array->cursor / ARRAY_WORD + 1) * ARRAY_WORD;
    }
    return false;
}

static bool chunk_hold(struct core *core, struct array_chunk *chunk)
{
    if (chunk->held == NULL) {
        chunk->held = mem_calloc(ARRAY_CHUNK, sizeof *chunk->held);
    }
    if (chunk->held == NULL) {
        core_fail(core, ERR_NO_MEMORY);
    }
    return chunk->held != NULL;
}

/* A run within one word. */
static bool run_lease(struct core *core, struct array_holder *holder, struct array_range run)
{
    struct array *array = holder->array;
    struct array_chunk *chunk = array_chunk_of(array, run.first);
    if (!chunk_hold(core, chunk) || !ranges_add(core, holder, run.first, run.count)) {
        return false;
    }
    uint64_t mask = run.count == ARRAY_WORD ? ~(uint64_t)0 : ((uint64_t)1 << (run.count * 2)) - 1;
    array->slots[run.first / ARRAY_WORD] |= (WORD_LOW & mask) << (run.first % ARRAY_WORD * 2);
    for (uint32_t i = 0; i < run.count; i++) {
        chunk->held[run.first % ARRAY_CHUNK + i] = holder->number + 1;
    }
    chunk->n[SLOT_QUEUED] = (uint16_t)(chunk->n[SLOT_QUEUED] - run.count);
    chunk->n[SLOT_LEASED] = (uint16_t)(chunk->n[SLOT_LEASED] + run.count);
    core_array_chunk_dirty(core, chunk);
    return true;
}

uint32_t core_array_take(struct core *core, struct array_holder *holder, uint32_t n)
{
    struct array *array = holder->array;
    uint32_t taken = 0;
    while (taken < n && core_array_cursor_move(array)) {
        struct array_range run = word_run(array);
        run.count = run.count < n - taken ? run.count : n - taken;
        if (!run_lease(core, holder, run)) {
            break;
        }
        array->cursor = run.first + run.count;
        taken += run.count;
    }
    core_array_count(core, array, SLOT_QUEUED, -(int64_t)taken);
    core_array_count(core, array, SLOT_LEASED, taken);
    holder->n_held += taken;
    holder->node->n_held += taken;
    core_array_recount(core, holder);
    core_array_due(core, array);
    return taken;
}

bool core_array_held_next(const struct array_holder *holder, uint32_t from, uint32_t *ret_position)
{
    const struct array *array = holder->array;
    for (uint32_t position = from; holder->n_held > 0 && position < array->n_tasks;) {
        const struct array_chunk *chunk = array_chunk_of(array, position);
        uint32_t end = (position / ARRAY_CHUNK + 1) * ARRAY_CHUNK;
        if (chunk->n[SLOT_LEASED] == 0) {
            position = end;
            continue;
        }
        for (; position < end && position < array->n_tasks; position++) {
            if ((chunk->held[position % ARRAY_CHUNK] & HELD_HOLDER) == holder->number + 1) {
                *ret_position = position;
                return true;
            }
        }
    }
    return false;
}

/* ---- results ---- */

void core_array_row_add(struct core *core, struct array_chunk *chunk,
                        const uint8_t row[RESULT_ROW_BYTES])
{
    if (chunk->n_rows == chunk->rows_cap) {
        uint16_t cap = chunk->rows_cap == 0 ? ROWS_FIRST : (uint16_t)(chunk->rows_cap * 2);
        uint8_t *rows = mem_realloc(chunk->rows, (size_t)cap * RESULT_ROW_BYTES);
        if (rows == NULL) {
            core_fail(core, ERR_NO_MEMORY);
            return;
        }
        chunk->rows = rows;
        chunk->rows_cap = cap;
    }
    memcpy(chunk->rows + (size_t)chunk->n_rows++ * RESULT_ROW_BYTES, row, RESULT_ROW_BYTES);
    core->array_rows_bytes += RESULT_ROW_BYTES;
}

/* ---- on record ---- */

/* Ranges by holder: one goes on over what is not leased. */
static uint32_t chunk_leases(const struct array_chunk *chunk,
                             struct chunk_lease ret_leases[ARRAY_CHUNK])
{
    const struct array *array = chunk->array;
    uint32_t n = 0, word = (uint32_t)(chunk - array->chunks) * ARRAY_CHUNK_WORDS, last = 0;
    for (uint32_t i = 0; chunk->n[SLOT_LEASED] > 0 && i < ARRAY_CHUNK_WORDS; i++) {
        uint64_t slots = array->slots[word + i];
        for (uint64_t leased = slots & ~(slots >> 1) & WORD_LOW; leased != 0;
             leased &= leased - 1) {
            uint32_t at = i * ARRAY_WORD + (uint32_t)__builtin_ctzll(leased) / 2;
            uint32_t held = chunk->held[at] & HELD_HOLDER;
            if (n > 0 && held == last) {
                ret_leases[n - 1].range.count = at + 1 - ret_leases[n - 1].range.first;
                continue;
            }
            const struct array_holder *holder = array->holders[held - 1];
            ret_leases[n++] = (struct chunk_lease){{at, 1}, holder->name, holder->incarnation};
            last = held;
        }
    }
    return n;
}

static void chunk_write(struct core *core, struct array_chunk *chunk)
{
    const struct array *array = chunk->array;
    struct chunk_lease leases[ARRAY_CHUNK];
    uint32_t index = (uint32_t)(chunk - array->chunks);
    struct record_chunk record = {
        .job = array->work->number,
        .chunk = index,
        .slots = {(const uint8_t *)(array->slots + (size_t)index * ARRAY_CHUNK_WORDS),
                  ARRAY_CHUNK / 4},
        .leases = leases,
        .n_leases = chunk_leases(chunk, leases),
    };
    char field[32], key[40];
    snprintf(field, sizeof field, "%u.%u", record.job, record.chunk);
    core_record_write(core, "chunks", field, &record_chunk_schema, &record);
    if (chunk->n_rows > 0) {
        snprintf(key, sizeof key, "res:%s", field);
        outbox_rpush(&core->out, key,
                     (struct bytes){chunk->rows, (size_t)chunk->n_rows * RESULT_ROW_BYTES});
    }
}

/* What a chunk needs only while it is at work. */
static void chunk_rest(struct array_chunk *chunk)
{
    mem_free(chunk->rows);
    chunk->rows = NULL;
    chunk->n_rows = chunk->rows_cap = 0;
    if (chunk->n[SLOT_LEASED] == 0) {
        mem_free(chunk->held);
        chunk->held = NULL;
    }
}

void core_array_chunks_write(struct core *core)
{
    list_each (&core->dirty_chunks, struct array_chunk, dirty_link, chunk) {
        list_remove(&chunk->dirty_link);
        chunk_write(core, chunk);
        chunk_rest(chunk);
    }
    core->array_rows_bytes = 0;
}

void core_array_chunks_free(struct array *array)
{
    for (uint32_t i = 0; array->chunks != NULL && i < array->n_chunks; i++) {
        list_remove(&array->chunks[i].dirty_link);
        mem_free(array->chunks[i].rows);
        mem_free(array->chunks[i].held);
    }
    mem_free(array->chunks);
}
