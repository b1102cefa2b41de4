#include "sys/proctree.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/proc_walk.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum {
    NUMBER_BIT = 62, /* tells our numbers from limits that somebody set */
    KILL_ROUNDS_MAX = 64,
    STOP_ROUNDS_MAX = 64,
    VICTIMS_MAX = 8192,
};

/* ---- marks ---- */

static uint64_t number_of_prefix(const char *prefix)
{
    /* FNV-1a, 64 bits, folded to 30: <http://www.isthe.com/chongo/tech/comp/fnv/> */
    uint64_t hash = 0xcbf29ce484222325;
    for (; *prefix != '\0'; prefix++) {
        hash = (hash ^ (unsigned char)*prefix) * 0x100000001b3;
    }
    return (uint64_t)1 << NUMBER_BIT | ((hash ^ hash >> 30) & 0x3fffffff) << 32;
}

error_code proctree_mark_make(const char *prefix, const char *name, uint32_t serial,
                              struct proctree_mark *ret_mark)
{
    struct proctree_mark mark = {.number = number_of_prefix(prefix) | serial};
    int n = snprintf(mark.text, sizeof mark.text, "%s/%s", prefix, name);
    if (n < 0 || (size_t)n >= sizeof mark.text) {
        return ERR_LIMIT;
    }
    *ret_mark = mark;
    return OK;
}

/* ---- who belongs ---- */

static bool proc_is_dead(const struct proc *proc)
{
    return proc->state == 'Z' || proc->state == 'X';
}

static bool proc_is_marked(const struct proctree_target *target, const struct proc *proc,
                           bool *ret_is_anothers)
{
    uint64_t number = proc_locks_limit(proc->pid);
    uint64_t prefix = target->mark.number >> 32;
    *ret_is_anothers = false;
    if (number == target->mark.number || (target->is_prefix && number >> 32 == prefix)) {
        return true;
    }
    if (number >> 32 == prefix) {
        *ret_is_anothers = true;
        return false;
    }
    /* No number, or one of a muster around this one. */
    return proc_has_env(proc->pid, PROCTREE_ENV, target->mark.text, target->is_prefix);
}

/* Kernel threads are nobody's and have no files to read. */
static bool proc_is_kernels(const struct proc *proc)
{
    return proc->pid == 2 || proc->parent == 2;
}

static bool proc_belongs(const struct proctree_target *target, const struct proc *proc, pid_t self)
{
    if (target->main > 0 && (proc->pid == target->main || proc->session == target->main ||
                             proc->group == target->main)) {
        return true;
    }
    bool is_anothers;
    if (proc_is_marked(target, proc, &is_anothers)) {
        return true;
    }
    return target->has_strangers && !is_anothers && proc->parent == self;
}

/* Marks the members of a fresh walk and says how many are alive. */
static uint32_t members_mark(const struct proctree_target *target, struct proc_list *list)
{
    /* Who has no limit of locks reads as 0: without a mark everybody would belong. */
    assert((target->mark.number >> NUMBER_BIT & 1) == 1);
    pid_t self = getpid();
    for (uint32_t i = 0; i < list->n; i++) {
        struct proc *proc = &list->procs[i];
        proc->is_member =
            proc->pid != self && !proc_is_kernels(proc) && proc_belongs(target, proc, self);
    }
    /* Descendants; a parent may have a higher pid, hence until nothing changes. */
    for (bool is_changed = true; is_changed;) {
        is_changed = false;
        for (uint32_t i = 0; i < list->n; i++) {
            struct proc *proc = &list->procs[i];
            const struct proc *parent =
                proc->is_member || proc->pid == self ? NULL : proc_list_find(list, proc->parent);
            if (parent != NULL && parent->is_member) {
                proc->is_member = is_changed = true;
            }
        }
    }
    uint32_t n_alive = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        n_alive += list->procs[i].is_member && !proc_is_dead(&list->procs[i]) ? 1 : 0;
    }
    return n_alive;
}

/* ---- the end of a tree ---- */

struct victim {
    pid_t pid;
    uint64_t started;
    int pidfd;
};

struct victims {
    struct victim *items;
    uint32_t n;
    uint32_t cap;
};

static const struct victim *victim_find(const struct victims *victims, const struct proc *proc)
{
    for (uint32_t i = 0; i < victims->n; i++) {
        if (victims->items[i].pid == proc->pid && victims->items[i].started == proc->started) {
            return &victims->items[i];
        }
    }
    return NULL;
}

static void victims_fini(struct victims *victims)
{
    for (uint32_t i = 0; i < victims->n; i++) {
        close(victims->items[i].pidfd);
    }
    mem_free(victims->items);
    *victims = (struct victims){0};
}

static error_code victim_add(struct victims *victims, const struct proc *proc, int pidfd)
{
    if (victims->n == victims->cap) {
        uint32_t cap = victims->cap == 0 ? 32 : victims->cap * 2;
        struct victim *more =
            cap > VICTIMS_MAX ? NULL : mem_realloc(victims->items, cap * sizeof *more);
        if (more == NULL) {
            return cap > VICTIMS_MAX ? ERR_LIMIT : ERR_NO_MEMORY;
        }
        victims->items = more;
        victims->cap = cap;
    }
    victims->items[victims->n++] = (struct victim){proc->pid, proc->started, pidfd};
    return OK;
}

