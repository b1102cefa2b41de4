/* head/core/array_page.h -- answers about tasks of arrays. What a task that ended well has to tell
 * stands in its result row, and that in the store: an answer leaves a *hole* for each of them,
 * which the shell fills once it has read the rows. An outward header beside core.h; pure.
 *
 * A hole is a byte 1, which JSON never has, and the id in eight more. */
#ifndef MUSTER_HEAD_CORE_ARRAY_PAGE_H
#define MUSTER_HEAD_CORE_ARRAY_PAGE_H

#include "head/core/core.h"

enum {
    ARRAY_HOLE_BYTES = 9,
    ARRAY_PAGE_MAX = 2000,      /* tasks of one page */
    ARRAY_PAGE_CHUNKS_MAX = 16, /* chunks whose rows one page needs; past it the page ends */
};

void array_hole_make(task_id id, char ret_hole[ARRAY_HOLE_BYTES]);
/* The next one from *at on; *at moves behind it, *ret_text is what stands before it. False: no
 * more; *ret_text is the rest. */
bool array_hole_next(struct bytes answer, size_t *at, struct bytes *ret_text, task_id *ret_id);

/* Appends the task as JSON. `row` NULL: it was not found, what else is known is told. False: the
 * array is not there any more. */
bool core_array_row_print(const struct core *core, task_id id, const struct result_row *row,
                          struct buf *json);
/* Is it a task of an array whose end a row of the store tells? */
bool core_array_has_row(const struct core *core, task_id id);
/* The chunk of the store that has it, as the end of a key: `7.0`. False: no such task. */
enum { ARRAY_CHUNK_TEXT_MAX = 32 };
bool core_array_chunk(const struct core *core, task_id id, char ret_chunk[ARRAY_CHUNK_TEXT_MAX]);
/* The node that a row names; "" if it is not known. */
const char *core_array_row_node(const struct core *core, uint32_t job, uint32_t node);

#endif
