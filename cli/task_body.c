/* A command as the head wants it: its words, folder, environment and what it needs. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "cli/plan.h"
#include "cli/submit.h"
#include "spec/macros.h"

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

/* The tasks of an array differ by ${index} and ${line}: their text is not literal, and what it
 * names is checked here. NULL after the message. */
static json_t *expandable(const char *text, macros_place place, const struct task_array *array)
{
    struct report report = {0};
    if (macros_array_check(text, place, array->first != NULL, &report) != OK) {
        cli_fail(EXIT_USAGE, "'%s': %s", text, report.text);
        return NULL;
    }
    json_t *value = json_string(text);
    if (value == NULL) {
        cli_fail(EXIT_USAGE, "the command is no UTF-8 text, or too long");
    }
    return value;
}

static json_t *task_text(const char *text, macros_place place, const struct task_array *array)
{
    if (array != NULL) {
        return expandable(text, place, array);
    }
    json_t *value = literal(text);
    if (value == NULL) {
        cli_fail(EXIT_USAGE, "the command is no UTF-8 text, or too long");
    }
    return value;
}

/* NAME=VALUE: false after the message. */
static bool task_env(json_t *body, const struct cli *cli, const struct task_array *array)
{
    json_t *pairs = json_array();
    const char *text;
    for (int k = 0; (text = cli_option_at(cli, "env", k)) != NULL; k++) {
        const char *equals = strchr(text, '=');
        if (equals == NULL || equals == text) {
            json_decref(pairs);
            cli_fail(EXIT_USAGE, "--env wants NAME=VALUE, not '%s'", text);
            return false;
        }
        json_t *value = task_text(equals + 1, MACROS_ENV, array);
        if (value == NULL) {
            json_decref(pairs);
            return false;
        }
        json_array_append_new(
            pairs, json_pack("{s:s%, s:o}", "name", text, (size_t)(equals - text), "value", value));
    }
    json_object_set_new(body, "env", pairs);
    return true;
}

/* NAME=NUMBER: false after the message. */
static bool task_custom(json_t *body, const struct cli *cli)
{
    json_t *pairs = json_array();
    const char *text;
    for (int k = 0; (text = cli_option_at(cli, "custom", k)) != NULL; k++) {
        const char *equals = strchr(text, '=');
        char *end = NULL;
        double number = equals != NULL ? strtod(equals + 1, &end) : 0;
        if (equals == NULL || equals == text || end == equals + 1 || *end != '\0' || number < 0) {
            json_decref(pairs);
            cli_fail(EXIT_USAGE, "--custom wants NAME=NUMBER, not '%s'", text);
            return false;
        }
        json_array_append_new(pairs, json_pack("{s:s%, s:I}", "name", text, (size_t)(equals - text),
                                               "amount", (json_int_t)(number * AMOUNT_ONE + 0.5)));
    }
    json_object_set_new(body, "custom", pairs);
    return true;
}

/* NULL after the message. */
static json_t *task_words(const struct cli *cli, const struct task_array *array)
{
    json_t *words = json_array();
    for (int i = 0; i < cli->n_command; i++) {
        json_t *word = task_text(cli->command[i], MACROS_ITEM, array);
        if (word == NULL) {
            json_decref(words);
            return NULL;
        }
        json_array_append_new(words, word);
    }
    return words;
}

json_t *task_body(const struct cli *cli, const char *folder, const struct task_array *array)
{
    char cwd[PATH_MAX];
    const char *text, *name = cli_option(cli, "name");
    json_t *words = task_words(cli, array), *require = json_array();
    for (int k = 0; (text = cli_option_at(cli, "require", k)) != NULL; k++) {
        json_array_append_new(require, json_string(text));
    }
    if (words == NULL) {
        json_decref(require);
        return NULL;
    }
    if (getcwd(cwd, sizeof cwd) == NULL) {
        snprintf(cwd, sizeof cwd, "/");
    }
    json_t *body = json_pack(
        "{s:o, s:s, s:s, s:s, s:o}", "words", words, "workdir", folder != NULL ? folder : cwd,
        "name", name != NULL ? name : cli->command[0], "owner", submit_owner(), "require", require);
    bool is_good = body != NULL && task_number(body, cli, "cpus", "cpus", 10000) &&
                   task_number(body, cli, "gpus", "gpus", 10000) &&
                   task_number(body, cli, "memory", "memory_bytes", 1) &&
                   task_count(body, cli, "priority", "priority", 100) &&
                   task_count(body, cli, "retries", "retries_max", 1000000) &&
                   task_env(body, cli, array) && task_custom(body, cli);
    if (!is_good) {
        json_decref(body);
        return NULL;
    }
    submit_options_add(cli, body);
    if (array != NULL) {
        json_object_set_new(body, "array",
                            json_pack("{s:I, s:I, s:I}", "first", (json_int_t)array->ids.first,
                                      "last", (json_int_t)array->ids.last, "step",
                                      (json_int_t)array->ids.step));
        json_object_set_new(body, "items", json_string(array->items));
        json_object_set_new(body, "max_fails", json_integer(array->max_fails));
        if (cli_option(cli, "log-files") != NULL) {
            json_object_set_new(body, "log_files", json_true());
        }
    }
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

int task_show_plan(const struct cli *cli, const char *folder, const struct task_array *array)
{
    struct arena arena;
    struct plan plan = {0};
    uint32_t n_env, n_words;
    json_t *body = task_body(cli, folder, array);
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
        .task = {1, array != NULL ? array->ids.first : 1},
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
        .index = array != NULL ? array->ids.first : 0,
        .line = array != NULL ? array->first : NULL,
    };
    char comment[128];
    snprintf(comment, sizeof comment,
             "dry run: 1.%u stands for its id, <attempt> for a folder of its own on the node",
             lease.task.index);
    code = code == EXIT_OK ? plan_make(&lease, &places, &arena, &plan) : code;
    if (code == EXIT_OK) {
        code = plan_print(cli, &plan, comment);
    }
    arena_fini(&arena);
    json_decref(body);
    return code;
}
