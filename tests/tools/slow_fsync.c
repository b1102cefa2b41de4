/* Preloaded into redis-server: every fdatasync takes SLOW_FSYNC_MS longer. On a healthy disk no
 * fsync policy ever loses anything, and a kill proves nothing. */
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd)
{
    const char *text = getenv("SLOW_FSYNC_MS");
    struct pollfd nothing = {.fd = -1};
    (void)poll(&nothing, 1, text != NULL ? atoi(text) : 0);
    return (int)syscall(SYS_fdatasync, fd);
}
