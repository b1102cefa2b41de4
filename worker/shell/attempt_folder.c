/* The attempt's private folder: its socket (s), params.json, tmp/, save/ and work/, which is
 * ${trial.dir}. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spec/macros.h"
#include "worker/shell/attempt.h"
#include "worker/shell/work.h"

static error_code path_print(struct report *report, char *ret_path, size_t size_bytes,
                             const char *folder, const char *name)
{
    int n = snprintf(ret_path, size_bytes, "%s/%s", folder, name);
    return n > 0 && (size_t)n < size_bytes
               ? OK
               : report_fail(report, ERR_LIMIT, "the path %s/%s is too long", folder, name);
}

static error_code folder_paths(struct attempt_run *run, struct report *report)
{
    char id[TASK_ID_TEXT_MAX], name[sizeof "attempts/" + TASK_ID_TEXT_MAX + 16];
    ignore_error(snprintf(name, sizeof name, "attempts/%s.%" PRIu32,
                          task_id_print(run->ref.task, id), run->ref.attempt) < 0,
                 "it fits");
    error_code error = path_print(report, run->dir, sizeof run->dir, run->worker->node_dir, name);
    const struct {
        char *path;
        size_t size_bytes;
        const char *name;
    } parts[] = {
        {run->trial_dir, sizeof run->trial_dir, "work"},
        {run->params_file, sizeof run->params_file, "params.json"},
        {run->tmp_dir, sizeof run->tmp_dir, "tmp"},
    };
    for (size_t i = 0; error == OK && i < sizeof parts / sizeof parts[0]; i++) {
        error = path_print(report, parts[i].path, parts[i].size_bytes, run->dir, parts[i].name);
    }
    return error;
}

static error_code folder_make(const char *path, struct report *report)
{
    if (mkdir(path, 0700) == 0) {
        return OK;
    }
    int number = errno;
    return report_fail(report, error_from_errno(number), "cannot make its folder %s: %s", path,
                       strerror(number));
}

/* Nobody else sees the file yet, so it is written in place. */
static error_code params_write(const struct attempt_run *run, struct report *report)
{
    struct buf text;
    buf_init(&text, MSG_MAX_BYTES * 2);
    ignore_error(macros_params_json(run->lease->params, run->lease->n_params, &text), "sticky");
    ignore_error(buf_append_byte(&text, '\n'), "sticky");
    int fd = text.failed == OK
                 ? open(run->params_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
                 : -1;
    ssize_t written = fd < 0 ? -1 : write(fd, text.data, text.len);
    int number = errno;
    error_code error = text.failed;
    if (error == OK && (written < 0 || (size_t)written != text.len)) {
        number = written >= 0 ? ENOSPC : number;
        error = report_fail(report, error_from_errno(number), "cannot write %s: %s",
                            run->params_file, strerror(number));
    }
    if (fd >= 0) {
        close(fd);
    }
    buf_fini(&text);
    return error;
}

/* The same attempt is never leased twice to one incarnation: what is there is the rest of an older
 * one. */
static bool folder_rename(const struct attempt_run *run, const char *from)
{
    if (rename(from, run->dir) == 0) {
        return true;
    }
    return (errno == ENOTEMPTY || errno == EEXIST) && dir_remove_tree(run->dir, NULL) == OK &&
           rename(from, run->dir) == 0;
}

/* Takes a spare; false: there is none. */
static bool folder_adopt(struct attempt_run *run, uint64_t tree_bytes)
{
    struct spare spare;
    if (!spares_take(run->worker->spares, run->tree, tree_bytes, &spare)) {
        return false;
    }
    if (!folder_rename(run, spare.dir)) {
        spares_give(run->worker->spares, &spare);
        return false;
    }
    run->spare = spare;
    memcpy(run->spare.dir, run->dir, sizeof run->spare.dir);
    run->has_spare = true;
    return true;
}

static error_code folder_make_all(struct attempt_run *run, struct report *report)
{
    char saves[ATTEMPT_PATH_MAX + 16];
    error_code error = path_print(report, saves, sizeof saves, run->dir, "save");
    error = error == OK ? dir_remove_tree(run->dir, report) : error;
    error = error == OK ? folder_make(run->dir, report) : error;
    error = error == OK ? folder_make(run->trial_dir, report) : error;
    error = error == OK ? folder_make(run->tmp_dir, report) : error;
    return error == OK ? folder_make(saves, report) : error;
}

/* The tree that it starts from is in use until its folder is gone. */
static error_code folder_tree(struct attempt_run *run, uint64_t *ret_bytes, struct report *report)
{
    struct worker *worker = run->worker;
    agent_tree_name(run->lease, run->tree);
    bool is_shared = run->lease->work == NULL || run->lease->work[0] == '\0';
    *ret_bytes = 0;
    if (run->tree[0] != '\0' && !works_ref(worker->works, run->tree, ret_bytes)) {
        agent_tree_lost(worker->agent, run->tree);
        agent_nodes_fault(worker->agent, run->ref);
        run->tree[0] = '\0';
        return report_fail(report, ERR_NOT_FOUND, "its work folder was removed from its node");
    }
    if (is_shared && run->tree[0] != '\0') { /* only a mark that the setup was done */
        works_unref(worker->works, run->tree);
        run->tree[0] = '\0';
    }
    return OK;
}

error_code attempt_folder_prepare(struct attempt_run *run, struct report *report)
{
    uint64_t tree_bytes;
    error_code error = folder_paths(run, report);
    error = error == OK ? folder_tree(run, &tree_bytes, report) : error;
    if (error != OK) {
        return error;
    }
    bool has_folder = folder_adopt(run, tree_bytes);
    if (!has_folder) {
        error = folder_make_all(run, report);
    }
    if (error == OK && !has_folder && run->tree[0] != '\0') {
        error = works_copy(run->worker->works, run, run->tree);
        if (error == OK) {
            return ERR_AGAIN;
        }
    }
    error = error == OK ? params_write(run, report) : error;
    if (error != OK) {
        agent_nodes_fault(run->worker->agent, run->ref); /* a disk that is full, say */
        attempt_folder_release(run);                     /* a half one */
    }
    return error;
}

void attempt_folder_copied(struct attempt_run *run, error_code error, const struct report *report)
{
    struct report why = *report;
    error = error == OK ? params_write(run, &why) : error;
    if (error != OK) {
        agent_nodes_fault(run->worker->agent, run->ref);
        attempt_folder_release(run);
    }
    attempt_step_done(run, error, &why);
}

void attempt_folder_release(struct attempt_run *run)
{
    if (run->has_spare) {
        spares_give(run->worker->spares, &run->spare);
        run->has_spare = false;
    } else {
        snapshots_remove_folder(run->worker->snapshots, run->dir);
    }
    if (run->tree[0] != '\0') {
        works_unref(run->worker->works, run->tree);
        run->tree[0] = '\0';
    }
}
