/* head/core/state.h -- what the core remembers, and the few functions through which it changes.
 * Pure; inside head/core.
 *
 * Each thing in memory embeds its own store record: what is written is what is held. A change marks
 * the thing dirty; core_group_close() writes each dirty record once into the group of the turn. */
#ifndef MUSTER_HEAD_CORE_STATE_H
#define MUSTER_HEAD_CORE_STATE_H

#include "base/hash.h"
#include "head/core/outbox.h"
#include "head/core/task_edges.h"
#include "scheduler/scheduler.h"
#include "spec/sweep.h"
#include "tune/tune.h"

struct node;
struct sweep;
struct job;
struct task;

/* What waits in the scheduler: a task, or a sweep's open place. */
struct waiting {
    struct scheduler_item item;
    struct task *task; /* one of the two */
    struct sweep *sweep;
};

/* A number: a sweep or a job, with its trials or tasks by index. */
struct work {
    uint32_t number;
    struct sweep *sweep; /* one of the two */
    struct job *job;
    struct task **tasks; /* [index - 1] */
    uint32_t n_tasks;
    uint32_t cap;
    uint32_t n_active; /* not ended */
    struct scheduler_class *cls;
    UT_hash_handle hh;
};

/* An Idempotency-Key that was used, for as long as its sweep or job lives. */
struct used_key {
    const char *key; /* borrowed from the record */
    struct work *work;
    UT_hash_handle hh;
};

struct task {
    struct record_task r;
    struct work *work;
    struct node *node;             /* while leased, running or stopping */
    struct allocation *allocation; /* the same while */
    struct list node_link;
    struct list dirty_link;
    struct list backoff_link;
    struct waiting waiting;
};

enum { SWEEP_ARENA_MAX = 64 << 20, SWEEP_METRICS_MAX = 256 };

struct sweep {
    struct record_sweep r;
    struct work *work;
    struct arena arena; /* the parsed file, and names that trials share */
    struct sweep_spec spec;
    struct tuner *tuner;
    struct waiting ticket;
    struct value *ready; /* one suggestion, in memory only; NULL: none */
    uint32_t ready_trial;
    bool is_suggesting;
    bool has_target_logged;
    uint32_t told_best_trial; /* of the last notice */
    double told_best_value;
    const char **metric_names; /* interned */
    uint32_t n_metric_names;
    struct list dirty_link;
    struct list due_link;    /* tickets to be looked at before the next placement */
    struct list active_link; /* not ended */
    struct used_key used_key;
};

struct job {
    struct record_job r;
    struct work *work;
    struct arena arena;
    struct request request;
    struct list dirty_link;
    struct used_key used_key;
};

struct node {
    struct record_node r;
    uint64_t peer;   /* 0: not connected */
    uint32_t handle; /* of the scheduler; 0: none */
    time_ms heard;
    int64_t cpu_permille;
    uint64_t memory_used_bytes;
    bool is_ack_due;
    struct list tasks;
    uint32_t n_tasks;
    struct list dirty_link;
    UT_hash_handle hh;      /* by name */
    UT_hash_handle hh_peer; /* by peer */
};

struct core_status {
    uint32_t tasks[TASK_ENDED + 1];
    uint32_t sweeps_active;
};

struct core {
    struct core_config config;
    struct outbox out;
    struct scheduler *scheduler;
    struct work *works;
    struct used_key *keys;
    struct node *nodes;
    struct node *nodes_by_peer;
    struct list dirty_tasks, dirty_sweeps, dirty_jobs, dirty_nodes;
    struct list backoff;
    struct list due;
    struct list active_sweeps;
    struct list
        suggests; /* sweeps whose suggestion was asked for: due_link is not used while on it */
    uint32_t next_number;
    uint64_t batch_n;
    struct core_status status;
    struct api_status status_in_flight, status_durable; /* strings: of config */
    time_ms now;                                        /* of the turn */
    time_ms tick_next;
    bool is_leaving;
    bool is_exiting;
    bool is_number_dirty;
    time_ms leave_deadline;
    char *store_state;
    time_ms store_state_since;
    uint64_t reports_total, decisions_total, batches_total, events_total, refused_total;
    uint32_t task_total;
};

