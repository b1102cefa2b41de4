/* worker/core/agent.h -- the agent of one node as a state machine: leases, orders, the node's
 * numbered event stream, the trainers' protocol, reconnect, drain. Pure: no socket, clock, file or
 * process. One thread owns it; the shell turns sockets, timers and child exits into the on_*()
 * calls and carries out the effects of the outbox (worker/core/outbox.h).
 *
 * Nothing passed to an on_*() call is kept by pointer; what the outbox holds is its own copy, valid
 * until the outbox is emptied. Calls never fail and never block: what is wrong becomes an answer, a
 * result or a closed connection. */
#ifndef MUSTER_WORKER_CORE_AGENT_H
#define MUSTER_WORKER_CORE_AGENT_H

#include "base/json_out.h"
#include "schema/messages.h"

struct agent;
struct agent_outbox;

enum {
    AGENT_ATTEMPTS_MAX = 4096,
    AGENT_CONNECTIONS_MAX = 4096,
    AGENT_ALIVE_LINE_MS = 5000, /* an empty line while an answer is held */
    AGENT_OWED_BYTES_MAX = 256 << 10,
    BLOB_HASH_TEXT_MAX = 64,
    WORK_TREE_NAME_MAX = BLOB_HASH_TEXT_MAX + 32,
};

struct attempt_ref {
    task_id task;
    uint32_t attempt;
};

/* Strings are copied. */
struct agent_config {
    struct msg_enrol enrol; /* what stays the same: secret, node, incarnation, host, pid, version,
                               resources, labels */
    uint64_t random_seed;   /* for jitter */
    int64_t orphan_timeout_ms; /* until the head says otherwise; 0: none */
    const char
        *snapshots_dir; /* absolute: a snapshot lies in <snapshots_dir>/<job>.<index>/<ordinal> */
};

MUST_CHECK error_code agent_new(const struct agent_config *config, struct agent **ret_agent);
void agent_free(struct agent *agent);

/* ---- the link to the head ---- */
/* Connected (handshake done): enrol. Disconnected: keep everything, events wait. The shell
 * reconnects by itself (ZeroMQ); the core only asks for AGENT_RECONNECT after a refused enrolment
 * or 10 s without a byte. */
void on_link_up(struct agent *agent, time_ms now, struct agent_outbox *out);
void on_link_down(struct agent *agent, time_ms now, struct agent_outbox *out);
/* Where other agents get snapshots from this one, as the next enrolment says it; once. Copied. */
MUST_CHECK error_code agent_lender_set(struct agent *agent, const char *endpoint, const char *key);
/* One decoded frame of the head. It is copied, but for the bytes of a MSG_BLOB: they stay until the
 * outbox was carried out. */
void on_head_message(struct agent *agent, time_ms now, message_type type, const void *message,
                     struct agent_outbox *out);
/* Snapshots found on disk at start; before the first on_link_up. */
MUST_CHECK error_code agent_snapshot_found(struct agent *agent, struct snapshot_name name);

/* Jobs whose logs lie on this disk, in ascending order, each once: the head is asked which of them
 * are no more, and AGENT_LOGS_DROP follows. After each MSG_WELCOME, and now and then. */
void on_logs_found(struct agent *agent, const uint32_t *jobs, uint32_t n_jobs,
                   struct agent_outbox *out);

/* ---- attempts (answers to AGENT_START, and what the kernel says) ---- */
void on_attempt_started(struct agent *agent, time_ms now, struct attempt_ref ref, uint32_t pid,
                        struct agent_outbox *out);
/* cause: CANNOT_START or REFUSED; reason: one sentence. */
void on_attempt_not_started(struct agent *agent, time_ms now, struct attempt_ref ref,
                            end_cause cause, const char *reason, struct agent_outbox *out);
/* Answer to AGENT_LANE_RECALL, or because the task before it keeps it waiting: it was not begun.
 * The last one first. */
void on_attempt_recalled(struct agent *agent, time_ms now, struct attempt_ref ref,
                         struct agent_outbox *out);
/* Tasks of such an array need no folder of their own: a lane may get several AGENT_LANE_START at
 * once, and runs them one after the other. */
