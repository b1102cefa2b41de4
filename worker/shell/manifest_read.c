/* A manifest is read as if somebody else had written it: one of another node was. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h> /* hashes with the widest vectors that the processor has */
#endif

#include "base/mem.h"
#include "sys/beneath.h"
#include "sys/files.h"
#include "worker/shell/manifest.h"
#include "worker/shell/manifest_inside.h"

enum {
    HASH_BLOCK_BYTES = 256 << 10,
    HASH_DIGITS = 16,
    LIST_ARENA_MAX = MANIFEST_MAX_BYTES + MANIFEST_FILES_MAX * 64,
};

static error_code damaged(struct report *report)
{
    return report_fail(report, ERR_FORMAT, "its " MANIFEST_NAME " is damaged");
}

/* ---- one file ---- */

error_code manifest_fd_hash(int fd, const char *path, const atomic_bool *must_stop,
                            uint64_t *ret_hash, uint64_t *ret_bytes, struct report *report)
{
    CLEANUP(mem_freep) uint8_t *block = mem_alloc(HASH_BLOCK_BYTES);
    XXH3_state_t *state = XXH3_createState();
    if (block == NULL || state == NULL || XXH3_64bits_reset(state) == XXH_ERROR) {
        XXH3_freeState(state);
        return report_fail(report, ERR_NO_MEMORY, "no memory to read %s", path);
    }
    error_code error = OK;
    uint64_t bytes = 0;
    ssize_t n;
    while (error == OK &&
           ((n = read(fd, block, HASH_BLOCK_BYTES)) > 0 || (n < 0 && errno == EINTR))) {
        size_t len = n > 0 ? (size_t)n : 0;
        ignore_error(XXH3_64bits_update(state, block, len) == XXH_OK ? OK : ERR_SYSTEM,
                     "fails for NULL only");
        bytes += len;
        error = must_stop != NULL && atomic_load(must_stop) ? ERR_CLOSED : OK;
    }
    if (error == OK && n < 0) {
        int number = errno;
        error = report_fail(report, error_from_errno(number), "cannot read %s: %s", path,
                            strerror(number));
    }
    *ret_hash = XXH3_64bits_digest(state);
    *ret_bytes = bytes;
    XXH3_freeState(state);
    return error;
}

/* Reads it to its end. */
static error_code content_prove(int fd, const struct manifest_file *file, const struct proving *how,
                                struct report *report)
{
    uint64_t bytes = 0, hash = 0;
    struct stat about;
    struct timespec since = proofs_clock();
    error_code error = manifest_fd_hash(fd, file->name, how->must_stop, &hash, &bytes, report);
    if (error == OK && hash != file->xxh3) {
        return report_fail(report, ERR_FORMAT, "its file '%s' is damaged", file->name);
    }
    if (error == OK && how->proofs != NULL && fstat(fd, &about) == 0) {
        proofs_note(how->proofs, &about, hash, since);
    }
    return error;
}

error_code manifest_file_prove(int folder_fd, const struct manifest_file *file,
                               const struct proving *how, struct report *report)
{
    struct stat about;
    int fd = beneath_open(folder_fd, file->name, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) ||
        (uint64_t)about.st_size != file->size) {
        if (fd >= 0) {
            close(fd);
        }
        return report_fail(report, ERR_FORMAT, "its file '%s' is %s", file->name,
                           fd < 0 ? "missing" : "not as long as it was");
    }
    bool is_known =
        !how->must_hash || (how->proofs != NULL && proofs_have(how->proofs, &about, file->xxh3));
    error_code error = is_known ? OK : content_prove(fd, file, how, report);
    close(fd);
    return error;
}

/* ---- the list ---- */

static error_code fields_read(const json_t *root, struct manifest *ret_manifest,
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
        return damaged(report);
    }
    *ret_manifest = manifest;
    return OK;
}

static bool hash_read(const char *text, uint64_t *ret_hash)
{
    char *end;
    if (text == NULL || strlen(text) != HASH_DIGITS ||
        strspn(text, "0123456789abcdef") != HASH_DIGITS) {
        return false;
    }
    *ret_hash = strtoull(text, &end, 16);
    return true;
}

