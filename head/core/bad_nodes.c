/* Nodes that fail whatever a sweep gives them. Several different trials that fail in a row on a
 * node, each soon after its start and with no success between, set the node aside for the sweep;
 * two sweeps that did so while their trials worked elsewhere cordon it. The last node that could
 * run a sweep's trials is never set aside: if nothing of the sweep has worked there, the sweep is
 * paused.
 *
 * Runs of failures are remembered in memory only: a head that starts anew counts from nothing. What
 * followed from them is on record. */
#include <stdio.h>
#include <string.h>

#include "head/core/gang.h"

enum { CORDON_SWEEPS = 2 };

struct node_run {
    UT_hash_handle hh; /* by node */
    char node[NODE_NAME_MAX + 1];
    uint32_t n_trials; /* different ones that failed in a row */
    uint32_t trials[RUN_TRIALS_MAX];
};

static struct node_run *run_find(const struct sweep *sweep, const char *node)
{
    struct node_run *run;
    HASH_FIND_STR(sweep->runs, node, run);
    return run;
}

static struct node_run *run_make(struct core *core, struct sweep *sweep, const char *node)
{
    struct node_run *run = run_find(sweep, node);
    if (run != NULL) {
        return run;
    }
    run = mem_zalloc(sizeof *run);
    if (run != NULL) {
        snprintf(run->node, sizeof run->node, "%s", node);
        HASH_ADD_STR(sweep->runs, node, run);
    }
    if (run == NULL || run->hh.tbl == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        mem_free(run);
        return NULL;
    }
    return run;
}

void core_runs_free(struct sweep *sweep)
{
    struct node_run *run, *next;
    HASH_ITER (hh, sweep->runs, run, next) {
        HASH_DELETE(hh, sweep->runs, run);
        mem_free(run);
    }
}

/* ---- is the node at fault? ---- */

/* Has a trial of the sweep ended well or reported, here or on any other node? */
static bool core_has_worked(const struct sweep *sweep, const char *node, bool is_here)
{
    const struct work *work = sweep->work;
    for (uint32_t i = 0; i < work->n_tasks; i++) {
        const struct record_task *r = &work->tasks[i]->r;
        bool has_worked = r->last_seq > 0 || r->outcome == OUTCOME_DONE ||
                          r->outcome == OUTCOME_STOPPED || r->outcome == OUTCOME_INVALID;
        if (has_worked && r->node != NULL && (strcmp(r->node, node) == 0) == is_here) {
            return true;
        }
    }
    return false;
}

static bool core_node_is_taking(const struct node *node)
{
    return node->handle != 0 && !node->r.is_cordoned &&
           (node->r.state == NODE_ALIVE || node->r.state == NODE_SUSPECT);
}

static bool core_has_open_node(const struct core *core, const struct node *but)
{
    for (const struct node *node = core->nodes; node != NULL; node = node->hh.next) {
        if (node != but && core_node_is_taking(node)) {
            return true;
        }
    }
    return false;
}

bool core_work_has_other_node(const struct core *core, const struct work *work,
                              const struct node *but)
{
    uint32_t n = 0, n_wanted = request_nodes(core_work_request(work));
    for (const struct node *node = core->nodes; node != NULL; node = node->hh.next) {
        if (node != but && core_node_is_taking(node) &&
            scheduler_node_is_capable(core->scheduler, node->handle, core_work_group(work),
                                      core_work_request(work)) &&
            ++n == n_wanted) {
            return true;
        }
    }
    return false;
}

/* Sweeps whose trials work elsewhere speak against the node; a sweep that fails everywhere speaks
 * against itself. */
static void core_cordon_judge(struct core *core, time_ms now, struct node *node)
{
    uint32_t numbers[CORDON_SWEEPS] = {0}, n = 0;
    for (struct work *work = core->works; work != NULL && n < CORDON_SWEEPS; work = work->hh.next) {
        const struct set_aside *aside =
            work->sweep != NULL ? core_aside_find(work->sweep, node->r.name) : NULL;
        if (aside != NULL && aside->is_nodes_fault && aside->time >= node->r.trusted_since) {
            numbers[n++] = work->number;
        }
    }
    /* Where no other node is open, work that fails says more than work that waits for ever. */
    if (n < CORDON_SWEEPS || node->r.is_cordoned || !core_has_open_node(core, node)) {
        return;
    }
    char text[128];
    snprintf(text, sizeof text, "sweeps %u and %u set it aside (retries.node_failures)", numbers[0],
             numbers[1]);
    node->r.is_cordoned = true;
    core_str_set(core, &node->r.cordon_reason, text);
    core_node_refresh_open(core, node);
    core_node_dirty(core, node);
    core_notice_node(core, now, node);
}

/* Something worked: whoever was set aside before was the only one that failed. */
static void core_asides_blame(struct core *core, time_ms now, struct sweep *sweep, const char *but)
{
    for (uint32_t i = 0; i < sweep->r.n_set_aside; i++) {
        struct set_aside *aside = (struct set_aside *)(uintptr_t)&sweep->r.set_aside[i];
        if (!aside->is_nodes_fault && strcmp(aside->node, but) != 0) {
            aside->is_nodes_fault = true;
            core_sweep_dirty(core, sweep);
            struct node *node = core_node_find(core, aside->node);
            if (node != NULL) {
                core_cordon_judge(core, now, node);
            }
        }
    }
}

