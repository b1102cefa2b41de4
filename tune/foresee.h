/* tune/foresee.h -- what a schedule will come to, for people. Pure; any thread. */
#ifndef MUSTER_TUNE_FORESEE_H
#define MUSTER_TUNE_FORESEE_H

#include "base/buf.h"
#include "spec/types.h"

enum { STEPS_SHOWN_MAX = 12 };

/* "rungs at 1, 3, 9 steps, one of 3 goes on"; nothing for a sweep without a schedule. Errors are
 * the buffer's. */
error_code tune_foresee(const struct sweep_spec *spec, struct buf *buf);
/* Trials of Hyperband's bracket s, of n_brackets (hyperband.c). */
uint32_t hyperband_bracket_size(const struct schedule_spec *schedule, uint32_t n_brackets,
                                uint32_t s);

#endif
