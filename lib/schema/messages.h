/* schema/messages.h -- what agents and head say to each other, as plain structs; their tables are
 * in messages.c. A frame is 4 bytes ('m', 'u', protocol version, message type) and one encoded
 * struct. Pure. */
#ifndef MUSTER_SCHEMA_MESSAGES_H
#define MUSTER_SCHEMA_MESSAGES_H

#include "base/array_ids.h"
#include "schema/result_rows.h"
#include "schema/schema.h"

enum {
    PROTOCOL_VERSION =
        1, /* of the frame and of what the messages mean; SCHEMA_VERSION is of their fields */
    MSG_MAX_BYTES = 1 << 20,       /* one frame */
    MSG_ARENA_MAX_BYTES = 8 << 20, /* one decoded frame */
    MSG_EVENTS_BYTES =
        256 << 10, /* an agent packs events up to here into one frame (one event may be larger) */
    ARRAY_ROWS_MS = 20, /* an agent with enough to do tells of an array's ends so often at most */
    EVENTS_IN_FLIGHT_BYTES = 1 << 20, /* unacknowledged, per agent */
    EVENTS_KEPT_BYTES = 64 << 20,     /* unacknowledged and unsent, per agent */
    METRICS_MAX = 64,                 /* of one report */
    METRIC_NAME_MAX = 127,
    ROWS_BLOCK_MAX = 2048,
    ROWS_BLOCK_BYTES = 32 << 10,
    ROWS_BLOCK_MS = 50,
    TAIL_MAX_BYTES = 64 << 10, /* of one stream of an attempt */
    NOTE_MAX_BYTES = 1024,
    BLOB_PIECE_MAX_BYTES = 512 << 10, /* of a packed work folder in one answer */
    LOG_PIECE_MAX_BYTES = 64 << 10,   /* of an attempt's log in one answer */
    LOGS_RANGES_MAX = 4096,           /* of jobs, in one message about their logs */
    LOGS_JOBS_MAX = 1 << 16,          /* in these ranges, of what an agent asks for */
    PASS_BYTES = 16,
    FILE_PIECE_MAX_BYTES = 512 << 10, /* of a snapshot's file in one answer */
    GANG_NODES_MAX = 64,              /* of one attempt */
    PEERS_NODE_BYTES = 64 << 10,      /* addresses of the ranks on one node */
    PEERS_MAX_BYTES = 512 << 10,      /* and on all nodes */
    VERDICT_MAX_BYTES = 512 << 10,    /* an attempt's end in its task's record */
};

#define MESSAGE_TYPES(X)                                                                           \
    /* agent -> head */                                                                            \
    X(MSG_ENROL, 1, msg_enrol) /* first on every connection; all that an unknown key may send */   \
    X(MSG_EVENTS, 2, msg_events)                                                                   \
    X(MSG_HEARTBEAT, 3, msg_heartbeat)                                                             \
    X(MSG_BLOB_GET, 4, msg_blob_get)                                                               \
    X(MSG_LOG_DATA, 5, msg_log_data)                                                               \
    X(MSG_LOGS_HELD, 6, msg_logs_held) /* whose logs lie here; those that are no more are told */  \
    X(MSG_SNAPSHOT_GET, 7, msg_snapshot_get) /* one that lies on another node is needed here */    \
    /* head -> agent */                                                                            \
    X(MSG_WELCOME, 16, msg_welcome)                                                                \
    X(MSG_REFUSED, 17, msg_refused)                                                                \
    X(MSG_LEASE, 18, msg_lease)                                                                    \
    X(MSG_ORDER, 19, msg_order)                                                                    \
    X(MSG_ACK, 20, msg_ack)                                                                        \
    X(MSG_GONE, 21, msg_gone)   /* this attempt is not yours (any more): end it, tell nothing */   \
    X(MSG_WHO, 22, msg_who)     /* your key is not enrolled here (the head restarted): enrol */    \
    X(MSG_LEAVE, 23, msg_leave) /* the cluster is shut down: end everything and exit 0 */          \
    X(MSG_BLOB, 25, msg_blob)   /* a piece of a packed work folder */                              \
    X(MSG_LOG_GET, 26, msg_log_get) /* a piece of what an attempt wrote */                         \
    X(MSG_DROP, 24, msg_drop)       /* no record names these snapshots any more: delete them */    \
    X(MSG_DRAIN, 27, msg_drain)     /* hand back what runs here now; the agent itself stays */     \
    X(MSG_ARRAY, 28, msg_array)     /* what the tasks of an array are; before the first of its */  \
    X(MSG_RANGES, 29, msg_ranges)   /* lanes, and tasks of an array for them */                    \
    X(MSG_TAKE_BACK, 30, msg_take_back) /* tasks of an array that are not wanted there */          \
    X(MSG_LOGS_DROP, 31, msg_logs_drop) /* these jobs were removed: so may be their logs */        \
    X(MSG_LEND, 32, msg_lend)           /* whoever has this pass may copy this snapshot */         \
    X(MSG_SOURCE, 33, msg_source)       /* where the snapshot that was asked for is had */         \
    X(MSG_KEEP, 34, msg_keep)           /* fetch these snapshots: a second place for them */       \
    X(MSG_GANG, 40, msg_gang)           /* to one node of an attempt that is on several */         \
    X(MSG_OWED, 41, msg_owed)           /* what an agent that leaves is still needed for */        \
    /* agent -> agent, and back */                                                                 \
    X(MSG_FILE_GET, 48, msg_file_get)                                                              \
    X(MSG_FILE, 49, msg_file)

