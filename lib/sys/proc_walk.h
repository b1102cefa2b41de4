/* sys/proc_walk.h -- one look at all processes of this machine. Inside lib/sys; any thread;
 * milliseconds. */
#ifndef MUSTER_SYS_PROC_WALK_H
#define MUSTER_SYS_PROC_WALK_H

#include <sys/types.h>

#include "base/error.h"

struct proc {
    pid_t pid, parent, group, session;
    char state;         /* Z and X: dead */
    uint64_t started;   /* clock ticks since boot: with pid, names a process for ever */
    uint64_t cpu_ticks; /* of it and the children it waited for */
    uint64_t rss_pages;
    bool is_member; /* the caller's */
};

struct proc_list {
    struct proc *procs; /* in ascending order of pid */
    uint32_t n;
    uint32_t cap;
};

/* Owned by the caller: proc_list_fini(). What vanishes during the walk is left out. */
MUST_CHECK error_code proc_list_read(struct proc_list *ret_list);
void proc_list_fini(struct proc_list *list);
struct proc *proc_list_find(const struct proc_list *list, pid_t pid); /* NULL */
/* False: gone, or not ours to read. */
bool proc_stat_read(pid_t pid, struct proc *ret_proc);
/* The soft limit on file locks; 0 if it cannot be read or is unlimited. */
uint64_t proc_locks_limit(pid_t pid);
/* The first environment holds an entry that begins with `name`=`text`; is_prefix: followed by
 * anything, else its end. */
bool proc_has_env(pid_t pid, const char *name, const char *text, bool is_prefix);

#endif
