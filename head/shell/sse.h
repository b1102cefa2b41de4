/* head/shell/sse.h -- the text of Server-Sent Events (WHATWG HTML, section 9.2). Pure. */
#ifndef MUSTER_HEAD_SHELL_SSE_H
#define MUSTER_HEAD_SHELL_SSE_H

#include "base/buf.h"

#define SSE_CONTENT_TYPE "text/event-stream"

/* Appends one event. id and event may be NULL and must have no line ends (they are cut there); data
 * may have any: each of its lines becomes a data line. Errors are the buffer's, sticky. */
void sse_print(struct buf *buf, const char *id, const char *event, struct bytes data);

#endif
