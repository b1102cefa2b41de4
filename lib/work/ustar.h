/* work/ustar.h -- one entry of an archive as the 512-byte blocks of POSIX ustar, with a pax header
 * before it where a name is too long. Both ways; nothing here touches a file. Any thread.
 *
 * Owners and times are 0 and modes 0755 or 0644, so that equal folders are equal bytes. */
#ifndef MUSTER_WORK_USTAR_H
#define MUSTER_WORK_USTAR_H

#include "base/buf.h"

enum {
    USTAR_BLOCK_BYTES = 512,
    USTAR_PATH_MAX_BYTES = 4000,
    USTAR_DEPTH_MAX = 64,
    USTAR_ENTRY_MAX_BYTES = 16 << 10, /* of all headers of one entry */
};
#define USTAR_SIZE_MAX 077777777777LL

typedef enum { USTAR_FILE, USTAR_FOLDER, USTAR_LINK } ustar_kind;

struct ustar_entry {
    ustar_kind kind;
    const char *path;   /* relative, without `/` at the end */
    const char *target; /* of a LINK */
    bool is_executable;
    uint64_t size; /* of a FILE */
};

/* Appends the entry's headers. ERR_LIMIT: a path, target or size that no archive of ours may hold.
 */
MUST_CHECK error_code ustar_write(const struct ustar_entry *entry, struct buf *buf);
/* Bytes that follow contents of that size up to the next block. */
size_t ustar_padding(uint64_t size);

/* A path that stays below where it is unpacked: relative, no empty, `.` or `..` segment, within the
 * limits. */
bool ustar_path_is_good(const char *path);
/* A link at `path` to `target` that, as written, stays in the folder. */
bool ustar_link_is_good(const char *path, const char *target);

/* Reading: a block at a time; names are the reader's own until the next entry. */
struct ustar_reader {
    struct buf pax; /* of the entry to come */
    size_t pax_left;
    size_t pax_skip; /* padding behind it */
    char path[USTAR_PATH_MAX_BYTES + 1], target[USTAR_PATH_MAX_BYTES + 1];
    bool has_pax_path, has_pax_target;
    uint32_t zero_blocks;
};

typedef enum { USTAR_MORE, USTAR_ENTRY, USTAR_END } ustar_step;

void ustar_reader_init(struct ustar_reader *reader);
void ustar_reader_fini(struct ustar_reader *reader);
/* Takes one header block. MORE: give the next block; ENTRY: *ret_entry is complete and its contents
 * follow; END: the archive is over. ERR_FORMAT: no archive of ours. */
MUST_CHECK error_code ustar_read(struct ustar_reader *reader,
                                 const uint8_t block[USTAR_BLOCK_BYTES], ustar_step *ret_step,
                                 struct ustar_entry *ret_entry, struct report *report);

#endif
