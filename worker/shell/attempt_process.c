#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "spec/macros.h"
#include "sys/clock.h"
#include "worker/shell/arrays.h"
#include "worker/shell/environment.h"

/* A process of the attempt: the command once, or a rank of it. Each is the spawner's child, leader
 * of a session and group of its own, and all have the attempt's mark. */
struct attempt_process {
    struct attempt_run *run; /* NULL: it has gone on */
    uint32_t rank;
    uv_poll_t poll; /* of the pidfd: readable when the process has ended */
    int pidfd;      /* -1: not started */
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
    for (uint32_t i = 0; i < run->n_ranks; i++) {
        struct attempt_process *process = run->ranks[i].process;
        run->ranks[i].process = NULL;
        if (process == NULL) {
            continue;
        }
        process->run = NULL;
        if (run->worker->spawner == NULL) {
            process->is_starting = false; /* it answers no more */
        }
        process_free(process);
    }
    mem_free(run->ranks);
    run->ranks = NULL;
    run->n_ranks = 0;
}

/* Not reaped: its status stays where it is. Who gives the trial back has not failed: the others do
 * it, too. */
static bool process_has_failed(pid_t pid)
{
    siginfo_t end = {0};
    int looked;
    while ((looked = waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT | WNOHANG)) != 0 &&
           errno == EINTR) {
    }
    bool is_good = end.si_status == 0 || end.si_status == EX_TEMPFAIL;
    return looked != 0 || end.si_code != CLD_EXITED || !is_good;
}

/* One rank is not enough to go on, so the others are ended: the core says how. */
static void rank_ended(struct attempt_run *run, uint32_t rank, bool has_failed)
{
    if (has_failed && !run->has_lost) {
        run->has_lost = true;
        run->lost_rank = rank;
        run->is_lost_by_us = run->is_killed;
    }
    on_rank_ended(run->worker->agent, clock_now(), run->ref, rank, has_failed, &run->worker->out);
    loop_again(run->worker->loop);
}

static void on_process_exit(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct attempt_process *process = poll->data;
    struct attempt_run *run = process->run;
    uv_poll_stop(poll);
    if (run == NULL || status != 0) {
        return;
    }
    struct attempt_rank *rank = &run->ranks[process->rank];
    rank->has_ended = true;
    run->n_ended++;
    if (run->n_ranks > 1) {
        rank_ended(run, process->rank, process_has_failed(rank->pid));
    }
    if (run->n_ended == run->n_ranks) {
        attempt_tree_end(run);
    }
}

void attempt_process_signal(struct attempt_run *run, int signal)
{
    /* Not reaped, so the number is still its own. */
    if (run->n_ranks == 0) {
        ignore_error(kill(-run->pid, signal) == 0 ? OK : ERR_SYSTEM, "it has ended by itself");
    }
    for (uint32_t i = 0; i < run->n_ranks; i++) {
        if (!run->ranks[i].has_ended) {
            ignore_error(kill(-run->ranks[i].pid, signal) == 0 ? OK : ERR_SYSTEM,
                         "it has ended by itself");
        }
    }
}

error_code attempt_process_others(const struct attempt_run *run, pid_t **ret_pids, uint32_t *ret_n)
{
    uint32_t n = 0;
    pid_t *pids = run->n_ranks > 1 ? mem_calloc(run->n_ranks, sizeof *pids) : NULL;
    if (run->n_ranks > 1 && pids == NULL) {
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 1; i < run->n_ranks; i++) {
        if (run->ranks[i].pid > 0) {
            pids[n++] = run->ranks[i].pid;
        }
    }
    *ret_pids = pids;
    *ret_n = n;
    return OK;
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
    return OK;
}

/* All of them, once none is being started: until then an end would be news of an attempt that has
 * not begun. */
static void processes_watch(struct attempt_run *run)
{
    for (uint32_t i = 0; i < run->n_ranks; i++) {
        if (run->ranks[i].pid > 0) {
            uv_poll_start(&run->ranks[i].process->poll, UV_READABLE, on_process_exit);
        }
    }
}

static error_code process_started(struct attempt_process *process,
                                  const struct spawn_result *result, struct report *report)
{
    struct attempt_run *run = process->run;
    if (result->pid == 0) {
        attempt_spawn_report(result, process->program, process->folder, report);
        return report->code;
    }
    process->pidfd = result->pidfd;
    if (process_watch(process) != OK) {
        kill(result->pid, SIGKILL);
        return report_fail(report, ERR_SYSTEM, "cannot wait for its process");
    }
    run->ranks[process->rank].pid = result->pid;
    run->started_at = run->started_at == 0 ? result->exec_at : run->started_at;
    return OK;
}

