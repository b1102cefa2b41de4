/* The routes: a table; a handler decodes and calls one core event or one view. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/routes.h"
#include "sys/log.h"

enum {
    BATCH_SLOW_MS = 5000,
    RETRY_AFTER_S = 1,
    WAITING_MAX_BYTES = 64 << 20, /* answers that wait for the store */
};

void route_json_answer(struct route_call *call, uint32_t status, const char *text)
{
    http_answer(call->head->http, call->request->id, status, "application/json",
                (struct bytes){(const uint8_t *)text, strlen(text)});
}

/* Reads wait for the batch in flight. While the store is away for long, clients that ask again and
 * again would fill the memory with answers: past the limit they are sent away. */
static bool is_too_much_waiting(const struct head *head)
{
    return core_batch_age(head->core, loop_now(head->loop)) > BATCH_SLOW_MS &&
           core_waiting_bytes(head->core) > WAITING_MAX_BYTES;
}

/* ---- reading ---- */

static void get_status(struct route_call *call)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    if (core_status_print(call->head->core, call->now, &text) == OK) {
        http_answer(call->head->http, call->request->id, 200, "application/json", buf_bytes(&text));
    } else {
        http_answer_error(call->head->http, call->request->id, 503, "no_memory", "out of memory");
    }
    buf_fini(&text);
}

static void get_metrics(struct route_call *call)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    ignore_error(core_metrics_print(call->head->core, call->now, &text), "what fits is shown");
    http_answer(call->head->http, call->request->id, 200, "text/plain; version=0.0.4",
                buf_bytes(&text));
    buf_fini(&text);
}

static void get_health(struct route_call *call)
{
    route_json_answer(call, 200, "{\"ok\":true}");
}

static void get_ready(struct route_call *call)
{
    bool is_waiting = core_batch_age(call->head->core, call->now) > BATCH_SLOW_MS;
    route_json_answer(call, is_waiting ? 503 : 200,
                      is_waiting ? "{\"ok\":false,\"store\":\"waiting\"}" : "{\"ok\":true}");
}

static void get_events(struct route_call *call)
{
    notices_open(call->head, call->request);
}

/* ---- changing ---- */

const char *route_body_str(const struct route_call *call, const char *key)
{
    return json_string_value(json_object_get(call->body, key));
}

/* Pointers into the body's strings; freed by the caller. NULL: no memory or not all strings. */
const char **route_body_strs(const json_t *array, uint32_t *ret_n)
{
    size_t n = json_array_size(array), i;
    json_t *item;
    const char **texts = mem_calloc(n, sizeof *texts);
    json_array_foreach((json_t *)(uintptr_t)array, i, item)
    {
        if (texts == NULL || !json_is_string(item)) {
            mem_free(texts);
            return NULL;
        }
        texts[i] = json_string_value(item);
    }
    *ret_n = (uint32_t)n;
    return texts;
}

void route_wrong_answer(struct route_call *call, const char *text)
{
    http_answer_error(call->head->http, call->request->id, 400, "invalid", text);
}

bool route_body_number(const struct route_call *call, const char *key, int64_t otherwise,
                       int64_t max, int64_t *ret_number)
{
    const json_t *value = json_object_get(call->body, key);
    if (value == NULL || json_is_null(value)) {
        *ret_number = otherwise;
        return true;
    }
    *ret_number = json_integer_value(value);
    return json_is_integer(value) && *ret_number >= 0 && *ret_number <= max;
}

int64_t route_body_grace(const struct route_call *call)
{
    const json_t *grace = json_object_get(call->body, "grace_ms");
    json_int_t grace_ms = json_is_integer(grace) ? json_integer_value(grace) : -1;
    return grace_ms < 0 ? -1 : grace_ms < SCHEMA_TIME_MAX ? grace_ms : SCHEMA_TIME_MAX;
}

static void post_shutdown(struct route_call *call)
{
    int64_t grace_ms = route_body_grace(call);
    call->head->is_leaving = true;
    on_shutdown(call->head->core, call->now, call->request->id,
                call->now + (grace_ms >= 0 ? grace_ms : 60000));
}

/* ---- the table: # is a number, @ a task id ---- */