typedef enum {
#define X(name, value, type) name = (value),
    MESSAGE_TYPES(X)
#undef X
} message_type;

#define X(name, value, type) extern const struct schema type##_schema;
MESSAGE_TYPES(X)
#undef X

/* The table of a type; NULL for an unknown one. */
const struct schema *message_schema(message_type type);
const char *message_name(message_type type); /* "MSG_ENROL"; "?" */
/* Appends header and body. */
MUST_CHECK error_code message_encode(message_type type, const void *message, struct buf *buf);
/* Decodes one frame; the struct lives in `arena`. ERR_PROTOCOL: another protocol version or no
 * frame of ours. */
MUST_CHECK error_code message_decode(struct bytes frame, struct arena *arena,
                                     message_type *ret_type, void **ret_message,
                                     struct report *report);

/* The same, but fields of bytes point into the frame, which stays as long as the message: for who
 * reads it at once, or keeps both. */
MUST_CHECK error_code message_decode_borrowing(struct bytes frame, struct arena *arena,
                                               message_type *ret_type, void **ret_message,
                                               struct report *report);
/* The type of what looks like a frame; 0: it is none. */
message_type message_type_of(struct bytes frame);

/* ---- parts ---- */

/* What a trainer says of itself in its hello. */
enum { CAN_CHECKPOINT = 1, CAN_PAUSE = 2, CAN_EXPLOIT = 4 };

/* A durable decision for a trial or task. n grows; the highest n holds until the trainer has acted
 * on it. */
typedef enum { ACT_GO, ACT_STOP, ACT_PAUSE, ACT_EXPLOIT } order_act;
typedef enum {
    WHY_NONE,
    WHY_RUNG,     /* early stopping */
    WHY_MAX,      /* the top rung: outcome done */
    WHY_TARGET,   /* the sweep reached its target */
    WHY_FAILURES, /* the sweep has too many failures */
    WHY_WALL,     /* the sweep's time is up */
    WHY_CANCEL,   /* the user cancelled: outcome cancelled */
    WHY_STOP,     /* the user stopped it */
    WHY_PAUSE,    /* the user paused it */
    WHY_MEDIAN,   /* worse than the median */
    WHY_EXPLOIT,  /* to start again from another trial's snapshot, or its own with new parameters */
    WHY_SNAPSHOT, /* a recorded schedule changes its parameters, and it has not saved */
    WHY_NAN,      /* its metric is not a number (metric.on_nan: fail): outcome failed */
} order_why;
extern const char *const order_act_names[4];
extern const char *const order_why_names[13];

