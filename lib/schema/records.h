/* schema/records.h -- what the store holds, as plain structs; their tables are in records.c. Pure.
 *
 *   m:meta           hash   holder, epoch, n, beat, next_job, cluster (plain text values)
 *   m:sweeps         hash   <number>            -> record_sweep
 *   m:jobs           hash   <number>            -> record_job
 *   m:tasks          hash   <number>.<index>    -> record_task (trials and tasks alike)
 *   m:attempts       hash   <number>.<index>:<attempt> -> record_attempt (evidence of an end)
 *   m:nodes          hash   <name>              -> record_node
 *   m:chunks         hash   <job>.<chunk>       -> record_chunk (1,024 tasks of an array)
 *   m:users          hash   <name>              -> record_user
 *   m:log:<sweep>    list   record_log, in order
 *   m:res:<job>.<chunk> list result rows (schema/result_rows.h) of tasks of the chunk, as they came
 *   m:rows:<trial>   hash   <attempt>:<first seq> -> metric_rows (record_encode'd)
 *
 * `m` is the cluster's prefix. */
#ifndef MUSTER_SCHEMA_RECORDS_H
#define MUSTER_SCHEMA_RECORDS_H

#include "schema/messages.h"

#define TASK_STATES(X)                                                                             \
    X(WAITING, "waiting")                                                                          \
    X(QUEUED, "queued")                                                                            \
    X(LEASED, "leased")                                                                            \
    X(RUNNING, "running")                                                                          \
    X(STOPPING, "stopping")                                                                        \
    X(HELD, "held")                                                                                \
    X(ENDED, "ended")
typedef enum {
#define X(name, word) TASK_##name,
    TASK_STATES(X)
#undef X
} task_state;

#define TASK_OUTCOMES(X)                                                                           \
    X(NONE, "")                                                                                    \
    X(DONE, "done")                                                                                \
    X(STOPPED, "stopped")                                                                          \
    X(FAILED, "failed")                                                                            \
    X(CANCELLED, "cancelled")                                                                      \
    X(INVALID, "invalid")                                                                          \
    X(SKIPPED, "skipped")
typedef enum {
#define X(name, word) OUTCOME_##name,
    TASK_OUTCOMES(X)
#undef X
} task_outcome;

#define SWEEP_STATES(X)                                                                            \
    X(RUNNING, "running")                                                                          \
    X(PAUSED, "paused")                                                                            \
    X(FINISHING, "finishing")                                                                      \
    X(DONE, "done")                                                                                \
    X(FAILED, "failed")                                                                            \
    X(CANCELLED, "cancelled")
typedef enum {
#define X(name, word) SWEEP_##name,
    SWEEP_STATES(X)
#undef X
} sweep_state;

#define NODE_STATES(X)                                                                             \
    X(JOINING, "joining")                                                                          \
    X(ALIVE, "alive")                                                                              \
    X(SUSPECT, "suspect")                                                                          \
    X(DRAINING, "draining")                                                                        \
    X(GONE, "gone")
typedef enum {
#define X(name, word) NODE_##name,
    NODE_STATES(X)
#undef X
} node_state;

extern const char *const task_state_names[7];
extern const char *const task_outcome_names[7];
extern const char *const sweep_state_names[6];
extern const char *const node_state_names[5];

/* A node on which several trials of a sweep failed in a row. */
struct set_aside {
    const char *node;
    time_ms time;
    bool is_nodes_fault; /* the sweep's trials worked on another node */
    const char *reason;
};

