/* cli/schedule.h -- the parameters of a trial over the steps of its weights, from a sweep's
 * lineage. */
#ifndef MUSTER_CLI_SCHEDULE_H
#define MUSTER_CLI_SCHEDULE_H

#include <jansson.h>

#include "cli/cli.h"

/* Of the items of a lineage those that made the trial what it is, in order of steps: each holds
 * from its `from_step` on. The caller's; NULL: no memory. */
json_t *schedule_of(const json_t *changes, const char *trial);
/* A list with the schedule of the sweep's best trial. Says what is wrong. */
int schedule_fetch(struct cli *cli, struct client **client, uint32_t sweep, json_t **ret_list);

#endif
