/* Snapshots as an attempt sees them: the one it starts from, and those that it makes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sys/clock.h"
#include "worker/shell/attempt.h"

/* ---- the one it starts from ---- */

static void on_restore_verified(void *context, struct attempt_ref ref, error_code error,
                                const struct report *report)
{
    struct worker *worker = context;
    struct attempt_run *run = attempt_run_find(worker, ref);
    if (run == NULL || run->state != RUN_PREPARING || worker->is_leaving) {
        return;
    }
    struct report told = {.code = error};
    if (error != OK) {
        ignore_error(report_fail(&told, error, "its snapshot %" PRIu32 " cannot be used: %.800s",
                                 run->lease->restore.ordinal, report->text),
                     "already failed");
    }
    if (error == ERR_FORMAT || error == ERR_NOT_FOUND) {
        agent_restore_lost(worker->agent, ref);
    }
    attempt_step_done(run, error, &told);
}

static error_code snapshot_place(const struct attempt_run *run, const struct snapshot_ref *snapshot,
                                 char ret_path[FILES_PATH_MAX_BYTES], struct report *report)
{
    char id[TASK_ID_TEXT_MAX];
    int n =
        snprintf(ret_path, FILES_PATH_MAX_BYTES, "%s/snapshots/%s/%" PRIu32, run->worker->node_dir,
                 task_id_print(snapshot_maker(run->ref.task, snapshot), id), snapshot->ordinal);
    return n > 0 && n < FILES_PATH_MAX_BYTES
               ? OK
               : report_fail(report, ERR_LIMIT, "the path of its snapshot is too long");
}

/* A snapshot is proven before a trainer sees it. What is damaged is never handed to one: the
 * attempt does not start, and the head, told so, falls back on another snapshot or on none. */
error_code attempt_restore_prepare(struct attempt_run *run, struct report *report)
{
    char path[FILES_PATH_MAX_BYTES];
    const struct snapshot_ref *restore = &run->lease->restore;
    if (restore->ordinal == 0) {
        return OK;
    }
    error_code placed = snapshot_place(run, restore, path, report);
    if (placed != OK) {
        return placed;
    }
    run->restore_dir = arena_strdup(&run->arena, path);
    if (run->restore_dir == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for the path of its snapshot");
    }
    error_code error =
        snapshots_verify(run->worker->snapshots, path, run->ref, on_restore_verified, run->worker);
    return error == OK ? ERR_AGAIN : error;
}

/* ---- another trial's, to go on from while it runs ---- */

static void prove_tell(struct worker *worker, struct attempt_ref ref, uint64_t connection,
                       const char *dir, error_code error, const struct report *report)
{
    char text[1024];
    ignore_error(snprintf(text, sizeof text, "the snapshot to go on from cannot be used: %.900s",
                          report->text) < 0,
                 "stays short");
    on_exploit_proven(worker->agent, clock_now(), ref, connection, dir, error == OK ? NULL : text,
                      &worker->out);
}

static void on_exploit_verified(void *context, struct attempt_ref ref, error_code error,
                                const struct report *report)
{
    struct worker *worker = context;
    struct attempt_run *run = attempt_run_find(worker, ref);
    if (run != NULL) {
        prove_tell(worker, ref, run->prove_connection, run->prove_dir, error, report);
    }
}

void attempt_prove(struct worker *worker, struct attempt_ref ref, uint64_t connection,
                   const struct snapshot_ref *snapshot)
{
    struct attempt_run *run = attempt_run_find(worker, ref);
    struct report report = {0};
    error_code error = ERR_NOT_FOUND;
    if (run != NULL) {
        run->prove_connection = connection;
        error = snapshot_place(run, snapshot, run->prove_dir, &report);
        error = error == OK ? snapshots_verify(worker->snapshots, run->prove_dir, ref,
                                               on_exploit_verified, worker)
                            : error;
    }
    if (error != OK) {
        prove_tell(worker, ref, connection, "", error, &report);
    }
}

/* ---- those that it makes ---- */

/* Each save has a folder of its own, so that an abandoned one is never mixed with the next. */
void attempt_save_begin(struct worker *worker, struct attempt_ref ref, uint64_t connection)
{
    struct attempt_run *run = attempt_run_find(worker, ref);
    if (run == NULL || run->state == RUN_PREPARING) {
        on_save_begun(worker->agent, clock_now(), ref, connection, NULL, "not_now",
                      "the attempt has ended", &worker->out);
        return;
    }
    if (run->save_dir[0] != '\0') {
        snapshots_remove_folder(worker->snapshots, run->save_dir);
        run->save_dir[0] = '\0';
    }
    char path[sizeof run->save_dir], text[256];
    int n = snprintf(path, sizeof path, "%s/save/%" PRIu32, run->dir, ++run->n_saves);
    if (n < 0 || (size_t)n >= sizeof path || mkdir(path, 0700) != 0) {
        int number = errno;
        bool is_full = error_from_errno(number) == ERR_NO_SPACE;
        ignore_error(snprintf(text, sizeof text, "cannot make a folder: %s", strerror(number)) < 0,
                     "stays short");
        on_save_begun(worker->agent, clock_now(), ref, connection, NULL,
                      is_full ? "no_space" : "not_now", text, &worker->out);
        return;
    }
    memcpy(run->save_dir, path, (size_t)n + 1);
    on_save_begun(worker->agent, clock_now(), ref, connection, path, NULL, NULL, &worker->out);
}

static void on_save_done(void *context, const struct snapshot_commit *commit,
                         const struct snapshot_ref *snapshot, error_code error,
                         const struct report *report)
{
    struct worker *worker = context;
    const char *word = error == OK ? NULL : error == ERR_NO_SPACE ? "no_space" : "not_now";
    on_save_committed(worker->agent, clock_now(), commit->ref, commit->connection, snapshot, word,
                      error == OK ? NULL : report->text, &worker->out);
}

void attempt_save_commit(struct worker *worker, struct attempt_ref ref, uint64_t connection,
                         const struct snapshot_ref *snapshot)
{
    struct attempt_run *run = attempt_run_find(worker, ref);
    struct snapshot_commit commit = {
        .ref = ref,
        .connection = connection,
        .ordinal = snapshot->ordinal,
        .step = snapshot->step,
        .folder = run == NULL ? "" : run->save_dir,
    };
    error_code error = ERR_NOT_FOUND;
    if (commit.folder[0] != '\0') {
        error = snapshots_commit(worker->snapshots, &commit, on_save_done, worker);
        run->save_dir[0] = '\0';
    }
    if (error != OK) {
        struct report report = {0};
        ignore_error(report_fail(&report, error, "there is no folder to commit"), "told below");
        on_save_done(worker, &commit, snapshot, error, &report);
    }
}
