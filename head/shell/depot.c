#include "head/shell/depot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "head/shell/depot_inside.h"

void depot_path(const struct depot *depot, const char *name, char ret_path[DEPOT_PATH_BYTES])
{
    ignore_error(snprintf(ret_path, DEPOT_PATH_BYTES, "%s/%s", depot->folder, name) < 0, "it fits");
}

struct blob *depot_blob(const struct depot *depot, const char *hash)
{
    struct blob *blob;
    HASH_FIND_STR(depot->blobs, hash, blob);
    return blob;
}

/* The order of use outlives a restart in the files' times. */
void depot_blob_use(struct depot *depot, struct blob *blob)
{
    char path[DEPOT_PATH_BYTES];
    blob->used_at = ++depot->last_use;
    depot_path(depot, blob->hash, path);
    ignore_error(utimensat(AT_FDCWD, path, NULL, 0) == 0 ? OK : ERR_IO, "it only looks older");
}

bool depot_find(struct depot *depot, const char *hash, uint64_t *ret_bytes)
{
    struct blob *blob = work_hash_is_good(hash) ? depot_blob(depot, hash) : NULL;
    if (blob == NULL) {
        return false;
    }
    depot_blob_use(depot, blob);
    *ret_bytes = blob->bytes;
    return true;
}

void depot_blob_free(struct blob *blob)
{
    if (blob != NULL) {
        mem_free(blob->sums);
        mem_free(blob);
    }
}

bool depot_blob_add(struct depot *depot, const char *hash, uint64_t bytes, uint64_t *sums)
{
    struct blob *blob = depot_blob(depot, hash);
    if (blob != NULL) { /* two sent it at a time: the same bytes */
        depot->used_bytes -= bytes;
        blob->used_at = ++depot->last_use;
        if (blob->sums == NULL) {
            blob->sums = sums;
        } else {
            mem_free(sums);
        }
        return true;
    }
    blob = mem_zalloc(sizeof *blob);
    if (blob != NULL) {
        memcpy(blob->hash, hash, sizeof blob->hash);
        blob->bytes = bytes;
        blob->used_at = ++depot->last_use;
        HASH_ADD_STR(depot->blobs, hash, blob);
    }
    if (blob == NULL || blob->hh.tbl == NULL) {
        mem_free(sums);
        mem_free(blob);
        return false;
    }
    blob->sums = sums;
    return true;
}

/* ---- room ---- */

uint64_t depot_bytes(const struct depot *depot, uint64_t *ret_max_bytes)
{
    *ret_max_bytes = depot->max_bytes;
    return depot->used_bytes;
}

static void on_unlinked(uv_fs_t *request)
{
    struct depot *depot = request->data;
    depot->n_jobs--;
    uv_fs_req_cleanup(request);
    mem_free(request);
}

/* A large file may take long to remove. Its name is free at once: who sends it again meanwhile does
 * not lose it to a removal that is still to come. */
static void blob_drop(struct depot *depot, struct blob *blob)
{
    char name[64], old_path[DEPOT_PATH_BYTES], path[DEPOT_PATH_BYTES];
    uv_fs_t *request = mem_zalloc(sizeof *request);
    ignore_error(snprintf(name, sizeof name, "gone-%llu", (unsigned long long)++depot->last_temp) <
                     0,
                 "it fits");
    depot_path(depot, blob->hash, old_path);
    depot_path(depot, name, path);
    if (rename(old_path, path) != 0) {
        memcpy(path, old_path, sizeof path);
    }
    if (request == NULL) {
        unlink(path);
    } else {
        request->data = depot;
        depot->n_jobs++;
        uv_fs_unlink(loop_uv(depot->loop), request, path, on_unlinked);
    }
    depot->used_bytes -= blob->bytes;
    HASH_DELETE(hh, depot->blobs, blob);
    depot_blob_free(blob);
}

static struct blob *blob_oldest(const struct depot *depot)
{
    struct blob *oldest = NULL;
    for (struct blob *blob = depot->blobs; blob != NULL; blob = blob->hh.next) {
        if ((oldest == NULL || blob->used_at < oldest->used_at) &&
            !depot->callbacks.is_named(depot->callbacks.context, blob->hash)) {
            oldest = blob;
        }
    }
    return oldest;
}

static bool depot_has_room(const struct depot *depot, uint64_t bytes)
{
    return HASH_COUNT(depot->blobs) + depot->n_uploads < DEPOT_BLOBS_MAX &&
           depot->used_bytes <= depot->max_bytes && bytes <= depot->max_bytes - depot->used_bytes;
}

