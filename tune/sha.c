/* tune/sha.c -- synchronous successive halving: Jamieson, Talwalkar, "Non-stochastic Best Arm
 * Identification and Hyperparameter Optimization", AISTATS 2016, Algorithm 1, with eta for 2. All
 * trials of the sweep are one bracket; what a resumed sweep asks for beyond them is another one. */
#include "tune/halving.h"

static void sha_shape(const struct sweep_spec *spec, uint32_t bracket,
                      struct bracket_shape *ret_shape)
{
    (void)bracket;
    ret_shape->n = spec->stop.trials;
    ignore_error(ladder_init(&ret_shape->ladder, &spec->schedule), "checked when it was made");
}

static error_code sha_new(const struct sweep_spec *spec, struct trial_scheduler **ret_scheduler)
{
    /* Nobody would know when a rung is complete. */
    return spec->stop.trials > 0 ? halving_new(spec, sha_shape, ret_scheduler) : ERR_INVALID;
}

const struct trial_scheduler_ops trial_scheduler_sha = {
    .name = "sha",
    .new = sha_new,
    .free = halving_free,
    .first_milestone = halving_first_milestone,
    .decide = halving_decide,
    .apply = halving_apply,
    .note = halving_note,
    .wake = halving_wake,
    .print = halving_print,
};
