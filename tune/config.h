/* tune/config.h -- a whole configuration: which parameters are active, is it inside the space, do
 * the constraints hold, fill it in. Pure functions; any thread.
 * A configuration is an array of n_parameters values in the file's order; VALUE_NONE where a
 * parameter is not active. */
#ifndef MUSTER_TUNE_CONFIG_H
#define MUSTER_TUNE_CONFIG_H

#include "spec/types.h"

/* Is parameter i active, given the values before it? */
bool config_is_active(const struct sweep_spec *spec, uint32_t i, const struct value *config);

/* A value of each active parameter, from its bounds, the columns of rows from one row, none of the
 * others. Constraints are not looked at. */
bool config_is_inside(const struct sweep_spec *spec, const struct value *config);

/* Where the value of parameter i comes from. The columns of a group are asked for with the same
 * `place`, that of their first one; else place is i. */
typedef struct value config_source(const void *context, const struct param_spec *param,
                                   uint32_t place);

/* Fills in ret_config: `fixed` (NULL: none) holds VALUE_NONE or what a parameter shall be. */
void config_fill(const struct sweep_spec *spec, config_source *source, const void *context,
                 const struct value *fixed, struct value *ret_config);

/* Do all constraints hold? A constraint that names an inactive parameter holds; one that divides by
 * zero does not, unless the rest of it decides. *ret_broken (may be NULL) is the first that does
 * not. (constraint.c) */
bool config_is_allowed(const struct sweep_spec *spec, const struct value *config,
                       uint32_t *ret_broken);

/* The draws that may be tried until the constraints hold; tune_check() refuses a space in which
 * less than one in a thousand does. */
enum { CONFIG_TRIES_MAX = 20000 };

/* A configuration of random values: a function of seed, trial and `attempt`. (random_search.c) */
void config_draw(const struct sweep_spec *spec, uint64_t seed, uint32_t trial, uint32_t attempt,
                 const struct value *fixed, struct value *ret_config);
/* The same with attempts until the constraints hold. false: none did; ret_config is the last. */
bool config_draw_allowed(const struct sweep_spec *spec, uint64_t seed, uint32_t trial,
                         const struct value *fixed, struct value *ret_config);

/* Baseline n - 1 as the configuration of trial n (baseline.c). */
void config_of_baseline(const struct sweep_spec *spec, uint64_t seed, uint32_t trial,
                        struct value *ret_config);
/* Does every baseline lie in the space? */
MUST_CHECK error_code baselines_check(const struct sweep_spec *spec, struct report *report);

#endif
