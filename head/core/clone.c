/* A new sweep from an old one: the same file, settings, folder and labels under a number of its
 * own. */
#include <string.h>

#include "head/core/state.h"

static const char *const *clone_sets(struct arena *arena, const struct record_sweep *old,
                                     const struct sweep_clone *clone)
{
    uint32_t n_old = old->n_set + old->n_changed, n = n_old + clone->n_set;
    const char **sets = arena_calloc(arena, n > 0 ? n : 1, sizeof *sets);
    for (uint32_t i = 0; sets != NULL && i < n; i++) {
        sets[i] = i < old->n_set ? old->set[i]
                  : i < n_old    ? old->changed[i - old->n_set]
                                 : clone->set[i - n_old];
    }
    return sets;
}

void on_sweep_clone(struct core *core, time_ms now, uint64_t request, uint32_t number,
                    const struct sweep_clone *clone)
{
    struct work *work = core_work_find(core, number);
    if (work == NULL || work->sweep == NULL) {
        core_answer_no_sweep(core, request, number);
        return;
    }
    const struct record_sweep *old = &work->sweep->r;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const char *const *sets = clone_sets(&arena, old, clone);
    if (sets == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        arena_fini(&arena);
        return;
    }
    struct submit_sweep submit = {
        .file = old->file,
        .file_name = old->file_name,
        .workdir = old->workdir,
        .owner = clone->owner != NULL ? clone->owner : old->owner,
        .argv = old->argv,
        .n_argv = old->n_argv,
        .git = old->git,
        .key = clone->key,
        .file_hash = old->file_hash,
        .name = clone->name != NULL ? clone->name : old->name,
        .set = sets,
        .n_set = old->n_set + old->n_changed + clone->n_set,
        .labels = old->labels,
        .n_labels = old->n_labels,
        .is_test = old->is_test,
        .cloned_from = number,
        .work = old->work,
        .work_bytes = old->work_bytes,
    };
    on_sweep_submit(core, now, request, &submit);
    arena_fini(&arena);
}
