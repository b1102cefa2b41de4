/* A task of an array that needs no folder: a process with an environment made once for its lane.
 * Everything else -- its mark, its tree, its memory, its end -- is as an attempt's.
 *
 * A lane is a chain of processes (sys/spawner_chain.h): the spawner's thread starts the next one as
 * soon as one has ended, if that one left no process behind and all that it wrote has been read.
 * This thread follows: it learns of several ends at once, makes rows of them, and gives the chain
 * more. It holds a chain wherever it has to know who is who: to read a pipe, and to end a tree. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "spec/macros.h"
#include "sys/clock.h"
#include "sys/failpoints.h"
#include "worker/shell/arrays.h"
#include "worker/shell/environment.h"

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
    lane_logs_fds(lane->logs, &ret_request->out_fd, &ret_request->err_fd);
    return error;
}

/* ---- the beginning ---- */

static void run_begin(struct lane_here *lane, uint32_t index)
{
    struct worker *worker = lane->worker;
    struct attempt_run *run = lane->run;
    /* Its paths are long, and unused. */
    run->ref = (struct attempt_ref){{lane->array->job, index}, 0};
    run->state = RUN_PREPARING;
    run->pid = 0;
    run->started_at = run->ended_at = run->activity_told_at = run->kill_retry_at = 0;
    run->is_killed = run->is_kill_running = run->is_over_memory = false;
    run->n_left_behind = 0;
    run->memory_peak_bytes = run->share_permille = 0;
    run->cpu_ms = 0;
    HASH_ADD(hh, worker->runs, ref, sizeof run->ref, run);
    if (run->hh.tbl == NULL) {
        worker->out.failed = ERR_NO_MEMORY;
    }
    lane_logs_begin(lane->logs, run);
}

static void run_end(struct lane_here *lane)
{
    struct attempt_run *run = lane->run;
    lane_logs_end(lane->logs);
    run->state = RUN_ENDED;
    if (run->hh.tbl != NULL) {
        HASH_DELETE(hh, lane->worker->runs, run);
    }
    memset(&run->hh, 0, sizeof run->hh);
}

/* Nothing of the lane runs. */
static void chain_resume(struct lane_here *lane)
{
    if (lane->is_held) {
        lane->is_held = false;
        spawn_chain_let(lane->chain);
    }
    spawn_chain_go(lane->chain);
}

static void lane_task_started(struct lane_here *lane, const struct spawn_result *result)
{
    struct worker *worker = lane->worker;
    struct attempt_run *run = lane->run;
    worker->arrays->n_starting--;
    run->pid = result->pid;
    run->started_at = result->exec_at;
    run->state = RUN_ALIVE;
    lane->exec_us = result->exec_us;
    on_attempt_started(worker->agent, clock_now(), run->ref, (uint32_t)run->pid, &worker->out);
}

static void lane_task_not_started(struct lane_here *lane, const struct spawn_chain_event *event)
{
    struct worker *worker = lane->worker;
    struct attempt_ref ref = lane->run->ref;
    struct report report = {0};
    worker->arrays->n_starting--;
    attempt_spawn_report(event->result, event->program, lane->lease.workdir, &report);
    run_end(lane);
    on_attempt_not_started(worker->agent, clock_now(), ref, CAUSE_CANNOT_START, report.text,
                           &worker->out);
    chain_resume(lane);
}

static void lane_task_ended(struct lane_here *lane, const struct spawn_chain_event *event)
{
    struct attempt_run *run = lane->run;
    lane->ended_us = event->ended_us;
    lane->is_halted = event->is_halted;
    if (event->is_halted) {
        attempt_tree_end(run);
        return;
    }
    run->ended_at = event->ended_at;
    run->state = RUN_ENDING;
    attempt_tree_gone(run);
}

void lane_task_look(struct lane_here *lane)
{
    struct spawn_chain_event event;
    while (!lane->worker->is_leaving && spawn_chain_take(lane->chain, &event)) {
        switch (event.kind) {
        case SPAWN_CHAIN_BEGUN:
            run_begin(lane, (uint32_t)event.tag);
            break;
        case SPAWN_CHAIN_STARTED:
            lane_task_started(lane, event.result);
            break;
        case SPAWN_CHAIN_NOT_STARTED:
            lane_task_not_started(lane, &event);
            break;
        case SPAWN_CHAIN_ENDED:
            lane_task_ended(lane, &event);
            break;
        }
    }
}

static void on_chain_news(void *context)
{
    struct lane_here *lane = context;
    lane_task_look(lane);
}

/* On the spawner's thread. Orphans are given to the main thread before their parent's end is told.
 */
