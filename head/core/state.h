/* head/core/state.h -- what the core remembers, and the few functions through which it changes.
 * Pure; inside head/core.
 *
 * Each thing in memory embeds its own store record: what is written is what is held. A change marks
 * the thing dirty; core_group_close() writes each dirty record once into the group of the turn. */
#ifndef MUSTER_HEAD_CORE_STATE_H
#define MUSTER_HEAD_CORE_STATE_H

#include "base/hash.h"
#include "head/core/outbox.h"
#include "head/core/snapshot_policy.h"
#include "head/core/task_edges.h"
#include "scheduler/scheduler.h"
#include "spec/sweep.h"
#include "tune/tune.h"

struct node;
struct node_run;
struct blob_ref;
struct node_fault;
struct sweep;
struct job;
struct task;
struct array;
struct gang;

enum {
    NODE_RUN_MS = 60000, /* a failure sooner after its start may be the node's */
    RUN_TRIALS_MAX = 32, /* as retries.node_failures */
    AVOID_MS = 3000,     /* how long a retry waits for another node */
    AVOID_LOOK_MS = 250,
    FAILURE_TEXT_MAX = 240,
    CORE_LOGS_REMOVED_MAX = 256, /* ranges of works, gathered until the next tick */
};
struct user;

/* What waits in the scheduler: a task, a sweep's open place, or an array's next lane. */
struct waiting {
    struct scheduler_item item;
    struct task *task; /* one of the three */
    struct sweep *sweep;
    struct array *array;
};

/* A number: a sweep or a job, with its trials or tasks by index. */
struct work {
    uint32_t number;
    struct sweep *sweep; /* one of the two */
    struct job *job;
    struct task **tasks; /* [index - 1]; of an array its exceptions, as they came */
    uint32_t n_tasks;
    uint32_t cap;
    uint32_t n_active;                      /* not ended */
    uint32_t states[TASK_ENDED + 1];        /* of `tasks` */
    uint32_t outcomes[OUTCOME_SKIPPED + 1]; /* of the ended ones */
    struct array *array;                    /* NULL: it is none */
    struct task *exceptions;                /* of an array: by index */
    struct scheduler_class *cls;            /* NULL: it has ended, nothing of it waits or runs */
    struct blob_ref *blob;                  /* its packed work folder; NULL: none */
    struct blob_ref *items;                 /* the packed lines of an array; NULL: none */
    struct list removing_link;
    uint32_t removing_attempt; /* of its last task: so many have evidence still; 0: not begun */
    UT_hash_handle hh;
};

/* An Idempotency-Key that was used, for as long as its sweep or job lives. */
struct used_key {
    const char *key; /* borrowed from the record */
    struct work *work;
    UT_hash_handle hh;
};

/* What a snapshot gets a place on another node for (keep_wants.c). */
typedef enum {
    KEEP_LAST,     /* its trial goes on from it, or ended with it as the best of its sweep */
    KEEP_BEST,     /* of a trial that has not ended, on a node that leaves */
    KEEP_BORROWED, /* another trial made it; on a node that leaves */
    KEEP_BESIDE,   /* the trial keeps it beside those; on a node that leaves */
} keep_kind;
enum { KEEP_WANTS_MAX = KEPT_MAX + 5 };

struct keep_want {
    keep_kind kind;
    struct snapshot_ref snapshot;
    const char *where; /* borrowed from the record */
};

struct task {
    struct record_task r;
    struct work *work;
    struct node *node;             /* while leased, running or stopping */
    struct allocation *allocation; /* the same while */
    struct gang *gang; /* its other nodes, the same while; NULL: it is on one (gang.h) */
    struct list node_link;
    struct list dirty_link;
    struct list backoff_link;
    struct waiting waiting;
    time_ms avoid_until;   /* it waits so long for another node than the one it failed on */
    time_ms hold_until;    /* the next look for one */
    UT_hash_handle hh;     /* by index; of an array */
    struct list lent;      /* tasks whose resume point is a snapshot of this one */
    struct list lent_link; /* of the one that r.snapshot is of, if that is another */
    struct list keep_link; /* of core.keeps_due or keeps_going */
    struct node *keeper;   /* where a second copy of `keeping` goes to; NULL: none is under way */
    struct node *keep_from;
    struct snapshot_ref restoring; /* of the lease that its node has not started yet; ordinal 0:
                                      nothing, or not known for sure */
    struct snapshot_ref keeping;   /* owner: 0: this task made it */
    keep_kind keep_kind;
    uint64_t keep_number; /* of the MSG_KEEP */
    time_ms keep_until;
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
    struct scheduler_group *group; /* NULL: none is needed */
    struct node_fault *faults;     /* node_faults.c */
    struct node_run *runs;         /* of failures, by node (bad_nodes.c) */
    time_ms stranded_since;        /* 0: it is not */
    uint32_t turns;                /* that were given up, in this life of the head */
    bool is_waking;
    struct task **best_ended; /* the best one first (sweep_best.c) */
    uint32_t n_best_ended, best_ended_cap;
};

