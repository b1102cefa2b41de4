/* worker/shell/fetch_staging.h -- a snapshot on its way to this node's disk: its folder in the
 * staging folder, the donor's list of files, and which pieces have come. It outlives a copy that
 * was cut, in memory: the staging folder is emptied when an agent starts. One thread at a time;
 * blocks on the disk. Inside worker/shell. */
#ifndef MUSTER_WORKER_SHELL_FETCH_STAGING_H
#define MUSTER_WORKER_SHELL_FETCH_STAGING_H

#include "schema/messages.h"
#include "sys/files.h"
#include "worker/shell/manifest.h"

struct fetch_staging {
    struct snapshot_name name;
    char folder[FILES_PATH_MAX_BYTES];
    time_ms left_at; /* when the last copy of it ended */
    int folder_fd;   /* -1: there is no folder yet */
    struct buf text; /* the manifest's; empty: it has not come */
    struct manifest_list list;
    uint64_t *piece_begins; /* [n_files + 1]: number of each file's first piece */
    uint64_t n_pieces;
    uint64_t missing_bytes;
    uint8_t *has_piece; /* a bit each */
};

struct fetch_piece {
    uint64_t number;
    const struct manifest_file *file;
    uint64_t offset;
    uint32_t size;
};

/* NULL: no memory, or the path is too long. */
struct fetch_staging *fetch_staging_new(const char *staging_dir, struct snapshot_name name);
/* Leaves the folder alone. NULL is fine. */
void fetch_staging_free(struct fetch_staging *staging);
/* The folder with all that has come, and what is known of it. */
void fetch_staging_clear(struct fetch_staging *staging);

/* The donor's manifest came, whose bytes are taken. What is there already stays if it is the same
 * one. Makes the folder and the empty files. ERR_FORMAT, ERR_NEWER: it is none, or another
 * snapshot's; ERR_NO_SPACE: there is less room than it needs; others of the disk. */
MUST_CHECK error_code fetch_staging_plan(struct fetch_staging *staging, struct buf *text,
                                         struct report *report);
/* The first piece from number `from` on that has not come; false: none. */
bool fetch_staging_next(const struct fetch_staging *staging, uint64_t from,
                        struct fetch_piece *ret_piece);
/* piece->size bytes. */
MUST_CHECK error_code fetch_staging_write(struct fetch_staging *staging,
                                          const struct fetch_piece *piece, struct bytes data,
                                          struct report *report);
/* Proves all files; the pieces of those that are damaged are missing again, ERR_FORMAT says of one.
 * must_stop: ERR_CLOSED. */
MUST_CHECK error_code fetch_staging_prove(struct fetch_staging *staging,
                                          const atomic_bool *must_stop, struct report *report);
/* Everything to disk, with its manifest, and read-only as a snapshot is. */
MUST_CHECK error_code fetch_staging_seal(struct fetch_staging *staging, struct report *report);

#endif
