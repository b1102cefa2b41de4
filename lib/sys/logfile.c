#include "sys/logfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/failpoints.h"
#include "sys/files.h"

struct logfile {
    int fd;              /* -1: could not be opened */
    uint64_t part_bytes; /* in the file now */
    bool has_first;
    uint64_t written_bytes, lost_bytes;
    uint64_t untold_bytes; /* lost, and the file does not say so yet */
    uint8_t *tail;         /* twice the size: the newest bytes are at the end of what is filled */
    size_t tail_len, tail_max;
    char path[FILES_PATH_MAX_BYTES];
};

static void logfile_fd_open(struct logfile *file)
{
    struct stat about;
    file->fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    file->part_bytes = file->fd >= 0 && fstat(file->fd, &about) == 0 ? (uint64_t)about.st_size : 0;
}

error_code logfile_open(const char *path, uint32_t tail_bytes, struct logfile **ret_file)
{
    assert(tail_bytes <= LOGFILE_TAIL_MAX_BYTES);
    if (strlen(path) + sizeof ".first" > FILES_PATH_MAX_BYTES) {
        return ERR_LIMIT;
    }
    struct logfile *file = mem_zalloc(sizeof *file);
    if (file == NULL) {
        return ERR_NO_MEMORY;
    }
    file->tail_max = tail_bytes;
    file->tail = mem_alloc(2 * (size_t)tail_bytes);
    if (file->tail == NULL) {
        mem_free(file);
        return ERR_NO_MEMORY;
    }
    memcpy(file->path, path, strlen(path) + 1);
    logfile_fd_open(file);
    *ret_file = file;
    return OK;
}

void logfile_close(struct logfile *file)
{
    if (file == NULL) {
        return;
    }
    if (file->fd >= 0) {
        close(file->fd);
    }
    mem_free(file->tail);
    mem_free(file);
}

/* ---- the tail ---- */

static void tail_add(struct logfile *file, struct bytes bytes)
{
    if (bytes.len > file->tail_max) {
        bytes.data += bytes.len - file->tail_max;
        bytes.len = file->tail_max;
    }
    if (bytes.len == 0) {
        return;
    }
    /* Moved once in tail_max bytes, not with every write. */
    if (file->tail_len + bytes.len > 2 * file->tail_max) {
        size_t kept = file->tail_max - bytes.len;
        memmove(file->tail, file->tail + file->tail_len - kept, kept);
        file->tail_len = kept;
    }
    memcpy(file->tail + file->tail_len, bytes.data, bytes.len);
    file->tail_len += bytes.len;
}

struct bytes logfile_tail(struct logfile *file)
{
    size_t len = file->tail_len < file->tail_max ? file->tail_len : file->tail_max;
    return (struct bytes){file->tail + file->tail_len - len, len};
}

/* ---- the files ---- */

static void first_keep(const struct logfile *file)
{
    char first[FILES_PATH_MAX_BYTES + 8];
    ignore_error(snprintf(first, sizeof first, "%s.first", file->path) < 0, "it fits");
    int from = open(file->path, O_RDONLY | O_CLOEXEC);
    int to = open(first, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    off_t at = 0;
    while (from >= 0 && to >= 0 && at < LOGFILE_FIRST_BYTES &&
           sendfile(to, from, &at, (size_t)(LOGFILE_FIRST_BYTES - at)) > 0) {
    }
    if (from >= 0) {
        close(from);
    }
    if (to >= 0) {
        close(to);
    }
}

static void logfile_rotate(struct logfile *file)
{
    if (!file->has_first) {
        file->has_first = true;
        first_keep(file);
    }
    char old[FILES_PATH_MAX_BYTES + 8];
    ignore_error(snprintf(old, sizeof old, "%s.1", file->path) < 0, "it fits");
    bool is_moved = rename(file->path, old) == 0;
    /* A file that somebody removed or that cannot be moved still has to stay bounded. */
    if (!is_moved && errno != ENOENT) {
        ignore_error(ftruncate(file->fd, 0) == 0 ? OK : ERR_IO, "the next rotation tries again");
    }
    close(file->fd);
    logfile_fd_open(file);
}

/* How many bytes it took. */
static size_t logfile_put(struct logfile *file, struct bytes bytes)
{
    size_t done = 0;
    while (file->fd >= 0 && done < bytes.len) {
        ssize_t n =
            FAILPOINT_FAILS(LOG_WRITE) ? -1 : write(file->fd, bytes.data + done, bytes.len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
    file->part_bytes += done;
    return done;
}

static void loss_tell(struct logfile *file)
{
    char text[96];
    int n = snprintf(text, sizeof text, "\n[muster: %" PRIu64 " bytes were lost here: no space]\n",
                     file->untold_bytes);
    struct bytes line = {(const uint8_t *)text, (size_t)n};
    if (logfile_put(file, line) == line.len) {
        file->untold_bytes = 0;
    }
}

void logfile_write(struct logfile *file, struct bytes bytes)
{
    file->written_bytes += bytes.len;
    tail_add(file, bytes);
    if (file->fd < 0) {
        logfile_fd_open(file);
    }
    if (file->untold_bytes > 0) {
        loss_tell(file);
    }
    while (bytes.len > 0 && file->fd >= 0) {
        if (file->part_bytes >= LOGFILE_PART_BYTES) {
            logfile_rotate(file);
        }
        uint64_t room =
            file->part_bytes < LOGFILE_PART_BYTES ? LOGFILE_PART_BYTES - file->part_bytes : 0;
        struct bytes part = {bytes.data, bytes.len < room ? bytes.len : (size_t)room};
        size_t done = logfile_put(file, part);
        bytes.data += done;
        bytes.len -= done;
        if (done < part.len || part.len == 0) {
            break;
        }
    }
    file->lost_bytes += bytes.len;
    file->untold_bytes += bytes.len;
}

uint64_t logfile_written_bytes(const struct logfile *file)
{
    return file->written_bytes;
}

uint64_t logfile_lost_bytes(const struct logfile *file)
{
    return file->lost_bytes;
}
