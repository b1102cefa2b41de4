/* The supervisor's loop: three roles, each a process with a lock of its own. It waits on their
 * pidfds; what ends is started again alone, with backoff, unless the head left on purpose: then
 * everything leaves, store last. */
#include "cli/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/reading.h"
#include "head/shell/redis_server.h"
#include "net/keys.h"
#include "sys/clock.h"
#include "sys/files.h"
#include "sys/locks.h"
#include "sys/log.h"
#include "sys/state_paths.h"

enum { REDIS, HEAD, WORKER, ROLES };
static const char *const role_names[ROLES] = {"redis", "head", "worker"};

enum {
    BACKOFF_MIN_MS = 20,
    BACKOFF_MAX_MS = 5000,
    STABLE_MS = 10000, /* lived so long: the backoff begins anew */
    LEAVE_MS = 75000,  /* the head's own limit is a minute */
    READING_MS = 1000, /* a cluster for reading stays so long without a reader */
    READING_LOOK_MS = 250,
    KILL_MS = 5000, /* from SIGTERM to SIGKILL of what should have left */
    CMDLINE_MAX = 16 << 10,
    EARLY_ENDS_MAX = 8, /* a start in the background whose roles end so often is given up */
};

struct role {
    pid_t pid; /* 0: does not run */
    int pidfd;
    int ready_fd;  /* our end of its pipe; -1: none */
    bool is_child; /* else adopted: its exit code is not ours to know */
    bool is_ready;
    int64_t started_ms;
    int64_t restart_ms; /* when to start it again; 0: now */
    int64_t backoff_ms;
};

struct supervisor {
    struct supervisor_options *options; /* its own copy: what is adopted keeps its own ways */
    char adopted_text[CMDLINE_MAX];
    const char *adopted_arguments[SUPERVISOR_ARGUMENTS_MAX];
    char program[PATH_MAX];
    char join_address[256];
    struct role roles[ROLES];
    struct redis_server redis;
    bool has_told_ready;
    bool has_adopted;
    unsigned n_early_ends;
    bool is_leaving;
    int64_t leave_ms; /* deadline of the step that leaving is at */
    int exit_code;
    int signal_fd;
    unsigned n_signals;
    int reading_fd;     /* -1: no cluster for reading */
    int64_t reading_ms; /* when there was last a reader */
};

static int64_t now_ms(void)
{
    return clock_monotonic_us() / 1000;
}

static void state_path(const struct supervisor *s, char *ret_path, const char *format,
                       const char *name)
{
    char tail[128];
    snprintf(tail, sizeof tail, format, name);
    snprintf(ret_path, PATH_MAX, "%s/%s", s->options->state_dir, tail);
}

/* ---- starting a role ---- */

static void exec_role(const struct supervisor *s, int role, const char *const *argv, int lock_fd)
{
    char log_path[PATH_MAX];
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid(); /* Ctrl-C is the supervisor's to hear, and its end is not theirs. */
    state_path(s, log_path, "logs/%s.log", role_names[role]);
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
    r->started_ms = now_ms();
    log_write(LOG_LEVEL_INFO, "%s started, pid %d", role_names[role], (int)pid);
}

static void leave_begin(struct supervisor *s)
{
    if (!s->is_leaving) {
        s->is_leaving = true;
        s->leave_ms = now_ms() + LEAVE_MS;
        log_write(LOG_LEVEL_INFO, "leaving");
    }
}

/* Somebody waits for a start in the background. What runs already is not ended for it. */
static void early_end_count(struct supervisor *s)
{
    if (!s->has_told_ready && !s->has_adopted && s->options->ready_fd > 0 &&
        ++s->n_early_ends >= EARLY_ENDS_MAX) {
        log_write(LOG_LEVEL_ERROR, "given up: roles ended %u times before all were ready",
                  s->n_early_ends);
        s->exit_code = EXIT_REQUEST;
        leave_begin(s);
    }
}

