/* cli/trial_talk.h -- the command as a trainer: one connection to the trial that it was called in
 * (MUSTER_SOCKET), a line out, a line in. docs/TRAINER.md has the protocol. Blocks; ten seconds
 * without a byte end it. */
#ifndef MUSTER_CLI_TRIAL_TALK_H
#define MUSTER_CLI_TRIAL_TALK_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

typedef enum {
    TALK_ANSWERED,
    TALK_ALONE,   /* there is no MUSTER_SOCKET: the script runs by itself */
    TALK_SILENT,  /* muster cannot be reached, or says nothing; after a message on stderr */
    TALK_REFUSED, /* it said no; after a message on stderr */
} talk_outcome;

struct trial_talk {
    int fd;
    struct buf input;
};

talk_outcome trial_talk_open(struct trial_talk *talk);
/* Takes over `request`. TALK_ANSWERED: *ret_answer is the caller's. */
talk_outcome trial_talk_ask(struct trial_talk *talk, json_t *request, json_t **ret_answer);
void trial_talk_close(struct trial_talk *talk);

#endif
