#include "connection.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int connection_error(struct connection *c, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->error, sizeof c->error, format, args);
    va_end(args);
    return code;
}

/* With something unread, or before we spoke, a closed socket is an error of its own. */
static const char *error_text(int error)
{
    return error == ECONNRESET || error == EPIPE ? "it closed the socket" : strerror(error);
}

static void connection_drop(struct connection *c, const char *why)
{
    close(c->fd);
    c->fd = -1;
    c->given_up = c->sent;
    connection_error(c, 0, "muster is gone: %s; training goes on", why);
}

static void connection_give_up(struct connection *c)
{
    c->is_silent = true;
    c->given_up = c->sent;
    connection_error(c, 0, "muster said nothing for ten seconds; training goes on");
}

/* ---- its life ---- */

bool connection_init(struct connection *c)
{
    *c = (struct connection){.fd = -1};
    c->line = malloc(LINE_MAX_BYTES + 1);
    c->input = malloc(LINE_MAX_BYTES + 1);
    if (c->line == NULL || c->input == NULL) {
        connection_fini(c);
        return false;
    }
    c->line[0] = '\0';
    return true;
}

void connection_fini(struct connection *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    free(c->line);
    free(c->input);
    *c = (struct connection){.fd = -1};
}

static int socket_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    /* connect() waits as long as the listener's queue is full. */
    struct timeval limit = {.tv_sec = MUSTER_SILENT_MS / 1000,
                            .tv_usec = MUSTER_SILENT_MS % 1000 * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

bool connection_open(struct connection *c, const char *path)
{
    c->fd = socket_connect(path);
    if (c->fd < 0) {
        connection_error(c, 0, "%.300s cannot be opened: %s; training goes on", path,
                         strerror(errno));
    }
    return c->fd >= 0;
}

/* ---- out ---- */

/* Until the socket takes more; false when muster is silent. */
static bool output_wait(struct connection *c, int64_t deadline)
{
    int64_t left = c->is_silent ? 0 : deadline - now_ms();
    struct pollfd poll_fd = {.fd = c->fd, .events = POLLOUT};
    return poll(&poll_fd, 1, left > 0 ? (int)left : 0) != 0 || left > 0;
}

bool connection_write(struct connection *c, const char *text, size_t n)
{
    int64_t deadline = -1; /* from the first time that it takes nothing */
    size_t done = 0;
    while (c->fd >= 0 && done < n) {
        ssize_t more = send(c->fd, text + done, n - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (more >= 0) {
            done += (size_t)more;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR) {
            connection_drop(c, error_text(errno));
            return false;
        }
        deadline = deadline < 0 ? now_ms() + MUSTER_SILENT_MS : deadline;
        if (!output_wait(c, deadline)) {
            if (done > 0) {
                connection_drop(c, "it does not read"); /* half a line cannot be taken back */
            } else {
                connection_give_up(c);
            }
            return false;
        }
    }
    c->sent += c->fd >= 0;
    return c->fd >= 0;
}

/* ---- in ---- */

/* One whole answer from the input; an empty line only says that muster lives. */
static bool input_line(struct connection *c)
{
    for (;;) {
        char *begin = c->input + c->taken;
        char *end = memchr(begin, '\n', c->input_bytes - c->taken);
        if (end == NULL) {
            c->input_bytes -= c->taken;
            memmove(c->input, begin, c->input_bytes);
            c->taken = 0;
            return false;
        }
        size_t n = (size_t)(end - begin);
        memcpy(c->line, begin, n);
        c->line[n] = '\0';
        c->taken += n + 1;
        if (n > 0 && ++c->answered > c->given_up) {
            return true;
        }
    }
}

/* Reads what is there; waits up to timeout_ms for the first byte. True if something came. */
static bool input_fill(struct connection *c, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = c->fd, .events = POLLIN};
    if (c->input_bytes == LINE_MAX_BYTES) {
        connection_drop(c, "it wrote a line longer than 64 KiB");
        return false;
    }
    if (timeout_ms > 0 && poll(&poll_fd, 1, timeout_ms) <= 0) {
        return false;
    }
    size_t room = LINE_MAX_BYTES - c->input_bytes;
    ssize_t n = recv(c->fd, c->input + c->input_bytes, room, MSG_DONTWAIT);
    if (n > 0) {
        c->input_bytes += (size_t)n;
        c->is_silent = false;
        return true;
    }
    if (n == 0) {
        connection_drop(c, error_text(ECONNRESET));
    } else if (errno != EAGAIN && errno != EINTR) {
        connection_drop(c, error_text(errno));
    }
    return false;
}

bool connection_read(struct connection *c, bool can_wait)
{
    int64_t deadline = -1; /* from the first time that nothing is there */
    while (c->fd >= 0 && !input_line(c)) {
        bool must_wait = can_wait && !c->is_silent;
        if (must_wait && deadline < 0) {
            deadline = now_ms() + MUSTER_SILENT_MS;
        }
        int64_t left = must_wait ? deadline - now_ms() : 0;
        if (input_fill(c, left > 0 ? (int)left : 0)) {
            deadline = -1;
        } else if (!can_wait) {
            return false;
        } else if (left <= 0 && c->fd >= 0) {
            connection_give_up(c);
            return false;
        }
    }
    return c->fd >= 0;
}

uint64_t connection_owed(const struct connection *c)
{
    uint64_t settled = c->answered > c->given_up ? c->answered : c->given_up;
    return c->sent > settled ? c->sent - settled : 0;
}

void connection_keep_last(struct connection *c)
{
    if (c->fd >= 0 && c->sent > c->answered) {
        c->given_up = c->sent - 1;
    }
}

struct json_span connection_answer(const struct connection *c)
{
    return (struct json_span){c->line, c->line + strlen(c->line)};
}
