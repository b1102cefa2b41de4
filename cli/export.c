/* muster sweep export: all trials of a sweep, whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/list.h"
#include "cli/schedule.h"

/* A file that is seen under its name once it is on disk. */
struct whole_file {
    char path[PATH_MAX];
    char temporary[PATH_MAX + 16];
    FILE *stream;
};

static int whole_fail(const struct whole_file *file)
{
    return cli_fail(EXIT_REQUEST, "%s cannot be written: %s", file->path, strerror(errno));
}

static int whole_open(struct whole_file *file, const char *path)
{
    struct stat about;
    if (snprintf(file->path, sizeof file->path, "%s", path) >= (int)sizeof file->path) {
        return cli_fail(EXIT_USAGE, "too long a path");
    }
    bool is_there = stat(path, &about) == 0;
    if (is_there && S_ISDIR(about.st_mode)) {
        return cli_fail(EXIT_USAGE, "%s is a folder; give a file's name", path);
    }
    snprintf(file->temporary, sizeof file->temporary, "%s.XXXXXX", file->path);
    int fd = mkostemp(file->temporary, O_CLOEXEC);
    if (fd < 0) {
        return whole_fail(file);
    }
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, is_there ? about.st_mode & 0777 : 0666 & ~mask) != 0) {
        close(fd);
        unlink(file->temporary);
        return whole_fail(file);
    }
    file->stream = fdopen(fd, "w");
    return file->stream != NULL ? EXIT_OK : whole_fail(file);
}

static int whole_close(struct whole_file *file, int code)
{
    if (file->stream == NULL) {
        return code;
    }
    bool is_written = fflush(file->stream) == 0 && fsync(fileno(file->stream)) == 0;
    is_written = fclose(file->stream) == 0 && is_written;
    if (code == EXIT_OK && is_written && rename(file->temporary, file->path) == 0) {
        return EXIT_OK;
    }
    code = code == EXIT_OK ? whole_fail(file) : code;
    unlink(file->temporary);
    return code;
}

int verb_sweep_export(struct cli *cli)
{
    struct client *client = NULL;
    struct whole_file file = {0};
    char path[64];
    json_t *list = NULL;
    uint32_t number = 0;
    cli_output output;
    const char *to = cli_option(cli, "file");
    const char *sweep = cli->n_arguments > 0 ? cli->arguments[0] : NULL;
    if (!cli_output_parse(cli, &output) || (sweep != NULL && !cli_sweep_check(sweep))) {
        return EXIT_USAGE;
    }
    if (cli_option(cli, "output") == NULL && output == OUTPUT_TABLE) {
        output = OUTPUT_CSV;
    }
    bool is_schedule = cli_option(cli, "schedule") != NULL;
    const struct cli_kind *kind = is_schedule ? &cli_lineage_kind : &cli_export_kind;
    int code = list_check(cli, kind);
    code = code == EXIT_OK ? cli_connect(cli, false, false, &client) : code;
    code = code == EXIT_OK ? cli_sweep_number(cli, &client, sweep, &number) : code;
    if (code == EXIT_OK && is_schedule) {
        code = schedule_fetch(cli, &client, number, &list);
    } else if (code == EXIT_OK) {
        snprintf(path, sizeof path, "/api/v1/sweeps/%u/trials", number);
        code = list_fetch(cli, &client, &cli_export_kind, path, NULL, &list);
    }
    if (code == EXIT_OK && to != NULL) {
        code = whole_open(&file, to);
    }
    if (code == EXIT_OK) {
        code = cli_write_list(cli, to != NULL ? file.stream : stdout, kind, list, output);
    }
    code = whole_close(&file, code);
    if (code == EXIT_OK && to != NULL) {
        fprintf(stderr, "%zu %s of sweep %u are in %s\n",
                json_array_size(json_object_get(list, "items")), kind->what, number, to);
    }
    json_decref(list);
    client_close(client);
    return code;
}
