/* Nodes that a sweep gives nothing any more: the list in its record, and the same in its group of
 * the scheduler. */
#include <string.h>

#include "head/core/state.h"

struct set_aside *core_aside_find(const struct sweep *sweep, const char *node)
{
    for (uint32_t i = 0; i < sweep->r.n_set_aside; i++) {
        if (strcmp(sweep->r.set_aside[i].node, node) == 0) {
            return (struct set_aside *)(uintptr_t)&sweep->r.set_aside[i];
        }
    }
    return NULL;
}

static void aside_drop(struct sweep *sweep, struct set_aside *aside)
{
    struct set_aside *list = (struct set_aside *)(uintptr_t)sweep->r.set_aside;
    core_str_clear(&aside->node);
    core_str_clear(&aside->reason);
    *aside = list[--sweep->r.n_set_aside];
}

static struct set_aside *aside_add(struct core *core, struct sweep *sweep,
                                   const struct set_aside *from)
{
    struct set_aside *list = mem_realloc((void *)(uintptr_t)sweep->r.set_aside,
                                         (sweep->r.n_set_aside + 1) * sizeof *list);
    if (list == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return NULL;
    }
    sweep->r.set_aside = list;
    struct set_aside *aside = &list[sweep->r.n_set_aside++];
    *aside = *from;
    aside->node = aside->reason = NULL;
    core_str_set(core, &aside->node, from->node);
    core_str_set(core, &aside->reason, from->reason);
    if (core->out.failed != OK) {
        aside_drop(sweep, aside);
        return NULL;
    }
    return aside;
}

void core_asides_own(struct core *core, struct sweep *sweep, const struct record_sweep *record)
{
    sweep->r.set_aside = NULL;
    sweep->r.n_set_aside = 0;
    for (uint32_t i = 0; i < record->n_set_aside && core->out.failed == OK; i++) {
        aside_add(core, sweep, &record->set_aside[i]);
    }
}

void core_asides_free(struct sweep *sweep)
{
    while (sweep->r.n_set_aside > 0) {
        aside_drop(sweep, (struct set_aside *)(uintptr_t)&sweep->r.set_aside[0]);
    }
    mem_free((void *)(uintptr_t)sweep->r.set_aside);
    sweep->r.set_aside = NULL;
}

bool core_aside_is(const struct sweep *sweep, const char *node)
{
    return core_aside_find(sweep, node) != NULL;
}

bool core_aside_is_kept(const struct task *task)
{
    const struct set_aside *aside = task->node != NULL && task->work->sweep != NULL
                                        ? core_aside_find(task->work->sweep, task->node->r.name)
                                        : NULL;
    return aside == NULL || task->r.leased <= aside->time;
}

/* ---- the scheduler's side ---- */

static void aside_apply(struct core *core, struct sweep *sweep, const struct node *node, bool is_on)
{
    bool is_needed = is_on || sweep->group != NULL;
    if (node == NULL || node->handle == 0 || !is_needed || !core_sweep_group_need(core, sweep)) {
        return;
    }
    error_code error = scheduler_group_exclude(core->scheduler, sweep->group, node->handle, is_on);
    if (error != OK) {
        core_fail(core, error);
    }
}

void core_asides_apply(struct core *core, const struct node *node)
{
    list_each (&core->active_sweeps, struct sweep, active_link, sweep) {
        if (core_aside_is(sweep, node->r.name)) {
            aside_apply(core, sweep, node, true);
        }
    }
}

bool core_aside_add(struct core *core, struct sweep *sweep, const struct set_aside *from)
{
    struct set_aside *aside = aside_add(core, sweep, from);
    if (aside == NULL) {
        return false;
    }
    aside_apply(core, sweep, core_node_find(core, aside->node), true);
    core_sweep_dirty(core, sweep);
    return true;
}

void core_aside_end(struct core *core, struct sweep *sweep, struct set_aside *aside)
{
    struct node *node = core_node_find(core, aside->node);
    aside_apply(core, sweep, node, false);
    aside_drop(sweep, aside);
    core_sweep_dirty(core, sweep);
    core_sweep_due(core, sweep);
}
