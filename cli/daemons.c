/* muster head and muster worker: alone, or as roles of a supervisor (told by --ready-fd). */
#include "cli/daemons.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "head/shell/store_url.h"
#include "net/routing_id.h"
#include "sys/files.h"
#include "sys/locks.h"

bool daemon_head_is_alone(const char *state_dir, uint32_t *ret_pid)
{
    char path[CLI_PATH_MAX + 32];
    uint32_t pid = 0;
    snprintf(path, sizeof path, "%s/run/head.lock", state_dir);
    if (!lock_is_held(path, &pid)) {
        return false;
    }
    if (ret_pid != NULL) {
        *ret_pid = pid;
    }
    snprintf(path, sizeof path, "%s/current", state_dir);
    json_t *current = json_load_file(path, 0, NULL);
    bool is_alone = strcmp(cli_json_str(current, "store"), "external") == 0;
    json_decref(current);
    return is_alone;
}

/* Two heads of one state folder would share sockets and files. */
static int head_lock(const struct cli *cli, int *ret_fd)
{
    char path[CLI_PATH_MAX + 32];
    uint32_t holder = 0;
    struct report report = {0};
    snprintf(path, sizeof path, "%s/run/head.lock", cli->state_dir);
    error_code error = lock_take(path, (uint32_t)getpid(), ret_fd, &holder, &report);
    if (error == ERR_BUSY) {
        return cli_fail(EXIT_REQUEST,
                        "a head already runs in %s (pid %u); end it with 'muster down', or give "
                        "another --state",
                        cli->state_dir, holder);
    }
    return error == OK ? EXIT_OK : cli_fail_report(EXIT_REQUEST, &report);
}

/* With a store of somebody else's nothing needs a supervisor here: the head runs in the foreground
 * and whoever started it starts it again. */
static int head_alone(struct cli *cli, struct head_options *options)
{
    static char log_path[CLI_PATH_MAX + 32];
    struct store_url url;
    struct report report = {0};
    struct supervisor_options folders = {.state_dir = cli->state_dir};
    int lock_fd = -1;
    if (cli_option(cli, "detach") != NULL) {
        return cli_fail(
            EXIT_USAGE,
            "a head with --store stays in the foreground; let systemd or nohup keep it");
    }
    if (store_url_parse(options->store, &url, &report) != OK) {
        return cli_fail(EXIT_USAGE, "--store: %s", report.text);
    }
    int code = cli_state_check(cli);
    code = code == EXIT_OK ? supervisor_folders_make(&folders) : code;
    code = code == EXIT_OK ? head_lock(cli, &lock_fd) : code;
    if (code != EXIT_OK) {
        return code;
    }
    snprintf(log_path, sizeof log_path, "%s/logs/head.log", cli->state_dir);
    options->log_path = log_path;
    code = head_main(options);
    lock_release(lock_fd);
    return code;
}

int verb_head(struct cli *cli)
{
    const char *arguments[DAEMON_PASSED_MAX];
    struct head_options options = {
        .state_dir = cli->state_dir,
        .linger_ms = -1,
        .store = cli_option(cli, "store"),
        .store_prefix = cli_option(cli, "store-prefix"),
    };
    const char *linger = cli_option(cli, "linger");
    int64_t linger_ms = 0;
    if (!daemon_ready_fd_read(cli, &options.ready_fd) ||
        (linger != NULL && !cli_duration("--linger", linger, &linger_ms))) {
        return EXIT_USAGE;
    }
    options.linger_ms = linger != NULL ? (long)linger_ms : -1;
    int code = daemon_head_options_read(cli, &options);
    if (code != EXIT_OK) {
        return code;
    }
    if (options.store != NULL) {
        return head_alone(cli, &options);
    }
    if (options.store_prefix != NULL) {
        return cli_fail(EXIT_USAGE, "--store-prefix is of an external store: give --store too");
    }
    if (options.ready_fd > 0) {
        return head_main(&options);
    }
    struct supervisor_options supervisor = {
        .state_dir = cli->state_dir,
        .no_worker = true,
        .has_linger = linger != NULL,
        .linger_ms = linger_ms,
        .head_arguments = arguments,
        .n_head_arguments = daemon_head_arguments(cli, arguments),
    };
    code = cli_state_check(cli);
    return code == EXIT_OK ? daemon_supervise(cli, &supervisor) : code;
}

/* The name of a node that nobody named: its host's, with what a name cannot have as `-`. */
static const char *node_name(const char *join)
{
    static char name[NODE_NAME_MAX + 1];
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (strncmp(join, "tcp://", 6) != 0) {
        return "local";
    }
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') {
        return "node";
    }
    snprintf(name, sizeof name, "%.63s", host);
    for (char *c = name; *c != '\0'; c++) {
        *c = strchr(allowed, *c) != NULL ? *c : '-';
    }
    return name;
}

int verb_worker(struct cli *cli)
{
    struct custom_pair custom[CUSTOM_OPTIONS_MAX];
    struct label_pair labels[LABEL_OPTIONS_MAX];
    static char key_file[CLI_PATH_MAX + 32], log_path[CLI_PATH_MAX + 128];
    const char *name = cli_option(cli, "name"), *drain = cli_option(cli, "drain");
    struct worker_options options = {
        .state_dir = cli->state_dir,
        .join = cli_option(cli, "join"),
        .key_file = cli_option(cli, "key-file"),
        .is_dry = cli_option(cli, "dry") != NULL,
    };
    if (options.join == NULL) {
        return cli_fail(EXIT_USAGE, "a worker wants --join ADDR, the head's address");
    }
    options.node = name != NULL ? name : node_name(options.join);
    if (!node_name_is_valid(options.node) || options.node[0] == '.') {
        return cli_fail(EXIT_USAGE,
                        "--name wants 1 to %d of A-Z a-z 0-9 . _ -, not a dot first, not '%.80s'",
                        NODE_NAME_MAX, options.node);
    }
    if (!daemon_ready_fd_read(cli, &options.ready_fd) ||
        (drain != NULL && !cli_duration("--drain", drain, &options.drain_ms))) {
        return EXIT_USAGE;
    }
    if (options.key_file == NULL && getenv("MUSTER_JOIN_KEY") == NULL) {
        snprintf(key_file, sizeof key_file, "%s/keys/join", cli->state_dir);
        options.key_file = key_file;
        if (access(key_file, F_OK) != 0) {
            return cli_fail(EXIT_USAGE,
                            "no join key: give --key-file with a copy of the head's keys/join, or "
                            "set MUSTER_JOIN_KEY to what it holds");
        }
    }
    if (options.key_file != NULL && access(options.key_file, R_OK) != 0) {
        return cli_fail(EXIT_USAGE,
                        "the key file %s cannot be read: %s; it is a copy of the head's keys/join",
                        options.key_file, strerror(errno));
    }
    int code = daemon_node_options_read(cli, &options, custom, labels);
    code = code == EXIT_OK ? cli_state_check(cli) : code;
    /* A supervisor gives its worker a log file by itself. */
    if (code == EXIT_OK && options.ready_fd <= 0) {
        struct report report = {0};
        snprintf(log_path, sizeof log_path, "%s/logs", cli->state_dir);
        if (dir_make(cli->state_dir, &report) != OK || dir_make(log_path, &report) != OK) {
            return cli_fail_report(EXIT_REQUEST, &report);
        }
        snprintf(log_path, sizeof log_path, "%s/logs/worker-%s.log", cli->state_dir, options.node);
        options.log_path = log_path;
    }
    return code == EXIT_OK ? worker_main(&options) : code;
}
