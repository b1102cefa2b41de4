#include "cli/plan.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "spec/macros.h"
#include "sys/program.h"
#include "tune/tune.h"
#include "worker/shell/environment.h"

void plan_lease_of_sweep(const struct sweep_file *file, const char *name, task_id id,
                         uint64_t sweep_seed, struct msg_lease *ret_lease)
{
    const struct sweep_spec *spec = &file->spec;
    *ret_lease = (struct msg_lease){
        .task = id,
        .is_trial = true,
        .sweep_name = name,
        .words = spec->command.words,
        .n_words = spec->command.n_words,
        .is_shell = spec->command.is_shell,
        .workdir = file->workdir,
        .env = (const struct label_pair *)(const void *)spec->env,
        .n_env = spec->n_env,
        /* As the head draws it: head/core/lease.c. */
        .seed = (sweep_seed * 0x9E3779B97F4A7C15U + id.index) >> 11,
        .metric = spec->metric.name,
        .cpus = spec->resources.cpus,
        .memory_bytes = spec->resources.memory_bytes,
        .checkpoints_on = spec->checkpoints.on,
        .checkpoints_every_ms = spec->checkpoints.every_ms,
    };
}

/* Two structs of the same shape: a name and a value. */
_Static_assert(sizeof(struct label_pair) == sizeof(struct env_pair) &&
                   offsetof(struct label_pair, value) == offsetof(struct env_pair, value),
               "an environment of a file is one of a lease");

/* The folders that a worker started from here would add to PATH and PYTHONPATH. */
static void plan_folders(char bin_dir[PATH_MAX], char python_dir[PATH_MAX])
{
    char program[PATH_MAX], folder[PATH_MAX + 64], real[PATH_MAX];
    bin_dir[0] = python_dir[0] = '\0';
    if (program_path(program, NULL) != OK) {
        return;
    }
    snprintf(bin_dir, PATH_MAX, "%.*s", (int)(strrchr(program, '/') - program), program);
    snprintf(folder, sizeof folder, "%s/../share/muster/python", bin_dir);
    if (realpath(folder, real) != NULL || realpath(MUSTER_PYTHON_DIR, real) != NULL) {
        snprintf(python_dir, PATH_MAX, "%s", real);
    }
}

/* Without the socket a trainer reports to stderr. */
static const char *const *environment_without(const char *const *envp, const char *name,
                                              struct arena *arena)
{
    uint32_t n = 0, kept = 0;
    size_t length = strlen(name);
    while (envp[n] != NULL) {
        n++;
    }
    const char **list = arena_calloc(arena, n + 1, sizeof *list);
    for (uint32_t i = 0; list != NULL && i < n; i++) {
        if (strncmp(envp[i], name, length) != 0 || envp[i][length] != '=') {
            list[kept++] = envp[i];
        }
    }
    return list;
}

int plan_make(const struct msg_lease *lease, const struct plan_places *places, struct arena *arena,
              struct plan *ret_plan)
{
    char bin_dir[PATH_MAX], python_dir[PATH_MAX], id[TASK_ID_TEXT_MAX];
    struct report report = {0};
    struct plan plan = {.start = places->start, .lease = lease};
    plan_folders(bin_dir, python_dir);
    struct environment_facts facts = {
        .socket = places->socket != NULL ? places->socket : "",
        .params_file = places->params_file,
        .trial_dir = places->trial_dir,
        .tmp_dir = places->tmp,
        .mark = task_id_print(lease->task, id),
        .bin_dir = bin_dir[0] != '\0' ? bin_dir : NULL,
        .python_dir = python_dir[0] != '\0' ? python_dir : NULL,
        .line = places->line,
    };
    struct macros_values values = {.params = lease->params,
                                   .n_params = lease->n_params,
                                   .trial_id = id,
                                   .trial_dir = places->trial_dir,
                                   .index = places->index,
                                   .line = places->line,
                                   .params_file = places->params_file};
    error_code error = macros_expand(lease->words, lease->n_words, lease->is_shell, &values, arena,
                                     &plan.argv, &plan.argc, &report);
    if (error == OK) {
        error = environment_make(lease, &facts, arena, &plan.envp, &report);
    }
    if (error != OK) {
        return cli_fail_report(EXIT_USAGE, &report);
    }
    if (places->socket == NULL) {
        plan.envp = environment_without(plan.envp, "MUSTER_SOCKET", arena);
    }
    if (plan.envp == NULL) {
        return cli_fail(EXIT_REQUEST, "out of memory");
    }
    *ret_plan = plan;
    return EXIT_OK;
}

/* ---- as text ---- */

static void quoted_print(const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,@+%";
    if (text[0] != '\0' && strspn(text, plain) == strlen(text)) {
        fputs(text, stdout);
        return;
    }
    putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
        } else {
            putchar(*text);
        }
    }
    putchar('\'');
}

