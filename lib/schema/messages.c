/* The field tables of messages.h. A new field is one line at the end of its table, with the release
 * it came in; numbers are never reused. */
#include "schema/parts.h"

const char *const order_act_names[] = {"go", "stop", "pause", "exploit"};
const char *const order_why_names[] = {"",        "rung",     "max",  "target", "failures",
                                       "wall",    "cancel",   "stop", "pause",  "median",
                                       "exploit", "snapshot", "nan"};
const char *const event_kind_names[] = {"started",  "rows",   "milestone", "snapshot",
                                        "bye",      "result", "draining",  "tasks",
                                        "returned", "copied", "prepared"};
const char *const gang_act_names[] = {"meet", "end", "hand_back"};
const char *const file_word_names[] = {"ok", "no_pass", "gone", "failed"};
const char *const bye_word_names[] = {"", "done", "paused", "invalid", "error"};
const char *const end_cause_names[] = {
    "exit",           "signal",        "told",          "cannot_start", "refused", "timeout_trial",
    "timeout_silent", "timeout_start", "out_of_memory", "agent_left",   "lost",    "timeout_rank"};

static const struct field order_fields[] = {
    F_U64(struct order, n, 1, 1),
    F_I64(struct order, until, 2, 1),
    F_ENUM(struct order, act, 3, 1, order_act_names),
    F_ENUM(struct order, why, 4, 1, order_why_names),
    F_MS(struct order, grace_ms, 5, 1),
};
const struct schema order_schema = SCHEMA("order", struct order, 1, order_fields);

static const struct field label_pair_fields[] = {
    F_NAME(struct label_pair, name, 1, 1, SCHEMA_TEXT_MAX),
    F_TEXT(struct label_pair, value, 2, 1, SCHEMA_TEXT_MAX),
};
const struct schema label_pair_schema =
    SCHEMA("label_pair", struct label_pair, 1, label_pair_fields);

static const struct field custom_pair_fields[] = {
    F_NAME(struct custom_pair, name, 1, 1, SCHEMA_TEXT_MAX),
    F_I64(struct custom_pair, amount, 2, 1),
};
const struct schema custom_pair_schema =
    SCHEMA("custom_pair", struct custom_pair, 1, custom_pair_fields);

static const struct field metric_row_fields[] = {
    F_U64(struct metric_row, seq, 1, 1),
    F_I64(struct metric_row, step, 2, 1),
    F_TIME(struct metric_row, time, 3, 1),
    F_F64S(struct metric_row, values, n_values, 4, 1, METRICS_MAX),
};
const struct schema metric_row_schema =
    SCHEMA("metric_row", struct metric_row, 1, metric_row_fields);

static const struct field metric_rows_fields[] = {
    F_STRS(struct metric_rows, names, n_names, 1, 1, METRICS_MAX),
    F_LIST(struct metric_rows, rows, n_rows, 2, 1, ROWS_BLOCK_MAX, &metric_row_schema),
};
const struct schema metric_rows_schema =
    SCHEMA_CHECKED("metric_rows", struct metric_rows, 1, metric_rows_fields, metric_rows_check);

static const struct field snapshot_ref_fields[] = {
    F_U32(struct snapshot_ref, ordinal, 1, 1),
    F_I64(struct snapshot_ref, step, 2, 1),
    F_U32(struct snapshot_ref, attempt, 3, 1),
    F_U64(struct snapshot_ref, bytes, 4, 1),
    F_STR(struct snapshot_ref, dir, 5, 1, PATH_BYTES_MAX),
    F_U32(struct snapshot_ref, owner, 6, 1),
    F_U64(struct snapshot_ref, lineage, 7, 1),
};
const struct schema snapshot_ref_schema =
    SCHEMA("snapshot_ref", struct snapshot_ref, 1, snapshot_ref_fields);

static const struct field snapshot_name_fields[] = {
    F_TASK_ID(struct snapshot_name, task, 1, 1),
    F_U32(struct snapshot_name, ordinal, 2, 1),
};
const struct schema snapshot_name_schema =
    SCHEMA("snapshot_name", struct snapshot_name, 1, snapshot_name_fields);

