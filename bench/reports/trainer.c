/* A trainer that reports as fast as it can: says in BENCH_FOLDER that it is ready, waits for the
 * file `go` there, makes its `reports` reports (the last one at the milestone), and appends one
 * line to the file `done`: begin and end (CLOCK_MONOTONIC, microseconds), reports taken (each
 * call's result, the milestone's included), reports refused, median and 99th percentile of a call
 * in microseconds, what the closing milestone took, and the processor time used, user and system.
 *
 * `pause_us` > 0 spins between two reports, as a training step would: so a call is measured without
 * a queue before it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "muster.h"

enum { POLL_NS = 5000000 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double used_us(const struct timeval *time)
{
    return (double)time->tv_sec * 1e6 + (double)time->tv_usec;
}

static int float_order(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void line_append(const char *name, const char *line)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("BENCH_FOLDER"), name);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, strlen(line)) < 0) {
        exit(1);
    }
    close(fd);
}

static void go_wait(void)
{
    char path[4096];
    struct timespec pause = {0, POLL_NS};
    snprintf(path, sizeof path, "%s/go", getenv("BENCH_FOLDER"));
    while (access(path, F_OK) != 0) {
        nanosleep(&pause, NULL);
    }
}

static void spin_us(int64_t us)
{
    double end = now_us() + (double)us;
    while (us > 0 && now_us() < end) {
    }
}

int main(void)
{
    static const char *const names[] = {"loss"};
    int64_t reports = 1, pause_us = 0, taken = 0, refused = 0;
    double milestone_us = 0, value = 1;
    muster_trial *t = muster_open(0);
    muster_i64(t, "reports", &reports);
    muster_i64(t, "pause_us", &pause_us);
    float *calls = calloc((size_t)reports, sizeof *calls);
    if (calls == NULL) {
        return 1;
    }
    line_append("ready", "1\n");
    go_wait();
    double begin = now_us();
    for (int64_t step = 1; step <= reports; step++) {
        value = value * 0.9999 + 1e-6;
        spin_us(pause_us);
        double before = now_us();
        int acts = muster_report(t, step, 1, names, &value);
        double took = now_us() - before;
        taken += acts >= 0;
        refused += acts < 0;
        milestone_us = took;
        calls[step - 1] = (float)took;
    }
    double end = now_us();
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    size_t below = (size_t)reports - 1; /* the last one waited for its decision */
    qsort(calls, below, sizeof *calls, float_order);
    char line[256];
    snprintf(line, sizeof line, "%.0f %.0f %lld %lld %.2f %.2f %.0f %.0f %.0f\n", begin, end,
             (long long)taken, (long long)refused, below > 0 ? calls[below / 2] : 0,
             below > 0 ? calls[below / 100 * 99] : 0, milestone_us, used_us(&used.ru_utime),
             used_us(&used.ru_stime));
    line_append("done", line);
    muster_close(t, MUSTER_DONE, NULL);
    free(calls);
    return 0;
}
