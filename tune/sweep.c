/* tune/sweep.c -- a sweep's tuner, made and asked: what the next trial gets, what a trial does at
 * its milestone, when the sweep is over, which trial is best. Nothing here changes it: entries.c
 * does.
 */
#include "tune/sweep.h"

#include <assert.h>

#include "base/mem.h"
#include "tune/config.h"
#include "tune/space.h"

static const char *const why_words[] = {
    [TUNE_WHY_NONE] = "",         [TUNE_WHY_RUNG] = "rung",     [TUNE_WHY_MAX] = "max",
    [TUNE_WHY_TARGET] = "target", [TUNE_WHY_TRIALS] = "trials", [TUNE_WHY_FAILURES] = "failures",
    [TUNE_WHY_WALL] = "wall",     [TUNE_WHY_MEDIAN] = "median", [TUNE_WHY_SNAPSHOT] = "snapshot",
};

/* Sweep-wide reasons that running trials are stopped for too. */
static const bool why_stops_all[] = {
    [TUNE_WHY_TARGET] = true,
    [TUNE_WHY_FAILURES] = true,
    [TUNE_WHY_WALL] = true,
    [TUNE_WHY_SNAPSHOT] = false,
};

static_assert(sizeof why_words / sizeof why_words[0] == TUNE_WHY_LAST + 1, "a word a reason");
static_assert(sizeof why_stops_all == TUNE_WHY_LAST + 1, "a line a reason");

const char *tune_why_word(tune_why why)
{
    assert((unsigned)why <= TUNE_WHY_LAST);
    return why_words[why];
}

/* ---- lifecycle ---- */

static error_code spec_check(const struct sweep_spec *spec)
{
    if (spec->n_parameters > SPEC_PARAMETERS_MAX || spec->stop.trials > SPEC_TRIALS_MAX ||
        searcher_find(spec->search) == NULL || trial_scheduler_find(&spec->schedule) == NULL) {
        return ERR_INVALID;
    }
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        error_code error = param_check(&spec->parameters[i]);
        if (error != OK) {
            return error;
        }
    }
    return OK;
}

static void tuner_search_free(struct tuner *tuner)
{
    if (tuner->searcher->free != NULL) {
        tuner->searcher->free(tuner->search);
    }
}

error_code tune_new(const struct sweep_spec *spec, uint64_t seed, struct tuner **ret_tuner)
{
    error_code error = spec_check(spec);
    if (error != OK) {
        return error;
    }
    struct tuner *tuner = mem_zalloc(sizeof *tuner);
    if (tuner == NULL) {
        return ERR_NO_MEMORY;
    }
    tuner->own_spec = *spec;
    tuner->spec = spec = &tuner->own_spec;
    tuner->seed = seed;
    tuner->trials_max = spec->stop.trials;
    tuner->searcher = searcher_find(spec->search);
    tuner->scheduling = trial_scheduler_find(&spec->schedule);
    if (tuner->searcher->new != NULL) {
        error = tuner->searcher->new (spec, seed, &tuner->search, NULL);
    }
    if (error == OK) {
        error = tuner->scheduling->new (spec, &tuner->scheduler);
    }
    if (error != OK) {
        tuner_search_free(tuner);
        mem_free(tuner);
        return error;
    }
    if (tuner->searcher->size != NULL) {
        tuner->space_size = spec->n_baselines + tuner->searcher->size(tuner->search);
    }
    *ret_tuner = tuner;
    return OK;
}

void tune_free(struct tuner *tuner)
{
    if (tuner == NULL) {
        return;
    }
    tuner->scheduling->free(tuner->scheduler);
    tuner_search_free(tuner);
    trials_fini(&tuner->trials);
    mem_free(tuner);
}

/* ---- questions ---- */

uint32_t tune_trials_max(const struct tuner *tuner)
{
    uint32_t size = tuner->space_size;
    bool is_smaller = size > 0 && (tuner->trials_max == 0 || size < tuner->trials_max);
    return is_smaller ? size : tuner->trials_max;
}

struct tune_limits tune_limits_get(const struct tuner *tuner)
{
    const struct sweep_spec *spec = tuner->spec;
    return (struct tune_limits){TUNE_SET_ALL, tuner->trials_max, spec->stop.failures,
                                spec->concurrency, spec->stop.wall_ms};
}

uint32_t tune_space_size(const struct tuner *tuner)
{
    return tuner->space_size;
}

const char *tune_searcher_name(const struct tuner *tuner)
{
    return tuner->searcher->name;
}

uint32_t tuner_trials_bound(const struct tuner *tuner)
{
    uint32_t max = tune_trials_max(tuner);
    return max > 0 ? max : SPEC_TRIALS_MAX;
}

