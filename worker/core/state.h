/* worker/core/state.h -- the agent's own structs, for the files of this folder and nobody else.
 * Pure; one thread. */
#ifndef MUSTER_WORKER_CORE_STATE_H
#define MUSTER_WORKER_CORE_STATE_H

#include "base/random.h"
#include "worker/core/agent.h"
#include "worker/core/attempt_edges.h"
#include "worker/core/connection.h"
#include "worker/core/outbox.h"
#include "worker/core/rows.h"
#include "worker/core/stream.h"

enum {
    AGENT_SILENCE_MS = 10000,    /* no message of the head for so long: connect again */
    AGENT_HEARTBEAT_MS = 1000,   /* until the head says otherwise */
    AGENT_ENROL_PAUSE_MS = 100,  /* not more than one enrolment in it */
    AGENT_ENROL_AGAIN_MS = 3000, /* no welcome for so long: enrol again */
    AGENT_BACKOFF_MIN_MS = 100,  /* of reconnects, doubling */
    AGENT_BACKOFF_MAX_MS = 30000,
    AGENT_OWED_PATIENCE_MS = 5000, /* how long one that drains waits for a head that is away */
    AGENT_LEAVE_GRACE_MS = 5000,   /* the cluster is shut down: SIGTERM to SIGKILL at most */
    AGENT_SNAPSHOTS_MAX = 32768,
    AGENT_ANSWERS_MAX = 262144,   /* waiting, over all connections */
    AGENT_ANSWER_OWED_BYTES = 64, /* what a waiting answer is taken for */
    AGENT_REASON_MAX = 256,
    AGENT_OUTBOX_MAX_BYTES = 256 << 20,
    AGENT_EFFECTS_MAX = 1 << 20,
    AGENT_OVER_MAX = 256,
};

#define AGENT_NEVER INT64_MAX

typedef enum { LINK_DOWN, LINK_ENROLLING, LINK_WELCOMED } link_state;

struct agent_link {
    link_state state;
    uint64_t epoch;      /* the highest seen */
    time_ms last_heard;  /* any message of the head, or the connection itself */
    time_ms last_word;   /* any message of the head; for orphan_timeout */
    uint64_t enrolments; /* made by this agent */
    uint64_t welcomed;   /* the one that was answered last; 0: the head did not say */
    time_ms last_enrol;
    time_ms enrol_at; /* AGENT_NEVER: not due */
    time_ms heartbeat_at;
    int64_t heartbeat_ms;
    int64_t orphan_timeout_ms;
    int64_t backoff_ms;
    int64_t cpu_permille;
    uint64_t memory_used_bytes;
    uint64_t cache_bytes, cache_max_bytes;
};

struct known_snapshot {
    struct snapshot_name name;
    bool is_committed;         /* false: its ordinal is taken, the shell is writing it */
    uint64_t kept, kept_epoch; /* of the last MSG_KEEP that found it here; 0: none did */
    uint64_t copied;  /* the event that told that it came from another node; 0: it was made here */
    bool is_unlisted; /* the last enrolment left it to that event */
};

/* Another trial's snapshot and the parameters to go on with. */
struct exploit {
    struct arena arena;
    uint64_t n;                      /* of the order; 0: none */
    const struct msg_order *message; /* in the arena */
    const char *dir;                 /* of the snapshot, in the arena; NULL: not proven yet */
};

/* What the head says that others still need of this node, in this enrolment. */
struct drain_owed {
    bool is_told;
    time_ms look_at; /* the head is given up then; AGENT_NEVER: it is there */
    uint32_t n_snapshots;
    char text[REPORT_TEXT_MAX + 1];
};

struct lane;
struct agent_array;
struct ranks;

struct attempt {
    UT_hash_handle hh;
    struct list link; /* of the agent, in order of their leases */
    struct attempt_ref ref;
    attempt_state state;
    struct arena arena;
    const struct msg_lease *lease; /* in the arena */
    const char *restore_dir;       /* in the arena; NULL: from nothing */
    uint64_t welcome_mark;         /* the welcome that named it last */
    uint32_t pid;
    time_ms started_at;
    time_ms clock_start; /* the same, moved by gaps: timeouts count from it */
    bool has_started;
    time_ms last_activity;
    struct list connections;