struct order {
    uint64_t n; /* >= 1 */
    int64_t
        until; /* the next milestone: the first report with step >= until is one; INT64_MAX: none */
    order_act act;
    order_why why;
    int64_t grace_ms; /* act != GO: to SIGTERM, and again to SIGKILL */
};

struct label_pair {
    const char *name;
    const char *value;
};

struct custom_pair {
    const char *name;
    int64_t amount; /* 1/10,000 */
};

/* Metric rows of one attempt with the same metric names: one block of the store. */
struct metric_row {
    uint64_t seq; /* counts the attempt's reports from 1, over all connections; never goes back */
    int64_t step; /* follows the weights; may go back at a restore */
    time_ms time;
    const double *values; /* n_names of the block; NaN and infinities are legal */
    uint32_t n_values;
};

struct metric_rows {
    const char *const *names;
    uint32_t n_names;
    const struct metric_row *rows;
    uint32_t n_rows;
};

struct snapshot_ref {
    uint32_t ordinal; /* counts the trial's commits from 1; 0: none */
    int64_t step;     /* steps done by its weights */
    uint32_t attempt; /* that committed it */
    uint64_t bytes;
    const char *dir; /* absolute, on the node that committed it */
    uint32_t owner;  /* the trial of the same sweep that made it; 0: the one whose ref it is */
    uint64_t
        lineage; /* with which parameters: n of the trial's last order to exploit; 0: its own */
};

static inline task_id snapshot_maker(task_id task, const struct snapshot_ref *snapshot)
{
    return snapshot->owner == 0 ? task : (task_id){task.job, snapshot->owner};
}

struct snapshot_name {
    task_id task;
    uint32_t ordinal;
};

/* ---- task arrays: a *lane* is the room for one task of an array on a node, with the resources of
 * one, held from its MSG_RANGES until the agent tells that it is closed. An agent runs one task a
 * lane, in the order in which ranges came, and closes a lane that finds nothing left to run. ----
 */

struct array_lane {
    uint32_t lane; /* a number of the head's, not used again on this node for this array while it is
                      open */
    const char *const *gpus; /* UUIDs */
    uint32_t n_gpus;
};

struct held_lane {
    uint32_t job;
    uint32_t lane;
    const char *const *gpus;
    uint32_t n_gpus;
};

struct held_range {
    uint32_t job;
    struct array_range range; /* leased to this agent, and the end of none is acknowledged */
    bool is_started;          /* then of one task: it runs */
    uint64_t returned;        /* the event that hands it back or tells its end; 0: none */
};

/* ---- agent -> head ---- */

struct running_ref {
    task_id task;
    uint32_t attempt;
    uint64_t order; /* the highest order that the agent has */
};

struct msg_enrol {
    uint32_t protocol;       /* PROTOCOL_VERSION of the agent */
    uint32_t schema_version; /* SCHEMA_VERSION of the agent */
    const char *secret;      /* of the join key */
    const char *node;        /* name, <= NODE_NAME_MAX, [A-Za-z0-9._-] */
    uint64_t incarnation;    /* random, of this start of the agent */
    const char *host;
    uint32_t pid;
    const char *version; /* of the software */
    int64_t cpus;        /* 1/10,000 */
    uint64_t memory_bytes;
    const char *const *gpus; /* UUIDs */
    uint32_t n_gpus;
    const struct custom_pair *custom;
    uint32_t n_custom;
    const struct label_pair *labels;
    uint32_t n_labels;
    const struct running_ref *running; /* leased, starting, running or ending here */
    uint32_t n_running;
    const struct snapshot_name *snapshots; /* that lie on this node's disk */
    uint32_t n_snapshots;
    uint64_t first_event; /* the lowest event number still kept here (the next one to be made, if
                             none) */
    uint64_t epoch; /* the highest epoch seen; a head with a lower one is refused by the agent */
    bool is_draining;
    bool is_remote;        /* joined over TCP: it may lose the head and live */
    const char *state_dir; /* of the agent, on `host` */
    const char *lock;      /* which kernel and file its folder's lock is; no two agents share one */
    uint64_t enrolment;    /* counts up within the incarnation; the welcome says which it answers */
    bool is_dry;           /* it completes tasks without a process; for measuring */
    time_ms agent_started; /* by its node's clock, and later than its folder's start before */
    const struct held_lane *lanes; /* open here */
    uint32_t n_lanes;
    const struct held_range *ranges;
    uint32_t n_ranges;
    const char *lender;     /* where other agents get snapshots from this one: tcp://HOST:PORT */
    const char *lender_key; /* CURVE, Z85; of this start */
    int64_t leaves_in_ms;   /* is_draining: it goes then, whatever is left */
    uint64_t last_event;    /* the highest number made so far; 0: none */
};

