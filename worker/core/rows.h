/* worker/core/rows.h -- the rows of one attempt that have no event number yet: one block of equal
 * names. Pure. */
#ifndef MUSTER_WORKER_CORE_ROWS_H
#define MUSTER_WORKER_CORE_ROWS_H

#include "schema/messages.h"

enum { ROWS_THIN_AFTER = 10000 };

struct row_block {
    char *names; /* n_names texts, one behind the other */
    uint32_t n_names;
    struct metric_row *rows; /* values: set by agent_rows_view */
    uint32_t n_rows, cap_rows;
    double *values;
    uint32_t n_values, cap_values;
    size_t size_bytes; /* about what the block takes encoded */
    time_ms since;     /* of its first row */
};

void agent_rows_fini(struct row_block *block);
void agent_rows_clear(struct row_block *block); /* keeps its memory */
/* Whether a row with these names may join: the block is empty or has the same ones in the same
 * order. */
bool agent_rows_takes(const struct row_block *block, const char *const *names, uint32_t n_names);
bool agent_rows_is_full(const struct row_block *block);
/* Everything is copied. ERR_NO_MEMORY leaves the block as it was. */
MUST_CHECK error_code agent_rows_add(struct row_block *block, time_ms now, uint64_t seq,
                                     int64_t step, const char *const *names, const double *values,
                                     uint32_t n_names);
/* ret_names: METRICS_MAX pointers. What ret_rows points to is the block's and ret_names, until its
 * next change. */
void agent_rows_view(struct row_block *block, const char **ret_names, struct metric_rows *ret_rows);

/* Every how many rows one is kept, by its number in the attempt: all of the first 10,000, every 2nd
 * up to 20,000, every 4th up to 40,000, and so on. */
uint64_t agent_rows_stride(uint64_t seq);

#endif
