/* The field tables of api.h: what people and programs see. */
#include "schema/parts.h"

static const struct field api_point_fields[] = {
    F_I64(struct api_point, step, 1, 1),
    F_TIME(struct api_point, time, 2, 1),
    F_NAMED(struct api_point, metrics, n_metrics, 3, 1, METRICS_MAX),
};
const struct schema api_point_schema = SCHEMA("point", struct api_point, 1, api_point_fields);

static const struct field api_checkpoint_fields[] = {
    F_U32(struct api_checkpoint, ordinal, 1, 1),
    F_TASK_ID(struct api_checkpoint, trial, 2, 1),
    F_I64(struct api_checkpoint, step, 3, 1),
    F_F64_OR_NULL(struct api_checkpoint, value, 4, 1),
    F_U64(struct api_checkpoint, bytes, 5, 1),
    F_STR(struct api_checkpoint, node, 6, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_checkpoint, safe_node, 7, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_checkpoint, path, 8, 1, SCHEMA_TEXT_MAX),
    F_STRS(struct api_checkpoint, why, n_why, 9, 1, CHECKPOINT_WHYS_MAX),
};
const struct schema api_checkpoint_schema =
    SCHEMA("checkpoint", struct api_checkpoint, 1, api_checkpoint_fields);

static const struct field api_trial_fields[] = {
    F_TASK_ID(struct api_trial, id, 1, 1),
    F_U32(struct api_trial, sweep, 2, 1),
    F_ENUM(struct api_trial, state, 3, 1, task_state_names),
    F_ENUM(struct api_trial, outcome, 4, 1, task_outcome_names),
    F_ENUM(struct api_trial, why, 5, 1, order_why_names),
    F_STR(struct api_trial, reason, 6, 1, SCHEMA_TEXT_MAX),
    F_I64(struct api_trial, step, 7, 1),
    F_I64_OR_NULL(struct api_trial, milestone, 8, 1),
    F_NAMED(struct api_trial, params, n_params, 9, 1, PARAMS_MAX),
    F_U32(struct api_trial, attempts, 10, 1),
    F_U32(struct api_trial, failures, 11, 1),
    F_U32(struct api_trial, lost, 12, 1),
    F_STRUCT_OR_NULL(struct api_trial, last, 13, 1, &api_point_schema),
    F_STRUCT_OR_NULL(struct api_trial, best, 14, 1, &api_point_schema),
    F_STR(struct api_trial, node, 15, 1, SCHEMA_TEXT_MAX),
    F_U32(struct api_trial, pid, 16, 1),
    F_STRS(struct api_trial, gpus, n_gpus, 17, 1, GPUS_MAX),
    F_U32(struct api_trial, exit_code, 18, 1),
    F_U32(struct api_trial, signal, 19, 1),
    F_STR(struct api_trial, checkpoint, 20, 1, SCHEMA_TEXT_MAX),
    F_I64_OR_NULL(struct api_trial, checkpoint_step, 21, 1),
    F_TIME(struct api_trial, created, 22, 1),
    F_TIME(struct api_trial, started, 23, 1),
    F_TIME(struct api_trial, ended, 24, 1),
    F_STR(struct api_trial, checkpoint_node, 30, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_trial, failure, 40, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_trial, safe_node, 41, 1, SCHEMA_TEXT_MAX),
    F_I64_OR_NULL(struct api_trial, safe_step, 42, 1),
    F_F64_OR_NULL(struct api_trial, summary, 140, 1),
    F_LIST(struct api_trial, checkpoints, n_checkpoints, 180, 1, KEPT_MAX + 4,
           &api_checkpoint_schema),
    F_STRS(struct api_trial, nodes, n_nodes, 190, 1, GANG_NODES_MAX),
    F_BOOL(struct api_trial, dry, 191, 1),
};
const struct schema api_trial_schema = SCHEMA("trial", struct api_trial, 1, api_trial_fields);

