/* muster status, node list, explain, events. */
#include <string.h>
#include <unistd.h>

#include "cli/list.h"

/* A Redis of somebody else's: what it keeps, and how much of its memory is left. */
static void status_store_print(const json_t *status)
{
    char used[32], max[32];
    if (strcmp(cli_json_str(status, "store_kind"), "external") != 0) {
        return;
    }
    snprintf(used, sizeof used, "%.1f", (double)cli_json_int(status, "store_memory") / (1 << 20));
    snprintf(max, sizeof max, "%.1f", (double)cli_json_int(status, "store_memory_max") / (1 << 20));
    bool has_max = cli_json_int(status, "store_memory_max") > 0;
    printf("          external, %s; if its machine dies it may lose %s; %s%s%s MiB in use\n",
           cli_json_str(status, "store_policy"), cli_json_str(status, "store_loss"), used,
           has_max ? " of " : "", has_max ? max : "");
}

static void status_depot_print(const json_t *status)
{
    const double mib = 1 << 20;
    printf("  depot   %.1f of %.0f MiB of work folders\n",
           (double)cli_json_int(status, "depot") / mib,
           (double)cli_json_int(status, "depot_max") / mib);
}

int verb_status(struct cli *cli)
{
    json_t *status = NULL;
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    int code = cli_get(cli, "/api/v1/status", &status);
    if (code == EXIT_OK && !cli_output_is_text(cli, output)) {
        code = cli_print_kind(cli, &cli_status_kind, status);
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
        status_store_print(status);
        status_depot_print(status);
        printf("  http    %s%s\n", cli_json_str(status, "http"),
               json_is_true(cli_json_get(status, "http_insecure"))
                   ? "  INSECURE: tokens cross the network unencrypted"
                   : "");
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
    if (code == EXIT_OK && !cli_output_is_text(cli, output)) {
        code = cli_print_object(cli, answer);
    } else if (code == EXIT_OK) {
        cli_make_printable(answer);
        puts(cli_json_str(answer, "text"));
    }
    if (code == EXIT_OK && json_is_false(cli_json_get(answer, "can_run"))) {
        code = EXIT_NEVER;
    }
    json_decref(answer);
    return code;
}
