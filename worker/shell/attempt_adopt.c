/* Checkpoints of programs that know nothing of muster: what appears under `checkpoints.adopt` is
 * copied, once it is whole, and committed as a snapshot of the last step that was reported. It is
 * whole when the next one appears, when it has not changed for two seconds, or when the program has
 * ended by itself. All looks at the disk and all copies are made in the pool, one at a time for an
 * attempt. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "work/tree.h"
#include "worker/shell/attempt.h"

enum {
    ADOPT_LOOK_MS = 500,
    ADOPT_STILL_MS = 2000,
    ADOPT_AGAIN_MS = 100,  /* at the end, while another snapshot is committed */
    ADOPT_TRIES_MAX = 100, /* then the program's last checkpoint is given up */
    ADOPT_COPY_BYTES = 64 << 10,
};

struct checkpoint {
    char path[ATTEMPT_PATH_MAX];
    uint64_t print; /* what it is now: names, sizes, times; 0: there is none */
    struct timespec changed;
};

struct attempt_adopt {
    char pattern[2 * ATTEMPT_PATH_MAX]; /* absolute */
    struct checkpoint newest;           /* at the last look */
    struct checkpoint adopted;
    time_ms still_since; /* `newest` is as it was then */
    time_ms look_at;
    bool is_busy;   /* a job is in the pool */
    bool is_ending; /* the process tree is empty */
    bool is_over;   /* and nothing more is to be adopted */
    bool was_ended_by_signal;
    uint32_t n_tries; /* at the end */
};

struct adopt_job {
    uv_work_t work;
    struct worker *worker;
    struct attempt_ref ref;
    bool is_copy;
    bool is_last; /* the process tree was empty before it began */
    char pattern[2 * ATTEMPT_PATH_MAX];
    struct checkpoint newest, before; /* found; or the one to copy */
    char to[ATTEMPT_PATH_MAX + 32];
    error_code error;
    struct report report;
};

/* ---- in the pool ---- */

static uint64_t file_print(const struct stat *about)
{
    uint64_t parts[] = {(uint64_t)about->st_ino, (uint64_t)about->st_size,
                        (uint64_t)about->st_mtim.tv_sec, (uint64_t)about->st_mtim.tv_nsec};
    uint64_t print = 0x9E3779B97F4A7C15U;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        print = (print ^ parts[i]) * 0x100000001B3U;
    }
    return print | 1;
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static void checkpoint_set(struct checkpoint *checkpoint, const char *path,
                           const struct stat *about)
{
    int n = snprintf(checkpoint->path, sizeof checkpoint->path, "%s", path);
    bool fits = n > 0 && (size_t)n < sizeof checkpoint->path;
    uint64_t print = S_ISDIR(about->st_mode) ? work_tree_fingerprint(path) : file_print(about);
    checkpoint->print = fits ? print : 0;
    checkpoint->changed = about->st_mtim;
}

/* The two that were changed last. Links (`latest`) are not followed. */
static void job_look(struct adopt_job *job)
{
    glob_t found = {0};
    struct timespec first = {0}, second = {0};
    struct stat about, best = {0}, next = {0};
    const char *newest = NULL, *before = NULL;
    if (glob(job->pattern, GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            const char *path = found.gl_pathv[i];
            if (lstat(path, &about) != 0 || !(S_ISDIR(about.st_mode) || S_ISREG(about.st_mode))) {
                continue;
            }
            if (newest == NULL || is_later(&about.st_mtim, &first)) {
                before = newest, second = first, next = best;
                newest = path, first = about.st_mtim, best = about;
            } else if (before == NULL || is_later(&about.st_mtim, &second)) {
                before = path, second = about.st_mtim, next = about;
            }
        }
    }
    if (newest != NULL) {
        checkpoint_set(&job->newest, newest, &best);
    }
    if (before != NULL) {
        checkpoint_set(&job->before, before, &next);
    }
    globfree(&found);
}

static error_code bytes_copy(int from, int to)
{
    static _Thread_local char block[ADOPT_COPY_BYTES];
    ssize_t n;
    while ((n = read(from, block, sizeof block)) > 0) {
        for (ssize_t done = 0, more; done < n; done += more) {
            more = write(to, block + done, (size_t)(n - done));
            if (more < 0) {
                return error_from_errno(errno);
            }
        }
    }
    return n < 0 ? error_from_errno(errno) : OK;
}

