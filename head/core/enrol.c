/* A node comes, or comes back: who it is, what it holds, and what it must end. Downward nothing is
 * numbered: at each enrolment the head says anew which attempts are the node's, and sends the
 * leases and orders that hold. */
#include <stdio.h>
#include <string.h>

#include "head/core/arrays.h"
#include "head/core/gang.h"

static void core_enrol_refuse(struct core *core, uint64_t peer, error_code code, const char *text)
{
    struct msg_refused refused = {core->config.epoch, error_word(code), text};
    outbox_send(&core->out, peer, MSG_REFUSED, &refused);
    core->refused_total++;
}

static bool core_name_is_good(const char *name)
{
    size_t n = name != NULL ? strlen(name) : 0;
    return n > 0 && n <= NODE_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

/* What the scheduler could not take, before anything of the node is touched. */
static bool core_resources_are_good(const struct msg_enrol *msg)
{
    bool is_good = msg->cpus >= 0;
    for (uint32_t i = 0; i < msg->n_gpus; i++) {
        size_t n = strlen(msg->gpus[i]);
        is_good &= n > 0 && n <= GPU_UUID_MAX;
    }
    for (uint32_t i = 0; i < msg->n_custom; i++) {
        is_good &= msg->custom[i].amount >= 0;
    }
    return is_good;
}

/* Both held one lock, which nobody has twice: of the two starts one has ended. */
static bool core_is_of_one_folder(const struct node *node, const struct msg_enrol *msg)
{
    return core_text_equal(node->r.host, msg->host) &&
           core_text_equal(node->r.state_dir, msg->state_dir) &&
           core_text_equal(node->r.lock, msg->lock);
}

static bool core_is_earlier_start(const struct node *node, const struct msg_enrol *msg)
{
    return msg->incarnation == node->incarnation_before ||
           msg->agent_started < node->r.agent_started;
}

/* Last words of a start that has ended, read after its next start's, however late: where the folder
 * has a lock, its starts have moments that grow, whatever its machine's clock does. */
static bool core_has_ended(const struct node *node, const struct msg_enrol *msg)
{
    return node->r.incarnation != msg->incarnation && msg->lock != NULL && msg->lock[0] != '\0' &&
           core_is_of_one_folder(node, msg) && core_is_earlier_start(node, msg);
}

/* Another agent has this name and was heard of a moment ago. Its own next start is none. */
static bool core_name_is_taken(const struct node *node, time_ms now, const struct msg_enrol *msg)
{
    bool is_heard = node->r.state != NODE_GONE && now - node->heard < CORE_SUSPECT_MS;
    bool is_next_start = core_is_of_one_folder(node, msg) && !core_is_earlier_start(node, msg);
    return node->r.incarnation != msg->incarnation && is_heard && !is_next_start;
}

static void core_name_refuse(struct core *core, uint64_t peer, const struct node *node)
{
    char text[512];
    snprintf(text, sizeof text,
             "another worker has the name '%s' (host %.200s, pid %u) and is alive; start this one "
             "with another --name",
             node->r.name, node->r.host != NULL ? node->r.host : "unknown", node->r.pid);
    core_enrol_refuse(core, peer, ERR_BUSY, text);
}

static void core_ended_refuse(struct core *core, uint64_t peer, const struct node *node)
{
    char text[512];
    snprintf(
        text, sizeof text,
        "worker '%s' was started again since, from the same folder (host %.200s, pid %u); this "
        "start of it is over",
        node->r.name, node->r.host != NULL ? node->r.host : "unknown", node->r.pid);
    core_enrol_refuse(core, peer, ERR_BUSY, text);
}

/* A new start of the agent: what its last start ran is over. */
static void core_node_renew(struct core *core, time_ms now, struct node *node,
                            const struct msg_enrol *msg)
{
    core_node_tasks_lost(core, now, node, "its agent started anew");
    if (node->owed != NULL) {
        node->owed->figures.n = 0; /* it is there again, with its disk */
    }
    if (node->r.state != NODE_JOINING) {
        if (node->r.state == NODE_ALIVE) {
            core_node_move(core, now, node, NODE_SUSPECT);
        }
        if (node->r.state != NODE_GONE) {
            core_node_move(core, now, node, NODE_GONE);
        }
        core_node_move(core, now, node, NODE_JOINING);
    }
    /* One that was given up and comes back goes on with its numbers: what it made meanwhile tells
     * of attempts that are not its own any more. A new one starts with the first event that it
     * still has. */
    uint64_t applied = node->r.incarnation == msg->incarnation ? node->r.applied : 0;
    if (msg->first_event > applied + 1) {
        applied = msg->first_event - 1;
    }
    /* Of one that is not known, or not any more, nothing is left that its events could tell of.
     * They may have had their effect, and it may get the same tasks again. */
    if (node->r.incarnation == 0 && msg->last_event > applied) {
        applied = msg->last_event;
    }
    struct record_node record = {
        .incarnation = msg->incarnation,
        .applied = applied,
        .state = NODE_JOINING,
        .is_cordoned = node->r.is_cordoned,
        .cordon_reason = node->r.cordon_reason,
        .trusted_since = node->r.trusted_since,
        .host = msg->host,
        .state_dir = msg->state_dir,
        .lock = msg->lock,
        .pid = msg->pid,
        .version = msg->version,
        .cpus = msg->cpus,
        .memory_bytes = msg->memory_bytes,
        .gpus = msg->gpus,
        .n_gpus = msg->n_gpus,
        .custom = msg->custom,
        .n_custom = msg->n_custom,
        .labels = msg->labels,
        .n_labels = msg->n_labels,
        .joined = now,
        .is_dry = msg->is_dry,
        .is_remote = msg->is_remote,
        .agent_started = msg->agent_started,
    };
    if (node->r.incarnation != msg->incarnation) {
        node->incarnation_before = node->r.incarnation;
    }
    error_code error = core_node_record_own(core, node, &record);
    if (error == OK) {
        error = core_node_resources_set(core, node);
    }
    if (error != OK) {
        core_fail(core, error);
    }
}

const struct running_ref *core_enrol_names(const struct msg_enrol *msg, const struct task *task)
{
    for (uint32_t i = 0; i < msg->n_running; i++) {
        const struct running_ref *ref = &msg->running[i];
        if (task_id_equal(ref->task, task->r.id) && ref->attempt == task->r.attempt) {
            return ref;
        }
    }
    return NULL;
}

static void core_welcome(struct core *core, time_ms now, struct node *node,
                         const struct msg_enrol *msg)
{
    struct running_ref *holds = mem_calloc(node->n_tasks + node->n_parts, sizeof *holds);
    if (holds == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    uint32_t n = 0;
    list_each (&node->tasks, struct task, node_link, task) {
        if (!core_task_is_in_lane(task) && core_gang_is_first_here(task)) {
            holds[n++] = (struct running_ref){task->r.id, task->r.attempt, task->r.order.n};
        }
    }
    n += core_gang_holds(node, holds + n);
    struct msg_welcome welcome = {
        .epoch = core->config.epoch,
        .applied = node->r.applied,
        .node_timeout_ms = core->config.node_timeout_ms,
        .heartbeat_ms = core_heartbeat(now, core_nodes_there(core)).interval_ms,
        .orphan_timeout_ms = msg->is_remote ? core->config.orphan_timeout_ms : 0,
        .holds = holds,
        .n_holds = n,
        .enrolment = msg->enrolment,
    };
    outbox_send(&core->out, node->peer, MSG_WELCOME, &welcome);
    mem_free(holds);
}

/* What the node has not got of what is its own; after what it is to give up, which takes the room
 * until then. */
static void core_holds_send(struct core *core, struct node *node, const struct msg_enrol *msg)
{
    list_each (&node->tasks, struct task, node_link, held) {
        const struct running_ref *ref = core_enrol_names(msg, held);
        if (core_task_is_in_lane(held) || !core_gang_is_first_here(held)) {
            continue; /* core_arrays_enrol(); or nothing of it is here any more */
        }
        if (ref == NULL) {
            held->restoring = (struct snapshot_ref){0}; /* the first may have come, or this */
            core_lease_send(core, held);
        } else if (ref->order < held->r.order.n) {
            core_order_send(core, held);
        }
    }
}

/* One that is newer than the record, of an attempt that is here: its event is on its way. */
static bool snapshot_is_untold(struct core *core, const struct node *node,
                               const struct msg_enrol *msg, struct snapshot_name name)
{
    const struct task *task = core_task_find(core, name.task);
    return task != NULL && task->node == node && name.ordinal > task->r.last_ordinal &&
           core_enrol_names(msg, task) != NULL;
}

static void core_snapshots_sweep(struct core *core, struct node *node, const struct msg_enrol *msg)
{
    for (uint32_t i = 0; i < msg->n_snapshots; i++) {
        if (!snapshot_is_untold(core, node, msg, msg->snapshots[i])) {
            core_snapshot_refuse(core, node, msg->snapshots[i]);
        }
    }
}

/* The agent has said since what it has, or a frame came twice. What was told it after that would be
 * taken for lost. */
static bool enrolment_is_old(const struct node *node, const struct msg_enrol *msg)
{
    return node->r.incarnation == msg->incarnation && msg->enrolment != 0 &&
           msg->enrolment <= node->enrolment;
}

/* It tells nothing new, and it is a word of the node all the same: silence is counted from here. */
static void core_enrolment_heard(struct core *core, time_ms now, struct node *node)
{
    if (node->r.state == NODE_GONE) {
        return;
    }
    node->heard = now;
    if (node->r.state == NODE_SUSPECT) {
        core_node_move(core, now, node, NODE_ALIVE);
    }
}

void on_enrol(struct core *core, time_ms now, uint64_t peer, const struct msg_enrol *msg)
{
    if (msg->protocol != PROTOCOL_VERSION) {
        char text[128];
        snprintf(text, sizeof text,
                 "this head speaks protocol %d, the agent speaks %u; use the same release",
                 PROTOCOL_VERSION, msg->protocol);
        core_enrol_refuse(core, peer, ERR_PROTOCOL, text);
        return;
    }
    if (!core_name_is_good(msg->node) || msg->incarnation == 0) {
        core_enrol_refuse(core, peer, ERR_INVALID,
                          "a node's name is 1 to 63 of A-Z a-z 0-9 . _ -, its incarnation not 0");
        return;
    }
    if (!core_resources_are_good(msg)) {
        core_enrol_refuse(core, peer, ERR_INVALID,
                          "amounts are not below 0, and a GPU's UUID is 1 to 63 bytes");
        return;
    }
    struct node *node = core_node_find(core, msg->node);
    if (core->is_leaving) {
        /* It was away when the others were told; what became of its attempts is heard all the same.
         */
        struct msg_leave leave = {core->config.epoch};
        outbox_send(&core->out, peer, MSG_LEAVE, &leave);
        if (node == NULL || node->r.incarnation != msg->incarnation || node->r.state == NODE_GONE) {
            return;
        }
    }
    if (node != NULL && core_has_ended(node, msg)) {
        core_ended_refuse(core, peer, node);
        return;
    }
    if (node != NULL && core_name_is_taken(node, now, msg)) {
        core_name_refuse(core, peer, node);
        return;
    }
    bool is_one_more = node == NULL || node->r.state == NODE_GONE;
    bool is_full = is_one_more && core_nodes_there(core) >= SCHEDULER_NODES_MAX;
    node = node == NULL && !is_full ? core_node_add(core, msg->node) : node;
    if (node == NULL || is_full) {
        core_enrol_refuse(core, peer, ERR_LIMIT, "too many nodes");
        return;
    }
    if (enrolment_is_old(node, msg)) {
        core_enrolment_heard(core, now, node);
        return;
    }
    /* A peer that enrols under another name leaves the old one to its silence. */
    struct node *before = core_node_of_peer(core, peer);
    if (before != NULL && before != node) {
        core_node_peer_set(core, before, 0);
    }
    if (node->r.incarnation != msg->incarnation || node->r.state == NODE_GONE) {
        core_node_renew(core, now, node, msg);
    }
    core_node_peer_set(core, node, peer);
    node->enrolment = msg->enrolment;
    core_str_set(core, &node->lender, msg->lender);
    core_str_set(core, &node->lender_key, msg->lender_key);
    node->heard = now;
    node->is_agent_leaving = msg->is_draining;
    node->is_drain_told = false;
    if (node->owed != NULL) {
        node->owed->is_told = false;
    }
    if (node->is_agent_leaving) {
        core_gangs_hand_back(core, node);
    }
    if (node->r.state != NODE_DRAINING) {
        core_node_move(core, now, node, NODE_ALIVE);
    }
    if (msg->is_draining || node->r.is_drain_asked) {
        core_node_move(core, now, node, NODE_DRAINING);
        node->leaves_at = msg->leaves_in_ms > 0 ? now + msg->leaves_in_ms : 0;
    }
    core_node_refresh_open(core, node);
    core_node_dirty(core, node);
    core_arrays_untold(node);
    core_welcome(core, now, node, msg);
    core_arrays_enrol(core, now, node, msg);
    core_holds_send(core, node, msg);
    core_gangs_welcome(core, node, msg);
    core_snapshots_sweep(core, node, msg);
}
