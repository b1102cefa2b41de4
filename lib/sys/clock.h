/* sys/clock.h -- time for shells. Any thread. Cores never read a clock: they get `now` with each
 * event. */
#ifndef MUSTER_SYS_CLOCK_H
#define MUSTER_SYS_CLOCK_H

#include "base/id.h"

/* Unix milliseconds: the wall clock as it was when the process first asked, plus the monotonic time
 * since. */
time_ms clock_now(void);
int64_t clock_monotonic_us(void);

#endif