static void role_retry_later(struct role *r)
{
    r->backoff_ms = r->backoff_ms == 0 ? BACKOFF_MIN_MS : r->backoff_ms * 2;
    if (r->backoff_ms > BACKOFF_MAX_MS) {
        r->backoff_ms = BACKOFF_MAX_MS;
    }
    r->restart_ms = now_ms() + r->backoff_ms;
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

/* Started again, it gets what it was started with: the head its linger, the worker its options. */
static void head_options_adopt(struct supervisor *s, uint32_t pid)
{
    char text[CMDLINE_MAX];
    const char *words[SUPERVISOR_ARGUMENTS_MAX];
    int n = cmdline_read(pid, text, words);
    s->options->has_linger = n > 0 ? false : s->options->has_linger;
    for (int i = 0; i + 1 < n; i++) {
        if (strcmp(words[i], "--linger") == 0) {
            s->options->has_linger = true;
            s->options->linger_ms = strtoll(words[i + 1], NULL, 10);
        }
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
    state_path(s, lock_path, "run/%s.lock", role_names[role]);
    if (!lock_is_held(lock_path, &again) || again != holder) {
        close(pidfd);
        return false;
    }
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
                       .started_ms = now_ms()};
    log_write(LOG_LEVEL_INFO, "%s adopted, pid %u", role_names[role], holder);
    return true;
}

/* Starts or adopts a role; on failure it is tried again later. */
static void role_start(struct supervisor *s, int role)
{
    struct role *r = &s->roles[role];
    struct report report = {0};
    char lock_path[PATH_MAX], fd_text[16];
    const char *argv[SUPERVISOR_ARGUMENTS_MAX];
    uint32_t holder = 0;
    int lock_fd = -1, pipe_fds[2] = {-1, -1};
    state_path(s, lock_path, "run/%s.lock", role_names[role]);
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
        pid_t pid = fork();
        if (pid == 0) {
            if (pipe_fds[1] >= 0) {
                fcntl(pipe_fds[1], F_SETFD, 0);
            }
            exec_role(s, role, argv, lock_fd);
        }
        if (pid > 0) {
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
        early_end_count(s);
    }
}

/* ---- an end ---- */

/* The head removes `current` when it leaves on purpose; an adopted one tells no exit code. */
static bool head_left(const struct supervisor *s, bool is_child, int status)
{
    char path[PATH_MAX];
    state_path(s, path, "%s", "current");
    bool is_clean = is_child ? WIFEXITED(status) && WEXITSTATUS(status) == 0 : true;
    return is_clean && access(path, F_OK) != 0;
}

static void role_ended(struct supervisor *s, int role)
{
    struct role *r = &s->roles[role];
    int status = 0;
    bool is_child = r->is_child;
    if (is_child) {
        waitpid(r->pid, &status, 0);
    }
    close(r->pidfd);
    if (r->ready_fd >= 0) {
        close(r->ready_fd);
    }
    if (now_ms() - r->started_ms > STABLE_MS) {
        r->backoff_ms = 0;
    }
    log_write(s->is_leaving ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s ended, pid %d, %s %d",
              role_names[role], (int)r->pid, WIFSIGNALED(status) ? "signal" : "exit",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    int64_t backoff_ms = r->backoff_ms;
    *r = (struct role){.pidfd = -1, .ready_fd = -1, .backoff_ms = backoff_ms};
    if (role == HEAD && head_left(s, is_child, status)) {
        leave_begin(s);
    }
    if (!s->is_leaving) {
        role_retry_later(r);
        early_end_count(s);
    }
}

/* ---- leaving: head first (it tells the agents), then worker, then store ---- */

static void role_signal(const struct supervisor *s, int role, int signal)
{
    const struct role *r = &s->roles[role];
    if (r->pid > 0) {
        syscall(SYS_pidfd_send_signal, r->pidfd, signal, NULL, 0);
    }
}

/* True when nothing is left. */
static bool leave_step(struct supervisor *s)
{
    static const int order[ROLES] = {HEAD, WORKER, REDIS};
    for (int i = 0; i < ROLES; i++) {
        int role = order[i];
        struct role *r = &s->roles[role];
        if (r->pid == 0) {
            continue;
        }
        if (r->restart_ms >= 0) { /* not told yet; restart_ms is free while leaving */
            role_signal(s, role, SIGTERM);
            r->restart_ms = -1;
            s->leave_ms = now_ms() + (role == HEAD ? LEAVE_MS : role == WORKER ? 20000 : KILL_MS);
        } else if (now_ms() >= s->leave_ms) {
            role_signal(s, role, SIGKILL);
            s->leave_ms = now_ms() + KILL_MS;
        }
        return false;
    }
    return true;
}

/* ---- the loop ---- */

static bool is_wanted(const struct supervisor *s, int role)
{
    return role != WORKER || !s->options->no_worker;
}

static void roles_start(struct supervisor *s)
{
    for (int role = 0; role < ROLES && !s->is_leaving; role++) {
        struct role *r = &s->roles[role];
        if (is_wanted(s, role) && r->pid == 0 && now_ms() >= r->restart_ms) {
            role_start(s, role);
        }
    }
}

static void ready_check(struct supervisor *s)
{
    for (int role = 0; role < ROLES; role++) {
        if (is_wanted(s, role) && !s->roles[role].is_ready) {
            return;
        }
    }
    if (!s->has_told_ready) {
        s->has_told_ready = true;
        if (s->options->ready_fd > 0) {
            ssize_t n = write(s->options->ready_fd, "r", 1);
            (void)n; /* Nobody waits any more. */
            close(s->options->ready_fd);
        } else {
            fprintf(stderr, "muster: ready in %s; end it with Ctrl-C or 'muster down'\n",
                    s->options->state_dir);
        }
    }
}

static int poll_timeout_ms(const struct supervisor *s)
{
    int64_t now = now_ms(), next = now + 60000;
    for (int role = 0; role < ROLES && !s->is_leaving; role++) {
        const struct role *r = &s->roles[role];
        if (is_wanted(s, role) && r->pid == 0 && r->restart_ms < next) {
            next = r->restart_ms;
        }
    }
    if (s->is_leaving && s->leave_ms < next) {
        next = s->leave_ms;
    }
    if (s->reading_fd >= 0 && !s->is_leaving) {
        next = now + READING_LOOK_MS;
    }
    return next > now ? (int)(next - now) + 1 : 1;
}

/* A cluster for reading leaves with its last reader. */
static void reading_check(struct supervisor *s)
{
    if (s->reading_fd < 0 || s->is_leaving) {
        return;
    }
    if (!s->has_told_ready || reading_is_read(s->reading_fd)) {
        s->reading_ms = now_ms();
    } else if (now_ms() - s->reading_ms >= READING_MS && reading_is_over(s->reading_fd)) {
        leave_begin(s);
    }
}

static void on_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        leave_begin(s);
        /* Asked twice: now. The head hears its second signal. */
        if (++s->n_signals > 1) {
            role_signal(s, HEAD, SIGTERM);
        }
    }
}

