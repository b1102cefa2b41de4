/* The fixed layout of result_rows.h. */
#include "schema/result_rows.h"

#include "schema/schema.h"

/* Half of what a time may be, so that a start and a duration together are one. */
#define ROW_TIME_MAX (SCHEMA_TIME_MAX / 2)

static void number_write(uint8_t *to, uint64_t value, unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t number_read(const uint8_t *from, unsigned n_bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < n_bytes; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

void result_row_write(const struct result_row *row, uint8_t ret_bytes[RESULT_ROW_BYTES])
{
    number_write(ret_bytes, row->id, 4);
    number_write(ret_bytes + 4, row->attempt, 4);
    number_write(ret_bytes + 8, row->node, 4);
    number_write(ret_bytes + 12, row->exit_code, 2);
    number_write(ret_bytes + 14, row->flags, 2);
    number_write(ret_bytes + 16, (uint64_t)row->started_at, 8);
    number_write(ret_bytes + 24, row->duration_us, 8);
}

void result_row_read(const uint8_t bytes[RESULT_ROW_BYTES], struct result_row *ret_row)
{
    time_ms started_at = (time_ms)number_read(bytes + 16, 8);
    uint64_t duration_us = number_read(bytes + 24, 8), duration_max = ROW_TIME_MAX * 1000;
    *ret_row = (struct result_row){
        .id = (uint32_t)number_read(bytes, 4),
        .attempt = (uint32_t)number_read(bytes + 4, 4),
        .node = (uint32_t)number_read(bytes + 8, 4),
        .exit_code = (uint16_t)number_read(bytes + 12, 2),
        .flags = (uint16_t)number_read(bytes + 14, 2),
        .started_at = started_at < 0              ? 0
                      : started_at > ROW_TIME_MAX ? ROW_TIME_MAX
                                                  : started_at,
        .duration_us = duration_us < duration_max ? duration_us : duration_max,
    };
}
