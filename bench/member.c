/* A member of a population for the benches: steps of a given length, snapshots of a given size.
 *
 * Parameters: x, its metric, the same at every step; steps; step_ms: a step sleeps so long (it
 * leaves the processor); rounds: a step passes so often over 1 MiB of numbers (the same work each
 * time); bytes: of a snapshot. With --no-exploit it is one that cannot exploit in place.
 *
 * Appends to BENCH_LOG what it did, a line each: pid, trial, what, step, begin, end
 * (CLOCK_MONOTONIC, microseconds) and act bits. The lines are kept in memory until it leaves. A
 * snapshot begins with its step, so that a load is known to have got what it was promised. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "muster.h"

enum { EVENTS_MAX = 20000, WORK_NUMBERS = 1 << 18, LINE_BYTES = 128, HUGE_BYTES = 2 << 20 };

struct member {
    double x, step_ms;
    int64_t steps, step, rounds, bytes;
    int64_t *weights;
    float *work;
    size_t n_events;
    struct event {
        const char *what;
        int64_t step;
        double begin_us, end_us;
        int acts;
    } events[EVENTS_MAX];
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_member: %s\n", what);
    exit(1);
}

static void event_add(struct member *m, const char *what, double begin_us, int acts)
{
    if (m->n_events == EVENTS_MAX) {
        fail("more events than fit");
    }
    m->events[m->n_events++] = (struct event){what, m->step, begin_us, now_us(), acts};
}

/* One write, so that lines of several members do not mix. */
static void events_write(const struct member *m, const char *trial)
{
    const char *path = getenv("BENCH_LOG");
    char *text = malloc(m->n_events * LINE_BYTES);
    size_t n = 0;
    int fd =
        path == NULL ? STDOUT_FILENO : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    for (size_t i = 0; text != NULL && i < m->n_events; i++) {
        const struct event *e = &m->events[i];
        n += (size_t)snprintf(text + n, LINE_BYTES, "%d %s %s %lld %.0f %.0f %d\n", (int)getpid(),
                              trial[0] != '\0' ? trial : "-", e->what, (long long)e->step,
                              e->begin_us, e->end_us, e->acts);
    }
    if (text == NULL || fd < 0 || write(fd, text, n) != (ssize_t)n) {
        fail("cannot write its log");
    }
    free(text);
}

/* ---- weights ---- */

/* On 4 KiB pages read(2) into fresh or far memory takes three times as long: that would be the
 * trainer's own doing. NULL: no memory. */
static void *memory_huge(size_t bytes)
{
    size_t size = (bytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    void *memory = aligned_alloc(HUGE_BYTES, size);
    if (memory != NULL) {
        madvise(memory, size, MADV_HUGEPAGE); /* where there are none it only takes longer */
    }
    return memory;
}

static int weights_open(const char *folder, int flags)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/weights", folder);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0) {
        fail("cannot open a snapshot");
    }
    return fd;
}

static void weights_save(muster_trial *t, struct member *m)
{
    double begin = now_us();
    const char *folder = muster_save_begin(t, m->step);
    if (folder == NULL) {
        fail(muster_error(t));
    }
    int fd = weights_open(folder, O_WRONLY | O_CREAT);
    m->weights[0] = m->step;
    for (int64_t done = 0; done < m->bytes;) {
        ssize_t n = write(fd, (char *)m->weights + done, (size_t)(m->bytes - done));
        if (n <= 0) {
            fail("cannot write a snapshot");
        }
        done += n;
    }
    close(fd);
    event_add(m, "write", begin, 0);
    if (muster_save_commit(t) != 0) {
        fail(muster_error(t));
    }
    event_add(m, "save", begin, 0);
}

