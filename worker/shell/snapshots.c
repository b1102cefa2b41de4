#include "worker/shell/snapshots.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/failpoints.h"
#include "sys/files.h"
#include "sys/log.h"
#include "worker/shell/manifest.h"

struct snapshots {
    struct loop *loop;
    struct proofs *proofs;
    uint32_t n_jobs;
    uint64_t n_dropped;
    char folder[FILES_PATH_MAX_BYTES];
};

/* A dropped one's name, beside where it lay, until the pool has removed it. */
static const char dropped_prefix[] = "dropped-";

/* ---- jobs in the pool ---- */

struct job;
typedef void job_fn(struct job *job);

struct job {
    uv_work_t work;
    struct snapshots *snapshots;
    job_fn *run;  /* in the pool */
    job_fn *tell; /* on the loop; NULL: nobody waits */
    char folder[FILES_PATH_MAX_BYTES];
    char target[FILES_PATH_MAX_BYTES]; /* of a commit */
    struct snapshot_commit commit;
    struct manifest manifest;
    struct attempt_ref ref;
    snapshot_committed_fn *committed;
    snapshot_verified_fn *verified;
    void *context;
    error_code error;
    struct report report;
};

static void on_job_work(uv_work_t *work)
{
    struct job *job = work->data;
    job->run(job);
}

static void on_job_done(uv_work_t *work, int status)
{
    struct job *job = work->data;
    if (status != 0 && job->error == OK) {
        job->error = ERR_SYSTEM;
    }
    job->snapshots->n_jobs--;
    if (job->tell != NULL) {
        job->tell(job);
    }
    loop_again(job->snapshots->loop);
    mem_free(job);
}

static struct job *job_new(struct snapshots *snapshots, const char *folder, job_fn *run,
                           job_fn *tell)
{
    size_t len = strlen(folder);
    struct job *job = len < sizeof job->folder ? mem_zalloc(sizeof *job) : NULL;
    if (job != NULL) {
        job->work.data = job;
        job->snapshots = snapshots;
        job->run = run;
        job->tell = tell;
        memcpy(job->folder, folder, len + 1);
    }
    return job;
}

/* Takes the job. */
static error_code job_start(struct job *job)
{
    struct snapshots *snapshots = job->snapshots;
    if (uv_queue_work(loop_uv(snapshots->loop), &job->work, on_job_work, on_job_done) != 0) {
        mem_free(job);
        return ERR_SYSTEM;
    }
    snapshots->n_jobs++;
    return OK;
}

/* ---- commit ---- */

/* False: it does not fit. */
static bool snapshot_path(const struct snapshots *snapshots, struct snapshot_name name,
                          char ret_path[FILES_PATH_MAX_BYTES])
{
    char id[TASK_ID_TEXT_MAX];
    int n = snprintf(ret_path, FILES_PATH_MAX_BYTES, "%s/%s/%" PRIu32, snapshots->folder,
                     task_id_print(name.task, id), name.ordinal);
    return n > 0 && n < FILES_PATH_MAX_BYTES;
}

error_code snapshot_put_in_place(const char *folder, const char *target, struct report *report)
{
    char parent[FILES_PATH_MAX_BYTES];
    size_t len = strlen(target);
    if (len >= sizeof parent) {
        return report_fail(report, ERR_LIMIT, "the path %.200s is too long", target);
    }
    memcpy(parent, target, len + 1);
    *strrchr(parent, '/') = '\0';
    error_code error = dir_make(parent, report);
    /* No record names this ordinal: what lies there is the rest of a crash, or damaged. */
    error = error == OK ? dir_remove_tree(target, report) : error;
    if (error == OK && (FAILPOINT_FAILS(SNAPSHOT_RENAME) || rename(folder, target) != 0)) {
        int number = errno;
        error = report_fail(report, error_from_errno(number), "cannot move a snapshot to %s: %s",
                            target, strerror(number));
    }
    if (error != OK) {
        return error;
    }
    ignore_error(chmod(target, 0555) == 0 ? OK : ERR_SYSTEM, "its files are read-only");
    error = dir_sync(parent, report);
    *strrchr(parent, '/') = '\0';
    return error == OK ? dir_sync(parent, report) : error;
}

