/* tune/sweep.h -- the tuner from inside, for the files of this folder. Pure; one thread. */
#ifndef MUSTER_TUNE_SWEEP_H
#define MUSTER_TUNE_SWEEP_H

#include "tune/searcher.h"
#include "tune/trial_scheduler.h"
#include "tune/trials.h"

struct tuner {
    struct sweep_spec own_spec;    /* a copy, whose limits people may change */
    const struct sweep_spec *spec; /* own_spec, which all others only read */
    uint64_t seed;
    const struct searcher *searcher;
    struct searcher_state *search; /* owned; NULL for a searcher without state */
    uint32_t space_size;           /* with baselines; 0: no end of configurations */
    const struct trial_scheduler_ops *scheduling;
    struct trial_scheduler *scheduler; /* owned; NULL for a trial scheduler without state */
    struct trials trials;
    uint32_t trials_max;   /* 0: no limit */
    uint32_t failures_old; /* before the last resume; they do not count */
    tune_why finishing;    /* the first reason that held; it stays until a resume */
    uint32_t best_trial;   /* 0: none yet */
    double best_value;
    int64_t best_step;
};

/* As tune_trials_max(); SPEC_TRIALS_MAX: no limit. */
uint32_t tuner_trials_bound(const struct tuner *tuner);
/* As a trial scheduler sees it. */
struct sweep_view tuner_view(const struct tuner *tuner);
/* True once a reason holds that running trials are stopped for too. */
bool tuner_stops_all(const struct tuner *tuner);

#endif
