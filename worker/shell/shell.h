/* worker/shell/shell.h -- what the files of this folder share. The loop's thread. */
#ifndef MUSTER_WORKER_SHELL_SHELL_H
#define MUSTER_WORKER_SHELL_SHELL_H

#include <sys/stat.h>

#include "net/dealer.h"
#include "sys/files.h"
#include "sys/machine.h"
#include "sys/proctree.h"
#include "sys/spawner.h"
#include "worker/core/outbox.h"
#include "worker/shell/snapshots.h"
#include "worker/shell/spares.h"
#include "worker/shell/trial_socket.h"
#include "worker/shell/worker.h"

enum {
    WORKER_PIECES_MAX = 64, /* in a turn; an agent asks for a few of each folder */
    LOG_PATH_BYTES = FILES_PATH_MAX_BYTES + 96,
};

struct attempt_run;
struct log_asks;
struct old_logs;
struct usage;
struct reach;
struct arrays;
struct lender;
struct fetcher;

struct worker {
    const struct worker_options *options;
    struct loop *loop;
    struct dealer *dealer;
    struct reach *reach; /* NULL: the head is on this machine */
    struct agent *agent;
    struct agent_outbox out;
    struct trial_sockets *sockets;
    struct snapshots *snapshots;
    struct lender *lender; /* NULL: nobody gets snapshots from here (yet) */
    struct fetcher *fetcher;
    struct spawner *spawner;
    struct spares *spares;
    struct works *works;
    struct arrays *arrays;
    struct log_asks *log_asks;
    struct old_logs *old_logs;
    struct received_frame
        *pieces[WORKER_PIECES_MAX]; /* came in this turn: work_pull.c takes them */
    uint32_t n_pieces;
    struct usage *usage;
    struct attempt_run *runs; /* by ref */
    uint32_t last_serial;
    char node_dir[FILES_PATH_MAX_BYTES];
    int lock_fd;                           /* of node_dir; -1: none */
    char prefix[64];                       /* of every mark of this node's attempts */
    char bin_dir[FILES_PATH_MAX_BYTES];    /* "": unknown */
    char python_dir[FILES_PATH_MAX_BYTES]; /* "": there is none */
    struct machine machine;
    struct machine_meter meter;
    time_ms load_at;       /* the next look at the load */
    time_ms kill_retry_at; /* INT64_MAX: none */
    time_ms events_at;     /* the next look at event files; INT64_MAX: none */
    time_ms adopt_at;      /* the next look after what attempts write; INT64_MAX: none */
    uint64_t nofile;       /* the limit of open files that attempts get */
    uv_signal_t signals[2];
    uint32_t n_signals;
    bool was_welcomed;
    bool is_refused;    /* by the head that is connected, or was last */
    time_ms refused_at; /* when that was said last */
    bool is_draining;
    bool is_leaving;
    int exit_code;
};

/* ---- effects.c ---- */
/* Carries out everything in the outbox, also what comes of it meanwhile, and empties it. */
void effects_apply(struct worker *worker);
void worker_leave(struct worker *worker, int exit_code);

/* ---- link.c ---- */
/* The frame in which these bytes came in this turn; the caller's from now on. */
struct received_frame *link_piece_take(struct worker *worker, struct bytes bytes);
void link_pieces_drop(struct worker *worker); /* those that nobody took */
MUST_CHECK error_code link_open(struct worker *worker, const char *head_public,
                                uint64_t incarnation, struct report *report);

/* ---- reach.c ---- */
/* Says in the log why there is no connection to the head: soon, and every half minute again.
 * ERR_INVALID: the address of --join. *ret_reach is NULL for a head on this machine. */
MUST_CHECK error_code reach_new(struct worker *worker, struct reach **ret_reach,
                                struct report *report);
/* May wait for the name service. NULL is fine. */
void reach_free(struct reach *reach);
/* Once a turn; when the next one is needed. */
time_ms reach_turn(struct reach *reach, time_ms now);

/* ---- log_paths.c ---- */
/* Of a file that is about to be written; its folder is made. `is_of_array`: it is one of its
 * array's (msg_lease.log_files). */
void log_path_make(const struct worker *worker, struct attempt_ref ref, bool is_of_array,
                   uint32_t stream, char ret_path[LOG_PATH_BYTES]);
/* To be read, wherever it is; `ending`: "", ".1", ".first". -1: it is not there. */
int log_part_open(const struct worker *worker, struct attempt_ref ref, uint32_t stream,
                  const char *ending, struct stat *ret_about);

/* ---- log_asks.c ---- */
MUST_CHECK error_code log_asks_new(struct log_asks **ret_asks);
void log_asks_free(struct log_asks *asks); /* NULL is fine */
/* Answers now, or once there is something to say. */
void log_asks_take(struct worker *worker, time_ms now, const struct msg_log_get *get);
/* Once a turn; when the next one is needed. */
time_ms log_asks_turn(struct worker *worker, time_ms now);
void log_asks_drop(struct log_asks *asks); /* the connection is another one */

/* ---- old_logs.c ---- */
MUST_CHECK error_code old_logs_new(struct worker *worker, struct old_logs **ret_logs);
/* Waits for what its thread does; runs the loop. NULL is fine. */
void old_logs_free(struct old_logs *logs);
/* A MSG_WELCOME, a MSG_LOGS_DROP came. */
void old_logs_welcomed(struct old_logs *logs, time_ms now);
void old_logs_told(struct old_logs *logs, time_ms now);
/* These jobs were removed, and nothing of them is here. */
void old_logs_drop(struct old_logs *logs, struct array_range jobs);
/* Once a turn; when the next one is needed. */
time_ms old_logs_turn(struct old_logs *logs, time_ms now);

/* ---- copies.c ---- */
/* Empties the staging folder; the loop is there. ERR_*: among others, --address is none of this
 * machine. */
MUST_CHECK error_code copies_open(struct worker *worker, struct report *report);
/* The head is about to be told who this is: where others get snapshots from here belongs to it. May
 * wait for the name service, once. */
void copies_reached(struct worker *worker);
void copies_lend(struct worker *worker, const struct msg_lend *lend);
/* on_snapshot_copied() follows, now or later. */
void copies_fetch(struct worker *worker, const struct msg_source *source,
                  const uint8_t pass[PASS_BYTES]);
void copies_stop(struct worker *worker); /* nothing is told any more */
bool copies_busy(const struct worker *worker);
void copies_free(struct worker *worker); /* when it is not busy */

/* ---- folders.c ---- */
/* state_dir/nodes/<node>/ and what is in it; leftovers of an agent before this one are ended and
 * removed. Blocks. */
MUST_CHECK error_code folders_make(struct worker *worker, struct report *report);
/* Where the muster command and its Python module lie. */
void folders_find_own(struct worker *worker);
/* The moment of this start, later than that of the folder's start before, even where the clock was
 * set back: so the head can tell which of them is over. Blocks. */
time_ms folders_started(struct worker *worker);

#endif