bool agent_lease_is_lean(const struct msg_lease *lease);
/* Before on_attempt_not_started(): its snapshot is damaged or gone, so that the head starts it from
 * another one. */
void agent_restore_lost(struct agent *agent, struct attempt_ref ref);
/* The main process has exited and the process tree is empty. Only cause EXIT, SIGNAL or OOM,
 * exit_code, signal, cpu_ms, rss_peak_bytes, started_at, line_names and the tails are the shell's;
 * the core fills in the rest. */
void on_attempt_exited(struct agent *agent, time_ms now, struct attempt_ref ref,
                       const struct attempt_result *facts, struct agent_outbox *out);
/* Its process tree takes more memory than it may: it is killed at once, cause OOM. reason: one
 * sentence. */
void on_attempt_over_memory(struct agent *agent, time_ms now, struct attempt_ref ref,
                            const char *reason);
/* Of an attempt on several nodes: all is prepared here but its processes, which wait for
 * AGENT_MEET. Where the others reach this node, a port that is held for all ranks to meet at, and
 * HOST:PORT of each rank here, with commas. */
void on_attempt_prepared(struct agent *agent, time_ms now, struct attempt_ref ref,
                         const char *address, uint32_t master_port, const char *peers,
                         struct agent_outbox *out);
/* One of several processes of the attempt has ended, and others have not. has_failed: not with exit
 * code 0; the others cannot go on without it, and are ended. */
void on_rank_ended(struct agent *agent, time_ms now, struct attempt_ref ref, uint32_t rank,
                   bool has_failed, struct agent_outbox *out);
/* Before on_attempt_exited(), of a task of an array: how long it ran. */
void agent_task_duration(struct agent *agent, struct attempt_ref ref, uint64_t duration_us);
/* A byte came from the attempt (output or socket); at most one call a second and attempt. */
void on_attempt_activity(struct agent *agent, time_ms now, struct attempt_ref ref);

/* ---- work folders (work.c): trees on this node's disk, by name ---- */
/* The tree that a lease starts from; "": none. */
void agent_tree_name(const struct msg_lease *lease, char ret_name[WORK_TREE_NAME_MAX + 1]);
/* Found on disk at start, whole; before the first on_link_up. */
MUST_CHECK error_code agent_tree_found(struct agent *agent, const char *name);
/* The shell removed it to make room, or found it gone. */
void agent_tree_lost(struct agent *agent, const char *name);
/* Answers to AGENT_BLOB_WRITE: the first `bytes` are on disk. error: NULL, or a sentence. */
void on_blob_written(struct agent *agent, time_ms now, const char *hash, uint64_t bytes,
                     const char *error, struct agent_outbox *out);
/* Answers to AGENT_TREE_UNPACK and AGENT_TREE_SETUP: it is there, read-only. error: NULL, or a
 * sentence. */
void on_tree_made(struct agent *agent, time_ms now, const char *name, const char *error,
                  struct agent_outbox *out);
/* Before on_attempt_not_started(): for want of something on the node, not the attempt's own. */
void agent_nodes_fault(struct agent *agent, struct attempt_ref ref);

/* ---- trainers (INTERFACES: the trainer's side) ---- */
typedef enum {
    TRAINER_HELLO,
    TRAINER_REPORT,
    TRAINER_SAVE,
    TRAINER_COMMIT,
    TRAINER_EXPLOIT,
    TRAINER_BYE,
    TRAINER_BAD, /* the shell could not decode the line: `error` is the word to answer */
} trainer_request_kind;

enum {
    TRAINER_ACT_CHECKPOINT = 1,
    TRAINER_ACT_PAUSE = 2,
    TRAINER_ACT_STOP = 4,
    TRAINER_ACT_EXPLOIT = 8
};

struct trainer_request {
    trainer_request_kind kind;
    uint32_t can;             /* HELLO */
    uint32_t rank, world;     /* HELLO: of several processes; world 0: it said none */
    int64_t step;             /* REPORT, SAVE, COMMIT */
    const char *const *names; /* REPORT: METRICS_MAX at most, names as checked by the shell */
    const double *values;
    uint32_t n_metrics;
    bye_word bye; /* BYE */
    const char *note;
    const char *error; /* BAD: bad_json, too_long, bad_name */
    const char *error_text;
};

