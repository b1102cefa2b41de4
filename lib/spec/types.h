/* spec/types.h -- what a sweep file says, as plain structs. Pure data: scheduler/ and tune/ include
 * this, never the parser. Everything a spec points to lives in the arena that it was parsed into.
 * Defaults are filled in. */
#ifndef MUSTER_SPEC_TYPES_H
#define MUSTER_SPEC_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/value.h"

/* Resource amounts count in 1/10,000 of a CPU, GPU or custom unit; memory in bytes. */
enum { AMOUNT_ONE = 10000 };
typedef int64_t amount;

struct custom_amount {
    const char *name;
    amount amount;
};

/* One hard demand on a node's labels. */
typedef enum {
    REQUIRE_EQUAL,     /* "zone == a" */
    REQUIRE_NOT_EQUAL, /* "zone != a"; true where the label is absent */
    REQUIRE_IN,        /* "gpu.model in (H100, H200)" */
    REQUIRE_NOT_IN,    /* "zone not in (a, b)"; true where the label is absent */
    REQUIRE_EXISTS,    /* "ssd" or "mount:/mnt/data": the label is there, whatever its value */
} require_op;

struct require {
    require_op op;
    const char *label;
    const char *const *values; /* one for (NOT_)EQUAL, >= 1 for (NOT_)IN, none for EXISTS */
    uint32_t n_values;
    const char *text; /* as the user wrote it, for explain */
};

/* Which of the nodes that fit. */
typedef enum {
    PLACE_BINPACK, /* the fullest */
    PLACE_SPREAD,  /* the least used */
} place_rule;

/* What a task asks of one node, and of how many. */
struct request {
    amount cpus;           /* default AMOUNT_ONE */
    amount gpus;           /* whole GPUs, or one fraction below 1 */
    uint64_t memory_bytes; /* 0: not asked */
    const struct custom_amount *custom;
    uint32_t n_custom;
    const struct require *require;
    uint32_t n_require;
    const struct require *prefer; /* an earlier one outweighs all later ones together */
    uint32_t n_prefer;
    place_rule place;
    uint32_t nodes; /* different ones, each with all of this, together or not at all; 0: as 1 */
};

static inline uint32_t request_nodes(const struct request *request)
{
    return request->nodes > 1 ? request->nodes : 1;
}

struct env_pair {
    const char *name;
    const char *value;
};

struct command {
    bool is_shell;            /* one string, run by sh -c */
    const char *const *words; /* is_shell: exactly one; macros not yet expanded */
    uint32_t n_words;
};

typedef enum {
    PARAM_CONSTANT,
    PARAM_CHOICE,
    PARAM_REAL,
    PARAM_INT,
    PARAM_NORMAL, /* no bounds: normal, or with is_log lognormal */
    PARAM_ROW,    /* a column of `rows`: the columns of one group take their values of one row */
} param_kind;

/* The parameters of a sweep are a flat list in the file's order; a choice stands before the
 * parameters that it brings. A parameter that is not active in a trial has VALUE_NONE there. */
struct param_spec {
    const char *name; /* whole, "augment.mixup"; told twice only by branches of one choice */
    param_kind kind;
    struct value constant;      /* CONSTANT */
    const struct value *values; /* CHOICE, ROW: different ones for CHOICE */
    uint32_t n_values;
    double min, max;          /* REAL, inclusive both */
    int64_t int_min, int_max; /* INT, inclusive both */
    bool is_log;              /* uniform in the logarithm; min > 0 */
    double q; /* > 0: rounded to min + k * q, never past max, NORMAL: to k * q; 0: none. INT and
                 whole NORMAL: a whole number */
    double mu, sigma;         /* NORMAL: of the number, or with is_log of its logarithm */
    bool is_whole;            /* NORMAL: whole numbers; q >= 1 */
    bool is_ordered;          /* CHOICE: neighbours in the list are alike */
    const struct value *also; /* REAL, INT, NORMAL: single values beside the range */
    uint32_t n_also;
    /* Of values (CHOICE, ROW), or of the range and each of `also`; NULL: all alike. They sum up to
     * about 1. */
    const double *probabilities;
    uint32_t parent; /* active if the choice parent - 1 is active and has its value `branch`; 0:
                        always active */
    uint32_t branch;
    uint32_t same;         /* 1 + the next parameter of this name; 0: none */
    const char *group;     /* ROW: the key that `rows` stands under */
    uint32_t row_first;    /* ROW: the first column of its group; the others follow it */
    uint32_t line, column; /* where it stands in the file */
};

