/* cli/trials.h -- trials and tasks: what the verbs of both share. One thread. */
#ifndef MUSTER_CLI_TRIALS_H
#define MUSTER_CLI_TRIALS_H

#include "cli/kinds.h"
#include "cli/selector.h"

/* Shows the trial or task that the first argument names. The exit code. */
int cli_trial_show(struct cli *cli);
/* Fetches what `selector` names, and picks by the options. EXIT_OK: the list is the caller's; else
 * the exit code after the message. */
int cli_tasks_fetch(struct cli *cli, struct client **client, const struct cli_kind *kind,
                    const struct selector *selector, json_t **ret_list);
/* What is kept for a trial, a line each; nothing if nothing is. */
void cli_checkpoints_print(const json_t *trial);
/* Tasks as a table shows them: "3" or "signal 9" where a process ended, what was dry, the command
 * as it was given. Other forms stay as they are. */
void cli_tasks_prettify(const struct cli *cli, json_t *list);
/* "command" becomes what was given to `run`, which writes $${ for ${. */
void cli_command_show(json_t *task);

#endif
