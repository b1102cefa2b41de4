/* head/core/core.h -- all state of the cluster and its reactor. Pure: no socket, clock, file,
 * random device or Redis. One thread owns a core. The shell turns frames, requests, timers and
 * store replies into on_*() calls, sends the batch that core_batch() gives, and carries out the
 * effects that core_effect_next() opens.
 *
 * A turn of the shell:
 *     on_*(core, now, ...)               whatever was decoded
 *     core_time(core, now, gap, behind)  timers, if nothing was left undecoded
 *     core_turn_end(core, now)           suggest, schedule once, close the turn's group of writes
 *                                        (or its two halves, core_turn_schedule and _close)
 *     core_batch(core)                   non-NULL: send it (once); later on_batch_applied(core,
 * now, n) core_effect_next(core)             until NULL: what is on disk may leave
 *
 * What an on_*() call borrows is borrowed for the call. Effects are owned by the core until the
 * next core_effect_next(). */
#ifndef MUSTER_HEAD_CORE_CORE_H
#define MUSTER_HEAD_CORE_CORE_H

#include "head/core/batch.h"
#include "schema/api.h"

struct core;

enum {
    CORE_NODE_TIMEOUT_MS = 30000,
    CORE_SUSPECT_MS = 5000,
    CORE_HEARTBEAT_MIN_MS = 1000,
    CORE_HEARTBEAT_MAX_MS = 3000,
    CORE_HEARTBEAT_MS_PER_NODE = 15,
    CORE_HEARTBEATS_TOGETHER = 16,
    CORE_STATUS_MS = 100, /* the figures are no older than that, apart from a batch under way */
    CORE_SWEEPS_MAX = 1000000, /* and jobs: one that waits with its task takes some 2.4 KB */
    CORE_TASKS_MAX = 10000000,
    BLOB_HASH_MAX = 64,
    CORE_USERS_MAX = 1000,
    CORE_ANSWER_MAX_BYTES = 256 << 20,
};

/* Strings are copied. */
struct core_config {
    const char *version;
    const char *cluster; /* id of this cluster, made at first start */
    const char *state_dir;
    uint64_t epoch;
    uint32_t pid;
    time_ms started;
    int64_t node_timeout_ms; /* 0: CORE_NODE_TIMEOUT_MS */
    int64_t orphan_timeout_ms;
    int64_t forget_nodes_ms; /* one that is gone for so long is forgotten; 0: a day */
    uint64_t seed;           /* for sweeps that name none */
};

typedef enum {
    HEAD_SEND,   /* peer, type, bytes: a frame for an agent */
    HEAD_ANSWER, /* request, status, bytes: JSON for an HTTP request */
    HEAD_NOTICE, /* bytes: one api_event as JSON, for the event stream */
    HEAD_EXIT,   /* everything is on disk and told: leave with 0 */
} head_effect_kind;

struct head_effect {
    head_effect_kind kind;
    uint64_t peer;
    message_type type;
    uint64_t request;
    uint32_t status;
    bool has_holes; /* HEAD_ANSWER: the shell fills them (array_page.h) */
    struct bytes bytes;
};

MUST_CHECK error_code core_new(const struct core_config *config, struct core **ret_core);
void core_free(struct core *core);

/* ---- recovery: each record as the store gives it, logs after all records, then core_load_done()
 * ---- */
MUST_CHECK error_code core_load_record(struct core *core, const char *table, struct bytes field,
                                       struct bytes value, struct report *report);
MUST_CHECK error_code core_load_log(struct core *core, uint32_t sweep, struct bytes value,
                                    struct report *report);
MUST_CHECK error_code core_load_meta(struct core *core, const char *field, const char *value);
MUST_CHECK error_code core_load_done(struct core *core, time_ms now, struct report *report);

/* ---- the turn ---- */
/* What time alone brings, once a turn, after whatever was decoded: `gap_ms` that the loop was away
 * is nobody's silence, and while something is left undecoded (`is_behind`) nobody is judged. */
