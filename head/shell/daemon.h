/* head/shell/daemon.h -- the head's process: what the parts of its main loop share. Inside
 * head/shell; the loop's thread. */
#ifndef MUSTER_HEAD_SHELL_DAEMON_H
#define MUSTER_HEAD_SHELL_DAEMON_H

#include "head/shell/shell.h"

enum { DAEMON_PATH_BYTES = 4200 };

struct daemon {
    struct head head;
    struct key_pair keys;
    uv_signal_t signals[2];
    unsigned n_terminations;
    bool is_exiting; /* HEAD_EXIT came, or it failed: leave once no batch is in flight */
    bool is_releasing;
    bool is_serving;
};

/* ---- daemon.c ---- */
/* The first exit code counts. */
void head_leave(struct daemon *d, int exit_code);

/* ---- serving.c ---- */
/* Everything is loaded: opens the agents' sockets and HTTP, writes `current`, tells who waits. */
void head_serve(struct daemon *d);

/* ---- recovery.c ---- */
/* Opens the store; what it says from then on goes to the core. */
MUST_CHECK error_code head_store_start(struct daemon *d, struct report *report);

#endif
