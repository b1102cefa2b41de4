/* A loop with a spawner, and processes made by it. Included by the tests of this folder only. */
#ifndef MUSTER_TESTS_UNIT_SYS_PROCESS_RIG_H
#define MUSTER_TESTS_UNIT_SYS_PROCESS_RIG_H

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "../folder.h"
#include "sys/clock.h"
#include "sys/loop.h"
#include "sys/proctree.h"
#include "sys/spawner.h"

enum { RIG_DEADLINE_MS = 20000, RIG_STARTS_MAX = 128 };

struct rig {
    struct loop *loop;
    struct spawner *spawner;
    struct spawn_result results[RIG_STARTS_MAX];
    uint32_t n_results, n_wanted;
    time_ms deadline;
};

static inline void on_rig_started(void *context, const struct spawn_result *result)
{
    struct rig *rig = context;
    assert_true(rig->n_results < RIG_STARTS_MAX);
    rig->results[rig->n_results++] = *result;
}

static inline void on_rig_turn(void *context, const struct loop_turn *turn)
{
    struct rig *rig = context;
    if (rig->n_results >= rig->n_wanted || turn->now > rig->deadline) {
        loop_stop(rig->loop);
    }
}

static inline void rig_begin(struct rig *rig)
{
    *rig = (struct rig){0};
    assert_int_equal(loop_new(&rig->loop, NULL), OK);
    loop_turn_set(rig->loop, on_rig_turn, rig);
    assert_int_equal(spawner_new(loop_uv(rig->loop), &rig->spawner, NULL), OK);
}

static inline void rig_end(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->n_results; i++) {
        if (rig->results[i].pidfd >= 0) {
            close(rig->results[i].pidfd);
        }
    }
    spawner_free(rig->spawner);
    loop_free(rig->loop);
}

static inline void rig_until(struct rig *rig, uint32_t n_results)
{
    rig->n_wanted = n_results;
    rig->deadline = clock_now() + RIG_DEADLINE_MS;
    loop_again(rig->loop);
    assert_int_equal(loop_run(rig->loop), OK);
    assert_true(rig->n_results >= n_results);
}

/* The answer to one start. */
static inline struct spawn_result rig_start(struct rig *rig, const struct spawn_request *request)
{
    uint32_t before = rig->n_results;
    assert_int_equal(spawner_start(rig->spawner, request, on_rig_started, rig), OK);
    rig_until(rig, before + 1);
    return rig->results[before];
}

static const char *const rig_env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C", NULL};

static inline struct spawn_result rig_start_shell(struct rig *rig, const char *script,
                                                  const char *folder, uint64_t mark)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const struct spawn_request request = {
        .argv = argv, .envp = rig_env, .folder = folder, .out_fd = -1, .err_fd = -1, .mark = mark};
    struct spawn_result result = rig_start(rig, &request);
    assert_int_equal(result.place, SPAWN_NONE);
    assert_true(result.pid > 0);
    return result;
}

static inline bool rig_has_ended(int pidfd, int timeout_ms)
{
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    return poll(&wait, 1, timeout_ms) == 1;
}

/* Waits for the end; the status as waitpid() gives it. */
static inline int rig_wait(const struct spawn_result *result)
{
    assert_true(rig_has_ended(result->pidfd, RIG_DEADLINE_MS));
    int status = -1;
    assert_int_equal(waitpid(result->pid, &status, 0), result->pid);
    return status;
}

/* Waits until the file is there and holds something. */
static inline void rig_wait_file(const char *path)
{
    time_ms deadline = clock_now() + RIG_DEADLINE_MS;
    struct stat about;
    while (stat(path, &about) != 0 || about.st_size == 0) {
        assert_true(clock_now() < deadline);
        poll(NULL, 0, 2);
    }
}

#endif
