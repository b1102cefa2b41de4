/* Redis exits when its disk is full. So batches stop before that, while there is still room for
 * what Redis writes by itself. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "head/shell/store_inside.h"

static uint64_t reserve_of(const struct store *store, uint64_t total_bytes)
{
    if (store->reserve_bytes > 0) {
        return store->reserve_bytes;
    }
    uint64_t reserve = total_bytes / 100;
    if (reserve > STORE_RESERVE_MAX_BYTES) {
        return STORE_RESERVE_MAX_BYTES;
    }
    return reserve < STORE_RESERVE_MIN_BYTES ? STORE_RESERVE_MIN_BYTES : reserve;
}

/* Redis refuses writes at its maxmemory; before that, so that what is under way still fits. */
static bool memory_ok(const struct store *store, size_t size_bytes, char *ret_why, size_t why_size)
{
    uint64_t max = store->memory_max_bytes;
    uint64_t reserve = max / 50 < STORE_RESERVE_MAX_BYTES ? max / 50 : STORE_RESERVE_MAX_BYTES;
    if (max == 0 || store->memory_bytes + 2 * size_bytes + reserve <= max) {
        return true;
    }
    (void)snprintf(
        ret_why, why_size,
        "Redis has used %" PRIu64 " of %" PRIu64
        " MiB (maxmemory); nothing is acknowledged until there is room: give it more, or "
        "remove old sweeps",
        store->memory_bytes >> 20, max >> 20);
    return false;
}

bool store_space_ok(const struct store *store, size_t size_bytes, char *ret_why, size_t why_size)
{
    struct statvfs disk;
    if (!memory_ok(store, size_bytes, ret_why, why_size)) {
        return false;
    }
    /* A folder that cannot be looked at is Redis' to complain about. */
    if (store->data_dir == NULL || statvfs(store->data_dir, &disk) != 0) {
        return true;
    }
    uint64_t left = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t reserve = reserve_of(store, (uint64_t)disk.f_blocks * disk.f_frsize);
    if (left >= reserve + size_bytes) {
        return true;
    }
    (void)snprintf(ret_why, why_size,
                   "the disk of %s has %" PRIu64 " MiB left and muster keeps %" PRIu64
                   " MiB free; nothing is acknowledged until there is room",
                   store->data_dir, left >> 20, reserve >> 20);
    return false;
}
