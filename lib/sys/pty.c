#include "sys/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { PTY_ROWS = 50 };

static error_code pty_fail(struct report *report, int number)
{
    return report_fail(report, error_from_errno(number),
                       "cannot make a terminal for its output: %s", strerror(number));
}

/* The other end of `read_fd`, or -1. */
static int pty_writer(int read_fd, uint16_t columns)
{
    struct termios raw;
    const struct winsize size = {.ws_row = PTY_ROWS, .ws_col = columns};
    if (grantpt(read_fd) != 0 || unlockpt(read_fd) != 0) {
        return -1;
    }
    int write_fd = ioctl(read_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (write_fd < 0) {
        return -1;
    }
    if (tcgetattr(write_fd, &raw) == 0) {
        cfmakeraw(&raw);
        if (tcsetattr(write_fd, TCSANOW, &raw) == 0 && ioctl(write_fd, TIOCSWINSZ, &size) == 0) {
            return write_fd;
        }
    }
    int number = errno;
    close(write_fd);
    errno = number;
    return -1;
}

error_code pty_open(uint16_t columns, int *ret_read_fd, int *ret_write_fd, struct report *report)
{
    int read_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (read_fd < 0) {
        return pty_fail(report, errno);
    }
    int write_fd = pty_writer(read_fd, columns);
    if (write_fd < 0) {
        int number = errno;
        close(read_fd);
        return pty_fail(report, number);
    }
    *ret_read_fd = read_fd;
    *ret_write_fd = write_fd;
    return OK;
}
