/* sys/machine.h -- what this process may use: CPUs, memory, its name; how busy that is; whether the
 * kernel killed for want of memory. Limits of cgroup v1 and v2 (also of those above ours, where
 * they can be seen) and of the CPU affinity count. Any thread; each call reads a few small files.
 */
#ifndef MUSTER_SYS_MACHINE_H
#define MUSTER_SYS_MACHINE_H

#include "base/error.h"

enum { MACHINE_HOST_MAX = 256, MACHINE_CPU_ONE = 10000 };

struct machine {
    char host[MACHINE_HOST_MAX];
    int64_t cpus; /* in 1/MACHINE_CPU_ONE */
    uint64_t memory_bytes;
    bool has_cpu_limit;    /* cgroup's, below what the machine has */
    bool has_memory_limit; /* the same */
};

struct machine_load {
    int64_t cpu_permille;       /* of `cpus`, since the call before; 0 at the first one */
    uint64_t memory_used_bytes; /* of the limited group, else of the machine */
};

/* What machine_load_read() remembers; zeroed at first. */
struct machine_meter {
    uint64_t busy_us;
    int64_t at_us;
};

/* `root`: "" on a real machine; tests give a folder that holds proc/ and sys/. */
MUST_CHECK error_code machine_read(const char *root, struct machine *ret_machine,
                                   struct report *report);
void machine_load_read(const char *root, const struct machine *machine, struct machine_meter *meter,
                       struct machine_load *ret_load);
/* What could still be taken before the kernel kills: of the machine, and of each limited group that
 * we are in, where caches that can be given up count as free. False: it does not say. */
bool machine_memory_available(const char *root, uint64_t *ret_bytes);
/* How often the kernel has killed in our memory cgroup; false: it does not say. */
bool machine_oom_kills(const char *root, uint64_t *ret_count);

/* For daemons, once at start: memory that was given back is kept for the next one. Pieces of work
 * folders come by the hundred, and giving each back to the kernel costs more than what is done with
 * it. */
void machine_memory_keep(void);

#endif