struct job {
    struct record_job r;
    struct work *work;
    struct arena arena;
    struct request request;
    struct list dirty_link;
    struct used_key used_key;
    uint32_t n_faults;  /* of nodes, that kept it from starting */
    uint32_t nodes_cap; /* of r.nodes, which an array owns */
};

struct owed_figures {
    uint32_t n;     /* snapshots */
    char text[256]; /* of which trials */
};

/* What only a node that is being emptied has (owed.c, drain.c). */
struct node_owed {
    struct owed_figures figures; /* of the last walk */
    struct owed_figures counted; /* of the one that goes on */
    bool is_counted;             /* by that one: it was being emptied when it began */
    bool was_bare;               /* nothing ran there then */
    bool is_told; /* to its agent, on this connection: `told` of them are waited for */
    uint32_t told;
    bool is_late_told;  /* to people: its deadline has passed */
    bool is_empty_told; /* to people: it may go */
};

struct node {
    struct record_node r;
    uint64_t peer;               /* 0: not connected */
    uint32_t handle;             /* of the scheduler; 0: none */
    uint64_t incarnation_before; /* that the one of the record has replaced; 0: none */
    uint64_t enrolment;          /* of its agent, the last one that was answered; 0: none yet */
    time_ms heard;
    int64_t cpu_permille;
    uint64_t memory_used_bytes;
    uint64_t cache_bytes, cache_max_bytes;
    struct list ack_link;   /* of core.acks_due */
    bool is_agent_leaving;  /* its agent itself said that it drains */
    time_ms leaves_at;      /* the same agent does, whatever is left; 0: it did not say */
    bool is_drain_told;     /* this connection's agent was told to hand everything back */
    struct node_owed *owed; /* owned; while it is DRAINING, from the first look on */
    uint32_t n_keeps;       /* snapshots on their way to it as their second place */
    uint32_t n_keeps_from;  /* the same from it */
    const char *lender;     /* where other agents get snapshots from its own; NULL: not known */
    const char *lender_key;
    struct list tasks;
    uint32_t n_tasks;
    struct list parts; /* of attempts whose first node is another one */
    uint32_t n_parts;
    struct list holders; /* of arrays that have or had lanes here */
    uint32_t n_lanes;    /* open, of all arrays */
    uint32_t n_held;     /* their plain tasks that are leased to it */
    struct list dirty_link;
    struct list gone_link;    /* of core.gone_nodes, while it is GONE */
    UT_hash_handle hh;        /* by name */
    UT_hash_handle hh_peer;   /* by peer */
    UT_hash_handle hh_handle; /* by handle */
};

/* How far the walk over all that trials keep has come (owed.c). */
struct owed_walk {
    bool is_open;
    uint32_t work, task; /* the next one: a work's number, index of its tasks */
    uint32_t n_units;
};

struct core_status {
    uint32_t tasks[TASK_ENDED + 1];
    uint32_t nodes[NODE_GONE + 1];
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
    struct node *nodes_by_handle;
    struct list gone_nodes; /* in the order in which they left */
    struct list acks_due;   /* nodes whose events came, to be acknowledged with the group */
    struct user *users;
    struct blob_ref *blobs;
    struct list dirty_tasks, dirty_sweeps, dirty_jobs, dirty_nodes, dirty_chunks;
    struct list keeps_due;   /* tasks whose snapshot has no second place yet */
    struct list keeps_going; /* those for which a copy is under way */
    struct owed_walk walk;
    time_ms owed_at;             /* the next one, while nodes are emptied */
    uint64_t place_words;        /* MSG_DROP and MSG_KEEP so far */
    bool is_place_lost;          /* a node is gone since the last one began */
    struct list due_arrays;      /* may want a lane, or none any more */
    struct list held_arrays;     /* get no lane for a while */
    struct list touched_holders; /* to be looked at before the turn ends */
    size_t array_rows_bytes;     /* result rows of the open group */
    uint32_t array_running;      /* tasks in lanes */
    double batch_ms;             /* from a batch's making until it is on disk, lately */
    struct list removing;        /* works that are in no table any more */
    struct array_range logs_removed[CORE_LOGS_REMOVED_MAX]; /* of works; nodes were not told */
    uint32_t n_logs_removed;
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
    time_ms status_at; /* when status_durable is filled in again, without a batch */
    char store_kind[16], store_policy[96], store_loss[96];
    uint64_t store_memory_bytes, store_memory_max_bytes;
    uint64_t depot_bytes, depot_max_bytes;
    const char *http_url;
    bool is_http_insecure;
    time_ms store_state_since;
    uint64_t reports_total, decisions_total, batches_total, events_total, refused_total;
    uint64_t array_rows_total, array_rows_dropped_total;
    uint32_t task_total;
};

