/* What a table shows of each kind unless --columns says else. Names are those of schema/api.c. */
#include "cli/kinds.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

const struct cli_kind cli_sweep_kind = {
    .what = "sweeps",
    .schema = &api_sweep_schema,
    .id = "id",
    .columns = WORDS("id", "name", "state", "trials", "asked", "running", "done", "stopped",
                     "failed", "best_value", "best", "created"),
    .wide = WORDS("owner", "labels", "why", "search", "schedule", "metric", "goal", "age", "ended",
                  "best_params"),
    .filters = WORDS("label", "since"),
};

const struct cli_kind cli_trial_kind = {
    .what = "trials",
    .schema = &api_trial_schema,
    .id = "id",
    .columns = WORDS("id", "state", "outcome", "step", "best.metrics", "last.metrics", "params",
                     "attempts", "reason"),
    .wide = WORDS("node", "milestone", "failures", "lost", "exit_code", "signal", "created",
                  "started", "ended", "checkpoint", "failure", "dry"),
    .filters = WORDS("owner", "label", "name", "since"),
};

/* A sweep's results: what was tried, what came out, how long it took. */
#define RESULTS                                                                                    \
    WORDS("id", "state", "outcome", "why", "step", "params.*", "last.step", "last.metrics.*",      \
          "best.step", "best.metrics.*", "attempts", "failures", "lost", "node", "exit_code",      \
          "signal", "reason", "checkpoint", "created", "started", "ended")

const struct cli_kind cli_export_kind = {
    .what = "trials",
    .schema = &api_trial_schema,
    .id = "id",
    .columns = RESULTS,
    .csv = RESULTS,
    .filters = WORDS("owner", "label", "name", "since"),
};

const struct cli_kind cli_task_kind = {
    .what = "tasks",
    .schema = &api_task_schema,
    .id = "id",
    .columns =
        WORDS("id", "state", "outcome", "exit_code", "attempts", "node", "created", "command"),
    .wide = WORDS("name", "owner", "labels", "priority", "signal", "failures", "lost", "started",
                  "ended", "duration", "reason", "failure"),
    .filters = WORDS("job", "label", "since"),
};

const struct cli_kind cli_job_kind = {
    .what = "jobs",
    .schema = &api_job_schema,
    .id = "id",
    .columns = WORDS("id", "ids", "state", "outcome", "total", "done", "failed", "running",
                     "queued", "cancelled", "rate", "created", "command"),
    .wide = WORDS("name", "owner", "labels", "priority", "leased", "duration", "nodes", "ended",
                  "dry", "error"),
    .filters = WORDS("label", "since"),
};

const struct cli_kind cli_node_kind = {
    .what = "nodes",
    .schema = &api_node_schema,
    .id = "name",
    .columns = WORDS("name", "state", "host", "cpus", "cpus_used", "memory", "gpus", "gpus_used",
                     "running", "cordoned", "dry", "joined"),
    .wide = WORDS("pid", "version", "memory_used", "cache", "cache_max", "heard", "labels",
                  "cordon_reason", "drain_left", "drain_reason"),
    .filters = WORDS("label", "since"),
};

const struct cli_kind cli_metric_kind = {
    .what = "rows",
    .schema = &api_metric_schema,
    .id = "seq",
    .columns = WORDS("attempt", "step", "time", "metrics.*"),
    .wide = WORDS("seq"),
};

const struct cli_kind cli_lineage_kind = {
    .what = "changes",
    .schema = &api_lineage_schema,
    .id = "trial",
    .columns = WORDS("time", "trial", "from", "from_step", "params.*"),
    .wide = WORDS("snapshot"),
};

const struct cli_kind cli_key_kind = {
    .what = "keys",
    .schema = &api_key_schema,
    .id = "name",
    .columns = WORDS("name", "role", "created", "expires", "expired", "by"),
};

const struct cli_kind cli_status_kind = {
    .what = "status",
    .schema = &api_status_schema,
    .id = "cluster",
    .columns = WORDS("version", "state_dir", "store", "nodes_alive", "cpus", "cpus_used",
                     "sweeps_active", "tasks_queued", "tasks_running"),
};

const struct cli_kind cli_stage_kind = {
    .what = "stages",
    .schema = &api_stage_schema,
    .id = "stage",
    .columns = WORDS("stage", "seconds", "percent", "count", "mean_us", "last_us", "last_count"),
};

const struct cli_kind cli_event_kind = {
    .what = "events",
    .schema = &api_event_schema,
    .id = "subject",
    .columns = WORDS("time", "kind", "subject", "text"),
    .csv = WORDS("time", "kind", "subject", "text"),
};
