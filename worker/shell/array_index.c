#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/failpoints.h"
#include "sys/files.h"
#include "sys/log.h"
#include "worker/shell/array_logs.h"

/* Little-endian: 0 id, 4 attempt, 8 lane, 12 generation, 16 first byte and 24 length of stdout's
 * span, 32 and 40 of stderr's. */
enum { ROW_BYTES = 48, ROWS_A_READ = 1024, PATH_BYTES = FILES_PATH_MAX_BYTES + 96 };

struct array_log_index {
    int fd;
};

static void put(uint8_t *to, uint64_t value, int n)
{
    for (int i = 0; i < n; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get(const uint8_t *from, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

static void row_read(const uint8_t *bytes, struct array_log_row *ret_row)
{
    *ret_row = (struct array_log_row){
        .id = (uint32_t)get(bytes, 4),
        .attempt = (uint32_t)get(bytes + 4, 4),
        .lane = (uint32_t)get(bytes + 8, 4),
        .generation = (uint32_t)get(bytes + 12, 4),
        .spans = {{get(bytes + 16, 8), get(bytes + 24, 8)},
                  {get(bytes + 32, 8), get(bytes + 40, 8)}},
    };
}

static int index_fd(const char *folder, int flags)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/index", folder);
    return n > 0 && (size_t)n < sizeof path ? open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
}

error_code array_log_index_open(const char *folder, struct array_log_index **ret_index)
{
    struct stat about;
    int fd = index_fd(folder, O_WRONLY | O_CREAT | O_APPEND);
    if (fd < 0) {
        return error_from_errno(errno);
    }
    /* A row that was cut by the end of an agent before this one. */
    if (fstat(fd, &about) == 0 && about.st_size % ROW_BYTES != 0) {
        ignore_error(ftruncate(fd, about.st_size - about.st_size % ROW_BYTES) == 0 ? OK : ERR_IO,
                     "rows behind it are then not found");
    }
    struct array_log_index *index = mem_zalloc(sizeof *index);
    if (index == NULL) {
        close(fd);
        return ERR_NO_MEMORY;
    }
    index->fd = fd;
    *ret_index = index;
    return OK;
}

void array_log_index_close(struct array_log_index *index)
{
    if (index != NULL) {
        close(index->fd);
        mem_free(index);
    }
}

void array_log_index_add(struct array_log_index *index, const struct array_log_row *row)
{
    uint8_t bytes[ROW_BYTES];
    put(bytes, row->id, 4);
    put(bytes + 4, row->attempt, 4);
    put(bytes + 8, row->lane, 4);
    put(bytes + 12, row->generation, 4);
    for (int i = 0; i < ARRAY_LOG_STREAMS; i++) {
        put(bytes + 16 * (i + 1), row->spans[i].first, 8);
        put(bytes + 16 * (i + 1) + 8, row->spans[i].bytes, 8);
    }
    off_t before = lseek(index->fd, 0, SEEK_END);
    ssize_t written = FAILPOINT_FAILS(LANE_INDEX) ? -1 : write(index->fd, bytes, sizeof bytes);
    if (written != (ssize_t)sizeof bytes) {
        log_once("array-index", LOG_LEVEL_WARNING,
                 "where the output of an array's task lies cannot be written: %s",
                 strerror(written < 0 ? errno : ENOSPC));
        ignore_error(ftruncate(index->fd, before) == 0 ? OK : ERR_IO, "the next start cuts it");
    }
}

/* Rows of one block, the newest first. */
static bool block_find(const uint8_t *block, size_t n_rows, uint32_t id, uint32_t attempt,
                       struct array_log_row *ret_row)
{
    for (size_t i = n_rows; i > 0; i--) {
        const uint8_t *bytes = block + (i - 1) * ROW_BYTES;
        if (get(bytes, 4) == id && get(bytes + 4, 4) == attempt) {
            row_read(bytes, ret_row);
            return true;
        }
    }
    return false;
}

bool array_log_index_find(const char *folder, uint32_t id, uint32_t attempt,
                          struct array_log_row *ret_row)
{
    static uint8_t block[ROWS_A_READ * ROW_BYTES]; /* of the loop's thread */
    struct stat about;
    bool is_found = false;
    int fd = index_fd(folder, O_RDONLY);
    if (fd < 0) {
        return false;
    }
    uint64_t n_rows = fstat(fd, &about) == 0 ? (uint64_t)about.st_size / ROW_BYTES : 0;
    while (n_rows > 0 && !is_found) {
        uint64_t n = n_rows < ROWS_A_READ ? n_rows : ROWS_A_READ;
        n_rows -= n;
        size_t bytes = (size_t)n * ROW_BYTES;
        if (pread(fd, block, bytes, (off_t)(n_rows * ROW_BYTES)) != (ssize_t)bytes) {
            break;
        }
        is_found = block_find(block, n, id, attempt, ret_row);
    }
    close(fd);
    return is_found;
}

int array_log_file_open(const char *folder, const struct array_log_row *row, uint32_t stream)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/%" PRIu32 ".%" PRIu32 ".%s", folder, row->lane,
                     row->generation, stream == 0 ? "out" : "err");
    return n > 0 && (size_t)n < sizeof path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
}
