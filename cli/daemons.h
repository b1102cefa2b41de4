/* cli/daemons.h -- what up, head and worker share: their options, and starting a supervisor. */
#ifndef MUSTER_CLI_DAEMONS_H
#define MUSTER_CLI_DAEMONS_H

#include "cli/cli.h"
#include "cli/supervisor.h"
#include "head/shell/head.h"
#include "worker/shell/worker.h"

enum { DAEMON_PASSED_MAX = 128, CUSTOM_OPTIONS_MAX = 32, LABEL_OPTIONS_MAX = 64 };

/* ---- daemon_options.c; EXIT_OK or the exit code after the message ---- */
/* --cpus, --memory, --address, --fake-gpus, --custom and --label, checked, into the caller's
 * arrays. */
int daemon_node_options_read(const struct cli *cli, struct worker_options *options,
                             struct custom_pair *custom, struct label_pair *labels);
/* --listen, --http, --orphan-timeout. */
int daemon_head_options_read(const struct cli *cli, struct head_options *options);
bool daemon_ready_fd_read(const struct cli *cli, int *ret_fd);
/* The worker's, the head's own options as they were given, to be passed on; how many words. */
int daemon_worker_arguments(const struct cli *cli, const char **arguments);
int daemon_head_arguments(const struct cli *cli, const char **arguments);

/* ---- daemons.c ---- */
/* A head with an external store runs in this state folder: it has no supervisor and wants none.
 * *ret_pid may be NULL. */
bool daemon_head_is_alone(const char *state_dir, uint32_t *ret_pid);

/* ---- up.c ---- */
/* Runs the supervisor here, or in the background with --detach; the exit code. */
int daemon_supervise(struct cli *cli, struct supervisor_options *options);

#endif
