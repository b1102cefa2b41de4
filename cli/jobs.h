/* cli/jobs.h -- jobs: a command, or a task array with as many tasks as it has ids. One thread. */
#ifndef MUSTER_CLI_JOBS_H
#define MUSTER_CLI_JOBS_H

#include "cli/cli.h"
#include "cli/selector.h"

/* One job, the caller's. EXIT_OK, or the exit code after the message. */
int cli_job_get(struct cli *cli, struct client **client, uint32_t number, json_t **ret_job);
bool cli_job_is_array(const json_t *job);
/* "12041/500000 done  3 failed  16 running  48/s  eta 00:02:41" */
void cli_job_progress(const json_t *job, double rate, char *ret_text, size_t size_bytes);

/* job_watch.c: to its end; shows its progress on stderr unless is_quiet, and how it ended. The exit
 * code: 0 all done, 5 some failed, 6 cancelled. */
int cli_job_watch(struct cli *cli, struct client **client, uint32_t number, bool is_quiet,
                  int64_t timeout_ms);
/* jobs.c: what its failed tasks said, the commonest first. */
int cli_job_failures_print(struct cli *cli, struct client **client, uint32_t number);
/* jobs.c: the summary of one, as `task show 7` gives it. */
int cli_job_show(struct cli *cli, struct client **client, json_t *job);
/* run.c: until one task has ended, silently; timeout_ms < 0: however long that takes. EXIT_OK, or
 * the exit code after the message. */
int cli_task_wait(struct cli *cli, struct client **client, task_id id, int64_t timeout_ms);

/* array_lists.c: for `task list`: each task array that is named as a whole is one row, added to
 * `list`. */
int array_rows_add(struct cli *cli, struct client **client, const struct selector *selector,
                   json_t *list);

/* array_lists.c: the tasks of the one array that `selector` names, picked by the options;
 * *ret_is_array false: it names something else, and there is no list. EXIT_OK or the exit code
 * after the message.
 */
int array_tasks_fetch(struct cli *cli, struct client **client, const struct selector *selector,
                      bool *ret_is_array, json_t **ret_list);

/* array_acts.c: the parts of `selector` that name task arrays, each done by one request; *ret_rest
 * is what is left for others, with *ret_done if anything was done. EXIT_OK or the exit code after
 * the message. */
struct act;
int array_act(struct cli *cli, struct client **client, const struct act *act,
              const struct selector *selector, struct selector *ret_rest, bool *ret_done);

#endif
