/* tune/sync_rung.h -- a rung at which trials wait for each other. Pure; owned by its bracket; one
 * thread. */
#ifndef MUSTER_TUNE_SYNC_RUNG_H
#define MUSTER_TUNE_SYNC_RUNG_H

#include "tune/rung.h"

struct sync_result {
    struct result result;
    uint32_t trial;
};

struct sync_rung {
    int64_t step;
    int64_t eta;
    uint32_t n_entered; /* trials that climb to it; of the first rung those that were asked for */
    uint32_t n_results;
    uint32_t n_lost;  /* gone before they had a result */
    uint32_t n_early; /* told to go on before it was complete */
    uint32_t n_went_on;
    bool is_decided;
    struct sync_result *results; /* owned; as they came, until it is decided */
    uint32_t cap;
    struct rung seen; /* the same, for those that cannot wait */
};

void sync_rung_init(struct sync_rung *rung, int64_t step, const struct sweep_spec *spec);
void sync_rung_fini(struct sync_rung *rung); /* the counts stay */
/* ERR_NO_MEMORY, ERR_LIMIT: unchanged. */
MUST_CHECK error_code sync_rung_add(struct sync_rung *rung, uint32_t trial, double value);
/* Of the n that entered it floor(n / eta) go on, at least one; so many of these did not yet. */
uint32_t sync_rung_places(const struct sync_rung *rung);
/* Every one that climbs to it has a result or is lost, `n_more` results to come included. */
bool sync_rung_is_complete(const struct sync_rung *rung, uint32_t n_more);
/* The best first. */
void sync_rung_sort(struct sync_rung *rung);
/* {bracket, step, results, kept}; is_whole: every field. */
void sync_rung_print(const struct sync_rung *rung, uint32_t bracket, bool is_whole,
                     struct json_out *out);

#endif
