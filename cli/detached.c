/* A supervisor in the background: started, waited for until it is ready, or taken as it is if
 * another one was quicker. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/supervisor.h"
#include "sys/clock.h"
#include "sys/locks.h"
#include "sys/log.h"
#include "sys/program.h"

enum {
    READY_MS = 60000,
    TURN_MS = 30000, /* for the last cluster of the folder to leave, or another's to be ready */
};

static int64_t now_ms(void)
{
    return clock_monotonic_us() / 1000;
}

static int64_t log_size(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 ? (int64_t)about.st_size : 0;
}

/* What a line of a log says if it tells of an error: of the daemon's own log, or for people. */
static const char *line_error(const char *line)
{
    static const char mark[] = " error ", name[] = "muster: ";
    const char *error = strstr(line, mark);
    bool is_for_people = strncmp(line, name, strlen(name)) == 0;
    return is_for_people ? line + strlen(name) : error != NULL ? error + strlen(mark) : NULL;
}

/* What the last error in a log says, of those behind `from`; "": there is none. */
static void log_reason(const char *path, int64_t from, char ret_text[REPORT_TEXT_MAX])
{
    char line[LOG_LINE_MAX_BYTES];
    FILE *file = fopen(path, "re");
    ret_text[0] = '\0';
    bool is_there = file != NULL && fseek(file, (long)from, SEEK_SET) == 0;
    while (is_there && fgets(line, sizeof line, file) != NULL) {
        const char *error = line_error(line);
        if (error != NULL) {
            snprintf(ret_text, REPORT_TEXT_MAX, "%.*s", (int)strcspn(error, "\n"), error);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

static void detached_exec(const struct supervisor_options *options, int ready_fd)
{
    char program[PATH_MAX] = "", fd_text[16], linger[32], log_path[PATH_MAX];
    const char *argv[SUPERVISOR_ARGUMENTS_MAX];
    int n = 0;
    error_code found = program_path(program, NULL);
    setsid();
    snprintf(log_path, sizeof log_path, "%s/logs/supervisor.log", options->state_dir);
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(log >= 0 ? log : null, STDOUT_FILENO);
    dup2(log >= 0 ? log : null, STDERR_FILENO);
    fcntl(ready_fd, F_SETFD, 0);
    snprintf(fd_text, sizeof fd_text, "%d", ready_fd);
    const char *common[] = {program, "up", "--state", options->state_dir, "--ready-fd", fd_text};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        argv[n++] = common[i];
    }
    if (options->has_linger) {
        snprintf(linger, sizeof linger, "%lldms", (long long)options->linger_ms);
        argv[n++] = "--linger";
        argv[n++] = linger;
    }
    if (options->no_worker) {
        argv[n++] = "--no-worker";
    }
    if (options->is_reading) {
        argv[n++] = "--for-reading";
    }
    for (int i = 0; i < options->n_head_arguments && n < SUPERVISOR_ARGUMENTS_MAX - 1; i++) {
        argv[n++] = options->head_arguments[i];
    }
    for (int i = 0; i < options->n_worker_arguments && n < SUPERVISOR_ARGUMENTS_MAX - 1; i++) {
        argv[n++] = options->worker_arguments[i];
    }
    argv[n] = NULL;
    if (found == OK) {
        execv(program, (char *const *)(uintptr_t)argv);
    }
    _exit(127);
}

/* EXIT_OK once it is ready, SUPERVISOR_EXIT_TAKEN if another one holds the folder, else it failed.
 */
static int detached_start(const struct supervisor_options *options)
{
    int pipe_fds[2], status = 0, n = 0;
    char byte;
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        return cli_fail(EXIT_REQUEST, "no pipe: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        detached_exec(options, pipe_fds[1]);
    }
    close(pipe_fds[1]);
    struct pollfd fd = {.fd = pipe_fds[0], .events = POLLIN};
    int64_t deadline_ms =
        now_ms() + (options->ready_timeout_ms > 0 ? options->ready_timeout_ms : READY_MS);
    while (pid > 0 && n <= 0 && now_ms() < deadline_ms) {
        n = poll(&fd, 1, (int)(deadline_ms - now_ms()) + 1);
    }
    bool is_ready = n > 0 && read(pipe_fds[0], &byte, 1) == 1;
    close(pipe_fds[0]);
    if (is_ready || n <= 0 || waitpid(pid, &status, 0) != pid) {
        return is_ready ? EXIT_OK : EXIT_UNREACHABLE;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == SUPERVISOR_EXIT_TAKEN ? SUPERVISOR_EXIT_TAKEN
                                                                             : EXIT_UNREACHABLE;
}

/* Someone else started one in the same moment: theirs is as good. Or the last one is still leaving:
 * then it is our turn once it has gone. True: one is ready. */
static bool detached_wait_for_other(const char *state_dir, int64_t deadline_ms)
{
    char lock_path[PATH_MAX], current[PATH_MAX];
    snprintf(lock_path, sizeof lock_path, "%s/run/supervisor.lock", state_dir);
    snprintf(current, sizeof current, "%s/current", state_dir);
    while (lock_is_held(lock_path, NULL) && now_ms() < deadline_ms) {
        if (access(current, F_OK) == 0) {
            return true;
        }
        usleep(10000);
    }
    return false;
}

int supervisor_start_detached(struct cli *cli, const struct supervisor_options *options)
{
    (void)cli;
    int code = supervisor_folders_make(options);
    if (code != EXIT_OK) {
        return code;
    }
    char log_path[PATH_MAX], reason[REPORT_TEXT_MAX];
    snprintf(log_path, sizeof log_path, "%s/logs/supervisor.log", options->state_dir);
    int64_t log_bytes = log_size(log_path), deadline_ms = now_ms() + TURN_MS;
    do {
        code = detached_start(options);
        if (code == EXIT_OK || (code == SUPERVISOR_EXIT_TAKEN &&
                                detached_wait_for_other(options->state_dir, deadline_ms))) {
            return EXIT_OK;
        }
    } while (code == SUPERVISOR_EXIT_TAKEN && now_ms() < deadline_ms);
    log_reason(log_path, log_bytes, reason);
    return cli_fail(EXIT_UNREACHABLE,
                    "the cluster in %s did not start%s%s; its logs are in %s/logs",
                    options->state_dir, reason[0] != '\0' ? ": " : "", reason, options->state_dir);
}
