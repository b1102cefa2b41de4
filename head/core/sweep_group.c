/* A sweep's group in the scheduler: there from the start where its file bounds it, otherwise made
 * when its first node is set aside. Sweeps without one share their classes. */
#include "head/core/state.h"

error_code core_sweep_class_make(struct core *core, struct sweep *sweep)
{
    struct scheduler_limits limits = {sweep->spec.per_node, sweep->spec.gpus_max};
    error_code error = OK;
    if (limits.per_node > 0 || limits.gpus > 0) {
        error = scheduler_group_new(core->scheduler, &limits, &sweep->group);
    }
    return error != OK ? error
                       : scheduler_group_class_ref(core->scheduler, sweep->group,
                                                   &sweep->spec.resources, &sweep->work->cls);
}

static void waiting_move(struct core *core, struct scheduler_item *item,
                         struct scheduler_class *cls)
{
    if (!list_is_empty(&item->link)) {
        error_code error = scheduler_enqueue(core->scheduler, item, cls, item->priority, item->age);
        if (error != OK) {
            core_fail(core, error);
        }
    }
}

/* What waits and what runs are of the new class. */
static void task_move(struct core *core, struct task *task, struct scheduler_class *cls)
{
    waiting_move(core, &task->waiting.item, cls);
    error_code error =
        task->allocation != NULL ? scheduler_reclass(core->scheduler, task->allocation, cls) : OK;
    if (error != OK) {
        core_fail(core, error);
    }
}

bool core_sweep_group_need(struct core *core, struct sweep *sweep)
{
    if (sweep->group != NULL) {
        return true;
    }
    struct work *work = sweep->work;
    struct scheduler_limits none = {0};
    struct scheduler_class *cls = NULL;
    if (work->cls == NULL) {
        return false; /* nothing of it waits or runs */
    }
    error_code error = scheduler_group_new(core->scheduler, &none, &sweep->group);
    if (error == OK) {
        error =
            scheduler_group_class_ref(core->scheduler, sweep->group, &sweep->spec.resources, &cls);
    }
    if (error != OK) {
        core_fail(core, error);
        return false;
    }
    waiting_move(core, &sweep->ticket.item, cls);
    for (uint32_t i = 0; i < work->n_tasks && work->n_active > 0; i++) {
        task_move(core, work->tasks[i], cls);
    }
    scheduler_class_unref(core->scheduler, work->cls);
    work->cls = cls;
    return true;
}

const struct request *core_work_request(const struct work *work)
{
    return work->sweep != NULL ? &work->sweep->spec.resources : &work->job->request;
}

const struct scheduler_group *core_work_group(const struct work *work)
{
    return work->sweep != NULL ? work->sweep->group : NULL;
}