static const struct field running_ref_fields[] = {
    F_TASK_ID(struct running_ref, task, 1, 1),
    F_U32(struct running_ref, attempt, 2, 1),
    F_U64(struct running_ref, order, 3, 1),
};
const struct schema running_ref_schema =
    SCHEMA("running_ref", struct running_ref, 1, running_ref_fields);

static const struct field array_ids_fields[] = {
    F_U32(struct array_ids, first, 1, 1),
    F_U32(struct array_ids, last, 2, 1),
    F_U32(struct array_ids, step, 3, 1),
};
const struct schema array_ids_schema = SCHEMA("array_ids", struct array_ids, 1, array_ids_fields);

static const struct field array_range_fields[] = {
    F_U32(struct array_range, first, 1, 1),
    F_U32(struct array_range, count, 2, 1),
};
const struct schema array_range_schema =
    SCHEMA("array_range", struct array_range, 1, array_range_fields);

static const struct field array_lane_fields[] = {
    F_U32(struct array_lane, lane, 1, 1),
    F_STRS(struct array_lane, gpus, n_gpus, 2, 1, GPUS_MAX),
};
const struct schema array_lane_schema =
    SCHEMA("array_lane", struct array_lane, 1, array_lane_fields);

static const struct field held_lane_fields[] = {
    F_U32(struct held_lane, job, 1, 1),
    F_U32(struct held_lane, lane, 2, 1),
    F_STRS(struct held_lane, gpus, n_gpus, 3, 1, GPUS_MAX),
};
const struct schema held_lane_schema = SCHEMA("held_lane", struct held_lane, 1, held_lane_fields);

static const struct field held_range_fields[] = {
    F_U32(struct held_range, job, 1, 1),
    F_STRUCT(struct held_range, range, 2, 1, &array_range_schema),
    F_BOOL(struct held_range, is_started, 3, 1),
    F_U64(struct held_range, returned, 4, 1),
};
const struct schema held_range_schema =
    SCHEMA("held_range", struct held_range, 1, held_range_fields);

static const struct field attempt_result_fields[] = {
    F_BOOL(struct attempt_result, has_started, 1, 1),
    F_ENUM(struct attempt_result, cause, 2, 1, end_cause_names),
    F_U32(struct attempt_result, exit_code, 3, 1),
    F_U32(struct attempt_result, signal, 4, 1),
    F_U64(struct attempt_result, handed, 5, 1),
    F_ENUM(struct attempt_result, bye, 6, 1, bye_word_names),
    F_STR(struct attempt_result, note, 7, 1, NOTE_MAX_BYTES),
    F_STR(struct attempt_result, reason, 8, 1, SCHEMA_TEXT_MAX),
    F_TIME(struct attempt_result, started_at, 9, 1),
    F_TIME(struct attempt_result, ended_at, 10, 1),
    F_MS(struct attempt_result, cpu_ms, 11, 1),
    F_U64(struct attempt_result, rss_peak_bytes, 12, 1),
    F_U64(struct attempt_result, last_seq, 13, 1),
    F_BYTES(struct attempt_result, out_tail, 14, 1, TAIL_MAX_BYTES),
    F_BYTES(struct attempt_result, err_tail, 15, 1, TAIL_MAX_BYTES),
    F_BOOL(struct attempt_result, is_nodes_fault, 20, 1),
    F_BOOL(struct attempt_result, is_restore_lost, 30, 1),
    F_STRS(struct attempt_result, line_names, n_line_names, 40, 1, LINE_NAMES_LIMIT),
    F_BOOL(struct attempt_result, is_dry, 70, 1),
};
const struct schema attempt_result_schema =
    SCHEMA("attempt_result", struct attempt_result, 1, attempt_result_fields);