/* A rank that cannot be started while others were is a rank lost: they are ended as an attempt. */
static void rank_not_started(struct attempt_run *run, uint32_t rank, const struct report *report)
{
    run->ranks[rank].has_ended = true;
    run->n_ended++;
    if (!run->has_lost) {
        run->has_lost = true;
        run->lost_rank = rank;
        run->lost_words = arena_strdup(&run->arena, report->text);
    }
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
    error_code error = process_started(process, result, &report);
    if (error != OK) {
        rank_not_started(run, process->rank, &report);
    }
    if (++run->n_answered < run->n_ranks) {
        return;
    }
    attempt_logs_started(run);
    run->pid = run->ranks[0].pid;
    if (run->n_ended < run->n_ranks) {
        error = OK;
        processes_watch(run);
    } else {
        attempt_process_release(run);
    }
    attempt_step_done(run, error, &report);
}

void attempt_process_alive(struct attempt_run *run)
{
    for (uint32_t i = 0; i < run->n_ranks; i++) {
        if (run->ranks[i].has_ended) {
            rank_ended(run, i, true);
        }
    }
}

static const char *attempt_start_folder(const struct attempt_run *run)
{
    const struct msg_lease *lease = run->lease;
    bool has_work = lease->work != NULL && lease->work[0] != '\0';
    bool has_workdir = !has_work && lease->workdir != NULL && lease->workdir[0] == '/';
    return has_workdir ? lease->workdir : run->trial_dir;
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
    struct environment_facts facts = {
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
    if (error == OK && run->meet_address != NULL) {
        facts.master_address = run->meet_address;
        facts.master_port = run->meet_port;
        facts.peers = run->meet_peers;
    } else if (error == OK && run->n_ports > 0) {
        facts.master_address = RANKS_ADDRESS;
        facts.master_port = run->ports[0].number;
        facts.peers = attempt_peers(run, RANKS_ADDRESS, &run->arena);
    }
    error = macros_expand(lease->words, lease->n_words, lease->is_shell, &values, &run->arena,
                          &ret_request->argv, &argc, report);
    if (error == OK && argc == 0) {
        error = report_fail(report, ERR_INVALID, "its command is empty");
    }
    if (error == OK) {
        error = environment_make(lease, &facts, &run->arena, &ret_request->envp, report);
    }
    ret_request->folder = attempt_start_folder(run);
    ret_request->mark = run->mark.number;
    ret_request->nofile = worker->nofile;
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

static error_code rank_start(struct attempt_run *run, uint32_t rank,
                             const struct spawn_request *common, struct report *report)
{
    struct spawn_request request = *common;
    attempt_logs_fds(run, rank, &request.out_fd, &request.err_fd);
    if (run->lease->is_trial && run->lease->ranks > 0) {
        error_code error =
            environment_of_rank(common->envp, run->lease, rank, &run->arena, &request.envp, report);
        if (error != OK) {
            return error;
        }
    }
    struct attempt_process *process = mem_zalloc(sizeof *process);
    if (process == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory on its node");
    }
    *process = (struct attempt_process){.run = run,
                                        .rank = rank,
                                        .pidfd = -1,
                                        .program = request.argv[0],
                                        .folder = request.folder};
    error_code error = spawner_start(run->worker->spawner, &request, on_spawned, process);
    if (error != OK) {
        mem_free(process);
        return report_fail(report, error, "cannot start a process: %s", error_word(error));
    }
    process->is_starting = true;
    run->ranks[rank].process = process;
    return OK;
}

error_code attempt_process_prepare(struct attempt_run *run, struct report *report)
{
    struct spawn_request request = {0};
    uint32_t n = attempt_n_ranks(run), n_asked = 0;
    error_code error = mark_make(run);
    if (error == OK) {
        error = process_request(run, &request, report);
    }
    if (error != OK) {
        return error;
    }
    run->ranks = mem_calloc(n, sizeof *run->ranks);
    if (run->ranks == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory on its node");
    }
    run->n_ranks = n;
    while (n_asked < n && rank_start(run, n_asked, &request, report) == OK) {
        n_asked++;
    }
    if (n_asked == 0) {
        error = report->code;
        attempt_process_release(run);
        return error;
    }
    for (; n_asked < n; n_asked++) {
        rank_not_started(run, n_asked, report);
        run->n_answered++;
    }
    return ERR_AGAIN;
}
