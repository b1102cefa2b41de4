#include "sys/proc_usage.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/proc_walk.h"

enum { FILE_MAX_BYTES = 4096, CHILDREN_MAX_BYTES = 64 << 10 };

/* How many bytes; -1: gone, or not ours. */
static ssize_t small_file_read(const char *path, char *ret_text, size_t size_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    size_t length = 0;
    ssize_t n;
    while (length < size_bytes - 1 &&
           (n = read(fd, ret_text + length, size_bytes - 1 - length)) > 0) {
        length += (size_t)n;
    }
    close(fd);
    ret_text[length] = '\0';
    return (ssize_t)length;
}

/* ---- one process ---- */

struct proc_now {
    char name[PROC_USAGE_NAME_MAX];
    char state;
    unsigned long long ticks;
    long threads;
    uint64_t rss_bytes;
};

static bool proc_now_read(pid_t pid, struct proc_now *ret_now)
{
    char path[64], text[FILE_MAX_BYTES];
    struct proc_now now = {0};
    ignore_error(snprintf(path, sizeof path, "/proc/%d/stat", (int)pid) < 0, "it fits");
    if (small_file_read(path, text, sizeof text) <= 0) {
        return false;
    }
    /* The name may hold anything, also blanks and brackets. */
    const char *name = strchr(text, '('), *rest = strrchr(text, ')');
    unsigned long long user, system;
    long long children_user, children_system, rss;
    if (name == NULL || rest == NULL || rest < name ||
        sscanf(rest + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %ld %*d "
               "%*u %*u %lld",
               &now.state, &user, &system, &children_user, &children_system, &now.threads,
               &rss) != 7) {
        return false;
    }
    ignore_error(snprintf(now.name, sizeof now.name, "%.*s", (int)(rest - name - 1), name + 1) < 0,
                 "cut");
    now.ticks = user + system + (unsigned long long)(children_user + children_system);
    now.rss_bytes = rss > 0 ? (uint64_t)rss * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    *ret_now = now;
    return true;
}

static error_code pid_add(struct proc_usage *usage, pid_t pid)
{
    if (usage->n_pids == usage->cap_pids) {
        uint32_t cap = usage->cap_pids == 0 ? 16 : usage->cap_pids * 2;
        if (cap > PROC_USAGE_PIDS_MAX) {
            return ERR_LIMIT;
        }
        pid_t *pids = mem_realloc(usage->pids, cap * sizeof *pids);
        if (pids == NULL) {
            return ERR_NO_MEMORY;
        }
        usage->pids = pids;
        usage->cap_pids = cap;
    }
    usage->pids[usage->n_pids++] = pid;
    return OK;
}

/* ---- children ---- */

static error_code thread_children_add(struct proc_usage *usage, pid_t pid, long thread)
{
    static _Thread_local char text[CHILDREN_MAX_BYTES];
    char path[96];
    ignore_error(snprintf(path, sizeof path, "/proc/%d/task/%ld/children", (int)pid, thread) < 0,
                 "it fits");
    if (small_file_read(path, text, sizeof text) <= 0) {
        return OK;
    }
    error_code error = OK;
    char *end;
    for (char *at = text; error == OK; at = end) {
        long child = strtol(at, &end, 10);
        if (end == at) {
            break;
        }
        error = pid_add(usage, (pid_t)child);
    }
    return error;
}

/* The kernel lists the children of a thread, not of a process. */
static error_code children_add(struct proc_usage *usage, pid_t pid, long threads)
{
    char path[64];
    if (threads <= 1) {
        return thread_children_add(usage, pid, pid);
    }
    ignore_error(snprintf(path, sizeof path, "/proc/%d/task", (int)pid) < 0, "it fits");
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return OK;
    }
    error_code error = OK;
    for (struct dirent *entry; error == OK && (entry = readdir(folder)) != NULL;) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            error = thread_children_add(usage, pid, strtol(entry->d_name, NULL, 10));
        }
    }
    closedir(folder);
    return error;
}

/* From the first pid that was not looked at yet, until no new one comes. */
static error_code usage_walk(struct proc_usage *usage, uint32_t first)
{
    error_code error = OK;
    unsigned long long ticks = 0;
    for (uint32_t i = first; i < usage->n_pids && error == OK; i++) {
        struct proc_now now;
        if (!proc_now_read(usage->pids[i], &now) || now.state == 'Z' || now.state == 'X') {
            continue;
        }
        ticks += now.ticks;
        usage->rss_bytes += now.rss_bytes;
        if (now.rss_bytes > usage->largest_bytes) {
            usage->largest = usage->pids[i];
            usage->largest_bytes = now.rss_bytes;
            memcpy(usage->largest_name, now.name, sizeof now.name);
        }
        error = children_add(usage, usage->pids[i], now.threads);
    }
    usage->cpu_ms += (int64_t)(ticks * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK));
    return error;
}

/* Who lost its parent is a child of this process's main thread, and carries the attempt's number.
 */
static error_code orphans_add(struct proc_usage *usages, uint32_t n)
{
    struct proc_usage orphans = {0};
    error_code error = thread_children_add(&orphans, getpid(), getpid());
    for (uint32_t i = 0; i < orphans.n_pids && error == OK; i++) {
        uint64_t number = proc_locks_limit(orphans.pids[i]);
        for (uint32_t k = 0; k < n && number != 0 && error == OK; k++) {
            uint32_t first = usages[k].n_pids;
            if (usages[k].number == number && usages[k].main != orphans.pids[i]) {
                error = pid_add(&usages[k], orphans.pids[i]);
                error = error == OK ? usage_walk(&usages[k], first) : error;
            }
        }
    }
    mem_free(orphans.pids);
    return error;
}

error_code proc_usages_read(struct proc_usage *usages, uint32_t n)
{
    error_code error = OK;
    for (uint32_t i = 0; i < n && error == OK; i++) {
        error = pid_add(&usages[i], usages[i].main);
        for (uint32_t k = 0; k < usages[i].n_others && error == OK; k++) {
            error = pid_add(&usages[i], usages[i].others[k]);
        }
        error = error == OK ? usage_walk(&usages[i], 0) : error;
    }
    return error == OK ? orphans_add(usages, n) : error;
}

void proc_usages_fini(struct proc_usage *usages, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        mem_free(usages[i].pids);
        usages[i].pids = NULL;
        usages[i].n_pids = usages[i].cap_pids = 0;
    }
}

bool proc_usage_pss(const struct proc_usage *usage, uint64_t *ret_bytes)
{
    uint64_t sum = 0;
    bool is_any = false;
    for (uint32_t i = 0; i < usage->n_pids; i++) {
        char path[64], text[FILE_MAX_BYTES];
        ignore_error(snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)usage->pids[i]) < 0,
                     "it fits");
        const char *line =
            small_file_read(path, text, sizeof text) > 0 ? strstr(text, "\nPss:") : NULL;
        if (line != NULL) {
            sum += strtoull(line + strlen("\nPss:"), NULL, 10) * 1024;
            is_any = true;
        }
    }
    if (is_any) {
        *ret_bytes = sum;
    }
    return is_any;
}
