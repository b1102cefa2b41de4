/* tune/rung.h -- the results of one rung, and whether the next one is among the best of them.
 * Pure; owned by its trial scheduler; one thread.
 *
 * Of n results the best k = max(k_min, floor(n / eta)) are kept apart, in a heap with the worst of
 * them on top; the others are in a heap with the best of them on top. k never falls and grows by at
 * most one a result, so a look costs O(1) and a result O(log n). */
#ifndef MUSTER_TUNE_RUNG_H
#define MUSTER_TUNE_RUNG_H

#include "base/json_out.h"
#include "spec/types.h"

/* Scores: lower is better, NaN is worst; of equal ones the earlier result is better. */
struct result {
    double score;
    uint32_t order; /* how many came before it to its rung */
};

struct result_heap {
    struct result *items; /* owned */
    uint32_t n;
    uint32_t cap;
};

struct rung {
    int64_t step;
    int64_t eta;
    metric_goal goal;
    uint32_t k_min;            /* 1: one result is enough for a best one; 0: eta are */
    struct result_heap best;   /* the best k; the worst of them on top */
    struct result_heap others; /* the best of them on top */
    uint32_t n_went_on;        /* trials that were told to go on from here */
};

/* k_min is 0 or 1. Allocates nothing. */
void rung_init(struct rung *rung, int64_t step, int64_t eta, metric_goal goal, uint32_t k_min);
void rung_fini(struct rung *rung); /* takes zeroed and fini'd ones */
/* Would a trial that now brings `value` (the metric's) be among the best k of the n results, its
 * own included? Of equal results the earlier ones are better. */
bool rung_would_keep(const struct rung *rung, double value);
/* The same of k_min = 1. */
bool rung_would_keep_one(const struct rung *rung, double value);
/* Is this result of the rung among the best k now? */
bool rung_keeps(const struct rung *rung, struct result result);
/* The result that `value` would be. */
struct result rung_result(const struct rung *rung, double value);
bool result_is_better(struct result a, struct result b);
/* ERR_NO_MEMORY, ERR_LIMIT at SPEC_TRIALS_MAX: unchanged. */
MUST_CHECK error_code rung_add(struct rung *rung, double value);
uint32_t rung_count(const struct rung *rung);
/* {step, results, kept}; is_whole: the results too, in the order in which they are stored. */
void rung_print(const struct rung *rung, bool is_whole, struct json_out *out);

#endif
