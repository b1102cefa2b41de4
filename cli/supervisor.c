/* The supervisor's loop: three roles, each a process with a lock of its own. It waits on their
 * pidfds; what ends is started again alone, with backoff, unless the head left on purpose: then
 * everything leaves, store last. */
#include "cli/daemons.h"
#include "cli/supervisor_inside.h"

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
#include "sys/clock.h"
#include "sys/failpoints.h"
#include "sys/locks.h"
#include "sys/log.h"
#include "sys/program.h"
#include "sys/state_paths.h"

enum {
    STABLE_MS = 10000, /* lived so long: the backoff begins anew */
    LEAVE_MS = 75000,  /* the head's own limit is a minute */
    READING_MS = 1000, /* a cluster for reading stays so long without a reader */
    READING_LOOK_MS = 250,
    KILL_MS = 5000,     /* from SIGTERM to SIGKILL of what should have left */
    EARLY_ENDS_MAX = 8, /* a first start whose roles end so often is given up */
};

int64_t supervisor_now_ms(void)
{
    return clock_monotonic_us() / 1000;
}

void supervisor_path(const struct supervisor *s, char ret_path[PATH_MAX], const char *format,
                     const char *name)
{
    char tail[128];
    snprintf(tail, sizeof tail, format, name);
    snprintf(ret_path, PATH_MAX, "%s/%s", s->options->state_dir, tail);
}

static void leave_begin(struct supervisor *s)
{
    if (!s->is_leaving) {
        s->is_leaving = true;
        s->leave_ms = supervisor_now_ms() + LEAVE_MS;
        log_write(LOG_LEVEL_INFO, "leaving");
    }
}

/* The last line that a role wrote, without the name before it. */
static void last_words(const struct supervisor *s, int role, char ret_text[REPORT_TEXT_MAX])
{
    char path[PATH_MAX], before[32], line[REPORT_TEXT_MAX] = "";
    supervisor_path(s, path, "logs/%s.log", role_names[role]);
    snprintf(before, sizeof before, "muster %s: ", role_names[role]);
    FILE *file = fopen(path, "re");
    if (file != NULL && fseek(file, -(long)sizeof line, SEEK_END) != 0) {
        rewind(file);
    }
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    }
    if (file != NULL) {
        fclose(file);
    }
    line[strcspn(line, "\n")] = '\0';
    size_t skipped = strncmp(line, before, strlen(before)) == 0 ? strlen(before) : 0;
    snprintf(ret_text, REPORT_TEXT_MAX, "%s", line + skipped);
}

/* Somebody waits for the first start. What runs already is not ended for it. */
void supervisor_early_end(struct supervisor *s, int role)
{
    if (!s->has_told_ready && !s->has_adopted && ++s->n_early_ends >= EARLY_ENDS_MAX) {
        char words[REPORT_TEXT_MAX];
        last_words(s, role, words);
        log_write(LOG_LEVEL_ERROR, "given up after %u tries: %s: %s", s->n_early_ends,
                  role_names[role], words);
        if (s->options->ready_fd <= 0) {
            fprintf(stderr, "muster: it does not start: %s: %s; its logs are in %s/logs\n",
                    role_names[role], words, s->options->state_dir);
        }
        s->exit_code = EXIT_REQUEST;
        leave_begin(s);
    }
}

/* ---- an end ---- */

/* The head removes `current` when it leaves on purpose; an adopted one tells no exit code. */
static bool head_left(const struct supervisor *s, bool is_child, int status)
{
    char path[PATH_MAX];
    supervisor_path(s, path, "%s", "current");
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
    if (supervisor_now_ms() - r->started_ms > STABLE_MS) {
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
        supervisor_early_end(s, role);
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
            s->leave_ms = supervisor_now_ms() + (role == HEAD     ? LEAVE_MS
                                                 : role == WORKER ? 20000
                                                                  : KILL_MS);
        } else if (supervisor_now_ms() >= s->leave_ms) {
            role_signal(s, role, SIGKILL);
            s->leave_ms = supervisor_now_ms() + KILL_MS;
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
        if (is_wanted(s, role) && r->pid == 0 && supervisor_now_ms() >= r->restart_ms) {
            role_start(s, role);
        }
    }
}

/* What the other machines need to join. */
static void listening_tell(const struct supervisor *s)
{
    for (int i = 0; i + 1 < s->options->n_head_arguments; i++) {
        if (strcmp(s->options->head_arguments[i], "--listen") == 0) {
            fprintf(stderr,
                    "muster: workers join with 'muster worker --join %s --key-file F', where F is "
                    "a copy of %s/keys/join\n",
                    s->options->head_arguments[i + 1], s->options->state_dir);
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
            listening_tell(s);
        }
    }
}

static int poll_timeout_ms(const struct supervisor *s)
{
    int64_t now = supervisor_now_ms(), next = now + 60000;
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
        s->reading_ms = supervisor_now_ms();
    } else if (supervisor_now_ms() - s->reading_ms >= READING_MS &&
               reading_is_over(s->reading_fd)) {
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
    int64_t log_checked_ms = supervisor_now_ms();
    while (!s->is_leaving || !leave_step(s)) {
        roles_start(s);
        ready_check(s);
        poll_once(s);
        reading_check(s); /* After the wait: what begins to leave is told at once. */
        if (supervisor_now_ms() - log_checked_ms > 60000) {
            log_checked_ms = supervisor_now_ms();
            redis_server_log_bound(s->options->state_dir);
        }
    }
    char path[PATH_MAX];
    supervisor_path(s, path, "%s", "current");
    unlink(path);
    return s->exit_code;
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
    supervisor_path(&s, path, "run/%s.lock", "supervisor");
    error_code error = lock_take(path, (uint32_t)getpid(), &lock_fd, &holder, &report);
    if (error == ERR_BUSY) {
        return cli_fail(options->ready_fd > 0 ? SUPERVISOR_EXIT_TAKEN : EXIT_REQUEST,
                        "a cluster already runs in %s (pid %u); use it, end it with 'muster down', "
                        "or give another --state",
                        options->state_dir, holder);
    }
    if (error == OK && daemon_head_is_alone(options->state_dir, &holder)) {
        return cli_fail(EXIT_REQUEST,
                        "a head with an external store runs in %s (pid %u); use it, end it with "
                        "'muster down', or give another --state",
                        options->state_dir, holder);
    }
    /* A worker that a killed supervisor left is watched whatever this start was for: its work goes
     * on, and who only reads or ends the cluster must not leave it alone. */
    supervisor_path(&s, path, "run/%s.lock", role_names[WORKER]);
    if (lock_is_held(path, NULL)) {
        own.no_worker = own.is_reading = false;
    }
    error = error == OK ? failpoints_open("supervisor", &report) : error;
    if (error == OK) {
        error = program_path(s.program, &report);
    }
    if (error == OK) {
        error = supervisor_listen_check(&s, &report);
    }
    if (error == OK) {
        error = supervisor_keys_make(options, &report);
    }
    if (error == OK) {
        error =
            state_ipc_address(options->state_dir, s.join_address, sizeof s.join_address, &report);
    }
    if (error != OK) {
        return cli_fail_report(EXIT_REQUEST, &report);
    }
    s.reading_fd = reading_mark(options->state_dir, own.is_reading);
    supervisor_path(&s, path, "logs/%s.log", "supervisor");
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
