/* spec/change.h -- what of a sweep file may change while its sweep runs (`sweep set`): one table.
 * Pure; any thread; nothing blocks. */
#ifndef MUSTER_SPEC_CHANGE_H
#define MUSTER_SPEC_CHANGE_H

#include "base/error.h"
#include "spec/types.h"

/* Of changes that tuning has to know. */
enum {
    CHANGE_TRIALS = 1,      /* stop.trials */
    CHANGE_FAILURES = 2,    /* stop.failures */
    CHANGE_WALL = 4,        /* stop.wall */
    CHANGE_CONCURRENCY = 8, /* limits.concurrency */
};

/* Each of `texts`, PATH=VALUE as in struct spec_set, names a key that may change. ERR_INVALID with
 * the reason: it is none of these, or what it says is fixed. Values are the parser's business. */
MUST_CHECK error_code spec_change_check(const char *const *texts, uint32_t n,
                                        struct report *report);
/* Two settings of one key. */
bool spec_change_is_same(const char *a, const char *b);
/* CHANGE_* bits of checked ones. */
uint32_t spec_change_bits(const char *const *texts, uint32_t n);
/* What checked ones name is in `spec` as it is in `from`; the rest stays. Nothing in `spec` points
 * to what `from` owns. */
void spec_change_take(const struct sweep_spec *from, const char *const *texts, uint32_t n,
                      struct sweep_spec *spec);

#endif
