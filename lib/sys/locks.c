#include "sys/locks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct flock lock_whole(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

static uint32_t lock_pid_read(int fd)
{
    char text[16] = {0};
    if (pread(fd, text, sizeof text - 1, 0) <= 0) {
        return 0;
    }
    unsigned long pid = strtoul(text, NULL, 10);
    return pid <= INT32_MAX ? (uint32_t)pid : 0;
}

error_code lock_pid_write(int fd, uint32_t pid)
{
    char text[16];
    int n = pid == 0 ? 0 : snprintf(text, sizeof text, "%u\n", pid);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        return error_from_errno(errno);
    }
    return OK;
}

error_code lock_take(const char *path, uint32_t pid, int *ret_fd, uint32_t *ret_holder,
                     struct report *report)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0) {
        return report_fail(report, error_from_errno(errno), "cannot open %s: %s", path,
                           strerror(errno));
    }
    struct flock lock = lock_whole(F_WRLCK);
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        int number = errno;
        uint32_t holder = lock_pid_read(fd);
        close(fd);
        if (number != EAGAIN && number != EACCES) {
            return report_fail(report, error_from_errno(number), "cannot lock %s: %s", path,
                               strerror(number));
        }
        if (ret_holder != NULL) {
            *ret_holder = holder;
        }
        return report_fail(report, ERR_BUSY, "%s is held by process %u", path, holder);
    }
    /* A pid that cannot be written (full disk) makes the lock no weaker. */
    ignore_error(lock_pid_write(fd, pid), "only people read it");
    *ret_fd = fd;
    return OK;
}

error_code lock_inheritable(int fd)
{
    return fcntl(fd, F_SETFD, 0) == 0 ? OK : error_from_errno(errno);
}

error_code lock_inherit(int fd, const char *path, uint32_t pid, struct report *report)
{
    struct stat mine, named;
    if (fd < 0 || fstat(fd, &mine) != 0 || stat(path, &named) != 0 || mine.st_dev != named.st_dev ||
        mine.st_ino != named.st_ino) {
        return report_fail(report, ERR_INVALID, "descriptor %d is not the lock file %s", fd, path);
    }
    /* Succeeds for whoever shares the open file that holds it already. */
    struct flock lock = lock_whole(F_WRLCK);
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        return report_fail(report, ERR_BUSY, "%s is held by process %u", path, lock_pid_read(fd));
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return report_fail(report, error_from_errno(errno), "descriptor %d: %s", fd,
                           strerror(errno));
    }
    ignore_error(lock_pid_write(fd, pid), "only people read it");
    return OK;
}

bool lock_is_held(const char *path, uint32_t *ret_holder)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return false;
    }
    struct flock lock = lock_whole(F_RDLCK);
    bool is_held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (is_held && ret_holder != NULL) {
        *ret_holder = lock_pid_read(fd);
    }
    close(fd);
    return is_held;
}

void lock_release(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void lock_name(const char *path, char ret_name[LOCK_NAME_BYTES])
{
    char boot[64] = "";
    struct stat about;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    ret_name[0] = '\0';
    if (file != NULL) {
        bool is_read = fgets(boot, sizeof boot, file) != NULL;
        boot[is_read ? strcspn(boot, "\n") : 0] = '\0';
        fclose(file);
    }
    if (boot[0] != '\0' && stat(path, &about) == 0) {
        snprintf(ret_name, LOCK_NAME_BYTES, "%s:%llu:%llu", boot, (unsigned long long)about.st_dev,
                 (unsigned long long)about.st_ino);
    }
}
