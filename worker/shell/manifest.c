#include "worker/shell/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_out.h"
#include "sys/files.h"
#include "worker/shell/manifest_inside.h"

enum { HASH_TEXT_BYTES = 17 };

static error_code fail_errno(struct report *report, const char *what, const char *path)
{
    int number = errno;
    return report_fail(report, error_from_errno(number), "cannot %s %s: %s", what, path,
                       strerror(number));
}

/* ---- writing ---- */

struct listing {
    struct buf text;
    struct json_out json;
    char path[MANIFEST_PATH_MAX]; /* of the folder being walked, relative, with a / behind it */
    uint32_t n_files;
    uint64_t bytes;
    struct proofs *proofs;
    struct report *report;
};

static error_code listing_file(struct listing *list, int folder_fd, const char *name)
{
    char hash_text[HASH_TEXT_BYTES];
    uint64_t bytes = 0, hash = 0;
    struct stat about;
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(list->report, "open", name);
    }
    error_code error = OK;
    if (fchmod(fd, 0444) != 0) {
        error = fail_errno(list->report, "protect", name);
    } else if (fsync(fd) != 0) {
        error = fail_errno(list->report, "write to disk", name);
    }
    /* Read only once it is on disk: from here on even a write through a mapping changes its times.
     */
    struct timespec since = proofs_clock();
    error = error == OK ? manifest_fd_hash(fd, name, NULL, &hash, &bytes, list->report) : error;
    if (error == OK && list->proofs != NULL && fstat(fd, &about) == 0) {
        proofs_note(list->proofs, &about, hash, since);
    }
    close(fd);
    if (error != OK) {
        return error;
    }
    char path[MANIFEST_PATH_MAX + NAME_MAX_BYTES * 3];
    ignore_error(snprintf(path, sizeof path, "%s%s", list->path, name) < 0, "checked before");
    ignore_error(snprintf(hash_text, sizeof hash_text, "%016" PRIx64, hash) < 0, "it fits");
    json_object_begin(&list->json, NULL);
    json_str(&list->json, "name", path);
    json_u64(&list->json, "size", bytes);
    json_str(&list->json, "xxh3", hash_text);
    json_object_end(&list->json);
    list->bytes += bytes;
    return list->text.failed;
}

static error_code listing_folder(struct listing *list, int fd, uint32_t depth);

static error_code listing_subfolder(struct listing *list, int folder_fd, const char *name,
                                    uint32_t depth)
{
    if (depth >= MANIFEST_DEPTH_MAX) {
        return report_fail(list->report, ERR_LIMIT, "a snapshot has at most %d levels of folders",
                           MANIFEST_DEPTH_MAX);
    }
    int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(list->report, "open", name);
    }
    size_t len = strlen(list->path);
    ignore_error(snprintf(list->path + len, sizeof list->path - len, "%s/", name) < 0,
                 "checked before");
    error_code error = listing_folder(list, fd, depth + 1);
    list->path[len] = '\0';
    return error;
}

static error_code listing_entry(struct listing *list, int folder_fd, const char *name,
                                uint32_t depth)
{
    struct stat about;
    if (fstatat(folder_fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail_errno(list->report, "look at", name);
    }
    if (strlen(list->path) + strlen(name) + 2 > sizeof list->path ||
        ++list->n_files > MANIFEST_FILES_MAX) {
        return report_fail(list->report, ERR_LIMIT,
                           "a snapshot has at most %d files with names of up to %d bytes",
                           MANIFEST_FILES_MAX, MANIFEST_PATH_MAX - 2);
    }
    json_t *text = json_string(name); /* fails for what is no UTF-8 */
    json_decref(text);
    if (text == NULL) {
        return report_fail(list->report, ERR_INVALID, "a snapshot's file names are UTF-8");
    }
    if (S_ISDIR(about.st_mode)) {
        return listing_subfolder(list, folder_fd, name, depth);
    }
    if (!S_ISREG(about.st_mode)) {
        return report_fail(list->report, ERR_INVALID,
                           "a snapshot holds files and folders only, and '%s%s' is neither",
                           list->path, name);
    }
    if (depth == 0 && strcmp(name, MANIFEST_NAME) == 0) {
        return report_fail(list->report, ERR_INVALID,
                           "a snapshot's " MANIFEST_NAME " is muster's own: use another name");
    }
    return listing_file(list, folder_fd, name);
}

/* Takes `fd`. Its names are forced to disk after what they name. */
static error_code listing_folder(struct listing *list, int fd, uint32_t depth)
{
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        close(fd);
        return report_fail(list->report, ERR_NO_MEMORY, "no memory to list a snapshot");
    }
    error_code error = OK;
    const struct dirent *entry;
    while (error == OK && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            error = listing_entry(list, fd, entry->d_name, depth);
        }
    }
    if (error == OK && fsync(fd) != 0) {
        error = fail_errno(list->report, "write to disk", "a folder of a snapshot");
    }
    if (error == OK && depth > 0 && fchmod(fd, 0555) != 0) {
        error = fail_errno(list->report, "protect", "a folder of a snapshot");
    }
    closedir(folder);
    return error;
}

error_code manifest_write(const char *folder, struct proofs *proofs, struct manifest *manifest,
                          struct report *report)
{
    struct listing list = {.proofs = proofs, .report = report};
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(report, "open", folder);
    }
    buf_init(&list.text, MANIFEST_MAX_BYTES);
    list.json = json_out_to(&list.text);
    json_object_begin(&list.json, NULL);
    json_u64(&list.json, "version", MANIFEST_VERSION);
    json_task_id(&list.json, "trial", manifest->task);
    json_u64(&list.json, "ordinal", manifest->ordinal);
    json_i64(&list.json, "step", manifest->step);
    json_u64(&list.json, "attempt", manifest->attempt);
    json_array_begin(&list.json, "files");
    error_code error = listing_folder(&list, fd, 0);
    json_array_end(&list.json);
    json_u64(&list.json, "bytes", list.bytes);
    json_object_end(&list.json);
    ignore_error(buf_append_byte(&list.text, '\n'), "sticky");
    if (error == OK && list.text.failed != OK) {
        error = report_fail(report, list.text.failed, "a snapshot's list of files is too long");
    }
    if (error == OK) {
        char path[FILES_PATH_MAX_BYTES];
        int n = snprintf(path, sizeof path, "%s/" MANIFEST_NAME, folder);
        error = n < 0 || (size_t)n >= sizeof path
                    ? report_fail(report, ERR_LIMIT, "the path %s is too long", folder)
                    : file_write_atomic(path, buf_bytes(&list.text), 0444, report);
    }
    buf_fini(&list.text);
    manifest->bytes = list.bytes;
    return error;
}
