/* What a trial keeps beside the snapshot that it goes on from and its best one: those before, and
 * those next to the best (`checkpoints.keep`). Which stay is snapshot_policy.c's to say; here its
 * words are carried out. What goes is told to its node once the record without it is on disk. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/planted.h"
#include "head/core/state.h"

/* ---- the list ---- */

/* It made what it goes on from. */
static bool resumes_own(const struct record_task *r)
{
    return r->snapshot.ordinal != 0 && r->snapshot.owner == 0;
}

static struct kept_snapshot *kept_list(const struct task *task)
{
    return (struct kept_snapshot *)(uintptr_t)task->r.kept;
}

const struct kept_snapshot *core_kept_find(const struct task *task, uint32_t ordinal)
{
    for (uint32_t i = 0; i < task->r.n_kept; i++) {
        if (task->r.kept[i].snapshot.ordinal == ordinal) {
            return &task->r.kept[i];
        }
    }
    return NULL;
}

bool core_kept_names(const struct task *task, uint32_t ordinal, const char *node)
{
    const struct kept_snapshot *kept = core_kept_find(task, ordinal);
    return kept != NULL && !PLANTED(drop_kept) && core_text_equal(kept->node, node);
}

/* In the order in which they were made. */
static void kept_add(struct core *core, struct task *task, const struct kept_snapshot *from)
{
    uint32_t n = task->r.n_kept, at = n;
    if (n == KEPT_MAX || from->node == NULL) {
        return;
    }
    struct kept_snapshot *list = mem_realloc(kept_list(task), (n + 1) * sizeof *list);
    if (list == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    task->r.kept = list;
    while (at > 0 && list[at - 1].snapshot.ordinal > from->snapshot.ordinal) {
        at--;
    }
    memmove(list + at + 1, list + at, (n - at) * sizeof *list);
    list[at] = *from;
    list[at].node = NULL;
    list[at].snapshot.dir = NULL;
    task->r.n_kept++;
    core_str_set(core, &list[at].node, from->node);
    core_task_dirty(core, task);
}

void core_kept_remove(struct core *core, struct task *task, uint32_t ordinal)
{
    struct kept_snapshot *list = kept_list(task);
    uint32_t at = 0;
    while (at < task->r.n_kept && list[at].snapshot.ordinal != ordinal) {
        at++;
    }
    if (at == task->r.n_kept) {
        return;
    }
    const char *where = list[at].node;
    memmove(list + at, list + at + 1, (--task->r.n_kept - at) * sizeof *list);
    core_task_dirty(core, task);
    core_snapshot_drop(core, task, ordinal, where);
    core_str_clear(&where);
}

void core_kept_move(struct core *core, struct task *task, uint32_t ordinal, const char *to)
{
    struct kept_snapshot *list = kept_list(task);
    for (uint32_t i = 0; i < task->r.n_kept; i++) {
        if (list[i].snapshot.ordinal == ordinal) {
            const char *from = TAKE(list[i].node);
            core_str_set(core, &list[i].node, to);
            core_task_dirty(core, task);
            core_snapshot_drop(core, task, ordinal, from);
            core_str_clear(&from);
            return;
        }
    }
}

void core_kept_free(struct task *task)
{
    struct kept_snapshot *list = kept_list(task);
    for (uint32_t i = 0; i < task->r.n_kept; i++) {
        core_str_clear(&list[i].node);
    }
    mem_free(list);
    task->r.kept = NULL;
    task->r.n_kept = 0;
}

void core_kept_own(struct core *core, struct task *task, const struct record_task *record)
{
    task->r.kept = NULL;
    task->r.n_kept = 0;
    for (uint32_t i = 0; i < record->n_kept; i++) {
        const struct snapshot_ref *snapshot = &record->kept[i].snapshot;
        bool is_beside = snapshot->ordinal != record->best_snapshot.ordinal &&
                         (!resumes_own(record) || snapshot->ordinal != record->snapshot.ordinal);
        if (snapshot->ordinal != 0 && snapshot->owner == 0 && is_beside &&
            core_kept_find(task, snapshot->ordinal) == NULL) {
            kept_add(core, task, &record->kept[i]);
        }
    }
}

/* ---- values ---- */

static double resume_value(const struct record_task *r)
{
    return r->best_snapshot.ordinal == r->snapshot.ordinal ? r->best_snapshot_value
           : r->has_snapshot_value                         ? r->snapshot_value
                                                           : NAN;
}

static bool resume_value_take(const struct sweep *sweep, struct record_task *r, double value)
{
    bool is_maximize = sweep->spec.metric.goal == GOAL_MAXIMIZE;
    if (r->has_snapshot_value && !snapshot_value_is_better(is_maximize, value, r->snapshot_value)) {
        return false;
    }
    r->has_snapshot_value = true;
    r->snapshot_value = value;
    if (r->best_snapshot.ordinal == r->snapshot.ordinal &&
        snapshot_value_is_better(is_maximize, value, r->best_snapshot_value)) {
        r->best_snapshot_value = value;
    }
    return true;
}

/* A report of an older one's step may come after the next save, if its trainer is ahead of its
 * answers. A later attempt does that step with other weights. */
static bool kept_value_take(struct record_task *r, struct kept_snapshot *kept, int64_t step,
                            double value)
{
    bool is_its = !kept->has_value && kept->snapshot.step == step &&
                  kept->snapshot.attempt == r->attempt && kept->snapshot.lineage == r->lineage;
    if (is_its) {
        kept->has_value = true;
        kept->value = value;
    }
    return is_its;
}

void core_snapshot_judge(struct core *core, struct task *task, int64_t step, double value)
{
    struct record_task *r = &task->r;
    bool is_taken = false;
    if (isnan(value)) {
        return;
    }
    if (resumes_own(r) && r->snapshot.step == step) {
        is_taken = resume_value_take(task->work->sweep, r, value);
    }
    for (uint32_t i = 0; i < r->n_kept; i++) {
        is_taken |= kept_value_take(r, &kept_list(task)[i], step, value);
    }
    if (is_taken) {
        core_task_dirty(core, task);
        core_kept_settle(core, task);
    }
}

/* ---- the policy's words ---- */

uint32_t core_snapshot_rows(const struct task *task,
                            struct snapshot_row ret_rows[SNAPSHOT_ROWS_MAX], uint32_t *ret_best)
{
    const struct record_task *r = &task->r;
    const struct sweep_spec *spec = &task->work->sweep->spec;
    const struct snapshot_policy policy = {
        .last = spec->checkpoints.keep_last,
        .best = spec->checkpoints.keep_best,
        .is_maximize = spec->metric.goal == GOAL_MAXIMIZE,
        .is_resume_borrowed = r->snapshot.ordinal != 0 && r->snapshot.owner != 0,
    };
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n_kept; i++) {
        const struct kept_snapshot *kept = &r->kept[i];
        ret_rows[n++] = (struct snapshot_row){.ordinal = kept->snapshot.ordinal,
                                              .value = kept->has_value ? kept->value : NAN};
    }
    if (resumes_own(r)) {
        ret_rows[n++] = (struct snapshot_row){
            .ordinal = r->snapshot.ordinal, .value = resume_value(r), .is_resume = true};
    }
    if (r->best_snapshot.ordinal != 0 &&
        !(resumes_own(r) && r->best_snapshot.ordinal == r->snapshot.ordinal)) {
        ret_rows[n++] = (struct snapshot_row){.ordinal = r->best_snapshot.ordinal,
                                              .value = r->best_snapshot_value};
    }
    *ret_best = snapshot_policy_apply(&policy, ret_rows, n);
    return n;
}

