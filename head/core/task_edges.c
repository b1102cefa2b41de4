#include "head/core/task_edges.h"

#include "base/buf.h"

const struct task_edge task_edges[] = {
    /* from          event                    to             resources       charges */
    {TASK_QUEUED, TASK_EVENT_LEASE, TASK_LEASED, RESOURCES_TAKE, CHARGE_NONE},
    {TASK_QUEUED, TASK_EVENT_CANCEL, TASK_ENDED, RESOURCES_KEEP, CHARGE_NONE},
    {TASK_WAITING, TASK_EVENT_CANCEL, TASK_ENDED, RESOURCES_KEEP, CHARGE_NONE},

    {TASK_LEASED, TASK_EVENT_STARTED, TASK_RUNNING, RESOURCES_KEEP, CHARGE_NONE},
    {TASK_LEASED, TASK_EVENT_REFUSED, TASK_QUEUED, RESOURCES_GIVE, CHARGE_NONE},
    {TASK_LEASED, TASK_EVENT_NODE_LOST, TASK_QUEUED, RESOURCES_GIVE, CHARGE_NONE},
    {TASK_LEASED, TASK_EVENT_FAILED_RETRY, TASK_QUEUED, RESOURCES_GIVE, CHARGE_FAILURE},
    {TASK_LEASED, TASK_EVENT_FAILED, TASK_ENDED, RESOURCES_GIVE, CHARGE_FAILURE},
    {TASK_LEASED, TASK_EVENT_TOLD, TASK_STOPPING, RESOURCES_KEEP, CHARGE_NONE},

    {TASK_RUNNING, TASK_EVENT_DONE, TASK_ENDED, RESOURCES_GIVE, CHARGE_NONE},
    {TASK_RUNNING, TASK_EVENT_INVALID, TASK_ENDED, RESOURCES_GIVE, CHARGE_NONE},
    {TASK_RUNNING, TASK_EVENT_TOLD_ENDED, TASK_ENDED, RESOURCES_GIVE, CHARGE_NONE},
    {TASK_RUNNING, TASK_EVENT_FAILED_RETRY, TASK_QUEUED, RESOURCES_GIVE, CHARGE_FAILURE},
    {TASK_RUNNING, TASK_EVENT_FAILED, TASK_ENDED, RESOURCES_GIVE, CHARGE_FAILURE},
    {TASK_RUNNING, TASK_EVENT_PREEMPTED, TASK_QUEUED, RESOURCES_GIVE, CHARGE_PREEMPTED},
    {TASK_RUNNING, TASK_EVENT_NODE_LOST, TASK_QUEUED, RESOURCES_GIVE, CHARGE_LOST},
    {TASK_RUNNING, TASK_EVENT_LOST_OUT, TASK_ENDED, RESOURCES_GIVE, CHARGE_LOST},
    {TASK_RUNNING, TASK_EVENT_TOLD, TASK_STOPPING, RESOURCES_KEEP, CHARGE_NONE},

    {TASK_STOPPING, TASK_EVENT_STARTED, TASK_STOPPING, RESOURCES_KEEP, CHARGE_NONE},
    {TASK_STOPPING, TASK_EVENT_TOLD, TASK_STOPPING, RESOURCES_KEEP, CHARGE_NONE},
    {TASK_STOPPING, TASK_EVENT_TOLD_ENDED, TASK_ENDED, RESOURCES_GIVE, CHARGE_NONE},
    {TASK_STOPPING, TASK_EVENT_DONE, TASK_ENDED, RESOURCES_GIVE, CHARGE_NONE},
    {TASK_STOPPING, TASK_EVENT_INVALID, TASK_ENDED, RESOURCES_GIVE, CHARGE_NONE},
    {TASK_STOPPING, TASK_EVENT_FAILED_RETRY, TASK_QUEUED, RESOURCES_GIVE, CHARGE_FAILURE},
    {TASK_STOPPING, TASK_EVENT_FAILED, TASK_ENDED, RESOURCES_GIVE, CHARGE_FAILURE},
    {TASK_STOPPING, TASK_EVENT_REFUSED, TASK_QUEUED, RESOURCES_GIVE, CHARGE_NONE},
    {TASK_STOPPING, TASK_EVENT_PREEMPTED, TASK_QUEUED, RESOURCES_GIVE, CHARGE_PREEMPTED},

    {TASK_QUEUED, TASK_EVENT_HOLD, TASK_HELD, RESOURCES_KEEP, CHARGE_NONE},
    {TASK_STOPPING, TASK_EVENT_HOLD, TASK_HELD, RESOURCES_GIVE, CHARGE_NONE},

    {TASK_HELD, TASK_EVENT_WAKE, TASK_QUEUED, RESOURCES_KEEP, CHARGE_NONE},
    {TASK_HELD, TASK_EVENT_CANCEL, TASK_ENDED, RESOURCES_KEEP, CHARGE_NONE},

    {TASK_ENDED, TASK_EVENT_RETRY, TASK_QUEUED, RESOURCES_KEEP, CHARGE_NONE},
};
const unsigned task_edges_count = sizeof task_edges / sizeof task_edges[0];