struct record_sweep {
    uint32_t number;
    const char *name;
    const char *file; /* the text itself; parsed again at recovery */
    const char *file_name;
    const char *workdir; /* absolute */
    const char *owner;
    const char *const *argv;
    uint32_t n_argv;
    const char *git;
    const char *key;       /* Idempotency-Key */
    const char *file_hash; /* of file + workdir, hex */
    uint64_t seed;
    sweep_state state;
    order_why why; /* of finishing and of the end */
    time_ms created;
    time_ms ended;
    int64_t ran_ms; /* time spent running (not paused) up to resumed_at; for stop.wall */
    time_ms resumed_at;
    const char *error;                 /* why it failed, for people */
    const struct set_aside *set_aside; /* nodes that get nothing of it any more */
    uint32_t n_set_aside;
    bool is_failure_judged; /* it was resumed: a run of failures does not pause it again */
    const char *const *set; /* PATH=VALUE, applied to the file in this order */
    uint32_t n_set;
    const char *const *changed; /* settings made since, at most one a key; the log has all */
    uint32_t n_changed;
    const char *const *labels; /* beside those of the file */
    uint32_t n_labels;
    bool is_test;           /* one trial to its first rung */
    bool is_removing;       /* all that is kept of it is being deleted */
    const char *resume_key; /* Idempotency-Key of the last resume */
    uint32_t cloned_from;   /* number; 0: none */
    const char *work;       /* the packed work folder's hash; "": mode shared */
    uint64_t work_bytes;
};

struct record_job {
    uint32_t number;
    const char *name;
    const char *const *words;
    uint32_t n_words;
    bool is_shell;
    const char *workdir;
    const struct label_pair *env;
    uint32_t n_env;
    int64_t cpus;
    int64_t gpus;
    uint64_t memory_bytes;
    const struct custom_pair *custom;
    uint32_t n_custom;
    const char *const *require;
    uint32_t n_require;
    uint32_t priority;
    uint32_t retries_max;
    const char *owner;
    const char *key;
    const char *file_hash;
    time_ms created;
    time_ms ended;
    const char *const *labels;
    uint32_t n_labels;
    bool is_removing; /* all that is kept of it is being deleted */
    const char *work; /* as a sweep's */
    uint64_t work_bytes;
    struct array_ids array; /* step 0: one task, index 1 */
    const char *items;      /* hash of the packed folder with its lines; "": none */
    uint64_t items_bytes;
    uint32_t max_fails;       /* more failed tasks than this end the array; 0: no limit */
    const char *const *nodes; /* of its result rows, by number */
    uint32_t n_nodes;
    order_why why;     /* of an array that was told to end: what is not ended is cancelled */
    time_ms told_at;   /* when it was; 0: it was not */
    const char *error; /* why muster itself ended it, for people */
    bool has_dry;      /* a result of it is of a worker that ran no process */
    bool log_files;    /* of an array: what each task writes goes into files of its own */
};

/* What became of ARRAY_CHUNK tasks of an array. */
typedef enum {
    SLOT_QUEUED,
    SLOT_LEASED,    /* attempt 0, to the node of one of `leases` */
    SLOT_DONE,      /* a result row has it */
    SLOT_EXCEPTION, /* it has a record_task of its own */
} array_slot;

struct chunk_lease {
    struct array_range range; /* within the chunk; those of its slots that are LEASED */
    const char *node;
    uint64_t incarnation;
};

struct record_chunk {
    uint32_t job;
    uint32_t chunk;     /* first position / ARRAY_CHUNK */
    struct bytes slots; /* two bits a task, lowest bits first; none: all QUEUED */
    const struct chunk_lease *leases;
    uint32_t n_leases;
};

/* One that a trial keeps beside its last and its best. */
struct kept_snapshot {
    struct snapshot_ref snapshot; /* that it made itself */
    const char *node;             /* where it lies */
    bool has_value;
    double value; /* of the sweep's metric, at its step */
};

enum { KEPT_MAX = 64 }; /* of a trial */

/* What is known of one node of an attempt that is on several. */
#define GANG_PART_STATES(X)                                                                        \
    X(LEASED, "leased")                                                                            \
    X(PREPARED, "prepared") /* it waits for the others */                                          \
    X(STARTED, "started")                                                                          \
    X(GONE, "gone") /* nothing of it runs there any more */                                        \
    X(LOST, "lost") /* its node, or the agent there, has vanished */
typedef enum {
#define X(name, word) PART_##name,
    GANG_PART_STATES(X)
#undef X
} gang_part_state;
extern const char *const gang_part_state_names[5];

struct gang_part {
    const char *node;
    uint64_t incarnation;
    const char *const *gpus;
    uint32_t n_gpus;
    gang_part_state state;
    const char *address;  /* NULL: it has not said yet that it is ready */
    uint32_t master_port; /* as EVENT_PREPARED told */
    const char *peers;
};

