/* muster sweep ...: what reads, and what waits. */
#include <stdlib.h>
#include <string.h>

#include "cli/list.h"
#include "cli/selector.h"

bool cli_sweep_check(const char *text)
{
    char *end = NULL;
    unsigned long number = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    bool is_good =
        strcmp(text, "last") == 0 || (number > 0 && number <= UINT32_MAX && *end == '\0');
    if (!is_good) {
        cli_fail(EXIT_USAGE, "a sweep is a whole number, or 'last'; not '%s'", text);
    }
    return is_good;
}

int cli_sweep_number(struct cli *cli, struct client **client, const char *text,
                     uint32_t *ret_number)
{
    if (text != NULL && strcmp(text, "last") != 0) {
        *ret_number = (uint32_t)strtoul(text, NULL, 10);
        return cli_sweep_check(text) ? EXIT_OK : EXIT_USAGE;
    }
    json_t *list = NULL;
    int code = client_get_json(cli, client, "/api/v1/sweeps?sort=-id&limit=1", &list);
    if (code != EXIT_OK) {
        return code;
    }
    json_t *items = json_object_get(list, "items");
    size_t n = json_array_size(items);
    *ret_number = n > 0 ? (uint32_t)cli_json_int(json_array_get(items, 0), "id") : 0;
    json_decref(list);
    return n > 0 ? EXIT_OK
                 : cli_fail(EXIT_NOT_FOUND,
                            "there is no sweep yet; start one with 'muster sweep run FILE'");
}

/* Connects and finds the sweep that the argument names; without one, the last. */
static int sweep_argument(struct cli *cli, struct client **ret_client, uint32_t *ret_number)
{
    struct client *client = NULL;
    const char *text = cli->n_arguments > 0 ? cli->arguments[0] : NULL;
    if (text != NULL && !cli_sweep_check(text)) {
        return EXIT_USAGE;
    }
    int code = cli_connect(cli, false, false, &client);
    if (code != EXIT_OK) {
        return code;
    }
    code = cli_sweep_number(cli, &client, text, ret_number);
    if (code != EXIT_OK) {
        client_close(client);
        return code;
    }
    *ret_client = client;
    return EXIT_OK;
}

/* Those of the argument, if there is one. */
static void sweeps_pick(json_t *list, const struct selector *selector)
{
    json_t *items = json_object_get(list, "items"), *kept = json_array(), *sweep;
    size_t i;
    json_array_foreach(items, i, sweep)
    {
        task_id id = {(uint32_t)cli_json_int(sweep, "id"), 0};
        bool is_last = selector->is_last && i + 1 == json_array_size(items);
        if (is_last || selector_has(selector, false, id)) {
            json_array_append(kept, sweep);
        }
    }
    json_object_set_new(list, "total", json_integer((json_int_t)json_array_size(kept)));
    json_object_set_new(list, "items", kept);
}

int verb_sweep_list(struct cli *cli)
{
    struct selector selector;
    struct client *client = NULL;
    json_t *list = NULL;
    if (cli->n_arguments == 0) {
        return list_show(cli, &cli_sweep_kind, "/api/v1/sweeps");
    }
    int code = selector_parse(cli->arguments[0], false, &selector);
    code = code == EXIT_OK ? list_check(cli, &cli_sweep_kind) : code;
    code = code == EXIT_OK ? cli_connect(cli, false, false, &client) : code;
    code = code == EXIT_OK ? list_fetch_all(cli, &client, "/api/v1/sweeps", NULL, &list) : code;
    if (code == EXIT_OK) {
        sweeps_pick(list, &selector);
        code = list_narrow(cli, &cli_sweep_kind, list);
    }
    code = code == EXIT_OK ? cli_print_list(cli, &cli_sweep_kind, list) : code;
    json_decref(list);
    client_close(client);
    return code;
}

/* --set of the submission, and what was set since. */
static void settings_print(const char *title, const json_t *settings)
{
    enum { SHOWN_MAX = 100 }; /* of one: a recorded schedule is long */
    size_t i;
    json_t *text;
    json_array_foreach((json_t *)(uintptr_t)settings, i, text)
    {
        const char *setting = json_string_value(text);
        printf("  %-9s %.*s%s\n", i == 0 ? title : "", SHOWN_MAX, setting,
               strlen(setting) > SHOWN_MAX ? "..." : "");
    }
}

static void sweep_print(json_t *sweep)
{
    cli_make_printable(sweep);
    char params[1024], value[64];
    cli_params_print(cli_json_get(sweep, "best_params"), params, sizeof params);
    cli_value_print(cli_json_get(sweep, "best_value"), value, sizeof value);
    printf("sweep %lld  %s  %s%s%s\n", (long long)cli_json_int(sweep, "id"),
           cli_json_str(sweep, "name"), cli_json_str(sweep, "state"),
           cli_json_str(sweep, "why")[0] != '\0' ? ": " : "", cli_json_str(sweep, "why"));
    printf("  search    %s + %s, seed %lld, %s %s\n", cli_json_str(sweep, "search"),
           cli_json_str(sweep, "schedule"), (long long)cli_json_int(sweep, "seed"),
           cli_json_str(sweep, "goal"), cli_json_str(sweep, "metric"));
    printf(
        "  trials    %lld asked, %lld running, %lld waiting (%lld held), %lld done, %lld stopped, "
        "%lld failed, %lld cancelled\n",
        (long long)cli_json_int(sweep, "asked"), (long long)cli_json_int(sweep, "running"),
        (long long)cli_json_int(sweep, "waiting"), (long long)cli_json_int(sweep, "held"),
        (long long)cli_json_int(sweep, "done"), (long long)cli_json_int(sweep, "stopped"),
        (long long)cli_json_int(sweep, "failed"), (long long)cli_json_int(sweep, "cancelled"));
    settings_print("set", cli_json_get(sweep, "set"));
    settings_print("changed", cli_json_get(sweep, "changed"));
    if (cli_json_str(sweep, "best")[0] != '\0') {
        printf("  best      %s %s at step %lld, trial %s\n", cli_json_str(sweep, "metric"), value,
               (long long)cli_json_int(sweep, "best_step"), cli_json_str(sweep, "best"));
        printf("            %s\n", params);
        if (cli_json_str(sweep, "best_checkpoint")[0] != '\0') {
            printf("  snapshot  %s\n", cli_json_str(sweep, "best_checkpoint"));
        }
    }
    if (cli_json_str(sweep, "error")[0] != '\0') {
        printf("  error     %s\n", cli_json_str(sweep, "error"));
    }
}

