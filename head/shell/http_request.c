/* One request through libmicrohttpd's eyes: the access handler is called with the header, with each
 * piece of the body, with the end, and again after each resume. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/http_internal.h"

static const struct {
    const char *name;
    http_method method;
    bool changes_state;
} method_rows[] = {
    [HTTP_GET] = {MHD_HTTP_METHOD_GET, HTTP_GET, false},
    [HTTP_HEAD] = {MHD_HTTP_METHOD_HEAD, HTTP_HEAD, false},
    [HTTP_POST] = {MHD_HTTP_METHOD_POST, HTTP_POST, true},
    [HTTP_PUT] = {MHD_HTTP_METHOD_PUT, HTTP_PUT, true},
    [HTTP_DELETE] = {MHD_HTTP_METHOD_DELETE, HTTP_DELETE, true},
};

struct request *request_find(struct http *http, uint64_t id)
{
    struct request *request = NULL;
    HASH_FIND(hh, http->requests, &id, sizeof id, request);
    return request;
}

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

const char *http_query(const struct http_request *request, const char *name)
{
    const char *value = NULL;
    size_t length = 0;
    if (MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name,
                                      strlen(name), &value, &length) != MHD_YES) {
        return NULL;
    }
    return value == NULL ? "" : value;
}

struct query_walk {
    bool (*visit)(void *context, const char *name, const char *value);
    void *context;
};

static enum MHD_Result on_query_value(void *cls, enum MHD_ValueKind kind, const char *key,
                                      const char *value)
{
    const struct query_walk *walk = cls;
    (void)kind;
    return walk->visit(walk->context, key, value == NULL ? "" : value) ? MHD_YES : MHD_NO;
}

void http_query_each(const struct http_request *request,
                     bool (*visit)(void *context, const char *name, const char *value),
                     void *context)
{
    struct query_walk walk = {visit, context};
    int n = MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, on_query_value,
                                      &walk);
    (void)n;
}

/* ---- the access handler ---- */

static enum MHD_Result request_send(struct request *request)
{
    enum MHD_Result result =
        MHD_queue_response(request->connection, request->status, request->response);
    MHD_destroy_response(request->response); /* libmicrohttpd has its own reference */
    request->response = NULL;
    request->state = REQUEST_SENDING;
    http_connection_deadline_set(request->owner,
                                 request->is_stream ? UINT64_MAX : request->http->send_ms);
    return result;
}

static enum MHD_Result request_refuse(struct request *request, http_refusal refusal,
                                      uint32_t retry_after_s)
{
    http_refuse(request->http, refusal);
    request->refusal = refusal;
    request->is_refused = true;
    request->response = response_refusal(refusal, request->refusal_text, retry_after_s);
    request->status = http_refusal_status(refusal);
    request_told(request, request->status, (struct bytes){NULL, 0});
    return request->response == NULL ? MHD_NO : request_send(request);
}

static http_access access_default(const char *path)
{
    static const char *const open[] = {"/healthz", "/readyz"};
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        if (strcmp(path, open[i]) == 0) {
            return HTTP_OPEN;
        }
    }
    return HTTP_TOKEN;
}

/* Everything that the header alone decides. */
static void request_judge(struct request *request, const char *path, const char *method)
{
    struct http *http = request->http;
    size_t row = 0;
    while (row < sizeof method_rows / sizeof method_rows[0] &&
           strcmp(method_rows[row].name, method) != 0) {
        row++;
    }
    if (row == sizeof method_rows / sizeof method_rows[0]) {
        request->is_refused = true;
        request->refusal = HTTP_REFUSED_METHOD;
        return;
    }
    request->method = method_rows[row].method;
    request->access =
        http->callbacks.access_of == NULL
            ? access_default(path)
            : http->callbacks.access_of(http->callbacks.context, request->method, path);
    const struct guard_headers headers = {
        .host = header_of(request->connection, MHD_HTTP_HEADER_HOST),
        .origin = header_of(request->connection, MHD_HTTP_HEADER_ORIGIN),
        .authorization = header_of(request->connection, MHD_HTTP_HEADER_AUTHORIZATION),
    };
    struct report report = {0};
    guard_identify(&http->guard, &http->callbacks, &headers, &request->identity,
                   &request->has_identity, &report);
    request->is_refused = !guard_allows(&http->guard, request->method, request->access, &headers,
                                        request->has_identity, &request->refusal);
    if (request->is_refused && request->refusal == HTTP_REFUSED_TOKEN) {
        snprintf(request->refusal_text, sizeof request->refusal_text, "%.*s",
                 (int)sizeof request->refusal_text - 1, report.text);
    }
    bool is_to_be_told = request->is_refused || method_rows[row].changes_state;
    if (is_to_be_told && !request_told_begin(request, method, path)) {
        request->is_refused = true;
        request->refusal = HTTP_REFUSED_MEMORY;
    }
}

