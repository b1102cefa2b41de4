/* work/pack_inside.h -- what the two files of a pack share: one looks the folder through, the other
 * reads its bytes. */
#ifndef MUSTER_WORK_PACK_INSIDE_H
#define MUSTER_WORK_PACK_INSIDE_H

#include <sys/stat.h>

#include "base/arena.h"
#include "work/pack.h"
#include "work/ustar.h"

struct pack_entry {
    struct ustar_entry entry; /* texts in the arena */
    struct timespec changed, modified;
    ino_t inode;
};

struct work_pack {
    struct arena arena;
    char *folder;
    int folder_fd;
    struct pack_entry *entries;
    uint32_t n, cap;
    uint64_t bytes;
    /* the place of the next byte */
    uint32_t at;
    int file_fd; /* -1: none open */
    uint64_t file_left;
    struct buf ready; /* headers and padding that were made and not yet read */
    size_t ready_read;
    bool is_ended;
};

/* pack_scan.c: entries, sorted, and bytes. */
MUST_CHECK error_code pack_scan(struct work_pack *pack, const struct work_pack_options *options,
                                struct report *report);

#endif