static const struct field node_event_fields[] = {
    F_U64(struct node_event, number, 1, 1),
    F_ENUM(struct node_event, kind, 2, 1, event_kind_names),
    F_TIME(struct node_event, time, 3, 1),
    F_TASK_ID(struct node_event, task, 4, 1),
    F_U32(struct node_event, attempt, 5, 1),
    F_U32(struct node_event, pid, 6, 1),
    F_STRUCT(struct node_event, rows, 7, 1, &metric_rows_schema),
    F_U64(struct node_event, reached, 8, 1),
    F_STRUCT(struct node_event, snapshot, 9, 1, &snapshot_ref_schema),
    F_ENUM(struct node_event, bye, 10, 1, bye_word_names),
    F_STR(struct node_event, note, 11, 1, NOTE_MAX_BYTES),
    F_STRUCT(struct node_event, result, 12, 1, &attempt_result_schema),
    F_U32(struct node_event, job, 13, 1),
    F_BYTES(struct node_event, array_rows, 14, 1, RESULT_ROWS_MAX *RESULT_ROW_BYTES),
    F_LIST(struct node_event, ranges, n_ranges, 15, 1, ARRAY_RANGES_MAX, &array_range_schema),
    F_LIST(struct node_event, lanes, n_lanes, 16, 1, ATTEMPTS_MAX, &array_lane_schema),
    F_U32(struct node_event, can, 17, 1),
    F_MS(struct node_event, leaves_in_ms, 30, 1),
    F_U64(struct node_event, keep, 31, 1),
    F_TEXT(struct node_event, address, 40, 1, 256),
    F_U32(struct node_event, master_port, 41, 1),
    F_TEXT(struct node_event, peers, 42, 1, PEERS_NODE_BYTES),
};
const struct schema node_event_schema =
    SCHEMA("node_event", struct node_event, 1, node_event_fields);

static const struct field msg_enrol_fields[] = {
    F_U32(struct msg_enrol, protocol, 1, 1),
    F_U32(struct msg_enrol, schema_version, 2, 1),
    F_TEXT(struct msg_enrol, secret, 3, 1, 128),
    F_TEXT(struct msg_enrol, node, 4, 1, NODE_NAME_MAX),
    F_U64(struct msg_enrol, incarnation, 5, 1),
    F_TEXT(struct msg_enrol, host, 6, 1, 256),
    F_U32(struct msg_enrol, pid, 7, 1),
    F_TEXT(struct msg_enrol, version, 8, 1, 64),
    F_I64(struct msg_enrol, cpus, 9, 1),
    F_U64(struct msg_enrol, memory_bytes, 10, 1),
    F_STRS(struct msg_enrol, gpus, n_gpus, 11, 1, GPUS_MAX),
    F_LIST(struct msg_enrol, custom, n_custom, 12, 1, CUSTOM_MAX, &custom_pair_schema),
    F_LIST(struct msg_enrol, labels, n_labels, 13, 1, LABELS_MAX, &label_pair_schema),
    F_LIST(struct msg_enrol, running, n_running, 14, 1, ATTEMPTS_MAX, &running_ref_schema),
    F_LIST(struct msg_enrol, snapshots, n_snapshots, 15, 1, ATTEMPTS_MAX, &snapshot_name_schema),
    F_U64(struct msg_enrol, first_event, 16, 1),
    F_U64(struct msg_enrol, epoch, 17, 1),
    F_BOOL(struct msg_enrol, is_draining, 18, 1),
    F_BOOL(struct msg_enrol, is_remote, 50, 1),
    F_TEXT(struct msg_enrol, state_dir, 51, 1, SCHEMA_TEXT_MAX),
    F_TEXT(struct msg_enrol, lock, 52, 1, 256),
    F_U64(struct msg_enrol, enrolment, 53, 1),
    F_BOOL(struct msg_enrol, is_dry, 70, 1),
    F_LIST(struct msg_enrol, lanes, n_lanes, 71, 1, ATTEMPTS_MAX, &held_lane_schema),
    F_LIST(struct msg_enrol, ranges, n_ranges, 72, 1, ARRAY_RANGES_MAX, &held_range_schema),
    F_TIME(struct msg_enrol, agent_started, 73, 1),
    F_TEXT(struct msg_enrol, lender, 74, 1, 256),
    F_TEXT(struct msg_enrol, lender_key, 75, 1, 40),
    F_MS(struct msg_enrol, leaves_in_ms, 90, 1),
    F_U64(struct msg_enrol, last_event, 91, 1),
};
const struct schema msg_enrol_schema = SCHEMA("enrol", struct msg_enrol, 1, msg_enrol_fields);

static const struct field msg_events_fields[] = {
    F_U64(struct msg_events, incarnation, 1, 1),
    F_LIST(struct msg_events, events, n_events, 2, 1, EVENTS_MAX, &node_event_schema),
};
const struct schema msg_events_schema = SCHEMA("events", struct msg_events, 1, msg_events_fields);

