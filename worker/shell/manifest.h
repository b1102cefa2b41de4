/* worker/shell/manifest.h -- the list of a snapshot's files with sizes and checksums, and the proof
 * that they are still those. Any thread; every call blocks on the disk. Inside worker/shell.
 *
 * manifest.json: {"version":1,"trial":"12.41","ordinal":5,"step":27,"attempt":0,"bytes":N,
 *                 "files":[{"name":"weights.bin","size":S,"xxh3":"16 hex digits"}, ...]} */
#ifndef MUSTER_WORKER_SHELL_MANIFEST_H
#define MUSTER_WORKER_SHELL_MANIFEST_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/id.h"
#include "worker/shell/proofs.h"

#define MANIFEST_NAME "manifest.json"

enum {
    MANIFEST_VERSION = 1,
    MANIFEST_FILES_MAX = 10000,
    MANIFEST_DEPTH_MAX = 16,
    MANIFEST_PATH_MAX = 1024, /* of a file inside the snapshot */
    MANIFEST_MAX_BYTES = 16 << 20,
};

struct manifest {
    task_id task;
    uint32_t ordinal;
    int64_t step;
    uint32_t attempt;
    uint64_t bytes; /* of all files, the manifest not counted */
};

struct manifest_file {
    const char *name; /* relative, within the snapshot's folder: beneath_path_is_good() */
    uint64_t size;
    uint64_t xxh3;
};

struct manifest_list {
    struct arena arena; /* what the files point into */
    struct manifest manifest;
    const struct manifest_file *files; /* by name */
    uint32_t n_files;
};

/* Lists what lies in `folder`, makes the files read-only, forces all of it to disk and writes the
 * manifest beside them; manifest->bytes is filled in. What was read is noted in `proofs` (NULL is
 * fine). ERR_NO_SPACE, ERR_IO; ERR_LIMIT: too many,
 * too deep, too long; ERR_INVALID: there is something else than files and folders, or a file of the
 * manifest's name. */
MUST_CHECK error_code manifest_write(const char *folder, struct proofs *proofs,
                                     struct manifest *manifest, struct report *report);

/* How far a proof goes. Zeroed: every file has its size. */
struct proving {
    bool must_hash;               /* and its checksum, */
    struct proofs *proofs;        /* unless it was read lately; NULL: it is read anyhow */
    const atomic_bool *must_stop; /* NULL is fine; once it is true: ERR_CLOSED */
};
/* Is the snapshot in `folder` whole? ERR_NOT_FOUND: no manifest; ERR_FORMAT: a manifest or a file
 * that is not what was written. Further files do not matter. */
MUST_CHECK error_code manifest_verify(const char *folder, const struct proving *how,
                                      struct manifest *ret_manifest, struct report *report);

/* A manifest's text, which may be anybody's. ERR_FORMAT, ERR_NEWER, ERR_NO_MEMORY: nothing is
 * held. */
MUST_CHECK error_code manifest_list_parse(struct bytes text, struct manifest_list *ret_list,
                                          struct report *report);
void manifest_list_fini(struct manifest_list *list); /* takes a zeroed one */
const struct manifest_file *manifest_list_find(const struct manifest_list *list,
                                               const char *name); /* NULL: no such file */
/* One file of a snapshot: ERR_FORMAT: it is missing, or not what was written. */
MUST_CHECK error_code manifest_file_prove(int folder_fd, const struct manifest_file *file,
                                          const struct proving *how, struct report *report);

#endif