struct record_task {
    task_id id;
    bool is_trial;
    task_state state;
    task_outcome outcome;
    order_why why;      /* of what was told to leave, and of its end */
    const char *reason; /* one sentence, for people: why it ended so, why it waits */
    uint32_t attempt;   /* of the last lease; valid if n_attempts > 0 */
    uint32_t n_attempts;
    uint32_t failures, lost, preempted; /* charged */
    const char *node;                   /* of the current or last attempt */
    uint64_t incarnation;
    const char *const *gpus;
    uint32_t n_gpus;
    struct order order;
    const struct value *params;
    uint32_t n_params;
    uint32_t priority;
    uint64_t age;
    time_ms created, queued, leased, started, ended;
    time_ms not_before; /* backoff */
    uint32_t pid;
    uint64_t last_seq;
    int64_t last_step;
    time_ms last_time;
    const char *const *metric_names; /* of last_values */
    uint32_t n_metric_names;
    const double *last_values;
    uint32_t n_last_values;
    bool has_best;
    double best_value;
    int64_t best_step;
    struct snapshot_ref snapshot;      /* the last committed: resume point */
    struct snapshot_ref best_snapshot; /* kept for its metric value */
    double best_snapshot_value;
    uint32_t exit_code; /* of the last attempt */
    uint32_t signal;
    time_ms best_time;
    const char *snapshot_node; /* where `snapshot` lies */
    const char *best_node;     /* where `best_snapshot` lies */
    const char *failure; /* what its last failure said: the last line of stderr, or the reason */
    uint64_t lineage; /* of `params`: n of its last order to exploit; 0: those it was asked with */
    uint32_t can;     /* CAN_* of its trainer, as its last milestone told */
    uint32_t last_ordinal; /* no commit has a higher number; none is used twice on any node */
    struct snapshot_ref safe_snapshot; /* the last one that lies on a second node, too */
    const char *safe_node;             /* on this one */
    /* Of the metric, over all its reports; NaN is no value. */
    uint32_t n_values;
    double value;         /* the last one */
    double summary;       /* as metric.summary says */
    int64_t summary_step; /* of the value that it is; of a mean the last one's */
    bool is_nan_last;     /* the last report was NaN, and metric.on_nan does not ignore it */
    /* What `checkpoints.keep` keeps beside `snapshot` and `best_snapshot`; neither is among them.
     */
    bool has_snapshot_value;
    double snapshot_value;            /* of the metric at the step of `snapshot`, if it made that */
    const struct kept_snapshot *kept; /* in the order in which they were made */
    uint32_t n_kept;
    /* Of an attempt on several nodes; it is over when no part of it is left. */
    const struct gang_part *parts; /* by node rank, that of `node` first; of the last attempt */
    uint32_t n_parts;              /* 0: on one node */
    struct bytes verdict;  /* a record_attempt: what ended it, while others are still there */
    uint32_t verdict_part; /* that brought it */
    /* Since it took over another trial's weights, until it has saved some of its own: what it goes
     * back to if those are lost. No parameters: nothing is kept. */
    struct snapshot_ref own_snapshot;
    const char *own_node;
    const struct value *own_params;
    uint32_t n_own_params;
    uint64_t own_lineage;
    uint64_t donor_lineage; /* of the snapshot that it took over, at its maker */
    bool is_donor_replaced; /* the first one was lost: this is another one of the same maker */
    bool is_dry;            /* its last attempt has ended, and no process was run */
};

struct record_attempt {
    task_id task;
    uint32_t attempt;
    const char *node;
    uint64_t incarnation;
    struct attempt_result result;
    const char *host;    /* of the node */
    const char *version; /* of its agent */
    const char *image;   /* that it ran in; "" on the bare machine */
    time_ms leased;
    const char
        *part; /* of an attempt on several nodes: the one that brought its end; NULL: `node` */
    uint64_t part_incarnation;
};