bool core_node_leave_out(struct core *core, time_ms now, struct sweep *sweep, struct node *node,
                         const char *reason)
{
    if (core_aside_is(sweep, node->r.name)) {
        return true;
    }
    if (!core_work_has_other_node(core, sweep->work, node)) {
        return false;
    }
    struct set_aside aside = {
        .node = node->r.name,
        .time = now,
        .is_nodes_fault = core_has_worked(sweep, node->r.name, false),
        .reason = reason,
    };
    if (sweep->r.n_set_aside < SCHEDULER_NODES_MAX && core_aside_add(core, sweep, &aside)) {
        core_notice_aside(core, now, sweep, node, reason);
        core_cordon_judge(core, now, node);
    }
    return true;
}

static void core_node_set_aside(struct core *core, time_ms now, struct sweep *sweep,
                                struct node *node, struct node_run *run, const char *failure)
{
    char reason[512];
    uint32_t n = run->n_trials;
    size_t length = strlen(failure);
    run->n_trials = 0;
    while (length > 0 && (failure[length - 1] == '\n' || failure[length - 1] == ' ')) {
        length--;
    }
    snprintf(reason, sizeof reason,
             "%u different trial%s failed in a row on node %s, each within %d s of its start; the "
             "last one: %.*s",
             n, n == 1 ? "" : "s", node->r.name, NODE_RUN_MS / 1000, (int)length, failure);
    if (!core_node_leave_out(core, now, sweep, node, reason) && !sweep->r.is_failure_judged &&
        !core_has_worked(sweep, node->r.name, true)) {
        core_sweep_pause(core, now, sweep, reason);
    }
}

/* ---- what an attempt's end says ---- */

void core_node_worked(struct core *core, time_ms now, const struct task *task)
{
    struct sweep *sweep = task->work->sweep;
    const struct node *node = core_task_blamed(task);
    if (sweep == NULL || node == NULL) {
        return;
    }
    struct node_run *run = run_find(sweep, node->r.name);
    if (run != NULL) {
        run->n_trials = 0;
    }
    core_asides_blame(core, now, sweep, node->r.name);
}

void core_node_failed(struct core *core, time_ms now, const struct task *task,
                      const struct attempt_result *result)
{
    struct sweep *sweep = task->work->sweep;
    struct node *node = core_task_blamed(task);
    if (sweep == NULL || node == NULL || result->cause == CAUSE_OOM) {
        return;
    }
    bool is_soon = result->started_at == 0 || result->ended_at - result->started_at < NODE_RUN_MS;
    if (!is_soon) {
        core_node_worked(core, now, task);
        return;
    }
    struct node_run *run = run_make(core, sweep, node->r.name);
    uint32_t limit = sweep->spec.retries.node_failures;
    if (run == NULL || limit == 0 || sweep->r.state != SWEEP_RUNNING ||
        core_aside_is(sweep, run->node)) {
        return;
    }
    for (uint32_t i = 0; i < run->n_trials; i++) {
        if (run->trials[i] == task->r.id.index) {
            return;
        }
    }
    if (run->n_trials < RUN_TRIALS_MAX) {
        run->trials[run->n_trials++] = task->r.id.index;
    }
    if (run->n_trials >= limit) {
        core_node_set_aside(core, now, sweep, node, run,
                            task->r.failure != NULL ? task->r.failure : "no reason is known");
    }
}

/* ---- forgiven ---- */

void core_sweep_forgive(struct core *core, struct sweep *sweep)
{
    while (sweep->r.n_set_aside > 0) {
        core_aside_end(core, sweep, (struct set_aside *)(uintptr_t)&sweep->r.set_aside[0]);
    }
    core_runs_free(sweep);
    sweep->r.is_failure_judged = true;
    core_sweep_dirty(core, sweep);
}

void core_node_forgive(struct core *core, time_ms now, struct node *node)
{
    core_str_clear(&node->r.cordon_reason);
    node->r.trusted_since = now;
    core_node_dirty(core, node);
    list_each (&core->active_sweeps, struct sweep, active_link, sweep) {
        struct set_aside *aside = core_aside_find(sweep, node->r.name);
        struct node_run *run = run_find(sweep, node->r.name);
        if (aside != NULL) {
            core_aside_end(core, sweep, aside);
        }
        if (run != NULL) {
            run->n_trials = 0;
        }
    }
}

/* ---- the nodes that were left have gone ---- */

static const struct set_aside *core_stranded_by(const struct core *core, const struct sweep *sweep)
{
    if (core_work_has_other_node(core, sweep->work, NULL)) {
        return NULL;
    }
    for (uint32_t i = 0; i < sweep->r.n_set_aside; i++) {
        const struct node *node =
            core_node_find((struct core *)(uintptr_t)core, sweep->r.set_aside[i].node);
        if (node != NULL && core_node_is_taking(node) &&
            scheduler_node_is_capable(core->scheduler, node->handle, NULL,
                                      &sweep->spec.resources)) {
            return &sweep->r.set_aside[i];
        }
    }
    return NULL;
}

void core_stranded_judge(struct core *core, time_ms now)
{
    list_each (&core->active_sweeps, struct sweep, active_link, sweep) {
        const struct set_aside *aside = sweep->r.n_set_aside > 0 && sweep->r.state == SWEEP_RUNNING
                                            ? core_stranded_by(core, sweep)
                                            : NULL;
        if (aside == NULL) {
            sweep->stranded_since = 0;
        } else if (sweep->stranded_since == 0) {
            sweep->stranded_since = now; /* an agent may just start anew */
        } else if (now - sweep->stranded_since >= NODE_RUN_MS) {
            char reason[640];
            snprintf(reason, sizeof reason, "no node is left for it but those set aside; %s",
                     aside->reason);
            core_sweep_pause(core, now, sweep, reason);
        }
    }
}
