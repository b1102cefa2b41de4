#include "worker/shell/fetch_staging.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/beneath.h"
#include "sys/failpoints.h"

static error_code fail_errno(struct report *report, const char *what, const char *path)
{
    int number = errno;
    return report_fail(report, error_from_errno(number), "cannot %s '%s' of a copied snapshot: %s",
                       what, path, strerror(number));
}

/* ---- life ---- */

struct fetch_staging *fetch_staging_new(const char *staging_dir, struct snapshot_name name)
{
    char id[TASK_ID_TEXT_MAX];
    struct fetch_staging *staging = mem_zalloc(sizeof *staging);
    if (staging == NULL) {
        return NULL;
    }
    staging->name = name;
    staging->folder_fd = -1;
    buf_init(&staging->text, MANIFEST_MAX_BYTES);
    int n = snprintf(staging->folder, sizeof staging->folder, "%s/%s.%" PRIu32, staging_dir,
                     task_id_print(name.task, id), name.ordinal);
    if (n < 0 || (size_t)n >= sizeof staging->folder) {
        mem_free(staging);
        return NULL;
    }
    return staging;
}

static void plan_forget(struct fetch_staging *staging)
{
    if (staging->folder_fd >= 0) {
        close(staging->folder_fd);
    }
    staging->folder_fd = -1;
    buf_fini(&staging->text);
    buf_init(&staging->text, MANIFEST_MAX_BYTES);
    manifest_list_fini(&staging->list);
    mem_free(TAKE(staging->piece_begins));
    mem_free(TAKE(staging->has_piece));
    staging->n_pieces = staging->missing_bytes = 0;
}

void fetch_staging_free(struct fetch_staging *staging)
{
    if (staging != NULL) {
        plan_forget(staging);
        mem_free(staging);
    }
}

void fetch_staging_clear(struct fetch_staging *staging)
{
    plan_forget(staging);
    ignore_error(dir_remove_tree(staging->folder, NULL), "the next start empties the folder");
}

/* ---- pieces ---- */

static bool piece_is_there(const struct fetch_staging *staging, uint64_t number)
{
    return (staging->has_piece[number / 8] >> (number % 8) & 1) != 0;
}

static uint64_t pieces_of(const struct manifest_file *file)
{
    return file->size / FILE_PIECE_MAX_BYTES + (file->size % FILE_PIECE_MAX_BYTES > 0 ? 1 : 0);
}

static struct fetch_piece piece_of(const struct fetch_staging *staging, uint32_t file,
                                   uint64_t number)
{
    const struct manifest_file *about = &staging->list.files[file];
    uint64_t offset = (number - staging->piece_begins[file]) * FILE_PIECE_MAX_BYTES;
    uint64_t left = about->size - offset;
    return (struct fetch_piece){
        .number = number,
        .file = about,
        .offset = offset,
        .size = left < FILE_PIECE_MAX_BYTES ? (uint32_t)left : FILE_PIECE_MAX_BYTES,
    };
}

