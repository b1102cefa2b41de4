/* muster check, sweep run, submit: the file is checked here first, then its text goes to the head.
 */
#include <pwd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/plan.h"
#include "cli/sample.h"
#include "cli/signals.h"
#include "cli/submit.h"
#include "cli/sweep_file.h"
#include "cli/work.h"
#include "tune/foresee.h"

/* What it will come to. */
static void schedule_foresee(const struct sweep_spec *spec)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    if (tune_foresee(spec, &text) == OK && text.len > 0) {
        printf("%s: %s\n", spec_schedule_word(spec->schedule.type), buf_text(&text));
    }
    buf_fini(&text);
}

/* What the schedule cannot do with a trial that only prints: nobody can ask it to save. */
static void schedule_note(const struct sweep_spec *spec)
{
    uint32_t printed = REPORT_FROM_STDOUT | REPORT_FROM_STDERR | REPORT_FROM_TENSORBOARD;
    const struct schedule_spec *schedule = &spec->schedule;
    bool is_pbt = schedule->type == SCHEDULE_PBT, is_replay = schedule->type == SCHEDULE_REPLAY;
    bool has_modes = schedule->type == SCHEDULE_ASHA || schedule->type == SCHEDULE_HYPERBAND;
    bool waits =
        schedule->type == SCHEDULE_SHA || (has_modes && schedule->mode == SCHEDULE_PROMOTE);
    bool restores = false;
    for (uint32_t i = 0; i < spec->command.n_words; i++) {
        restores = restores || strstr(spec->command.words[i], "${restore") != NULL;
    }
    bool can_save = spec->checkpoints.adopt[0] != '\0' && restores;
    if ((spec->report.from & printed) == 0 || can_save || !(waits || is_pbt || is_replay)) {
        return;
    }
    fprintf(stderr,
            "note: a trial that only prints, without `checkpoints.adopt` and ${restore}, is never "
            "waited for at a rung: %s; asha and hyperband with `mode: stop` and median do all that "
            "they do\n",
            is_replay ? "this schedule stops it at the first change of its parameters"
            : is_pbt  ? "with `schedule.type: pbt` it neither pauses nor goes on from another one"
                      : "this schedule stops it where it would pause");
}

int verb_check(struct cli *cli)
{
    struct sweep_file file;
    int code = sweep_file_load(cli, &file, cli->arguments[0]);
    if (code == EXIT_OK && cli_option(cli, "print") != NULL) {
        struct buf text;
        buf_init(&text, SPEC_FILE_MAX_BYTES * 4);
        if (spec_sweep_print(&file.spec, &text) == OK) {
            fwrite(text.data, 1, text.len, stdout);
        } else {
            code = cli_fail(EXIT_REQUEST, "the file is too large to print");
        }
        buf_fini(&text);
    } else if (code == EXIT_OK && cli_option(cli, "sample") != NULL) {
        code = sample_print(cli, &file, cli_option(cli, "sample"));
    } else if (code == EXIT_OK && cli_option(cli, "preview") != NULL) {
        code = preview_print(&file);
    } else if (code == EXIT_OK) {
        printf("%s is a good sweep file: %u parameters, %s schedule\n", cli->arguments[0],
               file.spec.n_parameters, spec_schedule_word(file.spec.schedule.type));
        schedule_foresee(&file.spec);
        schedule_note(&file.spec);
    }
    sweep_file_fini(&file);
    return code;
}

/* `file_hash` of docs/API.md, as every client makes it: the text, and the folder's hash, or its
 * place where it is not sent. */
static void file_hash_print(const struct sweep_file *file, const struct cli_work *work,
                            char ret_text[2 * 32 + 1])
{
    unsigned char hash[32];
    crypto_generichash_state state;
    const char *place = work->pack != NULL ? work->hash : file->workdir;
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    crypto_generichash_update(&state, (const unsigned char *)file->text, file->length);
    crypto_generichash_update(&state, (const unsigned char *)place, strlen(place));
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(ret_text, 2 * sizeof hash + 1, hash, sizeof hash);
}

