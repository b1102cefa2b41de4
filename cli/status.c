/* muster status, node list, explain, events. */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

int verb_status(struct cli *cli)
{
    json_t *status = NULL;
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    int code = cli_get(cli, "/api/v1/status", &status);
    if (code == EXIT_OK && output != OUTPUT_TABLE) {
        code = cli_print_object(cli, status);
    } else if (code == EXIT_OK) {
        char cpus[32], cpus_used[32], gpus[32], gpus_used[32];
        cli_value_print(cli_json_get(status, "cpus"), cpus, sizeof cpus);
        cli_value_print(cli_json_get(status, "cpus_used"), cpus_used, sizeof cpus_used);
        cli_value_print(cli_json_get(status, "gpus"), gpus, sizeof gpus);
        cli_value_print(cli_json_get(status, "gpus_used"), gpus_used, sizeof gpus_used);
        printf("muster %s  %s  pid %lld  since %s\n", cli_json_str(status, "version"),
               cli_json_str(status, "state_dir"), (long long)cli_json_int(status, "pid"),
               cli_json_str(status, "started"));
        printf("  store   %s", cli_json_str(status, "store"));
        double age = json_number_value(cli_json_get(status, "store_age"));
        printf(age > 1 ? ", waiting for %.0f s\n" : "\n", age);
        printf("  nodes   %lld of %lld alive, cpus %s/%s, gpus %s/%s in use\n",
               (long long)cli_json_int(status, "nodes_alive"),
               (long long)cli_json_int(status, "nodes"), cpus_used, cpus, gpus_used, gpus);
        printf("  work    %lld sweeps active; tasks: %lld queued, %lld leased, %lld running, %lld "
               "stopping, %lld ended\n",
               (long long)cli_json_int(status, "sweeps_active"),
               (long long)cli_json_int(status, "tasks_queued"),
               (long long)cli_json_int(status, "tasks_leased"),
               (long long)cli_json_int(status, "tasks_running"),
               (long long)cli_json_int(status, "tasks_stopping"),
               (long long)cli_json_int(status, "tasks_ended"));
    }
    json_decref(status);
    return code;
}

/* For the table: 23.5G. */
static void nodes_memory_add(const struct cli *cli, json_t *list)
{
    cli_output output;
    json_t *items = json_object_get(list, "items"), *node;
    size_t i;
    if (!cli_output_parse(cli, &output) || output != OUTPUT_TABLE) {
        return;
    }
    json_array_foreach(items, i, node)
    {
        static const char units[] = "BKMGT";
        char text[32];
        double memory = (double)cli_json_int(node, "memory");
        int unit = 0;
        for (; memory >= 1024 && units[unit + 1] != '\0'; unit++) {
            memory /= 1024;
        }
        snprintf(text, sizeof text, "%.4g%c", memory, units[unit]);
        json_object_set_new(node, "memory_text", json_string(text));
    }
}

int verb_node_list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"NAME", "name", false}, {"STATE", "state", false},   {"HOST", "host", false},
        {"CPUS", "cpus", true},  {"USED", "cpus_used", true}, {"MEMORY", "memory_text", true},
        {"GPUS", "gpus", false}, {"USED", "gpus_used", true}, {"RUN", "running", true},
        {"PID", "pid", true},    {"JOINED", "joined", false},
    };
    json_t *list = NULL;
    int code = cli_get(cli, "/api/v1/nodes", &list);
    if (code == EXIT_OK) {
        nodes_memory_add(cli, list);
        code = cli_print_items(cli, list, columns, sizeof columns / sizeof columns[0]);
    }
    json_decref(list);
    return code;
}

