/* muster check, muster sweep run: the file is checked here first, then its text goes to the head.
 */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "spec/sweep.h"

enum { SPEC_ARENA_MAX = 64 << 20 };

struct sweep_file {
    char *text;
    size_t length;
    const char *name;
    char folder[PATH_MAX];  /* of the file */
    char workdir[PATH_MAX]; /* absolute */
    struct arena arena;
    struct sweep_spec spec;
};

static void sweep_file_fini(struct sweep_file *file)
{
    mem_free(file->text);
    arena_fini(&file->arena);
}

static int sweep_file_read(struct sweep_file *file, const char *path)
{
    FILE *stream = fopen(path, "re");
    if (stream == NULL) {
        return cli_fail(EXIT_USAGE, "%s cannot be read: %s", path, strerror(errno));
    }
    struct stat about;
    if (fstat(fileno(stream), &about) == 0 && S_ISDIR(about.st_mode)) {
        fclose(stream);
        return cli_fail(EXIT_USAGE, "%s is a folder; give a sweep file", path);
    }
    file->text = mem_alloc(SPEC_FILE_MAX_BYTES + 2);
    file->length = file->text != NULL ? fread(file->text, 1, SPEC_FILE_MAX_BYTES + 1, stream) : 0;
    bool has_failed = file->text == NULL || ferror(stream) != 0;
    fclose(stream);
    if (has_failed) {
        return cli_fail(EXIT_USAGE, "%s cannot be read", path);
    }
    if (file->length > SPEC_FILE_MAX_BYTES) {
        return cli_fail(EXIT_USAGE, "%s is larger than 1 MiB; a sweep file is a page of text",
                        path);
    }
    file->text[file->length] = '\0';
    char full[PATH_MAX];
    if (realpath(path, full) == NULL) {
        return cli_fail(EXIT_USAGE, "%s cannot be found: %s", path, strerror(errno));
    }
    *strrchr(full, '/') = '\0';
    snprintf(file->folder, sizeof file->folder, "%s", full[0] != '\0' ? full : "/");
    file->name = path;
    return EXIT_OK;
}

/* The work folder is relative to the file's own; attempts start in it. */
static int workdir_resolve(struct sweep_file *file)
{
    char joined[PATH_MAX * 2];
    const char *workdir = file->spec.workdir;
    snprintf(joined, sizeof joined, "%s%s%s", workdir[0] == '/' ? "" : file->folder,
             workdir[0] == '/' ? "" : "/", workdir);
    struct stat about;
    if (realpath(joined, file->workdir) == NULL) {
        return cli_fail(EXIT_USAGE, "workdir.path '%s' of %s cannot be found: %s", workdir,
                        file->name, strerror(errno));
    }
    if (stat(file->workdir, &about) != 0 || !S_ISDIR(about.st_mode)) {
        return cli_fail(EXIT_USAGE, "workdir.path '%s' of %s is no folder", workdir, file->name);
    }
    return EXIT_OK;
}

static bool program_is_in_path(const char *program, const char *path)
{
    char candidate[PATH_MAX];
    while (path != NULL && *path != '\0') {
        size_t n = strcspn(path, ":");
        snprintf(candidate, sizeof candidate, "%.*s/%s", (int)n, path, program);
        if (access(candidate, X_OK) == 0) {
            return true;
        }
        path += n + (path[n] == ':');
    }
    return false;
}

/* A list command's program must be there; a string command is the shell's business. */
static int program_check(const struct sweep_file *file)
{
    const char *program = file->spec.command.words[0];
    if (file->spec.command.is_shell || strstr(program, "${") != NULL) {
        return EXIT_OK;
    }
    const char *path = getenv("PATH");
    for (uint32_t i = 0; i < file->spec.n_env; i++) {
        path = strcmp(file->spec.env[i].name, "PATH") == 0 ? file->spec.env[i].value : path;
    }
    if (strchr(program, '/') == NULL) {
        return program_is_in_path(program, path)
                   ? EXIT_OK
                   : cli_fail(EXIT_USAGE,
                              "command: there is no program '%s' on PATH (%s); install it or write "
                              "its path",
                              program, file->name);
    }
    char full[PATH_MAX * 2];
    snprintf(full, sizeof full, "%s%s%s", program[0] == '/' ? "" : file->workdir,
             program[0] == '/' ? "" : "/", program);
    if (access(full, X_OK) != 0) {
        return cli_fail(EXIT_USAGE, "command: %s cannot be run: %s (%s)", full, strerror(errno),
                        file->name);
    }
    return EXIT_OK;
}

