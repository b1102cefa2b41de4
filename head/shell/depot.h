/* head/shell/depot.h -- packed work folders on the head's disk: state/depot/<hash>. They come in by
 * pieces and appear whole, proven by their name, or not at all; agents read them by pieces. The
 * loop's thread; all that touches a file's contents runs in libuv's pool. Owned by the head.
 *
 * The folder is bounded: the least recently used go first, never one that a sweep or job names. */
#ifndef MUSTER_HEAD_SHELL_DEPOT_H
#define MUSTER_HEAD_SHELL_DEPOT_H

#include "base/buf.h"
#include "net/shared_frame.h"
#include "sys/loop.h"
#include "work/hash.h"

struct depot;

enum {
    DEPOT_UPLOADS_MAX = 16,
    DEPOT_UPLOAD_BYTES = 512 << 10, /* in memory, of each; a piece that is summed */
    DEPOT_BLOBS_MAX = 100000,
    DEPOT_READS_MAX = 65536,  /* pieces that wait, of all peers */
    DEPOT_READS_OF_PEER = 16, /* an agent asks for a few; more than that is not remembered */
    DEPOT_READS_NOW = 2,      /* in the pool */
    DEPOT_PIECES = 64,        /* kept for who asks for the same one */
    DEPOT_PIECE_MS = 2000,    /* for so long */
};
#define DEPOT_BYTES_DEFAULT (10ULL << 30)

struct depot_callbacks {
    bool (*is_named)(void *context, const char *hash);
    /* There is room for more of the upload `id`, after it took less than it was given. */
    void (*on_room)(void *context, uint64_t id);
    /* After depot_upload_end(): OK, it is on disk; ERR_INVALID: other bytes than its name says;
     * ERR_NO_SPACE; ERR_IO. */
    void (*on_uploaded)(void *context, uint64_t id, error_code error, const struct report *report);
    /* Little waits for this peer: it may have one more piece. */
    bool (*can_send)(void *context, uint64_t peer);
    /* A MSG_BLOB for it; borrowed. */
    void (*on_piece)(void *context, uint64_t peer, struct shared_frame *frame);
    void *context;
};

/* Looks through the folder, which is made if need be, and removes what no upload finished. Blocks.
 */
MUST_CHECK error_code depot_new(struct loop *loop, const char *folder, uint64_t max_bytes,
                                const struct depot_callbacks *callbacks, struct depot **ret_depot,
                                struct report *report);
/* Runs the loop until nothing of it is in the pool. NULL is fine. */
void depot_free(struct depot *depot);

/* What blobs take on disk, and uploads as announced; what they may take. */
uint64_t depot_bytes(const struct depot *depot, uint64_t *ret_max_bytes);
/* True: it is there, and was used now. */
bool depot_find(struct depot *depot, const char *hash, uint64_t *ret_bytes);

/* Room for `bytes` is kept from now on. ERR_NO_SPACE: what is there is named by sweeps; ERR_BUSY:
 * too many uploads. */
MUST_CHECK error_code depot_upload_begin(struct depot *depot, uint64_t id, const char *hash,
                                         uint64_t bytes, struct report *report);
/* How many of them were taken; on_room() comes if not all. */
size_t depot_upload_add(struct depot *depot, uint64_t id, struct bytes bytes);
/* That was all; on_uploaded() comes. False: there is no such upload. */
bool depot_upload_end(struct depot *depot, uint64_t id);
/* Its sender has gone; nothing of it stays. */
void depot_upload_drop(struct depot *depot, uint64_t id);

/* on_piece() comes, in the order of one peer's calls, unless too many wait: out of depot_turn(), or
 * at once if there is no such piece. */
void depot_read(struct depot *depot, uint64_t peer, const char *hash, uint64_t offset,
                uint32_t size);
/* Some can_send() may have become true. */
void depot_look_again(struct depot *depot);
/* Once a turn, after all that is more urgent: gives out what there is room for. */
void depot_turn(struct depot *depot, time_ms now);
time_ms depot_deadline(const struct depot *depot, time_ms now); /* of the next turn */

#endif
