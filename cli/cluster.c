/* Reaching a head: the one that runs, or one started here for the occasion. */
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/daemons.h"
#include "cli/reading.h"
#include "sys/clock.h"
#include "sys/locks.h"

enum {
    ANSWER_MS = 30000,
    RESTART_MS = 15000, /* a head that is away, or busy, comes back in that time */
    SILENCE_MS = 90000, /* one that took a request and waits for its store */
    LINGER_SECONDS = 60,
};

static bool client_answers(struct client *client, struct report *report)
{
    struct client_answer answer;
    if (client_call(client, "GET", "/healthz", NULL, NULL, 2000, &answer, report) != OK) {
        return false;
    }
    bool is_well = answer.status == 200;
    client_answer_fini(&answer);
    return is_well;
}

/* A folder full of other things was hardly meant: daemons would write among them. What is new, or
 * has what a head, a worker or a login puts there, is one. */
static bool is_state_folder(const char *path)
{
    static const char *const own[] = {"keys", "nodes", "join.key", "contexts.json", "contexts"};
    DIR *dir = opendir(path);
    bool is_own = false, has_others = false;
    for (const struct dirent *entry; dir != NULL && !is_own && (entry = readdir(dir)) != NULL;) {
        for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
            is_own |= strcmp(entry->d_name, own[i]) == 0;
        }
        has_others |= entry->d_name[0] != '.' && strcmp(entry->d_name, "lost+found") != 0 &&
                      strcmp(entry->d_name, "logs") != 0 && strcmp(entry->d_name, "run") != 0;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return is_own || !has_others;
}

int cli_state_check(const struct cli *cli)
{
    struct stat about;
    bool is_there = stat(cli->state_dir, &about) == 0;
    if (is_there && !S_ISDIR(about.st_mode)) {
        return cli_fail(EXIT_USAGE, "the state folder %s is no folder; give another with --state",
                        cli->state_dir);
    }
    if ((!is_there && errno != EACCES) || (is_there && access(cli->state_dir, R_OK | X_OK) == 0)) {
        return !is_there || is_state_folder(cli->state_dir)
                   ? EXIT_OK
                   : cli_fail(EXIT_USAGE,
                              "%s is no state folder: it has other things in it, and nothing of a "
                              "cluster; give one that is new, empty or a cluster's with --state",
                              cli->state_dir);
    }
    const struct passwd *owner = is_there ? getpwuid(about.st_uid) : NULL;
    return cli_fail(EXIT_UNREACHABLE,
                    "you may not use the state folder %s%s%s; give another with --state",
                    cli->state_dir, owner != NULL ? ", it belongs to " : "",
                    owner != NULL ? owner->pw_name : "");
}

static bool is_supervised(const struct cli *cli)
{
    char path[CLI_PATH_MAX + 32];
    uint32_t holder;
    snprintf(path, sizeof path, "%s/run/supervisor.lock", cli->state_dir);
    return lock_is_held(path, &holder);
}

/* The head that runs, if it may serve this command; NULL: none does. */
static int connect_running(struct cli *cli, bool with_worker, struct client **ret_client)
{
    struct report report = {0};
    struct client *client = NULL;
    bool is_here = !client_is_elsewhere(cli);
    if (is_here && with_worker) {
        reading_end(cli->state_dir); /* It has no worker and would never run anything. */
    } else if (is_here && reading_join(cli->state_dir) == READING_LEAVING) {
        reading_wait(cli->state_dir);
    }
    error_code error = client_open(cli, &client, &report);
    if (error == OK && client_answers(client, &report)) {
        *ret_client = client;
        return EXIT_OK;
    }
    if (!is_here && client != NULL) {
        error = ERR_INVALID;
        cli_fail(EXIT_UNREACHABLE, "%s; check --head, MUSTER_HEAD or 'muster login --list'",
                 report.text[0] != '\0' ? report.text : "the head does not answer");
    } else if (error != OK && error != ERR_UNREACHABLE) {
        cli_fail_report(EXIT_UNREACHABLE, &report);
    }
    client_close(client);
    return error == OK || error == ERR_UNREACHABLE ? EXIT_OK : EXIT_UNREACHABLE;
}

