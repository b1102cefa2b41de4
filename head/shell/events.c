/* The event stream over HTTP: ids `<epoch>-<n>` from a ring of the last events; one that is gone
 * gets `reset`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/shell.h"
#include "head/shell/sse.h"

enum { RING = 4096 };

struct notices {
    uint64_t epoch;
    uint64_t next; /* number of the next event, from 1 */
    char *ring[RING];
    uint64_t readers[HTTP_STREAMS_MAX];
    uint32_t n_readers;
};

error_code notices_new(uint64_t epoch, struct notices **ret_notices)
{
    struct notices *notices = mem_zalloc(sizeof *notices);
    if (notices == NULL) {
        return ERR_NO_MEMORY;
    }
    notices->epoch = epoch;
    notices->next = 1;
    *ret_notices = notices;
    return OK;
}

void notices_free(struct notices *notices)
{
    if (notices != NULL) {
        for (int i = 0; i < RING; i++) {
            mem_free(notices->ring[i]);
        }
        mem_free(notices);
    }
}

static void notice_print(const struct notices *notices, uint64_t number, const char *json,
                         struct buf *text)
{
    char id[64];
    snprintf(id, sizeof id, "%" PRIu64 "-%" PRIu64, notices->epoch, number);
    sse_print(text, id, NULL, (struct bytes){(const uint8_t *)json, strlen(json)});
}

void notices_add(struct head *head, struct bytes json)
{
    struct notices *notices = head->notices;
    char *copy = mem_strndup((const char *)json.data, json.len);
    if (copy == NULL) {
        return; /* A reader finds the gap by the numbers and looks again. */
    }
    uint64_t number = notices->next++;
    char **slot = &notices->ring[number % RING];
    mem_free(*slot);
    *slot = copy;
    struct buf text;
    buf_init(&text, HTTP_STREAM_QUEUE_MAX_BYTES);
    notice_print(notices, number, copy, &text);
    for (uint32_t i = 0; i < notices->n_readers; i++) {
        ignore_error(http_stream_write(head->http, notices->readers[i], buf_bytes(&text)),
                     "on_gone takes it off the list");
    }
    buf_fini(&text);
}

/* The first of the newest events after `from` that together fit into a quarter of a new reader's
 * queue. */
static uint64_t notices_first(const struct notices *notices, uint64_t from)
{
    enum { NAME_BYTES = 128 }; /* what an event has around its JSON */
    size_t left = HTTP_STREAM_QUEUE_MAX_BYTES / 4;
    uint64_t first = notices->next;
    while (first > from + 1) {
        const char *json = notices->ring[(first - 1) % RING];
        size_t size = (json != NULL ? strlen(json) : 0) + NAME_BYTES;
        if (size > left) {
            break;
        }
        left -= size;
        first--;
    }
    return first;
}

/* Events after the id that the reader names; the newest that the ring holds if it names none. One
 * that named an id and cannot have all that came after it is told so: `reset`. */
static void notices_replay(struct head *head, uint64_t request, const char *last_id)
{
    struct notices *notices = head->notices;
    uint64_t epoch = 0, from = 0;
    uint64_t oldest = notices->next > RING ? notices->next - RING + 1 : 1;
    struct buf text;
    buf_init(&text, HTTP_STREAM_QUEUE_MAX_BYTES);
    bool is_named = last_id != NULL && sscanf(last_id, "%" SCNu64 "-%" SCNu64, &epoch, &from) == 2;
    bool is_lost =
        is_named && (epoch != notices->epoch || from + 1 < oldest || from >= notices->next);
    from = is_named && !is_lost ? from : oldest - 1;
    uint64_t first = notices_first(notices, from);
    if (is_lost || (is_named && first > from + 1)) {
        sse_print(&text, NULL, "reset", (struct bytes){(const uint8_t *)"{}", 2});
    }
    for (uint64_t number = first; number < notices->next; number++) {
        const char *json = notices->ring[number % RING];
        if (json != NULL) {
            notice_print(notices, number, json, &text);
        }
    }
    ignore_error(http_stream_write(head->http, request, buf_bytes(&text)), "on_gone tells");
    buf_fini(&text);
}

void notices_open(struct head *head, const struct http_request *request)
{
    struct notices *notices = head->notices;
    const char *follow = http_query(request, "follow");
    if (notices->n_readers == HTTP_STREAMS_MAX ||
        http_stream_open(head->http, request->id, SSE_CONTENT_TYPE) != OK) {
        http_answer_error(head->http, request->id, 503, "busy",
                          "too many event streams are open; try again later");
        return;
    }
    notices_replay(head, request->id, request->last_event_id);
    if (follow != NULL && strcmp(follow, "0") == 0) {
        http_stream_end(head->http, request->id);
        return;
    }
    notices->readers[notices->n_readers++] = request->id;
}

void notices_gone(struct head *head, uint64_t id)
{
    struct notices *notices = head->notices;
    for (uint32_t i = 0; i < notices->n_readers; i++) {
        if (notices->readers[i] == id) {
            notices->readers[i] = notices->readers[--notices->n_readers];
            return;
        }
    }
}

uint32_t notices_readers(const struct notices *notices)
{
    return notices->n_readers;
}
