/* tune/sweep.c -- the state machine of one sweep: what may follow what, when it is over, which
 * trial is best.
 *
 * What is asked (suggest, decide) takes a const tuner; tune_apply() alone writes. Each applier
 * checks first, then does the one thing that can fail, then writes, so that a refused entry or a
 * full memory leaves the tuner as it was. */
#include "tune/sweep.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "tune/config.h"
#include "tune/space.h"

static const char *const why_words[] = {
    [TUNE_WHY_NONE] = "",         [TUNE_WHY_RUNG] = "rung",     [TUNE_WHY_MAX] = "max",
    [TUNE_WHY_TARGET] = "target", [TUNE_WHY_TRIALS] = "trials", [TUNE_WHY_FAILURES] = "failures",
    [TUNE_WHY_WALL] = "wall",     [TUNE_WHY_MEDIAN] = "median",
};

/* Sweep-wide reasons that running trials are stopped for too. */
static const bool why_stops_all[] = {
    [TUNE_WHY_TARGET] = true,
    [TUNE_WHY_FAILURES] = true,
    [TUNE_WHY_WALL] = true,
    [TUNE_WHY_MEDIAN] = false,
};

static_assert(sizeof why_words / sizeof why_words[0] == TUNE_WHY_MEDIAN + 1, "a word a reason");
static_assert(sizeof why_stops_all == TUNE_WHY_MEDIAN + 1, "a line a reason");

