/* muster trial rerun --local: the same command, environment and parameters here, in a scratch copy
 * of the work folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/plan.h"
#include "cli/work.h"
#include "spec/macros.h"
#include "sys/files.h"
#include "work/tree.h"
#include "work/unpack.h"

struct rerun {
    struct cli *cli;
    task_id id;
    json_t *trial, *sweep, *config;
    struct sweep_file file;
    char scratch[PATH_MAX];
    char start[PATH_MAX + 32], params_file[PATH_MAX + 32], tmp[PATH_MAX + 32];
};

static int rerun_fetch(struct rerun *rerun)
{
    char path[96];
    struct client *client = NULL;
    int code = cli_connect(rerun->cli, false, false, &client);
    snprintf(path, sizeof path, "/api/v1/trials/%u.%u", rerun->id.job, rerun->id.index);
    code = code == EXIT_OK ? client_get_json(rerun->cli, &client, path, &rerun->trial) : code;
    snprintf(path, sizeof path, "/api/v1/sweeps/%u", rerun->id.job);
    code = code == EXIT_OK ? client_get_json(rerun->cli, &client, path, &rerun->sweep) : code;
    snprintf(path, sizeof path, "/api/v1/sweeps/%u/config", rerun->id.job);
    code = code == EXIT_OK ? client_get_json(rerun->cli, &client, path, &rerun->config) : code;
    client_close(client);
    return code;
}

/* The file as it was submitted, with its settings. */
static int rerun_parse(struct rerun *rerun)
{
    struct sweep_file *file = &rerun->file;
    struct report report = {0};
    const char *text = cli_json_str(rerun->config, "file");
    const char *name = cli_json_str(rerun->config, "file_name");
    const json_t *set = cli_json_get(rerun->sweep, "set");
    arena_init(&file->arena, 64 << 20);
    file->name = name[0] != '\0' ? name : "sweep.yaml";
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)set, i, item)
    {
        if (file->n_set < SPEC_SETS_MAX && json_is_string(item)) {
            file->set[file->n_set++] = json_string_value(item);
        }
    }
    snprintf(file->workdir, sizeof file->workdir, "%s", cli_json_str(rerun->sweep, "workdir"));
    struct spec_set settings = {file->set, file->n_set,
                                json_is_true(cli_json_get(rerun->sweep, "test")), NULL};
    error_code error = spec_sweep_parse_set(text, strlen(text), file->name, &settings, &file->arena,
                                            &file->spec, &report);
    return error == OK ? EXIT_OK : cli_fail_report(EXIT_REQUEST, &report);
}

static struct value value_of(const json_t *json)
{
    if (json_is_integer(json)) {
        return value_int(json_integer_value(json));
    }
    if (json_is_real(json)) {
        return value_real(json_real_value(json));
    }
    if (json_is_boolean(json)) {
        return value_bool(json_is_true(json));
    }
    return json_is_string(json) ? value_str(json_string_value(json)) : (struct value){0};
}

static struct named_value *rerun_params(struct rerun *rerun, uint32_t *ret_n)
{
    const json_t *params = cli_json_get(rerun->trial, "params");
    struct named_value *list =
        arena_calloc(&rerun->file.arena, json_object_size(params) + 1, sizeof *list);
    const char *name;
    json_t *value;
    *ret_n = 0;
    json_object_foreach((json_t *)(uintptr_t)params, name, value)
    {
        if (list != NULL) {
            list[(*ret_n)++] = (struct named_value){name, value_of(value)};
        }
    }
    return list;
}

/* ---- the scratch folder ---- */

static void rerun_places(struct rerun *rerun, const char *scratch)
{
    snprintf(rerun->scratch, sizeof rerun->scratch, "%s", scratch);
    snprintf(rerun->start, sizeof rerun->start, "%s/work", scratch);
    snprintf(rerun->params_file, sizeof rerun->params_file, "%s/params.json", scratch);
    snprintf(rerun->tmp, sizeof rerun->tmp, "%s/tmp", scratch);
}

static int rerun_copy(struct rerun *rerun, const char *from)
{
    struct report report = {0};
    error_code error = work_tree_copy(from, rerun->start, WORK_COPY_MAX_BYTES, &report);
    return error == OK ? EXIT_OK : cli_fail_report(EXIT_REQUEST, &report);
}

/* What was packed lies in the head's depot, if that is here. */
static int rerun_unpack(struct rerun *rerun, const char *hash, bool *ret_is_there)
{
    char packed[CLI_PATH_MAX + 128], folder[PATH_MAX + 32];
    struct report report = {0};
    uint64_t bytes;
    const struct work_limits limits = {UINT64_MAX, WORK_ENTRIES_MAX};
    snprintf(packed, sizeof packed, "%s/depot/%s", rerun->cli->state_dir, hash);
    int fd = open(packed, O_RDONLY | O_CLOEXEC);
    *ret_is_there = fd >= 0;
    if (fd < 0) {
        return EXIT_OK;
    }
    snprintf(folder, sizeof folder, "%s/packed", rerun->scratch);
    error_code error = work_unpack(fd, hash, folder, &limits, &bytes, &report);
    close(fd);
    return error == OK ? rerun_copy(rerun, folder) : cli_fail_report(EXIT_REQUEST, &report);
}

