/* tests/unit/client/rig.h -- a played agent: a thread at the other end of a trial's socket, and a
 * trial opened on it.
 *
 * A test gives the agent a function to play. The agent's side never asserts: what it does not like
 * it notes, and rig_end() fails the test with that note. */
#ifndef MUSTER_TESTS_UNIT_CLIENT_RIG_H
#define MUSTER_TESTS_UNIT_CLIENT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/muster.h"

enum { RIG_DEADLINE_MS = 20000, RIG_LINE_MAX = 128 << 10 };

#define RIG_HELLO                                                                                  \
    "{\"ok\":1,\"act\":0,\"params\":{\"lr\":0.01,\"n\":3,\"o\":\"adamw\",\"b\":true},"             \
    "\"restore\":null,\"step\":0,\"trial\":\"12.41\",\"attempt\":0,\"seed\":77,"                   \
    "\"milestone\":null,\"save\":null}"

struct rig {
    char folder[32], path[64];
    int listener, fd;
    pthread_t thread;
    void (*play)(struct rig *rig);
    sem_t go;   /* the test lets the agent go on */
    sem_t done; /* the agent lets the test go on */
    char note[512];
    char *line; /* the last one read */
    size_t line_bytes;
    muster_trial *trial;
};

/* ---- the agent's side ---- */

__attribute__((format(printf, 2, 3))) static inline void agent_note(struct rig *rig,
                                                                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (rig->note[0] == '\0') {
        vsnprintf(rig->note, sizeof rig->note, format, args);
    }
    va_end(args);
}

/* The next line without its end, "" after the trainer has closed or at the deadline. */
static inline const char *agent_read(struct rig *rig)
{
    rig->line_bytes = 0;
    for (;;) {
        struct pollfd poll_fd = {.fd = rig->fd, .events = POLLIN};
        char c;
        if (rig->line_bytes == RIG_LINE_MAX - 1 || poll(&poll_fd, 1, RIG_DEADLINE_MS) <= 0 ||
            recv(rig->fd, &c, 1, 0) != 1) {
            rig->line_bytes = 0;
            break;
        }
        if (c == '\n') {
            break;
        }
        rig->line[rig->line_bytes++] = c;
    }
    rig->line[rig->line_bytes] = '\0';
    return rig->line;
}

/* The next line must be this one; a `wanted` that ends in * is the beginning of it. */
static inline void agent_expect(struct rig *rig, const char *wanted)
{
    const char *line = agent_read(rig);
    size_t n = strlen(wanted);
    bool is_prefix = n > 0 && wanted[n - 1] == '*';
    if (is_prefix ? strncmp(line, wanted, n - 1) != 0 : strcmp(line, wanted) != 0) {
        agent_note(rig, "the agent read '%.200s', not '%.200s'", line, wanted);
    }
}

static inline void agent_write(struct rig *rig, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t done = send(rig->fd, text, n, MSG_NOSIGNAL);
        if (done <= 0) {
            return; /* the trainer is gone: what it misses, its test sees */
        }
        text += done;
        n -= (size_t)done;
    }
}

static inline void agent_say(struct rig *rig, const char *text)
{
    agent_write(rig, text, strlen(text));
    agent_write(rig, "\n", 1);
}

static inline void rig_wait(struct rig *rig, sem_t *semaphore)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += RIG_DEADLINE_MS / 1000;
    if (sem_timedwait(semaphore, &limit) != 0) {
        agent_note(rig, "waited for the other side in vain");
    }
}

static inline void agent_accept(struct rig *rig)
{
    struct pollfd poll_fd = {.fd = rig->listener, .events = POLLIN};
    rig->fd = poll(&poll_fd, 1, RIG_DEADLINE_MS) == 1 ? accept(rig->listener, NULL, NULL) : -1;
    if (rig->fd < 0) {
        agent_note(rig, "nobody came");
    }
}

/* Says good-bye to a trainer, whatever it still tells before. */
static inline void agent_bye(struct rig *rig)
{
    while (agent_read(rig)[0] != '\0') {
        agent_say(rig, "{\"ok\":1,\"act\":0,\"milestone\":null}");
        if (strncmp(rig->line, "{\"bye\"", 6) == 0) {
            return;
        }
    }
    agent_note(rig, "no good-bye came");
}

static inline void *agent_run(void *context)
{
    struct rig *rig = context;
    agent_accept(rig);
    if (rig->fd >= 0) {
        rig->play(rig);
        close(rig->fd);
    }
    return NULL;
}

/* ---- the test's side ---- */

static inline void rig_listen(struct rig *rig)
{
    *rig = (struct rig){.folder = "/tmp/muster-client-XXXXXX", .fd = -1};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->path, sizeof rig->path, "%s/s", rig->folder);
    memcpy(address.sun_path, rig->path, sizeof rig->path);
    rig->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(rig->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(rig->listener, 16), 0);
    rig->line = malloc(RIG_LINE_MAX);
    assert_non_null(rig->line);
    sem_init(&rig->go, 0, 0);
    sem_init(&rig->done, 0, 0);
    setenv("MUSTER_SOCKET", rig->path, 1);
    unsetenv("MUSTER_CHECKPOINTS");
    unsetenv("MUSTER_SEED");
}

/* An agent that plays, and a trial opened on it. */
static inline void rig_begin(struct rig *rig, void (*play)(struct rig *rig), unsigned can)
{
    rig_listen(rig);
    rig->play = play;
    assert_int_equal(pthread_create(&rig->thread, NULL, agent_run, rig), 0);
    rig->trial = muster_open(can);
    assert_non_null(rig->trial);
}

static inline void rig_free(struct rig *rig)
{
    close(rig->listener);
    unlink(rig->path);
    rmdir(rig->folder);
    sem_destroy(&rig->go);
    sem_destroy(&rig->done);
    free(rig->line);
    unsetenv("MUSTER_SOCKET");
}

/* Closes the trial if the test has not, and fails with the agent's note. */
static inline void rig_end(struct rig *rig)
{
    muster_close(rig->trial, MUSTER_DONE, NULL);
    pthread_join(rig->thread, NULL);
    rig_free(rig);
    assert_string_equal(rig->note, "");
}

static inline int report(muster_trial *trial, int64_t step, double loss)
{
    return muster_report(trial, step, 1, (const char *const[]){"loss"}, &loss);
}

#endif
