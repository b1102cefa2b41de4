/* A node that is being emptied, by people or because its agent was told to leave: what lies on its
 * disk alone and is needed (owed.c) goes to other nodes first (keep.c). Its agent is told what it
 * is still needed for, and that it may go; its deadline bounds it. What was not copied by then is
 * told.
 */
#include <stdio.h>
#include <string.h>

#include "base/planted.h"
#include "head/core/state.h"

/* From the deadline of people's drain until the last attempt is killed. */
enum { DRAIN_GRACE_MS = 120000 };

static void owed_print(const struct owed_figures *owed, char *ret_text, size_t size_bytes)
{
    snprintf(ret_text, size_bytes, "%u snapshot%s: %s", owed->n, owed->n == 1 ? "" : "s",
             owed->text);
}

bool core_node_is_bare(const struct node *node)
{
    return node->n_tasks + node->n_parts + node->n_held + node->n_lanes == 0;
}

static void owed_send(struct core *core, struct node *node)
{
    struct node_owed *owed = node->owed;
    char text[sizeof owed->figures.text + 32] = "";
    uint32_t n = PLANTED(leave_early) ? 0 : owed->figures.n;
    bool is_lender = node->lender != NULL && node->lender[0] != '\0';
    bool is_waited = n > 0 && is_lender && core_keeper_exists(core, node);
    struct msg_owed msg = {.epoch = core->config.epoch,
                           .n_snapshots = is_waited ? n : 0,
                           .n_stranded = is_waited ? 0 : n,
                           .text = text};
    if (owed->is_told && owed->told == msg.n_snapshots) {
        return;
    }
    if (owed->figures.n > 0) {
        owed_print(&owed->figures, text, sizeof text);
    }
    owed->is_told = true;
    owed->told = msg.n_snapshots;
    outbox_send(&core->out, node->peer, MSG_OWED, &msg);
}

static time_ms owed_deadline(const struct node *node)
{
    return node->is_agent_leaving   ? node->leaves_at
           : node->r.is_drain_asked ? node->r.drain_deadline + DRAIN_GRACE_MS
                                    : 0;
}

static void owed_notice(struct core *core, time_ms now, struct node *node, const char *what)
{
    char list[sizeof node->owed->figures.text + 32], text[sizeof list + 128];
    owed_print(&node->owed->figures, list, sizeof list);
    snprintf(text, sizeof text, "node %s %s, and no other node has %s", node->r.name, what, list);
    node->owed->is_late_told = true;
    core_notice_node_text(core, now, node, text);
}

void core_drain_tell(struct core *core, time_ms now, struct node *node)
{
    struct node_owed *owed = node->owed;
    time_ms deadline = owed_deadline(node);
    bool is_bare = owed->was_bare && core_node_is_bare(node);
    if (node->is_agent_leaving && node->peer != 0 && is_bare) {
        owed_send(core, node);
    }
    if (owed->figures.n > 0 && !owed->is_late_told && deadline != 0 && now >= deadline) {
        owed_notice(core, now, node,
                    node->is_agent_leaving ? "leaves at its deadline" : "is past its deadline");
    }
    bool is_empty = owed->figures.n == 0 && node->r.is_drain_asked && is_bare;
    if (is_empty && !owed->is_empty_told) {
        char text[NODE_NAME_MAX + 64];
        owed->is_empty_told = true;
        snprintf(text, sizeof text, "node %s is empty: nothing on it is needed", node->r.name);
        core_notice_node_text(core, now, node, text);
    }
}

bool core_node_is_released(const struct node *node)
{
    return node->r.state == NODE_DRAINING && node->owed != NULL && node->owed->is_told &&
           node->owed->told == 0;
}

void core_drain_left(struct core *core, time_ms now, struct node *node, node_state to)
{
    if (to == NODE_GONE && node->owed != NULL && node->owed->figures.n > 0 &&
        !node->owed->is_late_told) {
        owed_notice(core, now, node, "is gone");
    }
    mem_free(TAKE(node->owed));
    node->leaves_at = 0;
}
