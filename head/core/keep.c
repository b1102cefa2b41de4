/* Second places: the last snapshot that a trial has made is copied to another node, and so is what
 * a sweep's best trials ended with, so that neither is lost with its node (`checkpoints.store`).
 * The record then says that it is *safe*. One copy of a trial is on its way at a time, a few to a
 * node; what was saved meanwhile is next. A head that starts anew begins them anew. */
#include <string.h>

#include "head/core/state.h"

enum {
    KEEPS_PER_NODE = 2,
    KEEPS_PER_TICK = 64,
    KEEP_PATIENCE_MS = 300000, /* a copy that has not come by then is ordered elsewhere */
};

/* ---- which one ---- */

static bool task_is_best(const struct task *task)
{
    return task->work->sweep->told_best_trial == task->r.id.index || core_sweep_best_has(task);
}

/* NULL: none is wanted. */
static const struct snapshot_ref *keep_wanted(const struct task *task, const char **ret_where)
{
    const struct record_task *r = &task->r;
    bool has_ended = r->state == TASK_ENDED;
    const struct snapshot_ref *wanted = &r->snapshot;
    *ret_where = r->snapshot_node;
    if (has_ended && r->best_snapshot.ordinal != 0) {
        wanted = &r->best_snapshot;
        *ret_where = r->best_node;
    }
    bool is_wanted = task->work->sweep != NULL &&
                     task->work->sweep->spec.checkpoints.store == CHECKPOINT_STORE_CLUSTER &&
                     wanted->ordinal != 0 && wanted->owner == 0 &&
                     (!has_ended || task_is_best(task));
    return is_wanted ? wanted : NULL;
}

static bool keep_is_there(const struct task *task, const struct snapshot_ref *wanted,
                          const char *where)
{
    const struct record_task *r = &task->r;
    return r->safe_snapshot.ordinal == wanted->ordinal && !core_text_equal(r->safe_node, where);
}

void core_keep_due(struct core *core, struct task *task)
{
    const char *where;
    const struct snapshot_ref *wanted = keep_wanted(task, &where);
    if (wanted != NULL && list_is_empty(&task->keep_link) && !keep_is_there(task, wanted, where)) {
        list_push_back(&core->keeps_due, &task->keep_link);
    }
}

/* ---- where to ---- */

static bool node_can_keep(const struct node *node, const char *from)
{
    return node->r.state == NODE_ALIVE && node->peer != 0 && !node->r.is_cordoned &&
           !node->r.is_dry && node->lender != NULL && node->lender[0] != '\0' &&
           node->n_keeps < KEEPS_PER_NODE && strcmp(node->r.name, from) != 0;
}

/* The one that has the least to do. */
static struct node *keeper_find(struct core *core, const char *from)
{
    struct node *found = NULL;
    for (struct node *node = core->nodes; node != NULL; node = node->hh.next) {
        bool is_idler = found == NULL || node->n_keeps < found->n_keeps ||
                        (node->n_keeps == found->n_keeps && node->n_tasks < found->n_tasks);
        if (is_idler && node_can_keep(node, from)) {
            found = node;
        }
    }
    return found;
}

/* ---- one copy ---- */

static void keep_begin(struct core *core, time_ms now, struct task *task, struct node *keeper,
                       const struct snapshot_ref *wanted, const char *from)
{
    task->keeping = *wanted;
    task->keeper = keeper;
    task->keep_from = core_node_find(core, from);
    task->keep_until = now + KEEP_PATIENCE_MS;
    keeper->n_keeps++;
    const struct snapshot_name name = {task->r.id, wanted->ordinal};
    const struct msg_keep keep = {&name, 1, ++core->place_words};
    task->keep_number = keep.number;
    outbox_send(&core->out, keeper->peer, MSG_KEEP, &keep);
}

/* Neither end holds it for this copy's sake any more. */
static void keep_end(struct core *core, struct task *task)
{
    struct node *keeper = TAKE(task->keeper);
    const struct node *from = TAKE(task->keep_from);
    uint32_t ordinal = task->keeping.ordinal;
    task->keeping = (struct snapshot_ref){0};
    keeper->n_keeps--;
    core_snapshot_drop(core, task, ordinal, keeper->r.name);
    core_snapshot_drop(core, task, ordinal, from->r.name);
}

void core_keep_forget(struct task *task)
{
    if (task->keeper != NULL) {
        task->keeper->n_keeps--;
        task->keeper = NULL;
    }
    list_remove(&task->keep_link);
}

bool core_keep_names(const struct task *task, uint32_t ordinal, const char *node)
{
    return task->keeper != NULL && task->keeping.ordinal == ordinal &&
           (strcmp(task->keeper->r.name, node) == 0 || strcmp(task->keep_from->r.name, node) == 0);
}

void core_keep_arrived(struct core *core, time_ms now, struct task *task, uint32_t ordinal,
                       uint64_t keep, const struct node *node)
{
    if (task->keeper != node || task->keep_number != keep || task->keeping.ordinal != ordinal) {
        return;
    }
    if (!core_sweep_best_lacks(task)) { /* it keeps nothing since */
        core_snapshot_set(core, task, &task->r.safe_snapshot, &task->r.safe_node, task->keeping,
                          node->r.name);
    }
    keep_end(core, task);
    core_notice_task(core, now, task);
    core_keep_due(core, task);
}

/* ---- time ---- */

/* False: nothing can be ordered now. */
static bool keep_try(struct core *core, time_ms now, struct task *task)
{
    const char *where;
    const struct snapshot_ref *wanted = keep_wanted(task, &where);
    if (wanted == NULL || keep_is_there(task, wanted, where)) {
        list_remove(&task->keep_link);
        return true;
    }
    if (!core_snapshot_is_reached(core, where)) {
        return true; /* its node may come back */
    }
    struct node *keeper = keeper_find(core, where);
    if (keeper == NULL) {
        return false;
    }
    keep_begin(core, now, task, keeper, wanted, where);
    return true;
}

static bool keep_is_over(const struct task *task, time_ms now)
{
    return task->keeper != NULL && (now >= task->keep_until || task->keeper->r.state == NODE_GONE ||
                                    task->keep_from->r.state == NODE_GONE);
}

void core_keeps_go(struct core *core, time_ms now)
{
    uint32_t n = 0;
    list_each (&core->keeps_due, struct task, keep_link, task) {
        if (keep_is_over(task, now)) {
            keep_end(core, task);
        }
        if (task->keeper != NULL) {
            continue;
        }
        if (n++ == KEEPS_PER_TICK || !keep_try(core, now, task)) {
            return;
        }
    }
}
