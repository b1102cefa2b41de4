/* tune/asha.c -- asynchronous successive halving, stopping variant.
 *
 * Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht, Talwalkar, "A System for Massively
 * Parallel Hyperparameter Tuning", MLSys 2020, Algorithm 2. The rungs are its r * eta^(s + k), with
 * s = 0 (one bracket) and r = schedule.min; schedule.max is the top one even where it is no such
 * power. The paper pauses a trial at a rung and promotes it once it is in the top 1/eta; here, as
 * in Ray Tune and Optuna, a trial is judged once, when its result comes, and goes on or is stopped
 * for good: no trial waits, none has to be able to resume (mode promote, the paper's, is in
 * promote.c). It goes on if it is among the best
 * max(1, floor(n / eta)) of the n results of its rung, its own included, ties to the earlier: the
 * paper's top_k of |rung| / eta, and at least one, so that a rung's first trials are not all
 * stopped.
 *
 * A report that jumped past several rungs is judged at the highest rung <= step, and its result
 * stands at that rung only: its value at a lower rung's step is not known, and a value of more
 * training would be unfair to those there. */
#include "base/mem.h"
#include "tune/ladder.h"
#include "tune/rung.h"
#include "tune/trial_scheduler.h"

struct trial_scheduler {
    struct ladder ladder;
    struct rung rungs[LADDER_RUNGS_MAX]; /* of the same steps */
};

static error_code asha_new(const struct sweep_spec *spec, struct trial_scheduler **ret_scheduler)
{
    struct ladder ladder;
    error_code error = ladder_init(&ladder, &spec->schedule);
    if (error != OK) {
        return error;
    }
    struct trial_scheduler *asha = mem_zalloc(sizeof *asha);
    if (asha == NULL) {
        return ERR_NO_MEMORY;
    }
    asha->ladder = ladder;
    for (uint32_t i = 0; i < ladder.n; i++) {
        rung_init(&asha->rungs[i], ladder.steps[i], spec->schedule.eta, spec->metric.goal, 1);
    }
    *ret_scheduler = asha;
    return OK;
}

static void asha_free(struct trial_scheduler *asha)
{
    if (asha == NULL) {
        return;
    }
    for (uint32_t i = 0; i < asha->ladder.n; i++) {
        rung_fini(&asha->rungs[i]);
    }
    mem_free(asha);
}

static int64_t asha_first_milestone(const struct trial_scheduler *asha, uint32_t trial,
                                    int64_t judged)
{
    (void)trial;
    return ladder_next(&asha->ladder, judged);
}

static void asha_decide(const struct trial_scheduler *asha, const struct sweep_view *view,
                        int64_t judged, const struct tune_milestone *milestone,
                        struct tune_decision *ret_decision, struct value *ret_params)
{
    (void)view;
    (void)ret_params;
    uint32_t index;
    struct tune_decision decision = {.act = TUNE_GO, .until = INT64_MAX};
    if (!ladder_find(&asha->ladder, judged, milestone->step, &index)) {
        decision.until = ladder_next(&asha->ladder, judged);
    } else if (index == asha->ladder.n - 1) {
        decision.act = TUNE_STOP;
        decision.why = TUNE_WHY_MAX;
    } else if (rung_would_keep(&asha->rungs[index], milestone->value)) {
        decision.until = asha->ladder.steps[index + 1];
    } else {
        decision.act = TUNE_STOP;
        decision.why = TUNE_WHY_RUNG;
    }
    *ret_decision = decision;
}

static error_code asha_apply(struct trial_scheduler *asha, const struct sweep_view *view,
                             int64_t judged, const struct tune_event *event, int64_t *ret_judged)
{
    uint32_t index;
    (void)view;
    if (!ladder_find(&asha->ladder, judged, event->step, &index)) {
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
    for (uint32_t i = 0; i < asha->ladder.n; i++) {
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
