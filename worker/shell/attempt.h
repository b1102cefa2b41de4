/* worker/shell/attempt.h -- one attempt on this machine, from lease to empty process tree: a table
 * of steps, each a resource that is prepared on the way in and released, in the opposite order, on
 * the way out. The loop's thread; owned by the worker until attempt_clean(). */
#ifndef MUSTER_WORKER_SHELL_ATTEMPT_H
#define MUSTER_WORKER_SHELL_ATTEMPT_H

#include "base/hash.h"
#include "spec/types.h"
#include "worker/shell/held_port.h"
#include "worker/shell/shell.h"

enum {
    ATTEMPT_TAIL_DONE_BYTES = 4 << 10, /* of each stream of an attempt that exited with 0 */
    EVIDENCE_NAMES_MAX = 32,           /* as LINE_NAMES_MAX of lib/lines */
    ATTEMPT_PATH_MAX = FILES_PATH_MAX_BYTES,
    ATTEMPT_KILL_RETRY_MS = 200,
    ATTEMPT_LOG_READS_PER_TURN = 8, /* of 64 KiB */
};

#define RANKS_ADDRESS "127.0.0.1" /* where all ranks of a trial are on one node */

typedef enum { RUN_PREPARING, RUN_ALIVE, RUN_ENDING, RUN_ENDED } run_state;

struct attempt_adopt;
struct attempt_events;
struct attempt_lines;
struct attempt_logs;
struct lane_here;

/* A process that the command was started as: the only one, or one of the ranks. */
struct attempt_rank {
    struct attempt_process *process; /* NULL: it has gone on */
    pid_t pid;                       /* 0: it did not start, or is reaped */
    bool has_ended;
};

struct attempt_run {
    struct worker *worker;
    struct attempt_ref ref;
    run_state state;
    uint32_t n_prepared; /* steps */
    struct arena arena;
    const struct msg_lease *lease;
    struct lane_here *lane; /* of an array; NULL: leased alone */
    bool is_lean;           /* and without a folder: it is its lane's (lane_task.c) */
    /* of the folder */
    char dir[ATTEMPT_PATH_MAX];
    char trial_dir[ATTEMPT_PATH_MAX + 16];
    char params_file[ATTEMPT_PATH_MAX + 16];
    char tmp_dir[ATTEMPT_PATH_MAX + 16];
    char save_dir[ATTEMPT_PATH_MAX + 32]; /* of the save under way */
    uint64_t prove_connection;            /* that asked to go on from another trial's snapshot */
    char prove_dir[FILES_PATH_MAX_BYTES]; /* of that snapshot */
    uint32_t n_saves;
    char tree[WORK_TREE_NAME_MAX + 1]; /* of which ${trial.dir} is a copy, in use; "": none */
    bool has_spare;                    /* the folder was one */
    struct spare spare;                /* its dir is `dir` now */
    const char *restore_dir; /* in the arena: the snapshot that it starts from; NULL: none */
    /* of the socket */
    char socket_path[TRIAL_SOCKET_PATH_MAX + 1];
    struct trial_socket *socket;
    struct attempt_lines *lines;   /* NULL: nobody reads what it prints */
    struct attempt_events *events; /* NULL: it writes none for TensorBoard */
    const char *line_names[EVIDENCE_NAMES_MAX];
    struct attempt_adopt *adopt; /* NULL: what it writes is nobody's business */
    /* of the ports: where the ranks meet, then one for each rank that we start */
    struct held_port *ports;
    uint32_t n_ports;
    /* of the other nodes */
    bool is_held;             /* until it is known where they are */
    const char *meet_address; /* in the arena; NULL: there are none */
    uint16_t meet_port;
    const char *meet_peers;
    /* of the logs */
    struct attempt_logs *logs;
    time_ms activity_told_at;
    /* of the process */
    struct attempt_rank *ranks; /* NULL: of a lane's task, which is one process */
    uint32_t n_ranks, n_answered, n_ended;
    bool has_lost; /* a rank failed; the first one: */
    uint32_t lost_rank;
    bool is_lost_by_us;     /* it had got our SIGKILL */
    const char *lost_words; /* in the arena: why it did not start; NULL: it ended */
    struct proctree_mark mark;
    pid_t pid; /* of the first rank; 0: none (yet), or reaped */
    time_ms started_at, ended_at;
    bool is_killed;         /* SIGKILL was asked for */
    bool is_kill_running;   /* in the pool */
    time_ms kill_retry_at;  /* 0: none */
    uint32_t n_left_behind; /* processes that outlived the main one */
    /* of its process tree, by usage.c */
    uint64_t memory_peak_bytes;
    uint64_t share_permille; /* of its resident pages that are its own; 0: not measured */
    int64_t cpu_ms;
    bool is_over_memory; /* it is being ended for that */
    UT_hash_handle hh;
};

