/* worker/shell/array_logs.h -- what tasks of an array wrote: one append-only file a lane and
 * stream, and one index a job of fixed rows that says whose bytes are where; a row only for a task
 * that wrote something. The loop's thread.
 *
 *   <node>/arrays/<job>/<lane>.<generation>.out and .err, index
 *
 * A task's output is the span from its start to its end, since a lane runs one at a time and its
 * process tree is empty in between. The processes write into two pipes of their lane, and only this
 * file's owner writes the log: a task that opens /dev/stderr anew must not cut the file of those
 * before it. A task that writes more than ARRAY_SPAN_MAX_BYTES gets a file of its own, as attempts
 * outside arrays have (sys/logfile.h); so does each one of an array that was submitted so
 * (msg_lease.log_files), in
 *
 *   <node>/arrays/<job>/tasks/<index>.out and .err, <index>.<attempt>.out from the second one on
 *
 * What cannot be written is lost; it never stops a task. */
#ifndef MUSTER_WORKER_SHELL_ARRAY_LOGS_H
#define MUSTER_WORKER_SHELL_ARRAY_LOGS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/id.h"

struct attempt_run;
struct lane_here;
struct lane_logs;
struct array_log_index;
struct worker;

enum {
    ARRAY_LOG_STREAMS = 2,
    ARRAY_FILE_MAX_BYTES = 64 << 20, /* then the next task begins another file */
    ARRAY_SPAN_MAX_BYTES = 8 << 20,
    ARRAY_LOG_GENERATION = 1, /* of every span, as readers know it: it is not cut or renamed */
};

/* Bytes of one stream of one task. */
struct array_span {
    uint64_t first;
    uint64_t bytes;
};

/* One row of the index. */
struct array_log_row {
    uint32_t id, attempt, lane, generation;
    struct array_span spans[ARRAY_LOG_STREAMS];
};

/* ---- lane_logs.c ---- */
MUST_CHECK error_code lane_logs_open(struct lane_here *lane, struct lane_logs **ret_logs);
void lane_logs_close(struct lane_logs *logs); /* NULL is fine; frees itself in the loop's passes */
/* The ends of the pipes for a process. */
void lane_logs_fds(const struct lane_logs *logs, int *ret_out_fd, int *ret_err_fd);
/* What comes from now on is this run's. */
void lane_logs_begin(struct lane_logs *logs, struct attempt_run *run);
/* Reads what is left in the pipes. */
void lane_logs_drain(struct lane_logs *logs);
/* The ends of its streams, at most tail_bytes each; valid until the next call. */
/* Nothing is in its pipes. Any thread. */
bool lane_logs_are_read(const struct lane_logs *logs);
void lane_logs_tails(struct lane_logs *logs, uint32_t tail_bytes, struct bytes *ret_out,
                     struct bytes *ret_err);
/* It has ended: its row is written. */
void lane_logs_end(struct lane_logs *logs);
/* What the running task has written so far. False: this lane does not run it. */
bool lane_logs_live(const struct lane_logs *logs, struct attempt_run *run,
                    struct array_log_row *ret_row);

/* ---- array_index.c ---- */
MUST_CHECK error_code array_log_index_open(const char *folder, struct array_log_index **ret_index);
void array_log_index_close(struct array_log_index *index); /* NULL is fine */
void array_log_index_add(struct array_log_index *index, const struct array_log_row *row);
/* The newest row of the task in the folder's index. False: it wrote nothing, or there is none. */
bool array_log_index_find(const char *folder, uint32_t id, uint32_t attempt,
                          struct array_log_row *ret_row);
/* The file of a row's stream, to be read; -1: it is not there. */
int array_log_file_open(const char *folder, const struct array_log_row *row, uint32_t stream);

#endif
