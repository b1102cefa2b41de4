/* A role of the supervisor: started with its lock and its pipe, or adopted from a supervisor that
 * was killed. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/supervisor_inside.h"
#include "sys/failpoints.h"
#include "sys/locks.h"
#include "sys/log.h"

enum { BACKOFF_MIN_MS = 20, BACKOFF_MAX_MS = 5000 };

const char *const role_names[ROLES] = {"redis", "head", "worker"};

/* ---- starting a role ---- */

static void exec_role(const struct supervisor *s, int role, const char *const *argv, int lock_fd)
{
    char log_path[PATH_MAX];
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid(); /* Ctrl-C is the supervisor's to hear, and its end is not theirs. */
    supervisor_path(s, log_path, "logs/%s.log", role_names[role]);
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log >= 0) {
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
    }
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
    }
    assert(argv[0] != NULL);
    if (lock_pid_write(lock_fd, (uint32_t)getpid()) == OK && lock_inheritable(lock_fd) == OK) {
        execv(argv[0], (char *const *)(uintptr_t)argv);
    }
    fprintf(stderr, "muster: %s cannot be run: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Arguments of a role; `fd_text` is the number of the ready pipe. */
static void role_arguments(struct supervisor *s, int role, const char *fd_text, const char **argv)
{
    static char linger[32];
    int n = 0;
    if (role == REDIS) {
        for (n = 0; s->redis.argv[n] != NULL; n++) {
            argv[n] = s->redis.argv[n];
        }
        argv[n] = NULL;
        return;
    }
    const char *common[] = {s->program,   role_names[role], "--state", s->options->state_dir,
                            "--ready-fd", fd_text};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        argv[n++] = common[i];
    }
    if (role == HEAD && s->options->has_linger) {
        snprintf(linger, sizeof linger, "%lldms", (long long)s->options->linger_ms);
        argv[n++] = "--linger";
        argv[n++] = linger;
    }
    for (int i = 0;
         role == HEAD && i < s->options->n_head_arguments && n < SUPERVISOR_ARGUMENTS_MAX - 1;
         i++) {
        argv[n++] = s->options->head_arguments[i];
    }
    if (role == WORKER) {
        argv[n++] = "--join";
        argv[n++] = s->join_address;
        for (int i = 0; i < s->options->n_worker_arguments && n < SUPERVISOR_ARGUMENTS_MAX - 1;
             i++) {
            argv[n++] = s->options->worker_arguments[i];
        }
    }
    argv[n] = NULL;
}

static void role_forked(struct supervisor *s, int role, pid_t pid, int ready_fd)
{
    struct role *r = &s->roles[role];
    r->pid = pid;
    r->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    r->ready_fd = ready_fd;
    r->is_child = true;
    r->is_ready = role == REDIS; /* The head connects until it answers. */
    r->started_ms = supervisor_now_ms();
    log_write(LOG_LEVEL_INFO, "%s started, pid %d", role_names[role], (int)pid);
}

void role_retry_later(struct role *r)
{
    r->backoff_ms = r->backoff_ms == 0 ? BACKOFF_MIN_MS : r->backoff_ms * 2;
    if (r->backoff_ms > BACKOFF_MAX_MS) {
        r->backoff_ms = BACKOFF_MAX_MS;
    }
    r->restart_ms = supervisor_now_ms() + r->backoff_ms;
}

/* The words of a process's command line, in `text`; how many. */
static int cmdline_read(uint32_t pid, char text[CMDLINE_MAX],
                        const char *words[SUPERVISOR_ARGUMENTS_MAX])
{
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text, 1, CMDLINE_MAX - 1, file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    text[length] = '\0';
    for (size_t at = 0; at < length && n < SUPERVISOR_ARGUMENTS_MAX; at += strlen(text + at) + 1) {
        words[n++] = text + at;
    }
    return n;
}

/* Started again, it gets what it was started with: the head its linger and its addresses, the
 * worker its options. What this start was given itself counts more. */
static void head_options_adopt(struct supervisor *s, uint32_t pid)
{
    const char *words[SUPERVISOR_ARGUMENTS_MAX];
    int n = cmdline_read(pid, s->adopted_head_text, words), first = n, kept = 0;
    s->options->has_linger = n > 0 ? false : s->options->has_linger;
    for (int i = 0; i + 1 < n; i++) {
        if (strcmp(words[i], "--ready-fd") == 0) {
            first = i + 2;
        }
    }
    for (int i = first; i < n; i++) {
        if (strcmp(words[i], "--linger") == 0 && i + 1 < n) {
            s->options->has_linger = true;
            s->options->linger_ms = strtoll(words[++i], NULL, 10);
        } else {
            s->adopted_head_arguments[kept++] = words[i];
        }
    }
    if (s->options->n_head_arguments == 0) {
        s->options->head_arguments = s->adopted_head_arguments;
        s->options->n_head_arguments = kept;
    }
}

