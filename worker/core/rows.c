#include "worker/core/rows.h"

#include <string.h>

#include "base/mem.h"

enum { ROW_OVERHEAD_BYTES = 24, ROW_VALUE_BYTES = 9 };

void agent_rows_fini(struct row_block *block)
{
    mem_free(block->names);
    mem_free(block->rows);
    mem_free(block->values);
    *block = (struct row_block){0};
}

void agent_rows_clear(struct row_block *block)
{
    block->n_rows = 0;
    block->n_values = 0;
    block->size_bytes = 0;
    block->since = 0;
}

bool agent_rows_takes(const struct row_block *block, const char *const *names, uint32_t n_names)
{
    if (block->n_rows == 0) {
        return true;
    }
    if (block->n_names != n_names) {
        return false;
    }
    const char *name = block->names;
    for (uint32_t i = 0; i < n_names; i++) {
        if (strcmp(name, names[i]) != 0) {
            return false;
        }
        name += strlen(name) + 1;
    }
    return true;
}

bool agent_rows_is_full(const struct row_block *block)
{
    return block->n_rows >= ROWS_BLOCK_MAX || block->size_bytes >= ROWS_BLOCK_BYTES;
}

static error_code agent_rows_name(struct row_block *block, const char *const *names,
                                  uint32_t n_names)
{
    size_t total = 0;
    for (uint32_t i = 0; i < n_names; i++) {
        total += strlen(names[i]) + 1;
    }
    char *copy = mem_alloc(total);
    if (copy == NULL) {
        return ERR_NO_MEMORY;
    }
    char *end = copy;
    for (uint32_t i = 0; i < n_names; i++) {
        size_t length = strlen(names[i]) + 1;
        memcpy(end, names[i], length);
        end += length;
    }
    mem_free(block->names);
    block->names = copy;
    block->n_names = n_names;
    block->size_bytes = total;
    return OK;
}

static error_code agent_rows_room(struct row_block *block, uint32_t n_names)
{
    if (block->n_rows == block->cap_rows) {
        uint32_t cap = block->cap_rows == 0 ? 4 : block->cap_rows * 2;
        struct metric_row *rows = mem_realloc(block->rows, cap * sizeof *rows);
        if (rows == NULL) {
            return ERR_NO_MEMORY;
        }
        block->rows = rows;
        block->cap_rows = cap;
    }
    if (block->n_values + n_names > block->cap_values) {
        uint32_t cap = block->cap_values * 2;
        if (cap < block->n_values + n_names) {
            cap = block->n_values + n_names;
        }
        double *values = mem_realloc(block->values, cap * sizeof *values);
        if (values == NULL) {
            return ERR_NO_MEMORY;
        }
        block->values = values;
        block->cap_values = cap;
    }
    return OK;
}

error_code agent_rows_add(struct row_block *block, time_ms now, uint64_t seq, int64_t step,
                          const char *const *names, const double *values, uint32_t n_names)
{
    error_code error = agent_rows_room(block, n_names);
    if (error == OK && block->n_rows == 0) {
        error = agent_rows_name(block, names, n_names);
    }
    if (error != OK) {
        return error;
    }
    if (block->n_rows == 0) {
        block->since = now;
    }
    block->rows[block->n_rows++] =
        (struct metric_row){.seq = seq, .step = step, .time = now, .n_values = n_names};
    if (n_names > 0) {
        memcpy(block->values + block->n_values, values, n_names * sizeof *values);
    }
    block->n_values += n_names;
    block->size_bytes += ROW_OVERHEAD_BYTES + n_names * (size_t)ROW_VALUE_BYTES;
    return OK;
}

void agent_rows_view(struct row_block *block, const char **ret_names, struct metric_rows *ret_rows)
{
    const char *name = block->names;
    for (uint32_t i = 0; i < block->n_names; i++) {
        ret_names[i] = name;
        name += strlen(name) + 1;
    }
    for (uint32_t i = 0; i < block->n_rows; i++) {
        block->rows[i].values =
            block->n_names == 0 ? NULL : block->values + (size_t)i * block->n_names;
    }
    *ret_rows = (struct metric_rows){.names = ret_names,
                                     .n_names = block->n_names,
                                     .rows = block->rows,
                                     .n_rows = block->n_rows};
}

uint64_t agent_rows_stride(uint64_t seq)
{
    uint64_t stride = 1;
    for (uint64_t limit = ROWS_THIN_AFTER; seq > limit && limit <= UINT64_MAX / 2; limit *= 2) {
        stride *= 2;
    }
    return stride;
}
