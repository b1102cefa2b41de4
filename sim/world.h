/* sim/world.h -- head/core and worker/core as they ship, in one process, around models
 * of all that lies between and about them: clock, connections, store, shells, trainers, disks,
 * people. Everything follows from one seed. This header: the state of the world, its calendar, its
 * trace. */
#ifndef MUSTER_SIM_WORLD_H
#define MUSTER_SIM_WORLD_H

#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/core/core.h"
#include "head/core/state.h"
#include "worker/core/agent.h"
#include "worker/core/outbox.h"
#include "worker/core/parts.h"
#include "worker/core/state.h"

enum {
    SIM_NODES_MAX = 6,
    SIM_PROCESSES_MAX = 64,
    SIM_EVENTS_MAX = 1 << 16,
    SIM_SNAPSHOTS_MAX = 4096,
    SIM_CLIENTS_MAX = 1024,
    SIM_KEYS_MAX = 8,
    SIM_SILENCES_MAX = 4,
    SIM_REQUESTS_MAX = 64, /* of one trainer, unanswered: INTERFACES' window */
    SIM_FILE_MAX = 2048,
    SIM_TREES_MAX = 64,
    SIM_START_MS = 1000000,
};

/* name; whose time it takes: H the head's, N a node's, S the store's, W the world's */
#define SIM_EVENTS(X)                                                                              \
    X(FRAME_UP, H)                                                                                 \
    X(FRAME_DOWN, N)                                                                               \
    X(STORE_RUN, S)                                                                                \
    X(STORE_SYNC, S)                                                                               \
    X(STORE_REPLY, W)                                                                              \
    X(HEAD_START, W)                                                                               \
    X(LINK_UP, W)                                                                                  \
    X(LINK_DEAD, W)                                                                                \
    X(AGENT_START, W)                                                                              \
    X(PROCESS_STARTED, N)                                                                          \
    X(PROCESS_EXIT, N)                                                                             \
    X(TRAINER, N)                                                                                  \
    X(REQUESTS, N)                                                                                 \
    X(SAVE_BEGUN, N)                                                                               \
    X(WORK, N)                                                                                     \
    X(SAVE_DONE, N)                                                                                \
    X(CLIENT, H)                                                                                   \
    X(STALE_END, W)                                                                                \
    X(WORKLOAD, W)                                                                                 \
    X(FAULT, W)

typedef enum {
#define X(name, owner) SIM_##name,
    SIM_EVENTS(X)
#undef X
} sim_event_kind;

struct sim_event {
    time_ms at;
    uint64_t order; /* between equal times */
    sim_event_kind kind;
    uint32_t node;
    uint64_t life; /* of what it belongs to: a head, an incarnation, a connection, a process */
    struct attempt_ref ref;
    uint64_t connection;
    int64_t step;
    uint32_t ordinal; /* of a snapshot; of a client */
};

struct sim;
typedef void sim_handler(struct sim *sim, const struct sim_event *event);

/* ---- the store ---- */

struct sim_cell {
    char *name; /* key, '\n', field */
    uint8_t *value;
    size_t len;
    UT_hash_handle hh;
};

struct sim_entry { /* of a sweep's log */
    uint32_t sweep;
    uint8_t *value;
    size_t len;
};

/* What the store says of a task, by its last record. */
struct sim_task {
    task_id id;
    struct record_task r; /* no pointer of it is valid */
    char node[NODE_NAME_MAX + 1], snapshot_node[NODE_NAME_MAX + 1], best_node[NODE_NAME_MAX + 1];
    bool is_cancel_acked;
    uint32_t n_attempts_at_cancel;
    UT_hash_handle hh;
};

/* What the store has of an attempt's rows. */
struct sim_rows {
    char name[TASK_ID_TEXT_MAX + 16];
    uint64_t last_seq;
    UT_hash_handle hh;
};

struct sim_store {
    struct sim_cell *cells;
    struct sim_entry *entries;
    uint32_t n_entries, cap_entries;
    struct sim_task *tasks;
    struct sim_rows *rows;
    uint64_t n; /* of the last batch on disk */
    time_ms stalled_until;
    time_ms down_until;    /* the server is being started */
    time_ms loading_until; /* it is up and reads its file: -LOADING */
    time_ms full_until;    /* it refuses writes: -OOM */
};

/* ---- a connection ---- */

struct sim_frame {
    struct list link;
    uint64_t incarnation; /* that wrote it */
    time_ms at;
    message_type type;
    size_t len;
    uint8_t bytes[];
};

struct sim_link {
    bool is_up;
    bool is_muted_up, is_muted_down; /* nothing arrives any more, and nobody was told */
    bool is_to_stale;                /* its other end is the head that was fenced off */
    uint64_t life;
    struct list up, down; /* in order */
    time_ms up_last, down_last;
};

/* ---- a trainer's process ---- */

