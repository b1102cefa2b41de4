/* muster up, down, head, worker. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/reading.h"
#include "cli/supervisor.h"
#include "head/shell/head.h"
#include "spec/sweep.h"
#include "sys/locks.h"
#include "worker/shell/worker.h"

enum {
    PASSED_MAX = 128,
    CUSTOM_OPTIONS_MAX = 32,
    LABEL_OPTIONS_MAX = 64,
    ADOPT_MS = 10000, /* for a new supervisor of what is to be ended */
};

/* The worker's own options as `up` got them, to be passed on. */
static int worker_arguments(const struct cli *cli, const char **arguments)
{
    static const struct {
        const char *name, *dashed;
    } passed[] = {{"cpus", "--cpus"},
                  {"memory", "--memory"},
                  {"fake-gpus", "--fake-gpus"},
                  {"custom", "--custom"},
                  {"label", "--label"}};
    int n = 0;
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++) {
        const char *value;
        for (int k = 0;
             (value = cli_option_at(cli, passed[i].name, k)) != NULL && n + 2 < PASSED_MAX; k++) {
            arguments[n++] = passed[i].dashed;
            arguments[n++] = value;
        }
    }
    return n;
}

/* --cpus, --memory, --fake-gpus, --custom and --label, checked; EXIT_OK or the exit code after the
 * message. */
static int node_options_read(const struct cli *cli, struct worker_options *options,
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

static bool ready_fd_read(const struct cli *cli, int *ret_fd)
{
    uint64_t fd = 0;
    const char *text = cli_option(cli, "ready-fd");
    if (text != NULL && !cli_number("--ready-fd", text, 1 << 20, &fd)) {
        return false;
    }
    *ret_fd = (int)fd;
    return true;
}

int verb_up(struct cli *cli)
{
    const char *arguments[PASSED_MAX];
    struct worker_options checked = {0};
    struct custom_pair custom[CUSTOM_OPTIONS_MAX];
    struct label_pair labels[LABEL_OPTIONS_MAX];
    struct supervisor_options options = {
        .state_dir = cli->state_dir,
        .no_worker = cli_option(cli, "no-worker") != NULL,
        .is_reading = cli_option(cli, "for-reading") != NULL,
    };
    const char *linger = cli_option(cli, "linger");
    if (!ready_fd_read(cli, &options.ready_fd) ||
        (linger != NULL && !cli_duration("--linger", linger, &options.linger_ms))) {
        return EXIT_USAGE;
    }
    int code = node_options_read(cli, &checked, custom, labels);
    if (code != EXIT_OK) {
        return code;
    }
    code = cli_state_check(cli);
    if (code != EXIT_OK) {
        return code;
    }
    if (!options.is_reading) {
        reading_end(cli->state_dir); /* Nothing would ever run in it. */
    }
    options.has_linger = linger != NULL;
    options.worker_arguments = arguments;
    options.n_worker_arguments = worker_arguments(cli, arguments);
    if (cli_option(cli, "detach") == NULL) {
        return supervisor_run(cli, &options);
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
    code = supervisor_start_detached(cli, &options);
    if (code == EXIT_OK) {
        fprintf(stderr, "muster: ready in %s; end it with 'muster down'\n", cli->state_dir);
    }
    return code;
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
    if (!lock_is_held(lock_path, &holder)) {
        /* Its supervisor was killed: a new one adopts what goes on, and can then end it in order.
         */
        struct supervisor_options options = {
            .state_dir = cli->state_dir, .no_worker = true, .ready_timeout_ms = ADOPT_MS};
        if (supervisor_start_detached(cli, &options) != EXIT_OK && is_all_gone(cli)) {
            return EXIT_OK;
        }
    }
    (void)lock_is_held(lock_path, &holder); /* whom to wait for */
    struct client *client = NULL;
    struct client_answer answer;
    struct report report = {0};
    char body[64];
    snprintf(body, sizeof body, "{\"grace_ms\":%lld}", (long long)timeout_ms);
    if (client_open(cli, &client, &report) == OK) {
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

int verb_head(struct cli *cli)
{
    struct head_options options = {.state_dir = cli->state_dir, .linger_ms = -1};
    const char *linger = cli_option(cli, "linger"), *port = cli_option(cli, "port");
    int64_t linger_ms = 0;
    uint64_t number = 0;
    if (!ready_fd_read(cli, &options.ready_fd) ||
        (linger != NULL && !cli_duration("--linger", linger, &linger_ms)) ||
        (port != NULL && !cli_number("--port", port, 65535, &number))) {
        return EXIT_USAGE;
    }
    options.linger_ms = linger != NULL ? (long)linger_ms : -1;
    options.port = (unsigned)number;
    return head_main(&options);
}

int verb_worker(struct cli *cli)
{
    struct custom_pair custom[CUSTOM_OPTIONS_MAX];
    struct label_pair labels[LABEL_OPTIONS_MAX];
    static char key_file[CLI_PATH_MAX + 32];
    const char *name = cli_option(cli, "name");
    struct worker_options options = {
        .state_dir = cli->state_dir,
        .node = name != NULL ? name : "local",
        .join = cli_option(cli, "join"),
        .key_file = cli_option(cli, "key-file"),
    };
    if (options.join == NULL) {
        return cli_fail(EXIT_USAGE, "a worker wants --join ADDR, the head's address");
    }
    if (!ready_fd_read(cli, &options.ready_fd)) {
        return EXIT_USAGE;
    }
    if (options.key_file == NULL && getenv("MUSTER_JOIN_KEY") == NULL) {
        snprintf(key_file, sizeof key_file, "%s/keys/join", cli->state_dir);
        options.key_file = key_file;
    }
    int code = node_options_read(cli, &options, custom, labels);
    return code == EXIT_OK ? worker_main(&options) : code;
}