/* A step of a constraint, in postfix order. */
typedef enum {
    CONSTRAINT_NUMBER,
    CONSTRAINT_TEXT,
    CONSTRAINT_TRUE,
    CONSTRAINT_FALSE,
    CONSTRAINT_PARAM, /* of this name: whichever is active */
    CONSTRAINT_NEGATE,
    CONSTRAINT_NOT,
    CONSTRAINT_ADD,
    CONSTRAINT_SUBTRACT,
    CONSTRAINT_MULTIPLY,
    CONSTRAINT_DIVIDE,
    CONSTRAINT_EQUAL,
    CONSTRAINT_NOT_EQUAL,
    CONSTRAINT_LESS,
    CONSTRAINT_LESS_EQUAL,
    CONSTRAINT_GREATER,
    CONSTRAINT_GREATER_EQUAL,
    CONSTRAINT_AND,
    CONSTRAINT_OR,
} constraint_code;

struct constraint_op {
    constraint_code code;
    uint32_t param; /* PARAM: the first of its name */
    double number;
    const char *text;
};

struct constraint {
    const char *text; /* as it was written */
    const struct constraint_op *ops;
    uint32_t n_ops;
    uint32_t line, column;
};

/* A value that a baseline says. */
struct baseline_item {
    uint32_t param; /* the first of its name */
    struct value value;
    uint32_t line, column;
};

/* A configuration to be tried first; what it does not say is drawn. */
struct baseline {
    const struct baseline_item *items;
    uint32_t n_items;
    uint32_t line, column;
};

typedef enum { GOAL_MINIMIZE, GOAL_MAXIMIZE } metric_goal;
typedef enum { SEARCH_RANDOM, SEARCH_GRID, SEARCH_SOBOL, SEARCH_AUTO } search_method;
typedef enum {
    SCHEDULE_NONE,
    SCHEDULE_ASHA,
    SCHEDULE_SHA,
    SCHEDULE_HYPERBAND,
    SCHEDULE_MEDIAN,
    SCHEDULE_PBT,
    SCHEDULE_REPLAY, /* one trial, by a recorded schedule */
} schedule_type;
/* At a rung a trial is judged once and for all, or it waits there until it may go on. */
typedef enum { SCHEDULE_STOP, SCHEDULE_PROMOTE } schedule_mode;
enum { CHECKPOINT_ON_RUNG = 1, CHECKPOINT_ON_END = 2, CHECKPOINT_ON_PAUSE = 4 };

/* What a trial is ranked by, of all its values. */
typedef enum { SUMMARY_BEST, SUMMARY_LAST, SUMMARY_MIN, SUMMARY_MAX, SUMMARY_MEAN } metric_summary;
/* What a report of NaN means. */
typedef enum {
    NAN_WORST,  /* it is worse than any value, and a trial that ends with it is never best */
    NAN_IGNORE, /* it is no report of the metric */
    NAN_FAIL,   /* the trial has failed */
} metric_on_nan;

struct metric_spec {
    const char *name;
    metric_goal goal;
    bool has_target;
    double target;
    const char *time; /* the name of what counts the steps in printed lines; "": none */
    metric_summary summary;
    metric_on_nan on_nan;
};

/* Where reports come from. The trial's socket is always listened to; an earlier one of these is
 * trusted more: what comes later is not listened to once it gave a value. */
enum {
    REPORT_FROM_API = 1,
    REPORT_FROM_STDOUT = 2,
    REPORT_FROM_STDERR = 4,
    REPORT_FROM_TENSORBOARD = 8, /* event files in the trial's folder */
    REPORT_FROM_WANDB = 16,      /* a module called wandb, which speaks on the socket */
};

