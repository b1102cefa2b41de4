/* tune/random_search.c -- every parameter of every trial drawn independently (Bergstra, Bengio,
 * "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012).
 *
 * Each (trial, attempt, parameter) has a stream of its own, so that a value depends on the seed,
 * the trial and the parameter's place in the file alone: not on what was drawn before, nor on how
 * many numbers another parameter used up. There is one attempt, number 0, unless constraints refuse
 * it. */
#include "base/random.h"
#include "tune/config.h"
#include "tune/searcher.h"
#include "tune/space.h"

/* The low half of a stream's number has room for both. */
enum { PLACE_BITS = 8 };
_Static_assert(SPEC_PARAMETERS_MAX <= 1 << PLACE_BITS, "a place fits");
_Static_assert(CONFIG_TRIES_MAX <= 1 << (32 - PLACE_BITS), "an attempt fits");

struct draw {
    uint64_t seed;
    uint32_t trial, attempt;
};

static struct value draw_value(const void *context, const struct param_spec *param, uint32_t place)
{
    const struct draw *draw = context;
    struct random random;
    random_init(&random, draw->seed,
                (uint64_t)draw->trial << 32 | draw->attempt << PLACE_BITS | place);
    return param_draw(param, &random);
}

void config_draw(const struct sweep_spec *spec, uint64_t seed, uint32_t trial, uint32_t attempt,
                 const struct value *fixed, struct value *ret_config)
{
    const struct draw draw = {seed, trial, attempt};
    config_fill(spec, draw_value, &draw, fixed, ret_config);
}

bool config_draw_allowed(const struct sweep_spec *spec, uint64_t seed, uint32_t trial,
                         const struct value *fixed, struct value *ret_config)
{
    for (uint32_t attempt = 0; attempt < CONFIG_TRIES_MAX; attempt++) {
        config_draw(spec, seed, trial, attempt, fixed, ret_config);
        if (config_is_allowed(spec, ret_config, NULL)) {
            return true;
        }
    }
    return false;
}

static void random_suggest(const struct searcher_state *state, const struct sweep_spec *spec,
                           uint64_t seed, uint32_t trial, struct value *ret_params)
{
    (void)state;
    /* In a space that tune_check() let pass it finds none once in e^20 trials. */
    (void)config_draw_allowed(spec, seed, trial, NULL, ret_params);
}

const struct searcher searcher_random = {
    .name = "random",
    .suggest = random_suggest,
};