int verb_explain(struct cli *cli)
{
    const char *text = cli->arguments[0];
    char last[16];
    struct client *client = NULL;
    uint32_t number;
    if (strcmp(text, "last") == 0) {
        int found = cli_connect(cli, false, false, &client);
        found = found == EXIT_OK ? cli_sweep_number(cli, &client, NULL, &number) : found;
        client_close(client);
        if (found != EXIT_OK) {
            return found;
        }
        snprintf(last, sizeof last, "%u", number);
        text = last;
    }
    if (strspn(text, "0123456789.") != strlen(text) || strlen(text) > 30) {
        return cli_fail(EXIT_USAGE,
                        "explain wants a sweep, task or trial, e.g. 12 or 12.41, not '%s'", text);
    }
    cli_output output;
    char path[128];
    json_t *answer = NULL;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    snprintf(path, sizeof path, "/api/v1/explain/%s", text);
    int code = cli_get(cli, path, &answer);
    if (code == EXIT_OK && output != OUTPUT_TABLE) {
        code = cli_print_object(cli, answer);
    } else if (code == EXIT_OK) {
        puts(cli_json_str(answer, "text"));
    }
    if (code == EXIT_OK && json_is_false(cli_json_get(answer, "can_run"))) {
        code = EXIT_NEVER;
    }
    json_decref(answer);
    return code;
}

/* ---- events ---- */

struct events {
    struct buf line;
    char last_id[64];
    bool is_following;
    cli_output output;
    unsigned n; /* items of the one JSON value */
};

static void event_line(struct events *events, const char *line)
{
    if (strncmp(line, "id: ", 4) == 0) {
        snprintf(events->last_id, sizeof events->last_id, "%.60s", line + 4);
    }
    if (strncmp(line, "data: ", 6) != 0) {
        return;
    }
    if (events->output == OUTPUT_JSON && !events->is_following) {
        printf("%s\n%s", events->n > 0 ? "," : "", line + 6);
        events->n++;
    } else if (events->output != OUTPUT_TABLE) {
        puts(line + 6);
    } else {
        json_t *event = json_loads(line + 6, 0, NULL);
        if (event != NULL && cli_json_str(event, "text")[0] != '\0') {
            printf("%s  %s\n", cli_json_str(event, "time"), cli_json_str(event, "text"));
        }
        json_decref(event);
    }
    fflush(stdout);
}

static bool on_event_data(void *context, const char *data, size_t size)
{
    struct events *events = context;
    for (size_t i = 0; i < size; i++) {
        if (data[i] != '\n') {
            ignore_error(buf_append_byte(&events->line, (uint8_t)data[i]),
                         "an overlong line is dropped below");
            continue;
        }
        if (events->line.failed == OK) {
            event_line(events, buf_text(&events->line));
        }
        buf_reset(&events->line);
    }
    return !cli_is_interrupted;
}

int verb_events(struct cli *cli)
{
    struct client *client = NULL;
    struct events events = {.is_following = cli_option(cli, "follow") != NULL};
    struct report report = {0};
    if (!cli_output_parse(cli, &events.output)) {
        return EXIT_USAGE;
    }
    int code = cli_connect(cli, false, false, &client);
    if (code != EXIT_OK) {
        return code;
    }
    cli_interrupt_catch();
    buf_init(&events.line, 1 << 20);
    bool is_list = events.output == OUTPUT_JSON && !events.is_following;
    fputs(is_list ? "{\"api\":\"v1\",\"items\":[" : "", stdout);
    for (int attempt = 0; attempt < 100 && !cli_is_interrupted; attempt++) {
        long status = 0;
        error_code error = client_stream(
            client, events.is_following ? "/api/v1/events" : "/api/v1/events?follow=0",
            events.last_id, on_event_data, &events, &status, &report);
        if (!events.is_following || cli_is_interrupted || (error == OK && status != 200)) {
            code = error == OK ? EXIT_OK : cli_fail_report(EXIT_UNREACHABLE, &report);
            break;
        }
        /* The head restarts: go on after the last event seen, wherever it then listens. */
        usleep(200000);
        struct client *again = NULL;
        if (client_open(cli, &again, NULL) == OK) {
            client_close(client);
            client = again;
        }
    }
    if (is_list) {
        printf("\n],\"total\":%u,\"next\":null}\n", events.n);
    }
    buf_fini(&events.line);
    client_close(client);
    return cli_is_interrupted ? EXIT_INTERRUPTED : code;
}
