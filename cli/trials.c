/* muster trial ...: one or many, and what they wrote; of tasks, too. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/kinds.h"
#include "cli/list.h"
#include "cli/logs.h"
#include "cli/spans.h"
#include "cli/text.h"
#include "cli/trials.h"

int cli_task_id(const char *text, task_id *ret_id)
{
    if (task_id_parse(text, ret_id) != OK) {
        return cli_fail(EXIT_USAGE, "a trial or task is written number.index, e.g. 12.41, not '%s'",
                        text);
    }
    return EXIT_OK;
}

static bool is_trial_verb(const struct cli *cli)
{
    return strcmp(cli->verb->noun, "trial") == 0;
}

static void lines_tail_print(const char *text, int lines)
{
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == '\n') {
        n--;
    }
    size_t from = n;
    for (int seen = 0; from > 0; from--) {
        if (text[from - 1] == '\n' && ++seen == lines) {
            break;
        }
    }
    while (from < n) {
        size_t length = strcspn(text + from, "\n");
        char *line = strndup(text + from, length);
        if (line != NULL) {
            text_make_printable(line);
            puts(line);
        }
        free(line);
        from += length + 1;
    }
}

/* A failure leads with what people look for: the last lines of stderr, and how it ended. */
static void failure_print(const json_t *attempts)
{
    json_t *items = json_object_get(attempts, "items");
    size_t n = json_array_size(items);
    const json_t *last = n > 0 ? json_array_get(items, n - 1) : NULL;
    const char *stderr_text = cli_json_str(last, "stderr");
    if (stderr_text[0] != '\0') {
        printf("--- the last lines of stderr, attempt %lld ---\n",
               (long long)cli_json_int(last, "attempt"));
        lines_tail_print(stderr_text, 40);
        puts("---");
    }
}

static void trial_print(const json_t *trial)
{
    static const struct {
        const char *title, *path;
    } lines[] = {
        {"state", "state"},       {"outcome", "outcome"},     {"why", "why"},
        {"reason", "reason"},     {"failure", "failure"},     {"params", "params"},
        {"command", "command"},   {"step", "step"},           {"best", "best.metrics"},
        {"at step", "best.step"}, {"last", "last.metrics"},   {"checkpoint", "checkpoint"},
        {"node", "node"},         {"nodes", "nodes"},         {"pid", "pid"},
        {"gpus", "gpus"},         {"attempts", "attempts"},   {"failures", "failures"},
        {"lost", "lost"},         {"exit", "exit_code"},      {"signal", "signal"},
        {"created", "created"},   {"started", "started"},     {"ended", "ended"},
        {"duration", "duration"}, {"log files", "log_files"},
    };
    bool is_dry = json_is_true(json_object_get(trial, "dry"));
    printf("%s%s\n", cli_json_str(trial, "id"), is_dry ? "  dry: its worker ran no process" : "");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[2048];
        cli_value_print(cli_json_get(trial, lines[i].path), text, sizeof text);
        /* An exit code is there only where a process exited. */
        bool has_exited = cli_json_int(trial, "signal") == 0 &&
                          strcmp(cli_json_str(trial, "state"), "ended") == 0 &&
                          cli_json_str(trial, "started")[0] != '\0';
        bool is_zero =
            strcmp(text, "0") == 0 && (strcmp(lines[i].title, "exit") != 0 || !has_exited);
        /* What `node` says already. */
        is_zero |= strcmp(lines[i].path, "nodes") == 0 &&
                   json_array_size(json_object_get(trial, "nodes")) < 2;
        if (text[0] != '\0' && !is_zero) {
            printf("  %-11s %s\n", lines[i].title, text);
        }
    }
}

/* Is it this trial, or the sweep? */
static int others_print(struct cli *cli, struct client **client, const json_t *trial,
                        uint32_t sweep)
{
    enum { SHOWN_MAX = 5 };
    char path[64];
    json_t *list = NULL, *other;
    size_t i, n = 0;
    const char *said = cli_json_str(trial, "failure");
    if (said[0] == '\0') {
        return EXIT_OK;
    }
    snprintf(path, sizeof path, "/api/v1/sweeps/%u/trials", sweep);
    int code = list_fetch_all(cli, client, path, "state=failed", &list);
    cli_make_printable(list); /* as the trial's own text is by now */
    json_array_foreach(json_object_get(list, "items"), i, other)
    {
        bool is_other = strcmp(cli_json_str(other, "id"), cli_json_str(trial, "id")) != 0;
        if (is_other && strcmp(cli_json_str(other, "failure"), said) == 0) {
            if (n < SHOWN_MAX) {
                printf("%s%s", n == 0 ? "  the same    " : ", ", cli_json_str(other, "id"));
            }
            n++;
        }
    }
    if (n > 0) {
        printf(n > SHOWN_MAX ? ", ... (%zu trials)\n" : "\n", n);
    }
    json_decref(list);
    return code;
}

