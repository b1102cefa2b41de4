/* sys/spawner.h -- makes attempts' processes, quickly and with the place of every failure. Called
 * from the loop's thread; owns one thread of its own for the process's life.
 *
 * One thread, because PR_SET_PDEATHSIG follows the thread that made a child: all children get
 * SIGKILL when it ends, so spawner_free() is the end of every process that it made. The children
 * are this process's own: waitpid() works. */
#ifndef MUSTER_SYS_SPAWNER_H
#define MUSTER_SYS_SPAWNER_H

#include <sys/types.h>
#include <uv.h>

#include "base/error.h"
#include "base/id.h"

struct spawner;

enum {
    SPAWNER_WAITING_MAX = 4096,
    SPAWNER_REQUEST_MAX_BYTES = 6 << 20, /* arguments and environment; exec has limits of its own */
};

/* Where a start failed. */
#define SPAWN_PLACES(X)                                                                            \
    X(SPAWN_NONE, "")                                                                              \
    X(SPAWN_FIND, "find the program")                                                              \
    X(SPAWN_CLONE, "make a process")                                                               \
    X(SPAWN_SESSION, "begin a session")                                                            \
    X(SPAWN_PARENT, "follow its parent") /* which was gone already */                              \
    X(SPAWN_LIMITS, "set its limits")                                                              \
    X(SPAWN_STREAMS, "open its streams")                                                           \
    X(SPAWN_SIGNALS, "reset its signals")                                                          \
    X(SPAWN_FOLDER, "enter its folder")                                                            \
    X(SPAWN_EXEC, "execute")

typedef enum {
#define X(name, words) name,
    SPAWN_PLACES(X)
#undef X
} spawn_place;

/* Everything is copied; the descriptors stay the caller's and must be open until `done`. */
struct spawn_request {
    const char *const *argv; /* NULL-ended, at least one; argv[0] without a slash is looked for in
                                the PATH of `envp`, relative names count from `folder`. A text file
                                without #! is run by /bin/sh. */
    const char *const *envp; /* NULL-ended; the whole environment */
    const char *folder;      /* absolute; NULL: this process's */
    int out_fd, err_fd;      /* > 2; -1: /dev/null. Standard input is always /dev/null */
    uint64_t mark;           /* see sys/proctree.h; 0: none */
    uint64_t nofile;         /* soft limit of open files; 0: as it is here */
};

/* The process is the leader of a session and group of its own, holds no other descriptor of ours,
 * has no signal blocked or ignored, makes no core file, and dies with this process. */
struct spawn_result {
    pid_t pid;         /* 0: it did not start; then place and error say why */
    int pidfd;         /* now the caller's; becomes readable when it has ended */
    spawn_place place; /* SPAWN_NONE: it runs */
    int error;         /* errno */
    time_ms exec_at;   /* when it was executed */
    int64_t exec_us;   /* the same on the monotonic clock */
};

/* On the loop's thread, once for each accepted request, in their order. */
typedef void spawn_done_fn(void *context, const struct spawn_result *result);

MUST_CHECK error_code spawner_new(uv_loop_t *uv, struct spawner **ret_spawner,
                                  struct report *report);
/* Ends the thread, and with it every process that it made; waits for a start under way. What was
 * not answered will not be. The memory goes in the loop's next pass. NULL is fine. */
void spawner_free(struct spawner *spawner);
/* ERR_LIMIT, ERR_BUSY (too many wait) or ERR_NO_MEMORY: nothing was taken and `done` will not be
 * called. */
MUST_CHECK error_code spawner_start(struct spawner *spawner, const struct spawn_request *request,
                                    spawn_done_fn *done, void *context);
/* The thread whose children are exactly the processes made here. */
pid_t spawner_thread(const struct spawner *spawner);
const char *spawn_place_words(spawn_place place);

#endif