typedef enum {
    EVENT_STARTED,   /* exec succeeded */
    EVENT_ROWS,      /* metric rows below the milestone */
    EVENT_MILESTONE, /* rows up to the milestone, the last row is the milestone's own; its answer is
                        held */
    EVENT_SNAPSHOT,  /* committed here */
    EVENT_BYE,       /* the trainer said good-bye; its answer is held */
    EVENT_RESULT,    /* the attempt has ended and its process tree is gone */
    EVENT_DRAINING,  /* the agent was told to leave (SIGTERM) and takes no new leases */
    EVENT_TASKS,     /* tasks of an array ended with exit 0, and lanes closed (in this order); one
                        that ended otherwise is told by EVENT_RESULT, one that runs for a second by
                        EVENT_STARTED, both with attempt 0 */
    EVENT_RETURNED,  /* tasks of an array that were never started, handed back: the answer to
                        MSG_TAKE_BACK, or by itself when the agent drains */
    EVENT_COPIED,    /* a snapshot came from another node and is whole and on disk: `task` is its
                        maker, snapshot.ordinal its number; attempt 0, or 1: told again */
    EVENT_PREPARED,  /* of an attempt on several nodes: all is ready to start here, and waits for
                        MSG_GANG */
} event_kind;
extern const char *const event_kind_names[11];

typedef enum { BYE_NONE, BYE_DONE, BYE_PAUSED, BYE_INVALID, BYE_ERROR } bye_word;
extern const char *const bye_word_names[5];

typedef enum {
    CAUSE_EXIT,         /* exit_code */
    CAUSE_SIGNAL,       /* signal, not sent by us */
    CAUSE_TOLD,         /* ended after an order was handed (the exit code is still there) */
    CAUSE_CANNOT_START, /* never ran: reason says errno and place */
    CAUSE_REFUSED,      /* never started: draining, or no room here */
    CAUSE_TIMEOUT_TRIAL,
    CAUSE_TIMEOUT_SILENT,
    CAUSE_TIMEOUT_START,
    CAUSE_OOM,
    CAUSE_AGENT_LEFT,   /* ended because its agent was told to leave; never charged */
    CAUSE_LOST,         /* set by the head: node or agent vanished */
    CAUSE_TIMEOUT_RANK, /* a rank did not come where the others waited for it */
} end_cause;
extern const char *const end_cause_names[12];

struct attempt_result {
    bool has_started;
    end_cause cause;
    uint32_t exit_code;
    uint32_t signal;
    uint64_t
        handed; /* the highest order that was handed to the trainer (answer or signal); 0: none */
    bye_word bye;
    const char *note;   /* of the bye */
    const char *reason; /* one sentence for people */
    time_ms started_at;
    time_ms ended_at;
    int64_t cpu_ms;
    uint64_t rss_peak_bytes;
    uint64_t last_seq;
    struct bytes out_tail; /* last bytes of stdout */
    struct bytes err_tail;
    bool
        is_nodes_fault; /* CANNOT_START for want of something on the node: not the task's failure */
    bool is_restore_lost; /* CANNOT_START: the snapshot it was to start from is damaged or gone */
    const char *const *line_names; /* with values in its printed lines, if none was the metric */
    uint32_t n_line_names;
    bool is_dry; /* its agent was started with --dry and ran no process */
};

