/* spec/constraints.h -- the blocks that speak of parameters by name: `constraints`, and
 * `baselines`. Inner header of lib/spec. Pure. They are read once the parameters are known. */
#ifndef MUSTER_SPEC_CONSTRAINTS_H
#define MUSTER_SPEC_CONSTRAINTS_H

#include "spec/reader.h"
#include "spec/types.h"

/* `node`: a list of texts, or one text. Into spec->constraints. */
MUST_CHECK error_code constraints_read(struct reader *r, const struct spec_node *node,
                                       struct sweep_spec *spec);
/* `node`: a list of blocks of names and values, which may be nested as the parameters are. Into
 * spec->baselines. Whether a value lies in the space is tuning's question (tune_check()). */
MUST_CHECK error_code baselines_read(struct reader *r, const struct spec_node *node,
                                     struct sweep_spec *spec);

/* One block of them. */
MUST_CHECK error_code baseline_read(struct reader *r, const struct spec_node *node,
                                    const struct sweep_spec *spec, struct baseline *baseline);

/* The first parameter of this name (len bytes); NULL: none. */
const struct param_spec *space_param_find(const struct sweep_spec *spec, const char *name,
                                          size_t len);

#endif
