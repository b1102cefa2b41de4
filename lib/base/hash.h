/* base/hash.h -- uthash with our allocator and without its exit on a full memory.
 * HASH_ADD that found no memory leaves the element out of the table: check with HASH_FIND or the
 * hh.tbl pointer. */
#ifndef MUSTER_BASE_HASH_H
#define MUSTER_BASE_HASH_H

#include "base/mem.h"

#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(block, size) mem_free(block)
#include <uthash.h>

#endif