struct report_spec {
    uint32_t from;                /* REPORT_FROM_* bits */
    const char *const *out_rules; /* presets and patterns for stdout (lib/lines) */
    uint32_t n_out_rules;
    const char *const *err_rules;
    uint32_t n_err_rules;
};

struct schedule_spec {
    schedule_type type;
    schedule_mode mode; /* ASHA, HYPERBAND */
    int64_t min;        /* first rung's step, >= 1; MEDIAN: below it no trial is judged */
    int64_t max;      /* the last step of a trial; its top rung. INT64_MAX: none (MEDIAN, HYPERBAND
                         that stops) */
    int64_t eta;      /* >= 2 */
    int64_t interval; /* MEDIAN: steps between two looks, >= 1 */
    uint32_t startup; /* MEDIAN: results of so many others are needed to judge one */
    const char *origin; /* the key of a W\&B sweep file that it was read from; NULL: none */
    /* REPLAY: the file as it is named, and the steps of the weights from which on the parameters of
     * spec.baselines, one a step, hold; the first is 0, they grow. n_steps 0: not read yet. */
    const char *from;
    const int64_t *steps;
    uint32_t n_steps;
};

/* Population-based training. */
struct pbt_spec {
    uint32_t population;   /* members at a time, >= 1 */
    int64_t interval;      /* steps between two milestones of a member, >= 1 */
    double quantile;       /* of the members: those that copy, and those that are copied; 0..0.5 */
    double resample;       /* how likely a parameter is drawn anew, 0..1 */
    const double *factors; /* else a number is multiplied with one of them; above 0 */
    uint32_t n_factors;
    const bool *mutates; /* by parameter: it is changed at an exploit */
};

struct stop_spec {
    uint32_t trials;   /* 0: no limit by count */
    uint32_t failures; /* 0: no limit; else this many failed trials end the sweep */
    int64_t wall_ms;   /* 0: none */
};

/* What becomes of a trial whose failure says so. */
typedef enum {
    RETRY_FAIL,  /* not tried again */
    RETRY_AGAIN, /* as any failure */
    RETRY_FREE,  /* tried again, and not charged */
} retry_act;

struct retry_rule {
    const char *match; /* a part of the end of stderr, or of the reason */
    retry_act act;
};

struct retry_spec {
    uint32_t max;         /* own failures of a trial that are retried; default 3 */
    uint32_t crash_limit; /* node or agent lost while it ran; default 5 */
    int64_t backoff_min_ms, backoff_max_ms; /* default 1s..5m, doubling */
    const struct retry_rule *rules;         /* the first that matches holds */
    uint32_t n_rules;
    uint32_t node_failures; /* so many in a row set a node aside; 0: never; default 3 */
};

struct timeout_spec {
    int64_t trial_ms;    /* 0: none; one attempt's longest life */
    int64_t silent_ms;   /* 0: none; no byte from the trainer for so long is a failure */
    int64_t grace_ms;    /* default 60 s; from told to leave to SIGTERM, and again to SIGKILL */
    int64_t start_ms;    /* 0: none; from exec to the first word on the trial socket */
    int64_t decision_ms; /* default 60 s; how long an answer at a milestone may be held */
    int64_t rank_ms; /* default 10 min; how long ranks wait for one of them where all must come */
};

typedef enum {
    CHECKPOINT_STORE_CLUSTER, /* a second copy on another node, where there is one */
    CHECKPOINT_STORE_NODE,    /* on the node where it was made alone */
} checkpoint_store;

struct checkpoint_spec {
    uint32_t on;      /* CHECKPOINT_ON_* bits; what is paused saves in any case */
    int64_t every_ms; /* 0: never; so long after a checkpoint one that runs is asked for the next */
    uint32_t keep_last, keep_best; /* per trial; default 1 and 1 */
    uint32_t keep_sweep_best; /* of the ended trials only the best ones keep theirs; 0: all do */
    const char
        *adopt; /* a pattern of paths: what the program writes there are checkpoints; "": none */
    checkpoint_store store;
};

