/* worker/shell/spares.h -- attempts' folders that are there before they are needed. A file system
 * may take half a millisecond for each new file: so a start renames a folder that was made in
 * libuv's pool, and a folder in which the attempt before left nothing is used again. The loop's
 * thread; owned by the worker.
 *
 * A spare holds work/ tmp/ save/ and params.json, all empty, and s: a socket that listens already
 * (a socket's name moves with its folder). For attempts that start from a work folder there are
 * spares of that tree: its copy is in work/ already. Such a one is used again if its attempt
 * changed nothing of the copy; of a tree whose attempts do, each is made ahead anew. */
#ifndef MUSTER_WORKER_SHELL_SPARES_H
#define MUSTER_WORKER_SHELL_SPARES_H

#include "sys/files.h"
#include "sys/loop.h"
#include "worker/core/agent.h"

struct spares;

enum {
    SPARES_MAX = 32,
    SPARES_KINDS = 4,              /* trees that spares are made of, besides the empty one */
    SPARES_TREE_BYTES = 128 << 20, /* of the copies of one tree */
};

struct spare {
    char dir[FILES_PATH_MAX_BYTES];
    int listen_fd;                     /* -1: the path is too long for a socket */
    uint64_t socket_ino;               /* of s */
    char tree[WORK_TREE_NAME_MAX + 1]; /* "": empty */
    uint64_t fingerprint;              /* of the tree's copy when it was made; 0: used once */
    time_ms made_at;
};

/* Makes them in `folder`, which is copied, until `want` are there; those that are given back are
 * kept up to SPARES_MAX. Trees lie in `trees`. */
MUST_CHECK error_code spares_new(struct loop *loop, const char *folder, const char *trees,
                                 uint32_t want, struct spares **ret_spares);
/* One of this tree ("": empty), of tree_bytes. The folder is now the caller's, and the descriptor.
 * False: none is ready; make one yourself. Either way more of them are made. */
bool spares_take(struct spares *spares, const char *tree, uint64_t tree_bytes,
                 struct spare *ret_spare);
/* The tree is going to be removed: so are its spares. */
void spares_forget(struct spares *spares, const char *tree);
/* Gives one back, wherever it was renamed to: looked at, and kept or removed, in the pool. Takes
 * the descriptor. */
void spares_give(struct spares *spares, const struct spare *spare);
/* Something of it is in the pool; spares_free() only when not. */
bool spares_busy(const struct spares *spares);
/* From now on no more are made or kept. */
void spares_stop(struct spares *spares);
/* Removes those that are left. Blocks on the disk. NULL is fine. */
void spares_free(struct spares *spares);

#endif
