/* A configuration for the next trial, as a pair of events: asked for, and brought. The random
 * searcher answers in the same turn; a costly one will answer from a pool, on a view of its own.
 * One suggestion a sweep is kept ready, in memory only: it becomes durable as `asked`, in the batch
 * of its lease. */
#include <assert.h>
#include <string.h>

#include "head/core/state.h"

void core_suggest_ask(struct core *core, struct sweep *sweep)
{
    if (sweep->is_suggesting || sweep->ready != NULL) {
        return;
    }
    sweep->is_suggesting = true;
    list_remove(&sweep->due_link);
    list_push_back(&core->suggests, &sweep->due_link);
}

void on_suggested(struct core *core, time_ms now, uint32_t sweep_number, uint32_t trial,
                  const struct value *params, uint32_t n_params)
{
    (void)now;
    struct work *work = core_work_find(core, sweep_number);
    if (work == NULL || work->sweep == NULL) {
        return;
    }
    struct sweep *sweep = work->sweep;
    sweep->is_suggesting = false;
    list_remove(&sweep->due_link);
    core_sweep_due(core, sweep);
    if (sweep->ready != NULL || trial != tune_next_trial(sweep->tuner) ||
        n_params != sweep->spec.n_parameters) {
        return; /* It answers a question of before. */
    }
    sweep->ready = mem_calloc(n_params, sizeof *sweep->ready);
    if (sweep->ready == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    memcpy(sweep->ready, params, n_params * sizeof *params);
    sweep->ready_trial = trial;
}

void core_suggest_run(struct core *core, time_ms now)
{
    while (!list_is_empty(&core->suggests) && core->out.failed == OK) {
        struct sweep *sweep = list_first(&core->suggests, struct sweep, due_link);
        struct value params[SPEC_PARAMETERS_MAX];
        uint32_t trial = tune_next_trial(sweep->tuner);
        tune_suggest(sweep->tuner, trial, params);
        on_suggested(core, now, sweep->r.number, trial, params, sweep->spec.n_parameters);
    }
}
