/* head/core/snapshot_policy.h -- which of a trial's snapshots stay (`checkpoints.keep`): a function
 * of a table of them, and of nothing else. Pure. */
#ifndef MUSTER_HEAD_CORE_SNAPSHOT_POLICY_H
#define MUSTER_HEAD_CORE_SNAPSHOT_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    STAYS_TO_RESUME = 1, /* the trial goes on from it */
    STAYS_AS_LAST = 2,   /* one of the newest */
    STAYS_AS_BEST = 4,   /* one of those with the best value at their own step */
};

struct snapshot_policy {
    uint32_t last, best; /* how many of each; one may count for both */
    bool is_maximize;
    /* What the trial goes on from was made by another one: no row, and one of `last` all the same.
     */
    bool is_resume_borrowed;
};

struct snapshot_row {
    uint32_t ordinal; /* a newer one has a higher number; no two rows have the same */
    double value;     /* NaN: none; such a one is never among the best */
    bool is_resume;   /* at most one row; it stays, and is one of `last` */
    uint32_t stays;   /* result: STAYS_*; 0: it goes */
};

/* Goal-wise; NaN is better than nothing, and anything is better than NaN. */
bool snapshot_value_is_better(bool is_maximize, double value, double than);

/* Fills `stays` of each row. Of equal values the older one is the better. Gives the ordinal of the
 * best row that has a value, 0 if there is none or `best` is 0. Rows may come in any order, and are
 * not moved. */
uint32_t snapshot_policy_apply(const struct snapshot_policy *policy, struct snapshot_row *rows,
                               uint32_t n_rows);

#endif
