/* The raw limit of reports: trainers and a reader on bare Unix stream sockets, the same bytes to
 * and fro, nothing parsed and nothing kept. A trainer writes a line, takes what answers are there,
 * and never has more than 64 owed, as libmuster does; the reader counts lines and answers each.
 * Prints: reports a second of all together, and median and 99th percentile of a trainer's call in
 * microseconds (the first trainer's).
 *
 * usage: bench_bare_socket TRAINERS REPORTS [PAUSE_US] */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 64, TRAINERS_MAX = 1024, BUFFER_BYTES = 65536 };

static const char answer[] = "{\"ok\":1,\"act\":0,\"milestone\":10000}\n";

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int float_order(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static long lines_count(const char *bytes, size_t n)
{
    long lines = 0;
    for (const char *at = bytes; (at = memchr(at, '\n', n - (size_t)(at - bytes))) != NULL; at++) {
        lines++;
    }
    return lines;
}

/* ---- a trainer ---- */

/* Takes what is there; waits for it where `must_wait`. */
static long answers_take(int fd, int must_wait)
{
    static char bytes[BUFFER_BYTES];
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    if (must_wait) {
        poll(&poll_fd, 1, -1);
    }
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    return n > 0 ? lines_count(bytes, (size_t)n) : 0;
}

static void line_send(int fd, long step)
{
    char line[128];
    int n = snprintf(line, sizeof line, "{\"report\":{\"step\":%ld,\"m\":{\"loss\":%.17g}}}\n",
                     step, 1.0 / (double)step);
    if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n) {
        exit(1);
    }
}

static void trainer(int fd, long reports, long pause_us, int is_first)
{
    float *calls = calloc((size_t)reports, sizeof *calls);
    long owed = 0;
    for (long step = 1; calls != NULL && step <= reports; step++) {
        for (double end = now_us() + (double)pause_us; pause_us > 0 && now_us() < end;) {
        }
        double before = now_us();
        line_send(fd, step);
        owed++;
        do {
            owed -= answers_take(fd, owed >= WINDOW);
        } while (owed >= WINDOW);
        calls[step - 1] = (float)(now_us() - before);
    }
    while (owed > 0) {
        owed -= answers_take(fd, 1);
    }
    if (is_first && calls != NULL) {
        qsort(calls, (size_t)reports, sizeof *calls, float_order);
        printf("call_p50_us %.2f call_p99_us %.2f\n", calls[reports / 2],
               calls[reports / 100 * 99]);
        fflush(stdout);
    }
    _exit(0);
}

/* ---- the reader ---- */

static void answers_send(int fd, long lines)
{
    static char bytes[BUFFER_BYTES];
    size_t n = sizeof answer - 1, used = 0;
    for (; lines > 0; lines--) {
        memcpy(bytes + used, answer, n);
        used += n;
        if (lines == 1 || used + n > sizeof bytes) {
            if (send(fd, bytes, used, MSG_NOSIGNAL) < 0) {
                return; /* the trainer has left */
            }
            used = 0;
        }
    }
}

static long read_all(int epoll, long wanted)
{
    static char bytes[BUFFER_BYTES];
    struct epoll_event events[64];
    long seen = 0;
    while (seen < wanted) {
        int n_events = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < n_events; i++) {
            ssize_t n = recv(events[i].data.fd, bytes, sizeof bytes, MSG_DONTWAIT);
            long lines = n > 0 ? lines_count(bytes, (size_t)n) : 0;
            seen += lines;
            answers_send(events[i].data.fd, lines);
            if (n == 0) {
                epoll_ctl(epoll, EPOLL_CTL_DEL, events[i].data.fd, NULL);
            }
        }
    }
    return seen;
}

int main(int argc, char **argv)
{
    long trainers = argc > 2 ? atol(argv[1]) : 0, reports = argc > 2 ? atol(argv[2]) : 0;
    long pause_us = argc > 3 ? atol(argv[3]) : 0;
    int epoll = epoll_create1(0);
    if (trainers < 1 || trainers > TRAINERS_MAX || reports < 100 || epoll < 0) {
        fprintf(stderr, "usage: bench_bare_socket TRAINERS REPORTS [PAUSE_US]\n");
        return 2;
    }
    double start = now_us();
    for (long i = 0; i < trainers; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
            return 1;
        }
        if (fork() == 0) {
            close(pair[0]);
            trainer(pair[1], reports, pause_us, i == 0);
        }
        close(pair[1]);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = pair[0]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event);
    }
    long seen = read_all(epoll, trainers * reports);
    double seconds = (now_us() - start) / 1e6;
    while (wait(NULL) > 0) {
    }
    printf("reports_per_s %.0f\n", (double)seen / seconds);
    return 0;
}
