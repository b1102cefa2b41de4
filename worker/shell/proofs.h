/* worker/shell/proofs.h -- which files this process has read and found to have their checksums, so
 * that a snapshot that is used again soon need not be read again. Any thread. Inside worker/shell.
 *
 * A file is known by its place on the disk, its size, its checksum and the times of its last
 * change: a write through the file system changes them. So does none that comes in the same tick of
 * the kernel's clock as the change before it; a file that was read so soon after a change is not
 * noted. What no write did (a disk that rots) is found when it is read again, which is at the
 * latest PROOF_VALID_MS later. */
#ifndef MUSTER_WORKER_SHELL_PROOFS_H
#define MUSTER_WORKER_SHELL_PROOFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

enum {
    PROOFS_PLACES = 4096, /* files; a newer one takes an older one's place */
    PROOF_VALID_MS = 600000,
    PROOF_TICK_MS = 20, /* twice the kernel's longest tick */
};

struct proofs;

struct proofs *proofs_new(void); /* NULL: no memory */
void proofs_free(struct proofs *proofs);

/* The time of the file system's clock, to be had before a file is read. */
struct timespec proofs_clock(void);
/* It was read from `since` on, had this checksum, and looked like `about` afterwards. */
void proofs_note(struct proofs *proofs, const struct stat *about, uint64_t xxh3,
                 struct timespec since);
/* A file that looks like this had this checksum lately. */
bool proofs_have(struct proofs *proofs, const struct stat *about, uint64_t xxh3);

#endif