/* What failed attempts said, the commonest first. */
static int sweep_failures_print(struct cli *cli, struct client **client, uint32_t number)
{
    enum { SHOWN_MAX = 5 };
    char path[64];
    json_t *list = NULL, *failure;
    size_t i;
    snprintf(path, sizeof path, "/api/v1/sweeps/%u/failures", number);
    int code = client_get_json(cli, client, path, &list);
    if (code != EXIT_OK) {
        return code;
    }
    cli_make_printable(list);
    json_array_foreach(json_object_get(list, "items"), i, failure)
    {
        if (i < SHOWN_MAX) {
            long long count = (long long)cli_json_int(failure, "count");
            printf("  %-9s %lld trial%s, as %s: %s\n", i == 0 ? "failures" : "", count,
                   count == 1 ? "" : "s", cli_json_str(failure, "example"),
                   cli_json_str(failure, "message"));
        }
    }
    json_decref(list);
    return EXIT_OK;
}

/* Which parameters each trial got, and whose weights with them. */
static int sweep_lineage(struct cli *cli, struct client **client, uint32_t number)
{
    char path[64];
    json_t *list = NULL;
    snprintf(path, sizeof path, "/api/v1/sweeps/%u/lineage", number);
    int code = client_get_json(cli, client, path, &list);
    code = code == EXIT_OK ? cli_print_list(cli, &cli_lineage_kind, list) : code;
    json_decref(list);
    return code;
}

int verb_sweep_show(struct cli *cli)
{
    struct client *client = NULL;
    uint32_t number;
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    int code = sweep_argument(cli, &client, &number);
    if (code != EXIT_OK) {
        return code;
    }
    char path[128];
    json_t *sweep = NULL, *trials = NULL;
    if (cli_option(cli, "lineage") != NULL) {
        code = sweep_lineage(cli, &client, number);
        client_close(client);
        return code;
    }
    snprintf(path, sizeof path, "/api/v1/sweeps/%u", number);
    code = client_get_json(cli, &client, path, &sweep);
    if (code == EXIT_OK && !cli_output_is_text(cli, output)) {
        code = cli_print_kind(cli, &cli_sweep_kind, sweep);
    } else if (code == EXIT_OK) {
        sweep_print(sweep);
        code = sweep_failures_print(cli, &client, number);
    }
    if (code == EXIT_OK && cli_output_is_text(cli, output)) {
        snprintf(path, sizeof path, "/api/v1/sweeps/%u/trials", number);
        code = list_fetch_all(cli, &client, path, NULL, &trials);
        if (code == EXIT_OK) {
            putchar('\n');
            code = cli_print_list(cli, &cli_trial_kind, trials);
        }
    }
    json_decref(sweep);
    json_decref(trials);
    client_close(client);
    return code;
}

int verb_sweep_best(struct cli *cli)
{
    struct client *client = NULL;
    uint32_t number;
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    int code = sweep_argument(cli, &client, &number);
    if (code != EXIT_OK) {
        return code;
    }
    char path[128];
    json_t *sweep = NULL, *trial = NULL;
    snprintf(path, sizeof path, "/api/v1/sweeps/%u", number);
    code = client_get_json(cli, &client, path, &sweep);
    if (code == EXIT_OK && cli_json_str(sweep, "best")[0] == '\0') {
        code = cli_fail(EXIT_NOT_FOUND, "sweep %u has no result yet", number);
    }
    if (code == EXIT_OK) {
        snprintf(path, sizeof path, "/api/v1/trials/%s", cli_json_str(sweep, "best"));
        code = client_get_json(cli, &client, path, &trial);
    }
    if (code == EXIT_OK && !cli_output_is_text(cli, output)) {
        code = cli_print_kind(cli, &cli_trial_kind, trial);
    } else if (code == EXIT_OK) {
        sweep_print(sweep);
    }
    json_decref(sweep);
    json_decref(trial);
    client_close(client);
    return code;
}

static int sweep_follow(struct cli *cli, bool is_quiet)
{
    struct client *client = NULL;
    uint32_t number;
    int64_t timeout_ms = -1;
    const char *timeout = cli_option(cli, "timeout");
    if (timeout != NULL && !cli_duration("--timeout", timeout, &timeout_ms)) {
        return EXIT_USAGE;
    }
    int code = sweep_argument(cli, &client, &number);
    if (code == EXIT_OK) {
        code = cli_sweep_watch(cli, &client, number, is_quiet, timeout_ms);
        client_close(client);
    }
    return code;
}

int verb_sweep_wait(struct cli *cli)
{
    return sweep_follow(cli, true);
}

int verb_sweep_watch(struct cli *cli)
{
    return sweep_follow(cli, false);
}
