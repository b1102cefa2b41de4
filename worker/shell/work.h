/* worker/shell/work.h -- work folders on this node's disk: <node>/work/<name>/, read-only. They are
 * pulled from the head, unpacked, and prepared by a sweep's setup as the core asks; attempts start
 * from copies. The loop's thread; all that touches the disk for long runs in libuv's pool. Owned by
 * the worker.
 *
 * A tree is whole if <name>.ok stands beside it: its bytes are written there, its time is that of
 * the last use. Past the maximum the least recently used go, never one in use. Files are not forced
 * to disk: after a restart of the machine all are fetched again. */
#ifndef MUSTER_WORKER_SHELL_WORK_H
#define MUSTER_WORKER_SHELL_WORK_H

#include "sys/files.h"
#include "worker/core/agent.h"

struct worker;
struct works;
struct attempt_run;

#define WORKS_BYTES_DEFAULT (20ULL << 30)
enum { WORK_PATH_BYTES = FILES_PATH_MAX_BYTES + 160 };

/* Makes the folder if need be, tells the core what is there, removes the rest. Blocks. */
MUST_CHECK error_code works_new(struct worker *worker, uint64_t max_bytes, struct works **ret_works,
                                struct report *report);
/* Something of it is in the pool or runs: works_free() only when not. */
bool works_busy(const struct works *works);
/* Ends setups; from now on nothing is told. */
void works_stop(struct works *works);
void works_free(struct works *works); /* NULL is fine */
/* What the trees take on disk, and what they may take. */
uint64_t works_bytes(const struct works *works, uint64_t *ret_max_bytes);

/* Where a tree lies. */
void works_path(const struct works *works, const char *name, char ret_path[WORK_PATH_BYTES]);
/* In use until works_unref(). False: it is not there. */
bool works_ref(struct works *works, const char *name, uint64_t *ret_bytes);
void works_unref(struct works *works, const char *name);

/* ---- what the core asks for ---- */
/* `data` lies in a frame of this turn, which is taken (link_piece_take()). */
void works_write(struct works *works, const char *hash, uint64_t offset, uint64_t sum,
                 struct bytes data);
void works_drop(struct works *works, const char *hash);
void works_unpack(struct works *works, const char *hash);
void works_setup(struct works *works, const char *name, const struct msg_lease *lease);
void works_setup_stop(struct works *works, const char *name);

/* ---- work_copy.c: an attempt's folder when no spare is ready ---- */
/* Copies tree `name` into the attempt's ${trial.dir} in the pool; attempt_folder_copied() comes. */
MUST_CHECK error_code works_copy(struct works *works, struct attempt_run *run, const char *name);

#endif
