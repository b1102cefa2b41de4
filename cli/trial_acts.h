/* cli/trial_acts.h -- what the verbs share that a trainer in shell calls. */
#ifndef MUSTER_CLI_TRIAL_ACTS_H
#define MUSTER_CLI_TRIAL_ACTS_H

#include <errno.h>

#include "cli/cli.h"
#include "cli/trial_talk.h"

/* Exit codes of report and commit: the first act to be obeyed. */
enum {
    EXIT_ACT_CHECKPOINT = 10,
    EXIT_ACT_PAUSE = 11,
    EXIT_ACT_STOP = 12,
    EXIT_ACT_EXPLOIT = 13,
};

/* The code for an answer's act bits; with --acts all of them as words on stdout. */
int trial_acts_exit(const struct cli *cli, const json_t *answer);
/* --step; false after the message. */
bool trial_step(const struct cli *cli, int64_t *ret_step);
/* The exit code of a verb that needs an answer and got none. */
int trial_talk_exit(talk_outcome outcome);

#endif
