#include "work/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/files.h"
#include "work/tree.h"
#include "work/ustar.h"

enum { INPUT_BYTES = 256 << 10 };

typedef enum { UNPACK_HEADER, UNPACK_CONTENTS, UNPACK_PADDING, UNPACK_ENDED } unpack_state;

struct work_unpack {
    char folder[FILES_PATH_MAX_BYTES];
    int root_fd;
    struct work_limits limits;
    struct ustar_reader reader;
    bool has_begun;
    bool is_summed; /* each piece is proven as it comes; else: */
    struct work_hasher hasher;
    unpack_state state;
    uint8_t block[USTAR_BLOCK_BYTES]; /* the header block that is coming */
    size_t block_len;
    struct ustar_entry entry; /* whose contents come; its texts are the reader's */
    int file_fd;              /* of it; -1: none */
    uint64_t left;            /* of contents or padding */
    uint64_t bytes;
    uint32_t entries;
    bool is_good; /* proven: the folder stays */
};

/* ---- out: every step of a path is opened by itself and is no link ---- */

static error_code entry_fail(const char *path, struct report *report)
{
    int number = errno;
    error_code error = number == ELOOP || number == ENOTDIR || number == EEXIST || number == ENOENT
                           ? ERR_FORMAT
                           : error_from_errno(number);
    return report_fail(report, error, "'%.300s' of the work folder cannot be made: %s", path,
                       strerror(number));
}