static error_code file_copy(const char *from, const char *folder, struct report *report)
{
    char to[ATTEMPT_PATH_MAX + 32 + NAME_MAX];
    int n = snprintf(to, sizeof to, "%s%s", folder, strrchr(from, '/'));
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int out = in >= 0 && n > 0 && (size_t)n < sizeof to
                  ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                  : -1;
    error_code error = out < 0 ? error_from_errno(errno) : bytes_copy(in, out);
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    return error == OK ? OK : report_fail(report, error, "%s", error_word(error));
}

static void job_copy(struct adopt_job *job)
{
    struct stat about;
    const char *from = job->newest.path;
    if (lstat(from, &about) != 0 || mkdir(job->to, 0700) != 0) {
        job->error = report_fail(&job->report, error_from_errno(errno), "%s", strerror(errno));
        return;
    }
    /* Copied, never linked: the program may write into it again. */
    job->error = S_ISDIR(about.st_mode) ? work_tree_copy(from, job->to, UINT64_MAX, &job->report)
                                        : file_copy(from, job->to, &job->report);
    uint64_t print = S_ISDIR(about.st_mode)     ? work_tree_fingerprint(from)
                     : lstat(from, &about) == 0 ? file_print(&about)
                                                : 0;
    if (job->error == OK && print != job->newest.print) {
        job->error = report_fail(&job->report, ERR_AGAIN, "it was changed while it was copied");
    }
}

static void on_job(uv_work_t *work)
{
    struct adopt_job *job = work->data;
    if (job->is_copy) {
        job_copy(job);
    } else {
        job_look(job);
    }
}

/* ---- on the loop ---- */

static void on_job_done(uv_work_t *work, int status);

static void job_start(struct attempt_run *run, const struct checkpoint *copied)
{
    struct attempt_adopt *adopt = run->adopt;
    struct adopt_job *job = mem_zalloc(sizeof *job);
    if (job == NULL) {
        run->worker->out.failed = ERR_NO_MEMORY;
        return;
    }
    job->work.data = job;
    job->worker = run->worker;
    job->ref = run->ref;
    job->is_last = adopt->is_ending;
    memcpy(job->pattern, adopt->pattern, sizeof job->pattern);
    if (copied != NULL) {
        job->is_copy = true;
        job->newest = *copied;
        ignore_error(
            snprintf(job->to, sizeof job->to, "%s/save/%u", run->dir, (unsigned)++run->n_saves) < 0,
            "it fits");
    }
    adopt->is_busy =
        uv_queue_work(loop_uv(run->worker->loop), &job->work, on_job, on_job_done) == 0;
    if (!adopt->is_busy) {
        run->worker->out.failed = ERR_NO_MEMORY;
        mem_free(job);
    }
}

static void adopt_over(struct attempt_run *run)
{
    run->adopt->is_over = true;
    attempt_tree_gone(run);
}

static void look_later(struct attempt_run *run, int64_t wait_ms)
{
    struct worker *worker = run->worker;
    run->adopt->look_at = clock_now() + wait_ms;
    if (run->adopt->look_at < worker->adopt_at) {
        worker->adopt_at = run->adopt->look_at;
    }
    loop_again(worker->loop);
}

static bool is_same(const struct checkpoint *a, const struct checkpoint *b)
{
    return a->print == b->print && strcmp(a->path, b->path) == 0;
}

/* Which one is whole and not adopted yet; NULL: none. */
static const struct checkpoint *checkpoint_whole(struct attempt_adopt *adopt,
                                                 const struct adopt_job *job, time_ms now)
{
    const struct checkpoint *newest = &job->newest;
    if (!is_same(newest, &adopt->newest)) {
        adopt->newest = *newest;
        adopt->still_since = now;
    }
    bool is_still = now - adopt->still_since >= ADOPT_STILL_MS;
    bool is_whole = is_still || (job->is_last && !adopt->was_ended_by_signal);
    if (newest->print != 0 && is_whole) {
        return is_same(newest, &adopt->adopted) ? NULL : newest;
    }
    /* The one before the newest is whole; but what was adopted is not followed by an older one. */
    bool is_new =
        job->before.print != 0 && !is_same(&job->before, &adopt->adopted) &&
        (adopt->adopted.print == 0 || is_later(&job->before.changed, &adopt->adopted.changed));
    return is_new ? &job->before : NULL;
}

