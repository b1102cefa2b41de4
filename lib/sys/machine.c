#include "sys/machine.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/files.h"

enum { TEXT_MAX = 64 << 10 };

/* ---- small files ---- */

/* False: it cannot be read. */
static bool text_read(const char *root, const char *path, struct buf *text)
{
    char whole[FILES_PATH_MAX_BYTES];
    int n = snprintf(whole, sizeof whole, "%s%s", root, path);
    buf_reset(text);
    return n > 0 && (size_t)n < sizeof whole && file_read_bounded(whole, text, NULL) == OK;
}

/* The number behind `key` ("" : the file is one number). False: no such line, or no number ("max").
 */
static bool number_read(const char *root, const char *path, const char *key, uint64_t *ret_number)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    bool is_read = false;
    if (text_read(root, path, &text)) {
        const char *at = buf_text(&text);
        size_t n = strlen(key);
        while (at != NULL && strncmp(at, key, n) != 0) {
            at = strchr(at, '\n');
            at = at != NULL ? at + 1 : NULL;
        }
        char *end;
        uint64_t number = at != NULL ? strtoull(at + n, &end, 10) : 0;
        is_read = at != NULL && end != at + n;
        if (is_read) {
            *ret_number = number;
        }
    }
    buf_fini(&text);
    return is_read;
}

/* ---- cgroups ---- */

/* Where a controller's files lie; v1 has a tree for each controller, v2 one for all. */
struct cgroup {
    bool is_v2;
    char top[64];
    char path[FILES_PATH_MAX_BYTES / 2]; /* of ours below the top; "" at the top */
};

/* A line is id:controllers:path; v2's has no controllers. */
static bool cgroup_line_matches(const char *line, const char *controller, bool *ret_is_v2)
{
    const char *names = strchr(line, ':');
    if (names == NULL) {
        return false;
    }
    names++;
    const char *end = strchr(names, ':');
    if (end == NULL) {
        return false;
    }
    if (end == names) {
        *ret_is_v2 = true;
        return true;
    }
    size_t n = strlen(controller);
    for (const char *at = names; at < end; at = strpbrk(at, ",:") + 1) {
        if (strncmp(at, controller, n) == 0 && (at[n] == ',' || at[n] == ':')) {
            *ret_is_v2 = false;
            return true;
        }
    }
    return false;
}

static bool cgroup_has(const char *root, const struct cgroup *group, const char *file)
{
    char path[FILES_PATH_MAX_BYTES];
    int n = snprintf(path, sizeof path, "%s%s%s/%s", root, group->top, group->path, file);
    return n > 0 && (size_t)n < sizeof path && access(path, R_OK) == 0;
}

static bool cgroup_find(const char *root, const char *controller, struct cgroup *ret_group)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    bool is_found = false;
    if (text_read(root, "/proc/self/cgroup", &text)) {
        char *rest = NULL;
        for (char *line = strtok_r((char *)(uintptr_t)buf_text(&text), "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest)) {
            bool is_v2;
            if (!cgroup_line_matches(line, controller, &is_v2) || (is_found && is_v2)) {
                continue; /* where both kinds are mounted, v1's controllers are in use */
            }
            const char *path = strchr(strchr(line, ':') + 1, ':') + 1;
            struct cgroup group = {.is_v2 = is_v2};
            ignore_error(snprintf(group.top, sizeof group.top, "/sys/fs/cgroup%s%s",
                                  is_v2 ? "" : "/", is_v2 ? "" : controller) < 0,
                         "it fits");
            ignore_error(snprintf(group.path, sizeof group.path, "%s",
                                  strcmp(path, "/") == 0 ? "" : path) < 0,
                         "a longer one is not found below");
            *ret_group = group;
            is_found = true;
        }
    }
    buf_fini(&text);
    /* In a container without a cgroup namespace the path is the host's, and our group is mounted at
     * the top. */
    if (is_found && ret_group->path[0] != '\0' && !cgroup_has(root, ret_group, "cgroup.procs") &&
        !cgroup_has(root, ret_group, "tasks")) {
        ret_group->path[0] = '\0';
    }
    return is_found;
}

