/* tune/space.h -- one parameter of a search space: is it well formed, is a value inside, draw a
 * value, list its values. Pure functions; any thread. */
#ifndef MUSTER_TUNE_SPACE_H
#define MUSTER_TUNE_SPACE_H

#include "base/random.h"
#include "spec/types.h"

/* Bounds in order and finite, log only above 0, q finite and not negative (a whole number for
 * integers), at least one choice. The parser says this with line and column; here it keeps the
 * drawing free of special cases. */
MUST_CHECK error_code param_check(const struct param_spec *param);

/* A value of `param` from `random`; never outside its bounds, both of which can be drawn.
 * - choices, rows, integers and multiples of q: each equally likely, or by `probabilities`;
 * - log: an integer (or multiple of q) v is as likely as the numbers nearest to it are under a
 * density of 1/x, i.e. those of [v - q/2, v + q/2], q being 1 for plain integers; the lowest of
 * these intervals begins no lower than at half of min. (Optuna's integer log distribution is the
 * case q = 1.)
 * - real numbers: uniform, or uniform in the logarithm;
 * - normal: with q the nearest multiple of q;
 * - also: the range and each single value are equally likely, or by `probabilities`.
 * Strings are borrowed from `param`. */
struct value param_draw(const struct param_spec *param, struct random *random);

/* The value at u of (0, 1), so that an even u gives what param_draw() gives: lower u, lower (or
 * earlier) values. */
struct value param_at(const struct param_spec *param, double u);

/* How many values there are, and each of them from 0 on, in order; 0: no end of them. */
uint64_t param_count(const struct param_spec *param);
struct value param_nth(const struct param_spec *param, uint64_t n);

/* True if `value` is one that `param` allows: kind, bounds, choice. */
bool param_contains(const struct param_spec *param, struct value value);

/* The standard normal distribution's quantile at u of (0, 1). */
double normal_quantile(double u);

#endif