static int sweep_file_load(struct sweep_file *file, const char *path)
{
    *file = (struct sweep_file){0};
    arena_init(&file->arena, SPEC_ARENA_MAX);
    int code = sweep_file_read(file, path);
    if (code != EXIT_OK) {
        return code;
    }
    struct report report = {0};
    error_code error =
        spec_sweep_parse(file->text, file->length, path, &file->arena, &file->spec, &report);
    if (error != OK) {
        return cli_fail_report(EXIT_USAGE, &report);
    }
    code = workdir_resolve(file);
    return code == EXIT_OK ? program_check(file) : code;
}

int verb_check(struct cli *cli)
{
    struct sweep_file file;
    int code = sweep_file_load(&file, cli->arguments[0]);
    if (code == EXIT_OK && cli_option(cli, "print") != NULL) {
        struct buf text;
        buf_init(&text, SPEC_FILE_MAX_BYTES * 4);
        if (spec_sweep_print(&file.spec, &text) == OK) {
            fwrite(text.data, 1, text.len, stdout);
        } else {
            code = cli_fail(EXIT_REQUEST, "the file is too large to print");
        }
        buf_fini(&text);
    } else if (code == EXIT_OK) {
        printf("%s is a good sweep file: %u parameters, %s schedule%s\n", cli->arguments[0],
               file.spec.n_parameters, file.spec.schedule.type == SCHEDULE_ASHA ? "asha" : "no",
               "");
    }
    sweep_file_fini(&file);
    return code;
}

static void hash_print(const struct sweep_file *file, char ret_text[2 * 32 + 1])
{
    unsigned char hash[32];
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    crypto_generichash_update(&state, (const unsigned char *)file->text, file->length);
    crypto_generichash_update(&state, (const unsigned char *)file->workdir, strlen(file->workdir));
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(ret_text, 2 * sizeof hash + 1, hash, sizeof hash);
}

/* One made here protects against a lost answer only: the request that is sent again finds what it
 * made. */
static void key_make(char ret_text[2 * 16 + 1])
{
    unsigned char bytes[16];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(ret_text, 2 * sizeof bytes + 1, bytes, sizeof bytes);
}

static const char *owner_name(void)
{
    const struct passwd *user = getpwuid(getuid());
    return user != NULL ? user->pw_name : "";
}

static char *submit_body(const struct cli *cli, const struct sweep_file *file, const char *hash)
{
    const char *base = strrchr(file->name, '/');
    json_t *argv = json_array();
    for (int i = 0; i < cli->argc; i++) {
        json_array_append_new(argv, json_string(cli->argv[i]));
    }
    json_t *body = json_pack("{s:s%, s:s, s:s, s:s, s:s, s:o}", "file", file->text, file->length,
                             "file_name", base != NULL ? base + 1 : file->name, "workdir",
                             file->workdir, "file_hash", hash, "owner", owner_name(), "argv", argv);
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}

int verb_sweep_run(struct cli *cli)
{
    struct sweep_file file;
    struct client *client = NULL;
    struct client_answer answer;
    char hash[65], made_key[33];
    int64_t timeout_ms = -1;
    cli_output output;
    const char *timeout = cli_option(cli, "timeout"), *key = cli_option(cli, "key");
    if (!cli_output_parse(cli, &output) ||
        (timeout != NULL && !cli_duration("--timeout", timeout, &timeout_ms))) {
        return EXIT_USAGE;
    }
    int code = sweep_file_load(&file, cli->arguments[0]);
    if (code == EXIT_OK && sodium_init() < 0) {
        code = cli_fail(EXIT_REQUEST, "this machine gives no random numbers");
    }
    if (code == EXIT_OK) {
        code = cli_connect(cli, true, true, &client);
    }
    if (code != EXIT_OK) {
        sweep_file_fini(&file);
        return code;
    }
    hash_print(&file, hash);
    key_make(made_key);
    char *body = submit_body(cli, &file, hash);
    sweep_file_fini(&file);
    if (body == NULL) {
        client_close(client);
        return cli_fail(EXIT_USAGE, "%s is not UTF-8 text", cli->arguments[0]);
    }
    uint32_t number = 0;
    code = client_call_patiently(cli, &client, "POST", "/api/v1/sweeps", body,
                                 key != NULL ? key : made_key, &answer);
    free(body);
    if (code == EXIT_OK) {
        bool is_made = answer.status == 201 || answer.status == 200;
        number = (uint32_t)cli_json_int(answer.json, "id");
        code = is_made ? EXIT_OK : client_answer_fail(&answer);
        client_answer_fini(&answer);
    }
    if (code == EXIT_OK && cli_option(cli, "detach") != NULL) {
        printf(output == OUTPUT_TABLE ? "%u\n" : "{\"api\":\"v1\",\"id\":%u}\n", number);
    } else if (code == EXIT_OK) {
        code = cli_sweep_watch(cli, &client, number, false, timeout_ms);
    }
    client_close(client);
    return code;
}