static void on_looked(struct attempt_run *run, const struct adopt_job *job)
{
    const struct checkpoint *whole = checkpoint_whole(run->adopt, job, clock_now());
    if (run->adopt->is_ending && !job->is_last) {
        job_start(run, NULL); /* what it wrote at its very end */
    } else if (whole != NULL) {
        job_start(run, whole);
    } else if (run->adopt->is_ending) {
        adopt_over(run);
    }
}

static void on_copied(struct attempt_run *run, const struct adopt_job *job)
{
    struct worker *worker = run->worker;
    struct attempt_adopt *adopt = run->adopt;
    if (job->error == OK &&
        on_checkpoint_copied(worker->agent, clock_now(), run->ref, &worker->out)) {
        memcpy(run->save_dir, job->to, sizeof run->save_dir);
        adopt->adopted = job->newest;
        loop_again(worker->loop);
        if (adopt->is_ending) {
            if (job->is_last) {
                adopt_over(run);
            } else {
                job_start(run, NULL);
            }
        }
        return;
    }
    if (job->error != OK && job->error != ERR_AGAIN) {
        log_once("adopt", LOG_LEVEL_WARNING, "a checkpoint of a trial cannot be copied: %s",
                 job->report.text);
    }
    snapshots_remove_folder(worker->snapshots, job->to);
    if (adopt->is_ending && ++adopt->n_tries >= ADOPT_TRIES_MAX) {
        adopt_over(run);
    } else if (adopt->is_ending) {
        look_later(run, ADOPT_AGAIN_MS);
    }
}

static void on_job_done(uv_work_t *work, int status)
{
    struct adopt_job *job = work->data;
    struct attempt_run *run = attempt_run_find(job->worker, job->ref);
    (void)status;
    if (run != NULL && run->adopt != NULL && !job->worker->is_leaving) {
        run->adopt->is_busy = false;
        if (job->is_copy) {
            on_copied(run, job);
        } else {
            on_looked(run, job);
        }
    }
    mem_free(job);
}

time_ms attempts_adopt_turn(struct worker *worker, time_ms now)
{
    struct attempt_run *run, *other;
    if (now < worker->adopt_at) {
        return worker->adopt_at;
    }
    worker->adopt_at = INT64_MAX;
    HASH_ITER (hh, worker->runs, run, other) {
        struct attempt_adopt *adopt = run->adopt;
        if (adopt == NULL || adopt->is_over) {
            continue;
        }
        if (now >= adopt->look_at) {
            adopt->look_at = now + ADOPT_LOOK_MS;
            if (!adopt->is_busy && (run->state == RUN_ALIVE || adopt->is_ending)) {
                job_start(run, NULL);
            }
        }
        worker->adopt_at = adopt->look_at < worker->adopt_at ? adopt->look_at : worker->adopt_at;
    }
    return worker->adopt_at;
}

bool attempt_adopt_last(struct attempt_run *run)
{
    struct attempt_adopt *adopt = run->adopt;
    siginfo_t end = {0};
    if (adopt == NULL || adopt->is_over) {
        return false;
    }
    if (!adopt->is_ending) {
        adopt->is_ending = true;
        adopt->was_ended_by_signal =
            waitid(P_PID, (id_t)run->pid, &end, WEXITED | WNOWAIT | WNOHANG) != 0 ||
            end.si_code != CLD_EXITED;
        attempt_lines_flush(run); /* its step is the last one that was reported */
        if (!adopt->is_busy) {
            job_start(run, NULL);
        }
    }
    return true;
}

/* ---- the beginning and the end ---- */

void attempt_adopt_release(struct attempt_run *run)
{
    mem_free(run->adopt);
    run->adopt = NULL;
}

error_code attempt_adopt_prepare(struct attempt_run *run, struct report *report)
{
    const char *pattern = run->lease->adopt;
    if (!run->lease->is_trial || pattern == NULL || pattern[0] == '\0') {
        return OK;
    }
    run->adopt = mem_zalloc(sizeof *run->adopt);
    if (run->adopt == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory to look after its checkpoints");
    }
    int n =
        snprintf(run->adopt->pattern, sizeof run->adopt->pattern, "%s/%s", run->trial_dir, pattern);
    if (n < 0 || (size_t)n >= sizeof run->adopt->pattern) {
        attempt_adopt_release(run);
        return report_fail(report, ERR_LIMIT, "`checkpoints.adopt` is too long a path");
    }
    look_later(run, ADOPT_LOOK_MS);
    return OK;
}
