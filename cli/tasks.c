/* muster task show, list: tasks of commands, and task arrays. */
#include <string.h>

#include "cli/jobs.h"
#include "cli/kinds.h"
#include "cli/list.h"
#include "cli/trials.h"

/* `7`: an array in figures, or the one task of a command. */
int verb_task_show(struct cli *cli)
{
    char first[TASK_ID_TEXT_MAX];
    const char *text = cli->arguments[0];
    struct client *client = NULL;
    json_t *job = NULL;
    uint64_t number;
    cli_output output;
    if (strchr(text, '.') != NULL) {
        return cli_trial_show(cli);
    }
    if (!cli_output_parse(cli, &output) || !cli_number("a job", text, UINT32_MAX, &number)) {
        return EXIT_USAGE;
    }
    int code = cli_connect(cli, false, false, &client);
    code = code == EXIT_OK ? cli_job_get(cli, &client, (uint32_t)number, &job) : code;
    bool is_array = code == EXIT_OK && cli_job_is_array(job);
    code = is_array ? cli_job_show(cli, &client, job) : code;
    json_decref(job);
    client_close(client);
    if (code != EXIT_OK || is_array) {
        return code;
    }
    snprintf(first, sizeof first, "%u.1", (uint32_t)number);
    cli->arguments[0] = first;
    return cli_trial_show(cli);
}

/* What a dry worker tells is no result of a process. */
static void outcome_prettify(json_t *task)
{
    char text[64];
    const char *outcome = cli_json_str(task, "outcome");
    snprintf(text, sizeof text, "%s%sdry", outcome, outcome[0] != '\0' ? ", " : "");
    json_object_set_new(task, "outcome", json_string(text));
}

/* Of an array, how far it is. */
static void array_row_prettify(json_t *row)
{
    char progress[160];
    bool is_dry = json_is_true(json_object_get(row, "dry"));
    cli_job_progress(row, 0, progress, sizeof progress - 8);
    strcat(progress, is_dry ? ", dry" : "");
    json_object_set_new(row, "outcome", json_string(progress));
    cli_command_show(row);
}

void cli_tasks_prettify(const struct cli *cli, json_t *list)
{
    cli_output output;
    json_t *items = json_object_get(list, "items"), *task;
    size_t i;
    if (!cli_output_parse(cli, &output) || (output != OUTPUT_TABLE && output != OUTPUT_WIDE)) {
        return;
    }
    json_array_foreach(items, i, task)
    {
        char text[32] = "";
        int64_t signal = cli_json_int(task, "signal");
        bool has_ended = strcmp(cli_json_str(task, "state"), "ended") == 0 &&
                         cli_json_str(task, "started")[0] != '\0';
        if (json_object_get(task, "ids") != NULL) {
            array_row_prettify(task);
            continue;
        }
        if (json_is_true(json_object_get(task, "dry"))) {
            outcome_prettify(task);
        }
        if (has_ended) {
            snprintf(text, sizeof text, signal > 0 ? "signal %lld" : "%lld",
                     (long long)(signal > 0 ? signal : cli_json_int(task, "exit_code")));
        }
        json_object_set_new(task, "exit_code", json_string(text));
        cli_command_show(task);
    }
}

int verb_task_list(struct cli *cli)
{
    bool is_array = false;
    struct selector selector = {0};
    struct client *client = NULL;
    json_t *list = NULL;
    int code = list_check(cli, &cli_task_kind);
    if (code == EXIT_OK && cli->n_arguments > 0) {
        code = selector_parse(cli->arguments[0], true, &selector);
    }
    code = code == EXIT_OK ? cli_connect(cli, false, false, &client) : code;
    code = code == EXIT_OK ? array_tasks_fetch(cli, &client, &selector, &is_array, &list) : code;
    if (code == EXIT_OK && !is_array) {
        code = cli_tasks_fetch(cli, &client, &cli_task_kind, &selector, &list);
    }
    if (code == EXIT_OK && !is_array) {
        code = array_rows_add(cli, &client, &selector, list);
    }
    if (code == EXIT_OK && selector.is_last) {
        json_t *items = json_object_get(list, "items");
        while (json_array_size(items) > 1) {
            json_array_remove(items, 0);
        }
        json_object_set_new(list, "total", json_integer((json_int_t)json_array_size(items)));
    }
    if (code == EXIT_OK) {
        cli_tasks_prettify(cli, list);
        code = cli_print_list(cli, &cli_task_kind, list);
    }
    json_decref(list);
    client_close(client);
    return code;
}
