#include "cli/acts.h"

#include <sodium.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN_MAX = 8 };

void cli_key_make(char ret_text[CLI_KEY_TEXT_MAX])
{
    unsigned char bytes[16];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(ret_text, CLI_KEY_TEXT_MAX, bytes, sizeof bytes);
}

bool act_is_wanted(const struct cli *cli, const char *question)
{
    char answer[16] = "";
    if (cli_option(cli, "yes") != NULL || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return true;
    }
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (fgets(answer, sizeof answer, stdin) == NULL) {
        fputc('\n', stderr);
    }
    return answer[0] == 'y' || answer[0] == 'Y';
}

/* "cancel 12 sweeps: 1, 2, 3, ...?" */
static bool act_ask(const struct cli *cli, const struct act *act, const json_t *targets)
{
    char question[512];
    size_t i, n = json_array_size(targets), used;
    json_t *target;
    used = (size_t)snprintf(question, sizeof question, "%s %zu %s%s: ", act->verb, n,
                            cli->verb->noun, n == 1 ? "" : "s");
    json_array_foreach((json_t *)(uintptr_t)targets, i, target)
    {
        if (i < SHOWN_MAX) {
            used += (size_t)snprintf(question + used, sizeof question - used, "%s%s",
                                     i > 0 ? ", " : "", cli_json_str(target, "id"));
        }
    }
    snprintf(question + used, sizeof question - used, "%s?", n > SHOWN_MAX ? ", ..." : "");
    return act_is_wanted(cli, question);
}

int act_post(struct cli *cli, struct client **client, const char *path, const char *body,
             const char *key, json_t **ret_answer)
{
    struct client_answer answer;
    char made[CLI_KEY_TEXT_MAX];
    if (sodium_init() < 0) {
        return cli_fail(EXIT_REQUEST, "this machine gives no random numbers");
    }
    cli_key_make(made);
    int code =
        client_call_patiently(cli, client, "POST", path, body, key != NULL ? key : made, &answer);
    if (code != EXIT_OK) {
        return code;
    }
    code = answer.status / 100 == 2 ? EXIT_OK : client_answer_fail(&answer);
    if (code == EXIT_OK && ret_answer != NULL) {
        *ret_answer = json_incref(answer.json);
    }
    client_answer_fini(&answer);
    return code;
}

static bool has_ended(const json_t *target, const char **ret_how)
{
    const char *state = cli_json_str(target, "state"), *outcome = cli_json_str(target, "outcome");
    *ret_how = outcome[0] != '\0' ? outcome : state;
    return strcmp(state, "ended") == 0 || strcmp(state, "done") == 0 ||
           strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
}

/* A sweep that is none may be a job: `sweep rm` is for both. */
static int act_rm(struct cli *cli, struct client **client, const char *id)
{
    struct client_answer answer;
    char path[128], made[CLI_KEY_TEXT_MAX];
    cli_key_make(made);
    snprintf(path, sizeof path, "/api/v1/sweeps/%s/rm", id);
    int code = client_call_patiently(cli, client, "POST", path, "{}", made, &answer);
    if (code != EXIT_OK) {
        return code;
    }
    if (answer.status == 404) {
        client_answer_fini(&answer);
        snprintf(path, sizeof path, "/api/v1/jobs/%s/rm", id);
        code = client_call_patiently(cli, client, "POST", path, "{}", made, &answer);
    }
    if (code == EXIT_OK && answer.status == 404) {
        client_answer_fini(&answer);
        code = cli_fail(EXIT_NOT_FOUND, "there is no sweep or job %s", id);
    }
    if (code != EXIT_OK) {
        return code;
    }
    code = answer.status / 100 == 2 ? EXIT_OK : client_answer_fail(&answer);
    client_answer_fini(&answer);
    return code;
}

static int act_one(struct cli *cli, struct client **client, const struct act *act, const char *id)
{
    char path[128];
    const char *noun = cli->verb->noun, *how = "";
    json_t *target = NULL;
    struct buf body;
    int code = EXIT_OK;
    if (strcmp(act->verb, "rm") == 0) {
        code = act_rm(cli, client, id);
        if (code == EXIT_OK) {
            fprintf(stderr, "%s %s %s\n", noun, id, act->past);
        }
        return code;
    }
    bool is_ending = act->on == ACT_ON_RUNNING;
    snprintf(path, sizeof path, "/api/v1/%ss/%s", noun, id);
    if (act->wants_target || is_ending) {
        code = client_get_json(cli, client, path, &target);
    }
    /* What is over already needs no end; pausing it would be a mistake. */
    if (code == EXIT_OK && is_ending && has_ended(target, &how)) {
        if (act->is_destructive) {
            fprintf(stderr, "%s %s has ended already: %s\n", noun, id, how);
        } else {
            code = cli_fail(EXIT_REQUEST, "%s %s has ended already: %s", noun, id, how);
        }
        json_decref(target);
        return code;
    }
    buf_init(&body, 1 << 16);
    if (code == EXIT_OK && act->body != NULL && !act->body(cli, target, &body)) {
        code = EXIT_USAGE;
    }
    if (code == EXIT_OK) {
        snprintf(path, sizeof path, "/api/v1/%ss/%s/%s", noun, id, act->verb);
        code = act_post(cli, client, path, body.len > 0 ? buf_text(&body) : "{}", NULL, NULL);
    }
    if (code == EXIT_OK) {
        fprintf(stderr, "%s %s %s\n", noun, id, act->past);
    }
    buf_fini(&body);
    json_decref(target);
    return code;
}

int act_run(struct cli *cli, const struct act *act)
{
    struct selector selector;
    bool is_of_tasks = strcmp(cli->verb->noun, "sweep") != 0;
    const char *text = cli->n_arguments > 0 ? cli->arguments[0] : "last";
    int code = selector_parse(text, is_of_tasks, &selector);
    return code == EXIT_OK ? act_run_selected(cli, act, &selector, false) : code;
}

int act_run_selected(struct cli *cli, const struct act *act, const struct selector *given,
                     bool may_be_none)
{
    struct selector selector = *given;
    struct client *client = NULL;
    json_t *targets = NULL, *target;
    size_t i;
    if (sodium_init() < 0) {
        return cli_fail(EXIT_REQUEST, "this machine gives no random numbers");
    }
    int code = cli_connect(cli, false, false, &client);
    if (code == EXIT_OK) {
        code = targets_find(cli, &client, cli->verb->noun, act, &selector, may_be_none, &targets);
    }
    if (code == EXIT_OK && act->is_destructive && selector.is_many && !act_ask(cli, act, targets)) {
        code = cli_fail(EXIT_REQUEST, "nothing was done");
    } else if (code == EXIT_OK) {
        bool is_one = json_array_size(targets) == 1;
        json_array_foreach(targets, i, target)
        {
            int one = act_one(cli, &client, act, cli_json_str(target, "id"));
            code = one == EXIT_OK ? code : is_one ? one : EXIT_REQUEST;
        }
    }
    json_decref(targets);
    client_close(client);
    return code;
}
