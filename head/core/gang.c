#include "head/core/gang.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/planted.h"
#include "head/core/gang_end.h"

static struct gang_part *part_of(const struct task *task, uint32_t i)
{
    return (struct gang_part *)(uintptr_t)&task->r.parts[i];
}

static bool part_is_over(const struct gang_part *part)
{
    return part->state == PART_GONE || part->state == PART_LOST;
}

static struct node *part_node(const struct task *task, uint32_t i)
{
    return i == 0 ? task->node : task->gang->places[i].node;
}

/* ---- the record ---- */

void core_gang_record_free(struct task *task)
{
    for (uint32_t i = 0; i < task->r.n_parts; i++) {
        struct gang_part *part = part_of(task, i);
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
        struct gang_part *part = part_of(task, i);
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
        struct gang_part *part = part_of(task, i);
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
    const struct gang_part *part = part_of(task, i);
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

/* ---- what parts are told ---- */

/* All have said that they are ready. */
static bool gang_has_met(const struct task *task)
{
    for (uint32_t i = 0; i < task->r.n_parts; i++) {
        if (task->r.parts[i].state == PART_LEASED) {
            return false;
        }
    }
    return true;
}

static void part_send(struct core *core, const struct task *task, uint32_t i,
                      const struct msg_gang *message)
{
    const struct node *node = part_node(task, i);
    if (node != NULL && !part_is_over(part_of(task, i))) {
        outbox_send(&core->out, node->peer, MSG_GANG, message);
    }
}

/* False: no memory. */
static bool meet_fill(struct core *core, const struct task *task, struct buf *peers,
                      struct msg_gang *ret_message)
{
    buf_init(peers, PEERS_MAX_BYTES);
    for (uint32_t i = 0; i < task->r.n_parts; i++) {
        const char *text = task->r.parts[i].peers;
        ignore_error(buf_printf(peers, "%s%s", i > 0 ? "," : "", text != NULL ? text : ""),
                     "sticky");
    }
    if (peers->failed != OK) {
        core_fail(core, peers->failed);
        return false;
    }
    *ret_message = (struct msg_gang){
        .task = task->r.id,
        .attempt = task->r.attempt,
        .act = GANG_MEET,
        .address = task->r.parts[0].address,
        .master_port = task->r.parts[0].master_port,
        .peers = buf_text(peers),
    };
    return true;
}

/* To part i, or to all: there is no more to wait for. */
static void meet_send(struct core *core, const struct task *task, uint32_t first, uint32_t end)
{
    struct msg_gang message;
    struct buf peers;
    if (meet_fill(core, task, &peers, &message)) {
        for (uint32_t i = first; i < end; i++) {
            part_send(core, task, i, &message);
        }
    }
    buf_fini(&peers);
}

static void end_send(struct core *core, const struct task *task, uint32_t first, uint32_t end)
{
    struct msg_gang message;
    char reason[256];
    core_verdict_tell(core, task, &message, reason, sizeof reason);
    for (uint32_t i = first; i < end; i++) {
        part_send(core, task, i, &message);
    }
}

/* Twice its grace: to save and leave, and to be ended. */
static void hand_back_send(struct core *core, const struct task *task)
{
    const struct msg_gang message = {.task = task->r.id,
                                     .attempt = task->r.attempt,
                                     .act = GANG_HAND_BACK,
                                     .grace_ms = 2 * core_work_grace_ms(task->work)};
    part_send(core, task, 0, &message);
}

void core_gangs_hand_back(struct core *core, struct node *node)
{
    list_each (&node->parts, struct gang_place, link, place) {
        hand_back_send(core, place->task);
    }
}

/* ---- what parts tell ---- */

static uint32_t part_find(const struct task *task, const struct node *node)
{
    uint32_t i = 0;
    while (i < task->gang->n && part_node(task, i) != node) {
        i++;
    }
    return i;
}

static void gang_settle(struct core *core, time_ms now, struct task *task)
{
    for (uint32_t i = 0; i < task->r.n_parts; i++) {
        if (!part_is_over(part_of(task, i)) && !PLANTED(leave_parts)) {
            return;
        }
    }
    core_verdict_apply(core, now, task);
}

static void on_part_prepared(struct core *core, time_ms now, struct task *task, uint32_t i,
                             const struct node_event *event)
{
    struct gang_part *part = part_of(task, i);
    (void)now;
    if (part->state != PART_LEASED) {
        return;
    }
    part->state = PART_PREPARED;
    part->master_port = event->master_port;
    core_str_set(core, &part->address, event->address);
    core_str_set(core, &part->peers, event->peers);
    core_task_dirty(core, task);
    if (!core_verdict_is(task) && (gang_has_met(task) || PLANTED(start_alone))) {
        meet_send(core, task, 0, task->r.n_parts);
    }
}

/* One that ends well while the first node's ranks go on is waited for by nobody; before the start
 * there is no such end. */
static void on_part_result(struct core *core, time_ms now, struct task *task, uint32_t i,
                           const struct attempt_result *result)
{
    bool is_verdict = i == 0 || core_result_has_failed(result) || !gang_has_met(task);
    part_of(task, i)->state = PART_GONE;
    core_task_dirty(core, task);
    if (core_verdict_is(task)) {
        if (i == 0) {
            core_verdict_add_first(core, task, result);
        }
    } else if (is_verdict) {
        core_verdict_set(core, task, i, result);
        end_send(core, task, 0, task->r.n_parts);
    }
    gang_settle(core, now, task);
}

bool core_gang_event(struct core *core, time_ms now, struct task *task, struct node *node,
                     const struct node_event *event)
{
    if (task->gang == NULL || task->r.attempt != event->attempt) {
        return false;
    }
    uint32_t i = part_find(task, node);
    if (i == task->gang->n) {
        return false;
    }
    if (part_is_over(part_of(task, i))) {
        return true; /* told again */
    }
    if (event->kind == EVENT_PREPARED) {
        on_part_prepared(core, now, task, i, event);
        return true;
    }
    if (event->kind == EVENT_RESULT) {
        on_part_result(core, now, task, i, &event->result);
        return true;
    }
    if (event->kind == EVENT_STARTED) {
        part_of(task, i)->state = PART_STARTED;
        core_task_dirty(core, task);
    }
    return i > 0; /* the rest is the trial's, of which the first node alone can tell */
}

/* ---- lost ---- */

static void part_lost(struct core *core, time_ms now, struct task *task, uint32_t i,
                      const char *reason)
{
    struct gang_part *part = part_of(task, i);
    bool was_over = part_is_over(part);
    if (i > 0) {
        place_leave(core, &task->gang->places[i]);
    } else {
        first_leave(core, task);
    }
    part->state = PART_LOST; /* one that had ended too: nothing is held there any more */
    core_task_dirty(core, task);
    if (was_over) {
        return;
    }
    if (!core_verdict_is(task)) {
        core_verdict_lost(core, now, task, i, reason);
        end_send(core, task, 0, task->r.n_parts);
    }
    gang_settle(core, now, task);
}

void core_gangs_lost(struct core *core, time_ms now, struct node *node, const char *reason)
{
    list_each (&node->tasks, struct task, node_link, task) {
        if (task->gang != NULL) {
            part_lost(core, now, task, 0, reason);
        }
    }
    list_each (&node->parts, struct gang_place, link, place) {
        part_lost(core, now, place->task, (uint32_t)(place - place->task->gang->places), reason);
    }
}

/* ---- a node comes ---- */

bool core_gang_is_first_here(const struct task *task)
{
    return task->gang == NULL || !part_is_over(part_of(task, 0));
}

static uint32_t place_index(const struct gang_place *place)
{
    return (uint32_t)(place - place->task->gang->places);
}

uint32_t core_gang_holds(const struct node *node, struct running_ref *ret_holds)
{
    uint32_t n = 0;
    list_each (&node->parts, struct gang_place, link, place) {
        const struct task *task = place->task;
        if (!part_is_over(part_of(task, place_index(place)))) {
            ret_holds[n++] = (struct running_ref){task->r.id, task->r.attempt, task->r.order.n};
        }
    }
    return n;
}

static bool gang_is_leaving(const struct task *task)
{
    bool is_leaving = false;
    for (uint32_t i = 1; i < task->gang->n; i++) {
        const struct node *node = task->gang->places[i].node;
        is_leaving |= node != NULL && (node->is_drain_told || node->is_agent_leaving);
    }
    return is_leaving;
}

static void part_welcome(struct core *core, const struct task *task, uint32_t i)
{
    if (core_verdict_is(task)) {
        end_send(core, task, i, i + 1);
        return;
    }
    if (gang_has_met(task)) {
        meet_send(core, task, i, i + 1);
    }
    if (i == 0 && gang_is_leaving(task)) {
        hand_back_send(core, task);
    }
}

void core_gangs_welcome(struct core *core, struct node *node, const struct msg_enrol *msg)
{
    list_each (&node->tasks, struct task, node_link, task) {
        if (task->gang != NULL) {
            part_welcome(core, task, 0);
        }
    }
    list_each (&node->parts, struct gang_place, link, place) {
        uint32_t i = place_index(place);
        if (part_is_over(part_of(place->task, i))) {
            continue;
        }
        if (core_enrol_names(msg, place->task) == NULL) {
            core_lease_send_part(core, place->task, i);
        }
        part_welcome(core, place->task, i);
    }
}

void core_gang_leases_send(struct core *core, const struct task *task)
{
    for (uint32_t i = 1; task->gang != NULL && i < task->gang->n; i++) {
        core_lease_send_part(core, task, i);
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
    return is_gang ? part_node(task, task->r.verdict_part) : task->node;
}
