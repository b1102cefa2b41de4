/* The routes of trials, tasks and jobs. */
#include "base/mem.h"
#include "head/shell/access.h"
#include "head/shell/routes.h"

static const char *const trial_filters[] = {"sweep", "state",  "outcome", "owner", "label",
                                            "name",  "node",   "since",   "sort",  "cursor",
                                            "limit", "offset", NULL};
static const char *const task_filters[] = {"job",   "state",  "outcome", "owner", "label",
                                           "name",  "node",   "since",   "sort",  "cursor",
                                           "limit", "offset", NULL};

static void tasks_list(struct route_call *call, bool is_trials)
{
    struct view_filter filter;
    if (route_query_filter(call, is_trials ? trial_filters : task_filters, &filter)) {
        filter.is_trials = is_trials;
        view_tasks(call->head->core, call->now, call->request->id, &filter);
    }
}

void get_trials(struct route_call *call)
{
    tasks_list(call, true);
}

void get_tasks(struct route_call *call)
{
    tasks_list(call, false);
}

void get_explain_id(struct route_call *call)
{
    view_explain(call->head->core, call->now, call->request->id, call->id);
}

void get_task(struct route_call *call)
{
    view_task(call->head->core, call->now, call->request->id, call->id);
}

void get_logs(struct route_call *call)
{
    logs_open(call->head, call->request, call->id);
}

void get_task_metrics(struct route_call *call)
{
    rows_answer(call->head, call->request->id, call->id);
}

void get_attempts(struct route_call *call)
{
    attempts_answer(call->head, call->request->id, call->id);
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
    if (!blobs_work_check(call, &job.work, &job.work_bytes)) {
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
    } else {
        on_job_submit(call->head->core, call->now, call->request->id, &job);
    }
    mem_free(words);
    mem_free(require);
    mem_free(labels);
}

void post_task_cancel(struct route_call *call)
{
    on_task_verb(call->head->core, call->now, call->request->id, call->id, VERB_CANCEL,
                 route_body_grace(call));
}

void post_task_stop(struct route_call *call)
{
    on_task_verb(call->head->core, call->now, call->request->id, call->id, VERB_STOP, -1);
}

/* `attempts`: how many of them the caller saw; with more, it was tried again already. */
void post_task_retry(struct route_call *call)
{
    int64_t seen;
    if (!route_body_number(call, "attempts", -1, UINT32_MAX, &seen)) {
        route_wrong_answer(call, "`attempts` is how many attempts it had: a whole number");
        return;
    }
    on_task_retry(call->head->core, call->now, call->request->id, call->id, seen);
}

void post_job_rm(struct route_call *call)
{
    on_work_remove(call->head->core, call->now, call->request->id, call->number, false);
}
