/* One array a block. A row without a reader is a key of a later release: it is refused by name,
 * never ignored. */
#include "spec/sweep_keys.h"

#include "spec/command.h"
#include "spec/envvars.h"
#include "spec/parameters.h"
#include "spec/schedule.h"

#define DURATION_MAX_MS (3650LL * 86400 * 1000)
#define DAY_MS (86400LL * 1000)
#define STEP_MAX 9007199254740992 /* 2^53 */
#define MEMORY_MAX_BYTES (1LL << 50)
#define WORKDIR_MAX_BYTES (8LL << 30) /* what an archive can hold */

enum {
    PATH_TEXT_MAX_BYTES = 4095,
    RETRIES_MAX = 1000000,
    NODE_FAILURES_MAX = 32,
    KEEP_MAX = 32, /* half of KEPT_MAX of schema/records.h */
    CONCURRENCY_MAX = 1000000,
    TAIL_MAX_BYTES = 64 << 10,
};

#define LATER(name_)                                                                               \
    {                                                                                              \
        .name = (name_)                                                                            \
    }
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }
#define AT(field) offsetof(struct sweep_spec, field)

const struct spec_word sweep_goal_words[] = {
    {"minimize", GOAL_MINIMIZE}, {"maximize", GOAL_MAXIMIZE}, {NULL, 0}};

const struct spec_word sweep_summary_words[] = {{"best", SUMMARY_BEST}, {"last", SUMMARY_LAST},
                                                {"min", SUMMARY_MIN},   {"max", SUMMARY_MAX},
                                                {"mean", SUMMARY_MEAN}, {NULL, 0}};

const struct spec_word sweep_on_nan_words[] = {
    {"worst", NAN_WORST}, {"ignore", NAN_IGNORE}, {"fail", NAN_FAIL}, {NULL, 0}};

const struct spec_word sweep_search_words[] = {
    {"random", SEARCH_RANDOM},
    {"grid", SEARCH_GRID},
    {"sobol", SEARCH_SOBOL},
    {"auto", SEARCH_AUTO},
    {"bayes", SEARCH_AUTO}, /* W&B's word */
    {"tpe", WORD_LATER},
    {"gp", WORD_LATER},
    {"cmaes", WORD_LATER},
    {"bohb", WORD_LATER},
    {"nsga2", WORD_LATER},
    {"external", WORD_LATER},
    {NULL, 0},
};

const struct spec_word sweep_schedule_words[] = {
    {"none", SCHEDULE_NONE},           {"asha", SCHEDULE_ASHA},     {"sha", SCHEDULE_SHA},
    {"hyperband", SCHEDULE_HYPERBAND}, {"median", SCHEDULE_MEDIAN}, {"pbt", SCHEDULE_PBT},
    {"replay", SCHEDULE_REPLAY},       {"pb2", WORD_LATER},         {NULL, 0},
};

const struct spec_word sweep_store_words[] = {
    {"cluster", CHECKPOINT_STORE_CLUSTER}, {"node", CHECKPOINT_STORE_NODE}, {NULL, 0}};
const struct spec_word sweep_checkpoint_words[] = {{"rung", CHECKPOINT_ON_RUNG},
                                                   {"end", CHECKPOINT_ON_END},
                                                   {"pause", CHECKPOINT_ON_PAUSE},
                                                   {NULL, 0}};

const struct spec_word sweep_place_words[] = {
    {"binpack", PLACE_BINPACK}, {"spread", PLACE_SPREAD}, {NULL, 0}};

const struct spec_word sweep_launch_words[] = {
    {"one", LAUNCH_ONE}, {"ranks", LAUNCH_RANKS}, {NULL, 0}};

const struct spec_word sweep_workdir_words[] = {
    {"snapshot", WORKDIR_SNAPSHOT}, {"shared", WORKDIR_SHARED}, {NULL, 0}};

const char *sweep_word(const struct spec_word *words, int value)
{
    while (words->name != NULL && words->value != value) {
        words++;
    }
    return words->name;
}

static const struct spec_key workdir_keys[] = {
    {"path", key_read_line, AT(workdir), 0, PATH_TEXT_MAX_BYTES, 0, NULL},
    {"mode", key_read_word, AT(work.mode), 0, 0, 0, sweep_workdir_words},
    {"ignore", key_read_ignore, 0, 0, SPEC_IGNORE_MAX, 0, NULL},
    {"max", key_read_size, AT(work.max_bytes), 1, WORKDIR_MAX_BYTES, 0, NULL},
    END,
};

static const struct spec_key metric_keys[] = {
    {"name", key_read_line, AT(metric.name), 0, NAME_MAX_BYTES, KEY_REQUIRED, NULL},
    {"goal", key_read_word, AT(metric.goal), 0, 0, 0, sweep_goal_words},
    {"target", key_read_target, 0, 0, 0, KEY_NONE, NULL},
    {"time", key_read_line, AT(metric.time), 0, NAME_MAX_BYTES, 0, NULL},
    {"summary", key_read_word, AT(metric.summary), 0, 0, 0, sweep_summary_words},
    {"on_nan", key_read_word, AT(metric.on_nan), 0, 0, 0, sweep_on_nan_words},
    END,
};

