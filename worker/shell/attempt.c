#include "worker/shell/attempt.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/failpoints.h"
#include "worker/shell/arrays.h"

/* A spare's socket listens inside its folder already; one that must lie elsewhere does not. */
static bool run_has_own_socket(const struct attempt_run *run)
{
    return run->has_spare && strncmp(run->socket_path, run->spare.dir, strlen(run->spare.dir)) == 0;
}

static error_code attempt_socket_prepare(struct attempt_run *run, struct report *report)
{
    int listen_fd = -1;
    error_code error = trial_socket_path(run->dir, run->socket_path, report);
    if (error == OK && run_has_own_socket(run)) {
        listen_fd = run->spare.listen_fd;
        run->spare.listen_fd = -1;
    }
    return error != OK ? error
                       : trial_socket_open(run->worker->sockets, run->socket_path, listen_fd,
                                           run->ref, &run->socket, report);
}

static void attempt_socket_release(struct attempt_run *run)
{
    if (run_has_own_socket(run)) {
        run->spare.listen_fd = trial_socket_detach(run->socket);
    } else {
        trial_socket_close(run->socket);
    }
    run->socket = NULL;
}

/* The folder is first, so that it goes last: snapshots are committed out of it. */
const struct attempt_step attempt_steps[] = {
    {"folder", attempt_folder_prepare, attempt_folder_release},
    {"snapshot", attempt_restore_prepare, NULL},
    {"socket", attempt_socket_prepare, attempt_socket_release},
    {"lines", attempt_lines_prepare, attempt_lines_release},
    {"event files", attempt_events_prepare, attempt_events_release},
    {"checkpoints", attempt_adopt_prepare, attempt_adopt_release},
    {"ports", attempt_ports_prepare, attempt_ports_release},
    {"logs", attempt_logs_prepare, attempt_logs_release},
    {"other nodes", attempt_meet_prepare, NULL},
    {"process", attempt_process_prepare, attempt_process_release},
};

enum { STEPS = sizeof attempt_steps / sizeof attempt_steps[0], STEPS_OF_FOLDER = 1 };

struct attempt_run *attempt_run_find(const struct worker *worker, struct attempt_ref ref)
{
    struct attempt_run *run;
    HASH_FIND(hh, worker->runs, &ref, sizeof ref, run);
    return run;
}

/* ---- in and out ---- */

static void run_release(struct attempt_run *run, uint32_t first)
{
    while (run->n_prepared > first) {
        run->n_prepared--;
        if (attempt_steps[run->n_prepared].release != NULL) {
            attempt_steps[run->n_prepared].release(run);
        }
    }
}

static void run_free(struct attempt_run *run)
{
    run_release(run, 0);
    HASH_DELETE(hh, run->worker->runs, run);
    arena_fini(&run->arena);
    mem_free(run);
}

static void run_failed(struct attempt_run *run, const struct report *report)
{
    struct worker *worker = run->worker;
    struct attempt_ref ref = run->ref;
    run_free(run);
    on_attempt_not_started(worker->agent, clock_now(), ref, CAUSE_CANNOT_START, report->text,
                           &worker->out);
}

void attempt_let_go(struct worker *worker, struct attempt_ref ref, const char *reason)
{
    struct attempt_run *run = attempt_run_find(worker, ref);
    if (run != NULL && run->is_held) {
        run_free(run);
        on_attempt_not_started(worker->agent, clock_now(), ref, CAUSE_REFUSED, reason,
                               &worker->out);
        loop_again(worker->loop);
    }
}

static void run_continue(struct attempt_run *run)
{
    while (run->n_prepared < STEPS) {
        const struct attempt_step *step = &attempt_steps[run->n_prepared];
        struct report report = {0};
        error_code error = step->prepare(run, &report);
        if (error == ERR_AGAIN) {
            return;
        }
        if (error != OK) {
            if (report.text[0] == '\0') {
                ignore_error(report_fail(&report, error, "cannot prepare its %s: %s", step->name,
                                         error_word(error)),
                             "already failed");
            }
            run_failed(run, &report);
            return;
        }
        run->n_prepared++;
    }
    run->state = RUN_ALIVE;
    on_attempt_started(run->worker->agent, clock_now(), run->ref, (uint32_t)run->pid,
                       &run->worker->out);
    attempt_process_alive(run);
}