/* A name from a manifest may not lead out of its folder, and is none of the manifest's own. */
static bool file_read(struct arena *arena, const json_t *item, struct manifest_file *ret_file)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const json_t *size = json_object_get(item, "size");
    struct manifest_file file = {0};
    if (name == NULL || strlen(name) >= MANIFEST_PATH_MAX ||
        !beneath_path_is_good(name, MANIFEST_DEPTH_MAX + 1) || strcmp(name, MANIFEST_NAME) == 0 ||
        !json_is_integer(size) || json_integer_value(size) < 0 ||
        !hash_read(json_string_value(json_object_get(item, "xxh3")), &file.xxh3)) {
        return false;
    }
    file.size = (uint64_t)json_integer_value(size);
    file.name = arena_strdup(arena, name);
    *ret_file = file;
    return true;
}

static int files_compare(const void *a, const void *b)
{
    return strcmp(((const struct manifest_file *)a)->name, ((const struct manifest_file *)b)->name);
}

static error_code files_read(const json_t *items, struct manifest_list *list, struct report *report)
{
    size_t n = json_array_size(items);
    uint64_t bytes = 0;
    struct manifest_file *files =
        n <= MANIFEST_FILES_MAX ? arena_calloc(&list->arena, n + 1, sizeof *files) : NULL;
    if (files == NULL) {
        return n <= MANIFEST_FILES_MAX ? report_fail(report, ERR_NO_MEMORY, "no memory")
                                       : damaged(report);
    }
    for (size_t i = 0; i < n; i++) {
        if (!file_read(&list->arena, json_array_get(items, i), &files[i]) ||
            __builtin_add_overflow(bytes, files[i].size, &bytes)) {
            return damaged(report);
        }
        if (files[i].name == NULL) {
            return report_fail(report, ERR_NO_MEMORY, "no memory");
        }
    }
    qsort(files, n, sizeof *files, files_compare);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(files[i - 1].name, files[i].name) == 0) {
            return damaged(report);
        }
    }
    list->files = files;
    list->n_files = (uint32_t)n;
    return bytes == list->manifest.bytes ? OK : damaged(report);
}

error_code manifest_list_parse(struct bytes text, struct manifest_list *ret_list,
                               struct report *report)
{
    struct manifest_list list = {0};
    json_t *root = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    arena_init(&list.arena, LIST_ARENA_MAX);
    error_code error = fields_read(root, &list.manifest, report);
    if (error == OK) {
        error = files_read(json_object_get(root, "files"), &list, report);
    }
    json_decref(root);
    if (error != OK) {
        manifest_list_fini(&list);
        return error;
    }
    *ret_list = list;
    return OK;
}

void manifest_list_fini(struct manifest_list *list)
{
    arena_fini(&list->arena);
    *list = (struct manifest_list){0};
}

const struct manifest_file *manifest_list_find(const struct manifest_list *list, const char *name)
{
    const struct manifest_file key = {.name = name};
    return list->n_files > 0 ? bsearch(&key, list->files, list->n_files, sizeof key, files_compare)
                             : NULL;
}

/* ---- a whole snapshot ---- */

static error_code files_prove(const char *folder, const struct manifest_list *list,
                              const struct proving *how, struct report *report)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int number = errno;
        return report_fail(report, error_from_errno(number), "cannot open %s: %s", folder,
                           strerror(number));
    }
    error_code error = OK;
    for (uint32_t i = 0; i < list->n_files && error == OK; i++) {
        error = manifest_file_prove(fd, &list->files[i], how, report);
    }
    close(fd);
    return error;
}

error_code manifest_verify(const char *folder, const struct proving *how,
                           struct manifest *ret_manifest, struct report *report)
{
    char path[FILES_PATH_MAX_BYTES];
    int n = snprintf(path, sizeof path, "%s/" MANIFEST_NAME, folder);
    if (n < 0 || (size_t)n >= sizeof path) {
        return report_fail(report, ERR_LIMIT, "the path %s is too long", folder);
    }
    CLEANUP(buf_fini) struct buf text;
    struct manifest_list list;
    buf_init(&text, MANIFEST_MAX_BYTES);
    error_code error = file_read_bounded(path, &text, report);
    if (error == OK) {
        error = manifest_list_parse(buf_bytes(&text), &list, report);
    }
    if (error != OK) {
        return error;
    }
    error = files_prove(folder, &list, how, report);
    *ret_manifest = list.manifest;
    manifest_list_fini(&list);
    return error;
}
