/* tests/unit/worker/shell/head_rig.h -- a worker in a process of its own, and a head that the test
 * plays on the real router: it welcomes, leases, acknowledges, and records every event. Included by
 * the daemon's tests only. */
#ifndef MUSTER_TESTS_UNIT_WORKER_SHELL_HEAD_RIG_H
#define MUSTER_TESTS_UNIT_WORKER_SHELL_HEAD_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/router.h"
#include "schema/messages.h"
#include "spec/types.h"
#include "sys/clock.h"
#include "sys/files.h"
#include "worker/shell/worker.h"

#define UNUSED __attribute__((unused))

enum {
    RIG_DEADLINE_MS = 60000,
    RIG_TICK_MS = 2,
    RIG_EVENTS_MAX = 4096,
    RIG_EPOCH = 1000,
    RIG_TEXT_MAX = 300,
};

struct rig_event {
    event_kind kind;
    task_id task;
    uint32_t attempt;
    uint32_t pid;
    int64_t step; /* of the last row */
    double value; /* its first one */
    uint64_t reached;
    struct snapshot_ref snapshot;
    bye_word bye;
    struct attempt_result result;
    char note[RIG_TEXT_MAX];
    char reason[RIG_TEXT_MAX];
    char out[8192]; /* the end of the tails */
    char err[8192];
};

struct rig;
typedef bool rig_condition_fn(struct rig *rig);

struct rig {
    struct loop *loop;
    struct router *router;
    struct key_pair keys;
    char folder[64];
    char state[96];
    char endpoint[ROUTER_ENDPOINT_MAX];
    char key_file[128];
    pid_t worker;
    int worker_err; /* its stderr */
    uint64_t peer;
    uint64_t incarnation;
    time_ms agent_started; /* as its last enrolment says */
    uint64_t applied;
    uint32_t enrolments;
    uint32_t n_gpus, n_snapshots;
    struct snapshot_name snapshots[16];
    const char *refuse_code; /* not NULL: every enrolment is refused with it */
    struct running_ref holds[64];
    uint32_t n_holds;
    struct rig_event *events;
    uint32_t n_events;
    uint32_t want;
    rig_condition_fn *condition;
    void (*on_event)(struct rig *rig, const struct node_event *event);           /* NULL is fine */
    void (*on_message)(struct rig *rig, message_type type, const void *message); /* the same */
    const char *option; /* "dry", or NULL; of the next start */
    bool is_met;
    time_ms deadline;
};

/* ---- the head's side ---- */

static inline void rig_send(struct rig *rig, message_type type, const void *message)
{
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    assert_int_equal(message_encode(type, message, &frame), OK);
    ignore_error(router_send(rig->router, rig->peer, buf_bytes(&frame)), "it may be away");
    buf_fini(&frame);
}

static inline void rig_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from == NULL ? "" : from);
}

static inline void rig_tail(char *to, size_t size, struct bytes tail)
{
    size_t n = tail.len < size - 1 ? tail.len : size - 1;
    if (n > 0) {
        memcpy(to, tail.data + tail.len - n, n);
    }
    to[n] = '\0';
}

static inline void rig_event_take(struct rig *rig, const struct node_event *event)
{
    if (event->number <= rig->applied) {
        return;
    }
    assert_int_equal(event->number, rig->applied + 1);
    assert_true(rig->n_events < RIG_EVENTS_MAX);
    rig->applied = event->number;
    if (rig->on_event != NULL) {
        rig->on_event(rig, event);
    }
    struct rig_event *record = &rig->events[rig->n_events++];
    *record = (struct rig_event){
        .kind = event->kind,
        .task = event->task,
        .attempt = event->attempt,
        .pid = event->pid,
        .reached = event->reached,
        .snapshot = event->snapshot,
        .bye = event->bye,
        .result = event->result,
    };
    if (event->rows.n_rows > 0) {
        const struct metric_row *row = &event->rows.rows[event->rows.n_rows - 1];
        record->step = row->step;
        record->value = row->n_values > 0 ? row->values[0] : 0;
    }
    record->snapshot.dir = NULL;
    rig_text(record->note, sizeof record->note,
             event->kind == EVENT_BYE ? event->note : event->result.note);
    rig_text(record->reason, sizeof record->reason, event->result.reason);
    rig_tail(record->out, sizeof record->out, event->result.out_tail);
    rig_tail(record->err, sizeof record->err, event->result.err_tail);
    if (event->kind == EVENT_RESULT) {
        for (uint32_t i = 0; i < rig->n_holds; i++) {
            if (task_id_equal(rig->holds[i].task, event->task) &&
                rig->holds[i].attempt == event->attempt) {
                rig->holds[i] = rig->holds[--rig->n_holds];
            }
        }
    }
}

