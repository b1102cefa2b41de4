#include "sys/proc_walk.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/proctree.h"

enum { PROC_ENV_MAX_BYTES = 256 << 10 };

/* How many bytes; -1: none. */
static ssize_t proc_file_read(pid_t pid, const char *name, char *ret_text, size_t size_bytes)
{
    char path[64];
    ignore_error(snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name) < 0, "it fits");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    size_t length = 0;
    while (length < size_bytes - 1) {
        ssize_t n = read(fd, ret_text + length, size_bytes - 1 - length);
        if (n <= 0) {
            break;
        }
        length += (size_t)n;
    }
    close(fd);
    ret_text[length] = '\0';
    return (ssize_t)length;
}

bool proc_stat_read(pid_t pid, struct proc *ret_proc)
{
    char text[1024];
    if (proc_file_read(pid, "stat", text, sizeof text) <= 0) {
        return false;
    }
    /* The name may hold anything, also blanks and brackets: what counts comes after its last
     * bracket. */
    const char *rest = strrchr(text, ')');
    char state;
    int parent, group, session;
    unsigned long long user, system, started;
    long long children_user, children_system, rss;
    if (rest == NULL ||
        sscanf(rest + 1,
               " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %*d %*d %llu "
               "%*u %lld",
               &state, &parent, &group, &session, &user, &system, &children_user, &children_system,
               &started, &rss) != 10) {
        return false;
    }
    *ret_proc = (struct proc){
        .pid = pid,
        .parent = parent,
        .group = group,
        .session = session,
        .state = state,
        .started = started,
        .cpu_ticks = user + system + (unsigned long long)(children_user + children_system),
        .rss_pages = rss > 0 ? (uint64_t)rss : 0,
    };
    return true;
}

static int proc_compare(const void *a, const void *b)
{
    pid_t left = ((const struct proc *)a)->pid, right = ((const struct proc *)b)->pid;
    return left < right ? -1 : left > right;
}

static error_code proc_list_add(struct proc_list *list, const struct proc *proc)
{
    if (list->n == list->cap) {
        uint32_t cap = list->cap == 0 ? 512 : list->cap * 2;
        if (cap > PROCTREE_PIDS_MAX) {
            return ERR_LIMIT;
        }
        struct proc *more = mem_realloc(list->procs, cap * sizeof *more);
        if (more == NULL) {
            return ERR_NO_MEMORY;
        }
        list->procs = more;
        list->cap = cap;
    }
    list->procs[list->n++] = *proc;
    return OK;
}

error_code proc_list_read(struct proc_list *ret_list)
{
    DIR *folder = opendir("/proc");
    if (folder == NULL) {
        return error_from_errno(errno);
    }
    struct proc_list list = {0};
    error_code error = OK;
    for (struct dirent *entry; error == OK && (entry = readdir(folder)) != NULL;) {
        struct proc proc;
        if (isdigit((unsigned char)entry->d_name[0]) &&
            proc_stat_read((pid_t)strtol(entry->d_name, NULL, 10), &proc)) {
            error = proc_list_add(&list, &proc);
        }
    }
    closedir(folder);
    if (error != OK) {
        proc_list_fini(&list);
        return error;
    }
    if (list.n > 0) {
        qsort(list.procs, list.n, sizeof *list.procs, proc_compare);
    }
    *ret_list = list;
    return OK;
}

void proc_list_fini(struct proc_list *list)
{
    mem_free(list->procs);
    *list = (struct proc_list){0};
}

struct proc *proc_list_find(const struct proc_list *list, pid_t pid)
{
    if (list->n == 0) {
        return NULL;
    }
    struct proc wanted = {.pid = pid};
    return bsearch(&wanted, list->procs, list->n, sizeof *list->procs, proc_compare);
}

uint64_t proc_locks_limit(pid_t pid)
{
    char text[4096];
    if (proc_file_read(pid, "limits", text, sizeof text) <= 0) {
        return 0;
    }
    static const char name[] = "Max file locks";
    const char *line = strstr(text, name);
    /* "unlimited" reads as 0 */
    return line != NULL ? strtoull(line + sizeof name - 1, NULL, 10) : 0;
}

bool proc_has_env(pid_t pid, const char *name, const char *text, bool is_prefix)
{
    CLEANUP(mem_freep) char *environment = mem_alloc(PROC_ENV_MAX_BYTES);
    if (environment == NULL) {
        return false;
    }
    ssize_t length = proc_file_read(pid, "environ", environment, PROC_ENV_MAX_BYTES);
    size_t n_name = strlen(name), n_text = strlen(text);
    for (const char *at = environment, *end = environment + (length > 0 ? length : 0); at < end;
         at += strlen(at) + 1) {
        if (strncmp(at, name, n_name) == 0 && at[n_name] == '=' &&
            strncmp(at + n_name + 1, text, n_text) == 0 &&
            (is_prefix || at[n_name + 1 + n_text] == '\0')) {
            return true;
        }
    }
    return false;
}
