/* spec/parameters.h -- the block `parameters`: names to search over, constants and their rules.
 * Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_PARAMETERS_H
#define MUSTER_SPEC_PARAMETERS_H

#include "spec/reader.h"
#include "spec/types.h"

/* Into n_parameters and parameters of the struct sweep_spec `base`. */
spec_key_read key_read_parameters;

/* Of what speaks of parameters by name, and is read when they are known. */
spec_key_read key_read_space;

/* `constraints` and `baselines`, after all keys. */
MUST_CHECK error_code space_rules_read(struct reader *r, const struct spec_node *root,
                                       struct sweep_spec *spec);

#endif
