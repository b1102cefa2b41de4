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
    pid_t *others; /* owned: of the target */
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

static void tree_kill_free(struct tree_kill *tree)
{
    if (tree != NULL) {
        mem_free(tree->others);
        mem_free(tree);
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
    tree_kill_free(tree);
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
    uint32_t n_others = 0;
    if (tree != NULL && attempt_process_others(run, &tree->others, &n_others) == OK) {
        tree->work.data = tree;
        tree->worker = run->worker;
        tree->ref = run->ref;
        /* Strangers are left alone: one could be an attempt that is being started. */
        tree->target = (struct proctree_target){
            .mark = run->mark, .main = run->pid, .others = tree->others, .n_others = n_others};
        run->is_kill_running =
            uv_queue_work(loop_uv(run->worker->loop), &tree->work, on_kill_work, on_kill_done) == 0;
    }
    if (!run->is_kill_running) {
        tree_kill_free(tree);
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

/* Whose status counts had got our SIGKILL before it ended. */
static bool run_was_killed(const struct attempt_run *run)
{
    return run->has_lost ? run->is_lost_by_us : run->is_killed;
}

static void facts_of_signal(struct attempt_run *run, int signal, struct attempt_result *facts,
                            char *reason, size_t size_bytes)
{
    facts->cause = CAUSE_SIGNAL;
    facts->signal = (uint32_t)signal;
    if (signal == SIGKILL && !run_was_killed(run) && usage_kernel_killed(run->worker->usage)) {
        facts_of_kernel(facts, reason, size_bytes);
        return;
    }
    const char *name = strsignal(signal);
    ignore_error(snprintf(reason, size_bytes, "killed by signal %d (%s)", signal,
                          name == NULL ? "unknown" : name) < 0,
                 "it fits");
}

/* False: there was nothing to reap. */
static bool process_reap(pid_t pid, int *ret_status, struct attempt_result *facts)
{
    struct rusage usage = {0};
    pid_t reaped;
    while ((reaped = wait4(pid, ret_status, WNOHANG, &usage)) < 0 && errno == EINTR) {
    }
    uint64_t peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
    facts->cpu_ms += usage_cpu_ms(&usage);
    facts->rss_peak_bytes = peak_bytes > facts->rss_peak_bytes ? peak_bytes : facts->rss_peak_bytes;
    return reaped == pid;
}

/* Every rank is reaped. The status that counts is that of the first rank that failed; if none did,
 * of one that gave the trial back, or else of the first. */
static bool processes_reap(struct attempt_run *run, int *ret_status, struct attempt_result *facts)
{
    if (run->n_ranks == 0) {
        return process_reap(run->pid, ret_status, facts);
    }
    bool is_telling = false;
    for (uint32_t i = 0; i < run->n_ranks; i++) {
        int status = 0;
        bool was_there = run->ranks[i].pid > 0 && process_reap(run->ranks[i].pid, &status, facts);
        bool is_better = run->has_lost ? i == run->lost_rank : i == 0 || status != 0;
        run->ranks[i].pid = 0;
        if (is_better) {
            *ret_status = status;
            is_telling = was_there;
        }
    }
    return is_telling;
}

static void facts_of_status(struct attempt_run *run, bool is_reaped, int status,
                            struct attempt_result *facts, char *reason, size_t size_bytes)
{
    if (is_reaped && WIFSIGNALED(status)) {
        facts_of_signal(run, WTERMSIG(status), facts, reason, size_bytes);
        return;
    }
    facts->cause = CAUSE_EXIT;
    facts->exit_code = is_reaped ? (uint32_t)WEXITSTATUS(status) : 255;
    if (run->lost_words != NULL) {
        ignore_error(snprintf(reason, size_bytes, "%s", run->lost_words) < 0, "cut");
    } else if (facts->exit_code == EXIT_OF_SIGKILL && !run_was_killed(run) &&
               usage_kernel_killed(run->worker->usage)) {
        facts_of_kernel(facts, reason, size_bytes); /* a shell tells of its child */
    } else if (facts->exit_code != 0) {
        ignore_error(snprintf(reason, size_bytes, "exit code %u", facts->exit_code) < 0, "it fits");
    }
}

/* The only one here, of a trial that has others elsewhere. */
static bool run_is_lone_rank_lost(const struct attempt_run *run, bool is_reaped, int status)
{
    return run->lease->is_trial && run->lease->nodes > 1 && run->n_ranks == 1 &&
           (!is_reaped || status != 0);
}

void attempt_facts_read(struct attempt_run *run, struct attempt_result *ret_facts, char *reason,
                        size_t size_bytes)
{
    int status = 0;
    struct attempt_result facts = {.started_at = run->started_at, .ended_at = run->ended_at};
    size_t len = 0;
    bool is_reaped = processes_reap(run, &status, &facts);
    facts.cpu_ms = facts.cpu_ms > run->cpu_ms ? facts.cpu_ms : run->cpu_ms;
    if (run->memory_peak_bytes > facts.rss_peak_bytes) {
        facts.rss_peak_bytes = run->memory_peak_bytes;
    }
    if ((run->n_ranks > 1 && run->has_lost) || run_is_lone_rank_lost(run, is_reaped, status)) {
        len = (size_t)snprintf(reason, size_bytes,
                               "rank %u: ", (unsigned)attempt_rank(run, run->lost_rank));
    }
    facts_of_status(run, is_reaped, status, &facts, reason + len, size_bytes - len);
    if (run->n_left_behind > 0) {
        len = strlen(reason);
        ignore_error(snprintf(reason + len, size_bytes - len,
                              "%s%u processes that it left behind were ended", len > 0 ? "; " : "",
                              run->n_left_behind) < 0,
                     "cut");
    }
    facts.reason = reason[0] != '\0' ? reason : NULL;
    run->pid = 0;
    *ret_facts = facts;
}
