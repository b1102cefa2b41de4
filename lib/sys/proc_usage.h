/* sys/proc_usage.h -- what attempts use now: each one's main process with all its descendants, and
 * orphans of it that were given to this process. By the kernel's lists of children, so that the
 * cost follows the attempts and not the machine; where the kernel has no such lists only main
 * processes are seen. Any thread; some 20 microseconds a process. */
#ifndef MUSTER_SYS_PROC_USAGE_H
#define MUSTER_SYS_PROC_USAGE_H

#include <sys/types.h>

#include "base/error.h"

enum { PROC_USAGE_PIDS_MAX = 65536, PROC_USAGE_NAME_MAX = 32 };

/* In: main, others and number; the rest zeroed. Out: the rest; all 0 if it has gone. */
struct proc_usage {
    pid_t main;
    const pid_t *others; /* further main processes of the same attempt; borrowed */
    uint32_t n_others;
    uint64_t number;    /* of its mark, see sys/proctree.h; 0: orphans are not looked for */
    uint64_t rss_bytes; /* pages that several of its processes share count for each of them */
    int64_t cpu_ms;     /* of living processes and of children that they waited for */
    pid_t largest;
    uint64_t largest_bytes;
    char largest_name[PROC_USAGE_NAME_MAX];
    pid_t *pids; /* owned */
    uint32_t n_pids, cap_pids;
};

/* ERR_NO_MEMORY or ERR_LIMIT: what was seen until then is there. proc_usages_fini() either way. */
MUST_CHECK error_code proc_usages_read(struct proc_usage *usages, uint32_t n);
void proc_usages_fini(struct proc_usage *usages, uint32_t n);
/* The same memory with shared pages divided among those who share them; the kernel walks every
 * mapping, which takes milliseconds a gigabyte. False: it may not be read. */
bool proc_usage_pss(const struct proc_usage *usage, uint64_t *ret_bytes);

#endif