const char *submit_owner(void)
{
    const struct passwd *user = getpwuid(getuid());
    return user != NULL ? user->pw_name : "";
}

void submit_options_add(const struct cli *cli, json_t *body)
{
    const char *text, *name = cli_option(cli, "name");
    json_t *labels = json_array();
    for (int k = 0; (text = cli_option_at(cli, "label", k)) != NULL; k++) {
        json_array_append_new(labels, json_string(text));
    }
    if (json_array_size(labels) > 0) {
        json_object_set(body, "labels", labels);
    }
    json_decref(labels);
    if (name != NULL) {
        json_object_set_new(body, "name", json_string(name));
    }
}

/* NULL: it is not UTF-8. */
static json_t *submit_body(const struct cli *cli, const struct sweep_file *file, const char *hash)
{
    const char *base = strrchr(file->name, '/');
    json_t *argv = json_array(), *set = json_array();
    for (int i = 0; i < cli->argc; i++) {
        json_array_append_new(argv, json_string(cli->argv[i]));
    }
    for (uint32_t i = 0; i < file->n_set; i++) {
        json_array_append_new(set, json_string(file->set[i]));
    }
    json_t *body = json_pack("{s:s%, s:s, s:s, s:s, s:s, s:o, s:o, s:b}", "file", file->text,
                             file->length, "file_name", base != NULL ? base + 1 : file->name,
                             "workdir", file->workdir, "file_hash", hash, "owner", submit_owner(),
                             "argv", argv, "set", set, "test", file->is_test);
    char *git = body != NULL ? cli_git_text(file->workdir) : NULL;
    if (git != NULL) {
        json_object_set_new(body, "git", json_string(git));
    }
    mem_free(git);
    if (body != NULL) {
        submit_options_add(cli, body);
    }
    return body;
}

int cli_id_print(const struct cli *cli, const json_t *answer)
{
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    const json_t *id = json_object_get(answer, "id");
    if (cli_output_is_text(cli, output) || output == OUTPUT_NAME) {
        char text[64];
        cli_value_print(id, text, sizeof text);
        puts(text);
        return EXIT_OK;
    }
    json_t *object = json_pack("{s:s, s:O}", "api", "v1", "id", id);
    int code = cli_print_object(cli, object);
    json_decref(object);
    return code;
}

bool submit_is_called_off(int *ret_code)
{
    if (!cli_is_interrupted) {
        return false;
    }
    *ret_code = cli_fail(cli_signal_cancels() ? EXIT_CANCELLED : EXIT_INTERRUPTED,
                         "interrupted before anything was submitted");
    return true;
}

/* Sends it; the answer {"id": N} is the caller's. */
static int sweep_post(struct cli *cli, struct client **client, const struct sweep_file *file,
                      struct cli_work *work, json_t **ret_answer)
{
    char hash[65], made_key[CLI_KEY_TEXT_MAX];
    struct client_answer answer;
    const char *key = cli_option(cli, "key");
    file_hash_print(file, work, hash);
    cli_key_make(made_key);
    json_t *body = submit_body(cli, file, hash);
    if (body == NULL) {
        return cli_fail(EXIT_USAGE, "%s is not UTF-8 text", file->name);
    }
    int code = cli_work_post(cli, client, &work, 1, "/api/v1/sweeps", body,
                             key != NULL ? key : made_key, &answer);
    json_decref(body);
    if (code != EXIT_OK) {
        return code;
    }
    bool is_made = answer.status == 201 || answer.status == 200;
    code = is_made ? EXIT_OK : client_answer_fail(&answer);
    if (is_made) {
        *ret_answer = json_incref(answer.json);
    }
    client_answer_fini(&answer);
    return code;
}