typedef enum {
    TRAINER_BOOT,
    TRAINER_TRAIN,
    TRAINER_WAIT,
    TRAINER_LEAVE,
    TRAINER_IDLE
} trainer_mood;

struct sim_request {
    trainer_request_kind kind;
    int64_t step;
    uint64_t seq;      /* REPORT: how many were made before it, and itself */
    bool is_milestone; /* REPORT: the agent told it as one */
    double value;
    uint32_t names; /* which set of metric names */
    bye_word bye;
};

struct sim_ring {
    struct sim_request items[SIM_REQUESTS_MAX];
    uint32_t first, n;
};

struct sim_process {
    bool is_used;
    uint64_t serial;
    struct attempt_ref ref;
    bool is_trial, is_alive, is_leaving, has_restore, is_restore_missing;
    uint64_t connection; /* 0: none */
    bool is_read_stopped;
    struct sim_ring unread; /* written by the trainer, not read by the agent */
    struct sim_ring owed;   /* waits for an answer */
    trainer_mood mood;
    int64_t step, last, milestone; /* done; to be done in all; known */
    int64_t late;                  /* the milestone that was answered late: it comes no more */
    int64_t next;                  /* the step of its next report; -1: not known yet */
    int64_t save_at, saved_for;    /* asked to save before its report of this step; -1: not */
    int64_t pace_ms;
    uint64_t seq;
    uint32_t window;
    uint32_t can;
    uint32_t acts; /* gathered, not acted on yet */
    bool is_silent, is_disobedient;
    bool is_hanging; /* only SIGKILL ends it */
    int exit_code;
    end_cause exit_cause;
    uint64_t seed;
};

/* Of a head: each incarnation comes with a key of its own; the head's shell has a number for it. */
struct sim_key {
    uint64_t incarnation, peer;
    bool is_admitted;
};

struct sim_silence {
    time_ms from, to;
};

/* ---- a node: an agent, its shell, its disk ---- */

struct sim_node {
    uint32_t index;
    char name[16];
    int64_t cpus;
    const char *gpus[2];
    char gpu_names[2][32];
    uint32_t n_gpus;
    bool is_bad;         /* whatever starts here fails at once */
    struct agent *agent; /* NULL: it does not run */
    struct agent_outbox out;
    uint64_t incarnation;
    time_ms stalled_until, stalled_since;
    time_ms cut_until; /* no network before */
    time_ms heard;     /* by the head; when the head stood still does not count */
    uint64_t epoch;    /* the highest that its agent took */
    uint32_t wipes;    /* of its disk */
    bool is_known_gone;
    struct sim_silence
        silences[SIM_SILENCES_MAX]; /* before, longer than node_timeout; the newest first */
    struct sim_link link;
    struct snapshot_ref disk[SIM_SNAPSHOTS_MAX];
    task_id disk_task[SIM_SNAPSHOTS_MAX];
    uint32_t n_disk;
    bool has_tree[SIM_TREES_MAX], is_setup_stopped[SIM_TREES_MAX]; /* by sim.trees */
    uint32_t pulls[SIM_TREES_MAX];                                 /* that were dropped */
    struct sim_process processes[SIM_PROCESSES_MAX];
};

/* ---- people ---- */

typedef enum {
    CLIENT_SWEEP,
    CLIENT_JOB,
    CLIENT_CLONE,
    CLIENT_CANCEL_SWEEP,
    CLIENT_STOP_SWEEP,
    CLIENT_CANCEL_TASK,
    CLIENT_STOP_TASK,
    CLIENT_RETRY_TASK,
    CLIENT_PAUSE_SWEEP,
    CLIENT_RESUME_SWEEP,
    CLIENT_REMOVE,
    CLIENT_NODE,
    CLIENT_VIEW,
    CLIENT_SHUTDOWN,
} sim_client_kind;

struct sim_client {
    sim_client_kind kind;
    char key[24];
    uint32_t target; /* CLONE: of which */
    char file[SIM_FILE_MAX];
    uint64_t request; /* 0: not asked at this head */
    bool is_answered;
    uint32_t status;
    bool was_asked;  /* of a head that may be dead */
    uint32_t seen;   /* RETRY_TASK: attempts */
    uint32_t number; /* SWEEP, JOB: as answered; else of the target */
    uint32_t index;
};

struct sim_head {
    struct core *core; /* NULL: dead */
    uint64_t life;     /* no other head's */
    uint64_t epoch;
    uint64_t peers;            /* numbers given */
    const struct batch *batch; /* in flight */
    bool is_written;           /* the batch: its script has run, and nothing is synced yet */
    bool is_on_disk;           /* the batch */
    time_ms stalled_until, stalled_since;
    int64_t gap_ms; /* that the next turn is told */
    time_ms started;
    bool has_exited;
    struct sim_key keys[SIM_NODES_MAX][SIM_KEYS_MAX]; /* seen by it, the oldest forgotten */
    uint32_t n_keys[SIM_NODES_MAX];
};

