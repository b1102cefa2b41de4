/* Preloaded into redis-server: the honest model of a machine that loses its power. What is written
 * to the append-only file stays in this process's memory until the file is synced, so that a kill
 * of the server takes with it what was not synced, as the end of a machine takes the page cache. A
 * mere kill leaves the kernel its cache, and proves nothing.
 *
 * UNSYNCED_DELAY_FILE names a file that holds how many milliseconds longer each sync shall take; it
 * is read at each sync, so the delay can be changed while the server runs. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILES_MAX = 8, GROWS_BY = 1 << 20 };

/* One append-only file that is open for writing. */
struct cached_file {
    int fd; /* 0: none */
    uint8_t *data;
    size_t len, cap;
};

static struct cached_file files[FILES_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct cached_file *file_find(int fd)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (files[i].fd == fd) {
            return &files[i];
        }
    }
    return NULL;
}

static void file_opened(int fd, const char *path, int flags)
{
    size_t len = strlen(path), end = strlen(".incr.aof");
    bool is_log = fd > 0 && (flags & O_ACCMODE) != O_RDONLY && len > end &&
                  strcmp(path + len - end, ".incr.aof") == 0;
    if (!is_log) {
        return;
    }
    pthread_mutex_lock(&lock);
    struct cached_file *file = file_find(0);
    if (file != NULL) {
        *file = (struct cached_file){.fd = fd};
    }
    pthread_mutex_unlock(&lock);
}

static ssize_t file_hold(struct cached_file *file, const void *data, size_t len)
{
    if (file->len + len > file->cap) {
        size_t cap = file->len + len + GROWS_BY;
        uint8_t *grown = realloc(file->data, cap);
        if (grown == NULL) {
            errno = ENOMEM;
            return -1;
        }
        file->data = grown;
        file->cap = cap;
    }
    memcpy(file->data + file->len, data, len);
    file->len += len;
    return (ssize_t)len;
}

/* Into the real file; what does not fit stays. */
static int file_flush(struct cached_file *file)
{
    size_t at = 0;
    while (at < file->len) {
        ssize_t n = syscall(SYS_write, file->fd, file->data + at, file->len - at);
        if (n < 0 && errno != EINTR) {
            break;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    file->len -= at;
    if (file->len > 0) {
        memmove(file->data, file->data + at, file->len);
        return -1;
    }
    return 0;
}

static void delay(void)
{
    const char *path = getenv("UNSYNCED_DELAY_FILE");
    char text[16] = "";
    int fd = path != NULL ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) < 0) {
            text[0] = '\0';
        }
        syscall(SYS_close, fd);
    }
    struct pollfd nothing = {.fd = -1};
    (void)poll(&nothing, 1, atoi(text));
}

static int file_sync(int fd, long call)
{
    pthread_mutex_lock(&lock);
    struct cached_file *file = file_find(fd);
    bool is_log = file != NULL;
    pthread_mutex_unlock(&lock);
    if (!is_log) {
        return (int)syscall(call, fd);
    }
    delay();
    pthread_mutex_lock(&lock);
    file = file_find(fd);
    int result = file != NULL ? file_flush(file) : 0;
    pthread_mutex_unlock(&lock);
    return result == 0 ? (int)syscall(call, fd) : result;
}

/* ---- what redis-server calls ---- */

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = (flags & O_CREAT) != 0 ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    file_opened(fd, path, flags);
    return fd;
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = (flags & O_CREAT) != 0 ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    file_opened(fd, path, flags);
    return fd;
}

ssize_t write(int fd, const void *data, size_t len)
{
    pthread_mutex_lock(&lock);
    struct cached_file *file = fd > 0 ? file_find(fd) : NULL;
    ssize_t n = file != NULL ? file_hold(file, data, len) : 0;
    pthread_mutex_unlock(&lock);
    return file != NULL ? n : syscall(SYS_write, fd, data, len);
}

int fdatasync(int fd)
{
    return file_sync(fd, SYS_fdatasync);
}

int fsync(int fd)
{
    return file_sync(fd, SYS_fsync);
}

/* Closed without a sync, the bytes are the kernel's: it may lose them, but a later sync of the same
 * file would not. */
int close(int fd)
{
    pthread_mutex_lock(&lock);
    struct cached_file *file = fd > 0 ? file_find(fd) : NULL;
    if (file != NULL) {
        (void)file_flush(file);
        free(file->data);
        *file = (struct cached_file){0};
    }
    pthread_mutex_unlock(&lock);
    return (int)syscall(SYS_close, fd);
}
