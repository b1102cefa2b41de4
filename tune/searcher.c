#include "tune/searcher.h"

#include <stddef.h>

static const struct searcher *const searchers[] = {
    [SEARCH_RANDOM] = &searcher_random,
    [SEARCH_GRID] = &searcher_grid,
    [SEARCH_SOBOL] = &searcher_sobol,
    [SEARCH_AUTO] = &searcher_sobol,
};

const struct searcher *searcher_find(search_method method)
{
    return (size_t)method < sizeof searchers / sizeof searchers[0] ? searchers[method] : NULL;
}