static const struct {
    http_method method;
    const char *pattern;
    route_handler *handler;
} routes[] = {
    {HTTP_GET, "/healthz", get_health},
    {HTTP_GET, "/readyz", get_ready},
    {HTTP_GET, "/metrics", get_metrics},
    {HTTP_GET, "/api/v1/status", get_status},
    {HTTP_GET, "/api/v1/sweeps", get_sweeps},
    {HTTP_GET, "/api/v1/sweeps/#", get_sweep},
    {HTTP_GET, "/api/v1/sweeps/#/lineage", get_sweep_lineage},
    {HTTP_GET, "/api/v1/sweeps/#/config", get_sweep_config},
    {HTTP_GET, "/api/v1/sweeps/#/explain", get_explain_number},
    {HTTP_GET, "/api/v1/sweeps/#/failures", get_sweep_failures},
    {HTTP_GET, "/api/v1/sweeps/#/trials", get_sweep_trials},
    {HTTP_GET, "/api/v1/trials", get_trials},
    {HTTP_GET, "/api/v1/trials/@", get_task},
    {HTTP_GET, "/api/v1/trials/@/metrics", get_task_metrics},
    {HTTP_GET, "/api/v1/trials/@/logs", get_logs},
    {HTTP_GET, "/api/v1/trials/@/attempts", get_attempts},
    {HTTP_GET, "/api/v1/trials/@/explain", get_explain_id},
    {HTTP_GET, "/api/v1/tasks", get_tasks},
    {HTTP_GET, "/api/v1/tasks/@", get_task},
    {HTTP_GET, "/api/v1/tasks/@/logs", get_logs},
    {HTTP_GET, "/api/v1/tasks/@/attempts", get_attempts},
    {HTTP_GET, "/api/v1/tasks/@/explain", get_explain_id},
    {HTTP_GET, "/api/v1/jobs", get_jobs},
    {HTTP_GET, "/api/v1/jobs/#", get_job},
    {HTTP_GET, "/api/v1/jobs/#/explain", get_explain_number},
    {HTTP_GET, "/api/v1/jobs/#/failures", get_job_failures},
    {HTTP_GET, "/api/v1/nodes", get_nodes},
    {HTTP_GET, "/api/v1/nodes/$", get_node},
    {HTTP_GET, "/api/v1/keys", get_keys},
    {HTTP_GET, "/api/v1/whoami", get_whoami},
    {HTTP_GET, "/api/v1/explain/#", get_explain_number},
    {HTTP_GET, "/api/v1/explain/@", get_explain_id},
    {HTTP_GET, "/api/v1/events", get_events},
    {HTTP_GET, "/api/v1/debug/turn", get_debug_turn},
    {HTTP_GET, "/api/v1/blobs/$", get_blob},
    {HTTP_PUT, "/api/v1/blobs/$", put_blob},
    {HTTP_POST, "/api/v1/sweeps", post_sweeps},
    {HTTP_POST, "/api/v1/jobs", post_jobs},
    {HTTP_POST, "/api/v1/sweeps/#/cancel", post_sweep_cancel},
    {HTTP_POST, "/api/v1/sweeps/#/stop", post_sweep_stop},
    {HTTP_POST, "/api/v1/sweeps/#/pause", post_sweep_pause},
    {HTTP_POST, "/api/v1/sweeps/#/resume", post_sweep_resume},
    {HTTP_POST, "/api/v1/sweeps/#/set", post_sweep_set},
    {HTTP_POST, "/api/v1/sweeps/#/clone", post_sweep_clone},
    {HTTP_POST, "/api/v1/sweeps/#/rm", post_sweep_rm},
    {HTTP_POST, "/api/v1/jobs/#/cancel", post_job_cancel},
    {HTTP_POST, "/api/v1/jobs/#/retry", post_job_retry},
    {HTTP_POST, "/api/v1/jobs/#/rm", post_job_rm},
    {HTTP_POST, "/api/v1/trials/@/cancel", post_task_cancel},
    {HTTP_POST, "/api/v1/trials/@/stop", post_task_stop},
    {HTTP_POST, "/api/v1/trials/@/pause", post_trial_pause},
    {HTTP_POST, "/api/v1/trials/@/resume", post_trial_resume},
    {HTTP_POST, "/api/v1/trials/@/retry", post_task_retry},
    {HTTP_POST, "/api/v1/tasks/@/cancel", post_task_cancel},
    {HTTP_POST, "/api/v1/tasks/@/retry", post_task_retry},
    {HTTP_POST, "/api/v1/nodes/$/cordon", post_node_cordon},
    {HTTP_POST, "/api/v1/nodes/$/drain", post_node_drain},
    {HTTP_POST, "/api/v1/nodes/$/resume", post_node_resume},
    {HTTP_POST, "/api/v1/nodes/$/label", post_node_label},
    {HTTP_POST, "/api/v1/nodes/$/rm", post_node_rm},
    {HTTP_POST, "/api/v1/keys", post_keys},
    {HTTP_POST, "/api/v1/keys/$/revoke", post_key_revoke},
    {HTTP_POST, "/api/v1/shutdown", post_shutdown},
};