const char *const task_event_names[] = {
#define X(name, word) word,
    TASK_EVENTS(X)
#undef X
};

const struct task_edge *task_edge_find(task_state from, task_event event)
{
    for (unsigned i = 0; i < task_edges_count; i++) {
        if (task_edges[i].from == from && task_edges[i].event == event) {
            return &task_edges[i];
        }
    }
    return NULL;
}

const struct sweep_edge sweep_edges[] = {
    {SWEEP_RUNNING, SWEEP_PAUSED},      {SWEEP_PAUSED, SWEEP_RUNNING},
    {SWEEP_RUNNING, SWEEP_FINISHING},   {SWEEP_PAUSED, SWEEP_FINISHING},
    {SWEEP_FINISHING, SWEEP_DONE},      {SWEEP_FINISHING, SWEEP_FAILED},
    {SWEEP_FINISHING, SWEEP_CANCELLED}, {SWEEP_DONE, SWEEP_RUNNING},
    {SWEEP_FAILED, SWEEP_RUNNING},      {SWEEP_CANCELLED, SWEEP_RUNNING},
};
const unsigned sweep_edges_count = sizeof sweep_edges / sizeof sweep_edges[0];

bool sweep_edge_is_legal(sweep_state from, sweep_state to)
{
    for (unsigned i = 0; i < sweep_edges_count; i++) {
        if (sweep_edges[i].from == from && sweep_edges[i].to == to) {
            return true;
        }
    }
    return false;
}

const struct node_edge node_edges[] = {
    {NODE_JOINING, NODE_ALIVE},    {NODE_ALIVE, NODE_SUSPECT},  {NODE_SUSPECT, NODE_ALIVE},
    {NODE_SUSPECT, NODE_GONE},     {NODE_ALIVE, NODE_DRAINING}, {NODE_DRAINING, NODE_ALIVE},
    {NODE_SUSPECT, NODE_DRAINING}, {NODE_DRAINING, NODE_GONE},  {NODE_GONE, NODE_JOINING},
};
const unsigned node_edges_count = sizeof node_edges / sizeof node_edges[0];

bool node_edge_is_legal(node_state from, node_state to)
{
    for (unsigned i = 0; i < node_edges_count; i++) {
        if (node_edges[i].from == from && node_edges[i].to == to) {
            return true;
        }
    }
    return false;
}

error_code edges_print(struct buf *buf)
{
    static const char *const resources[] = {"keeps", "takes", "gives back"};
    static const char *const charges[] = {"", "failure", "lost", "preempted"};
    ignore_error(buf_append_text(buf, "| task from | event | to | resources | charges |\n"
                                      "| --- | --- | --- | --- | --- |\n"),
                 "sticky");
    for (unsigned i = 0; i < task_edges_count; i++) {
        const struct task_edge *edge = &task_edges[i];
        ignore_error(buf_printf(buf, "| %s | %s | %s | %s | %s |\n", task_state_names[edge->from],
                                task_event_names[edge->event], task_state_names[edge->to],
                                resources[edge->resources], charges[edge->charge]),
                     "sticky");
    }
    ignore_error(buf_append_text(buf, "\n| sweep from | to |\n| --- | --- |\n"), "sticky");
    for (unsigned i = 0; i < sweep_edges_count; i++) {
        ignore_error(buf_printf(buf, "| %s | %s |\n", sweep_state_names[sweep_edges[i].from],
                                sweep_state_names[sweep_edges[i].to]),
                     "sticky");
    }
    ignore_error(buf_append_text(buf, "\n| node from | to |\n| --- | --- |\n"), "sticky");
    for (unsigned i = 0; i < node_edges_count; i++) {
        ignore_error(buf_printf(buf, "| %s | %s |\n", node_state_names[node_edges[i].from],
                                node_state_names[node_edges[i].to]),
                     "sticky");
    }
    return buf->failed;
}
