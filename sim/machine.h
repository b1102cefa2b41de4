/* sim/machine.h -- a node: its connection, its trainers, its agent, its disk. */
#ifndef MUSTER_SIM_MACHINE_H
#define MUSTER_SIM_MACHINE_H

#include "sim/events.h"
#include "worker/core/agent.h"
#include "worker/core/lanes.h"
#include "worker/core/outbox.h"
#include "worker/core/parts.h"
#include "worker/core/state.h"

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

enum { SIM_PARAMS_MAX = 128 };

struct sim_process {
    bool is_used;
    uint64_t serial;
    struct attempt_ref ref;
    bool is_lane; /* a task of an array, in one or tried again */
    bool is_trial, is_alive, is_leaving, has_restore, is_restore_missing;
    uint32_t nodes, node_rank; /* of a trial on several nodes; 0: it is on one */
    bool is_held, has_met;     /* it waits for the other nodes, or did */
    bool is_let_go;            /* it waited in vain */
    uint64_t connection;       /* 0: none */
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
    bool is_hanging;     /* only SIGKILL ends it */
    int64_t duration_us; /* is_lane */
    int exit_code;
    end_cause exit_cause;
    uint64_t seed;
    char params[SIM_PARAMS_MAX]; /* the values that it was told last */
    struct snapshot_ref restore; /* that it was told to go on from last */
    task_id restore_maker;
};

/* ---- task arrays here ---- */

/* What the agent said that an array's tasks are; how they are comes from their command. */
struct sim_array_here {
    uint32_t job; /* 0: none */
    int64_t pace_us;
    uint32_t fail_permille;
    uint32_t long_from; /* positions from here on take a hundred times as long; 0: none */
};

struct sim_lane {
    uint32_t job; /* 0: none */
    uint32_t number;
    uint64_t serials[LANE_TASKS_MAX]; /* of its processes: the one that runs, those behind it */
    uint32_t n;
};

/* An attempt that a node was told to start, and its end. */
struct sim_run {
    struct attempt_ref ref; /* of a part of an attempt: sim_part_ref() */
    uint32_t node;
    uint64_t incarnation;
    time_ms begun;
    bool is_in_lane, has_ended;
    end_cause cause;
    int code;
    bool is_unacked; /* the agent tells its end */
    struct sim_run *next;
    UT_hash_handle hh;
};

/* Whoever knows it may copy the snapshot. */
struct sim_pass {
    uint64_t number;
    struct snapshot_name name;
    time_ms until;
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
    bool is_dry;         /* completes tasks without a process */
    struct agent *agent; /* NULL: it does not run */
    struct agent_outbox out;
    uint64_t incarnation;
    time_ms started;      /* its last start, as its folder keeps it */
    int64_t clock_off_ms; /* its clock, against the world's */
    char lock[32];
    time_ms stalled_until, stalled_since;
    time_ms cut_until; /* no network before */
    time_ms heard;     /* by the head; when the head stood still does not count */
    uint64_t epoch;    /* the highest that its agent took */
    uint32_t wipes;    /* of its disk */
    bool is_known_gone;
    bool is_let_go; /* since its last start: it may leave */
    uint64_t left;  /* the incarnation whose agent ended by itself last */
    struct sim_silence
        silences[SIM_SILENCES_MAX]; /* before, longer than node_timeout; the newest first */
    struct sim_link link;
    struct snapshot_ref disk[SIM_SNAPSHOTS_MAX];
    task_id disk_task[SIM_SNAPSHOTS_MAX];
    uint32_t n_disk;
    struct sim_pass passes[SIM_PASSES_MAX]; /* of this start; the last ones */
    uint32_t n_passes;
    uint32_t logged[SIM_LOGGED_MAX]; /* jobs whose logs lie on it, in ascending order */
    uint32_t n_logged;
    bool has_tree[SIM_TREES_MAX], is_setup_stopped[SIM_TREES_MAX]; /* by sim.trees */
    uint32_t pulls[SIM_TREES_MAX];                                 /* that were dropped */
    struct sim_process processes[SIM_PROCESSES_MAX];
    struct sim_array_here arrays[SIM_ARRAYS_MAX];
    struct sim_lane lanes[SIM_LANES_MAX];
    struct sim_run *unacked; /* tasks of arrays that have ended, and the agent holds them */
};

#endif