static inline void rig_ack(struct rig *rig)
{
    struct msg_ack ack = {.incarnation = rig->incarnation, .applied = rig->applied};
    rig_send(rig, MSG_ACK, &ack);
}

static inline void rig_enrol_take(struct rig *rig, const struct msg_enrol *enrol)
{
    rig->enrolments++;
    rig->agent_started = enrol->agent_started;
    if (enrol->incarnation != rig->incarnation) {
        rig->incarnation = enrol->incarnation;
        rig->applied = 0;
        rig->n_holds = 0;
    }
    rig->n_gpus = enrol->n_gpus;
    rig->n_snapshots = enrol->n_snapshots;
    for (uint32_t i = 0; i < enrol->n_snapshots && i < 16; i++) {
        rig->snapshots[i] = enrol->snapshots[i];
    }
    struct msg_welcome welcome = {
        .epoch = RIG_EPOCH,
        .applied = rig->applied,
        .node_timeout_ms = 30000,
        .heartbeat_ms = 1000,
        .holds = rig->holds,
        .n_holds = rig->n_holds,
    };
    rig_send(rig, MSG_WELCOME, &welcome);
}

static inline bool on_rig_frame(void *context, time_ms now, const struct router_peer *peer,
                                struct bytes frame)
{
    (void)now;
    struct rig *rig = context;
    struct arena arena;
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    assert_int_equal(message_decode(frame, &arena, &type, &message, NULL), OK);
    rig->peer = peer->number;
    if (type == MSG_ENROL && rig->refuse_code != NULL) {
        struct msg_refused refused = {RIG_EPOCH, rig->refuse_code, "this join key is not ours"};
        rig_send(rig, MSG_REFUSED, &refused);
    } else if (type == MSG_ENROL) {
        assert_int_equal(router_peer_admit(rig->router, peer->number), OK);
        rig_enrol_take(rig, message);
    } else if (type == MSG_EVENTS) {
        const struct msg_events *events = message;
        for (uint32_t i = 0; i < events->n_events; i++) {
            rig_event_take(rig, &events->events[i]);
            if (events->events[i].kind == EVENT_DRAINING) {
                rig_send(rig, MSG_OWED, &(struct msg_owed){RIG_EPOCH, 0, 0, ""});
            }
        }
        rig_ack(rig);
    } else {
        rig_ack(rig); /* a heartbeat wants an answer */
        if (rig->on_message != NULL) {
            rig->on_message(rig, type, message);
        }
    }
    arena_fini(&arena);
    return true;
}

static inline void on_rig_turn(void *context, const struct loop_turn *turn)
{
    struct rig *rig = context;
    rig->is_met = rig->condition(rig);
    if (rig->is_met || turn->now > rig->deadline) {
        loop_stop(rig->loop);
    }
    loop_deadline_set(rig->loop, turn->now + RIG_TICK_MS);
}

/* Plays the head until the condition holds; false when RIG_DEADLINE_MS have passed. */
static inline bool rig_until(struct rig *rig, rig_condition_fn *condition)
{
    rig->condition = condition;
    rig->is_met = false;
    rig->deadline = clock_now() + RIG_DEADLINE_MS;
    loop_again(rig->loop);
    assert_int_equal(loop_run(rig->loop), OK);
    return rig->is_met;
}

