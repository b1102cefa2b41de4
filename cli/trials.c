/* muster trial ..., muster task ...: one or many, and what they wrote. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/logs.h"

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
    printf("%.*s\n", (int)(n - from), text + from);
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
        {"state", "state"},
        {"outcome", "outcome"},
        {"why", "why"},
        {"reason", "reason"},
        {"params", "params"},
        {"command", "command"},
        {"step", "step"},
        {"best", "best.metrics"},
        {"at step", "best.step"},
        {"last", "last.metrics"},
        {"checkpoint", "checkpoint"},
        {"node", "node"},
        {"pid", "pid"},
        {"gpus", "gpus"},
        {"attempts", "attempts"},
        {"failures", "failures"},
        {"lost", "lost"},
        {"exit", "exit_code"},
        {"signal", "signal"},
        {"created", "created"},
        {"started", "started"},
        {"ended", "ended"},
    };
    printf("%s\n", cli_json_str(trial, "id"));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[2048];
        cli_value_print(cli_json_get(trial, lines[i].path), text, sizeof text);
        /* An exit code is there only where a process exited. */
        bool has_exited = cli_json_int(trial, "signal") == 0 &&
                          strcmp(cli_json_str(trial, "state"), "ended") == 0 &&
                          cli_json_str(trial, "started")[0] != '\0';
        bool is_zero =
            strcmp(text, "0") == 0 && (strcmp(lines[i].title, "exit") != 0 || !has_exited);
        if (text[0] != '\0' && !is_zero) {
            printf("  %-11s %s\n", lines[i].title, text);
        }
    }
}

/* As it was given to `run`, which writes $${ for ${. */
static void command_show(json_t *task)
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

static int show(struct cli *cli)
{
    task_id id;
    cli_output output;
    struct client *client = NULL;
    int code = cli_task_id(cli->arguments[0], &id);
    if (code != EXIT_OK || !cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
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
    if (code == EXIT_OK && output != OUTPUT_TABLE) {
        code = cli_print_object(cli, trial);
    } else if (code == EXIT_OK) {
        if (cli_json_int(trial, "failures") + cli_json_int(trial, "lost") > 0) {
            snprintf(path, sizeof path, "/api/v1/%s/%u.%u/attempts", kind, id.job, id.index);
            code = client_get_json(cli, &client, path, &attempts);
            failure_print(attempts);
        }
        command_show(trial);
        trial_print(trial);
    }
    json_decref(trial);
    json_decref(attempts);
    client_close(client);
    return code;
}

int verb_trial_show(struct cli *cli)
{
    return show(cli);
}

int verb_task_show(struct cli *cli)
{
    return show(cli);
}

/* For the table: "3", "signal 9", and nothing where no process ended. */
static void tasks_exit_add(const struct cli *cli, json_t *list)
{
    cli_output output;
    json_t *items = json_object_get(list, "items"), *task;
    size_t i;
    if (!cli_output_parse(cli, &output) || output != OUTPUT_TABLE) {
        return;
    }
    json_array_foreach(items, i, task)
    {
        char text[32] = "";
        int64_t signal = cli_json_int(task, "signal");
        bool has_ended = strcmp(cli_json_str(task, "state"), "ended") == 0 &&
                         cli_json_str(task, "started")[0] != '\0';
        if (has_ended) {
            snprintf(text, sizeof text, signal > 0 ? "signal %lld" : "%lld",
                     (long long)(signal > 0 ? signal : cli_json_int(task, "exit_code")));
        }
        json_object_set_new(task, "exit", json_string(text));
        command_show(task);
    }
}

int verb_task_list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"ID", "id", true},
        {"STATE", "state", false},
        {"OUTCOME", "outcome", false},
        {"EXIT", "exit", true},
        {"ATTEMPTS", "attempts", true},
        {"NODE", "node", false},
        {"CREATED", "created", false},
        {"COMMAND", "command", false},
    };
    struct buf path;
    json_t *list = NULL;
    buf_init(&path, 4096);
    int code = cli_list_query(cli, "/api/v1/tasks", &path);
    code = code == EXIT_OK ? cli_get(cli, buf_text(&path), &list) : code;
    if (code == EXIT_OK) {
        tasks_exit_add(cli, list);
        code = cli_print_items(cli, list, columns, sizeof columns / sizeof columns[0]);
    }
    json_decref(list);
    buf_fini(&path);
    return code;
}

int verb_trial_cancel(struct cli *cli)
{
    task_id id;
    int64_t grace_ms = -1;
    struct client *client = NULL;
    struct client_answer answer;
    const char *grace = cli_option(cli, "grace");
    int code = cli_task_id(cli->arguments[0], &id);
    if (code != EXIT_OK || (grace != NULL && !cli_duration("--grace", grace, &grace_ms))) {
        return EXIT_USAGE;
    }
    code = cli_connect(cli, false, false, &client);
    if (code != EXIT_OK) {
        return code;
    }
    char path[128], body[64] = "{}";
    json_t *task = NULL;
    const char *kind = is_trial_verb(cli) ? "trials" : "tasks";
    snprintf(path, sizeof path, "/api/v1/%s/%u.%u", kind, id.job, id.index);
    code = client_get_json(cli, &client, path, &task);
    bool has_ended = code == EXIT_OK && strcmp(cli_json_str(task, "state"), "ended") == 0;
    if (has_ended) {
        fprintf(stderr, "%s has ended already: %s\n", cli->arguments[0],
                cli_json_str(task, "outcome"));
    }
    json_decref(task);
    if (code != EXIT_OK || has_ended) {
        client_close(client);
        return code;
    }
    snprintf(path, sizeof path, "/api/v1/%s/%u.%u/cancel", kind, id.job, id.index);
    if (grace_ms >= 0) {
        snprintf(body, sizeof body, "{\"grace_ms\":%lld}", (long long)grace_ms);
    }
    code = client_call_patiently(cli, &client, "POST", path, body, NULL, &answer);
    if (code == EXIT_OK) {
        code = answer.status == 200 ? EXIT_OK : client_answer_fail(&answer);
        client_answer_fini(&answer);
    }
    if (code == EXIT_OK) {
        fprintf(stderr, "%s is being cancelled\n", cli->arguments[0]);
    }
    client_close(client);
    return code;
}

static bool tail_check(const char *text)
{
    uint64_t number;
    return cli_number("--tail", text, UINT32_MAX, &number);
}

int verb_trial_logs(struct cli *cli)
{
    struct logs_wanted wanted = {
        .is_trial = is_trial_verb(cli),
        .is_following = cli_option(cli, "follow") != NULL,
        .out = stdout,
        .err = stdout,
        .tail = cli_option(cli, "tail"),
    };
    uint64_t number = 0;
    struct client *client = NULL;
    const char *stream = cli_option(cli, "stream"), *attempt = cli_option(cli, "attempt");
    int code = cli_task_id(cli->arguments[0], &wanted.id);
    if (code != EXIT_OK ||
        (attempt != NULL && !cli_number("--attempt", attempt, UINT32_MAX, &number)) ||
        (wanted.tail != NULL && !tail_check(wanted.tail))) {
        return EXIT_USAGE;
    }
    if (stream != NULL && strcmp(stream, "out") != 0 && strcmp(stream, "err") != 0) {
        return cli_fail(EXIT_USAGE, "--stream wants out or err, not '%s'", stream);
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
    cli_interrupt_catch();
    code = cli_logs(cli, &client, &wanted);
    client_close(client);
    return code;
}
