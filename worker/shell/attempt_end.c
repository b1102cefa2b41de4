/* An attempt ends when its process tree is empty. Where the kernel lists our children, a look says
 * at once that nothing was left behind; otherwise a walk over /proc in the pool ends what is there.
 * The main process is reaped last: until then its number is its own. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "worker/shell/arrays.h"
#include "worker/shell/usage.h"

enum { EXIT_OF_SIGKILL = 128 + SIGKILL };

struct tree_kill {
    uv_work_t work;
    struct worker *worker;
    struct attempt_ref ref;
    struct proctree_target target;
    uint32_t killed;
    error_code error;
};

/* ---- in the pool ---- */

static void on_kill_work(uv_work_t *work)
{
    struct tree_kill *tree = work->data;
    tree->error = proctree_kill(&tree->target, &tree->killed);
}

/* Something cannot be killed now (it waits for a disk, say), or there was no memory to look. */
static void kill_retry_later(struct attempt_run *run, error_code error)
{
    struct worker *worker = run->worker;
    log_once("kill", LOG_LEVEL_WARNING,
             "processes of an attempt cannot be ended yet (%s); trying again", error_word(error));
    run->kill_retry_at = clock_now() + ATTEMPT_KILL_RETRY_MS;
    if (run->kill_retry_at < worker->kill_retry_at) {
        worker->kill_retry_at = run->kill_retry_at;
    }
    loop_again(worker->loop);
}

void attempts_kill_tick(struct worker *worker, time_ms now)
{
    if (now < worker->kill_retry_at) {
        return;
    }
    struct attempt_run *run, *next;
    worker->kill_retry_at = INT64_MAX;
    HASH_ITER (hh, worker->runs, run, next) {
        if (run->kill_retry_at != 0) {
            run->kill_retry_at = 0;
            attempt_tree_kill(run);
        }
    }
}

static void on_kill_done(uv_work_t *work, int status)
{
    struct tree_kill *tree = work->data;
    struct attempt_run *run = attempt_run_find(tree->worker, tree->ref);
    if (status == 0 && run != NULL && !tree->worker->is_leaving) {
        run->n_left_behind += run->is_killed ? 0 : tree->killed;
        run->is_kill_running = false;
        if (tree->error != OK) {
            kill_retry_later(run, tree->error);
        } else if (run->state == RUN_ENDING) {
            attempt_tree_gone(run);
        }
    }
    mem_free(tree);
}

void attempt_tree_kill(struct attempt_run *run)
{
    /* The next one of its lane would have the same mark. */
    if (run->is_lean && !lane_task_hold(run)) {
        return;
    }
    run->is_killed = run->is_killed || run->state == RUN_ALIVE;
    if (run->is_kill_running || run->state == RUN_ENDED) {
        return;
    }
    struct tree_kill *tree = mem_zalloc(sizeof *tree);
    if (tree != NULL) {
        tree->work.data = tree;
        tree->worker = run->worker;
        tree->ref = run->ref;
        /* Strangers are left alone: one could be an attempt that is being started. */
        tree->target = (struct proctree_target){.mark = run->mark, .main = run->pid};
        run->is_kill_running =
            uv_queue_work(loop_uv(run->worker->loop), &tree->work, on_kill_work, on_kill_done) == 0;
    }
    if (!run->is_kill_running) {
        mem_free(tree);
        run->worker->out.failed = ERR_NO_MEMORY;
    }
}

void attempt_tree_end(struct attempt_run *run)
{
    bool is_known;
    if (run->state != RUN_ALIVE) {
        return;
    }
    run->ended_at = clock_now();
    bool has_orphans = proctree_has_orphans(run->mark.number, &is_known);
    run->state = RUN_ENDING;
    if (is_known && !has_orphans && !run->is_kill_running) {
        attempt_tree_gone(run);
    } else {
        attempt_tree_kill(run); /* one under way may have looked before the last fork */
    }
}

/* ---- evidence ---- */

static int64_t usage_cpu_ms(const struct rusage *usage)
{
    return (int64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000 +
           (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000;
}

static void facts_of_kernel(struct attempt_result *facts, char *reason, size_t size_bytes)
{
    facts->cause = CAUSE_OOM;
    ignore_error(snprintf(reason, size_bytes, "out of memory: killed by the kernel") < 0,
                 "it fits");
}

static void facts_of_signal(struct attempt_run *run, int signal, struct attempt_result *facts,
                            char *reason, size_t size_bytes)
{
    facts->cause = CAUSE_SIGNAL;
    facts->signal = (uint32_t)signal;
    if (signal == SIGKILL && !run->is_killed && usage_kernel_killed(run->worker->usage)) {
        facts_of_kernel(facts, reason, size_bytes);
        return;
    }
    const char *name = strsignal(signal);
    ignore_error(snprintf(reason, size_bytes, "killed by signal %d (%s)", signal,
                          name == NULL ? "unknown" : name) < 0,
                 "it fits");
}

void attempt_facts_read(struct attempt_run *run, struct attempt_result *ret_facts, char *reason,
                        size_t size_bytes)
{
    int status = 0;
    struct rusage usage = {0};
    struct attempt_result facts = {.started_at = run->started_at, .ended_at = run->ended_at};
    pid_t pid;
    while ((pid = wait4(run->pid, &status, WNOHANG, &usage)) < 0 && errno == EINTR) {
    }
    int64_t main_cpu_ms = usage_cpu_ms(&usage);
    uint64_t main_peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
    facts.cpu_ms = main_cpu_ms > run->cpu_ms ? main_cpu_ms : run->cpu_ms;
    facts.rss_peak_bytes =
        main_peak_bytes > run->memory_peak_bytes ? main_peak_bytes : run->memory_peak_bytes;
    if (pid == run->pid && WIFSIGNALED(status)) {
        facts_of_signal(run, WTERMSIG(status), &facts, reason, size_bytes);
    } else {
        facts.cause = CAUSE_EXIT;
        facts.exit_code = pid == run->pid ? (uint32_t)WEXITSTATUS(status) : 255;
        if (facts.exit_code == EXIT_OF_SIGKILL && !run->is_killed &&
            usage_kernel_killed(run->worker->usage)) {
            facts_of_kernel(&facts, reason, size_bytes); /* a shell tells of its child */
        } else if (facts.exit_code != 0) {
            ignore_error(snprintf(reason, size_bytes, "exit code %u", facts.exit_code) < 0,
                         "it fits");
        }
    }
    if (run->n_left_behind > 0) {
        size_t len = strlen(reason);
        ignore_error(snprintf(reason + len, size_bytes - len,
                              "%s%u processes that it left behind were ended", len > 0 ? "; " : "",
                              run->n_left_behind) < 0,
                     "cut");
    }
    facts.reason = reason[0] != '\0' ? reason : NULL;
    run->pid = 0;
    *ret_facts = facts;
}