static inline void rig_router_start(struct rig *rig)
{
    struct report report = {0};
    const struct router_options options = {
        .keys = &rig->keys, .on_frame = on_rig_frame, .context = rig};
    if (router_new(rig->loop, &options, &rig->router, &report) != OK ||
        router_bind(rig->router, rig->endpoint, NULL, &report) != OK) {
        fail_msg("%s", report.text);
    }
}

/* ---- the worker's process ---- */

/* What main() does when it is started as the worker. */
static inline int rig_worker_main(char **argv)
{
    struct worker_options options = {
        .join = argv[1],
        .key_file = argv[2],
        .state_dir = argv[3],
        .node = "n1",
        .cpus = 4 * AMOUNT_ONE,
        .fake_gpus = 2,
        .drain_ms = 5000,
        .is_dry = argv[4] != NULL && strcmp(argv[4], "dry") == 0,
    };
    return worker_main(&options);
}

static inline void rig_worker_start(struct rig *rig)
{
    int pipe_fds[2];
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    rig->worker = fork();
    assert_true(rig->worker >= 0);
    if (rig->worker == 0) {
        dup2(pipe_fds[1], STDERR_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed ends nothing */
        setenv("THE_SUBMITTERS_OWN", "secret", 1);
        execl("/proc/self/exe", "rig-worker", rig->endpoint, rig->key_file, rig->state, rig->option,
              (char *)NULL);
        _exit(127);
    }
    close(pipe_fds[1]);
    if (rig->worker_err >= 0) {
        close(rig->worker_err);
    }
    rig->worker_err = pipe_fds[0];
}

static inline void rig_worker_wait(struct rig *rig, int *ret_status)
{
    *ret_status = 0;
    while (waitpid(rig->worker, ret_status, 0) < 0 && errno == EINTR) {
    }
    rig->worker = 0;
}

static bool rig_worker_has_ended(struct rig *rig)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)rig->worker, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == rig->worker;
}

static inline void rig_worker_kill(struct rig *rig)
{
    int status;
    kill(rig->worker, SIGKILL);
    rig_worker_wait(rig, &status);
}

/* All that it has said so far (its pipe is at its end when it has ended). */
static inline void rig_worker_said(struct rig *rig, char *ret_text, size_t size)
{
    fcntl(rig->worker_err, F_SETFL, O_NONBLOCK);
    size_t n = 0;
    ssize_t r;
    while (n + 1 < size && (r = read(rig->worker_err, ret_text + n, size - 1 - n)) > 0) {
        n += (size_t)r;
    }
    ret_text[n] = '\0';
}

static bool rig_is_enrolled(struct rig *rig)
{
    return rig->enrolments >= rig->want;
}

static inline void rig_begin(struct rig *rig)
{
    *rig = (struct rig){.worker_err = -1};
    struct report report = {0};
    struct join_key join;
    char text[JOIN_KEY_TEXT_BYTES];
    rig->events = calloc(RIG_EVENTS_MAX, sizeof *rig->events);
    assert_non_null(rig->events);
    assert_int_equal(keys_init(), OK);
    assert_int_equal(key_pair_new(&rig->keys), OK);
    snprintf(rig->folder, sizeof rig->folder, "/tmp/muster-worker-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->state, sizeof rig->state, "%s/state", rig->folder);
    snprintf(rig->endpoint, sizeof rig->endpoint, "ipc://%s/head.ipc", rig->folder);
    snprintf(rig->key_file, sizeof rig->key_file, "%s/join", rig->folder);
    memcpy(join.head_public, rig->keys.public_key, sizeof join.head_public);
    secret_new(join.secret);
    join_key_print(&join, text);
    assert_int_equal(file_write(rig->key_file, (struct bytes){(const uint8_t *)text, strlen(text)},
                                0600, &report),
                     OK);
    assert_int_equal(loop_new(&rig->loop, &report), OK);
    loop_turn_set(rig->loop, on_rig_turn, rig);
    rig_router_start(rig);
    rig_worker_start(rig);
    rig->want = 1;
    assert_true(rig_until(rig, rig_is_enrolled));
}

static inline void rig_end(struct rig *rig)
{
    int status = 0;
    if (rig->worker > 0) {
        kill(rig->worker, SIGTERM);
        assert_true(rig_until(rig, rig_worker_has_ended));
        rig_worker_wait(rig, &status);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            char text[4096];
            rig_worker_said(rig, text, sizeof text);
            fail_msg("the worker ended with status %x: %s", (unsigned)status, text);
        }
    }
    router_free(rig->router);
    loop_free(rig->loop);
    close(rig->worker_err);
    free(rig->events);
    assert_int_equal(dir_remove_tree(rig->folder, NULL), OK);
    assert_int_equal(mem_live_count(), 0);
}