    /* orders */
    struct order order;      /* the highest seen */
    uint64_t reached;        /* the highest order whose milestone was reached; 0: none */
    uint64_t reached_number; /* of the event that told it */
    uint64_t handed;         /* the highest order that the trainer was told (answer or signal) */
    uint64_t leave_told;     /* the order to leave whose checkpoint bit was given; 0: none */
    struct exploit told;     /* what the order to exploit says, until the trainer has acted on it */
    struct exploit taken;    /* what it goes on from and with since the last one */
    bool is_proving;         /* the snapshot of `told` is being proven, or fetched before that */
    uint64_t proves_for;     /* the connection that asked */
    uint64_t waits_on;       /* order whose snapshot is on its way here; 0: none */
    uint64_t lineage;        /* of the parameters that hold, for what it saves */

    /* the trainer */
    struct ranks *ranks; /* owned; NULL: one process speaks for the trial */
    uint32_t can;
    bool has_spoken;
    uint32_t source;  /* the most trusted one that gave the metric, REPORT_FROM_*; 0: none did */
    double last_time; /* last_step, with a fraction if it came from a printed line */
    uint64_t seq;
    int64_t last_step;
    struct row_block block; /* rows without a number yet */
    struct row_block
        thinned; /* the last row that was left out: written if it stays the last of all */
    bye_word bye;
    char *note;
    uint64_t bye_number;
    bool is_save_asked; /* the shell makes a folder */
    bool is_saving;     /* the folder is there */
    int64_t save_step;
    bool is_committing;
    uint32_t commit_ordinal;
    int64_t commit_step;
    int64_t saved_step; /* of the last commit on disk; -1: none */
    time_ms saved_at;   /* when it saved, or was asked to by time; 0: not since its start */
    bool is_save_due;   /* by time: the answer to its report says so */
    uint32_t last_ordinal;

    /* the end */
    bool is_told_by_drain;    /* answers carry the drain's act */
    time_ms drain_deadline;   /* handed back at the head's word by then; 0: not */
    bool is_waiting_for_work; /* STARTING: its folder or its snapshot is on its way, the shell knows
                                 nothing of it */
    bool is_held;             /* on several nodes, and prepared here: it starts when all are */
    bool is_nodes_fault;
    bool is_restore_lost; /* the shell found its snapshot damaged or gone */
    bool is_drain_checkpoint_told;
    bool has_cause; /* the core ends it; `cause` and `reason` say why */
    end_cause cause;
    char reason[AGENT_REASON_MAX];
    bool is_signalled;
    time_ms term_at; /* AGENT_NEVER: no SIGTERM is due */
    time_ms kill_at;
    struct attempt_result facts; /* SETTLING: of the shell, copied into the arena */
    uint64_t result_number;

    /* of a task of an array */
    struct lane *lane; /* that runs it; NULL: leased alone */
    uint32_t position;
    time_ms tell_at;      /* its start is told then; AGENT_NEVER: it was, or it has not started */
    uint64_t duration_us; /* 0: not measured */
};

struct agent {
    struct arena arena;
    struct msg_enrol *enrol;   /* in the arena */
    const char *snapshots_dir; /* in the arena; NULL: leases name the folder */
    struct random random;
    struct random passes; /* what others must not guess has a stream of its own */
    struct agent_link link;
    struct stream stream;
    struct attempt *by_ref;
    struct list attempts;
    uint32_t n_attempts;
    struct attempt_ref over[AGENT_OVER_MAX]; /* their results are on disk; the last ones */
    uint32_t n_over;                         /* in all; the next one's place follows */
    struct work_tree *trees;                 /* by name (work.c) */
    struct list copies;                      /* copies.c */
    struct agent_array *arrays;              /* by job (lanes.c) */
    struct list arrays_due;
    struct list arrays_waiting; /* have rows that may wait a little longer */
    struct connection *by_id;
    struct list held; /* connections with waiting answers */
    uint32_t n_connections;
    uint32_t n_answers;
    struct known_snapshot *snapshots;
    uint32_t n_snapshots, cap_snapshots;
    uint64_t welcomes;
    bool is_draining;
    bool is_leaving; /* the cluster is shut down */
    bool is_drain_told;
    bool has_left;     /* AGENT_EXIT was put out */
    bool is_gathering; /* within a tick: events are sent at its end */
    time_ms drain_deadline;
    struct drain_owed owed;
    time_ms wake;    /* nothing is due before it */
    struct buf line; /* scratch: the answer being printed */
};

#endif