static void worker_options_adopt(struct supervisor *s, uint32_t pid)
{
    const char *words[SUPERVISOR_ARGUMENTS_MAX];
    int n = s->options->n_worker_arguments == 0 ? cmdline_read(pid, s->adopted_text, words) : 0;
    for (int i = 0; i + 2 < n; i++) {
        if (strcmp(words[i], "--join") == 0) {
            s->options->n_worker_arguments = n - i - 2;
            memcpy(s->adopted_arguments, words + i + 2, (size_t)(n - i - 2) * sizeof *words);
            s->options->worker_arguments = s->adopted_arguments;
            return;
        }
    }
}

static bool role_adopt(struct supervisor *s, int role, uint32_t holder)
{
    struct role *r = &s->roles[role];
    char lock_path[PATH_MAX];
    uint32_t again = 0;
    int pidfd = holder != 0 ? (int)syscall(SYS_pidfd_open, (pid_t)holder, 0) : -1;
    if (pidfd < 0) {
        return false; /* It is just ending, or has not said its number yet: look again. */
    }
    /* Between the two looks it may have ended, and its number be somebody else's. */
    supervisor_path(s, lock_path, "run/%s.lock", role_names[role]);
    if (!lock_is_held(lock_path, &again) || again != holder) {
        close(pidfd);
        return false;
    }
    FAILPOINT(ROLE_ADOPT);
    s->has_adopted = true;
    if (role == HEAD) {
        head_options_adopt(s, holder);
    } else if (role == WORKER) {
        worker_options_adopt(s, holder);
    }
    *r = (struct role){.pid = (pid_t)holder,
                       .pidfd = pidfd,
                       .ready_fd = -1,
                       .is_ready = true,
                       .started_ms = supervisor_now_ms()};
    log_write(LOG_LEVEL_INFO, "%s adopted, pid %u", role_names[role], holder);
    return true;
}

void role_start(struct supervisor *s, int role)
{
    struct role *r = &s->roles[role];
    struct report report = {0};
    char lock_path[PATH_MAX], fd_text[16];
    const char *argv[SUPERVISOR_ARGUMENTS_MAX];
    uint32_t holder = 0;
    int lock_fd = -1, pipe_fds[2] = {-1, -1};
    supervisor_path(s, lock_path, "run/%s.lock", role_names[role]);
    error_code error = lock_take(lock_path, 0, &lock_fd, &holder, &report);
    if (error != OK) {
        if (error != ERR_BUSY || !role_adopt(s, role, holder)) {
            role_retry_later(r);
        }
        return;
    }
    if (role == REDIS) {
        error = redis_server_prepare(s->options->state_dir, &s->redis, &report);
        if (error != OK) {
            log_write(LOG_LEVEL_ERROR, "redis-server: %s", report.text);
            fprintf(stderr, "muster: %s\n", report.text);
        }
    }
    /* The child's end must outlive exec, and no other child's may: only this one unsets
     * close-on-exec, after the fork. */
    if (error == OK && role != REDIS && pipe2(pipe_fds, O_CLOEXEC) != 0) {
        error = error_from_errno(errno);
    }
    if (error == OK) {
        snprintf(fd_text, sizeof fd_text, "%d", pipe_fds[1]);
        role_arguments(s, role, fd_text, argv);
        FAILPOINT(ROLE_START);
        pid_t pid = fork();
        if (pid == 0) {
            if (pipe_fds[1] >= 0) {
                fcntl(pipe_fds[1], F_SETFD, 0);
            }
            exec_role(s, role, argv, lock_fd);
        }
        if (pid > 0) {
            FAILPOINT(ROLE_STARTED);
            role_forked(s, role, pid, pipe_fds[0]);
        } else {
            error = ERR_SYSTEM;
        }
    }
    if (pipe_fds[1] >= 0) {
        close(pipe_fds[1]);
    }
    close(lock_fd);
    if (error != OK) {
        if (pipe_fds[0] >= 0) {
            close(pipe_fds[0]);
        }
        role_retry_later(r);
        supervisor_early_end(s, role);
    }
}