/* ---- strings of records: owned copies ---- */
/* Replaces *field by a copy; NULL text: NULL. Out of memory: core's failure, *field NULL. */
void core_str_set(struct core *core, const char **field, const char *text);
bool core_text_equal(const char *a, const char *b); /* NULL is "" */
void core_str_clear(const char **field);
/* Owned copies of lists of texts; an old list is freed. */
void core_strs_set(struct core *core, const char *const **field, uint32_t *n,
                   const char *const *texts, uint32_t n_texts);
void core_strs_clear(const char *const **field, uint32_t *n);
void core_reason(struct core *core, struct task *task, const char *format, ...) PRINTF_LIKE(3, 4);
void core_fail(struct core *core, error_code error);

/* ---- works.c ---- */
struct work *core_work_find(struct core *core, uint32_t number);
/* Of a record under the name `field`: ERR_FORMAT, it is another one's, or number is taken. */
MUST_CHECK error_code core_work_number_check(struct core *core, uint32_t number, const char *field,
                                             struct report *report);
struct work *core_work_add(struct core *core, uint32_t number); /* NULL: failed */
void core_work_free(struct core *core, struct work *work);
struct used_key *core_key_find(struct core *core, const char *key);
void core_key_add(struct core *core, struct used_key *used, const char *key, struct work *work);
uint32_t core_number_next(struct core *core);
/* Its class in the scheduler, held while anything of it may wait or run. */
error_code core_work_class_hold(struct core *core, struct work *work);
void core_work_class_release(struct core *core, struct work *work);

/* ---- blobs.c: a work's packed work folder is named while the work is there ---- */
/* `ref`: one of the work's. */
void core_blob_ref(struct core *core, struct blob_ref **ref, const char *hash);
void core_blob_unref(struct core *core, struct blob_ref **ref);

/* ---- tasks.c ---- */
struct task *core_task_find(struct core *core, task_id id);
/* A new one in state QUEUED, not yet waiting in the scheduler; NULL: failed. */
struct task *core_task_add(struct core *core, struct work *work, uint32_t index);
void core_task_free(struct core *core, struct task *task);
void core_task_dirty(struct core *core, struct task *task);
/* The only writer of a task's state. Gives resources back, charges, queues again as the edge says.
 */
void core_task_move(struct core *core, time_ms now, struct task *task, task_event event);
/* A new task of an array that had no record until now takes the state that it is in. */
void core_task_adopt(struct core *core, struct task *task, task_state state);
/* Ends it: outcome and why are set once, with the state. The sweep or job is told. */
void core_task_end(struct core *core, time_ms now, struct task *task, task_event event,
                   task_outcome outcome);
/* Not while its sweep is paused, nor before its time has come. */
void core_task_enqueue(struct core *core, time_ms now, struct task *task);
time_ms core_task_ready_at(const struct task *task);
/* Before the `times`-th retry. An event that charges PREEMPTED finds the wait in r.not_before. */
int64_t core_task_backoff_ms(const struct task *task, uint32_t times);
void core_task_place(struct core *core, struct task *task, struct node *node,
                     const struct allocation *allocation);
void core_task_unplace(struct core *core, struct task *task);
bool core_task_is_on_node(const struct task *task);
/* Of an array, with its first attempt still in a lane: the lane has the resources, not the task. */
bool core_task_is_in_lane(const struct task *task);
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
/* The same for a SET, with what people wrote. */
void core_sweep_log_set(struct core *core, time_ms now, struct sweep *sweep,
                        const struct tune_event *event, const char *const *settings, uint32_t n);
