/* A blob comes in: pieces are gathered in memory, written and hashed in the pool, and what is whole
 * and proven is renamed to its name after it is on disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "head/shell/depot_inside.h"
#include "sys/failpoints.h"

enum { AHEAD_BYTES = 2 << 20, AHEAD_MAX_BYTES = 8 << 20 };

struct upload {
    struct list link;
    struct depot *depot;
    uint64_t id;
    uint64_t announced, received;
    char hash[WORK_HASH_TEXT_BYTES];
    char path[DEPOT_PATH_BYTES]; /* until it is renamed */
    int fd;
    uint64_t written, ahead; /* in the pool: to the file; of it, begun to go to the disk */
    struct work_hasher hasher;
    uint64_t *sums; /* of its pieces, as many as were announced */
    uv_work_t work;
    bool is_working; /* in the pool: the buffer is its */
    bool is_ending;  /* no more will come */
    bool is_last;    /* the work under way is that of the end */
    bool is_dropped;
    bool is_short_of_room; /* its sender waits */
    error_code error;
    struct report report;
    size_t len;
    uint8_t buffer[DEPOT_UPLOAD_BYTES];
};

static struct upload *upload_find(const struct depot *depot, uint64_t id)
{
    list_each (&depot->uploads, struct upload, link, upload) {
        if (upload->id == id && !upload->is_dropped) {
            return upload;
        }
    }
    return NULL;
}

static void upload_free(struct upload *upload)
{
    if (upload->fd >= 0) {
        close(upload->fd);
    }
    if (upload->path[0] != '\0') {
        unlink(upload->path);
    }
    list_remove(&upload->link);
    upload->depot->n_uploads--;
    mem_free(upload->sums);
    mem_free(upload);
}

/* ---- in the pool ---- */

static error_code upload_fail_errno(struct upload *upload)
{
    int number = errno;
    return report_fail(&upload->report, error_from_errno(number),
                       "the head cannot write its depot: %s%s", strerror(number),
                       number == ENOSPC ? "; make room on the disk of its state folder" : "");
}

/* A large file that goes to the disk as a whole at its end keeps the disk from all else for as
 * long, the store's small syncs too. So it goes there in steps, and at most AHEAD_MAX_BYTES are
 * under way. A failure that is told here is not told again by the sync at the end; what a file
 * system cannot do is none. */
static error_code upload_go_ahead(struct upload *upload)
{
    if (upload->written - upload->ahead < AHEAD_BYTES) {
        return OK;
    }
    const unsigned wait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE;
    off_t begin = (off_t)upload->ahead, end = (off_t)upload->written;
    bool is_begun = sync_file_range(upload->fd, begin, end - begin, SYNC_FILE_RANGE_WRITE) == 0;
    if (is_begun && end > AHEAD_MAX_BYTES) {
        is_begun = sync_file_range(upload->fd, 0, end - AHEAD_MAX_BYTES,
                                   wait | SYNC_FILE_RANGE_WAIT_AFTER) == 0;
    }
    upload->ahead = upload->written;
    bool is_failure = !is_begun && errno != EINVAL && errno != ESPIPE && errno != ENOSYS;
    return is_failure ? upload_fail_errno(upload) : OK;
}

static error_code upload_write(struct upload *upload)
{
    for (size_t at = 0; at < upload->len;) {
        ssize_t n = FAILPOINT_FAILS(DEPOT_WRITE)
                        ? -1
                        : write(upload->fd, upload->buffer + at, upload->len - at);
        if (n < 0 && errno != EINTR) {
            return upload_fail_errno(upload);
        }
        at += n > 0 ? (size_t)n : 0;
    }
    if (upload->len > 0) {
        upload->sums[upload->written / DEPOT_UPLOAD_BYTES] =
            work_piece_sum((struct bytes){upload->buffer, upload->len});
    }
    upload->written += upload->len;
    work_hasher_add(&upload->hasher, upload->buffer, upload->len);
    return upload_go_ahead(upload);
}

static error_code upload_finish(struct upload *upload)
{
    char hash[WORK_HASH_TEXT_BYTES], path[DEPOT_PATH_BYTES];
    work_hasher_end(&upload->hasher, hash);
    if (strcmp(hash, upload->hash) != 0) {
        return report_fail(&upload->report, ERR_INVALID,
                           "the bytes that came are %s, not what their name says; nothing was "
                           "kept, send them again",
                           hash);
    }
    if (FAILPOINT_FAILS(DEPOT_SYNC) || fsync(upload->fd) != 0) {
        return upload_fail_errno(upload);
    }
    depot_path(upload->depot, upload->hash, path);
    if (FAILPOINT_FAILS(DEPOT_RENAME) || rename(upload->path, path) != 0) {
        return upload_fail_errno(upload);
    }
    upload->path[0] = '\0';
    return dir_sync(upload->depot->folder, &upload->report);
}

static void on_upload_work(uv_work_t *work)
{
    struct upload *upload = work->data;
    upload->error = upload_write(upload);
    if (upload->error == OK && upload->is_last) {
        upload->error = upload_finish(upload);
    }
}

/* ---- on the loop ---- */

static void upload_work(struct upload *upload);