struct node_event {
    uint64_t number; /* counts from 1 within the incarnation, no gaps */
    event_kind kind;
    time_ms time;
    task_id task;
    uint32_t attempt;
    uint32_t pid;                     /* STARTED */
    struct metric_rows rows;          /* ROWS, MILESTONE */
    uint64_t reached;                 /* MILESTONE: the order whose `until` it reached */
    struct snapshot_ref snapshot;     /* SNAPSHOT */
    bye_word bye;                     /* BYE */
    const char *note;                 /* BYE */
    struct attempt_result result;     /* RESULT */
    uint32_t job;                     /* TASKS, RETURNED */
    struct bytes array_rows;          /* TASKS: result_rows.h */
    const struct array_range *ranges; /* RETURNED */
    uint32_t n_ranges;
    const struct array_lane *lanes; /* TASKS: closed; without GPUs */
    uint32_t n_lanes;
    uint32_t can;         /* ROWS, MILESTONE: CAN_* bits of the trainer's hello */
    const char *address;  /* PREPARED: of this node, for the others */
    uint32_t master_port; /* PREPARED: held here, where all ranks may meet */
    const char *peers;    /* PREPARED: HOST:PORT of each rank here, with commas */
    int64_t leaves_in_ms; /* DRAINING: it goes then, whatever is left */
    uint64_t keep;        /* COPIED: number of the last MSG_KEEP for it; 0: there was none */
};

struct msg_events {
    uint64_t incarnation;
    const struct node_event *events; /* in order of number, without gaps */
    uint32_t n_events;
};

struct msg_heartbeat {
    uint64_t incarnation;
    int64_t cpu_permille; /* of the node, since the last one */
    uint64_t memory_used_bytes;
    uint64_t cache_bytes, cache_max_bytes; /* of work folders on its disk; 0 max: it did not say */
    bool has_left;                         /* the last one: its agent ends now */
};

struct msg_blob_get {
    const char *hash;
    uint64_t offset;
    uint32_t size; /* at most BLOB_PIECE_MAX_BYTES */
};

/* ---- head -> agent ---- */

struct msg_welcome {
    uint64_t epoch;
    uint64_t applied; /* highest event number of this incarnation that is on disk */
    int64_t node_timeout_ms;
    int64_t heartbeat_ms;
    int64_t orphan_timeout_ms; /* 0: none */
    const struct running_ref
        *holds; /* every attempt that is this node's; whatever else runs there must end.
                   LEASE for those that the agent did not name, ORDER for the others, follow. */
    uint32_t n_holds;
    uint64_t enrolment; /* that it answers; 0: a head that does not say */
};

struct msg_refused {
    uint64_t epoch;
    const char *code; /* error_word() */
    const char *text;
};

struct msg_lease {
    task_id task;
    uint32_t attempt;
    bool is_trial; /* has parameters, a metric and (maybe) milestones */
    const char *sweep_name;
    const char *const *words; /* macros not yet expanded */
    uint32_t n_words;
    bool is_shell;
    const char *workdir; /* absolute; the attempt starts in it */
    const struct label_pair *env;
    uint32_t n_env;
    const struct named_value *params;
    uint32_t n_params;
    uint64_t seed; /* <= 2^53 */
    const char *metric;
    bool is_maximize;
    struct order order;
    struct snapshot_ref restore; /* ordinal 0: from nothing */
    int64_t cpus;                /* 1/10,000 */
    uint64_t memory_bytes;
    const char *const *gpus; /* UUIDs; none: CUDA_VISIBLE_DEVICES is empty */
    uint32_t n_gpus;
    int64_t timeout_trial_ms, timeout_silent_ms, timeout_grace_ms, timeout_start_ms,
        timeout_decision_ms;
    uint32_t checkpoints_on;      /* CHECKPOINT_ON_* */
    int64_t checkpoints_every_ms; /* 0: not by time */
    uint32_t tail_bytes;
    uint64_t age;        /* order of start among leases of a node */
    const char *work;    /* the packed work folder's hash; "": it starts in `workdir` itself */
    const char *setup;   /* for the shell, once for each node and sweep; "": none */
    uint64_t work_bytes; /* of the packed folder */
    uint64_t lineage;    /* of `params`, as of a snapshot */

