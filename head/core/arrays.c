/* Task arrays: made and freed, the one item that waits in the scheduler, and the lanes it becomes.
 *
 * A lane takes resources as a task does, by the scheduler's own rules, and gives tasks one after
 * the other a place. So a node is never given more than it has, whatever was leased ahead. */
#include "head/core/arrays.h"

#include <assert.h>
#include <string.h>

#include "base/planted.h"

/* A lane's number is told with its end, and such an end may come after a start of this head: the
 * upper half is another one then. */
enum { LANE_EPOCH_SHIFT = 16, LANE_EPOCH_MASK = 0xFFFF };

bool core_array_is_told(const struct array *array)
{
    return array->work->job->r.told_at != 0;
}

bool core_array_is_over(const struct array *array)
{
    return array->work->job->r.ended != 0;
}

/* ---- made, freed ---- */

static struct array_holder *holder_make(struct core *core, struct array *array, uint32_t number)
{
    struct array_holder *holder = mem_zalloc(sizeof *holder);
    if (holder == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return NULL;
    }
    holder->array = array;
    holder->number = number;
    holder->name = array->work->job->r.nodes[number];
    holder->last_lane = (uint32_t)(core->config.epoch & LANE_EPOCH_MASK) << LANE_EPOCH_SHIFT;
    list_init(&holder->node_link);
    list_init(&holder->touched_link);
    list_init(&holder->lanes);
    HASH_ADD_KEYPTR(hh, array->by_name, holder->name, strlen(holder->name), holder);
    if (holder->hh.tbl == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        mem_free(holder);
        return NULL;
    }
    array->holders[array->n_holders++] = holder;
    return holder;
}

static bool holders_reserve(struct core *core, struct array *array, uint32_t n)
{
    if (n <= array->holders_cap) {
        return true;
    }
    uint32_t cap = array->holders_cap < 4 ? 4 : array->holders_cap * 2;
    cap = cap < n ? n : cap;
    struct array_holder **holders =
        mem_realloc(array->holders, cap * sizeof(struct array_holder *));
    if (holders == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return false;
    }
    array->holders = holders;
    array->holders_cap = cap;
    return true;
}

static error_code array_allocate(struct core *core, struct array *array)
{
    const struct record_job *job = &array->work->job->r;
    uint32_t n_words = array->n_chunks * ARRAY_CHUNK_WORDS;
    array->slots = mem_calloc(n_words, sizeof *array->slots);
    array->chunks =
        array->slots != NULL ? mem_calloc(array->n_chunks, sizeof *array->chunks) : NULL;
    if (array->chunks == NULL) {
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < array->n_chunks; i++) {
        uint32_t left = array->n_tasks - i * ARRAY_CHUNK;
        array->chunks[i].array = array;
        array->chunks[i].n[SLOT_QUEUED] = (uint16_t)(left < ARRAY_CHUNK ? left : ARRAY_CHUNK);
        list_init(&array->chunks[i].dirty_link);
    }
    if (!holders_reserve(core, array, job->n_nodes)) {
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < job->n_nodes; i++) {
        if (holder_make(core, array, i) == NULL) {
            return ERR_NO_MEMORY;
        }
    }
    return OK;
}

error_code core_array_make(struct core *core, struct work *work)
{
    struct array_ids ids = work->job->r.array;
    if (ids.first < 1 || ids.last < ids.first || array_ids_count(ids) > ARRAY_TASKS_MAX) {
        return ERR_FORMAT; /* a record; a submission is looked at before */
    }
    struct array *array = mem_zalloc(sizeof *array);
    if (array == NULL) {
        return ERR_NO_MEMORY;
    }
    work->array = array;
    array->work = work;
    array->ids = ids;
    array->n_tasks = array_ids_count(array->ids);
    array->n_chunks = (array->n_tasks + ARRAY_CHUNK - 1) / ARRAY_CHUNK;
    array->removing_chunk = array->n_chunks;
    list_init(&array->due_link);
    list_init(&array->hold_link);
    scheduler_item_init(&array->lane.item);
    array->lane.array = array;
    core->task_total += array->n_tasks;
    core_array_count(core, array, SLOT_QUEUED, array->n_tasks);
    return array_allocate(core, array);
}

void core_array_uncount(struct core *core, struct array *array)
{
    for (int slot = 0; slot < SLOT_EXCEPTION; slot++) {
        core_array_count(core, array, (array_slot)slot, -(int64_t)array->n[slot]);
    }
}

