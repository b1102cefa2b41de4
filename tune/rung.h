/* tune/rung.h -- the results of one rung, and whether the next one is among the best of them.
 * Pure; owned by its trial scheduler; one thread.
 *
 * Of n results the best k = max(1, floor(n / eta)) are kept apart, in a heap with the worst of them
 * on top; the others are in a heap with the best of them on top. k never falls and grows by at most
 * one a result, so a look costs O(1) and a result O(log n). */
#ifndef MUSTER_TUNE_RUNG_H
#define MUSTER_TUNE_RUNG_H

#include "base/json_out.h"
#include "spec/types.h"

/* Scores: lower is better, NaN is worst. */
struct score_heap {
    double *items; /* owned */
    uint32_t n;
    uint32_t cap;
};

struct rung {
    int64_t step;
    int64_t eta;
    metric_goal goal;
    struct score_heap best;   /* the best k; the worst of them on top */
    struct score_heap others; /* the best of them on top */
    uint32_t n_went_on;       /* trials that were told to go on from here */
};

void rung_init(struct rung *rung, int64_t step, int64_t eta,
               metric_goal goal);  /* allocates nothing */
void rung_fini(struct rung *rung); /* takes zeroed and fini'd ones */
/* Would a trial that now brings `value` (the metric's) be among the best k of the n results, its
 * own included? Of equal results the earlier ones are better. */
bool rung_would_keep(const struct rung *rung, double value);
/* ERR_NO_MEMORY, ERR_LIMIT at SPEC_TRIALS_MAX: unchanged. */
MUST_CHECK error_code rung_add(struct rung *rung, double value);
uint32_t rung_count(const struct rung *rung);
/* {step, results, kept}; is_whole: the results too, in the order in which they are stored. */
void rung_print(const struct rung *rung, bool is_whole, struct json_out *out);

#endif
