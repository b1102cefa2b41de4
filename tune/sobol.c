/* tune/sobol.c -- search.method `sobol`: points that fill the space more evenly than random ones
 * do.
 *
 * Sobol's sequence with the direction numbers of Joe and Kuo ("Constructing Sobol Sequences with
 * Better Two-Dimensional Projections", SIAM J. Sci. Comput. 30, 2008), each parameter a dimension
 * in the file's order. Owen's scrambling ("Randomly Permuted (t,m,s)-Nets and (t,s)-Sequences",
 * 1995) keeps that evenness and makes each point uniform; it is done by a hash, as Burley,
 * "Practical Hash-based Owen Scrambling", JCGT 9(4), 2020, section 3, with the hash of Laine and
 * Karras. A point that constraints refuse is replaced by the same point of another scrambling, so
 * that a configuration is a function of seed and trial. */
#include "tune/sobol.h"

#include "base/mem.h"
#include "base/random.h"
#include "tune/config.h"
#include "tune/searcher.h"
#include "tune/space.h"

_Static_assert((int)SOBOL_DIMENSIONS_MAX >= (int)SPEC_PARAMETERS_MAX,
               "a dimension for each parameter");

void sobol_directions(uint32_t dimension, uint32_t ret_directions[SOBOL_BITS])
{
    const struct sobol_dimension *d = &sobol_dimensions[dimension];
    if (d->degree == 0) { /* the first one: van der Corput's sequence */
        for (uint32_t i = 0; i < SOBOL_BITS; i++) {
            ret_directions[i] = UINT32_C(1) << (SOBOL_BITS - 1 - i);
        }
        return;
    }
    for (uint32_t i = 0; i < d->degree; i++) {
        ret_directions[i] = (uint32_t)d->first[i] << (SOBOL_BITS - 1 - i);
    }
    for (uint32_t i = d->degree; i < SOBOL_BITS; i++) {
        uint32_t v = ret_directions[i - d->degree];
        v ^= v >> d->degree;
        for (uint32_t k = 1; k < d->degree; k++) {
            if ((d->inner >> (d->degree - 1 - k) & 1) != 0) {
                v ^= ret_directions[i - k];
            }
        }
        ret_directions[i] = v;
    }
}

uint32_t sobol_point(const uint32_t directions[SOBOL_BITS], uint32_t index)
{
    uint32_t point = 0;
    for (uint32_t i = 0; index != 0; index >>= 1, i++) {
        if ((index & 1) != 0) {
            point ^= directions[i];
        }
    }
    return point;
}

static uint32_t bits_reversed(uint32_t x)
{
    x = __builtin_bswap32(x);
    x = (x >> 4 & 0x0F0F0F0F) | (x & 0x0F0F0F0F) << 4;
    x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
    return (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
}

uint32_t sobol_scramble(uint32_t point, uint32_t seed)
{
    /* In reverse, a bit depends on lower ones only: on those that are higher in the point. */
    uint32_t x = bits_reversed(point);
    x += seed;
    x ^= x * 0x6C50B47C;
    x ^= x * 0xB82F1E52;
    x ^= x * 0xC7AFE638;
    x ^= x * 0x8D22F6E6;
    return bits_reversed(x);
}

/* ---- the searcher ---- */

struct searcher_state {
    uint32_t directions[SOBOL_DIMENSIONS_MAX][SOBOL_BITS]; /* of as many as there are parameters */
};

struct point {
    const struct searcher_state *state;
    uint64_t seed;
    uint32_t index, attempt;
};

static struct value point_value(const void *context, const struct param_spec *param, uint32_t place)
{
    const struct point *point = context;
    const uint32_t counter[4] = {place, point->attempt, 0x534F424C, 0}; /* apart from all streams */
    const uint32_t key[2] = {(uint32_t)point->seed, (uint32_t)(point->seed >> 32)};
    uint32_t hash[4];
    random_philox(counter, key, hash);
    uint32_t x =
        sobol_scramble(sobol_point(point->state->directions[place], point->index), hash[0]);
    return param_at(param, (x + 0.5) * 0x1.0p-32);
}

static error_code sobol_new(const struct sweep_spec *spec, uint64_t seed,
                            struct searcher_state **ret_state, struct report *report)
{
    (void)seed;
    (void)report;
    struct searcher_state *state =
        mem_zalloc((spec->n_parameters + 1) * sizeof state->directions[0]);
    if (state == NULL) {
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        sobol_directions(i, state->directions[i]);
    }
    *ret_state = state;
    return OK;
}

static void sobol_free(struct searcher_state *state)
{
    mem_free(state);
}

static void sobol_suggest(const struct searcher_state *state, const struct sweep_spec *spec,
                          uint64_t seed, uint32_t trial, struct value *ret_params)
{
    struct point point = {state, seed, trial - 1 - spec->n_baselines, 0};
    for (; point.attempt < CONFIG_TRIES_MAX; point.attempt++) {
        config_fill(spec, point_value, &point, NULL, ret_params);
        if (config_is_allowed(spec, ret_params, NULL)) {
            return;
        }
    }
}

const struct searcher searcher_sobol = {
    .name = "sobol",
    .new = sobol_new,
    .free = sobol_free,
    .suggest = sobol_suggest,
};