/* The folder that holds `path`, and the last segment. The descriptor is the caller's. */
static error_code parent_open(const struct work_unpack *unpack, const char *path, int *ret_fd,
                              const char **ret_name, struct report *report)
{
    char segment[USTAR_PATH_MAX_BYTES + 1];
    int fd = dup(unpack->root_fd);
    const char *slash;
    const char *at = path;
    while (fd >= 0 && (slash = strchr(at, '/')) != NULL) {
        memcpy(segment, at, (size_t)(slash - at));
        segment[slash - at] = '\0';
        int next = openat(fd, segment, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int number = errno;
        close(fd);
        errno = number;
        fd = next;
        at = slash + 1;
    }
    if (fd < 0) {
        return entry_fail(path, report);
    }
    *ret_fd = fd;
    *ret_name = at;
    return OK;
}

/* ---- one entry ---- */

static error_code file_open(struct work_unpack *unpack, int folder_fd, const char *name,
                            struct report *report)
{
    unpack->file_fd =
        openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return unpack->file_fd >= 0 ? OK : entry_fail(unpack->entry.path, report);
}

static error_code file_close(struct work_unpack *unpack, struct report *report)
{
    int fd = unpack->file_fd;
    error_code error = OK;
    unpack->file_fd = -1;
    if (fchmod(fd, unpack->entry.is_executable ? 0555 : 0444) != 0) {
        error = entry_fail(unpack->entry.path, report);
    }
    if (close(fd) != 0 && error == OK) {
        error = entry_fail(unpack->entry.path, report);
    }
    unpack->left = ustar_padding(unpack->entry.size);
    unpack->state = unpack->left > 0 ? UNPACK_PADDING : UNPACK_HEADER;
    return error;
}

static error_code entry_make(struct work_unpack *unpack, struct report *report)
{
    const struct ustar_entry *entry = &unpack->entry;
    int folder_fd = -1;
    const char *name = "";
    if (++unpack->entries > unpack->limits.entries_max ||
        entry->size > unpack->limits.bytes_max - unpack->bytes) {
        return report_fail(
            report, ERR_LIMIT, "the packed work folder holds more than %u entries or %llu bytes",
            unpack->limits.entries_max, (unsigned long long)unpack->limits.bytes_max);
    }
    unpack->bytes += entry->size;
    error_code error = parent_open(unpack, entry->path, &folder_fd, &name, report);
    if (error != OK) {
        return error;
    }
    if (entry->kind == USTAR_FILE) {
        error = file_open(unpack, folder_fd, name, report);
    } else if (entry->kind == USTAR_FOLDER ? mkdirat(folder_fd, name, 0700) != 0
                                           : symlinkat(entry->target, folder_fd, name) != 0) {
        error = entry_fail(entry->path, report);
    }
    close(folder_fd);
    if (error != OK || entry->kind != USTAR_FILE) {
        return error;
    }
    unpack->left = entry->size;
    unpack->state = UNPACK_CONTENTS;
    return entry->size > 0 ? OK : file_close(unpack, report);
}

/* ---- bytes as they come; each takes some of them ---- */

static error_code header_take(struct work_unpack *unpack, struct bytes *bytes,
                              struct report *report)
{
    size_t n = USTAR_BLOCK_BYTES - unpack->block_len;
    ustar_step step;
    n = n < bytes->len ? n : bytes->len;
    memcpy(unpack->block + unpack->block_len, bytes->data, n);
    unpack->block_len += n;
    bytes->data += n;
    bytes->len -= n;
    if (unpack->block_len < USTAR_BLOCK_BYTES) {
        return OK;
    }
    unpack->block_len = 0;
    error_code error = ustar_read(&unpack->reader, unpack->block, &step, &unpack->entry, report);
    if (error != OK || step == USTAR_MORE) {
        return error;
    }
    if (step == USTAR_END) {
        unpack->state = UNPACK_ENDED;
        return OK;
    }
    return entry_make(unpack, report);
}

static error_code contents_take(struct work_unpack *unpack, struct bytes *bytes,
                                struct report *report)
{
    size_t n = unpack->left < bytes->len ? (size_t)unpack->left : bytes->len;
    ssize_t written = write(unpack->file_fd, bytes->data, n);
    if (written < 0) {
        return errno == EINTR ? OK : entry_fail(unpack->entry.path, report);
    }
    bytes->data += written;
    bytes->len -= (size_t)written;
    unpack->left -= (uint64_t)written;
    return unpack->left > 0 ? OK : file_close(unpack, report);
}

static void padding_take(struct work_unpack *unpack, struct bytes *bytes)
{
    size_t n = unpack->left < bytes->len ? (size_t)unpack->left : bytes->len;
    bytes->data += n;
    bytes->len -= n;
    unpack->left -= n;
    unpack->state = unpack->left > 0 ? UNPACK_PADDING : UNPACK_HEADER;
}

static error_code others_fail(struct report *report)
{
    return report_fail(report, ERR_FORMAT,
                       "the packed work folder's bytes are not those that its name says");
}

static error_code piece_prove(struct work_unpack *unpack, struct bytes bytes, uint64_t sum,
                              struct report *report)
{
    unpack->is_summed = unpack->has_begun ? unpack->is_summed : sum != 0;
    unpack->has_begun = true;
    if (unpack->is_summed) {
        return work_piece_sum(bytes) == sum ? OK : others_fail(report);
    }
    work_hasher_add(&unpack->hasher, bytes.data, bytes.len);
    return OK;
}

error_code work_unpack_add(struct work_unpack *unpack, struct bytes bytes, uint64_t sum,
                           struct report *report)
{
    error_code error = piece_prove(unpack, bytes, sum, report);
    while (error == OK && bytes.len > 0) {
        if (unpack->state == UNPACK_HEADER) {
            error = header_take(unpack, &bytes, report);
        } else if (unpack->state == UNPACK_CONTENTS) {
            error = contents_take(unpack, &bytes, report);
        } else if (unpack->state == UNPACK_PADDING) {
            padding_take(unpack, &bytes);
        } else {
            error = report_fail(report, ERR_FORMAT, "bytes behind the packed work folder");
        }
    }
    return error;
}

error_code work_unpack_end(struct work_unpack *unpack, const char *hash, uint64_t *ret_bytes,
                           struct report *report)
{
    char text[WORK_HASH_TEXT_BYTES];
    if (unpack->state != UNPACK_ENDED) {
        return report_fail(report, ERR_FORMAT, "the packed work folder ends too early");
    }
    work_hasher_end(&unpack->hasher, text);
    if (!unpack->is_summed && strcmp(text, hash) != 0) {
        return others_fail(report);
    }
    error_code error = work_tree_seal(unpack->folder, report);
    unpack->is_good = error == OK;
    *ret_bytes = unpack->bytes;
    return error;
}

/* ---- life ---- */

error_code work_unpack_new(const char *folder, const struct work_limits *limits,
                           struct work_unpack **ret_unpack, struct report *report)
{
    struct work_unpack *unpack =
        strlen(folder) < FILES_PATH_MAX_BYTES ? mem_zalloc(sizeof *unpack) : NULL;
    if (unpack == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    unpack->root_fd = unpack->file_fd = -1;
    unpack->limits = *limits;
    ustar_reader_init(&unpack->reader);
    work_hasher_init(&unpack->hasher);
    bool is_made = mkdir(folder, 0700) == 0;
    if (is_made) {
        memcpy(unpack->folder, folder, strlen(folder) + 1);
        unpack->root_fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (unpack->root_fd < 0) {
        int number = errno;
        work_unpack_free(unpack);
        return report_fail(report, error_from_errno(number), "%s cannot be made: %s", folder,
                           strerror(number));
    }
    *ret_unpack = unpack;
    return OK;
}

void work_unpack_free(struct work_unpack *unpack)
{
    if (unpack == NULL) {
        return;
    }
    if (unpack->file_fd >= 0) {
        close(unpack->file_fd);
    }
    if (unpack->root_fd >= 0) {
        close(unpack->root_fd);
    }
    if (!unpack->is_good && unpack->folder[0] != '\0') {
        ignore_error(dir_remove_tree(unpack->folder, NULL),
                     "the next start of the agent removes it");
    }
    ustar_reader_fini(&unpack->reader);
    mem_free(unpack);
}

error_code work_unpack(int fd, const char *hash, const char *folder,
                       const struct work_limits *limits, uint64_t *ret_bytes, struct report *report)
{
    struct work_unpack *unpack = NULL;
    uint8_t *input = mem_alloc(INPUT_BYTES);
    error_code error = input == NULL ? report_fail(report, ERR_NO_MEMORY, "out of memory")
                                     : work_unpack_new(folder, limits, &unpack, report);
    for (off_t at = 0; error == OK;) {
        ssize_t n = pread(fd, input, INPUT_BYTES, at);
        if (n == 0) {
            break;
        }
        if (n > 0) {
            at += n;
            error = work_unpack_add(unpack, (struct bytes){input, (size_t)n}, 0, report);
        } else if (errno != EINTR) {
            int number = errno;
            error = report_fail(report, error_from_errno(number),
                                "the packed work folder cannot be read: %s", strerror(number));
        }
    }
    if (error == OK) {
        error = work_unpack_end(unpack, hash, ret_bytes, report);
    }
    work_unpack_free(unpack);
    mem_free(input);
    return error;
}
