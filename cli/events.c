/* muster events: what happened, and with -f what happens, over a head that is restarted too. */
#include <string.h>
#include <unistd.h>

#include "cli/kinds.h"
#include "cli/text.h"

struct events {
    struct buf line;
    char last_id[64];
    bool is_following;
    cli_output output;
    json_t *items; /* of one value that is printed in the end; NULL: each is printed as it comes */
};

static void event_line(struct events *events, const char *line)
{
    if (strncmp(line, "id: ", 4) == 0) {
        snprintf(events->last_id, sizeof events->last_id, "%.60s", line + 4);
    }
    if (strncmp(line, "data: ", 6) != 0) {
        return;
    }
    if (events->items != NULL) {
        json_t *event = json_loads(line + 6, 0, NULL);
        if (event != NULL) {
            json_array_append_new(events->items, event);
        }
    } else if (events->output != OUTPUT_TABLE && events->output != OUTPUT_WIDE) {
        puts(line + 6);
    } else {
        json_t *event = json_loads(line + 6, 0, NULL);
        if (event != NULL && cli_json_str(event, "text")[0] != '\0') {
            char text[2048];
            snprintf(text, sizeof text, "%s  %s", cli_json_str(event, "time"),
                     cli_json_str(event, "text"));
            text_make_printable(text);
            puts(text);
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
    bool is_stream = events.is_following || cli_output_is_text(cli, events.output);
    if (events.is_following && events.output > OUTPUT_NDJSON) {
        return cli_fail(EXIT_USAGE, "events -f is printed as table, json or ndjson");
    }
    int code = cli_connect(cli, false, false, &client);
    if (code != EXIT_OK) {
        return code;
    }
    cli_interrupt_catch(cli);
    buf_init(&events.line, 1 << 20);
    events.items = is_stream ? NULL : json_array();
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
    if (events.items != NULL && code == EXIT_OK && !cli_is_interrupted) {
        json_t *list = json_pack("{s:s, s:O, s:i, s:n}", "api", "v1", "items", events.items,
                                 "total", (int)json_array_size(events.items), "next");
        code = cli_print_list(cli, &cli_event_kind, list);
        json_decref(list);
    }
    json_decref(events.items);
    buf_fini(&events.line);
    client_close(client);
    return cli_is_interrupted ? EXIT_INTERRUPTED : code;
}