static const struct field api_task_fields[] = {
    F_TASK_ID(struct api_task, id, 1, 1),
    F_ENUM(struct api_task, state, 2, 1, task_state_names),
    F_ENUM(struct api_task, outcome, 3, 1, task_outcome_names),
    F_ENUM(struct api_task, why, 4, 1, order_why_names),
    F_STR(struct api_task, reason, 5, 1, SCHEMA_TEXT_MAX),
    F_U32(struct api_task, attempts, 6, 1),
    F_U32(struct api_task, failures, 7, 1),
    F_U32(struct api_task, lost, 8, 1),
    F_STR(struct api_task, node, 9, 1, SCHEMA_TEXT_MAX),
    F_U32(struct api_task, pid, 10, 1),
    F_STRS(struct api_task, gpus, n_gpus, 11, 1, GPUS_MAX),
    F_U32(struct api_task, exit_code, 12, 1),
    F_U32(struct api_task, signal, 13, 1),
    F_TIME(struct api_task, created, 14, 1),
    F_TIME(struct api_task, started, 15, 1),
    F_TIME(struct api_task, ended, 16, 1),
    F_STR(struct api_task, command, 17, 1, 1 << 20),
    F_STR(struct api_task, work, 20, 1, 64),
    F_U64(struct api_task, work_bytes, 21, 1),
    F_STR(struct api_task, name, 30, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_task, owner, 31, 1, SCHEMA_TEXT_MAX),
    F_STRS(struct api_task, labels, n_labels, 32, 1, LABELS_MAX),
    F_U32(struct api_task, priority, 33, 1),
    F_STR(struct api_task, failure, 40, 1, SCHEMA_TEXT_MAX),
    F_F64_OR_NULL(struct api_task, duration, 70, 1),
    F_BOOL(struct api_task, dry, 71, 1),
    F_STRS(struct api_task, log_files, n_log_files, 72, 1, 2),
};
const struct schema api_task_schema = SCHEMA("task", struct api_task, 1, api_task_fields);

static const struct field api_job_fields[] = {
    F_U32(struct api_job, id, 1, 1),
    F_STR(struct api_job, name, 2, 1, SCHEMA_TEXT_MAX),
    F_ENUM(struct api_job, state, 3, 1, task_state_names),
    F_ENUM(struct api_job, outcome, 4, 1, task_outcome_names),
    F_ENUM(struct api_job, why, 5, 1, order_why_names),
    F_STR(struct api_job, error, 6, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_job, ids, 7, 1, SCHEMA_TEXT_MAX),
    F_U32(struct api_job, total, 8, 1),
    F_U32(struct api_job, queued, 9, 1),
    F_U32(struct api_job, leased, 10, 1),
    F_U32(struct api_job, running, 11, 1),
    F_U32(struct api_job, done, 12, 1),
    F_U32(struct api_job, failed, 13, 1),
    F_U32(struct api_job, cancelled, 14, 1),
    F_F64_OR_NULL(struct api_job, rate, 15, 1),
    F_F64_OR_NULL(struct api_job, duration, 16, 1),
    F_STR(struct api_job, command, 17, 1, 1 << 20),
    F_STR(struct api_job, owner, 18, 1, SCHEMA_TEXT_MAX),
    F_STRS(struct api_job, labels, n_labels, 19, 1, LABELS_MAX),
    F_U32(struct api_job, priority, 20, 1),
    F_U32(struct api_job, retries, 21, 1),
    F_U32(struct api_job, max_fails, 22, 1),
    F_U32(struct api_job, nodes, 23, 1),
    F_TIME(struct api_job, created, 24, 1),
    F_TIME(struct api_job, ended, 25, 1),
    F_STR(struct api_job, work, 26, 1, 64),
    F_U64(struct api_job, work_bytes, 27, 1),
    F_STR(struct api_job, items, 28, 1, 64),
    F_U64(struct api_job, items_bytes, 29, 1),
    F_BOOL(struct api_job, dry, 30, 1),
    F_BOOL(struct api_job, log_files, 31, 1),
};
const struct schema api_job_schema = SCHEMA("job", struct api_job, 1, api_job_fields);