static void poll_once(struct supervisor *s)
{
    struct pollfd fds[1 + 2 * ROLES];
    int roles[1 + 2 * ROLES];
    nfds_t n = 0;
    fds[n] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
    roles[n++] = -1;
    for (int role = 0; role < ROLES; role++) {
        const struct role *r = &s->roles[role];
        if (r->pid > 0) {
            fds[n] = (struct pollfd){.fd = r->pidfd, .events = POLLIN};
            roles[n++] = role;
        }
        if (r->ready_fd >= 0) {
            fds[n] = (struct pollfd){.fd = r->ready_fd, .events = POLLIN};
            roles[n++] = role + ROLES;
        }
    }
    if (poll(fds, n, poll_timeout_ms(s)) <= 0) {
        return;
    }
    for (nfds_t i = n;
         i-- > 1;) { /* Ready pipes stand behind their role's pidfd: they are looked at first. */
        if (fds[i].revents == 0) {
            continue;
        }
        if (roles[i] < ROLES) {
            role_ended(s, roles[i]);
            continue;
        }
        struct role *r = &s->roles[roles[i] - ROLES];
        char byte;
        r->is_ready |= read(r->ready_fd, &byte, 1) == 1;
        close(r->ready_fd);
        r->ready_fd = -1;
    }
    if (fds[0].revents != 0) {
        on_signals(s);
    }
}