void core_sweep_trial_ended(struct core *core, time_ms now, struct task *task);
int64_t core_sweep_ran_ms(const struct sweep *sweep, time_ms now);
const char *core_sweep_metric_intern(struct core *core, struct sweep *sweep, const char *name);
order_why core_why_from_tune(tune_why why);
/* Parses r.file into spec and makes the tuner. */
error_code core_sweep_build(struct core *core, struct sweep *sweep, struct report *report);
/* What its submission said beside the file; borrowed. */
struct spec_set core_sweep_set(const struct record_sweep *record);
void core_sweep_free(struct core *core, struct sweep *sweep);
void core_job_free(struct core *core, struct job *job);
/* submit.c, for recovery too: own copies, put under a number. On failure nothing stays. */
struct sweep *core_sweep_own(struct core *core,
                             const struct record_sweep *record); /* NULL: failed */
error_code core_sweep_install(struct core *core, struct sweep *sweep, uint32_t number,
                              struct report *report);
/* jobs.c, for recovery: its record as the store gives it. On failure nothing stays. */
error_code core_job_load(struct core *core, const char *field, struct bytes value,
                         struct report *report);
void core_log_to_record(const struct tune_event *event, time_ms now, uint64_t order_n,
                        struct record_log *ret_record);
void core_log_from_record(const struct record_log *record, struct tune_event *ret_event);

/* ---- sweep_group.c ---- */
error_code core_sweep_class_make(struct core *core, struct sweep *sweep);
/* Makes the group if there is none yet; false: no memory. */
bool core_sweep_group_need(struct core *core, struct sweep *sweep);
const struct request *core_work_request(const struct work *work);
const struct scheduler_group *core_work_group(const struct work *work); /* NULL: none */
/* ---- pause.c ---- */
/* By muster itself: `reason` becomes the sweep's error, its why is failures. */
void core_sweep_pause(struct core *core, time_ms now, struct sweep *sweep, const char *reason);
/* core_sweep_move() calls both. It was paused or is no longer: its queued trials wait or stand in
 * line again. It runs again: what paused it and the nodes set aside are forgotten. */
void core_sweep_held(struct core *core, time_ms now, struct sweep *sweep);
void core_sweep_resumed(struct core *core, struct sweep *sweep);

/* ---- jobs.c ---- */
void core_job_dirty(struct core *core, struct job *job);
void core_job_dry(struct core *core, struct job *job); /* a result of it is of a dry worker */
/* All of it has ended. */
void core_job_end(struct core *core, time_ms now, struct job *job);

/* ---- node_faults.c ---- */
/* It did not start, and is not charged: refused, or for a fault of its node's. */
void core_end_refused(struct core *core, time_ms now, struct task *task,
                      const struct attempt_result *result);
void core_faults_free(struct sweep *sweep);

/* ---- bad_nodes.c; `task` is still on its node ---- */
void core_node_worked(struct core *core, time_ms now, const struct task *task);
void core_node_failed(struct core *core, time_ms now, const struct task *task,
                      const struct attempt_result *result);
/* Sets the node aside for the sweep. False: there is no other one that could run it. */
bool core_node_leave_out(struct core *core, time_ms now, struct sweep *sweep, struct node *node,
                         const char *reason);
/* No node is set aside for it any more, and a run of failures pauses it no more. */
void core_sweep_forgive(struct core *core, struct sweep *sweep);
/* Somebody says that the node is good again: no active sweep sets it aside, and what was before
 * does not count against it. Cordoned it stays until its flag is cleared. */
void core_node_forgive(struct core *core, time_ms now, struct node *node);
/* Are there other nodes than this one (NULL: any) that take new work and could run this one's? */
bool core_work_has_other_node(const struct core *core, const struct work *work,
                              const struct node *but);
/* Pauses sweeps for which, for a minute, no node has been there but those set aside. */
void core_stranded_judge(struct core *core, time_ms now);
void core_runs_free(struct sweep *sweep);

/* ---- set_aside.c ---- */
struct set_aside *core_aside_find(const struct sweep *sweep, const char *node); /* or NULL */
bool core_aside_is(const struct sweep *sweep, const char *node);
/* Puts a copy on the list, and its node out of the sweep's reach; false: no memory. */
bool core_aside_add(struct core *core, struct sweep *sweep, const struct set_aside *from);
/* Takes it off the list; its node may be used again. */
void core_aside_end(struct core *core, struct sweep *sweep, struct set_aside *aside);
/* It was leased before its node was set aside, if that is so; for core_check(). */
bool core_aside_is_kept(const struct task *task);
/* The node has a new handle in the scheduler. */
void core_asides_apply(struct core *core, const struct node *node);
void core_asides_own(struct core *core, struct sweep *sweep, const struct record_sweep *record);
void core_asides_free(struct sweep *sweep);

