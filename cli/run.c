/* muster run: one command, its output, its exit code. */
#include <limits.h>
#include <math.h>
#include <pwd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/logs.h"

static bool run_number(json_t *body, const struct cli *cli, const char *option, const char *key,
                       double scale)
{
    const char *text = cli_option(cli, option);
    if (text == NULL) {
        return true;
    }
    static const struct {
        char letter;
        double factor;
    } sizes[] = {{'K', 1024.0}, {'M', 1048576.0}, {'G', 1073741824.0}, {'T', 1099511627776.0}};
    char *end = NULL;
    double number = strtod(text, &end);
    for (size_t i = 0; scale == 1 && *end != '\0' && i < sizeof sizes / sizeof sizes[0]; i++) {
        if (*end == sizes[i].letter) {
            number *= sizes[i].factor;
            end++;
        }
    }
    if (end == text || *end != '\0' || !(number >= 0) || number > 1e15) {
        cli_fail(EXIT_USAGE, "--%s wants a number%s, not '%s'", option,
                 scale == 1 ? " or a size such as 2G" : "", text);
        return false;
    }
    if (strcmp(option, "gpus") == 0 && number > 1 && number != floor(number)) {
        cli_fail(EXIT_USAGE, "--gpus wants a whole number, or a fraction below 1, not '%s'", text);
        return false;
    }
    json_object_set_new(body, key, json_integer((json_int_t)(number * scale + 0.5)));
    return true;
}

static bool run_count(json_t *body, const struct cli *cli, const char *option, const char *key,
                      uint64_t max)
{
    char what[32];
    uint64_t number;
    const char *text = cli_option(cli, option);
    snprintf(what, sizeof what, "--%s", option);
    if (text == NULL) {
        return true;
    }
    return cli_number(what, text, max, &number) &&
           json_object_set_new(body, key, json_integer((json_int_t)number)) == 0;
}

/* A command is run as it is written: the head would take ${X} for a macro of a sweep file. */
static json_t *literal(const char *text)
{
    struct buf buf;
    buf_init(&buf, 1 << 20);
    for (; *text != '\0'; text++) {
        ignore_error(buf_append_text(&buf, strncmp(text, "${", 2) == 0 ? "$" : ""),
                     "checked below");
        ignore_error(buf_append_byte(&buf, (uint8_t)*text), "checked below");
    }
    json_t *value = buf.failed == OK ? json_string(buf_text(&buf)) : NULL;
    buf_fini(&buf);
    return value;
}

static bool run_pairs(json_t *body, const struct cli *cli, const char *option, const char *key,
                      bool is_amount)
{
    json_t *pairs = json_array();
    const char *text;
    for (int k = 0; (text = cli_option_at(cli, option, k)) != NULL; k++) {
        const char *equals = strchr(text, '=');
        char *end = NULL;
        double number = equals != NULL && is_amount ? strtod(equals + 1, &end) : 0;
        if (equals == NULL || equals == text ||
            (is_amount && (end == equals + 1 || *end != '\0' || number < 0))) {
            json_decref(pairs);
            cli_fail(EXIT_USAGE, "--%s wants NAME=%s, not '%s'", option,
                     is_amount ? "NUMBER" : "VALUE", text);
            return false;
        }
        json_t *pair = json_pack("{s:s%}", "name", text, (size_t)(equals - text));
        json_object_set_new(pair, is_amount ? "amount" : "value",
                            is_amount ? json_integer((json_int_t)(number * 10000 + 0.5))
                                      : literal(equals + 1));
        json_array_append_new(pairs, pair);
    }
    json_object_set_new(body, key, pairs);
    return true;
}

