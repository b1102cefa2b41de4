#include "spec/sweep.h"

#include <stdio.h>
#include <string.h>

#include "spec/command.h"
#include "spec/envvars.h"
#include "spec/parameters.h"
#include "spec/reader.h"
#include "spec/schedule.h"
#include "spec/set.h"
#include "spec/source.h"
#include "spec/sweep_keys.h"
#include "spec/tree.h"

/* The tree is thrown away after the parse. It is larger than the text: nodes, and 16 bytes of
 * rounding a text. */
enum { TREE_ARENA_MAX_BYTES = 16 << 20 };

static const struct sweep_spec defaults = {
    .project = "",
    .description = "",
    .entity = "",
    .workdir = ".",
    .work = {.mode = WORKDIR_SNAPSHOT, .max_bytes = 200 << 20},
    .setup = "",
    .search = SEARCH_RANDOM,
    .schedule = {.type = SCHEDULE_NONE, .min = 1, .eta = 3, .interval = 1, .startup = 5},
    .resources = {.cpus = AMOUNT_ONE},
    .priority = PRIORITY_DEFAULT,
    .retries = {.max = 3,
                .crash_limit = 5,
                .backoff_min_ms = 1000,
                .backoff_max_ms = 300000,
                .node_failures = 3},
    .timeouts = {.grace_ms = 60000, .decision_ms = 60000, .rank_ms = 600000},
    .checkpoints = {.on = CHECKPOINT_ON_RUNG, .keep_last = 1, .keep_best = 1, .adopt = ""},
    .logs_tail_bytes = 64 << 10,
    .metric = {.time = ""},
};

/* ---- the default name ---- */

static bool name_is_fit(const char *name, size_t len)
{
    uint32_t c;
    size_t n;
    if (len == 0 || len > NAME_MAX_BYTES || name[strspn(name, " ")] == '\0') {
        return false;
    }
    for (; len > 0; name += n, len -= n) {
        n = source_char_decode(name, len, &c);
        if (n == 0 || c < 0x20 || c == 0x7F) {
            return false;
        }
    }
    return true;
}

/* `runs/digits.v2.yaml` -> `digits.v2`; `sweep` where the file has no name that would do. */
static const char *name_default(struct arena *arena, const char *file_name)
{
    const char *slash = file_name != NULL ? strrchr(file_name, '/') : NULL;
    const char *base = slash != NULL ? slash + 1 : file_name != NULL ? file_name : "";
    const char *dot = strrchr(base, '.');
    size_t len = dot != NULL && dot > base ? (size_t)(dot - base) : strlen(base);
    if (!name_is_fit(base, len) || strcmp(base, "-") == 0) {
        return "sweep";
    }
    return arena_strndup(arena, base, len);
}

/* ---- rules between keys ---- */

