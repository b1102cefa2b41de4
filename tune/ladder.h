/* tune/ladder.h -- the steps at which trials are judged. Pure. */
#ifndef MUSTER_TUNE_LADDER_H
#define MUSTER_TUNE_LADDER_H

#include "base/error.h"
#include "spec/types.h"

enum { LADDER_RUNGS_MAX = 64 }; /* eta >= 2, steps below 2^63 */

struct ladder {
    uint32_t n;
    int64_t steps[LADDER_RUNGS_MAX]; /* rising */
};

/* min, min * eta, min * eta^2, ... below max, and max itself. ERR_INVALID unless 1 <= min <= max
 * and eta >= 2. */
MUST_CHECK error_code ladder_init(struct ladder *ladder, const struct schedule_spec *schedule);
/* The first rung above `judged`; INT64_MAX: none. */
int64_t ladder_next(const struct ladder *ladder, int64_t judged);
/* The rung that a report at `step` counts for: the highest one at or below it, unless the trial has
 * been judged there or above. false: none. */
bool ladder_find(const struct ladder *ladder, int64_t judged, int64_t step, uint32_t *ret_index);

#endif
