/* worker/shell/lender.h -- hands out snapshots of this node to other agents: a CURVE server with a
 * key of its own start, on a thread of its own. What is asked for without a pass that the head made
 * known is not answered with a byte of a file.
 *
 * lender_pass() from the loop's thread; the rest before the first and after the last use. */
#ifndef MUSTER_WORKER_SHELL_LENDER_H
#define MUSTER_WORKER_SHELL_LENDER_H

#include "schema/messages.h"

struct lender;

/* host: the address at which the other agents reach this node; it listens there, on a free port.
 * snapshots_dir: as of snapshots.h; both are copied. */
MUST_CHECK error_code lender_open(const char *host, const char *snapshots_dir,
                                  struct lender **ret_lender, struct report *report);
void lender_close(struct lender *lender); /* NULL is fine; waits for its thread */
/* As the enrolment says them: tcp://HOST:PORT, and a CURVE key as Z85. */
const char *lender_endpoint(const struct lender *lender);
const char *lender_key(const struct lender *lender);
/* A pass holds until the one who has it says that all is there, or for valid_ms after it was last
 * used. */
void lender_pass(struct lender *lender, const struct msg_lend *lend);

/* The address of this machine that others reach: as `join` (tcp://HOST:PORT) is reached from;
 * 127.0.0.1 for ipc://. ERR_LIMIT, or ERR_NOT_FOUND with a text: there is no route. */
MUST_CHECK error_code lender_host_find(const char *join, char *ret_host, size_t size,
                                       struct report *report);

#endif
