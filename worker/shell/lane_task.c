/* A task of an array that needs no folder: a process with an environment made once for its lane.
 * Everything else -- its mark, its tree, its memory, its end -- is as an attempt's. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "spec/macros.h"
#include "sys/clock.h"
#include "sys/failpoints.h"
#include "worker/shell/arrays.h"
#include "worker/shell/environment.h"

enum { EXITS_A_LOOK = 64 };

static const char *const task_names[LANE_ENV_MAX] = {
    "MUSTER_TRIAL=", "MUSTER_INDEX=", "MUSTER_LINE="};

/* ---- what it runs ---- */

static error_code env_make(struct lane_here *lane, const char *line, struct arena *arena,
                           const char *const **ret_envp, struct report *report)
{
    const struct worker *worker = lane->worker;
    const struct environment_facts facts = {
        .mark = lane->mark.text,
        .bin_dir = worker->bin_dir[0] != '\0' ? worker->bin_dir : NULL,
        .python_dir = worker->python_dir[0] != '\0' ? worker->python_dir : NULL,
        .line = line,
    };
    return environment_make(&lane->lease, &facts, arena, ret_envp, report);
}

/* The lane's environment, with the entries of a task moved to its end. */
static error_code env_template(struct lane_here *lane, struct report *report)
{
    const char *const *made;
    error_code error = env_make(lane, NULL, &lane->arena, &made, report);
    if (error != OK) {
        return error;
    }
    uint32_t n = 0;
    while (made[n] != NULL) {
        n++;
    }
    const char **envp = arena_calloc(&lane->arena, (size_t)n + LANE_ENV_MAX + 1, sizeof *envp);
    if (envp == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for its environment");
    }
    for (uint32_t i = 0; i < n; i++) {
        bool is_of_task = false;
        for (int k = 0; k < LANE_ENV_MAX; k++) {
            is_of_task |= strncmp(made[i], task_names[k], strlen(task_names[k])) == 0;
        }
        if (!is_of_task) {
            envp[lane->n_env++] = made[i];
        }
    }
    lane->envp = envp;
    return OK;
}

static error_code env_of_task(struct lane_here *lane, const char *line,
                              const char *const **ret_envp, struct report *report)
{
    char id[TASK_ID_TEXT_MAX];
    if (!lane->array->is_plain) {
        return env_make(lane, line, &lane->task_arena, ret_envp, report);
    }
    error_code error = lane->envp == NULL ? env_template(lane, report) : OK;
    if (error != OK) {
        return error;
    }
    uint32_t n = lane->n_env;
    ignore_error(snprintf(lane->trial_text, sizeof lane->trial_text, "%s%s", task_names[0],
                          task_id_print(lane->lease.task, id)) < 0,
                 "it fits");
    ignore_error(snprintf(lane->index_text, sizeof lane->index_text, "%s%u", task_names[1],
                          lane->lease.task.index) < 0,
                 "it fits");
    lane->envp[n++] = lane->trial_text;
    lane->envp[n++] = lane->index_text;
    if (line != NULL) {
        const char *text = arena_printf(&lane->task_arena, "%s%s", task_names[2], line);
        if (text == NULL) {
            return report_fail(report, ERR_NO_MEMORY, "no memory for its environment");
        }
        lane->envp[n++] = text;
    }
    lane->envp[n] = NULL;
    *ret_envp = lane->envp;
    return OK;
}

static error_code argv_of_task(struct lane_here *lane, const char *line,
                               const char *const **ret_argv, struct report *report)
{
    char id[TASK_ID_TEXT_MAX];
    uint32_t argc;
    const struct msg_lease *lease = &lane->lease;
    const struct macros_values values = {
        .trial_id = task_id_print(lease->task, id),
        .trial_dir = "",
        .index = lease->task.index,
        .line = line,
    };
    bool is_once = lane->array->is_plain;
    if (lane->argv != NULL) {
        *ret_argv = lane->argv;
        return OK;
    }
    error_code error =
        macros_expand(lease->words, lease->n_words, lease->is_shell, &values,
                      is_once ? &lane->arena : &lane->task_arena, ret_argv, &argc, report);
    if (error == OK && argc == 0) {
        error = report_fail(report, ERR_INVALID, "its command is empty");
    }
    if (error == OK && is_once) {
        lane->argv = *ret_argv;
    }
    return error;
}

static error_code task_request(struct lane_here *lane, struct attempt_ref ref,
                               struct spawn_request *ret_request, struct report *report)
{
    const char *line;
    lane->lease.task.index = ref.task.index;
    arena_reset(&lane->task_arena);
    error_code error = arrays_macros(lane->worker->arrays, ref, &lane->task_arena, &line, report);
    error = error == OK ? argv_of_task(lane, line, &ret_request->argv, report) : error;
    error = error == OK ? env_of_task(lane, line, &ret_request->envp, report) : error;
    ret_request->folder = lane->lease.workdir;
    ret_request->mark = lane->mark.number;
    ret_request->nofile = lane->worker->nofile;
    ret_request->is_quiet = true;
    ret_request->epoll_fd = lane->worker->arrays->epoll_fd;
    ret_request->epoll_data = lane;
    lane_logs_fds(lane->logs, &ret_request->out_fd, &ret_request->err_fd);
    return error;
}

