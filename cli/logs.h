/* cli/logs.h -- what tasks and trials write. */
#ifndef MUSTER_CLI_LOGS_H
#define MUSTER_CLI_LOGS_H

#include "cli/cli.h"

struct logs_wanted {
    task_id id;
    bool is_trial;
    FILE *out, *err;   /* where each stream goes; NULL: not wanted */
    bool is_following; /* until the task has ended, through all its attempts */
    bool has_attempt;  /* only this one; else from the first (following) or the last */
    uint32_t attempt;
    const char *node; /* of one that is on several nodes; NULL: the first one's */
    const char *tail; /* bytes of each stream to begin with; NULL: all */
};

/* Writes it. A head that restarts meanwhile is waited for, and no byte comes twice. EXIT_OK or the
 * exit code after the message; EXIT_INTERRUPTED without one. */
int cli_logs(struct cli *cli, struct client **client, const struct logs_wanted *wanted);

#endif