int cli_connect(struct cli *cli, bool may_start, bool with_worker, struct client **ret_client)
{
    struct report report = {0};
    struct client *client = NULL;
    cli->may_start = may_start && with_worker;
    int code = client_is_elsewhere(cli) ? EXIT_OK : cli_state_check(cli);
    code = code == EXIT_OK ? connect_running(cli, with_worker, &client) : code;
    if (code != EXIT_OK) {
        return code;
    }
    bool is_orphan = client != NULL && with_worker && !client_is_elsewhere(cli) &&
                     !is_supervised(cli) && !daemon_head_is_alone(cli->state_dir, NULL);
    if (client != NULL && !is_orphan) {
        *ret_client = client;
        return EXIT_OK;
    }
    client_close(client);
    /* A login alone makes the folder too. */
    char store_path[CLI_PATH_MAX + 16];
    snprintf(store_path, sizeof store_path, "%s/redis", cli->state_dir);
    if (!may_start && access(store_path, F_OK) != 0) {
        return cli_fail(EXIT_UNREACHABLE,
                        "no cluster was ever started in %s; start one with 'muster up'",
                        cli->state_dir);
    }
    /* One whose supervisor was killed is adopted, and stays as long as its head does. */
    struct supervisor_options options = {
        .state_dir = cli->state_dir,
        .linger_ms = with_worker ? LINGER_SECONDS * 1000 : 1000,
        .has_linger = !is_orphan,
        .no_worker = !with_worker,
        .is_reading = !with_worker,
    };
    if (!with_worker && !is_supervised(cli)) { /* one that was killed is started anew already */
        fprintf(stderr,
                "muster: no head runs in %s; starting one to read (it leaves at once after)\n",
                cli->state_dir);
    }
    code = supervisor_start_detached(cli, &options);
    if (code != EXIT_OK) {
        return code;
    }
    if (!with_worker) {
        (void)reading_join(cli->state_dir); /* It waits a second for its first reader. */
    }
    error_code error = client_open(cli, &client, &report);
    if (error != OK) {
        return cli_fail_report(EXIT_UNREACHABLE, &report);
    }
    *ret_client = client;
    return EXIT_OK;
}

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

int client_call_patiently(struct cli *cli, struct client **client, const char *method,
                          const char *path, const char *body, const char *key,
                          struct client_answer *ret_answer)
{
    struct report report = {0};
    int64_t start_ms = clock_monotonic_us() / 1000;
    bool may_start = cli->may_start && strcmp(method, "POST") == 0;
    for (;;) {
        error_code error =
            client_call(*client, method, path, body, key, ANSWER_MS, ret_answer, &report);
        bool is_busy = error == OK && ret_answer->status == 503;
        int64_t waited_ms = clock_monotonic_us() / 1000 - start_ms;
        int64_t patience_ms = error == ERR_TIMEOUT       ? SILENCE_MS
                              : error == ERR_NOT_ALLOWED ? 0 /* it will not be trusted later */
                                                         : RESTART_MS;
        if (error == OK && !is_busy) {
            return EXIT_OK;
        }
        if (is_busy) {
            if (waited_ms >= patience_ms) {
                return EXIT_OK; /* Its own words say why. */
            }
            client_answer_fini(ret_answer);
        } else if (waited_ms >= patience_ms) {
            return cli_fail_report(EXIT_UNREACHABLE, &report);
        }
        pause_ms(100);
        /* The cluster left before it took this: a new one does. Once. */
        if (may_start && !is_busy && !client_is_elsewhere(cli) && !is_supervised(cli)) {
            struct client *next = NULL;
            may_start = false;
            if (cli_connect(cli, true, true, &next) == EXIT_OK) {
                client_close(*client);
                *client = next;
                continue;
            }
        }
        /* A head that was restarted may listen elsewhere. */
        struct client *again = NULL;
        if (client_open_again(cli, *client, &again) == OK) {
            client_close(*client);
            *client = again;
        }
    }
}

int client_get_json(struct cli *cli, struct client **client, const char *path, json_t **ret_json)
{
    struct client_answer answer;
    int code = client_call_patiently(cli, client, "GET", path, NULL, NULL, &answer);
    if (code != EXIT_OK) {
        return code;
    }
    if (answer.status != 200 || answer.json == NULL) {
        code = client_answer_fail(&answer);
    } else {
        *ret_json = json_incref(answer.json);
    }
    client_answer_fini(&answer);
    return code;
}

int cli_get(struct cli *cli, const char *path, json_t **ret_json)
{
    struct client *client = NULL;
    int code = cli_connect(cli, false, false, &client);
    if (code == EXIT_OK) {
        code = client_get_json(cli, &client, path, ret_json);
        client_close(client);
    }
    return code;
}
