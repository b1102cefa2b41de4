#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "work/pack_inside.h"

enum { LARGEST = 3 };

struct scan {
    struct work_pack *pack;
    const struct work_rules *rules;
    struct report *report;
    struct buf headers; /* scratch: how long an entry's headers are */
    char path[USTAR_PATH_MAX_BYTES + 1];
    char real_folder[PATH_MAX];
};

static error_code scan_fail_errno(const struct scan *scan, const char *what)
{
    int number = errno;
    return report_fail(scan->report, error_from_errno(number),
                       "%s/%s cannot be %s: %s; put it into workdir.ignore if trials do without it",
                       scan->pack->folder, scan->path, what, strerror(number));
}

/* ---- entries ---- */

static error_code entry_add(struct scan *scan, const struct ustar_entry *entry,
                            const struct stat *about)
{
    struct work_pack *pack = scan->pack;
    if (pack->n == WORK_ENTRIES_MAX) {
        return report_fail(scan->report, ERR_LIMIT,
                           "%s holds more than %d files and folders; leave out what trials do "
                           "without by workdir.ignore",
                           pack->folder, WORK_ENTRIES_MAX);
    }
    if (pack->n == pack->cap) {
        uint32_t cap = pack->cap == 0 ? 64 : pack->cap * 2;
        struct pack_entry *entries = mem_realloc(pack->entries, cap * sizeof *entries);
        if (entries == NULL) {
            return report_fail(scan->report, ERR_NO_MEMORY, "out of memory");
        }
        pack->entries = entries;
        pack->cap = cap;
    }
    struct pack_entry added = {.entry = *entry,
                               .changed = about->st_ctim,
                               .modified = about->st_mtim,
                               .inode = about->st_ino};
    added.entry.path = arena_strdup(&pack->arena, entry->path);
    added.entry.target = entry->target != NULL ? arena_strdup(&pack->arena, entry->target) : NULL;
    if (added.entry.path == NULL || (entry->target != NULL && added.entry.target == NULL)) {
        return report_fail(scan->report, ERR_NO_MEMORY, "%s: its names take too much memory",
                           pack->folder);
    }
    buf_reset(&scan->headers);
    if (ustar_write(entry, &scan->headers) != OK) {
        return report_fail(scan->report, ERR_LIMIT,
                           "%s/%.300s is too large, too deep, or its name is too long for a work "
                           "folder",
                           pack->folder, entry->path);
    }
    pack->bytes += scan->headers.len + entry->size + ustar_padding(entry->size);
    pack->entries[pack->n++] = added;
    return OK;
}

/* As written it may not climb out, and as it resolves now it may not lie outside either. */
static error_code link_add(struct scan *scan, int folder_fd, const char *name,
                           const struct stat *about)
{
    char target[PATH_MAX], full[PATH_MAX * 2], real[PATH_MAX];
    ssize_t n = readlinkat(folder_fd, name, target, sizeof target - 1);
    if (n < 0) {
        return scan_fail_errno(scan, "read");
    }
    target[n] = '\0';
    ignore_error(snprintf(full, sizeof full, "%s/%s", scan->real_folder, scan->path) < 0, "cut");
    size_t len = strlen(scan->real_folder);
    bool is_inside = realpath(full, real) == NULL || (strncmp(real, scan->real_folder, len) == 0 &&
                                                      (real[len] == '/' || real[len] == '\0'));
    if (!is_inside || !ustar_link_is_good(scan->path, target)) {
        return report_fail(scan->report, ERR_INVALID,
                           "the link %s/%s leads out of the work folder (to %.300s), where no "
                           "other machine follows it; copy what it names, or put it into "
                           "workdir.ignore",
                           scan->pack->folder, scan->path, target);
    }
    struct ustar_entry entry = {.kind = USTAR_LINK, .path = scan->path, .target = target};
    return entry_add(scan, &entry, about);
}

static const char *kind_word(mode_t mode)
{
    return S_ISSOCK(mode) ? "a socket" : S_ISFIFO(mode) ? "a named pipe" : "a device";
}

static error_code folder_scan(struct scan *scan, int folder_fd, int depth);

static error_code sub_folder_scan(struct scan *scan, int folder_fd, const char *name,
                                  const struct stat *about, int depth)
{
    struct ustar_entry entry = {.kind = USTAR_FOLDER, .path = scan->path};
    error_code error = entry_add(scan, &entry, about);
    if (error != OK) {
        return error;
    }
    int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? scan_fail_errno(scan, "read") : folder_scan(scan, fd, depth + 1);
}

