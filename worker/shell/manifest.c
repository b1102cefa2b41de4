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
#include <xxhash.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h> /* hashes with the widest vectors that the processor has */
#endif

#include "base/json_out.h"
#include "base/mem.h"
#include "sys/files.h"

enum { HASH_BLOCK_BYTES = 256 << 10, HASH_TEXT_BYTES = 17 };

static error_code fail_errno(struct report *report, const char *what, const char *path)
{
    int number = errno;
    return report_fail(report, error_from_errno(number), "cannot %s %s: %s", what, path,
                       strerror(number));
}

/* ---- one file ---- */

static error_code fd_hash(int fd, const char *path, char ret_text[HASH_TEXT_BYTES],
                          uint64_t *ret_bytes, struct report *report)
{
    CLEANUP(mem_freep) uint8_t *block = mem_alloc(HASH_BLOCK_BYTES);
    XXH3_state_t *state = XXH3_createState();
    if (block == NULL || state == NULL || XXH3_64bits_reset(state) == XXH_ERROR) {
        XXH3_freeState(state);
        return report_fail(report, ERR_NO_MEMORY, "no memory to read %s", path);
    }
    uint64_t bytes = 0;
    ssize_t n;
    while ((n = read(fd, block, HASH_BLOCK_BYTES)) > 0 || (n < 0 && errno == EINTR)) {
        size_t len = n > 0 ? (size_t)n : 0;
        ignore_error(XXH3_64bits_update(state, block, len) == XXH_OK ? OK : ERR_SYSTEM,
                     "fails for NULL only");
        bytes += len;
    }
    error_code error = n < 0 ? fail_errno(report, "read", path) : OK;
    ignore_error(snprintf(ret_text, HASH_TEXT_BYTES, "%016" PRIx64, XXH3_64bits_digest(state)) < 0,
                 "it fits");
    XXH3_freeState(state);
    *ret_bytes = bytes;
    return error;
}

/* ---- writing ---- */

struct listing {
    struct buf text;
    struct json_out json;
    char path[MANIFEST_PATH_MAX]; /* of the folder being walked, relative, with a / behind it */
    uint32_t n_files;
    uint64_t bytes;
    struct report *report;
};

static error_code listing_file(struct listing *list, int folder_fd, const char *name)
{
    char hash[HASH_TEXT_BYTES];
    uint64_t bytes = 0;
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(list->report, "open", name);
    }
    error_code error = fd_hash(fd, name, hash, &bytes, list->report);
    if (error == OK && fsync(fd) != 0) {
        error = fail_errno(list->report, "write to disk", name);
    }
    if (error == OK && fchmod(fd, 0444) != 0) {
        error = fail_errno(list->report, "protect", name);
    }
    close(fd);
    if (error != OK) {
        return error;
    }
    char path[MANIFEST_PATH_MAX + NAME_MAX_BYTES * 3];
    ignore_error(snprintf(path, sizeof path, "%s%s", list->path, name) < 0, "checked before");
    json_object_begin(&list->json, NULL);
    json_str(&list->json, "name", path);
    json_u64(&list->json, "size", bytes);
    json_str(&list->json, "xxh3", hash);
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

error_code manifest_write(const char *folder, struct manifest *manifest, struct report *report)
{
    struct listing list = {.report = report};
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

/* ---- reading ---- */

/* A name from a manifest may not lead out of its folder. */
static bool name_is_inside(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < MANIFEST_PATH_MAX && name[0] != '/' && strncmp(name, "../", 3) != 0 &&
           strstr(name, "/../") == NULL;
}

static error_code verify_file(int folder_fd, const json_t *file, bool must_hash,
                              struct report *report)
{
    const char *name = json_string_value(json_object_get(file, "name"));
    const char *hash = json_string_value(json_object_get(file, "xxh3"));
    const json_t *size = json_object_get(file, "size");
    if (name == NULL || hash == NULL || !json_is_integer(size) || !name_is_inside(name)) {
        return report_fail(report, ERR_FORMAT, "its " MANIFEST_NAME " is damaged");
    }
    struct stat about;
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) ||
        about.st_size != json_integer_value(size)) {
        if (fd >= 0) {
            close(fd);
        }
        return report_fail(report, ERR_FORMAT, "its file '%s' is %s", name,
                           fd < 0 ? "missing" : "not as long as it was");
    }
    char found[HASH_TEXT_BYTES];
    uint64_t bytes = 0;
    error_code error = must_hash ? fd_hash(fd, name, found, &bytes, report) : OK;
    close(fd);
    if (error == OK && must_hash && strcmp(found, hash) != 0) {
        return report_fail(report, ERR_FORMAT, "its file '%s' is damaged", name);
    }
    return error;
}

static error_code manifest_fields(const json_t *root, struct manifest *ret_manifest,
                                  struct report *report)
{
    const char *trial = json_string_value(json_object_get(root, "trial"));
    json_int_t version = json_integer_value(json_object_get(root, "version"));
    json_int_t ordinal = json_integer_value(json_object_get(root, "ordinal"));
    struct manifest manifest = {
        .ordinal = (uint32_t)ordinal,
        .step = json_integer_value(json_object_get(root, "step")),
        .attempt = (uint32_t)json_integer_value(json_object_get(root, "attempt")),
        .bytes = (uint64_t)json_integer_value(json_object_get(root, "bytes")),
    };
    if (version > MANIFEST_VERSION) {
        return report_fail(report, ERR_NEWER, "it was written by a newer muster");
    }
    if (version < 1 || ordinal < 1 || ordinal > UINT32_MAX || trial == NULL ||
        task_id_parse(trial, &manifest.task) != OK ||
        !json_is_array(json_object_get(root, "files"))) {
        return report_fail(report, ERR_FORMAT, "its " MANIFEST_NAME " is damaged");
    }
    *ret_manifest = manifest;
    return OK;
}

error_code manifest_verify(const char *folder, bool must_hash, struct manifest *ret_manifest,
                           struct report *report)
{
    char path[FILES_PATH_MAX_BYTES];
    int n = snprintf(path, sizeof path, "%s/" MANIFEST_NAME, folder);
    if (n < 0 || (size_t)n >= sizeof path) {
        return report_fail(report, ERR_LIMIT, "the path %s is too long", folder);
    }
    struct buf text;
    buf_init(&text, MANIFEST_MAX_BYTES);
    error_code error = file_read_bounded(path, &text, report);
    json_t *root = error == OK
                       ? json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL)
                       : NULL;
    buf_fini(&text);
    if (error == OK) {
        error = manifest_fields(root, ret_manifest, report);
    }
    int fd = error == OK ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (error == OK && fd < 0) {
        error = fail_errno(report, "open", folder);
    }
    size_t i;
    json_t *file;
    json_array_foreach(json_object_get(root, "files"), i, file)
    {
        error = error == OK ? verify_file(fd, file, must_hash, report) : error;
    }
    if (fd >= 0) {
        close(fd);
    }
    json_decref(root);
    return error;
}
