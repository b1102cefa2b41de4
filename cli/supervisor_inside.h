/* cli/supervisor_inside.h -- what the supervisor's two files share: its roles, each a process with
 * a lock of its own. One thread. */
#ifndef MUSTER_CLI_SUPERVISOR_INSIDE_H
#define MUSTER_CLI_SUPERVISOR_INSIDE_H

#include <limits.h>
#include <sys/types.h>

#include "cli/supervisor.h"
#include "head/shell/redis_server.h"

enum { REDIS, HEAD, WORKER, ROLES };
extern const char *const role_names[ROLES];

enum { CMDLINE_MAX = 16 << 10 };

struct role {
    pid_t pid; /* 0: does not run */
    int pidfd;
    int ready_fd;  /* our end of its pipe; -1: none */
    bool is_child; /* else adopted: its exit code is not ours to know */
    bool is_ready;
    int64_t started_ms;
    int64_t restart_ms; /* when to start it again; 0: now */
    int64_t backoff_ms;
};

struct supervisor {
    struct supervisor_options *options; /* its own copy: what is adopted keeps its own ways */
    char adopted_text[CMDLINE_MAX];
    const char *adopted_arguments[SUPERVISOR_ARGUMENTS_MAX];
    char adopted_head_text[CMDLINE_MAX];
    const char *adopted_head_arguments[SUPERVISOR_ARGUMENTS_MAX];
    char program[PATH_MAX];
    char join_address[256];
    struct role roles[ROLES];
    struct redis_server redis;
    bool has_told_ready;
    bool has_adopted;
    unsigned n_early_ends;
    bool is_leaving;
    int64_t leave_ms; /* deadline of the step that leaving is at */
    int exit_code;
    int signal_fd;
    unsigned n_signals;
    int reading_fd;     /* -1: no cluster for reading */
    int64_t reading_ms; /* when there was last a reader */
};

int64_t supervisor_now_ms(void);
/* `format` has one %s, for `name`. */
void supervisor_path(const struct supervisor *s, char ret_path[PATH_MAX], const char *format,
                     const char *name);
/* One start of a role came to nothing: counted while somebody waits for the first. */
void supervisor_early_end(struct supervisor *s, int role);

/* ---- supervisor_roles.c ---- */
/* Starts or adopts a role; on failure it is tried again later. */
void role_start(struct supervisor *s, int role);
void role_retry_later(struct role *r);

/* ---- supervisor_ready.c ---- */
/* Head and worker start at the same time: what both read is made before, at the first start. */
MUST_CHECK error_code supervisor_keys_make(const struct supervisor_options *options,
                                           struct report *report);
/* A port in use or a wrong address is said at once, unless a head that runs has it itself. */
MUST_CHECK error_code supervisor_listen_check(const struct supervisor *s, struct report *report);

#endif