static void upload_close(struct upload *upload)
{
    struct depot *depot = upload->depot;
    bool is_kept = upload->error == OK && upload->is_last;
    if (is_kept && !depot_blob_add(depot, upload->hash, upload->received, TAKE(upload->sums))) {
        upload->error = report_fail(&upload->report, ERR_NO_MEMORY, "out of memory");
        is_kept = false; /* found again at the next start */
    }
    if (!is_kept) {
        depot->used_bytes -= upload->announced;
    }
    if (!upload->is_dropped && !depot->is_closing) {
        depot->callbacks.on_uploaded(depot->callbacks.context, upload->id, upload->error,
                                     &upload->report);
    }
    upload_free(upload);
}

static void on_upload_worked(uv_work_t *work, int status)
{
    struct upload *upload = work->data;
    struct depot *depot = upload->depot;
    (void)status;
    depot->n_jobs--;
    upload->is_working = false;
    upload->len = 0;
    loop_again(depot->loop);
    if (upload->is_last || upload->is_dropped) {
        upload_close(upload);
    } else if (upload->is_ending) {
        upload_work(upload);
    } else if (upload->is_short_of_room && !depot->is_closing) {
        upload->is_short_of_room = false;
        depot->callbacks.on_room(depot->callbacks.context, upload->id);
    }
}

static void upload_work(struct upload *upload)
{
    struct depot *depot = upload->depot;
    upload->is_last = upload->is_ending;
    if (upload->is_last && upload->error == OK && upload->received != upload->announced) {
        upload->error = report_fail(&upload->report, ERR_INVALID, "%llu bytes came, not %llu",
                                    (unsigned long long)upload->received,
                                    (unsigned long long)upload->announced);
    }
    if (upload->error != OK) { /* what comes after a failure is read and forgotten */
        upload->len = 0;
        if (upload->is_last) {
            upload_close(upload);
        }
        return;
    }
    upload->work.data = upload;
    upload->is_working = true;
    depot->n_jobs++;
    uv_queue_work(loop_uv(depot->loop), &upload->work, on_upload_work, on_upload_worked);
}

error_code depot_upload_begin(struct depot *depot, uint64_t id, const char *hash, uint64_t bytes,
                              struct report *report)
{
    if (depot->n_uploads >= DEPOT_UPLOADS_MAX) {
        return report_fail(report, ERR_BUSY, "%d work folders are being sent here now: try again",
                           DEPOT_UPLOADS_MAX);
    }
    error_code error = depot_room(depot, bytes, report);
    if (error != OK) {
        return error;
    }
    struct upload *upload = mem_zalloc(sizeof *upload);
    uint64_t *sums = mem_calloc(bytes / DEPOT_UPLOAD_BYTES + 1, sizeof *sums);
    if (upload == NULL || sums == NULL) {
        mem_free(sums);
        mem_free(upload);
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    upload->sums = sums;
    char name[64];
    ignore_error(
        snprintf(name, sizeof name, "upload-%llu", (unsigned long long)++depot->last_temp) < 0,
        "it fits");
    list_init(&upload->link);
    list_push_back(&depot->uploads, &upload->link);
    depot->n_uploads++;
    upload->depot = depot;
    upload->id = id;
    upload->announced = bytes;
    memcpy(upload->hash, hash, sizeof upload->hash);
    depot_path(depot, name, upload->path);
    work_hasher_init(&upload->hasher);
    upload->fd = open(upload->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (upload->fd < 0) {
        int number = errno;
        upload->path[0] = '\0';
        upload_free(upload);
        return report_fail(report, error_from_errno(number), "the head cannot write its depot: %s",
                           strerror(number));
    }
    depot->used_bytes += bytes;
    return OK;
}

size_t depot_upload_add(struct depot *depot, uint64_t id, struct bytes bytes)
{
    struct upload *upload = upload_find(depot, id);
    size_t taken = 0;
    while (upload != NULL && !upload->is_working && taken < bytes.len) {
        size_t n = DEPOT_UPLOAD_BYTES - upload->len;
        n = n < bytes.len - taken ? n : bytes.len - taken;
        memcpy(upload->buffer + upload->len, bytes.data + taken, n);
        upload->len += n;
        upload->received += n;
        taken += n;
        if (upload->received > upload->announced && upload->error == OK) {
            upload->error =
                report_fail(&upload->report, ERR_INVALID, "more bytes came than were announced");
        }
        if (upload->len == DEPOT_UPLOAD_BYTES) {
            upload_work(upload);
        }
    }
    if (upload == NULL) {
        return bytes.len;
    }
    upload->is_short_of_room = taken < bytes.len;
    return taken;
}

bool depot_upload_end(struct depot *depot, uint64_t id)
{
    struct upload *upload = upload_find(depot, id);
    if (upload == NULL) {
        return false;
    }
    upload->is_ending = true;
    if (!upload->is_working) {
        upload_work(upload);
    }
    return true;
}

void depot_upload_drop(struct depot *depot, uint64_t id)
{
    struct upload *upload = upload_find(depot, id);
    if (upload == NULL) {
        return;
    }
    upload->is_dropped = true;
    if (!upload->is_working) {
        upload_close(upload);
    }
}

void depot_uploads_free(struct depot *depot)
{
    list_each (&depot->uploads, struct upload, link, upload) {
        upload_free(upload);
    }
}
