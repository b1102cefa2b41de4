/* tune/entries.c -- the only writers of a tuner: what each entry of the sweep's log does to it.
 *
 * Each applier checks first, then does the one thing that can fail, then writes, so that a refused
 * entry or a full memory leaves the tuner as it was. */
#include <math.h>

#include "tune/config.h"
#include "tune/sweep.h"

static void tuner_finish(struct tuner *tuner, tune_why why)
{
    if (tuner->finishing == TUNE_WHY_NONE) {
        tuner->finishing = why;
    }
}

/* NaN is worse than any. */
static bool value_is_better(const struct tuner *tuner, double value, double than)
{
    bool is_maximize = tuner->spec->metric.goal == GOAL_MAXIMIZE;
    return !isnan(value) && (isnan(than) || (is_maximize ? value > than : value < than));
}

static void best_set(struct tuner *tuner, uint32_t number)
{
    const struct trial *trial = trials_find(&tuner->trials, number);
    tuner->best_trial = number;
    tuner->best_value = trial != NULL ? trial->value : 0;
    tuner->best_step = trial != NULL ? trial->value_step : 0;
}

/* The best one fell behind: any may be it now. The first of equal ones. */
static void best_find(struct tuner *tuner)
{
    const struct trials *trials = &tuner->trials;
    uint32_t best = 0;
    double value = NAN;
    for (uint32_t i = 0; i < trials->n; i++) {
        if (value_is_better(tuner, trials->items[i].value, value)) {
            value = trials->items[i].value;
            best = i + 1;
        }
    }
    best_set(tuner, best);
}

/* A value of the log: what its trial is ranked by may change, and the best trial with it; it may be
 * the one that was looked for. */