static const struct field msg_heartbeat_fields[] = {
    F_U64(struct msg_heartbeat, incarnation, 1, 1),
    F_I64(struct msg_heartbeat, cpu_permille, 2, 1),
    F_U64(struct msg_heartbeat, memory_used_bytes, 3, 1),
    F_U64(struct msg_heartbeat, cache_bytes, 4, 1),
    F_U64(struct msg_heartbeat, cache_max_bytes, 5, 1),
    F_BOOL(struct msg_heartbeat, has_left, 6, 1),
};
const struct schema msg_heartbeat_schema =
    SCHEMA("heartbeat", struct msg_heartbeat, 1, msg_heartbeat_fields);

static const struct field msg_welcome_fields[] = {
    F_U64(struct msg_welcome, epoch, 1, 1),
    F_U64(struct msg_welcome, applied, 2, 1),
    F_MS(struct msg_welcome, node_timeout_ms, 3, 1),
    F_MS(struct msg_welcome, heartbeat_ms, 4, 1),
    F_MS(struct msg_welcome, orphan_timeout_ms, 5, 1),
    F_LIST(struct msg_welcome, holds, n_holds, 6, 1, ATTEMPTS_MAX, &running_ref_schema),
    F_U64(struct msg_welcome, enrolment, 50, 1),
};
const struct schema msg_welcome_schema =
    SCHEMA("welcome", struct msg_welcome, 1, msg_welcome_fields);

static const struct field msg_refused_fields[] = {
    F_U64(struct msg_refused, epoch, 1, 1),
    F_TEXT(struct msg_refused, code, 2, 1, 32),
    F_TEXT(struct msg_refused, text, 3, 1, REPORT_TEXT_MAX),
};
const struct schema msg_refused_schema =
    SCHEMA("refused", struct msg_refused, 1, msg_refused_fields);

static const struct field msg_lease_fields[] = {
    F_TASK_ID(struct msg_lease, task, 1, 1),
    F_U32(struct msg_lease, attempt, 2, 1),
    F_BOOL(struct msg_lease, is_trial, 3, 1),
    F_STR(struct msg_lease, sweep_name, 4, 1, SCHEMA_TEXT_MAX),
    F_STRS(struct msg_lease, words, n_words, 5, 1, WORDS_MAX),
    F_BOOL(struct msg_lease, is_shell, 6, 1),
    F_STR(struct msg_lease, workdir, 7, 1, PATH_BYTES_MAX),
    F_LIST(struct msg_lease, env, n_env, 8, 1, ENV_MAX, &label_pair_schema),
    F_NAMED(struct msg_lease, params, n_params, 9, 1, PARAMS_MAX),
    F_U64(struct msg_lease, seed, 10, 1),
    F_STR(struct msg_lease, metric, 11, 1, SCHEMA_TEXT_MAX),
    F_BOOL(struct msg_lease, is_maximize, 12, 1),
    F_STRUCT(struct msg_lease, order, 13, 1, &order_schema),
    F_STRUCT(struct msg_lease, restore, 14, 1, &snapshot_ref_schema),
    F_I64(struct msg_lease, cpus, 15, 1),
    F_U64(struct msg_lease, memory_bytes, 16, 1),
    F_STRS(struct msg_lease, gpus, n_gpus, 17, 1, GPUS_MAX),
    F_MS(struct msg_lease, timeout_trial_ms, 18, 1),
    F_MS(struct msg_lease, timeout_silent_ms, 19, 1),
    F_MS(struct msg_lease, timeout_grace_ms, 20, 1),
    F_MS(struct msg_lease, timeout_start_ms, 21, 1),
    F_MS(struct msg_lease, timeout_decision_ms, 22, 1),
    F_U32(struct msg_lease, checkpoints_on, 23, 1),
    /* 24 and 25 were what the agent keeps: the head says what is dropped */
    F_U32(struct msg_lease, tail_bytes, 26, 1),
    F_U64(struct msg_lease, age, 27, 1),
    F_TEXT(struct msg_lease, work, 28, 1, 64),
    F_TEXT(struct msg_lease, setup, 29, 1, SETUP_MAX_BYTES),
    F_U64(struct msg_lease, work_bytes, 120, 1),
    F_U64(struct msg_lease, lineage, 121, 1),
    /* printed lines as reports */
    F_U32(struct msg_lease, report_from, 140, 1),
    F_STRS(struct msg_lease, report_out_rules, n_report_out_rules, 141, 1, LINE_RULES_LIMIT),
    F_STRS(struct msg_lease, report_err_rules, n_report_err_rules, 142, 1, LINE_RULES_LIMIT),
    F_TEXT(struct msg_lease, metric_time, 143, 1, SCHEMA_TEXT_MAX),
    F_TEXT(struct msg_lease, adopt, 144, 1, PATH_BYTES_MAX),
    F_U32(struct msg_lease, last_ordinal, 145, 1),
    F_MS(struct msg_lease, checkpoints_every_ms, 160, 1),
    F_U32(struct msg_lease, ranks, 162, 1),
    F_MS(struct msg_lease, timeout_rank_ms, 163, 1),
    F_U32(struct msg_lease, nodes, 180, 1),
    F_U32(struct msg_lease, node_rank, 181, 1),
    F_U64(struct msg_lease, place_word, 190, 1),
    F_BOOL(struct msg_lease, log_files, 200, 1),
};
const struct schema msg_lease_schema = SCHEMA("lease", struct msg_lease, 1, msg_lease_fields);