/* The one that was the best joins the list, until it is known whether it stays. */
static void best_retire(struct core *core, struct task *task)
{
    const struct record_task *r = &task->r;
    const struct kept_snapshot best = {r->best_snapshot, r->best_node, true,
                                       r->best_snapshot_value};
    if (best.snapshot.ordinal != 0 &&
        !(resumes_own(r) && r->snapshot.ordinal == best.snapshot.ordinal)) {
        kept_add(core, task, &best);
    }
}

static void best_set(struct core *core, struct task *task, uint32_t ordinal)
{
    struct record_task *r = &task->r;
    bool is_resume = resumes_own(r) && r->snapshot.ordinal == ordinal;
    if (ordinal == 0 || ordinal == r->best_snapshot.ordinal) {
        return;
    }
    best_retire(core, task);
    const struct kept_snapshot *kept = is_resume ? NULL : core_kept_find(task, ordinal);
    if (!is_resume && kept == NULL) {
        return; /* without memory for it */
    }
    r->best_snapshot_value = is_resume ? r->snapshot_value : kept->value;
    core_snapshot_set(core, task, &r->best_snapshot, &r->best_node,
                      is_resume ? r->snapshot : kept->snapshot,
                      is_resume ? r->snapshot_node : kept->node);
    core_kept_remove(core, task, ordinal);
}

