/* Pieces as frames, read and encoded in the pool: agents that pull the same folder at about the
 * same time are given the same frame. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "head/shell/depot_inside.h"
#include "schema/messages.h"

enum { FRAME_EXTRA_BYTES = 512 }; /* of a piece's frame around its bytes */

struct reading {
    uv_work_t work;
    struct depot *depot;
    struct piece *piece;
    struct piece_name name;
    uint64_t total;
    struct shared_frame *frame; /* NULL: no memory */
};

/* ---- frames ---- */

static struct shared_frame *piece_encode(const struct msg_blob *message)
{
    struct shared_frame *frame = NULL;
    struct buf buf;
    buf_init(&buf, MSG_MAX_BYTES);
    if (buf_reserve(&buf, message->data.len + FRAME_EXTRA_BYTES) != NULL &&
        message_encode(MSG_BLOB, message, &buf) == OK) {
        frame = shared_frame_new(&buf);
    }
    buf_fini(&buf);
    return frame;
}

struct shared_frame *piece_refuse(const char *hash, uint64_t offset, const char *error)
{
    const struct msg_blob message = {
        .hash = work_hash_is_good(hash) ? hash : "", .offset = offset, .error = error};
    return piece_encode(&message);
}

/* ---- in the pool ---- */

static bool bytes_read(const struct reading *reading, uint8_t *ret_bytes)
{
    char path[DEPOT_PATH_BYTES];
    size_t done = 0;
    depot_path(reading->depot, reading->name.hash, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && done < reading->name.size) {
        ssize_t n = pread(fd, ret_bytes + done, reading->name.size - done,
                          (off_t)(reading->name.offset + done));
        if (n == 0 || (n < 0 && errno != EINTR)) {
            break;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    return done == reading->name.size;
}

static void on_reading_work(uv_work_t *work)
{
    struct reading *reading = work->data;
    const struct piece_name *name = &reading->name;
    uint8_t *bytes = mem_alloc(name->size);
    if (bytes != NULL && bytes_read(reading, bytes)) {
        const struct msg_blob message = {.hash = name->hash,
                                         .offset = name->offset,
                                         .total = reading->total,
                                         .sum = name->sum,
                                         .data = {bytes, name->size}};
        reading->frame = piece_encode(&message);
    } else if (bytes != NULL) {
        reading->frame = piece_refuse(name->hash, name->offset,
                                      "the head cannot read this work folder from its depot");
    }
    mem_free(bytes);
}

/* ---- on the loop ---- */

static void on_reading_done(uv_work_t *work, int status)
{
    struct reading *reading = work->data;
    struct depot *depot = reading->depot;
    (void)status; /* nothing is ever cancelled */
    depot->n_jobs--;
    depot->n_reading--;
    reading->piece->is_reading = false;
    reading->piece->frame = reading->frame;
    mem_free(reading);
    depot_look_again(depot);
}

static void piece_forget(struct piece *piece)
{
    shared_frame_unref(piece->frame);
    *piece = (struct piece){0};
}

static bool piece_is(const struct piece *piece, const struct piece_name *name)
{
    return (piece->frame != NULL || piece->is_reading) && piece->name.offset == name->offset &&
           piece->name.size == name->size && piece->name.sum == name->sum &&
           strcmp(piece->name.hash, name->hash) == 0;
}

static void piece_read(struct depot *depot, struct piece *piece, const struct piece_name *name,
                       uint64_t total)
{
    struct reading *reading = mem_zalloc(sizeof *reading);
    piece_forget(piece);
    if (reading == NULL) {
        return; /* the next turn tries again */
    }
    piece->name = *name;
    *reading = (struct reading){.depot = depot, .piece = piece, .name = *name, .total = total};
    reading->work.data = reading;
    if (uv_queue_work(loop_uv(depot->loop), &reading->work, on_reading_work, on_reading_done) !=
        0) {
        mem_free(reading);
        return;
    }
    piece->is_reading = true;
    depot->n_reading++;
    depot->n_jobs++;
}

struct shared_frame *depot_piece(struct depot *depot, const struct piece_name *name, uint64_t total,
                                 time_ms now)
{
    struct piece *oldest = NULL;
    for (int i = 0; i < DEPOT_PIECES; i++) {
        struct piece *piece = &depot->pieces[i];
        if (piece_is(piece, name)) {
            piece->used_at = now;
            return piece->frame;
        }
        if (!piece->is_reading && (oldest == NULL || piece->used_at < oldest->used_at)) {
            oldest = piece;
        }
    }
    if (depot->n_reading < DEPOT_READS_NOW && !depot->is_closing) {
        piece_read(depot, oldest, name, total);
        oldest->used_at = now;
    }
    return NULL;
}

void depot_pieces_forget(struct depot *depot, time_ms now)
{
    for (int i = 0; i < DEPOT_PIECES; i++) {
        struct piece *piece = &depot->pieces[i];
        if (piece->frame != NULL && now - piece->used_at >= DEPOT_PIECE_MS) {
            piece_forget(piece);
        }
    }
}

time_ms depot_pieces_deadline(const struct depot *depot)
{
    time_ms next = INT64_MAX;
    for (int i = 0; i < DEPOT_PIECES; i++) {
        const struct piece *piece = &depot->pieces[i];
        if (piece->frame != NULL && piece->used_at + DEPOT_PIECE_MS < next) {
            next = piece->used_at + DEPOT_PIECE_MS;
        }
    }
    return next;
}

void depot_pieces_free(struct depot *depot)
{
    for (int i = 0; i < DEPOT_PIECES; i++) {
        piece_forget(&depot->pieces[i]);
    }
}
