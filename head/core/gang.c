#include "head/core/gang.h"

#include <assert.h>

#include "head/core/gang_end.h"

/* ---- the record ---- */

void core_gang_record_free(struct task *task)
{
    for (uint32_t i = 0; i < task->r.n_parts; i++) {
        struct gang_part *part = core_gang_part(task, i);
        core_str_clear(&part->node);
        core_str_clear(&part->address);
        core_str_clear(&part->peers);
        core_strs_clear(&part->gpus, &part->n_gpus);
    }
    mem_free((void *)(uintptr_t)task->r.parts);
    task->r.parts = NULL;
    task->r.n_parts = 0;
    core_verdict_clear(task);
}

static bool parts_make(struct core *core, struct task *task, uint32_t n)
{
    core_gang_record_free(task);
    struct gang_part *parts = mem_calloc(n, sizeof *parts);
    if (parts == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return false;
    }
    task->r.parts = parts;
    task->r.n_parts = n;
    return true;
}

void core_gang_record_own(struct core *core, struct task *task, const struct record_task *record)
{
    task->r.parts = NULL;
    task->r.n_parts = 0;
    task->r.verdict = (struct bytes){0};
    if (record->n_parts == 0 || !parts_make(core, task, record->n_parts)) {
        return;
    }
    for (uint32_t i = 0; i < record->n_parts; i++) {
        const struct gang_part *from = &record->parts[i];
        struct gang_part *part = core_gang_part(task, i);
        part->incarnation = from->incarnation;
        part->state = from->state;
        part->master_port = from->master_port;
        core_str_set(core, &part->node, from->node);
        core_str_set(core, &part->address, from->address);
        core_str_set(core, &part->peers, from->peers);
        core_strs_set(core, &part->gpus, &part->n_gpus, from->gpus, from->n_gpus);
    }
    core_verdict_own(core, task, record->verdict);
    task->r.verdict_part = record->verdict_part;
}

/* ---- places ---- */

static struct gang *gang_make(struct core *core, struct task *task, uint32_t n)
{
    struct gang *gang = mem_zalloc(sizeof *gang + n * sizeof gang->places[0]);
    if (gang == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return NULL;
    }
    gang->n = n;
    for (uint32_t i = 0; i < n; i++) {
        gang->places[i].task = task;
        list_init(&gang->places[i].link);
    }
    task->gang = gang;
    return gang;
}

static void place_enter(struct gang_place *place, struct node *node)
{
    place->node = node;
    list_push_back(&node->parts, &place->link);
    node->n_parts++;
}

static void place_leave(struct core *core, struct gang_place *place)
{
    scheduler_give(core->scheduler, &place->allocation);
    if (place->node != NULL) {
        list_remove(&place->link);
        place->node->n_parts--;
        place->node = NULL;
    }
}

/* The same of the task itself, which goes on without a node until its other parts have ended. */
static void first_leave(struct core *core, struct task *task)
{
    scheduler_give(core->scheduler, task->allocation);
    mem_free(task->allocation);
    task->allocation = NULL;
    list_remove(&task->node_link);
    task->node->n_tasks--;
    task->node = NULL;
}

static void part_gpus_set(struct core *core, struct gang_part *part,
                          const struct allocation *allocation)
{
    const char *gpus[NODE_GPUS_MAX];
    for (uint32_t i = 0; i < allocation->n_gpus; i++) {
        gpus[i] = scheduler_gpu_uuid(core->scheduler, allocation->node, allocation->gpus[i].index);
    }
    core_strs_set(core, &part->gpus, &part->n_gpus, gpus, allocation->n_gpus);
}

void core_gang_place(struct core *core, struct task *task, const struct allocation *allocations,
                     uint32_t n)
{
    assert(task->gang == NULL && n > 1 && n <= SCHEDULER_GANG_MAX);
    struct gang *gang = gang_make(core, task, n);
    for (uint32_t i = 1; gang != NULL && i < n; i++) {
        gang->places[i].allocation = allocations[i];
    }
    if (gang == NULL || !parts_make(core, task, n)) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct node *node = core_node_of_handle(core, allocations[i].node);
        struct gang_part *part = core_gang_part(task, i);
        assert(node != NULL);
        core_str_set(core, &part->node, node->r.name);
        part->incarnation = node->r.incarnation;
        part_gpus_set(core, part, &allocations[i]);
        if (i > 0) {
            place_enter(&gang->places[i], node);
        }
    }
}

void core_gang_release(struct core *core, struct task *task)
{
    struct gang *gang = task->gang;
    if (gang == NULL) {
        return;
    }
    for (uint32_t i = 1; i < gang->n; i++) {
        place_leave(core, &gang->places[i]);
    }
    core_verdict_clear(task);
    mem_free(gang);
    task->gang = NULL;
}

static error_code part_load(struct core *core, struct task *task, uint32_t i, struct report *report)
{
    const struct gang_part *part = core_gang_part(task, i);
    struct gang_place *place = &task->gang->places[i];
    struct node *node = part->node != NULL ? core_node_find(core, part->node) : NULL;
    if (node == NULL || node->handle == 0) {
        char id[TASK_ID_TEXT_MAX];
        return report_fail(report, ERR_FORMAT, "task %s has a part on no known node",
                           task_id_print(task->r.id, id));
    }
    error_code error = scheduler_take(core->scheduler, node->handle, task->work->cls, part->gpus,
                                      part->n_gpus, &place->allocation);
    if (error == OK) {
        place_enter(place, node);
    }
    return error;
}

error_code core_gang_load(struct core *core, struct task *task, struct report *report)
{
    if (task->r.n_parts < 2) {
        return OK;
    }
    if (gang_make(core, task, task->r.n_parts) == NULL) {
        return ERR_NO_MEMORY;
    }
    error_code error = OK;
    for (uint32_t i = 1; i < task->r.n_parts && error == OK; i++) {
        if (task->r.parts[i].state != PART_LOST) {
            error = part_load(core, task, i, report);
        }
    }
    return error;
}

void core_gang_part_leave(struct core *core, struct task *task, uint32_t i)
{
    if (i > 0) {
        place_leave(core, &task->gang->places[i]);
    } else {
        first_leave(core, task);
    }
}

bool core_gang_has_lost_first(const struct task *task)
{
    return core_task_is_on_node(task) && task->r.n_parts > 1 && task->r.parts[0].state == PART_LOST;
}

void core_gang_check(const struct task *task)
{
    assert(task->gang == NULL || core_task_is_on_node(task));
    assert((task->r.n_parts > 1 && core_task_is_on_node(task)) == (task->gang != NULL));
    for (uint32_t i = 1; task->gang != NULL && i < task->gang->n; i++) {
        const struct gang_place *place = &task->gang->places[i];
        bool is_lost = task->r.parts[i].state == PART_LOST;
        assert(place->task == task);
        assert((place->node == NULL) == is_lost && (place->allocation.node == 0) == is_lost);
        assert(place->node == NULL || place->node->r.state != NODE_GONE);
    }
}

void core_evidence_part(const struct task *task, struct record_attempt *record)
{
    uint32_t i = task->r.verdict_part;
    if (task->gang != NULL && i > 0 && i < task->gang->n) {
        record->part = task->r.parts[i].node;
        record->part_incarnation = task->r.parts[i].incarnation;
    }
}

struct node *core_task_blamed(const struct task *task)
{
    bool is_gang = task->gang != NULL && task->r.verdict_part < task->gang->n;
    return is_gang ? core_gang_part_node(task, task->r.verdict_part) : task->node;
}
