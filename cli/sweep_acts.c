/* muster sweep pause, resume, stop, cancel, rm, clone; muster trial and task stop, cancel, retry.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/acts.h"
#include "cli/jobs.h"
#include "cli/signals.h"

static bool grace_body(const struct cli *cli, const json_t *target, struct buf *ret_body)
{
    const char *grace = cli_option(cli, "grace");
    int64_t grace_ms;
    (void)target;
    if (grace == NULL) {
        return true;
    }
    return cli_duration("--grace", grace, &grace_ms) &&
           buf_printf(ret_body, "{\"grace_ms\":%lld}", (long long)grace_ms) == OK;
}

/* How many there are now makes a repeat harmless. */
static bool resume_body(const struct cli *cli, const json_t *target, struct buf *ret_body)
{
    const char *text = cli_option(cli, "trials");
    uint64_t more;
    if (text == NULL) {
        return true;
    }
    text += text[0] == '+';
    return cli_number("--trials", text, 10000000, &more) &&
           buf_printf(ret_body, "{\"trials\":%llu,\"seen\":%lld}", (unsigned long long)more,
                      (long long)cli_json_int(target, "trials")) == OK;
}

static bool retry_body(const struct cli *cli, const json_t *target, struct buf *ret_body)
{
    (void)cli;
    return buf_printf(ret_body, "{\"attempts\":%lld}",
                      (long long)cli_json_int(target, "attempts")) == OK;
}

/* Options are checked before anybody is asked or reached. */
static bool options_are_good(const struct cli *cli)
{
    const char *grace = cli_option(cli, "grace"), *trials = cli_option(cli, "trials");
    int64_t grace_ms;
    uint64_t more;
    return (grace == NULL || cli_duration("--grace", grace, &grace_ms)) &&
           (trials == NULL || cli_number("--trials", trials + (trials[0] == '+'), 10000000, &more));
}

static int checked_run(struct cli *cli, const struct act *act)
{
    return options_are_good(cli) ? act_run(cli, act) : EXIT_USAGE;
}

int verb_sweep_pause(struct cli *cli)
{
    static const struct act act = {
        .verb = "pause",
        .past = "is paused: running trials save and leave, or finish if they cannot; 'muster sweep "
                "resume' goes on with it",
        .on = ACT_ON_RUNNING};
    return checked_run(cli, &act);
}

int verb_sweep_resume(struct cli *cli)
{
    static const struct act act = {.verb = "resume",
                                   .past = "goes on",
                                   .on = ACT_ON_PAUSED,
                                   .body = resume_body,
                                   .wants_target = true};
    static const struct act more = {.verb = "resume",
                                    .past = "goes on",
                                    .on = ACT_ON_ANY,
                                    .body = resume_body,
                                    .wants_target = true};
    return checked_run(cli, cli_option(cli, "trials") != NULL ? &more : &act);
}

int verb_sweep_stop(struct cli *cli)
{
    static const struct act act = {
        .verb = "stop", .past = "gets no new trials", .on = ACT_ON_RUNNING, .is_destructive = true};
    return checked_run(cli, &act);
}

int verb_sweep_cancel(struct cli *cli)
{
    static const struct act act = {.verb = "cancel",
                                   .past = "is being cancelled",
                                   .on = ACT_ON_RUNNING,
                                   .is_destructive = true,
                                   .body = grace_body};
    return checked_run(cli, &act);
}

int verb_sweep_rm(struct cli *cli)
{
    static const struct act act = {
        .verb = "rm", .past = "is removed", .on = ACT_ON_ENDED, .is_destructive = true};
    return checked_run(cli, &act);
}

int verb_trial_stop(struct cli *cli)
{
    static const struct act act = {.verb = "stop",
                                   .past = "is told to leave; what it reported counts",
                                   .on = ACT_ON_RUNNING,
                                   .is_destructive = true};
    return checked_run(cli, &act);
}

int verb_trial_cancel(struct cli *cli)
{
    static const struct act act = {.verb = "cancel",
                                   .past = "is being cancelled",
                                   .on = ACT_ON_RUNNING,
                                   .is_destructive = true,
                                   .body = grace_body};
    return checked_run(cli, &act);
}

int verb_trial_pause(struct cli *cli)
{
    static const struct act act = {.verb = "pause",
                                   .past =
                                       "saves and leaves; 'muster trial resume' goes on with it",
                                   .on = ACT_ON_RUNNING};
    return checked_run(cli, &act);
}

int verb_trial_resume(struct cli *cli)
{
    static const struct act act = {.verb = "resume", .past = "goes on", .on = ACT_ON_ANY};
    return checked_run(cli, &act);
}

