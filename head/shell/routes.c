/* The routes: a table; a handler decodes and calls one core event or one view. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/shell.h"
#include "sys/log.h"

enum {
    BATCH_SLOW_MS = 5000,
    RETRY_AFTER_S = 1,
    WAITING_MAX_BYTES = 64 << 20, /* answers that wait for the store */
};

/* What the path's numbers were. */
struct route_call {
    struct head *head;
    const struct http_request *request;
    time_ms now;
    uint32_t number;
    task_id id;
    json_t *body; /* POST: an object */
};

typedef void route_handler(struct route_call *call);

static void answer_json(struct route_call *call, uint32_t status, const char *text)
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
    answer_json(call, 200, "{\"ok\":true}");
}

static void get_ready(struct route_call *call)
{
    bool is_waiting = core_batch_age(call->head->core, call->now) > BATCH_SLOW_MS;
    answer_json(call, is_waiting ? 503 : 200,
                is_waiting ? "{\"ok\":false,\"store\":\"waiting\"}" : "{\"ok\":true}");
}

static uint32_t query_number(const struct http_request *request, const char *name)
{
    const char *text = http_query(request, name);
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static struct view_filter query_filter(const struct http_request *request, bool is_trials)
{
    const char *state = http_query(request, "state");
    return (struct view_filter){
        .job = query_number(request, is_trials ? "sweep" : "job"),
        .state = state != NULL && state[0] != '\0' ? state : NULL,
        .limit = query_number(request, "limit"),
        .offset = query_number(request, "offset"),
        .is_trials = is_trials,
    };
}

static void get_sweeps(struct route_call *call)
{
    struct view_filter filter = query_filter(call->request, true);
    view_sweeps(call->head->core, call->now, call->request->id, &filter);
}

static void get_sweep(struct route_call *call)
{
    view_sweep(call->head->core, call->now, call->request->id, call->number);
}

static void get_sweep_config(struct route_call *call)
{
    view_sweep_config(call->head->core, call->now, call->request->id, call->number);
}

static void get_sweep_trials(struct route_call *call)
{
    struct view_filter filter = query_filter(call->request, true);
    filter.job = call->number;
    view_tasks(call->head->core, call->now, call->request->id, &filter);
}

static void get_trials(struct route_call *call)
{
    struct view_filter filter = query_filter(call->request, true);
    view_tasks(call->head->core, call->now, call->request->id, &filter);
}

static void get_tasks(struct route_call *call)
{
    struct view_filter filter = query_filter(call->request, false);
    view_tasks(call->head->core, call->now, call->request->id, &filter);
}

static void get_task(struct route_call *call)
{
    view_task(call->head->core, call->now, call->request->id, call->id);
}

static void get_logs(struct route_call *call)
{
    logs_open(call->head, call->request, call->id);
}

static void get_task_metrics(struct route_call *call)
{
    rows_answer(call->head, call->request->id, call->id);
}

static void get_attempts(struct route_call *call)
{
    attempts_answer(call->head, call->request->id, call->id);
}

static void get_nodes(struct route_call *call)
{
    view_nodes(call->head->core, call->now, call->request->id);
}

static void get_explain_number(struct route_call *call)
{
    view_explain(call->head->core, call->now, call->request->id, (task_id){call->number, 0});
}

static void get_explain_id(struct route_call *call)
{
    view_explain(call->head->core, call->now, call->request->id, call->id);
}

static void get_events(struct route_call *call)
{
    notices_open(call->head, call->request);
}

/* ---- changing ---- */

static const char *body_str(const struct route_call *call, const char *key)
{
    return json_string_value(json_object_get(call->body, key));
}

/* Pointers into the body's strings; freed by the caller. NULL: no memory or not all strings. */
static const char **body_strs(const json_t *array, uint32_t *ret_n)
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

static void answer_wrong(struct route_call *call, const char *text)
{
    http_answer_error(call->head->http, call->request->id, 400, "invalid", text);
}

static void post_sweeps(struct route_call *call)
{
    struct submit_sweep submit = {
        .file = body_str(call, "file"),
        .file_name = body_str(call, "file_name"),
        .workdir = body_str(call, "workdir"),
        .owner = body_str(call, "owner"),
        .git = body_str(call, "git"),
        .key = call->request->idempotency_key,
        .file_hash = body_str(call, "file_hash"),
    };
    if (submit.file == NULL || submit.workdir == NULL || submit.workdir[0] != '/') {
        answer_wrong(call, "a sweep wants `file` (its text) and `workdir` (an absolute path)");
        return;
    }
    const char **argv = body_strs(json_object_get(call->body, "argv"), &submit.n_argv);
    if (argv == NULL) {
        answer_wrong(call, "`argv` is a list of strings");
        return;
    }
    submit.argv = argv;
    submit.file_name = submit.file_name != NULL ? submit.file_name : "sweep.yaml";
    on_sweep_submit(call->head->core, call->now, call->request->id, &submit);
    mem_free(argv);
}

static bool job_pairs(const json_t *array, struct label_pair *env, uint32_t max, uint32_t *ret_n)
{
    size_t i;
    json_t *item;
    *ret_n = 0;
    json_array_foreach((json_t *)(uintptr_t)array, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *value = json_string_value(json_object_get(item, "value"));
        if (i >= max || name == NULL || value == NULL) {
            return false;
        }
        env[(*ret_n)++] = (struct label_pair){name, value};
    }
    return true;
}

static bool job_amounts(const json_t *array, struct custom_pair *custom, uint32_t max,
                        uint32_t *ret_n)
{
    size_t i;
    json_t *item;
    *ret_n = 0;
    json_array_foreach((json_t *)(uintptr_t)array, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        json_int_t amount = json_integer_value(json_object_get(item, "amount"));
        if (i >= max || name == NULL || amount < 0) {
            return false;
        }
        custom[(*ret_n)++] = (struct custom_pair){name, amount};
    }
    return true;
}

static int64_t job_number(const struct route_call *call, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(call->body, key);
    return json_is_integer(value) ? json_integer_value(value) : value == NULL ? otherwise : -1;
}

static bool job_numbers(const struct route_call *call, struct record_job *job)
{
    int64_t cpus = job_number(call, "cpus", 10000), gpus = job_number(call, "gpus", 0);
    int64_t memory = job_number(call, "memory_bytes", 0),
            priority = job_number(call, "priority", 50);
    int64_t retries = job_number(call, "retries_max", 0);
    if (cpus < 0 || gpus < 0 || memory < 0 || priority < 0 || priority > 100 || retries < 0 ||
        retries > 1000000 || (gpus > 10000 && gpus % 10000 != 0)) {
        return false;
    }
    job->cpus = cpus;
    job->gpus = gpus;
    job->memory_bytes = (uint64_t)memory;
    job->priority = (uint32_t)priority;
    job->retries_max = (uint32_t)retries;
    return true;
}

static void post_jobs(struct route_call *call)
{
    enum { ENV_MAX = 1024, CUSTOM_MAX = 32 };
    static struct label_pair env[ENV_MAX]; /* one thread; copied by the core */
    struct custom_pair custom[CUSTOM_MAX];
    struct record_job job = {
        .name = body_str(call, "name"),
        .workdir = body_str(call, "workdir"),
        .owner = body_str(call, "owner"),
        .key = call->request->idempotency_key,
        .file_hash = body_str(call, "file_hash"),
        .env = env,
        .custom = custom,
        .is_shell = json_is_true(json_object_get(call->body, "is_shell")),
    };
    const char **words = body_strs(json_object_get(call->body, "words"), &job.n_words);
    const char **require = body_strs(json_object_get(call->body, "require"), &job.n_require);
    job.words = words;
    job.require = require;
    bool is_good =
        words != NULL && require != NULL && job.workdir != NULL && job.workdir[0] == '/' &&
        job_numbers(call, &job) &&
        job_pairs(json_object_get(call->body, "env"), env, ENV_MAX, &job.n_env) &&
        job_amounts(json_object_get(call->body, "custom"), custom, CUSTOM_MAX, &job.n_custom);
    struct report report = {0};
    if (!is_good) {
        answer_wrong(
            call,
            "a job wants `words` (strings), `workdir` (an absolute path); cpus, gpus, "
            "memory_bytes, priority, "
            "retries_max are whole numbers >= 0, env and custom lists of {name, value|amount}");
    } else if (schema_validate(&record_job_schema, &job, &report) != OK) {
        answer_wrong(call, report.text);
    } else {
        on_job_submit(call->head->core, call->now, call->request->id, &job);
    }
    mem_free(words);
    mem_free(require);
}

static int64_t body_grace(const struct route_call *call)
{
    const json_t *grace = json_object_get(call->body, "grace_ms");
    return json_is_integer(grace) && json_integer_value(grace) >= 0 ? json_integer_value(grace)
                                                                    : -1;
}

static void post_sweep_cancel(struct route_call *call)
{
    on_sweep_verb(call->head->core, call->now, call->request->id, call->number, VERB_CANCEL,
                  body_grace(call));
}

static void post_sweep_stop(struct route_call *call)
{
    on_sweep_verb(call->head->core, call->now, call->request->id, call->number, VERB_STOP, -1);
}

static void post_task_cancel(struct route_call *call)
{
    on_task_verb(call->head->core, call->now, call->request->id, call->id, VERB_CANCEL,
                 body_grace(call));
}

static void post_task_stop(struct route_call *call)
{
    on_task_verb(call->head->core, call->now, call->request->id, call->id, VERB_STOP, -1);
}

static void post_shutdown(struct route_call *call)
{
    int64_t grace_ms = body_grace(call);
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
    {HTTP_GET, "/api/v1/sweeps/#/config", get_sweep_config},
    {HTTP_GET, "/api/v1/sweeps/#/trials", get_sweep_trials},
    {HTTP_GET, "/api/v1/trials", get_trials},
    {HTTP_GET, "/api/v1/trials/@", get_task},
    {HTTP_GET, "/api/v1/trials/@/metrics", get_task_metrics},
    {HTTP_GET, "/api/v1/trials/@/logs", get_logs},
    {HTTP_GET, "/api/v1/trials/@/attempts", get_attempts},
    {HTTP_GET, "/api/v1/tasks", get_tasks},
    {HTTP_GET, "/api/v1/tasks/@", get_task},
    {HTTP_GET, "/api/v1/tasks/@/logs", get_logs},
    {HTTP_GET, "/api/v1/tasks/@/attempts", get_attempts},
    {HTTP_GET, "/api/v1/nodes", get_nodes},
    {HTTP_GET, "/api/v1/explain/#", get_explain_number},
    {HTTP_GET, "/api/v1/explain/@", get_explain_id},
    {HTTP_GET, "/api/v1/events", get_events},
    {HTTP_POST, "/api/v1/sweeps", post_sweeps},
    {HTTP_POST, "/api/v1/jobs", post_jobs},
    {HTTP_POST, "/api/v1/sweeps/#/cancel", post_sweep_cancel},
    {HTTP_POST, "/api/v1/sweeps/#/stop", post_sweep_stop},
    {HTTP_POST, "/api/v1/trials/@/cancel", post_task_cancel},
    {HTTP_POST, "/api/v1/trials/@/stop", post_task_stop},
    {HTTP_POST, "/api/v1/tasks/@/cancel", post_task_cancel},
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

static bool route_matches(const char *pattern, const char *path, struct route_call *call)
{
    while (*pattern != '\0') {
        if (*pattern == '#' || *pattern == '@') {
            size_t n = strcspn(path, "/");
            if (!(*pattern == '#' ? segment_number(path, n, call) : segment_id(path, n, call))) {
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
    answer_wrong(call, call->body == NULL ? error.text : "the body is no JSON object");
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
            routes[i].handler(&call);
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
