/* head/shell/routes.h -- what the files of routes share: one file a subject, the table is in
 * routes.c. Inside head/shell; the loop's thread.
 *
 * A new route is a handler in the file of its subject, its name here, and a line of the table. A
 * handler decodes and calls one core event or one view, which answers the request by its id; or it
 * answers at once. */
#ifndef MUSTER_HEAD_SHELL_ROUTES_H
#define MUSTER_HEAD_SHELL_ROUTES_H

#include <jansson.h>

#include "head/shell/shell.h"

/* One request and what the path's placeholders were; all borrowed for the call. */
struct route_call {
    struct head *head;
    const struct http_request *request;
    time_ms now;
    uint32_t number;              /* # */
    task_id id;                   /* @ */
    char name[BLOB_HASH_MAX + 1]; /* $ */
    json_t *body;                 /* POST: an object, or NULL */
};

typedef void route_handler(struct route_call *call);

/* ---- routes_sweeps.c ---- */
route_handler get_sweeps, get_sweep, get_sweep_config, get_sweep_failures, get_sweep_trials,
    post_sweeps, post_sweep_cancel, post_sweep_stop, post_sweep_pause, post_sweep_resume,
    post_sweep_set, post_sweep_clone, post_sweep_rm, get_explain_number;

/* ---- routes_tasks.c ---- */
route_handler get_trials, get_tasks, get_task, get_logs, get_task_metrics, get_attempts,
    post_task_cancel, post_task_stop, post_task_retry, post_trial_pause, post_trial_resume,
    get_sweep_lineage, get_explain_id;

/* ---- routes_jobs.c ---- */
route_handler get_jobs, get_job, get_job_failures, post_jobs, post_job_cancel, post_job_retry,
    post_job_rm;

/* ---- routes_nodes.c ---- */
route_handler get_nodes, get_node, post_node_cordon, post_node_drain, post_node_resume,
    post_node_label, post_node_rm;

/* ---- routes_keys.c ---- */
route_handler get_keys, get_whoami, post_keys, post_key_revoke;

/* ---- routes_debug.c ---- */
route_handler get_debug_turn;

/* ---- blobs.c ---- */
route_handler get_blob, put_blob;
/* What the body's `key` names, if it names one: true, or it was answered. */
bool blobs_named_check(struct route_call *call, const char *key, const char **ret_hash,
                       uint64_t *ret_bytes);
bool blobs_work_check(struct route_call *call, const char **ret_work, uint64_t *ret_bytes);

/* ---- routes.c: what handlers share ---- */
void route_json_answer(struct route_call *call, uint32_t status, const char *text);
/* 400. */
void route_wrong_answer(struct route_call *call, const char *text);
const char *route_body_str(const struct route_call *call, const char *key); /* NULL: none */
/* Pointers into the body's strings; freed by the caller. NULL: no memory, or not all strings. */
const char **route_body_strs(const json_t *array, uint32_t *ret_n);
int64_t route_body_grace(const struct route_call *call); /* -1: none */
/* A whole number from 0; false: something else stands there, or it is too large. */
bool route_body_number(const struct route_call *call, const char *key, int64_t otherwise,
                       int64_t max, int64_t *ret_number);

/* ---- routes_query.c ---- */
/* The query of a list, which takes these names (NULL ends them). False: it is answered 400. */
bool route_query_filter(struct route_call *call, const char *const *names,
                        struct view_filter *ret_filter);

#endif
