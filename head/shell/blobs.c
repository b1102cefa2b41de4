/* Packed work folders over HTTP and to agents: HEAD and PUT /api/v1/blobs/<hash>, and the pieces
 * that agents ask for. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/blobs.h"
#include "head/shell/routes.h"

static const char blobs_path[] = "/api/v1/blobs/";

/* With one piece in libzmq's queue the next one is there when it is encrypted, and orders and
 * leases are behind no more than that. */
enum { QUEUED_OF_PEER_BYTES = BLOB_PIECE_MAX_BYTES, QUEUED_BYTES = 256 << 20 };

/* ---- the depot's side ---- */

static bool on_is_named(void *context, const char *hash)
{
    struct head *head = context;
    return core_blob_is_named(head->core, hash);
}

static void on_room(void *context, uint64_t id)
{
    struct head *head = context;
    http_body_resume(head->http, id);
}

static void on_uploaded(void *context, uint64_t id, error_code error, const struct report *report)
{
    struct head *head = context;
    head->busy_at = loop_now(head->loop);
    if (error == OK) {
        http_answer(head->http, id, 201, "application/json",
                    (struct bytes){(const uint8_t *)"{\"ok\":true}", 11});
        return;
    }
    uint32_t status = error == ERR_INVALID ? 422 : error == ERR_NO_SPACE ? 507 : 500;
    http_answer_error(head->http, id, status, error_word(error),
                      report->text[0] != '\0' ? report->text : error_word(error));
}

static bool on_can_send(void *context, uint64_t peer)
{
    const struct head *head = context;
    return router_queued(head->router) < QUEUED_BYTES &&
           router_peer_queued(head->router, peer) < QUEUED_OF_PEER_BYTES;
}

static void on_piece(void *context, uint64_t peer, struct shared_frame *frame)
{
    const struct head *head = context;
    ignore_error(router_send_shared(head->router, peer, frame), "the agent asks again");
}

void blobs_on_room(void *context)
{
    const struct head *head = context;
    depot_look_again(head->depot);
}

void blobs_turn(struct head *head, time_ms now)
{
    uint64_t max_bytes, bytes = depot_bytes(head->depot, &max_bytes);
    depot_turn(head->depot, now);
    core_depot_set(head->core, bytes, max_bytes);
}

error_code blobs_open(struct head *head, struct report *report)
{
    char folder[4200];
    const struct depot_callbacks callbacks = {on_is_named, on_room,  on_uploaded,
                                              on_can_send, on_piece, head};
    snprintf(folder, sizeof folder, "%s/depot", head->options->state_dir);
    return depot_new(head->loop, folder, head->options->depot_max_bytes, &callbacks, &head->depot,
                     report);
}

/* ---- agents ---- */

void blobs_on_get(struct head *head, uint64_t peer, const struct msg_blob_get *msg)
{
    uint32_t size = msg->size < BLOB_PIECE_MAX_BYTES ? msg->size : BLOB_PIECE_MAX_BYTES;
    if (size > 0) {
        depot_read(head->depot, peer, msg->hash, msg->offset, size);
    }
}

/* ---- people ---- */

http_upload blobs_on_upload(void *context, const struct http_request *request,
                            uint64_t announced_bytes)
{
    struct head *head = context;
    struct report report = {0};
    size_t len = sizeof blobs_path - 1;
    if (request->method != HTTP_PUT || strncmp(request->path, blobs_path, len) != 0) {
        return HTTP_UPLOAD_NONE;
    }
    uint32_t status = 400;
    error_code error = OK;
    if (request->identity->role == ROLE_READER) {
        status = 403;
        error = report_fail(&report, ERR_NOT_ALLOWED, "a reader may not send work folders");
    } else if (!work_hash_is_good(request->path + len)) {
        error = report_fail(&report, ERR_INVALID,
                            "a blob's name is the 64 digits 0-9 a-f of its BLAKE2b");
    } else if (announced_bytes == 0) {
        status = 411;
        error = report_fail(&report, ERR_INVALID, "its Content-Length is needed");
    } else {
        error = depot_upload_begin(head->depot, request->id, request->path + len, announced_bytes,
                                   &report);
        status = error == ERR_NO_SPACE ? 507 : error == ERR_BUSY ? 503 : 500;
    }
    head->busy_at = loop_now(head->loop);
    if (error == OK) {
        return HTTP_UPLOAD_TAKEN;
    }
    http_answer_error(head->http, request->id, status, error_word(error), report.text);
    return HTTP_UPLOAD_ANSWERED;
}

size_t blobs_on_body(void *context, uint64_t id, struct bytes bytes)
{
    struct head *head = context;
    head->busy_at = loop_now(head->loop);
    return depot_upload_add(head->depot, id, bytes);
}

void blobs_gone(struct head *head, uint64_t id)
{
    depot_upload_drop(head->depot, id);
}

void put_blob(struct route_call *call)
{
    if (!depot_upload_end(call->head->depot, call->request->id)) {
        route_wrong_answer(call, "the bytes of a blob are needed");
    }
}

void get_blob(struct route_call *call)
{
    uint64_t bytes;
    char text[128];
    if (!depot_find(call->head->depot, call->name, &bytes)) {
        http_answer_error(call->head->http, call->request->id, 404, "not_found",
                          "the depot holds no such blob");
        return;
    }
    snprintf(text, sizeof text, "{\"hash\":\"%s\",\"bytes\":%llu}", call->name,
             (unsigned long long)bytes);
    route_json_answer(call, 200, text);
}

bool blobs_named_check(struct route_call *call, const char *key, const char **ret_hash,
                       uint64_t *ret_bytes)
{
    char text[160];
    const char *hash = route_body_str(call, key);
    *ret_hash = "";
    *ret_bytes = 0;
    if (hash == NULL || hash[0] == '\0') {
        return true;
    }
    if (!work_hash_is_good(hash)) {
        snprintf(text, sizeof text, "`%s` is the 64 digits 0-9 a-f of a packed folder's BLAKE2b",
                 key);
        route_wrong_answer(call, text);
        return false;
    }
    if (!depot_find(call->head->depot, hash, ret_bytes)) {
        snprintf(text, sizeof text,
                 "the head's depot does not hold this `%s`: PUT it to /api/v1/blobs/<hash> first",
                 key);
        http_answer_error(call->head->http, call->request->id, 409, "no_blob", text);
        return false;
    }
    *ret_hash = hash;
    return true;
}

bool blobs_work_check(struct route_call *call, const char **ret_work, uint64_t *ret_bytes)
{
    return blobs_named_check(call, "work", ret_work, ret_bytes);
}
