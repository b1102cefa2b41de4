/* tune/random_search.c -- every parameter of every trial drawn independently (Bergstra, Bengio,
 * "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012).
 *
 * Each (trial, parameter) has a stream of its own, so that a value depends on the seed, the trial
 * and the parameter's place in the file alone: not on what was drawn before, nor on how many
 * numbers another parameter used up. */
#include "base/random.h"
#include "tune/searcher.h"
#include "tune/space.h"

static void random_suggest(const struct sweep_spec *spec, uint64_t seed, uint32_t trial,
                           struct value *ret_params)
{
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        struct random random;
        random_init(&random, seed, (uint64_t)trial << 32 | i);
        ret_params[i] = param_draw(&spec->parameters[i], &random);
    }
}

const struct searcher searcher_random = {
    .name = "random",
    .suggest = random_suggest,
};
