/* tune/replay.c -- one trial, trained on a recorded schedule.
 *
 * Jaderberg et al., "Population Based Training of Neural Networks", 2017, section 5 and figure 6:
 * what a population finds is a schedule of hyperparameters, and part of its worth is the schedule
 * itself. Here one trial begins from nothing and follows the schedule of a recorded lineage.
 *
 * At each recorded step the trial is its own donor: it goes on from its own snapshot of that very
 * step, with the parameters that the schedule has from there on. A report may lie behind the step
 * (a trainer that reports seldom); then the latest parameters at or before it are the ones. Without
 * a snapshot of the step the parameters cannot change: the trial is stopped, since anything else
 * would be another schedule. */
#include <assert.h>

#include "base/mem.h"
#include "tune/config.h"
#include "tune/trial_scheduler.h"

struct trial_scheduler {
    const struct sweep_spec *spec; /* borrowed */
};

static error_code replay_new(const struct sweep_spec *spec, struct trial_scheduler **ret_scheduler)
{
    const struct schedule_spec *schedule = &spec->schedule;
    bool is_sound = schedule->n_steps >= 1 && schedule->n_steps == spec->n_baselines &&
                    schedule->steps[0] == 0 && schedule->max >= 1;
    for (uint32_t i = 1; is_sound && i < schedule->n_steps; i++) {
        is_sound = schedule->steps[i] > schedule->steps[i - 1];
    }
    if (!is_sound) {
        return ERR_INVALID;
    }
    struct trial_scheduler *replay = mem_zalloc(sizeof *replay);
    if (replay == NULL) {
        return ERR_NO_MEMORY;
    }
    replay->spec = spec;
    *ret_scheduler = replay;
    return OK;
}

static void replay_free(struct trial_scheduler *replay)
{
    mem_free(replay);
}

/* The first recorded step behind `step`, else the end. */
static int64_t milestone_behind(const struct trial_scheduler *replay, int64_t step)
{
    const struct schedule_spec *schedule = &replay->spec->schedule;
    for (uint32_t i = 1; i < schedule->n_steps; i++) {
        if (schedule->steps[i] > step) {
            return schedule->steps[i];
        }
    }
    return schedule->max;
}

/* The last change at or before `step`, counted from 0. */
static uint32_t change_at(const struct trial_scheduler *replay, int64_t step)
{
    const struct schedule_spec *schedule = &replay->spec->schedule;
    uint32_t i = 0;
    while (i + 1 < schedule->n_steps && schedule->steps[i + 1] <= step) {
        i++;
    }
    return i;
}

static int64_t replay_first_milestone(const struct trial_scheduler *replay, uint32_t trial,
                                      int64_t judged)
{
    (void)trial;
    return milestone_behind(replay, judged);
}

static void replay_decide(const struct trial_scheduler *replay, const struct sweep_view *view,
                          int64_t judged, const struct tune_milestone *milestone,
                          struct tune_decision *ret_decision, struct value *ret_params)
{
    uint32_t change = change_at(replay, milestone->step), ordinal = 0;
    int64_t step = 0;
    if (milestone->step >= replay->spec->schedule.max) {
        *ret_decision =
            (struct tune_decision){.act = TUNE_STOP, .why = TUNE_WHY_MAX, .until = INT64_MAX};
        return;
    }
    if (change == change_at(replay, judged)) {
        *ret_decision = (struct tune_decision){.act = TUNE_GO,
                                               .until = milestone_behind(replay, milestone->step)};
        return;
    }
    bool has_saved = (milestone->can & TUNE_CAN_EXPLOIT) != 0 && milestone->donor != NULL &&
                     milestone->donor(milestone->context, milestone->trial, &ordinal, &step) &&
                     step == milestone->step;
    if (!has_saved) {
        *ret_decision =
            (struct tune_decision){.act = TUNE_STOP, .why = TUNE_WHY_SNAPSHOT, .until = INT64_MAX};
        return;
    }
    *ret_decision = (struct tune_decision){
        .act = TUNE_EXPLOIT,
        .until = milestone_behind(replay, step),
        .donor = milestone->trial,
        .donor_ordinal = ordinal,
        .donor_step = step,
    };
    config_of_baseline(replay->spec, view->seed, change + 1, ret_params);
}

static error_code replay_apply(struct trial_scheduler *replay, const struct sweep_view *view,
                               int64_t judged, const struct tune_event *event, int64_t *ret_judged)
{
    (void)replay;
    (void)view;
    (void)judged;
    *ret_judged = event->step;
    return OK;
}

/* [[step, parameters...], ...] for the dump; for people there are no rungs. */
static void replay_print(const struct trial_scheduler *replay, bool is_whole, struct json_out *out,
                         const char *key)
{
    struct value params[SPEC_PARAMETERS_MAX];
    json_array_begin(out, key);
    for (uint32_t i = 0; is_whole && i < replay->spec->schedule.n_steps; i++) {
        json_array_begin(out, NULL);
        json_i64(out, NULL, replay->spec->schedule.steps[i]);
        config_of_baseline(replay->spec, 0, i + 1, params);
        for (uint32_t k = 0; k < replay->spec->n_parameters; k++) {
            json_value(out, NULL, params[k]);
        }
        json_array_end(out);
    }
    json_array_end(out);
}

const struct trial_scheduler_ops trial_scheduler_replay = {
    .name = "replay",
    .wants_snapshots = true,
    .lends_to_itself = true,
    .new = replay_new,
    .free = replay_free,
    .first_milestone = replay_first_milestone,
    .decide = replay_decide,
    .apply = replay_apply,
    .print = replay_print,
};
