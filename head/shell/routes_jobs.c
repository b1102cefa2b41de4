/* The routes of jobs: commands and task arrays. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/access.h"
#include "head/shell/routes.h"
#include "spec/array_text.h"
#include "spec/macros.h"

/* ---- reading ---- */

void get_jobs(struct route_call *call)
{
    static const char *const names[] = {"job",   "array",  "state", "outcome", "owner",
                                        "label", "name",   "since", "sort",    "cursor",
                                        "limit", "offset", NULL};
    struct view_filter filter;
    if (route_query_filter(call, names, &filter)) {
        view_jobs(call->head->core, call->now, call->request->id, &filter);
    }
}

void get_job(struct route_call *call)
{
    view_job(call->head->core, call->now, call->request->id, call->number);
}

void get_job_failures(struct route_call *call)
{
    view_failures(call->head->core, call->now, call->request->id, call->number);
}

/* ---- submitting ---- */

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
        json_int_t parts = json_integer_value(json_object_get(item, "amount"));
        if (i >= max || name == NULL || parts < 0) {
            return false;
        }
        custom[(*ret_n)++] = (struct custom_pair){name, parts};
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

/* `array` {first, last, step}: false, and it was answered. */
static bool job_array(struct route_call *call, struct record_job *job)
{
    const json_t *array = json_object_get(call->body, "array");
    if (array == NULL || json_is_null(array)) {
        return true;
    }
    const json_t *parts[] = {json_object_get(array, "first"), json_object_get(array, "last"),
                             json_object_get(array, "step")};
    bool is_good = true;
    for (size_t i = 0; i < 3; i++) {
        json_int_t number = json_integer_value(parts[i]);
        is_good = is_good && json_is_integer(parts[i]) && number >= 1 && number <= UINT32_MAX;
    }
    char text[ARRAY_TEXT_MAX];
    struct report report = {0};
    if (!is_good) {
        route_wrong_answer(call, "`array` is {first, last, step}, whole numbers from 1");
        return false;
    }
    snprintf(text, sizeof text, "%lld-%lld:%lld", (long long)json_integer_value(parts[0]),
             (long long)json_integer_value(parts[1]), (long long)json_integer_value(parts[2]));
    if (spec_array_parse(text, &job->array, &report) != OK) {
        route_wrong_answer(call, report.text);
        return false;
    }
    return true;
}

/* What an array has beside what one task has: false, and it was answered. */
static bool job_array_rest(struct route_call *call, struct record_job *job)
{
    int64_t max_fails;
    if (!route_body_number(call, "max_fails", 0, ARRAY_TASKS_MAX, &max_fails)) {
        route_wrong_answer(call, "`max_fails` is a whole number");
        return false;
    }
    job->max_fails = (uint32_t)max_fails;
    if (!blobs_named_check(call, "items", &job->items, &job->items_bytes)) {
        return false;
    }
    const json_t *log_files = json_object_get(call->body, "log_files");
    if (log_files != NULL && !json_is_boolean(log_files)) {
        route_wrong_answer(call, "`log_files` is true or false");
        return false;
    }
    job->log_files = json_is_true(log_files);
    if (job->array.step == 0 && (max_fails > 0 || job->items[0] != '\0' || job->log_files)) {
        route_wrong_answer(call, "`items`, `max_fails` and `log_files` go with `array` only");
        return false;
    }
    return true;
}

/* Of an array every macro must be one that its tasks have. False, and it was answered. */
static bool job_macros(struct route_call *call, const struct record_job *job)
{
    struct report report = {0};
    bool has_lines = job->items[0] != '\0';
    macros_place place = job->is_shell ? MACROS_SHELL : MACROS_ITEM;
    error_code error = OK;
    for (uint32_t i = 0; job->array.step != 0 && i < job->n_words && error == OK; i++) {
        error = macros_array_check(job->words[i], place, has_lines, &report);
    }
    for (uint32_t i = 0; job->array.step != 0 && i < job->n_env && error == OK; i++) {
        error = macros_array_check(job->env[i].value, MACROS_ENV, has_lines, &report);
    }
    if (error != OK) {
        route_wrong_answer(call, report.text);
    }
    return error == OK;
}