static const struct field api_sweep_fields[] = {
    F_U32(struct api_sweep, id, 1, 1),
    F_STR(struct api_sweep, name, 2, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_sweep, project, 3, 1, SCHEMA_TEXT_MAX),
    F_STRS(struct api_sweep, labels, n_labels, 4, 1, LABELS_MAX),
    F_ENUM(struct api_sweep, state, 5, 1, sweep_state_names),
    F_ENUM(struct api_sweep, why, 6, 1, order_why_names),
    F_STR(struct api_sweep, error, 7, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_sweep, owner, 8, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_sweep, metric, 9, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_sweep, goal, 10, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_sweep, search, 11, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_sweep, schedule, 12, 1, SCHEMA_TEXT_MAX),
    F_U64(struct api_sweep, seed, 13, 1),
    F_U32(struct api_sweep, trials, 14, 1),
    F_U32(struct api_sweep, asked, 15, 1),
    F_U32(struct api_sweep, waiting, 16, 1),
    F_U32(struct api_sweep, running, 17, 1),
    F_U32(struct api_sweep, done, 18, 1),
    F_U32(struct api_sweep, stopped, 19, 1),
    F_U32(struct api_sweep, failed, 20, 1),
    F_U32(struct api_sweep, cancelled, 21, 1),
    F_U32(struct api_sweep, invalid, 22, 1),
    F_SPAN(struct api_sweep, age, 23, 1),
    F_TASK_ID(struct api_sweep, best, 24, 1),
    F_F64_OR_NULL(struct api_sweep, best_value, 25, 1),
    F_I64_OR_NULL(struct api_sweep, best_step, 26, 1),
    F_NAMED(struct api_sweep, best_params, n_best_params, 27, 1, PARAMS_MAX),
    F_STR(struct api_sweep, best_checkpoint, 28, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_sweep, workdir, 29, 1, SCHEMA_TEXT_MAX),
    F_TIME(struct api_sweep, created, 30, 1),
    F_TIME(struct api_sweep, ended, 31, 1),
    F_STRS(struct api_sweep, set, n_set, 32, 1, SETS_MAX),
    F_BOOL(struct api_sweep, test, 33, 1),
    F_U32(struct api_sweep, priority, 34, 1),
    F_SPAN(struct api_sweep, ran, 35, 1),
    F_U32(struct api_sweep, cloned_from, 36, 1),
    F_LIST(struct api_sweep, set_aside, n_set_aside, 40, 1, SET_ASIDE_MAX, &set_aside_schema),
    F_STR(struct api_sweep, work, 120, 1, 64),
    F_U64(struct api_sweep, work_bytes, 121, 1),
    F_U32(struct api_sweep, held, 122, 1),
    F_STRS(struct api_sweep, changed, n_changed, 140, 1, SETS_MAX),
};
const struct schema api_sweep_schema = SCHEMA("sweep", struct api_sweep, 1, api_sweep_fields);

static const struct field api_set_aside_fields[] = {
    F_U32(struct api_set_aside, sweep, 1, 1),
    F_TIME(struct api_set_aside, time, 2, 1),
    F_STR(struct api_set_aside, reason, 3, 1, SCHEMA_TEXT_MAX),
};
const struct schema api_set_aside_schema =
    SCHEMA("api_set_aside", struct api_set_aside, 1, api_set_aside_fields);

