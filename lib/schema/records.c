/* The field tables of records.h. A new field is one line at the end of its table; numbers are never
 * reused. */
#include "schema/parts.h"

const char *const task_state_names[] = {
#define X(name, word) word,
    TASK_STATES(X)
#undef X
};
const char *const task_outcome_names[] = {
#define X(name, word) word,
    TASK_OUTCOMES(X)
#undef X
};
const char *const sweep_state_names[] = {
#define X(name, word) word,
    SWEEP_STATES(X)
#undef X
};
const char *const node_state_names[] = {
#define X(name, word) word,
    NODE_STATES(X)
#undef X
};
const char *const user_role_names[] = {
#define X(name, word) word,
    USER_ROLES(X)
#undef X
};
const char *const gang_part_state_names[] = {
#define X(name, word) word,
    GANG_PART_STATES(X)
#undef X
};
const char *const log_kind_names[] = {"asked",    "milestone", "ended", "target", "wall", "resumed",
                                      "reopened", "held",      "woken", "set",    "donor"};

static const struct field set_aside_fields[] = {
    F_STR(struct set_aside, node, 1, 1, NODE_NAME_MAX),
    F_TIME(struct set_aside, time, 2, 1),
    F_BOOL(struct set_aside, is_nodes_fault, 3, 1),
    F_STR(struct set_aside, reason, 4, 1, SCHEMA_TEXT_MAX),
};
const struct schema set_aside_schema = SCHEMA("set_aside", struct set_aside, 1, set_aside_fields);

static const struct field record_sweep_fields[] = {
    F_U32(struct record_sweep, number, 1, 1),
    F_STR(struct record_sweep, name, 2, 1, SCHEMA_TEXT_MAX),
    F_STR(struct record_sweep, file, 3, 1, 1 << 20),
    F_STR(struct record_sweep, file_name, 4, 1, PATH_BYTES_MAX),
    F_STR(struct record_sweep, workdir, 5, 1, PATH_BYTES_MAX),
    F_STR(struct record_sweep, owner, 6, 1, 256),
    F_STRS(struct record_sweep, argv, n_argv, 7, 1, ARGV_MAX),
    F_STR(struct record_sweep, git, 8, 1, 256 << 10),
    F_STR(struct record_sweep, key, 9, 1, 256),
    F_STR(struct record_sweep, file_hash, 10, 1, 128),
    F_U64(struct record_sweep, seed, 11, 1),
    F_ENUM(struct record_sweep, state, 12, 1, sweep_state_names),
    F_ENUM(struct record_sweep, why, 13, 1, order_why_names),
    F_TIME(struct record_sweep, created, 14, 1),
    F_TIME(struct record_sweep, ended, 15, 1),
    F_MS(struct record_sweep, ran_ms, 16, 1),
    F_TIME(struct record_sweep, resumed_at, 17, 1),
    F_STR(struct record_sweep, error, 18, 1, SCHEMA_TEXT_MAX),
    F_TEXT(struct record_sweep, work, 20, 1, 64),
    F_U64(struct record_sweep, work_bytes, 21, 1),
    F_STRS(struct record_sweep, set, n_set, 30, 1, SETS_MAX),
    F_STRS(struct record_sweep, labels, n_labels, 31, 1, LABELS_MAX),
    F_BOOL(struct record_sweep, is_test, 32, 1),
    F_BOOL(struct record_sweep, is_removing, 33, 1),
    F_STR(struct record_sweep, resume_key, 34, 1, 256),
    F_U32(struct record_sweep, cloned_from, 35, 1),
    F_LIST(struct record_sweep, set_aside, n_set_aside, 40, 1, SET_ASIDE_MAX, &set_aside_schema),
    F_BOOL(struct record_sweep, is_failure_judged, 41, 1),
    F_STRS(struct record_sweep, changed, n_changed, 90, 1, SETS_MAX),
};
const struct schema record_sweep_schema =
    SCHEMA("sweep", struct record_sweep, 1, record_sweep_fields);

