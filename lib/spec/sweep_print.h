/* spec/sweep_print.h -- scalars as the normalised file writes them, and its blocks that have files
 * of their own. Inner header of lib/spec. Pure. Errors are the buffer's, sticky. */
#ifndef MUSTER_SPEC_SWEEP_PRINT_H
#define MUSTER_SPEC_SWEEP_PRINT_H

#include "base/buf.h"
#include "spec/types.h"

void text_print(const char *text, struct buf *buf); /* plain where that is safe, else quoted */
void real_write(double real, struct buf *buf);
void value_write(struct value value, struct buf *buf);

/* parameters, constraints, baselines */
void space_print(const struct sweep_spec *spec, struct buf *buf);

/* {name: value, ...} */
void baseline_print(const struct sweep_spec *spec, const struct baseline *baseline,
                    struct buf *buf);

#endif