static bool cgroup_number(const char *root, const struct cgroup *group, const char *file,
                          const char *key, uint64_t *ret_number)
{
    char path[FILES_PATH_MAX_BYTES];
    int n = snprintf(path, sizeof path, "%s%s/%s", group->top, group->path, file);
    return n > 0 && (size_t)n < sizeof path && number_read(root, path, key, ret_number);
}

/* One group up; false at the top. */
static bool cgroup_up(struct cgroup *group)
{
    char *slash = strrchr(group->path, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    return true;
}

static void cpu_limit_apply(const char *root, struct machine *machine)
{
    struct cgroup group;
    if (!cgroup_find(root, "cpu", &group)) {
        return;
    }
    do {
        uint64_t quota, period;
        bool is_limited;
        if (group.is_v2) { /* "150000 100000" or "max 100000" */
            char path[FILES_PATH_MAX_BYTES];
            struct buf text;
            buf_init(&text, TEXT_MAX);
            int n = snprintf(path, sizeof path, "%s%s/cpu.max", group.top, group.path);
            is_limited = n > 0 && (size_t)n < sizeof path && text_read(root, path, &text) &&
                         sscanf(buf_text(&text), "%" SCNu64 " %" SCNu64, &quota, &period) == 2;
            buf_fini(&text);
        } else { /* -1: none */
            is_limited = cgroup_number(root, &group, "cpu.cfs_quota_us", "", &quota) &&
                         cgroup_number(root, &group, "cpu.cfs_period_us", "", &period) &&
                         (int64_t)quota > 0;
        }
        if (is_limited && period > 0 && quota < UINT64_MAX / MACHINE_CPU_ONE) {
            int64_t cpus = (int64_t)(quota * MACHINE_CPU_ONE / period);
            if (cpus < machine->cpus) {
                machine->cpus = cpus > 0 ? cpus : 1;
                machine->has_cpu_limit = true;
            }
        }
    } while (cgroup_up(&group));
}

static void memory_limit_apply(const char *root, struct machine *machine)
{
    struct cgroup group;
    if (!cgroup_find(root, "memory", &group)) {
        return;
    }
    do {
        uint64_t limit;
        const char *file = group.is_v2 ? "memory.max" : "memory.limit_in_bytes";
        if (cgroup_number(root, &group, file, "", &limit) && limit < machine->memory_bytes) {
            machine->memory_bytes = limit;
            machine->has_memory_limit = true;
        }
    } while (cgroup_up(&group));
}

error_code machine_read(const char *root, struct machine *ret_machine, struct report *report)
{
    struct machine machine = {0};
    if (gethostname(machine.host, sizeof machine.host - 1) != 0) {
        return report_fail(report, error_from_errno(errno), "this machine has no name: %s",
                           strerror(errno));
    }
    cpu_set_t set;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    /* More CPUs than a cpu_set_t has: then all of them count. */
    int n_cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)online;
    machine.cpus = (int64_t)(n_cpus > 0 ? n_cpus : 1) * MACHINE_CPU_ONE;
    uint64_t kib;
    if (!number_read(root, "/proc/meminfo", "MemTotal:", &kib)) {
        return report_fail(report, ERR_SYSTEM, "%s/proc/meminfo cannot be read", root);
    }
    machine.memory_bytes = kib * 1024;
    cpu_limit_apply(root, &machine);
    memory_limit_apply(root, &machine);
    *ret_machine = machine;
    return OK;
}

/* ---- load ---- */

/* CPU time that was used, in microseconds. */
static bool busy_read(const char *root, const struct machine *machine, uint64_t *ret_busy_us)
{
    struct cgroup group;
    if (machine->has_cpu_limit && cgroup_find(root, "cpu", &group) && group.is_v2) {
        return cgroup_number(root, &group, "cpu.stat", "usage_usec ", ret_busy_us);
    }
    uint64_t busy_ns;
    if (machine->has_cpu_limit && cgroup_find(root, "cpuacct", &group) &&
        cgroup_number(root, &group, "cpuacct.usage", "", &busy_ns)) {
        *ret_busy_us = busy_ns / 1000;
        return true;
    }
    struct buf text;
    buf_init(&text, TEXT_MAX * 16); /* a line for each CPU and interrupt */
    uint64_t user, nice, system;
    bool is_read =
        text_read(root, "/proc/stat", &text) &&
        sscanf(buf_text(&text), "cpu %" SCNu64 " %" SCNu64 " %" SCNu64, &user, &nice, &system) == 3;
    buf_fini(&text);
    if (is_read) {
        *ret_busy_us = (user + nice + system) * (1000000 / (uint64_t)sysconf(_SC_CLK_TCK));
    }
    return is_read;
}