/* name; how often, among the faults of a seed that has it */
#define SIM_FAULTS(X)                                                                              \
    X(link_break, 6)                                                                               \
    X(link_mute, 2)                                                                                \
    X(head_kill, 4)                                                                                \
    X(head_stall, 2)                                                                               \
    X(store_stall, 3)                                                                              \
    X(agent_kill, 3)                                                                               \
    X(agent_stall, 1)                                                                              \
    X(agent_drain, 2)                                                                              \
    X(trainer_kill, 4)                                                                             \
    X(node_away, 2)                                                                                \
    X(node_lost, 1)                                                                                \
    X(half_open, 2)                                                                                \
    X(partition, 2)                                                                                \
    X(head_split, 2)                                                                               \
    X(store_crash, 2)                                                                              \
    X(store_full, 1)                                                                               \
    X(cluster_stop, 1)

enum {
#define X(name, weight) FAULT_##name,
    SIM_FAULTS(X)
#undef X
        FAULT_COUNT
};

/* What the runs have met: a run of seeds that misses one of them proves nothing about it. */
#define SIM_COUNTS(X)                                                                              \
    X(batches)                                                                                     \
    X(replies_lost)                                                                                \
    X(torn)                                                                                        \
    X(survived)                                                                                    \
    X(loading)                                                                                     \
    X(full)                                                                                        \
    X(fenced)                                                                                      \
    X(stale_words)                                                                                 \
    X(frames_lost)                                                                                 \
    X(frames_doubled)                                                                              \
    X(retransmitted)                                                                               \
    X(joined)                                                                                      \
    X(wiped)                                                                                       \
    X(clones)                                                                                      \
    X(kills_before_apply)                                                                          \
    X(kills_after_apply)                                                                           \
    X(enrolments)                                                                                  \
    X(attempts)                                                                                    \
    X(attempts_lost)                                                                               \
    X(retries)                                                                                     \
    X(restored)                                                                                    \
    X(hanging)                                                                                     \
    X(late)                                                                                        \
    X(milestones)                                                                                  \
    X(rows)                                                                                        \
    X(snapshots)                                                                                   \
    X(drops)                                                                                       \
    X(disowned)                                                                                    \
    X(drained)                                                                                     \
    X(refused)                                                                                     \
    X(sweeps_done)                                                                                 \
    X(sweeps_failed)                                                                               \
    X(sweeps_cancelled)                                                                            \
    X(targets)                                                                                     \
    X(walls)                                                                                       \
    X(agreements)                                                                                  \
    X(compares)                                                                                    \
    X(resubmits)                                                                                   \
    X(reopened)                                                                                    \
    X(removed)                                                                                     \
    X(drained_by_head)                                                                             \
    X(restores_lost)                                                                               \
    X(trees)                                                                                       \
    X(set_aside)                                                                                   \
    X(cordoned)                                                                                    \
    X(paused)                                                                                      \
    X(over_memory)

struct sim_counts {
#define X(name) uint64_t name;
    SIM_COUNTS(X)
#undef X
    uint64_t faults[FAULT_COUNT];
};

/* How a seed is run; the same options and seed give the same run. */
struct sim_options {
    uint64_t events; /* so many at least while things break */
    bool is_tracing;
};

/* What a seed has shown. */
struct sim_result {
    uint64_t seed;
    uint64_t storm_events, events;
    int64_t virtual_ms;
    uint64_t hash; /* of the trace */
    struct sim_counts counts;
};

struct sim {
    uint64_t seed;
    const struct sim_options *options;
    int64_t live_before; /* pieces of memory */
    bool is_calm;        /* no more faults */
    bool is_ending;      /* and whoever leaves stays away */
    struct random random;
    time_ms now;
    struct sim_event *events; /* a heap */
    uint32_t n_events;
    uint64_t order;
    uint64_t n_run; /* events and timers */
    uint64_t steps;
    uint64_t hash; /* of all that happened */
    uint64_t serials;
    uint64_t requests;
    struct sim_store store;
    struct sim_head head;
    struct sim_head stale; /* another one took over, and it does not know yet */
    uint32_t n_nodes;
    struct sim_node nodes[SIM_NODES_MAX];
    uint32_t n_trees;
    char trees[SIM_TREES_MAX][WORK_TREE_NAME_MAX + 1];
    uint32_t n_clients;
    struct sim_client clients[SIM_CLIENTS_MAX];
    uint32_t fault_weights[FAULT_COUNT];
    int64_t fault_pause_ms; /* about so long between two */
    int64_t delay_ms;       /* of a frame, at most */
    uint32_t loss_permille; /* of packets: they are sent again, and everything waits */
    bool is_harsh;          /* of frames, which are doubled and reordered too */
    int64_t disk_ms;        /* of a batch, at most */
    uint32_t crash_permille;
    int64_t node_timeout_ms, orphan_timeout_ms; /* of the head's settings */
    struct sim_counts counts;
};

#endif
