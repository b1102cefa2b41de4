/* worker/shell/worker.h -- the agent's daemon: the core, its link to the head, attempts, one loop.
 * One thread. */
#ifndef MUSTER_WORKER_SHELL_WORKER_H
#define MUSTER_WORKER_SHELL_WORKER_H

#include "schema/messages.h"

enum { WORKER_FAKE_GPUS_MAX = 64, WORKER_DRAIN_MS = 25000 };

/* All borrowed until worker_main() returns. */
struct worker_options {
    const char *join;      /* the head's address: ipc://PATH or tcp://HOST:PORT */
    const char *key_file;  /* the join key; NULL: $MUSTER_JOIN_KEY */
    const char *state_dir; /* everything of this node lies in state_dir/nodes/<node>/ */
    const char *node;      /* its name: NODE_NAME_MAX of [A-Za-z0-9._-] */
    int64_t cpus;          /* in 1/AMOUNT_ONE; 0: what this process may use */
    uint64_t memory_bytes; /* 0: the same */
    uint32_t fake_gpus;    /* so many UUIDs GPU-fake-<node>-<i> are offered */
    const struct custom_pair *custom;
    uint32_t n_custom;
    const struct label_pair *labels;
    uint32_t n_labels;
    const char *address; /* where agents of other nodes reach this one; "*": at whichever address
                            leads out of this machine; NULL: from where it reaches the head */
    int ready_fd;        /* > 0: a byte is written when the head has said welcome */
    uint64_t cache_max_bytes; /* of work folders on disk; 0: WORKS_BYTES_DEFAULT */
    int64_t drain_ms;         /* from SIGTERM to the end; 0: WORKER_DRAIN_MS */
    const char *log_path;     /* NULL: stderr; else both */
    bool is_dry;              /* completes what is leased to it without a process */
};

/* Runs the agent until it is told to leave (SIGTERM, SIGINT, or the head's word), keeps trying to
 * reach the head until then. The process's exit code: 0; 1 with a message on stderr, e.g. for a
 * refused join key. Ends every process of its attempts. The process becomes a child subreaper, and
 * its limit of open files is raised. */
int worker_main(const struct worker_options *options);

#endif
