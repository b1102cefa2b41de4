/* Streams: a bounded queue that libmicrohttpd empties at its client's pace. While it is empty the
 * connection is suspended; a writer wakes it. */
#include <string.h>

#include "base/mem.h"
#include "head/shell/http_internal.h"
#include "head/shell/sse.h"

enum { STREAM_BLOCK_BYTES = 16 << 10, STREAM_KEEP_BYTES = 64 << 10 };

static const char stream_comment[] = ":\n\n";

void stream_init(struct request *request)
{
    buf_init(&request->queue, HTTP_STREAM_QUEUE_MAX_BYTES);
}

void stream_fini(struct request *request)
{
    buf_fini(&request->queue);
    if (request->is_stream) {
        request->http->counters.streams--;
    }
}

static size_t stream_pending(const struct request *request)
{
    return request->queue.len - request->queue_read;
}

/* An emptied queue gives back what a burst made it take. */
static void stream_queue_tidy(struct request *request)
{
    if (stream_pending(request) > 0) {
        return;
    }
    request->queue_read = 0;
    if (request->queue.cap > STREAM_KEEP_BYTES) {
        buf_fini(&request->queue);
    }
    buf_reset(&request->queue);
}

static ssize_t on_stream_read(void *context, uint64_t position, char *block, size_t block_max)
{
    (void)position;
    struct request *request = context;
    if (request->owner->is_doomed) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t pending = stream_pending(request);
    if (pending == 0 && request->is_ended) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (pending == 0) {
        request->is_suspended = true;
        MHD_suspend_connection(request->connection);
        return 0;
    }
    size_t n = pending < block_max ? pending : block_max;
    memcpy(block, request->queue.data + request->queue_read, n);
    request->queue_read += n;
    request->read_ms = http_now_ms(request->http);
    stream_queue_tidy(request);
    return (ssize_t)n;
}

error_code http_stream_open(struct http *http, uint64_t id, const char *content_type)
{
    struct request *request = request_find(http, id);
    if (request == NULL || request->state != REQUEST_WAITING) {
        return ERR_NOT_FOUND;
    }
    if (http->counters.streams >= HTTP_STREAMS_MAX) {
        return ERR_LIMIT;
    }
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, on_stream_read, request, NULL);
    if (response == NULL ||
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) != MHD_YES ||
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") != MHD_YES ||
        /* a proxy that collects a whole page first would hold events back */
        MHD_add_response_header(response, "X-Accel-Buffering", "no") != MHD_YES) {
        if (response != NULL) {
            MHD_destroy_response(response);
        }
        return ERR_NO_MEMORY;
    }
    request->is_stream = true;
    request->is_sse = strcmp(content_type, SSE_CONTENT_TYPE) == 0;
    request->written_ms = request->read_ms = http_now_ms(http);
    http->counters.streams++;
    http->counters.answers++;
    if (request->is_sse) {
        http_timer_sooner(http, request->written_ms + http->comment_ms);
    }
    request_answer(request, MHD_HTTP_OK, response);
    return OK;
}

static error_code stream_append(struct request *request, const void *data, size_t length)
{
    size_t pending = stream_pending(request);
    if (request->queue_read > 0 && request->queue.len + length > request->queue.cap) {
        buf_consume(&request->queue, request->queue_read);
        request->queue_read = 0;
    }
    error_code code = buf_append(&request->queue, data, length);
    if (code != OK) {
        return code;
    }
    uint64_t now_ms = http_now_ms(request->http);
    request->written_ms = now_ms;
    if (pending == 0) {
        request->read_ms = now_ms;
        http_timer_sooner(request->http, now_ms + request->http->send_ms);
    }
    request_resume(request);
    return OK;
}

static void stream_close_stalled(struct request *request)
{
    http_refuse(request->http, HTTP_REFUSED_STALLED);
    http_connection_doom(request->owner);
}

error_code http_stream_write(struct http *http, uint64_t id, struct bytes bytes)
{
    struct request *request = request_find(http, id);
    if (request == NULL || !request->is_stream || request->is_ended || request->owner->is_doomed) {
        return ERR_NOT_FOUND;
    }
    error_code code = stream_append(request, bytes.data, bytes.len);
    if (code != OK) {
        stream_close_stalled(request);
        return ERR_LIMIT;
    }
    http->counters.bytes_answered += bytes.len;
    return OK;
}

size_t http_stream_room(struct http *http, uint64_t id)
{
    const struct request *request = request_find(http, id);
    return request != NULL && request->is_stream
               ? HTTP_STREAM_QUEUE_MAX_BYTES - stream_pending(request)
               : 0;
}

void http_stream_end(struct http *http, uint64_t id)
{
    struct request *request = request_find(http, id);
    if (request != NULL && request->is_stream && !request->is_ended) {
        request->is_ended = true;
        request_resume(request);
    }
}

uint64_t stream_tick(struct request *request, uint64_t now_ms)
{
    struct http *http = request->http;
    if (stream_pending(request) > 0) {
        if (request->read_ms + http->send_ms <= now_ms) {
            stream_close_stalled(request);
            return UINT64_MAX;
        }
        return request->read_ms + http->send_ms;
    }
    if (!request->is_sse || request->is_ended) {
        return UINT64_MAX;
    }
    if (request->written_ms + http->comment_ms <= now_ms &&
        stream_append(request, stream_comment, sizeof stream_comment - 1) != OK) {
        stream_close_stalled(request);
        return UINT64_MAX;
    }
    return request->written_ms + http->comment_ms;
}