static void plan_print_shell(const struct plan *plan, const char *comment)
{
    printf("# %s\ncd ", comment);
    quoted_print(plan->start);
    printf(" &&\nenv -i");
    for (uint32_t i = 0; plan->envp[i] != NULL; i++) {
        printf(" \\\n  ");
        quoted_print(plan->envp[i]);
    }
    printf(" \\\n ");
    for (uint32_t i = 0; i < plan->argc; i++) {
        putchar(' ');
        quoted_print(plan->argv[i]);
    }
    putchar('\n');
}

static json_t *plan_params_json(const struct msg_lease *lease)
{
    struct buf text;
    buf_init(&text, 16 << 20);
    json_t *params = macros_params_json(lease->params, lease->n_params, &text) == OK
                         ? json_loadb(buf_text(&text), text.len, 0, NULL)
                         : NULL;
    buf_fini(&text);
    return params != NULL ? params : json_object();
}

int plan_print(const struct cli *cli, const struct plan *plan, const char *comment)
{
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    if (cli_output_is_text(cli, output)) {
        plan_print_shell(plan, comment);
        return EXIT_OK;
    }
    json_t *argv = json_array(), *env = json_object();
    for (uint32_t i = 0; i < plan->argc; i++) {
        json_array_append_new(argv, json_string(plan->argv[i]));
    }
    for (uint32_t i = 0; plan->envp[i] != NULL; i++) {
        char *entry = mem_strdup(plan->envp[i]);
        char *equals = entry != NULL ? strchr(entry, '=') : NULL;
        if (equals != NULL) {
            *equals = '\0';
            json_object_set_new(env, entry, json_string(equals + 1));
        }
        mem_free(entry);
    }
    json_t *object = json_pack("{s:s, s:s, s:o, s:o, s:o, s:I}", "api", "v1", "folder", plan->start,
                               "command", argv, "env", env, "params", plan_params_json(plan->lease),
                               "seed", (json_int_t)plan->lease->seed);
    int code = cli_print_object(cli, object);
    json_decref(object);
    return code;
}

/* ---- the first trial of a file ---- */

static uint64_t seed_draw(void)
{
    uint64_t seed = 0;
    randombytes_buf(&seed, sizeof seed);
    return seed >> 11;
}

int plan_show_first(const struct cli *cli, const struct sweep_file *file)
{
    const struct sweep_spec *spec = &file->spec;
    uint64_t seed = spec->has_seed ? spec->seed : seed_draw();
    struct tuner *tuner = NULL;
    struct arena *arena = (struct arena *)(uintptr_t)&file->arena;
    const char *name = cli_option(cli, "name");
    if (tune_new(spec, seed, &tuner) != OK) {
        return cli_fail(EXIT_USAGE, "%s: its parameters or schedule make no sense", file->name);
    }
    struct value *values = arena_calloc(arena, spec->n_parameters + 1, sizeof *values);
    struct named_value *params = arena_calloc(arena, spec->n_parameters + 1, sizeof *params);
    if (values == NULL || params == NULL) {
        tune_free(tuner);
        return cli_fail(EXIT_REQUEST, "out of memory");
    }
    tune_suggest(tuner, 1, values);
    uint32_t n_params = 0;
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        if (values[i].kind != VALUE_NONE) {
            params[n_params++] = (struct named_value){spec->parameters[i].name, values[i]};
        }
    }
    struct msg_lease lease;
    struct plan plan = {0};
    plan_lease_of_sweep(file, name != NULL ? name : spec->name, (task_id){1, 1}, seed, &lease);
    lease.params = params;
    lease.n_params = n_params;
    bool is_copy = spec->work.mode == WORKDIR_SNAPSHOT;
    const struct plan_places places = {
        .start = is_copy ? "<attempt>/work" : file->workdir,
        .trial_dir = "<attempt>/work",
        .params_file = "<attempt>/params.json",
        .tmp = "<attempt>/tmp",
        .socket = "<attempt>/trial.sock",
    };
    char comment[PATH_MAX + 512];
    snprintf(comment, sizeof comment,
             "dry run: trial 1 of %s, seed %llu%s; 1.1 stands for its id, <attempt> for a folder "
             "of its own on the node%s%s",
             name != NULL ? name : spec->name, (unsigned long long)seed,
             spec->has_seed ? "" : " (drawn anew for each sweep)",
             is_copy ? ", <attempt>/work for its copy of " : "", is_copy ? file->workdir : "");
    int code = plan_make(&lease, &places, arena, &plan);
    code = code == EXIT_OK ? plan_print(cli, &plan, comment) : code;
    tune_free(tuner);
    return code;
}