static void tuner_value_take(struct tuner *tuner, const struct tune_event *event)
{
    struct trial *trial = trials_find(&tuner->trials, event->trial);
    double before = trial->value;
    if (event->has_result) {
        trial->value = event->result;
        trial->value_step = event->result_step;
    } else if (value_is_better(tuner, event->value, trial->value)) {
        trial->value = event->value;
        trial->value_step = event->step;
    }
    bool is_equal = trial->value == tuner->best_value && event->trial < tuner->best_trial;
    if (event->trial == tuner->best_trial &&
        (isnan(trial->value) || value_is_better(tuner, before, trial->value))) {
        best_find(tuner);
    } else if (!isnan(trial->value) &&
               (tuner->best_trial == 0 || event->trial == tuner->best_trial || is_equal ||
                value_is_better(tuner, trial->value, tuner->best_value))) {
        best_set(tuner, event->trial);
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

/* Before anything is written, but for a resume. */
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
        !has_donor || ((decision->donor != event->trial || tuner->scheduling->lends_to_itself) &&
                       decision->donor <= tuner->trials.n && params_are_sound(tuner->spec, event));
    int64_t from = has_donor ? decision->donor_step : event->step;
    bool is_ahead = decision->until > from || decision->until == INT64_MAX;
    switch (decision->act) {
    case TUNE_GO:
        return decision->why == TUNE_WHY_NONE && is_ahead && !has_donor;
    case TUNE_STOP:
        return decision->why > TUNE_WHY_NONE && decision->why <= TUNE_WHY_LAST &&
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
                     event->decision.why <= TUNE_WHY_LAST);
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

/* Has so much failed or ended that no more is asked for? */
static void tuner_limits_check(struct tuner *tuner)
{
    uint32_t failures_max = tuner->spec->stop.failures;
    uint32_t failed = tuner->trials.n_outcome[TUNE_OUTCOME_FAILED];
    /* A trial that failed before the resume and was opened again is not there to be taken off. */
    uint32_t failures = failed > tuner->failures_old ? failed - tuner->failures_old : 0;
    if (failures_max > 0 && failures >= failures_max) {
        tuner_finish(tuner, TUNE_WHY_FAILURES);
    }
    if (tuner->trials.n_ended >= tuner_trials_bound(tuner)) {
        tuner_finish(tuner, TUNE_WHY_TRIALS);
    }
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
    tuner_limits_check(tuner);
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
    uint32_t max_before = tuner->trials_max;
    tune_why finishing_before = tuner->finishing;
    tuner->trials_max = (uint32_t)max;
    tuner->finishing = TUNE_WHY_NONE;
    error_code error = tuner_note(tuner, event); /* it sees how many there will be */
    if (error != OK) {
        tuner->trials_max = max_before;
        tuner->finishing = finishing_before;
        return error;
    }
    tuner->failures_old = tuner->trials.n_outcome[TUNE_OUTCOME_FAILED];
    if (tuner->trials.n_ended >= tuner_trials_bound(tuner)) {
        tuner_finish(tuner, TUNE_WHY_TRIALS);
    }
    return OK;
}

static bool limits_are_sound(const struct tuner *tuner, const struct tune_limits *limits)
{
    bool is_fewer = (limits->set & TUNE_SET_TRIALS) != 0 && limits->trials != 0 &&
                    limits->trials < tuner->trials.n;
    return (limits->set & ~(uint32_t)TUNE_SET_ALL) == 0 && !is_fewer &&
           limits->trials <= SPEC_TRIALS_MAX && limits->wall_ms >= 0;
}

static void limits_take(struct tuner *tuner, const struct tune_limits *limits)
{
    struct sweep_spec *spec = &tuner->own_spec;
    if ((limits->set & TUNE_SET_TRIALS) != 0) {
        tuner->trials_max = limits->trials;
    }
    if ((limits->set & TUNE_SET_FAILURES) != 0) {
        spec->stop.failures = limits->failures;
    }
    if ((limits->set & TUNE_SET_CONCURRENCY) != 0) {
        spec->concurrency = limits->concurrency;
    }
    if ((limits->set & TUNE_SET_WALL) != 0) {
        spec->stop.wall_ms = limits->wall_ms;
    }
}

/* To a trial scheduler another number of trials is what a resume brings. */
static error_code apply_set(struct tuner *tuner, const struct tune_event *event)
{
    struct tune_limits before = tune_limits_get(tuner);
    if (tuner->finishing != TUNE_WHY_NONE || !limits_are_sound(tuner, &event->limits)) {
        return ERR_INVALID;
    }
    limits_take(tuner, &event->limits);
    struct tune_event resumed = {.kind = TUNE_EVENT_RESUMED, .step = tuner->trials_max};
    error_code error =
        tuner->trials_max != before.trials ? tuner_note(tuner, &resumed) : (error_code)OK;
    if (error != OK) {
        limits_take(tuner, &before);
        return error;
    }
    tuner_limits_check(tuner);
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

/* Where its weights and parameters come from was told otherwise; what it was judged at stays. */
static error_code apply_donor(struct tuner *tuner, const struct tune_event *event)
{
    struct trial *trial = trials_find(&tuner->trials, event->trial);
    const struct tune_decision *decision = &event->decision;
    bool is_sound = trial != NULL && trial->state != TRIAL_ENDED && tuner->scheduling->borrows &&
                    params_are_sound(tuner->spec, event) && event->step >= 0 &&
                    decision->donor_step >= 0 && decision->donor != event->trial &&
                    decision->donor <= tuner->trials.n;
    if (!is_sound) {
        return ERR_INVALID;
    }
    error_code error = tuner_note(tuner, event);
    if (error == OK && trial->state == TRIAL_OPEN) {
        trial->leaving = TUNE_GO; /* it has its place, whatever told it to leave */
    }
    return error;
}

static error_code (*const appliers[])(struct tuner *, const struct tune_event *) = {
    [TUNE_EVENT_ASKED] = apply_asked,       [TUNE_EVENT_MILESTONE] = apply_milestone,
    [TUNE_EVENT_ENDED] = apply_ended,       [TUNE_EVENT_TARGET] = apply_target,
    [TUNE_EVENT_WALL] = apply_wall,         [TUNE_EVENT_RESUMED] = apply_resumed,
    [TUNE_EVENT_REOPENED] = apply_reopened, [TUNE_EVENT_HELD] = apply_held,
    [TUNE_EVENT_WOKEN] = apply_woken,       [TUNE_EVENT_SET] = apply_set,
    [TUNE_EVENT_DONOR] = apply_donor,
};

error_code tune_apply(struct tuner *tuner, const struct tune_event *event)
{
    if ((size_t)event->kind >= sizeof appliers / sizeof appliers[0]) {
        return ERR_INVALID;
    }
    return appliers[event->kind](tuner, event);
}