static error_code name_scan(struct scan *scan, int folder_fd, const char *name, int depth)
{
    struct stat about;
    if (fstatat(folder_fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? OK : scan_fail_errno(scan, "looked at"); /* gone meanwhile */
    }
    if (work_rules_leave_out(scan->rules, scan->path, S_ISDIR(about.st_mode))) {
        return OK;
    }
    if (S_ISDIR(about.st_mode)) {
        return sub_folder_scan(scan, folder_fd, name, &about, depth);
    }
    if (S_ISLNK(about.st_mode)) {
        return link_add(scan, folder_fd, name, &about);
    }
    if (!S_ISREG(about.st_mode)) {
        return report_fail(scan->report, ERR_INVALID,
                           "%s/%s is %s, which cannot be sent to other machines; put it into "
                           "workdir.ignore",
                           scan->pack->folder, scan->path, kind_word(about.st_mode));
    }
    struct ustar_entry entry = {.kind = USTAR_FILE,
                                .path = scan->path,
                                .is_executable = (about.st_mode & 0111) != 0,
                                .size = (uint64_t)about.st_size};
    return entry_add(scan, &entry, &about);
}

/* Takes the descriptor. */
static error_code folder_scan(struct scan *scan, int folder_fd, int depth)
{
    DIR *folder = fdopendir(folder_fd);
    if (folder == NULL) {
        close(folder_fd);
        return scan_fail_errno(scan, "read");
    }
    error_code error = OK;
    size_t len = strlen(scan->path);
    struct dirent *entry;
    while (error == OK && (errno = 0, entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        int n = snprintf(scan->path + len, sizeof scan->path - len, "%s%s", len > 0 ? "/" : "",
                         entry->d_name);
        error = n < 0 || (size_t)n >= sizeof scan->path - len || depth >= USTAR_DEPTH_MAX
                    ? report_fail(scan->report, ERR_LIMIT, "%s/%.300s... is too deep or too long",
                                  scan->pack->folder, scan->path)
                    : name_scan(scan, dirfd(folder), entry->d_name, depth);
        scan->path[len] = '\0';
    }
    if (error == OK && errno != 0) {
        error = scan_fail_errno(scan, "read");
    }
    closedir(folder);
    return error;
}

/* ---- too large ---- */

struct sum {
    const char *name; /* of a file or folder right in the work folder */
    size_t len;
    bool is_folder;
    uint64_t bytes;
};

static void sums_insert(struct sum largest[LARGEST], struct sum sum)
{
    for (int i = 0; i < LARGEST; i++) {
        if (sum.bytes > largest[i].bytes) {
            struct sum smaller = largest[i];
            largest[i] = sum;
            sum = smaller;
        }
    }
}

static void size_print(uint64_t bytes, char *ret_text, size_t size_bytes)
{
    bool is_large = bytes >= 1 << 20;
    ignore_error(snprintf(ret_text, size_bytes, is_large ? "%.1f MiB" : "%.1f KiB",
                          (double)bytes / (is_large ? 1048576.0 : 1024.0)) < 0,
                 "it fits");
}

/* Sorted entries: what lies in one folder of the top follows on it, but for names that sort between
 * `x` and `x/`. */
static error_code size_fail(const struct scan *scan, uint64_t max_bytes)
{
    const struct work_pack *pack = scan->pack;
    struct sum largest[LARGEST] = {0}, sum = {0};
    char size[32], limit[32];
    for (uint32_t i = 0; i < pack->n; i++) {
        const struct ustar_entry *entry = &pack->entries[i].entry;
        size_t len = strcspn(entry->path, "/");
        if (sum.name == NULL || len != sum.len || memcmp(entry->path, sum.name, len) != 0) {
            sums_insert(largest, sum);
            sum = (struct sum){entry->path, len, false, 0};
        }
        sum.is_folder |= entry->kind == USTAR_FOLDER || entry->path[len] == '/';
        sum.bytes += entry->size;
    }
    sums_insert(largest, sum);
    size_print(pack->bytes, size, sizeof size);
    size_print(max_bytes, limit, sizeof limit);
    error_code error = report_fail(scan->report, ERR_LIMIT,
                                   "the work folder %.300s is %s, more than workdir.max, %s; the "
                                   "largest:",
                                   pack->folder, size, limit);
    for (int i = 0; i < LARGEST && largest[i].bytes > 0; i++) {
        size_print(largest[i].bytes, size, sizeof size);
        report_add(scan->report, "%s %.*s%s %s", i > 0 ? "," : "", (int)largest[i].len,
                   largest[i].name, largest[i].is_folder ? "/" : "", size);
    }
    report_add(scan->report, "; leave out what trials do without by workdir.ignore, or raise max");
    return error;
}

/* ---- all of it ---- */

static int entry_compare(const void *a, const void *b)
{
    return strcmp(((const struct pack_entry *)a)->entry.path,
                  ((const struct pack_entry *)b)->entry.path);
}

error_code pack_scan(struct work_pack *pack, const struct work_pack_options *options,
                     struct report *report)
{
    struct scan *scan = mem_zalloc(sizeof *scan);
    if (scan == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    scan->pack = pack;
    scan->rules = options->rules;
    scan->report = report;
    buf_init(&scan->headers, USTAR_ENTRY_MAX_BYTES);
    pack->bytes = 2 * USTAR_BLOCK_BYTES; /* the end */
    error_code error = OK;
    int fd = dup(pack->folder_fd);
    if (fd < 0 || realpath(options->folder, scan->real_folder) == NULL) {
        error = scan_fail_errno(scan, "read");
    }
    if (error == OK) {
        error = folder_scan(scan, fd, 0);
        fd = -1;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (error == OK && pack->n > 0) {
        qsort(pack->entries, pack->n, sizeof *pack->entries, entry_compare);
    }
    if (error == OK && pack->bytes > options->max_bytes) {
        error = size_fail(scan, options->max_bytes);
    }
    buf_fini(&scan->headers);
    mem_free(scan);
    return error;
}
