/* worker/core/held_set.h -- a set of positions of an array, as pages of bits: what is dense is
 * small, what is empty costs nothing. Pure; one thread. */
#ifndef MUSTER_WORKER_CORE_HELD_SET_H
#define MUSTER_WORKER_CORE_HELD_SET_H

#include "base/array_ids.h"
#include "base/error.h"

enum { HELD_PAGE_BITS = 8192 };

struct held_page;

struct held_set {
    struct held_page **pages; /* NULL: none of its positions is in the set */
    uint32_t n_pages;
    uint32_t n; /* positions in the set */
};

/* For positions 0 .. count - 1. */
MUST_CHECK error_code held_set_init(struct held_set *set, uint32_t count);
void held_set_fini(struct held_set *set); /* takes a zeroed one */
/* ERR_NO_MEMORY: nothing happened. */
MUST_CHECK error_code held_set_add(struct held_set *set, uint32_t position);
void held_set_remove(struct held_set *set, uint32_t position);
bool held_set_has(const struct held_set *set, uint32_t position);
/* The first run of members at or after `from`; false: there is none. */
bool held_set_next(const struct held_set *set, uint32_t from, struct array_range *ret_range);

#endif
