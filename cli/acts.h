/* cli/acts.h -- verbs that change things, on one or on many: found, asked for, done one by one,
 * told line by line. One thread. */
#ifndef MUSTER_CLI_ACTS_H
#define MUSTER_CLI_ACTS_H

#include "cli/selector.h"

/* Which of those that a range or `all` names it is for. */
typedef enum { ACT_ON_RUNNING, ACT_ON_PAUSED, ACT_ON_ENDED, ACT_ON_FAILED, ACT_ON_ANY } act_on;

struct act {
    const char *verb; /* as in the path */
    const char *past; /* "sweep 12 <past>" */
    act_on on;
    bool is_destructive; /* a range or `all` asks first */
    /* The body, as JSON text, of one target as it is now; NULL: {}. false after the message. */
    bool (*body)(const struct cli *cli, const json_t *target, struct buf *ret_body);
    bool wants_target; /* `body` wants to see it */
};

/* By the verb's noun: sweep, trial or task. The exit code: that of one; of several 1 if any failed.
 */
int act_run(struct cli *cli, const struct act *act);
/* The same with a selector of the caller's. may_be_none: that it names nothing is no error. */
int act_run_selected(struct cli *cli, const struct act *act, const struct selector *selector,
                     bool may_be_none);
/* POST and its answer: EXIT_OK, or the code after the message. `key` NULL: one is made. */
int act_post(struct cli *cli, struct client **client, const char *path, const char *body,
             const char *key, json_t **ret_answer);
/* "Really ...?" on a terminal; true elsewhere, or with --yes. */
bool act_is_wanted(const struct cli *cli, const char *question);

#endif