/* As it was given to `run`, which writes $${ for ${. */
void cli_command_show(json_t *task)
{
    char *text = strdup(cli_json_str(task, "command")), *to = text;
    for (const char *from = text; from != NULL && *from != '\0'; from++) {
        from += strncmp(from, "$${", 3) == 0;
        *to++ = *from;
    }
    if (text != NULL && text[0] != '\0') {
        *to = '\0';
        json_object_set_new(task, "command", json_string(text));
    }
    free(text);
}

int cli_trial_show(struct cli *cli)
{
    task_id id;
    bool is_many;
    struct selector selector;
    cli_output output;
    struct client *client = NULL;
    const struct cli_kind *shown = is_trial_verb(cli) ? &cli_trial_kind : &cli_task_kind;
    int code = spans_argument(cli, &is_many, &selector, &id);
    if (code != EXIT_OK || !cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    if (is_many) {
        return spans_show(cli, shown, &selector);
    }
    code = cli_connect(cli, false, false, &client);
    if (code != EXIT_OK) {
        return code;
    }
    char path[128];
    json_t *trial = NULL, *attempts = NULL;
    const char *kind = is_trial_verb(cli) ? "trials" : "tasks";
    snprintf(path, sizeof path, "/api/v1/%s/%u.%u", kind, id.job, id.index);
    code = client_get_json(cli, &client, path, &trial);
    if (code == EXIT_OK && !cli_output_is_text(cli, output)) {
        code = cli_print_kind(cli, shown, trial);
    } else if (code == EXIT_OK) {
        if (cli_json_int(trial, "failures") + cli_json_int(trial, "lost") > 0) {
            snprintf(path, sizeof path, "/api/v1/%s/%u.%u/attempts", kind, id.job, id.index);
            code = client_get_json(cli, &client, path, &attempts);
            failure_print(attempts);
        }
        cli_command_show(trial);
        cli_make_printable(trial);
        trial_print(trial);
        cli_checkpoints_print(trial);
        if (code == EXIT_OK && is_trial_verb(cli)) {
            code = others_print(cli, &client, trial, id.job);
        }
    }
    json_decref(trial);
    json_decref(attempts);
    client_close(client);
    return code;
}

int verb_trial_show(struct cli *cli)
{
    return cli_trial_show(cli);
}

/* Only those that the argument names. */
static void items_pick(json_t *list, const struct selector *selector)
{
    json_t *items = json_object_get(list, "items"), *kept = json_array(), *item;
    size_t i;
    json_array_foreach(items, i, item)
    {
        task_id id;
        if (task_id_parse(cli_json_str(item, "id"), &id) == OK &&
            selector_has(selector, true, id)) {
            json_array_append(kept, item);
        }
    }
    json_object_set_new(list, "total", json_integer((json_int_t)json_array_size(kept)));
    json_object_set_new(list, "items", kept);
}

int cli_tasks_fetch(struct cli *cli, struct client **client, const struct cli_kind *kind,
                    const struct selector *selector, json_t **ret_list)
{
    char path[64], query[32];
    json_t *list = NULL;
    bool is_trials = kind == &cli_trial_kind;
    uint32_t job = selector_job(selector);
    bool is_whole =
        job != 0 && selector->spans[0].index_from == 1 && selector->spans[0].index_to == UINT32_MAX;
    bool is_plain = cli_option(cli, "filter") == NULL && cli_option(cli, "owner") == NULL;
    int code;
    snprintf(path, sizeof path, "/api/v1/%ss", is_trials ? "trial" : "task");
    snprintf(query, sizeof query, "%s=%u", is_trials ? "sweep" : "job", job);
    if (is_whole && is_trials && is_plain) {
        snprintf(path, sizeof path, "/api/v1/sweeps/%u/trials", job); /* says if there is none */
    }
    if (selector->n == 0 || is_whole) {
        bool is_asked = is_whole && !(is_trials && is_plain);
        code = list_fetch(cli, client, kind, path, is_asked ? query : NULL, &list);
    } else {
        code = list_fetch_all(cli, client, path, job != 0 ? query : NULL, &list);
        if (code == EXIT_OK) {
            items_pick(list, selector);
            code = list_narrow(cli, kind, list);
        }
    }
    if (code != EXIT_OK) {
        json_decref(list);
        return code;
    }
    *ret_list = list;
    return EXIT_OK;
}

/* Does --filter say which sweep? */
static bool filter_names_sweep(const struct cli *cli)
{
    const char *filter;
    for (int k = 0; (filter = cli_option_at(cli, "filter", k)) != NULL; k++) {
        if (strncmp(filter, "sweep=", 6) == 0) {
            return true;
        }
    }
    return false;
}

int verb_trial_list(struct cli *cli)
{
    struct selector selector = {.is_last = cli->n_arguments == 0 && !filter_names_sweep(cli)};
    struct client *client = NULL;
    json_t *list = NULL;
    uint32_t number = 0;
    int code = list_check(cli, &cli_trial_kind);
    if (code == EXIT_OK && cli->n_arguments > 0) {
        code = selector_parse(cli->arguments[0], true, &selector);
    }
    code = code == EXIT_OK ? cli_connect(cli, false, false, &client) : code;
    if (code == EXIT_OK && selector.is_last) {
        code = cli_sweep_number(cli, &client, NULL, &number);
        selector_put(&selector, (task_id){number, 0});
        selector.is_last = false;
    }
    code =
        code == EXIT_OK ? cli_tasks_fetch(cli, &client, &cli_trial_kind, &selector, &list) : code;
    code = code == EXIT_OK ? cli_print_list(cli, &cli_trial_kind, list) : code;
    json_decref(list);
    client_close(client);
    return code;
}

static bool tail_check(const char *text)
{
    uint64_t number;
    return cli_number("--tail", text, UINT32_MAX, &number);
}

/* ---- logs of several ---- */

struct logs_each {
    struct cli *cli;
    struct client **client;
    struct logs_wanted *wanted;
    bool has_heads; /* a line before each that says whose it is */
    bool is_next;
    int failed;
};

static int on_item_logs(void *context, json_t *item)
{
    struct logs_each *each = context;
    const char *id = cli_json_str(item, "id");
    ignore_error(task_id_parse(id, &each->wanted->id), "it was parsed before");
    if (each->has_heads) {
        printf("%s== %s ==\n", each->is_next ? "\n" : "", id);
    }
    each->is_next = true;
    int code = cli_logs(each->cli, each->client, each->wanted);
    if (code == EXIT_INTERRUPTED || code == EXIT_UNREACHABLE) {
        return code;
    }
    each->failed = code != EXIT_OK ? EXIT_REQUEST : each->failed;
    return EXIT_OK;
}

/* One after the other; one stream alone is put together as cat does. */
static int logs_of_many(struct cli *cli, struct client **client, const struct selector *selector,
                        struct logs_wanted *wanted)
{
    struct logs_each each = {.cli = cli,
                             .client = client,
                             .wanted = wanted,
                             .has_heads = cli_option(cli, "stream") == NULL};
    const struct span_walk walk = {.cli = cli,
                                   .client = client,
                                   .selector = selector,
                                   .is_trials = wanted->is_trial,
                                   .is_strict = true,
                                   .on_item = on_item_logs,
                                   .context = &each};
    int code = spans_walk(&walk);
    return code != EXIT_OK ? code : each.failed;
}

static bool node_check(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strspn(name, allowed);
    if (n == 0 || n > NODE_NAME_MAX || name[n] != '\0') {
        (void)cli_fail(EXIT_USAGE, "--node wants the name of a node, not '%s'", name);
        return false;
    }
    return true;
}

int verb_trial_logs(struct cli *cli)
{
    bool is_many;
    struct selector selector;
    struct logs_wanted wanted = {
        .is_trial = is_trial_verb(cli),
        .is_following = cli_option(cli, "follow") != NULL,
        .out = stdout,
        .err = stdout,
        .node = cli_option(cli, "node"),
        .tail = cli_option(cli, "tail"),
    };
    uint64_t number = 0;
    struct client *client = NULL;
    const char *stream = cli_option(cli, "stream"), *attempt = cli_option(cli, "attempt");
    int code = spans_argument(cli, &is_many, &selector, &wanted.id);
    if (code != EXIT_OK ||
        (attempt != NULL && !cli_number("--attempt", attempt, UINT32_MAX, &number)) ||
        (wanted.node != NULL && !node_check(wanted.node)) ||
        (wanted.tail != NULL && !tail_check(wanted.tail))) {
        return EXIT_USAGE;
    }
    if (stream != NULL && strcmp(stream, "out") != 0 && strcmp(stream, "err") != 0) {
        return cli_fail(EXIT_USAGE, "--stream wants out or err, not '%s'", stream);
    }
    if (is_many && wanted.is_following) {
        return cli_fail(EXIT_USAGE, "--follow wants one, as 12.41, not '%s'", cli->arguments[0]);
    }
    wanted.has_attempt = attempt != NULL;
    wanted.attempt = (uint32_t)number;
    if (stream != NULL && strcmp(stream, "out") == 0) {
        wanted.err = NULL;
    } else if (stream != NULL) {
        wanted.out = NULL;
        wanted.err = stderr;
    }
    code = cli_connect(cli, false, false, &client);
    if (code != EXIT_OK) {
        return code;
    }
    cli_interrupt_catch(cli);
    code =
        is_many ? logs_of_many(cli, &client, &selector, &wanted) : cli_logs(cli, &client, &wanted);
    client_close(client);
    return code;
}
