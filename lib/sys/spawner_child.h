/* sys/spawner_child.h -- one clone and exec: the part that runs in a borrowed address space. Inside
 * lib/sys; the spawner's thread only. */
#ifndef MUSTER_SYS_SPAWNER_CHILD_H
#define MUSTER_SYS_SPAWNER_CHILD_H

#include <signal.h>

#include "sys/spawner.h"

/* Written by the parent before the clone, read by the child; place and error come back. */
struct spawn_child {
    const char *program; /* with a slash */
    char *const *argv;
    char *const *shell_argv; /* /bin/sh program argv[1]... */
    char *const *envp;
    const char *folder;
    int out_fd, err_fd;
    int null_fd; /* of /dev/null, for both directions */
    uint64_t mark;
    uint64_t nofile;
    pid_t parent;
    volatile spawn_place place;
    volatile int error;
    volatile int64_t exec_us; /* right before exec, on the monotonic clock */
};

enum { SPAWN_STACK_BYTES = 64 << 10 };

/* The pid, once exec has succeeded; 0: place and error of `child` say why not. `stack` has
 * SPAWN_STACK_BYTES. Blocks until exec. Every signal of this thread must be blocked. */
pid_t spawn_child_start(struct spawn_child *child, void *stack, int *ret_pidfd);

#endif
