/* schema/api.h -- the objects that people and programs see over HTTP; tables in api.c. docs/API.md
 * is printed from them. JSON names are the members' names. Pure. */
#ifndef MUSTER_SCHEMA_API_H
#define MUSTER_SCHEMA_API_H

#include "schema/records.h"

struct api_point { /* last and best of a trial; JSON null if step < 0 was never reported */
    int64_t step;
    time_ms time;
    const struct named_value *metrics;
    uint32_t n_metrics;
};

/* A snapshot that is kept for a trial. */
struct api_checkpoint {
    uint32_t ordinal; /* counts the commits of `trial` from 1 */
    task_id trial;    /* that made it */
    int64_t step;     /* steps done by its weights */
    double value;     /* of the sweep's metric at that step; NaN: none */
    uint64_t bytes;
    const char *node;      /* where it lies */
    const char *safe_node; /* where it lies, too; NULL: nowhere else */
    const char *path;      /* its folder, on `node` */
    const char *const *why;
    uint32_t n_why;
};

struct api_trial {
    double summary; /* that it is ranked by; NaN: nothing */
    task_id id;
    uint32_t sweep;
    task_state state;
    task_outcome outcome;
    order_why why;
    const char *reason;
    int64_t step;
    int64_t milestone; /* next one; -1: none */
    const struct named_value *params;
    uint32_t n_params;
    uint32_t attempts;
    uint32_t failures, lost;
    struct api_point last;
    struct api_point best;
    const char *node;
    uint32_t pid;
    const char *const *gpus;
    uint32_t n_gpus;
    uint32_t exit_code;
    uint32_t signal;
    const char *checkpoint; /* folder of the snapshot to use, "" if none */
    int64_t checkpoint_step;
    time_ms created, started, ended;
    const char *failure;         /* what its last failure said */
    const char *checkpoint_node; /* where it lies */
    const char *safe_node;       /* where the last one lies a second time; NULL: it does not */
    int64_t safe_step;           /* of that one; -1: none */
    const struct api_checkpoint *checkpoints; /* of one trial that is asked for alone */
    uint32_t n_checkpoints;
    const char *const *nodes; /* of the last attempt, by node rank, `node` first */
    uint32_t n_nodes;
    bool dry; /* as of a task */
};

struct api_task {
    task_id id;
    task_state state;
    task_outcome outcome;
    order_why why;
    const char *reason;
    uint32_t attempts;
    uint32_t failures, lost;
    const char *node;
    uint32_t pid;
    const char *const *gpus;
    uint32_t n_gpus;
    uint32_t exit_code;
    uint32_t signal;
    time_ms created, started, ended;
    const char *command;
    const char *failure;
    const char *name;
    const char *owner;
    const char *const *labels;
    uint32_t n_labels;
    uint32_t priority;
    const char *work;
    uint64_t work_bytes;
    double duration;              /* seconds that its last attempt ran; NAN: not ended */
    bool dry;                     /* its last attempt has ended, of a worker that ran no process */
    const char *const *log_files; /* on its node: of stdout and stderr, if its array wants files */
    uint32_t n_log_files;
};

/* What was submitted as one: a command, or a task array. */
struct api_job {
    uint32_t id;
    const char *name;
    task_state state; /* queued, running, stopping (it was told to end) or ended */
    task_outcome outcome;
    order_why why;
    const char *error; /* why muster itself ended it */
    const char *ids;   /* of an array, as 1-500000:2; "": one task */
    uint32_t total, queued, leased, running, done, failed, cancelled;
    double rate;     /* tasks that ended a second, lately; NAN: not known */
    double duration; /* of its tasks, in seconds, lately and on average; NAN: not known */
    const char *command;
    const char *owner;
    const char *const *labels;
    uint32_t n_labels;
    uint32_t priority;
    uint32_t retries;
    uint32_t max_fails;
    uint32_t nodes; /* that results came from */
    time_ms created, ended;
    const char *work;
    uint64_t work_bytes;
    const char *items; /* the packed lines or values */
    uint64_t items_bytes;
    bool dry; /* some of its results came from a worker that ran no process */
    bool log_files;
};

struct api_sweep {
    uint32_t id;
    const char *name;
    const char *project;
    const char *const *labels;
    uint32_t n_labels;
    sweep_state state;
    order_why why;
    const char *error;
    const char *owner;
    const char *metric;
    const char *goal;     /* minimize | maximize */
    const char *search;   /* random */
    const char *schedule; /* schedule.type */
    uint64_t seed;
    uint32_t trials; /* asked for in all; 0: no limit */
    uint32_t asked, waiting, running, done, stopped, failed, cancelled, invalid;
    int64_t age;  /* seconds it has run (span) */
    task_id best; /* 0.0: none yet */
    double best_value;
    int64_t best_step;
    const struct named_value *best_params;
    uint32_t n_best_params;
    const char *best_checkpoint;
    const char *workdir;
    time_ms created, ended;
    const struct set_aside *set_aside; /* nodes that get nothing of it any more */
    uint32_t n_set_aside;
    const char *const *set;
    uint32_t n_set;
    const char *const *changed;
    uint32_t n_changed;
    bool test;
    uint32_t priority;
    int64_t ran; /* span: not paused, and not while the cluster was down */
    uint32_t cloned_from;
    const char *work; /* the packed work folder's hash; "": mode shared */
    uint64_t work_bytes;
    uint32_t held; /* of those that wait: paused, by people or until their rung lets them go on */
};