static void holder_free(struct core *core, struct array_holder *holder)
{
    list_each (&holder->lanes, struct open_lane, link, lane) {
        core_array_lane_close(core, holder, lane);
    }
    if (holder->node != NULL) {
        holder->node->n_held -= holder->n_held;
    }
    list_remove(&holder->node_link);
    list_remove(&holder->touched_link);
    mem_free(holder->ranges);
    mem_free(holder);
}

void core_array_free(struct core *core, struct array *array)
{
    if (array == NULL) {
        return;
    }
    scheduler_dequeue(core->scheduler, &array->lane.item);
    list_remove(&array->due_link);
    list_remove(&array->hold_link);
    HASH_CLEAR(hh, array->by_name);
    struct array_started *started, *next;
    HASH_ITER (hh, array->started, started, next) {
        HASH_DELETE(hh, array->started, started);
        mem_free(started);
    }
    for (uint32_t i = 0; i < array->n_holders; i++) {
        holder_free(core, array->holders[i]);
    }
    core_array_chunks_free(array);
    core_array_uncount(core, array);
    core->array_running -= array->n_running;
    core->task_total -= array->n_tasks;
    mem_free(array->holders);
    mem_free(array->slots);
    array->work->array = NULL;
    mem_free(array);
}

/* ---- in the scheduler ---- */

void core_array_due(struct core *core, struct array *array)
{
    if (list_is_empty(&array->due_link)) {
        list_push_back(&core->due_arrays, &array->due_link);
    }
}

static bool array_wants_lane(const struct core *core, const struct array *array)
{
    return array->n[SLOT_QUEUED] > 0 && !core_array_is_told(array) && !core_array_is_over(array) &&
           list_is_empty(&array->hold_link) && !core->is_leaving;
}

/* As old as its next task: one that is tried again and has a lower id goes first. */
static uint64_t array_age(struct array *array)
{
    core_array_cursor_move(array);
    return (uint64_t)array->work->number << 32 | array_id_at(array->ids, array->cursor);
}

void core_arrays_refresh(struct core *core)
{
    list_each (&core->due_arrays, struct array, due_link, array) {
        list_remove(&array->due_link);
        if (!array_wants_lane(core, array)) {
            scheduler_dequeue(core->scheduler, &array->lane.item);
        } else if (list_is_empty(&array->lane.item.link)) {
            error_code error =
                scheduler_enqueue(core->scheduler, &array->lane.item, array->work->cls,
                                  array->work->job->r.priority, array_age(array));
            if (error != OK) {
                core_fail(core, error);
            }
        }
    }
}

void core_array_hold(struct core *core, struct array *array, time_ms until)
{
    array->hold_until = until;
    if (list_is_empty(&array->hold_link)) {
        list_push_back(&core->held_arrays, &array->hold_link);
    }
    if (until < core->tick_next) {
        core->tick_next = until;
    }
    core_array_due(core, array);
}

void core_arrays_unhold(struct core *core, time_ms now)
{
    list_each (&core->held_arrays, struct array, hold_link, array) {
        if (array->hold_until <= now) {
            list_remove(&array->hold_link);
            core_array_due(core, array);
        } else if (array->hold_until < core->tick_next) {
            core->tick_next = array->hold_until;
        }
    }
}

/* ---- holders ---- */

struct array_holder *core_array_holder_find(const struct array *array, const struct node *node)
{
    struct array_holder *holder;
    HASH_FIND_STR(array->by_name, node->r.name, holder);
    return holder;
}

void core_array_holder_bind(struct array_holder *holder, struct node *node)
{
    if (holder->node == NULL) {
        holder->node = node;
        node->n_held += holder->n_held;
        list_push_back(&node->holders, &holder->node_link);
    }
}

/* One more name on the job's record. */
static bool node_name_add(struct core *core, struct job *job, const char *name)
{
    uint32_t n = job->r.n_nodes;
    if (n == job->nodes_cap || job->nodes_cap == 0) {
        uint32_t cap = n < 4 ? 8 : n * 2;
        const char **names = mem_alloc(cap * sizeof *names);
        if (names == NULL) {
            core_fail(core, ERR_NO_MEMORY);
            return false;
        }
        if (n > 0) {
            memcpy(names, job->r.nodes, n * sizeof *names);
        }
        if (job->nodes_cap > 0) {
            mem_free((void *)(uintptr_t)job->r.nodes);
        }
        job->r.nodes = names;
        job->nodes_cap = cap;
    }
    const char *copy = arena_strdup(&job->arena, name);
    if (copy == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return false;
    }
    ((const char **)(uintptr_t)job->r.nodes)[job->r.n_nodes++] = copy;
    core_job_dirty(core, job);
    return true;
}

