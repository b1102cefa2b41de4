#include "work/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "work/pack_inside.h"

enum { NAMES_MAX_BYTES = 256 << 20, READ_BYTES = 256 << 10 };

error_code work_pack_new(const struct work_pack_options *options, struct work_pack **ret_pack,
                         struct report *report)
{
    struct work_pack *pack = mem_zalloc(sizeof *pack);
    if (pack == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    arena_init(&pack->arena, NAMES_MAX_BYTES);
    buf_init(&pack->ready, 2 * USTAR_ENTRY_MAX_BYTES);
    pack->file_fd = -1;
    pack->folder = arena_strdup(&pack->arena, options->folder);
    pack->folder_fd = open(options->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    error_code error = OK;
    if (pack->folder == NULL) {
        error = report_fail(report, ERR_NO_MEMORY, "out of memory");
    } else if (pack->folder_fd < 0) {
        int number = errno;
        error =
            report_fail(report, error_from_errno(number), "the work folder %s cannot be read: %s",
                        options->folder, strerror(number));
    } else {
        error = pack_scan(pack, options, report);
    }
    if (error != OK) {
        work_pack_free(pack);
        return error;
    }
    *ret_pack = pack;
    return OK;
}

void work_pack_free(struct work_pack *pack)
{
    if (pack == NULL) {
        return;
    }
    if (pack->file_fd >= 0) {
        close(pack->file_fd);
    }
    if (pack->folder_fd >= 0) {
        close(pack->folder_fd);
    }
    buf_fini(&pack->ready);
    mem_free(pack->entries);
    arena_fini(&pack->arena);
    mem_free(pack);
}

uint64_t work_pack_bytes(const struct work_pack *pack)
{
    return pack->bytes;
}

uint32_t work_pack_entries(const struct work_pack *pack)
{
    return pack->n;
}

void work_pack_rewind(struct work_pack *pack)
{
    if (pack->file_fd >= 0) {
        close(pack->file_fd);
        pack->file_fd = -1;
    }
    pack->at = 0;
    pack->file_left = 0;
    pack->ready_read = 0;
    pack->is_ended = false;
    buf_reset(&pack->ready);
}

static error_code changed_fail(const struct work_pack *pack, const struct pack_entry *entry,
                               struct report *report)
{
    return report_fail(report, ERR_CONFLICT,
                       "%s/%.300s changed while it was packed; put what is written to meanwhile "
                       "into workdir.ignore, and submit again",
                       pack->folder, entry->entry.path);
}

static bool entry_is_as_seen(const struct pack_entry *entry, const struct stat *about)
{
    return about->st_ino == entry->inode && (uint64_t)about->st_size == entry->entry.size &&
           about->st_ctim.tv_sec == entry->changed.tv_sec &&
           about->st_ctim.tv_nsec == entry->changed.tv_nsec &&
           about->st_mtim.tv_sec == entry->modified.tv_sec &&
           about->st_mtim.tv_nsec == entry->modified.tv_nsec;
}

static error_code file_open(struct work_pack *pack, const struct pack_entry *entry,
                            struct report *report)
{
    struct stat about;
    pack->file_fd =
        openat(pack->folder_fd, entry->entry.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (pack->file_fd < 0) {
        int number = errno;
        return number == ENOENT || number == ELOOP || number == ENOTDIR
                   ? changed_fail(pack, entry, report)
                   : report_fail(report, error_from_errno(number),
                                 "%s/%.300s cannot be read: %s; put it into workdir.ignore if "
                                 "trials do without it",
                                 pack->folder, entry->entry.path, strerror(number));
    }
    pack->file_left = entry->entry.size;
    bool is_same = fstat(pack->file_fd, &about) == 0 && S_ISREG(about.st_mode) &&
                   entry_is_as_seen(entry, &about);
    return is_same ? OK : changed_fail(pack, entry, report);
}

static error_code file_close(struct work_pack *pack, struct report *report)
{
    static const uint8_t zeroes[USTAR_BLOCK_BYTES];
    const struct pack_entry *entry = &pack->entries[pack->at - 1];
    struct stat about;
    bool is_same = fstat(pack->file_fd, &about) == 0 && entry_is_as_seen(entry, &about);
    close(pack->file_fd);
    pack->file_fd = -1;
    ignore_error(buf_append(&pack->ready, zeroes, ustar_padding(entry->entry.size)),
                 "checked by who reads it");
    return is_same ? pack->ready.failed : changed_fail(pack, entry, report);
}

/* Makes what comes next: headers of an entry, or the end. */
static error_code pack_advance(struct work_pack *pack, struct report *report)
{
    static const uint8_t end[2 * USTAR_BLOCK_BYTES];
    buf_reset(&pack->ready);
    pack->ready_read = 0;
    if (pack->file_fd >= 0) {
        return file_close(pack, report);
    }
    if (pack->at == pack->n) {
        pack->is_ended = true;
        return buf_append(&pack->ready, end, sizeof end);
    }
    const struct pack_entry *entry = &pack->entries[pack->at++];
    error_code error = ustar_write(&entry->entry, &pack->ready);
    return error == OK && entry->entry.kind == USTAR_FILE ? file_open(pack, entry, report) : error;
}

static error_code file_read(struct work_pack *pack, uint8_t *to, size_t size_bytes, size_t *ret_n,
                            struct report *report)
{
    size_t wanted = pack->file_left < size_bytes ? (size_t)pack->file_left : size_bytes;
    ssize_t n;
    while ((n = read(pack->file_fd, to, wanted)) < 0 && errno == EINTR) {
    }
    if (n <= 0) {
        return changed_fail(pack, &pack->entries[pack->at - 1], report);
    }
    pack->file_left -= (uint64_t)n;
    *ret_n = (size_t)n;
    return OK;
}

error_code work_pack_read(struct work_pack *pack, void *buffer, size_t size_bytes, size_t *ret_n,
                          struct report *report)
{
    uint8_t *to = buffer;
    size_t done = 0;
    while (done < size_bytes) {
        size_t n = pack->ready.len - pack->ready_read;
        error_code error = OK;
        if (n > 0) {
            n = n < size_bytes - done ? n : size_bytes - done;
            memcpy(to + done, pack->ready.data + pack->ready_read, n);
            pack->ready_read += n;
        } else if (pack->file_fd >= 0 && pack->file_left > 0) {
            error = file_read(pack, to + done, size_bytes - done, &n, report);
        } else if (pack->is_ended) {
            break;
        } else {
            error = pack_advance(pack, report);
        }
        if (error != OK) {
            return error;
        }
        done += n;
    }
    *ret_n = done;
    return OK;
}

error_code work_pack_hash(struct work_pack *pack, char ret_hash[WORK_HASH_TEXT_BYTES],
                          struct report *report)
{
    struct work_hasher hasher;
    size_t n = 1;
    uint8_t *buffer = mem_alloc(READ_BYTES);
    if (buffer == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    work_pack_rewind(pack);
    work_hasher_init(&hasher);
    error_code error = OK;
    while (error == OK && n > 0) {
        error = work_pack_read(pack, buffer, READ_BYTES, &n, report);
        if (error == OK) {
            work_hasher_add(&hasher, buffer, n);
        }
    }
    mem_free(buffer);
    work_pack_rewind(pack);
    if (error == OK) {
        work_hasher_end(&hasher, ret_hash);
    }
    return error;
}