void attempt_step_done(struct attempt_run *run, error_code error, const struct report *report)
{
    struct loop *loop = run->worker->loop;
    assert(run->state == RUN_PREPARING);
    if (error != OK) {
        run_failed(run, report);
    } else {
        run->n_prepared++;
        run_continue(run);
    }
    loop_again(loop);
}

/* The effect's lease is gone with its turn, and steps may take longer. */
static const struct msg_lease *lease_copy(const struct msg_lease *lease, struct arena *arena)
{
    struct buf frame;
    message_type type;
    void *copy = NULL;
    buf_init(&frame, MSG_MAX_BYTES);
    if (message_encode(MSG_LEASE, lease, &frame) != OK ||
        message_decode(buf_bytes(&frame), arena, &type, &copy, NULL) != OK) {
        copy = NULL;
    }
    buf_fini(&frame);
    return copy;
}

void attempt_start(struct worker *worker, struct attempt_ref ref, const struct msg_lease *lease,
                   struct lane_here *lane)
{
    struct attempt_run *run = mem_zalloc(sizeof *run);
    if (run != NULL) {
        run->worker = worker;
        run->ref = ref;
        run->lane = lane;
        arena_init(&run->arena, MSG_ARENA_MAX_BYTES + (8 << 20));
        run->lease = lease_copy(lease, &run->arena);
        if (run->lease != NULL) {
            HASH_ADD(hh, worker->runs, ref, sizeof run->ref, run);
        }
        if (run->lease == NULL || run->hh.tbl == NULL) {
            arena_fini(&run->arena);
            mem_free(TAKE(run));
        }
    }
    if (run == NULL) {
        on_attempt_not_started(worker->agent, clock_now(), ref, CAUSE_CANNOT_START,
                               "no memory on its node", &worker->out);
        return;
    }
    run_continue(run);
}

void attempt_signal(struct worker *worker, struct attempt_ref ref, int signal)
{
    struct attempt_run *run = attempt_run_find(worker, ref);
    if (run == NULL || run->state != RUN_ALIVE) {
        return; /* not there yet, or ending: the core asks again where it has to */
    }
    if (signal == SIGKILL) {
        attempt_tree_kill(run);
        return;
    }
    attempt_process_signal(run, signal);
}

/* Who has done what it should has little to explain. */
static void tail_shorten(struct bytes *tail)
{
    if (tail->len > ATTEMPT_TAIL_DONE_BYTES) {
        tail->data += tail->len - ATTEMPT_TAIL_DONE_BYTES;
        tail->len = ATTEMPT_TAIL_DONE_BYTES;
    }
}

void attempt_tree_gone(struct attempt_run *run)
{
    if (run->is_lean) {
        lane_task_gone(run);
        return;
    }
    if (attempt_events_last(run) || attempt_adopt_last(run)) {
        return;
    }
    struct worker *worker = run->worker;
    struct attempt_result facts = {0};
    char reason[256] = "";
    attempt_facts_read(run, &facts, reason, sizeof reason);
    attempt_logs_drain(run);
    trial_socket_drain(run->socket);
    attempt_lines_end(run, &facts);
    attempt_logs_tails(run, &facts.out_tail, &facts.err_tail);
    if (facts.cause == CAUSE_EXIT && facts.exit_code == 0) {
        tail_shorten(&facts.out_tail);
        tail_shorten(&facts.err_tail);
    }
    run->state = RUN_ENDED;
    FAILPOINT(ATTEMPT_END);
    on_attempt_exited(worker->agent, clock_now(), run->ref, &facts, &worker->out);
    run_release(run, STEPS_OF_FOLDER);
    loop_again(worker->loop);
}

void attempt_clean(struct worker *worker, struct attempt_ref ref)
{
    struct attempt_run *run = attempt_run_find(worker, ref);
    if (run != NULL && run->state == RUN_ENDED) {
        run_free(run);
    }
}

void attempts_release(struct worker *worker)
{
    struct attempt_run *run, *next;
    HASH_ITER (hh, worker->runs, run, next) {
        if (!run->is_lean) {
            run_free(run);
        }
    }
}
