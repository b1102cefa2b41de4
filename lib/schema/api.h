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

struct api_trial {
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
    const char *schedule; /* none | asha */
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
    uint32_t nodes, nodes_alive;
    double cpus, cpus_used, gpus, gpus_used;
    uint32_t sweeps_active;
    uint32_t tasks_queued, tasks_leased, tasks_running, tasks_stopping, tasks_ended;
};

struct api_event {
    const char *kind; /* "task", "sweep", "node", "best", "report" */
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

struct api_error {
    const char *code;
    const char *text;
    const char *file;
    uint32_t line;
    uint32_t column;
};

extern const struct schema api_trial_schema, api_task_schema, api_sweep_schema, api_node_schema,
    api_status_schema, api_event_schema, api_metric_schema, api_error_schema, api_point_schema;

#endif
