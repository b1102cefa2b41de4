/* spec/parameters.h -- the block `parameters`: names to search over, constants and their rules.
 * Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_PARAMETERS_H
#define MUSTER_SPEC_PARAMETERS_H

#include "spec/reader.h"

/* Into n_parameters and parameters of the struct sweep_spec `base`. */
spec_key_read key_read_parameters;

#endif
