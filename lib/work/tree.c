#include "work/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/mem.h"
#include "sys/files.h"

enum { COPY_BYTES = 128 << 10 };

/* ---- a walk: each entry of a folder, those of sub-folders when `visit` goes there ---- */

struct walk {
    struct report *report;
    uint64_t copy_max;
    uint64_t bytes;
    uint64_t fingerprint;
    char path[FILES_PATH_MAX_BYTES]; /* of the folder being read, absolute */
    uint8_t *buffer;                 /* COPY_BYTES */
};

typedef error_code visit_fn(struct walk *walk, int folder_fd, const char *name, int to_fd,
                            int depth);

static error_code walk_fail(const struct walk *walk, const char *name)
{
    int number = errno;
    return report_fail(walk->report, error_from_errno(number), "%s/%s: %s", walk->path, name,
                       strerror(number));
}

/* Takes folder_fd. */
static error_code walk_folder(struct walk *walk, int folder_fd, int to_fd, int depth,
                              visit_fn *visit)
{
    DIR *folder = fdopendir(folder_fd);
    if (folder == NULL) {
        close(folder_fd);
        return walk_fail(walk, "");
    }
    error_code error = OK;
    struct dirent *entry;
    while (error == OK && (errno = 0, entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            error = visit(walk, dirfd(folder), entry->d_name, to_fd, depth);
        }
    }
    if (error == OK && errno != 0) {
        error = walk_fail(walk, "");
    }
    closedir(folder);
    return error;
}

/* Into a sub-folder; to_fd -1: there is none to copy to. */
static error_code walk_into(struct walk *walk, int folder_fd, const char *name, int to_fd,
                            int depth, visit_fn *visit)
{
    size_t len = strlen(walk->path);
    int n = snprintf(walk->path + len, sizeof walk->path - len, "/%s", name);
    if (n < 0 || (size_t)n >= sizeof walk->path - len || depth >= FILES_DEPTH_MAX) {
        walk->path[len] = '\0';
        return report_fail(walk->report, ERR_LIMIT, "%.300s is too deep", walk->path);
    }
    int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    error_code error =
        fd < 0 ? walk_fail(walk, "") : walk_folder(walk, fd, to_fd, depth + 1, visit);
    walk->path[len] = '\0';
    return error;
}

