#include "cli/reading.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "sys/locks.h"

enum { LEAVE_MS = 10000, LOOK_MS = 10 };

static void reading_path(const char *state_dir, const char *name, char *ret_path)
{
    snprintf(ret_path, CLI_PATH_MAX + 32, "%s/run/%s.lock", state_dir, name);
}

static bool reading_lock(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

int reading_mark(const char *state_dir, bool is_reading)
{
    char path[CLI_PATH_MAX + 32];
    reading_path(state_dir, "reading", path);
    if (!is_reading) {
        unlink(path);
        return -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd >= 0) {
        ignore_error(lock_pid_write(fd, (uint32_t)getpid()),
                     "unmarked, it leaves when its head does");
    }
    return fd;
}

bool reading_is_read(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool reading_is_over(int fd)
{
    return reading_lock(fd, F_WRLCK);
}

/* The supervisor of the cluster for reading that runs; 0: none does. A mark that was left behind
 * names a process which does not hold the supervisor's lock. */
static pid_t reading_supervisor(const char *state_dir, int *ret_fd)
{
    char path[CLI_PATH_MAX + 32], text[16] = {0};
    uint32_t holder = 0;
    reading_path(state_dir, "reading", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : -1;
    reading_path(state_dir, "supervisor", path);
    bool is_there =
        n > 0 && lock_is_held(path, &holder) && holder > 0 && strtoul(text, NULL, 10) == holder;
    if (is_there && ret_fd != NULL) {
        *ret_fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    return is_there ? (pid_t)holder : 0;
}

reading_state reading_join(const char *state_dir)
{
    int fd = -1;
    if (reading_supervisor(state_dir, &fd) == 0) {
        return READING_NONE;
    }
    if (reading_lock(fd, F_RDLCK)) {
        return READING_JOINED; /* The descriptor stays open: the end of the process is the sign. */
    }
    close(fd);
    return READING_LEAVING;
}

void reading_wait(const char *state_dir)
{
    for (int waited_ms = 0; waited_ms < LEAVE_MS && reading_supervisor(state_dir, NULL) != 0;
         waited_ms += LOOK_MS) {
        usleep(LOOK_MS * 1000);
    }
}

void reading_end(const char *state_dir)
{
    pid_t supervisor = reading_supervisor(state_dir, NULL);
    if (supervisor > 0 && kill(supervisor, SIGTERM) == 0) {
        reading_wait(state_dir);
    }
}