struct api_set_aside {
    uint32_t sweep;
    time_ms time;
    const char *reason;
};

struct api_node {
    const char *name;
    node_state state;
    bool cordoned;
    const char *host;
    uint32_t pid;
    const char *version;
    double cpus, cpus_used;
    uint64_t memory, memory_used;
    const char *const *gpus;
    uint32_t n_gpus;
    double gpus_used;
    uint32_t running;
    time_ms joined;
    int64_t heard; /* span since the last byte from it */
    const char *cordon_reason;
    const struct api_set_aside *set_aside; /* active sweeps that give it nothing any more */
    uint32_t n_set_aside;
    const struct named_value *labels;
    uint32_t n_labels;
    time_ms drain_deadline;
    const char *drain_reason;
    int64_t drain_left;  /* span until the deadline */
    uint32_t drain_owes; /* snapshots that only it has, and somebody needs */
    const char *drain_text;
    bool dry;                  /* its worker runs no process */
    uint64_t cache, cache_max; /* bytes of work folders on its disk, as it said last */
};

struct api_status {
    const char *version;
    const char *cluster;
    uint64_t epoch;
    uint32_t pid;
    time_ms started;
    const char *state_dir;
    const char *store; /* "ok" | "waiting" | "full" | ... */
    int64_t
        store_age; /* span since the last batch was on disk, while one waits; 0 when none waits */
    const char *store_kind;   /* embedded | external */
    const char *store_policy; /* "appendonly yes, appendfsync always" */
    const char *store_loss;   /* what it may lose if its machine dies: "nothing", ... */
    uint64_t store_memory, store_memory_max; /* bytes Redis uses, and may use; 0: no limit */
    uint32_t nodes, nodes_alive;
    double cpus, cpus_used, gpus, gpus_used;
    uint32_t sweeps_active;
    uint32_t tasks_queued, tasks_leased, tasks_running, tasks_stopping, tasks_ended;
    const char *http;          /* where people and programs are served */
    bool http_insecure;        /* off loopback without TLS */
    uint64_t depot, depot_max; /* bytes of packed work folders on the head's disk */
};

/* A named user's key; the token itself is told once, when it is made. */
struct api_key {
    const char *name;
    user_role role;
    time_ms created;
    time_ms expires; /* 0: never */
    bool expired;
    const char *by;
};

struct api_event {
    const char *kind; /* "task", "job" (an array), "sweep", "node", "best", "report" */
    time_ms time;
    const char *subject; /* "12", "12.41", node name */
    const char *text;    /* one line for people */
    const char *data;    /* the object itself, JSON */
};

struct api_metric {
    uint32_t attempt;
    uint64_t seq;
    int64_t step;
    time_ms time;
    const struct named_value *metrics;
    uint32_t n_metrics;
};

/* Parameters that a trial got: when it was asked for, and with another trial's weights since. */
struct api_lineage {
    task_id trial;
    time_ms time;
    task_id from;      /* whose weights; job 0: it began from nothing */
    int64_t from_step; /* that those have done */
    uint32_t snapshot; /* which one of `from` */
    const struct named_value *params;
    uint32_t n_params;
};

/* Where the head's time went, one for each stage of a turn. */
struct api_stage {
    const char *stage;
    double seconds, percent; /* since the head's start; of that time */
    uint64_t count;          /* how often it began */
    double mean_us;
    double last_us; /* of the last second */
    uint64_t last_count;
};

struct api_turn {
    double seconds; /* since the head's start */
    uint64_t turns; /* from waking to sleeping again */
    double busy_percent;
    double median_us, tail_us, longest_us; /* of a turn; tail: 99 % are shorter */
    uint64_t last_turns;                   /* of the last second */
    double last_busy_percent;
};

struct api_failure {
    const char *message; /* without numbers, addresses and folders */
    uint32_t count;      /* trials of which an attempt failed so, last */
    uint32_t failed;     /* of them, for good */
    task_id example;     /* the first one */
};

struct api_error {
    const char *code;
    const char *text;
    const char *file;
    uint32_t line;
    uint32_t column;
};

extern const struct schema api_key_schema, api_trial_schema, api_task_schema, api_job_schema,
    api_sweep_schema, api_node_schema, api_status_schema, api_event_schema, api_metric_schema,
    api_lineage_schema, api_error_schema, api_point_schema, api_set_aside_schema,
    api_checkpoint_schema, api_failure_schema, api_stage_schema, api_turn_schema;

#endif