const char *tune_why_word(tune_why why)
{
    assert((unsigned)why <= TUNE_WHY_MEDIAN);
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
    tuner->spec = spec;
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

uint32_t tune_space_size(const struct tuner *tuner)
{
    return tuner->space_size;
}

const char *tune_searcher_name(const struct tuner *tuner)
{
    return tuner->searcher->name;
}

static uint32_t tuner_trials_max(const struct tuner *tuner)
{
    uint32_t max = tune_trials_max(tuner);
    return max > 0 ? max : SPEC_TRIALS_MAX;
}

struct sweep_view tuner_view(const struct tuner *tuner)
{
    uint32_t max = tuner_trials_max(tuner), concurrency = tuner->spec->concurrency;
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
    uint32_t max = tuner_trials_max(tuner);
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

/* ---- entries of the log ---- */

static void tuner_finish(struct tuner *tuner, tune_why why)
{
    if (tuner->finishing == TUNE_WHY_NONE) {
        tuner->finishing = why;
    }
}

/* A value of the log: the best one so far, the one that was looked for, or neither. */
static void tuner_value_take(struct tuner *tuner, const struct tune_event *event)
{
    double best = tuner->best_value;
    bool is_maximize = tuner->spec->metric.goal == GOAL_MAXIMIZE;
    bool is_better = is_maximize ? event->value > best : event->value < best;
    bool is_earlier = event->value == best && event->trial < tuner->best_trial;
    if (!isnan(event->value) && (tuner->best_trial == 0 || is_better || is_earlier)) {
        tuner->best_trial = event->trial;
        tuner->best_value = event->value;
        tuner->best_step = event->step;
    }
    if (tune_reaches_target(tuner, event->value)) {
        tuner_finish(tuner, TUNE_WHY_TARGET);
    }
}

static struct trial *tuner_open_trial(const struct tuner *tuner, uint32_t number)
{
    struct trial *trial = trials_find(&tuner->trials, number);
    return trial != NULL && trial->state == TRIAL_OPEN ? trial : NULL;
}

static bool params_are_sound(const struct sweep_spec *spec, const struct tune_event *event)
{
    return event->n_params == spec->n_parameters &&
           (event->params != NULL || event->n_params == 0) && config_is_inside(spec, event->params);
}

/* Before anything is written. */
static error_code tuner_note(struct tuner *tuner, const struct tune_event *event)
{
    struct sweep_view view = tuner_view(tuner);
    return tuner->scheduling->note != NULL ? tuner->scheduling->note(tuner->scheduler, &view, event)
                                           : OK;
}

static error_code apply_asked(struct tuner *tuner, const struct tune_event *event)
{
    if (event->trial != tune_next_trial(tuner) || tune_tickets(tuner) == 0 ||
        !params_are_sound(tuner->spec, event)) {
        return ERR_INVALID;
    }
    error_code error = trials_reserve(&tuner->trials);
    error = error == OK ? tuner_note(tuner, event) : error;
    if (error == OK) {
        trials_add(&tuner->trials);
    }
    return error;
}

/* An order that makes sense after a report at `step`, whoever decided it. */
static bool decision_is_sound(const struct tuner *tuner, const struct tune_event *event)
{
    const struct tune_decision *decision = &event->decision;
    bool has_donor = decision->donor != 0;
    bool is_donor_sound =
        !has_donor || (decision->donor != event->trial && decision->donor <= tuner->trials.n &&
                       params_are_sound(tuner->spec, event));
    int64_t from = has_donor ? decision->donor_step : event->step;
    bool is_ahead = decision->until > from || decision->until == INT64_MAX;
    switch (decision->act) {
    case TUNE_GO:
        return decision->why == TUNE_WHY_NONE && is_ahead && !has_donor;
    case TUNE_STOP:
        return decision->why > TUNE_WHY_NONE && decision->why <= TUNE_WHY_MEDIAN &&
               decision->why != TUNE_WHY_TRIALS && decision->until == INT64_MAX && !has_donor;
    case TUNE_PAUSE:
        return decision->why == TUNE_WHY_NONE && is_donor_sound && decision->until == INT64_MAX;
    case TUNE_EXPLOIT:
        return decision->why == TUNE_WHY_NONE && has_donor && is_donor_sound && is_ahead;
    }
    return false;
}

static error_code apply_milestone(struct tuner *tuner, const struct tune_event *event)
{
    struct trial *trial = tuner_open_trial(tuner, event->trial);
    if (trial == NULL || !event->has_value || !decision_is_sound(tuner, event) ||
        (trial->told != TUNE_WHY_NONE && event->decision.why != (tune_why)trial->told)) {
        return ERR_INVALID;
    }
    struct sweep_view view = tuner_view(tuner);
    error_code error =
        tuner->scheduling->apply(tuner->scheduler, &view, trial->judged, event, &trial->judged);
    if (error != OK) {
        return error;
    }
    bool is_leaving = event->decision.act == TUNE_PAUSE || event->decision.act == TUNE_EXPLOIT;
    trial->told = (uint8_t)event->decision.why;
    trial->leaving = is_leaving ? (uint8_t)event->decision.act : TUNE_GO;
    tuner_value_take(tuner, event);
    return OK;
}

static error_code apply_held(struct tuner *tuner, const struct tune_event *event)
{
    struct trial *trial = tuner_open_trial(tuner, event->trial);
    if (trial == NULL) {
        return ERR_INVALID;
    }
    error_code error = tuner_note(tuner, event);
    if (error == OK) {
        trials_hold(&tuner->trials, trial);
    }
    return error;
}

static error_code apply_woken(struct tuner *tuner, const struct tune_event *event)
{
    struct trial *trial = trials_find(&tuner->trials, event->trial);
    tune_act act = event->decision.act;
    bool is_sound = (act == TUNE_GO && event->decision.why == TUNE_WHY_NONE) ||
                    (act == TUNE_STOP && event->decision.why != TUNE_WHY_NONE &&
                     event->decision.why <= TUNE_WHY_MEDIAN);
    if (trial == NULL || trial->state != TRIAL_HELD || !is_sound || event->decision.donor != 0) {
        return ERR_INVALID;
    }
    error_code error = tuner_note(tuner, event);
    if (error == OK) {
        trials_wake(&tuner->trials, trial);
        trial->told = (uint8_t)event->decision.why;
    }
    return error;
}

static error_code apply_ended(struct tuner *tuner, const struct tune_event *event)
{
    struct trial *trial = trials_find(&tuner->trials, event->trial);
    if (trial == NULL || trial->state == TRIAL_ENDED ||
        (unsigned)event->outcome > TUNE_OUTCOME_INVALID) {
        return ERR_INVALID;
    }
    error_code error = tuner_note(tuner, event);
    if (error != OK) {
        return error;
    }
    trials_end(&tuner->trials, trial, event->outcome);
    /* What a trial reported before it said that its parameters make no sense is no result. */
    if (event->has_value && event->outcome != TUNE_OUTCOME_INVALID) {
        tuner_value_take(tuner, event);
    }
    uint32_t failures_max = tuner->spec->stop.failures;
    uint32_t failed = tuner->trials.n_outcome[TUNE_OUTCOME_FAILED];
    /* A trial that failed before the resume and was opened again is not there to be taken off. */
    uint32_t failures = failed > tuner->failures_old ? failed - tuner->failures_old : 0;
    if (failures_max > 0 && failures >= failures_max) {
        tuner_finish(tuner, TUNE_WHY_FAILURES);
    }
    if (tuner->trials.n_ended >= tuner_trials_max(tuner)) {
        tuner_finish(tuner, TUNE_WHY_TRIALS);
    }
    return OK;
}

static error_code apply_target(struct tuner *tuner, const struct tune_event *event)
{
    if (tuner_open_trial(tuner, event->trial) == NULL || !event->has_value ||
        !tune_reaches_target(tuner, event->value)) {
        return ERR_INVALID;
    }
    tuner_value_take(tuner, event);
    return OK;
}

static error_code apply_wall(struct tuner *tuner, const struct tune_event *event)
{
    (void)event;
    if (tuner->spec->stop.wall_ms <= 0 || tuner->finishing == TUNE_WHY_WALL) {
        return ERR_INVALID;
    }
    tuner_finish(tuner, TUNE_WHY_WALL);
    return OK;
}

static error_code apply_resumed(struct tuner *tuner, const struct tune_event *event)
{
    int64_t max = event->step;
    if (max < 0 || max > SPEC_TRIALS_MAX || (max > 0 && max < tuner->trials.n)) {
        return ERR_INVALID;
    }
    tuner->trials_max = (uint32_t)max;
    tuner->failures_old = tuner->trials.n_outcome[TUNE_OUTCOME_FAILED];
    tuner->finishing = TUNE_WHY_NONE;
    if (tuner->trials.n_ended >= tuner_trials_max(tuner)) {
        tuner_finish(tuner, TUNE_WHY_TRIALS);
    }
    return OK;
}

/* What it was judged at stays judged: a rung counts once a trial. What stopped it holds no more. */
static error_code apply_reopened(struct tuner *tuner, const struct tune_event *event)
{
    struct trial *trial = trials_find(&tuner->trials, event->trial);
    if (trial == NULL || trial->state != TRIAL_ENDED || event->step < 0 || event->step > 1) {
        return ERR_INVALID;
    }
    error_code error = tuner_note(tuner, event);
    if (error != OK) {
        return error;
    }
    trials_reopen(&tuner->trials, trial);
    if (event->step == 1) {
        tuner->finishing = TUNE_WHY_TRIALS;
    }
    return OK;
}

static error_code (*const appliers[])(struct tuner *, const struct tune_event *) = {
    [TUNE_EVENT_ASKED] = apply_asked,       [TUNE_EVENT_MILESTONE] = apply_milestone,
    [TUNE_EVENT_ENDED] = apply_ended,       [TUNE_EVENT_TARGET] = apply_target,
    [TUNE_EVENT_WALL] = apply_wall,         [TUNE_EVENT_RESUMED] = apply_resumed,
    [TUNE_EVENT_REOPENED] = apply_reopened, [TUNE_EVENT_HELD] = apply_held,
    [TUNE_EVENT_WOKEN] = apply_woken,
};

error_code tune_apply(struct tuner *tuner, const struct tune_event *event)
{
    if ((size_t)event->kind >= sizeof appliers / sizeof appliers[0]) {
        return ERR_INVALID;
    }
    return appliers[event->kind](tuner, event);
}
