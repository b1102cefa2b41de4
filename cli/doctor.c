#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/clock.h"

enum { ASK_MS = 5000 };

static const char *const state_words[] = {"ok", "warn", "fail"};

void doctor_say(struct doctor *doctor, doctor_state state, const char *advice, const char *format,
                ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_t *item = json_pack("{s:s, s:s, s:s, s:s}", "check", doctor->check, "state",
                             state_words[state], "text", text, "advice", advice);
    json_array_append_new(doctor->items, item);
    doctor->has_failed |= state == DOCTOR_FAIL;
}

/* ---- asking a program ---- */

static pid_t ask_start(const char *const *argv, int *ret_fd)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return -1;
    }
    *ret_fd = fds[0];
    return pid;
}

/* To the end of the output, or until the time is up. */
static size_t ask_read(int fd, char *text, size_t size_bytes)
{
    int64_t end_ms = clock_monotonic_us() / 1000 + ASK_MS;
    size_t used = 0;
    char rest[4096];
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int64_t left_ms = end_ms - clock_monotonic_us() / 1000;
        if (left_ms <= 0 || (poll(&poll_fd, 1, (int)left_ms) < 0 && errno != EINTR)) {
            break;
        }
        bool has_room = used + 1 < size_bytes;
        ssize_t n =
            read(fd, has_room ? text + used : rest, has_room ? size_bytes - 1 - used : sizeof rest);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            break;
        }
        used += has_room && n > 0 ? (size_t)n : 0;
    }
    text[used] = '\0';
    return used;
}

bool doctor_ask(const char *const *argv, char *ret_line, size_t size_bytes)
{
    int fd, status = -1;
    ret_line[0] = '\0';
    pid_t pid = ask_start(argv, &fd);
    if (pid < 0) {
        return false;
    }
    (void)ask_read(fd, ret_line, size_bytes);
    close(fd);
    /* Its output has ended, or it took too long: both ways it may go. */
    for (int i = 0; i < 100 && waitpid(pid, &status, WNOHANG) == 0; i++) {
        usleep(5000);
        status = -1;
    }
    if (status == -1) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    ret_line[strcspn(ret_line, "\r\n")] = '\0';
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- the verb ---- */

static const struct {
    const char *name;
    void (*run)(struct doctor *doctor);
} checks[] = {
    {"state folder", doctor_state_folder},
    {"keys", doctor_keys},
    {"disk space", doctor_disk},
    {"/dev/shm", doctor_shm},
    {"limits", doctor_limits},
    {"redis", doctor_redis},
    {"gpu", doctor_gpu},
    {"python", doctor_python},
    {"head", doctor_head},
    {"version", doctor_version},
    {"store", doctor_store},
    {"depot", doctor_depot},
    {"clock", doctor_clock},
    {"ports", doctor_ports},
    {"nodes", doctor_nodes},
};

static void doctor_print(const json_t *items)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)items, i, item)
    {
        const char *advice = cli_json_str(item, "advice");
        printf("%-5s %-13s %s\n", cli_json_str(item, "state"), cli_json_str(item, "check"),
               cli_json_str(item, "text"));
        if (advice[0] != '\0') {
            printf("%-19s -> %s\n", "", advice);
        }
    }
}

int verb_doctor(struct cli *cli)
{
    struct doctor doctor = {.cli = cli, .items = json_array()};
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        json_decref(doctor.items);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        doctor.check = checks[i].name;
        checks[i].run(&doctor);
    }
    int code = EXIT_OK;
    if (cli_output_is_text(cli, output)) {
        doctor_print(doctor.items);
    } else {
        json_t *list = json_pack("{s:s, s:O, s:i}", "api", "v1", "items", doctor.items, "total",
                                 (int)json_array_size(doctor.items));
        code = cli_print_list(cli, NULL, list);
        json_decref(list);
    }
    json_decref(doctor.items);
    json_decref(doctor.status);
    client_close(doctor.client);
    return code != EXIT_OK ? code : doctor.has_failed ? EXIT_REQUEST : EXIT_OK;
}