struct record_node {
    const char *name;
    uint64_t incarnation;
    node_state state;
    bool is_cordoned;
    const char *host;
    const char *state_dir; /* of its agent, on `host` */
    const char *lock;      /* of its folder, as told at enrolment */
    uint32_t pid;
    const char *version;
    int64_t cpus;
    uint64_t memory_bytes;
    const char *const *gpus;
    uint32_t n_gpus;
    const struct custom_pair *custom;
    uint32_t n_custom;
    const struct label_pair *labels;
    uint32_t n_labels;
    uint64_t applied; /* highest event number of the incarnation whose effect is in the store */
    time_ms joined;
    time_ms left;
    const char *cordon_reason;           /* who or what cordoned it */
    time_ms trusted_since;               /* failures before it do not count against the node */
    const struct label_pair *label_sets; /* by people: they go before the agent's own */
    uint32_t n_label_sets;
    const char *const *label_removes; /* names of the agent's labels that do not hold */
    uint32_t n_label_removes;
    bool is_drain_asked;    /* by people; else it is the agent that leaves */
    time_ms drain_deadline; /* until then what runs there goes on */
    const char *drain_reason;
    bool is_dry;           /* its agent runs no process */
    time_ms agent_started; /* as the agent said; grows with the starts of one folder */
    bool is_remote;        /* it joined over TCP: another machine's folder */
};

#define USER_ROLES(X)                                                                              \
    X(READER, "reader")                                                                            \
    X(USER, "user")                                                                                \
    X(ADMIN, "admin")
typedef enum {
#define X(name, word) ROLE_##name,
    USER_ROLES(X)
#undef X
        USER_ROLES_COUNT
} user_role;
extern const char *const user_role_names[3];

enum { USER_NAME_MAX = 63, USER_HASH_BYTES = 32, USER_HASH_TEXT_BYTES = 2 * USER_HASH_BYTES + 1 };
#define USER_BUILTIN "admin" /* who holds the state folder's own token; no record */

struct record_user {
    const char *name;
    user_role role;
    const char *hash; /* of its token, BLAKE2b-256, hex */
    time_ms created;
    time_ms expires; /* 0: never */
    const char *by;  /* the admin who made it */
};

/* One entry of a sweep's ordered log; mirrors struct tune_event of tune/tune.h. */
typedef enum {
    LOG_ASKED,
    LOG_MILESTONE,
    LOG_ENDED,
    LOG_TARGET,
    LOG_WALL,
    LOG_RESUMED,
    LOG_REOPENED,
    LOG_HELD,
    LOG_WOKEN,
    LOG_SET,
    LOG_DONOR,
} log_kind;
extern const char *const log_kind_names[11];

struct record_log {
    log_kind kind;
    time_ms time;
    uint32_t trial;
    int64_t step;
    bool has_value;
    double value;
    order_act act;              /* MILESTONE */
    order_why why;              /* MILESTONE */
    int64_t until;              /* MILESTONE */
    uint64_t order;             /* MILESTONE: n of the order it brought; DONOR: of that one */
    task_outcome outcome;       /* ENDED */
    const struct value *params; /* ASKED; MILESTONE with a donor; DONOR */
    uint32_t n_params;
    uint32_t donor;              /* MILESTONE: the trial whose snapshot is taken over; 0: none.
                                    DONOR: the same, another snapshot; 0: its own after all */
    uint32_t donor_ordinal;      /* which of its snapshots */
    int64_t donor_step;          /* the steps that its weights have done */
    const char *const *settings; /* SET: KEY=VALUE, as people gave them */
    uint32_t n_settings;
    uint32_t set_bits; /* SET: which of the next four hold (TUNE_SET_*) */
    uint32_t set_trials, set_failures, set_concurrency;
    int64_t set_wall_ms;
    bool has_result; /* with a value: what the trial is ranked by now, NaN: by nothing */
    double result;
    int64_t result_step;
};

extern const struct schema record_sweep_schema, record_job_schema, record_task_schema,
    record_user_schema, record_attempt_schema, set_aside_schema, record_node_schema,
    record_log_schema, record_chunk_schema, metric_rows_schema, order_schema, snapshot_ref_schema,
    kept_snapshot_schema, gang_part_schema;

#endif