static const struct field record_job_fields[] = {
    F_U32(struct record_job, number, 1, 1),
    F_STR(struct record_job, name, 2, 1, SCHEMA_TEXT_MAX),
    F_STRS(struct record_job, words, n_words, 3, 1, WORDS_MAX),
    F_BOOL(struct record_job, is_shell, 4, 1),
    F_STR(struct record_job, workdir, 5, 1, PATH_BYTES_MAX),
    F_LIST(struct record_job, env, n_env, 6, 1, ENV_MAX, &label_pair_schema),
    F_I64(struct record_job, cpus, 7, 1),
    F_I64(struct record_job, gpus, 8, 1),
    F_U64(struct record_job, memory_bytes, 9, 1),
    F_LIST(struct record_job, custom, n_custom, 10, 1, CUSTOM_MAX, &custom_pair_schema),
    F_STRS(struct record_job, require, n_require, 11, 1, REQUIRE_MAX),
    F_U32(struct record_job, priority, 12, 1),
    F_U32(struct record_job, retries_max, 13, 1),
    F_STR(struct record_job, owner, 14, 1, 256),
    F_STR(struct record_job, key, 15, 1, 256),
    F_STR(struct record_job, file_hash, 16, 1, 128),
    F_TIME(struct record_job, created, 17, 1),
    F_TIME(struct record_job, ended, 18, 1),
    F_TEXT(struct record_job, work, 20, 1, 64),
    F_U64(struct record_job, work_bytes, 21, 1),
    F_STRS(struct record_job, labels, n_labels, 30, 1, LABELS_MAX),
    F_BOOL(struct record_job, is_removing, 31, 1),
    F_STRUCT(struct record_job, array, 70, 1, &array_ids_schema),
    F_TEXT(struct record_job, items, 71, 1, 64),
    F_U64(struct record_job, items_bytes, 72, 1),
    F_U32(struct record_job, max_fails, 73, 1),
    F_STRS(struct record_job, nodes, n_nodes, 74, 1, JOB_NODES_MAX),
    F_ENUM(struct record_job, why, 75, 1, order_why_names),
    F_TIME(struct record_job, told_at, 76, 1),
    F_STR(struct record_job, error, 77, 1, SCHEMA_TEXT_MAX),
    F_BOOL(struct record_job, has_dry, 78, 1),
    F_BOOL(struct record_job, log_files, 79, 1),
};
const struct schema record_job_schema = SCHEMA("job", struct record_job, 1, record_job_fields);

static const struct field chunk_lease_fields[] = {
    F_STRUCT(struct chunk_lease, range, 1, 1, &array_range_schema),
    F_NAME(struct chunk_lease, node, 2, 1, NODE_NAME_MAX),
    F_U64(struct chunk_lease, incarnation, 3, 1),
};
const struct schema chunk_lease_schema =
    SCHEMA("chunk_lease", struct chunk_lease, 1, chunk_lease_fields);

static const struct field record_chunk_fields[] = {
    F_U32(struct record_chunk, job, 1, 1),
    F_U32(struct record_chunk, chunk, 2, 1),
    F_BYTES(struct record_chunk, slots, 3, 1, ARRAY_CHUNK / 4),
    F_LIST(struct record_chunk, leases, n_leases, 4, 1, ARRAY_CHUNK, &chunk_lease_schema),
};
const struct schema record_chunk_schema =
    SCHEMA("chunk", struct record_chunk, 1, record_chunk_fields);

static const struct field kept_snapshot_fields[] = {
    F_STRUCT(struct kept_snapshot, snapshot, 1, 1, &snapshot_ref_schema),
    F_NAME(struct kept_snapshot, node, 2, 1, NODE_NAME_MAX),
    F_BOOL(struct kept_snapshot, has_value, 3, 1),
    F_F64(struct kept_snapshot, value, 4, 1),
};
const struct schema kept_snapshot_schema =
    SCHEMA("kept_snapshot", struct kept_snapshot, 1, kept_snapshot_fields);

static const struct field gang_part_fields[] = {
    F_NAME(struct gang_part, node, 1, 1, NODE_NAME_MAX),
    F_U64(struct gang_part, incarnation, 2, 1),
    F_STRS(struct gang_part, gpus, n_gpus, 3, 1, GPUS_MAX),
    F_ENUM(struct gang_part, state, 4, 1, gang_part_state_names),
    F_STR(struct gang_part, address, 5, 1, 256),
    F_U32(struct gang_part, master_port, 6, 1),
    F_STR(struct gang_part, peers, 7, 1, PEERS_NODE_BYTES),
};
const struct schema gang_part_schema = SCHEMA("gang_part", struct gang_part, 1, gang_part_fields);