/* OK, or ERR_AGAIN: attempt_step_done() will be called; else the reason for people is in the
 * report. */
struct attempt_step {
    const char *name;
    error_code (*prepare)(struct attempt_run *run, struct report *report);
    void (*release)(struct attempt_run *run); /* NULL: nothing is held */
};
extern const struct attempt_step attempt_steps[];

/* ---- attempt.c: what effects ask for ---- */
/* lane: of an array, where its output goes; NULL: none. */
void attempt_start(struct worker *worker, struct attempt_ref ref, const struct msg_lease *lease,
                   struct lane_here *lane);
void attempt_signal(struct worker *worker, struct attempt_ref ref, int signal);
void attempt_clean(struct worker *worker, struct attempt_ref ref);
struct attempt_run *attempt_run_find(const struct worker *worker, struct attempt_ref ref);
/* It was held, and is not to start. */
void attempt_let_go(struct worker *worker, struct attempt_ref ref, const char *reason);
/* A step that said ERR_AGAIN has come to its end. */
void attempt_step_done(struct attempt_run *run, error_code error, const struct report *report);
/* The process tree is empty: everything that it said is read, told and closed; the folder stays
 * until attempt_clean(). */
void attempt_tree_gone(struct attempt_run *run);
/* At the very end of the worker: lets go of all that attempts hold. */
void attempts_release(struct worker *worker);

/* ---- attempt_folder.c ---- */
error_code attempt_folder_prepare(struct attempt_run *run, struct report *report);
void attempt_folder_release(struct attempt_run *run);
/* Its ${trial.dir} is filled, or not. */
void attempt_folder_copied(struct attempt_run *run, error_code error, const struct report *report);

/* ---- attempt_restore.c ---- */
error_code attempt_restore_prepare(struct attempt_run *run, struct report *report);
void attempt_prove(struct worker *worker, struct attempt_ref ref, uint64_t connection,
                   const struct snapshot_ref *snapshot);
void attempt_save_begin(struct worker *worker, struct attempt_ref ref, uint64_t connection);
void attempt_save_commit(struct worker *worker, struct attempt_ref ref, uint64_t connection,
                         const struct snapshot_ref *snapshot);

/* ---- attempt_lines.c ---- */
error_code attempt_lines_prepare(struct attempt_run *run, struct report *report);
void attempt_lines_release(struct attempt_run *run);
/* Its output goes through terminals. */
bool attempt_lines_are_read(const struct attempt_run *run);
/* What came of stdout (0) or stderr (1); not before the attempt has started. */
void attempt_lines_feed(struct attempt_run *run, uint32_t stream, struct bytes bytes);
/* All was fed: what was not final is. The names that were seen go into the facts; they are valid
 * until the release. */
void attempt_lines_end(struct attempt_run *run, struct attempt_result *facts);

/* All that is in the pipes is read, and the last values are told. */
void attempt_lines_flush(struct attempt_run *run);

