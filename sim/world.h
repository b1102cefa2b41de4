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
#include "sim/contents.h"
#include "sim/events.h"
#include "sim/machine.h"
#include "sim/met.h"

/* ---- people ---- */

typedef enum {
    CLIENT_SWEEP,
    CLIENT_JOB,
    CLIENT_ARRAY,
    CLIENT_CLONE,
    CLIENT_CANCEL_SWEEP,
    CLIENT_STOP_SWEEP,
    CLIENT_CANCEL_TASK,
    CLIENT_STOP_TASK,
    CLIENT_CANCEL_JOB, /* or some of its tasks */
    CLIENT_RETRY_TASK,
    CLIENT_RETRY_JOB,
    CLIENT_PAUSE_SWEEP,
    CLIENT_RESUME_SWEEP,
    CLIENT_PAUSE_TRIAL,
    CLIENT_RESUME_TRIAL,
    CLIENT_REMOVE,
    CLIENT_NODE,
    CLIENT_VIEW,
    CLIENT_SHUTDOWN,
} sim_client_kind;

/* Of an array that somebody brings: what its tasks need, and how they are. */
struct sim_array_work {
    int64_t pace_us, cpus, gpus;
    uint32_t fail_permille, long_from;
    uint32_t priority, retries_max, max_fails;
    bool has_items;
};

struct sim_client {
    sim_client_kind kind;
    char key[24];
    uint32_t target; /* CLONE: of which */
    char file[SIM_FILE_MAX];
    uint64_t request; /* 0: not asked at this head */
    bool is_answered;
    uint32_t status;
    bool was_asked;                   /* of a head that may be dead */
    uint32_t seen;                    /* RETRY_TASK: attempts; PAUSE_TRIAL: sim_task.n_paused */
    struct array_ids array;           /* ARRAY; else of the target, if it is one */
    struct sim_array_work array_work; /* ARRAY */
    struct id_range ranges[SIM_RANGES_MAX]; /* CANCEL_JOB, RETRY_JOB: of these; none: of all */
    uint32_t n_ranges;
    bool is_failed;  /* RETRY_JOB: only those */
    uint32_t number; /* SWEEP, JOB, ARRAY: as answered; else of the target */
    uint32_t index;
};

/* Of a head: each incarnation comes with a key of its own; the head's shell has a number for it. */
struct sim_key {
    uint64_t incarnation, peer;
    bool is_admitted;
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

/* How a seed is run; the same options and seed give the same run. */
struct sim_options {
    uint64_t events; /* so many at least while things break */
    bool is_tracing;
    bool is_arrays; /* people bring task arrays and single tasks, no sweeps */
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
    struct core *follower; /* replays logs and does nothing else (tuner_check.h); NULL: none yet */
    uint32_t n_nodes;
    struct sim_node nodes[SIM_NODES_MAX];
    struct sim_run *runs;         /* all that nodes were told to start, by attempt */
    struct sim_made *made;        /* all snapshots that were ever made */
    struct sim_point *points;     /* all values that were ever reported */
    struct sim_exploit *exploits; /* all that logs say */
    uint32_t n_trees;
    char trees[SIM_TREES_MAX][WORK_TREE_NAME_MAX + 1];
    uint32_t n_clients;
    struct sim_client clients[SIM_CLIENTS_MAX];
    uint32_t fault_weights[FAULT_COUNT];
    int64_t fault_pause_ms; /* about so long between two */
    int64_t delay_ms;       /* of a frame, at most */
    uint32_t loss_permille; /* of packets: they are sent again, and everything waits */
    bool is_harsh;          /* of frames, which are doubled and reordered too */
    bool was_harsh;         /* in the storm */
    int64_t disk_ms;        /* of a batch, at most */
    uint32_t crash_permille;
    uint32_t array_permille;                                     /* of what people bring */
    int64_t node_timeout_ms, orphan_timeout_ms, forget_nodes_ms; /* of the head's settings */
    struct sim_counts counts;
};

#endif
