/* work/unpack.h -- an archive becomes a read-only folder, or nothing, as its bytes come. One thread
 * at a time; blocks on the disk. The archive is not trusted: nothing is written outside of the
 * folder, whatever it says, and the folder is good only once its bytes are proven by their name. */
#ifndef MUSTER_WORK_UNPACK_H
#define MUSTER_WORK_UNPACK_H

#include "base/buf.h"
#include "work/hash.h"

struct work_unpack;

struct work_limits {
    uint64_t bytes_max; /* of all files */
    uint32_t entries_max;
};

/* Makes `folder`, which is not there yet. */
MUST_CHECK error_code work_unpack_new(const char *folder, const struct work_limits *limits,
                                      struct work_unpack **ret_unpack, struct report *report);
/* The next bytes, one piece with its `sum`, or 0: then the first piece has none either, and the
 * whole is proven by its hash in the end. ERR_FORMAT: no such archive, or another piece than its
 * sum says; ERR_LIMIT; ERR_NO_SPACE. After an error only free. */
MUST_CHECK error_code work_unpack_add(struct work_unpack *unpack, struct bytes bytes, uint64_t sum,
                                      struct report *report);
/* That was all: proves the bytes by `hash`, unless each piece had its sum, and makes the folder
 * read-only, which then stays. ERR_FORMAT: they are others, or too few. */
MUST_CHECK error_code work_unpack_end(struct work_unpack *unpack, const char *hash,
                                      uint64_t *ret_bytes, struct report *report);
/* Removes the folder unless it was ended well. NULL is fine. */
void work_unpack_free(struct work_unpack *unpack);

/* All of it at once, from the descriptor's beginning. */
MUST_CHECK error_code work_unpack(int fd, const char *hash, const char *folder,
                                  const struct work_limits *limits, uint64_t *ret_bytes,
                                  struct report *report);

#endif
