/* What is a node's fault and nobody else's: there a sweep's work folder cannot be had, or its setup
 * fails, so that no trial of it can start. Trials are not charged. After a few tries the node is
 * set aside for the sweep; where no other node is left, the sweep fails with the reason.
 *
 * Tries are counted in memory only: a head that starts anew counts from nothing. */
#include <stdio.h>
#include <string.h>

#include "head/core/arrays.h"
#include "head/core/gang.h"

enum { FAULT_TRIES = 3, FAULT_PAUSE_MS = 1000 };

struct node_fault {
    UT_hash_handle hh; /* by node */
    char node[NODE_NAME_MAX + 1];
    uint32_t tries;
    time_ms counted; /* what was leased before it belongs to the try that is counted already */
};

static struct node_fault *fault_of(struct core *core, struct sweep *sweep, const char *node)
{
    struct node_fault *fault;
    HASH_FIND_STR(sweep->faults, node, fault);
    if (fault != NULL) {
        return fault;
    }
    fault = mem_zalloc(sizeof *fault);
    if (fault != NULL) {
        snprintf(fault->node, sizeof fault->node, "%s", node);
        HASH_ADD_STR(sweep->faults, node, fault);
    }
    if (fault == NULL || fault->hh.tbl == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        mem_free(fault);
        return NULL;
    }
    return fault;
}

void core_faults_free(struct sweep *sweep)
{
    struct node_fault *fault, *next;
    HASH_ITER (hh, sweep->faults, fault, next) {
        HASH_DELETE(hh, sweep->faults, fault);
        mem_free(fault);
    }
}

static void sweep_fault(struct core *core, time_ms now, struct sweep *sweep, struct node *node,
                        time_ms leased, const char *why)
{
    struct node_fault *fault = fault_of(core, sweep, node->r.name);
    if (fault == NULL || leased < fault->counted) {
        return;
    }
    fault->counted = now;
    if (++fault->tries < FAULT_TRIES) {
        return;
    }
    char reason[512];
    snprintf(reason, sizeof reason, "no trial can start on node %s: %.300s", node->r.name, why);
    fault->tries = 0;
    if (!core_node_leave_out(core, now, sweep, node, reason)) {
        core_str_set(core, &sweep->r.error, reason);
        core_sweep_finish(core, now, sweep, WHY_FAILURES, -1);
        core_sweep_advance(core, now, sweep);
        core_str_set(core, &sweep->r.error, reason); /* one that was paused had another one */
        core_sweep_dirty(core, sweep);
    }
}

void core_end_refused(struct core *core, time_ms now, struct task *task,
                      const struct attempt_result *result)
{
    struct node *node = core_task_blamed(task);
    struct job *job = task->work->job;
    time_ms leased = task->r.leased;
    const char *why = result->reason != NULL ? result->reason : "";
    if (!result->is_nodes_fault || node == NULL) {
        core_task_move(core, now, task, TASK_EVENT_REFUSED);
    } else if (job == NULL) {
        core_task_move(core, now, task, TASK_EVENT_REFUSED);
        sweep_fault(core, now, task->work->sweep, node, leased, why);
    } else if (task->work->array != NULL) {
        core_array_fault(core, now, task, result);
    } else if (++job->n_faults >= FAULT_TRIES) {
        core_task_end(core, now, task, TASK_EVENT_FAILED, OUTCOME_FAILED);
    } else {
        core_task_move(core, now, task, TASK_EVENT_REFUSED);
        scheduler_dequeue(core->scheduler, &task->waiting.item);
        task->r.not_before = now + FAULT_PAUSE_MS * job->n_faults;
        core_task_enqueue(core, now, task);
    }
}
