/* Answers: what a request is told, copied into a response of libmicrohttpd and kept until it asks
 * for it. */
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "head/shell/http_internal.h"

static void on_response_free(void *body)
{
    mem_free(body);
}

static bool header_add(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

static struct MHD_Response *response_new(const char *content_type, uint8_t *body, size_t length)
{
    if (body == NULL) {
        return NULL;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(length, body, on_response_free);
    if (response == NULL) {
        mem_free(body);
        return NULL;
    }
    if (!header_add(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) ||
        !header_add(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") ||
        !header_add(response, "X-Content-Type-Options", "nosniff")) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

static struct MHD_Response *response_copy(const char *content_type, struct bytes body)
{
    uint8_t *copy = body.len > HTTP_ANSWER_MAX_BYTES ? NULL : mem_alloc(body.len);
    if (copy != NULL && body.len > 0) {
        memcpy(copy, body.data, body.len);
    }
    return response_new(content_type, copy, body.len);
}

static struct MHD_Response *response_error(const char *code, const char *text)
{
    struct buf buf;
    buf_init(&buf, 16 << 10);
    struct json_out out = json_out_to(&buf);
    json_object_begin(&out, NULL);
    json_object_begin(&out, "error");
    json_str(&out, "code", code);
    json_str(&out, "text", text);
    json_object_end(&out);
    json_object_end(&out);
    struct MHD_Response *response =
        buf.failed != OK ? NULL : response_copy("application/json", buf_bytes(&buf));
    buf_fini(&buf);
    return response;
}

struct MHD_Response *response_refusal(http_refusal refusal, const char *text,
                                      uint32_t retry_after_s)
{
    struct MHD_Response *response = response_error(
        http_refusal_word(refusal), text[0] != '\0' ? text : http_refusal_text(refusal));
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", retry_after_s > 0 ? retry_after_s : 1);
    const struct {
        http_refusal refusal;
        const char *name;
        const char *value;
    } headers[] = {
        {HTTP_REFUSED_TOKEN, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer"},
        {HTTP_REFUSED_METHOD, MHD_HTTP_HEADER_ALLOW, "GET, HEAD, POST, PUT, DELETE"},
        {HTTP_REFUSED_BUSY, MHD_HTTP_HEADER_RETRY_AFTER, seconds},
        {HTTP_REFUSED_MEMORY, MHD_HTTP_HEADER_RETRY_AFTER, seconds},
    };
    for (size_t i = 0; response != NULL && i < sizeof headers / sizeof headers[0]; i++) {
        if (headers[i].refusal == refusal) {
            header_add(response, headers[i].name, headers[i].value);
        }
    }
    return response;
}

void request_resume(struct request *request)
{
    if (request->is_suspended) {
        request->is_suspended = false;
        MHD_resume_connection(request->connection);
        http_must_run(request->http); /* without a run after it the connection stays where it is */
    }
}

void request_answer(struct request *request, uint32_t status, struct MHD_Response *response)
{
    if (request->state != REQUEST_WAITING) {
        MHD_destroy_response(response);
        return;
    }
    request->response = response;
    request->status = status;
    request->state = REQUEST_ANSWERED;
    request_resume(request);
}

void http_answer(struct http *http, uint64_t id, uint32_t status, const char *content_type,
                 struct bytes body)
{
    struct request *request = request_find(http, id);
    if (request == NULL || request->state != REQUEST_WAITING) {
        return;
    }
    struct MHD_Response *response = response_copy(content_type, body);
    if (response == NULL) {
        status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        response = response_error("no_memory", "the answer is too large for this head");
    }
    if (response == NULL) {
        http_connection_doom(request->owner); /* not even the memory to say so */
        return;
    }
    http->counters.answers++;
    http->counters.bytes_answered += body.len;
    request_told(request, status, body);
    request_answer(request, status, response);
}

void http_answer_error(struct http *http, uint64_t id, uint32_t status, const char *code,
                       const char *text)
{
    struct request *request = request_find(http, id);
    if (request == NULL || request->state != REQUEST_WAITING) {
        return;
    }
    struct MHD_Response *response = response_error(code, text);
    if (response == NULL) {
        http_connection_doom(request->owner);
        return;
    }
    http->counters.answers++;
    request_told(request, status, (struct bytes){NULL, 0});
    request_answer(request, status, response);
}