/* ---- leases ---- */

/* `sh -c text` as attempt `attempt` of task `index` of job 1. */
static inline struct msg_lease rig_shell(uint32_t index, uint32_t attempt, const char *const *text)
{
    return (struct msg_lease){
        .task = {1, index},
        .attempt = attempt,
        .sweep_name = "test",
        .words = text,
        .n_words = 1,
        .is_shell = true,
        .workdir = "/",
        .order = {.n = 1, .until = INT64_MAX},
        .cpus = AMOUNT_ONE,
        .timeout_grace_ms = 60000,
        .timeout_decision_ms = 60000,
        .tail_bytes = 64 << 10,
    };
}

static inline void rig_lease(struct rig *rig, const struct msg_lease *lease)
{
    rig->holds[rig->n_holds++] = (struct running_ref){
        .task = lease->task, .attempt = lease->attempt, .order = lease->order.n};
    rig_send(rig, MSG_LEASE, lease);
}

static inline struct rig_event *rig_find(struct rig *rig, event_kind kind, uint32_t index,
                                         uint32_t attempt)
{
    for (uint32_t i = 0; i < rig->n_events; i++) {
        struct rig_event *event = &rig->events[i];
        if (event->kind == kind && event->task.index == index && event->attempt == attempt) {
            return event;
        }
    }
    return NULL;
}

static uint32_t rig_wait_index, rig_wait_attempt;
static event_kind rig_wait_kind;

static bool rig_has_event(struct rig *rig)
{
    return rig_find(rig, rig_wait_kind, rig_wait_index, rig_wait_attempt) != NULL;
}

static inline struct rig_event *rig_wait(struct rig *rig, event_kind kind, uint32_t index,
                                         uint32_t attempt)
{
    rig_wait_kind = kind;
    rig_wait_index = index;
    rig_wait_attempt = attempt;
    if (!rig_until(rig, rig_has_event)) {
        char text[4096];
        rig_worker_said(rig, text, sizeof text);
        fail_msg("no %s of 1.%u.%u came; the worker said: %s", event_kind_names[kind], index,
                 attempt, text);
    }
    return rig_find(rig, kind, index, attempt);
}

static inline struct rig_event *rig_run(struct rig *rig, const struct msg_lease *lease)
{
    rig_lease(rig, lease);
    return rig_wait(rig, EVENT_RESULT, lease->task.index, lease->attempt);
}

static UNUSED bool pid_is_alive(pid_t pid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool has_line = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    const char *state = strrchr(line, ')');
    return has_line && state != NULL && state[2] != 'Z' && state[2] != 'X';
}

/* Until a process has made the file. */
static UNUSED void file_wait(const char *path)
{
    time_ms deadline = clock_now() + RIG_DEADLINE_MS;
    while (access(path, F_OK) != 0) {
        assert_true(clock_now() < deadline);
        usleep(1000);
    }
}

static UNUSED char *file_text(const char *path)
{
    static char text[16384];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    return text;
}

#endif
