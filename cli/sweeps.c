/* muster sweep ... */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "schema/records.h"

struct words {
    const char *const *names;
    size_t n;
};

/* The words that stand in what the verb lists; those there are go to ret_words. */
static bool state_is_known(const struct cli *cli, const char *word, char ret_words[512])
{
    enum { SWEEPS, TASKS, OUTCOMES };
    static const struct words tables[] = {
        {sweep_state_names, sizeof sweep_state_names / sizeof sweep_state_names[0]},
        {task_state_names, sizeof task_state_names / sizeof task_state_names[0]},
        {task_outcome_names, sizeof task_outcome_names / sizeof task_outcome_names[0]}};
    bool is_sweeps = strcmp(cli->verb->noun, "sweep") == 0, is_known = false;
    size_t used = 0;
    for (int t = is_sweeps ? SWEEPS : TASKS; t <= (is_sweeps ? SWEEPS : OUTCOMES); t++) {
        for (size_t i = 0; i < tables[t].n; i++) {
            const char *name = tables[t].names[i];
            is_known |= name[0] != '\0' && strcmp(name, word) == 0;
            if (name[0] != '\0' && used < 512) {
                used += (size_t)snprintf(ret_words + used, 512 - used, "%s%s", used > 0 ? ", " : "",
                                         name);
            }
        }
    }
    return is_known;
}

int cli_list_query(struct cli *cli, const char *path, struct buf *ret_path)
{
    static const char *const keys[] = {"state", "sweep", "job"};
    char words[512];
    char separator = '?';
    ignore_error(buf_append_text(ret_path, path), "checked at the end");
    const char *filter;
    for (int k = 0; (filter = cli_option_at(cli, "filter", k)) != NULL; k++) {
        const char *equals = strchr(filter, '=');
        bool is_known = false;
        for (size_t i = 0; equals != NULL && i < sizeof keys / sizeof keys[0]; i++) {
            is_known |= strlen(keys[i]) == (size_t)(equals - filter) &&
                        strncmp(keys[i], filter, (size_t)(equals - filter)) == 0;
        }
        if (!is_known ||
            strspn(equals + 1, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(equals + 1)) {
            return cli_fail(EXIT_USAGE, "--filter wants state=WORD or sweep=N, not '%s'", filter);
        }
        if (strncmp(filter, "state=", 6) == 0 && !state_is_known(cli, equals + 1, words)) {
            return cli_fail(EXIT_USAGE, "there is no state or outcome '%s'; there are %s",
                            equals + 1, words);
        }
        ignore_error(buf_printf(ret_path, "%c%s", separator, filter), "checked at the end");
        separator = '&';
    }
    if (cli_option(cli, "limit") != NULL) {
        uint64_t limit;
        if (!cli_number("--limit", cli_option(cli, "limit"), 1000000000, &limit)) {
            return EXIT_USAGE;
        }
        ignore_error(buf_printf(ret_path, "%climit=%llu", separator, (unsigned long long)limit),
                     "checked at the end");
    }
    return ret_path->failed == OK ? EXIT_OK : cli_fail(EXIT_USAGE, "too long a filter");
}

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
    int code = client_get_json(cli, client, "/api/v1/sweeps", &list);
    if (code != EXIT_OK) {
        return code;
    }
    json_t *items = json_object_get(list, "items");
    size_t n = json_array_size(items);
    *ret_number = n > 0 ? (uint32_t)cli_json_int(json_array_get(items, n - 1), "id") : 0;
    json_decref(list);
    return n > 0 ? EXIT_OK
                 : cli_fail(EXIT_NOT_FOUND,
                            "there is no sweep yet; start one with 'muster sweep run FILE'");
}

/* Connects and finds the sweep that the argument, or else --filter sweep=N, names. */
static int sweep_argument(struct cli *cli, struct client **ret_client, uint32_t *ret_number)
{
    struct client *client = NULL;
    const char *text = cli->n_arguments > 0 ? cli->arguments[0] : NULL, *filter;
    for (int k = 0; text == NULL && (filter = cli_option_at(cli, "filter", k)) != NULL; k++) {
        text = strncmp(filter, "sweep=", 6) == 0 ? filter + 6 : NULL;
    }
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

int verb_sweep_list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"ID", "id", true},           {"NAME", "name", false},   {"STATE", "state", false},
        {"TRIALS", "trials", true},   {"ASKED", "asked", true},  {"RUN", "running", true},
        {"DONE", "done", true},       {"STOP", "stopped", true}, {"FAIL", "failed", true},
        {"BEST", "best_value", true}, {"TRIAL", "best", false},  {"CREATED", "created", false},
    };
    struct buf path;
    json_t *list = NULL;
    buf_init(&path, 4096);
    int code = cli_list_query(cli, "/api/v1/sweeps", &path);
    code = code == EXIT_OK ? cli_get(cli, buf_text(&path), &list) : code;
    if (code == EXIT_OK) {
        code = cli_print_items(cli, list, columns, sizeof columns / sizeof columns[0]);
    }
    json_decref(list);
    buf_fini(&path);
    return code;
}

