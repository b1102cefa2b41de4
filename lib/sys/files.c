#include "sys/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/failpoints.h"

static error_code files_fail(struct report *report, const char *doing, const char *path)
{
    int number = errno;
    return report_fail(report, error_from_errno(number), "cannot %s %s: %s", doing, path,
                       strerror(number));
}

static error_code path_copy(const char *path, char *ret_path, struct report *report)
{
    size_t length = strlen(path);
    if (length == 0 || length >= FILES_PATH_MAX_BYTES) {
        return report_fail(report, ERR_LIMIT, "a path of %zu bytes", length);
    }
    memcpy(ret_path, path, length + 1);
    return OK;
}

/* ---- folders ---- */

error_code dir_make(const char *path, struct report *report)
{
    struct stat about;
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
        return OK;
    }
    char part[FILES_PATH_MAX_BYTES];
    error_code error = path_copy(path, part, report);
    if (error != OK) {
        return error;
    }
    for (char *at = part + 1;; at++) {
        char end = *at;
        if (end != '/' && end != '\0') {
            continue;
        }
        *at = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            return files_fail(report, "make the folder", part);
        }
        *at = end;
        if (end == '\0') {
            break;
        }
    }
    if (stat(path, &about) != 0) {
        return files_fail(report, "make the folder", path);
    }
    if (!S_ISDIR(about.st_mode)) {
        errno = ENOTDIR;
        return files_fail(report, "make the folder", path);
    }
    return OK;
}

error_code dir_sync(const char *path, struct report *report)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return files_fail(report, "open the folder", path);
    }
    error_code error = !FAILPOINT_FAILS(DIR_SYNC) && fsync(fd) == 0
                           ? OK
                           : files_fail(report, "sync the folder", path);
    close(fd);
    return error;
}

/* ---- writing ---- */

static error_code fd_write(int fd, struct bytes bytes, const char *path, struct report *report)
{
    if (FAILPOINT_FAILS(FILE_WRITE)) {
        return files_fail(report, "write", path);
    }
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return files_fail(report, "write", path);
        }
        bytes.data += n;
        bytes.len -= (size_t)n;
    }
    return OK;
}

static error_code file_write_whole(const char *path, struct bytes bytes, mode_t mode,
                                   bool must_last, struct report *report)
{
    char made[FILES_PATH_MAX_BYTES];
    int n = snprintf(made, sizeof made, "%s.tmp-XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof made) {
        return report_fail(report, ERR_LIMIT, "a path of %d bytes", n);
    }
    int fd = mkostemp(made, O_CLOEXEC);
    if (fd < 0) {
        return files_fail(report, "make a file beside", path);
    }
    error_code error = fchmod(fd, mode) == 0 ? OK : files_fail(report, "set the mode of", made);
    if (error == OK) {
        error = fd_write(fd, bytes, path, report);
    }
    if (error == OK && must_last && (FAILPOINT_FAILS(FILE_SYNC) || fsync(fd) != 0)) {
        error = files_fail(report, "sync", path);
    }
    if (close(fd) != 0 && error == OK) {
        error = files_fail(report, "close", path);
    }
    if (error == OK && (FAILPOINT_FAILS(FILE_RENAME) || rename(made, path) != 0)) {
        error = files_fail(report, "rename a file to", path);
    }
    if (error != OK) {
        unlink(made);
    }
    return error;
}

error_code file_write_atomic(const char *path, struct bytes bytes, mode_t mode,
                             struct report *report)
{
    char folder[FILES_PATH_MAX_BYTES];
    error_code error = path_copy(path, folder, report);
    if (error == OK) {
        error = file_write_whole(path, bytes, mode, true, report);
    }
    if (error != OK) {
        return error;
    }
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        return dir_sync(".", report);
    }
    slash[slash == folder ? 1 : 0] = '\0';
    return dir_sync(folder, report);
}

error_code file_write(const char *path, struct bytes bytes, mode_t mode, struct report *report)
{
    return file_write_whole(path, bytes, mode, false, report);
}

/* ---- reading ---- */

error_code file_read_bounded(const char *path, struct buf *buf, struct report *report)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return files_fail(report, "open", path);
    }
    error_code error = OK;
    for (;;) {
        uint8_t chunk[4096];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            error = files_fail(report, "read", path);
        }
        if (n <= 0) {
            break;
        }
        error = buf_append(buf, chunk, (size_t)n);
        if (error != OK) {
            error = report_fail(report, error, "%s is larger than %zu bytes", path, buf->max);
            break;
        }
    }
    close(fd);
    return error;
}

/* ---- removing ---- */

static error_code tree_remove_at(int parent, const char *name, unsigned depth);

static error_code folder_empty(int fd, unsigned depth)
{
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        int number = errno;
        close(fd);
        return error_from_errno(number);
    }
    error_code first = OK;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            first = errno != 0 && first == OK ? error_from_errno(errno) : first;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        error_code error = tree_remove_at(dirfd(folder), entry->d_name, depth + 1);
        first = first == OK ? error : first;
    }
    closedir(folder);
    return first;
}

static error_code tree_remove_at(int parent, const char *name, unsigned depth)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
        return OK;
    }
    if (errno != EISDIR && errno != EPERM && errno != EACCES) {
        return error_from_errno(errno);
    }
    if (depth >= FILES_DEPTH_MAX) {
        return ERR_LIMIT;
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0) {
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (fd < 0) {
        return error_from_errno(errno);
    }
    ignore_error(fchmod(fd, 0700) == 0 ? OK : ERR_SYSTEM, "removing will say what it cannot do");
    error_code error = folder_empty(fd, depth);
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        return OK;
    }
    return error != OK ? error : error_from_errno(errno);
}

error_code dir_remove_tree(const char *path, struct report *report)
{
    error_code error = tree_remove_at(AT_FDCWD, path, 0);
    return error == OK
               ? OK
               : report_fail(report, error, "cannot remove %s: %s", path, error_word(error));
}
