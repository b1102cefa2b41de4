/* A paused sweep starts nothing: no new trial, no retry. What runs goes on. */
#include "head/core/state.h"

void core_sweep_pause(struct core *core, time_ms now, struct sweep *sweep, const char *reason)
{
    if (sweep->r.state != SWEEP_RUNNING) {
        return;
    }
    core_str_set(core, &sweep->r.error, reason);
    sweep->r.why = WHY_FAILURES;
    core_sweep_move(core, now, sweep, SWEEP_PAUSED);
}

void core_sweep_held(struct core *core, time_ms now, struct sweep *sweep)
{
    struct work *work = sweep->work;
    bool is_paused = sweep->r.state == SWEEP_PAUSED;
    for (uint32_t i = 0; i < work->n_tasks && work->n_active > 0; i++) {
        struct task *task = work->tasks[i];
        if (task->r.state != TASK_QUEUED) {
            continue;
        }
        if (is_paused) {
            list_remove(&task->backoff_link);
            scheduler_dequeue(core->scheduler, &task->waiting.item);
        } else {
            core_task_enqueue(core, now, task);
        }
    }
}

void core_sweep_resumed(struct core *core, struct sweep *sweep)
{
    core_str_clear(&sweep->r.error);
    sweep->r.why = WHY_NONE;
    core_sweep_forgive(core, sweep);
}