static const struct field record_task_fields[] = {
    F_TASK_ID(struct record_task, id, 1, 1),
    F_BOOL(struct record_task, is_trial, 2, 1),
    F_ENUM(struct record_task, state, 3, 1, task_state_names),
    F_ENUM(struct record_task, outcome, 4, 1, task_outcome_names),
    F_ENUM(struct record_task, why, 5, 1, order_why_names),
    F_STR(struct record_task, reason, 6, 1, SCHEMA_TEXT_MAX),
    F_U32(struct record_task, attempt, 7, 1),
    F_U32(struct record_task, n_attempts, 8, 1),
    F_U32(struct record_task, failures, 9, 1),
    F_U32(struct record_task, lost, 10, 1),
    F_U32(struct record_task, preempted, 11, 1),
    F_STR(struct record_task, node, 12, 1, NODE_NAME_MAX),
    F_U64(struct record_task, incarnation, 13, 1),
    F_STRS(struct record_task, gpus, n_gpus, 14, 1, GPUS_MAX),
    F_STRUCT(struct record_task, order, 15, 1, &order_schema),
    F_VALUES(struct record_task, params, n_params, 16, 1, PARAMS_MAX),
    F_U32(struct record_task, priority, 17, 1),
    F_U64(struct record_task, age, 18, 1),
    F_TIME(struct record_task, created, 19, 1),
    F_TIME(struct record_task, queued, 20, 1),
    F_TIME(struct record_task, leased, 21, 1),
    F_TIME(struct record_task, started, 22, 1),
    F_TIME(struct record_task, ended, 23, 1),
    F_TIME(struct record_task, not_before, 24, 1),
    F_U32(struct record_task, pid, 25, 1),
    F_U64(struct record_task, last_seq, 26, 1),
    F_I64(struct record_task, last_step, 27, 1),
    F_TIME(struct record_task, last_time, 28, 1),
    F_STRS(struct record_task, metric_names, n_metric_names, 29, 1, METRICS_MAX),
    F_F64S(struct record_task, last_values, n_last_values, 30, 1, METRICS_MAX),
    F_BOOL(struct record_task, has_best, 31, 1),
    F_F64(struct record_task, best_value, 32, 1),
    F_I64(struct record_task, best_step, 33, 1),
    F_STRUCT(struct record_task, snapshot, 34, 1, &snapshot_ref_schema),
    F_STRUCT(struct record_task, best_snapshot, 35, 1, &snapshot_ref_schema),
    F_F64(struct record_task, best_snapshot_value, 36, 1),
    F_U32(struct record_task, exit_code, 37, 1),
    F_U32(struct record_task, signal, 38, 1),
    F_STR(struct record_task, failure, 40, 1, SCHEMA_TEXT_MAX),
    F_TIME(struct record_task, best_time, 130, 1),
    F_STR(struct record_task, snapshot_node, 131, 1, NODE_NAME_MAX),
    F_STR(struct record_task, best_node, 132, 1, NODE_NAME_MAX),
    F_U64(struct record_task, lineage, 133, 1),
    F_U32(struct record_task, can, 134, 1),
    F_U32(struct record_task, last_ordinal, 135, 1),
    F_STRUCT(struct record_task, safe_snapshot, 136, 1, &snapshot_ref_schema),
    F_STR(struct record_task, safe_node, 137, 1, NODE_NAME_MAX),
    F_U32(struct record_task, n_values, 150, 1),
    F_F64(struct record_task, value, 151, 1),
    F_F64(struct record_task, summary, 152, 1),
    F_I64(struct record_task, summary_step, 153, 1),
    F_BOOL(struct record_task, is_nan_last, 154, 1),
    F_BOOL(struct record_task, has_snapshot_value, 180, 1),
    F_F64(struct record_task, snapshot_value, 181, 1),
    F_LIST(struct record_task, kept, n_kept, 182, 1, KEPT_MAX, &kept_snapshot_schema),
    F_STRUCT(struct record_task, own_snapshot, 190, 1, &snapshot_ref_schema),
    F_STR(struct record_task, own_node, 191, 1, NODE_NAME_MAX),
    F_VALUES(struct record_task, own_params, n_own_params, 192, 1, PARAMS_MAX),
    F_U64(struct record_task, own_lineage, 193, 1),
    F_U64(struct record_task, donor_lineage, 194, 1),
    F_BOOL(struct record_task, is_donor_replaced, 195, 1),
    F_LIST(struct record_task, parts, n_parts, 200, 1, GANG_NODES_MAX, &gang_part_schema),
    F_BYTES(struct record_task, verdict, 201, 1, VERDICT_MAX_BYTES),
    F_U32(struct record_task, verdict_part, 202, 1),
    F_BOOL(struct record_task, is_dry, 210, 1),
};
const struct schema record_task_schema =
    SCHEMA_CHECKED("task", struct record_task, 1, record_task_fields, record_task_check);

static const struct field record_attempt_fields[] = {
    F_TASK_ID(struct record_attempt, task, 1, 1),
    F_U32(struct record_attempt, attempt, 2, 1),
    F_STR(struct record_attempt, node, 3, 1, NODE_NAME_MAX),
    F_U64(struct record_attempt, incarnation, 4, 1),
    F_STRUCT(struct record_attempt, result, 5, 1, &attempt_result_schema),
    F_STR(struct record_attempt, host, 40, 1, 256),
    F_STR(struct record_attempt, version, 41, 1, 64),
    F_STR(struct record_attempt, image, 42, 1, SCHEMA_TEXT_MAX),
    F_TIME(struct record_attempt, leased, 43, 1),
    F_STR(struct record_attempt, part, 180, 1, NODE_NAME_MAX),
    F_U64(struct record_attempt, part_incarnation, 181, 1),
};
const struct schema record_attempt_schema =
    SCHEMA("attempt", struct record_attempt, 1, record_attempt_fields);