/* The file with this piece: the last one that begins at it or before, and has any. */
static uint32_t file_of(const struct fetch_staging *staging, uint64_t number)
{
    uint32_t low = 0, high = staging->list.n_files;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (staging->piece_begins[middle] <= number) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

bool fetch_staging_next(const struct fetch_staging *staging, uint64_t from,
                        struct fetch_piece *ret_piece)
{
    for (uint64_t number = from; number < staging->n_pieces; number++) {
        if (!piece_is_there(staging, number)) {
            *ret_piece = piece_of(staging, file_of(staging, number), number);
            return true;
        }
    }
    return false;
}

static error_code data_write(int fd, struct bytes data, uint64_t offset)
{
    if (FAILPOINT_FAILS(COPY_WRITE)) {
        return error_from_errno(errno);
    }
    while (data.len > 0) {
        ssize_t n = pwrite(fd, data.data, data.len, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return error_from_errno(errno);
        }
        data.data += n;
        data.len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return OK;
}

error_code fetch_staging_write(struct fetch_staging *staging, const struct fetch_piece *piece,
                               struct bytes data, struct report *report)
{
    assert(data.len == piece->size);
    int fd = beneath_open(staging->folder_fd, piece->file->name, O_WRONLY | O_CREAT, 0600);
    if (fd < 0) {
        return fail_errno(report, "make the file", piece->file->name);
    }
    error_code error = data_write(fd, data, piece->offset);
    if (error != OK) {
        int number = errno;
        close(fd);
        errno = number;
        return fail_errno(report, "write the file", piece->file->name);
    }
    /* The disk begins now, so that the sync at the end finds little to do. */
    ignore_error(
        sync_file_range(fd, (off_t)piece->offset, (off_t)data.len, SYNC_FILE_RANGE_WRITE) == 0
            ? OK
            : ERR_SYSTEM,
        "it is synced in the end");
    close(fd);
    if (!piece_is_there(staging, piece->number)) {
        staging->has_piece[piece->number / 8] |= (uint8_t)(1 << piece->number % 8);
        staging->missing_bytes -= piece->size;
    }
    return OK;
}

/* ---- the plan ---- */

static error_code pieces_plan(struct fetch_staging *staging, struct report *report)
{
    const struct manifest_list *list = &staging->list;
    staging->piece_begins = mem_calloc(list->n_files + 1, sizeof *staging->piece_begins);
    if (staging->piece_begins == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for a copy");
    }
    for (uint32_t i = 0; i < list->n_files; i++) {
        staging->piece_begins[i + 1] = staging->piece_begins[i] + pieces_of(&list->files[i]);
    }
    staging->n_pieces = staging->piece_begins[list->n_files];
    staging->has_piece = mem_zalloc(staging->n_pieces / 8 + 1);
    return staging->has_piece != NULL ? OK
                                      : report_fail(report, ERR_NO_MEMORY, "no memory for a copy");
}

static error_code files_make(struct fetch_staging *staging, struct report *report)
{
    for (uint32_t i = 0; i < staging->list.n_files; i++) {
        const char *name = staging->list.files[i].name;
        int fd = beneath_folders_make(staging->folder_fd, name) == 0
                     ? beneath_open(staging->folder_fd, name, O_WRONLY | O_CREAT, 0600)
                     : -1;
        if (fd < 0 && (errno == ENOTDIR || errno == EISDIR || errno == EEXIST)) {
            return report_fail(report, ERR_FORMAT, "its file '%s' is a folder, too", name);
        }
        if (fd < 0) {
            return fail_errno(report, "make the file", name);
        }
        close(fd);
    }
    return OK;
}

static error_code space_check(const struct fetch_staging *staging, struct report *report)
{
    struct statvfs about;
    if (fstatvfs(staging->folder_fd, &about) != 0) {
        return fail_errno(report, "find room for", "the folder");
    }
    uint64_t free_bytes = (uint64_t)about.f_bavail * about.f_frsize;
    /* A block for each file's end, and as many for the names. */
    uint64_t more = 2 * (uint64_t)staging->list.n_files * about.f_bsize;
    return staging->missing_bytes <= free_bytes && more <= free_bytes - staging->missing_bytes
               ? OK
               : report_fail(report, ERR_NO_SPACE,
                             "a copied snapshot needs %llu MiB more on the disk, and %llu MiB are "
                             "free",
                             (unsigned long long)(staging->missing_bytes >> 20) + 1,
                             (unsigned long long)(free_bytes >> 20));
}

/* No other manifest came before. */
static error_code plan_make(struct fetch_staging *staging, struct report *report)
{
    error_code error = manifest_list_parse(buf_bytes(&staging->text), &staging->list, report);
    if (error == OK && (!task_id_equal(staging->list.manifest.task, staging->name.task) ||
                        staging->list.manifest.ordinal != staging->name.ordinal)) {
        error = report_fail(report, ERR_FORMAT, "its " MANIFEST_NAME " is another snapshot's");
    }
    staging->missing_bytes = staging->list.manifest.bytes;
    error = error == OK ? dir_remove_tree(staging->folder, report) : error;
    error = error == OK ? dir_make(staging->folder, report) : error;
    if (error != OK) {
        return error;
    }
    staging->folder_fd = open(staging->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (staging->folder_fd < 0) {
        return fail_errno(report, "open", "the folder");
    }
    /* First of all: what fits on the disk bounds what is noted of it in memory. */
    error = space_check(staging, report);
    error = error == OK ? pieces_plan(staging, report) : error;
    return error == OK ? files_make(staging, report) : error;
}

error_code fetch_staging_plan(struct fetch_staging *staging, struct buf *text,
                              struct report *report)
{
    if (staging->folder_fd >= 0 && staging->text.len == text->len &&
        memcmp(staging->text.data, text->data, text->len) == 0) {
        return space_check(staging, report);
    }
    plan_forget(staging);
    buf_fini(&staging->text);
    staging->text = *text;
    buf_init(text, 0);
    error_code error = plan_make(staging, report);
    if (error != OK) {
        plan_forget(staging);
    }
    return error;
}

/* ---- the end ---- */

static void file_forget(struct fetch_staging *staging, uint32_t file)
{
    for (uint64_t number = staging->piece_begins[file]; number < staging->piece_begins[file + 1];
         number++) {
        if (piece_is_there(staging, number)) {
            staging->has_piece[number / 8] &= (uint8_t) ~(1 << number % 8);
            staging->missing_bytes += piece_of(staging, file, number).size;
        }
    }
}

error_code fetch_staging_prove(struct fetch_staging *staging, const atomic_bool *must_stop,
                               struct report *report)
{
    const struct proving how = {.must_hash = true, .must_stop = must_stop};
    error_code worst = OK;
    FAILPOINT(COPY_PROVE);
    for (uint32_t i = 0; i < staging->list.n_files; i++) {
        error_code error =
            manifest_file_prove(staging->folder_fd, &staging->list.files[i], &how, report);
        if (error == ERR_FORMAT) {
            file_forget(staging, i);
            worst = error;
        } else if (error != OK) {
            return error;
        }
    }
    return worst;
}

static error_code file_seal(int folder_fd, const char *name, struct report *report)
{
    int fd = beneath_open(folder_fd, name, O_RDONLY | O_NONBLOCK, 0);
    bool is_sealed = fd >= 0 && fsync(fd) == 0 && fchmod(fd, 0444) == 0;
    error_code error = is_sealed ? OK : fail_errno(report, "write to disk the file", name);
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

/* Names are forced to disk after what they name. Takes the descriptor. */
static error_code folder_seal(int fd, bool is_top, struct report *report)
{
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        close(fd);
        return report_fail(report, ERR_NO_MEMORY, "no memory for a copy");
    }
    error_code error = OK;
    const struct dirent *entry;
    while (error == OK && (entry = readdir(folder)) != NULL) {
        struct stat about;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(fd, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISDIR(about.st_mode)) {
            continue;
        }
        int sub = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        error = sub < 0 ? fail_errno(report, "open the folder", entry->d_name)
                        : folder_seal(sub, false, report);
    }
    if (error == OK && (fsync(fd) != 0 || (!is_top && fchmod(fd, 0555) != 0))) {
        error = fail_errno(report, "write to disk", "a folder");
    }
    closedir(folder);
    return error;
}

error_code fetch_staging_seal(struct fetch_staging *staging, struct report *report)
{
    char path[FILES_PATH_MAX_BYTES + 32];
    error_code error = OK;
    for (uint32_t i = 0; i < staging->list.n_files && error == OK; i++) {
        error = file_seal(staging->folder_fd, staging->list.files[i].name, report);
    }
    ignore_error(snprintf(path, sizeof path, "%s/" MANIFEST_NAME, staging->folder) < 0, "it fits");
    error = error == OK ? file_write_atomic(path, buf_bytes(&staging->text), 0444, report) : error;
    if (error != OK) {
        return error;
    }
    int fd = openat(staging->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? fail_errno(report, "open", "the folder") : folder_seal(fd, true, report);
}