void core_time(struct core *core, time_ms now, int64_t gap_ms, bool is_behind);
void on_tick(struct core *core, time_ms now);
void core_turn_end(struct core *core, time_ms now);
void core_turn_schedule(struct core *core, time_ms now);
void core_turn_close(struct core *core, time_ms now);
time_ms core_next_deadline(const struct core *core); /* INT64_MAX: none */
/* The batch to send now, once; NULL: none, or one is in flight. */
const struct batch *core_batch(struct core *core);
void on_batch_applied(struct core *core, time_ms now, uint64_t n);
const struct head_effect *core_effect_next(struct core *core);
/* What the store says of itself, for status: "ok", "waiting", "full", ... */
void core_store_state_set(struct core *core, const char *state);
/* What the store is, for status. Texts are copied, cut at 95 bytes. */
struct core_store_facts {
    const char *kind;                        /* embedded, external */
    const char *policy;                      /* "appendonly yes, appendfsync always" */
    const char *loss;                        /* what a crash of its machine may lose */
    uint64_t memory_bytes, memory_max_bytes; /* 0 max: none */
};
void core_store_facts_set(struct core *core, const struct core_store_facts *facts);
/* Milliseconds that the batch in flight has waited; 0: none. */
int64_t core_batch_age(const struct core *core, time_ms now);
/* Of everything that waits for the store: a shell that takes reads while it does bounds them by
 * this. */
size_t core_waiting_bytes(const struct core *core);
/* ERR_NO_MEMORY once memory ran out in a handler: the shell leaves, the store has everything. */
error_code core_failed(const struct core *core);

/* ---- agents; `peer` is the shell's number for a connection's key ---- */
void on_enrol(struct core *core, time_ms now, uint64_t peer, const struct msg_enrol *msg);
void on_events(struct core *core, time_ms now, uint64_t peer, const struct msg_events *msg);
/* The peer that a node's agent speaks as; 0: none. */
uint64_t core_node_peer(const struct core *core, const char *name);
/* When each of so many agents is to speak: about 70 heartbeats a second in all, as long as that is
 * often enough for CORE_SUSPECT_MS, and some in the same moment: what they cost is the waking up.
 */
struct core_heartbeat {
    int64_t interval_ms;
    int64_t in_ms; /* until the next one */
};
struct core_heartbeat core_heartbeat(time_ms now, uint64_t agents);
void on_heartbeat(struct core *core, time_ms now, uint64_t peer, const struct msg_heartbeat *msg);
/* Of LOGS_JOBS_MAX jobs at most it is said which are no more. */
/* A snapshot that lies on another node is needed on the peer's. */
void on_snapshot_get(struct core *core, uint64_t peer, const struct msg_snapshot_get *msg);
void on_logs_held(struct core *core, uint64_t peer, const struct msg_logs_held *msg);

/* ---- people and programs; `request` is the shell's number of an HTTP request, answered by
 * HEAD_ANSWER ---- */
struct submit_sweep {
    const char *file; /* the text itself */
    const char *file_name;
    const char *workdir; /* absolute */
    const char *owner;
    const char *const *argv;
    uint32_t n_argv;
    const char *git;
    const char *key; /* Idempotency-Key, or NULL */
    const char *file_hash;
    const char *work; /* the packed work folder's hash, which the depot holds; NULL or "": none */
    uint64_t work_bytes;
    const char *name;       /* NULL: the file's */
    const char *const *set; /* PATH=VALUE */
    uint32_t n_set;
    const char *const *labels;
    uint32_t n_labels;
    bool is_test;
    uint32_t cloned_from; /* 0: none */
};
/* Two requests with one key make one sweep: 201, then 200 with the same id; 409 if they differ. */
void on_sweep_submit(struct core *core, time_ms now, uint64_t request,
                     const struct submit_sweep *submit);
/* One task, or an array of them (record_job.array); the record's number, created, ended, nodes,
 * why, told_at and error are given by the core. */
void on_job_submit(struct core *core, time_ms now, uint64_t request, const struct record_job *job);

typedef enum { VERB_CANCEL, VERB_STOP, VERB_PAUSE } core_verb; /* PAUSE: sweeps only */
/* grace_ms < 0: the file's. Idempotent. */
void on_sweep_verb(struct core *core, time_ms now, uint64_t request, uint32_t sweep, core_verb verb,
                   int64_t grace_ms);
void on_task_verb(struct core *core, time_ms now, uint64_t request, task_id task, core_verb verb,
                  int64_t grace_ms);
/* Ids of a task array, both ends included; those between that are none of its ids are passed over.
 */
struct id_range {
    uint32_t first, last;
};
enum { JOB_VERB_IDS_MAX = 100000 /* of one request */, JOB_VERB_RANGES_MAX = 10000 };
/* Cancels a job: its task, all tasks of an array (n 0), or those. 409 for more than
 * JOB_VERB_IDS_MAX. Idempotent: what has ended stays as it is. */
