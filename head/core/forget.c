/* Nodes that are gone are remembered for a while: who was there and until when, and what is to hold
 * when they come back. Machines that come and go under ever new names must not add up, so the
 * oldest are forgotten, by age and by number; people may forget one before. What attempts and
 * snapshots say of a node is its name, and stays. One that comes back after that joins as one that
 * never was here. */
#include <stdio.h>

#include "head/core/state.h"

enum { GONE_NODES_MAX = 1000, FORGET_PER_TICK = 256, MARKED_FACTOR = 30 };

#define FORGET_AFTER_MS (24LL * 3600 * 1000)

/* By people, or by failures: it is to hold when it comes back. */
static bool node_is_marked(const struct node *node)
{
    return node->r.is_cordoned || node->r.is_drain_asked ||
           node->r.n_label_sets + node->r.n_label_removes > 0;
}

/* Nothing of the core is there or on its way. */
static bool node_is_loose(const struct node *node)
{
    uint32_t n_work = node->n_tasks + node->n_parts + node->n_held + node->n_lanes;
    return node->r.state == NODE_GONE && n_work + node->n_keeps + node->n_keeps_from == 0 &&
           list_is_empty(&node->holders);
}

static void node_forget(struct core *core, time_ms now, struct node *node)
{
    char text[NODE_NAME_MAX + 32];
    snprintf(text, sizeof text, "node %s is forgotten", node->r.name);
    core_notice_node_text(core, now, node, text);
    outbox_hdel(&core->out, "nodes", node->r.name);
    core_node_free(core, node);
}

static void forget_old(struct core *core, time_ms now)
{
    int64_t after_ms =
        core->config.forget_nodes_ms > 0 ? core->config.forget_nodes_ms : FORGET_AFTER_MS;
    uint32_t n = 0;
    list_each (&core->gone_nodes, struct node, gone_link, node) {
        int64_t gone_ms = now - node->r.left;
        if (gone_ms < after_ms || n == FORGET_PER_TICK) {
            return;
        }
        bool is_old = !node_is_marked(node) || gone_ms / MARKED_FACTOR >= after_ms;
        if (is_old && node_is_loose(node)) {
            node_forget(core, now, node);
            n++;
        }
    }
}

/* The first that left go first; returns how many went. */
static uint32_t forget_surplus(struct core *core, time_ms now, bool is_marked_too)
{
    uint32_t n = 0;
    list_each (&core->gone_nodes, struct node, gone_link, node) {
        if (core->status.nodes[NODE_GONE] <= GONE_NODES_MAX || n == FORGET_PER_TICK) {
            break;
        }
        if ((is_marked_too || !node_is_marked(node)) && node_is_loose(node)) {
            node_forget(core, now, node);
            n++;
        }
    }
    return n;
}

void core_nodes_forget(struct core *core, time_ms now)
{
    forget_old(core, now);
    if (forget_surplus(core, now, false) == 0) {
        forget_surplus(core, now, true);
    }
}

void on_node_remove(struct core *core, time_ms now, uint64_t request, const char *name)
{
    struct node *node = core_node_find(core, name);
    struct report report = {0};
    if (node == NULL) {
        ignore_error(report_fail(&report, ERR_NOT_FOUND, "there is no node %s", name), "answered");
        core_answer_error(core, request, 404, &report);
    } else if (node->r.state == NODE_GONE && !node_is_loose(node)) {
        ignore_error(report_fail(&report, ERR_CONFLICT,
                                 "a copy from or to node %s is being given up; try again", name),
                     "answered");
        core_answer_error(core, request, 409, &report);
    } else if (node->r.state != NODE_GONE) {
        ignore_error(report_fail(&report, ERR_CONFLICT,
                                 "node %s is %s; drain it, end its worker, and remove it once it "
                                 "is gone",
                                 name, node_state_names[node->r.state]),
                     "answered");
        core_answer_error(core, request, 409, &report);
    } else {
        node_forget(core, now, node);
        core_answer_ok(core, request);
    }
}
