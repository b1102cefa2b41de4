/* sys/files.h -- files and folders: written whole or not at all, read within a limit, removed as
 * trees. Any thread; every call may block on the disk. Errors: errno mapped once, with path and
 * cause in the report. */
#ifndef MUSTER_SYS_FILES_H
#define MUSTER_SYS_FILES_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

enum { FILES_PATH_MAX_BYTES = 4096, FILES_DEPTH_MAX = 64 };

/* Makes the folder and those above it, 0700; one that is there is fine. */
MUST_CHECK error_code dir_make(const char *path, struct report *report);
/* The file holds exactly `bytes` afterwards, on disk (fsync of the file, rename, fsync of the
 * folder), or is as it was. */
MUST_CHECK error_code file_write_atomic(const char *path, struct bytes bytes, mode_t mode,
                                        struct report *report);
/* Whole or not at all as others see it, but not forced to disk: for what a crash may take. */
MUST_CHECK error_code file_write(const char *path, struct bytes bytes, mode_t mode,
                                 struct report *report);
/* Appends the whole file to `buf`. ERR_LIMIT: it does not fit into the buffer's maximum.
 * ERR_NOT_FOUND. */
MUST_CHECK error_code file_read_bounded(const char *path, struct buf *buf, struct report *report);
/* Removes a file, or a folder with all that is in it; links are removed, never followed; folders
 * that are read-only are made writable first. Goes on past what it cannot remove and fails in the
 * end. What is not there is removed already. */
MUST_CHECK error_code dir_remove_tree(const char *path, struct report *report);
/* fsync of a folder, so that the names in it last. */
MUST_CHECK error_code dir_sync(const char *path, struct report *report);

#endif
