/* schema/result_rows.h -- what is kept of an array's task that ended well: one row of 32 bytes,
 * little-endian, the same on the wire and in the store. Pure. */
#ifndef MUSTER_SCHEMA_RESULT_ROWS_H
#define MUSTER_SCHEMA_RESULT_ROWS_H

#include "base/buf.h"
#include "base/id.h"

enum {
    RESULT_ROW_BYTES = 32,
    RESULT_ROWS_MAX = 4096, /* of one event */
    RESULT_ROW_DRY = 1,     /* flag: no process was run (a worker started with --dry) */
};

/* Bytes 0 id, 4 attempt, 8 node, 12 exit code (16 bit), 14 flags (16 bit), 16 started_at (ms since
 * 1970), 24 duration in microseconds. */
struct result_row {
    uint32_t id; /* index of its task_id */
    uint32_t attempt;
    uint32_t node; /* index into record_job.nodes; an agent leaves it 0, the head puts it in */
    uint16_t exit_code;
    uint16_t flags;
    time_ms started_at;
    uint64_t duration_us;
};

void result_row_write(const struct result_row *row, uint8_t ret_bytes[RESULT_ROW_BYTES]);
/* Times are bounded (whoever wrote the row may have had a broken clock, and what is stored may be
 * damaged), so that start and end are times that a record holds. */
void result_row_read(const uint8_t bytes[RESULT_ROW_BYTES], struct result_row *ret_row);
/* When it ended. */
static inline time_ms result_row_ended(const struct result_row *row)
{
    return row->started_at + (time_ms)(row->duration_us / 1000);
}

/* Rows of a blob; a length that is no whole number of rows counts the whole ones. */
static inline uint32_t result_rows_count(struct bytes blob)
{
    return (uint32_t)(blob.len / RESULT_ROW_BYTES);
}

#endif
