/* tune/hyperband.c -- Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar, "Hyperband: A Novel
 * Bandit-Based Approach to Hyperparameter Optimization", JMLR 18, 2018, Algorithm 1.
 *
 * With R = schedule.max, s_max = floor(log_eta(R / min)) brackets follow each other, s = s_max,
 * ..., 0, and begin anew behind the last one. Bracket s has n = ceil((s_max + 1) / (s + 1) * eta^s)
 * trials, which are judged first at R * eta^-s steps; rungs are whole numbers, rounded down. Trials
 * belong to brackets by their numbers. Brackets run at the same time where there are places.
 *
 * Mode stop is the stopping form of W&B's `early_terminate`: one bracket without end, judged like
 * stopping ASHA (asha.c). */
#include <string.h>

#include "tune/foresee.h"
#include "tune/halving.h"

uint32_t hyperband_bracket_size(const struct schedule_spec *schedule, uint32_t n_brackets,
                                uint32_t s)
{
    int64_t power = 1;
    for (uint32_t i = 0; i < s; i++) {
        power *= schedule->eta;
    }
    int64_t n = (n_brackets * power + s) / (s + 1); /* rounded up */
    return n < SPEC_TRIALS_MAX ? (uint32_t)n : SPEC_TRIALS_MAX;
}

static void hyperband_shape(const struct sweep_spec *spec, uint32_t bracket,
                            struct bracket_shape *ret_shape)
{
    struct ladder all;
    ignore_error(ladder_init(&all, &spec->schedule), "checked when it was made");
    uint32_t s = all.n - 1 - bracket % all.n;
    ret_shape->n = hyperband_bracket_size(&spec->schedule, all.n, s);
    ret_shape->ladder.n = s + 1;
    memcpy(ret_shape->ladder.steps, &all.steps[all.n - 1 - s], (s + 1) * sizeof all.steps[0]);
}

static error_code hyperband_new(const struct sweep_spec *spec,
                                struct trial_scheduler **ret_scheduler)
{
    return halving_new(spec, hyperband_shape, ret_scheduler);
}

const struct trial_scheduler_ops trial_scheduler_hyperband = {
    .name = "hyperband",
    .new = hyperband_new,
    .free = halving_free,
    .first_milestone = halving_first_milestone,
    .decide = halving_decide,
    .apply = halving_apply,
    .note = halving_note,
    .wake = halving_wake,
    .print = halving_print,
};