static const struct field api_node_fields[] = {
    F_STR(struct api_node, name, 1, 1, SCHEMA_TEXT_MAX),
    F_ENUM(struct api_node, state, 2, 1, node_state_names),
    F_BOOL(struct api_node, cordoned, 3, 1),
    F_STR(struct api_node, host, 4, 1, SCHEMA_TEXT_MAX),
    F_U32(struct api_node, pid, 5, 1),
    F_STR(struct api_node, version, 6, 1, SCHEMA_TEXT_MAX),
    F_F64(struct api_node, cpus, 7, 1),
    F_F64(struct api_node, cpus_used, 8, 1),
    F_U64(struct api_node, memory, 9, 1),
    F_U64(struct api_node, memory_used, 10, 1),
    F_STRS(struct api_node, gpus, n_gpus, 11, 1, GPUS_MAX),
    F_F64(struct api_node, gpus_used, 12, 1),
    F_U32(struct api_node, running, 13, 1),
    F_TIME(struct api_node, joined, 14, 1),
    F_SPAN(struct api_node, heard, 15, 1),
    F_NAMED(struct api_node, labels, n_labels, 30, 1, LABELS_MAX),
    F_TIME(struct api_node, drain_deadline, 31, 1),
    F_STR(struct api_node, drain_reason, 32, 1, SCHEMA_TEXT_MAX),
    F_SPAN(struct api_node, drain_left, 33, 1),
    F_U32(struct api_node, drain_owes, 34, 1),
    F_STR(struct api_node, drain_text, 35, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_node, cordon_reason, 40, 1, SCHEMA_TEXT_MAX),
    F_LIST(struct api_node, set_aside, n_set_aside, 41, 1, SET_ASIDE_MAX, &api_set_aside_schema),
    F_BOOL(struct api_node, dry, 70, 1),
    F_U64(struct api_node, cache, 200, 1),
    F_U64(struct api_node, cache_max, 201, 1),
};
const struct schema api_node_schema = SCHEMA("node", struct api_node, 1, api_node_fields);

static const struct field api_status_fields[] = {
    F_STR(struct api_status, version, 1, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_status, cluster, 2, 1, SCHEMA_TEXT_MAX),
    F_U64(struct api_status, epoch, 3, 1),
    F_U32(struct api_status, pid, 4, 1),
    F_TIME(struct api_status, started, 5, 1),
    F_STR(struct api_status, state_dir, 6, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_status, store, 7, 1, SCHEMA_TEXT_MAX),
    F_SPAN(struct api_status, store_age, 8, 1),
    F_U32(struct api_status, nodes, 9, 1),
    F_U32(struct api_status, nodes_alive, 10, 1),
    F_F64(struct api_status, cpus, 11, 1),
    F_F64(struct api_status, cpus_used, 12, 1),
    F_F64(struct api_status, gpus, 13, 1),
    F_F64(struct api_status, gpus_used, 14, 1),
    F_U32(struct api_status, sweeps_active, 15, 1),
    F_U32(struct api_status, tasks_queued, 16, 1),
    F_U32(struct api_status, tasks_leased, 17, 1),
    F_U32(struct api_status, tasks_running, 18, 1),
    F_U32(struct api_status, tasks_stopping, 19, 1),
    F_U32(struct api_status, tasks_ended, 20, 1),
    F_STR(struct api_status, store_kind, 50, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_status, store_policy, 51, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_status, store_loss, 52, 1, SCHEMA_TEXT_MAX),
    F_U64(struct api_status, store_memory, 53, 1),
    F_U64(struct api_status, store_memory_max, 54, 1),
    F_STR(struct api_status, http, 60, 1, SCHEMA_TEXT_MAX),
    F_BOOL(struct api_status, http_insecure, 61, 1),
    F_U64(struct api_status, depot, 200, 1),
    F_U64(struct api_status, depot_max, 201, 1),
};
const struct schema api_status_schema = SCHEMA("status", struct api_status, 1, api_status_fields);

static const struct field api_key_fields[] = {
    F_STR(struct api_key, name, 1, 1, SCHEMA_TEXT_MAX),
    F_ENUM(struct api_key, role, 2, 1, user_role_names),
    F_TIME(struct api_key, created, 3, 1),
    F_TIME(struct api_key, expires, 4, 1),
    F_BOOL(struct api_key, expired, 5, 1),
    F_STR(struct api_key, by, 6, 1, SCHEMA_TEXT_MAX),
};
const struct schema api_key_schema = SCHEMA("key", struct api_key, 1, api_key_fields);

