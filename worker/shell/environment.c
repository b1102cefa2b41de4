#include "worker/shell/environment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/macros.h"
#include "spec/types.h"

enum { ENVIRONMENT_OWN_MAX = 64 }; /* entries beside those of the lease and the parameters */

struct environment {
    struct arena *arena;
    const char **entries;
    uint32_t n;
    uint32_t cap;
    error_code failed; /* sticky */
};

/* ---- entries ---- */

static uint32_t environment_find(const struct environment *env, const char *name)
{
    size_t len = strlen(name);
    uint32_t i = 0;
    while (i < env->n &&
           (strncmp(env->entries[i], name, len) != 0 || env->entries[i][len] != '=')) {
        i++;
    }
    return i;
}

static const char *environment_get(const struct environment *env, const char *name)
{
    uint32_t i = environment_find(env, name);
    return i < env->n ? env->entries[i] + strlen(name) + 1 : NULL;
}

/* The last value of a name counts. */
static void environment_set(struct environment *env, const char *name, const char *value)
{
    const char *entry = arena_printf(env->arena, "%s=%s", name, value);
    uint32_t i = environment_find(env, name);
    if (entry == NULL || i == env->cap) {
        env->failed = env->failed != OK ? env->failed : ERR_NO_MEMORY;
        return;
    }
    env->entries[i] = entry;
    env->n = i == env->n ? i + 1 : env->n;
}

static void environment_set_if(struct environment *env, const char *name, const char *value)
{
    if (value != NULL) {
        environment_set(env, name, value);
    }
}

static void environment_set_u64(struct environment *env, const char *name, uint64_t value)
{
    char text[24];
    ignore_error(snprintf(text, sizeof text, "%" PRIu64, value) < 0, "numbers always print");
    environment_set(env, name, text);
}

/* ---- what comes from the worker ---- */