/* ---- failures.c ---- */
void core_failure_note(struct core *core, struct task *task, const struct attempt_result *result);
/* Without numbers, addresses and folders, so that equal failures are equal texts. */
void core_failure_normalise(const char *text, char *ret_text, size_t size_bytes);
/* A trial has ended: pauses a sweep whose first ones have all failed. */
void core_first_trials_judge(struct core *core, time_ms now, struct sweep *sweep);

/* ---- suggest.c ---- */
void core_suggest_ask(struct core *core, struct sweep *sweep);
void core_suggest_run(struct core *core, time_ms now);
void on_suggested(struct core *core, time_ms now, uint32_t sweep, uint32_t trial,
                  const struct value *params, uint32_t n_params);

/* ---- lease.c ---- */
/* Its values under their names; those that are not active are left out. How many there are. */
uint32_t core_task_params(const struct task *task, struct named_value *ret_params);
void lease_from_job(const struct work *work, struct msg_lease *lease);
void core_schedule(struct core *core, time_ms now);
void core_lease_send(struct core *core, const struct task *task);
/* Of a gang: to the node of this part, above the first. */
void core_lease_send_part(struct core *core, const struct task *task, uint32_t part);
/* ERR_LIMIT: its largest lease would be no frame. Asked before a work is taken: one that was would
 * end this head and each after it. */
error_code core_lease_check(const struct work *work, struct report *report);

/* ---- order.c ---- */
void core_order_next(struct core *core, time_ms now, struct task *task, order_act act,
                     order_why why, int64_t until, int64_t grace_ms);
void core_order_send(struct core *core, const struct task *task);
bool core_order_is_leave(const struct order *order);
bool core_order_is_to_wait(const struct order *order); /* to leave, and to be held then */
/* Tells an active task to leave, or ends it if it does not run. */
void core_task_tell(struct core *core, time_ms now, struct task *task, order_why why,
                    int64_t grace_ms);
int64_t core_work_grace_ms(const struct work *work);

/* ---- decide.c ---- */
/* `step`, a milestone, got `value`. */
void core_decide(struct core *core, time_ms now, struct task *task, int64_t step, double value);

/* ---- hold.c ---- */
/* A trial that has left as told waits, without a place. */
void core_task_hold(struct core *core, time_ms now, struct task *task);
/* Held trials that may go on do, and those that never will end. */
void core_sweep_wake(struct core *core, time_ms now, struct sweep *sweep);
/* People paused the sweep: what can saves and leaves. Or they let it go on. */
void core_sweep_save(struct core *core, time_ms now, struct sweep *sweep);
void core_sweep_wake_paused(struct core *core, time_ms now, struct sweep *sweep);

/* Before its lease: a trial on a recorded schedule that has nothing to go on from begins with the
 * schedule's first parameters again, not with those that it had come to. */
void core_replay_anew(struct core *core, time_ms now, struct task *task);
/* Can it save and leave, to go on later? It said so; or what it writes is adopted, and its command
 * takes it up again: such a one is stopped, and started again from there. */
bool core_task_can_save(const struct task *task);
/* ---- metric.c ---- */
/* A trial reported a value of the sweep's metric. */
void core_task_metric_take(struct task *task, int64_t step, double value);
/* Did it ever report one that counts? */
bool core_task_metric_has(const struct task *task);
double core_task_metric_last(const struct task *task); /* NaN: none, or that is what it was */
/* What it is ranked by now, into an entry of the log. */
void core_task_metric_result(const struct task *task, struct tune_event *event);
/* ---- change.c ---- */
/* What was set since the submission, from the record into the spec. */
MUST_CHECK error_code core_sweep_changed_take(struct core *core, struct sweep *sweep,
                                              struct report *report);

/* ---- resume.c ---- */
/* One more attempt of an ended task. */
void core_task_retry(struct core *core, time_ms now, struct task *task);
/* ERR_BUSY while the cluster is shut down. */
error_code core_leaving_check(const struct core *core, struct report *report);

/* ---- verbs.c ---- */
void core_answer_ok(struct core *core, uint64_t request);
void core_answer_no_sweep(struct core *core, uint64_t request, uint32_t number); /* 404 */
void core_answer_no_job(struct core *core, uint64_t request, uint32_t number);
void core_answer_no_task(struct core *core, uint64_t request, task_id id);

