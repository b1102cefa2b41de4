/* Logs of jobs that were removed. Soon after each welcome, and now and then, this node's folders
 * are looked through, and the core asks the head whose logs need not be kept; what the core says
 * then is removed. Both take the disk's time, and are done by a thread of libuv's, one at a time.
 */
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sys/log.h"
#include "worker/shell/shell.h"

enum {
    LOOK_AFTER_MS = 1000, /* a start has more urgent things to do */
    LOOK_AGAIN_MS = 3600 * 1000,
    LOOK_SPARED_MS = 60 * 1000, /* some of what was to go may have been in use */
    LOOK_JOBS_MAX = 1 << 16,    /* of one look; the next one goes on behind them */
    GONE_MAX = 4096,            /* ranges that wait; what is beyond is found by the next look */
    PATH_BYTES = FILES_PATH_MAX_BYTES + 300,
};

struct old_logs {
    struct worker *worker;
    time_ms look_at; /* INT64_MAX: no welcome came yet */
    struct array_range gone[GONE_MAX];
    uint32_t n_gone;
    /* of the work under way, whose thread has them */
    uv_work_t work;
    bool is_busy, is_look;
    atomic_bool must_stop;
    struct array_range removing[GONE_MAX]; /* in ascending order, apart from each other */
    uint32_t n_removing;
    uint32_t behind; /* a look is for numbers above this one */
    uint32_t *jobs;  /* [2 * LOOK_JOBS_MAX] */
    uint32_t n_jobs;
};

/* ---- entries ---- */

typedef void entry_fn(struct old_logs *logs, const char *path, uint32_t job);

/* Of logs/<job>.<index> and arrays/<job>; 0: another thing. */
static uint32_t entry_job(const char *name)
{
    char *end;
    errno = 0;
    unsigned long job = name[0] >= '1' && name[0] <= '9' ? strtoul(name, &end, 10) : 0;
    return job > 0 && errno == 0 && job <= UINT32_MAX && (*end == '\0' || *end == '.')
               ? (uint32_t)job
               : 0;
}

