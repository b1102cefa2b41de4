/* People change limits of a sweep that goes on. The tuner hears of it by an entry of the sweep's
 * log, in its order among all others, so that a log that is told again makes the same tuner; what
 * the rest of the head reads is the sweep's spec. What runs keeps what it was leased with. */
#include "head/core/state.h"

#include <string.h>

#include "spec/change.h"
#include "spec/sweep.h"

/* ---- the file with all settings ---- */

/* The sweep's settings, what was changed since, and `more`. NULL: no memory. */
static const char *const *settings_all(struct arena *arena, const struct record_sweep *r,
                                       const char *const *more, uint32_t n_more)
{
    const char **all = arena_calloc(arena, r->n_set + r->n_changed + n_more + 1, sizeof *all);
    uint32_t n = 0;
    for (uint32_t i = 0; all != NULL && i < r->n_set; i++) {
        all[n++] = r->set[i];
    }
    for (uint32_t i = 0; all != NULL && i < r->n_changed; i++) {
        all[n++] = r->changed[i];
    }
    for (uint32_t i = 0; all != NULL && i < n_more; i++) {
        all[n++] = more[i];
    }
    return all;
}

/* ret_spec lives in `arena`. */
static error_code changed_parse(const struct sweep *sweep, const char *const *more, uint32_t n_more,
                                struct arena *arena, struct sweep_spec *ret_spec,
                                struct report *report)
{
    const struct record_sweep *r = &sweep->r;
    const char *const *all = settings_all(arena, r, more, n_more);
    if (all == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    struct spec_set set = {all, r->n_set + r->n_changed + n_more, r->is_test, NULL};
    return spec_sweep_parse_set(r->file, strlen(r->file), r->file_name, &set, arena, ret_spec,
                                report);
}

error_code core_sweep_changed_take(struct core *core, struct sweep *sweep, struct report *report)
{
    struct arena arena;
    struct sweep_spec spec;
    (void)core;
    if (sweep->r.n_changed == 0) {
        return OK;
    }
    arena_init(&arena, SWEEP_ARENA_MAX);
    error_code error = changed_parse(sweep, NULL, 0, &arena, &spec, report);
    if (error == OK) {
        spec_change_take(&spec, sweep->r.changed, sweep->r.n_changed, &sweep->spec);
    }
    arena_fini(&arena);
    return error;
}

/* ---- what follows ---- */

/* At most one setting a key: the last one. */
static void changed_add(struct core *core, struct sweep *sweep, const char *const *settings,
                        uint32_t n)
{
    uint32_t n_kept = 0;
    const char **kept = mem_calloc(sweep->r.n_changed + n, sizeof *kept);
    const char *const *changed = NULL;
    uint32_t n_changed = 0;
    for (uint32_t i = 0; kept != NULL && i < sweep->r.n_changed + n; i++) {
        bool is_new = i >= sweep->r.n_changed;
        const char *text = is_new ? settings[i - sweep->r.n_changed] : sweep->r.changed[i];
        bool is_last = true;
        for (uint32_t k = is_new ? i - sweep->r.n_changed + 1 : 0; k < n; k++) {
            is_last = is_last && !spec_change_is_same(text, settings[k]);
        }
        if (is_last) {
            kept[n_kept++] = text;
        }
    }
    if (kept == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    core_strs_set(core, &changed, &n_changed, kept, n_kept);
    mem_free(kept);
    core_strs_clear(&sweep->r.changed, &sweep->r.n_changed);
    sweep->r.changed = changed;
    sweep->r.n_changed = n_changed;
}

static void priority_apply(struct core *core, struct sweep *sweep)
{
    struct work *work = sweep->work;
    scheduler_dequeue(core->scheduler, &sweep->ticket.item); /* comes back with the new one */
    for (uint32_t i = 0; i < work->n_tasks && work->n_active > 0; i++) {
        struct task *task = work->tasks[i];
        if (task->r.state == TASK_ENDED || task->r.priority == sweep->spec.priority) {
            continue;
        }
        task->r.priority = sweep->spec.priority;
        core_task_dirty(core, task);
        struct scheduler_item *item = &task->waiting.item;
        if (!list_is_empty(&item->link)) {
            error_code error =
                scheduler_enqueue(core->scheduler, item, work->cls, task->r.priority, item->age);
            if (error != OK) {
                core_fail(core, error);
            }
        }
    }
}

/* What runs outside of a group is not counted in it: a first bound holds for what starts from now
 * on. */
static void bounds_apply(struct core *core, struct sweep *sweep)
{
    struct scheduler_limits limits = {sweep->spec.per_node, sweep->spec.gpus_max};
    bool is_bound = limits.per_node > 0 || limits.gpus > 0;
    if ((is_bound || sweep->group != NULL) && core_sweep_group_need(core, sweep)) {
        error_code error = scheduler_group_limits_set(core->scheduler, sweep->group, &limits);
        if (error != OK) {
            core_fail(core, error);
        }
    }
}

static void tuner_tell(struct core *core, time_ms now, struct sweep *sweep,
                       const char *const *settings, uint32_t n)
{
    static const uint32_t bits[][2] = {
        {CHANGE_TRIALS, TUNE_SET_TRIALS},
        {CHANGE_FAILURES, TUNE_SET_FAILURES},
        {CHANGE_WALL, TUNE_SET_WALL},
        {CHANGE_CONCURRENCY, TUNE_SET_CONCURRENCY},
    };
    uint32_t changes = spec_change_bits(settings, n);
    struct tune_event event = {
        .kind = TUNE_EVENT_SET,
        .limits = {0, sweep->spec.stop.trials, sweep->spec.stop.failures, sweep->spec.concurrency,
                   sweep->spec.stop.wall_ms},
    };
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        event.limits.set |= (changes & bits[i][0]) != 0 ? bits[i][1] : 0;
    }
    core_sweep_log_set(core, now, sweep, &event, settings, n);
}

static error_code set_check(const struct core *core, const struct sweep *sweep,
                            const struct sweep_spec *spec, uint32_t changes, struct report *report)
{
    struct tune_counts counts;
    tune_counts_get(sweep->tuner, &counts);
    if ((changes & CHANGE_TRIALS) != 0 && spec->stop.trials != 0 &&
        spec->stop.trials < counts.asked) {
        return report_fail(report, ERR_CONFLICT,
                           "sweep %u has asked for %u trials already; 'muster sweep stop %u' lets "
                           "them finish and asks for no more",
                           sweep->r.number, counts.asked, sweep->r.number);
    }
    return core_leaving_check(core, report);
}

static error_code state_check(const struct sweep *sweep, struct report *report)
{
    bool is_open = (sweep->r.state == SWEEP_RUNNING || sweep->r.state == SWEEP_PAUSED) &&
                   tune_finishing(sweep->tuner) == TUNE_WHY_NONE;
    return is_open
               ? OK
               : report_fail(report, ERR_CONFLICT,
                             "sweep %u is %s: nothing of it can change; 'muster sweep resume %u "
                             "--trials +N' goes on with an ended one",
                             sweep->r.number, sweep_state_names[sweep->r.state], sweep->r.number);
}

static void set_take(struct core *core, time_ms now, struct sweep *sweep,
                     const struct sweep_spec *spec, const char *const *settings, uint32_t n)
{
    spec_change_take(spec, settings, n, &sweep->spec);
    changed_add(core, sweep, settings, n);
    tuner_tell(core, now, sweep, settings, n);
    priority_apply(core, sweep);
    bounds_apply(core, sweep);
    core_sweep_dirty(core, sweep);
    core_notice_sweep(core, now, sweep);
    core->tick_next = now; /* stop.wall may have come nearer */
    core_sweep_advance(core, now, sweep);
}

void on_sweep_set(struct core *core, time_ms now, uint64_t request, uint32_t number,
                  const char *const *settings, uint32_t n)
{
    struct work *work = core_work_find(core, number);
    if (work == NULL || work->sweep == NULL) {
        core_answer_no_sweep(core, request, number);
        return;
    }
    struct sweep *sweep = work->sweep;
    struct report report = {0};
    struct sweep_spec spec;
    struct arena arena;
    arena_init(&arena, SWEEP_ARENA_MAX);
    error_code error = state_check(sweep, &report);
    if (error == OK) {
        error = spec_change_check(settings, n, &report);
    }
    if (error == OK) {
        error = changed_parse(sweep, settings, n, &arena, &spec, &report);
    }
    if (error == OK) {
        error = set_check(core, sweep, &spec, spec_change_bits(settings, n), &report);
    }
    if (error == OK) {
        set_take(core, now, sweep, &spec, settings, n);
        core_answer_ok(core, request);
    } else {
        core_answer_error(core, request, http_status_of(error), &report);
    }
    arena_fini(&arena);
}