struct sweep_view tuner_view(const struct tuner *tuner)
{
    uint32_t max = tuner_trials_bound(tuner), concurrency = tuner->spec->concurrency;
    return (struct sweep_view){
        .spec = tuner->spec,
        .seed = tuner->seed,
        .trials = &tuner->trials,
        .trials_max = max,
        .is_asking = tuner->finishing == TUNE_WHY_NONE && tuner->trials.n < max,
        .has_place = concurrency == 0 || trials_open_count(&tuner->trials) < concurrency,
    };
}

uint32_t tune_tickets(const struct tuner *tuner)
{
    uint32_t concurrency = tuner->spec->concurrency;
    uint32_t max = tuner_trials_bound(tuner);
    uint32_t left = max > tuner->trials.n ? max - tuner->trials.n : 0;
    if (tuner->finishing != TUNE_WHY_NONE || left == 0) {
        return 0;
    }
    if (tuner->scheduling->room != NULL) {
        struct sweep_view view = tuner_view(tuner);
        uint32_t room = tuner->scheduling->room(tuner->scheduler, &view);
        left = room < left ? room : left;
    } else if (tune_trials_max(tuner) == 0) {
        left = UINT32_MAX;
    }
    if (concurrency == 0) {
        return left;
    }
    uint32_t open = trials_open_count(&tuner->trials);
    uint32_t places = open < concurrency ? concurrency - open : 0;
    return places < left ? places : left;
}

uint32_t tune_next_trial(const struct tuner *tuner)
{
    return tuner->trials.n + 1;
}

void tune_suggest(const struct tuner *tuner, uint32_t trial, struct value *ret_params)
{
    if (trial <= tuner->spec->n_baselines) {
        config_of_baseline(tuner->spec, tuner->seed, trial, ret_params);
    } else {
        tuner->searcher->suggest(tuner->search, tuner->spec, tuner->seed, trial, ret_params);
    }
}

int64_t tune_first_milestone(const struct tuner *tuner, uint32_t trial)
{
    const struct trial *found = trials_find(&tuner->trials, trial);
    return tuner->scheduling->first_milestone(tuner->scheduler, trial,
                                              found != NULL ? found->judged : 0);
}

bool tuner_stops_all(const struct tuner *tuner)
{
    return why_stops_all[tuner->finishing];
}

bool tune_reaches_target(const struct tuner *tuner, double value)
{
    const struct metric_spec *metric = &tuner->spec->metric;
    /* False for NaN, whichever way it is compared. */
    return metric->has_target &&
           (metric->goal == GOAL_MAXIMIZE ? value >= metric->target : value <= metric->target);
}

void tune_decide(const struct tuner *tuner, const struct tune_milestone *milestone,
                 struct tune_decision *ret_decision, struct value *ret_params)
{
    const struct trial *found = trials_find(&tuner->trials, milestone->trial);
    if (found != NULL && found->told != TUNE_WHY_NONE) {
        *ret_decision = (struct tune_decision){
            .act = TUNE_STOP, .why = (tune_why)found->told, .until = INT64_MAX};
        return;
    }
    struct tune_decision decision;
    struct sweep_view view = tuner_view(tuner);
    tuner->scheduling->decide(tuner->scheduler, &view, found != NULL ? found->judged : 0, milestone,
                              &decision, ret_params);
    /* A trial that got to the top is done, whatever has become of its sweep. */
    if (decision.why != TUNE_WHY_MAX) {
        tune_why why = tuner_stops_all(tuner)                         ? tuner->finishing
                       : tune_reaches_target(tuner, milestone->value) ? TUNE_WHY_TARGET
                                                                      : TUNE_WHY_NONE;
        if (why != TUNE_WHY_NONE) {
            decision = (struct tune_decision){.act = TUNE_STOP, .why = why, .until = INT64_MAX};
        }
    }
    *ret_decision = decision;
}

tune_why tune_finishing(const struct tuner *tuner)
{
    return tuner->finishing;
}

bool tune_is_over(const struct tuner *tuner)
{
    return tuner->finishing != TUNE_WHY_NONE && tuner->trials.n_ended == tuner->trials.n;
}

bool tune_best(const struct tuner *tuner, uint32_t *ret_trial, double *ret_value, int64_t *ret_step)
{
    if (tuner->best_trial == 0) {
        return false;
    }
    *ret_trial = tuner->best_trial;
    *ret_value = tuner->best_value;
    *ret_step = tuner->best_step;
    return true;
}

void tune_counts_get(const struct tuner *tuner, struct tune_counts *ret_counts)
{
    const struct trials *trials = &tuner->trials;
    *ret_counts = (struct tune_counts){
        .asked = trials->n,
        .running = trials_open_count(trials),
        .held = trials->n_held,
        .ended = trials->n_ended,
        .done = trials->n_outcome[TUNE_OUTCOME_DONE],
        .stopped = trials->n_outcome[TUNE_OUTCOME_STOPPED],
        .failed = trials->n_outcome[TUNE_OUTCOME_FAILED],
        .cancelled = trials->n_outcome[TUNE_OUTCOME_CANCELLED],
        .invalid = trials->n_outcome[TUNE_OUTCOME_INVALID],
    };
}
