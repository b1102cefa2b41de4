/* The options of head, worker and up: read and checked, and passed on to the roles of a supervisor.
 */
#include "cli/daemons.h"

#include <string.h>

#include "head/shell/tls.h"
#include "spec/sweep.h"
#include "sys/clock.h"

struct passed_option {
    const char *name, *dashed;
    bool is_flag;
};

/* What is passed on to the roles of a supervisor, as it was given. */
static int options_pass(const struct cli *cli, const struct passed_option *rows, size_t n_rows,
                        const char **arguments)
{
    int n = 0;
    for (size_t i = 0; i < n_rows; i++) {
        const char *value;
        for (int k = 0;
             (value = cli_option_at(cli, rows[i].name, k)) != NULL && n + 2 < DAEMON_PASSED_MAX;
             k++) {
            arguments[n++] = rows[i].dashed;
            if (!rows[i].is_flag) {
                arguments[n++] = value;
            }
        }
    }
    return n;
}

/* Workers of other machines join where the head listens, so there they reach its own worker, too.
 * NULL: only this machine can join. */
static const char *listening_host(const struct cli *cli)
{
    static struct net_address address;
    const char *text;
    for (int k = 0; (text = cli_option_at(cli, "listen", k)) != NULL; k++) {
        if (net_address_parse(text, "tcp", NET_PORT_AGENTS, &address, NULL) == OK &&
            !net_address_is_loopback(&address)) {
            bool is_any = strcmp(address.host, "0.0.0.0") == 0 || strcmp(address.host, "::") == 0;
            return is_any ? "*" : address.host;
        }
    }
    return NULL;
}

int daemon_worker_arguments(const struct cli *cli, const char **arguments)
{
    static const struct passed_option rows[] = {
        {"cpus", "--cpus", false},           {"memory", "--memory", false},
        {"fake-gpus", "--fake-gpus", false}, {"custom", "--custom", false},
        {"label", "--label", false},         {"cache-max", "--cache-max", false},
        {"address", "--address", false},
    };
    int n = options_pass(cli, rows, sizeof rows / sizeof rows[0], arguments);
    const char *host = cli_option(cli, "address") == NULL ? listening_host(cli) : NULL;
    if (host != NULL && n + 2 < DAEMON_PASSED_MAX) {
        arguments[n++] = "--address";
        arguments[n++] = host;
    }
    return n;
}

int daemon_head_arguments(const struct cli *cli, const char **arguments)
{
    static const struct passed_option rows[] = {
        {"listen", "--listen", false},
        {"http", "--http", false},
        {"http-name", "--http-name", false},
        {"tls-cert", "--tls-cert", false},
        {"tls-key", "--tls-key", false},
        {"insecure-http", "--insecure-http", true},
        {"orphan-timeout", "--orphan-timeout", false},
        {"depot-max", "--depot-max", false},
    };
    return options_pass(cli, rows, sizeof rows / sizeof rows[0], arguments);
}

/* A host name, an IPv4 or a bare IPv6 address, or `*`; no port. */
static bool host_is_good(const char *text)
{
    struct net_address address;
    char whole[NET_ENDPOINT_MAX];
    int n = snprintf(whole, sizeof whole, strchr(text, ':') != NULL ? "[%s]:0" : "%s:0", text);
    return n > 0 && (size_t)n < sizeof whole &&
           net_address_parse(whole, NULL, 0, &address, NULL) == OK;
}