static const struct field msg_order_fields[] = {
    F_TASK_ID(struct msg_order, task, 1, 1),
    F_U32(struct msg_order, attempt, 2, 1),
    F_STRUCT(struct msg_order, order, 3, 1, &order_schema),
    F_STRUCT(struct msg_order, restore, 4, 1, &snapshot_ref_schema),
    F_NAMED(struct msg_order, params, n_params, 5, 1, PARAMS_MAX),
};
const struct schema msg_order_schema = SCHEMA("order", struct msg_order, 1, msg_order_fields);

static const struct field msg_ack_fields[] = {
    F_U64(struct msg_ack, incarnation, 1, 1),
    F_U64(struct msg_ack, applied, 2, 1),
    F_LIST(struct msg_ack, byes, n_byes, 3, 1, EVENTS_MAX, &running_ref_schema),
    F_MS(struct msg_ack, heartbeat_ms, 4, 1),
    F_MS(struct msg_ack, heartbeat_in_ms, 5, 1),
};
const struct schema msg_ack_schema = SCHEMA("ack", struct msg_ack, 1, msg_ack_fields);

static const struct field msg_gone_fields[] = {
    F_TASK_ID(struct msg_gone, task, 1, 1),
    F_U32(struct msg_gone, attempt, 2, 1),
};
const struct schema msg_gone_schema = SCHEMA("gone", struct msg_gone, 1, msg_gone_fields);

static const struct field msg_who_fields[] = {
    F_U64(struct msg_who, epoch, 1, 1),
};
const struct schema msg_who_schema = SCHEMA("who", struct msg_who, 1, msg_who_fields);

static const struct field msg_leave_fields[] = {
    F_U64(struct msg_leave, epoch, 1, 1),
};
const struct schema msg_leave_schema = SCHEMA("leave", struct msg_leave, 1, msg_leave_fields);

static const struct field msg_drop_fields[] = {
    F_LIST(struct msg_drop, snapshots, n_snapshots, 1, 1, ATTEMPTS_MAX, &snapshot_name_schema),
    F_U64(struct msg_drop, number, 2, 1),
};
const struct schema msg_drop_schema = SCHEMA("drop", struct msg_drop, 1, msg_drop_fields);

static const struct field msg_keep_fields[] = {
    F_LIST(struct msg_keep, snapshots, n_snapshots, 1, 1, ATTEMPTS_MAX, &snapshot_name_schema),
    F_U64(struct msg_keep, number, 2, 1),
};
const struct schema msg_keep_schema = SCHEMA("keep", struct msg_keep, 1, msg_keep_fields);

static const struct field msg_owed_fields[] = {
    F_U64(struct msg_owed, epoch, 1, 1),
    F_U32(struct msg_owed, n_snapshots, 2, 1),
    F_U32(struct msg_owed, n_stranded, 3, 1),
    F_TEXT(struct msg_owed, text, 4, 1, REPORT_TEXT_MAX),
};
const struct schema msg_owed_schema = SCHEMA("owed", struct msg_owed, 1, msg_owed_fields);

