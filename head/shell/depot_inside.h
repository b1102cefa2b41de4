/* head/shell/depot_inside.h -- what the depot's files share: the table of blobs, uploads, reads. */
#ifndef MUSTER_HEAD_SHELL_DEPOT_INSIDE_H
#define MUSTER_HEAD_SHELL_DEPOT_INSIDE_H

#include "base/hash.h"
#include "base/list.h"
#include "head/shell/depot.h"
#include "sys/files.h"

enum { DEPOT_PATH_BYTES = FILES_PATH_MAX_BYTES + 128 };

struct blob {
    UT_hash_handle hh;
    char hash[WORK_HASH_TEXT_BYTES];
    uint64_t bytes;
    uint64_t used_at; /* counts uses */
    uint64_t *sums;   /* of its pieces, made while it was proven; NULL: it was there at the start */
};

struct piece_name {
    char hash[WORK_HASH_TEXT_BYTES];
    uint64_t offset;
    uint32_t size;
    uint64_t sum; /* 0: unknown */
};

struct piece {
    struct piece_name name;
    struct shared_frame *frame; /* NULL: not read yet, or nothing is here */
    bool is_reading;
    time_ms used_at;
};

/* A piece that was given, and the peer that may still have it to be sent. */
struct waiting {
    uint64_t peer;
    time_ms until; /* it counts until then at most */
};

enum { PIECES_WAITING = 2 };

struct depot {
    struct loop *loop;
    struct depot_callbacks callbacks;
    char folder[FILES_PATH_MAX_BYTES];
    uint64_t max_bytes;
    uint64_t used_bytes; /* of blobs, and of uploads as announced */
    uint64_t last_use;
    uint64_t last_temp;
    struct blob *blobs;
    struct list uploads;
    uint32_t n_uploads;
    struct reader *readers; /* agents that wait for pieces, by number */
    struct list reading;    /* the same, in the order of their turns */
    uint32_t n_asks;        /* of all */
    uint32_t n_looks;       /* at readers, since any of them may have got room */
    struct waiting waiting[PIECES_WAITING];
    struct piece pieces[DEPOT_PIECES];
    uint32_t n_reading;
    uint32_t n_jobs; /* in the pool, of all kinds */
    bool is_closing;
};

/* ---- depot.c ---- */
struct blob *depot_blob(const struct depot *depot, const char *hash);
void depot_path(const struct depot *depot, const char *name, char ret_path[DEPOT_PATH_BYTES]);
/* It is on disk now. The sums become the blob's, or NULL. False: no memory to remember it. */
bool depot_blob_add(struct depot *depot, const char *hash, uint64_t bytes, uint64_t *sums);
void depot_blob_free(struct blob *blob);
void depot_blob_use(struct depot *depot, struct blob *blob);
/* Makes room for one more, of so many bytes; ERR_NO_SPACE. */
MUST_CHECK error_code depot_room(struct depot *depot, uint64_t bytes, struct report *report);

/* ---- depot_uploads.c ---- */
void depot_uploads_free(struct depot *depot);

/* ---- depot_reads.c ---- */
void depot_reads_free(struct depot *depot);

/* ---- depot_pieces.c ---- */
/* The piece's frame, borrowed; NULL: it is being read, or will be; depot_look_again() comes. */
struct shared_frame *depot_piece(struct depot *depot, const struct piece_name *name, uint64_t total,
                                 time_ms now);
/* An answer that says why there is no piece; NULL: no memory. The caller's. */
struct shared_frame *piece_refuse(const char *hash, uint64_t offset, const char *error);
time_ms depot_pieces_deadline(const struct depot *depot);
void depot_pieces_forget(struct depot *depot, time_ms now); /* those that nobody asked for lately */
void depot_pieces_free(struct depot *depot);

#endif
