#include "tune/ladder.h"

#include <assert.h>

error_code ladder_init(struct ladder *ladder, const struct schedule_spec *schedule)
{
    if (schedule->min < 1 || schedule->max < schedule->min || schedule->eta < 2) {
        return ERR_INVALID;
    }
    ladder->n = 0;
    int64_t step = schedule->min;
    while (step < schedule->max) {
        assert(ladder->n < LADDER_RUNGS_MAX - 1);
        ladder->steps[ladder->n++] = step;
        step = step > schedule->max / schedule->eta ? schedule->max : step * schedule->eta;
    }
    ladder->steps[ladder->n++] = schedule->max;
    return OK;
}

int64_t ladder_next(const struct ladder *ladder, int64_t judged)
{
    for (uint32_t i = 0; i < ladder->n; i++) {
        if (ladder->steps[i] > judged) {
            return ladder->steps[i];
        }
    }
    return INT64_MAX;
}

bool ladder_find(const struct ladder *ladder, int64_t judged, int64_t step, uint32_t *ret_index)
{
    for (uint32_t i = ladder->n; i-- > 0;) {
        if (ladder->steps[i] <= step) {
            *ret_index = i;
            return ladder->steps[i] > judged;
        }
    }
    return false;
}