void post_jobs(struct route_call *call)
{
    enum { ENV_MAX = 1024, CUSTOM_MAX = 32 };
    static struct label_pair env[ENV_MAX]; /* one thread; copied by the core */
    struct custom_pair custom[CUSTOM_MAX];
    struct record_job job = {
        .name = route_body_str(call, "name"),
        .workdir = route_body_str(call, "workdir"),
        .owner = access_owner(call->request, route_body_str(call, "owner")),
        .key = call->request->idempotency_key,
        .file_hash = route_body_str(call, "file_hash"),
        .env = env,
        .custom = custom,
        .is_shell = json_is_true(json_object_get(call->body, "is_shell")),
    };
    if (!blobs_work_check(call, &job.work, &job.work_bytes) || !job_array(call, &job) ||
        !job_array_rest(call, &job)) {
        return;
    }
    const char **words = route_body_strs(json_object_get(call->body, "words"), &job.n_words);
    const char **require = route_body_strs(json_object_get(call->body, "require"), &job.n_require);
    const char **labels = route_body_strs(json_object_get(call->body, "labels"), &job.n_labels);
    job.labels = labels;
    job.words = words;
    job.require = require;
    bool is_good =
        words != NULL && require != NULL && labels != NULL && job.workdir != NULL &&
        job.workdir[0] == '/' && job_numbers(call, &job) &&
        job_pairs(json_object_get(call->body, "env"), env, ENV_MAX, &job.n_env) &&
        job_amounts(json_object_get(call->body, "custom"), custom, CUSTOM_MAX, &job.n_custom);
    struct report report = {0};
    if (!is_good) {
        route_wrong_answer(
            call,
            "a job wants `words` (strings; `require` and `labels` too), `workdir` (an absolute "
            "path); cpus, gpus, "
            "memory_bytes, priority, "
            "retries_max are whole numbers >= 0, env and custom lists of {name, value|amount}");
    } else if (schema_validate(&record_job_schema, &job, &report) != OK) {
        route_wrong_answer(call, report.text);
    } else if (job_macros(call, &job)) {
        on_job_submit(call->head->core, call->now, call->request->id, &job);
    }
    mem_free(words);
    mem_free(require);
    mem_free(labels);
}

/* ---- changing ---- */

/* `ids`: "5-10,20"; not there: n 0. NULL: wrong, and it was answered; else freed by the caller. */
static struct id_range *job_ids(struct route_call *call, uint32_t *ret_n)
{
    const json_t *value = json_object_get(call->body, "ids");
    struct array_span *spans = mem_calloc(ARRAY_SPANS_MAX, sizeof *spans);
    struct id_range *ranges = mem_calloc(ARRAY_SPANS_MAX, sizeof *ranges);
    struct report report = {0};
    error_code error = spans != NULL && ranges != NULL ? OK : ERR_NO_MEMORY;
    *ret_n = 0;
    if (error == OK && value != NULL && !json_is_null(value)) {
        const char *text = json_string_value(value);
        error = spec_array_spans_parse(text != NULL ? text : "", spans, ARRAY_SPANS_MAX, ret_n,
                                       &report);
    }
    for (uint32_t i = 0; error == OK && i < *ret_n; i++) {
        ranges[i] = (struct id_range){spans[i].from, spans[i].to};
    }
    mem_free(spans);
    if (error == ERR_NO_MEMORY) {
        http_answer_error(call->head->http, call->request->id, 503, "no_memory", "out of memory");
    } else if (error != OK) {
        route_wrong_answer(call, report.text);
    }
    if (error != OK) {
        mem_free(ranges);
        return NULL;
    }
    return ranges;
}

void post_job_cancel(struct route_call *call)
{
    uint32_t n;
    struct id_range *ranges = job_ids(call, &n);
    if (ranges != NULL) {
        on_job_cancel(call->head->core, call->now, call->request->id, call->number, ranges, n,
                      route_body_grace(call));
    }
    mem_free(ranges);
}

/* `failed`: of those, or of all, only what failed. */
void post_job_retry(struct route_call *call)
{
    uint32_t n;
    struct id_range *ranges = job_ids(call, &n);
    if (ranges != NULL) {
        on_job_retry(call->head->core, call->now, call->request->id, call->number, ranges, n,
                     json_is_true(json_object_get(call->body, "failed")));
    }
    mem_free(ranges);
}

void post_job_rm(struct route_call *call)
{
    on_work_remove(call->head->core, call->now, call->request->id, call->number, false);
}
