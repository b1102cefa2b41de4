/* `rm`: all that is kept of an ended sweep or job is deleted, in bounded groups, one a turn.
 *
 * The record's mark comes first, and is on disk before any deletion, since batches keep their
 * order: a head that dies in the middle finds the mark and goes on. The last task goes first, so
 * that what is left has no holes; the record goes last, with the log. */
#include <stdio.h>

#include "head/core/arrays.h"

enum { REMOVE_OPS_MAX = 512 };

void core_remove_begin(struct core *core, struct work *work)
{
    struct used_key *used = work->sweep != NULL ? &work->sweep->used_key : &work->job->used_key;
    if (used->key != NULL) {
        HASH_DELETE(hh, core->keys, used);
        used->key = NULL;
    }
    core_work_class_release(core, work);
    if (work->sweep != NULL) {
        list_remove(&work->sweep->due_link);
    }
    core->status.tasks[TASK_ENDED] -= work->n_tasks;
    core_array_remove_begin(core, work->array);
    HASH_DELETE(hh, core->works, work);
    list_push_back(&core->removing, &work->removing_link);
}

static struct work *remove_find(const struct core *core, uint32_t number)
{
    list_each (&core->removing, struct work, removing_link, work) {
        if (work->number == number) {
            return work;
        }
    }
    return NULL;
}

static void remove_mark(struct core *core, time_ms now, struct work *work)
{
    if (work->sweep != NULL) {
        work->sweep->r.is_removing = true;
        core_sweep_dirty(core, work->sweep);
        core_notice_sweep(core, now, work->sweep);
    } else {
        work->job->r.is_removing = true;
        core_job_dirty(core, work->job);
    }
    core_remove_begin(core, work);
}

void on_work_remove(struct core *core, time_ms now, uint64_t request, uint32_t number,
                    bool is_sweep)
{
    const struct work *gone = remove_find(core, number);
    struct work *work = core_work_find(core, number);
    if (gone != NULL && (gone->sweep != NULL) == is_sweep) {
        core_answer_ok(core, request); /* asked again */
        return;
    }
    if (work == NULL || (work->sweep != NULL) != is_sweep) {
        is_sweep ? core_answer_no_sweep(core, request, number)
                 : core_answer_no_job(core, request, number);
        return;
    }
    bool has_ended = work->n_active == 0 &&
                     (is_sweep ? work->sweep->r.state >= SWEEP_DONE : work->job->r.ended != 0);
    if (!has_ended) {
        struct report report = {0};
        ignore_error(report_fail(&report, ERR_CONFLICT,
                                 "%s %u is %s; %s it first, and remove it once it has ended",
                                 is_sweep ? "sweep" : "job", number,
                                 is_sweep ? sweep_state_names[work->sweep->r.state] : "not ended",
                                 is_sweep ? "stop or cancel" : "cancel"),
                     "answered");
        core_answer_error(core, request, 409, &report);
        return;
    }
    remove_mark(core, now, work);
    core_answer_ok(core, request);
}

/* ---- the deletions ---- */

/* The evidence of its attempts, the highest first; false: the turn has done enough. */
static bool remove_attempts(struct core *core, struct work *work, const struct task *task)
{
    char id[TASK_ID_TEXT_MAX], field[TASK_ID_TEXT_MAX + 16];
    if (work->removing_attempt == 0) {
        work->removing_attempt = task->r.n_attempts;
    }
    while (work->removing_attempt > 0) {
        if (outbox_open_ops(&core->out) >= REMOVE_OPS_MAX) {
            return false;
        }
        work->removing_attempt--;
        snprintf(field, sizeof field, "%s:%u", task_id_print(task->r.id, id),
                 work->removing_attempt);
        outbox_hdel(&core->out, "attempts", field);
    }
    return true;
}

static bool remove_task(struct core *core, struct work *work)
{
    struct task *task = work->tasks[work->n_tasks - 1];
    char id[TASK_ID_TEXT_MAX], key[TASK_ID_TEXT_MAX + 8];
    if (!remove_attempts(core, work, task)) {
        return false;
    }
    core_snapshots_drop(core, task);
    snprintf(key, sizeof key, "rows:%s", task_id_print(task->r.id, id));
    outbox_del(&core->out, key);
    outbox_hdel(&core->out, "tasks", id);
    core_task_free(core, task);
    core->task_total -= work->array == NULL;
    work->tasks[--work->n_tasks] = NULL;
    return true;
}

static void remove_record(struct core *core, struct work *work)
{
    char field[16], key[32];
    snprintf(field, sizeof field, "%u", work->number);
    snprintf(key, sizeof key, "log:%u", work->number);
    if (work->sweep != NULL) {
        outbox_del(&core->out, key);
    }
    outbox_hdel(&core->out, work->sweep != NULL ? "sweeps" : "jobs", field);
    core_logs_removed(core, work->number);
    core_work_free(core, work);
}

void core_remove_step(struct core *core)
{
    struct work *work = list_first(&core->removing, struct work, removing_link);
    if (work == NULL || outbox_in_flight(&core->out) || core->out.failed != OK) {
        return;
    }
    bool is_marked =
        list_is_empty(work->sweep != NULL ? &work->sweep->dirty_link : &work->job->dirty_link);
    if (!is_marked) {
        return; /* The mark is written with this turn. */
    }
    while (outbox_open_ops(&core->out) < REMOVE_OPS_MAX) {
        if (work->n_tasks > 0) {
            if (!remove_task(core, work)) {
                return;
            }
        } else if (!core_array_remove_chunk(core, work->array)) {
            remove_record(core, work);
            return;
        }
    }
}
