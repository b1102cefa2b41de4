/* Jobs as people see them: a command, or a task array in figures. */
#include "head/core/job_views.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/core/array_view.h"
#include "spec/array_text.h"

static const char *job_command(const struct record_job *job, struct arena *arena)
{
    struct buf words;
    buf_init(&words, 4096);
    for (uint32_t i = 0; i < job->n_words; i++) {
        ignore_error(buf_printf(&words, "%s%s", i > 0 ? " " : "", job->words[i]), "cut at 4 KiB");
    }
    const char *command =
        arena_strndup(arena, words.data != NULL ? (const char *)words.data : "", words.len);
    buf_fini(&words);
    return command;
}

void api_task_of_job(const struct record_job *job, struct arena *arena, struct api_task *ret)
{
    *ret = (struct api_task){
        .created = job->created,
        .command = job_command(job, arena),
        .name = job->name,
        .owner = job->owner,
        .labels = job->labels,
        .n_labels = job->n_labels,
        .priority = job->priority,
        .work = job->work,
        .work_bytes = job->work_bytes,
        .duration = NAN,
    };
}

void api_task_log_files(const struct core *core, const struct record_job *job, uint32_t attempt,
                        const char *node, struct arena *arena, struct api_task *ret)
{
    enum { STREAMS = 2 };
    const struct node *at = job->log_files && node != NULL
                                ? core_node_find((struct core *)(uintptr_t)core, node)
                                : NULL;
    const char **paths =
        at != NULL && at->r.state_dir != NULL ? arena_calloc(arena, STREAMS, sizeof *paths) : NULL;
    for (uint32_t i = 0; paths != NULL && i < STREAMS; i++) {
        char name[ARRAY_LOG_TEXT_MAX];
        paths[i] = arena_printf(arena, "%s/%s", at->r.state_dir,
                                spec_array_log_print(ret->id, attempt, i, name));
    }
    bool has_both = paths != NULL && paths[0] != NULL && paths[1] != NULL;
    ret->log_files = has_both ? paths : NULL;
    ret->n_log_files = has_both ? STREAMS : 0;
}

/* ---- one job ---- */

/* What was measured long ago is no rate any more; of an ended one it is that of its whole life. */
static double job_rate(const struct record_job *job, const struct array_counts *counts, time_ms now)
{
    enum { RATE_OLD_MS = 10000 };
    if (job->ended != 0) {
        uint32_t n = counts->done + counts->failed;
        return job->ended > job->created ? n * 1000.0 / (double)(job->ended - job->created) : NAN;
    }
    return counts->rate > 0 && now - counts->rate_at < RATE_OLD_MS ? counts->rate : NAN;
}

static void job_array_fill(const struct core *core, time_ms now, const struct record_job *job,
                           struct arena *arena, struct api_job *ret)
{
    struct array_counts counts = {0};
    char ids[ARRAY_TEXT_MAX];
    (void)core_array_counts(core, job->number, &counts);
    ret->ids = arena_printf(arena, "%s", spec_array_print(job->array, ids));
    ret->total = counts.total;
    ret->queued = counts.queued;
    ret->leased = counts.leased;
    ret->running = counts.running + counts.stopping;
    ret->done = counts.done;
    ret->failed = counts.failed;
    ret->cancelled = counts.cancelled;
    ret->rate = job_rate(job, &counts, now);
    ret->duration = counts.mean_us > 0 ? (double)counts.mean_us / 1e6 : NAN;
    bool is_at_work = counts.leased + counts.running + counts.stopping > 0;
    if (job->ended != 0) {
        ret->state = TASK_ENDED;
        ret->outcome = job->why == WHY_CANCEL                    ? OUTCOME_CANCELLED
                       : counts.failed > 0 || ret->error != NULL ? OUTCOME_FAILED
                       : counts.cancelled > 0                    ? OUTCOME_CANCELLED
                                                                 : OUTCOME_DONE;
    } else {
        ret->state = job->told_at != 0 ? TASK_STOPPING : is_at_work ? TASK_RUNNING : TASK_QUEUED;
    }
}

static void job_task_fill(const struct task *task, struct api_job *ret)
{
    ret->total = 1;
    ret->state = task->r.state;
    ret->outcome = task->r.outcome;
    ret->why = task->r.why;
    ret->queued = task->r.state == TASK_QUEUED || task->r.state == TASK_WAITING;
    ret->leased = task->r.state == TASK_LEASED;
    ret->running = task->r.state == TASK_RUNNING || task->r.state == TASK_STOPPING;
    ret->done = task->r.outcome == OUTCOME_DONE;
    ret->failed = task->r.outcome == OUTCOME_FAILED || task->r.outcome == OUTCOME_INVALID;
    ret->cancelled = task->r.outcome == OUTCOME_CANCELLED || task->r.outcome == OUTCOME_STOPPED;
    ret->nodes = task->r.node != NULL && task->r.node[0] != '\0';
}

