/* muster up and down. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/daemons.h"
#include "cli/reading.h"
#include "sys/locks.h"

enum { ADOPT_MS = 10000 /* for a new supervisor of what is to be ended */ };

int daemon_supervise(struct cli *cli, struct supervisor_options *options)
{
    if (!options->is_reading) {
        reading_end(cli->state_dir); /* Nothing would ever run in it. */
    }
    if (cli_option(cli, "detach") == NULL) {
        return supervisor_run(cli, options);
    }
    char lock_path[CLI_PATH_MAX + 32];
    uint32_t holder = 0;
    snprintf(lock_path, sizeof lock_path, "%s/run/supervisor.lock", cli->state_dir);
    if (lock_is_held(lock_path, &holder)) {
        return cli_fail(EXIT_REQUEST,
                        "a cluster already runs in %s (pid %u); use it, end it with 'muster down', "
                        "or give another --state",
                        cli->state_dir, holder);
    }
    int code = supervisor_start_detached(cli, options);
    if (code == EXIT_OK) {
        fprintf(stderr, "muster: ready in %s; end it with 'muster down'\n", cli->state_dir);
    }
    return code;
}

int verb_up(struct cli *cli)
{
    const char *arguments[DAEMON_PASSED_MAX], *head_arguments[DAEMON_PASSED_MAX];
    struct worker_options checked = {0};
    struct head_options checked_head = {0};
    struct custom_pair custom[CUSTOM_OPTIONS_MAX];
    struct label_pair labels[LABEL_OPTIONS_MAX];
    struct supervisor_options options = {
        .state_dir = cli->state_dir,
        .no_worker = cli_option(cli, "no-worker") != NULL,
        .is_reading = cli_option(cli, "for-reading") != NULL,
    };
    const char *linger = cli_option(cli, "linger");
    if (!daemon_ready_fd_read(cli, &options.ready_fd) ||
        (linger != NULL && !cli_duration("--linger", linger, &options.linger_ms))) {
        return EXIT_USAGE;
    }
    int code = daemon_node_options_read(cli, &checked, custom, labels);
    code = code == EXIT_OK ? daemon_head_options_read(cli, &checked_head) : code;
    code = code == EXIT_OK ? cli_state_check(cli) : code;
    if (code != EXIT_OK) {
        return code;
    }
    options.has_linger = linger != NULL;
    options.worker_arguments = arguments;
    options.n_worker_arguments = daemon_worker_arguments(cli, arguments);
    options.head_arguments = head_arguments;
    options.n_head_arguments = daemon_head_arguments(cli, head_arguments);
    return daemon_supervise(cli, &options);
}

/* Every role's lock is free. */
static bool is_all_gone(const struct cli *cli)
{
    static const char *const roles[] = {"supervisor", "head", "worker", "redis"};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        char path[CLI_PATH_MAX + 32];
        uint32_t holder;
        snprintf(path, sizeof path, "%s/run/%s.lock", cli->state_dir, roles[i]);
        if (lock_is_held(path, &holder)) {
            return false;
        }
    }
    return true;
}

int verb_down(struct cli *cli)
{
    int64_t timeout_ms = 60000;
    const char *timeout = cli_option(cli, "timeout");
    if (timeout != NULL && !cli_duration("--timeout", timeout, &timeout_ms)) {
        return EXIT_USAGE;
    }
    int code = cli_state_check(cli);
    if (code != EXIT_OK) {
        return code;
    }
    if (is_all_gone(cli)) {
        fprintf(stderr, "muster: no cluster runs in %s\n", cli->state_dir);
        return EXIT_OK;
    }
    char lock_path[CLI_PATH_MAX + 32];
    uint32_t holder = 0;
    snprintf(lock_path, sizeof lock_path, "%s/run/supervisor.lock", cli->state_dir);
    bool is_alone = daemon_head_is_alone(cli->state_dir, NULL);
    if (!lock_is_held(lock_path, &holder) && !is_alone) {
        /* Its supervisor was killed: a new one adopts what goes on, and can then end it in order.
         */
        struct supervisor_options options = {
            .state_dir = cli->state_dir, .no_worker = true, .ready_timeout_ms = ADOPT_MS};
        if (supervisor_start_detached(cli, &options) != EXIT_OK && is_all_gone(cli)) {
            return EXIT_OK;
        }
    }
    if (is_alone) {
        (void)daemon_head_is_alone(cli->state_dir, &holder);
        snprintf(lock_path, sizeof lock_path, "%s/run/head.lock", cli->state_dir);
    }
    (void)lock_is_held(lock_path, &holder); /* whom to wait for */
    struct client *client = NULL;
    struct client_answer answer;
    struct report report = {0};
    char body[64];
    snprintf(body, sizeof body, "{\"grace_ms\":%lld}", (long long)timeout_ms);
    if (client_open_here(cli, &client, &report) == OK) {
        code = client_call_patiently(cli, &client, "POST", "/api/v1/shutdown", body, NULL, &answer);
        if (code == EXIT_OK) {
            code = answer.status == 200 ? EXIT_OK : client_answer_fail(&answer);
            client_answer_fini(&answer);
        }
    }
    /* A head that cannot be asked is told by its supervisor, which ends it if it is deaf. */
    bool is_deaf = client == NULL || code == EXIT_UNREACHABLE;
    client_close(client);
    if (is_deaf && holder > 0 && lock_is_held(lock_path, NULL)) {
        kill((pid_t)holder, SIGTERM);
    }
    code = is_deaf ? EXIT_OK : code;
    uint32_t now_holder = 0;
    for (int64_t waited_ms = 0; code == EXIT_OK && !is_all_gone(cli); waited_ms += 20) {
        if (lock_is_held(lock_path, &now_holder) && now_holder > 0 && holder > 0 &&
            now_holder != holder) {
            break; /* It has left, and somebody started the next one. */
        }
        if (waited_ms > timeout_ms + 30000) {
            return cli_fail(EXIT_TIMEOUT, "the cluster in %s has not left yet; see %s/logs",
                            cli->state_dir, cli->state_dir);
        }
        usleep(20000);
    }
    if (code == EXIT_OK) {
        fprintf(stderr, "muster: the cluster in %s has left\n", cli->state_dir);
    }
    return code;
}