static int supervise(struct supervisor *s)
{
    for (int role = 0; role < ROLES; role++) {
        s->roles[role] = (struct role){.pidfd = -1, .ready_fd = -1};
    }
    int64_t log_checked_ms = now_ms();
    while (!s->is_leaving || !leave_step(s)) {
        roles_start(s);
        ready_check(s);
        poll_once(s);
        reading_check(s); /* After the wait: what begins to leave is told at once. */
        if (now_ms() - log_checked_ms > 60000) {
            log_checked_ms = now_ms();
            redis_server_log_bound(s->options->state_dir);
        }
    }
    char path[PATH_MAX];
    state_path(s, path, "%s", "current");
    unlink(path);
    return s->exit_code;
}

int supervisor_folders_make(const struct supervisor_options *options)
{
    static const char *const folders[] = {"", "/keys", "/run", "/logs", "/redis", "/nodes"};
    struct report report = {0};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s%s", options->state_dir, folders[i]);
        if (dir_make(path, &report) != OK) {
            return cli_fail_report(EXIT_REQUEST, &report);
        }
    }
    return EXIT_OK;
}

/* Head and worker start at the same time: what both read is made before, at the first start. */
static error_code keys_make(const struct supervisor_options *options, struct report *report)
{
    char folder[PATH_MAX];
    struct key_pair pair;
    struct join_key join;
    snprintf(folder, sizeof folder, "%s/keys", options->state_dir);
    error_code error = keys_init();
    if (error == OK) {
        error = head_keys_load(folder, &pair, report);
    }
    if (error == OK) {
        error = join_key_load(folder, pair.public_key, &join, report);
        key_pair_fini(&pair);
    }
    return error;
}

int supervisor_run(struct cli *cli, const struct supervisor_options *options)
{
    (void)cli;
    struct report report = {0};
    struct supervisor_options own = *options;
    struct supervisor s = {.options = &own};
    char path[PATH_MAX];
    uint32_t holder = 0;
    int lock_fd;
    int code = supervisor_folders_make(options);
    if (code != EXIT_OK) {
        return code;
    }
    if (options->ready_fd > 0) {
        fcntl(options->ready_fd, F_SETFD, FD_CLOEXEC); /* or the roles would hold it for ever */
    }
    state_path(&s, path, "run/%s.lock", "supervisor");
    error_code error = lock_take(path, (uint32_t)getpid(), &lock_fd, &holder, &report);
    if (error == ERR_BUSY) {
        return cli_fail(options->ready_fd > 0 ? SUPERVISOR_EXIT_TAKEN : EXIT_REQUEST,
                        "a cluster already runs in %s (pid %u); use it, end it with 'muster down', "
                        "or give another --state",
                        options->state_dir, holder);
    }
    /* A worker that a killed supervisor left is watched whatever this start was for: its work goes
     * on, and who only reads or ends the cluster must not leave it alone. */
    state_path(&s, path, "run/%s.lock", role_names[WORKER]);
    if (lock_is_held(path, NULL)) {
        own.no_worker = own.is_reading = false;
    }
    ssize_t n = readlink("/proc/self/exe", s.program, sizeof s.program - 1);
    if (error == OK) {
        error = keys_make(options, &report);
    }
    if (error == OK && n > 0) {
        error =
            state_ipc_address(options->state_dir, s.join_address, sizeof s.join_address, &report);
    }
    if (error != OK || n <= 0) {
        return cli_fail_report(EXIT_REQUEST, &report);
    }
    s.reading_fd = reading_mark(options->state_dir, own.is_reading);
    state_path(&s, path, "logs/%s.log", "supervisor");
    if (options->ready_fd > 0 && log_open(path, &report) != OK) {
        return cli_fail_report(EXIT_REQUEST, &report);
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    s.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return supervise(&s);
}
