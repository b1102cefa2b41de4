/* tune/asha.c -- asynchronous successive halving, stopping variant.
 *
 * Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht, Talwalkar, "A System for Massively
 * Parallel Hyperparameter Tuning", MLSys 2020, Algorithm 2. The rungs are its r * eta^(s + k), with
 * s = 0 (one bracket) and r = schedule.min; schedule.max is the top one even where it is no such
 * power. The paper pauses a trial at a rung and promotes it once it is in the top 1/eta; here, as
 * in Ray Tune and Optuna, a trial is judged once, when its result comes, and goes on or is stopped
 * for good: no trial waits, none has to be able to resume. It goes on if it is among the best
 * max(1, floor(n / eta)) of the n results of its rung, its own included, ties to the earlier: the
 * paper's top_k of |rung| / eta, and at least one, so that a rung's first trials are not all
 * stopped.
 *
 * A report that jumped past several rungs is judged at the highest rung <= step, and its result
 * stands at that rung only: its value at a lower rung's step is not known, and a value of more
 * training would be unfair to those there. */
#include <assert.h>

#include "base/mem.h"
#include "tune/rung.h"
#include "tune/trial_scheduler.h"

enum { ASHA_RUNGS_MAX = 64 }; /* eta >= 2, steps below 2^63 */

struct trial_scheduler {
    uint32_t n_rungs;
    struct rung rungs[ASHA_RUNGS_MAX]; /* by step, the top one last */
};

static error_code asha_new(const struct sweep_spec *spec, struct trial_scheduler **ret_scheduler)
{
    const struct schedule_spec *schedule = &spec->schedule;
    if (schedule->min < 1 || schedule->max < schedule->min || schedule->eta < 2) {
        return ERR_INVALID;
    }
    struct trial_scheduler *asha = mem_zalloc(sizeof *asha);
    if (asha == NULL) {
        return ERR_NO_MEMORY;
    }
    int64_t step = schedule->min;
    while (step < schedule->max) {
        assert(asha->n_rungs < ASHA_RUNGS_MAX - 1);
        rung_init(&asha->rungs[asha->n_rungs++], step, schedule->eta, spec->metric.goal);
        step = step > schedule->max / schedule->eta ? schedule->max : step * schedule->eta;
    }
    rung_init(&asha->rungs[asha->n_rungs++], schedule->max, schedule->eta, spec->metric.goal);
    *ret_scheduler = asha;
    return OK;
}

static void asha_free(struct trial_scheduler *asha)
{
    if (asha == NULL) {
        return;
    }
    for (uint32_t i = 0; i < asha->n_rungs; i++) {
        rung_fini(&asha->rungs[i]);
    }
    mem_free(asha);
}

static int64_t asha_next_step(const struct trial_scheduler *asha, int64_t judged)
{
    for (uint32_t i = 0; i < asha->n_rungs; i++) {
        if (asha->rungs[i].step > judged) {
            return asha->rungs[i].step;
        }
    }
    return INT64_MAX;
}

static int64_t asha_first_milestone(const struct trial_scheduler *asha, uint32_t trial,
                                    int64_t judged)
{
    (void)trial;
    return asha_next_step(asha, judged);
}

/* The rung that a report at `step` counts for: the highest one at or below it, unless the trial has
 * been judged there or above. false: none. */
static bool asha_rung_find(const struct trial_scheduler *asha, int64_t judged, int64_t step,
                           uint32_t *ret_index)
{
    for (uint32_t i = asha->n_rungs; i-- > 0;) {
        if (asha->rungs[i].step <= step) {
            *ret_index = i;
            return asha->rungs[i].step > judged;
        }
    }
    return false;
}

static void asha_decide(const struct trial_scheduler *asha, const struct sweep_view *view,
                        int64_t judged, const struct tune_milestone *milestone,
                        struct tune_decision *ret_decision, struct value *ret_params)
{
    (void)view;
    (void)ret_params;
    uint32_t index;
    struct tune_decision decision = {.act = TUNE_GO, .until = INT64_MAX};
    if (!asha_rung_find(asha, judged, milestone->step, &index)) {
        decision.until = asha_next_step(asha, judged);
    } else if (index == asha->n_rungs - 1) {
        decision.act = TUNE_STOP;
        decision.why = TUNE_WHY_MAX;
    } else if (rung_would_keep(&asha->rungs[index], milestone->value)) {
        decision.until = asha->rungs[index + 1].step;
    } else {
        decision.act = TUNE_STOP;
        decision.why = TUNE_WHY_RUNG;
    }
    *ret_decision = decision;
}

static error_code asha_apply(struct trial_scheduler *asha, int64_t judged,
                             const struct tune_event *event, int64_t *ret_judged)
{
    uint32_t index;
    if (!asha_rung_find(asha, judged, event->step, &index)) {
        *ret_judged = judged;
        return OK;
    }
    struct rung *rung = &asha->rungs[index];
    error_code error = rung_add(rung, event->value);
    if (error != OK) {
        return error;
    }
    if (event->decision.act == TUNE_GO) {
        rung->n_went_on++;
    }
    *ret_judged = rung->step;
    return OK;
}

static void asha_print(const struct trial_scheduler *asha, bool is_whole, struct json_out *out,
                       const char *key)
{
    json_array_begin(out, key);
    for (uint32_t i = 0; i < asha->n_rungs; i++) {
        rung_print(&asha->rungs[i], is_whole, out);
    }
    json_array_end(out);
}

const struct trial_scheduler_ops trial_scheduler_asha = {
    .name = "asha",
    .new = asha_new,
    .free = asha_free,
    .first_milestone = asha_first_milestone,
    .decide = asha_decide,
    .apply = asha_apply,
    .print = asha_print,
};