void api_job_fill(const struct core *core, time_ms now, const struct work *work,
                  struct arena *arena, struct api_job *ret)
{
    const struct record_job *job = &work->job->r;
    *ret = (struct api_job){
        .id = job->number,
        .name = job->name,
        .why = job->why,
        .error = job->error != NULL && job->error[0] != '\0' ? job->error : NULL,
        .ids = "",
        .rate = NAN,
        .duration = NAN,
        .command = job_command(job, arena),
        .owner = job->owner,
        .labels = job->labels,
        .n_labels = job->n_labels,
        .priority = job->priority,
        .retries = job->retries_max,
        .max_fails = job->max_fails,
        .nodes = job->n_nodes,
        .created = job->created,
        .ended = job->ended,
        .work = job->work,
        .work_bytes = job->work_bytes,
        .items = job->items,
        .items_bytes = job->items_bytes,
        .dry = job->has_dry,
        .log_files = job->log_files,
    };
    if (job->array.step != 0) {
        job_array_fill(core, now, job, arena, ret);
    } else if (work->n_tasks > 0) {
        job_task_fill(work->tasks[0], ret);
    }
}

void view_job(struct core *core, time_ms now, uint64_t request, uint32_t number)
{
    const struct work *work = core_work_find(core, number);
    struct view view;
    struct api_job object;
    if (work == NULL || work->job == NULL) {
        core_answer_no_job(core, request, number);
        return;
    }
    view_begin(&view, core, request);
    api_job_fill(core, now, work, &view.arena, &object);
    view_object(&view, &api_job_schema, &object);
    view_end(&view);
}

/* ---- the list ---- */

static const struct record_job *record_of(const void *object)
{
    return object != NULL ? &((const struct work *)object)->job->r : NULL;
}

static struct listing_value job_id(const void *object)
{
    return listing_number(object != NULL ? record_of(object)->number : 0);
}

static struct listing_value job_name(const void *object)
{
    return listing_text(object != NULL ? record_of(object)->name : NULL);
}

static struct listing_value job_owner(const void *object)
{
    return listing_text(object != NULL ? record_of(object)->owner : NULL);
}

static struct listing_value job_created(const void *object)
{
    return listing_number(object != NULL ? listing_time(record_of(object)->created) : 0);
}

static struct listing_value job_ended(const void *object)
{
    return listing_number(object != NULL ? listing_time(record_of(object)->ended) : 0);
}

static const struct listing_column job_columns[] = {
    {"id", job_id},           {"name", job_name},   {"owner", job_owner},
    {"created", job_created}, {"ended", job_ended}, {NULL, NULL},
};

static void job_id_print(const void *object, char *ret_id)
{
    snprintf(ret_id, LISTING_ID_MAX, "%u", record_of(object)->number);
}

static bool job_id_is_good(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n <= 10 && strspn(text, "0123456789") == n;
}

static int job_id_compare(const void *object, const char *id)
{
    uint64_t number = record_of(object)->number, other = strtoull(id, NULL, 10);
    return number < other ? -1 : number > other;
}

static void job_print(struct view *view, const void *object)
{
    struct api_job job;
    api_job_fill(view->core, view->now, object, &view->arena, &job);
    view_object(view, &api_job_schema, &job);
}

static const struct listing_kind job_kind = {
    .what = "jobs",
    .columns = job_columns,
    .states = task_state_names,
    .n_states = sizeof task_state_names / sizeof task_state_names[0],
    .outcomes = task_outcome_names,
    .n_outcomes = sizeof task_outcome_names / sizeof task_outcome_names[0],
    .id_print = job_id_print,
    .id_is_good = job_id_is_good,
    .id_compare = job_id_compare,
    .print = job_print,
};

static bool job_fits(struct core *core, time_ms now, const struct work *work,
                     const struct view_filter *filter, struct arena *arena)
{
    struct api_job job;
    if ((filter->is_arrays && work->job->r.array.step == 0) ||
        work->job->r.created < filter->since || !core_work_fits(work, filter)) {
        return false;
    }
    if (filter->state == NULL && filter->outcome == NULL) {
        return true;
    }
    api_job_fill(core, now, work, arena, &job);
    arena_reset(arena);
    const char *outcome = task_outcome_names[job.outcome];
    bool is_state = listing_text_fits(filter->state, task_state_names[job.state]) ||
                    (job.state == TASK_ENDED && listing_text_fits(filter->state, outcome));
    return is_state && listing_text_fits(filter->outcome, outcome);
}

static int work_by_number(struct work *a, struct work *b)
{
    return a->number < b->number ? -1 : a->number > b->number;
}

void view_jobs(struct core *core, time_ms now, uint64_t request, const struct view_filter *filter)
{
    struct listing listing;
    struct arena arena;
    if (!listing_begin(&listing, core, now, request, &job_kind, filter)) {
        return;
    }
    arena_init(&arena, VIEW_ARENA_MAX);
    HASH_SORT(core->works, work_by_number);
    for (struct work *work = core->works; work != NULL; work = work->hh.next) {
        if (work->job != NULL && job_fits(core, now, work, listing.filter, &arena)) {
            listing_offer(&listing, work);
        }
    }
    arena_fini(&arena);
    listing_end(&listing);
}
