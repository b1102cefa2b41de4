/* sim/planted.h -- the bugs that the build muster-sim-planted knows how to have. */
#ifndef MUSTER_SIM_PLANTED_H
#define MUSTER_SIM_PLANTED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/planted.h"

/* Turns it on; false: there is none of this name, or this build has none at all. */
bool planted_set(const char *name);
/* The name of the i-th; NULL: there are no more. */
const char *planted_name(uint32_t i);

#endif