static void pidfd_signal(int pidfd, int signal)
{
    /* It may have ended by itself, which is as good. */
    ignore_error(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0U) == 0 ? OK : ERR_SYSTEM,
                 "a later walk shows what is left");
}

/* Holds a member by descriptor, so that no signal can meet a stranger who got its pid. */
static error_code victim_stop(struct victims *victims, const struct proc *proc)
{
    int pidfd = (int)syscall(SYS_pidfd_open, proc->pid, 0U);
    if (pidfd < 0) {
        return errno == EMFILE || errno == ENFILE ? ERR_LIMIT : OK;
    }
    struct proc now;
    if (!proc_stat_read(proc->pid, &now) || now.started != proc->started) {
        close(pidfd);
        return OK;
    }
    error_code error = victim_add(victims, proc, pidfd);
    if (error != OK) {
        close(pidfd);
        return error;
    }
    pidfd_signal(pidfd, SIGSTOP);
    return OK;
}

static bool pid_is_main(const struct proctree_target *target, pid_t pid)
{
    bool is_main = pid == target->main;
    for (uint32_t i = 0; i < target->n_others && !is_main; i++) {
        is_main = pid == target->others[i];
    }
    return is_main;
}

/* Dead children of ours among the members leave the process table here, all but the main ones. */
static void members_reap(const struct proctree_target *target, const struct proc_list *list)
{
    pid_t self = getpid();
    for (uint32_t i = 0; i < list->n; i++) {
        const struct proc *proc = &list->procs[i];
        if (proc->is_member && proc_is_dead(proc) && proc->parent == self &&
            !pid_is_main(target, proc->pid)) {
            waitpid(proc->pid, NULL, WNOHANG);
        }
    }
}

/* One walk; living members that are not held yet are stopped and held. */
static error_code members_stop(const struct proctree_target *target, struct victims *victims,
                               uint32_t *ret_n_alive, uint32_t *ret_n_new)
{
    struct proc_list list;
    error_code error = proc_list_read(&list);
    if (error != OK) {
        return error;
    }
    *ret_n_alive = members_mark(target, &list);
    members_reap(target, &list);
    uint32_t before = victims->n;
    for (uint32_t i = 0; error == OK && i < list.n; i++) {
        const struct proc *proc = &list.procs[i];
        if (proc->is_member && !proc_is_dead(proc) && victim_find(victims, proc) == NULL) {
            error = victim_stop(victims, proc);
        }
    }
    *ret_n_new = victims->n - before;
    proc_list_fini(&list);
    /* Too many to hold at once: these go first, the next round takes the others. */
    return error == ERR_LIMIT ? OK : error;
}

static void victims_kill(struct victims *victims, int64_t deadline_us)
{
    for (uint32_t i = 0; i < victims->n; i++) {
        pidfd_signal(victims->items[i].pidfd, SIGKILL);
    }
    for (uint32_t i = 0; i < victims->n; i++) {
        int64_t left_us = deadline_us - clock_monotonic_us();
        struct pollfd wait = {.fd = victims->items[i].pidfd, .events = POLLIN};
        poll(&wait, 1, left_us > 0 ? (int)(left_us / 1000) + 1 : 0);
    }
}

/* All members stopped before the first is killed: a fork bomb that is not stopped grows as fast as
 * it is killed. */
static error_code round_run(const struct proctree_target *target, int64_t deadline_us,
                            uint32_t *ret_n_alive, uint32_t *killed)
{
    struct victims victims = {0};
    uint32_t n_new;
    error_code error = members_stop(target, &victims, ret_n_alive, &n_new);
    for (int i = 0; error == OK && n_new > 0 && i < STOP_ROUNDS_MAX; i++) {
        uint32_t n_alive;
        error = members_stop(target, &victims, &n_alive, &n_new);
    }
    *killed += victims.n;
    victims_kill(&victims, deadline_us);
    victims_fini(&victims);
    return error;
}

error_code proctree_kill(const struct proctree_target *target, uint32_t *ret_killed)
{
    int64_t deadline_us = clock_monotonic_us() + (int64_t)PROCTREE_KILL_MS * 1000;
    uint32_t killed = 0, n_empty = 0;
    error_code error = OK;
    for (int i = 0; error == OK && n_empty < 2; i++) {
        uint32_t n_alive = 0;
        error = round_run(target, deadline_us, &n_alive, &killed);
        n_empty = n_alive == 0 ? n_empty + 1 : 0;
        if (error == OK && n_empty < 2 &&
            (i == KILL_ROUNDS_MAX || clock_monotonic_us() > deadline_us)) {
            error = ERR_TIMEOUT;
        }
    }
    *ret_killed = killed;
    return error;
}

error_code proctree_measure(const struct proctree_target *target, struct proctree_usage *ret_usage)
{
    struct proc_list list;
    error_code error = proc_list_read(&list);
    if (error != OK) {
        return error;
    }
    struct proctree_usage usage = {.n_processes = members_mark(target, &list)};
    uint64_t ticks = 0;
    for (uint32_t i = 0; i < list.n; i++) {
        if (list.procs[i].is_member) {
            ticks += list.procs[i].cpu_ticks;
            usage.rss_bytes += list.procs[i].rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
        }
    }
    usage.cpu_ms = (int64_t)(ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
    proc_list_fini(&list);
    *ret_usage = usage;
    return OK;
}
