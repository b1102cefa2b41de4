/* muster task cancel, retry: what a selector names of task arrays, each array by one request. */
#include <stdlib.h>
#include <string.h>

#include "cli/acts.h"
#include "cli/jobs.h"
#include "cli/list.h"

struct array_target {
    uint32_t number;
    bool is_whole;  /* all its tasks */
    bool is_one;    /* a single id */
    struct buf ids; /* "5-10,20" */
};

static void target_add(struct array_target *target, const struct selector_span *span)
{
    bool is_first = target->ids.len == 0;
    target->is_one = is_first && !target->is_whole && span->index_from == span->index_to;
    if (span->index_from == 1 && span->index_to == UINT32_MAX) {
        target->is_whole = true;
        return;
    }
    const char *comma = is_first ? "" : ",";
    if (span->index_from == span->index_to) {
        ignore_error(buf_printf(&target->ids, "%s%u", comma, span->index_from), "sticky");
    } else {
        ignore_error(buf_printf(&target->ids, "%s%u-%u", comma, span->index_from, span->index_to),
                     "sticky");
    }
}

/* {"ids": .., "failed": .., "grace_ms": ..} */
static int body_make(const struct cli *cli, const struct act *act, struct array_target *target,
                     json_t **ret_body)
{
    int64_t grace_ms;
    const char *grace = cli_option(cli, "grace");
    if (grace != NULL && !cli_duration("--grace", grace, &grace_ms)) {
        return EXIT_USAGE;
    }
    json_t *body = json_object();
    if (!target->is_whole) {
        json_object_set_new(body, "ids", json_string(buf_text(&target->ids)));
    }
    if (strcmp(act->verb, "retry") == 0) {
        bool is_exact = target->is_one && cli_option(cli, "failed") == NULL;
        json_object_set_new(body, "failed", json_boolean(!is_exact));
    } else if (grace != NULL) {
        json_object_set_new(body, "grace_ms", json_integer(grace_ms));
    }
    *ret_body = body;
    return EXIT_OK;
}

static void target_name(struct array_target *target, char *ret_text, size_t size_bytes)
{
    if (target->is_whole) {
        snprintf(ret_text, size_bytes, "array %u", target->number);
    } else {
        snprintf(ret_text, size_bytes, "task%s %u.%.60s", target->is_one ? "" : "s", target->number,
                 buf_text(&target->ids));
    }
}

/* Nothing is left to be done of it: true, and it was said. */
static bool target_is_over(const struct act *act, const json_t *job, const char *name)
{
    bool has_ended = strcmp(cli_json_str(job, "state"), "ended") == 0;
    if (act->on == ACT_ON_RUNNING && has_ended) {
        fprintf(stderr, "%s has ended already: %s\n", name, cli_json_str(job, "outcome"));
        return true;
    }
    return false;
}

static int target_act(struct cli *cli, struct client **client, const struct act *act,
                      const json_t *job, struct array_target *target)
{
    char path[64], name[96], question[256];
    json_t *body = NULL, *answer = NULL;
    target_name(target, name, sizeof name);
    if (target_is_over(act, job, name)) {
        return EXIT_OK;
    }
    int64_t n_ended =
        cli_json_int(job, "done") + cli_json_int(job, "failed") + cli_json_int(job, "cancelled");
    snprintf(question, sizeof question, "%s %s (of %lld tasks %lld have ended)?", act->verb, name,
             (long long)cli_json_int(job, "total"), (long long)n_ended);
    if (act->is_destructive && !target->is_one && !act_is_wanted(cli, question)) {
        return cli_fail(EXIT_REQUEST, "nothing was done");
    }
    int code = body_make(cli, act, target, &body);
    char *text = code == EXIT_OK ? json_dumps(body, JSON_COMPACT) : NULL;
    snprintf(path, sizeof path, "/api/v1/jobs/%u/%s", target->number, act->verb);
    code = code != EXIT_OK ? code
           : text != NULL  ? act_post(cli, client, path, text, NULL, &answer)
                           : cli_fail(EXIT_REQUEST, "out of memory");
    const json_t *retried = json_object_get(answer, "retried");
    if (code == EXIT_OK && json_is_integer(retried)) {
        long long n = (long long)json_integer_value(retried);
        fprintf(stderr, "%s: %lld task%s tried again\n", name, n, n == 1 ? " is" : "s are");
    } else if (code == EXIT_OK) {
        fprintf(stderr, "%s %s being %sled\n", name,
                target->is_whole || target->is_one ? "is" : "are", act->verb);
    }
    free(text);
    json_decref(body);
    json_decref(answer);
    return code;
}

