/* What an attempt writes for TensorBoard, read as reports: its folder is looked through twice a
 * second, in the pool, and once more after its end. */
#include <string.h>

#include "base/mem.h"
#include "lines/reports.h"
#include "spec/types.h"
#include "sys/clock.h"
#include "worker/shell/attempt.h"
#include "worker/shell/event_files.h"

enum { EVENTS_LOOK_MS = 500 };

struct attempt_events {
    struct event_files *files; /* the job's while one is in the pool */
    time_ms look_at;
    bool is_busy;
    bool is_ending; /* the process tree is empty */
    bool is_over;   /* and everything was read */
};

struct events_job {
    uv_work_t work;
    struct worker *worker;
    struct attempt_ref ref;
    struct event_files *files;
    bool is_last;
    const struct event_report *reports;
    uint32_t n_reports;
    error_code error;
};

static void on_job(uv_work_t *work)
{
    struct events_job *job = work->data;
    job->error = event_files_look(job->files, job->is_last, &job->reports, &job->n_reports);
}

static void on_job_done(uv_work_t *work, int status);

static void job_start(struct attempt_run *run)
{
    struct events_job *job = mem_zalloc(sizeof *job);
    struct attempt_events *events = run->events;
    if (job != NULL) {
        *job = (struct events_job){.work = {.data = job},
                                   .worker = run->worker,
                                   .ref = run->ref,
                                   .files = events->files,
                                   .is_last = events->is_ending};
        events->is_busy =
            uv_queue_work(loop_uv(run->worker->loop), &job->work, on_job, on_job_done) == 0;
    }
    if (!events->is_busy) {
        run->worker->out.failed = ERR_NO_MEMORY;
        mem_free(job);
    }
}

static void on_looked(struct attempt_run *run, const struct events_job *job)
{
    struct worker *worker = run->worker;
    for (uint32_t i = 0; i < job->n_reports; i++) {
        on_line_report(worker->agent, clock_now(), run->ref, REPORT_FROM_TENSORBOARD,
                       (double)job->reports[i].step, job->reports[i].value, &worker->out);
    }
    worker->out.failed = job->error != OK ? job->error : worker->out.failed;
    loop_again(worker->loop);
    if (run->events->is_ending && !job->is_last) {
        job_start(run); /* what it wrote at its very end */
    } else if (run->events->is_ending) {
        run->events->is_over = true;
        attempt_tree_gone(run);
    }
}

static void on_job_done(uv_work_t *work, int status)
{
    struct events_job *job = work->data;
    struct attempt_run *run = attempt_run_find(job->worker, job->ref);
    (void)status;
    if (run == NULL || run->events == NULL || run->events->files != job->files) {
        event_files_free(job->files); /* it was let go meanwhile */
    } else {
        run->events->is_busy = false;
        if (!job->worker->is_leaving) {
            on_looked(run, job);
        }
    }
    mem_free(job);
}

time_ms attempts_events_turn(struct worker *worker, time_ms now)
{
    struct attempt_run *run, *next;
    if (now < worker->events_at) {
        return worker->events_at;
    }
    worker->events_at = INT64_MAX;
    HASH_ITER (hh, worker->runs, run, next) {
        struct attempt_events *events = run->events;
        if (events == NULL || events->is_ending) {
            continue;
        }
        if (now >= events->look_at) {
            events->look_at = now + EVENTS_LOOK_MS;
            if (!events->is_busy && run->state == RUN_ALIVE) {
                job_start(run);
            }
        }
        worker->events_at =
            events->look_at < worker->events_at ? events->look_at : worker->events_at;
    }
    return worker->events_at;
}

bool attempt_events_last(struct attempt_run *run)
{
    struct attempt_events *events = run->events;
    if (events == NULL || events->is_over) {
        return false;
    }
    if (!events->is_ending) {
        events->is_ending = true;
        if (!events->is_busy) {
            job_start(run);
        }
    }
    return true;
}

void attempt_events_names(struct attempt_run *run, const char **names, uint32_t *n_names)
{
    const char *const *tags;
    uint32_t n = run->events != NULL && !run->events->is_busy
                     ? event_files_names(run->events->files, &tags)
                     : 0;
    for (uint32_t i = 0; i < n && *n_names < LINE_NAMES_MAX; i++) {
        names[(*n_names)++] = tags[i];
    }
}

void attempt_events_release(struct attempt_run *run)
{
    if (run->events != NULL && !run->events->is_busy) {
        event_files_free(run->events->files);
    }
    mem_free(run->events);
    run->events = NULL;
}

error_code attempt_events_prepare(struct attempt_run *run, struct report *report)
{
    const struct msg_lease *lease = run->lease;
    if (!lease->is_trial || lease->metric == NULL ||
        (lease->report_from & REPORT_FROM_TENSORBOARD) == 0) {
        return OK;
    }
    run->events = mem_zalloc(sizeof *run->events);
    if (run->events == NULL ||
        event_files_new(run->trial_dir, lease->metric, &run->events->files) != OK) {
        mem_free(run->events);
        run->events = NULL;
        return report_fail(report, ERR_NO_MEMORY, "no memory to read its event files");
    }
    run->events->look_at = clock_now() + EVENTS_LOOK_MS;
    if (run->events->look_at < run->worker->events_at) {
        run->worker->events_at = run->events->look_at;
    }
    loop_again(run->worker->loop);
    return OK;
}
