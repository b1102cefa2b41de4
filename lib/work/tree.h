/* work/tree.h -- unpacked work folders: copied for an attempt, made read-only, measured. Any
 * thread; blocks on the disk. Links are never followed. */
#ifndef MUSTER_WORK_TREE_H
#define MUSTER_WORK_TREE_H

#include "base/error.h"

enum { WORK_COPY_MAX_BYTES = 4 << 20 };

/* Copies what is in `from` (absolute) into `to`, an empty folder. Files up to copy_max bytes are
 * copies, sharing their blocks where the file system can; larger ones are links to those of `from`,
 * which may not go while `to` is there. Copies can be written. ERR_NO_SPACE, ERR_LIMIT (too deep).
 * On failure a part may be there. */
MUST_CHECK error_code work_tree_copy(const char *from, const char *to, uint64_t copy_max,
                                     struct report *report);
/* What the folder and all below it are now: names, inodes, modes, sizes and the moments of their
 * last changes, but no contents. The same number later: nobody has changed anything since, as long
 * as the last change before the first number was more than a tick of the kernel's clock (10 ms)
 * older than the first that may have come after it. 0: it cannot be said. */
uint64_t work_tree_fingerprint(const char *folder);
/* Nothing below can be written any more (but by root): files 0444 or 0555, folders 0555. */
MUST_CHECK error_code work_tree_seal(const char *folder, struct report *report);
/* Bytes of all files below; what cannot be read counts nothing. */
uint64_t work_tree_bytes(const char *folder);

#endif
