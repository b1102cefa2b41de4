/* worker/shell/usage.h -- what the attempts of this node use, looked at about once a second in
 * libuv's pool: peaks for the evidence, and the end of who takes more memory than it asked for,
 * before the kernel ends everybody. The loop's thread.
 *
 * The watch stays cheap by its own measure: a look that took t is followed by none for USAGE_REST
 * times t. */
#ifndef MUSTER_WORKER_SHELL_USAGE_H
#define MUSTER_WORKER_SHELL_USAGE_H

#include "worker/shell/shell.h"

enum {
    USAGE_MS = 1000,
    USAGE_NEAR_MS = 250, /* while a tree or the machine is near its limit */
    USAGE_REST = 200,    /* at most half a percent of one CPU */
    USAGE_NEAR_PERCENT = 80,
    USAGE_NEAR_LOW = 4,      /* times as much as is low is near to it */
    USAGE_RELEASE_MS = 2000, /* after one was ended: its memory is on its way back */
    USAGE_OOM_MS = 5000,     /* a kernel's kill is laid to what ends so soon after it */
};

/* One attempt at one look. */
struct usage_tree {
    uint64_t bytes;       /* its own share, as well as it is known */
    uint64_t asked_bytes; /* resources.memory; 0: nothing was asked */
};

/* Which tree goes so that the machine lives: the one most above what it asked for; -1: none is
 * above. Pure. */
int usage_victim(const struct usage_tree *trees, uint32_t n);
/* So little left of the whole means that the kernel is about to kill. Pure. */
bool usage_is_low(uint64_t available_bytes, uint64_t total_bytes);

MUST_CHECK error_code usage_new(struct worker *worker, struct usage **ret_usage);
/* Waits for a look under way. NULL is fine. */
void usage_free(struct usage *usage);
/* Once a turn; when the next one is needed. */
time_ms usage_turn(struct usage *usage, time_ms now);
/* Has the kernel killed in our memory cgroup within the last seconds? */
bool usage_kernel_killed(const struct usage *usage);

#endif
