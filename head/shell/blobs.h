/* head/shell/blobs.h -- packed work folders between HTTP, the depot and agents. Inside head/shell;
 * the loop's thread. */
#ifndef MUSTER_HEAD_SHELL_BLOBS_H
#define MUSTER_HEAD_SHELL_BLOBS_H

#include "head/shell/depot.h"
#include "head/shell/shell.h"

/* Opens head->depot. Blocks. */
MUST_CHECK error_code blobs_open(struct head *head, struct report *report);
/* Of router_options. */
void blobs_on_room(void *context);
/* Once a turn: the depot's, and what it holds is told for status. */
void blobs_turn(struct head *head, time_ms now);
void blobs_on_get(struct head *head, uint64_t peer, const struct msg_blob_get *msg);
/* Of http_callbacks. */
http_upload blobs_on_upload(void *context, const struct http_request *request,
                            uint64_t announced_bytes);
size_t blobs_on_body(void *context, uint64_t id, struct bytes bytes);
void blobs_gone(struct head *head, uint64_t id);

#endif
