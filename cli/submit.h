/* cli/submit.h -- new work: a sweep from its file, or a command as a task. One thread. */
#ifndef MUSTER_CLI_SUBMIT_H
#define MUSTER_CLI_SUBMIT_H

#include "cli/cli.h"

typedef enum { SUBMIT_DETACH, SUBMIT_WAIT, SUBMIT_WATCH } submit_then;

/* The exit code: of the submission, or of what was waited for. */
int submit_sweep(struct cli *cli, const char *path, submit_then then);
int submit_task(struct cli *cli, submit_then then);

/* The user's name here; the head prefers the one of the key. */
const char *submit_owner(void);
/* --name and --label. */
void submit_options_add(const struct cli *cli, json_t *body);
/* A signal came before anything was sent: the exit code, after the message. */
bool submit_is_called_off(int *ret_code);

/* task_body.c: what POST jobs wants, from the options and the command; `folder` NULL: it starts in
 * the current one. NULL after the message. */
json_t *task_body(const struct cli *cli, const char *folder);
/* task_body.c: --dry-run of a command. The exit code. */
int task_show_plan(const struct cli *cli, const char *folder);

#endif
