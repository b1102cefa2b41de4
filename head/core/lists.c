/* The lists of sweeps, trials and tasks: what each can be selected and sorted by. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/core/job_views.h"

/* ---- works ---- */

static const char *work_name(const struct work *work)
{
    return work->sweep != NULL ? work->sweep->r.name : work->job->r.name;
}

static bool texts_have(const char *const *texts, uint32_t n, const char *text)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(texts[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool work_has_label(const struct work *work, const char *label)
{
    if (work->job != NULL) {
        return texts_have(work->job->r.labels, work->job->r.n_labels, label);
    }
    const struct sweep *sweep = work->sweep;
    return texts_have(sweep->r.labels, sweep->r.n_labels, label) ||
           texts_have(sweep->spec.labels, sweep->spec.n_labels, label);
}

bool core_work_fits(const struct work *work, const struct view_filter *filter)
{
    const char *owner = work->sweep != NULL ? work->sweep->r.owner : work->job->r.owner;
    return (filter->job == 0 || filter->job == work->number) &&
           listing_text_fits(filter->owner, owner) &&
           listing_text_fits(filter->name, work_name(work)) &&
           (filter->label == NULL || work_has_label(work, filter->label));
}

static int work_by_number(struct work *a, struct work *b)
{
    return a->number < b->number ? -1 : a->number > b->number;
}

/* ---- sweeps ---- */

static struct listing_value sweep_id(const void *object)
{
    return listing_number(object != NULL ? ((const struct sweep *)object)->r.number : 0);
}

static struct listing_value sweep_name(const void *object)
{
    return listing_text(object != NULL ? ((const struct sweep *)object)->r.name : NULL);
}

static struct listing_value sweep_state_word(const void *object)
{
    return listing_text(object != NULL ? sweep_state_names[((const struct sweep *)object)->r.state]
                                       : NULL);
}

static struct listing_value sweep_owner(const void *object)
{
    return listing_text(object != NULL ? ((const struct sweep *)object)->r.owner : NULL);
}

static struct listing_value sweep_created(const void *object)
{
    return listing_number(object != NULL ? listing_time(((const struct sweep *)object)->r.created)
                                         : 0);
}

static struct listing_value sweep_ended(const void *object)
{
    return listing_number(object != NULL ? listing_time(((const struct sweep *)object)->r.ended)
                                         : 0);
}

static struct listing_value sweep_best_value(const void *object)
{
    const struct sweep *sweep = object;
    double value = NAN;
    uint32_t trial;
    int64_t step;
    bool has = sweep != NULL && tune_best(sweep->tuner, &trial, &value, &step);
    return listing_number(has ? value : NAN);
}

static void sweep_id_print(const void *object, char *ret_id)
{
    snprintf(ret_id, LISTING_ID_MAX, "%u", ((const struct sweep *)object)->r.number);
}

static bool number_is_good(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n <= 10 && strspn(text, "0123456789") == n;
}

static int sweep_id_compare(const void *object, const char *id)
{
    uint64_t number = ((const struct sweep *)object)->r.number, other = strtoull(id, NULL, 10);
    return number < other ? -1 : number > other;
}

static void sweep_print(struct view *view, const void *object)
{
    struct api_sweep sweep;
    api_sweep_fill(view->core, object, view->now, &view->arena, &sweep);
    view_object(view, &api_sweep_schema, &sweep);
}

static const struct listing_column sweep_columns[] = {
    {"id", sweep_id},
    {"name", sweep_name},
    {"state", sweep_state_word},
    {"owner", sweep_owner},
    {"created", sweep_created},
    {"ended", sweep_ended},
    {"best_value", sweep_best_value},
    {NULL, NULL},
};

static const struct listing_kind sweep_kind = {
    .what = "sweeps",
    .columns = sweep_columns,
    .states = sweep_state_names,
    .n_states = sizeof sweep_state_names / sizeof sweep_state_names[0],
    .id_print = sweep_id_print,
    .id_is_good = number_is_good,
    .id_compare = sweep_id_compare,
    .print = sweep_print,
};

void view_sweeps(struct core *core, time_ms now, uint64_t request, const struct view_filter *filter)
{
    struct listing listing;
    if (!listing_begin(&listing, core, now, request, &sweep_kind, filter)) {
        return;
    }
    filter = listing.filter;
    HASH_SORT(core->works, work_by_number);
    for (struct work *work = core->works; work != NULL; work = work->hh.next) {
        struct sweep *sweep = work->sweep;
        if (sweep != NULL && core_work_fits(work, filter) && sweep->r.created >= filter->since &&
            listing_text_fits(filter->state, sweep_state_names[sweep->r.state])) {
            listing_offer(&listing, sweep);
        }
    }
    listing_end(&listing);
}

/* ---- trials and tasks ---- */

static struct listing_value task_id_value(const void *object)
{
    const struct task *task = object;
    return listing_number(task != NULL ? (double)task->r.id.job * (1 << 24) + task->r.id.index : 0);
}

static struct listing_value task_name(const void *object)
{
    const struct task *task = object;
    return listing_text(task != NULL ? work_name(task->work) : NULL);
}

static struct listing_value task_state_word(const void *object)
{
    return listing_text(object != NULL ? task_state_names[((const struct task *)object)->r.state]
                                       : NULL);
}

static struct listing_value task_outcome_word(const void *object)
{
    return listing_text(
        object != NULL ? task_outcome_names[((const struct task *)object)->r.outcome] : NULL);
}

static struct listing_value task_node(const void *object)
{
    return listing_text(object != NULL ? ((const struct task *)object)->r.node : NULL);
}

#define TASK_NUMBER(name_, expression)                                                             \
    static struct listing_value task_##name_(const void *object)                                   \
    {                                                                                              \
        const struct record_task *r = object != NULL ? &((const struct task *)object)->r : NULL;   \
        return listing_number(r != NULL ? (expression) : 0);                                       \
    }
TASK_NUMBER(created, listing_time(r->created))
TASK_NUMBER(started, listing_time(r->started))
TASK_NUMBER(ended, listing_time(r->ended))
TASK_NUMBER(step, (double)r->last_step)
TASK_NUMBER(best, r->has_best ? r->best_value : NAN)
TASK_NUMBER(summary, r->n_values > 0 && !r->is_nan_last ? r->summary : NAN)
TASK_NUMBER(attempts, r->n_attempts)
TASK_NUMBER(failures, r->failures)

static void task_id_text(const void *object, char *ret_id)
{
    char text[TASK_ID_TEXT_MAX];
    snprintf(ret_id, LISTING_ID_MAX, "%s",
             task_id_print(((const struct task *)object)->r.id, text));
}

static bool task_id_is_good(const char *text)
{
    task_id id;
    return strlen(text) < TASK_ID_TEXT_MAX && task_id_parse(text, &id) == OK;
}

static int task_id_compare(const void *object, const char *text)
{
    task_id own = ((const struct task *)object)->r.id, other = {0};
    ignore_error(task_id_parse(text, &other), "it was checked");
    if (own.job != other.job) {
        return own.job < other.job ? -1 : 1;
    }
    return own.index < other.index ? -1 : own.index > other.index;
}

static void task_print(struct view *view, const void *object)
{
    view_task_object(view, object);
}

static const struct listing_column trial_columns[] = {
    {"id", task_id_value},
    {"state", task_state_word},
    {"outcome", task_outcome_word},
    {"node", task_node},
    {"created", task_created},
    {"started", task_started},
    {"ended", task_ended},
    {"step", task_step},
    {"best", task_best},
    {"attempts", task_attempts},
    {"failures", task_failures},
    {"summary", task_summary},
    {NULL, NULL},
};

static const struct listing_column task_columns[] = {
    {"id", task_id_value},          {"name", task_name},   {"state", task_state_word},
    {"outcome", task_outcome_word}, {"node", task_node},   {"created", task_created},
    {"started", task_started},      {"ended", task_ended}, {"attempts", task_attempts},
    {"failures", task_failures},    {NULL, NULL},
};

#define TASK_KIND(what_, columns_)                                                                 \
    {                                                                                              \
        .what = (what_), .columns = (columns_), .states = task_state_names,                        \
        .n_states = sizeof task_state_names / sizeof task_state_names[0],                          \
        .outcomes = task_outcome_names,                                                            \
        .n_outcomes = sizeof task_outcome_names / sizeof task_outcome_names[0],                    \
        .id_print = task_id_text, .id_is_good = task_id_is_good, .id_compare = task_id_compare,    \
        .print = task_print,                                                                       \
    }
static const struct listing_kind trial_kind = TASK_KIND("trials", trial_columns);
static const struct listing_kind task_kind = TASK_KIND("tasks", task_columns);

static bool task_fits(const struct task *task, const struct view_filter *filter)
{
    const char *outcome = task_outcome_names[task->r.outcome];
    bool is_state = listing_text_fits(filter->state, task_state_names[task->r.state]) ||
                    (task->r.state == TASK_ENDED && listing_text_fits(filter->state, outcome));
    return is_state && listing_text_fits(filter->outcome, outcome) &&
           listing_text_fits(filter->node, task->r.node) && task->r.created >= filter->since;
}

void view_tasks(struct core *core, time_ms now, uint64_t request, const struct view_filter *filter)
{
    if (filter->job != 0) {
        struct work *only = core_work_find(core, filter->job);
        if (only == NULL || (only->sweep != NULL) != filter->is_trials) {
            filter->is_trials ? core_answer_no_sweep(core, request, filter->job)
                              : core_answer_no_job(core, request, filter->job);
            return;
        }
    }
    const struct work *of = filter->job != 0 ? core_work_find(core, filter->job) : NULL;
    if (of != NULL && of->job != NULL && of->job->r.array.step != 0) {
        core_array_list(core, now, request, &task_kind, &of->job->r, core_work_fits(of, filter),
                        filter);
        return;
    }
    struct listing listing;
    if (!listing_begin(&listing, core, now, request, filter->is_trials ? &trial_kind : &task_kind,
                       filter)) {
        return;
    }
    HASH_SORT(core->works, work_by_number);
    for (struct work *work = core->works; work != NULL; work = work->hh.next) {
        bool is_match = (work->sweep != NULL) == filter->is_trials &&
                        (work->job == NULL || work->job->r.array.step == 0) &&
                        core_work_fits(work, filter);
        for (uint32_t i = 0; is_match && i < work->n_tasks; i++) {
            if (task_fits(work->tasks[i], filter)) {
                listing_offer(&listing, work->tasks[i]);
            }
        }
    }
    listing_end(&listing);
}
