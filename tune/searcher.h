/* tune/searcher.h -- the table of searchers: who proposes the next trial's parameters.
 * Pure. A new searcher is one file with one `const struct searcher` and one line in searcher.c. */
#ifndef MUSTER_TUNE_SEARCHER_H
#define MUSTER_TUNE_SEARCHER_H

#include "base/value.h"
#include "spec/types.h"

struct searcher {
    const char *name;
    /* A configuration for `trial`, in the file's order; a function of the arguments. ret_params has
     * room for n_parameters; strings are borrowed from the spec. Never fails, never blocks. */
    void (*suggest)(const struct sweep_spec *spec, uint64_t seed, uint32_t trial,
                    struct value *ret_params);
};

extern const struct searcher searcher_random;

/* NULL for a method that this build does not know. */
const struct searcher *searcher_find(search_method method);

#endif