static error_code walk_start(struct walk *walk, const char *folder, int to_fd, visit_fn *visit)
{
    int n = snprintf(walk->path, sizeof walk->path, "%s", folder);
    if (n < 0 || (size_t)n >= sizeof walk->path) {
        return report_fail(walk->report, ERR_LIMIT, "the path %.300s is too long", folder);
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? walk_fail(walk, "") : walk_folder(walk, fd, to_fd, 0, visit);
}

/* ---- copying ---- */

static error_code bytes_copy(struct walk *walk, const char *name, int from_fd, int to_fd)
{
    if (ioctl(to_fd, FICLONE, from_fd) == 0) {
        return OK;
    }
    for (;;) {
        ssize_t n = read(from_fd, walk->buffer, COPY_BYTES), at = 0;
        if (n == 0) {
            return OK;
        }
        while (n > at) {
            ssize_t written = write(to_fd, walk->buffer + at, (size_t)(n - at));
            if (written < 0 && errno != EINTR) {
                return walk_fail(walk, name);
            }
            at += written > 0 ? written : 0;
        }
        if (n < 0 && errno != EINTR) {
            return walk_fail(walk, name);
        }
    }
}

static error_code file_copy(struct walk *walk, int folder_fd, const char *name, int to_fd,
                            bool is_executable)
{
    error_code error = OK;
    int from = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int to = from < 0
                 ? -1
                 : openat(to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0) {
        error = walk_fail(walk, name);
    }
    error = error == OK ? bytes_copy(walk, name, from, to) : error;
    if (error == OK && fchmod(to, is_executable ? 0755 : 0644) != 0) {
        error = walk_fail(walk, name);
    }
    if (from >= 0) {
        close(from);
    }
    if (to >= 0 && close(to) != 0 && error == OK) {
        error = walk_fail(walk, name);
    }
    return error;
}

static error_code link_copy(struct walk *walk, int folder_fd, const char *name, int to_fd)
{
    char target[FILES_PATH_MAX_BYTES];
    ssize_t n = readlinkat(folder_fd, name, target, sizeof target - 1);
    if (n < 0) {
        return walk_fail(walk, name);
    }
    target[n] = '\0';
    return symlinkat(target, to_fd, name) == 0 ? OK : walk_fail(walk, name);
}

static error_code large_link(struct walk *walk, const char *name, int to_fd)
{
    char target[FILES_PATH_MAX_BYTES];
    int n = snprintf(target, sizeof target, "%s/%s", walk->path, name);
    if (n < 0 || (size_t)n >= sizeof target) {
        return report_fail(walk->report, ERR_LIMIT, "the path %.300s is too long", walk->path);
    }
    return symlinkat(target, to_fd, name) == 0 ? OK : walk_fail(walk, name);
}

static error_code copy_visit(struct walk *walk, int folder_fd, const char *name, int to_fd,
                             int depth)
{
    struct stat about;
    if (fstatat(folder_fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        return walk_fail(walk, name);
    }
    if (S_ISREG(about.st_mode)) {
        return (uint64_t)about.st_size > walk->copy_max
                   ? large_link(walk, name, to_fd)
                   : file_copy(walk, folder_fd, name, to_fd, (about.st_mode & 0111) != 0);
    }
    if (S_ISLNK(about.st_mode)) {
        return link_copy(walk, folder_fd, name, to_fd);
    }
    if (!S_ISDIR(about.st_mode)) {
        return OK; /* a socket that setup left: it means nothing here */
    }
    if (mkdirat(to_fd, name, 0755) != 0) {
        return walk_fail(walk, name);
    }
    int sub_fd = openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub_fd < 0) {
        return walk_fail(walk, name);
    }
    error_code error = walk_into(walk, folder_fd, name, sub_fd, depth, copy_visit);
    close(sub_fd);
    return error;
}

error_code work_tree_copy(const char *from, const char *to, uint64_t copy_max,
                          struct report *report)
{
    struct walk *walk = mem_zalloc(sizeof *walk);
    uint8_t *buffer = mem_alloc(COPY_BYTES);
    if (walk == NULL || buffer == NULL) {
        mem_free(buffer);
        mem_free(walk);
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    *walk = (struct walk){.report = report, .copy_max = copy_max, .buffer = buffer};
    int to_fd = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    error_code error = OK;
    if (to_fd < 0) {
        int number = errno;
        error = report_fail(report, error_from_errno(number), "%s: %s", to, strerror(number));
    } else {
        error = walk_start(walk, from, to_fd, copy_visit);
        close(to_fd);
    }
    mem_free(buffer);
    mem_free(walk);
    return error;
}

/* ---- sealing: a folder after what is in it ---- */

static error_code seal_visit(struct walk *walk, int folder_fd, const char *name, int to_fd,
                             int depth)
{
    struct stat about;
    if (fstatat(folder_fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        return walk_fail(walk, name);
    }
    if (S_ISLNK(about.st_mode)) {
        return OK;
    }
    bool is_folder = S_ISDIR(about.st_mode);
    if (is_folder) {
        error_code error = walk_into(walk, folder_fd, name, to_fd, depth, seal_visit);
        if (error != OK) {
            return error;
        }
    }
    mode_t mode = is_folder || (about.st_mode & 0111) != 0 ? 0555 : 0444;
    /* No link, as was just seen, and nobody else writes here. */
    return (about.st_mode & 07777) == mode || fchmodat(folder_fd, name, mode, 0) == 0
               ? OK
               : walk_fail(walk, name);
}

error_code work_tree_seal(const char *folder, struct report *report)
{
    struct walk *walk = mem_zalloc(sizeof *walk);
    if (walk == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    walk->report = report;
    error_code error = walk_start(walk, folder, -1, seal_visit);
    if (error == OK && chmod(folder, 0555) != 0) {
        error = walk_fail(walk, "");
    }
    mem_free(walk);
    return error;
}

/* ---- seen unchanged ---- */

/* Each change of a file's contents, name, mode, links or attributes sets its ctime, which no
 * program can set to anything else. An unchanged folder is read in the same order. */
static void fingerprint_add(struct walk *walk, const char *name, const struct stat *about)
{
    const uint64_t facts[] = {
        (uint64_t)about->st_dev,         (uint64_t)about->st_ino,
        (uint64_t)about->st_mode,        (uint64_t)about->st_size,
        (uint64_t)about->st_ctim.tv_sec, (uint64_t)about->st_ctim.tv_nsec,
        XXH3_64bits(name, strlen(name)),
    };
    walk->fingerprint = XXH3_64bits_withSeed(facts, sizeof facts, walk->fingerprint);
}

static error_code fingerprint_visit(struct walk *walk, int folder_fd, const char *name, int to_fd,
                                    int depth)
{
    struct stat about;
    if (fstatat(folder_fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        return walk_fail(walk, name);
    }
    fingerprint_add(walk, name, &about);
    return S_ISDIR(about.st_mode)
               ? walk_into(walk, folder_fd, name, to_fd, depth, fingerprint_visit)
               : OK;
}

uint64_t work_tree_fingerprint(const char *folder)
{
    struct stat about;
    struct walk *walk = lstat(folder, &about) == 0 ? mem_zalloc(sizeof *walk) : NULL;
    if (walk == NULL) {
        return 0;
    }
    fingerprint_add(walk, "", &about);
    error_code error = walk_start(walk, folder, -1, fingerprint_visit);
    uint64_t fingerprint = error == OK ? walk->fingerprint : 0;
    mem_free(walk);
    return fingerprint;
}

/* ---- measuring ---- */

static error_code bytes_visit(struct walk *walk, int folder_fd, const char *name, int to_fd,
                              int depth)
{
    struct stat about;
    if (fstatat(folder_fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        return OK;
    }
    walk->bytes += S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0;
    if (S_ISDIR(about.st_mode)) {
        ignore_error(walk_into(walk, folder_fd, name, to_fd, depth, bytes_visit),
                     "it counts nothing");
    }
    return OK;
}

uint64_t work_tree_bytes(const char *folder)
{
    struct walk *walk = mem_zalloc(sizeof *walk);
    if (walk == NULL) {
        return 0;
    }
    ignore_error(walk_start(walk, folder, -1, bytes_visit), "it counts nothing");
    uint64_t bytes = walk->bytes;
    mem_free(walk);
    return bytes;
}