/* ---- attempt_events.c ---- */
error_code attempt_events_prepare(struct attempt_run *run, struct report *report);
void attempt_events_release(struct attempt_run *run);
/* Looks at what attempts write; when the next look is due. */
time_ms attempts_events_turn(struct worker *worker, time_ms now);
/* The process tree is empty. True: the rest is being read, attempt_tree_gone() comes again. */
bool attempt_events_last(struct attempt_run *run);
/* Tags that were seen are added, up to LINE_NAMES_MAX. */
void attempt_events_names(struct attempt_run *run, const char **names, uint32_t *n_names);

/* ---- attempt_adopt.c ---- */
error_code attempt_adopt_prepare(struct attempt_run *run, struct report *report);
void attempt_adopt_release(struct attempt_run *run);
/* Looks after what attempts write; when the next look is due. */
time_ms attempts_adopt_turn(struct worker *worker, time_ms now);
/* The process tree is empty. True: its last checkpoint is being copied, attempt_tree_gone() comes
 * again after it. */
bool attempt_adopt_last(struct attempt_run *run);

/* ---- attempt_logs.c ---- */
error_code attempt_logs_prepare(struct attempt_run *run, struct report *report);
void attempt_logs_release(struct attempt_run *run);
/* A rank's own ends of the pipes, for the process; closed by attempt_logs_started(). */
void attempt_logs_fds(const struct attempt_run *run, uint32_t rank, int *ret_out_fd,
                      int *ret_err_fd);
void attempt_logs_started(struct attempt_run *run);
/* Reads what is left in the pipes. */
void attempt_logs_drain(struct attempt_run *run);
void attempt_logs_tails(struct attempt_run *run, struct bytes *ret_out, struct bytes *ret_err);

/* ---- attempt_ports.c ---- */
/* Processes of the command here, >= 1. */
uint32_t attempt_n_ranks(const struct attempt_run *run);
/* The number of such a process among those of all nodes. */
uint32_t attempt_rank(const struct attempt_run *run, uint32_t local_rank);
error_code attempt_ports_prepare(struct attempt_run *run, struct report *report);
void attempt_ports_release(struct attempt_run *run);
/* HOST:PORT of each rank here, as of MUSTER_PEERS; NULL: no memory. */
const char *attempt_peers(const struct attempt_run *run, const char *host, struct arena *arena);

/* ---- attempt_meet.c ---- */
error_code attempt_meet_prepare(struct attempt_run *run, struct report *report);
/* All nodes are ready. */
void attempt_meet(struct worker *worker, struct attempt_ref ref, const struct msg_gang *message);

/* ---- attempt_process.c ---- */
error_code attempt_process_prepare(struct attempt_run *run, struct report *report);
void attempt_process_release(struct attempt_run *run);
/* To every rank that has not ended, and its group. */
void attempt_process_signal(struct attempt_run *run, int signal);
/* The processes of the ranks above the first; NULL if there are none. Free it. */
MUST_CHECK error_code attempt_process_others(const struct attempt_run *run, pid_t **ret_pids,
                                             uint32_t *ret_n);
/* The attempt is alive: of a rank that could not be started it is told now. */
void attempt_process_alive(struct attempt_run *run);
/* Why a process did not start, for people. */
void attempt_spawn_report(const struct spawn_result *result, const char *program,
                          const char *folder, struct report *report);

/* ---- attempt_end.c ---- */
/* SIGKILL for the whole tree; the end is told by attempt_tree_gone(). */
void attempt_tree_kill(struct attempt_run *run);
/* Tries again what could not be killed; every turn. */
void attempts_kill_tick(struct worker *worker, time_ms now);
/* The main process has ended (and is not reaped). */
void attempt_tree_end(struct attempt_run *run);
/* Reaps the main process; cause, exit code, usage and a reason into ret_facts. `reason` has
 * size_bytes. */
void attempt_facts_read(struct attempt_run *run, struct attempt_result *ret_facts, char *reason,
                        size_t size_bytes);

#endif