static json_t *run_body(const struct cli *cli)
{
    char cwd[PATH_MAX], hash_text[65];
    unsigned char hash[32];
    json_t *words = json_array(), *require = json_array();
    for (int i = 0; i < cli->n_command; i++) {
        if (json_array_append_new(words, literal(cli->command[i])) != 0) {
            json_decref(words);
            json_decref(require);
            cli_fail(EXIT_USAGE, "the command is no UTF-8 text, or too long");
            return NULL;
        }
    }
    const char *text;
    for (int k = 0; (text = cli_option_at(cli, "require", k)) != NULL; k++) {
        json_array_append_new(require, json_string(text));
    }
    const struct passwd *user = getpwuid(getuid());
    const char *name = cli_option(cli, "name");
    json_t *body = json_pack("{s:o, s:s, s:s, s:s, s:o}", "words", words, "workdir",
                             getcwd(cwd, sizeof cwd) != NULL ? cwd : "/", "name",
                             name != NULL ? name : cli->command[0], "owner",
                             user != NULL ? user->pw_name : "", "require", require);
    bool is_good = body != NULL && run_number(body, cli, "cpus", "cpus", 10000) &&
                   run_number(body, cli, "gpus", "gpus", 10000) &&
                   run_number(body, cli, "memory", "memory_bytes", 1) &&
                   run_count(body, cli, "priority", "priority", 100) &&
                   run_count(body, cli, "retries", "retries_max", 1000000) &&
                   run_pairs(body, cli, "env", "env", false) &&
                   run_pairs(body, cli, "custom", "custom", true);
    if (!is_good) {
        json_decref(body);
        return NULL;
    }
    char *dump = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
    crypto_generichash(hash, sizeof hash, (const unsigned char *)dump, strlen(dump), NULL, 0);
    free(dump);
    sodium_bin2hex(hash_text, sizeof hash_text, hash, sizeof hash);
    json_object_set_new(body, "file_hash", json_string(hash_text));
    return body;
}

static int run_exit_code(const json_t *task)
{
    const char *outcome = cli_json_str(task, "outcome");
    int64_t signal = cli_json_int(task, "signal"), code = cli_json_int(task, "exit_code");
    if (strcmp(outcome, "done") == 0) {
        return EXIT_OK;
    }
    if (strcmp(outcome, "cancelled") == 0 || strcmp(outcome, "stopped") == 0) {
        return cli_fail(EXIT_CANCELLED, "task %s was %s", cli_json_str(task, "id"), outcome);
    }
    if (cli_json_str(task, "started")[0] == '\0') {
        return cli_fail(EXIT_CANNOT_RUN, "task %s could not be run: %s", cli_json_str(task, "id"),
                        cli_json_str(task, "reason"));
    }
    if (signal > 0) {
        return (int)(128 + signal);
    }
    return code > 0 ? (int)code
                    : cli_fail(EXIT_REQUEST, "task %s failed: %s", cli_json_str(task, "id"),
                               cli_json_str(task, "reason"));
}

/* Follows the output until the task has ended; the head may restart meanwhile. */
static int run_follow(struct cli *cli, struct client **client, task_id id)
{
    char path[128];
    json_t *task = NULL;
    struct logs_wanted wanted = {.id = id, .out = stdout, .err = stderr, .is_following = true};
    int code = cli_logs(cli, client, &wanted);
    if (code == EXIT_INTERRUPTED) {
        fprintf(stderr,
                "\ndetached; task %u.%u goes on. Come back with 'muster task logs -f %u.%u', end "
                "it with 'muster task cancel %u.%u'\n",
                id.job, id.index, id.job, id.index, id.job, id.index);
    }
    if (code != EXIT_OK) {
        return code;
    }
    snprintf(path, sizeof path, "/api/v1/tasks/%u.%u", id.job, id.index);
    code = client_get_json(cli, client, path, &task);
    code = code == EXIT_OK ? run_exit_code(task) : code;
    json_decref(task);
    return code;
}

int verb_run(struct cli *cli)
{
    if (sodium_init() < 0) {
        return cli_fail(EXIT_REQUEST, "this machine gives no random numbers");
    }
    json_t *body = run_body(cli);
    if (body == NULL) {
        return EXIT_USAGE;
    }
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    unsigned char random[16];
    char made_key[33];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(made_key, sizeof made_key, random, sizeof random);
    struct client *client = NULL;
    struct client_answer answer;
    const char *key = cli_option(cli, "key");
    int code = cli_connect(cli, true, true, &client);
    if (code == EXIT_OK) {
        code = client_call_patiently(cli, &client, "POST", "/api/v1/jobs", text,
                                     key != NULL ? key : made_key, &answer);
    }
    free(text);
    if (code != EXIT_OK) {
        client_close(client);
        return code;
    }
    task_id id = {(uint32_t)cli_json_int(answer.json, "id"), 1};
    code = answer.status == 201 || answer.status == 200 ? EXIT_OK : client_answer_fail(&answer);
    client_answer_fini(&answer);
    if (code == EXIT_OK) {
        cli_interrupt_catch();
        code = run_follow(cli, &client, id);
    }
    client_close(client);
    return code;
}
