/* The numbered event stream of a node: each event once, in order, its number on disk with its
 * effect. */
#include "base/planted.h"
#include "head/core/arrays.h"
#include "head/core/gang.h"

typedef void event_handler(struct core *core, time_ms now, struct task *task,
                           const struct node_event *event);

static event_handler *const event_handlers[] = {
    [EVENT_STARTED] = on_event_started,
    [EVENT_ROWS] = on_event_rows,
    [EVENT_MILESTONE] = on_event_milestone,
    [EVENT_SNAPSHOT] = on_event_snapshot,
    [EVENT_BYE] = on_event_bye,
    [EVENT_RESULT] = on_event_result,
    [EVENT_PREPARED] = NULL, /* of gangs alone */
};

static void on_node_event(struct core *core, time_ms now, struct node *node,
                          const struct node_event *event)
{
    if (event->kind == EVENT_DRAINING) {
        node->is_agent_leaving = true;
        node->leaves_at = event->leaves_in_ms > 0 ? now + event->leaves_in_ms : 0;
        core->owed_at = core->tick_next = now;
        core_gangs_hand_back(core, node);
        if (node->r.state == NODE_ALIVE || node->r.state == NODE_SUSPECT) {
            core_node_move(core, now, node, NODE_DRAINING);
        }
        return;
    }
    if (event->kind == EVENT_TASKS) {
        on_event_tasks(core, now, node, event);
        return;
    }
    if (event->kind == EVENT_RETURNED) {
        on_event_returned(core, now, node, event);
        return;
    }
    if (event->kind == EVENT_COPIED) {
        on_event_copied(core, now, node, event);
        return;
    }
    struct task *task = core_task_find(core, event->task);
    if (task == NULL && core_array_task_event(core, now, node, event)) {
        return;
    }
    if (task != NULL && core_gang_event(core, now, task, node, event)) {
        return;
    }
    bool is_theirs = task != NULL && task->node == node &&
                     (task->r.attempt == event->attempt || PLANTED(forget_attempt)) &&
                     core_task_is_on_node(task);
    if (!is_theirs) {
        /* The first durable outcome wins; whatever a stale attempt still tells is taken off its
         * hands. */
        struct msg_gone gone = {event->task, event->attempt};
        outbox_send(&core->out, node->peer, MSG_GONE, &gone);
        /* An attempt that is there now may have made another one of that number since. */
        bool is_reused = task != NULL && task->node == node && core_task_is_on_node(task) &&
                         event->snapshot.ordinal > task->r.last_ordinal;
        if (event->kind == EVENT_SNAPSHOT && !is_reused) {
            core_snapshot_refuse(core, node,
                                 (struct snapshot_name){event->task, event->snapshot.ordinal});
        }
        return;
    }
    if (event_handlers[event->kind] != NULL) {
        event_handlers[event->kind](core, now, task, event);
    }
}

static struct node *core_node_heard(struct core *core, time_ms now, uint64_t peer,
                                    uint64_t incarnation)
{
    struct node *node = core_node_of_peer(core, peer);
    if (node == NULL || node->r.incarnation != incarnation || node->r.state == NODE_GONE) {
        struct msg_who who = {core->config.epoch};
        outbox_send(&core->out, peer, MSG_WHO, &who);
        return NULL;
    }
    node->heard = now;
    if (node->r.state == NODE_SUSPECT) {
        core_node_move(core, now, node, NODE_ALIVE);
    }
    return node;
}

static void core_ack_due(struct core *core, struct node *node)
{
    if (list_is_empty(&node->ack_link)) {
        list_push_back(&core->acks_due, &node->ack_link);
    }
}

void on_events(struct core *core, time_ms now, uint64_t peer, const struct msg_events *msg)
{
    struct node *node = core_node_heard(core, now, peer, msg->incarnation);
    for (uint32_t i = 0; node != NULL && i < msg->n_events; i++) {
        const struct node_event *event = &msg->events[i];
        if (event->number <= node->r.applied) {
            core_ack_due(core, node); /* sent again after a lost acknowledgement */
            continue;
        }
        if (event->number != node->r.applied + 1) {
            struct msg_who who = {core->config.epoch};
            outbox_send(&core->out, peer, MSG_WHO, &who);
            break;
        }
        node->r.applied = event->number;
        core_ack_due(core, node);
        core->events_total++;
        core_node_dirty(core, node);
        on_node_event(core, now, node, event);
        if (outbox_open_ops(&core->out) >= BATCH_GROUP_OPS_MAX ||
            core->array_rows_bytes >= ARRAY_ROWS_BYTES) {
            core_arrays_flush(
                core); /* more work leaves before the acknowledgement of what is done */
            core_group_close(core);
        }
    }
    if (node != NULL && !list_is_empty(&node->ack_link)) {
        core_node_dirty(core, node);
    }
}

struct core_heartbeat core_heartbeat(time_ms now, uint64_t agents)
{
    int64_t ms = agents < CORE_HEARTBEAT_MAX_MS ? (int64_t)agents * CORE_HEARTBEAT_MS_PER_NODE
                                                : CORE_HEARTBEAT_MAX_MS;
    ms = ms > CORE_HEARTBEAT_MIN_MS ? ms : CORE_HEARTBEAT_MIN_MS;
    ms = ms < CORE_HEARTBEAT_MAX_MS ? ms : CORE_HEARTBEAT_MAX_MS;
    int64_t moments = (int64_t)(agents / CORE_HEARTBEATS_TOGETHER);
    if (moments == 0 || moments > ms) {
        return (struct core_heartbeat){ms, ms};
    }
    int64_t apart_ms = ms / moments;
    ms = apart_ms * moments;
    return (struct core_heartbeat){ms, ms - now % apart_ms};
}

void on_heartbeat(struct core *core, time_ms now, uint64_t peer, const struct msg_heartbeat *msg)
{
    struct node *node = core_node_heard(core, now, peer, msg->incarnation);
    if (node != NULL && msg->has_left) {
        core_node_lost(core, now, node, "its agent has left");
    } else if (node != NULL) {
        node->cpu_permille = msg->cpu_permille;
        node->memory_used_bytes = msg->memory_used_bytes;
        node->cache_bytes = msg->cache_bytes;
        node->cache_max_bytes = msg->cache_max_bytes;
    }
}
