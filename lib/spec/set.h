/* spec/set.h -- single values of a sweep file set from outside, as `--set stop.trials=5` does: on
 * the tree, before anything of it is typed or checked. Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_SET_H
#define MUSTER_SPEC_SET_H

#include "spec/sweep.h"
#include "spec/tree.h"

/* Applies them in their order. Values become nodes of `arena`, which holds the tree. A value's
 * nodes have the line spec_set_line(index), so that an error which is found later can be told of
 * the setting instead of a line. ERR_INVALID, ERR_LIMIT, ERR_NO_MEMORY. */
MUST_CHECK error_code spec_set_apply(const struct spec_set *set, const struct spec_node *root,
                                     struct arena *arena, struct report *report);

#endif