void on_job_cancel(struct core *core, time_ms now, uint64_t request, uint32_t job,
                   const struct id_range *ranges, uint32_t n, int64_t grace_ms);
/* Tries ended tasks of a job again: those ids (n 0: all), of them only the failed ones if
 * `is_failed`; else an id that is not ended or ended well is a 409 and nothing is done. Answers
 * {"api":"v1","ok":true,"retried":N}. */
void on_job_retry(struct core *core, time_ms now, uint64_t request, uint32_t job,
                  const struct id_range *ranges, uint32_t n, bool is_failed);
/* A new sweep from the file, settings and folder of another; what is NULL is taken from that one.
 */
struct sweep_clone {
    const char *name;
    const char *owner;
    const char *key;
    const char *const *set; /* beside those that the other one has */
    uint32_t n_set;
};
void on_sweep_clone(struct core *core, time_ms now, uint64_t request, uint32_t sweep,
                    const struct sweep_clone *clone);
/* Settings of a sweep that runs or is paused: keys of spec/change.h. All or none. Setting what
 * holds already is no error. 409 for one that has ended or finishes, 400 for what cannot change. */
void on_sweep_set(struct core *core, time_ms now, uint64_t request, uint32_t sweep,
                  const char *const *settings, uint32_t n);
/* A paused sweep goes on; so does an ended one that may ask for more trials. */
struct sweep_resume {
    uint32_t trials; /* so many more than now in all; 0: none */
    int64_t seen;    /* its `trials` that the caller saw; another one: it was resumed since, and
                        nothing is done; -1: not said */
    const char *key; /* Idempotency-Key, or NULL: that of the last resume does nothing */
};
void on_sweep_resume(struct core *core, time_ms now, uint64_t request, uint32_t sweep,
                     const struct sweep_resume *resume);
/* An ended one is tried again. seen: its attempts that the caller saw: with more of them nothing is
 * done; -1: not said. */
void on_task_retry(struct core *core, time_ms now, uint64_t request, task_id task, int64_t seen);
/* Values under their parameters' names; those that are not active are left out. UINT32_MAX: there
 * is no such sweep. Names are borrowed until the next call that changes the core. */
uint32_t core_params_named(struct core *core, uint32_t sweep, const struct value *params,
                           uint32_t n_params, struct named_value *ret_params);
/* It saves and leaves, and waits for on_trial_resume(); 409 for one that cannot save. */
void on_trial_pause(struct core *core, time_ms now, uint64_t request, task_id trial);
void on_trial_resume(struct core *core, time_ms now, uint64_t request, task_id trial);
/* All that is kept of an ended sweep or job is deleted. Answered once it is certain to happen. */
void on_work_remove(struct core *core, time_ms now, uint64_t request, uint32_t number,
                    bool is_sweep);

typedef enum {
    NODE_VERB_CORDON,
    NODE_VERB_DRAIN,
    NODE_VERB_RESUME,
    NODE_VERB_LABEL
} node_verb_kind;
struct node_verb {
    node_verb_kind kind;
    const char *reason;           /* CORDON, DRAIN; or NULL */
    int64_t deadline_ms;          /* DRAIN: so long what runs there goes on */
    const struct label_pair *set; /* LABEL */
    uint32_t n_set;
    const char *const *remove; /* LABEL: names */
    uint32_t n_remove;
};
/* One that is gone is forgotten at once. */
void on_node_remove(struct core *core, time_ms now, uint64_t request, const char *node);
void on_node_verb(struct core *core, time_ms now, uint64_t request, const char *node,
                  const struct node_verb *verb);
/* Agents are told to leave; HEAD_EXIT when they are gone or `deadline` has passed. */
void on_shutdown(struct core *core, time_ms now, uint64_t request, time_ms deadline);

/* ---- users.c: named users. The built-in admin is no record: its token is a file ---- */
struct core_identity {
    const char *name; /* the core's; until the user's key is revoked */
    user_role role;
};
/* Whose token has this hash (USER_HASH_TEXT_BYTES)? In a time that does not tell how near it came.
 * False: nobody's; the report says if it was somebody's until lately. */
bool core_user_identify(const struct core *core, time_ms now, const char *hash,
                        struct core_identity *ret_identity, struct report *report);
/* Answers {id, token, key}. ERR_EXISTS: the name has a key. `record` and `token` are borrowed. */
void on_user_new(struct core *core, time_ms now, uint64_t request, const struct record_user *record,
                 const char *token);
