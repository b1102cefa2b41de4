/* muster node ... */
#include <stdlib.h>
#include <string.h>

#include "cli/acts.h"
#include "cli/list.h"

int verb_node_list(struct cli *cli)
{
    return list_show(cli, &cli_node_kind, "/api/v1/nodes");
}

/* ---- one ---- */

static void node_line(const json_t *node, const char *title, const char *path)
{
    char text[2048];
    const json_t *value = cli_json_get(node, path);
    cli_value_print(value, text, sizeof text);
    if (text[0] != '\0' && strcmp(text, "0") != 0 && !json_is_false(value)) {
        printf("  %-11s %s\n", title, text);
    }
}

static void node_print(const json_t *node)
{
    static const char *const lines[][2] = {
        {"host", "host"},          {"pid", "pid"},           {"version", "version"},
        {"joined", "joined"},      {"heard", "heard"},       {"labels", "labels"},
        {"cordoned", "cordoned"},  {"why", "cordon_reason"}, {"drain until", "drain_deadline"},
        {"drain", "drain_reason"},
    };
    char cpus[32], cpus_used[32], gpus_used[32];
    const double gib = 1024.0 * 1024 * 1024;
    cli_value_print(cli_json_get(node, "cpus"), cpus, sizeof cpus);
    cli_value_print(cli_json_get(node, "cpus_used"), cpus_used, sizeof cpus_used);
    cli_value_print(cli_json_get(node, "gpus_used"), gpus_used, sizeof gpus_used);
    printf("%s  %s%s\n", cli_json_str(node, "name"), cli_json_str(node, "state"),
           json_is_true(cli_json_get(node, "dry")) ? ", dry: it runs no process" : "");
    printf("  %-11s cpus %s/%s, memory %.4g/%.4g GiB, gpus %s/%zu in use\n", "resources", cpus_used,
           cpus, (double)cli_json_int(node, "memory_used") / gib,
           (double)cli_json_int(node, "memory") / gib, gpus_used,
           json_array_size(cli_json_get(node, "gpus")));
    if (cli_json_int(node, "cache_max") > 0) {
        printf("  %-11s %.1f of %.0f MiB of work folders\n", "cache",
               (double)cli_json_int(node, "cache") / (1 << 20),
               (double)cli_json_int(node, "cache_max") / (1 << 20));
    }
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        node_line(node, lines[i][0], lines[i][1]);
    }
    long long owes = (long long)cli_json_int(node, "drain_owes");
    if (owes > 0) {
        printf("  %-11s %lld snapshot%s to copy that no other node has: %s\n", "waits for", owes,
               owes == 1 ? "" : "s", cli_json_str(node, "drain_text"));
    }
    size_t i;
    json_t *aside;
    json_array_foreach((json_t *)(uintptr_t)cli_json_get(node, "set_aside"), i, aside)
    {
        printf("  %-11s sweep %lld: %s\n", "set aside", (long long)cli_json_int(aside, "sweep"),
               cli_json_str(aside, "reason"));
    }
}

/* Or a part of it, of a trial on several nodes. */
static bool item_is_on(const json_t *item, const char *name)
{
    bool is_on = strcmp(cli_json_str(item, "node"), name) == 0;
    size_t i;
    json_t *node;
    json_array_foreach(json_object_get(item, "nodes"), i, node)
    {
        is_on |= strcmp(json_string_value(node), name) == 0;
    }
    return is_on;
}

/* What runs on it, of both kinds. */
static int node_work_print(struct cli *cli, struct client **client, const char *name)
{
    static const struct {
        const char *path;
        const struct cli_kind *kind;
    } kinds[] = {{"/api/v1/trials", &cli_trial_kind}, {"/api/v1/tasks", &cli_task_kind}};
    int code = EXIT_OK;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0] && code == EXIT_OK; k++) {
        json_t *list = NULL, *kept = json_array(), *item;
        size_t i;
        code = list_fetch_all(cli, client, kinds[k].path, "state=running", &list);
        json_array_foreach(json_object_get(list, "items"), i, item)
        {
            if (item_is_on(item, name)) {
                json_array_append(kept, item);
            }
        }
        if (code == EXIT_OK && json_array_size(kept) > 0) {
            printf("\nrunning %s\n", kinds[k].kind->what);
            json_object_set(list, "items", kept);
            code = cli_print_list(cli, kinds[k].kind, list);
        }
        json_decref(kept);
        json_decref(list);
    }
    return code;
}

/* The nodes' names, for an error. */
static int node_unknown(const json_t *nodes, const char *name)
{
    struct buf names;
    size_t i;
    json_t *node;
    buf_init(&names, 4096);
    json_array_foreach((json_t *)(uintptr_t)nodes, i, node)
    {
        ignore_error(buf_printf(&names, "%s%s", i > 0 ? ", " : "", cli_json_str(node, "name")),
                     "shown as far as it goes");
    }
    int code = json_array_size(nodes) == 0
                   ? cli_fail(EXIT_NOT_FOUND, "there is no node '%s'; none has joined yet", name)
                   : cli_fail(EXIT_NOT_FOUND, "there is no node '%s'; there are %s", name,
                              buf_text(&names));
    buf_fini(&names);
    return code;
}