struct array_holder *core_array_holder(struct core *core, time_ms now, struct array *array,
                                       struct node *node)
{
    enum { NODES_MAX = 20000 }; /* of a job's record (lib/schema/parts.h) */
    struct array_holder *holder = core_array_holder_find(array, node);
    if (holder == NULL && array->n_holders >= NODES_MAX) {
        core_array_stop(core, now, array, WHY_FAILURES, -1,
                        "its tasks have been on 20000 nodes, which is as many as its record can "
                        "name; submit what is left as another array");
        return NULL;
    }
    if (holder == NULL) {
        bool is_named = holders_reserve(core, array, array->n_holders + 1) &&
                        node_name_add(core, array->work->job, node->r.name);
        holder = is_named ? holder_make(core, array, array->n_holders) : NULL;
    }
    if (holder != NULL) {
        core_array_holder_bind(holder, node);
        if (holder->n_held == 0) {
            holder->incarnation = node->r.incarnation;
        }
    }
    return holder;
}

void core_array_touch(struct core *core, struct array_holder *holder)
{
    if (list_is_empty(&holder->touched_link)) {
        list_push_back(&core->touched_holders, &holder->touched_link);
    }
}

void core_array_recount(struct core *core, struct array_holder *holder)
{
    uint32_t n = holder->n_held < holder->n_lanes ? holder->n_held : holder->n_lanes;
    core->array_running += n - holder->n_running;
    holder->array->n_running += n - holder->n_running;
    holder->n_running = n;
}

/* ---- lanes ---- */

struct open_lane *core_array_lane_add(struct core *core, struct array_holder *holder,
                                      const struct allocation *allocation, uint32_t number)
{
    struct open_lane *lane = mem_zalloc(sizeof *lane);
    if (lane == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return NULL;
    }
    lane->number = number;
    lane->allocation = *allocation;
    list_push_back(&holder->lanes, &lane->link);
    holder->n_lanes++;
    holder->array->n_lanes++;
    holder->node->n_lanes++;
    core_array_recount(core, holder);
    return lane;
}

struct open_lane *core_array_lane_find(const struct array_holder *holder, uint32_t number)
{
    list_each (&holder->lanes, struct open_lane, link, lane) {
        if (lane->number == number) {
            return lane;
        }
    }
    return NULL;
}

void core_array_lane_close(struct core *core, struct array_holder *holder, struct open_lane *lane)
{
    PLANT(give_twice, scheduler_give(core->scheduler, (struct allocation[]){lane->allocation}));
    scheduler_give(core->scheduler, &lane->allocation);
    list_remove(&lane->link);
    holder->n_new -= lane->is_new;
    holder->n_lanes--;
    holder->array->n_lanes--;
    holder->node->n_lanes--;
    core_array_recount(core, holder);
    mem_free(lane);
}

static uint32_t lane_number_next(struct array_holder *holder)
{
    uint32_t epoch = holder->last_lane & ~(uint32_t)LANE_EPOCH_MASK;
    do {
        holder->last_lane = epoch | ((holder->last_lane + 1) & LANE_EPOCH_MASK);
    } while (core_array_lane_find(holder, holder->last_lane) != NULL);
    return holder->last_lane;
}

void core_array_lane_open(struct core *core, time_ms now, struct array *array,
                          struct allocation *allocation)
{
    struct node *node = core_node_of_handle(core, allocation->node);
    assert(node != NULL);
    struct array_holder *holder = core_array_holder(core, now, array, node);
    struct open_lane *lane = NULL;
    if (holder != NULL && array_wants_lane(core, array)) {
        lane = core_array_lane_add(core, holder, allocation, lane_number_next(holder));
    }
    if (lane == NULL) {
        scheduler_give(core->scheduler, allocation);
        return;
    }
    lane->is_new = true;
    holder->n_new++;
    /* The rest comes at the end of the turn; this one is taken now, so that as many lanes are
     * opened as there are tasks. */
    core_array_take(core, holder, 1);
    core_array_touch(core, holder);
    core_array_due(core, array);
}

/* ---- what always holds ---- */

