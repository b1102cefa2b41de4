/* A command as the head wants it: its words, folder, environment and what it needs. */
#include <limits.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "cli/plan.h"
#include "cli/submit.h"

static bool task_number(json_t *body, const struct cli *cli, const char *option, const char *key,
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
                 scale == 1 ? " of bytes or a size such as 2G" : " of 0 or more", text);
        return false;
    }
    if (strcmp(option, "gpus") == 0 && number > 1 && number != floor(number)) {
        cli_fail(EXIT_USAGE, "--gpus wants a whole number, or a fraction below 1, not '%s'", text);
        return false;
    }
    json_object_set_new(body, key, json_integer((json_int_t)(number * scale + 0.5)));
    return true;
}

static bool task_count(json_t *body, const struct cli *cli, const char *option, const char *key,
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

static bool task_pairs(json_t *body, const struct cli *cli, const char *option, const char *key,
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

json_t *task_body(const struct cli *cli, const char *folder)
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
    if (getcwd(cwd, sizeof cwd) == NULL) {
        snprintf(cwd, sizeof cwd, "/");
    }
    const char *name = cli_option(cli, "name");
    json_t *body = json_pack(
        "{s:o, s:s, s:s, s:s, s:o}", "words", words, "workdir", folder != NULL ? folder : cwd,
        "name", name != NULL ? name : cli->command[0], "owner", submit_owner(), "require", require);
    bool is_good = body != NULL && task_number(body, cli, "cpus", "cpus", 10000) &&
                   task_number(body, cli, "gpus", "gpus", 10000) &&
                   task_number(body, cli, "memory", "memory_bytes", 1) &&
                   task_count(body, cli, "priority", "priority", 100) &&
                   task_count(body, cli, "retries", "retries_max", 1000000) &&
                   task_pairs(body, cli, "env", "env", false) &&
                   task_pairs(body, cli, "custom", "custom", true);
    if (!is_good) {
        json_decref(body);
        return NULL;
    }
    submit_options_add(cli, body);
    char *dump = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
    crypto_generichash(hash, sizeof hash, (const unsigned char *)dump, strlen(dump), NULL, 0);
    free(dump);
    sodium_bin2hex(hash_text, sizeof hash_text, hash, sizeof hash);
    json_object_set_new(body, "file_hash", json_string(hash_text));
    return body;
}

/* ---- --dry-run ---- */

static const char **texts_of(const json_t *array, const char *key, struct arena *arena,
                             uint32_t *ret_n)
{
    size_t i, n = json_array_size(array);
    json_t *item;
    const char **texts = arena_calloc(arena, n + 1, sizeof *texts);
    json_array_foreach((json_t *)(uintptr_t)array, i, item)
    {
        if (texts != NULL) {
            texts[i] = json_string_value(key != NULL ? json_object_get(item, key) : item);
        }
    }
    *ret_n = (uint32_t)n;
    return texts;
}

int task_show_plan(const struct cli *cli, const char *folder)
{
    struct arena arena;
    struct plan plan = {0};
    uint32_t n_env, n_words;
    json_t *body = task_body(cli, folder);
    if (body == NULL) {
        return EXIT_USAGE;
    }
    arena_init(&arena, 64 << 20);
    const json_t *env = json_object_get(body, "env");
    const char **words = texts_of(json_object_get(body, "words"), NULL, &arena, &n_words);
    const char **names = texts_of(env, "name", &arena, &n_env);
    const char **values = texts_of(env, "value", &arena, &n_env);
    struct label_pair *pairs = arena_calloc(&arena, n_env + 1, sizeof *pairs);
    int code = EXIT_OK;
    if (words == NULL || names == NULL || values == NULL || pairs == NULL) {
        code = cli_fail(EXIT_REQUEST, "out of memory");
    }
    for (uint32_t i = 0; code == EXIT_OK && i < n_env; i++) {
        pairs[i] = (struct label_pair){names[i], values[i]};
    }
    const char *cwd = cli_json_str(body, "workdir");
    const json_t *cpus = json_object_get(body, "cpus");
    struct msg_lease lease = {
        .task = {1, 1},
        .words = words,
        .n_words = n_words,
        .workdir = cwd,
        .env = pairs,
        .n_env = n_env,
        .cpus = cpus != NULL ? json_integer_value(cpus) : AMOUNT_ONE,
    };
    const struct plan_places places = {
        .start = folder != NULL ? "<attempt>/work" : cwd,
        .trial_dir = "<attempt>/work",
        .params_file = "<attempt>/params.json",
        .tmp = "<attempt>/tmp",
        .socket = "<attempt>/trial.sock",
    };
    code = code == EXIT_OK ? plan_make(&lease, &places, &arena, &plan) : code;
    if (code == EXIT_OK) {
        code = plan_print(cli, &plan,
                          "dry run: 1.1 stands for its id, <attempt> for a folder of its own on "
                          "the node");
    }
    arena_fini(&arena);
    json_decref(body);
    return code;
}