/* W&B's keys say what keys of ours say too: once is enough. */
static error_code wandb_check(struct reader *r, const struct spec_node *root)
{
    static const struct {
        const char *key, *block, *name;
    } pairs[] = {{"method", "search", "method"}, {"run_cap", "stop", "trials"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const struct spec_node *key = spec_node_entry(root, pairs[i].key);
        const struct spec_node *block = spec_node_entry(root, pairs[i].block);
        if (key != NULL && block != NULL && spec_node_entry(block, pairs[i].name) != NULL) {
            return reader_fail(r, key->key, ERR_INVALID,
                               "both `%s` and `%s.%s` are there; leave one out", pairs[i].key,
                               pairs[i].block, pairs[i].name);
        }
    }
    return OK;
}

/* A sweep must end by itself: only a grid runs out of configurations. A file of W&B's runs as
 * there, until it is stopped. */
static error_code stop_check(struct reader *r, const struct spec_node *root,
                             const struct sweep_spec *spec)
{
    const struct spec_node *stop = spec_node_entry(root, "stop");
    if (spec->stop.trials > 0 || spec->stop.wall_ms > 0 || spec->metric.has_target ||
        spec->search == SEARCH_GRID || spec_node_entry(root, "method") != NULL) {
        return OK;
    }
    return reader_fail(r, stop != NULL ? stop : root, ERR_INVALID,
                       "nothing ends this sweep; write `stop: {trials: 100}`, `stop: {wall: 12h}` "
                       "or `metric.target`");
}

/* Paths that trials share say nothing of whose checkpoint lies there. */
static error_code adopt_check(struct reader *r, const struct spec_node *root,
                              const struct sweep_spec *spec)
{
    const char *adopt = spec->checkpoints.adopt;
    const struct spec_node *block = spec_node_entry(root, "checkpoints");
    bool leads_out =
        adopt[0] == '/' || strncmp(adopt, "../", 3) == 0 || strstr(adopt, "/../") != NULL;
    if (adopt[0] == '\0' || block == NULL) {
        return OK;
    }
    const struct spec_node *node = spec_node_entry(block, "adopt");
    node = node != NULL ? node : block;
    if (spec->work.mode == WORKDIR_SHARED) {
        return reader_fail(r, node, ERR_INVALID,
                           "`checkpoints.adopt` needs `workdir.mode: snapshot`: in a folder that "
                           "trials share nobody knows whose checkpoint it is");
    }
    if (leads_out) {
        return reader_fail(r, node, ERR_INVALID,
                           "`checkpoints.adopt` must stay in the trial's folder: write a path "
                           "relative to it");
    }
    return OK;
}

/* Acts are collective where ranks are, and come at milestones alone: a clock is none. */
static error_code every_check(struct reader *r, const struct spec_node *root,
                              const struct sweep_spec *spec)
{
    const struct spec_node *block = spec_node_entry(root, "checkpoints");
    const struct spec_node *every = block != NULL ? spec_node_entry(block, "every") : NULL;
    if (every == NULL || spec->checkpoints.every_ms == 0 || spec->launch != LAUNCH_RANKS) {
        return OK;
    }
    return reader_fail(r, every, ERR_INVALID,
                       "`checkpoints.every` does not go with `launch: ranks`: ranks are asked to "
                       "save at milestones alone; write `checkpoints.on: rung`");
}

static error_code tensorboard_check(struct reader *r, const struct spec_node *root,
                                    const struct sweep_spec *spec)
{
    const struct spec_node *block = spec_node_entry(root, "report");
    const struct spec_node *from = block != NULL ? spec_node_entry(block, "from") : NULL;
    if (from == NULL || (spec->report.from & REPORT_FROM_TENSORBOARD) == 0 ||
        spec->work.mode != WORKDIR_SHARED) {
        return OK;
    }
    return reader_fail(
        r, from, ERR_INVALID,
        "`report.from: tensorboard` needs `workdir.mode: snapshot`: in a folder that "
        "trials share nobody knows whose event files they are");
}

/* A rank for each GPU is what most programs want; a part of one is one rank's. */
static error_code ranks_resolve(struct reader *r, const struct spec_node *root,
                                struct sweep_spec *spec)
{
    const struct spec_node *block = spec_node_entry(root, "resources");
    if (spec->launch == LAUNCH_ONE && spec->ranks > 0) {
        return reader_fail(r, spec_node_entry(block, "ranks"), ERR_INVALID,
                           "`resources.ranks` needs `launch: ranks`: with `launch: one` the "
                           "command starts its own processes");
    }
    if (spec->launch == LAUNCH_RANKS && spec->ranks == 0) {
        amount gpus = spec->resources.gpus / AMOUNT_ONE;
        if (gpus > SPEC_RANKS_MAX) {
            return reader_fail(r, block, ERR_INVALID, "a trial has at most %d ranks",
                               SPEC_RANKS_MAX);
        }
        spec->ranks = gpus > 1 ? (uint32_t)gpus : 1;
    }
    return OK;
}

/* A trial on several nodes is the same command on each; what one process is to do with several
 * nodes nobody knows. */
static error_code nodes_resolve(struct reader *r, const struct spec_node *root,
                                struct sweep_spec *spec)
{
    const struct spec_node *block = spec_node_entry(root, "resources");
    uint32_t nodes = request_nodes(&spec->resources);
    spec->resources.nodes = nodes;
    if (nodes == 1) {
        return OK;
    }
    const struct spec_node *node = spec_node_entry(block, "nodes");
    if (spec->launch != LAUNCH_RANKS) {
        return reader_fail(r, node, ERR_INVALID,
                           "`resources.nodes` above 1 needs `launch: ranks`: the command is "
                           "started as so many ranks on each node");
    }
    if (nodes * spec->ranks > SPEC_WORLD_MAX) {
        return reader_fail(r, node, ERR_INVALID,
                           "%u nodes with %u ranks each are %u ranks, and a trial has at most %d",
                           nodes, spec->ranks, nodes * spec->ranks, SPEC_WORLD_MAX);
    }
    return OK;
}

static error_code sweep_read(struct reader *r, const struct spec_node *root, const char *file_name,
                             struct sweep_spec *spec)
{
    if (root->kind != NODE_BLOCK) {
        return reader_fail(r, root, ERR_INVALID,
                           "a sweep file is a block of keys: command, metric, parameters, stop, "
                           "...");
    }
    error_code error = reader_block_read(r, root, sweep_keys, spec);
    if (error == OK) {
        error = space_rules_read(r, root, spec);
    }
    if (error == OK) {
        error = schedule_check(r, root, spec);
    }
    if (error == OK) {
        error = wandb_check(r, root);
    }
    if (error == OK) {
        error = ranks_resolve(r, root, spec);
    }
    if (error == OK) {
        error = nodes_resolve(r, root, spec);
    }
    if (error == OK) {
        error = stop_check(r, root, spec);
    }
    if (error == OK) {
        error = line_rules_check(r, root, spec);
    }
    if (error == OK) {
        error = adopt_check(r, root, spec);
    }
    if (error == OK) {
        error = every_check(r, root, spec);
    }
    if (error == OK) {
        error = tensorboard_check(r, root, spec);
    }
    if (error == OK) {
        error = command_macros_check(r, root, spec);
    }
    if (error == OK && spec->name == NULL) {
        spec->name = name_default(r->arena, file_name);
        error = spec->name == NULL ? reader_no_memory(r) : OK;
    }
    return error;
}

/* A test is one trial to its first rung; without rungs to its first report. */
static void sweep_make_test(struct sweep_spec *spec)
{
    schedule_make_test(spec);
    spec->stop.trials = 1;
    spec->concurrency = 1;
    spec->retries.max = 0;
}

error_code spec_sweep_parse_set(const char *text, size_t len, const char *file_name,
                                const struct spec_set *set, struct arena *arena,
                                struct sweep_spec *ret_spec, struct report *report)
{
    const struct spec_node *root;
    struct sweep_spec spec = defaults;
    struct arena scratch;
    struct reader reader = {.arena = arena, .report = report};
    arena_init(&scratch, TREE_ARENA_MAX_BYTES);
    spec.pbt = pbt_defaults;
    error_code error = spec_tree_parse(text, len, &scratch, &root, report);
    if (error == OK && set != NULL) {
        error = spec_set_apply(set, root, &scratch, report);
    }
    if (error == OK) {
        error = program_apply(root, &scratch, report);
    }
    if (error == OK) {
        error = envvars_apply(root, &scratch, report);
    }
    if (error == OK) {
        error = sweep_read(&reader, root, file_name, &spec);
    }
    arena_fini(&scratch);
    if (error == OK && set != NULL && set->is_test) {
        sweep_make_test(&spec);
    }
    if (error == OK) {
        *ret_spec = spec;
    } else if (report != NULL && file_name != NULL) {
        snprintf(report->file, sizeof report->file, "%s", file_name);
    }
    if (error != OK && set != NULL) {
        spec_set_report(set, report);
    }
    return error;
}

error_code spec_sweep_parse(const char *text, size_t len, const char *file_name,
                            struct arena *arena, struct sweep_spec *ret_spec, struct report *report)
{
    return spec_sweep_parse_set(text, len, file_name, NULL, arena, ret_spec, report);
}