/* ---- remove.c ---- */
/* The work leaves the tables; what is kept of it goes in the turns that follow. */
void core_remove_begin(struct core *core, struct work *work);
/* One bounded group of deletions, if the store is free for it. */
void core_remove_step(struct core *core);

/* ---- removed_logs.c ---- */
/* Nothing is left of the work but what its attempts wrote, on their nodes. */
void core_logs_removed(struct core *core, uint32_t number);
void core_logs_removed_tell(struct core *core);

/* ---- node_verbs.c ---- */
enum { CORE_LABELS_MAX = NODE_LABELS_MAX };
/* What holds: the agent's labels and what people made of them. Borrowed from the node. */
uint32_t core_node_labels(const struct node *node, struct label_pair ret_labels[CORE_LABELS_MAX]);
/* Deep copies of what people set; recovery. */
void core_node_people_own(struct core *core, struct node *node, const struct record_node *record);
void core_node_people_free(struct node *node);
/* Deadlines of drains that have passed. */
void core_drains_check(struct core *core, time_ms now);

/* ---- forget.c ---- */
/* Those that are gone for long, or among too many. */
void core_nodes_forget(struct core *core, time_ms now);

/* ---- nodes.c ---- */
struct node *core_node_find(struct core *core, const char *name);
struct node *core_node_of_peer(struct core *core, uint64_t peer);
struct node *core_node_of_handle(struct core *core, uint32_t handle);
struct node *core_node_add(struct core *core, const char *name); /* NULL: failed */
void core_node_free(struct core *core, struct node *node);
uint32_t core_nodes_there(const struct core *core); /* that are not gone */
void core_node_dirty(struct core *core, struct node *node);
void core_node_move(struct core *core, time_ms now, struct node *node, node_state to);
void core_node_peer_set(struct core *core, struct node *node, uint64_t peer);
/* An attempt is over with its node: evidence, then requeued or ended, charged as lost if it ran. */
void core_task_lost(struct core *core, time_ms now, struct task *task, const char *reason,
                    time_ms ended);
/* The same of all that it has. */
void core_node_tasks_lost(struct core *core, time_ms now, struct node *node, const char *reason);
/* And it is gone itself. */
void core_node_lost(struct core *core, time_ms now, struct node *node, const char *reason);
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
/* Its attempt is over, on all its nodes: what becomes of it. */
void core_attempt_ended(struct core *core, time_ms now, struct task *task,
                        const struct attempt_result *result);
/* Of the node that its attempt is on, or was. */
const struct record_node *core_task_host(struct core *core, const struct task *task);

/* Its resume point is the donor's last snapshot from now on, which stays for as long. */
void core_snapshot_borrow(struct core *core, struct task *task, struct task *donor);
/* Where another trial gets its last snapshot: not from a node that may go at any moment. NULL:
 * nowhere. */
const char *core_snapshot_lender(struct core *core, const struct task *donor);
/* After recovery: who goes on from whose. */
void core_snapshots_relink(struct core *core, struct work *work);
/* The task is freed: it lends and borrows nothing. */
void core_snapshots_unlink(struct task *task);
/* True if a record names it there. */
bool core_snapshot_is_wanted(struct core *core, const struct node *node, struct snapshot_name name);
/* The node has one that its event, or the node's copy of it, does not make anybody's: dropped,
 * unless a record names it there. */
void core_snapshot_refuse(struct core *core, const struct node *node, struct snapshot_name name);
/* The task is on this node no more: what it goes on from is not needed there for its sake. */
void core_snapshot_left(struct core *core, struct task *task, const struct node *node);
/* Its attempt is lost. What that has committed may come to light later, or never: the next one
 * numbers its own snapshots past it, so that no name means two of them, on whichever nodes. */
enum { SNAPSHOTS_UNTOLD_MAX = 1000 }; /* by one attempt: of one that is cut off, an hour at 4 s */
void core_snapshot_numbers_skip(struct core *core, struct task *task);
/* Before a lease: what lies on a node that is gone is given up for what can be had. */
void core_snapshots_move(struct core *core, time_ms now, struct task *task);
/* What lies on this node can be had: the node is not gone. */
bool core_snapshot_is_reached(struct core *core, const char *where);
/* The one to start from where it is placed; ordinal 0: from nothing. */
struct snapshot_ref core_snapshot_to_restore(struct core *core, const struct task *task);
/* What it goes on from lies on its node now, too: the other place is not needed for it any more.
 * owner: 0: it made it. */