static const struct field api_event_fields[] = {
    F_STR(struct api_event, kind, 1, 1, SCHEMA_TEXT_MAX),
    F_TIME(struct api_event, time, 2, 1),
    F_STR(struct api_event, subject, 3, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_event, text, 4, 1, SCHEMA_TEXT_MAX),
    F_JSON(struct api_event, data, 5, 1, 16 << 20),
};
const struct schema api_event_schema = SCHEMA("event", struct api_event, 1, api_event_fields);

static const struct field api_metric_fields[] = {
    F_U32(struct api_metric, attempt, 1, 1),
    F_U64(struct api_metric, seq, 2, 1),
    F_I64(struct api_metric, step, 3, 1),
    F_TIME(struct api_metric, time, 4, 1),
    F_NAMED(struct api_metric, metrics, n_metrics, 5, 1, METRICS_MAX),
};
const struct schema api_metric_schema = SCHEMA("metric", struct api_metric, 1, api_metric_fields);

static const struct field api_lineage_fields[] = {
    F_TASK_ID(struct api_lineage, trial, 1, 1),
    F_TIME(struct api_lineage, time, 2, 1),
    F_TASK_ID(struct api_lineage, from, 3, 1),
    F_I64(struct api_lineage, from_step, 4, 1),
    F_U32(struct api_lineage, snapshot, 5, 1),
    F_NAMED(struct api_lineage, params, n_params, 6, 1, PARAMS_MAX),
};
const struct schema api_lineage_schema =
    SCHEMA("lineage", struct api_lineage, 1, api_lineage_fields);

static const struct field api_failure_fields[] = {
    F_STR(struct api_failure, message, 1, 1, SCHEMA_TEXT_MAX),
    F_U32(struct api_failure, count, 2, 1),
    F_U32(struct api_failure, failed, 3, 1),
    F_TASK_ID(struct api_failure, example, 4, 1),
};
const struct schema api_failure_schema =
    SCHEMA("failure", struct api_failure, 1, api_failure_fields);

static const struct field api_stage_fields[] = {
    F_STR(struct api_stage, stage, 1, 1, SCHEMA_TEXT_MAX),
    F_F64(struct api_stage, seconds, 2, 1),
    F_F64(struct api_stage, percent, 3, 1),
    F_U64(struct api_stage, count, 4, 1),
    F_F64(struct api_stage, mean_us, 5, 1),
    F_F64(struct api_stage, last_us, 6, 1),
    F_U64(struct api_stage, last_count, 7, 1),
};
const struct schema api_stage_schema = SCHEMA("stage", struct api_stage, 1, api_stage_fields);

static const struct field api_turn_fields[] = {
    F_F64(struct api_turn, seconds, 1, 1),      F_U64(struct api_turn, turns, 2, 1),
    F_F64(struct api_turn, busy_percent, 3, 1), F_F64(struct api_turn, median_us, 4, 1),
    F_F64(struct api_turn, tail_us, 5, 1),      F_F64(struct api_turn, longest_us, 6, 1),
    F_U64(struct api_turn, last_turns, 7, 1),   F_F64(struct api_turn, last_busy_percent, 8, 1),
};
const struct schema api_turn_schema = SCHEMA("turn", struct api_turn, 1, api_turn_fields);

static const struct field api_error_fields[] = {
    F_STR(struct api_error, code, 1, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_error, text, 2, 1, SCHEMA_TEXT_MAX),
    F_STR(struct api_error, file, 3, 1, SCHEMA_TEXT_MAX),
    F_U32(struct api_error, line, 4, 1),
    F_U32(struct api_error, column, 5, 1),
};
const struct schema api_error_schema = SCHEMA("error", struct api_error, 1, api_error_fields);
