/* worker/shell/snapshots.h -- the snapshots on this node's disk: committed whole, proven before
 * they are used, dropped. The loop's thread; all that touches the disk for long runs in libuv's
 * pool and tells its end on the loop. Owned by the worker.
 *
 * A snapshot is <folder>/<job>.<index>/<ordinal>/ with a manifest.json. It appears there by one
 * rename after all of it is on disk, so there is never a half one; a damaged one is found by its
 * checksums before a trainer sees it. */
#ifndef MUSTER_WORKER_SHELL_SNAPSHOTS_H
#define MUSTER_WORKER_SHELL_SNAPSHOTS_H

#include "sys/loop.h"
#include "worker/core/agent.h"

struct snapshots;

/* `folder` is copied; it is made if need be. */
MUST_CHECK error_code snapshots_new(struct loop *loop, const char *folder,
                                    struct snapshots **ret_snapshots, struct report *report);
/* Only when snapshots_busy() is false. NULL is fine. */
void snapshots_free(struct snapshots *snapshots);
bool snapshots_busy(const struct snapshots *snapshots);

/* At start, blocking: calls `found` for each whole snapshot (sizes, not yet checksums) and removes
 * what is none. Stops at the first error of `found`. */
typedef error_code snapshot_found_fn(void *context, struct snapshot_name name);
MUST_CHECK error_code snapshots_find(struct snapshots *snapshots, snapshot_found_fn *found,
                                     void *context, struct report *report);

/* What a trainer wrote into `folder` becomes snapshot name.ordinal of name.task. `done` comes in
 * any case once OK was returned; `snapshot` is filled in but for bytes when error is not OK; its
 * dir and the report are valid for the call. */
struct snapshot_commit {
    struct attempt_ref ref;
    uint64_t connection;
    uint32_t ordinal;
    int64_t step;
    const char *folder;
};
typedef void snapshot_committed_fn(void *context, const struct snapshot_commit *commit,
                                   const struct snapshot_ref *snapshot, error_code error,
                                   const struct report *report);
MUST_CHECK error_code snapshots_commit(struct snapshots *snapshots,
                                       const struct snapshot_commit *commit,
                                       snapshot_committed_fn *done, void *context);

/* A whole snapshot in `folder`, all of it on disk, gets its place <folder>/<job>.<index>/<ordinal>
 * by a rename, in the stead of what lies there. Any thread; blocks. */
MUST_CHECK error_code snapshot_put_in_place(const char *folder, const char *target,
                                            struct report *report);

/* Proves the snapshot in `folder` by its checksums (proofs.h: what was read lately and has not
 * changed is not read again). A damaged one is removed, so that this node
 * does not offer it again. */
typedef void snapshot_verified_fn(void *context, struct attempt_ref ref, error_code error,
                                  const struct report *report);
MUST_CHECK error_code snapshots_verify(struct snapshots *snapshots, const char *folder,
                                       struct attempt_ref ref, snapshot_verified_fn *done,
                                       void *context);

/* Removes a snapshot, or any folder of an attempt, in the pool. The name of a dropped one is free
 * at once, for a commit or a fetch; what is left of it after a failure is removed at the next
 * start. */
void snapshots_drop(struct snapshots *snapshots, struct snapshot_name name);
void snapshots_remove_folder(struct snapshots *snapshots, const char *folder);

#endif