static int sweep_file_submit(struct cli *cli, struct client **ret_client,
                             const struct sweep_file *file, json_t **ret_answer)
{
    struct cli_work work = {0};
    int code = sodium_init() < 0 ? cli_fail(EXIT_REQUEST, "this machine gives no random numbers")
                                 : EXIT_OK;
    if (code == EXIT_OK && file->spec.work.mode == WORKDIR_SNAPSHOT) {
        code = cli_work_pack(cli, file->workdir, &file->spec.work, &work);
    }
    code = code == EXIT_OK ? cli_connect(cli, true, true, ret_client) : code;
    if (code == EXIT_OK && !submit_is_called_off(&code)) {
        code = sweep_post(cli, ret_client, file, &work, ret_answer);
    }
    cli_work_fini(&work);
    return code;
}

int submit_sweep(struct cli *cli, const char *path, submit_then then)
{
    struct sweep_file file;
    struct client *client = NULL;
    json_t *answer = NULL;
    int64_t timeout_ms = -1;
    cli_output output;
    const char *timeout = cli_option(cli, "timeout");
    if (!cli_output_parse(cli, &output) ||
        (timeout != NULL && !cli_duration("--timeout", timeout, &timeout_ms))) {
        return EXIT_USAGE;
    }
    int code = cli_signals_catch(cli);
    if (code != EXIT_OK) {
        return code;
    }
    code = sweep_file_load(cli, &file, path);
    if (code == EXIT_OK && cli_option(cli, "dry-run") != NULL) {
        code = plan_show_first(cli, &file);
        sweep_file_fini(&file);
        return code;
    }
    code = code == EXIT_OK ? sweep_file_submit(cli, &client, &file, &answer) : code;
    sweep_file_fini(&file);
    if (code == EXIT_OK && then == SUBMIT_DETACH) {
        code = cli_id_print(cli, answer);
    } else if (code == EXIT_OK) {
        code = cli_sweep_watch(cli, &client, (uint32_t)cli_json_int(answer, "id"),
                               then == SUBMIT_WAIT, timeout_ms);
    }
    json_decref(answer);
    client_close(client);
    return code;
}

int verb_sweep_run(struct cli *cli)
{
    return submit_sweep(cli, cli->arguments[0],
                        cli_option(cli, "detach") != NULL ? SUBMIT_DETACH : SUBMIT_WATCH);
}

/* Options that only one of the two kinds has. */
static int submit_check(const struct cli *cli)
{
    static const char *const of_tasks[] = {
        "cpus",    "gpus",  "memory",    "custom",    "require",   "env",      "retries",
        "workdir", "array", "each-line", "from-json", "max-fails", "log-files"};
    static const char *const of_arrays[] = {"max-fails", "log-files"};
    static const char *const of_sweeps[] = {"set", "test"};
    bool is_task = cli->n_command > 0;
    const char *const *names = is_task ? of_sweeps : of_tasks;
    size_t n =
        is_task ? sizeof of_sweeps / sizeof of_sweeps[0] : sizeof of_tasks / sizeof of_tasks[0];
    for (size_t i = 0; i < n; i++) {
        if (cli_option(cli, names[i]) != NULL) {
            return is_task
                       ? cli_fail(EXIT_USAGE, "--%s is for sweep files, not for a command",
                                  names[i])
                       : cli_fail(EXIT_USAGE,
                                  "--%s is for a command after --; a sweep file says it itself, "
                                  "or --set does",
                                  names[i]);
        }
    }
    for (size_t i = 0; is_task && i < sizeof of_arrays / sizeof of_arrays[0]; i++) {
        if (cli_option(cli, of_arrays[i]) != NULL && !submit_is_array(cli)) {
            return cli_fail(EXIT_USAGE,
                            "--%s is for task arrays: --array, --each-line or "
                            "--from-json",
                            of_arrays[i]);
        }
    }
    return EXIT_OK;
}

int verb_submit(struct cli *cli)
{
    submit_then then = cli_option(cli, "follow") != NULL ? SUBMIT_WATCH
                       : cli_option(cli, "wait") != NULL ? SUBMIT_WAIT
                                                         : SUBMIT_DETACH;
    int code = submit_check(cli);
    if (code != EXIT_OK) {
        return code;
    }
    return cli->n_command == 0    ? submit_sweep(cli, cli->arguments[0], then)
           : submit_is_array(cli) ? submit_array(cli, then)
                                  : submit_task(cli, then);
}
