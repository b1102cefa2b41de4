/* worker/shell/manifest_inside.h -- what writing and reading a manifest share. */
#ifndef MUSTER_WORKER_SHELL_MANIFEST_INSIDE_H
#define MUSTER_WORKER_SHELL_MANIFEST_INSIDE_H

#include <stdatomic.h>

#include "base/error.h"

/* From where the descriptor stands to the end. `path`: for the report. must_stop: NULL is fine;
 * once it is true: ERR_CLOSED. */
MUST_CHECK error_code manifest_fd_hash(int fd, const char *path, const atomic_bool *must_stop,
                                       uint64_t *ret_hash, uint64_t *ret_bytes,
                                       struct report *report);

#endif