static const struct field msg_gang_fields[] = {
    F_TASK_ID(struct msg_gang, task, 1, 1),
    F_U32(struct msg_gang, attempt, 2, 1),
    F_ENUM(struct msg_gang, act, 3, 1, gang_act_names),
    F_TEXT(struct msg_gang, address, 4, 1, 256),
    F_U32(struct msg_gang, master_port, 5, 1),
    F_TEXT(struct msg_gang, peers, 6, 1, PEERS_MAX_BYTES),
    F_MS(struct msg_gang, wait_ms, 7, 1),
    F_MS(struct msg_gang, grace_ms, 8, 1),
    F_TEXT(struct msg_gang, reason, 9, 1, SCHEMA_TEXT_MAX),
};
const struct schema msg_gang_schema = SCHEMA("gang", struct msg_gang, 1, msg_gang_fields);

static const struct field msg_snapshot_get_fields[] = {
    F_STRUCT(struct msg_snapshot_get, name, 1, 1, &snapshot_name_schema),
    F_BYTES(struct msg_snapshot_get, pass, 2, 1, PASS_BYTES),
};
const struct schema msg_snapshot_get_schema =
    SCHEMA("snapshot_get", struct msg_snapshot_get, 1, msg_snapshot_get_fields);

static const struct field msg_lend_fields[] = {
    F_STRUCT(struct msg_lend, name, 1, 1, &snapshot_name_schema),
    F_BYTES(struct msg_lend, pass, 2, 1, PASS_BYTES),
    F_MS(struct msg_lend, valid_ms, 3, 1),
};
const struct schema msg_lend_schema = SCHEMA("lend", struct msg_lend, 1, msg_lend_fields);

static const struct field msg_source_fields[] = {
    F_STRUCT(struct msg_source, name, 1, 1, &snapshot_name_schema),
    F_TEXT(struct msg_source, node, 2, 1, NODE_NAME_MAX),
    F_TEXT(struct msg_source, lender, 3, 1, 256),
    F_TEXT(struct msg_source, lender_key, 4, 1, 40),
    F_BOOL(struct msg_source, is_lost, 5, 1),
    F_TEXT(struct msg_source, error, 6, 1, REPORT_TEXT_MAX),
};
const struct schema msg_source_schema = SCHEMA("source", struct msg_source, 1, msg_source_fields);

static const struct field msg_file_get_fields[] = {
    F_U64(struct msg_file_get, request, 1, 1),
    F_STRUCT(struct msg_file_get, name, 2, 1, &snapshot_name_schema),
    F_BYTES(struct msg_file_get, pass, 3, 1, PASS_BYTES),
    F_TEXT(struct msg_file_get, path, 4, 1, PATH_BYTES_MAX),
    F_U64(struct msg_file_get, offset, 5, 1),
    F_U32(struct msg_file_get, size, 6, 1),
};
const struct schema msg_file_get_schema =
    SCHEMA("file_get", struct msg_file_get, 1, msg_file_get_fields);

static const struct field msg_file_fields[] = {
    F_U64(struct msg_file, request, 1, 1),
    F_ENUM(struct msg_file, word, 2, 1, file_word_names),
    F_U64(struct msg_file, total, 3, 1),
    F_BYTES(struct msg_file, data, 4, 1, FILE_PIECE_MAX_BYTES),
    F_TEXT(struct msg_file, text, 5, 1, REPORT_TEXT_MAX),
};
const struct schema msg_file_schema = SCHEMA("file", struct msg_file, 1, msg_file_fields);

static const struct field msg_drain_fields[] = {
    F_U64(struct msg_drain, epoch, 30, 1),
    F_MS(struct msg_drain, grace_ms, 31, 1),
};
const struct schema msg_drain_schema = SCHEMA("drain", struct msg_drain, 1, msg_drain_fields);

static const struct field msg_log_get_fields[] = {
    F_U64(struct msg_log_get, request, 50, 1),     F_U64(struct msg_log_get, serial, 51, 1),
    F_TASK_ID(struct msg_log_get, task, 52, 1),    F_U32(struct msg_log_get, attempt, 53, 1),
    F_U32(struct msg_log_get, stream, 54, 1),      F_U64(struct msg_log_get, generation, 55, 1),
    F_U64(struct msg_log_get, offset, 56, 1),      F_BOOL(struct msg_log_get, is_tail, 57, 1),
    F_U32(struct msg_log_get, limit_bytes, 58, 1), F_MS(struct msg_log_get, wait_ms, 59, 1),
};
const struct schema msg_log_get_schema =
    SCHEMA("log_get", struct msg_log_get, 1, msg_log_get_fields);

