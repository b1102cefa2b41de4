/* sys/logfile.h -- what one stream of an attempt wrote: a bounded file and the last bytes in
 * memory. One thread at a time; writes go to the page cache. A log that cannot be written never
 * stops or ends its writer: bytes are lost, counted, and the file says how many once it takes bytes
 * again.
 *
 * On disk are at most `path` (the newest bytes), `path`.1 (those before) and `path`.first (where it
 * began): a file of LOGFILE_PART_BYTES becomes .1, and the first LOGFILE_FIRST_BYTES of the first
 * one are kept in .first. */
#ifndef MUSTER_SYS_LOGFILE_H
#define MUSTER_SYS_LOGFILE_H

#include "base/buf.h"
#include "base/error.h"

struct logfile;

enum {
    LOGFILE_PART_BYTES = 8 << 20,
    LOGFILE_FIRST_BYTES = 1 << 20,
    LOGFILE_TAIL_MAX_BYTES = 64 << 10,
};

/* The folder must be there; a file that cannot be made now is tried again with each write.
 * tail_bytes is at most LOGFILE_TAIL_MAX_BYTES. ERR_NO_MEMORY, or ERR_LIMIT for the path. */
MUST_CHECK error_code logfile_open(const char *path, uint32_t tail_bytes,
                                   struct logfile **ret_file);
void logfile_close(struct logfile *file); /* NULL is fine; the files stay */
void logfile_write(struct logfile *file, struct bytes bytes);
/* The last bytes, in one piece; valid until the next write. */
struct bytes logfile_tail(struct logfile *file);
uint64_t logfile_written_bytes(const struct logfile *file); /* offered, kept or not */
uint64_t logfile_lost_bytes(const struct logfile *file);

#endif