static bool chain_may_go_on(void *context)
{
    const struct lane_here *lane = context;
    return proctree_is_childless(lane->worker->arrays->children_fd) &&
           lane_logs_are_read(lane->logs);
}

error_code lane_task_open(struct lane_here *lane)
{
    const struct spawn_chain_ops ops = {chain_may_go_on, on_chain_news, lane};
    lane->run = mem_zalloc(sizeof *lane->run);
    if (lane->run == NULL) {
        return ERR_NO_MEMORY;
    }
    lane->run->worker = lane->worker;
    lane->run->lane = lane;
    lane->run->is_lean = true;
    lane->run->lease = &lane->lease;
    lane->run->mark = lane->mark;
    lane->run->state = RUN_ENDED;
    return spawn_chain_new(lane->worker->spawner, &ops, &lane->chain);
}

error_code lane_task_start(struct lane_here *lane, struct attempt_ref ref, struct report *report)
{
    struct spawn_request request = {0};
    error_code error = task_request(lane, ref, &request, report);
    if (error != OK) {
        return error;
    }
    error = spawn_chain_push(lane->chain, ref.task.index, &request);
    if (error != OK) {
        return report_fail(report, error, "cannot start a process: %s", error_word(error));
    }
    lane->worker->arrays->n_starting++;
    return OK;
}

/* ---- held and given back ---- */

bool lane_task_hold(struct attempt_run *run)
{
    struct lane_here *lane = run->lane;
    struct attempt_ref ref = run->ref;
    if (!lane->is_held) {
        lane->is_held = true;
        spawn_chain_hold(lane->chain);
        lane_task_look(lane); /* which comes back here if its tree is not empty */
    }
    bool is_here = task_id_equal(run->ref.task, ref.task) &&
                   (run->state == RUN_ALIVE || run->state == RUN_ENDING);
    if (!is_here && lane->is_held) {
        lane->is_held = false;
        spawn_chain_let(lane->chain);
    }
    return is_here;
}

void lane_task_recall(struct lane_here *lane)
{
    struct worker *worker = lane->worker;
    uint64_t index;
    while (spawn_chain_recall(lane->chain, &index)) {
        worker->arrays->n_starting--;
        on_attempt_recalled(worker->agent, clock_now(),
                            (struct attempt_ref){{lane->array->job, (uint32_t)index}, 0},
                            &worker->out);
    }
}

static void lane_turn(struct lane_here *lane, int64_t now_us)
{
    lane_task_look(lane);
    if (lane->run->state == RUN_ALIVE && now_us - lane->exec_us > LANE_STALL_US &&
        spawn_chain_queued(lane->chain) > 0) {
        lane_task_recall(lane);
    }
}

void arrays_turn(struct arrays *arrays)
{
    int64_t now_us = clock_monotonic_us();
    struct array_here *array, *next;
    if (arrays->n_starting == 0) {
        return;
    }
    HASH_ITER (hh, arrays->by_job, array, next) {
        list_each (&array->lanes, struct lane_here, link, lane) {
            if (lane->chain != NULL) {
                lane_turn(lane, now_us);
            }
        }
    }
}

/* ---- the end ---- */

void lane_task_gone(struct attempt_run *run)
{
    struct lane_here *lane = run->lane;
    struct worker *worker = lane->worker;
    struct attempt_result facts = {0};
    struct attempt_ref ref = run->ref;
    char reason[256] = "";
    int64_t ran_us = lane->ended_us - lane->exec_us;
    FAILPOINT(LANE_END);
    attempt_facts_read(run, &facts, reason, sizeof reason);
    if (lane->is_halted) {
        lane_logs_drain(lane->logs); /* else it was empty, and may be another's by now */
    }
    if (facts.cause != CAUSE_EXIT || facts.exit_code != 0) {
        lane_logs_tails(lane->logs, lane->lease.tail_bytes, &facts.out_tail, &facts.err_tail);
    }
    agent_task_duration(worker->agent, ref, ran_us > 0 ? (uint64_t)ran_us : 1);
    on_attempt_exited(worker->agent, clock_now(), ref, &facts, &worker->out);
    run_end(lane); /* the tails were its logs' */
    if (lane->is_halted) {
        lane->is_halted = false;
        chain_resume(lane);
    }
}

void lane_task_release(struct lane_here *lane)
{
    if (lane->run != NULL && lane->run->hh.tbl != NULL) { /* the worker leaves */
        run_end(lane);
    }
    spawn_chain_free(lane->chain);
    lane->chain = NULL;
    mem_free(lane->run);
    lane->run = NULL;
}