static void job_commit(struct job *job)
{
    if (FAILPOINT_FAILS(SNAPSHOT_WRITE)) {
        int number = errno;
        job->error = report_fail(&job->report, error_from_errno(number),
                                 "cannot write a snapshot: %s", strerror(number));
        return;
    }
    job->error = manifest_write(job->folder, job->snapshots->proofs, &job->manifest, &job->report);
    if (job->error == OK) {
        job->error = snapshot_put_in_place(job->folder, job->target, &job->report);
    }
}

static void job_commit_tell(struct job *job)
{
    struct snapshot_ref snapshot = {
        .ordinal = job->commit.ordinal,
        .step = job->commit.step,
        .attempt = job->commit.ref.attempt,
        .bytes = job->manifest.bytes,
        .dir = job->target,
    };
    FAILPOINT(SNAPSHOT_COMMITTED);
    job->commit.folder = job->folder;
    job->committed(job->context, &job->commit, &snapshot, job->error, &job->report);
}

error_code snapshots_commit(struct snapshots *snapshots, const struct snapshot_commit *commit,
                            snapshot_committed_fn *done, void *context)
{
    struct job *job = job_new(snapshots, commit->folder, job_commit, job_commit_tell);
    struct snapshot_name name = {commit->ref.task, commit->ordinal};
    if (job == NULL || !snapshot_path(snapshots, name, job->target)) {
        mem_free(job);
        return ERR_NO_MEMORY;
    }
    job->commit = *commit;
    job->manifest = (struct manifest){.task = commit->ref.task,
                                      .ordinal = commit->ordinal,
                                      .step = commit->step,
                                      .attempt = commit->ref.attempt};
    job->committed = done;
    job->context = context;
    return job_start(job);
}

/* ---- proof ---- */

static void job_verify(struct job *job)
{
    const struct proving how = {.must_hash = true, .proofs = job->snapshots->proofs};
    job->error = manifest_verify(job->folder, &how, &job->manifest, &job->report);
    if (job->error == ERR_FORMAT) {
        ignore_error(dir_remove_tree(job->folder, NULL), "it is proven again each time");
    }
}

static void job_verify_tell(struct job *job)
{
    job->verified(job->context, job->ref, job->error, &job->report);
}

error_code snapshots_verify(struct snapshots *snapshots, const char *folder, struct attempt_ref ref,
                            snapshot_verified_fn *done, void *context)
{
    struct job *job = job_new(snapshots, folder, job_verify, job_verify_tell);
    if (job == NULL) {
        return ERR_NO_MEMORY;
    }
    job->ref = ref;
    job->verified = done;
    job->context = context;
    return job_start(job);
}

/* ---- removal ---- */

static void job_remove(struct job *job)
{
    job->error = dir_remove_tree(job->folder, &job->report);
}

static void job_remove_tell(struct job *job)
{
    if (job->error != OK) {
        log_once("remove", LOG_LEVEL_WARNING, "%s", job->report.text);
    }
}

/* The name is free at once: it may be committed or fetched anew before the pool gets to it. In the
 * same folder, as a read-only one cannot be moved to another. */
void snapshots_drop(struct snapshots *snapshots, struct snapshot_name name)
{
    char path[FILES_PATH_MAX_BYTES], dropped[FILES_PATH_MAX_BYTES + 32];
    if (!snapshot_path(snapshots, name, path)) {
        return;
    }
    int parent = (int)(strrchr(path, '/') - path);
    ignore_error(snprintf(dropped, sizeof dropped, "%.*s/%s%" PRIu64, parent, path, dropped_prefix,
                          ++snapshots->n_dropped) < 0,
                 "it fits");
    if (rename(path, dropped) == 0) {
        snapshots_remove_folder(snapshots, dropped);
    } else if (errno != ENOENT) {
        log_once("remove", LOG_LEVEL_WARNING, "cannot drop the snapshot %s: %s", path,
                 strerror(errno));
    }
}

void snapshots_remove_folder(struct snapshots *snapshots, const char *folder)
{
    struct job *job = job_new(snapshots, folder, job_remove, job_remove_tell);
    if (job != NULL) {
        ignore_error(job_start(job), "found again at the next start");
    }
}

/* ---- what lies here at start ---- */

static bool ordinal_parse(const char *text, uint32_t *ret_ordinal)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '1' || text[0] > '9' || *end != '\0' || errno != 0 || value > UINT32_MAX) {
        return false;
    }
    *ret_ordinal = (uint32_t)value;
    return true;
}

