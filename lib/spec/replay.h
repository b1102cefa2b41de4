/* spec/replay.h -- a recorded schedule: the keys `from` and `steps` of `schedule`. Inner header of
 * lib/spec. Pure. */
#ifndef MUSTER_SPEC_REPLAY_H
#define MUSTER_SPEC_REPLAY_H

#include "spec/reader.h"
#include "spec/types.h"

/* Looked at by replay_check(), when the parameters are known. */
spec_key_read key_read_steps;

/* With `type: replay`: `steps` into spec->schedule and spec->baselines, one trial. */
MUST_CHECK error_code replay_check(struct reader *r, const struct spec_node *root,
                                   const struct spec_node *block, struct sweep_spec *spec);

#endif
