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
};

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
    struct list reads; /* in order of arrival; those in the pool are first */
    uint32_t n_reads, n_reading;
    uint32_t n_jobs; /* in the pool, of all kinds */
    bool is_closing;
};

/* ---- depot.c ---- */
struct blob *depot_blob(const struct depot *depot, const char *hash);
void depot_path(const struct depot *depot, const char *name, char ret_path[DEPOT_PATH_BYTES]);
/* It is on disk now. False: no memory to remember it. */
bool depot_blob_add(struct depot *depot, const char *hash, uint64_t bytes);
void depot_blob_use(struct depot *depot, struct blob *blob);
/* Makes room for one more, of so many bytes; ERR_NO_SPACE. */
MUST_CHECK error_code depot_room(struct depot *depot, uint64_t bytes, struct report *report);

/* ---- depot_uploads.c ---- */
void depot_uploads_free(struct depot *depot);

/* ---- depot_reads.c ---- */
void depot_reads_free(struct depot *depot);

#endif