/* ---- the beginning ---- */

static bool run_begin(struct lane_here *lane, struct attempt_ref ref)
{
    struct worker *worker = lane->worker;
    struct attempt_run *run = lane->run != NULL ? lane->run : mem_zalloc(sizeof *run);
    if (run == NULL) {
        return false;
    }
    lane->run = run;
    /* Its paths are long, and unused. */
    run->worker = worker;
    run->lane = lane;
    run->is_lean = true;
    run->lease = &lane->lease;
    run->mark = lane->mark;
    run->ref = ref;
    run->state = RUN_PREPARING;
    run->pid = 0;
    run->started_at = run->ended_at = run->activity_told_at = run->kill_retry_at = 0;
    run->is_killed = run->is_kill_running = run->is_over_memory = false;
    run->n_left_behind = 0;
    run->memory_peak_bytes = run->share_permille = 0;
    run->cpu_ms = 0;
    HASH_ADD(hh, worker->runs, ref, sizeof run->ref, run);
    if (run->hh.tbl == NULL) {
        return false;
    }
    lane_logs_begin(lane->logs, run);
    return true;
}

static void run_end(struct lane_here *lane)
{
    struct attempt_run *run = lane->run;
    lane_logs_end(lane->logs);
    run->state = RUN_ENDED;
    HASH_DELETE(hh, lane->worker->runs, run);
    memset(&run->hh, 0, sizeof run->hh);
    if (lane->pidfd >= 0) {
        close(lane->pidfd);
        lane->pidfd = -1;
    }
}

static void on_lane_spawned(void *context, const struct spawn_result *result)
{
    struct lane_here *lane = context;
    struct worker *worker = lane->worker;
    struct attempt_run *run = lane->run;
    struct report report = {0};
    error_code error = OK;
    worker->arrays->n_starting--;
    if (result->pid == 0) {
        attempt_spawn_report(result, lane->program, lane->lease.workdir, &report);
        error = report.code;
    } else {
        run->pid = result->pid;
        run->started_at = result->exec_at;
        lane->exec_us = result->exec_us;
        lane->pidfd = result->pidfd;
        if (!result->is_watched) {
            error = ERR_SYSTEM;
            kill(result->pid, SIGKILL);
            ignore_error(report_fail(&report, error, "cannot wait for its process"), "told below");
        }
    }
    if (error != OK) {
        struct attempt_ref ref = run->ref;
        run_end(lane);
        on_attempt_not_started(worker->agent, clock_now(), ref, CAUSE_CANNOT_START, report.text,
                               &worker->out);
        return;
    }
    run->state = RUN_ALIVE;
    on_attempt_started(worker->agent, clock_now(), run->ref, (uint32_t)run->pid, &worker->out);
}

error_code lane_task_start(struct lane_here *lane, struct attempt_ref ref, struct report *report)
{
    struct spawn_request request = {0};
    error_code error = task_request(lane, ref, &request, report);
    if (error != OK) {
        return error;
    }
    if (!run_begin(lane, ref)) {
        return report_fail(report, ERR_NO_MEMORY, "no memory on its node");
    }
    lane->program = request.argv[0];
    error = spawner_start(lane->worker->spawner, &request, on_lane_spawned, lane);
    if (error != OK) {
        run_end(lane);
        return report_fail(report, error, "cannot start a process: %s", error_word(error));
    }
    lane->worker->arrays->n_starting++;
    return OK;
}

/* ---- the end ---- */

void arrays_turn(struct arrays *arrays)
{
    if (arrays->n_starting > 0) {
        spawner_answers_take(arrays->worker->spawner);
    }
}

void on_lane_exits(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    const struct arrays *arrays = poll->data;
    struct epoll_event exits[EXITS_A_LOOK];
    int n = epoll_wait(arrays->epoll_fd, exits, EXITS_A_LOOK, 0);
    if (arrays->worker->spawner != NULL) {
        spawner_answers_take(arrays->worker->spawner); /* each end has had its start */
    }
    for (int i = 0; i < n; i++) {
        const struct lane_here *lane = exits[i].data.ptr;
        attempt_tree_end(lane->run);
    }
}

void lane_task_gone(struct attempt_run *run)
{
    struct lane_here *lane = run->lane;
    struct worker *worker = lane->worker;
    struct attempt_result facts = {0};
    struct attempt_ref ref = run->ref;
    char reason[256] = "";
    int64_t ran_us = clock_monotonic_us() - lane->exec_us;
    FAILPOINT(LANE_END);
    attempt_facts_read(run, &facts, reason, sizeof reason);
    lane_logs_drain(lane->logs);
    if (facts.cause != CAUSE_EXIT || facts.exit_code != 0) {
        lane_logs_tails(lane->logs, lane->lease.tail_bytes, &facts.out_tail, &facts.err_tail);
    }
    agent_task_duration(worker->agent, ref, ran_us > 0 ? (uint64_t)ran_us : 1);
    on_attempt_exited(worker->agent, clock_now(), ref, &facts, &worker->out);
    run_end(lane); /* the tails were its logs' */
}

void lane_task_release(struct lane_here *lane)
{
    if (lane->run != NULL && lane->run->hh.tbl != NULL) { /* the worker leaves */
        run_end(lane);
    }
    mem_free(lane->run);
    lane->run = NULL;
}