/* Parameters and weights, of the trial as it is now. What is missing keeps its default. */
static void weights_load(muster_trial *t, struct member *m)
{
    const char *folder = muster_restore(t);
    double begin = now_us();
    muster_f64(t, "x", &m->x);
    m->step = muster_step(t);
    if (folder == NULL) {
        memset(m->weights, 1, (size_t)m->bytes);
        return;
    }
    int fd = weights_open(folder, O_RDONLY);
    int64_t done = 0;
    for (ssize_t n; (n = read(fd, (char *)m->weights + done, (size_t)(m->bytes - done))) > 0;) {
        done += n;
    }
    close(fd);
    if (done != m->bytes || m->weights[0] != m->step) {
        fail("the snapshot is not the one that was promised");
    }
    event_add(m, "load", begin, 0);
}

/* ---- training ---- */

static void member_step(struct member *m)
{
    double begin = now_us();
    struct timespec pause = {.tv_sec = (time_t)(m->step_ms / 1000)};
    pause.tv_nsec = (long)((m->step_ms - 1000.0 * (double)pause.tv_sec) * 1e6);
    nanosleep(&pause, NULL);
    for (int64_t round = 0; round < m->rounds; round++) {
        for (size_t i = 0; i < WORK_NUMBERS; i++) {
            m->work[i] = m->work[i] * 0.999F + 0.001F;
        }
    }
    m->step++;
    event_add(m, "step", begin, 0);
}

static int member_run(muster_trial *t, struct member *m)
{
    static const char *const names[] = {"x"};
    int acts = 0;
    weights_load(t, m);
    while (m->step < m->steps && (acts & (MUSTER_PAUSE | MUSTER_STOP)) == 0) {
        member_step(m);
        if (muster_save_due(t, m->step, m->step == m->steps)) {
            weights_save(t, m);
        }
        double begin = now_us();
        acts = muster_report(t, m->step, 1, names, &m->x);
        event_add(m, "report", begin, acts);
        if (acts < 0) {
            fail(muster_error(t));
        }
        if ((acts & MUSTER_CHECKPOINT) != 0) {
            weights_save(t, m);
        }
        if ((acts & MUSTER_EXPLOIT) != 0) {
            begin = now_us();
            if (muster_exploit(t) != 0) {
                fail(muster_error(t));
            }
            event_add(m, "exploit", begin, 0);
            weights_load(t, m);
        }
    }
    return (acts & MUSTER_PAUSE) != 0 ? MUSTER_PAUSED : MUSTER_DONE;
}

static void member_init(muster_trial *t, struct member *m)
{
    m->x = 0.5;
    m->steps = 10;
    m->bytes = 1024;
    muster_f64(t, "step_ms", &m->step_ms);
    muster_i64(t, "steps", &m->steps);
    muster_i64(t, "rounds", &m->rounds);
    muster_i64(t, "bytes", &m->bytes);
    if (m->bytes < (int64_t)sizeof *m->weights) {
        fail("a snapshot has 8 bytes or more");
    }
    m->weights = memory_huge((size_t)m->bytes);
    m->work = calloc(WORK_NUMBERS, sizeof *m->work);
    if (m->weights == NULL || m->work == NULL) {
        fail("no memory");
    }
}

int main(int argc, char **argv)
{
    static struct member member;
    double begin = now_us();
    bool is_restarted = argc > 1 && strcmp(argv[1], "--no-exploit") == 0;
    unsigned can = MUSTER_CAN_CHECKPOINT | MUSTER_CAN_PAUSE;
    muster_trial *t = muster_open(can | (is_restarted ? 0U : MUSTER_CAN_EXPLOIT));
    if (t == NULL) {
        fail("no memory");
    }
    event_add(&member, "open", begin, 0);
    begin = now_us();
    member_init(t, &member);
    event_add(&member, "init", begin, 0);
    int outcome = member_run(t, &member);
    char trial[64];
    snprintf(trial, sizeof trial, "%s", muster_id(t));
    begin = now_us();
    muster_close(t, outcome, NULL);
    event_add(&member, "close", begin, 0);
    events_write(&member, trial);
    return 0;
}