static int rerun_folder(struct rerun *rerun)
{
    const char *hash = cli_json_str(rerun->sweep, "work"), *workdir = rerun->file.workdir;
    bool is_there = false;
    struct stat about;
    int code = hash[0] != '\0' ? rerun_unpack(rerun, hash, &is_there) : EXIT_OK;
    if (code != EXIT_OK || is_there) {
        return code;
    }
    if (stat(workdir, &about) != 0 || !S_ISDIR(about.st_mode)) {
        return cli_fail(EXIT_REQUEST,
                        "its work folder %s is not on this machine; run it where the sweep was "
                        "submitted, or see the command with --print",
                        workdir);
    }
    if (hash[0] != '\0') {
        struct cli_work work = {0};
        code = cli_work_pack(rerun->cli, workdir, &rerun->file.spec.work, &work);
        if (code == EXIT_OK && strcmp(work.hash, hash) != 0) {
            fprintf(stderr,
                    "muster: %s has changed since the sweep was submitted; this runs what "
                    "it is now\n",
                    workdir);
        }
        cli_work_fini(&work);
    }
    return code == EXIT_OK ? rerun_copy(rerun, workdir) : code;
}

static int rerun_prepare(struct rerun *rerun, const struct msg_lease *lease)
{
    char scratch[PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/muster-rerun-XXXXXX",
             tmp != NULL && tmp[0] == '/' && strlen(tmp) < 1000 ? tmp : "/tmp");
    if (mkdtemp(scratch) == NULL) {
        return cli_fail(EXIT_REQUEST, "cannot make %s: %s", scratch, strerror(errno));
    }
    rerun_places(rerun, scratch);
    FILE *params = fopen(rerun->params_file, "we");
    struct buf text;
    buf_init(&text, 16 << 20);
    ignore_error(macros_params_json(lease->params, lease->n_params, &text), "checked below");
    bool is_good =
        params != NULL && text.failed == OK && fprintf(params, "%s\n", buf_text(&text)) > 0;
    is_good = (params == NULL || fclose(params) == 0) && is_good;
    buf_fini(&text);
    if (!is_good || mkdir(rerun->start, 0700) != 0 || mkdir(rerun->tmp, 0700) != 0) {
        return cli_fail(EXIT_REQUEST, "cannot fill %s: %s", scratch, strerror(errno));
    }
    return rerun_folder(rerun);
}

/* ---- running ---- */

static int rerun_start(const struct plan *plan)
{
    pid_t pid = fork();
    if (pid < 0) {
        return cli_fail(EXIT_REQUEST, "cannot start a process: %s", strerror(errno));
    }
    if (pid == 0) {
        if (chdir(plan->start) == 0) {
            environ = (char **)(uintptr_t)plan->envp;
            execvp(plan->argv[0], (char *const *)(uintptr_t)plan->argv);
        }
        fprintf(stderr, "muster: %s cannot be run: %s\n", plan->argv[0], strerror(errno));
        _exit(EXIT_CANNOT_RUN);
    }
    /* Ctrl-C is the trainer's, which is in the same group; this waits for it. */
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return cli_fail(EXIT_REQUEST, "cannot wait for it: %s", strerror(errno));
        }
    }
    if (WIFSIGNALED(status)) {
        return cli_fail(128 + WTERMSIG(status), "it was ended by signal %d (%s)", WTERMSIG(status),
                        strsignal(WTERMSIG(status)));
    }
    int code = WEXITSTATUS(status);
    return code == 0 ? EXIT_OK : cli_fail(code, "it exited with %d", code);
}

static void rerun_remove(const struct rerun *rerun)
{
    struct report report = {0};
    if (rerun->scratch[0] == '\0') {
        return;
    }
    if (cli_option(rerun->cli, "keep") != NULL) {
        fprintf(stderr, "muster: its folder is %s\n", rerun->scratch);
    } else if (dir_remove_tree(rerun->scratch, &report) != OK) {
        cli_fail(EXIT_REQUEST, "%s is left: %s", rerun->scratch, report.text);
    }
}

int verb_trial_rerun(struct cli *cli)
{
    struct rerun rerun = {.cli = cli};
    struct msg_lease lease;
    struct plan plan = {0};
    bool is_print = cli_option(cli, "print") != NULL;
    if (cli_task_id(cli->arguments[0], &rerun.id) != EXIT_OK) {
        return EXIT_USAGE;
    }
    if (cli_option(cli, "local") == NULL && !is_print) {
        return cli_fail(EXIT_USAGE,
                        "rerun wants --local: it runs on this machine, outside of the cluster; to "
                        "try it again in the cluster: muster trial retry %s",
                        cli->arguments[0]);
    }
    int code = rerun_fetch(&rerun);
    code = code == EXIT_OK ? rerun_parse(&rerun) : code;
    if (code == EXIT_OK) {
        const json_t *seed = cli_json_get(rerun.sweep, "seed");
        plan_lease_of_sweep(&rerun.file, cli_json_str(rerun.sweep, "name"), rerun.id,
                            (uint64_t)json_integer_value(seed), &lease);
        lease.params = rerun_params(&rerun, &lease.n_params);
        lease.attempt = (uint32_t)cli_json_int(rerun.trial, "attempts");
        rerun_places(&rerun, "<scratch>");
        rerun.scratch[0] = '\0';
        code = is_print ? EXIT_OK : rerun_prepare(&rerun, &lease);
    }
    if (code == EXIT_OK) {
        const struct plan_places places = {.start = rerun.start,
                                           .trial_dir = rerun.start,
                                           .params_file = rerun.params_file,
                                           .tmp = rerun.tmp};
        code = plan_make(&lease, &places, &rerun.file.arena, &plan);
    }
    if (code == EXIT_OK) {
        char comment[PATH_MAX + 128];
        snprintf(comment, sizeof comment, "trial %s; <scratch>/work stands for a copy of %s",
                 cli->arguments[0], rerun.file.workdir);
        code = is_print ? plan_print(cli, &plan, comment) : rerun_start(&plan);
    }
    rerun_remove(&rerun);
    arena_fini(&rerun.file.arena);
    json_decref(rerun.trial);
    json_decref(rerun.sweep);
    json_decref(rerun.config);
    return code;
}