/* False: there is none. */
bool on_user_revoke(struct core *core, time_ms now, uint64_t request, const char *name);
void view_users(struct core *core, time_ms now, uint64_t request);
/* Of a sweep or job; "" if it has none, NULL if there is no such number. */
const char *core_work_owner(const struct core *core, uint32_t number);
/* Where the shell serves HTTP, for status. */
void core_http_set(struct core *core, const char *url, bool is_insecure);
/* Of packed work folders on the head's disk, for status. */
void core_depot_set(struct core *core, uint64_t bytes, uint64_t max_bytes);

/* ---- views: each answers `request` with what the core holds now, once that is on disk ---- */
/* What is NULL or 0 selects nothing. Words that do not exist are answered 400 with those that do.
 */
struct view_filter {
    uint32_t job;        /* sweep or job; 0: all */
    const char *state;   /* a state; of trials and tasks also an outcome */
    const char *outcome; /* trials, tasks */
    const char *owner;
    const char *label; /* of a sweep, job; of a node NAME or NAME=VALUE */
    const char *name;
    const char *node;   /* trials, tasks: of the current or last attempt */
    time_ms since;      /* created then or later; nodes: joined */
    const char *sort;   /* a column, with a minus before it from high to low; NULL: by id */
    const char *cursor; /* the `next` of the page before */
    uint32_t limit;     /* 0: all */
    uint32_t offset;
    bool is_trials; /* trials or tasks */
    bool is_arrays; /* jobs: task arrays only */
};
void view_sweeps(struct core *core, time_ms now, uint64_t request,
                 const struct view_filter *filter);
void view_sweep(struct core *core, time_ms now, uint64_t request, uint32_t sweep);
/* The sweep's file text and rungs beside it. */
void view_sweep_config(struct core *core, time_ms now, uint64_t request, uint32_t sweep);
/* Of a sweep or job: equal messages of failed attempts, counted. */
void view_failures(struct core *core, time_ms now, uint64_t request, uint32_t number);
/* Of one sweep or job, or of all but the tasks of arrays. */
void view_tasks(struct core *core, time_ms now, uint64_t request, const struct view_filter *filter);
void view_task(struct core *core, time_ms now, uint64_t request, task_id id);
void view_nodes(struct core *core, time_ms now, uint64_t request, const struct view_filter *filter);
void view_node(struct core *core, time_ms now, uint64_t request, const char *name);
/* Jobs: a command is one of one task. */
void view_jobs(struct core *core, time_ms now, uint64_t request, const struct view_filter *filter);
void view_job(struct core *core, time_ms now, uint64_t request, uint32_t job);
/* `id.index` 0: the sweep or job itself (its next ticket). A ticket's number is allowed as an id.
 */
void view_explain(struct core *core, time_ms now, uint64_t request, task_id id);

/* For the shell's own views, straight from memory: */
/* Both show the core as of the last batch on disk, never wait, and say how old that is. */
error_code core_status_print(const struct core *core, time_ms now,
                             struct buf *json); /* one api_status */
error_code core_metrics_print(const struct core *core, time_ms now,
                              struct buf *text); /* Prometheus text */
/* Not heard of for so long that it is suspect, or not known. */
bool core_node_is_silent(const struct core *core, const char *name, time_ms now);
/* Of a task of an array that ended well the node stands in its row only: then it is "". */
bool core_task_exists(const struct core *core, task_id id, bool *ret_is_trial, bool *ret_is_ended,
                      uint32_t *ret_attempts, char *ret_node /* NODE_NAME_MAX + 1 */);
/* On this node, or on it and others, in its current or last attempt. */
bool core_task_is_on(const struct core *core, task_id id, const char *node);
/* "a, b"; cut where it is too long. */
void core_task_nodes_print(const struct core *core, task_id id, char *ret_text, size_t size_bytes);
/* Does any sweep or job name this packed work folder? */
bool core_blob_is_named(const struct core *core, const char *hash);
bool core_is_idle(
    const struct core *core); /* no active sweep or task, paused ones aside: for --linger */
/* A sweep's tuner as text, for tests of restore; ERR_NOT_FOUND. */
error_code core_tuner_dump(const struct core *core, uint32_t sweep, struct buf *text);
/* Asserts that hold between turns; for tests and debug builds. */
void core_check(const struct core *core);

#endif
