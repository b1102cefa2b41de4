/* head/shell/head.h -- the head's daemon: core, store, agents, HTTP, one loop. One thread. */
#ifndef MUSTER_HEAD_SHELL_HEAD_H
#define MUSTER_HEAD_SHELL_HEAD_H

#include "base/error.h"

struct head_options {
    const char *state_dir;
    int ready_fd;         /* > 0: a byte is written when it serves */
    unsigned port;        /* 0: any free one */
    long linger_ms;       /* < 0: stays; else it leaves so long after the last work and reader */
    const char *log_path; /* NULL: stderr */
};

/* Runs the head until it is told to leave; the process's exit code. */
int head_main(const struct head_options *options);

#endif
