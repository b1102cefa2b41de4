/* The child shares memory with us until exec (CLONE_VM) while its parent's thread sleeps
 * (CLONE_VFORK): no page table is copied, which costs 88 ms from a parent of 1 GB, and errors come
 * back by plain stores. In return the child may do nothing but system calls: no allocation, no
 * lock, no stdio. errno is the sleeping thread's own. */
#include "sys/spawner_child.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/clock.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

/* ThreadSanitizer takes clone() for a fork and lets the sleeping thread's bookkeeping lapse, which
 * is shared here. */
#ifdef __SANITIZE_THREAD__
int __clone(int (*main)(void *), void *stack, int flags, void *argument, ...);
#define clone __clone
#endif

static void child_fail(struct spawn_child *child, spawn_place place)
{
    child->error = errno;
    child->place = place;
    for (;;) {
        syscall(SYS_exit_group, 127); /* not _exit(), which sanitizers make more of */
    }
}

/* Handlers point into memory that exec takes away, and ignored signals would stay ignored. Straight
 * from the kernel: libc refuses to touch the two real-time signals it keeps for itself, and its own
 * posix_spawn leaves those ignored. */
static void child_signals(struct spawn_child *child)
{
    static const unsigned long plain[8]; /* the kernel's struct sigaction, all zero: the default */
    for (int number = 1; number < NSIG; number++) {
        if (number != SIGKILL && number != SIGSTOP &&
            syscall(SYS_rt_sigaction, number, plain, NULL, 8UL) != 0) {
            child_fail(child, SPAWN_SIGNALS);
        }
    }
    sigset_t none;
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) != 0) {
        child_fail(child, SPAWN_SIGNALS);
    }
}

static void child_limits(struct spawn_child *child)
{
    struct rlimit limit = {0, 0};
    if (setrlimit(RLIMIT_CORE, &limit) != 0) {
        child_fail(child, SPAWN_LIMITS);
    }
    if (child->nofile > 0) {
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
            child_fail(child, SPAWN_LIMITS);
        }
        limit.rlim_cur = child->nofile < limit.rlim_max ? child->nofile : limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            child_fail(child, SPAWN_LIMITS);
        }
    }
    /* The soft one only: a muster inside an attempt has to set marks of its own. */
    if (child->mark != 0 && getrlimit(RLIMIT_LOCKS, &limit) == 0 && child->mark < limit.rlim_max) {
        limit.rlim_cur = (rlim_t)child->mark;
        if (setrlimit(RLIMIT_LOCKS, &limit) != 0) {
            child_fail(child, SPAWN_LIMITS);
        }
    }
}

static void child_streams(struct spawn_child *child)
{
    int null = child->null_fd;
    if (dup2(null, STDIN_FILENO) < 0 ||
        dup2(child->out_fd >= 0 ? child->out_fd : null, STDOUT_FILENO) < 0 ||
        dup2(child->err_fd >= 0 ? child->err_fd : null, STDERR_FILENO) < 0) {
        child_fail(child, SPAWN_STREAMS);
    }
    /* Linux before 5.9 has no close_range. */
    if (syscall(SYS_close_range, 3U, ~0U, 0U) != 0) {
        struct rlimit limit = {0};
        if (errno != ENOSYS || getrlimit(RLIMIT_NOFILE, &limit) != 0) {
            child_fail(child, SPAWN_STREAMS);
        }
        for (int fd = 3; fd < (int)limit.rlim_cur; fd++) {
            close(fd);
        }
    }
}

static int child_main(void *context)
{
    struct spawn_child *child = context;
    if (setsid() < 0) {
        child_fail(child, SPAWN_SESSION);
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        child_fail(child, SPAWN_PARENT);
    }
    if (getppid() != child->parent) { /* it died before the line above */
        errno = ESRCH;
        child_fail(child, SPAWN_PARENT);
    }
    child_streams(child);
    child_limits(child); /* after the descriptors: a lower limit would refuse dup2 */
    if (child->folder != NULL && chdir(child->folder) != 0) {
        child_fail(child, SPAWN_FOLDER);
    }
    child_signals(child);
    child->exec_us = clock_monotonic_us(); /* reads memory that the kernel maps for it */
    execve(child->program, child->argv, child->envp);
    if (errno == ENOEXEC) {
        execve(child->shell_argv[0], child->shell_argv, child->envp);
    }
    child_fail(child, SPAWN_EXEC);
    return 127;
}

pid_t spawn_child_start(struct spawn_child *child, void *stack, int *ret_pidfd)
{
    int pidfd = -1;
    child->parent = getpid();
    child->place = SPAWN_NONE;
    child->error = 0;
    pid_t pid = clone(child_main, (char *)stack + SPAWN_STACK_BYTES,
                      CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, child, &pidfd);
    if (pid < 0) {
        child->error = errno;
        child->place = SPAWN_CLONE;
        return 0;
    }
    if (child->place != SPAWN_NONE) {
        close(pidfd);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
        return 0;
    }
    *ret_pidfd = pidfd;
    return pid;
}