static error_code find_one(struct snapshots *snapshots, struct snapshot_name name,
                           snapshot_found_fn *found, void *context)
{
    char path[FILES_PATH_MAX_BYTES];
    struct manifest manifest;
    struct report report = {0};
    if (!snapshot_path(snapshots, name, path)) {
        return OK;
    }
    const struct proving sizes = {.must_hash = false};
    error_code error = manifest_verify(path, &sizes, &manifest, &report);
    bool is_its =
        error == OK && task_id_equal(manifest.task, name.task) && manifest.ordinal == name.ordinal;
    if (is_its) {
        return found(context, name);
    }
    /* Of a newer release or unreadable now: neither offered nor removed. */
    if (error == OK || error == ERR_FORMAT || error == ERR_NOT_FOUND) {
        log_write(LOG_LEVEL_WARNING, "the snapshot %s is damaged and is removed: %s", path,
                  error == OK ? "it is another one's" : report.text);
        ignore_error(dir_remove_tree(path, NULL), "it is not offered");
    }
    return OK;
}

/* What an earlier agent had dropped and not yet removed. */
static void remove_dropped(const char *folder, const char *name)
{
    char path[FILES_PATH_MAX_BYTES + TASK_ID_TEXT_MAX + NAME_MAX + 2];
    ignore_error(snprintf(path, sizeof path, "%s/%s", folder, name) < 0, "it fits");
    ignore_error(dir_remove_tree(path, NULL), "once more at the next start");
}

static error_code find_of_task(struct snapshots *snapshots, const char *id, task_id task,
                               snapshot_found_fn *found, void *context)
{
    char path[FILES_PATH_MAX_BYTES + TASK_ID_TEXT_MAX];
    ignore_error(snprintf(path, sizeof path, "%s/%s", snapshots->folder, id) < 0, "it fits");
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return OK;
    }
    error_code error = OK;
    const struct dirent *entry;
    while (error == OK && (entry = readdir(folder)) != NULL) {
        struct snapshot_name name = {.task = task};
        if (ordinal_parse(entry->d_name, &name.ordinal)) {
            error = find_one(snapshots, name, found, context);
        } else if (strncmp(entry->d_name, dropped_prefix, strlen(dropped_prefix)) == 0) {
            remove_dropped(path, entry->d_name);
        }
    }
    closedir(folder);
    /* Not when its last snapshot goes: a commit could be about to use it. */
    ignore_error(rmdir(path) == 0 ? OK : ERR_SYSTEM, "it is not empty");
    return error;
}

error_code snapshots_find(struct snapshots *snapshots, snapshot_found_fn *found, void *context,
                          struct report *report)
{
    DIR *folder = opendir(snapshots->folder);
    if (folder == NULL) {
        int number = errno;
        return report_fail(report, error_from_errno(number), "cannot list %s: %s",
                           snapshots->folder, strerror(number));
    }
    error_code error = OK;
    const struct dirent *entry;
    while (error == OK && (entry = readdir(folder)) != NULL) {
        task_id task;
        if (task_id_parse(entry->d_name, &task) == OK) {
            error = find_of_task(snapshots, entry->d_name, task, found, context);
        }
    }
    closedir(folder);
    return error == OK ? OK : report_fail(report, error, "cannot take over the snapshots here");
}

/* ---- life ---- */

error_code snapshots_new(struct loop *loop, const char *folder, struct snapshots **ret_snapshots,
                         struct report *report)
{
    size_t len = strlen(folder);
    struct snapshots *snapshots = mem_zalloc(sizeof *snapshots);
    struct proofs *proofs = proofs_new();
    if (snapshots == NULL || proofs == NULL || len >= sizeof snapshots->folder) {
        proofs_free(proofs);
        mem_free(snapshots);
        return report_fail(report, len >= sizeof snapshots->folder ? ERR_LIMIT : ERR_NO_MEMORY,
                           "no memory, or the path %.200s is too long", folder);
    }
    snapshots->loop = loop;
    snapshots->proofs = proofs;
    memcpy(snapshots->folder, folder, len + 1);
    error_code error = dir_make(folder, report);
    if (error != OK) {
        snapshots_free(snapshots);
        return error;
    }
    *ret_snapshots = snapshots;
    return OK;
}

bool snapshots_busy(const struct snapshots *snapshots)
{
    return snapshots->n_jobs > 0;
}

void snapshots_free(struct snapshots *snapshots)
{
    if (snapshots != NULL) {
        assert(snapshots->n_jobs == 0);
        proofs_free(snapshots->proofs);
        mem_free(snapshots);
    }
}
