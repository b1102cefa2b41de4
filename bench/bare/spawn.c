/* The raw limit of process tasks: posix_spawn and waitpid, so many in flight, nothing kept.
 *
 * usage: bench_bare_spawn TASKS IN_FLIGHT [PROGRAM [session]]     prints tasks a second
 * `session`: each in a session of its own, as a worker's tasks are, and so in a scheduling group of
 * its own. On a machine that others use the two differ. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    long tasks = argc > 2 ? atol(argv[1]) : 0, in_flight = argc > 2 ? atol(argv[2]) : 0;
    char *program = argc > 3 ? argv[3] : "/bin/true";
    char *arguments[] = {program, NULL}, *environment[] = {NULL};
    posix_spawnattr_t how;
    if (tasks < 1 || in_flight < 1 || posix_spawnattr_init(&how) != 0) {
        fprintf(stderr, "usage: bench_bare_spawn TASKS IN_FLIGHT [PROGRAM [session]]\n");
        return 2;
    }
    if (argc > 4 && strcmp(argv[4], "session") == 0) {
        posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSID);
    }
    double begin = now_s();
    for (long started = 0, ended = 0; ended < tasks; ended++) {
        for (; started < tasks && started - ended < in_flight; started++) {
            pid_t pid;
            if (posix_spawn(&pid, program, NULL, &how, arguments, environment) != 0) {
                perror(program);
                return 1;
            }
        }
        int status;
        if (waitpid(-1, &status, 0) < 0 || status != 0) {
            return 1;
        }
    }
    printf("%.0f\n", (double)tasks / (now_s() - begin));
    return 0;
}
