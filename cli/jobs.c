/* Jobs: one in figures, and what waits for one. */
#include "cli/jobs.h"

#include <string.h>

#include "cli/kinds.h"
#include "cli/list.h"

int cli_job_get(struct cli *cli, struct client **client, uint32_t number, json_t **ret_job)
{
    char path[64];
    snprintf(path, sizeof path, "/api/v1/jobs/%u", number);
    return client_get_json(cli, client, path, ret_job);
}

int cli_job_failures_print(struct cli *cli, struct client **client, uint32_t number)
{
    enum { SHOWN_MAX = 8 };
    char path[64];
    json_t *list = NULL, *failure;
    size_t i;
    snprintf(path, sizeof path, "/api/v1/jobs/%u/failures", number);
    int code = client_get_json(cli, client, path, &list);
    if (code != EXIT_OK) {
        return code;
    }
    cli_make_printable(list);
    size_t n = json_array_size(json_object_get(list, "items"));
    json_array_foreach(json_object_get(list, "items"), i, failure)
    {
        if (i < SHOWN_MAX) {
            long long count = (long long)cli_json_int(failure, "count");
            printf("  %-10s %lld task%s, as %s: %s\n", i == 0 ? "failures" : "", count,
                   count == 1 ? "" : "s", cli_json_str(failure, "example"),
                   cli_json_str(failure, "message"));
        }
    }
    if (n > SHOWN_MAX) {
        printf("  %-10s ... and %zu messages more\n", "", n - SHOWN_MAX);
    }
    json_decref(list);
    return EXIT_OK;
}

static void job_line(const json_t *job, const char *title, const char *path)
{
    char text[2048];
    cli_value_print(cli_json_get(job, path), text, sizeof text);
    if (text[0] != '\0' && strcmp(text, "0") != 0) {
        printf("  %-10s %s\n", title, text);
    }
}

static void job_print(const json_t *job)
{
    static const char *const lines[][2] = {
        {"error", "error"},         {"command", "command"},   {"name", "name"},
        {"owner", "owner"},         {"labels", "labels"},     {"created", "created"},
        {"ended", "ended"},         {"priority", "priority"}, {"retries", "retries"},
        {"max fails", "max_fails"},
    };
    char text[256];
    double rate = json_number_value(json_object_get(job, "rate"));
    double duration = json_number_value(json_object_get(job, "duration"));
    const char *outcome = cli_json_str(job, "outcome");
    printf("%lld.[%s]  %s%s%s%s\n", (long long)cli_json_int(job, "id"), cli_json_str(job, "ids"),
           cli_json_str(job, "state"), outcome[0] != '\0' ? ": " : "", outcome,
           json_is_true(json_object_get(job, "dry"))
               ? "  dry: results came from a worker that runs no process"
               : "");
    cli_job_progress(job, rate, text, sizeof text);
    printf("  %-10s %s\n", "tasks", text);
    printf("  %-10s %lld queued, %lld leased, %lld running, %lld done, %lld failed, %lld "
           "cancelled\n",
           "", (long long)cli_json_int(job, "queued"), (long long)cli_json_int(job, "leased"),
           (long long)cli_json_int(job, "running"), (long long)cli_json_int(job, "done"),
           (long long)cli_json_int(job, "failed"), (long long)cli_json_int(job, "cancelled"));
    if (duration > 0) {
        char in_all[48] = "";
        if (rate > 0) {
            snprintf(in_all, sizeof in_all, ", %.3g/s in all", rate);
        }
        printf("  %-10s %.3g s on average%s, on %lld node%s\n", "each", duration, in_all,
               (long long)cli_json_int(job, "nodes"), cli_json_int(job, "nodes") == 1 ? "" : "s");
    }
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        job_line(job, lines[i][0], lines[i][1]);
    }
    if (json_is_true(json_object_get(job, "log_files"))) {
        printf("  %-10s arrays/%lld/tasks in the folder of each task's node\n", "log files",
               (long long)cli_json_int(job, "id"));
    }
}

int cli_job_show(struct cli *cli, struct client **client, json_t *job)
{
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    if (!cli_output_is_text(cli, output)) {
        return cli_print_kind(cli, &cli_job_kind, job);
    }
    cli_make_printable(job);
    job_print(job);
    return cli_job_failures_print(cli, client, (uint32_t)cli_json_int(job, "id"));
}

static void one_print(struct cli *cli, task_id id, json_t *task)
{
    cli_output output;
    if (cli_output_parse(cli, &output) && !cli_output_is_text(cli, output)) {
        ignore_error(cli_print_kind(cli, &cli_task_kind, task) == EXIT_OK ? OK : ERR_INVALID,
                     "it has said so");
        return;
    }
    cli_make_printable(task);
    printf("task %u.%u %s%s%s%s\n", id.job, id.index, cli_json_str(task, "outcome"),
           json_is_true(json_object_get(task, "dry")) ? ", dry" : "",
           cli_json_str(task, "reason")[0] != '\0' ? ": " : "", cli_json_str(task, "reason"));
}

/* One task of several: its job's end is not what is asked for. */
static int wait_one(struct cli *cli, struct client **client, task_id id, int64_t timeout_ms)
{
    json_t *task = NULL;
    char path[64];
    int code = cli_task_wait(cli, client, id, timeout_ms);
    snprintf(path, sizeof path, "/api/v1/tasks/%u.%u", id.job, id.index);
    code = code == EXIT_OK ? client_get_json(cli, client, path, &task) : code;
    if (code == EXIT_OK) {
        one_print(cli, id, task);
        const char *outcome = cli_json_str(task, "outcome");
        code = strcmp(outcome, "done") == 0     ? EXIT_OK
               : strcmp(outcome, "failed") == 0 ? EXIT_WAITED_FAILED
                                                : EXIT_CANCELLED;
    }
    json_decref(task);
    return code;
}

int verb_task_wait(struct cli *cli)
{
    struct selector selector;
    struct client *client = NULL;
    int64_t timeout_ms = -1;
    cli_output output;
    const char *timeout = cli_option(cli, "timeout");
    if (!cli_output_parse(cli, &output) ||
        (timeout != NULL && !cli_duration("--timeout", timeout, &timeout_ms))) {
        return EXIT_USAGE;
    }
    int code = selector_parse(cli->arguments[0], true, &selector);
    const struct selector_span *span = &selector.spans[0];
    bool is_one = code == EXIT_OK && selector.n == 1 && span->job_from == span->job_to;
    bool is_whole = is_one && span->index_from == 1 && span->index_to == UINT32_MAX;
    if (code == EXIT_OK && (!is_one || (!is_whole && span->index_from != span->index_to))) {
        code = cli_fail(EXIT_USAGE, "wait wants one task or array, as 7 or 7.55, not '%s'",
                        cli->arguments[0]);
    }
    code = code == EXIT_OK ? cli_connect(cli, false, false, &client) : code;
    if (code == EXIT_OK && is_whole) {
        code = cli_job_watch(cli, &client, span->job_from, cli_option(cli, "quiet") != NULL,
                             timeout_ms);
    } else if (code == EXIT_OK) {
        code = wait_one(cli, &client, (task_id){span->job_from, span->index_from}, timeout_ms);
    }
    client_close(client);
    return code;
}