static const struct field record_node_fields[] = {
    F_STR(struct record_node, name, 1, 1, SCHEMA_TEXT_MAX),
    F_U64(struct record_node, incarnation, 2, 1),
    F_ENUM(struct record_node, state, 3, 1, node_state_names),
    F_BOOL(struct record_node, is_cordoned, 4, 1),
    F_STR(struct record_node, host, 5, 1, 256),
    F_U32(struct record_node, pid, 6, 1),
    F_STR(struct record_node, version, 7, 1, 64),
    F_I64(struct record_node, cpus, 8, 1),
    F_U64(struct record_node, memory_bytes, 9, 1),
    F_STRS(struct record_node, gpus, n_gpus, 10, 1, GPUS_MAX),
    F_LIST(struct record_node, custom, n_custom, 11, 1, CUSTOM_MAX, &custom_pair_schema),
    F_LIST(struct record_node, labels, n_labels, 12, 1, LABELS_MAX, &label_pair_schema),
    F_U64(struct record_node, applied, 13, 1),
    F_TIME(struct record_node, joined, 14, 1),
    F_TIME(struct record_node, left, 15, 1),
    F_LIST(struct record_node, label_sets, n_label_sets, 30, 1, LABELS_MAX, &label_pair_schema),
    F_STRS(struct record_node, label_removes, n_label_removes, 31, 1, LABELS_MAX),
    F_BOOL(struct record_node, is_drain_asked, 32, 1),
    F_TIME(struct record_node, drain_deadline, 33, 1),
    F_STR(struct record_node, drain_reason, 34, 1, SCHEMA_TEXT_MAX),
    F_STR(struct record_node, cordon_reason, 40, 1, SCHEMA_TEXT_MAX),
    F_TIME(struct record_node, trusted_since, 41, 1),
    F_STR(struct record_node, state_dir, 50, 1, SCHEMA_TEXT_MAX),
    F_STR(struct record_node, lock, 51, 1, 256),
    F_BOOL(struct record_node, is_dry, 70, 1),
    F_TIME(struct record_node, agent_started, 71, 1),
    F_BOOL(struct record_node, is_remote, 72, 1),
};
const struct schema record_node_schema = SCHEMA("node", struct record_node, 1, record_node_fields);

static const struct field record_user_fields[] = {
    F_STR(struct record_user, name, 1, 1, USER_NAME_MAX),
    F_ENUM(struct record_user, role, 2, 1, user_role_names),
    F_STR(struct record_user, hash, 3, 1, USER_HASH_TEXT_BYTES),
    F_TIME(struct record_user, created, 4, 1),
    F_TIME(struct record_user, expires, 5, 1),
    F_STR(struct record_user, by, 6, 1, 256),
};
const struct schema record_user_schema = SCHEMA("user", struct record_user, 1, record_user_fields);

static const struct field record_log_fields[] = {
    F_ENUM(struct record_log, kind, 1, 1, log_kind_names),
    F_TIME(struct record_log, time, 2, 1),
    F_U32(struct record_log, trial, 3, 1),
    F_I64(struct record_log, step, 4, 1),
    F_BOOL(struct record_log, has_value, 5, 1),
    F_F64(struct record_log, value, 6, 1),
    F_ENUM(struct record_log, act, 7, 1, order_act_names),
    F_ENUM(struct record_log, why, 8, 1, order_why_names),
    F_I64(struct record_log, until, 9, 1),
    F_U64(struct record_log, order, 10, 1),
    F_ENUM(struct record_log, outcome, 11, 1, task_outcome_names),
    F_VALUES(struct record_log, params, n_params, 12, 1, PARAMS_MAX),
    F_U32(struct record_log, donor, 13, 1),
    F_U32(struct record_log, donor_ordinal, 14, 1),
    F_I64(struct record_log, donor_step, 15, 1),
    F_STRS(struct record_log, settings, n_settings, 40, 1, SETS_MAX),
    F_U32(struct record_log, set_bits, 41, 1),
    F_U32(struct record_log, set_trials, 42, 1),
    F_U32(struct record_log, set_failures, 43, 1),
    F_U32(struct record_log, set_concurrency, 44, 1),
    F_MS(struct record_log, set_wall_ms, 45, 1),
    F_BOOL(struct record_log, has_result, 46, 1),
    F_F64(struct record_log, result, 47, 1),
    F_I64(struct record_log, result_step, 48, 1),
};
const struct schema record_log_schema = SCHEMA("log", struct record_log, 1, record_log_fields);
