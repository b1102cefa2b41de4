/* worker/shell/lend_passes.h -- which passes hold, for which snapshots, and what is known of those.
 * A bounded table: the one that was used least lately makes room. One thread. Inside
 * worker/shell. */
#ifndef MUSTER_WORKER_SHELL_LEND_PASSES_H
#define MUSTER_WORKER_SHELL_LEND_PASSES_H

#include "schema/messages.h"
#include "worker/shell/manifest.h"

enum { LEND_PASSES_MAX = 64 };

struct lend_pass {
    struct snapshot_name name;
    uint8_t pass[PASS_BYTES];
    int64_t valid_ms; /* since used_at */
    time_ms used_at;
    int folder_fd;             /* of the snapshot; -1: nothing of it was asked for yet */
    struct manifest_list list; /* once folder_fd is there */
};

struct lend_passes {
    struct lend_pass rows[LEND_PASSES_MAX];
    uint32_t n_rows;
};

void lend_passes_fini(struct lend_passes *passes); /* takes a zeroed one */
/* A pass of the same bytes is made anew. */
void lend_passes_add(struct lend_passes *passes, struct snapshot_name name,
                     const uint8_t pass[PASS_BYTES], int64_t valid_ms, time_ms now);
/* The one that holds for this snapshot now, which is used with that; NULL: there is none. */
struct lend_pass *lend_passes_use(struct lend_passes *passes, struct snapshot_name name,
                                  struct bytes pass, time_ms now);
void lend_passes_drop(struct lend_passes *passes, struct lend_pass *pass);

#endif
