/* What parts of an attempt on several nodes are told, and what they tell. */
#include "base/planted.h"
#include "head/core/gang.h"
#include "head/core/gang_end.h"

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
    const struct node *node = core_gang_part_node(task, i);
    if (node != NULL && !core_gang_part_is_over(core_gang_part(task, i))) {
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
    while (i < task->gang->n && core_gang_part_node(task, i) != node) {
        i++;
    }
    return i;
}

static void gang_settle(struct core *core, time_ms now, struct task *task)
{
    for (uint32_t i = 0; i < task->r.n_parts; i++) {
        if (!core_gang_part_is_over(core_gang_part(task, i)) && !PLANTED(leave_parts)) {
            return;
        }
    }
    core_verdict_apply(core, now, task);
}

static void on_part_prepared(struct core *core, time_ms now, struct task *task, uint32_t i,
                             const struct node_event *event)
{
    struct gang_part *part = core_gang_part(task, i);
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
    core_gang_part(task, i)->state = PART_GONE;
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
    if (core_gang_part_is_over(core_gang_part(task, i))) {
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
        core_gang_part(task, i)->state = PART_STARTED;
        core_task_dirty(core, task);
    }
    return i > 0; /* the rest is the trial's, of which the first node alone can tell */
}

/* ---- lost ---- */

static void part_lost(struct core *core, time_ms now, struct task *task, uint32_t i,
                      const char *reason)
{
    struct gang_part *part = core_gang_part(task, i);
    bool was_over = core_gang_part_is_over(part);
    core_gang_part_leave(core, task, i);
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
    return task->gang == NULL || !core_gang_part_is_over(core_gang_part(task, 0));
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
        if (!core_gang_part_is_over(core_gang_part(task, place_index(place)))) {
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
        if (core_gang_part_is_over(core_gang_part(place->task, i))) {
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
