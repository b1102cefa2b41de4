/* worker/core/stream.h -- the node's numbered events: made, packed, kept until the head has them on
 * disk, sent again after a reconnect. Pure; one thread; owned by the agent.
 *
 * Each event is kept as the frame that would carry it alone, so what is counted is what is held.
 * Numbers count from 1 without gaps. Kept are the numbers acked+1 .. next-1; of these, up to `sent`
 * are in flight on this connection. */
#ifndef MUSTER_WORKER_CORE_STREAM_H
#define MUSTER_WORKER_CORE_STREAM_H

#include "base/list.h"
#include "worker/core/outbox.h"

enum {
    STREAM_FRAME_EVENTS_MAX = 4096,
    /* Beyond it tails of results are cut to STREAM_TAIL_BYTES, and rows are thinned ever more. */
    STREAM_PRESSURE_BYTES = EVENTS_KEPT_BYTES / 2,
    STREAM_NO_ROWS_BYTES = EVENTS_KEPT_BYTES / 4 * 3, /* beyond it no row, no tail, no new commit */
    STREAM_TAIL_BYTES = 4096,
};

struct kept_event {
    struct list link;
    uint64_t number;
    event_kind kind;
    struct attempt_ref ref; /* {0}: of the node itself, or of an array */
    uint32_t job;           /* TASKS, RETURNED */
    size_t cost_bytes;      /* of this block */
    size_t frame_bytes;
    uint8_t frame[];
};

struct stream {
    struct list kept; /* in order of number */
    uint64_t incarnation;
    uint64_t next;             /* number of the next event */
    uint64_t acked;            /* on the head's disk */
    uint64_t sent;             /* on this connection; >= acked */
    struct kept_event *unsent; /* the one numbered sent+1; NULL: all are sent */
    size_t kept_bytes;
    size_t in_flight_bytes;
};

void agent_stream_init(struct stream *stream, uint64_t incarnation);
void agent_stream_fini(struct stream *stream);
/* Gives the event its number and keeps a copy. ERR_NO_MEMORY: nothing happened. */
MUST_CHECK error_code agent_stream_add(struct stream *stream, struct node_event *event);
/* Sends what is unsent while at most EVENTS_IN_FLIGHT_BYTES are unacknowledged. */
void agent_stream_send(struct stream *stream, struct agent_outbox *out);
/* The oldest event with a number <= applied, taken off the stream (the caller frees it); NULL: none
 * is left. */
struct kept_event *agent_stream_acked_next(struct stream *stream, uint64_t applied);
/* The connection is another one: everything that is kept will be sent (again). */
void agent_stream_rewind(struct stream *stream);
/* Every how many rows one may be kept now: 1 all, 0 none. */
uint64_t agent_stream_rows_stride(const struct stream *stream);

#endif