static const struct spec_key search_keys[] = {
    {"method", key_read_word, AT(search), 0, 0, 0, sweep_search_words},
    {"seed", key_read_seed, 0, 0, STEP_MAX, KEY_NONE, NULL},
    END,
};

static const struct spec_key stop_keys[] = {
    {"trials", key_read_u32, AT(stop.trials), 1, SPEC_TRIALS_MAX, KEY_NONE, NULL},
    {"failures", key_read_u32, AT(stop.failures), 1, SPEC_TRIALS_MAX, KEY_NONE, NULL},
    {"wall", key_read_duration, AT(stop.wall_ms), 1, DURATION_MAX_MS, KEY_NONE, NULL},
    LATER("gpu_hours"),
    LATER("cost"),
    LATER("plateau"),
    END,
};

static const struct spec_key limits_keys[] = {
    {"concurrency", key_read_u32, AT(concurrency), 1, CONCURRENCY_MAX, KEY_NONE, NULL},
    {"gpus", key_read_amount, AT(gpus_max), 1, 1000000LL * AMOUNT_ONE, KEY_NONE, NULL},
    {"per_node", key_read_u32, AT(per_node), 1, CONCURRENCY_MAX, KEY_NONE, NULL},
    END,
};

static const struct spec_key resources_keys[] = {
    {"cpus", key_read_amount, AT(resources.cpus), 1, 1000000LL * AMOUNT_ONE, 0, NULL},
    {"gpus", key_read_gpus, AT(resources.gpus), 0, 1000000LL * AMOUNT_ONE, 0, NULL},
    {"memory", key_read_size, AT(resources.memory_bytes), 1, MEMORY_MAX_BYTES, KEY_NONE, NULL},
    {"custom", key_read_custom, 0, 1, 1000000LL * AMOUNT_ONE, 0, NULL},
    {"require", key_read_require, 0, 0, 0, 0, NULL},
    LATER("gpu_memory"),
    {"place", key_read_word, AT(resources.place), 0, 0, 0, sweep_place_words},
    {"prefer", key_read_prefer, 0, 0, 0, 0, NULL},
    LATER("any_of"),
    {"nodes", key_read_u32, AT(resources.nodes), 1, SPEC_GANG_MAX, 0, NULL},
    {"ranks", key_read_u32, AT(ranks), 1, SPEC_RANKS_MAX, 0, NULL},
    END,
};

static const struct spec_key queue_keys[] = {
    {"priority", key_read_u32, AT(priority), 0, PRIORITY_MAX, 0, NULL},
    LATER("name"),
    LATER("preemptible"),
    END,
};

const struct spec_word sweep_retry_words[] = {
    {"fail", RETRY_FAIL}, {"retry", RETRY_AGAIN}, {"free", RETRY_FREE}, {NULL, 0}};

static const struct spec_key rule_keys[] = {
    {"match", key_read_line, offsetof(struct retry_rule, match), 0, SPEC_MATCH_MAX_BYTES,
     KEY_REQUIRED, NULL},
    {"do", key_read_word, offsetof(struct retry_rule, act), 0, 0, KEY_REQUIRED, sweep_retry_words},
    END,
};

static const struct spec_key retries_keys[] = {
    {"max", key_read_u32, AT(retries.max), 0, RETRIES_MAX, 0, NULL},
    {"crash_limit", key_read_u32, AT(retries.crash_limit), 0, RETRIES_MAX, 0, NULL},
    {"backoff", key_read_backoff, 0, 0, DAY_MS, 0, NULL},
    {"node_failures", key_read_u32, AT(retries.node_failures), 1, NODE_FAILURES_MAX, KEY_NONE,
     NULL},
    {"rules", key_read_rules, 0, 0, SPEC_RULES_MAX, 0, rule_keys},
    END,
};

static const struct spec_key timeouts_keys[] = {
    {"trial", key_read_duration, AT(timeouts.trial_ms), 1, DURATION_MAX_MS, KEY_NONE, NULL},
    {"silent", key_read_duration, AT(timeouts.silent_ms), 1, DURATION_MAX_MS, KEY_NONE, NULL},
    {"grace", key_read_duration, AT(timeouts.grace_ms), 0, DAY_MS, 0, NULL},
    {"start", key_read_duration, AT(timeouts.start_ms), 1, DURATION_MAX_MS, KEY_NONE, NULL},
    {"decision", key_read_duration, AT(timeouts.decision_ms), 1, DAY_MS, 0, NULL},
    {"rank", key_read_duration, AT(timeouts.rank_ms), 1, DAY_MS, 0, NULL},
    LATER("gpu_idle"),
    END,
};