static void entries_each(struct old_logs *logs, const char *folder, entry_fn *entry)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/%s", logs->worker->node_dir, folder);
    DIR *dir = n > 0 && (size_t)n < sizeof path ? opendir(path) : NULL;
    const struct dirent *found;
    while (dir != NULL && !atomic_load(&logs->must_stop) && (found = readdir(dir)) != NULL) {
        uint32_t job = entry_job(found->d_name);
        int more = snprintf(path + n, sizeof path - (size_t)n, "/%s", found->d_name);
        if (job != 0 && more > 0 && (size_t)more < sizeof path - (size_t)n) {
            entry(logs, path, job);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

/* ---- looking ---- */

static int jobs_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The lowest ones, each once. */
static void jobs_tidy(struct old_logs *logs)
{
    uint32_t kept = 0;
    qsort(logs->jobs, logs->n_jobs, sizeof *logs->jobs, jobs_compare);
    for (uint32_t i = 0; i < logs->n_jobs && kept < LOOK_JOBS_MAX; i++) {
        if (kept == 0 || logs->jobs[kept - 1] != logs->jobs[i]) {
            logs->jobs[kept++] = logs->jobs[i];
        }
    }
    logs->n_jobs = kept;
}

static void entry_note(struct old_logs *logs, const char *path, uint32_t job)
{
    (void)path;
    bool is_same = logs->n_jobs > 0 && logs->jobs[logs->n_jobs - 1] == job;
    if (job <= logs->behind || is_same) {
        return;
    }
    if (logs->n_jobs == 2 * LOOK_JOBS_MAX) {
        jobs_tidy(logs);
    }
    logs->jobs[logs->n_jobs++] = job;
}

static void look(struct old_logs *logs)
{
    logs->n_jobs = 0;
    logs->jobs = mem_calloc(2 * (size_t)LOOK_JOBS_MAX, sizeof *logs->jobs);
    if (logs->jobs != NULL) {
        entries_each(logs, "logs", entry_note);
        entries_each(logs, "arrays", entry_note);
        jobs_tidy(logs);
    }
}

static void look_told(struct old_logs *logs)
{
    struct worker *worker = logs->worker;
    if (logs->jobs == NULL) {
        return; /* no memory for it now */
    }
    if (!worker->is_leaving) {
        on_logs_found(worker->agent, logs->jobs, logs->n_jobs, &worker->out);
    }
    logs->behind = logs->n_jobs == LOOK_JOBS_MAX ? logs->jobs[logs->n_jobs - 1] : 0;
    mem_free(logs->jobs);
    logs->jobs = NULL;
}

/* ---- removing ---- */

static int ranges_compare(const void *a, const void *b)
{
    const struct array_range *x = a, *y = b;
    return jobs_compare(&x->first, &y->first);
}

/* What waits becomes what is removed: sorted, and those that touch are one. */
static void removing_take(struct old_logs *logs)
{
    logs->n_removing = 0;
    qsort(logs->gone, logs->n_gone, sizeof *logs->gone, ranges_compare);
    for (uint32_t i = 0; i < logs->n_gone; i++) {
        const struct array_range *range = &logs->gone[i];
        struct array_range *last =
            logs->n_removing > 0 ? &logs->removing[logs->n_removing - 1] : NULL;
        if (last == NULL || range->first - last->first > last->count) {
            logs->removing[logs->n_removing++] = *range;
        } else if (range->first - last->first + range->count > last->count) {
            last->count = range->first - last->first + range->count;
        }
    }
    logs->n_gone = 0;
}

static int range_find(const void *key, const void *element)
{
    uint32_t job = *(const uint32_t *)key;
    const struct array_range *range = element;
    return job < range->first ? -1 : job - range->first < range->count ? 0 : 1;
}

static void entry_remove(struct old_logs *logs, const char *path, uint32_t job)
{
    struct report report = {0};
    if (bsearch(&job, logs->removing, logs->n_removing, sizeof logs->removing[0], range_find) ==
        NULL) {
        return;
    }
    if (dir_remove_tree(path, &report) != OK) {
        log_once("old-logs", LOG_LEVEL_WARNING,
                 "logs of a job that was removed stay here, and are tried again: %s", report.text);
    }
}

/* ---- one at a time ---- */

static void on_old_logs_work(uv_work_t *work)
{
    struct old_logs *logs = work->data;
    if (logs->is_look) {
        look(logs);
    } else {
        entries_each(logs, "logs", entry_remove);
        entries_each(logs, "arrays", entry_remove);
    }
}

static void on_old_logs_done(uv_work_t *work, int status)
{
    (void)status;
    struct old_logs *logs = work->data;
    logs->is_busy = false;
    if (logs->is_look) {
        look_told(logs);
    }
    loop_again(logs->worker->loop);
}

time_ms old_logs_turn(struct old_logs *logs, time_ms now)
{
    if (logs->is_busy) {
        return INT64_MAX;
    }
    logs->is_look = logs->n_gone == 0;
    if (logs->is_look && now < logs->look_at) {
        return logs->look_at;
    }
    if (logs->is_look) {
        logs->look_at = now + LOOK_AGAIN_MS;
    } else {
        removing_take(logs);
    }
    logs->work.data = logs;
    logs->is_busy = uv_queue_work(loop_uv(logs->worker->loop), &logs->work, on_old_logs_work,
                                  on_old_logs_done) == 0;
    return logs->is_busy ? INT64_MAX : logs->look_at;
}

void old_logs_welcomed(struct old_logs *logs, time_ms now)
{
    logs->look_at = now + LOOK_AFTER_MS;
}

void old_logs_told(struct old_logs *logs, time_ms now)
{
    time_ms at = now + LOOK_SPARED_MS;
    logs->look_at = at < logs->look_at ? at : logs->look_at;
}

void old_logs_drop(struct old_logs *logs, struct array_range jobs)
{
    if (logs->n_gone < GONE_MAX) {
        logs->gone[logs->n_gone++] = jobs;
    }
}

error_code old_logs_new(struct worker *worker, struct old_logs **ret_logs)
{
    struct old_logs *logs = mem_zalloc(sizeof *logs);
    if (logs == NULL) {
        return ERR_NO_MEMORY;
    }
    logs->worker = worker;
    logs->look_at = INT64_MAX;
    *ret_logs = logs;
    return OK;
}

void old_logs_free(struct old_logs *logs)
{
    if (logs == NULL) {
        return;
    }
    atomic_store(&logs->must_stop, true);
    while (logs->is_busy) {
        uv_run(loop_uv(logs->worker->loop), UV_RUN_ONCE);
    }
    mem_free(logs);
}
