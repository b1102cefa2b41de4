/* schema/records.h -- what the store holds, as plain structs; their tables are in records.c. Pure.
 *
 *   m:meta           hash   holder, epoch, n, beat, next_job, cluster (plain text values)
 *   m:sweeps         hash   <number>            -> record_sweep
 *   m:jobs           hash   <number>            -> record_job
 *   m:tasks          hash   <number>.<index>    -> record_task (trials and tasks alike)
 *   m:attempts       hash   <number>.<index>:<attempt> -> record_attempt (evidence of an end)
 *   m:nodes          hash   <name>              -> record_node
 *   m:log:<sweep>    list   record_log, in order
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
    const char *error; /* why it failed, for people */
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
};

struct record_attempt {
    task_id task;
    uint32_t attempt;
    const char *node;
    uint64_t incarnation;
    struct attempt_result result;
};

struct record_node {
    const char *name;
    uint64_t incarnation;
    node_state state;
    bool is_cordoned;
    const char *host;
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
};

/* One entry of a sweep's ordered log; mirrors struct tune_event of tune/tune.h. */
typedef enum { LOG_ASKED, LOG_MILESTONE, LOG_ENDED, LOG_TARGET, LOG_WALL } log_kind;
extern const char *const log_kind_names[5];

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
    uint64_t order;             /* MILESTONE: n of the order it brought */
    task_outcome outcome;       /* ENDED */
    const struct value *params; /* ASKED */
    uint32_t n_params;
};

extern const struct schema record_sweep_schema, record_job_schema, record_task_schema,
    record_attempt_schema, record_node_schema, record_log_schema, metric_rows_schema, order_schema,
    snapshot_ref_schema;

#endif
