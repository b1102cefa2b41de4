/* spec/schedule.h -- the blocks `schedule` and `pbt`: which keys belong to which trial scheduler,
 * what one says beside the others. Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_SCHEDULE_H
#define MUSTER_SPEC_SCHEDULE_H

#include "spec/reader.h"
#include "spec/types.h"

extern const struct spec_key schedule_keys[], pbt_keys[];
extern const struct pbt_spec pbt_defaults;

/* After all keys of the file (`root`) are read: fills in what follows from others, and refuses what
 * makes no sense together. */
MUST_CHECK error_code schedule_check(struct reader *r, const struct spec_node *root,
                                     struct sweep_spec *spec);
/* One trial to its first milestone; without one to its first step. */
void schedule_make_test(struct sweep_spec *spec);

#endif
