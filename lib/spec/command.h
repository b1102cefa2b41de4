/* spec/command.h -- the blocks `command` and `env`, and the macros in them.
 * Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_COMMAND_H
#define MUSTER_SPEC_COMMAND_H

#include "spec/reader.h"
#include "spec/types.h"

/* Into the struct sweep_spec `base`. */
spec_key_read key_read_command;
spec_key_read key_read_env;

/* Checks the macros of both, once all parameters are known. `root` is the file's outermost block.
 */
MUST_CHECK error_code command_macros_check(struct reader *r, const struct spec_node *root,
                                           const struct sweep_spec *spec);

#endif
