/* base/array_ids.h -- the ids of a task array: first, first + step, ... up to last. A task's
 * *position* counts from 0 and is what ranges, chunks and bits speak of; its *id* is the index of
 * its task_id, which people see. Pure. */
#ifndef MUSTER_BASE_ARRAY_IDS_H
#define MUSTER_BASE_ARRAY_IDS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ARRAY_CHUNK = 1024, /* positions of one chunk of the store */
    ARRAY_TASKS_MAX = 10000000,
};

struct array_ids {
    uint32_t first; /* >= 1 */
    uint32_t last;  /* >= first */
    uint32_t step;  /* >= 1; 0: no array */
};

/* Positions [first, first + count). */
struct array_range {
    uint32_t first;
    uint32_t count;
};

static inline uint32_t array_ids_count(struct array_ids ids)
{
    return ids.step == 0 ? 0 : (ids.last - ids.first) / ids.step + 1;
}

static inline uint32_t array_id_at(struct array_ids ids, uint32_t position)
{
    return ids.first + position * ids.step;
}

/* False: no id of the array. */
static inline bool array_position_of(struct array_ids ids, uint32_t id, uint32_t *ret_position)
{
    if (ids.step == 0 || id < ids.first || id > ids.last || (id - ids.first) % ids.step != 0) {
        return false;
    }
    *ret_position = (id - ids.first) / ids.step;
    return true;
}

#endif