/* ---- strings of records: owned copies ---- */
/* Replaces *field by a copy; NULL text: NULL. Out of memory: core's failure, *field NULL. */
void core_str_set(struct core *core, const char **field, const char *text);
void core_str_clear(const char **field);
void core_reason(struct core *core, struct task *task, const char *format, ...) PRINTF_LIKE(3, 4);
void core_fail(struct core *core, error_code error);

/* ---- works.c ---- */
struct work *core_work_find(struct core *core, uint32_t number);
struct work *core_work_add(struct core *core, uint32_t number); /* NULL: failed */
void core_work_free(struct core *core, struct work *work);
struct used_key *core_key_find(struct core *core, const char *key);
void core_key_add(struct core *core, struct used_key *used, const char *key, struct work *work);
uint32_t core_number_next(struct core *core);

/* ---- tasks.c ---- */
struct task *core_task_find(struct core *core, task_id id);
/* A new one in state QUEUED, not yet waiting in the scheduler; NULL: failed. */
struct task *core_task_add(struct core *core, struct work *work, uint32_t index);
void core_task_free(struct core *core, struct task *task);
void core_task_dirty(struct core *core, struct task *task);
/* The only writer of a task's state. Gives resources back, charges, queues again as the edge says.
 */
void core_task_move(struct core *core, time_ms now, struct task *task, task_event event);
/* Ends it: outcome and why are set once, with the state. The sweep or job is told. */
void core_task_end(struct core *core, time_ms now, struct task *task, task_event event,
                   task_outcome outcome);
void core_task_enqueue(struct core *core, time_ms now, struct task *task);
/* Before the `times`-th retry. An event that charges PREEMPTED finds the wait in r.not_before. */
int64_t core_task_backoff_ms(const struct task *task, uint32_t times);
void core_task_place(struct core *core, struct task *task, struct node *node,
                     const struct allocation *allocation);
void core_task_unplace(struct core *core, struct task *task);
bool core_task_is_on_node(const struct task *task);
/* Deep copies of a decoded record's pointers; recovery. */
error_code core_task_record_own(struct core *core, struct task *task,
                                const struct record_task *record);

/* ---- sweeps.c ---- */
void core_sweep_dirty(struct core *core, struct sweep *sweep);
void core_sweep_move(struct core *core, time_ms now, struct sweep *sweep, sweep_state to);
/* After any change of its tuner or trials: finishing, over, tickets. */
void core_sweep_advance(struct core *core, time_ms now, struct sweep *sweep);
void core_sweep_due(struct core *core, struct sweep *sweep);
void core_sweep_finish(struct core *core, time_ms now, struct sweep *sweep, order_why why,
                       int64_t grace_ms);
/* Appends to the sweep's log and applies to its tuner: the same entry. */
void core_sweep_log(struct core *core, time_ms now, struct sweep *sweep,
                    const struct tune_event *event, uint64_t order_n);
void core_sweep_trial_ended(struct core *core, time_ms now, struct task *task);
int64_t core_sweep_ran_ms(const struct sweep *sweep, time_ms now);
const char *core_sweep_metric_intern(struct core *core, struct sweep *sweep, const char *name);
order_why core_why_from_tune(tune_why why);
/* Parses r.file into spec and makes the tuner. */
error_code core_sweep_build(struct core *core, struct sweep *sweep, struct report *report);
void core_sweep_free(struct core *core, struct sweep *sweep);
void core_job_free(struct core *core, struct job *job);
/* submit.c, for recovery too: own copies, put under a number. On failure nothing stays. */
struct sweep *core_sweep_own(struct core *core,
                             const struct record_sweep *record); /* NULL: failed */
error_code core_sweep_install(struct core *core, struct sweep *sweep, uint32_t number,
                              struct report *report);
struct job *core_job_install(struct core *core, const struct record_job *record, uint32_t number,
                             struct report *report, error_code *ret_error);
void core_log_to_record(const struct tune_event *event, time_ms now, uint64_t order_n,
                        struct record_log *ret_record);
void core_log_from_record(const struct record_log *record, struct tune_event *ret_event);

