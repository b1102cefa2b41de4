/* tune/searcher.h -- the table of searchers: who proposes the next trial's parameters.
 * Pure. A new searcher is one file with one `const struct searcher` and one line in searcher.c. */
#ifndef MUSTER_TUNE_SEARCHER_H
#define MUSTER_TUNE_SEARCHER_H

#include "base/error.h"
#include "base/value.h"
#include "spec/types.h"

struct searcher_state; /* each searcher's own */

struct searcher {
    const char *name;
    /* What is worked out once a sweep; NULL: nothing. ERR_INVALID for a space that it cannot
     * search, with line, column and remedy in `report` (may be NULL); ERR_NO_MEMORY. The spec
     * outlives the state. */
    error_code (*new)(const struct sweep_spec *spec, uint64_t seed,
                      struct searcher_state **ret_state, struct report *report);
    void (*free)(struct searcher_state *state); /* takes NULL; NULL where `new` is */
    /* How many configurations there are, up to SPEC_TRIALS_MAX; NULL: no end of them. */
    uint32_t (*size)(const struct searcher_state *state);
    /* A configuration for `trial` (the first spec->n_baselines of them are never asked for), which
     * constraints allow; see tune/config.h. A function of the arguments. ret_params has room for
     * n_parameters; strings are borrowed from the spec. Never fails, never blocks. */
    void (*suggest)(const struct searcher_state *state, const struct sweep_spec *spec,
                    uint64_t seed, uint32_t trial, struct value *ret_params);
};

extern const struct searcher searcher_random, searcher_grid, searcher_sobol;

/* NULL for a method that this build does not know. */
const struct searcher *searcher_find(search_method method);

#endif
