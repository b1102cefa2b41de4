#include "worker/core/stream.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "worker/core/effects.h"

enum { BLOCK_OVERHEAD_BYTES = 16 };

void agent_stream_init(struct stream *stream, uint64_t incarnation)
{
    *stream = (struct stream){.incarnation = incarnation, .next = 1};
    list_init(&stream->kept);
}

void agent_stream_fini(struct stream *stream)
{
    list_each (&stream->kept, struct kept_event, link, event) {
        list_remove(&event->link);
        mem_free(event);
    }
}

uint64_t agent_stream_rows_stride(const struct stream *stream)
{
    if (stream->kept_bytes <= STREAM_PRESSURE_BYTES) {
        return 1;
    }
    if (stream->kept_bytes > STREAM_NO_ROWS_BYTES) {
        return 0;
    }
    return stream->kept_bytes <= EVENTS_KEPT_BYTES / 8 * 5 ? 4 : 16;
}

/* A result is never dropped; what it weighs is its tails, and their end matters most. */
static void stream_tail_cut(const struct stream *stream, struct bytes *tail)
{
    size_t max = TAIL_MAX_BYTES;
    if (stream->kept_bytes > STREAM_NO_ROWS_BYTES) {
        max = 0;
    } else if (stream->kept_bytes > STREAM_PRESSURE_BYTES) {
        max = STREAM_TAIL_BYTES;
    }
    if (tail->len > max) {
        tail->data += tail->len - max;
        tail->len = max;
    }
}

error_code agent_stream_add(struct stream *stream, struct node_event *event)
{
    event->number = stream->next;
    stream_tail_cut(stream, &event->result.out_tail);
    stream_tail_cut(stream, &event->result.err_tail);

    struct msg_events message = {
        .incarnation = stream->incarnation, .events = event, .n_events = 1};
    CLEANUP(buf_fini) struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    error_code error = message_encode(MSG_EVENTS, &message, &frame);
    if (error != OK) {
        assert(error == ERR_NO_MEMORY);
        return error;
    }
    struct kept_event *kept = mem_alloc(sizeof *kept + frame.len);
    if (kept == NULL) {
        return ERR_NO_MEMORY;
    }
    *kept = (struct kept_event){
        .number = stream->next++,
        .kind = event->kind,
        .ref = {event->task, event->attempt},
        .job = event->job,
        .cost_bytes = sizeof *kept + frame.len + BLOCK_OVERHEAD_BYTES,
        .frame_bytes = frame.len,
    };
    memcpy(kept->frame, frame.data, frame.len);
    list_push_back(&stream->kept, &kept->link);
    stream->kept_bytes += kept->cost_bytes;
    if (stream->unsent == NULL) {
        stream->unsent = kept;
    }
    return OK;
}

static struct kept_event *stream_after(struct stream *stream, struct kept_event *event)
{
    return event->link.next == &stream->kept
               ? NULL
               : list_entry(event->link.next, struct kept_event, link);
}

/* The events from `unsent` on that go into one frame; 0: no room in flight. */
static uint32_t stream_run(struct stream *stream, size_t *ret_frame_bytes)
{
    size_t room = stream->in_flight_bytes >= EVENTS_IN_FLIGHT_BYTES
                      ? 0
                      : EVENTS_IN_FLIGHT_BYTES - stream->in_flight_bytes;
    size_t total = 0;
    uint32_t n = 0;
    for (struct kept_event *event = stream->unsent; event != NULL && n < STREAM_FRAME_EVENTS_MAX;
         event = stream_after(stream, event)) {
        size_t next = total + event->frame_bytes;
        /* One event goes whatever its size when nothing else does, or it would wait for ever. */
        bool fits = next <= room && next <= MSG_EVENTS_BYTES;
        if (!fits && !(n == 0 && (stream->in_flight_bytes == 0 || next <= room))) {
            break;
        }
        total = next;
        n++;
    }
    *ret_frame_bytes = total;
    return n;
}

/* The frames of n kept events become one. */
static error_code stream_pack(struct stream *stream, uint32_t n, struct arena *arena,
                              struct buf *frame)
{
    struct node_event *events = arena_calloc(arena, n, sizeof *events);
    if (events == NULL) {
        return ERR_NO_MEMORY;
    }
    struct kept_event *kept = stream->unsent;
    for (uint32_t i = 0; i < n; i++) {
        message_type type;
        void *single;
        error_code error = message_decode((struct bytes){kept->frame, kept->frame_bytes}, arena,
                                          &type, &single, NULL);
        if (error != OK) {
            assert(error == ERR_NO_MEMORY); /* it is our own frame */
            return error;
        }
        events[i] = ((const struct msg_events *)single)->events[0];
        kept = stream_after(stream, kept);
    }
    struct msg_events message = {
        .incarnation = stream->incarnation, .events = events, .n_events = n};
    return message_encode(MSG_EVENTS, &message, frame);
}

static error_code stream_frame_send(struct stream *stream, uint32_t n, struct agent_outbox *out)
{
    if (n == 1) {
        return agent_outbox_frame(out, MSG_EVENTS, stream->unsent->frame,
                                  stream->unsent->frame_bytes);
    }
    struct arena arena;
    struct buf frame;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    buf_init(&frame, MSG_MAX_BYTES);
    error_code error = stream_pack(stream, n, &arena, &frame);
    if (error == OK) {
        error = agent_outbox_frame(out, MSG_EVENTS, frame.data, frame.len);
    }
    buf_fini(&frame);
    arena_fini(&arena);
    return error;
}

void agent_stream_send(struct stream *stream, struct agent_outbox *out)
{
    while (stream->unsent != NULL) {
        size_t frame_bytes;
        uint32_t n = stream_run(stream, &frame_bytes);
        if (n == 0) {
            return;
        }
        error_code error = stream_frame_send(stream, n, out);
        if (error != OK) {
            agent_outbox_fail(out, error);
            return;
        }
        for (uint32_t i = 0; i < n; i++) {
            stream->sent = stream->unsent->number;
            stream->unsent = stream_after(stream, stream->unsent);
        }
        stream->in_flight_bytes += frame_bytes;
    }
}

struct kept_event *agent_stream_acked_next(struct stream *stream, uint64_t applied)
{
    struct kept_event *event = list_first(&stream->kept, struct kept_event, link);
    if (event == NULL || event->number > applied) {
        return NULL;
    }
    if (stream->unsent == event) {
        /* Sent on an earlier connection, applied before this one began. */
        stream->unsent = stream_after(stream, event);
        stream->sent = event->number;
    } else {
        stream->in_flight_bytes -= event->frame_bytes;
    }
    stream->acked = event->number;
    stream->kept_bytes -= event->cost_bytes;
    list_remove(&event->link);
    return event;
}

void agent_stream_rewind(struct stream *stream)
{
    stream->sent = stream->acked;
    stream->in_flight_bytes = 0;
    stream->unsent = list_first(&stream->kept, struct kept_event, link);
}