static void environment_inherit(struct environment *env)
{
    static const struct {
        const char *name;
        const char *otherwise; /* NULL: left out */
    } inherited[] = {
        {"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"HOME", "/"}, {"LANG", NULL}, {"TZ", NULL}};
    for (size_t i = 0; i < sizeof inherited / sizeof inherited[0]; i++) {
        const char *value = getenv(inherited[i].name);
        value = value != NULL ? value : inherited[i].otherwise;
        if (value != NULL) {
            environment_set(env, inherited[i].name, value);
        }
    }
}

/* ---- what comes from the lease ---- */

static error_code environment_lease(struct environment *env, const struct msg_lease *lease,
                                    const struct environment_facts *facts, struct report *report)
{
    char id[TASK_ID_TEXT_MAX];
    struct macros_values values = {
        .params = lease->params,
        .n_params = lease->n_params,
        .trial_id = task_id_print(lease->task, id),
        .trial_dir = facts->trial_dir != NULL ? facts->trial_dir : "",
        .index = lease->is_trial ? 0 : lease->task.index,
        .line = facts->line,
        .params_file = facts->params_file,
        .restore_dir = facts->restore_dir,
    };
    for (uint32_t i = 0; i < lease->n_env; i++) {
        const char *name = lease->env[i].name, *text = lease->env[i].value, *value;
        if (name == NULL || name[0] == '\0' || strchr(name, '=') != NULL) {
            return report_fail(report, ERR_INVALID, "'%s' is no name of an environment variable",
                               name == NULL ? "" : name);
        }
        error_code error =
            macros_env_expand(text == NULL ? "" : text, &values, env->arena, &value, report);
        if (error != OK) {
            report_add(report, " (in the environment's %s)", name);
            return error;
        }
        environment_set(env, name, value);
    }
    return OK;
}

/* What is too long for an exec is left out. */
static void environment_set_printed(struct environment *env, const char *name, struct buf *text,
                                    error_code error)
{
    if (error == OK) {
        environment_set(env, name, buf_text(text));
    }
    if (error == ERR_NO_MEMORY || text->failed == ERR_NO_MEMORY) {
        env->failed = ERR_NO_MEMORY;
    }
}

/* Each parameter on its own, and all of them as one JSON object. */
static void environment_params(struct environment *env, const struct msg_lease *lease)
{
    char name[MACROS_ENV_NAME_MAX];
    struct buf text;
    buf_init(&text, MACROS_TEXT_MAX_BYTES - MACROS_ENV_NAME_MAX);
    for (uint32_t i = 0; i < lease->n_params; i++) {
        buf_reset(&text);
        error_code error = value_print(lease->params[i].value, &text);
        environment_set_printed(env, macros_env_name(lease->params[i].name, name), &text, error);
    }
    buf_reset(&text);
    error_code error = macros_params_json(lease->params, lease->n_params, &text);
    environment_set_printed(env, "MUSTER_PARAMS", &text, error);
    buf_fini(&text);
}

static void environment_gpus(struct environment *env, const struct msg_lease *lease)
{
    const char *list = "";
    for (uint32_t i = 0; i < lease->n_gpus && list != NULL; i++) {
        list = arena_printf(env->arena, "%s%s%s", list, i == 0 ? "" : ",", lease->gpus[i]);
    }
    if (list == NULL) {
        env->failed = ERR_NO_MEMORY;
        return;
    }
    environment_set(env, "CUDA_VISIBLE_DEVICES", list);
}

static void environment_checkpoints(struct environment *env, const struct msg_lease *lease)
{
    static const char *const texts[] = {"", "rung", "end", "rung,end"};
    environment_set(env, "MUSTER_CHECKPOINTS",
                    texts[lease->checkpoints_on & (CHECKPOINT_ON_RUNG | CHECKPOINT_ON_END)]);
}

/* ---- muster's own ---- */

static void environment_append_folder(struct environment *env, const char *name, const char *folder)
{
    const char *list = environment_get(env, name);
    if (folder == NULL) {
        return;
    }
    bool has_list = list != NULL && list[0] != '\0';
    const char *longer =
        arena_printf(env->arena, "%s%s%s", has_list ? list : "", has_list ? ":" : "", folder);
    if (longer == NULL) {
        env->failed = ERR_NO_MEMORY;
        return;
    }
    environment_set(env, name, longer);
}

/* A script that logs to W&B finds a module of that name which reports to muster. */
static void environment_wandb(struct environment *env, const struct msg_lease *lease,
                              const char *python_dir)
{
    if (!lease->is_trial || (lease->report_from & REPORT_FROM_WANDB) == 0 || python_dir == NULL) {
        return;
    }
    const char *shims = arena_printf(env->arena, "%s/shims", python_dir);
    env->failed = shims == NULL ? ERR_NO_MEMORY : env->failed;
    environment_append_folder(env, "PYTHONPATH", shims);
    environment_set_if(env, "MUSTER_METRIC", lease->metric);
    environment_set_if(env, "MUSTER_METRIC_TIME", lease->metric_time);
}

static void environment_set_unless(struct environment *env, const char *name, const char *value)
{
    if (environment_get(env, name) == NULL) {
        environment_set(env, name, value);
    }
}

/* Where its ranks meet; torchrun reads its own options from PET_*. */
static void environment_meeting(struct environment *env, const struct environment_facts *facts)
{
    static const char *const addresses[] = {"MASTER_ADDR", "PET_MASTER_ADDR"};
    static const char *const ports[] = {"MASTER_PORT", "PET_MASTER_PORT"};
    char port[8];
    if (facts->master_port == 0 || facts->master_address == NULL) {
        return;
    }
    ignore_error(snprintf(port, sizeof port, "%u", (unsigned)facts->master_port) < 0, "it fits");
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        environment_set_unless(env, addresses[i], facts->master_address);
        environment_set_unless(env, ports[i], port);
    }
    if (facts->peers != NULL && facts->peers[0] != '\0') {
        environment_set(env, "MUSTER_PEERS", facts->peers);
    }
}

static void environment_own(struct environment *env, const struct msg_lease *lease,
                            const struct environment_facts *facts)
{
    char id[TASK_ID_TEXT_MAX];
    environment_set(env, "MUSTER_TRIAL", task_id_print(lease->task, id));
    environment_set(env, "MUSTER_ATTEMPT", facts->mark);
    environment_set_u64(env, "MUSTER_ATTEMPT_NUMBER", lease->attempt);
    environment_set_if(env, "MUSTER_SOCKET", facts->socket);
    environment_set_if(env, "MUSTER_PARAMS_FILE", facts->params_file);
    environment_set_if(env, "MUSTER_TRIAL_DIR", facts->trial_dir);
    if (!lease->is_trial) {
        environment_set_u64(env, "MUSTER_INDEX", lease->task.index);
        environment_set_if(env, "MUSTER_LINE", facts->line);
    }
    environment_set_u64(env, "MUSTER_SEED", lease->seed);
    environment_checkpoints(env, lease);
    environment_gpus(env, lease);
    if (environment_get(env, "OMP_NUM_THREADS") == NULL) {
        int64_t ranks = lease->ranks > 1 ? (int64_t)lease->ranks : 1;
        int64_t cpus = (lease->cpus + AMOUNT_ONE - 1) / AMOUNT_ONE / ranks;
        environment_set_u64(env, "OMP_NUM_THREADS", cpus > 1 ? (uint64_t)cpus : 1);
    }
    if (environment_get(env, "TMPDIR") == NULL) {
        environment_set_if(env, "TMPDIR", facts->tmp_dir);
    }
    environment_meeting(env, facts);
    environment_append_folder(env, "PATH", facts->bin_dir);
    environment_append_folder(env, "PYTHONPATH", facts->python_dir);
    environment_wandb(env, lease, facts->python_dir);
}

error_code environment_make(const struct msg_lease *lease, const struct environment_facts *facts,
                            struct arena *arena, const char *const **ret_envp,
                            struct report *report)
{
    struct environment env = {.arena = arena,
                              .cap = ENVIRONMENT_OWN_MAX + lease->n_env + lease->n_params};
    env.entries = arena_calloc(arena, env.cap + 1, sizeof *env.entries);
    if (env.entries == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for its environment");
    }
    environment_inherit(&env);
    error_code error = environment_lease(&env, lease, facts, report);
    if (error != OK) {
        return error;
    }
    environment_params(&env, lease);
    environment_own(&env, lease, facts);
    if (env.failed != OK) {
        return report_fail(report, env.failed,
                           "its environment is larger than %d MiB, or memory is short",
                           ENVIRONMENT_MAX_BYTES >> 20);
    }
    *ret_envp = env.entries;
    return OK;
}

error_code environment_of_rank(const char *const *envp, const struct msg_lease *lease,
                               uint32_t local_rank, struct arena *arena,
                               const char *const **ret_envp, struct report *report)
{
    /* Numbered node by node. */
    uint32_t here = lease->ranks > 1 ? lease->ranks : 1;
    uint32_t nodes = lease->nodes > 1 ? lease->nodes : 1;
    uint32_t node = nodes > 1 ? lease->node_rank : 0;
    uint32_t rank = node * here + local_rank, world = nodes * here;
    const struct {
        const char *name;
        uint32_t value;
    } numbers[] = {
        {"MUSTER_RANK", rank},   {"MUSTER_LOCAL_RANK", local_rank},
        {"MUSTER_WORLD", world}, {"MUSTER_NODE_RANK", node},
        {"RANK", rank},          {"LOCAL_RANK", local_rank},
        {"WORLD_SIZE", world},   {"LOCAL_WORLD_SIZE", here},
        {"NODE_RANK", node},     {"GROUP_RANK", node},
    };
    enum { NUMBERS = sizeof numbers / sizeof numbers[0] };
    struct environment env = {.arena = arena};
    while (envp[env.n] != NULL) {
        env.n++;
    }
    env.cap = env.n + NUMBERS;
    env.entries = arena_calloc(arena, env.cap + 1, sizeof *env.entries);
    if (env.entries == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for its environment");
    }
    memcpy(env.entries, envp, env.n * sizeof *env.entries);
    for (size_t i = 0; i < NUMBERS; i++) {
        environment_set_u64(&env, numbers[i].name, numbers[i].value);
    }
    if (env.failed != OK) {
        return report_fail(report, env.failed, "no memory for its environment");
    }
    *ret_envp = env.entries;
    return OK;
}
