#include "head/core/snapshot_policy.h"

#include <math.h>
#include <stddef.h>

bool snapshot_value_is_better(bool is_maximize, double value, double than)
{
    return !isnan(value) && (isnan(than) || (is_maximize ? value > than : value < than));
}

static bool row_is_newer(const struct snapshot_policy *policy, const struct snapshot_row *a,
                         const struct snapshot_row *b)
{
    (void)policy;
    return a->ordinal > b->ordinal;
}

static bool row_is_better(const struct snapshot_policy *policy, const struct snapshot_row *a,
                          const struct snapshot_row *b)
{
    return a->value == b->value ? a->ordinal < b->ordinal
                                : snapshot_value_is_better(policy->is_maximize, a->value, b->value);
}

typedef bool (*row_order)(const struct snapshot_policy *policy, const struct snapshot_row *a,
                          const struct snapshot_row *b);

/* The first of those that do not have the mark yet, and could; NULL: none is left. A table has a
 * few dozen rows at most. */
static struct snapshot_row *row_first(const struct snapshot_policy *policy,
                                      struct snapshot_row *rows, uint32_t n_rows, uint32_t mark,
                                      row_order is_before)
{
    struct snapshot_row *first = NULL;
    for (uint32_t i = 0; i < n_rows; i++) {
        struct snapshot_row *row = &rows[i];
        bool could = (row->stays & mark) == 0 && (mark != STAYS_AS_BEST || !isnan(row->value));
        if (could && (first == NULL || is_before(policy, row, first))) {
            first = row;
        }
    }
    return first;
}

static uint32_t rows_mark(const struct snapshot_policy *policy, struct snapshot_row *rows,
                          uint32_t n_rows, uint32_t mark, row_order is_before, uint32_t n)
{
    struct snapshot_row *row;
    uint32_t first = 0;
    while (n-- > 0 && (row = row_first(policy, rows, n_rows, mark, is_before)) != NULL) {
        row->stays |= mark;
        first = first == 0 ? row->ordinal : first;
    }
    return first;
}

uint32_t snapshot_policy_apply(const struct snapshot_policy *policy, struct snapshot_row *rows,
                               uint32_t n_rows)
{
    uint32_t n_last = policy->last;
    bool has_resume = policy->is_resume_borrowed;
    for (uint32_t i = 0; i < n_rows; i++) {
        rows[i].stays = rows[i].is_resume ? STAYS_TO_RESUME | STAYS_AS_LAST : 0;
        has_resume = has_resume || rows[i].is_resume;
    }
    n_last -= has_resume && n_last > 0;
    rows_mark(policy, rows, n_rows, STAYS_AS_LAST, row_is_newer, n_last);
    return rows_mark(policy, rows, n_rows, STAYS_AS_BEST, row_is_better, policy->best);
}
