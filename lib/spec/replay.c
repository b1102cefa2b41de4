/* A recorded schedule: from which step on one trial trains with which parameters.
 *
 * The file that `from` names is not read here. Whoever submits turns it into `steps`, which travel
 * with the submission; a file that holds `steps` itself, as `check --print` writes it, needs no
 * other. */
#include "spec/replay.h"

#include "spec/constraints.h"

#define STEP_MAX 9007199254740992 /* 2^53 */

error_code key_read_steps(struct reader *r, const struct spec_node *node,
                          const struct spec_key *key, void *base)
{
    (void)base;
    if (node->kind != NODE_LIST) {
        return reader_fail_type(r, node, "a list of blocks like {step: 0, params: {lr: 0.1}}");
    }
    if (node->n > (uint32_t)key->max) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u items; at most %lld are allowed",
                           r->path, node->n, (long long)key->max);
    }
    return OK;
}

/* ---- one change ---- */

struct change {
    int64_t step;
    const struct spec_node *params;
};

static const struct spec_key change_keys[] = {
    {"step", key_read_i64, offsetof(struct change, step), 0, STEP_MAX, KEY_REQUIRED, NULL},
    {"params", key_read_node, offsetof(struct change, params), 0, 0, KEY_REQUIRED, NULL},
    {.name = NULL},
};

/* What it leaves out would be drawn, and no two replays were alike. */
static error_code whole_check(struct reader *r, const struct sweep_spec *spec,
                              const struct baseline *baseline, int64_t step)
{
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        const struct param_spec *param = &spec->parameters[i];
        bool is_said = param->kind == PARAM_CONSTANT || param->parent > 0;
        for (uint32_t k = 0; k < baseline->n_items && !is_said; k++) {
            is_said = baseline->items[k].param == i;
        }
        if (!is_said) {
            return reader_fail(r, baseline, ERR_INVALID,
                               "`%s`: the parameters from step %lld on lack '%s'", r->path,
                               (long long)step, param->name);
        }
    }
    return OK;
}

static error_code order_check(struct reader *r, const struct spec_node *node,
                              const struct schedule_spec *schedule, const int64_t *steps,
                              uint32_t n)
{
    int64_t step = steps[n];
    if (n == 0 && step != 0) {
        return reader_fail(r, node, ERR_INVALID,
                           "`%s` begins with step %lld; the parameters from step 0 on are missing",
                           r->path, (long long)step);
    }
    if (n > 0 && step <= steps[n - 1]) {
        return reader_fail(r, node, ERR_INVALID, "`%s`: step %lld follows step %lld; steps grow",
                           r->path, (long long)step, (long long)steps[n - 1]);
    }
    if (step >= schedule->max) {
        return reader_fail(r, node, ERR_INVALID,
                           "`%s`: step %lld is not below `schedule.max`, %lld: the trial would end "
                           "before it",
                           r->path, (long long)step, (long long)schedule->max);
    }
    return OK;
}

static error_code change_read(struct reader *r, const struct spec_node *node,
                              const struct sweep_spec *spec, int64_t *steps, uint32_t n,
                              struct baseline *ret_baseline)
{
    struct change change = {0};
    error_code error = reader_block_read(r, node, change_keys, &change);
    if (error == OK) {
        steps[n] = change.step;
        error = order_check(r, node, &spec->schedule, steps, n);
    }
    if (error == OK) {
        error = baseline_read(r, change.params, spec, ret_baseline);
    }
    return error == OK ? whole_check(r, spec, ret_baseline, change.step) : error;
}

/* ---- all of them ---- */

static error_code steps_read(struct reader *r, const struct spec_node *list,
                             struct sweep_spec *spec)
{
    uint32_t n = 0;
    int64_t *steps = arena_calloc(r->arena, list->n, sizeof *steps);
    struct baseline *baselines = arena_calloc(r->arena, list->n, sizeof *baselines);
    if (steps == NULL || baselines == NULL) {
        return reader_no_memory(r);
    }
    if (list->n == 0) {
        return reader_fail(r, list, ERR_INVALID, "`%s` is empty", r->path);
    }
    for (const struct spec_node *item = list->first; item != NULL; item = item->next, n++) {
        error_code error = change_read(r, item, spec, steps, n, &baselines[n]);
        if (error != OK) {
            return error;
        }
    }
    spec->schedule.steps = steps;
    spec->schedule.n_steps = n;
    spec->baselines = baselines;
    spec->n_baselines = n;
    return OK;
}

static error_code foreign_check(struct reader *r, const struct spec_node *root,
                                const struct sweep_spec *spec)
{
    const struct spec_node *baselines = spec_node_entry(root, "baselines");
    const struct spec_node *trials = spec_node_entry(spec_node_entry(root, "stop"), "trials");
    if (baselines != NULL && spec->n_baselines > 0) {
        return reader_fail(r, baselines->key, ERR_INVALID,
                           "`baselines` have no meaning with `type: replay`, which has its "
                           "parameters from the recorded schedule");
    }
    if (spec->stop.trials > 1) {
        return reader_fail(r, trials != NULL ? trials : root, ERR_INVALID,
                           "`type: replay` is one trial; leave `stop.trials` out");
    }
    return OK;
}

error_code replay_check(struct reader *r, const struct spec_node *root,
                        const struct spec_node *block, struct sweep_spec *spec)
{
    if (spec->schedule.type != SCHEDULE_REPLAY) {
        return OK;
    }
    const struct spec_node *steps = spec_node_entry(block, "steps");
    if (spec->schedule.from == NULL && steps == NULL) {
        return reader_fail(r, block, ERR_INVALID,
                           "the key `schedule.from` is missing: the file that `muster sweep export "
                           "N --schedule --file FILE` wrote");
    }
    error_code error = foreign_check(r, root, spec);
    if (error == OK && steps != NULL) {
        size_t length = reader_path_enter(r, "schedule.steps");
        error = steps_read(r, steps, spec);
        reader_path_leave(r, length);
    }
    spec->stop.trials = 1;
    return error;
}