/* Limits that hold whatever a file says. */
enum {
    SPEC_FILE_MAX_BYTES = 1 << 20,
    SPEC_DEPTH_MAX = 16,
    SPEC_NODES_MAX = 20000,
    SPEC_PARAMETERS_MAX = 256,
    SPEC_CHOICES_MAX = 1024,
    SPEC_WORDS_MAX = 1024,
    SPEC_TEXT_MAX_BYTES = 65536,
    SPEC_TRIALS_MAX = 10000000,
    SPEC_IGNORE_MAX = 256, /* as WORK_RULES_MAX of lib/work */
    SPEC_LABELS_MAX = 64,
    SPEC_SETS_MAX = 256,
    SPEC_SETS_MAX_BYTES = 256 << 10, /* together */
    SPEC_CUSTOM_MAX = 32,
    SPEC_REQUIRE_MAX = 32,
    SPEC_PREFER_MAX = 32,
    SPEC_RULES_MAX = 32,
    SPEC_RANKS_MAX = 128,  /* of a trial on one node */
    SPEC_GANG_MAX = 64,    /* nodes of a trial, as SCHEDULER_GANG_MAX of scheduler/ */
    SPEC_WORLD_MAX = 1024, /* ranks of a trial on all its nodes */
    SPEC_FACTORS_MAX = 16,
    SPEC_MATCH_MAX_BYTES = 1024,
    SPEC_CONSTRAINTS_MAX = 64,
    SPEC_CONSTRAINT_MAX_BYTES = 1024,
    SPEC_CONSTRAINT_OPS_MAX = 256,
    SPEC_BASELINES_MAX = 1024,
    PRIORITY_MAX = 100,
    PRIORITY_DEFAULT = 50,
};

/* How many processes of the command a trial is. */
typedef enum { LAUNCH_ONE, LAUNCH_RANKS } launch_mode;

/* Where trials start: in a copy of the folder as it was at submission, or in the folder itself. */
typedef enum { WORKDIR_SNAPSHOT, WORKDIR_SHARED } workdir_mode;

struct workdir_spec {
    workdir_mode mode;
    const char *const *ignore; /* patterns as in .gitignore: what stays behind */
    uint32_t n_ignore;
    uint64_t max_bytes; /* of what is sent; default 200 MiB */
};

struct sweep_spec {
    const char *name;    /* default: the file's name without its ending, else "sweep" */
    const char *project; /* "" if absent */
    const char *description, *entity; /* of W&B's files, for people; "" if absent */
    const char *const *labels;
    uint32_t n_labels;
    struct command command;
    const char
        *workdir; /* as written; "." by default; the CLI makes it absolute before it submits */
    struct workdir_spec work;
    const char *setup; /* for sh -e, once for each node; "": none */
    const struct env_pair *env;
    uint32_t n_env;
    struct metric_spec metric;
    const struct param_spec *parameters;
    uint32_t n_parameters;
    const struct constraint *constraints;
    uint32_t n_constraints;
    const struct baseline *baselines;
    uint32_t n_baselines;
    search_method search;
    bool has_seed;
    uint64_t seed; /* <= 2^53 */
    struct schedule_spec schedule;
    struct pbt_spec pbt; /* SCHEDULE_PBT */
    struct stop_spec stop;
    uint32_t concurrency; /* 0: as many as fit */
    uint32_t per_node;    /* trials on one node; 0: as many as fit */
    amount gpus_max;      /* of all its trials together; 0: no limit */
    struct request resources;
    uint32_t priority; /* 0..100, higher first */
    struct retry_spec retries;
    struct timeout_spec timeouts;
    struct checkpoint_spec checkpoints;
    uint32_t logs_tail_bytes; /* default 64 KiB: kept in the store of a failed attempt */
    struct report_spec report;
    launch_mode launch;
    uint32_t ranks; /* LAUNCH_RANKS: processes of a trial, >= 1; else 0 */
};

#endif
