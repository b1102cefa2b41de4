#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "spec/macros.h"
#include "worker/shell/arrays.h"
#include "worker/shell/environment.h"

struct attempt_process {
    struct attempt_run *run; /* NULL: it has gone on */
    uv_poll_t poll;          /* of the pidfd: readable when the main process has ended */
    int pidfd;               /* -1: not started */
    bool has_poll;
    bool is_starting; /* the spawner will answer */
    const char *program;
    const char *folder;
};

/* ---- the end ---- */

static void on_process_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void process_free(struct attempt_process *process)
{
    if (process->pidfd >= 0 && !process->has_poll) {
        close(process->pidfd);
    }
    if (process->has_poll) {
        uv_close((uv_handle_t *)&process->poll, on_process_closed);
        close(process->pidfd);
    } else if (!process->is_starting) {
        mem_free(process);
    }
}

void attempt_process_release(struct attempt_run *run)
{
    run->process->run = NULL;
    if (run->worker->spawner == NULL) {
        run->process->is_starting = false; /* it answers no more */
    }
    process_free(run->process);
    run->process = NULL;
}

static void on_process_exit(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct attempt_process *process = poll->data;
    uv_poll_stop(poll);
    if (process->run != NULL && status == 0) {
        attempt_tree_end(process->run);
    }
}

/* ---- the beginning ---- */

void attempt_spawn_report(const struct spawn_result *result, const char *program,
                          const char *folder, struct report *report)
{
    const char *what = result->place == SPAWN_FOLDER ? folder : program;
    ignore_error(report_fail(report, error_from_errno(result->error), "cannot %s '%s': %s",
                             spawn_place_words(result->place), what, strerror(result->error)),
                 "told by the report");
    if (result->place == SPAWN_FOLDER && result->error == ENOENT) {
        report_add(report, "; a folder that this node does not see can be sent along: `workdir: "
                           "{mode: snapshot}` in a sweep file, --workdir DIR for one command");
    }
}

static error_code process_watch(struct attempt_process *process)
{
    struct attempt_run *run = process->run;
    if (uv_poll_init(loop_uv(run->worker->loop), &process->poll, process->pidfd) != 0) {
        return ERR_SYSTEM;
    }
    process->has_poll = true;
    process->poll.data = process;
    uv_poll_start(&process->poll, UV_READABLE, on_process_exit);
    return OK;
}

static void on_spawned(void *context, const struct spawn_result *result)
{
    struct attempt_process *process = context;
    struct attempt_run *run = process->run;
    struct report report = {0};
    process->is_starting = false;
    if (run == NULL) { /* the worker is leaving: the spawner's end is this process's, too */
        mem_free(process);
        return;
    }
    error_code error = OK;
    attempt_logs_started(run);
    if (result->pid == 0) {
        attempt_spawn_report(result, process->program, process->folder, &report);
        error = report.code;
    } else {
        run->pid = result->pid;
        run->started_at = result->exec_at;
        process->pidfd = result->pidfd;
        error = process_watch(process);
        if (error != OK) {
            kill(result->pid, SIGKILL);
            ignore_error(report_fail(&report, error, "cannot wait for its process"), "told below");
        }
    }
    if (error != OK) {
        attempt_process_release(run);
    }
    attempt_step_done(run, error, &report);
}

static error_code process_request(struct attempt_run *run, struct spawn_request *ret_request,
                                  struct report *report)
{
    const struct worker *worker = run->worker;
    const struct msg_lease *lease = run->lease;
    char id[TASK_ID_TEXT_MAX];
    uint32_t argc;
    const char *line = NULL;
    error_code error =
        lease->is_trial ? OK : arrays_macros(worker->arrays, run->ref, &run->arena, &line, report);
    if (error != OK) {
        return error;
    }
    const struct macros_values values = {
        .params = lease->params,
        .n_params = lease->n_params,
        .trial_id = task_id_print(run->ref.task, id),
        .trial_dir = run->trial_dir,
        .index = lease->is_trial ? 0 : run->ref.task.index,
        .line = line,
        .params_file = run->params_file,
        .restore_dir = run->restore_dir,
    };
    const struct environment_facts facts = {
        .socket = run->socket_path,
        .params_file = run->params_file,
        .trial_dir = run->trial_dir,
        .tmp_dir = run->tmp_dir,
        .mark = run->mark.text,
        .bin_dir = worker->bin_dir[0] != '\0' ? worker->bin_dir : NULL,
        .python_dir = worker->python_dir[0] != '\0' ? worker->python_dir : NULL,
        .line = line,
        .restore_dir = run->restore_dir,
    };
    error = macros_expand(lease->words, lease->n_words, lease->is_shell, &values, &run->arena,
                          &ret_request->argv, &argc, report);
    if (error == OK && argc == 0) {
        error = report_fail(report, ERR_INVALID, "its command is empty");
    }
    if (error == OK) {
        error = environment_make(lease, &facts, &run->arena, &ret_request->envp, report);
    }
    bool has_work = lease->work != NULL && lease->work[0] != '\0';
    bool has_workdir = !has_work && lease->workdir != NULL && lease->workdir[0] == '/';
    ret_request->folder = has_workdir ? lease->workdir : run->trial_dir;
    ret_request->mark = run->mark.number;
    ret_request->nofile = worker->nofile;
    attempt_logs_fds(run, &ret_request->out_fd, &ret_request->err_fd);
    return error;
}

static error_code mark_make(struct attempt_run *run)
{
    char id[TASK_ID_TEXT_MAX], name[TASK_ID_TEXT_MAX + 16];
    ignore_error(snprintf(name, sizeof name, "%s.%u", task_id_print(run->ref.task, id),
                          (unsigned)run->ref.attempt) < 0,
                 "it fits");
    return proctree_mark_make(run->worker->prefix, name, ++run->worker->last_serial, &run->mark);
}

error_code attempt_process_prepare(struct attempt_run *run, struct report *report)
{
    struct spawn_request request = {0};
    error_code error = mark_make(run);
    if (error == OK) {
        error = process_request(run, &request, report);
    }
    if (error != OK) {
        return error;
    }
    run->process = mem_zalloc(sizeof *run->process);
    if (run->process == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory on its node");
    }
    *run->process = (struct attempt_process){
        .run = run, .pidfd = -1, .program = request.argv[0], .folder = request.folder};
    error = spawner_start(run->worker->spawner, &request, on_spawned, run->process);
    if (error != OK) {
        attempt_process_release(run);
        return report_fail(report, error, "cannot start a process: %s", error_word(error));
    }
    run->process->is_starting = true;
    return ERR_AGAIN;
}