static bool segment_number(const char *text, size_t n, struct route_call *call)
{
    char copy[16];
    if (n == 0 || n >= sizeof copy || strspn(text, "0123456789") < n) {
        return false;
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    unsigned long long number = strtoull(copy, NULL, 10);
    call->number = (uint32_t)number;
    return number <= UINT32_MAX;
}

static bool segment_id(const char *text, size_t n, struct route_call *call)
{
    char copy[TASK_ID_TEXT_MAX];
    if (n >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    return task_id_parse(copy, &call->id) == OK;
}

static bool segment_name(const char *text, size_t n, struct route_call *call)
{
    if (n == 0 || n >= sizeof call->name) {
        return false;
    }
    memcpy(call->name, text, n);
    call->name[n] = '\0';
    return true;
}

static bool segment_matches(char kind, const char *text, size_t n, struct route_call *call)
{
    return kind == '#'   ? segment_number(text, n, call)
           : kind == '@' ? segment_id(text, n, call)
                         : segment_name(text, n, call);
}

static bool route_matches(const char *pattern, const char *path, struct route_call *call)
{
    while (*pattern != '\0') {
        if (*pattern == '#' || *pattern == '@' || *pattern == '$') {
            size_t n = strcspn(path, "/");
            if (!segment_matches(*pattern, path, n, call)) {
                return false;
            }
            path += n;
            pattern++;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static bool call_body(struct route_call *call)
{
    if (call->request->method != HTTP_POST || call->request->body.len == 0) {
        return true;
    }
    json_error_t error;
    call->body = json_loadb((const char *)call->request->body.data, call->request->body.len,
                            JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(call->body)) {
        return true;
    }
    route_wrong_answer(call, call->body == NULL ? error.text : "the body is no JSON object");
    return false;
}

void routes_on_request(void *context, const struct http_request *request)
{
    struct head *head = context;
    struct route_call call = {.head = head, .request = request, .now = loop_now(head->loop)};
    const char *path = request->path;
    bool is_known = false;
    head->busy_at = call.now;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!route_matches(routes[i].pattern, path, &call)) {
            continue;
        }
        is_known = true;
        bool is_head = request->method == HTTP_HEAD && routes[i].method == HTTP_GET;
        if (routes[i].method != request->method && !is_head) {
            continue;
        }
        if (request->access != HTTP_OPEN && routes[i].handler != get_status &&
            routes[i].handler != get_metrics && is_too_much_waiting(head)) {
            http_answer_error(head->http, request->id, 503, "busy",
                              "the store does not answer and many wait for it: try again");
            return;
        }
        if (call_body(&call)) {
            turn_stage before = turn_enter(loop_clock(head->loop), TURN_REACTOR);
            routes[i].handler(&call);
            turn_back(loop_clock(head->loop), before);
        }
        json_decref(call.body);
        return;
    }
    http_answer_error(head->http, request->id, is_known ? 405 : 404,
                      is_known ? "unsupported" : "not_found",
                      is_known ? "this path does not take that method" : "there is no such path");
}

uint32_t routes_retry_after(void *context)
{
    struct head *head = context;
    return core_batch_age(head->core, loop_now(head->loop)) > BATCH_SLOW_MS ? RETRY_AFTER_S : 0;
}