static uint64_t body_announced(struct MHD_Connection *connection)
{
    const char *length = header_of(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length != NULL ? strtoull(length, NULL, 10) : 0;
}

/* NULL: no memory. */
static struct request *request_new(struct http *http, struct MHD_Connection *mhd,
                                   struct http_connection *connection)
{
    struct request *request = mem_zalloc(sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    request->id = ++http->last_id;
    request->http = http;
    request->connection = mhd;
    request->owner = connection;
    buf_init(&request->body, HTTP_BODY_MAX_BYTES);
    stream_init(request);
    HASH_ADD(hh, http->requests, id, sizeof request->id, request);
    if (request_find(http, request->id) == NULL) {
        mem_free(request);
        return NULL;
    }
    connection->request = request;
    return request;
}

/* What handlers see of it; valid for the call. */
static struct http_request request_view(struct request *request, const char *path)
{
    return (struct http_request){
        .id = request->id,
        .method = request->method,
        .access = request->access,
        .identity = &request->identity,
        .peer = request->owner->peer,
        .path = path,
        .idempotency_key = header_of(request->connection, "Idempotency-Key"),
        .last_event_id = header_of(request->connection, "Last-Event-ID"),
        .content_type = header_of(request->connection, MHD_HTTP_HEADER_CONTENT_TYPE),
        .body = buf_bytes(&request->body),
        .connection = request->connection,
    };
}

/* Pieces of an upload come as fast as they are taken: each has the time of a request. */
static enum MHD_Result upload_begin(struct request *request, const char *path, uint64_t announced)
{
    struct http *http = request->http;
    const struct http_request view = request_view(request, path);
    request->state = REQUEST_WAITING; /* it may be answered right away */
    http_upload upload = http->callbacks.on_upload(http->callbacks.context, &view, announced);
    if (request->state == REQUEST_ANSWERED) {
        return announced > HTTP_BODY_MAX_BYTES ? request_send(request) : MHD_YES;
    }
    request->state = REQUEST_READING;
    request->is_upload = upload == HTTP_UPLOAD_TAKEN;
    if (!request->is_upload && announced > HTTP_BODY_MAX_BYTES) {
        return request_refuse(request, HTTP_REFUSED_SIZE, 0);
    }
    return MHD_YES;
}

static enum MHD_Result upload_take(struct request *request, const char *upload, size_t *upload_size)
{
    struct http *http = request->http;
    struct bytes bytes = {(const uint8_t *)upload, *upload_size};
    *upload_size -= http->callbacks.on_body(http->callbacks.context, request->id, bytes);
    if (*upload_size > 0) {
        request->is_suspended = true;
        http_connection_deadline_set(request->owner, UINT64_MAX);
        MHD_suspend_connection(request->connection);
    } else {
        http_connection_deadline_set(request->owner, http->request_ms);
    }
    return MHD_YES;
}

void http_body_resume(struct http *http, uint64_t id)
{
    struct request *request = request_find(http, id);
    if (request != NULL && request->is_upload && request->is_suspended) {
        http_connection_deadline_set(request->owner, http->request_ms);
        request_resume(request);
    }
}

static enum MHD_Result request_begin(struct http *http, struct MHD_Connection *mhd,
                                     const char *path, const char *method, void **ret_request)
{
    struct http_connection *connection = http_connection_of(mhd);
    struct request *request = connection == NULL ? NULL : request_new(http, mhd, connection);
    if (request == NULL) {
        http_refuse(http, HTTP_REFUSED_MEMORY);
        return MHD_NO;
    }
    *ret_request = request;
    http->counters.requests++;
    request_judge(request, path, method);
    uint64_t announced = body_announced(mhd);
    if (request->is_refused && announced > HTTP_BODY_MAX_BYTES) {
        return request_refuse(request, request->refusal, 0);
    }
    if (!request->is_refused && request->method == HTTP_PUT && http->callbacks.on_upload != NULL) {
        return upload_begin(request, path, announced);
    }
    if (announced > HTTP_BODY_MAX_BYTES) {
        return request_refuse(request, HTTP_REFUSED_SIZE,
                              0); /* closes: the body is not even read */
    }
    return MHD_YES;
}

/* Of a refused or already answered request the body is read to its end (its deadline runs): a close
 * with unread bytes would be a reset, and the client would not see the answer. */
static enum MHD_Result request_body_take(struct request *request, const char *upload,
                                         size_t *upload_size)
{
    if (request->state == REQUEST_ANSWERED) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (request->is_upload && !request->is_refused) {
        return upload_take(request, upload, upload_size);
    }
    if (!request->is_refused && buf_append(&request->body, upload, *upload_size) != OK) {
        request->is_refused = true;
        request->refusal =
            request->body.failed == ERR_LIMIT ? HTTP_REFUSED_SIZE : HTTP_REFUSED_MEMORY;
        buf_fini(&request->body);
    }
    *upload_size = 0;
    return MHD_YES;
}

/* The whole request is there: to the handler, which may answer at once. */
static enum MHD_Result request_complete(struct request *request, const char *path)
{
    struct http *http = request->http;
    if (request->is_refused) {
        return request_refuse(request, request->refusal, 0);
    }
    /* An upload is no matter of the store. */
    if (!request->is_upload && method_rows[request->method].changes_state &&
        http->callbacks.retry_after_s != NULL) {
        uint32_t retry_after_s = http->callbacks.retry_after_s(http->callbacks.context);
        if (retry_after_s > 0) {
            return request_refuse(request, HTTP_REFUSED_BUSY, retry_after_s);
        }
    }
    const struct http_request view = request_view(request, path);
    request->state = REQUEST_WAITING;
    http_connection_deadline_set(request->owner, UINT64_MAX); /* from here on the waiting is ours */
    http->callbacks.on_request(http->callbacks.context, &view);
    buf_fini(&request->body);
    return MHD_YES;
}

enum MHD_Result on_http_access(void *context, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_size, void **con_cls)
{
    (void)version;
    struct request *request = *con_cls;
    if (request == NULL) {
        return request_begin(context, connection, url, method, con_cls);
    }
    if (request->owner->is_doomed) {
        return MHD_NO;
    }
    if (*upload_size > 0) {
        return request_body_take(request, upload, upload_size);
    }
    if (request->state == REQUEST_READING) {
        enum MHD_Result result = request_complete(request, url);
        if (result != MHD_YES || request->state == REQUEST_SENDING) {
            return result;
        }
    }
    if (request->owner->is_doomed) {
        return MHD_NO;
    }
    if (request->state == REQUEST_ANSWERED) {
        return request_send(request);
    }
    assert(request->state == REQUEST_WAITING);
    request->is_suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

void on_http_completed(void *context, struct MHD_Connection *connection, void **con_cls,
                       enum MHD_RequestTerminationCode code)
{
    (void)connection;
    (void)code;
    struct http *http = context;
    struct request *request = *con_cls;
    if (request == NULL) {
        return;
    }
    *con_cls = NULL;
    uint64_t id = request->id;
    bool is_gone = request->state == REQUEST_WAITING ||
                   (request->is_upload && request->state == REQUEST_READING) ||
                   (request->is_stream && !request->is_ended);
    HASH_DEL(http->requests, request);
    request->owner->request = NULL;
    request->owner->is_idle = true;
    if (!request->owner->is_doomed) {
        http_connection_deadline_set(request->owner, http->idle_ms);
    }
    if (request->response != NULL) {
        MHD_destroy_response(request->response);
    }
    request_told(request, 0, (struct bytes){NULL, 0});
    request_told_fini(request);
    buf_fini(&request->body);
    stream_fini(request);
    mem_free(request);
    if (is_gone && !http->is_stopping) {
        http->counters.gone++;
        if (http->callbacks.on_gone != NULL) {
            http->callbacks.on_gone(http->callbacks.context, id);
        }
    }
}