static const struct field msg_log_data_fields[] = {
    F_U64(struct msg_log_data, request, 50, 1),
    F_U64(struct msg_log_data, serial, 51, 1),
    F_U64(struct msg_log_data, generation, 52, 1),
    F_U64(struct msg_log_data, offset, 53, 1),
    F_BYTES(struct msg_log_data, data, 54, 1, LOG_PIECE_MAX_BYTES),
    F_BOOL(struct msg_log_data, is_missing, 55, 1),
};
const struct schema msg_log_data_schema =
    SCHEMA("log_data", struct msg_log_data, 1, msg_log_data_fields);

static const struct field msg_logs_held_fields[] = {
    F_LIST(struct msg_logs_held, jobs, n_jobs, 1, 1, LOGS_RANGES_MAX, &array_range_schema),
};
const struct schema msg_logs_held_schema =
    SCHEMA("logs_held", struct msg_logs_held, 1, msg_logs_held_fields);

static const struct field msg_logs_drop_fields[] = {
    F_LIST(struct msg_logs_drop, jobs, n_jobs, 1, 1, LOGS_RANGES_MAX, &array_range_schema),
};
const struct schema msg_logs_drop_schema =
    SCHEMA("logs_drop", struct msg_logs_drop, 1, msg_logs_drop_fields);

static const struct field msg_blob_get_fields[] = {
    F_TEXT(struct msg_blob_get, hash, 20, 1, 64),
    F_U64(struct msg_blob_get, offset, 21, 1),
    F_U32(struct msg_blob_get, size, 22, 1),
};
const struct schema msg_blob_get_schema =
    SCHEMA("blob_get", struct msg_blob_get, 1, msg_blob_get_fields);

static const struct field msg_blob_fields[] = {
    F_TEXT(struct msg_blob, hash, 20, 1, 64),
    F_U64(struct msg_blob, offset, 21, 1),
    F_U64(struct msg_blob, total, 22, 1),
    F_BYTES(struct msg_blob, data, 23, 1, BLOB_PIECE_MAX_BYTES),
    F_TEXT(struct msg_blob, error, 24, 1, REPORT_TEXT_MAX),
    F_U64(struct msg_blob, sum, 25, 1),
};
const struct schema msg_blob_schema = SCHEMA("blob", struct msg_blob, 1, msg_blob_fields);

static const struct field msg_array_fields[] = {
    F_U32(struct msg_array, job, 1, 1),
    F_STRUCT(struct msg_array, ids, 2, 1, &array_ids_schema),
    F_STRUCT(struct msg_array, lease, 3, 1, &msg_lease_schema),
    F_TEXT(struct msg_array, items, 4, 1, 64),
    F_U64(struct msg_array, items_bytes, 5, 1),
};
const struct schema msg_array_schema = SCHEMA("array", struct msg_array, 1, msg_array_fields);

static const struct field msg_ranges_fields[] = {
    F_U32(struct msg_ranges, job, 1, 1),
    F_LIST(struct msg_ranges, lanes, n_lanes, 2, 1, ATTEMPTS_MAX, &array_lane_schema),
    F_LIST(struct msg_ranges, ranges, n_ranges, 3, 1, ARRAY_RANGES_MAX, &array_range_schema),
    F_U64(struct msg_ranges, incarnation, 4, 1),
    F_U64(struct msg_ranges, applied, 5, 1),
};
const struct schema msg_ranges_schema = SCHEMA("ranges", struct msg_ranges, 1, msg_ranges_fields);

static const struct field msg_take_back_fields[] = {
    F_U32(struct msg_take_back, job, 1, 1),
    F_LIST(struct msg_take_back, ranges, n_ranges, 2, 1, ARRAY_RANGES_MAX, &array_range_schema),
    F_ENUM(struct msg_take_back, why, 3, 1, order_why_names),
    F_MS(struct msg_take_back, grace_ms, 4, 1),
};
const struct schema msg_take_back_schema =
    SCHEMA("take_back", struct msg_take_back, 1, msg_take_back_fields);
