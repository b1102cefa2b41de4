/* Pieces for agents: a few at a time in the pool, so that whatever else a turn has to send is not
 * behind them, one at a time of each peer, so that they leave in order. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "head/shell/depot_inside.h"

struct blob_read {
    struct list link;
    struct depot *depot;
    struct depot_piece piece;
    bool is_reading;
    uv_work_t work;
    uint8_t *buffer;
};

static void on_read_work(uv_work_t *work)
{
    struct blob_read *read = work->data;
    struct depot_piece *piece = &read->piece;
    char path[DEPOT_PATH_BYTES];
    depot_path(read->depot, piece->hash, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t done = 0;
    read->buffer = mem_alloc(piece->size); /* only now: many may wait */
    while (fd >= 0 && read->buffer != NULL && done < piece->size) {
        ssize_t n =
            pread(fd, read->buffer + done, piece->size - done, (off_t)(piece->offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
    if (fd < 0 || done < piece->size) {
        piece->error = "the head cannot read this work folder from its depot";
    }
    if (fd >= 0) {
        close(fd);
    }
    piece->data = read->buffer;
}

static void reads_start(struct depot *depot);

static void read_free(struct blob_read *read)
{
    list_remove(&read->link);
    read->depot->n_reads--;
    mem_free(read->buffer);
    mem_free(read);
}

static void on_read_done(uv_work_t *work, int status)
{
    struct blob_read *read = work->data;
    struct depot *depot = read->depot;
    (void)status;
    depot->n_jobs--;
    depot->n_reading--;
    loop_again(depot->loop);
    if (!depot->is_closing) {
        depot->callbacks.on_piece(depot->callbacks.context, &read->piece);
    }
    read_free(read);
    if (!depot->is_closing) {
        reads_start(depot);
    }
}

static bool peer_is_served(const struct depot *depot, uint64_t peer)
{
    list_each (&depot->reads, struct blob_read, link, read) {
        if (read->is_reading && read->piece.peer == peer) {
            return true;
        }
    }
    return false;
}

static void reads_start(struct depot *depot)
{
    list_each (&depot->reads, struct blob_read, link, read) {
        if (depot->n_reading >= DEPOT_READS_NOW) {
            return;
        }
        if (read->is_reading || peer_is_served(depot, read->piece.peer)) {
            continue;
        }
        read->is_reading = true;
        read->work.data = read;
        depot->n_reading++;
        depot->n_jobs++;
        uv_queue_work(loop_uv(depot->loop), &read->work, on_read_work, on_read_done);
    }
}

void depot_read(struct depot *depot, uint64_t peer, const char *hash, uint64_t offset,
                uint32_t size)
{
    struct depot_piece piece = {.peer = peer, .offset = offset};
    struct blob *blob = work_hash_is_good(hash) ? depot_blob(depot, hash) : NULL;
    if (blob == NULL || offset >= blob->bytes) {
        if (work_hash_is_good(hash)) {
            memcpy(piece.hash, hash, sizeof piece.hash);
        }
        piece.error = blob == NULL ? "the head's depot does not hold this work folder"
                                   : "there is nothing of the work folder at this place";
        depot->callbacks.on_piece(depot->callbacks.context, &piece);
        return;
    }
    if (offset == 0) {
        depot_blob_use(depot, blob);
    }
    memcpy(piece.hash, blob->hash, sizeof piece.hash);
    piece.total = blob->bytes;
    piece.size = blob->bytes - offset < size ? (uint32_t)(blob->bytes - offset) : size;
    struct blob_read *read = depot->n_reads < DEPOT_READS_MAX ? mem_zalloc(sizeof *read) : NULL;
    if (read == NULL) {
        return; /* the agent asks again */
    }
    read->depot = depot;
    read->piece = piece;
    list_init(&read->link);
    list_push_back(&depot->reads, &read->link);
    depot->n_reads++;
    reads_start(depot);
}

void depot_reads_free(struct depot *depot)
{
    list_each (&depot->reads, struct blob_read, link, read) {
        read_free(read);
    }
}
