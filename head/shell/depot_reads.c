/* Agents that ask for pieces: each has a queue of its own, and they take turns. A piece is given to
 * an agent only while nothing of the last one waits in libzmq, so one that asks and does not read
 * costs the head no more than that.
 *
 * Orders and answers leave through the same thread of libzmq, which encrypts one piece after the
 * other. So that they are not behind a piece for each of hundreds of agents, a new one is given
 * only when fewer than PIECES_WAITING of the last ones wait there: enough to keep the thread busy.
 * One for a slow connection waits for long, and counts only for PIECE_WAITING_MS. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/depot_inside.h"
#include "schema/messages.h"

static_assert((int)DEPOT_UPLOAD_BYTES == (int)BLOB_PIECE_MAX_BYTES,
              "agents ask for what was summed");

enum { LOOKS_PER_TURN = 64, PIECE_WAITING_MS = 3, AHEAD_READERS_MAX = DEPOT_PIECES / 4 };

struct ask {
    struct list link;
    struct piece_name name;
    uint64_t total; /* of the blob */
};

struct reader {
    UT_hash_handle hh;
    struct list link; /* who has waited longest is first */
    uint64_t peer;
    struct list asks; /* in their order */
    uint32_t n_asks;
};

/* ---- who asks ---- */

static struct reader *reader_of(struct depot *depot, uint64_t peer)
{
    struct reader *reader;
    HASH_FIND(hh, depot->readers, &peer, sizeof peer, reader);
    if (reader != NULL) {
        return reader;
    }
    reader = mem_zalloc(sizeof *reader);
    if (reader == NULL) {
        return NULL;
    }
    reader->peer = peer;
    list_init(&reader->asks);
    list_init(&reader->link);
    HASH_ADD(hh, depot->readers, peer, sizeof reader->peer, reader);
    if (reader->hh.tbl == NULL) {
        mem_free(reader);
        return NULL;
    }
    list_push_back(&depot->reading, &reader->link);
    return reader;
}

static void reader_leave_if_served(struct depot *depot, struct reader *reader)
{
    if (reader->n_asks == 0) {
        HASH_DELETE(hh, depot->readers, reader);
        list_remove(&reader->link);
        mem_free(reader);
    }
}

static void ask_free(struct depot *depot, struct reader *reader, struct ask *ask)
{
    list_remove(&ask->link);
    mem_free(ask);
    depot->n_asks--;
    reader->n_asks--;
    reader_leave_if_served(depot, reader);
}

static void ask_add(struct depot *depot, uint64_t peer, const struct ask *wanted)
{
    struct reader *reader = depot->n_asks < DEPOT_READS_MAX ? reader_of(depot, peer) : NULL;
    if (reader == NULL || reader->n_asks >= DEPOT_READS_OF_PEER) {
        return; /* the agent asks again */
    }
    struct ask *ask = mem_alloc(sizeof *ask);
    if (ask == NULL) {
        reader_leave_if_served(depot, reader);
        return;
    }
    *ask = *wanted;
    list_init(&ask->link);
    list_push_back(&reader->asks, &ask->link);
    reader->n_asks++;
    depot->n_asks++;
    depot_look_again(depot);
}

/* The offset lies within the blob. Only what was summed as one has a sum. */
static struct piece_name piece_name_at(const struct blob *blob, uint64_t offset, uint32_t size)
{
    uint64_t left = blob->bytes - offset;
    struct piece_name name = {.offset = offset, .size = left < size ? (uint32_t)left : size};
    bool is_whole = offset % DEPOT_UPLOAD_BYTES == 0 &&
                    (name.size == DEPOT_UPLOAD_BYTES || offset + name.size == blob->bytes);
    memcpy(name.hash, blob->hash, sizeof name.hash);
    if (blob->sums != NULL && is_whole) {
        name.sum = blob->sums[offset / DEPOT_UPLOAD_BYTES];
    }
    return name;
}