/* All spans of the selector for this job become one target. */
static int array_act_one(struct cli *cli, struct client **client, const struct act *act,
                         const json_t *job, const struct selector *selector)
{
    struct array_target target = {.number = (uint32_t)cli_json_int(job, "id")};
    buf_init(&target.ids, 1 << 16);
    target.is_whole = selector->is_all;
    for (int i = 0; i < selector->n; i++) {
        const struct selector_span *span = &selector->spans[i];
        if (target.number >= span->job_from && target.number <= span->job_to) {
            target_add(&target, span);
        }
    }
    int code = target_act(cli, client, act, job, &target);
    buf_fini(&target.ids);
    return code;
}

/* `last`: the job with the highest number. */
static int last_find(struct cli *cli, struct client **client, struct selector *selector)
{
    json_t *list = NULL;
    int code = client_get_json(cli, client, "/api/v1/jobs?sort=-id&limit=1", &list);
    const json_t *job = json_array_get(json_object_get(list, "items"), 0);
    if (code == EXIT_OK && cli_job_is_array(job)) {
        selector_put(selector, (task_id){(uint32_t)cli_json_int(job, "id"), 0});
        selector->is_last = false;
    }
    json_decref(list);
    return code;
}

static bool span_is_of(const json_t *arrays, const struct selector_span *span)
{
    size_t i;
    json_t *job;
    json_array_foreach((json_t *)(uintptr_t)arrays, i, job)
    {
        if (span->job_from == span->job_to && (uint32_t)cli_json_int(job, "id") == span->job_from) {
            return true;
        }
    }
    return false;
}

/* Single jobs are looked up; a range of jobs, or all, by the list of arrays. */
static int arrays_find(struct cli *cli, struct client **client, const struct selector *selector,
                       json_t **ret_arrays)
{
    json_t *list = NULL, *arrays = json_array(), *job;
    size_t i;
    int code = list_fetch_all(cli, client, "/api/v1/jobs", "array=true", &list);
    json_array_foreach(json_object_get(list, "items"), i, job)
    {
        task_id any = {(uint32_t)cli_json_int(job, "id"), 0};
        for (int k = 0; k < selector->n; k++) {
            if (any.job >= selector->spans[k].job_from && any.job <= selector->spans[k].job_to) {
                any.index = 1;
            }
        }
        if (selector->is_all || any.index == 1) {
            json_array_append(arrays, job);
        }
    }
    json_decref(list);
    *ret_arrays = arrays;
    return code;
}

int array_act(struct cli *cli, struct client **client, const struct act *act,
              const struct selector *given, struct selector *ret_rest, bool *ret_done)
{
    struct selector selector = *given;
    json_t *arrays = NULL, *job;
    size_t i;
    *ret_rest = *given;
    int code = selector.is_last ? last_find(cli, client, &selector) : EXIT_OK;
    code = code == EXIT_OK ? arrays_find(cli, client, &selector, &arrays) : code;
    json_array_foreach(arrays, i, job)
    {
        bool is_over = strcmp(cli_json_str(job, "state"), "ended") == 0;
        if (code == EXIT_OK && !(selector.is_all && is_over && act->on == ACT_ON_RUNNING)) {
            code = array_act_one(cli, client, act, job, &selector);
            *ret_done = true;
        }
    }
    ret_rest->n = 0;
    ret_rest->is_last = selector.is_last;
    for (int k = 0; k < given->n; k++) {
        if (!span_is_of(arrays, &given->spans[k])) {
            ret_rest->spans[ret_rest->n++] = given->spans[k];
        }
    }
    json_decref(arrays);
    return code;
}
