#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "sys/clock.h"
#include "sys/files.h"
#include "sys/locks.h"
#include "sys/log.h"
#include "sys/program.h"
#include "worker/shell/shell.h"

enum { LOCK_TRIES = 40, LOCK_PAUSE_US = 50000, SWEEPS_MAX = 5 };

/* ---- the node's folder ---- */

static error_code node_path(struct worker *worker, struct report *report)
{
    char state[PATH_MAX];
    error_code error = dir_make(worker->options->state_dir, report);
    if (error != OK) {
        return error;
    }
    /* Absolute, and the same whichever way it was written: the attempts' marks are made of it. */
    if (realpath(worker->options->state_dir, state) == NULL) {
        return report_fail(report, error_from_errno(errno), "cannot find %s: %s",
                           worker->options->state_dir, strerror(errno));
    }
    int n = snprintf(worker->node_dir, sizeof worker->node_dir, "%s/nodes/%s", state,
                     worker->options->node);
    /* Room for what lies below. */
    if (n < 0 || (size_t)n + 128 >= sizeof worker->node_dir) {
        return report_fail(report, ERR_LIMIT, "the path of the state folder is too long");
    }
    ignore_error(snprintf(worker->prefix, sizeof worker->prefix, "muster-%016" PRIx64,
                          (uint64_t)XXH3_64bits(worker->node_dir, (size_t)n)) < 0,
                 "it fits");
    return dir_make(worker->node_dir, report);
}

/* One agent a folder. One that was just killed may take a moment to let go. */
static error_code node_lock(struct worker *worker, struct report *report)
{
    char path[FILES_PATH_MAX_BYTES + 8];
    uint32_t holder = 0;
    ignore_error(snprintf(path, sizeof path, "%s/lock", worker->node_dir) < 0, "it fits");
    error_code error = ERR_BUSY;
    for (int i = 0; error == ERR_BUSY && i < LOCK_TRIES; i++) {
        if (i > 0) {
            usleep(LOCK_PAUSE_US);
        }
        error = lock_take(path, (uint32_t)getpid(), &worker->lock_fd, &holder, report);
    }
    return error;
}

/* Not forced to disk: after a crash of the machine the lock has another name. */
time_ms folders_started(struct worker *worker)
{
    char path[FILES_PATH_MAX_BYTES + 16], text[32];
    struct report report = {0};
    struct buf before;
    time_ms started = clock_now();
    ignore_error(snprintf(path, sizeof path, "%s/started", worker->node_dir) < 0, "it fits");
    buf_init(&before, sizeof text);
    if (file_read_bounded(path, &before, &report) == OK) {
        time_ms last = strtoll(buf_text(&before), NULL, 10);
        started = started > last ? started : last + 1;
    }
    buf_fini(&before);
    int n = snprintf(text, sizeof text, "%lld\n", (long long)started);
    if (file_write(path, (struct bytes){(const uint8_t *)text, (size_t)n}, 0600, &report) != OK) {
        log_write(LOG_LEVEL_WARNING, "%s", report.text);
    }
    return started;
}

/* Ends what an agent before this one left running, found by the mark in its environment. */
static error_code node_sweep(struct worker *worker, struct report *report)
{
    struct proctree_target target = {.is_prefix = true};
    error_code error = proctree_mark_make(worker->prefix, "", 0, &target.mark);
    uint32_t killed = 0, total = 0;
    if (error == OK) {
        error = ERR_TIMEOUT;
    }
    for (int i = 0; error == ERR_TIMEOUT && i < SWEEPS_MAX; i++) {
        error = proctree_kill(&target, &killed);
        total += killed;
    }
    if (total > 0) {
        log_write(LOG_LEVEL_WARNING, "ended %u processes that an earlier agent left behind", total);
    }
    return error == OK
               ? OK
               : report_fail(report, error, "processes of an earlier agent cannot be ended: %s",
                             error_word(error));
}

static error_code node_subfolder(struct worker *worker, const char *name, bool must_empty,
                                 struct report *report)
{
    char path[FILES_PATH_MAX_BYTES + 16];
    ignore_error(snprintf(path, sizeof path, "%s/%s", worker->node_dir, name) < 0, "it fits");
    error_code error = must_empty ? dir_remove_tree(path, report) : OK;
    return error == OK ? dir_make(path, report) : error;
}

error_code folders_make(struct worker *worker, struct report *report)
{
    error_code error = node_path(worker, report);
    if (error == OK) {
        error = node_lock(worker, report);
    }
    if (error == OK) {
        error = node_sweep(worker, report);
    }
    if (error == OK) {
        error = node_subfolder(worker, "attempts", true, report);
    }
    if (error == OK) {
        error = node_subfolder(worker, "spares", true, report);
    }
    return error == OK ? node_subfolder(worker, "logs", false, report) : error;
}

/* ---- muster's own ---- */

static bool python_dir_take(struct worker *worker, const char *folder)
{
    char path[FILES_PATH_MAX_BYTES + 64], real[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/muster.py", folder);
    if (n < 0 || (size_t)n >= sizeof path || access(path, R_OK) != 0 ||
        realpath(folder, real) == NULL) {
        return false;
    }
    n = snprintf(worker->python_dir, sizeof worker->python_dir, "%s", real);
    return n > 0 && (size_t)n < sizeof worker->python_dir;
}

void folders_find_own(struct worker *worker)
{
    char folder[FILES_PATH_MAX_BYTES + 32];
    char program[PATH_MAX] = "";
    ignore_error(program_path(program, NULL), "an attempt then finds no muster on its PATH");
    char *slash = strrchr(program, '/');
    int size = snprintf(worker->bin_dir, sizeof worker->bin_dir, "%.*s",
                        slash != NULL ? (int)(slash - program) : 0, program);
    if (size < 0 || (size_t)size >= sizeof worker->bin_dir) {
        worker->bin_dir[0] = '\0';
    }
    int len = snprintf(folder, sizeof folder, "%s/../share/muster/python", worker->bin_dir);
    if (len > 0 && (size_t)len < sizeof folder && python_dir_take(worker, folder)) {
        return;
    }
    /* Not installed: the build's own. */
    if (!python_dir_take(worker, MUSTER_PYTHON_DIR)) {
        worker->python_dir[0] = '\0';
    }
}