void depot_read(struct depot *depot, uint64_t peer, const char *hash, uint64_t offset,
                uint32_t size)
{
    struct blob *blob = work_hash_is_good(hash) ? depot_blob(depot, hash) : NULL;
    if (blob == NULL || offset >= blob->bytes) {
        struct shared_frame *frame =
            piece_refuse(hash, offset,
                         blob == NULL ? "the head's depot does not hold this work folder"
                                      : "there is nothing of the work folder at this place");
        if (frame != NULL) {
            depot->callbacks.on_piece(depot->callbacks.context, peer, frame);
        }
        shared_frame_unref(frame);
        return;
    }
    if (offset == 0) {
        depot_blob_use(depot, blob);
    }
    const struct ask ask = {.name = piece_name_at(blob, offset, size), .total = blob->bytes};
    ask_add(depot, peer, &ask);
}

/* ---- turns ---- */

void depot_look_again(struct depot *depot)
{
    depot->n_looks = 0;
    loop_again(depot->loop);
}

/* A place among the pieces that wait in libzmq; NULL: enough of them do. */
static struct waiting *waiting_place(struct depot *depot, time_ms now)
{
    for (int i = 0; i < PIECES_WAITING; i++) {
        struct waiting *waiting = &depot->waiting[i];
        if (waiting->until <= now ||
            depot->callbacks.can_send(depot->callbacks.context, waiting->peer)) {
            return waiting;
        }
    }
    return NULL;
}

/* What its agent asks for next is read meanwhile; not for so many that the pieces kept would be too
 * few. */
static void ahead_read(struct depot *depot, const struct piece_name *given, time_ms now)
{
    const struct blob *blob = depot_blob(depot, given->hash);
    uint64_t offset = given->offset + given->size;
    if (blob != NULL && offset < blob->bytes && HASH_COUNT(depot->readers) <= AHEAD_READERS_MAX) {
        const struct piece_name name = piece_name_at(blob, offset, given->size);
        depot_piece(depot, &name, blob->bytes, now);
    }
}

/* True: it got a piece. */
static bool reader_serve(struct depot *depot, struct reader *reader, struct waiting *place,
                         time_ms now)
{
    struct ask *ask = list_first(&reader->asks, struct ask, link);
    if (!depot->callbacks.can_send(depot->callbacks.context, reader->peer)) {
        return false;
    }
    struct shared_frame *frame = depot_piece(depot, &ask->name, ask->total, now);
    if (frame == NULL) {
        return false; /* it is being read */
    }
    depot->callbacks.on_piece(depot->callbacks.context, reader->peer, frame);
    *place = (struct waiting){reader->peer, now + PIECE_WAITING_MS};
    ahead_read(depot, &ask->name, now);
    ask_free(depot, reader, ask);
    return true;
}

void depot_turn(struct depot *depot, time_ms now)
{
    struct waiting *place = waiting_place(depot, now);
    for (uint32_t i = 0;
         i < LOOKS_PER_TURN && place != NULL && depot->n_looks < HASH_COUNT(depot->readers); i++) {
        struct reader *reader = list_first(&depot->reading, struct reader, link);
        list_remove(&reader->link);
        list_push_back(&depot->reading, &reader->link);
        bool is_given = reader_serve(depot, reader, place, now);
        depot->n_looks = is_given ? 0 : depot->n_looks + 1;
        place = is_given ? waiting_place(depot, now) : place;
    }
    if (place != NULL && depot->n_looks < HASH_COUNT(depot->readers)) {
        loop_again(depot->loop);
    }
    depot_pieces_forget(depot, now);
}

/* Past ones have made room already: who still waits then waits for its connection. */
time_ms depot_deadline(const struct depot *depot, time_ms now)
{
    time_ms next = depot_pieces_deadline(depot);
    for (int i = 0; i < PIECES_WAITING && depot->readers != NULL; i++) {
        time_ms until = depot->waiting[i].until;
        next = until > now && until < next ? until : next;
    }
    return next;
}

void depot_reads_free(struct depot *depot)
{
    struct reader *reader, *next;
    HASH_ITER (hh, depot->readers, reader, next) {
        list_each (&reader->asks, struct ask, link, ask) {
            list_remove(&ask->link);
            mem_free(ask);
        }
        HASH_DELETE(hh, depot->readers, reader);
        mem_free(reader);
    }
    depot_pieces_free(depot);
}
