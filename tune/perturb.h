/* tune/perturb.h -- a configuration near another one: what population-based training calls explore.
 * Pure; any thread. */
#ifndef MUSTER_TUNE_PERTURB_H
#define MUSTER_TUNE_PERTURB_H

#include "base/random.h"
#include "spec/types.h"

/* Changes `params`, in place, by spec->pbt: each parameter that mutates is drawn anew with
 * probability `resample`; else a number is multiplied with one of the factors, and an ordered
 * choice goes to a neighbour, up for a factor above 1. What comes out is inside the space: clipped
 * into the bounds, on the grid of q, whole where it was whole. On a grid a factor moves a number by
 * at least one step, so that small whole numbers are not stuck. A 0, and a value of `also`, is
 * never moved by a factor. Rows change as a whole, by a new draw only. A parameter that becomes
 * active is drawn, one that does not stay so loses its value. If the constraints hold for none of
 * 100 tries, nothing is changed. (Jaderberg et al., "Population Based Training of Neural Networks",
 * 2017, section 4.1.1: resample with probability 0.25, else perturb by 0.8 or 1.2.) Strings are
 * borrowed from the spec. */
void perturb_params(const struct sweep_spec *spec, struct random *random, struct value *params);

#endif
