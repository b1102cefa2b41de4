/* A node that is being emptied, by people or because its agent was told to leave: what lies on its
 * disk alone and is needed goes to other nodes first (keep.c). Its agent is told what it is still
 * needed for, and that it may go; its deadline bounds it. What was not copied by then is told. */
#include <stdio.h>
#include <string.h>

#include "base/planted.h"
#include "head/core/state.h"

enum {
    OWED_NAMED_MAX = 6,  /* trials that are named */
    OWED_LOOK_MS = 2000, /* where no agent waits for it */
    DRAIN_GRACE_MS =
        120000, /* from the deadline of people's drain until the last attempt is killed */
};

/* ---- what a node owes ---- */

static void owed_reset(struct core *core, struct node *node)
{
    if (node->owed == NULL) {
        node->owed = mem_zalloc(sizeof *node->owed);
    }
    if (node->owed == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    node->owed->n = 0;
    node->owed->text[0] = '\0';
}

/* "3.1 (step 40), 3.2 (step 20)" */
static void owed_name(struct node_owed *owed, const struct task *task,
                      const struct snapshot_ref *snapshot)
{
    size_t n = strlen(owed->text);
    char id[TASK_ID_TEXT_MAX];
    if (owed->n <= OWED_NAMED_MAX) {
        snprintf(owed->text + n, sizeof owed->text - n, "%s%s (step %lld)", n > 0 ? ", " : "",
                 task_id_print(task->r.id, id), (long long)snapshot->step);
    } else if (owed->n == OWED_NAMED_MAX + 1) {
        snprintf(owed->text + n, sizeof owed->text - n, " and others");
    }
}

static void owed_count_task(struct core *core, struct task *task)
{
    struct keep_want wants[KEEP_WANTS_MAX];
    core_keep_move_off(core, task);
    uint32_t n = core_keep_wants(core, task, wants);
    for (uint32_t i = 0; i < n; i++) {
        const struct node *node = core_node_find(core, wants[i].where);
        if (node != NULL && node->r.state == NODE_DRAINING && node->owed != NULL) {
            node->owed->n++;
            owed_name(node->owed, task, &wants[i].snapshot);
        }
    }
    if (n > 0) {
        core_keep_due(core, task);
    }
}

/* Of a sweep that has ended: its best trial, and those that keep theirs as its best. */
static void owed_count_best(struct core *core, const struct sweep *sweep)
{
    const struct work *work = sweep->work;
    uint32_t trial;
    double value;
    int64_t step;
    bool has_best = tune_best(sweep->tuner, &trial, &value, &step) && trial <= work->n_tasks;
    struct task *best = has_best ? work->tasks[trial - 1] : NULL;
    if (best != NULL) {
        owed_count_task(core, best);
    }
    for (uint32_t i = 0; i < sweep->n_best_ended; i++) {
        if (sweep->best_ended[i] != best) {
            owed_count_task(core, sweep->best_ended[i]);
        }
    }
}

static void owed_count_sweep(struct core *core, const struct sweep *sweep)
{
    const struct work *work = sweep->work;
    if (sweep->spec.checkpoints.store != CHECKPOINT_STORE_CLUSTER) {
        return;
    }
    if (work->n_active == 0) {
        owed_count_best(core, sweep);
        return;
    }
    for (uint32_t i = 0; i < work->n_tasks; i++) {
        owed_count_task(core, work->tasks[i]);
    }
}

/* ---- who is told ---- */

static void owed_print(const struct node_owed *owed, char *ret_text, size_t size_bytes)
{
    snprintf(ret_text, size_bytes, "%u snapshot%s: %s", owed->n, owed->n == 1 ? "" : "s",
             owed->text);
}

static bool node_is_bare(const struct node *node)
{
    return node->n_tasks + node->n_parts + node->n_held + node->n_lanes == 0;
}

static void owed_send(struct core *core, struct node *node)
{
    struct node_owed *owed = node->owed;
    char text[sizeof owed->text + 32] = "";
    uint32_t n = PLANTED(leave_early) ? 0 : owed->n;
    bool is_lender = node->lender != NULL && node->lender[0] != '\0';
    bool is_waited = n > 0 && is_lender && core_keeper_exists(core, node);
    struct msg_owed msg = {.epoch = core->config.epoch,
                           .n_snapshots = is_waited ? n : 0,
                           .n_stranded = is_waited ? 0 : n,
                           .text = text};
    if (owed->is_told && owed->told == msg.n_snapshots) {
        return;
    }
    if (owed->n > 0) {
        owed_print(owed, text, sizeof text);
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
    char list[sizeof node->owed->text + 32], text[sizeof list + 128];
    owed_print(node->owed, list, sizeof list);
    snprintf(text, sizeof text, "node %s %s, and no other node has %s", node->r.name, what, list);
    node->owed->is_late_told = true;
    core_notice_node_text(core, now, node, text);
}

static void owed_tell(struct core *core, time_ms now, struct node *node)
{
    struct node_owed *owed = node->owed;
    time_ms deadline = owed_deadline(node);
    if (node->is_agent_leaving && node->peer != 0 && node_is_bare(node)) {
        owed_send(core, node);
    }
    if (owed->n > 0 && !owed->is_late_told && deadline != 0 && now >= deadline) {
        owed_notice(core, now, node,
                    node->is_agent_leaving ? "leaves at its deadline" : "is past its deadline");
    }
    bool is_empty = owed->n == 0 && node->r.is_drain_asked && node_is_bare(node);
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
    if (to == NODE_GONE && node->owed != NULL && node->owed->n > 0 && !node->owed->is_late_told) {
        owed_notice(core, now, node, "is gone");
    }
    mem_free(TAKE(node->owed));
    node->leaves_at = 0;
}

void core_drains_look(struct core *core, time_ms now)
{
    bool is_any = core->status.nodes[NODE_DRAINING] > 0, is_waited = false;
    struct node *node, *next;
    bool is_due = core->is_place_lost || (is_any && now >= core->owed_at);
    if (!is_due || core->is_leaving) {
        return;
    }
    core->is_place_lost = false;
    HASH_ITER (hh, core->nodes, node, next) {
        if (node->r.state == NODE_DRAINING) {
            owed_reset(core, node);
        }
    }
    if (core->out.failed != OK) {
        return;
    }
    for (const struct work *work = core->works; work != NULL; work = work->hh.next) {
        if (work->sweep != NULL) {
            owed_count_sweep(core, work->sweep);
        }
    }
    HASH_ITER (hh, core->nodes, node, next) {
        if (node->r.state == NODE_DRAINING) {
            owed_tell(core, now, node);
            is_waited |= node->is_agent_leaving;
        }
    }
    core->owed_at = is_waited ? now : now + OWED_LOOK_MS;
}
