#include "sys/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The length of the name that `path` begins with; 0: none that may be there. */
static size_t name_length(const char *path)
{
    size_t len = strcspn(path, "/");
    bool is_dots = (len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.');
    return is_dots || len > NAME_MAX ? 0 : len;
}

bool beneath_path_is_good(const char *path, unsigned depth_max)
{
    for (unsigned depth = 1; depth <= depth_max; depth++) {
        size_t len = name_length(path);
        if (len == 0 || path[len] == '\0') {
            return len > 0;
        }
        path += len + 1;
    }
    return false;
}

static int folder_enter(int fd, const char *name, bool must_make)
{
    if (must_make && mkdirat(fd, name, 0700) != 0 && errno != EEXIST) {
        return -1;
    }
    return openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The folder in which the last name of the path lies; *ret_name points into the path. -1: errno.
 * The caller closes it, unless it is folder_fd itself. */
static int last_folder(int folder_fd, const char *path, bool must_make, const char **ret_name)
{
    int fd = folder_fd;
    if (!beneath_path_is_good(path, BENEATH_DEPTH_MAX)) {
        errno = EINVAL;
        return -1;
    }
    size_t len;
    while (path[len = name_length(path)] == '/') {
        char name[NAME_MAX + 1];
        memcpy(name, path, len);
        name[len] = '\0';
        int next = folder_enter(fd, name, must_make);
        int number = errno;
        if (fd != folder_fd) {
            close(fd);
        }
        if (next < 0) {
            errno = number;
            return -1;
        }
        fd = next;
        path += len + 1;
    }
    *ret_name = path;
    return fd;
}

int beneath_open(int folder_fd, const char *path, int flags, mode_t mode)
{
    const char *name;
    int folder = last_folder(folder_fd, path, false, &name);
    if (folder < 0) {
        return -1;
    }
    int fd = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    int number = errno;
    if (folder != folder_fd) {
        close(folder);
    }
    errno = number;
    return fd;
}

int beneath_folders_make(int folder_fd, const char *path)
{
    const char *name;
    int folder = last_folder(folder_fd, path, true, &name);
    if (folder >= 0 && folder != folder_fd) {
        close(folder);
    }
    return folder < 0 ? -1 : 0;
}