void core_kept_settle(struct core *core, struct task *task)
{
    struct snapshot_row rows[SNAPSHOT_ROWS_MAX];
    if (task->work->sweep == NULL) {
        return;
    }
    uint32_t best, n = core_snapshot_rows(task, rows, &best);
    best_set(core, task, best);
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i].stays == 0) {
            core_kept_remove(core, task, rows[i].ordinal);
        }
    }
}

void core_kept_retire(struct core *core, struct task *task)
{
    const struct record_task *r = &task->r;
    const struct kept_snapshot resume = {r->snapshot, r->snapshot_node, r->has_snapshot_value,
                                         r->snapshot_value};
    if (task->work->sweep != NULL && resumes_own(r) &&
        r->snapshot.ordinal != r->best_snapshot.ordinal) {
        kept_add(core, task, &resume);
    }
}

/* ---- what to go on from instead ---- */

void core_kept_resume(struct core *core, struct task *task, struct snapshot_ref to,
                      const char *where)
{
    struct record_task *r = &task->r;
    const struct kept_snapshot *kept = core_kept_find(task, to.ordinal);
    bool is_best = r->best_snapshot.ordinal == to.ordinal;
    bool has_value = is_best || (kept != NULL && kept->has_value);
    double value = is_best ? r->best_snapshot_value : has_value ? kept->value : 0;
    core_snapshot_set(core, task, &r->snapshot, &r->snapshot_node, to, where);
    r->has_snapshot_value = has_value;
    r->snapshot_value = value;
    core_kept_remove(core, task, to.ordinal);
}

struct fallback {
    struct core *core;
    uint64_t lineage;
    struct snapshot_ref found; /* ordinal 0: none */
    const char *where;         /* borrowed */
};

/* The newest one of the parameters that the trial has now, on a node that is there. */
static void fallback_offer(struct fallback *fallback, const struct snapshot_ref *snapshot,
                           const char *where)
{
    if (snapshot->ordinal > fallback->found.ordinal && snapshot->lineage == fallback->lineage &&
        core_snapshot_is_reached(fallback->core, where)) {
        fallback->found = *snapshot;
        fallback->where = where;
    }
}

struct snapshot_ref core_kept_newest(struct core *core, const struct task *task, uint64_t lineage,
                                     const char **ret_where)
{
    const struct record_task *r = &task->r;
    struct fallback fallback = {.core = core, .lineage = lineage};
    fallback_offer(&fallback, &r->best_snapshot, r->best_node);
    for (uint32_t i = 0; i < r->n_kept; i++) {
        fallback_offer(&fallback, &r->kept[i].snapshot, r->kept[i].node);
    }
    fallback_offer(&fallback, &r->safe_snapshot, r->safe_node);
    fallback_offer(&fallback, &r->own_snapshot, r->own_node);
    *ret_where = fallback.where;
    return fallback.found;
}

bool core_kept_fallback(struct core *core, struct task *task)
{
    const char *where;
    struct snapshot_ref found = core_kept_newest(core, task, task->r.lineage, &where);
    if (found.ordinal != 0) {
        core_kept_resume(core, task, found, where);
    }
    return found.ordinal != 0;
}

void core_kept_check(const struct task *task)
{
    const struct record_task *r = &task->r;
    for (uint32_t i = 0; i < r->n_kept; i++) {
        uint32_t ordinal = r->kept[i].snapshot.ordinal;
        assert(r->kept[i].node != NULL && r->kept[i].snapshot.owner == 0);
        assert(i == 0 || ordinal > r->kept[i - 1].snapshot.ordinal);
        assert(ordinal != r->best_snapshot.ordinal);
        assert(!resumes_own(r) || ordinal != r->snapshot.ordinal);
    }
}