static int node_find(struct cli *cli, struct client **client, const char *name, json_t **ret_node)
{
    json_t *list = NULL, *node, *found = NULL;
    size_t i;
    int code = list_fetch_all(cli, client, "/api/v1/nodes", NULL, &list);
    if (code != EXIT_OK) {
        return code;
    }
    json_array_foreach(json_object_get(list, "items"), i, node)
    {
        if (strcmp(cli_json_str(node, "name"), name) == 0) {
            found = json_incref(node);
        }
    }
    code = found != NULL ? EXIT_OK : node_unknown(json_object_get(list, "items"), name);
    json_decref(list);
    *ret_node = found;
    return code;
}

int verb_node_show(struct cli *cli)
{
    struct client *client = NULL;
    json_t *node = NULL;
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    int code = cli_connect(cli, false, false, &client);
    code = code == EXIT_OK ? node_find(cli, &client, cli->arguments[0], &node) : code;
    if (code == EXIT_OK && !cli_output_is_text(cli, output)) {
        code = cli_print_kind(cli, &cli_node_kind, node);
    } else if (code == EXIT_OK) {
        cli_make_printable(node);
        node_print(node);
        code = node_work_print(cli, &client, cli->arguments[0]);
    }
    json_decref(node);
    client_close(client);
    return code;
}

/* ---- changing ---- */

static int node_post(struct cli *cli, struct client **client, const char *name, const char *verb,
                     json_t *body, json_t **ret_answer)
{
    struct buf path;
    char *text = json_dumps(body, JSON_COMPACT);
    buf_init(&path, 4096);
    ignore_error(buf_append_text(&path, "/api/v1/nodes/"), "checked below");
    url_append(&path, name);
    ignore_error(buf_printf(&path, "/%s", verb), "checked below");
    int code = text == NULL        ? cli_fail(EXIT_USAGE, "that is not UTF-8 text")
               : path.failed != OK ? cli_fail(EXIT_USAGE, "too long a name")
                                   : act_post(cli, client, buf_text(&path), text, NULL, ret_answer);
    free(text);
    buf_fini(&path);
    return code;
}

/* Each of the nodes that are named. */
static int nodes_act(struct cli *cli, const char *verb, const char *past, json_t *body)
{
    struct client *client = NULL;
    int code = cli_connect(cli, false, false, &client);
    for (int i = 0; code != EXIT_UNREACHABLE && client != NULL && i < cli->n_arguments; i++) {
        int one = node_post(cli, &client, cli->arguments[i], verb, body, NULL);
        if (one == EXIT_OK) {
            fprintf(stderr, "node %s %s\n", cli->arguments[i], past);
        } else {
            code = cli->n_arguments == 1 ? one : EXIT_REQUEST;
        }
    }
    json_decref(body);
    client_close(client);
    return code;
}

static json_t *reason_body(const struct cli *cli)
{
    const char *reason = cli_option(cli, "reason");
    json_t *body = json_object();
    if (reason != NULL) {
        json_object_set_new(body, "reason", json_string(reason));
    }
    return body;
}

int verb_node_drain(struct cli *cli)
{
    const char *deadline = cli_option(cli, "deadline");
    int64_t deadline_ms = 60000;
    if (deadline != NULL && !cli_duration("--deadline", deadline, &deadline_ms)) {
        return EXIT_USAGE;
    }
    json_t *body = reason_body(cli);
    json_object_set_new(body, "deadline_s", json_integer((deadline_ms + 999) / 1000));
    return nodes_act(cli, "drain", "is being drained; 'muster node show' shows how far it is",
                     body);
}

int verb_node_cordon(struct cli *cli)
{
    return nodes_act(cli, "cordon", "gets nothing new", reason_body(cli));
}

int verb_node_resume(struct cli *cli)
{
    return nodes_act(cli, "resume", "is used again", json_object());
}

int verb_node_rm(struct cli *cli)
{
    return nodes_act(cli, "rm", "is forgotten", json_object());
}

static void labels_print(const struct cli *cli, const json_t *node)
{
    const char *name;
    json_t *value;
    (void)cli;
    json_object_foreach((json_t *)(uintptr_t)cli_json_get(node, "labels"), name, value)
    {
        char text[1024];
        cli_value_print(value, text, sizeof text);
        printf("%s=%s\n", name, text);
    }
}

int verb_node_label(struct cli *cli)
{
    struct client *client = NULL;
    json_t *set = json_object(), *gone = json_array(), *node = NULL;
    const char *text;
    int code = EXIT_OK;
    for (int i = 1; i < cli->n_arguments && code == EXIT_OK; i++) {
        const char *equals = strchr(cli->arguments[i], '=');
        if (equals == NULL || equals == cli->arguments[i]) {
            code = cli_fail(EXIT_USAGE,
                            "a label is written NAME=VALUE, not '%s'; --remove NAME "
                            "takes one away",
                            cli->arguments[i]);
            break;
        }
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)(equals - cli->arguments[i]), cli->arguments[i]);
        json_object_set_new(set, name, json_string(equals + 1));
    }
    for (int k = 0; (text = cli_option_at(cli, "remove", k)) != NULL; k++) {
        json_array_append_new(gone, json_string(text));
    }
    bool is_change = json_object_size(set) + json_array_size(gone) > 0;
    json_t *body = json_pack("{s:o, s:o}", "set", set, "remove", gone);
    code = code == EXIT_OK ? cli_connect(cli, false, false, &client) : code;
    if (code == EXIT_OK && is_change) {
        code = node_post(cli, &client, cli->arguments[0], "label", body, NULL);
    }
    code = code == EXIT_OK ? node_find(cli, &client, cli->arguments[0], &node) : code;
    if (code == EXIT_OK) {
        labels_print(cli, node);
    }
    json_decref(node);
    json_decref(body);
    client_close(client);
    return code;
}
