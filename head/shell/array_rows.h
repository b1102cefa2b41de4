/* head/shell/array_rows.h -- what result rows of task arrays tell: read from the store a chunk at a
 * time, for answers with holes, for evidence and for logs. Inside head/shell; the loop's thread. */
#ifndef MUSTER_HEAD_SHELL_ARRAY_ROWS_H
#define MUSTER_HEAD_SHELL_ARRAY_ROWS_H

#include "head/shell/shell.h"

/* Fills the holes of an answer (head/core/array_page.h) and gives it. */
void array_rows_answer(struct head *head, uint64_t request, struct bytes answer);
/* The attempts of a task whose end a row tells. */
void array_attempts_answer(struct head *head, uint64_t request, task_id id);

/* One row: on_found comes exactly once, `row` NULL if there is none or the store cannot be read.
 * False: it could not be asked for, and on_found does not come. */
struct array_row_reader {
    void *context;
    void (*on_found)(void *context, const struct result_row *row);
};
bool array_row_read(struct head *head, task_id id, const struct array_row_reader *reader);

#endif
