/* A trainer for the benches: `reports` reports of one metric, `wait_ms` asleep before each (it
 * leaves the CPU), or spinning with `busy` 1. Appends one line to BENCH_LOG: pid, start, first
 * answered report, end (CLOCK_MONOTONIC, microseconds), and for each report how long the call took.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "muster.h"

enum { SHOWN_MAX = 200 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void wait_ms(int64_t ms, int64_t busy)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    double end = now_us() + (double)ms * 1e3;
    if (busy == 0) {
        nanosleep(&t, NULL);
    }
    while (busy != 0 && now_us() < end) {
    }
}

int main(void)
{
    static const char *const names[] = {"loss"};
    double started = now_us(), first = 0, calls[SHOWN_MAX], x = 0.5;
    int64_t reports = 1, ms = 0, busy = 0;
    int shown = 0;
    muster_trial *t = muster_open(0);
    muster_f64(t, "x", &x);
    muster_i64(t, "reports", &reports);
    muster_i64(t, "wait_ms", &ms);
    muster_i64(t, "busy", &busy);
    for (int64_t step = 1; step <= reports; step++) {
        wait_ms(ms, busy);
        double before = now_us();
        int acts = muster_report(t, step, 1, names, &x);
        double after = now_us();
        first = first == 0 ? after : first;
        if (shown < SHOWN_MAX) {
            calls[shown++] = after - before;
        }
        if (acts > 0 && (acts & MUSTER_STOP) != 0) {
            break;
        }
    }
    const char *path = getenv("BENCH_LOG");
    int fd = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        char line[16384];
        int n = snprintf(line, sizeof line, "%d %.0f %.0f %.0f", (int)getpid(), started, first,
                         now_us());
        for (int i = 0; i < shown; i++) {
            n += snprintf(line + n, sizeof line - (size_t)n, " %.1f", calls[i]);
        }
        line[n++] = '\n';
        ssize_t written = write(fd, line, (size_t)n);
        (void)written;
        close(fd);
    }
    muster_close(t, MUSTER_DONE, NULL);
    return 0;
}