int daemon_node_options_read(const struct cli *cli, struct worker_options *options,
                             struct custom_pair *custom, struct label_pair *labels)
{
    static char names[CUSTOM_OPTIONS_MAX + LABEL_OPTIONS_MAX][NAME_MAX_BYTES + 1];
    struct report report = {0};
    const char *text;
    uint64_t number;
    int n_names = 0;
    if ((text = cli_option(cli, "cpus")) != NULL &&
        spec_amount_parse(text, &options->cpus, &report) != OK) {
        return cli_fail(EXIT_USAGE, "--cpus: %s", report.text);
    }
    if (text != NULL && options->cpus == 0) {
        return cli_fail(EXIT_USAGE, "--cpus wants more than 0; --no-worker offers none");
    }
    if ((text = cli_option(cli, "memory")) != NULL &&
        spec_size_parse(text, &options->memory_bytes, &report) != OK) {
        return cli_fail(EXIT_USAGE, "--memory: %s", report.text);
    }
    if ((text = cli_option(cli, "cache-max")) != NULL &&
        spec_size_parse(text, &options->cache_max_bytes, &report) != OK) {
        return cli_fail(EXIT_USAGE, "--cache-max: %s", report.text);
    }
    options->address = cli_option(cli, "address");
    if (options->address != NULL && !host_is_good(options->address)) {
        return cli_fail(EXIT_USAGE,
                        "--address wants a host name or an address of this machine, without a port "
                        "and brackets, or *, not '%.200s'",
                        options->address);
    }
    if ((text = cli_option(cli, "fake-gpus")) != NULL) {
        if (!cli_number("--fake-gpus", text, 64, &number)) {
            return EXIT_USAGE;
        }
        options->fake_gpus = (uint32_t)number;
    }
    for (int k = 0; (text = cli_option_at(cli, "custom", k)) != NULL; k++) {
        const char *equals = strchr(text, '=');
        amount value = 0;
        if (k >= CUSTOM_OPTIONS_MAX || equals == NULL || equals == text ||
            equals - text > NAME_MAX_BYTES ||
            spec_amount_parse(equals + 1, &value, &report) != OK) {
            return cli_fail(EXIT_USAGE, "--custom wants NAME=NUMBER, at most %d times, not '%s'",
                            CUSTOM_OPTIONS_MAX, text);
        }
        snprintf(names[n_names], sizeof names[0], "%.*s", (int)(equals - text), text);
        custom[options->n_custom++] = (struct custom_pair){names[n_names++], value};
    }
    for (int k = 0; (text = cli_option_at(cli, "label", k)) != NULL; k++) {
        const char *equals = strchr(text, '=');
        if (k >= LABEL_OPTIONS_MAX || equals == text ||
            (equals != NULL && equals - text > NAME_MAX_BYTES) || strlen(text) > 1000) {
            return cli_fail(EXIT_USAGE, "--label wants NAME=VALUE, at most %d times, not '%s'",
                            LABEL_OPTIONS_MAX, text);
        }
        snprintf(names[n_names], sizeof names[0], "%.*s",
                 equals != NULL ? (int)(equals - text) : NAME_MAX_BYTES, text);
        labels[options->n_labels++] =
            (struct label_pair){names[n_names++], equals != NULL ? equals + 1 : ""};
    }
    options->custom = custom;
    options->labels = labels;
    return EXIT_OK;
}

bool daemon_ready_fd_read(const struct cli *cli, int *ret_fd)
{
    uint64_t fd = 0;
    const char *text = cli_option(cli, "ready-fd");
    if (text != NULL && !cli_number("--ready-fd", text, 1 << 20, &fd)) {
        return false;
    }
    *ret_fd = (int)fd;
    return true;
}

int daemon_head_options_read(const struct cli *cli, struct head_options *options)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-";
    struct report report = {0};
    const char *text;
    options->orphan_timeout_ms = HEAD_ORPHAN_MS;
    for (int k = 0; (text = cli_option_at(cli, "listen", k)) != NULL; k++) {
        if (k >= HEAD_LISTEN_MAX) {
            return cli_fail(EXIT_USAGE, "--listen may be given %d times", HEAD_LISTEN_MAX);
        }
        if (net_address_parse(text, "tcp", NET_PORT_AGENTS, &options->listen[k], &report) != OK) {
            return cli_fail(EXIT_USAGE, "--listen: %s", report.text);
        }
        options->n_listen++;
    }
    if ((text = cli_option(cli, "http")) != NULL &&
        net_address_parse(text, "http", NET_PORT_HTTP, &options->http, &report) != OK) {
        return cli_fail(EXIT_USAGE, "--http: %s", report.text);
    }
    for (int k = 0; (text = cli_option_at(cli, "http-name", k)) != NULL; k++) {
        if (k >= HEAD_HTTP_NAMES_MAX || text[0] == '\0' || strlen(text) > NET_HOST_MAX ||
            strspn(text, letters) != strlen(text)) {
            return cli_fail(EXIT_USAGE,
                            "--http-name wants a host name or an address, at most %d times, not "
                            "'%s'",
                            HEAD_HTTP_NAMES_MAX, text);
        }
        options->http_names[options->n_http_names++] = text;
    }
    options->tls_cert = cli_option(cli, "tls-cert");
    options->tls_key = cli_option(cli, "tls-key");
    options->is_insecure_http = cli_option(cli, "insecure-http") != NULL;
    if ((options->tls_cert == NULL) != (options->tls_key == NULL)) {
        return cli_fail(EXIT_USAGE, "--tls-cert and --tls-key belong together");
    }
    if (options->tls_cert != NULL) {
        /* Here already: what is wrong with them is told to whoever gave them. */
        const struct tls_options given = {.keys_dir = cli->state_dir,
                                          .cert_path = options->tls_cert,
                                          .key_path = options->tls_key};
        struct tls *tls = NULL;
        if (tls_open(&given, clock_now(), &tls, &report) != OK) {
            return cli_fail_report(EXIT_REQUEST, &report);
        }
        tls_free(tls);
    }
    if ((text = cli_option(cli, "depot-max")) != NULL &&
        spec_size_parse(text, &options->depot_max_bytes, &report) != OK) {
        return cli_fail(EXIT_USAGE, "--depot-max: %s", report.text);
    }
    if ((text = cli_option(cli, "orphan-timeout")) != NULL &&
        !cli_duration("--orphan-timeout", text, &options->orphan_timeout_ms)) {
        return EXIT_USAGE;
    }
    return EXIT_OK;
}
