/* worker/shell/fetcher.h -- copies snapshots of other nodes to this one's disk: pieces of all files
 * over several connections when there is much, proven by the manifest, there by one rename. What
 * came before a cut is kept for the next try of the same snapshot. The loop's thread; the work
 * itself runs on threads of its own and tells its end on the loop. Owned by the worker. */
#ifndef MUSTER_WORKER_SHELL_FETCHER_H
#define MUSTER_WORKER_SHELL_FETCHER_H

#include "sys/loop.h"
#include "worker/core/agent.h"

struct fetcher;

enum { FETCHER_SILENCE_MS = 10000 };

/* text: for people, unless COPY_DONE; valid for the call. */
typedef void fetcher_done_fn(void *context, struct snapshot_name name, copy_end end,
                             const char *text);

/* snapshots_dir: as of snapshots.h; staging_dir: on the same file system, emptied now. Copied. */
MUST_CHECK error_code fetcher_new(struct loop *loop, const char *snapshots_dir,
                                  const char *staging_dir, fetcher_done_fn *done, void *context,
                                  struct fetcher **ret_fetcher, struct report *report);
/* `done` comes in any case once OK was returned, unless fetcher_stop() came before. */
MUST_CHECK error_code fetcher_start(struct fetcher *fetcher, const struct msg_source *source,
                                    const uint8_t pass[PASS_BYTES]);
/* Of copies that start from now on: for how long a donor may send nothing that was asked for, while
 * this node listens, until it is given up (COPY_AGAIN). FETCHER_SILENCE_MS if never set. */
void fetcher_silence_set(struct fetcher *fetcher, time_ms silence_max);
/* Ends all of them soon, and tells nothing more. */
void fetcher_stop(struct fetcher *fetcher);
bool fetcher_busy(const struct fetcher *fetcher);
/* Only when fetcher_busy() is false. NULL is fine. */
void fetcher_free(struct fetcher *fetcher);

#endif
