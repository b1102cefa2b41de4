/* Whom the kernel has given to this process, its subreaper. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/proc_walk.h"
#include "sys/proctree.h"

enum { CHILDREN_PATH_BYTES = 64 };

error_code proctree_adopt(struct report *report)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return report_fail(report, error_from_errno(errno), "cannot become a subreaper: %s",
                           strerror(errno));
    }
    return OK;
}

/* The kernel gives orphans to the first living thread of the subreaper: the main one, as long as it
 * lives. */
static void children_path(char ret_path[CHILDREN_PATH_BYTES])
{
    ignore_error(
        snprintf(ret_path, CHILDREN_PATH_BYTES, "/proc/self/task/%d/children", (int)getpid()) < 0,
        "it fits");
}

int proctree_children_open(void)
{
    char path[CHILDREN_PATH_BYTES];
    children_path(path);
    return open(path, O_RDONLY | O_CLOEXEC);
}

bool proctree_is_childless(int children_fd)
{
    char first;
    return pread(children_fd, &first, 1, 0) == 0;
}

static bool children_read(pid_t *ret_pids, uint32_t *ret_n)
{
    char path[CHILDREN_PATH_BYTES];
    children_path(path);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    uint32_t n = 0;
    int pid;
    while (n < PROCTREE_ORPHANS_MAX && fscanf(file, "%d", &pid) == 1) {
        ret_pids[n++] = pid;
    }
    fclose(file);
    *ret_n = n;
    return true;
}

#ifndef __WNOTHREAD
#define __WNOTHREAD 0x20000000
#endif

/* The main thread has no child at all, which one call tells. */
static bool main_is_childless(void)
{
    siginfo_t info;
    return syscall(SYS_gettid) == getpid() &&
           waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WNOTHREAD) != 0 &&
           errno == ECHILD;
}

/* Of another attempt of the same agent: it has that one's number. */
static bool orphan_is_anothers(uint64_t number, pid_t pid)
{
    uint64_t its = proc_locks_limit(pid);
    return number != 0 && its != number && its >> 32 == number >> 32;
}

static bool orphans_look(uint64_t number, bool *ret_is_known)
{
    static _Thread_local pid_t pids[PROCTREE_ORPHANS_MAX];
    uint32_t n;
    bool has_living = false;
    *ret_is_known = true;
    /* Twice: a list that changes while it is read may leave somebody out. */
    for (int i = 0; i < 2 && !has_living; i++) {
        if (!children_read(pids, &n)) {
            *ret_is_known = false;
            return true;
        }
        for (uint32_t k = 0; k < n; k++) {
            bool is_alive = waitpid(pids[k], NULL, WNOHANG) == 0;
            has_living = has_living || (is_alive && !orphan_is_anothers(number, pids[k]));
        }
    }
    return has_living;
}

bool proctree_has_orphans(uint64_t number, bool *ret_is_known)
{
    *ret_is_known = true;
    return !main_is_childless() && orphans_look(number, ret_is_known);
}
