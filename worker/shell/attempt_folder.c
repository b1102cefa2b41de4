/* The attempt's private folder: its socket (s), params.json, tmp/, save/ and work/, which is
 * ${trial.dir}. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "spec/macros.h"
#include "worker/shell/attempt.h"

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

static error_code params_write(const struct attempt_run *run, struct report *report)
{
    struct buf text;
    buf_init(&text, MSG_MAX_BYTES * 2);
    ignore_error(macros_params_json(run->lease->params, run->lease->n_params, &text), "sticky");
    ignore_error(buf_append_byte(&text, '\n'), "sticky");
    error_code error = text.failed;
    if (error == OK) {
        error = file_write(run->params_file, buf_bytes(&text), 0600, report);
    }
    buf_fini(&text);
    return error;
}

error_code attempt_folder_prepare(struct attempt_run *run, struct report *report)
{
    char saves[ATTEMPT_PATH_MAX + 16];
    error_code error = folder_paths(run, report);
    /* The same attempt is never leased twice to one incarnation; what is there is an older one's
     * rest. */
    if (error == OK && mkdir(run->dir, 0700) != 0) {
        error = dir_remove_tree(run->dir, report);
        error = error == OK ? folder_make(run->dir, report) : error;
    }
    if (error == OK) {
        error = path_print(report, saves, sizeof saves, run->dir, "save");
    }
    error = error == OK ? folder_make(run->trial_dir, report) : error;
    error = error == OK ? folder_make(run->tmp_dir, report) : error;
    error = error == OK ? folder_make(saves, report) : error;
    error = error == OK ? params_write(run, report) : error;
    if (error != OK && run->dir[0] != '\0') {
        attempt_folder_release(run); /* a half one */
    }
    return error;
}

void attempt_folder_release(struct attempt_run *run)
{
    snapshots_remove_folder(run->worker->snapshots, run->dir);
}
