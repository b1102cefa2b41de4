/* worker/shell/items.h -- the lines of an array: a file with a line a task, by position, mapped and
 * indexed once. Any one thread; opening reads the whole file. */
#ifndef MUSTER_WORKER_SHELL_ITEMS_H
#define MUSTER_WORKER_SHELL_ITEMS_H

#include "base/buf.h"
#include "base/error.h"

struct items;

/* ERR_NOT_FOUND, ERR_IO, ERR_NO_MEMORY. The file must not change while it is open. */
MUST_CHECK error_code items_open(const char *path, struct items **ret_items, struct report *report);
void items_close(struct items *items); /* NULL is fine */
/* Without its line end. ERR_NOT_FOUND: the file has fewer lines. Valid until items_close(). */
MUST_CHECK error_code items_line(const struct items *items, uint32_t position,
                                 struct bytes *ret_line, struct report *report);

#endif
