/* What is told of a request to who keeps the record: kept from its header on, since the strings of
 * libmicrohttpd are gone when its answer comes. */
#include "base/mem.h"
#include "head/shell/http_internal.h"

bool request_told_begin(struct request *request, const char *method, const char *path)
{
    if (request->http->callbacks.on_told == NULL) {
        return true;
    }
    const char *key =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Idempotency-Key");
    request->told_method = mem_strdup(method);
    request->told_path = mem_strdup(path);
    request->told_key = key != NULL ? mem_strdup(key) : NULL;
    bool is_kept = request->told_method != NULL && request->told_path != NULL &&
                   (key == NULL || request->told_key != NULL);
    if (!is_kept) {
        request_told_fini(request);
    }
    return is_kept;
}

/* One that never came to its end did nothing, and is not told. */
void request_told(struct request *request, uint32_t status, struct bytes body)
{
    struct http *http = request->http;
    if (request->told_path == NULL || (status == 0 && request->state == REQUEST_READING)) {
        return;
    }
    const struct http_told told = {
        .identity = request->has_identity ? &request->identity : NULL,
        .peer = request->owner->peer,
        .method = request->told_method,
        .path = request->told_path,
        .idempotency_key = request->told_key,
        .status = status,
        .body = body,
        .refusal = request->is_refused ? request->refusal : HTTP_REFUSALS_COUNT,
        .refusal_text = request->refusal_text[0] != '\0' ? request->refusal_text
                                                         : http_refusal_text(request->refusal),
    };
    http->callbacks.on_told(http->callbacks.context, &told);
    request_told_fini(request);
}

void request_told_fini(struct request *request)
{
    mem_free(request->told_method);
    mem_free(request->told_path);
    mem_free(request->told_key);
    request->told_method = request->told_path = request->told_key = NULL;
}