    /* printed lines as reports */
    uint32_t report_from;                /* REPORT_FROM_* of spec/types.h; 0: its socket alone */
    const char *const *report_out_rules; /* presets and patterns, for stdout */
    uint32_t n_report_out_rules;
    const char *const *report_err_rules;
    uint32_t n_report_err_rules;
    const char *metric_time; /* the name of what is the step; "": none */
    const char *adopt;     /* a pattern of paths: what appears there becomes snapshots; "": none */
    uint32_t last_ordinal; /* of the trial's commits so far, on whichever node */

    uint32_t ranks;          /* processes of the command; 0: one, which may start its own */
    int64_t timeout_rank_ms; /* how long ranks wait for one of them where all must come */

    /* An attempt on several nodes: each gets a lease of it, prepares, tells EVENT_PREPARED, and
     * starts at MSG_GANG. The trial is that of the first node, whose rank 0 speaks for it. */
    uint32_t nodes;      /* 0: one */
    uint32_t node_rank;  /* of this one among them */
    uint64_t place_word; /* counts with those of MSG_DROP: `restore` is wanted there since */
    bool log_files;      /* of an array: what each task writes goes into files of its own */
};

struct msg_order {
    task_id task;
    uint32_t attempt;
    struct order order;
    struct snapshot_ref restore;      /* EXPLOIT: to go on from */
    const struct named_value *params; /* EXPLOIT: and with */
    uint32_t n_params;
};

typedef enum {
    GANG_MEET,      /* all nodes are ready: start */
    GANG_END,       /* another part of it has ended: so does this one */
    GANG_HAND_BACK, /* another one's node is to be left: as MSG_DRAIN, of this attempt alone */
} gang_act;
extern const char *const gang_act_names[3];

struct msg_gang {
    task_id task;
    uint32_t attempt;
    gang_act act;
    const char *address;  /* MEET: MASTER_ADDR, of the first node */
    uint32_t master_port; /* MEET: MASTER_PORT */
    const char *peers;    /* MEET: of all ranks, in their order */
    int64_t wait_ms;      /* END: until SIGTERM */
    int64_t grace_ms;     /* END: from there to SIGKILL; HAND_BACK: until it is killed */
    const char *reason;   /* END: for people */
};

struct msg_ack {
    uint64_t incarnation;
    uint64_t applied;               /* every event up to this number is on disk */
    const struct running_ref *byes; /* attempts whose BYE is among them, for their held answers */
    uint32_t n_byes;
    int64_t heartbeat_ms;    /* from now on; 0: as before. Then: */
    int64_t heartbeat_in_ms; /* until the next one */
};

struct msg_gone {
    task_id task;
    uint32_t attempt;
};

struct msg_who {
    uint64_t epoch;
};

struct msg_leave {
    uint64_t epoch;
};

struct msg_drop {
    const struct snapshot_name *snapshots;
    uint32_t n_snapshots;
    uint64_t number; /* counts with those of MSG_KEEP: one that was overtaken by a later KEEP of the
                        same snapshot is not heeded */
};

struct msg_drain {
    uint64_t epoch;
    int64_t grace_ms; /* from now until the last of them is killed */
};

/* ---- logs: the head asks for a piece, the agent answers it; the next one is asked for when the
 * reader has room ---- */

struct msg_log_get {
    uint64_t request; /* of the head; asked again with the same number, only the last ask counts */
    uint64_t serial;  /* of the ask */
    task_id task;
    uint32_t attempt;
    uint32_t stream;     /* 0 stdout, 1 stderr */
    uint64_t generation; /* of the file that `offset` is of; 0: of whichever there is */
    uint64_t offset;
    bool is_tail; /* `offset` counts from the end, backwards */
    uint32_t limit_bytes;
    int64_t wait_ms; /* nothing new and the attempt still runs: wait for it so long */
};

struct msg_log_data {
    uint64_t request, serial;
    uint64_t generation; /* a log that grew past its size goes on in a file with another one */
    uint64_t offset;     /* of what comes next */
    struct bytes data;   /* none: there is nothing more now */
    bool is_missing;     /* no such log here (not a byte was written, or it was removed) */
};

/* Numbers of jobs and sweeps. An agent names those whose logs lie on its node, after each welcome
 * and now and then: it may have been away when they were removed. */