static const struct spec_key keep_keys[] = {
    {"trial_last", key_read_u32, AT(checkpoints.keep_last), 1, KEEP_MAX, 0, NULL},
    {"trial_best", key_read_u32, AT(checkpoints.keep_best), 0, KEEP_MAX, 0, NULL},
    {"sweep_best", key_read_u32, AT(checkpoints.keep_sweep_best), 1, SPEC_TRIALS_MAX, KEY_NONE,
     NULL},
    END,
};

static const struct spec_key checkpoints_keys[] = {
    {"on", key_read_bits, AT(checkpoints.on), 0, 0, 0, sweep_checkpoint_words},
    {"keep", key_read_block, 0, 0, 0, 0, keep_keys},
    {"store", key_read_word, AT(checkpoints.store), 0, 0, 0, sweep_store_words},
    {"every", key_read_duration, AT(checkpoints.every_ms), 1000, DURATION_MAX_MS, KEY_NONE, NULL},
    {"adopt", key_read_line, AT(checkpoints.adopt), 0, PATH_TEXT_MAX_BYTES, 0, NULL},
    END,
};

static const struct spec_key logs_keys[] = {
    {"tail", key_read_size_u32, AT(logs_tail_bytes), 0, TAIL_MAX_BYTES, 0, NULL},
    LATER("full"),
    LATER("keep"),
    LATER("mirror"),
    END,
};

const struct spec_word sweep_report_words[] = {
    {"api", REPORT_FROM_API},       {"stdout", REPORT_FROM_STDOUT},
    {"stderr", REPORT_FROM_STDERR}, {"tensorboard", REPORT_FROM_TENSORBOARD},
    {"wandb", REPORT_FROM_WANDB},   {NULL, 0}};

static const struct spec_key report_keys[] = {
    {"from", key_read_bits, AT(report.from), 0, 0, 0, sweep_report_words},
    {"stdout", key_read_line_rules, offsetof(struct report_spec, out_rules), 0, 0, 0, NULL},
    {"stderr", key_read_line_rules, offsetof(struct report_spec, err_rules), 0, 0, 0, NULL},
    END,
};

const struct spec_key sweep_keys[] = {
    {"name", key_read_line, AT(name), 0, NAME_MAX_BYTES, 0, NULL},
    {"project", key_read_line, AT(project), 0, NAME_MAX_BYTES, 0, NULL},
    {"labels", key_read_labels, 0, 0, SPEC_LABELS_MAX, 0, NULL},
    {"command", key_read_command, 0, 0, 0, KEY_REQUIRED, NULL},
    {"workdir", key_read_workdir, AT(workdir), 0, PATH_TEXT_MAX_BYTES, 0, workdir_keys},
    {"setup", key_read_setup, AT(setup), 0, SPEC_TEXT_MAX_BYTES, 0, NULL},
    {"env", key_read_env, 0, 0, 0, 0, NULL},
    {"envvar", key_read_envvar, 0, 0, 0, 0, NULL},
    {"metric", key_read_block, 0, 0, 0, KEY_REQUIRED, metric_keys},
    {"parameters", key_read_parameters, 0, 0, 0, 0, NULL},
    {"constraints", key_read_space, 0, 0, 0, 0, NULL},
    {"baselines", key_read_space, 0, 0, 0, 0, NULL},
    {"search", key_read_block, 0, 0, 0, 0, search_keys},
    {"schedule", key_read_block, 0, 0, 0, 0, schedule_keys},
    {"stop", key_read_block, 0, 0, 0, 0, stop_keys},
    {"limits", key_read_block, 0, 0, 0, 0, limits_keys},
    {"resources", key_read_block, 0, 0, 0, 0, resources_keys},
    {"launch", key_read_word, AT(launch), 0, 0, 0, sweep_launch_words},
    {"queue", key_read_block, 0, 0, 0, 0, queue_keys},
    {"retries", key_read_block, 0, 0, 0, 0, retries_keys},
    {"timeouts", key_read_block, 0, 0, 0, 0, timeouts_keys},
    {"checkpoints", key_read_block, 0, 0, 0, 0, checkpoints_keys},
    {"logs", key_read_block, 0, 0, 0, 0, logs_keys},
    {"report", key_read_block, 0, 0, 0, 0, report_keys},
    LATER("secrets"),
    LATER("metrics"),
    {"pbt", key_read_block, 0, 0, 0, 0, pbt_keys},
    LATER("notify"),
    LATER("tasks"),
    LATER("array"),
    /* Of W&B's sweep files. */
    {"description", key_read_text, AT(description), 0, SPEC_TEXT_MAX_BYTES, 0, NULL},
    {"entity", key_read_line, AT(entity), 0, NAME_MAX_BYTES, 0, NULL},
    {"program", key_read_program, 0, 0, PATH_TEXT_MAX_BYTES, 0, NULL},
    {"method", key_read_word, AT(search), 0, 0, 0, sweep_search_words},
    {"early_terminate", key_read_early_terminate, 0, 0, 0, 0, NULL},
    {"run_cap", key_read_u32, AT(stop.trials), 1, SPEC_TRIALS_MAX, 0, NULL},
    END,
};