static void sweep_print(const json_t *sweep)
{
    char params[1024], value[64];
    cli_params_print(cli_json_get(sweep, "best_params"), params, sizeof params);
    cli_value_print(cli_json_get(sweep, "best_value"), value, sizeof value);
    printf("sweep %lld  %s  %s%s%s\n", (long long)cli_json_int(sweep, "id"),
           cli_json_str(sweep, "name"), cli_json_str(sweep, "state"),
           cli_json_str(sweep, "why")[0] != '\0' ? ": " : "", cli_json_str(sweep, "why"));
    printf("  search    %s + %s, seed %lld, %s %s\n", cli_json_str(sweep, "search"),
           cli_json_str(sweep, "schedule"), (long long)cli_json_int(sweep, "seed"),
           cli_json_str(sweep, "goal"), cli_json_str(sweep, "metric"));
    printf("  trials    %lld asked, %lld running, %lld waiting, %lld done, %lld stopped, %lld "
           "failed, %lld cancelled\n",
           (long long)cli_json_int(sweep, "asked"), (long long)cli_json_int(sweep, "running"),
           (long long)cli_json_int(sweep, "waiting"), (long long)cli_json_int(sweep, "done"),
           (long long)cli_json_int(sweep, "stopped"), (long long)cli_json_int(sweep, "failed"),
           (long long)cli_json_int(sweep, "cancelled"));
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

static const struct cli_column trial_columns[] = {
    {"ID", "id", true},          {"STATE", "state", false},       {"OUTCOME", "outcome", false},
    {"STEP", "step", true},      {"BEST", "best.metrics", false}, {"LAST", "last.metrics", false},
    {"PARAMS", "params", false}, {"ATTEMPTS", "attempts", true},  {"REASON", "reason", false},
};

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
    snprintf(path, sizeof path, "/api/v1/sweeps/%u", number);
    code = client_get_json(cli, &client, path, &sweep);
    if (code == EXIT_OK && output != OUTPUT_TABLE) {
        code = cli_print_object(cli, sweep);
    } else if (code == EXIT_OK) {
        sweep_print(sweep);
        snprintf(path, sizeof path, "/api/v1/sweeps/%u/trials", number);
        code = client_get_json(cli, &client, path, &trials);
        if (code == EXIT_OK) {
            putchar('\n');
            code = cli_print_items(cli, trials, trial_columns,
                                   sizeof trial_columns / sizeof trial_columns[0]);
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
    if (code == EXIT_OK && output != OUTPUT_TABLE) {
        code = cli_print_object(cli, trial);
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

static bool sweep_has_ended(const json_t *sweep)
{
    const char *state = cli_json_str(sweep, "state");
    return strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 ||
           strcmp(state, "cancelled") == 0;
}

static int sweep_post(struct cli *cli, const char *verb, const char *past)
{
    struct client *client = NULL;
    uint32_t number;
    int64_t grace_ms = -1;
    const char *grace = cli_option(cli, "grace");
    if (grace != NULL && !cli_duration("--grace", grace, &grace_ms)) {
        return EXIT_USAGE;
    }
    int code = sweep_argument(cli, &client, &number);
    if (code != EXIT_OK) {
        return code;
    }
    char path[128], body[64] = "{}";
    struct client_answer answer;
    json_t *sweep = NULL;
    snprintf(path, sizeof path, "/api/v1/sweeps/%u", number);
    code = client_get_json(cli, &client, path, &sweep);
    if (code != EXIT_OK || sweep_has_ended(sweep)) {
        if (code == EXIT_OK) {
            fprintf(stderr, "sweep %u has ended already: %s\n", number,
                    cli_json_str(sweep, "state"));
        }
        json_decref(sweep);
        client_close(client);
        return code;
    }
    json_decref(sweep);
    snprintf(path, sizeof path, "/api/v1/sweeps/%u/%s", number, verb);
    if (grace_ms >= 0) {
        snprintf(body, sizeof body, "{\"grace_ms\":%lld}", (long long)grace_ms);
    }
    code = client_call_patiently(cli, &client, "POST", path, body, NULL, &answer);
    if (code == EXIT_OK) {
        code = answer.status == 200 ? EXIT_OK : client_answer_fail(&answer);
        client_answer_fini(&answer);
    }
    if (code == EXIT_OK) {
        fprintf(stderr, "sweep %u %s\n", number, past);
    }
    client_close(client);
    return code;
}

int verb_sweep_cancel(struct cli *cli)
{
    return sweep_post(cli, "cancel", "is being cancelled");
}

int verb_sweep_stop(struct cli *cli)
{
    return sweep_post(cli, "stop", "gets no new trials");
}

int verb_trial_list(struct cli *cli)
{
    struct client *client = NULL;
    uint32_t number;
    int code = sweep_argument(cli, &client, &number);
    if (code != EXIT_OK) {
        return code;
    }
    char base[64];
    struct buf path;
    json_t *list = NULL;
    buf_init(&path, 4096);
    snprintf(base, sizeof base, "/api/v1/sweeps/%u/trials", number);
    code = cli_list_query(cli, base, &path);
    code = code == EXIT_OK ? client_get_json(cli, &client, buf_text(&path), &list) : code;
    if (code == EXIT_OK) {
        code = cli_print_items(cli, list, trial_columns,
                               sizeof trial_columns / sizeof trial_columns[0]);
    }
    json_decref(list);
    buf_fini(&path);
    client_close(client);
    return code;
}