struct msg_logs_held {
    const struct array_range *jobs;
    uint32_t n_jobs; /* ranges */
};

struct msg_logs_drop {
    const struct array_range *jobs;
    uint32_t n_jobs; /* ranges */
};

/* Sent on each connection before the first MSG_RANGES of the array, and again after an enrolment.
 */
struct msg_array {
    uint32_t job;
    struct array_ids ids;
    struct msg_lease lease; /* of each of its tasks: task.index, gpus and age are not set; macros
                               ${index} and ${line} are not expanded */
    const char *items;      /* hash of a packed folder whose file `items` has a line a task, by
                               position; "": none */
    uint64_t items_bytes;
};

/* Both lists are added to what the agent has. A position whose end or return is among the events
 * that it acknowledges is leased anew; one that the agent still holds is here twice. */
struct msg_ranges {
    uint32_t job;
    const struct array_lane *lanes;
    uint32_t n_lanes;
    const struct array_range *ranges;
    uint32_t n_ranges;
    uint64_t incarnation, applied; /* as in msg_ack */
};

/* Of the positions that the agent holds and has not started it tells EVENT_RETURNED, in one event
 * and even if there are none; those that run are left alone, or told to leave if `why` says so.
 * With no ranges: all of the array. */
struct msg_take_back {
    uint32_t job;
    const struct array_range *ranges;
    uint32_t n_ranges;
    order_why why;    /* WHY_NONE, WHY_CANCEL or WHY_STOP */
    int64_t grace_ms; /* to SIGTERM, and again to SIGKILL */
};

/* ---- snapshots that move between nodes. An agent that needs one makes a pass and asks the head
 * with it. The head lets the agent that has the snapshot know the pass, and tells the one that
 * asked where that agent listens; the files go from agent to agent. Asked again, with another pass,
 * if that came to nothing: neither side keeps anything of it. ---- */

struct msg_keep {
    const struct snapshot_name *snapshots;
    uint32_t n_snapshots;
    uint64_t number; /* as of MSG_DROP */
};

/* To an agent that drains, once nothing runs there any more, and again when it has changed: it
 * stays until nobody needs what lies on its disk alone, as far as its deadline allows. */
struct msg_owed {
    uint64_t epoch;
    uint32_t n_snapshots; /* being copied to other nodes; 0: it may go */
    uint32_t n_stranded;  /* that no other node can take: not waited for */
    const char *text;     /* which, for people */
};

struct msg_snapshot_get {
    struct snapshot_name name;
    struct bytes pass; /* PASS_BYTES, random: for this one copy */
};

struct msg_lend {
    struct snapshot_name name;
    struct bytes pass;
    int64_t valid_ms; /* since the last piece that was asked for with it */
};

struct msg_source {
    struct snapshot_name name;
    const char *node;   /* that has it */
    const char *lender; /* of its enrolment */
    const char *lender_key;
    bool is_lost;      /* no node has it any more, or it is not this node's to have */
    const char *error; /* "": there it is; else why not (yet), for people */
};

struct msg_file_get {
    uint64_t request; /* said again by the answer */
    struct snapshot_name name;
    struct bytes pass;
    const char *path; /* within the snapshot; "": all is there, the pass is over (no answer) */
    uint64_t offset;
    uint32_t size; /* at most FILE_PIECE_MAX_BYTES */
};

typedef enum {
    FILE_OK,
    FILE_NO_PASS, /* not known (yet), or over */
    FILE_GONE,    /* the snapshot or the file is not there */
    FILE_FAILED,  /* it cannot be read */
} file_word;
extern const char *const file_word_names[4];

struct msg_file {
    uint64_t request;
    file_word word;
    uint64_t total; /* bytes of the file */
    struct bytes data;
    const char *text; /* word != OK: for people */
};

struct msg_blob {
    const char *hash;
    uint64_t offset;
    uint64_t total; /* bytes of the whole */
    struct bytes data;
    const char *error; /* "": none; else why there is no data, for people */
    uint64_t sum; /* work_piece_sum() as of when the whole was proven by its name; 0: unknown */
};

#endif