void core_snapshot_arrived(struct core *core, struct task *task, uint32_t ordinal, uint32_t owner,
                           const struct node *node);
/* One of the task's refs becomes `to`, at `where`; what it was is dropped. */
void core_snapshot_set(struct core *core, struct task *task, struct snapshot_ref *ref,
                       const char **ref_node, struct snapshot_ref to, const char *where);
/* The task that made one of this task's. NULL: its work is being removed. */
struct task *core_snapshot_maker(struct core *core, const struct task *task,
                                 const struct snapshot_ref *snapshot);
/* From this node, unless a record names it there still. maker: NULL: it is gone, and it with it. */
void core_snapshot_drop(struct core *core, const struct task *maker, uint32_t ordinal,
                        const char *where);

void core_snapshot_drop_tell(struct core *core, const struct node *node, struct snapshot_name name);
/* The trial keeps none: all are dropped but those that another one needs. */
void core_snapshots_forget(struct core *core, struct task *task);

/* ---- kept.c: what is kept beside the last and the best ---- */
enum { SNAPSHOT_ROWS_MAX = KEPT_MAX + 2 };
/* A trial's table for snapshot_policy_apply(), already judged; how many rows. ret_best: the best
 * one's ordinal, or 0. */
uint32_t core_snapshot_rows(const struct task *task,
                            struct snapshot_row ret_rows[SNAPSHOT_ROWS_MAX], uint32_t *ret_best);
/* `step` got `value`: a snapshot of that step has its value now, and may be the best one. */
void core_snapshot_judge(struct core *core, struct task *task, int64_t step, double value);
/* The one that the trial goes on from is about to be another: it stays beside it, until settled. */
void core_kept_retire(struct core *core, struct task *task);
/* Does what the policy says: which one is the best, and what goes. */
void core_kept_settle(struct core *core, struct task *task);
/* The newest one that it made with this lineage, and that can be had; ordinal 0: none. ret_where is
 * borrowed from the record. What it goes on from is not looked at. */
struct snapshot_ref core_kept_newest(struct core *core, const struct task *task, uint64_t lineage,
                                     const char **ret_where);
/* The trial goes on from the newest one of its lineage that can be had. False: there is none, and
 * nothing is changed. */
bool core_kept_fallback(struct core *core, struct task *task);
/* It goes on from this one, which it made, and which may be one of those. */
void core_kept_resume(struct core *core, struct task *task, struct snapshot_ref to,
                      const char *where);
const struct kept_snapshot *core_kept_find(const struct task *task, uint32_t ordinal); /* or NULL */
bool core_kept_names(const struct task *task, uint32_t ordinal, const char *node);
/* Dropped, unless a record names it otherwise. */
void core_kept_remove(struct core *core, struct task *task, uint32_t ordinal);
/* It lies there from now on. */
void core_kept_move(struct core *core, struct task *task, uint32_t ordinal, const char *to);
/* Deep copies of a decoded record's; recovery. */
void core_kept_own(struct core *core, struct task *task, const struct record_task *record);
void core_kept_free(struct task *task);
void core_kept_check(const struct task *task); /* asserts */

/* ---- sweep_best.c: which of the ended trials keep their snapshots ---- */
/* It has ended: another one, or itself, may be among the best no more. */
void core_sweep_best_ended(struct core *core, struct task *task);
/* It is about to be tried again, and is none that has ended. */
void core_sweep_best_reopened(struct core *core, struct task *task);
/* After recovery. */
void core_sweep_best_load(struct core *core, struct sweep *sweep);
/* With `sweep_best`: it has ended as one of the best. */
bool core_sweep_best_has(const struct task *task);
/* With `sweep_best`: it has ended, done or stopped, and is none of the best. */
bool core_sweep_best_lacks(const struct task *task);
void core_sweep_best_check(const struct sweep *sweep); /* asserts */

/* ---- exploit.c: what a trial keeps while all that it has is another one's ---- */
/* Before the donor's snapshot becomes its own: what it goes back to if that is lost. */
void core_exploit_begin(struct core *core, struct task *task);
/* It has saved its own, or has ended, or there is nothing to go back to. */
void core_exploit_end(struct core *core, struct task *task);
bool core_exploit_is_open(const struct task *task);
/* The donor's snapshot is lost at its place: another one, or its own again. False: there is none.
 */
bool core_exploit_lost(struct core *core, time_ms now, struct task *task);

/* ---- keep_wants.c: which snapshots want another place ---- */
/* What needs another place now, the most important first. */
uint32_t core_keep_wants(struct core *core, const struct task *task,
                         struct keep_want ret_wants[KEEP_WANTS_MAX]);