/* A final value of the metric that its printed lines gave. `source`: REPORT_FROM_* of
 * spec/types.h; once one gave a value those with a higher bit are left out. `step` may have a
 * fraction; what is not above the last one is left out. Nobody waits for an answer: at a milestone
 * it goes on, and an order to leave is a signal. */
void on_line_report(struct agent *agent, time_ms now, struct attempt_ref ref, uint32_t source,
                    double step, double value, struct agent_outbox *out);

/* connection: a number that the shell gives, never used twice. */
void on_trainer_open(struct agent *agent, time_ms now, uint64_t connection, struct attempt_ref ref,
                     struct agent_outbox *out);
void on_trainer_request(struct agent *agent, time_ms now, uint64_t connection,
                        const struct trainer_request *request, struct agent_outbox *out);
void on_trainer_close(struct agent *agent, time_ms now, uint64_t connection,
                      struct agent_outbox *out);
/* Answers to AGENT_SAVE_BEGIN and AGENT_SAVE_COMMIT. error: NULL, or the word for the trainer
 * (no_space, not_now). */
void on_save_begun(struct agent *agent, time_ms now, struct attempt_ref ref, uint64_t connection,
                   const char *dir, const char *error, const char *error_text,
                   struct agent_outbox *out);
void on_save_committed(struct agent *agent, time_ms now, struct attempt_ref ref,
                       uint64_t connection, const struct snapshot_ref *snapshot, const char *error,
                       const char *error_text, struct agent_outbox *out);

/* Answers to AGENT_SNAPSHOT_PROVE: `dir` is where it lies. error: NULL, or a sentence. */
void on_exploit_proven(struct agent *agent, time_ms now, struct attempt_ref ref,
                       uint64_t connection, const char *dir, const char *error,
                       struct agent_outbox *out);

/* Answers to AGENT_COPY. DONE: the snapshot is whole and on disk where its name says. AGAIN: the
 * other agent was not reached, went away or did not know the pass; what came is kept and not
 * fetched twice. GONE: it has the snapshot no more, or a damaged one. FAILED: it cannot be written
 * here. text: one sentence, unless DONE. */
typedef enum { COPY_DONE, COPY_AGAIN, COPY_GONE, COPY_FAILED } copy_end;
void on_snapshot_copied(struct agent *agent, time_ms now, struct snapshot_name name, copy_end end,
                        const char *text, struct agent_outbox *out);

/* What the program wrote is copied into the folder that attempt_save_commit() of the shell takes:
 * it becomes a snapshot of the last step that was reported. False: not now, another one is under
 * way. */
MUST_CHECK bool on_checkpoint_copied(struct agent *agent, time_ms now, struct attempt_ref ref,
                                     struct agent_outbox *out);

/* ---- time and the end ---- */
/* Timers: row blocks, alive lines, decision and other timeouts, grace, heartbeat, silence of the
 * head. Due at agent_next_deadline(); early calls are harmless and cheap. */
void on_agent_tick(struct agent *agent, time_ms now, struct agent_outbox *out);
/* The loop was away: expiry deadlines move by the gap, before the next on_agent_tick. */
void agent_gap(struct agent *agent, int64_t gap_ms);
time_ms agent_next_deadline(const struct agent *agent); /* INT64_MAX: none */
/* SIGTERM: no new leases; running ones are told to leave, their results are sent; AGENT_EXIT when
 * all is acknowledged or `deadline` has passed. */
void on_drain(struct agent *agent, time_ms now, time_ms deadline, struct agent_outbox *out);
void on_load(struct agent *agent, int64_t cpu_permille,
             uint64_t memory_used_bytes); /* for the next heartbeat */
/* Of work folders on this node's disk, for the next heartbeat. */
void on_cache(struct agent *agent, uint64_t bytes, uint64_t max_bytes);

/* Asserts that hold after every call; for tests, simulation and debug builds. */
void agent_check(const struct agent *agent);
/* The whole state as JSON, for tests and debugging. */
error_code agent_dump(const struct agent *agent, struct buf *buf);

#endif