/* ---- suggest.c ---- */
void core_suggest_ask(struct core *core, struct sweep *sweep);
void core_suggest_run(struct core *core, time_ms now);
void on_suggested(struct core *core, time_ms now, uint32_t sweep, uint32_t trial,
                  const struct value *params, uint32_t n_params);

/* ---- lease.c ---- */
void core_schedule(struct core *core, time_ms now);
void core_lease_send(struct core *core, const struct task *task);
/* ERR_LIMIT: its largest lease would be no frame. Asked before a work is taken: one that was would
 * end this head and each after it. */
error_code core_lease_check(const struct work *work, struct report *report);

/* ---- order.c ---- */
void core_order_next(struct core *core, time_ms now, struct task *task, order_act act,
                     order_why why, int64_t until, int64_t grace_ms);
void core_order_send(struct core *core, const struct task *task);
/* Tells an active task to leave, or ends it if it does not run. */
void core_task_tell(struct core *core, time_ms now, struct task *task, order_why why,
                    int64_t grace_ms);
int64_t core_task_grace_ms(const struct task *task);

/* ---- nodes.c ---- */
struct node *core_node_find(struct core *core, const char *name);
struct node *core_node_of_peer(struct core *core, uint64_t peer);
struct node *core_node_add(struct core *core, const char *name); /* NULL: failed */
void core_node_free(struct core *core, struct node *node);
void core_node_dirty(struct core *core, struct node *node);
void core_node_move(struct core *core, time_ms now, struct node *node, node_state to);
void core_node_peer_set(struct core *core, struct node *node, uint64_t peer);
/* Its attempts are over: requeued or ended, charged as lost if they ran. */
void core_node_tasks_lost(struct core *core, time_ms now, struct node *node, const char *reason);
error_code core_node_resources_set(struct core *core, struct node *node);
void core_node_refresh_open(struct core *core, struct node *node);
error_code core_node_record_own(struct core *core, struct node *node,
                                const struct record_node *record);

/* ---- events of an attempt: event_*.c ---- */
void on_event_started(struct core *core, time_ms now, struct task *task,
                      const struct node_event *event);
void on_event_rows(struct core *core, time_ms now, struct task *task,
                   const struct node_event *event);
void on_event_milestone(struct core *core, time_ms now, struct task *task,
                        const struct node_event *event);
void on_event_snapshot(struct core *core, time_ms now, struct task *task,
                       const struct node_event *event);
void on_event_bye(struct core *core, time_ms now, struct task *task,
                  const struct node_event *event);
void on_event_result(struct core *core, time_ms now, struct task *task,
                     const struct node_event *event);

/* result.c: `step` got `value`; if the last snapshot is of that step, it may be the best one. */
void core_snapshot_judge(struct core *core, struct task *task, int64_t step, double value);
/* It goes to another node than its last, whose snapshots stay behind. */
void core_snapshots_forget(struct core *core, struct task *task);

/* ---- notice.c ---- */
void core_notice_task(struct core *core, time_ms now, const struct task *task);
void core_notice_sweep(struct core *core, time_ms now, const struct sweep *sweep);
void core_notice_node(struct core *core, time_ms now, const struct node *node);
void core_notice_best(struct core *core, time_ms now, const struct sweep *sweep);

/* ---- core.c ---- */
/* Writes dirty records, acknowledges events, closes the group. */
void core_group_close(struct core *core);

/* status.c: as the core stands now, without the store's part. */
void core_status_fill(const struct core *core, struct api_status *ret);

/* ---- view_objects.c: API objects borrowed from the state (arena for lists) ---- */
void api_trial_fill(const struct core *core, const struct task *task, struct arena *arena,
                    struct api_trial *ret);
void api_task_fill(const struct core *core, const struct task *task, struct arena *arena,
                   struct api_task *ret);
void api_sweep_fill(const struct core *core, const struct sweep *sweep, time_ms now,
                    struct arena *arena, struct api_sweep *ret);
void api_node_fill(const struct core *core, const struct node *node, time_ms now,
                   struct arena *arena, struct api_node *ret);
void core_answer_error(struct core *core, uint64_t request, uint32_t status,
                       const struct report *report);
uint32_t http_status_of(error_code code);

#endif