/* What a record says to lie on a node that leaves, and another record on one that stays, is looked
 * for there from now on. */
void core_keep_move_off(struct core *core, struct task *task);
/* What of this number lies on nodes that leave is here now. */
void core_keep_places_move(struct core *core, struct task *task, uint32_t ordinal, const char *to);
/* Its node is there, and not being emptied. */
bool core_place_stays(struct core *core, const char *where);
/* Its node is there, and being emptied. */
bool core_place_leaves(struct core *core, const char *where);

/* ---- keep.c: second places ---- */
/* Its last snapshot, or what it ended with, may want one; costs nothing if not. */
void core_keep_due(struct core *core, struct task *task);
/* It wants one; from a node that leaves: before all others. */
void core_keep_put(struct core *core, struct task *task, bool is_leaving);
/* The task is freed. */
void core_keep_forget(struct task *task);
/* It is on its way to this node, or from it. owner: as of a snapshot_ref of the task. */
bool core_keep_names(const struct task *task, uint32_t owner, uint32_t ordinal, const char *node);
/* keep: of the event; an earlier one's copy may have been dropped since. */
void core_keep_arrived(struct core *core, time_ms now, struct task *task, uint32_t ordinal,
                       uint64_t keep, const struct node *node);
void core_keeps_go(struct core *core, time_ms now);
/* Another node than this one could take a copy, now or when it is back. */
bool core_keeper_exists(const struct core *core, const struct node *but);

/* ---- owed.c: what nodes that leave are still needed for ---- */
/* Begins a walk over all that trials keep, if one is due. */
void core_owed_look(struct core *core, time_ms now);
/* Some of it in each turn. */
void core_owed_go_on(struct core *core, time_ms now);

/* ---- drain.c: their agents and people are told ---- */
/* After a walk. */
void core_drain_tell(struct core *core, time_ms now, struct node *node);
/* Nothing runs there. */
bool core_node_is_bare(const struct node *node);
/* Its agent was told that it may go: nothing new may come to rest on what lies there. */
bool core_node_is_released(const struct node *node);
/* It is not DRAINING any more. */
void core_drain_left(struct core *core, time_ms now, struct node *node, node_state to);

/* ---- copies.c ---- */
void on_event_copied(struct core *core, time_ms now, struct node *node,
                     const struct node_event *event);
/* The one that its last lease named cannot be used: no record names it any more. */
void core_snapshot_lost(struct core *core, time_ms now, struct task *task);
/* Its work is removed: told to the nodes that have them. */
void core_snapshots_drop(struct core *core, const struct task *task);

/* ---- users.c ---- */
error_code core_user_load(struct core *core, struct bytes value, struct arena *arena,
                          struct report *report);
void core_users_free(struct core *core);

/* ---- notice.c ---- */
void core_notice_task(struct core *core, time_ms now, const struct task *task);
/* Nothing for a command: its task tells its changes. */
void core_notice_array(struct core *core, time_ms now, const struct work *work);
void core_notice_sweep(struct core *core, time_ms now, const struct sweep *sweep);
void core_notice_node(struct core *core, time_ms now, const struct node *node);
void core_notice_task_text(struct core *core, time_ms now, const struct task *task,
                           const char *text);
void core_notice_node_text(struct core *core, time_ms now, const struct node *node,
                           const char *text);
void core_notice_best(struct core *core, time_ms now, const struct sweep *sweep);
void core_notice_aside(struct core *core, time_ms now, const struct sweep *sweep,
                       const struct node *node, const char *reason);

/* ---- core.c ---- */
void core_record_write(struct core *core, const char *key, const char *field,
                       const struct schema *schema, const void *record);
/* Writes dirty records, acknowledges events, closes the group. */
void core_group_close(struct core *core);

/* status.c: as the core stands now, without the store's part. */
void core_status_fill(const struct core *core, struct api_status *ret);

/* ---- view_objects.c: API objects borrowed from the state (arena for lists) ---- */
void api_trial_fill(const struct core *core, const struct task *task, struct arena *arena,
                    struct api_trial *ret);
/* Its folder on that node; "" for ordinal 0. */
const char *api_snapshot_dir(const struct core *core, task_id maker, uint32_t ordinal,
                             const char *node, struct arena *arena);
/* view_checkpoints.c: what is kept for the trial, into ret->checkpoints. */
void api_checkpoints_fill(const struct core *core, const struct task *task, struct arena *arena,
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
