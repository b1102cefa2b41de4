/* tune/population.h -- the members of a population: where each stands, its parameters now, their
 * ranking. Inner header of pbt.c. Pure; one thread. */
#ifndef MUSTER_TUNE_POPULATION_H
#define MUSTER_TUNE_POPULATION_H

#include <assert.h>

#include "base/random.h"
#include "tune/trial_scheduler.h"

struct member {
    int64_t step;       /* of its last milestone, in its weights' steps */
    int64_t until;      /* of its next one; INT64_MAX: none */
    double score;       /* its last value, lower is better */
    uint64_t tie;       /* drawn with it */
    uint32_t n_decided; /* milestones so far */
    bool is_ranked;
};

struct trial_scheduler {
    const struct sweep_spec *spec; /* borrowed */
    struct member *members;        /* owned; by trial */
    struct value *params;          /* owned; in force now, n_parameters a member */
    uint32_t *ranked;              /* owned; trials, the best first */
    uint32_t n_ranked;
    uint32_t cap; /* of all three */
};

static inline struct member *member_of(const struct trial_scheduler *pbt, uint32_t trial)
{
    assert(trial >= 1 && trial <= pbt->cap);
    return &pbt->members[trial - 1];
}

static inline struct value *params_of(const struct trial_scheduler *pbt, uint32_t trial)
{
    return pbt->params + (size_t)(trial - 1) * pbt->spec->n_parameters;
}

/* Room for `trial`, the next one. ERR_NO_MEMORY: nothing has changed. */
MUST_CHECK error_code population_reserve(struct trial_scheduler *pbt, uint32_t trial);
/* A milestone with `value`: the member as it would be ranked. ret_random, the stream of its next
 * decision, goes on behind it. */
struct member population_value(const struct trial_scheduler *pbt, uint64_t seed, uint32_t trial,
                               double value, struct random *ret_random);
/* How many ranked ones are better. */
uint32_t population_rank(const struct trial_scheduler *pbt, const struct member *member,
                         uint32_t trial);
void population_rank_add(struct trial_scheduler *pbt, uint32_t trial);
void population_rank_remove(struct trial_scheduler *pbt, uint32_t trial); /* ranked or not */
/* The parameters of an entry are the trial's from now on; texts become the spec's. */
void population_params_take(struct trial_scheduler *pbt, const struct tune_event *event);

#endif
