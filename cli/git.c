/* What git says of a work folder, for the record of a submission. Nothing here may fail one. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/work.h"
#include "sys/clock.h"

enum { GIT_MS = 5000 };

static bool folder_is_in_git(const char *folder)
{
    char path[CLI_PATH_MAX];
    struct stat about;
    snprintf(path, sizeof path, "%.4000s", folder);
    for (;;) {
        size_t len = strlen(path);
        snprintf(path + len, sizeof path - len, "/.git");
        bool is_there = stat(path, &about) == 0;
        path[len] = '\0';
        char *slash = strrchr(path, '/');
        if (is_there || slash == NULL || len == 0) {
            return is_there;
        }
        *slash = '\0';
    }
}

static void git_exec(const char *folder, const char *const *words, int out_fd)
{
    const char *argv[16] = {
        "git", "-C", folder, "-c", "core.fsmonitor=false", "--no-pager", "--no-optional-locks"};
    int n = 7;
    for (; *words != NULL && n < 15; words++) {
        argv[n++] = *words;
    }
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null_fd, STDIN_FILENO);
    dup2(out_fd, STDOUT_FILENO);
    dup2(null_fd, STDERR_FILENO);
    setenv("GIT_TERMINAL_PROMPT", "0", 1);
    execvp("git", (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Reads until the end, the limit or the deadline; true: to the end. */
static bool pipe_read(int fd, struct buf *text, int64_t deadline_ms)
{
    char piece[8192];
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int64_t left_ms = deadline_ms - clock_monotonic_us() / 1000;
        int rc = left_ms > 0 ? poll(&poll_fd, 1, (int)left_ms) : 0;
        if (rc < 0 && errno == EINTR) {
            continue;
        }
        ssize_t n = rc > 0 ? read(fd, piece, sizeof piece) : -1;
        if (n <= 0) {
            return n == 0;
        }
        size_t room = text->max - text->len;
        ignore_error(buf_append(text, piece, (size_t)n < room ? (size_t)n : room), "checked below");
        if (text->len == text->max || text->failed != OK) {
            return text->failed == OK;
        }
    }
}

/* Appends what `git words...` prints; false: it failed or took too long. */
static bool git_run(const char *folder, const char *const *words, int64_t deadline_ms,
                    struct buf *text)
{
    int fds[2], status = 0;
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        git_exec(folder, words, fds[1]);
    }
    close(fds[1]);
    bool is_read = pid > 0 && pipe_read(fds[0], text, deadline_ms);
    bool is_full = text->len == text->max;
    close(fds[0]);
    if (pid > 0) {
        if (!is_read || is_full) {
            kill(pid, SIGKILL);
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    return is_read && (is_full || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

/* JSON takes UTF-8 only, and a diff may hold anything. */
static void text_make_plain(char *text)
{
    json_t *value = json_string(text);
    for (char *c = text; value == NULL && *c != '\0'; c++) {
        *c = (unsigned char)*c >= 0x80 ? '?' : *c;
    }
    json_decref(value);
}

char *cli_git_text(const char *folder)
{
    static const char *const head[] = {"rev-parse", "HEAD", NULL};
    static const char *const diff[] = {
        "diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", "--", ".", NULL};
    if (!folder_is_in_git(folder)) {
        return NULL;
    }
    int64_t deadline_ms = clock_monotonic_us() / 1000 + GIT_MS;
    struct buf text;
    buf_init(&text, GIT_TEXT_MAX);
    ignore_error(buf_append_text(&text, "commit "), "checked below");
    char *made = NULL;
    if (git_run(folder, head, deadline_ms, &text)) {
        size_t len = text.len;
        if (!git_run(folder, diff, deadline_ms, &text)) {
            text.len = len;
        }
        made = mem_strndup(buf_text(&text), text.len);
    }
    buf_fini(&text);
    if (made != NULL) {
        text_make_plain(made);
    }
    return made;
}