int verb_trial_retry(struct cli *cli)
{
    static const struct act act = {.verb = "retry",
                                   .past = "is tried again",
                                   .on = ACT_ON_FAILED,
                                   .is_destructive = true,
                                   .body = retry_body,
                                   .wants_target = true};
    return checked_run(cli, &act);
}

/* An array is one target: its tasks are not asked for one by one. */
static int task_run(struct cli *cli, const struct act *act)
{
    struct selector selector, rest = {0};
    struct client *client = NULL;
    bool is_done = false;
    if (!options_are_good(cli)) {
        return EXIT_USAGE;
    }
    int code = selector_parse(cli->arguments[0], true, &selector);
    code = code == EXIT_OK ? cli_connect(cli, false, false, &client) : code;
    code = code == EXIT_OK ? array_act(cli, &client, act, &selector, &rest, &is_done) : code;
    client_close(client);
    bool has_rest = rest.n > 0 || rest.is_all || rest.is_last;
    return code != EXIT_OK || !has_rest ? code : act_run_selected(cli, act, &rest, is_done);
}

int verb_task_cancel(struct cli *cli)
{
    static const struct act act = {.verb = "cancel",
                                   .past = "is being cancelled",
                                   .on = ACT_ON_RUNNING,
                                   .is_destructive = true,
                                   .body = grace_body};
    return task_run(cli, &act);
}

int verb_task_retry(struct cli *cli)
{
    static const struct act act = {.verb = "retry",
                                   .past = "is tried again",
                                   .on = ACT_ON_FAILED,
                                   .is_destructive = true,
                                   .body = retry_body,
                                   .wants_target = true};
    return task_run(cli, &act);
}

int verb_sweep_set(struct cli *cli)
{
    struct client *client = NULL;
    char path[64];
    uint32_t number = 0;
    json_t *set = json_array();
    for (int i = 1; i < cli->n_arguments; i++) {
        json_array_append_new(set, json_string(cli->arguments[i]));
    }
    json_t *body = json_pack("{s:o}", "set", set);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    int code = cli_sweep_check(cli->arguments[0]) ? EXIT_OK : EXIT_USAGE;
    if (code == EXIT_OK && text == NULL) {
        code = cli_fail(EXIT_USAGE, "settings are UTF-8 text");
    }
    code = code == EXIT_OK ? cli_connect(cli, false, false, &client) : code;
    code = code == EXIT_OK ? cli_sweep_number(cli, &client, cli->arguments[0], &number) : code;
    if (code == EXIT_OK) {
        snprintf(path, sizeof path, "/api/v1/sweeps/%u/set", number);
        code = act_post(cli, &client, path, text, NULL, NULL);
    }
    if (code == EXIT_OK) {
        fprintf(stderr, "sweep %u has the new settings; what runs keeps what it started with\n",
                number);
    }
    free(text);
    client_close(client);
    return code;
}

int verb_sweep_clone(struct cli *cli)
{
    struct client *client = NULL;
    json_t *set = json_array(), *answer = NULL;
    const char *text, *name = cli_option(cli, "name"), *timeout = cli_option(cli, "timeout");
    int64_t timeout_ms = -1;
    uint32_t number = 0;
    char path[64];
    for (int k = 0; (text = cli_option_at(cli, "set", k)) != NULL; k++) {
        json_array_append_new(set, json_string(text));
    }
    json_t *body = json_pack("{s:o}", "set", set);
    if (name != NULL) {
        json_object_set_new(body, "name", json_string(name));
    }
    char *body_text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    int code =
        timeout == NULL || cli_duration("--timeout", timeout, &timeout_ms) ? EXIT_OK : EXIT_USAGE;
    if (code == EXIT_OK && cli->n_arguments > 0 && !cli_sweep_check(cli->arguments[0])) {
        code = EXIT_USAGE;
    }
    code = code == EXIT_OK ? cli_signals_catch(cli) : code;
    code = code == EXIT_OK ? cli_connect(cli, true, true, &client) : code;
    if (code == EXIT_OK) {
        code = cli_sweep_number(cli, &client, cli->n_arguments > 0 ? cli->arguments[0] : NULL,
                                &number);
    }
    if (code == EXIT_OK && body_text == NULL) {
        code = cli_fail(EXIT_USAGE, "--set and --name want UTF-8 text");
    }
    if (code == EXIT_OK) {
        snprintf(path, sizeof path, "/api/v1/sweeps/%u/clone", number);
        code = act_post(cli, &client, path, body_text, cli_option(cli, "key"), &answer);
    }
    if (code == EXIT_OK) {
        number = (uint32_t)cli_json_int(answer, "id");
        code = cli_option(cli, "detach") != NULL
                   ? cli_id_print(cli, answer)
                   : cli_sweep_watch(cli, &client, number, false, timeout_ms);
    }
    free(body_text);
    json_decref(answer);
    client_close(client);
    return code;
}