static void holder_check(const struct array_holder *holder, uint32_t n_held)
{
    assert(n_held == holder->n_held);
    uint32_t n_lanes = 0, n_new = 0;
    list_each (&holder->lanes, struct open_lane, link, lane) {
        n_lanes++;
        n_new += lane->is_new;
    }
    assert(n_lanes == holder->n_lanes && n_new == holder->n_new && n_new == 0);
    assert(holder->n_ranges == 0);
    assert(holder->node != NULL || (n_lanes == 0 && n_held == 0));
    assert(n_held == 0 || holder->node->r.incarnation == holder->incarnation);
    assert(n_held == 0 || holder->node->r.state != NODE_GONE);
}

/* Leased ones are held, and no other. */
static void chunk_held_check(const struct array_chunk *chunk, uint32_t base, uint32_t n_positions,
                             uint32_t *held)
{
    const struct array *array = chunk->array;
    assert(chunk->held != NULL || chunk->n[SLOT_LEASED] == 0);
    for (uint32_t i = 0; chunk->held != NULL && i < n_positions; i++) {
        bool is_leased = array_slot_at(array, base + i) == SLOT_LEASED;
        assert(is_leased == (chunk->held[i] != 0));
        if (is_leased) {
            held[(chunk->held[i] & HELD_HOLDER) - 1]++;
        }
    }
}

static void chunk_check(const struct array_chunk *chunk, uint32_t n_positions, uint32_t *held)
{
    const struct array *array = chunk->array;
    uint32_t index = (uint32_t)(chunk - array->chunks), base = index * ARRAY_CHUNK;
    uint16_t n[SLOT_EXCEPTION + 1] = {0};
    for (uint32_t i = 0; i < ARRAY_CHUNK_WORDS; i++) {
        core_array_word_count(array->slots[index * ARRAY_CHUNK_WORDS + i], n);
    }
    n[SLOT_QUEUED] = (uint16_t)(n_positions - n[SLOT_LEASED] - n[SLOT_DONE] - n[SLOT_EXCEPTION]);
    assert(memcmp(n, chunk->n, sizeof n) == 0);
    for (uint32_t i = base; n[SLOT_QUEUED] > 0 && i < base + n_positions && i < array->cursor;
         i++) {
        assert(array_slot_at(array, i) != SLOT_QUEUED);
    }
    chunk_held_check(chunk, base, n_positions, held);
}

/* As many as there are slots of them. */
static void exceptions_check(const struct array *array)
{
    const struct task *task;
    assert(HASH_COUNT(array->work->exceptions) == array->n[SLOT_EXCEPTION]);
    for (task = array->work->exceptions; task != NULL; task = task->hh.next) {
        uint32_t position;
        bool is_its = array_position_of(array->ids, task->r.id.index, &position);
        assert(is_its && array_slot_at(array, position) == SLOT_EXCEPTION);
    }
}

static void tasks_count(const struct array *array, uint32_t tasks[TASK_ENDED + 1])
{
    for (int slot = 0; slot < SLOT_EXCEPTION; slot++) {
        tasks[core_array_state(array, (array_slot)slot)] += array->n[slot];
    }
}

void core_array_check(const struct array *array, uint32_t tasks[TASK_ENDED + 1])
{
    uint32_t *held = mem_calloc(array->n_holders, sizeof *held);
    uint32_t n[SLOT_EXCEPTION + 1] = {0}, n_lanes = 0, n_running = 0;
    if (held == NULL) { /* a test that takes memory away: the array is believed */
        tasks_count(array, tasks);
        return;
    }
    for (uint32_t i = 0; i < array->n_chunks; i++) {
        uint32_t left = array->n_tasks - i * ARRAY_CHUNK;
        chunk_check(&array->chunks[i], left < ARRAY_CHUNK ? left : ARRAY_CHUNK, held);
        for (int slot = 0; slot <= SLOT_EXCEPTION; slot++) {
            n[slot] += array->chunks[i].n[slot];
        }
    }
    for (uint32_t i = 0; i < array->n_holders; i++) {
        holder_check(array->holders[i], held[i]);
        n_lanes += array->holders[i]->n_lanes;
        n_running += array->holders[i]->n_running;
    }
    mem_free(held);
    assert(memcmp(n, array->n, sizeof n) == 0);
    tasks_count(array, tasks);
    exceptions_check(array);
    assert(n_lanes == array->n_lanes && n_running == array->n_running);
    assert(array->n[SLOT_EXCEPTION] == array->work->n_tasks);
    assert(core_array_is_open(array) != core_array_is_over(array));
}
