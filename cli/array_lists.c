/* muster task list: a task array is one row among tasks. */
#include <string.h>

#include "cli/jobs.h"
#include "cli/kinds.h"
#include "cli/list.h"
#include "cli/spans.h"

/* The fields of a task that an array has, too, and its figures. */
static json_t *row_make(const json_t *job)
{
    static const char *const same[] = {
        "state",  "outcome", "why",      "created", "ended",     "command",  "name",   "owner",
        "labels", "total",   "done",     "failed",  "cancelled", "running",  "leased", "queued",
        "rate",   "ids",     "priority", "dry",     "work",      "duration",
    };
    char id[96];
    json_t *row = json_object();
    snprintf(id, sizeof id, "%lld.[%.64s]", (long long)cli_json_int(job, "id"),
             cli_json_str(job, "ids"));
    json_object_set_new(row, "id", json_string(id));
    json_object_set(row, "job", json_object_get(job, "id"));
    json_object_set(row, "reason", json_object_get(job, "error"));
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        json_object_set(row, same[i], json_object_get(job, same[i]));
    }
    return row;
}

/* As the list is to be: by --sort, else by id; at most --limit. */
static int rows_order(struct cli *cli, json_t *list, int64_t total)
{
    if (cli_option(cli, "sort") == NULL) {
        items_sort(json_object_get(list, "items"), "id", false);
    }
    int code = list_narrow(cli, &cli_task_kind, list);
    json_object_set_new(list, "total", json_integer(total));
    return code;
}

/* Named as a whole, or with everything. */
static bool row_is_named(const struct selector *selector, uint32_t number)
{
    bool is_named = selector->n == 0 || selector->is_all;
    for (int i = 0; i < selector->n; i++) {
        const struct selector_span *span = &selector->spans[i];
        is_named |= number >= span->job_from && number <= span->job_to && span->index_from == 1 &&
                    span->index_to == UINT32_MAX;
    }
    return is_named;
}

int array_rows_add(struct cli *cli, struct client **client, const struct selector *selector,
                   json_t *list)
{
    cli_output output;
    json_t *arrays = NULL, *job;
    size_t i;
    int code = list_fetch(cli, client, &cli_task_kind, "/api/v1/jobs", "array=true", &arrays);
    if (code == EXIT_OK && json_array_size(json_object_get(arrays, "items")) > 0) {
        int64_t total = cli_json_int(list, "total");
        json_array_foreach(json_object_get(arrays, "items"), i, job)
        {
            if (!row_is_named(selector, (uint32_t)cli_json_int(job, "id"))) {
                continue;
            }
            json_t *row = row_make(job);
            if (cli_output_parse(cli, &output) && output == OUTPUT_NAME) {
                json_object_set(row, "id", json_object_get(job, "id")); /* a selector again */
            }
            json_array_append_new(json_object_get(list, "items"), row);
            total++;
        }
        code = rows_order(cli, list, total);
    }
    json_decref(arrays);
    return code;
}

/* ---- the tasks of one ---- */

enum { SHOWN_MAX = 1000 /* rows of a table, unless --limit says else */ };

static int on_item_append(void *context, json_t *item)
{
    json_array_append(context, item);
    return EXIT_OK;
}

static int spans_fetch(struct cli *cli, struct client **client, const struct selector *selector,
                       json_t **ret_list)
{
    json_t *items = json_array();
    const struct span_walk walk = {.cli = cli,
                                   .client = client,
                                   .selector = selector,
                                   .on_item = on_item_append,
                                   .context = items};
    int code = spans_walk(&walk);
    json_t *list = json_pack("{s:s, s:o, s:n}", "api", "v1", "items", items, "next");
    code = code == EXIT_OK ? list_narrow(cli, &cli_task_kind, list) : code;
    if (code != EXIT_OK) {
        json_decref(list);
        return code;
    }
    *ret_list = list;
    return EXIT_OK;
}

/* A table of a million rows helps nobody. */
static bool rows_bound(struct cli *cli)
{
    cli_output output;
    bool is_table =
        cli_output_parse(cli, &output) && (output == OUTPUT_TABLE || output == OUTPUT_WIDE);
    if (!is_table || cli_option(cli, "limit") != NULL || cli->n_options == CLI_OPTIONS_MAX) {
        return false;
    }
    cli->options[cli->n_options].name = "limit";
    cli->options[cli->n_options++].value = "1000";
    return true;
}

static int whole_fetch(struct cli *cli, struct client **client, uint32_t number, json_t **ret_list)
{
    char query[32];
    bool is_bound = rows_bound(cli);
    snprintf(query, sizeof query, "job=%u", number);
    int code = list_fetch(cli, client, &cli_task_kind, "/api/v1/tasks", query, ret_list);
    int64_t total = code == EXIT_OK ? cli_json_int(*ret_list, "total") : 0;
    if (code == EXIT_OK && is_bound && total > SHOWN_MAX) {
        fprintf(stderr, "the first %d of %lld; --limit says how many\n", SHOWN_MAX,
                (long long)total);
    }
    return code;
}

/* All spans are of one number: it; else 0. */
static uint32_t one_number(const struct selector *selector)
{
    bool is_one = selector->n > 0 && !selector->is_all && !selector->is_last;
    for (int i = 0; is_one && i < selector->n; i++) {
        is_one = selector->spans[i].job_from == selector->spans[0].job_from &&
                 selector->spans[i].job_to == selector->spans[0].job_from;
    }
    return is_one ? selector->spans[0].job_from : 0;
}

int array_tasks_fetch(struct cli *cli, struct client **client, const struct selector *selector,
                      bool *ret_is_array, json_t **ret_list)
{
    char path[64];
    json_t *found = NULL;
    uint32_t number = one_number(selector);
    const struct selector_span *span = &selector->spans[0];
    bool is_whole = selector->n == 1 && span->index_from == 1 && span->index_to == UINT32_MAX;
    *ret_is_array = false;
    if (number == 0) {
        return EXIT_OK;
    }
    snprintf(path, sizeof path, "/api/v1/jobs?array=true&job=%u", number);
    int code = client_get_json(cli, client, path, &found);
    *ret_is_array = json_array_size(json_object_get(found, "items")) > 0;
    json_decref(found);
    if (code != EXIT_OK || !*ret_is_array) {
        return code;
    }
    return is_whole ? whole_fetch(cli, client, number, ret_list)
                    : spans_fetch(cli, client, selector, ret_list);
}
