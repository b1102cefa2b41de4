#include "tune/trial_scheduler.h"

enum { MODES = SCHEDULE_PROMOTE + 1 };

/* By type and mode; a type without modes is there as SCHEDULE_STOP. */
static const struct trial_scheduler_ops *const trial_schedulers[][MODES] = {
    [SCHEDULE_NONE] = {&trial_scheduler_none},
    [SCHEDULE_ASHA] = {&trial_scheduler_asha, &trial_scheduler_promote},
    [SCHEDULE_SHA] = {&trial_scheduler_sha},
    [SCHEDULE_HYPERBAND] = {&trial_scheduler_asha, &trial_scheduler_hyperband},
    [SCHEDULE_MEDIAN] = {&trial_scheduler_median},
    [SCHEDULE_PBT] = {&trial_scheduler_pbt},
    [SCHEDULE_REPLAY] = {&trial_scheduler_replay},
};

const struct trial_scheduler_ops *trial_scheduler_find(const struct schedule_spec *schedule)
{
    size_t n = sizeof trial_schedulers / sizeof trial_schedulers[0];
    bool is_known = (size_t)schedule->type < n && (size_t)schedule->mode < MODES;
    return is_known ? trial_schedulers[schedule->type][schedule->mode] : NULL;
}
