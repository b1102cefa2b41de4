/* tune/halving.h -- synchronous successive halving in brackets: what `sha` and `hyperband` have in
 * common. Pure; one thread.
 *
 * A bracket is a run of trials and the rungs that they climb together. At each rung they wait,
 * held, until all of them have a result there or are gone; then the best floor(n / eta) of the n
 * that entered it, at least one, go on, and the others end. Who failed or was cancelled counts as
 * worst: it is one of the n, and never goes on. The trial whose result is the last one does not
 * wait.
 *
 * A trial that cannot save cannot wait: it goes on if it is among the best 1 / eta of the results
 * that are there when it comes (at least one), and takes one of the rung's places. */
#ifndef MUSTER_TUNE_HALVING_H
#define MUSTER_TUNE_HALVING_H

#include "tune/ladder.h"
#include "tune/trial_scheduler.h"

/* A bracket before it has begun: `ladder` is its rungs, the last one the step at which it ends. */
struct bracket_shape {
    uint32_t n; /* trials */
    struct ladder ladder;
};

/* Of bracket 0, 1, ...: a function of the spec. */
typedef void bracket_shape_fn(const struct sweep_spec *spec, uint32_t bracket,
                              struct bracket_shape *ret_shape);

/* ERR_INVALID for a schedule without sense, ERR_NO_MEMORY. */
MUST_CHECK error_code halving_new(const struct sweep_spec *spec, bracket_shape_fn *shape,
                                  struct trial_scheduler **ret_scheduler);
void halving_free(struct trial_scheduler *halving);

/* The operations of struct trial_scheduler_ops. */
int64_t halving_first_milestone(const struct trial_scheduler *halving, uint32_t trial,
                                int64_t judged);
void halving_decide(const struct trial_scheduler *halving, const struct sweep_view *view,
                    int64_t judged, const struct tune_milestone *milestone,
                    struct tune_decision *ret_decision, struct value *ret_params);
error_code halving_apply(struct trial_scheduler *halving, const struct sweep_view *view,
                         int64_t judged, const struct tune_event *event, int64_t *ret_judged);
error_code halving_note(struct trial_scheduler *halving, const struct sweep_view *view,
                        const struct tune_event *event);
bool halving_wake(const struct trial_scheduler *halving, const struct sweep_view *view,
                  uint32_t *ret_trial, struct tune_decision *ret_decision);
void halving_print(const struct trial_scheduler *halving, bool is_whole, struct json_out *out,
                   const char *key);

#endif
