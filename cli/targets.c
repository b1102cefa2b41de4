/* What a selector names among what there is. */
#include <stdlib.h>
#include <string.h>

#include "cli/acts.h"
#include "cli/list.h"

static task_id id_of(const json_t *item)
{
    task_id id = {0, 0};
    const json_t *value = json_object_get(item, "id");
    if (json_is_integer(value)) {
        id.job = (uint32_t)json_integer_value(value);
    } else if (json_is_string(value) && task_id_parse(json_string_value(value), &id) != OK) {
        id = (task_id){0, 0};
    }
    return id;
}

static void target_add(json_t *targets, bool is_of_tasks, task_id id)
{
    char text[TASK_ID_TEXT_MAX];
    if (is_of_tasks) {
        task_id_print(id, text);
    } else {
        snprintf(text, sizeof text, "%u", id.job);
    }
    json_array_append_new(targets, json_pack("{s:s}", "id", text));
}

static bool act_fits(const struct act *act, const json_t *item)
{
    const char *state = cli_json_str(item, "state"), *outcome = cli_json_str(item, "outcome");
    bool has_ended = strcmp(state, "ended") == 0 || strcmp(state, "done") == 0 ||
                     strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
    switch (act->on) {
    case ACT_ON_RUNNING:
        return !has_ended;
    case ACT_ON_PAUSED:
        return strcmp(state, "paused") == 0;
    case ACT_ON_ENDED:
        return has_ended;
    case ACT_ON_FAILED:
        return strcmp(outcome, "failed") == 0;
    case ACT_ON_ANY:
        return true;
    }
    return true;
}

static bool targets_have(const json_t *targets, const char *id)
{
    size_t i;
    json_t *target;
    json_array_foreach((json_t *)(uintptr_t)targets, i, target)
    {
        if (strcmp(cli_json_str(target, "id"), id) == 0) {
            return true;
        }
    }
    return false;
}

/* What is named by itself is tried even if it is not there, so that somebody says so. */
static void singles_add(json_t *targets, bool is_of_tasks, const struct selector *selector)
{
    for (int k = 0; k < selector->n; k++) {
        const struct selector_span *span = &selector->spans[k];
        bool is_one =
            span->job_from == span->job_to && (!is_of_tasks || span->index_from == span->index_to);
        char text[TASK_ID_TEXT_MAX];
        task_id id = {span->job_from, span->index_from};
        snprintf(text, sizeof text, "%u", id.job);
        if (is_one && !targets_have(targets, is_of_tasks ? task_id_print(id, text) : text)) {
            target_add(targets, is_of_tasks, id);
        }
    }
}

/* Only single ones: nothing is to be looked up. */
static bool selector_is_plain(const struct selector *selector)
{
    return !selector->is_many && !selector->is_last;
}

int targets_find(struct cli *cli, struct client **client, const char *noun, const struct act *act,
                 struct selector *selector, bool may_be_none, json_t **ret_targets)
{
    bool is_of_tasks = strcmp(noun, "sweep") != 0;
    char path[64], query[64];
    json_t *list = NULL, *targets = json_array(), *item;
    size_t i;
    if (selector_is_plain(selector)) {
        for (int k = 0; k < selector->n; k++) {
            const struct selector_span *span = &selector->spans[k];
            target_add(targets, is_of_tasks, (task_id){span->job_from, span->index_from});
        }
        *ret_targets = targets;
        return EXIT_OK;
    }
    uint32_t job = is_of_tasks ? selector_job(selector) : 0;
    snprintf(path, sizeof path, "/api/v1/%ss", noun);
    snprintf(query, sizeof query, "%s=%u", strcmp(noun, "trial") == 0 ? "sweep" : "job", job);
    int code = list_fetch_all(cli, client, path, job != 0 ? query : NULL, &list);
    json_t *items = json_object_get(list, "items");
    size_t n = json_array_size(items);
    if (code == EXIT_OK && selector->is_last && n > 0) {
        selector_put(selector, id_of(json_array_get(items, n - 1)));
    }
    json_array_foreach(items, i, item)
    {
        task_id id = id_of(item);
        bool is_named = selector->is_last && i + 1 == n;
        if (selector_has(selector, is_of_tasks, id) && (is_named || act_fits(act, item))) {
            target_add(targets, is_of_tasks, id);
        }
    }
    json_decref(list);
    singles_add(targets, is_of_tasks, selector);
    if (code == EXIT_OK && json_array_size(targets) == 0 && !may_be_none) {
        code = cli_fail(EXIT_NOT_FOUND,
                        n == 0 && strcmp(noun, "task") != 0 ? "there is no %s yet"
                                                            : "no %s there is to %s",
                        noun, act->verb);
    }
    if (code != EXIT_OK) {
        json_decref(targets);
        return code;
    }
    *ret_targets = targets;
    return EXIT_OK;
}
