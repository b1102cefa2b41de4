/* cli/supervisor.h -- an embedded cluster on this machine: `muster up` is the supervisor itself. It
 * holds the state folder's lock; redis-server, head and worker are its children, each with an
 * inherited lock of its own and a pipe that says when it is ready. It restarts each alone, with
 * backoff. Killed itself, they go on: the next one finds their locks held and adopts them. */
#ifndef MUSTER_CLI_SUPERVISOR_H
#define MUSTER_CLI_SUPERVISOR_H

#include "cli/cli.h"

struct supervisor_options {
    const char *state_dir;
    int64_t linger_ms;
    bool has_linger;
    bool no_worker;
    bool is_reading;          /* leaves with the last command that reads: cli/reading.h */
    int ready_fd;             /* > 0: a byte when everything is ready */
    int64_t ready_timeout_ms; /* a start in the background is waited for so long; 0: a minute */
    const char *const *worker_arguments; /* passed on: --cpus, --fake-gpus, ... */
    int n_worker_arguments;
    const char *const *head_arguments; /* passed on: --listen, --http, ... */
    int n_head_arguments;
};

enum {
    SUPERVISOR_ARGUMENTS_MAX = 160,
    SUPERVISOR_EXIT_TAKEN = 75, /* of one in the background: another one holds the folder */
};

/* Makes what lacks of the state folder; EXIT_OK or the exit code after the message. */
int supervisor_folders_make(const struct supervisor_options *options);
/* Runs until SIGTERM, SIGINT, linger or `down`; the exit code. */
int supervisor_run(struct cli *cli, const struct supervisor_options *options);
/* Starts one in the background and waits until it is ready; EXIT_OK or the exit code after the
 * message. One that runs already is as good. */
int supervisor_start_detached(struct cli *cli, const struct supervisor_options *options);

#endif
