#include "cli/sweep_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/recording.h"
#include "tune/tune.h"

enum { SPEC_ARENA_MAX = 64 << 20 };

void sweep_file_fini(struct sweep_file *file)
{
    mem_free(file->text);
    mem_free(file->recorded);
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

/* --set, and --priority, which is a key of the file. */
static int settings_take(const struct cli *cli, struct sweep_file *file)
{
    const char *text, *priority = cli_option(cli, "priority");
    uint64_t number;
    for (int k = 0; (text = cli_option_at(cli, "set", k)) != NULL; k++) {
        if (file->n_set + 1 == SPEC_SETS_MAX) {
            return cli_fail(EXIT_USAGE, "more than %d --set", SPEC_SETS_MAX - 1);
        }
        file->set[file->n_set++] = text;
    }
    if (priority != NULL) {
        if (!cli_number("--priority", priority, PRIORITY_MAX, &number)) {
            return EXIT_USAGE;
        }
        snprintf(file->priority, sizeof file->priority, "queue.priority=%u", (unsigned)number);
        file->set[file->n_set++] = file->priority;
    }
    file->is_test = cli_option(cli, "test") != NULL;
    return EXIT_OK;
}

/* Each ${envvar:NAME} of the text becomes a setting: the head has no environment of people. What is
 * not there is said by the check, unless the file has a default. */
static int envvars_take(struct sweep_file *file)
{
    static const char macro[] = "${envvar:";
    for (const char *at = strstr(file->text, macro); at != NULL; at = strstr(at, macro)) {
        char name[NAME_MAX_BYTES + 1];
        at += sizeof macro - 1;
        size_t length = strcspn(at, "}");
        bool is_escaped = at - sizeof macro + 1 > file->text && at[-(long)sizeof macro] == '$';
        if (is_escaped || length == 0 || length >= sizeof name) {
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        const char *value = getenv(name);
        json_t *text = value != NULL ? json_string(value) : NULL;
        char *quoted = text != NULL ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
        json_decref(text);
        if (value != NULL && quoted == NULL) {
            return cli_fail(EXIT_USAGE, "the variable %s of the environment is no UTF-8 text",
                            name);
        }
        char *setting =
            quoted != NULL ? arena_printf(&file->arena, "envvar.%s=%s", name, quoted) : NULL;
        free(quoted);
        bool is_there = setting == NULL;
        for (uint32_t i = 0; i < file->n_set && !is_there; i++) {
            is_there = strcmp(file->set[i], setting) == 0;
        }
        if (!is_there && file->n_set + 2 < SPEC_SETS_MAX) {
            file->set[file->n_set++] = setting;
        }
    }
    return EXIT_OK;
}

/* What schedule.from names becomes a setting, so that it travels with the file. */
static int recording_take(struct sweep_file *file)
{
    const char *from = file->spec.schedule.from;
    struct buf text;
    if (file->n_set + 1 == SPEC_SETS_MAX) {
        return cli_fail(EXIT_USAGE, "more than %d --set", SPEC_SETS_MAX - 1);
    }
    snprintf(file->recorded_path, sizeof file->recorded_path, "%.*s%s%s",
             from[0] == '/' ? 0 : (int)strlen(file->folder), file->folder,
             from[0] == '/' ? "" : "/", from);
    buf_init(&text, SPEC_TEXT_MAX_BYTES);
    ignore_error(buf_printf(&text, "schedule.steps="), "sticky");
    int code = recording_read(file->recorded_path, &text);
    if (code == EXIT_OK && text.failed == OK) {
        file->recorded = mem_strdup(buf_text(&text));
    }
    buf_fini(&text);
    if (code == EXIT_OK && file->recorded == NULL) {
        return cli_fail(EXIT_USAGE, "schedule.from: %s says more than %d KiB", file->recorded_path,
                        SPEC_TEXT_MAX_BYTES >> 10);
    }
    if (code == EXIT_OK) {
        file->set[file->n_set++] = file->recorded;
    }
    return code;
}

static struct spec_set sweep_file_set(const struct sweep_file *file)
{
    return (struct spec_set){file->set, file->n_set, file->is_test,
                             file->recorded != NULL ? file->recorded_path : NULL};
}

static error_code sweep_file_parse(struct sweep_file *file, struct report *report)
{
    struct spec_set set = sweep_file_set(file);
    return spec_sweep_parse_set(file->text, file->length, file->name, &set, &file->arena,
                                &file->spec, report);
}

static error_code sweep_file_check(struct sweep_file *file, struct report *report)
{
    struct spec_set set = sweep_file_set(file);
    error_code error = tune_check(&file->spec, report);
    if (error != OK) {
        snprintf(report->file, sizeof report->file, "%s", file->name);
        spec_set_report(&set, report);
    }
    return error;
}

int sweep_file_load(const struct cli *cli, struct sweep_file *file, const char *path)
{
    *file = (struct sweep_file){0};
    arena_init(&file->arena, SPEC_ARENA_MAX);
    int code = sweep_file_read(file, path);
    code = code == EXIT_OK ? envvars_take(file) : code;
    code = code == EXIT_OK ? settings_take(cli, file) : code; /* they hold against those before */
    if (code != EXIT_OK) {
        return code;
    }
    struct report report = {0};
    error_code error = sweep_file_parse(file, &report);
    const struct schedule_spec *schedule = &file->spec.schedule;
    if (error == OK && schedule->type == SCHEDULE_REPLAY && schedule->n_steps == 0) {
        code = recording_take(file);
        if (code != EXIT_OK) {
            return code;
        }
        error = sweep_file_parse(file, &report);
    }
    if (error == OK) {
        error = sweep_file_check(file, &report);
    }
    if (error != OK) {
        return cli_fail_report(EXIT_USAGE, &report);
    }
    code = workdir_resolve(file);
    return code == EXIT_OK ? program_check(file) : code;
}