static uint64_t memory_used_read(const char *root, const struct machine *machine)
{
    struct cgroup group;
    uint64_t used, total, available;
    if (machine->has_memory_limit && cgroup_find(root, "memory", &group) &&
        cgroup_number(root, &group, group.is_v2 ? "memory.current" : "memory.usage_in_bytes", "",
                      &used)) {
        return used;
    }
    if (number_read(root, "/proc/meminfo", "MemTotal:", &total) &&
        number_read(root, "/proc/meminfo", "MemAvailable:", &available) && total > available) {
        return (total - available) * 1024;
    }
    return 0;
}

void machine_load_read(const char *root, const struct machine *machine, struct machine_meter *meter,
                       struct machine_load *ret_load)
{
    struct machine_load load = {.memory_used_bytes = memory_used_read(root, machine)};
    uint64_t busy_us;
    int64_t now_us = clock_monotonic_us();
    if (busy_read(root, machine, &busy_us)) {
        if (meter->at_us > 0 && now_us > meter->at_us && busy_us >= meter->busy_us) {
            int64_t could_us = (now_us - meter->at_us) * machine->cpus / MACHINE_CPU_ONE;
            int64_t was_us = (int64_t)(busy_us - meter->busy_us);
            load.cpu_permille = could_us > 0 ? was_us * 1000 / could_us : 0;
            load.cpu_permille = load.cpu_permille > 1000 ? 1000 : load.cpu_permille;
        }
        *meter = (struct machine_meter){busy_us, now_us};
    }
    *ret_load = load;
}

/* Of one limited group; false: it has no limit. */
static bool cgroup_memory_available(const char *root, const struct cgroup *group,
                                    uint64_t *ret_bytes)
{
    static const char *const caches[2][2] = {{"total_inactive_file ", "total_active_file "},
                                             {"inactive_file ", "active_file "}};
    uint64_t limit, used, free = 0;
    if (!cgroup_number(root, group, group->is_v2 ? "memory.max" : "memory.limit_in_bytes", "",
                       &limit) ||
        !cgroup_number(root, group, group->is_v2 ? "memory.current" : "memory.usage_in_bytes", "",
                       &used)) {
        return false;
    }
    free = limit > used ? limit - used : 0;
    for (int i = 0; i < 2; i++) {
        uint64_t cache;
        if (cgroup_number(root, group, "memory.stat", caches[group->is_v2 ? 1 : 0][i], &cache)) {
            free += cache;
        }
    }
    *ret_bytes = free;
    return true;
}

bool machine_memory_available(const char *root, uint64_t *ret_bytes)
{
    struct cgroup group;
    uint64_t kib, least = UINT64_MAX;
    if (number_read(root, "/proc/meminfo", "MemAvailable:", &kib)) {
        least = kib * 1024;
    }
    if (cgroup_find(root, "memory", &group)) {
        do {
            uint64_t free;
            if (cgroup_memory_available(root, &group, &free) && free < least) {
                least = free;
            }
        } while (cgroup_up(&group));
    }
    if (least != UINT64_MAX) {
        *ret_bytes = least;
    }
    return least != UINT64_MAX;
}

bool machine_oom_kills(const char *root, uint64_t *ret_count)
{
    struct cgroup group;
    return cgroup_find(root, "memory", &group) &&
           cgroup_number(root, &group, group.is_v2 ? "memory.events" : "memory.oom_control",
                         "oom_kill ", ret_count);
}

void machine_memory_keep(void)
{
    enum { KEPT_BYTES = 32 << 20 };
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}