error_code depot_room(struct depot *depot, uint64_t bytes, struct report *report)
{
    while (!depot_has_room(depot, bytes)) {
        struct blob *oldest = bytes <= depot->max_bytes ? blob_oldest(depot) : NULL;
        if (oldest == NULL) {
            return report_fail(report, ERR_NO_SPACE,
                               "the head's depot is full: %llu of %llu MiB hold work folders of "
                               "sweeps and jobs that are there, and %llu MiB more do not fit; "
                               "remove ended ones (muster sweep rm), send less (workdir.ignore), "
                               "or start the head with a larger --depot-max",
                               (unsigned long long)(depot->used_bytes >> 20),
                               (unsigned long long)(depot->max_bytes >> 20),
                               (unsigned long long)((bytes + (1 << 20) - 1) >> 20));
        }
        blob_drop(depot, oldest);
    }
    return OK;
}

/* ---- start and end ---- */

struct found {
    struct blob *blob;
    struct timespec time;
};

static int found_compare(const void *a, const void *b)
{
    const struct timespec *x = &((const struct found *)a)->time,
                          *y = &((const struct found *)b)->time;
    return x->tv_sec != y->tv_sec     ? (x->tv_sec < y->tv_sec ? -1 : 1)
           : x->tv_nsec != y->tv_nsec ? (x->tv_nsec < y->tv_nsec ? -1 : 1)
                                      : 0;
}

static error_code blobs_read(struct depot *depot, DIR *folder)
{
    struct dirent *entry;
    struct stat about;
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        bool is_blob = work_hash_is_good(entry->d_name) &&
                       fstatat(dirfd(folder), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                       S_ISREG(about.st_mode);
        if (!is_blob) {
            ignore_error(unlinkat(dirfd(folder), entry->d_name, 0) == 0 ? OK : ERR_IO,
                         "none of ours");
            continue;
        }
        if (!depot_blob_add(depot, entry->d_name, (uint64_t)about.st_size, NULL)) {
            return ERR_NO_MEMORY;
        }
        depot->used_bytes += (uint64_t)about.st_size;
    }
    return OK;
}

static error_code blobs_order(struct depot *depot)
{
    uint32_t n = 0;
    struct found *found = mem_calloc(HASH_COUNT(depot->blobs), sizeof *found);
    if (found == NULL) {
        return ERR_NO_MEMORY;
    }
    for (struct blob *blob = depot->blobs; blob != NULL; blob = blob->hh.next) {
        char path[DEPOT_PATH_BYTES];
        struct stat about = {0};
        depot_path(depot, blob->hash, path);
        ignore_error(stat(path, &about) == 0 ? OK : ERR_IO, "then it looks old");
        found[n++] = (struct found){blob, about.st_mtim};
    }
    qsort(found, n, sizeof *found, found_compare);
    for (uint32_t i = 0; i < n; i++) {
        found[i].blob->used_at = ++depot->last_use;
    }
    mem_free(found);
    return OK;
}

error_code depot_new(struct loop *loop, const char *folder, uint64_t max_bytes,
                     const struct depot_callbacks *callbacks, struct depot **ret_depot,
                     struct report *report)
{
    error_code error = dir_make(folder, report);
    if (error != OK) {
        return error;
    }
    DIR *entries = opendir(folder);
    struct depot *depot = mem_zalloc(sizeof *depot);
    if (entries == NULL || depot == NULL) {
        if (entries != NULL) {
            closedir(entries);
        }
        mem_free(depot);
        return report_fail(report, ERR_IO, "the depot %s cannot be read: %s", folder,
                           strerror(errno));
    }
    depot->loop = loop;
    depot->callbacks = *callbacks;
    depot->max_bytes = max_bytes > 0 ? max_bytes : DEPOT_BYTES_DEFAULT;
    list_init(&depot->uploads);
    list_init(&depot->reading);
    ignore_error(snprintf(depot->folder, sizeof depot->folder, "%s", folder) < 0, "it fits");
    error = blobs_read(depot, entries);
    closedir(entries);
    error = error == OK ? blobs_order(depot) : error;
    if (error != OK) {
        depot_free(depot);
        return report_fail(report, error, "no memory for the depot's table");
    }
    *ret_depot = depot;
    return OK;
}

void depot_free(struct depot *depot)
{
    if (depot == NULL) {
        return;
    }
    depot->is_closing = true;
    while (depot->n_jobs > 0) {
        uv_run(loop_uv(depot->loop), UV_RUN_ONCE);
    }
    depot_uploads_free(depot);
    depot_reads_free(depot);
    struct blob *blob, *next;
    HASH_ITER (hh, depot->blobs, blob, next) {
        HASH_DELETE(hh, depot->blobs, blob);
        depot_blob_free(blob);
    }
    mem_free(depot);
}
