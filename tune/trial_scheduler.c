#include "tune/trial_scheduler.h"

static const struct trial_scheduler_ops *const trial_schedulers[] = {
    [SCHEDULE_NONE] = &trial_scheduler_none,
    [SCHEDULE_ASHA] = &trial_scheduler_asha,
};

const struct trial_scheduler_ops *trial_scheduler_find(schedule_type type)
{
    return (size_t)type < sizeof trial_schedulers / sizeof trial_schedulers[0]
               ? trial_schedulers[type]
               : NULL;
}
