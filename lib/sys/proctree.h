/* sys/proctree.h -- an attempt ends when its whole process tree is gone, also what left its group
 * and session, cleared its environment, and was given to this process, its subreaper, by the
 * kernel. Any thread; a walk over /proc takes milliseconds, proctree_kill() up to PROCTREE_KILL_MS:
 * call them from a worker thread.
 *
 * A process belongs to an attempt if any of these holds: its soft RLIMIT_LOCKS (which Linux has not
 * used since 2.4.25, and which every fork, exec, setsid and env -i keeps) is the attempt's number;
 * MUSTER_ATTEMPT in its first environment is the attempt's text; its session or group is the main
 * process's; an ancestor belongs. The main process may not be reaped before its tree is gone: until
 * then nobody else can get its pid. */
#ifndef MUSTER_SYS_PROCTREE_H
#define MUSTER_SYS_PROCTREE_H

#include <sys/types.h>

#include "base/error.h"

#define PROCTREE_ENV "MUSTER_ATTEMPT"

enum {
    PROCTREE_TEXT_MAX = 256,
    PROCTREE_PIDS_MAX = 65536, /* on this machine */
    PROCTREE_KILL_MS = 2000,
    PROCTREE_ORPHANS_MAX = 4096,
};

struct proctree_mark {
    char text[PROCTREE_TEXT_MAX]; /* <prefix>/<name>; "" : none */
    uint64_t number;              /* of prefix (upper half) and serial */
};

/* prefix: names the agent, the same for all its incarnations. serial: of the attempt, no two alive
 * with the same one. ERR_LIMIT: too long. */
MUST_CHECK error_code proctree_mark_make(const char *prefix, const char *name, uint32_t serial,
                                         struct proctree_mark *ret_mark);

struct proctree_target {
    struct proctree_mark mark; /* made by proctree_mark_make(): an empty one would be everybody's */
    bool is_prefix; /* every attempt of mark.text's prefix (without name): leftovers of an agent */
    pid_t main;     /* alive or not reaped; 0: none */
    const pid_t *others; /* further main processes, with the same mark; not reaped either */
    uint32_t n_others;
    bool has_strangers; /* children of this process that no attempt owns belong to it, too */
};

struct proctree_usage {
    uint32_t n_processes; /* zombies are none */
    uint64_t rss_bytes;
    int64_t cpu_ms; /* of living processes and of children that they waited for */
};

/* Makes this process the one that orphans are given to. Once, at start. */
MUST_CHECK error_code proctree_adopt(struct report *report);

/* Reaps dead orphans; true if any is alive that may be of the attempt with this number (0: any at
 * all). *ret_is_known is false where the kernel cannot list children (no CONFIG_PROC_CHILDREN) and
 * there are some: then only a walk can tell. Microseconds. The caller's main thread must make no
 * children of its own: the spawner's are its thread's. */
bool proctree_has_orphans(uint64_t number, bool *ret_is_known);
/* For proctree_is_childless(), or -1 where the kernel does not list children. Close it. */
int proctree_children_open(void);
/* This process's main thread has no child at all, so nobody who ended left anybody behind. False:
 * maybe. Any thread; a system call. */
bool proctree_is_childless(int children_fd);
/* Stops all members until no new one is found, kills them, waits; again until two walks find none.
 * Never this process; zombies do not count; reaps members that are this process's children, except
 * the main one. *ret_killed: how many got SIGKILL. ERR_TIMEOUT: some are left (not killable now):
 * call again later. */
MUST_CHECK error_code proctree_kill(const struct proctree_target *target, uint32_t *ret_killed);
/* What the members use now. */
MUST_CHECK error_code proctree_measure(const struct proctree_target *target,
                                       struct proctree_usage *ret_usage);

#endif
